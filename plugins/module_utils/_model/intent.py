# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the mesh should be, as the checks and plans take it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .view import Obj

__all__ = ["ISTIO_ONLY", "Intent"]

# The provider of a mesh that no operator runs: istioctl or Helm installed it. Only found, never asked for.
ISTIO_ONLY = "istio"


@dataclass(frozen=True)
class Intent:
    """What the mesh should be. None means not given: checks that need it are skipped and say so."""

    mesh: str | None = None
    provider: str | None = None
    control_plane: Mapping[str, Any] | None = None
    members: tuple[str, ...] | None = None
    operators: tuple[str, ...] | None = None
    personas: tuple[Mapping[str, Any], ...] | None = None
    gateways: tuple[Mapping[str, Any], ...] | None = None
    observability: tuple[str, ...] | None = None
    # What each persona may and may not do: {user, groups, verb, group, resource, namespace, allowed}.
    cells: tuple[Mapping[str, Any], ...] | None = None
    # Who may call what, row by row; in which namespaces that is all (patterns, none: everywhere); what the source does not say of the mesh.
    access: tuple[Mapping[str, Any], ...] | None = None
    access_scope: tuple[str, ...] = ()
    mesh_settings: Mapping[str, Any] | None = None
    # Sentences about requests, or maps: who asks whom, and what is to become of it.
    requests: tuple[Any, ...] | None = None
    # Where an upgrade is to go, and how: version, strategy, concurrency, per_minute, pause, waves, hours.
    upgrade: Mapping[str, Any] | None = None
    # The new control plane that a mesh of OSSM 2 goes to: istio, revision, label, mesh, selectors (None: it sees all).
    migration: Mapping[str, Any] | None = None
    # The fields that no inventory says: they were found in the source itself, so nothing there can be compared with them.
    found: frozenset[str] = frozenset()
    # Whether the provider that was found is ossm3 or sail is a guess.
    unsure: bool = False
    # Of members that were found: the namespaces whose objects are this mesh's, as its istiod reads more than those of its members.
    reads: frozenset[str] | None = None
    # Of tools that were found: the namespace of each; else that of the control plane.
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The control plane's name."""
        return str((self.control_plane or {}).get("name", ""))

    @property
    def namespace(self) -> str:
        """The control plane's namespace."""
        return str((self.control_plane or {}).get("namespace", ""))

    def owns(self, namespace: str) -> bool:
        """True for the control plane's namespace and the members; for every namespace where no members are given."""
        if self.reads is not None:
            return namespace in self.reads
        return self.members is None or namespace in self._own

    @cached_property
    def _own(self) -> frozenset[str]:
        return frozenset((self.namespace, *(self.members or ())))

    def owned(self, rows: Iterable[Obj]) -> list[Obj]:
        """Those of this mesh: another mesh of the cluster may use the same names and labels."""
        return [row for row in rows if self.owns(row.namespace)]

    @property
    def ossm2(self) -> bool:
        """True for the generation of Maistra."""
        return self.provider == "ossm2"

    @property
    def control_plane_kind(self) -> str:
        """The kind that the provider's operator reconciles."""
        return "ServiceMeshControlPlane" if self.ossm2 else "Istio"

    @property
    def by_operator(self) -> bool:
        """False for a mesh that istioctl or Helm installed: no object stands for its control plane but istiod itself."""
        return self.provider != ISTIO_ONLY

    def home(self, gateway: str) -> str:
        """Where the pods of a gateway are meant to be that nobody has seen: an inventory installs them beside the control plane. Else where
        its Gateway is, given here."""
        return self.namespace if self.namespace and "control_plane" not in self.found else gateway

    def place(self, tool: str) -> str:
        """The namespace of a tool."""
        return self.places.get(tool, self.namespace)
