# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""AuthorizationPolicy objects to policies, and all that Istio's admission, its versions or its readers make of them on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .attachment import REVISION
from .model import ACTIONS, AuthorizationPolicy, Clause, PolicyFinding, Rule, TargetRef, WhenCondition
from .versions import Abilities

__all__ = ["BOOLEANS", "DRY_RUN", "OPERATION_FIELDS", "SOURCE_FIELDS", "Reader", "is_authorization_policy", "read_policies", "read_policy"]

SOURCE_FIELDS = ("principals", "requestPrincipals", "serviceAccounts", "trustDomains", "namespaces", "remoteIpBlocks", "ipBlocks")
OPERATION_FIELDS = ("hosts", "methods", "paths", "ports")
_SPEC = {"selector", "targetRef", "targetRefs", "rules", "action", "provider"}
_GROUP = "security.istio.io"
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
BOOLEANS = _TRUE | {"0", "f", "F", "FALSE", "false", "False"}
DRY_RUN = "istio.io/dry-run"


class _UnreadableError(ValueError):
    """The object cannot be decoded: neither the API server nor istiod would take it."""


def _not(name: str) -> str:
    return "not" + name[0].upper() + name[1:]


@dataclass
class Reader:
    """Reads one object; what is found on the way is kept in `findings`."""

    resource: str
    can: Abilities
    findings: list[PolicyFinding] = field(default_factory=list)

    def tell(self, where: str, effect: str, message: str) -> None:
        self.findings.append(PolicyFinding(self.resource, where, effect, message))

    def mapping(self, value: Any, where: str) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise _UnreadableError(f"{where} is {type(value).__name__}, expected a mapping")
        return value

    def items(self, value: Any, where: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise _UnreadableError(f"{where} is {type(value).__name__}, expected a list")
        return value

    def numbered(self, value: Mapping[str, Any], name: str, where: str = "") -> list[tuple[str, Any]]:
        """The entries of a list, each with its place."""
        place = f"{where}.{name}" if where else name
        return [(f"{place}[{number}]", entry) for number, entry in enumerate(self.items(value.get(name), place))]

    def text(self, value: Any, where: str) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _UnreadableError(f"{where} is {value!r}, expected a string (quote it)")
        return value

    def strings(self, value: Any, where: str) -> tuple[str, ...]:
        found = self.items(value, where)
        for number, entry in enumerate(found):
            if not isinstance(entry, str):
                raise _UnreadableError(f"{where}[{number}] is {entry!r}, expected a string (quote it)")
        return tuple(found)

    def known(self, value: Mapping[str, Any], names: Iterable[str], where: str) -> None:
        for name in value:
            if name not in names:
                place = f"{where}.{name}" if where else str(name)
                self.tell(place, "dropped", f"unknown field {name!r}: Istio drops it, and what is left decides")

    def clause(self, entry: Any, inner: str, names: tuple[str, ...], where: str) -> Clause:
        outer = self.mapping(entry, where)
        self.known(outer, (inner,), where)
        where = f"{where}.{inner}"
        value = self.mapping(outer.get(inner), where)
        fields = [name for plain in names for name in (plain, _not(plain))]
        self.known(value, fields, where)
        lists = {name: self.strings(value.get(name), f"{where}.{name}") for name in fields}
        for plain, present in (("serviceAccounts", self.can.service_accounts), ("trustDomains", self.can.trust_domains)):
            for name in (plain, _not(plain)):
                if not present and lists.pop(name, ()):
                    problem = f"{name} does not exist in this version of Istio: it is dropped, and what is left decides"
                    self.tell(f"{where}.{name}", "dropped", problem)
        return Clause({name: values for name, values in lists.items() if values})

    def rule(self, value: Any, where: str) -> Rule:
        rule = self.mapping(value, where)
        self.known(rule, ("from", "to", "when"), where)
        sources = [self.clause(entry, "source", SOURCE_FIELDS, place) for place, entry in self.numbered(rule, "from", where)]
        operations = [self.clause(entry, "operation", OPERATION_FIELDS, place) for place, entry in self.numbered(rule, "to", where)]
        when = [self.condition(entry, place) for place, entry in self.numbered(rule, "when", where)]
        return Rule(tuple(sources), tuple(operations), tuple(when))

    def condition(self, entry: Any, where: str) -> WhenCondition:
        value = self.mapping(entry, where)
        self.known(value, ("key", "values", "notValues"), where)
        values, not_values = (self.strings(value.get(name), f"{where}.{name}") for name in ("values", "notValues"))
        return WhenCondition(self.text(value.get("key"), f"{where}.key"), values, not_values)

    def target(self, value: Any, where: str) -> TargetRef:
        ref = self.mapping(value, where)
        self.known(ref, ("group", "kind", "name", "namespace"), where)
        return TargetRef(*(self.text(ref.get(name), f"{where}.{name}") for name in ("group", "kind", "name", "namespace")))

    def targets(self, spec: Mapping[str, Any]) -> tuple[TargetRef, ...]:
        refs = [self.target(entry, place) for place, entry in self.numbered(spec, "targetRefs")]
        if not refs and spec.get("targetRef") is not None:
            refs = [self.target(spec["targetRef"], "targetRef")]
        if refs and not self.can.target_refs:
            self.tell("targetRefs", "dropped", "targetRefs do not exist in this version of Istio: the policy covers its whole namespace")
            return ()
        return tuple(refs)

    def label(self, metadata: Mapping[str, Any], name: str) -> str:
        return self.text(self.mapping(metadata.get("labels"), "metadata.labels").get(name), f"metadata.labels[{name}]")

    def action(self, spec: Mapping[str, Any]) -> str:
        value = spec.get("action")
        if value is None:
            return "ALLOW"
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(ACTIONS):
            return ACTIONS[value]
        if value not in ACTIONS:
            raise _UnreadableError(f"action is {value!r}, expected one of {', '.join(ACTIONS)}")
        return str(value)

    def dry_run(self, value: Any) -> bool:
        if value is not None and value not in BOOLEANS:
            self.tell(f"annotation {DRY_RUN}", "warning", f"{value!r} is no boolean: the policy is enforced, not in dry run")
        return value in _TRUE

    def selector(self, spec: Mapping[str, Any]) -> Mapping[str, str] | None:
        if spec.get("selector") is None:
            return None
        selector = self.mapping(spec["selector"], "selector")
        self.known(selector, ("matchLabels",), "selector")
        labels = self.mapping(selector.get("matchLabels"), "selector.matchLabels")
        return {str(key): self.text(value, f"selector.matchLabels[{key}]") for key, value in labels.items()}

    def policy(self, obj: Mapping[str, Any]) -> AuthorizationPolicy:
        metadata, spec = self.mapping(obj.get("metadata"), "metadata"), self.mapping(obj.get("spec"), "spec")
        self.known(spec, _SPEC, "")
        dry_run = self.mapping(metadata.get("annotations"), "metadata.annotations").get(DRY_RUN)
        provider = None if spec.get("provider") is None else self.mapping(spec["provider"], "provider")
        rules = [self.rule(entry, place) for place, entry in self.numbered(spec, "rules")]
        return AuthorizationPolicy(
            namespace=self.text(metadata.get("namespace"), "metadata.namespace") or "default",
            name=self.text(metadata.get("name"), "metadata.name"),
            action=self.action(spec),
            rules=tuple(rules),
            selector=self.selector(spec),
            bare_selector=spec.get("selector") is not None and spec["selector"].get("matchLabels") is None,
            target_refs=self.targets(spec),
            provider=None if provider is None else self.text(provider.get("name"), "provider.name"),
            dry_run=self.dry_run(dry_run),
            dry_run_text=dry_run,
            revision=self.label(metadata, REVISION),
        )


def is_authorization_policy(obj: Mapping[str, Any]) -> bool:
    """An AuthorizationPolicy of any of Istio's API versions."""
    return obj.get("kind") == "AuthorizationPolicy" and str(obj.get("apiVersion", "")).partition("/")[0] == _GROUP


def read_policy(obj: Mapping[str, Any], can: Abilities) -> tuple[AuthorizationPolicy | None, list[PolicyFinding]]:
    """The policy as istiod would hold it, None if nobody can read it; and what was dropped or refused on the way."""
    metadata = obj.get("metadata")
    names = metadata if isinstance(metadata, Mapping) else {}
    reader = Reader(f"AuthorizationPolicy {names.get('namespace', 'default')}/{names.get('name', '')}", can)
    try:
        return reader.policy(obj), reader.findings
    except _UnreadableError as exc:
        reader.tell("", "unreadable", f"{exc}; the API server refuses it, and no policy is enforced")
        return None, reader.findings


def read_policies(objects: Iterable[Mapping[str, Any]], can: Abilities) -> tuple[list[AuthorizationPolicy], list[PolicyFinding]]:
    """All policies among objects; what else is there is passed over."""
    policies: list[AuthorizationPolicy] = []
    findings: list[PolicyFinding] = []
    for obj in objects:
        if is_authorization_policy(obj):
            policy, found = read_policy(obj, can)
            findings += found
            policies += [policy] if policy else []
    return policies, findings
