# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What Istio's admission refuses in an AuthorizationPolicy, and what it only warns of: its webhook's rules and its schema's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .._text import counted
from .addresses import network_matcher, port_matcher
from .model import AuthorizationPolicy, Clause, PolicyFinding, Rule, WhenCondition
from .read import BOOLEANS, DRY_RUN
from .versions import Abilities

__all__ = ["validate"]

_LITERAL = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+")  # what a path template may have between its operators
_TARGETS = {("gateway.networking.k8s.io", "Gateway"), ("gateway.networking.k8s.io", "GatewayClass"), ("", "Service"), ("core", "Service"),
            ("networking.istio.io", "ServiceEntry")}  # fmt: skip
_KEYED = re.compile(r"[^\[]+\[.+\]", re.DOTALL)  # name[key]
_IDENTITIES = ("principals", "requestPrincipals", "serviceAccounts", "trustDomains", "namespaces")
_IDENTITY_KEYS = ("source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal")
_REPLACED = {"destination.namespace": "metadata.namespace", "destination.name": "a selector", "destination.user": "a selector"}
_TCP_SOURCES = ("principals", "serviceAccounts", "namespaces", "remoteIpBlocks", "ipBlocks")
_MOST_RULES, _MOST_TARGETS, _MOST_ACCOUNTS, _LONGEST_ACCOUNT = 512, 16, 16, 320
_Check = Callable[[str], None]


def _forms(names: Sequence[str]) -> list[str]:
    return [form for name in names for form in (name, f"not{name[0].upper()}{name[1:]}")]


def _account(value: str) -> None:
    namespace, slash, account = value.partition("/")
    if "*" in value or value.count("/") > 1 or not (account if slash else value) or not namespace:
        raise ValueError(f"{value!r} is not a service account; write sa or namespace/sa, without a star")
    if len(value) > _LONGEST_ACCOUNT:
        raise ValueError(f"{value[:20]!r}... is longer than {_LONGEST_ACCOUNT} characters")


def _wildcard(value: str) -> None:
    if value.count("*") > 1 or ("*" in value and not value.startswith("*") and not value.endswith("*")):
        raise ValueError(f"{value!r} has a star that is neither its first nor its last character")


def _trust_domain(value: str) -> None:
    _wildcard(value)
    if "/" in value:
        raise ValueError(f"trust domain {value!r} has a slash")


def _template(value: str) -> None:
    template, last = "{*}" in value or "{**}" in value, False
    for segment in value.strip("/").split("/"):
        if segment in ("{*}", "{**}"):
            if last:
                raise ValueError(f"path {value!r}: {{**}} must be the last operator")
            last = segment == "{**}"
        elif "{" in segment or "}" in segment or (template and not _LITERAL.fullmatch(segment)):
            raise ValueError(f"path {value!r}: segment {segment!r} is neither {{*}}, {{**}} nor plain text")


def _network(value: str) -> None:
    network_matcher(value)


def _port(value: str) -> None:
    port_matcher(value)


_VALUES: dict[str, _Check] = {
    "serviceAccounts": _account, "trustDomains": _trust_domain, "ipBlocks": _network, "remoteIpBlocks": _network,
    "ports": _port}  # fmt: skip
_KEYS: dict[str, _Check] = {
    "source.serviceAccount": _account, "source.trustDomain": _wildcard, "source.ip": _network, "remote.ip": _network,
    "destination.ip": _network, "destination.port": _port}  # fmt: skip
_FREE = ("source.namespace", "source.principal", "request.auth.principal", "request.auth.audiences", "request.auth.presenter",
         "connection.sni")  # fmt: skip
_MAPS = ("request.headers", "request.auth.claims", "experimental.envoy.filters.")


@dataclass(frozen=True)
class _Validator:
    policy: AuthorizationPolicy
    can: Abilities

    def refused(self, where: str, message: str) -> PolicyFinding:
        return PolicyFinding(f"AuthorizationPolicy {self.policy.key}", where, "rejected", message)

    def warned(self, where: str, message: str) -> PolicyFinding:
        return PolicyFinding(f"AuthorizationPolicy {self.policy.key}", where, "warning", message)

    def values(self, values: Sequence[str], check: _Check | None, where: str) -> Iterator[PolicyFinding]:
        for value in values:
            if not value:
                yield self.refused(where, "an empty value")
            elif check:
                try:
                    check(value)
                except ValueError as exc:
                    yield self.refused(where, str(exc))

    def clause(self, clause: Clause, where: str) -> Iterator[PolicyFinding]:
        if not clause.lists:
            yield self.refused(where, "it is empty; were it stored, it would mean anyone or anything")
        for name, values in clause.lists.items():
            plain = name[3].lower() + name[4:] if name.startswith("not") else name
            check = _template if plain == "paths" and self.can.path_templates else _VALUES.get(plain)
            yield from self.values(values, check, f"{where}.{name}")
            if plain == "serviceAccounts" and len(values) > _MOST_ACCOUNTS:
                yield self.refused(f"{where}.{name}", f"{counted(len(values), 'value')}, at most {_MOST_ACCOUNTS} are allowed")
            if self.policy.action == "CUSTOM" and plain in _IDENTITIES:
                yield self.refused(f"{where}.{name}", "CUSTOM cannot ask for an identity: it is decided before there is one")
        if any(name in clause.lists for name in _forms(("serviceAccounts",))):
            mixed = [name for name in _forms(("principals", "namespaces")) if name in clause.lists]
            if mixed:
                yield self.refused(where, f"serviceAccounts may not stand beside {', '.join(mixed)}")

    def condition(self, condition: WhenCondition, where: str) -> Iterator[PolicyFinding]:
        key = condition.key
        if not key:
            yield self.refused(where, "it has no key")
        elif not condition.values and not condition.not_values:
            yield self.refused(where, "it has neither values nor notValues")
        elif key in _KEYS or key in _FREE:
            for values in (condition.values, condition.not_values):
                yield from self.values(values, _KEYS.get(key), where)
        elif key.startswith(_MAPS):
            if not _KEYED.fullmatch(key):
                yield self.refused(where, f"key {key!r} is not of the form name[key]")
            yield from self.values(condition.values + condition.not_values, None, where)
        else:
            instead = "the selector" if key.startswith("destination.labels") else _REPLACED.get(key)
            yield self.refused(where, f"key {key!r} is unknown" + (f"; use {instead}" if instead else ""))
        if self.policy.action == "CUSTOM" and (key in _IDENTITY_KEYS or key.startswith("request.auth.")):
            yield self.refused(where, f"CUSTOM cannot ask for {key}: it is decided before there is an identity")

    def rule(self, rule: Rule, where: str) -> Iterator[PolicyFinding]:
        for number, clause in enumerate(rule.sources):
            yield from self.clause(clause, f"{where}.from[{number}].source")
        for number, clause in enumerate(rule.operations):
            yield from self.clause(clause, f"{where}.to[{number}].operation")
        for number, condition in enumerate(rule.when):
            yield from self.condition(condition, f"{where}.when[{number}]")
        tcp_from = any(name in clause.lists for clause in rule.sources for name in _forms(_TCP_SOURCES))
        tcp_to = any(name in clause.lists for clause in rule.operations for name in ("ports", "notPorts"))
        wide = not tcp_to if rule.operations else bool(rule.sources) and not tcp_from
        if self.policy.action == "DENY" and wide:
            yield self.warned(where, "only HTTP conditions: on TCP ports this denies everything; name the ports")

    def shape(self) -> Iterator[PolicyFinding]:
        policy = self.policy
        if policy.selector is not None and policy.target_refs:
            yield self.refused("", "it has both a selector and targetRefs; only one may be set")
        for key, value in (policy.selector or {}).items():
            if not key or "*" in key + value:
                yield self.refused("selector", f"{key}={value}: an empty key or a star is not supported")
        if policy.selector is not None and not policy.selector:
            yield self.warned("selector", "a selector without labels covers every workload")
        for ref in policy.target_refs:
            if (ref.group, ref.kind) not in _TARGETS:
                yield self.refused("targetRefs", f"{ref.group}/{ref.kind} is not a kind that a policy can be attached to")
            if ref.namespace or not ref.name:
                yield self.refused("targetRefs", f"{ref.kind} needs a name and may not have a namespace")
        for name, found, most in (("rules", policy.rules, _MOST_RULES), ("targetRefs", policy.target_refs, _MOST_TARGETS)):
            if len(found) > most:
                yield self.refused(name, f"{counted(len(found), 'entry', 'entries')}, at most {most} are allowed")

    def run(self) -> Iterator[PolicyFinding]:
        policy = self.policy
        yield from self.shape()
        if policy.action in ("DENY", "CUSTOM") and not policy.rules:
            yield self.refused("rules", f"{policy.action} without rules never matches; write rules: [{{}}] to match everything")
        if policy.action == "CUSTOM" and policy.rules and not policy.provider:
            yield self.refused("provider", "CUSTOM needs provider.name")
        if policy.action != "CUSTOM" and policy.provider is not None:
            yield self.refused("provider", f"{policy.action} may not have a provider")
        if policy.dry_run_text is not None and policy.action not in ("ALLOW", "DENY"):
            yield self.refused(f"annotation {DRY_RUN}", f"{policy.action} has no dry run")
        elif policy.dry_run_text is not None and policy.dry_run_text not in BOOLEANS:
            yield self.refused(f"annotation {DRY_RUN}", f"{policy.dry_run_text!r} is no boolean")
        for number, rule in enumerate(policy.rules):
            where = f"rules[{number}]"
            for side, clauses in (("from", rule.sources), ("to", rule.operations)):
                if len(clauses) > _MOST_RULES:
                    yield self.refused(f"{where}.{side}", f"{counted(len(clauses), 'entry', 'entries')}, at most {_MOST_RULES} are allowed")
            yield from self.rule(rule, where)


def validate(policy: AuthorizationPolicy, can: Abilities) -> list[PolicyFinding]:
    """What admission says; a policy with a `rejected` finding never reaches a cluster whose webhook is up."""
    return list(_Validator(policy, can).run())
