# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The verdict: the policies of a workload, in Istio's order, with what decided and, for a refusal by default, the nearest miss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .attachment import attaches
from .compile import compile_policy
from .compiled import CompiledPolicy, CompiledRule, Test
from .facts import Facts, view
from .model import HTTP, TCP, ZTUNNEL, AuthorizationPolicy, Mesh, PolicyFinding, PolicyTarget, Request

__all__ = ["Near", "PolicyChain", "PolicySet", "Verdict"]


@dataclass(frozen=True, slots=True)
class Near:
    """The ALLOW rule that came nearest, and the conditions on which it failed."""

    rule: CompiledRule
    failed: tuple[Test, ...]

    def __str__(self) -> str:
        return f"the nearest rule, {_where(self.rule)}, failed on {' and '.join(_condition(test) for test in self.failed)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`by`: CUSTOM, DENY, ALLOW; `no policy` or `default`, when no rule decided. `asks`: providers whose answer is not known."""

    allowed: bool
    by: str
    rule: CompiledRule | None = None
    because: tuple[Test, ...] = ()
    nearest: Near | None = None
    asks: tuple[str, ...] = ()
    note: str = ""

    @property
    def policy(self) -> str | None:
        """namespace/name of the deciding policy."""
        return self.rule.policy.key if self.rule else None

    def __str__(self) -> str:
        word = "allowed" if self.allowed else "denied"
        text = f"{word} by {self.by}"
        if self.rule:
            text = f"{word} by {self.by} {_where(self.rule)}"
            text += f": {'; '.join(_condition(test) for test in self.because)}" if self.because else ": it matches every request"
        elif self.by == "default":
            text = "denied: no ALLOW policy of the workload matches"
            text += f"; {self.nearest}" if self.nearest else ", and none of its rules ever can"
        elif self.by == "no policy":
            text = "allowed: the workload has no ALLOW policy, and no other policy denies"
        text += f"; {self.note}" if self.note else ""
        return text + (f"; if {' and '.join(self.asks)} agrees" if self.asks and self.allowed else "")


def _where(rule: CompiledRule) -> str:
    return f"{rule.policy.key} rules[{rule.index}]"


def _condition(test: Test) -> str:
    values = ", ".join(test.values[:5]) + (", ..." if len(test.values) > 5 else "")
    key = f" ({test.attribute})" if test.attribute not in test.where else ""
    return f"{test.where.partition('.')[2]}{key} [{values}]"


@dataclass(frozen=True)
class _Custom:
    """One provider's rules at a workload. `denies`: what matches is refused without asking."""

    provider: str
    answer: bool | None
    rules: tuple[CompiledRule, ...]
    denies: str = ""  # the reason


@dataclass(frozen=True)
class PolicyChain:
    """Everything that an enforcer holds for the workloads with these policies, and one protocol. Made by PolicySet.chain."""

    kind: str  # of the workloads: sidecar, gateway, waypoint, ztunnel
    protocol: str
    mesh: Mesh
    policies: tuple[AuthorizationPolicy, ...]
    custom: tuple[_Custom, ...]
    deny: tuple[CompiledRule, ...]
    allow: tuple[CompiledRule, ...]
    has_allow: bool
    audit: tuple[CompiledRule, ...]
    dry_run: tuple[CompiledRule, ...]

    def facts(self, request: Request) -> Facts:
        return view(request, self.kind, self.protocol, self.mesh)

    def allows(self, facts: Facts) -> bool:
        """The verdict alone, for many requests. An unknown provider's answer counts as yes."""
        early = self.early(facts)
        for step in self.custom:
            if (step.denies or step.answer is False) and any(rule.matches(early) for rule in step.rules):
                return False
        if any(rule.matches(facts) for rule in self.deny):
            return False
        return not self.has_allow or any(rule.matches(facts) for rule in self.allow)

    def early(self, facts: Facts) -> Facts:
        """The facts when CUSTOM is asked: no token has been looked at yet."""
        return replace(facts, claims=None) if self.custom else facts

    def decide_custom(self, facts: Facts) -> Verdict:
        """The answer of CUSTOM alone, which comes before tokens are looked at."""
        asks: tuple[str, ...] = ()
        early = self.early(facts)
        for step in self.custom:
            rule = next((rule for rule in step.rules if rule.matches(early)), None)
            if rule and (step.denies or step.answer is False):
                note = step.denies or f"provider {step.provider} denies"
                return Verdict(False, "CUSTOM", rule, rule.because(early), None, asks, note)
            asks += (step.provider,) if rule and step.answer is None else ()
        return Verdict(True, "no policy", asks=asks)

    def decide(self, facts: Facts) -> Verdict:
        """The verdict, explained."""
        asks: tuple[str, ...] = ()
        if self.custom:
            custom = self.decide_custom(facts)
            if not custom.allowed:
                return custom
            asks = custom.asks
        for rule in self.deny:
            if rule.matches(facts):
                return Verdict(False, "DENY", rule, rule.because(facts), None, asks)
        if not self.has_allow:
            return Verdict(True, "no policy", asks=asks)
        for rule in self.allow:
            if rule.matches(facts):
                return Verdict(True, "ALLOW", rule, rule.because(facts), None, asks)
        return Verdict(False, "default", nearest=self.nearest(facts), asks=asks)

    def nearest(self, facts: Facts) -> Near | None:
        """Of the ALLOW rules that do not match, the one with the fewest failed conditions."""
        best: Near | None = None
        for rule in self.allow:
            failed = rule.failed(facts)
            if failed and (best is None or len(failed) < len(best.failed)):
                best = Near(rule, failed)
        return best

    def request(self, request: Request) -> Verdict:
        """The verdict on a request, explained."""
        return self.decide(self.facts(request))

    def noted(self, facts: Facts) -> tuple[CompiledRule, ...]:
        """AUDIT and dry-run rules that match: they change nothing, but they are logged."""
        return tuple(rule for rule in (*self.audit, *self.dry_run) if rule.matches(facts))


def _sorted(rules: Iterable[CompiledRule]) -> tuple[CompiledRule, ...]:
    """Envoy tries rules in the order of their names."""
    return tuple(sorted(rules, key=lambda rule: rule.name))


def _custom(policies: Sequence[CompiledPolicy], protocol: str, mesh: Mesh) -> tuple[_Custom, ...]:
    names = sorted({found.policy.provider or "" for found in policies})
    steps: list[_Custom] = []
    for name in names:
        own = [found for found in policies if (found.policy.provider or "") == name]
        enforced = _sorted(rule for found in own if not found.policy.dry_run for rule in found.rules)
        dry = _sorted(rule for found in own if found.policy.dry_run for rule in found.rules)
        provider = mesh.providers.get(name)
        if len(names) > 1 and not mesh.multiple_custom_providers:
            steps.append(_Custom(name, None, enforced, f"a workload may have one provider only, and it has {', '.join(names)}"))
        elif provider is None:
            steps.append(_Custom(name, None, enforced, f"provider {name!r} is not in MeshConfig.extensionProviders"))
        elif protocol != TCP or provider.protocol != "http":  # an HTTP provider is not asked about TCP
            if mesh.abilities.custom_dry_run_denies:
                steps.append(_Custom(name, None, dry, "a CUSTOM policy in dry run is enforced as DENY"))
            steps.append(_Custom(name, provider.answer, enforced))
    return tuple(steps)


class PolicySet:
    """The policies of a mesh, each compiled once, and the chains of workloads, each put together once."""

    def __init__(self, policies: Iterable[AuthorizationPolicy], mesh: Mesh) -> None:
        self.mesh = mesh
        self.policies = tuple(policies)
        self._by_namespace: dict[str, list[AuthorizationPolicy]] = {}
        for policy in self.policies:
            self._by_namespace.setdefault(policy.namespace, []).append(policy)
        self._compiled: dict[tuple[int, str, bool], CompiledPolicy] = {}
        self._chains: dict[tuple[object, ...], PolicyChain] = {}

    def compiled(self, policy: AuthorizationPolicy, protocol: str, kind: str = "sidecar") -> CompiledPolicy:
        key = (id(policy), protocol, kind == "waypoint")
        if key not in self._compiled:
            self._compiled[key] = compile_policy(policy, protocol, self.mesh, kind)
        return self._compiled[key]

    def attached(self, workload: PolicyTarget) -> tuple[AuthorizationPolicy, ...]:
        """The policies that this workload enforces, or ztunnel for it."""
        service = (workload.service.namespace,) if workload.service else ()
        namespaces = dict.fromkeys((self.mesh.root_namespace, workload.namespace, *service))
        found = (policy for namespace in namespaces for policy in self._by_namespace.get(namespace, ()))
        return tuple(policy for policy in found if attaches(policy, workload, self.mesh))

    def chain(self, workload: PolicyTarget, protocol: str = HTTP) -> PolicyChain:
        """What decides for this workload; ztunnel has one protocol of its own, whatever the port speaks."""
        protocol = ZTUNNEL if workload.kind == "ztunnel" else protocol
        attached = self.attached(workload)
        key = (protocol, workload.kind, *(id(policy) for policy in attached))
        if key not in self._chains:
            self._chains[key] = self._chain(workload.kind, protocol, attached)
        return self._chains[key]

    def _chain(self, kind: str, protocol: str, attached: Sequence[AuthorizationPolicy]) -> PolicyChain:
        compiled = [found for found in (self.compiled(policy, protocol, kind) for policy in attached) if found.enforced]
        sent = protocol == ZTUNNEL and not self.mesh.abilities.dry_run_withheld
        live = [found for found in compiled if not found.policy.dry_run or sent]
        of = {action: [found for found in live if found.policy.action == action] for action in ("ALLOW", "DENY", "AUDIT")}
        rules = {action: _sorted(rule for found in policies for rule in found.rules) for action, policies in of.items()}
        dry = _sorted(rule for found in compiled if found not in live and found.policy.action != "CUSTOM" for rule in found.rules)
        custom = _custom([found for found in compiled if found.policy.action == "CUSTOM"], protocol, self.mesh)
        deny, allow, audit = rules["DENY"], rules["ALLOW"], rules["AUDIT"]
        return PolicyChain(kind, protocol, self.mesh, tuple(attached), custom, deny, allow, bool(of["ALLOW"]), audit, dry)

    def findings(self, workload: PolicyTarget, protocol: str = HTTP) -> list[PolicyFinding]:
        """What was left out or dropped in the translation for this workload."""
        protocol = ZTUNNEL if workload.kind == "ztunnel" else protocol
        return [finding for policy in self.attached(workload) for finding in self.compiled(policy, protocol, workload.kind).findings]
