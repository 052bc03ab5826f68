# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What checks read: the objects of a cluster at one moment, from the API, a file or a folder of manifests."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from .._errors import ConfigError
from .._text import shown
from .kept_fields import certificates_of, kept
from .malformed import title
from .manifests import ManifestReading, Unread, checked_objects, read_manifests
from .objects import coded_texts, group_of, is_ours, is_rollout, whose
from .owners import controller_of
from .remote_access import access_note, is_remote
from .scope import in_their_namespaces
from .snapshot_file import read_json, write_json

__all__ = ["FORMAT", "Snapshot", "slim", "trimmed", "without_gc"]

FORMAT = "meshops.mesh/snapshot/v1"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ISTIO_WORDS = ("istio", "maistra", "kiali", "sailoperator", "meshops", "kubernetes.io/ingress.class")


@contextlib.contextmanager
def without_gc() -> Iterator[None]:
    """For reading many objects: JSON has no cycles, and looking for them again and again costs more than the parsing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what was read stays until the end of a module: it need not be looked at either
        if was:
            gc.enable()


@dataclass(frozen=True)
class Snapshot:
    """Objects with the moment that they are from, and what could not be read."""

    cluster: str
    taken_at: datetime
    source: str
    server_version: str | None
    objects: tuple[dict[str, Any], ...]
    missing_kinds: frozenset[str] = frozenset()
    forbidden: Mapping[str, str] = field(default_factory=dict)
    reviews: tuple[dict[str, Any], ...] = ()
    reading: ManifestReading | None = None  # of manifests: which files were read, which were not

    @cached_property
    def _by_kind(self) -> dict[str, list[dict[str, Any]]]:
        index: dict[str, list[dict[str, Any]]] = {}
        for obj in self.objects:
            index.setdefault(obj.get("kind", ""), []).append(obj)
        return index

    def of(self, kind: str, *, group: str | None = None, namespace: str | None = None) -> list[dict[str, Any]]:
        """All objects of the kind, of one group and one namespace where they are named."""
        return [
            obj
            for obj in self._by_kind.get(kind, [])
            if group in (None, group_of(obj.get("apiVersion", ""))) and namespace in (None, obj["metadata"].get("namespace"))
        ]

    def get(self, kind: str, name: str, namespace: str | None = None, *, group: str | None = None) -> dict[str, Any] | None:
        """One object, None when it is not there."""
        return next((obj for obj in self.of(kind, group=group, namespace=namespace) if obj["metadata"].get("name") == name), None)

    def to_json(self) -> dict[str, Any]:
        """The file's content; Secrets never have values in it."""
        return {
            "format": FORMAT,
            "cluster": self.cluster,
            "taken_at": self.taken_at.astimezone(UTC).isoformat(),
            "server_version": self.server_version,
            "objects": [slim(obj) for obj in self.objects],
            "missing_kinds": sorted(self.missing_kinds),
            "forbidden": dict(self.forbidden),
            "reviews": list(self.reviews),
        }

    @classmethod
    def from_json(cls, data: Any) -> Snapshot:
        """The snapshot of a file's content; says what is wrong with it."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise ConfigError(f"not a snapshot: format is {found!r}, expected {FORMAT!r}; make one with meshops.mesh.cluster_snapshot")
        try:
            taken_at = datetime.fromisoformat(str(data["taken_at"]).replace("Z", "+00:00"))
        except (KeyError, ValueError) as exc:
            raise ConfigError(f"snapshot of {data.get('cluster')}: taken_at {data.get('taken_at')!r} is not a time") from exc
        if taken_at.tzinfo is None:
            taken_at = taken_at.replace(tzinfo=UTC)
        return cls(
            cluster=shown(data.get("cluster") or ""),
            taken_at=taken_at,
            source="snapshot",
            server_version=data.get("server_version"),
            objects=tuple(in_their_namespaces(checked_objects(data.get("objects"), "snapshot"))),
            missing_kinds=frozenset(data.get("missing_kinds") or ()),
            forbidden=dict(data.get("forbidden") or {}),
            reviews=tuple(data.get("reviews") or ()),
        )

    @classmethod
    def load(cls, path: str | Path) -> Snapshot:
        """Read a .json or .json.gz file."""
        try:
            with without_gc():
                return cls.from_json(read_json(Path(path)))
        except ValueError as exc:
            raise ConfigError(f"snapshot {path} is not JSON: {exc}") from exc

    def save(self, path: str | Path) -> int:
        """Write the file for its owner only; returns its size in bytes. The old file stays until the new one is whole."""
        return write_json(Path(path), self.to_json())

    @classmethod
    def from_manifests(
        cls,
        path: str | Path,
        *,
        cluster: str = "manifests",
        taken_at: datetime | None = None,
        exclude: Sequence[str] = (),
        fail: bool = False,
        may_be_empty: bool = False,
    ) -> Snapshot:
        """Every Kubernetes object in the YAML and JSON files below a folder (or in one file). fail: one that cannot be read stops it."""
        reading = read_manifests(Path(path), exclude=exclude, fail=fail, may_be_empty=may_be_empty)
        moment = taken_at or datetime.now(UTC)
        objects = [_trimmed_as_far_as_possible(obj) for obj in reading.objects]
        torn = tuple(
            Unread(title(obj), "its data is no map of texts, so nothing of it was read")
            for obj, found in zip(reading.objects, objects, strict=True) if found is None
        )  # fmt: skip
        reading = replace(reading, unread=(*reading.unread, *torn))
        return cls(cluster, moment, "manifests", None, tuple(obj for obj in objects if obj is not None), reading=reading)


# what is left of an object


def slim(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object with what checks read, by an allow-list of kinds and fields, and without any secret: what a file may hold."""
    return kept(obj)


def trimmed(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object without what fills the memory; Secrets without values. Never written anywhere: a file has what `slim` leaves."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in ("managedFields", "selfLink")}
    if _LAST_APPLIED in (meta.get("annotations") or {}):
        meta["annotations"] = {key: value for key, value in meta["annotations"].items() if key != _LAST_APPLIED}
    if is_ours(obj) and "managedFields" in obj["metadata"]:
        meta["managedFields"] = whose(obj)  # a copy has our labels, too
    rest = {**obj, "metadata": meta}
    change = _SLIMMED.get(obj["kind"])
    return change(rest) if change else rest


def _trimmed_as_far_as_possible(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """No API server has looked at a file. What has a wrong type is left as it is, and the check that reads it names the object; of a
    Secret nothing is left that may be a secret."""
    try:
        return trimmed(obj)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None if obj["kind"] == "Secret" else dict(obj)


def _slim_secret(obj: dict[str, Any]) -> dict[str, Any]:
    data = {**dict(obj.get("data") or {}), **coded_texts(obj.get("stringData") or {})}
    meta = {key: value for key, value in obj["metadata"].items() if key != "annotations"}
    notes = {key: value for key, value in (obj["metadata"].get("annotations") or {}).items() if key.startswith("mesh.meshops.io/")}
    notes |= access_note(obj) if is_remote(obj) else {}
    if notes:
        meta["annotations"] = notes
    kept = _pick(obj, ("apiVersion", "kind", "type"))
    return {**kept, "metadata": meta, "data": {key: certificates_of(key, value) for key, value in data.items()}}


def _slim_config_map(obj: dict[str, Any]) -> dict[str, Any]:
    """Istio's own are read by checks, and what our rollouts remember by plans; of the others the names are enough."""
    if is_rollout(obj) or any(word in obj["metadata"]["name"] for word in ("istio", "kiali", "jaeger", "prometheus", "grafana")):
        return obj
    return {key: obj[key] for key in ("apiVersion", "kind", "metadata")}


def _slim_crd(obj: dict[str, Any]) -> dict[str, Any]:
    spec = obj.get("spec") or {}
    versions = [
        {key: item[key] for key in ("name", "served", "storage", "deprecated") if key in item} for item in spec.get("versions") or []
    ]
    kept = {key: spec[key] for key in ("group", "names", "scope") if key in spec}
    return {**obj, "spec": {**kept, "versions": versions}}


def _pick(value: Any, keys: Iterable[str]) -> dict[str, Any]:
    return {key: value[key] for key in keys if key in value} if isinstance(value, Mapping) else {}


def _slim_owner(obj: dict[str, Any]) -> dict[str, Any]:
    """Of what stands between a pod and its workload, who owns it is enough. One that nobody owns is a workload by itself."""
    if controller_of(obj) is None:
        return obj
    meta = _pick(obj["metadata"], ("name", "namespace", "labels", "ownerReferences", "creationTimestamp", "uid"))
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta, "spec": _pick(obj.get("spec"), ("replicas", "suspend"))}


def _slim_package(obj: dict[str, Any]) -> dict[str, Any]:
    """Its channels with their versions; descriptions and icons are megabytes."""
    status = obj.get("status") or {}
    channels = [
        {**_pick(channel, ("name", "currentCSV")), "entries": [_pick(entry, ("name", "version")) for entry in channel.get("entries") or []]}
        for channel in status.get("channels") or []
    ]
    kept = _pick(status, ("catalogSource", "catalogSourceNamespace", "packageName", "defaultChannel"))
    return {**_pick(obj, ("apiVersion", "kind", "metadata")), "status": {**kept, "channels": channels}}


def _slim_pod(obj: dict[str, Any]) -> dict[str, Any]:
    meta = _pick(obj["metadata"], ("name", "namespace", "labels", "ownerReferences", "creationTimestamp", "deletionTimestamp", "uid"))
    notes = obj["metadata"].get("annotations") or {}
    meta["annotations"] = {key: value for key, value in notes.items() if any(word in key for word in _ISTIO_WORDS)}
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    slim_spec = {**_pick(spec, ("serviceAccountName", "nodeName", "hostNetwork")), **_slim_user(spec)}
    for field_name in ("containers", "initContainers"):
        if field_name in spec:
            slim_spec[field_name] = [_slim_container(item) for item in spec[field_name]]
    slim_status = _pick(status, ("phase", "conditions", "startTime", "reason", "message", "podIP"))
    for field_name in ("containerStatuses", "initContainerStatuses"):
        if field_name in status:
            slim_status[field_name] = [
                {**_pick(item, ("name", "ready", "started", "restartCount")), "state": _state(item.get("state"))}
                for item in status[field_name]
            ]
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta, "spec": slim_spec, "status": slim_status}


def _slim_container(item: Mapping[str, Any]) -> dict[str, Any]:
    """What it is, which ports it names, as whom it runs, and what it requests of its node."""
    requests = (item.get("resources") or {}).get("requests")
    asked = {"resources": {"requests": requests}} if requests else {}
    return {**_pick(item, ("name", "image", "restartPolicy", "ports")), **asked, **_slim_user(item)}


def _slim_user(holder: Mapping[str, Any]) -> dict[str, Any]:
    user = (holder.get("securityContext") or {}).get("runAsUser")
    return {} if user is None else {"securityContext": {"runAsUser": user}}


def _state(state: Any) -> dict[str, Any]:
    return {key: _pick(value, ("reason", "message", "exitCode")) for key, value in (state or {}).items()}


_SLIMMED = {
    "ConfigMap": _slim_config_map,
    "CustomResourceDefinition": _slim_crd,
    "Job": _slim_owner,
    "PackageManifest": _slim_package,
    "Pod": _slim_pod,
    "ReplicaSet": _slim_owner,
    "Secret": _slim_secret,
}
