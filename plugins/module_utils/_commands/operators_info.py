# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads what a survey of operators needs: what OLM has, what its catalogues offer, and which control planes there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from .._errors import FetchError, Forbidden, KindMissing
from .._kube.client import Cluster
from .._olm.model import COPIED_LABEL
from .._olm.survey import Ask, OperatorState

__all__ = ["has_olm", "look"]

ALPHA, GROUPS, PACKAGES = "operators.coreos.com/v1alpha1", "operators.coreos.com/v1", "packages.operators.coreos.com/v1"
MANIFEST = "PackageManifest"
_PLANES = (("maistra.io/v2", "ServiceMeshControlPlane"), ("sailoperator.io/v1", "Istio"))
# Operators that somebody installed without OLM, by the labels of their own charts.
_SAIL, _MAISTRA = "control-plane in (sail-operator,servicemesh-operator3)", "name=istio-operator"

Query = tuple[str, str, Optional[str], Optional[str]]  # noqa: UP045  # version, kind, namespace, label selector


def has_olm(cluster: Cluster) -> bool:
    """Whether the API has OLM's kinds."""
    return (ALPHA, "Subscription") in cluster.resources()


def look(cluster: Cluster, ask: Ask) -> tuple[OperatorState, list[str]]:
    """The cluster as it is, all lists at the same time; what we may not read is said, as long as it is about others only."""
    queries: list[Query] = [(version, kind, None, None) for version, kind in _PLANES]
    if ask.packages:
        queries += [(ALPHA, "Subscription", None, None), (ALPHA, "CatalogSource", None, None)]
        queries += [(ALPHA, "ClusterServiceVersion", None, f"!{COPIED_LABEL}")]
        queries += [("apps/v1", "Deployment", None, labels) for labels in (_SAIL, _MAISTRA)]
        queries += [(GROUPS, "OperatorGroup", place, None) for place in sorted({ask.place(row) for row in ask.packages})]
    notes: list[str] = []
    found: dict[str, list[dict[str, Any]]] = {}
    for query, (items, note) in zip(queries, cluster.map(lambda row: _listed(cluster, row), queries), strict=True):
        found.setdefault(query[1], []).extend(items)
        notes += [note] if note else []
    manifests, served = _manifests(cluster, ask) if ask.packages else ([], True)
    planes = [obj for _version, kind in _PLANES for obj in found.get(kind, ())]
    seen = OperatorState(
        found.get("Subscription", ()),
        found.get("ClusterServiceVersion", ()),
        found.get("OperatorGroup", ()),
        found.get("CatalogSource", ()),
        manifests,
        found.get("Deployment", ()),
        planes,
        served,
    )
    return seen, list(dict.fromkeys(notes))


def _listed(cluster: Cluster, query: Query) -> tuple[list[dict[str, Any]], str]:
    version, kind, namespace, labels = query
    try:
        return cluster.list(version, kind, namespace=namespace, label_selector=labels, trim=_trim), ""
    except KindMissing:
        return [], ""
    except Forbidden as exc:
        if namespace is not None:
            raise
        return [], f"{kind} of other namespaces could not be read, so operators of others may have been missed: {exc}"


def _trim(obj: dict[str, Any]) -> dict[str, Any]:
    """A ClusterServiceVersion is a hundred kilobytes of icon, description and examples."""
    if obj["kind"] != "ClusterServiceVersion":
        return obj
    meta, status = obj["metadata"], obj.get("status") or {}
    kept = {key: meta[key] for key in ("name", "namespace", "labels") if key in meta}
    return {"kind": obj["kind"], "metadata": kept, "status": {key: status[key] for key in ("phase", "reason") if key in status}}


def _manifests(cluster: Cluster, ask: Ask) -> tuple[list[dict[str, Any]], bool]:
    """The packages by name; only where one is not as it should be, all that its catalogues have. A package server that is away is said."""
    names = [row.package for row in ask.packages]
    try:
        got = cluster.map(lambda name: cluster.get(PACKAGES, MANIFEST, name, ask.catalog_namespace), names)
        found = [_brief(obj) for obj in got if obj is not None]
        sources = {obj["metadata"]["name"]: obj["status"]["catalogSource"] for obj in found}
        if all(sources.get(row.package) == row.source for row in ask.packages):
            return found, True
        return cluster.list(PACKAGES, MANIFEST, namespace=ask.catalog_namespace, trim=_brief), True
    except Forbidden:
        raise
    except FetchError:  # the kind is not there, or its API server does not answer
        return [], False


def _brief(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Without icons, descriptions and examples, which are all but one per cent of it."""
    meta, status = obj["metadata"], obj.get("status") or {}
    channels = [{"name": row.get("name"), "entries": [{"name": one.get("name")} for one in row.get("entries") or ()]}
                for row in status.get("channels") or ()]  # fmt: skip
    source = status.get("catalogSource") or (meta.get("labels") or {}).get("catalog") or ""
    return {"metadata": {"name": meta["name"], "namespace": meta.get("namespace", "")},
            "status": {"catalogSource": source, "defaultChannel": status.get("defaultChannel"), "channels": channels}}  # fmt: skip
