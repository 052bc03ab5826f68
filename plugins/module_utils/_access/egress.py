# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What each workload is told about: a Sidecar with the hosts that it may call, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._authorization.inventory import MeshInventory, Workload
from .._errors import ConfigError
from .intent import ANYONE, AUTHENTICATED, PLAINTEXT, AccessIntent
from .rows import Resolved, ResolvedRule, app_of

__all__ = ["sidecars"]

Obj = dict[str, Any]
_PREFIX = "access-"


def _hosts(places: Iterable[Workload], services: Sequence[Mapping[str, Any]], domain: str) -> set[str]:
    """NAMESPACE/HOST of each Service that leads to one of the places."""
    found = set()
    for place in places:
        for service in services:
            meta, selector = service["metadata"], (service.get("spec") or {}).get("selector") or {}
            if meta.get("namespace") == place.namespace and selector and selector.items() <= place.workload.labels.items():
                found.add(f"{place.namespace}/{meta['name']}.{place.namespace}.svc.{domain}")
    return found


def _calls(row: ResolvedRule, place: Workload) -> bool:
    """Whether a rule lets this workload call."""
    if ANYONE in row.words or AUTHENTICATED in row.words or (PLAINTEXT in row.words and place.outside):
        return True
    return f"{place.namespace}/{place.account}" in row.identities


def sidecars(
    intent: AccessIntent, resolved: Resolved, inventory: MeshInventory, services: Sequence[Mapping[str, Any]], version: str
) -> list[Obj]:
    """One for each application of the closed namespaces that has sidecars."""
    groups: dict[tuple[str, str], list[Workload]] = {}
    for place in inventory.places:
        if place.namespace in intent.namespaces and place.workload.kind == "sidecar" and not place.outside and not place.assumed:
            groups.setdefault((place.namespace, app_of(place)[1] or place.name), []).append(place)
    found = []
    for (namespace, name), places in sorted(groups.items()):
        key, value = app_of(places[0])
        if not key:
            raise ConfigError(f"mesh_access.egress: {places[0].ref} has no label app, by which a Sidecar could mean its pods and no others")
        own = [row for row in resolved.rows if any(_calls(row, place) for place in places)]
        hosts = {host for row in own for host in _hosts(row.targets, services, inventory.mesh.cluster_domain)}
        hosts |= {f"{inventory.mesh.root_namespace}/*", *intent.egress.also}
        spec = {"workloadSelector": {"labels": {key: value}}, "egress": [{"hosts": sorted(hosts)}]}
        meta = {"name": f"{_PREFIX}{name}"[:253].rstrip("-."), "namespace": namespace}
        found.append({"apiVersion": f"networking.istio.io/{version}", "kind": "Sidecar", "metadata": meta, "spec": spec})
    return found
