# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads all that is in some namespaces, of every kind that the API has, as metadata: one concurrent pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import FetchError, Forbidden, KindMissing
from .._kube.client import Cluster, Resource
from .._model.contents import Contents, trimmed
from .._model.objects import group_of

__all__ = ["contents_of", "owners_of"]

_DEPTH = 8  # of owners: Pod, ReplicaSet, Deployment, an operator's own, ...
_ACCOUNT_TYPES = ("kubernetes.io/service-account-token", "kubernetes.io/dockercfg")


@dataclass(frozen=True)
class _ContentsPart:
    objects: list[dict[str, Any]]
    unknown: str = ""


def _kinds(cluster: Cluster) -> list[Resource]:
    """Every namespaced kind once. What cannot be deleted is a view of something else (metrics, packages of a catalogue)."""
    found: dict[tuple[str, str], Resource] = {}
    for (api_version, kind), resource in cluster.resources().items():
        if resource.namespaced and {"list", "delete"} <= set(resource.verbs):
            found.setdefault((group_of(api_version), kind), resource)
    return list(found.values())


def _read(cluster: Cluster, resource: Resource, namespace: str) -> _ContentsPart:
    """One kind in one namespace."""

    def ask(fields: str | None = None) -> list[dict[str, Any]]:
        return cluster.list(
            resource.api_version, resource.kind, namespace=namespace, field_selector=fields, metadata_only=True, trim=trimmed
        )

    try:
        if (resource.api_version, resource.kind) != ("v1", "Secret"):
            return _ContentsPart(ask())
        # the type is no metadata, and it tells a login that Kubernetes made from what somebody keeps
        rows = ask(",".join(f"type!={one}" for one in _ACCOUNT_TYPES))
        for one in _ACCOUNT_TYPES:
            rows += [{**row, "type": one} for row in ask(f"type={one}")]
        return _ContentsPart(rows)
    except KindMissing:
        return _ContentsPart([])
    except Forbidden:
        return _ContentsPart([], f"{resource.kind} ({resource.api_version}) may not be listed in {namespace}")
    except FetchError as exc:
        return _ContentsPart([], f"{resource.kind} ({resource.api_version}) of {namespace} could not be listed: {exc}")


def contents_of(cluster: Cluster, namespaces: Sequence[str]) -> list[Contents]:
    """Each namespace with all that is in it, and the owners of that, wherever they are."""
    jobs = [(namespace, resource) for namespace in namespaces for resource in _kinds(cluster)]
    parts = cluster.map(lambda job: _read(cluster, job[1], job[0]), jobs) if jobs else []
    objects: dict[str, list[dict[str, Any]]] = {namespace: [] for namespace in namespaces}
    unknown: dict[str, list[str]] = {
        namespace: [f"the API group {group} does not answer" for group in sorted(cluster.stale_groups())] for namespace in namespaces
    }
    for (namespace, _resource), part in zip(jobs, parts, strict=True):
        objects[namespace] += part.objects
        if part.unknown:
            unknown[namespace].append(part.unknown)
    owners, gone = owners_of(cluster, [row for rows in objects.values() for row in rows])
    return [Contents(name, tuple(objects[name]), owners, gone, tuple(unknown[name])) for name in namespaces]


def owners_of(cluster: Cluster, objects: Iterable[Mapping[str, Any]]) -> tuple[dict[str, dict[str, Any]], frozenset[str]]:
    """The owners that are not among the objects, and theirs, by uid; and the uids of those that do not exist any more."""
    rows = list(objects)
    met = {str(row["metadata"].get("uid")) for row in rows}
    owners: dict[str, dict[str, Any]] = {}
    gone: set[str] = set()
    for _unused in range(_DEPTH):
        wanted = {
            str(ref["uid"]): (ref, row["metadata"].get("namespace"))
            for row in rows
            for ref in row["metadata"].get("ownerReferences") or []
            if str(ref.get("uid")) not in met
        }
        if not wanted:
            break
        met |= wanted.keys()
        answers = cluster.map(lambda item: _owner(cluster, *item), wanted.values())
        rows = []
        for uid, (read, found) in zip(wanted, answers, strict=True):
            if found is not None and str(found["metadata"].get("uid")) == uid:
                owners[uid] = trimmed(found)
                rows.append(owners[uid])
            elif read:
                gone.add(uid)
    return owners, frozenset(gone)


def _owner(cluster: Cluster, ref: Mapping[str, Any], namespace: str | None) -> tuple[bool, dict[str, Any] | None]:
    """Whether it could be looked for, and what was found. Of a kind that the API does not have nobody can say."""
    try:
        resource = cluster.resource(str(ref["apiVersion"]), str(ref["kind"]))
        return True, cluster.get(resource.api_version, resource.kind, str(ref["name"]), namespace if resource.namespaced else None)
    except (KindMissing, Forbidden):
        return False, None
