# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What people choose about a migration, and the control plane that it starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._errors import ConfigError
from .._model.snapshot import Snapshot

__all__ = [
    "DISCOVERY",
    "IGNORE",
    "INJECT",
    "INJECTION",
    "MEMBER_OF",
    "OWNER",
    "OWNER_NAME",
    "REVISION",
    "Domain",
    "MigrationSettings",
    "Plane",
    "domains_of",
    "members_of",
    "plane_of",
]

# Labels of both generations
DISCOVERY, REVISION, INJECTION, INJECT = "istio-discovery", "istio.io/rev", "istio-injection", "sidecar.istio.io/inject"
MEMBER_OF, IGNORE = "maistra.io/member-of", "maistra.io/ignore-namespace"
OWNER, OWNER_NAME = "maistra.io/owner", "maistra.io/owner-name"


@dataclass(frozen=True)
class MigrationSettings:
    """What the new control plane is called and how it is kept. discovery: label, all, or auto (all where the old one sees all)."""

    mesh: str
    version: str
    name: str = ""
    strategy: str = "RevisionBased"
    cni_namespace: str = "istio-cni"
    discovery: str = "auto"
    tracing: str = "keep"
    tracing_host: str = ""
    tracing_port: int = 4317

    def istio(self, plane: Plane) -> str:
        """The Istio resource's name."""
        return self.name or plane.name

    def revision(self, plane: Plane) -> str:
        """The name of the IstioRevision that the operator makes."""
        name = self.istio(plane)
        return name if self.strategy == "InPlace" else f"{name}-{self.version.replace('.', '-')}"

    def label(self, plane: Plane) -> str:
        """What namespaces and pods carry as istio.io/rev: a tag where revisions come and go."""
        return self.istio(plane) if self.strategy == "InPlace" else self.mesh


@dataclass(frozen=True)
class Domain:
    """Namespaces that move together."""

    name: str
    namespaces: tuple[str, ...]


@dataclass(frozen=True)
class Plane:
    """The ServiceMeshControlPlane."""

    name: str
    namespace: str
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def ref(self) -> str:
        """As people name it."""
        return f"ServiceMeshControlPlane {self.namespace}/{self.name}"

    @property
    def cluster_wide(self) -> bool:
        """The mode; MultiTenant is the default."""
        return (self.raw.get("spec") or {}).get("mode") == "ClusterWide"


def plane_of(snapshot: Snapshot, *, name: str = "", namespace: str = "") -> Plane:
    """The one that is meant; where there are several it has to be named."""
    found = [
        obj
        for obj in snapshot.of("ServiceMeshControlPlane", group="maistra.io")
        if name in ("", obj["metadata"].get("name")) and namespace in ("", obj["metadata"].get("namespace") or "default")
    ]
    if len(found) != 1:
        wanted = "/".join(part for part in (namespace, name) if part) or "any"
        names = ", ".join(f"{obj['metadata'].get('namespace')}/{obj['metadata'].get('name')}" for obj in found) or "none"
        every = (
            ", ".join(
                sorted(
                    {
                        f"{obj['metadata'].get('namespace')}/{obj['metadata'].get('name')}"
                        for obj in snapshot.of("ServiceMeshControlPlane", group="maistra.io")
                    }
                )
            )
            or "none"
        )
        raise ConfigError(
            f"{snapshot.cluster}: ServiceMeshControlPlane {wanted}: found {names}, expected one; there are: {every}; "
            "name it with control_plane.name and control_plane.namespace"
        )
    raw = found[0]
    if not str(raw.get("apiVersion", "")).startswith("maistra.io/v2"):
        raise ConfigError(
            f"{snapshot.cluster}: ServiceMeshControlPlane {raw['metadata'].get('name')} is {raw.get('apiVersion')}, expected "
            "maistra.io/v2: a form of OpenShift Service Mesh 1 that the operator of 2 converts; read it from the cluster "
            "(oc get servicemeshcontrolplanes.v2.maistra.io -o yaml), or move to 2.6 first"
        )
    return Plane(str(raw["metadata"]["name"]), str(raw["metadata"].get("namespace") or "default"), raw)


def members_of(snapshot: Snapshot, plane: Plane) -> tuple[str, ...]:
    """Member namespaces, by the rolls' status and spec, the members, and the labels."""
    found: set[str] = set()
    for roll in snapshot.of("ServiceMeshMemberRoll", namespace=plane.namespace):
        spec, status = roll.get("spec") or {}, roll.get("status") or {}
        found |= set(status.get("configuredMembers") or status.get("members") or [one for one in spec.get("members") or [] if one != "*"])
    for member in snapshot.of("ServiceMeshMember"):
        reference = (member.get("spec") or {}).get("controlPlaneRef") or {}
        if reference.get("namespace") == plane.namespace:
            found.add(str(member["metadata"].get("namespace")))
    for space in snapshot.of("Namespace"):
        if (space["metadata"].get("labels") or {}).get(MEMBER_OF) == plane.namespace:
            found.add(str(space["metadata"]["name"]))
    return tuple(sorted(found - {plane.namespace}))


def domains_of(given: Sequence[Mapping[str, Any]], members: tuple[str, ...]) -> tuple[Domain, ...]:
    """The intent's domains; members that none of them names are a domain each, at the end."""
    made = [Domain(str(one["name"]), tuple(str(space) for space in one.get("namespaces") or ())) for one in given]
    named = {space for domain in made for space in domain.namespaces}
    strangers = sorted(named - set(members))
    if members and strangers:
        raise ConfigError(
            f"domains: {', '.join(strangers)} is no member of the mesh; members are {', '.join(members)}; correct the domain, "
            "or add the namespace to the member roll first"
        )
    return (*made, *(Domain(space, (space,)) for space in members if space not in named))
