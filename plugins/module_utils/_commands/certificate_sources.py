# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads what may have certificates in it, for certificate_check. Private keys become facts before anything else sees the object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from .._certificates.gather import Wanted, endpoints_of, files_of, named_of, shared_of
from .._certificates.source import Source, without_keys
from .._errors import ConfigError, Forbidden, KindMissing
from .._kube.auth import dialer
from .._kube.client import Cluster
from .._kube.collect import read_secrets
from .._model.objects import group_of
from .._model.secrets_used import ROOT_MAP, secrets_used
from .._model.snapshot import Snapshot, trimmed
from .istiods import istiod_pods, read_istiods
from .proxies import proxy_pods, read_proxies
from .sources import read_source, require_no_path, source_from

__all__ = ["CertificateReading", "clock_source", "gather", "read_mesh", "read_named"]

# in the namespaces of the mesh
_NAMESPACED = (
    ("", "ConfigMap"),
    ("", "Pod"),
    ("networking.istio.io", "Gateway"),
    ("security.istio.io", "RequestAuthentication"),
)
_WIDE = (
    ("", "Namespace"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
)
Clock = Callable[[], datetime]
Warn = Callable[[str], None]


@dataclass(frozen=True)
class CertificateReading:
    """Objects, and what could not be read."""

    objects: tuple[dict[str, Any], ...] = ()
    missing_kinds: frozenset[str] = frozenset()
    forbidden: dict[str, str] = field(default_factory=dict)


def clock_source(cluster: Cluster) -> list[Source]:
    """What the API server's clock says beside ours; nothing where it does not say its time."""
    found = cluster.read_clock()
    if found is None:
        return []
    return [Source(f"Cluster {cluster.name}", clock_ahead=round(found.ahead, 1), clock="" if not found.ahead else found.difference())]


def _served(cluster: Cluster, group: str, kind: str) -> str | None:
    """The newest version that the API has of a kind; the API lists its preferred one first."""
    return next((version for version, found in cluster.resources() if found == kind and group_of(version) == group), None)


def _reduced(obj: dict[str, Any]) -> dict[str, Any] | None:
    if obj["kind"] == "ConfigMap":
        return obj if obj["metadata"]["name"] == ROOT_MAP else None
    return trimmed(obj)


def _list(cluster: Cluster, job: tuple[str, str, str | None]) -> CertificateReading:
    group, kind, namespace = job
    version = _served(cluster, group, kind)
    if version is None:
        return CertificateReading(missing_kinds=frozenset({f"{group}/v1/{kind}" if group else f"v1/{kind}"}))
    try:
        # the only one that is kept, so that the right to it is enough
        only = f"metadata.name={ROOT_MAP}" if kind == "ConfigMap" else None
        found = [_reduced(obj) for obj in cluster.list(version, kind, namespace=namespace, field_selector=only)]
    except KindMissing:
        return CertificateReading(missing_kinds=frozenset({f"{version}/{kind}"}))
    except Forbidden as exc:
        return CertificateReading(forbidden={f"{version}/{kind}": str(exc)})
    return CertificateReading(tuple(obj for obj in found if obj is not None))


def read_mesh(cluster: Cluster, namespaces: Sequence[str] | None, plane: str = "") -> CertificateReading:
    """Every place where a mesh keeps a certificate; of all namespaces where the mesh's own are not known. Secrets by their names."""
    jobs: list[tuple[str, str, str | None]] = [(group, kind, None) for group, kind in _WIDE]
    for group, kind in _NAMESPACED:
        jobs += [(group, kind, name) for name in (namespaces if namespaces is not None else [None])]  # type: ignore[list-item]
    parts = cluster.map(lambda job: _list(cluster, job), jobs)
    objects = [obj for part in parts for obj in part.objects]
    forbidden = {key: text for part in parts for key, text in part.forbidden.items()}
    secrets, refused = read_secrets(cluster, secrets_used(objects, plane=plane, members=namespaces), forbidden)
    return CertificateReading(
        (*objects, *map(without_keys, secrets)),
        frozenset().union(*(part.missing_kinds for part in parts)),
        {**forbidden, **refused},
    )


def read_named(cluster: Cluster, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
    """One Secret or ConfigMap; None when it is not there (any more)."""
    found = cluster.get("v1", kind, name, namespace)
    if found is None:
        return None
    return without_keys(found) if kind == "Secret" else found


def _moment(text: str | None) -> datetime | None:
    """The option `at`."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as exc:
        raise ConfigError(f"at: {text!r} is not a time; write 2027-01-31 or 2027-01-31T12:00:00+00:00") from exc
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _handed(cluster: Cluster, namespace: str) -> dict[str, bytes]:
    """The root that the workloads of a control plane trust."""
    found = cluster.get("v1", "ConfigMap", ROOT_MAP, namespace)
    text = str(((found or {}).get("data") or {}).get("root-cert.pem") or "")
    return {namespace: text.encode()} if text else {}


def _from_cluster(params: Mapping[str, Any], wanted: Wanted) -> tuple[Snapshot, list[Source]]:
    """What is asked of a live cluster."""
    name = params["cluster"]
    cluster = Cluster.from_params(params, name=name)
    if params["cluster_clock"]:
        cluster.require_clock()
    sources = clock_source(cluster)
    plane = params["control_plane"] or {}
    known = params["members"] is not None and plane.get("namespace")
    namespaces = sorted({plane["namespace"], *params["members"]}) if known else None
    found = Snapshot(name, cluster.now(), "cluster", cluster.server_version(), ())
    if params["mesh"]:
        reading = read_mesh(cluster, namespaces, plane.get("namespace") or "")
        found = replace(found, objects=reading.objects, missing_kinds=reading.missing_kinds, forbidden=reading.forbidden)
    if params["proxies"]:
        pods = proxy_pods(cluster, namespaces)
        streams = dialer(params, name=name)
        sources += read_proxies(streams, pods, timeout=params["proxy_timeout"], total=params["proxies_timeout"])
        if plane.get("namespace"):
            istiods = istiod_pods(cluster, plane["namespace"])
            sources += read_istiods(streams, istiods, _handed(cluster, plane["namespace"]), timeout=params["proxy_timeout"])
    objects = {key: read_named(cluster, *key) for key in wanted.references}
    return found, sources + named_of(wanted, objects)


def _from_file(params: Mapping[str, Any], wanted: Wanted, clock: Clock, warn: Warn | None = None) -> tuple[Snapshot, list[Source]]:
    """A snapshot or manifests, without what was not asked for."""
    found = read_source(params, clock=clock, warn=warn)
    objects = {key: found.get(key[0], key[2], key[1], group="") for key in wanted.references}
    return (found if params["mesh"] else replace(found, objects=())), named_of(wanted, objects)


def _handed_in(params: Mapping[str, Any], path: str, now: datetime) -> bytes:
    """The roots that the control plane of a snapshot hands out; of any namespace where the control plane is not known."""
    found = source_from("snapshot", path, cluster="", now=now)
    namespace = (params["control_plane"] or {}).get("namespace")
    maps = [one for one in found.of("ConfigMap", group="", namespace=namespace) if one["metadata"]["name"] == ROOT_MAP]
    return b"".join(str((one.get("data") or {}).get("root-cert.pem") or "").encode() for one in maps[:1])


def gather(params: Mapping[str, Any], *, clock: Clock, warn: Warn | None = None) -> Snapshot:
    """Everything that is to be judged, as one snapshot."""
    wanted = Wanted.of(params)
    limit = int((params["thresholds"] or {}).get("certificate_max_bytes") or 0)
    sources = files_of(params, limit)
    shared = [entry["snapshot"] for entry in params["shares_root_with"] if entry["snapshot"]]
    sources += shared_of(params, {path: _handed_in(params, path, clock()) for path in shared}, limit)
    found = Snapshot(params["cluster"], clock(), "manifests", None, ())  # files and endpoints only
    if params["proxies"] and params["source"] != "cluster":
        raise ConfigError(f"proxies: a {params['source']} has no live proxies; leave proxies out, or read with source: cluster")
    if params["cluster_clock"] and params["source"] != "cluster":
        raise ConfigError(f"cluster_clock: a {params['source']} has no clock; leave cluster_clock out, or read with source: cluster")
    if params["mesh"] or params["proxies"] or wanted.references or params["cluster_clock"]:
        live = params["source"] == "cluster"
        if live:
            require_no_path(params)
        found, more = _from_cluster(params, wanted) if live else _from_file(params, wanted, clock, warn)
        sources += more
    sources += endpoints_of(params, wanted, {source.resource: source for source in sources})
    at = _moment(params["at"]) or found.taken_at
    return replace(found, taken_at=at, objects=(*found.objects, *(source.to_object() for source in sources)))
