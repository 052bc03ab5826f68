# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which binding and which role grant a request, by Kubernetes' own RBAC rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .matrix import Cell

__all__ = ["Grant", "Rbac", "explain"]


@dataclass(frozen=True)
class Grant:
    """A chain from a subject over a binding to the role that has the rule."""

    binding: str
    role: str
    subject: str
    aggregated_from: tuple[str, ...] = ()

    def __str__(self) -> str:
        source = f" (aggregated from {', '.join(self.aggregated_from)})" if self.aggregated_from else ""
        return f"{self.binding} -> {self.role}{source} by {self.subject}"


@dataclass(frozen=True)
class _Rule:
    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> _Rule:
        def words(key: str) -> frozenset[str]:
            return frozenset(data.get(key) or ())

        return cls(words("verbs"), words("apiGroups"), words("resources"), words("resourceNames"))

    def allows(self, cell: Cell) -> bool:
        """A rule with resourceNames answers a question about one of these names only."""
        path = f"{cell.resource}/{cell.subresource}" if cell.subresource else cell.resource
        wanted = {"*", path} | ({f"*/{cell.subresource}"} if cell.subresource else set())
        named = not self.names or cell.name in self.names
        return bool(named and self.verbs & {"*", cell.verb} and self.groups & {"*", cell.group} and self.resources & wanted)


@dataclass(frozen=True)
class _Role:
    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    rules: tuple[_Rule, ...]
    selectors: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> _Role:
        meta = data["metadata"]
        rules = tuple(_Rule.from_dict(rule) for rule in data.get("rules") or ())
        selectors = tuple((data.get("aggregationRule") or {}).get("clusterRoleSelectors") or ())
        return cls(data["kind"], meta.get("namespace") or "", meta["name"], meta.get("labels") or {}, rules, selectors)

    def allows(self, cell: Cell) -> bool:
        return any(rule.allows(cell) for rule in self.rules)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class _Binding:
    kind: str
    namespace: str
    name: str
    role: tuple[str, str]
    subjects: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> _Binding:
        meta, ref = data["metadata"], data["roleRef"]
        return cls(data["kind"], meta.get("namespace") or "", meta["name"], (ref["kind"], ref["name"]), tuple(data.get("subjects") or ()))

    def subject_of(self, cell: Cell) -> str:
        """The subject that stands for the asking one; empty when none does."""
        for subject in self.subjects:
            kind, name = subject.get("kind"), subject.get("name")
            if kind == "User" and name == cell.user and name:
                return f"user {name}"
            if kind == "Group" and name in cell.groups:
                return f"group {name}"
            home = subject.get("namespace") or self.namespace
            if kind == "ServiceAccount" and cell.user == f"system:serviceaccount:{home}:{name}":
                return f"service account {home}/{name}"
        return ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Rbac:
    """All roles and bindings of a cluster, parsed once."""

    roles: Mapping[tuple[str, str, str], _Role] = field(default_factory=dict)
    bindings: tuple[_Binding, ...] = ()

    @classmethod
    def from_objects(cls, objects: Iterable[Mapping[str, Any]]) -> Rbac:
        """Other kinds are passed over."""
        roles: dict[tuple[str, str, str], _Role] = {}
        bindings = []
        for obj in objects:
            if obj.get("kind") in ("Role", "ClusterRole"):
                role = _Role.from_dict(obj)
                roles[(role.kind, role.namespace, role.name)] = role
            elif obj.get("kind") in ("RoleBinding", "ClusterRoleBinding"):
                bindings.append(_Binding.from_dict(obj))
        return cls(roles, tuple(bindings))

    def role_of(self, binding: _Binding) -> _Role | None:
        """A binding may point to a role that is not there: it grants nothing."""
        kind, name = binding.role
        return self.roles.get((kind, binding.namespace if kind == "Role" else "", name))

    def sources(self, role: _Role, seen: frozenset[str] = frozenset()) -> Iterator[_Role]:
        """Cluster roles whose rules are gathered into this one, from the first to the last hand."""
        for other in self.roles.values():
            if other.kind != "ClusterRole" or other.name == role.name or other.name in seen:
                continue
            if any(_selects(selector, other.labels) for selector in role.selectors):
                yield other
                if other.selectors:
                    yield from self.sources(other, seen | {role.name, other.name})


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(item, labels) for item in selector.get("matchExpressions") or ())


def _expression(item: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = item["key"], item["operator"], item.get("values") or ()
    if operator in ("Exists", "DoesNotExist"):
        return (key in labels) is (operator == "Exists")
    return (labels.get(key) in values) is (operator == "In")


def explain(rbac: Rbac, cell: Cell) -> list[Grant]:
    """Every chain that grants the cell; none means that RBAC does not grant it."""
    if "system:masters" in cell.groups:
        return [Grant("the API server itself", "all rights", "group system:masters")]
    grants = []
    for binding in rbac.bindings:
        if binding.kind == "RoleBinding" and (not cell.namespace or binding.namespace != cell.namespace):
            continue
        subject = binding.subject_of(cell)
        role = rbac.role_of(binding) if subject else None
        if role is None:
            continue
        sources: Sequence[str] = [source.name for source in rbac.sources(role) if not source.selectors and source.allows(cell)]
        if role.allows(cell) or sources:
            grants.append(Grant(str(binding), str(role), subject, tuple(dict.fromkeys(sources))))
    return grants
