# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Policies to tests, once: what istiod makes of them for Envoy's HTTP and TCP filter chains. ztunnel.py does it for ztunnel.

Where something cannot be translated, the direction is Istio's: a rule of ALLOW is left out (narrower), a condition of DENY, AUDIT
or CUSTOM is left out (wider), and both are findings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .attributes import TUNNELLED, Attribute, UnknownKeyError, attribute, for_field
from .facts import Facts
from .matching import Matcher, Text
from .model import TCP, ZTUNNEL, AuthorizationPolicy, Clause, Finding, Mesh, Rule
from .read import OPERATION_FIELDS, SOURCE_FIELDS

__all__ = ["Alternative", "CompiledPolicy", "CompiledRule", "LeftOutError", "Test", "compile_policy", "make_test"]


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
    findings: tuple[Finding, ...]
    enforced: bool = True  # False: this enforcer ignores the policy altogether


class LeftOutError(Exception):
    """This rule is not enforced; the text says why."""


@dataclass
class _Compiler:
    policy: AuthorizationPolicy
    protocol: str
    mesh: Mesh
    kind: str = "sidecar"
    findings: list[Finding] = field(default_factory=list)

    def trouble(self, where: str, problem: str) -> None:
        """A value or list that cannot be translated: the end of an ALLOW rule, passed over otherwise."""
        if self.policy.action == "ALLOW":
            raise LeftOutError(f"{where}: {problem}")
        self.tell(where, "dropped", f"{problem}; it is left out, so that {self.policy.action} matches more")

    def tell(self, where: str, effect: str, message: str) -> None:
        self.findings.append(Finding(f"AuthorizationPolicy {self.policy.key}", where, effect, message))

    def test(self, found: Attribute, values: Sequence[str], negated: bool, where: str) -> Alternative:
        """The compiled condition, or none if the list is empty or all of it was passed over."""
        if not values:
            return ()
        if self.kind == "waypoint" and found.name == "source.ip":
            found = TUNNELLED
        if found.http_only and self.protocol == TCP:
            self.trouble(where, "is HTTP only, and the port is TCP")
            return ()
        matchers: list[Matcher] = []
        for value in found.expand(values):
            try:
                matchers.append(found.matcher(value))
            except ValueError as exc:
                self.trouble(where, str(exc))
        return (make_test(where, found, values, negated, matchers),) if matchers else ()

    def lists(self, clause: Clause, names: Sequence[str], where: str) -> Alternative:
        tests: Alternative = ()
        for name in names:
            for written, negated in ((name, False), (f"not{name[0].upper()}{name[1:]}", True)):
                if written in clause.lists:
                    found = for_field(name, self.policy.namespace, self.mesh)
                    tests += self.test(found, clause.lists[written], negated, f"{where}.{written}")
        return tests

    def when(self, rule: Rule, where: str) -> Alternative:
        """The conditions of `when`, all of which must hold beside any source and operation."""
        tests: Alternative = ()
        for number, condition in enumerate(rule.when):
            place = f"{where}.when[{number}]"
            try:
                found = attribute(condition.key, self.policy.namespace, self.mesh)
            except UnknownKeyError as exc:
                raise LeftOutError(f"{place}: {exc}") from exc
            except ValueError as exc:
                self.trouble(place, str(exc))
                continue
            for name, values, negated in (("values", condition.values, False), ("notValues", condition.not_values, True)):
                tests += self.test(found, values, negated, f"{place}.{name}")
        return tests

    def rule(self, rule: Rule, where: str) -> tuple[tuple[Alternative, ...], ...]:
        when = self.when(rule, where)
        operations = [self.lists(it, OPERATION_FIELDS, f"{where}.to[{number}].operation") for number, it in enumerate(rule.operations)]
        sources = [self.lists(it, SOURCE_FIELDS, f"{where}.from[{number}].source") for number, it in enumerate(rule.sources)]
        return tuple(operations or [()]), tuple(sources or [()]), (when,)

    def run(self) -> CompiledPolicy:
        rules: list[CompiledRule] = []
        for index, rule in enumerate(self.policy.rules):
            try:
                parts = self.rule(rule, f"rules[{index}]")
            except LeftOutError as exc:
                self.tell(f"rules[{index}]", "ignored", f"the rule is left out, so that {self.policy.action} matches fewer requests: {exc}")
                continue
            rules.append(CompiledRule(self.policy, index, _name(self.policy, index), parts))
        return CompiledPolicy(self.policy, self.protocol, tuple(rules), tuple(self.findings))


def make_test(where: str, found: Attribute, values: Sequence[str], negated: bool, matchers: Sequence[Matcher]) -> Test:
    """A test without a matcher twice, which aliases may bring."""
    return Test(where, found.name, tuple(values), negated, tuple(dict.fromkeys(matchers)), found.values)


def _name(policy: AuthorizationPolicy, index: int) -> str:
    before = "istio-ext-authz-" if policy.action == "CUSTOM" else ""
    provider = f"{policy.provider}-" if before and policy.provider else ""  # an unnamed one leaves no trace
    return f"{before}{provider}ns[{policy.namespace}]-policy[{policy.name}]-rule[{index}]"


def compile_policy(policy: AuthorizationPolicy, protocol: str, mesh: Mesh, kind: str = "sidecar") -> CompiledPolicy:
    """The policy as an enforcer of this protocol has it; a waypoint sees less than other kinds."""
    if protocol == ZTUNNEL:
        from .ztunnel import compile_for_ztunnel

        return compile_for_ztunnel(policy, mesh)
    return _Compiler(policy, protocol, mesh, kind).run()
