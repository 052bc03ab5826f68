# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Label selectors as the API server matches them. An unknown operator matches nothing: a check then says what it misses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

__all__ = ["ByLabel", "matches", "matches_labels"]


Thing = TypeVar("Thing")


class ByLabel(Generic[Thing]):
    """Things found by the labels that they have, without a look at all the others; in the order in which they were given."""

    def __init__(self, things: Iterable[tuple[Thing, Mapping[str, str]]]) -> None:
        self._things = list(things)
        self._having: dict[tuple[str, str], list[int]] = {}
        for number, (_thing, labels) in enumerate(self._things):
            for pair in labels.items():
                self._having.setdefault(pair, []).append(number)

    def matching(self, wanted: Mapping[str, str]) -> list[Thing]:
        """Those that have every pair of `wanted`, as `matches_labels` has it."""
        return list(self._matching(wanted))

    def any(self, wanted: Mapping[str, str]) -> bool:
        """Is there one?"""
        return next((True for _thing in self._matching(wanted)), False)

    def _matching(self, wanted: Mapping[str, str]) -> Iterator[Thing]:
        told = [pair for pair in wanted.items() if isinstance(pair[1], str)]  # nobody has checked what a selector wants
        fewest = min((self._having.get(pair, []) for pair in told), key=len) if told else range(len(self._things))
        for number in fewest:
            thing, labels = self._things[number]
            if matches_labels(wanted, labels):
                yield thing


def matches_labels(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """True if `labels` has every pair of `wanted`; an empty `wanted` matches everything."""
    return all(labels.get(key) == value for key, value in wanted.items())


def _matches_expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator = expression.get("key", ""), expression.get("operator", "")
    values = expression.get("values") or []
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":  # an absent label is not in any list
        return labels.get(key) not in values if key in labels else True
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    return False


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """A selector with matchLabels and matchExpressions, all of which must hold; none and an empty one match everything."""
    if not selector:
        return True
    if not matches_labels(selector.get("matchLabels") or {}, labels):
        return False
    return all(_matches_expression(expression, labels) for expression in selector.get("matchExpressions") or [])
