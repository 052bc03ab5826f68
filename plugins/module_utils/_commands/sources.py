# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where a module with the options SOURCE reads: a cluster, a snapshot file or manifests, always as one Snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .._kube.client import Cluster
from .._kube.collect import collect
from .._model.snapshot import Snapshot

__all__ = ["nothing", "read_result", "read_source", "source_from"]


def read_source(
    params: Mapping[str, Any], *, clock: Callable[[], datetime], warn: Callable[[str], None] | None = None, **more: Any
) -> Snapshot:
    """What params["source"] names; more goes to collect(). Raises MeshError where it cannot be read.

    warn: is told of each file of manifests that cannot be read.
    clock: of what has no clock of its own. A cluster is read by the cluster's."""
    if params["source"] == "cluster":
        known = {"plane": str((params.get("control_plane") or {}).get("namespace") or ""), "members": params.get("members")}
        return collect(Cluster.from_params(dict(params), name=params["cluster"]), **{**known, **more})
    files = {name: params[name] for name in ("exclude", "unreadable", "may_be_empty") if params.get(name)}
    snapshot = source_from(params["source"], params["path"], cluster=params["cluster"], now=clock(), **files)
    if warn and snapshot.reading:
        for line in snapshot.reading.warnings():
            warn(line)
    return snapshot


def read_result(snapshot: Snapshot) -> dict[str, Any]:
    """What a module returns of it beside its answer: `read`, for manifests."""
    return {"read": snapshot.reading.to_dict()} if snapshot.reading else {}


def nothing(cluster: str, *, now: datetime) -> Snapshot:
    """The snapshot of a cluster that gave no answer."""
    return Snapshot(
        cluster=cluster,
        taken_at=now,
        source="cluster",
        server_version=None,
        objects=(),
        missing_kinds=frozenset(),
        forbidden={},
        reviews=(),
    )


def source_from(
    source: str,
    path: str,
    *,
    cluster: str,
    now: datetime,
    exclude: Sequence[str] = (),
    unreadable: str = "warn",
    may_be_empty: bool = False,
) -> Snapshot:
    """A snapshot file or a folder of manifests."""
    if source == "manifests":
        given: dict[str, Any] = {"exclude": exclude, "fail": unreadable == "fail", "may_be_empty": may_be_empty}
        return Snapshot.from_manifests(path, cluster=cluster, taken_at=now, **given)
    return Snapshot.load(path)
