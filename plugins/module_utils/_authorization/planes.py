# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which istiod each workload has its policies from: that of its running proxies (several during a rollout), else what labels ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._model.fields import metadata_of, section
from .._model.mesh_config import DEFAULT_REVISION
from .._model.revisions import LABEL, revision_of_pod
from .attachment import GATEWAY_NAME
from .meshes import Meshes
from .model import Mesh

if TYPE_CHECKING:
    from .inventory import Workload

__all__ = ["ByControlPlane", "by_control_plane"]

_SHOWN = 5


@dataclass(frozen=True)
class ByControlPlane:
    places: tuple[Workload, ...]
    meshes: tuple[Mesh, ...]
    assumptions: tuple[str, ...] = ()


class _Assigner:
    def __init__(self, objects: Sequence[Mapping[str, Any]], meshes: Meshes) -> None:
        self.meshes, self.revisions = meshes, meshes.revisions
        self.known = {mesh.control_plane: mesh for mesh in meshes.every}
        self.pods: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
        self.gateways = {
            (metadata_of(obj, "namespace"), metadata_of(obj, "name")): section(obj, "metadata", "labels")
            for obj in objects
            if obj.get("kind") == "Gateway" and str(obj.get("apiVersion")).startswith("gateway.networking.k8s.io")
        }
        self.found: tuple[Workload, ...] = ()
        self.lost: list[str] = []  # workloads of which nothing says whose they are
        self.unseen: dict[str, None] = {}  # revisions of which the source has no istiod
        for obj in objects:
            revision = revision_of_pod(obj) if obj.get("kind") == "Pod" else ""
            if revision:
                self.pods.setdefault(metadata_of(obj, "namespace"), []).append((section(obj, "metadata", "labels"), revision))

    def running(self, place: Workload) -> list[str]:
        """The revisions of a workload's proxies: its pods have the labels of its template, and more."""
        labels = place.workload.labels
        own = self.pods.get(place.namespace, ()) if labels else ()
        return list(dict.fromkeys(found for pod, found in own if all(pod.get(key) == value for key, value in labels.items())))

    def asked(self, place: Workload) -> str:
        around, labels = self.meshes.namespaces.get(place.namespace, {}), place.workload.labels
        if place.workload.kind == "ztunnel":
            return self.revisions.ztunnel
        made = self.gateways.get((place.namespace, labels.get(GATEWAY_NAME, "")), {})
        return self.revisions.asked(place.namespace, around, {**made, **labels})

    def mesh(self, revision: str, place: Workload) -> Mesh:
        """The settings of a revision; one of which the source has no istiod is taken to have the mesh's."""
        config = self.revisions.config(revision, place.namespace, self.meshes.namespaces.get(place.namespace, {}))
        key = config.name if config else revision
        if key not in self.known:
            self.unseen[revision] = None
            self.known[key] = replace(self.meshes.main, control_plane=key, revision=revision)
        return self.known[key]

    def of(self, place: Workload) -> Workload:
        if place.outside:
            return place
        running, known = self.running(place), {config.revision for config in self.revisions.configs}
        asked = self.asked(place) if not running else ""
        # Without a default revision or tag, injection is that of the mesh's own.
        if not running and (not asked or (asked == DEFAULT_REVISION and known and asked not in known)):
            if len(known) != 1:
                self.lost.append(place.ref)
            return place
        return replace(place, control_planes=tuple(dict.fromkeys(self.mesh(name, place).control_plane for name in running or [asked])))

    def told(self) -> list[str]:
        """What had to be assumed."""
        told: list[str] = []
        main, planes = self.meshes.main, sorted(config.revision for config in self.revisions.configs)
        if self.lost:
            more = ", ..." if len(self.lost) > _SHOWN else ""
            of = f"revision {main.revision}" if main.revision else "any revision"
            told.append(f"{', '.join(self.lost[:_SHOWN])}{more}: of {of}, the source does not say")
        if self.unseen:
            names, those = ", ".join(sorted(self.unseen)), main.revision or "the mesh"
            told.append(f"the settings of revision {names} are those of {those}: the source has no such istiod")
        if _differ(self.meshes.every) and (self.lost or not any(place.control_planes for place in self.found)):
            told.append(f"the settings are those of {main.revision}: the source has the control planes {', '.join(planes)}")
        return told


def _differ(meshes: Sequence[Mesh]) -> bool:
    return any(replace(mesh, control_plane=meshes[0].control_plane, revision=meshes[0].revision) != meshes[0] for mesh in meshes)


def by_control_plane(places: Sequence[Workload], objects: Sequence[Mapping[str, Any]], meshes: Meshes) -> ByControlPlane:
    """The places with their control planes, and the settings of each of these."""
    labelled = any(LABEL in section(obj, "metadata", "labels") for obj in objects if "istio.io/" in str(obj.get("apiVersion")))
    running = {revision_of_pod(obj) for obj in objects if obj.get("kind") == "Pod"} - {""}
    if len(meshes.every) < 2 and not labelled and len(running) < 2:
        return ByControlPlane(tuple(places), meshes.every or (meshes.main,))
    assigner = _Assigner(objects, meshes)
    assigner.found = tuple(assigner.of(place) for place in places)
    return ByControlPlane(assigner.found, tuple(assigner.known.values()) or (meshes.main,), tuple(assigner.told()))
