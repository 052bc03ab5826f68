# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads who would be left alone by a mesh that goes, and who of its members is not wanted any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._errors import KindMissing
from .._kube.client import Cluster
from .._model.contents import Contents, foreign_in
from .._model.leaving import may_be_deleted
from .._model.objects import MESH
from .._model.proxied import MeshIdentity, Proxied, grouped, leaving, of_mesh, taken
from .contents import contents_of, owners_of
from .meshed import namespaces_of, pods_of, revisions_of
from .removal import obstacles

__all__ = ["Members", "Removing", "members_of", "mesh_of", "removing"]


@dataclass(frozen=True)
class Removing:
    """What stands against the removal of a mesh."""

    orphans: tuple[Proxied, ...]
    obstacles: tuple[str, ...]


@dataclass(frozen=True)
class Members:
    """Namespaces that leave, those that another mesh has, and what still has a proxy in those that leave."""

    leaving: tuple[str, ...]
    unlabelled: tuple[str, ...]
    taken: tuple[str, ...]
    proxied: tuple[Proxied, ...]


def mesh_of(cluster: Cluster, params: Mapping[str, Any]) -> MeshIdentity:
    """The mesh that a module's options mean, with its revisions."""
    plane, ossm2 = params["control_plane"], params["provider"] == "ossm2"
    revisions = frozenset({str(plane["name"])}) if ossm2 else revisions_of(cluster, str(plane["name"]))
    return MeshIdentity(params["mesh"], ossm2, str(plane["name"]), str(plane["namespace"]), frozenset(params["namespaces"]), revisions)


def _runs(cluster: Cluster, mesh: MeshIdentity) -> bool:
    """Of a control plane that is gone already nobody gets anything."""
    try:
        if mesh.ossm2:
            return cluster.get("maistra.io/v2", "ServiceMeshControlPlane", mesh.control_plane, mesh.namespace) is not None
        return cluster.get("sailoperator.io/v1", "Istio", mesh.control_plane) is not None
    except KindMissing:
        return False


def removing(cluster: Cluster, mesh: MeshIdentity, *, namespaces: bool, volumes: bool) -> Removing:
    """Proxies of others, wherever they are, and what is in the namespaces that would be deleted."""
    spaces = namespaces_of(cluster)
    pods = of_mesh(pods_of(cluster), spaces, mesh) if _runs(cluster, mesh) else []
    owners, gone = owners_of(cluster, pods)
    others = {(row.ref.namespace, row.ref.name) for row in foreign_in(Contents("", tuple(pods), owners, gone), mesh.name)}
    orphans = [pod for pod in pods if (pod["metadata"]["namespace"], pod["metadata"]["name"]) in others]
    named = mesh.members | {mesh.namespace}
    doomed = [
        one["metadata"]["name"]
        for one in spaces
        if namespaces
        and may_be_deleted(one, mesh.name)
        and (one["metadata"]["name"] in named or (one["metadata"].get("labels") or {}).get(MESH) == mesh.name)
    ]
    inside = contents_of(cluster, doomed) if doomed else []
    found = [text for contents in inside for text in obstacles(contents, mesh.name, volumes=volumes)]
    return Removing(tuple(grouped(orphans, owners)), tuple(found))


def members_of(cluster: Cluster, mesh: MeshIdentity) -> Members:
    """Which namespaces leave, and what in them has to be made again."""
    spaces = namespaces_of(cluster)
    going = leaving(spaces, mesh)
    pods = of_mesh(pods_of(cluster, going), spaces, replace(mesh, members=frozenset(going)))
    labelled = {one["metadata"]["name"] for one in spaces if MESH in (one["metadata"].get("labels") or {})}
    return Members(
        tuple(going),
        tuple(name for name in going if name not in labelled),
        tuple(taken(spaces, mesh)),
        tuple(grouped(pods, owners_of(cluster, pods)[0])),
    )
