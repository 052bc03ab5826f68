# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Policies as ztunnel enforces them: layer 4 only, with other strings, other gaps and other defaults than Envoy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .addresses import network_matcher, port_matcher
from .attributes import Attribute
from .compiled import Alternative, CompiledPolicy, CompiledRule, make_test
from .facts import Facts
from .matching import Matcher, Pattern, string_matcher
from .model import ZTUNNEL, AuthorizationPolicy, Clause, Mesh, PolicyFinding, Rule

__all__ = ["compile_for_ztunnel", "withheld"]

_HTTP_SOURCES = ("remoteIpBlocks", "notRemoteIpBlocks", "requestPrincipals", "notRequestPrincipals")
_HTTP_OPERATIONS = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_WHEN = ("source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port")


def _segment(value: str) -> str:
    """A namespace as an expression: stars at its ends only, and elsewhere a star is a star."""
    if value == "*":
        return "[^/]+"
    if value.startswith("*"):
        return f"[^/]*{re.escape(value[1:])}"
    return f"{re.escape(value[:-1])}[^/]*" if value.endswith("*") else re.escape(value)


def _namespace(value: str) -> Matcher:
    """An empty one is also the namespace of who has no identity at all."""
    return Pattern(f"spiffe://[^/]*/ns/{_segment(value)}/sa/[^/]*{'' if value else '|'}")


def _principal(value: str) -> Matcher:
    return string_matcher(value, "spiffe://")


def _account(namespace: str) -> Callable[[str], Matcher]:
    def matcher(value: str) -> Matcher:
        head, tail = value.split("/", 1) if "/" in value else (namespace, value)
        return Pattern(f"spiffe://[^/]*/ns/{re.escape(head)}/sa/{re.escape(tail)}")

    return matcher


def _caller(facts: Facts) -> Sequence[str]:
    """Only an identity of the usual form is one to ztunnel."""
    return ("spiffe://{}/ns/{}/sa/{}".format(*facts.identity),) if facts.identity else ()


def _caller_or_nobody(facts: Facts) -> Sequence[str]:
    return _caller(facts) or ("",)


def _attributes(namespace: str) -> dict[str, Attribute]:
    found = (
        Attribute("destination.ip", lambda facts: facts.destination_ip, network_matcher),
        Attribute("source.ip", lambda facts: facts.source_ip, network_matcher),
        Attribute("destination.port", lambda facts: facts.port, port_matcher),
        Attribute("source.serviceAccount", _caller, _account(namespace)),
        Attribute("source.principal", _caller, _principal),
        Attribute("source.namespace", _caller_or_nobody, _namespace),
    )
    return {attribute.name: attribute for attribute in found}


_LISTS = (("ipBlocks", "source.ip"), ("serviceAccounts", "source.serviceAccount"), ("principals", "source.principal"),
          ("namespaces", "source.namespace"), ("ports", "destination.port"))  # fmt: skip


def _layer7(rule: Rule, where: str) -> list[str]:
    """What of a rule only an HTTP proxy could enforce."""
    sides = (("to", rule.operations, _HTTP_OPERATIONS), ("from", rule.sources, _HTTP_SOURCES))
    found = [f"{where}.{side}[{number}].{name}" for side, clauses, names in sides for number, clause in enumerate(clauses)
             for name in names if name in clause.lists]  # fmt: skip
    return found + [f"{where}.when[{number}] ({condition.key})" for number, condition in enumerate(rule.when) if condition.key not in _WHEN]


class _ZtunnelCompiler:
    def __init__(self, policy: AuthorizationPolicy) -> None:
        self.policy, self.attributes, self.findings = policy, _attributes(policy.namespace), list[PolicyFinding]()

    def tell(self, where: str, effect: str, message: str) -> None:
        self.findings.append(PolicyFinding(f"AuthorizationPolicy {self.policy.key}", where, effect, message))

    def test(self, key: str, values: Sequence[str], negated: bool, where: str) -> Alternative:
        matchers: list[Matcher] = []
        for value in values:
            try:
                matchers.append(self.attributes[key].matcher(value))
            except ValueError as exc:
                self.tell(where, "dropped", f"{exc}; ztunnel never sees it")
        return (make_test(where, self.attributes[key], values, negated, matchers),) if matchers else ()

    def clause(self, clause: Clause, where: str) -> Alternative:
        tests: Alternative = ()
        for name, key in _LISTS:
            for written, negated in ((name, False), (f"not{name[0].upper()}{name[1:]}", True)):
                tests += self.test(key, clause.lists.get(written, ()), negated, f"{where}.{written}")
        for name in ("trustDomains", "notTrustDomains"):
            if name in clause.lists:
                self.tell(f"{where}.{name}", "dropped", f"ztunnel silently ignores {name}")
        return tests

    def rule(self, rule: Rule, where: str) -> tuple[tuple[Alternative, ...], ...] | None:
        """The rule's parts, None if ztunnel does not get the rule. An alternative without conditions is skipped, so it never matches."""
        layer7 = _layer7(rule, where)
        if layer7 and self.policy.action == "ALLOW":
            problem = f"the rule is left out, so that ALLOW matches fewer connections: ztunnel does not know {', '.join(layer7)}"
            self.tell(where, "ignored", problem)
            return None
        for place in layer7:
            self.tell(place, "dropped", "ztunnel does not know it: the rest of the rule decides, and nothing at all if nothing is left")
        parts = [[self.clause(entry, f"{where}.to[{number}].operation") for number, entry in enumerate(rule.operations)],
                 [self.clause(entry, f"{where}.from[{number}].source") for number, entry in enumerate(rule.sources)]]  # fmt: skip
        written = [part for part in parts if part]
        for number, condition in enumerate(rule.when):
            place, known = f"{where}.when[{number}]", condition.key in _WHEN
            tests = self.test(condition.key, condition.values, False, f"{place}.values") if known else ()
            tests += self.test(condition.key, condition.not_values, True, f"{place}.notValues") if known else ()
            written.append([tests])
        return tuple(tuple(found for found in part if found) for part in written)

    def run(self, enforced: bool) -> CompiledPolicy:
        rules: list[CompiledRule] = []
        for index, rule in enumerate(self.policy.rules if enforced else ()):
            parts = self.rule(rule, f"rules[{index}]")
            if parts is not None:
                rules.append(CompiledRule(self.policy, index, f"{self.policy.key} rule {index}", parts))
        return CompiledPolicy(self.policy, ZTUNNEL, tuple(rules), tuple(self.findings), enforced)


def withheld(policy: AuthorizationPolicy, mesh: Mesh) -> tuple[str, str] | None:
    """Why istiod makes nothing of a policy for ztunnel, and the place of the reason; None if it does."""
    can = mesh.abilities
    if policy.target_refs:
        return "targetRefs", "a policy with targetRefs is not for ztunnel: only a gateway or waypoint enforces it"
    if policy.action not in ("ALLOW", "DENY"):
        return "action", f"ztunnel does not support {policy.action}: it enforces nothing of this policy"
    if policy.dry_run and can.dry_run_withheld and not (mesh.ambient_dry_run and can.ztunnel_dry_run):
        return "", "ambient dry run is not enabled: ztunnel does not get this policy"
    return None


def compile_for_ztunnel(policy: AuthorizationPolicy, mesh: Mesh) -> CompiledPolicy:
    """The policy as ztunnel has it; not enforced at all if istiod does not send it."""
    compiler, reason = _ZtunnelCompiler(policy), withheld(policy, mesh)
    if reason is None and policy.bare_selector:
        reason = ("selector", "its selector has no matchLabels: istiod attaches it to no workload of ambient, and ztunnel ignores it")
    if reason:
        compiler.tell(reason[0], "ignored", reason[1])
    elif policy.dry_run and not mesh.abilities.dry_run_withheld:
        compiler.tell("", "warning", "this version of istiod sends a dry-run policy to ztunnel, which enforces it")
    return compiler.run(enforced=reason is None)
