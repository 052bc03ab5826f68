# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Kubernetes objects as input: what is valid, whose they are, in which order they are made."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigError
from .._text import counted

__all__ = [
    "CREATED",
    "LAYER",
    "MANAGED_BY",
    "MANAGER",
    "MESH",
    "Ref",
    "by_rank",
    "coded_texts",
    "counts_as_ours",
    "group_of",
    "is_ours",
    "is_rollout",
    "made_by_us",
    "managers_of",
    "owner_text",
    "prepare",
    "rank",
    "rollout_name",
    "selector",
    "sets_field",
    "whose",
]

MANAGER = "meshops.mesh"
MANAGED_BY = "app.kubernetes.io/managed-by"
MESH = "mesh.meshops.io/mesh"
LAYER = "mesh.meshops.io/layer"
ROLLOUT = "rollout-"  # with the mesh: the ConfigMap and the Lease of its rollout
CREATED = "mesh.meshops.io/created"  # annotation of a Namespace that we made, so may delete

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_API_VERSION = re.compile(r"([a-z0-9.-]+/)?v[0-9a-z]+")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]*")
_FREE_NAMES = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})  # names such as system:x
_LABEL_NAMES = frozenset({"Namespace", "Service"})
_SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")

_RANKS: dict[str, int] = {
    "Namespace": 0,
    "CustomResourceDefinition": 1,
    "ServiceAccount": 2,
    "Secret": 2,
    "ConfigMap": 2,
    "ClusterRole": 2,
    "Role": 2,
    "PriorityClass": 2,
    "ResourceQuota": 2,
    "LimitRange": 2,
    "PersistentVolumeClaim": 2,
    "OperatorGroup": 2,
    "CatalogSource": 2,
    "ClusterRoleBinding": 3,
    "RoleBinding": 3,
    "APIService": 5,
    "MutatingWebhookConfiguration": 6,
    "ValidatingWebhookConfiguration": 6,
}
_OTHER_RANK = 4


@dataclass(frozen=True, order=True)
class Ref:
    """Which object: enough to read it."""

    api_version: str
    kind: str
    namespace: str | None
    name: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Ref:
        """The reference of an object that passed prepare() or came from the API."""
        meta = obj["metadata"]
        return cls(obj["apiVersion"], obj["kind"], meta.get("namespace") or None, meta["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def identity(self) -> tuple[str, str, str | None, str]:
        """The same object in any version of its group."""
        return (group_of(self.api_version), self.kind, self.namespace, self.name)


def group_of(api_version: str) -> str:
    """`apps` of `apps/v1`; empty for the core group."""
    return api_version.rpartition("/")[0]


def rank(kind: str) -> int:
    """Lower ranks are made first and deleted last."""
    return _RANKS.get(kind, _OTHER_RANK)


def selector(mesh: str, layer: str | None = None) -> str:
    """Label selector of everything that is ours."""
    text = f"{MANAGED_BY}={MANAGER},{MESH}={mesh}"
    return text if layer is None else f"{text},{LAYER}={layer}"


def is_ours(obj: Mapping[str, Any], mesh: str | None = None) -> bool:
    """It has our managed-by label, and belongs to this mesh where one is named."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    return labels.get(MANAGED_BY) == MANAGER and mesh in (None, labels.get(MESH))


def managers_of(obj: Mapping[str, Any]) -> list[str]:
    """Who has written fields of the object itself, not only its status."""
    entries = (obj.get("metadata") or {}).get("managedFields") or []
    return sorted({str(entry.get("manager") or "") for entry in entries if not entry.get("subresource")} - {""})


def made_by_us(obj: Mapping[str, Any], mesh: str | None = None) -> bool:
    """It is ours, and our field manager has set the label that says so: a copy has the label from whoever copied it."""
    return is_ours(obj, mesh) and sets_field(obj, "labels", MANAGED_BY)


def counts_as_ours(obj: Mapping[str, Any], mesh: str | None = None) -> bool:
    """As made_by_us, for a source that may not tell who writes: manifests, and snapshots of earlier versions."""
    return is_ours(obj, mesh) and ("managedFields" not in obj["metadata"] or made_by_us(obj, mesh))


def whose(obj: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of managedFields only whether we have set the label that says that it is ours."""
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{MANAGED_BY}": {}}}}
    return [{"manager": MANAGER, "operation": "Apply", "fieldsV1": fields}] if made_by_us(obj) else []


def sets_field(obj: Mapping[str, Any], part: str, key: str, manager: str = MANAGER) -> bool:
    """Whether the manager has set this label or annotation, by an apply or another write."""
    for entry in (obj.get("metadata") or {}).get("managedFields") or []:
        fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get(f"f:{part}") or {}
        if entry.get("manager") == manager and not entry.get("subresource") and f"f:{key}" in fields:
            return True
    return False


def owner_text(obj: Mapping[str, Any]) -> str:
    """Whose an object is that is not ours, for people."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    writers = ", ".join(managers_of(obj)) or "unknown"
    if not labels.get(MANAGED_BY):
        return f"no {MANAGED_BY} label, written by {writers}"
    if not is_ours(obj):
        return f"{MANAGED_BY}: {labels[MANAGED_BY]}"
    if made_by_us(obj):
        return f"of mesh {labels.get(MESH)}"
    return f"it carries our labels, and they were written by {writers}: a copy"


def rollout_name(mesh: str) -> str:
    """Of the ConfigMap that remembers the rollout of a mesh, and of the Lease of who is at work."""
    return f"{ROLLOUT}{mesh}"


def is_rollout(obj: Mapping[str, Any]) -> bool:
    """A ConfigMap of ours that remembers a rollout."""
    return str(obj["metadata"]["name"]).startswith(ROLLOUT) and is_ours(obj)


def prepare(objects: Any, *, mesh: str, layer: str) -> list[dict[str, Any]]:
    """The objects checked, cleaned and labelled; raises ConfigError that says which one is wrong."""
    for word, value in (("mesh", mesh), ("layer", layer)):
        if not value or len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            raise ConfigError(f"{word} {value!r} cannot be a label's value: at most 63 letters, digits, '-', '_' and '.'")
    if not isinstance(objects, list):
        raise ConfigError(f"objects must be a list of maps, found {type(objects).__name__}")
    seen: dict[tuple[str, str, str | None, str], int] = {}
    ready = []
    for index, obj in enumerate(objects):
        _check(obj, index)
        clean = _labelled(_cleaned(obj), mesh, layer)
        identity = Ref.of(clean).identity
        if identity in seen:
            raise ConfigError(f"objects[{index}]: {Ref.of(clean)} is there twice, first as objects[{seen[identity]}]; take one of them out")
        seen[identity] = index
        ready.append(clean)
    return ready


def _check(obj: Any, index: int) -> None:
    where = f"objects[{index}]"
    if not isinstance(obj, dict):
        raise ConfigError(f"{where} must be a map with apiVersion, kind and metadata.name, found {type(obj).__name__}: {str(obj)[:60]!r}")
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        raise ConfigError(f"{where} ({obj.get('kind')}): metadata must be a map with a name, found {type(meta).__name__}")
    values = (
        ("apiVersion", obj.get("apiVersion"), _API_VERSION, "such as apps/v1"),
        ("kind", obj.get("kind"), _KIND, "such as Deployment"),
        ("metadata.name", meta.get("name"), _name_pattern(obj.get("kind")), "lower case letters, digits and '-' (a DNS name)"),
    )
    for field, value, pattern, example in values:
        if not isinstance(value, str) or not value:
            raise ConfigError(
                f"{where} ({obj.get('kind')} {meta.get('name')}): {field} is missing or not a text: {value!r}, expected {example}"
            )
        if len(value) > 253 or not pattern.fullmatch(value):
            raise ConfigError(f"{where} ({obj.get('kind')} {meta.get('name')}): {field} {value!r} is not valid, expected {example}")
    _check_maps(where, obj, meta)


def _check_maps(where: str, obj: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    who = f"{where} ({obj['kind']} {meta['name']})"
    namespace = meta.get("namespace")
    if namespace is not None and (not isinstance(namespace, str) or len(namespace) > 63 or not _LABEL.fullmatch(namespace)):
        raise ConfigError(f"{who}: metadata.namespace {namespace!r} is not valid, expected a DNS label")
    if obj["kind"] in _LABEL_NAMES and len(meta["name"]) > 63:
        raise ConfigError(f"{who}: the name has {counted(len(meta['name']), 'character')}, at most 63 are allowed")
    for field in ("labels", "annotations"):
        pairs = meta.get(field)
        if pairs is not None and not isinstance(pairs, dict):
            raise ConfigError(f"{who}: metadata.{field} must be a map, found {type(pairs).__name__}")
        for key, value in (pairs or {}).items():
            if value is not None and not isinstance(value, str):
                raise ConfigError(f"{who}: metadata.{field} {key!r} must be a text, found {value!r}: quote it")


def _name_pattern(kind: Any) -> re.Pattern[str]:
    if kind in _FREE_NAMES:
        return re.compile(r"[^/%]+")
    return _LABEL if kind in _LABEL_NAMES else _SUBDOMAIN


def _cleaned(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Without nulls, status and what only the server sets; stringData becomes data, as the server keeps it."""
    clean: dict[str, Any] = {key: value for key, value in _no_nulls(obj).items() if key != "status"}
    clean["metadata"] = {key: value for key, value in clean["metadata"].items() if key not in _SERVER_FIELDS}
    if clean["kind"] == "Secret" and isinstance(clean.get("stringData"), dict):
        coded = coded_texts(clean.pop("stringData"))
        clean["data"] = {**(clean.get("data") or {}), **coded}
    return clean


def coded_texts(texts: Mapping[str, Any]) -> dict[str, str]:
    """The stringData of a Secret as the server keeps it in data."""
    return {key: base64.b64encode(str(value).encode()).decode() for key, value in texts.items()}


def _no_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _no_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_no_nulls(item) for item in value]
    return value


def _labelled(obj: dict[str, Any], mesh: str, layer: str) -> dict[str, Any]:
    labels = {**(obj["metadata"].get("labels") or {}), MANAGED_BY: MANAGER, MESH: mesh, LAYER: layer}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


def by_rank(refs: Iterable[Ref]) -> list[list[Ref]]:
    """Groups to handle one after the other, each concurrently inside."""
    groups: dict[int, list[Ref]] = {}
    for ref in refs:
        groups.setdefault(rank(ref.kind), []).append(ref)
    return [groups[key] for key in sorted(groups)]
