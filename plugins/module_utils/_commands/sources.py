# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where a module with the options SOURCE reads: a cluster, a snapshot file or manifests, always as one Snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from .._errors import ConfigError, Forbidden
from .._kube.client import Cluster
from .._kube.collect import collect
from .._model.objects import group_of
from .._model.snapshot import Snapshot
from .._text import shortened, shown

__all__ = ["cluster_of", "nothing", "read_result", "read_source", "read_whole", "require_whole", "source_from"]

_SHOWN = 8


def read_source(
    params: Mapping[str, Any],
    *,
    clock: Callable[[], datetime],
    warn: Callable[[str], None] | None = None,
    cluster: Cluster | None = None,
    **more: Any,
) -> Snapshot:
    """What params["source"] names; more goes to collect(). Raises MeshError where it cannot be read.

    cluster: that of cluster_of, where whoever calls goes on asking it.
    warn: is told of each file of manifests that cannot be read.
    clock: of what has no clock of its own. A cluster is read by the cluster's."""
    cluster = cluster or cluster_of(params)
    if cluster is not None:
        known = {"plane": str((params.get("control_plane") or {}).get("namespace") or ""), "members": params.get("members")}
        return collect(cluster, **{**known, **more})
    files = {name: params[name] for name in ("exclude", "unreadable", "may_be_empty") if params.get(name)}
    snapshot = source_from(params["source"], params["path"], cluster=params["cluster"], now=clock(), **files)
    if warn and snapshot.reading:
        for line in snapshot.reading.warnings():
            warn(line)
    return snapshot


def cluster_of(params: Mapping[str, Any]) -> Cluster | None:
    """The cluster that params["source"] names; None for a file or a folder."""
    if params["source"] != "cluster":
        return None
    require_no_path(params)
    return Cluster.from_params(dict(params), name=params["cluster"])


def require_no_path(params: Mapping[str, Any]) -> None:
    """Raises ConfigError where a path is given and a cluster would be read instead: a pipeline would be green for another reason."""
    if params.get("path"):
        raise ConfigError(
            f"path is {shown(params['path'])}, and source is cluster, so that would not be read; say source: manifests for a folder or "
            "snapshot for a file (mesh_check_source of check_mesh), or leave path out"
        )


def read_whole(
    params: Mapping[str, Any],
    *,
    kinds: Collection[tuple[str, str]],
    family: str,
    clock: Callable[[], datetime],
    warn: Callable[[str], None] | None = None,
) -> Snapshot:
    """As read_source, of a cluster these kinds (group, kind) only; as require_whole, what may not be read is no answer."""
    return require_whole(read_source(params, clock=clock, warn=warn, kinds=kinds), kinds=kinds, family=family)


def require_whole(found: Snapshot, *, kinds: Collection[tuple[str, str]], family: str) -> Snapshot:
    """The snapshot, for whom an answer from a part of it would be a wrong one. Raises Forbidden with all kinds that may not be read.

    family: of the playbooks that have the rights."""
    unread = {key: text for key, text in found.forbidden.items() if _group_and_kind(key) in kinds}
    if not unread:
        return found
    names = sorted(key.rpartition("/")[2] for key in unread)
    raise Forbidden(
        f"cluster {found.cluster}: this login may not read {shortened(names, _SHOWN)}. What is not seen would count as not there, "
        f"so nothing was decided and nothing was changed. Have an administrator grant the rights (playbook render_rights with -e "
        f"mesh_rights_families={family} renders the roles), or use another login. The API server said: {next(iter(unread.values()))}"
    )


def _group_and_kind(key: str) -> tuple[str, str]:
    """Of a key of Snapshot.forbidden."""
    version, _slash, kind = key.rpartition("/")
    return group_of(version), kind


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
