# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The persona matrix: who may do what where, and who may not, written down apart from the roles that grant it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigError

__all__ = ["ANOTHER_ONE", "ROLES", "Cell", "Persona", "expected_cells"]

ROLES = ("cluster_admin", "mesh_operator", "mesh_developer", "mesh_application_viewer")
AUTHENTICATED = "system:authenticated"

_NET, _SEC, _RBAC = "networking.istio.io", "security.istio.io", "rbac.authorization.k8s.io"
_READ, _WRITE = ("get", "list", "watch"), ("create", "update", "patch", "delete")
_ALL = _READ + _WRITE

_CONFIG = (
    (_NET, "virtualservices"),
    (_NET, "destinationrules"),
    (_NET, "gateways"),
    (_SEC, "authorizationpolicies"),
    (_SEC, "peerauthentications"),
)
_ENVOY_FILTER = ((_NET, "envoyfilters"),)
_WORKLOADS = (("apps", "deployments"), ("", "services"))
_PODS, _LOGS, _SECRETS = (("", "pods"),), (("", "pods/log"),), (("", "secrets"),)
_BINDINGS = ((_RBAC, "rolebindings"),)
_SMCP = (("maistra.io", "servicemeshcontrolplanes"),)
_MEMBER = (("maistra.io", "servicemeshmembers"),)
_ISTIO, _TAG = (("sailoperator.io", "istios"),), (("sailoperator.io", "istiorevisiontags"),)
_CHANGE = ("update", "patch", "delete")
# No object of ours has this name: what may be done to it may be done to anybody's.
ANOTHER_ONE = "another-one-of-somebody-else"


@dataclass(frozen=True)
class _Row:
    """One line of the table. Where: own (its namespaces), control_plane, members, others (members that are not its own), cluster."""

    where: str
    resources: tuple[tuple[str, str], ...]
    verbs: tuple[str, ...]
    allowed: bool
    why: str
    generation: str = ""
    # Which object: none in particular, or the control_plane or the tag of this mesh, or another_one of that kind.
    named: str = ""


_TABLE: Mapping[str, tuple[_Row, ...]] = {
    "cluster_admin": (_Row("cluster", (("*", "*"),), ("*",), True, "a cluster admin has all rights"),),
    "mesh_operator": (
        _Row("control_plane", _CONFIG + _ENVOY_FILTER, _ALL, True, "a mesh operator configures the mesh"),
        _Row("control_plane", _WORKLOADS + _SECRETS, _ALL, True, "a mesh operator runs gateways and their certificates"),
        _Row("control_plane", _LOGS, ("get",), True, "a mesh operator reads the control plane's logs"),
        _Row("control_plane", _SMCP, _ALL, True, "a mesh operator owns the control plane", "ossm2"),
        _Row("cluster", _ISTIO, ("list", "create"), True, "a mesh operator owns the control plane", "ossm3"),
        _Row("cluster", _ISTIO, _CHANGE, True, "a mesh operator changes its control plane", "ossm3", "control_plane"),
        _Row("cluster", _TAG, _CHANGE, True, "a mesh operator moves the mesh's tag", "ossm3", "tag"),
        _Row("cluster", _ISTIO + _TAG, _CHANGE, False, "it belongs to another mesh", "ossm3", "another_one"),
        _Row("members", _CONFIG + _ENVOY_FILTER, _ALL, True, "a mesh operator changes any Istio configuration"),
        _Row("members", _WORKLOADS + _PODS, _READ, True, "a mesh operator sees all workloads"),
        _Row("members", _LOGS, ("get",), True, "a mesh operator reads the logs of all workloads"),
        _Row("members", _WORKLOADS, _WRITE, False, "workloads belong to the domains"),
        _Row("members", _SECRETS, ("get", "list"), False, "secrets of the domains stay with them"),
        _Row("control_plane", _BINDINGS, ("create",), False, "only a cluster admin gives rights away"),
    ),
    "mesh_developer": (
        _Row("own", _CONFIG, _ALL, True, "a mesh developer defines Istio configuration of the domain"),
        _Row("own", _WORKLOADS, _ALL, True, "a mesh developer runs the domain's workloads"),
        _Row("own", _LOGS, ("get",), True, "a mesh developer reads the domain's logs"),
        _Row("own", _MEMBER, _ALL, True, "a mesh developer brings its namespaces into the mesh", "ossm2"),
        _Row("own", _ENVOY_FILTER, _WRITE, False, "only a mesh operator writes EnvoyFilters"),
        _Row("own", _BINDINGS, ("create",), False, "only a cluster admin gives rights away"),
        _Row("control_plane", _PODS, _READ, True, "a mesh developer uses the observability stack"),
        _Row("control_plane", _SMCP, ("use",), True, "a member may refer to its control plane", "ossm2"),
        _Row("control_plane", _CONFIG + _ENVOY_FILTER + _WORKLOADS, _WRITE, False, "nothing is written where the control plane runs"),
        _Row("control_plane", _SMCP, _WRITE, False, "only a mesh operator changes the control plane", "ossm2"),
        _Row("control_plane", _SECRETS, ("get", "list"), False, "the mesh's keys are there"),
        _Row("cluster", _ISTIO, _WRITE, False, "only a mesh operator changes the control plane", "ossm3"),
        _Row("cluster", _ISTIO, _CHANGE, False, "only a mesh operator changes the control plane", "ossm3", "control_plane"),
        _Row("others", _CONFIG + _ENVOY_FILTER + _WORKLOADS, _WRITE, False, "this namespace belongs to another domain"),
    ),
    "mesh_application_viewer": (
        _Row("own", _CONFIG + _WORKLOADS + _PODS, _READ, True, "a viewer sees configuration and workloads of the domain"),
        _Row("own", _CONFIG + _ENVOY_FILTER, _WRITE, False, "a viewer changes no Istio object"),
        _Row("own", _WORKLOADS, _WRITE, False, "a viewer changes no workload"),
        _Row("own", _LOGS, ("get",), False, "a viewer reads no log"),
        _Row("own", _SECRETS, ("get", "list"), False, "a viewer reads no secret"),
        _Row("control_plane", _PODS, _READ, True, "a viewer uses the observability stack"),
        _Row("control_plane", _CONFIG + _ENVOY_FILTER, _WRITE, False, "a viewer changes no Istio object"),
        _Row("control_plane", _LOGS, ("get",), False, "a viewer reads no log"),
        _Row("control_plane", _SECRETS, ("get", "list"), False, "the mesh's keys are there"),
        _Row("cluster", _ISTIO, _WRITE, False, "only a mesh operator changes the control plane", "ossm3"),
        _Row("cluster", _ISTIO, _CHANGE, False, "only a mesh operator changes the control plane", "ossm3", "control_plane"),
        _Row("others", _CONFIG, ("get", *_WRITE), False, "this namespace belongs to another domain"),
    ),
}


@dataclass(frozen=True)
class Persona:
    """A user or group with a role, as the inventory names it."""

    name: str
    kind: str
    role: str
    namespaces: tuple[str, ...] = ()
    member_of: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Persona:
        """Read one entry of mesh_personas."""
        name, kind, role = str(data.get("name") or ""), str(data.get("kind") or "User"), str(data.get("role") or "")
        if not name:
            raise ConfigError(f"mesh_personas has an entry without a name: {dict(data)}; give it the name of a user or group")
        if kind not in ("User", "Group"):
            raise ConfigError(f"persona {name} has the kind {kind}, expected User or Group; correct it in mesh_personas")
        if role not in ROLES:
            raise ConfigError(
                f"persona {name} has the role {role or '(none)'}, expected one of {', '.join(ROLES)}; correct it in mesh_personas"
            )
        return cls(name, kind, role, tuple(data.get("namespaces") or ()), tuple(data.get("groups") or ()))

    @property
    def user(self) -> str:
        """The user name of a review; empty for a group."""
        return self.name if self.kind == "User" else ""

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of a review; the API server adds none by itself."""
        return (*((self.name,) if self.kind == "Group" else ()), *self.member_of, AUTHENTICATED)


@dataclass(frozen=True)
class Cell:
    """One question to the API server's authorizer, with the answer that it should give."""

    persona: str
    user: str
    groups: tuple[str, ...]
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    allowed: bool
    why: str
    # Of one object; empty for all of the kind.
    name: str = ""

    @property
    def what(self) -> tuple[str, ...]:
        """What is asked, without by whom."""
        return (self.verb, self.group, self.resource, self.subresource, self.namespace, self.name)

    @property
    def question(self) -> tuple[str, ...]:
        """Everything but the answer."""
        return (self.user, *self.groups, *self.what)

    def to_dict(self) -> dict[str, Any]:
        """As data for a module's result or a snapshot."""
        return {**vars(self), "groups": list(self.groups)}


@dataclass(frozen=True)
class _Places:
    control_plane: str
    members: tuple[str, ...]
    names: Mapping[str, str]

    def of(self, where: str, persona: Persona, held: frozenset[str]) -> Iterable[str]:
        """Namespaces of a row; the empty one stands for the whole cluster."""
        if where == "cluster":
            return ("",)
        if where == "control_plane":
            return (self.control_plane,)
        if where == "members":
            return self.members
        if where == "own":
            return persona.namespaces
        return tuple(name for name in self.members if name not in held)


def expected_cells(
    personas: Sequence[Mapping[str, Any]],
    control_plane_namespace: str,
    member_namespaces: Sequence[str],
    provider: str,
    *,
    control_plane: str = "",
    mesh: str = "",
) -> list[Cell]:
    """All cells of the matrix. Who has two personas has the rights of both: an allowed cell outweighs a forbidden one.
    Cells of an object by name are left out where that name is not given."""
    people = [Persona.from_dict(entry) for entry in personas]
    generation = "ossm2" if provider == "ossm2" else "ossm3"
    names = {"": "", "control_plane": control_plane, "tag": mesh, "another_one": ANOTHER_ONE}
    places = _Places(control_plane_namespace, tuple(dict.fromkeys(member_namespaces)), names)
    cells: dict[tuple[str, ...], Cell] = {}
    for persona in people:
        held = frozenset(name for other in people if _shares(persona, other) for name in other.namespaces)
        for cell in _cells_of(persona, places, held, generation):
            there = cells.get(cell.question)
            if there is None or (cell.allowed and not there.allowed):
                cells[cell.question] = cell
    granted = _granted_by_groups(people, cells.values())
    return [cell for cell in cells.values() if cell.allowed or not _is_granted(cell, granted)]


def _shares(persona: Persona, other: Persona) -> bool:
    return (persona.kind, persona.name) == (other.kind, other.name) or (other.kind == "Group" and other.name in persona.member_of)


def _cells_of(persona: Persona, places: _Places, held: frozenset[str], generation: str) -> Iterator[Cell]:
    for row in _TABLE[persona.role]:
        name = places.names[row.named]
        if row.generation not in ("", generation) or (row.named and not name):
            continue
        for namespace in places.of(row.where, persona, held):
            for group, path in row.resources:
                resource, _slash, subresource = path.partition("/")
                for verb in row.verbs:
                    what = (verb, group, resource, subresource, namespace)
                    yield Cell(persona.role, persona.user, persona.groups, *what, row.allowed, row.why, name)


def _granted_by_groups(people: Sequence[Persona], cells: Iterable[Cell]) -> dict[str, set[tuple[str, ...]]]:
    """What each subject is expected to be allowed, keyed by its name; '*' marks a cluster admin."""
    granted: dict[str, set[tuple[str, ...]]] = {}
    for cell in cells:
        if cell.allowed:
            subject = cell.user or cell.groups[0]
            granted.setdefault(subject, set()).add(cell.what)
    for persona in people:
        if persona.role == "cluster_admin":
            granted.setdefault(persona.name, set()).add(("*",))
    return granted


def _is_granted(cell: Cell, granted: Mapping[str, set[tuple[str, ...]]]) -> bool:
    """A forbidden cell that another persona of the same people allows is no claim any more."""
    return any(("*",) in granted.get(name, ()) or cell.what in granted.get(name, ()) for name in (cell.user, *cell.groups) if name)
