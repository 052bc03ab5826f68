# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Who is there: the mesh's settings, the workloads that requests go to, and the identities that they come from, out of any objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .._model.fields import namespace_of, section
from .._model.problem import Problem
from .._model.selectors import ByLabel
from .meshes import meshes_of
from .model import Mesh, PolicyTarget
from .places import Workload, places_of
from .planes import by_control_plane

__all__ = ["MeshInventory", "Workload", "take"]


@dataclass(frozen=True)
class MeshInventory:
    mesh: Mesh
    places: tuple[Workload, ...]
    objects: tuple[Mapping[str, Any], ...]  # of the security API
    assumptions: tuple[str, ...] = ()
    meshes: tuple[Mesh, ...] = ()  # of every istiod
    broken: tuple[Problem, ...] = ()  # settings that cannot be read
    tags: Mapping[str, str] = field(default_factory=dict)  # of revisions
    pods: int = 0
    seen: int = 0  # objects
    unjudged: tuple[str, ...] = ()  # what else was seen, and is left out

    @cached_property
    def _near(self) -> Mapping[str, tuple[Workload, ...]]:
        found: dict[str, list[Workload]] = {}
        for place in self.places:
            found.setdefault(place.namespace, []).append(place)
        return {namespace: tuple(places) for namespace, places in found.items()}

    def near(self, namespace: str) -> tuple[Workload, ...]:
        """The places of a namespace."""
        return self._near.get(namespace, ())

    @cached_property
    def _concerned(self) -> Mapping[str, tuple[Workload, ...]]:
        found: dict[str, list[Workload]] = {}
        for place in self.places:
            for namespace in place.concerned:
                found.setdefault(namespace, []).append(place)
        return {namespace: tuple(places) for namespace, places in found.items()}

    def concerned(self, namespace: str) -> tuple[Workload, ...]:
        """The places that objects of a namespace may be for, where it is not the root namespace."""
        return self._concerned.get(namespace, ())

    @cached_property
    def _labelled(self) -> ByLabel[Workload]:
        return ByLabel((place, place.workload.labels) for place in self.places)

    def labelled(self, selector: Mapping[str, str]) -> list[Workload]:
        """The places of all namespaces that have these labels."""
        return self._labelled.matching(selector)

    def identity(self, place: Workload) -> str | None:
        """spiffe://..., None for one without a proxy."""
        if place.outside or place.assumed:
            return None
        return f"spiffe://{self.meshes_of(place)[0].trust_domain}/ns/{place.namespace}/sa/{place.account}"

    def meshes_of(self, place: Workload) -> tuple[Mesh, ...]:
        """The settings that count for a workload: those of each istiod that its proxies ask."""
        return tuple(mesh for mesh in self.meshes if mesh.control_plane in place.control_planes) or (self.mesh,)


def _assumed(objects: Iterable[Mapping[str, Any]], places: Iterable[Workload], root: str) -> Iterator[Workload]:
    """Where a namespace has policies and no workload in the source: one for each selector that is of no workload elsewhere, and one for
    all others."""
    known = ByLabel((place, place.workload.labels) for place in places)
    inhabited = {place.namespace for place in known.matching({})}
    selectors: dict[str, dict[str, dict[str, str]]] = {}
    for obj in objects:
        namespace = namespace_of(obj)
        if namespace not in inhabited and not section(obj, "spec").get("targetRefs") and not section(obj, "spec").get("targetRef"):
            labels = {str(key): str(value) for key, value in section(obj, "spec", "selector", "matchLabels").items()}
            name = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
            elsewhere = labels and known.any(labels)
            if not elsewhere and (name or namespace != root):
                selectors.setdefault(namespace, {})[name or "any other workload"] = labels
    for namespace, found in selectors.items():
        for name, labels in {"any other workload": {}, **found}.items():
            kind = "gateway" if str(labels.get("istio", "")).endswith("gateway") else "sidecar"
            yield Workload(f"({name})", PolicyTarget(namespace, labels, kind), assumed=True)


def take(
    objects: Iterable[Mapping[str, Any]], given: Mapping[str, Any] | None = None, *, assume: bool = True, home: str = ""
) -> MeshInventory:
    """The inventory of any set of objects; `given` are settings of the mesh that go before what the objects say. `assume`: they may be a
    part of what there is, so that a workload which only a policy speaks of may exist; never for a cluster or a snapshot. `home`: the
    namespace of the control plane that is asked about."""
    kept = [obj for obj in objects if isinstance(obj, Mapping)]
    meshes = meshes_of(kept, given, home)
    mesh, assumptions = meshes.main, meshes.assumptions
    found = places_of(kept, mesh, assume=assume)
    every = list(found.places)
    security = tuple(obj for obj in kept if str(obj.get("apiVersion", "")).startswith("security.istio.io/"))
    guessed = list(_assumed(security, every, mesh.root_namespace)) if assume else []
    if guessed:
        assumptions += (
            f"no workloads of {', '.join(sorted({place.namespace for place in guessed}))} in the source: "
            "one is assumed for each selector of a policy",
        )
    if found.guessed:
        assumptions += (f"every workload of {', '.join(found.guessed)} has a sidecar: the source has no such Namespace",)
    planes = by_control_plane([*every, *guessed], kept, meshes)
    told, tags = assumptions + planes.assumptions, meshes.revisions.tags
    return MeshInventory(mesh, planes.places, security, told, planes.meshes, meshes.broken, tags, found.pods, len(kept))
