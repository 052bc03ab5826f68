# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads what tells the pods of a mesh: its revisions, namespaces and pods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._errors import KindMissing
from .._kube.client import Cluster
from .._model.proxied import slim_pod

__all__ = ["namespaces_of", "pods_of", "revisions_of"]


def revisions_of(cluster: Cluster, istio: str) -> frozenset[str]:
    """Of an Istio: its own name, and those of its IstioRevisions."""
    try:
        rows = cluster.list("sailoperator.io/v1", "IstioRevision", metadata_only=True)
    except KindMissing:
        rows = []
    return frozenset(
        {
            istio,
            *(
                row["metadata"]["name"]
                for row in rows
                for owner in row["metadata"].get("ownerReferences") or []
                if owner.get("kind") == "Istio" and owner.get("name") == istio
            ),
        }
    )


def namespaces_of(cluster: Cluster) -> list[dict[str, Any]]:
    """All of them, as metadata."""
    return cluster.list("v1", "Namespace", metadata_only=True)


def pods_of(cluster: Cluster, namespaces: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """The pods of some namespaces, or all."""
    if namespaces is None:
        return cluster.list("v1", "Pod", trim=slim_pod)
    parts = cluster.map(lambda name: cluster.list("v1", "Pod", namespace=name, trim=slim_pod), namespaces)
    return [pod for part in parts for pod in part]
