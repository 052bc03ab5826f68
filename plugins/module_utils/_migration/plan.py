# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The plan of a migration: fields, objects, and how far each domain is. Everything is read from the source; nothing is remembered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.malformed import readable
from .._model.snapshot import Snapshot
from .._text import joined
from .convert import Converted, convert
from .objects import FINAL, LAYERS, Layers, layers_of
from .settings import Domain, MigrationSettings, Plane, domains_of, members_of, plane_of
from .state import DomainState, domain_state, plane_state

__all__ = ["MigrationPlan", "plan_migration"]


@dataclass(frozen=True)
class MigrationPlan:
    """All that migration_plan returns but the checks."""

    cluster: str
    plane: Plane
    settings: MigrationSettings
    members: tuple[str, ...]
    domains: tuple[Domain, ...]
    converted: Converted
    layers: Layers
    states: tuple[DomainState, ...]
    stage: str

    @property
    def counts(self) -> dict[str, int]:
        """Fields by what became of them."""
        found = Counter(row.outcome.value for row in self.converted.rows)
        return {name: found.get(name, 0) for name in ("mapped", "elsewhere", "gone", "unknown")}

    def to_dict(self) -> dict[str, Any]:
        """The module's answer."""
        settings, plane = self.settings, self.plane
        return {
            "control_plane": {
                "name": plane.name,
                "namespace": plane.namespace,
                "mode": "ClusterWide" if plane.cluster_wide else "MultiTenant",
            },
            "istio": {
                "name": settings.istio(plane),
                "revision": settings.revision(plane),
                "label": settings.label(plane),
                "version": settings.version,
            },
            "fields": [row.to_dict() for row in self.converted.rows],
            "counts": self.counts,
            "objects": self.layers,
            "layers": [name for name in (*LAYERS, *FINAL) if self.layers.get(name)],
            "members": list(self.members),
            "domains": [state.to_dict() for state in self.states],
            "stage": self.stage,
            "text": self.text(),
        }

    def text(self) -> str:
        """For people."""
        settings, plane = self.settings, self.plane
        counts = self.counts
        lines = [
            f"{self.cluster}: {plane.ref} to Istio {settings.istio(plane)} {settings.version} (revision {settings.revision(plane)}, "
            f"label istio.io/rev={settings.label(plane)}); {self.stage}",
            f"fields: {counts['mapped']} mapped, {counts['elsewhere']} now elsewhere, {counts['gone']} no longer exist, "
            f"{counts['unknown']} unknown",
        ]
        left = [row for row in self.converted.rows if row.todo]
        lines += [f"  {row.path}{' (implied)' if row.implied else ''}: {row.todo}" for row in left]
        for name in (*LAYERS, *FINAL):
            kinds = Counter(obj["kind"] for obj in self.layers.get(name) or [])
            if kinds:
                lines.append(f"{name:<24} {', '.join(f'{number} {kind}' for kind, number in sorted(kinds.items()))}")
        lines += [f"domain {state.name}: {state.said}" for state in self.states]
        return joined(lines)


def plan_migration(
    snapshot: Snapshot, settings: MigrationSettings, *, name: str = "", namespace: str = "", domains: list[Mapping[str, Any]] | None = None
) -> MigrationPlan:
    """From one look at the source."""
    return readable(snapshot.cluster, lambda: _plan(snapshot, settings, name, namespace, list(domains or [])))


def _plan(snapshot: Snapshot, settings: MigrationSettings, name: str, namespace: str, domains: list[Mapping[str, Any]]) -> MigrationPlan:
    plane = plane_of(snapshot, name=name, namespace=namespace)
    converted = convert(plane.raw)
    members = members_of(snapshot, plane)
    wanted = domains_of(domains, members)
    everybody = members or tuple(space for domain in wanted for space in domain.namespaces)
    layers = layers_of(snapshot, plane, converted, settings, everybody)
    states = tuple(domain_state(snapshot, plane, settings, domain) for domain in wanted)
    return MigrationPlan(
        snapshot.cluster, plane, settings, everybody, wanted, converted, layers, states, plane_state(snapshot, plane, settings)
    )
