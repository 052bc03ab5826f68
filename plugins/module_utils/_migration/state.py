# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""How far a migration is, from the cluster's own objects: labels of namespaces and proxies of pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.proxies import lives, proxy_container
from .._model.revisions import revision_of_pod
from .._model.snapshot import Snapshot
from .._text import counted
from .settings import DISCOVERY, IGNORE, INJECTION, REVISION, Domain, MigrationSettings, Plane

__all__ = ["DomainState", "domain_state", "plane_state", "pod_side", "revisions_of", "sides"]

OLD, NEW, NONE = "old", "new", "none"


@dataclass(frozen=True)
class DomainState:
    """labels: old, new or mixed, by the namespaces; pods by the control plane whose proxy they have."""

    name: str
    namespaces: tuple[str, ...]
    labels: str
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """ossm2, moving or ossm3."""
        if self.labels == "old" and not self.new:
            return "ossm2"
        return "ossm3" if self.labels == "new" and not self.old else "moving"

    @property
    def said(self) -> str:
        """For people."""
        word = {"ossm2": "on OSSM 2", "moving": "on its way", "ossm3": "on OSSM 3"}[self.state]
        waits = f", {len(self.unready)} not ready" if self.unready else ""
        old = counted(len(self.old), "pod")
        return f"{word} ({', '.join(self.namespaces)}: {old} with the old proxy, {len(self.new)} with the new{waits})"

    def to_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "name": self.name,
            "namespaces": list(self.namespaces),
            "state": self.state,
            "old": list(self.old),
            "new": list(self.new),
            "unready": list(self.unready),
            "said": self.said,
        }


def revisions_of(snapshot: Snapshot, plane: Plane, settings: MigrationSettings) -> set[str]:
    """Names that a proxy of the new control plane may carry: revisions of the Istio, and its tags."""
    name = settings.istio(plane)
    found = {settings.revision(plane), settings.label(plane)}
    for revision in snapshot.of("IstioRevision"):
        owners = revision["metadata"].get("ownerReferences") or []
        if any(one.get("kind") == "Istio" and one.get("name") == name for one in owners):
            found.add(str(revision["metadata"]["name"]))
    return found


def pod_side(pod: Mapping[str, Any], new: set[str]) -> str:
    """Which control plane's proxy the pod has: old, new, or none."""
    if proxy_container(pod) is None:
        return NONE
    return NEW if revision_of_pod(pod) in new else OLD


def _ready(pod: Mapping[str, Any]) -> bool:
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in (pod.get("status") or {}).get("conditions") or [])


def sides(snapshot: Snapshot, namespaces: tuple[str, ...], new: set[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Names of pods by side, and those with a proxy that are not ready."""
    found: dict[str, list[str]] = {OLD: [], NEW: [], NONE: []}
    unready = []
    for space in namespaces:
        for pod in snapshot.of("Pod", namespace=space):
            if lives(pod):
                side, name = pod_side(pod, new), f"{space}/{pod['metadata']['name']}"
                found[side].append(name)
                if side != NONE and not _ready(pod):
                    unready.append(name)
    return found, unready


def label_side(labels: Mapping[str, str], label: str, *, plane_there: bool) -> str:
    """new: the next pod gets the new proxy and only that; old: only the old one."""
    if labels.get(REVISION) == label and INJECTION not in labels and (not plane_there or labels.get(IGNORE) == "true"):
        return NEW
    if labels.get(REVISION) != label and IGNORE not in labels:
        return OLD
    return "mixed"


def domain_state(snapshot: Snapshot, plane: Plane, settings: MigrationSettings, domain: Domain) -> DomainState:
    """From labels and pods."""
    found, unready = sides(snapshot, domain.namespaces, revisions_of(snapshot, plane, settings))
    kinds = set()
    for space in domain.namespaces:
        live = snapshot.get("Namespace", space) or {"metadata": {}}
        kinds.add(label_side(live["metadata"].get("labels") or {}, settings.label(plane), plane_there=True))
    labels = kinds.pop() if len(kinds) == 1 else "mixed"
    return DomainState(domain.name, domain.namespaces, labels, tuple(found[OLD]), tuple(found[NEW]), tuple(unready))


def plane_state(snapshot: Snapshot, plane: Plane, settings: MigrationSettings) -> str:
    """Where the whole is."""
    if snapshot.source == "manifests":
        return "from manifests, which do not say what runs"
    istio = snapshot.get("Istio", settings.istio(plane))
    if istio is None:
        labelled = any((space["metadata"].get("labels") or {}).get(DISCOVERY) == settings.mesh for space in snapshot.of("Namespace"))
        return "the new control plane is not there" + (", namespaces are labelled for it" if labelled else "")
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in (istio.get("status") or {}).get("conditions") or [])
    return "both control planes are there" if ready else "the new control plane is not Ready"
