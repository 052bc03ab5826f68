# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A policy as tests, whoever enforces it: compile.py makes them for Envoy, ztunnel.py for ztunnel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .attributes import Attribute
from .facts import Facts
from .matching import Matcher, Text
from .model import AuthorizationPolicy, PolicyFinding

__all__ = ["Alternative", "CompiledPolicy", "CompiledRule", "Test", "make_test"]


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: a list of a source, an operation or a `when`, positive or negated."""

    __test__ = False  # not a test for pytest

    where: str  # from[0].source.principals
    attribute: str  # source.principal
    values: tuple[str, ...]  # as the policy writes them
    negated: bool
    matchers: tuple[Matcher, ...]
    of: Callable[[Facts], Sequence[Any]]
    exact: frozenset[Any] = field(init=False, repr=False, compare=False)
    others: tuple[Matcher, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain = [found for found in self.matchers if isinstance(found, Text) and found.form == "exact" and not found.folded]
        object.__setattr__(self, "exact", frozenset(found.value for found in plain))
        object.__setattr__(self, "others", tuple(found for found in self.matchers if found not in plain))

    def holds(self, facts: Facts) -> bool:
        exact, others = self.exact, self.others
        for value in self.of(facts):
            if exact and value in exact:
                return not self.negated
            for matcher in others:
                if matcher.matches(value):
                    return not self.negated
        return self.negated


Alternative = tuple[Test, ...]  # all must hold; an empty one always does


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """Matches if every part has an alternative that holds; a part without alternatives never does."""

    policy: AuthorizationPolicy
    index: int
    name: str  # as Envoy names it in its answers and logs
    parts: tuple[tuple[Alternative, ...], ...]

    def matches(self, facts: Facts) -> bool:
        for part in self.parts:  # loops, not all(any(all())): this is where the time goes
            for alternative in part:
                for test in alternative:
                    if not test.holds(facts):
                        break
                else:
                    break
            else:
                return False
        return True

    def because(self, facts: Facts) -> Alternative:
        """The conditions by which it matched."""
        return tuple(test for part in self.parts
                     for test in next((found for found in part if all(test.holds(facts) for test in found)), ()))  # fmt: skip

    def failed(self, facts: Facts) -> Alternative:
        """The fewest conditions whose change would make it match; empty if it matches, or if nothing could."""
        missing: Alternative = ()
        for part in self.parts:
            choices = [tuple(test for test in found if not test.holds(facts)) for found in part]
            if not choices:
                return ()
            missing += min(choices, key=len)
        return missing


@dataclass(frozen=True)
class CompiledPolicy:
    policy: AuthorizationPolicy
    protocol: str
    rules: tuple[CompiledRule, ...]
    findings: tuple[PolicyFinding, ...]
    enforced: bool = True  # False: this enforcer ignores the policy altogether


def make_test(where: str, found: Attribute, values: Sequence[str], negated: bool, matchers: Sequence[Matcher]) -> Test:
    """A test without a matcher twice, which aliases may bring."""
    return Test(where, found.name, tuple(values), negated, tuple(dict.fromkeys(matchers)), found.values)
