# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What was found out about the meshes of a source, each fact with the object that says it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._model.view import Obj

__all__ = [
    "UNKNOWN",
    "DiscoveredGateway",
    "DiscoveredMember",
    "DiscoveredMesh",
    "DiscoveredOperator",
    "DiscoveredRevision",
    "DiscoveredTool",
    "Discovery",
    "Fact",
]


@dataclass(frozen=True)
class Fact:
    """A value, and what says so: `Kind namespace/name`, or a few words where it is Istio's own default. Both empty: not known."""

    value: str = ""
    source: str = ""
    guessed: bool = False  # nothing says it outright

    def __bool__(self) -> bool:
        return bool(self.value)


UNKNOWN = Fact()


@dataclass(frozen=True)
class DiscoveredRevision:
    """One istiod of a mesh. `deployment`: empty where the source does not have it, as in a folder of manifests."""

    name: str
    version: Fact = UNKNOWN
    deployment: str = ""


@dataclass(frozen=True)
class DiscoveredMember:
    """A namespace of a mesh. `by`: label, roll, ambient, or pods, where only pods have asked for a proxy."""

    namespace: str
    by: str
    source: str


@dataclass(frozen=True)
class DiscoveredGateway:
    """A workload that is a gateway. `role`: ingress, egress, east-west, waypoint, or gateway where nothing says which."""

    kind: str
    namespace: str
    name: str
    role: str

    @property
    def ref(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class DiscoveredOperator:
    """An operator that OLM installs: what its Subscription says."""

    package: str
    namespace: str
    subscription: str
    channel: str
    approval: str
    catalog: str
    catalog_namespace: str
    installed_csv: str

    @property
    def ref(self) -> str:
        return f"Subscription {self.namespace}/{self.subscription}"


@dataclass(frozen=True)
class DiscoveredTool:
    """What watches a mesh: kiali, jaeger, tempo, opentelemetry, prometheus or grafana, with the namespace that it is in."""

    name: str
    namespace: str
    source: str


@dataclass(frozen=True)
class DiscoveredMesh:
    """One mesh: one Istio or ServiceMeshControlPlane, or the istiods of one namespace that no operator made."""

    provider: Fact  # ossm2, ossm3, sail; istio where istioctl or Helm installed it
    name: str  # of the Istio or ServiceMeshControlPlane; else of the revision that is active
    namespace: str
    source: str  # the object that stands for the control plane
    version: Fact = UNKNOWN
    active_revision: Fact = UNKNOWN
    revisions: tuple[DiscoveredRevision, ...] = ()
    root_namespace: Fact = UNKNOWN
    trust_domain: Fact = UNKNOWN
    members: tuple[DiscoveredMember, ...] = ()
    gateways: tuple[DiscoveredGateway, ...] = ()
    operators: tuple[DiscoveredOperator, ...] = ()
    tools: tuple[DiscoveredTool, ...] = ()
    ambient: Fact = UNKNOWN  # what says that it has one
    remote: Fact = UNKNOWN  # what says that its istiod runs elsewhere
    resource: Obj | None = field(default=None, compare=False, repr=False)  # the Istio or ServiceMeshControlPlane, where there is one
    # The namespaces whose Istio objects its istiod reads: all of the source but other meshes' and what its discovery selectors leave out.
    reads: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """How people name it."""
        return f"{self.namespace}/{self.name}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Those of its members, in order."""
        return tuple(row.namespace for row in self.members)

    @property
    def control_plane(self) -> dict[str, str]:
        """As the intent has it."""
        return {"name": self.name, "namespace": self.namespace}


@dataclass(frozen=True)
class Discovery:
    """All meshes of a source, in the order of their names; what could not be found out, and why."""

    meshes: tuple[DiscoveredMesh, ...] = ()
    notes: tuple[str, ...] = ()
