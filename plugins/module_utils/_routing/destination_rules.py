# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""DestinationRules as istiod merges and finds them, with its peculiarities.

After pilot/pkg/model/destination_rule.go, push_context.go and pilot/pkg/networking/util."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._model.fields import name_of, namespace_of, section, sections, texts
from .._model.selectors import matches_labels
from .hosts import is_wild, most_specific, resolved
from .model import RoutedService, RoutingMesh
from .registry import created_at, export_set, number_of

__all__ = ["DestinationRules", "MergedRule", "merged_policy", "policy_of_port", "rule_for", "tls_mode_of_port"]

_PARTS = ("connectionPool", "outlierDetection", "loadBalancer", "tls")
_EXTRAS = ("tunnel", "proxyProtocol", "retryBudget")


@dataclass(eq=False)
class MergedRule:
    """One rule, or several of one host and namespace that became one. export: exportTo as it is written."""

    namespace: str
    export: frozenset[str]
    selector: Mapping[str, str] | None  # labels of the callers that it is for
    policy: Mapping[str, Any] | None
    subsets: list[Mapping[str, Any]]
    refs: list[str] = field(default_factory=list)

    def subset(self, name: str) -> Mapping[str, Any] | None:
        return next((one for one in self.subsets if one.get("name") == name), None)

    @property
    def traffic_policy(self) -> Mapping[str, Any]:
        return self.policy or {}


class _Rules:
    """The rules of one namespace, by host."""

    def __init__(self) -> None:
        self.exact: dict[str, list[MergedRule]] = {}
        self.wild: dict[str, list[MergedRule]] = {}

    def find(self, host: str) -> list[MergedRule] | None:
        return most_specific(host, self.exact, self.wild)

    def merge(self, host: str, rule: MergedRule) -> None:
        kept = (self.wild if is_wild(host) else self.exact).setdefault(host, [])
        separate = True
        for existing in kept:
            if rule.export == existing.export:
                separate = False
            else:
                separate = True
                if not existing.export or not rule.export >= existing.export:
                    continue
            if existing.selector is not None and rule.selector is not None:
                if existing.selector != rule.selector:
                    separate = True
                    continue
                separate = False
            elif existing.selector is None and rule.selector is None:
                separate = False
            names = {one.get("name") for one in existing.subsets}
            existing.subsets = [*existing.subsets, *(one for one in rule.subsets if one.get("name") not in names)]
            existing.policy = existing.policy if existing.policy is not None else rule.policy
            existing.refs = [*existing.refs, *rule.refs]
        if separate:
            kept.append(rule)


class DestinationRules:
    """All of a mesh, by namespace: what counts in it, and what of it counts elsewhere."""

    def __init__(self, objects: Iterable[Mapping[str, Any]], mesh: RoutingMesh) -> None:
        self._root = mesh.root_namespace
        self._local: dict[str, _Rules] = {}
        self._exported: dict[str, _Rules] = {}
        self._root_only = _Rules()
        default_private = "." in mesh.default_export("defaultDestinationRuleExportTo")

        def order(obj: Mapping[str, Any]) -> tuple[bool, str, str, str]:
            return section(obj, "spec").get("workloadSelector") is None, created_at(obj), name_of(obj), namespace_of(obj)

        for obj in sorted(objects, key=order):
            spec, namespace = section(obj, "spec"), namespace_of(obj)
            host = resolved(str(spec.get("host") or ""), namespace, mesh.end)
            selected = spec.get("workloadSelector")
            export = frozenset(".") if selected is not None else export_set(obj)
            own = {".", namespace}
            if not export or "*" in export or export & own:
                self._local.setdefault(namespace, _Rules()).merge(host, self._rule(obj, export))
            if (not export and default_private) or (len(export) == 1 and export <= own):
                if namespace == self._root:
                    self._root_only.merge(host, self._rule(obj, export))
            else:
                self._exported.setdefault(namespace, _Rules()).merge(host, self._rule(obj, export))

    @staticmethod
    def _rule(obj: Mapping[str, Any], export: frozenset[str]) -> MergedRule:
        spec, namespace = section(obj, "spec"), namespace_of(obj)
        selected, policy = spec.get("workloadSelector"), spec.get("trafficPolicy")
        return MergedRule(
            namespace, export, texts(section(selected).get("matchLabels")) if selected is not None else None,
            policy if isinstance(policy, Mapping) else None, sections(spec.get("subsets")), [f"DestinationRule {namespace}/{name_of(obj)}"],
        )  # fmt: skip

    def counting(self, caller: str, service: RoutedService) -> list[MergedRule]:
        """Those of the one namespace that decides for a service, called from a namespace."""
        local = self._local.get(caller) if caller != self._root else self._root_only
        found = local.find(service.hostname) if local else None
        if found is not None:
            return found
        for namespace in (service.namespace, self._root):
            rules = self._exported.get(namespace)
            there = rules.find(service.hostname) if rules else None
            visible = [one for one in there or () if not one.export or "*" in one.export or caller in one.export]
            if visible:
                return visible
        return []


def rule_for(rules: Iterable[MergedRule], namespace: str, labels: Mapping[str, str]) -> MergedRule | None:
    """The one that counts for a caller with these labels: the first whose selector selects it, else the last without one."""
    general = None
    for rule in rules:
        if rule.selector is None:
            general = rule
        elif rule.namespace == namespace and matches_labels(rule.selector, labels):
            return rule
    return general


def _of_port(policy: Mapping[str, Any] | None, port: int) -> tuple[Mapping[str, Any] | None, bool]:
    for one in sections((policy or {}).get("portLevelSettings")):
        if number_of(section(one, "port").get("number")) == port:
            return {name: value for name, value in one.items() if name != "port"}, True
    return policy, False


def policy_of_port(policy: Mapping[str, Any] | None, port: int) -> Mapping[str, Any] | None:
    """The policy for a port: what portLevelSettings says of it replaces the whole."""
    return _of_port(policy, port)[0]


def merged_policy(original: Mapping[str, Any] | None, subset: Mapping[str, Any] | None, port: int) -> Mapping[str, Any] | None:
    """The policy of a subset over that of its host, field by field."""
    original = policy_of_port(original, port)
    if subset is None:
        return original
    subset, of_port = _of_port(subset, port)
    if original is None or subset is None:
        return subset
    found = dict(original)
    for name in _PARTS:
        if subset.get(name) is not None or of_port:
            found[name] = subset.get(name)
    for name in _EXTRAS:
        if subset.get(name) is not None:
            found[name] = subset[name]
    return found


def _tls_mode(policy: Mapping[str, Any] | None, port: int) -> str | None:
    if policy is None:
        return None
    own = [
        one
        for one in sections(policy.get("portLevelSettings"))
        if number_of(section(one, "port").get("number")) == port and one.get("tls") is not None
    ]
    tls = own[0].get("tls") if own else policy.get("tls")
    return None if tls is None else str(section(tls).get("mode") or "DISABLE")


def tls_mode_of_port(rule: MergedRule | None, subset: str, port: int) -> str | None:
    """The TLS mode by which endpoints are marked, which is not always the one that the cluster uses; None where no rule says one."""
    if rule is None:
        return None
    if not subset:
        return _tls_mode(rule.policy, port)
    found = rule.subset(subset)
    if found is None:
        return None
    policy = found.get("trafficPolicy")
    mode = _tls_mode(policy if isinstance(policy, Mapping) else None, port)
    return mode if mode is not None else _tls_mode(rule.policy, port)
