# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Pods that have a proxy of a mesh, what they belong to, and who of a mesh's namespaces is not wanted in it any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._text import counted
from .leaving import has_our_fields
from .objects import LAYER, MESH, sets_field
from .proxies import STATUS, lives, proxy_container, status_revision

__all__ = ["MeshIdentity", "Proxied", "enrolled", "grouped", "leaving", "of_mesh", "slim_pod", "taken"]

_REVISION = "istio.io/rev"
_MEMBER_OF = "maistra.io/member-of"
_DISCOVERY = "istio-discovery"
_DOMAIN = "mesh.meshops.io/domain"

Obj = Mapping[str, Any]


@dataclass(frozen=True)
class MeshIdentity:
    """Which mesh: its name, generation, control plane, the namespaces that the intent names, and its revisions."""

    name: str
    ossm2: bool
    control_plane: str
    namespace: str
    members: frozenset[str] = frozenset()
    revisions: frozenset[str] = frozenset()


@dataclass(frozen=True, order=True)
class Proxied:
    """A workload, or a lone pod, with so many pods that have a proxy."""

    namespace: str
    kind: str
    name: str
    pods: int

    def __str__(self) -> str:
        count = "" if self.kind == "Pod" else f" ({counted(self.pods, 'pod')})"
        return f"{self.kind} {self.namespace}/{self.name}{count}"

    @property
    def remedy(self) -> str:
        """How its pods are made again, without a proxy once nothing injects one."""
        if self.kind in ("Deployment", "StatefulSet", "DaemonSet"):
            return f"kubectl rollout restart {self.kind.lower()}/{self.name} -n {self.namespace}"
        return f"delete it and make it again: {self.kind} {self.namespace}/{self.name}"


def slim_pod(pod: Obj) -> dict[str, Any]:
    """What is asked here, and no environment of a container."""
    meta, spec = pod["metadata"], pod.get("spec") or {}
    notes = {key: value for key, value in (meta.get("annotations") or {}).items() if key in (STATUS, _REVISION)}
    wanted = ("name", "namespace", "uid", "labels", "ownerReferences", "managedFields", "deletionTimestamp")
    kept = {key: meta[key] for key in wanted if key in meta}
    names = [{"name": one.get("name")} for part in ("containers", "initContainers") for one in spec.get(part) or []]
    return {
        "apiVersion": pod["apiVersion"],
        "kind": pod["kind"],
        "metadata": {**kept, "annotations": notes},
        "spec": {"containers": names},
        "status": {"phase": (pod.get("status") or {}).get("phase")},
    }


def _labels(obj: Obj) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def _revision(pod: Obj) -> str:
    notes = pod["metadata"].get("annotations") or {}
    return status_revision(notes) or str(notes.get(_REVISION) or _labels(pod).get(_REVISION) or "")


def of_mesh(pods: Iterable[Obj], namespaces: Iterable[Obj], mesh: MeshIdentity) -> list[dict[str, Any]]:
    """Pods that live and have a proxy of this mesh, wherever they are."""
    spaces = {one["metadata"]["name"]: _labels(one) for one in namespaces}
    return [dict(pod) for pod in pods if lives(pod) and proxy_container(pod) is not None and _in_mesh(pod, spaces, mesh)]


def _in_mesh(pod: Obj, spaces: Mapping[str, Mapping[str, str]], mesh: MeshIdentity) -> bool:
    where = pod["metadata"]["namespace"]
    labels = spaces.get(where, {})
    if where in mesh.members or where == mesh.namespace:
        return True
    if mesh.ossm2:
        return labels.get(_MEMBER_OF) == mesh.namespace
    return labels.get(_DISCOVERY) == mesh.name or _revision(pod) in mesh.revisions


def grouped(pods: Iterable[Obj], owners: Mapping[str, Obj]) -> list[Proxied]:
    """By what somebody restarts: the topmost owner that is in the pod's namespace."""
    counts: dict[tuple[str, str, str], int] = {}
    for pod in pods:
        top = dict(pod)
        while True:
            refs = top["metadata"].get("ownerReferences") or []
            above = next((owners[uid] for uid in (str(one.get("uid")) for one in refs if one.get("controller")) if uid in owners), None)
            if above is None or above["metadata"].get("namespace") != pod["metadata"]["namespace"]:
                break
            top = dict(above)
        key = (pod["metadata"]["namespace"], top["kind"], top["metadata"]["name"])
        counts[key] = counts.get(key, 0) + 1
    return sorted(Proxied(*key, number) for key, number in counts.items())


# members


def enrolled(namespace: Obj, mesh: MeshIdentity) -> bool:
    """Whether we have made this namespace a member of this mesh."""
    labels = _labels(namespace)
    if labels.get(MESH) and labels[MESH] != mesh.name:
        return False
    if labels.get(MESH) == mesh.name and labels.get(LAYER) == "membership":
        return has_our_fields(namespace, mesh.name)
    # one that others call theirs had no label of ours before, but that of its domain
    ours = sets_field(namespace, "labels", _DOMAIN)
    return ours and (labels.get(_MEMBER_OF) == mesh.namespace if mesh.ossm2 else labels.get(_DISCOVERY) == mesh.name)


def leaving(namespaces: Iterable[Obj], mesh: MeshIdentity) -> list[str]:
    """Namespaces that we made members and that the intent names no more."""
    return sorted(
        one["metadata"]["name"]
        for one in namespaces
        if one["metadata"]["name"] not in mesh.members and not one["metadata"].get("deletionTimestamp") and enrolled(one, mesh)
    )


def taken(namespaces: Iterable[Obj], mesh: MeshIdentity) -> list[str]:
    """Namespaces of the intent that another mesh has, with the label that says so."""
    wanted = {MESH: mesh.name, _MEMBER_OF: mesh.namespace if mesh.ossm2 else "", _DISCOVERY: "" if mesh.ossm2 else mesh.name}
    found = []
    for one in namespaces:
        labels = _labels(one)
        if one["metadata"]["name"] in mesh.members:
            found += [
                f"{one['metadata']['name']} (label {key}={labels[key]}, expected {value or 'none'})"
                for key, value in wanted.items()
                if key in labels and labels[key] != value
            ]
    return found
