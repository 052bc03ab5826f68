# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads a mesh for the variables that it corresponds to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from .._inventory.read import READS, VOLUMES, read_mesh
from .._inventory.rest import Part
from .._kube.client import Cluster
from .._model import kinds as k
from .._model.objects import group_of, is_ours
from .._model.snapshot import Snapshot
from .._model.view import View
from .sources import cluster_of, read_source, require_whole

__all__ = ["variables_of"]

_PLANES = frozenset({k.ISTIO, k.SMCP})


def variables_of(
    params: Mapping[str, Any], *, clock: Callable[[], datetime], warn: Callable[[str], None] | None = None
) -> tuple[Snapshot, Part]:
    """What was read, and what it corresponds to. Raises MeshError where there is no such mesh."""
    plane = params["control_plane"] or {}
    cluster = cluster_of(params)
    snapshot = read_source(params, clock=clock, warn=warn, cluster=cluster, kinds=READS, also=[("v1", VOLUMES.kind)])
    # rights that are not seen would be taken away by the first run with the inventory
    require_whole(snapshot, kinds={*READS, VOLUMES}, family="inventory")
    if cluster is not None:
        snapshot = _whole_planes(cluster, snapshot)
    part = read_mesh(View(snapshot), name=plane.get("name") or "", namespace=plane.get("namespace") or "", mesh=params["mesh"] or "")
    return snapshot, part


def _whole_planes(cluster: Cluster, snapshot: Snapshot) -> Snapshot:
    """Control planes of ours with their managedFields: only these tell what we have applied from what a webhook filled in."""

    def one(obj: dict[str, Any]) -> dict[str, Any]:
        if (group_of(obj["apiVersion"]), obj["kind"]) not in _PLANES or not is_ours(obj):
            return obj
        meta = obj["metadata"]
        return cluster.get(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace")) or obj

    return replace(snapshot, objects=tuple(one(obj) for obj in snapshot.objects))
