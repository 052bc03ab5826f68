# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What of the table a login lacks: the questions, and the answer for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._text import shortened
from .render import by_namespace
from .right import Right, Scope

__all__ = ["EVERYTHING", "Question", "lines", "questions", "to_rows"]

_FEW = 6


@dataclass(frozen=True)
class Question:
    """One SelfSubjectAccessReview."""

    right: Right
    verb: str
    namespace: str = ""
    name: str = ""

    def attributes(self) -> dict[str, str]:
        """resourceAttributes of the review."""
        plural, _slash, sub = self.right.plural.partition("/")
        found = {
            "verb": self.verb,
            "group": self.right.group,
            "resource": plural,
            "subresource": sub,
            "namespace": self.namespace,
            "name": self.name,
        }
        return {key: value for key, value in found.items() if value}


# Who may do everything need not be asked for each part of it.
EVERYTHING: Mapping[str, str] = {"verb": "*", "group": "*", "resource": "*"}


def questions(rights: Iterable[Right], scope: Scope) -> list[Question]:
    """All of them: each verb, in each place."""
    return [
        Question(right, verb, namespace, name)
        for namespace, rows in by_namespace(rights, scope).items()
        for right in rows
        for verb in right.verbs
        for name in right.names or ("",)
    ]


def lines(refused: Iterable[Question]) -> list[str]:
    """One line for each right that is missing, with its places and its reason."""
    rows: dict[Right, list[Question]] = {}
    for question in refused:
        rows.setdefault(question.right, []).append(question)
    found = []
    for right, asked in rows.items():
        verbs = [verb for verb in right.verbs if any(one.verb == verb for one in asked)]
        places = sorted({one.namespace for one in asked} - {""})
        where = f"in {shortened(places, _FEW)}" if places else "in the whole cluster"
        which = f" ({shortened(sorted({one.name for one in asked}), _FEW)})" if right.names else ""
        found.append(f"{', '.join(verbs)} {right.resource}{which} {where}: {right.why}")
    return found


def to_rows(rights: Iterable[Right]) -> list[dict[str, Any]]:
    """The rights as a module returns them."""
    return [
        {"resource": one.resource, "verbs": list(one.verbs), "where": one.where.name.lower(), "names": list(one.names), "why": one.why}
        for one in rights
    ]
