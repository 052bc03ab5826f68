# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Policies to tests, once: what istiod makes of them for Envoy's HTTP and TCP filter chains. ztunnel.py does it for ztunnel.

Where something cannot be translated, the direction is Istio's: a rule of ALLOW is left out (narrower), a condition of DENY, AUDIT
or CUSTOM is left out (wider), and both are findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .attributes import TUNNELLED, Attribute, UnknownKeyError, attribute, for_field
from .compiled import Alternative, CompiledPolicy, CompiledRule, make_test
from .matching import Matcher
from .model import TCP, ZTUNNEL, AuthorizationPolicy, Clause, Mesh, PolicyFinding, Rule
from .read import OPERATION_FIELDS, SOURCE_FIELDS
from .ztunnel import compile_for_ztunnel

__all__ = ["LeftOutError", "compile_policy"]


class LeftOutError(Exception):
    """This rule is not enforced; the text says why."""


@dataclass
class _EnvoyCompiler:
    policy: AuthorizationPolicy
    protocol: str
    mesh: Mesh
    kind: str = "sidecar"
    findings: list[PolicyFinding] = field(default_factory=list)

    def trouble(self, where: str, problem: str) -> None:
        """A value or list that cannot be translated: the end of an ALLOW rule, passed over otherwise."""
        if self.policy.action == "ALLOW":
            raise LeftOutError(f"{where}: {problem}")
        self.tell(where, "dropped", f"{problem}; it is left out, so that {self.policy.action} matches more")

    def tell(self, where: str, effect: str, message: str) -> None:
        self.findings.append(PolicyFinding(f"AuthorizationPolicy {self.policy.key}", where, effect, message))

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


def _name(policy: AuthorizationPolicy, index: int) -> str:
    before = "istio-ext-authz-" if policy.action == "CUSTOM" else ""
    provider = f"{policy.provider}-" if before and policy.provider else ""  # an unnamed one leaves no trace
    return f"{before}{provider}ns[{policy.namespace}]-policy[{policy.name}]-rule[{index}]"


def compile_policy(policy: AuthorizationPolicy, protocol: str, mesh: Mesh, kind: str = "sidecar") -> CompiledPolicy:
    """The policy as an enforcer of this protocol has it; a waypoint sees less than other kinds."""
    if protocol == ZTUNNEL:
        return compile_for_ztunnel(policy, mesh)
    return _EnvoyCompiler(policy, protocol, mesh, kind).run()
