# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A layer of objects as files of a GitOps tree: names, labels, sync waves and kustomizations. Pure: text in a dict."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.yaml import yaml_dump, yaml_load

from .._errors import ConfigError
from .._text import shown_data
from .names import check_layer, check_mesh, check_object, file_names
from .secrecy import holds_secret, masked

__all__ = [
    "HEADER",
    "KUSTOMIZATION",
    "Layer",
    "is_folder_of",
    "is_private",
    "layer_folder",
    "render_cluster",
    "render_layer",
    "shown_texts",
]

try:
    from yaml import YAMLError
except ImportError:  # yaml_dump says so

    class YAMLError(ValueError):  # type: ignore[no-redef]
        """Never raised."""


HEADER = "# Written by meshops.mesh. A change made here is lost at the next run: change the inventory.\n"
_NO_WIDTH = 2**31 - 1  # in a difference no text is folded, so that none of its words begins a line
KUSTOMIZATION = "kustomization.yaml"
WAVE = "argocd.argoproj.io/sync-wave"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
SKIP_DRY_RUN = "SkipDryRunOnMissingResource=true"
# With these would go what others keep in them: a file that goes, or a whole application, deletes none of them.
KEPT = frozenset({("", "Namespace"), ("", "PersistentVolumeClaim"), ("apiextensions.k8s.io", "CustomResourceDefinition")})
KEEP = "Prune=false,Delete=false"
FLUX_PRUNE = "kustomize.toolkit.fluxcd.io/prune"
LAST_WAVE = 990  # layers that nobody placed
# API groups that every cluster has; anything else may come with an operator of an earlier wave.
BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
_SECRET = re.compile(r"^kind: Secret$|PRIVATE KEY", re.MULTILINE)


@dataclass(frozen=True)
class Layer:
    """What a layer is called, whose it is and when it comes."""

    name: str
    mesh: str
    wave: int

    @classmethod
    def of(cls, name: str, mesh: str, order: Sequence[str]) -> Layer:
        """Steps of ten leave room for waves that people add by hand."""
        check_layer(name)
        check_mesh(mesh)
        wave = (order.index(name) + 1) * 10 if name in order else LAST_WAVE
        return cls(name=name, mesh=mesh, wave=wave)


def layer_folder(layer: Layer) -> str:
    return f"{layer.wave // 10:02d}-{layer.name}"


def is_folder_of(folder: str, name: str) -> bool:
    """Also true for a folder of an earlier run, when the layer had another place in the order."""
    number, dash, rest = folder.partition("-")
    return bool(dash) and number.isdigit() and rest == name


def _what(obj: Mapping[str, Any]) -> str:
    meta = obj.get("metadata") or {}
    name = f"{meta['namespace']}/{meta.get('name')}" if meta.get("namespace") else f"{meta.get('name')}"
    return f"{obj.get('kind')} {name}"


def _group(obj: Mapping[str, Any]) -> str:
    group, slash, _version = str(obj["apiVersion"]).partition("/")
    return group if slash else ""


def _check(objects: Iterable[Mapping[str, Any]], layer: Layer, allow_secrets: bool) -> None:
    for obj in objects:
        meta = obj.get("metadata") or {}
        if not (obj.get("apiVersion") and obj.get("kind") and meta.get("name")):
            raise ConfigError(f"layer {layer.name}: {_what(obj)} cannot be a file, expected apiVersion, kind and metadata.name")
        check_object(obj, f"layer {layer.name}")
        if obj["kind"] == "Secret" and obj["apiVersion"] == "v1" and not allow_secrets:
            raise ConfigError(
                f"layer {layer.name}: {_what(obj)} would be written in clear text; seal it (SealedSecret, ExternalSecret), "
                f"leave it to the cluster target, or say deliver_secrets_in_files: true"
            )


def _file_names(objects: Sequence[Mapping[str, Any]], layer: Layer) -> list[str]:
    """kind-namespace-name, with the API group where that is not unique (Istio's and the Gateway API's Gateway)."""
    names = file_names([(_group(obj), obj["kind"], obj["metadata"].get("namespace") or "", obj["metadata"]["name"]) for obj in objects])
    twice = sorted({_what(o) for o, n in zip(objects, names, strict=True) if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ConfigError(f"layer {layer.name}: found more than one {', '.join(twice)}, expected each object once")
    return names


def _dressed(obj: Mapping[str, Any], layer: Layer) -> dict[str, Any]:
    """The object with the labels of ownership and the annotations that Argo CD reads; nothing of a live cluster."""
    new: dict[str, Any] = copy.deepcopy({k: v for k, v in obj.items() if k != "status"})
    meta = new["metadata"]
    meta["labels"] = {
        **(meta.get("labels") or {}),
        "app.kubernetes.io/managed-by": "meshops.mesh",
        "mesh.meshops.io/mesh": layer.mesh,
        "mesh.meshops.io/layer": layer.name,
    }
    annotations = {**(meta.get("annotations") or {})}
    annotations.setdefault(WAVE, str(layer.wave))
    if _group(obj) not in BUILT_IN_GROUPS:
        annotations.setdefault(SYNC_OPTIONS, SKIP_DRY_RUN)
    if (_group(obj), obj["kind"]) in KEPT:
        annotations.setdefault(SYNC_OPTIONS, KEEP)
        annotations.setdefault(FLUX_PRUNE, "disabled")
    meta["annotations"] = annotations
    return new


def _dump(data: Mapping[str, Any], *, width: int = 140) -> str:
    order = [k for k in ("apiVersion", "kind", "metadata") if k in data]
    ordered = {k: data[k] for k in [*order, *(k for k in data if k not in order)]}
    text: str = yaml_dump(ordered, sort_keys=False, default_flow_style=False, width=width, allow_unicode=True)
    return f"{HEADER}---\n{text}"


def _kustomization(resources: Sequence[str]) -> str:
    return _dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(resources)})


def render_layer(objects: Sequence[Mapping[str, Any]], layer: Layer, *, allow_secrets: bool = False) -> dict[str, str]:
    """File name -> content of the layer's folder; empty where there is nothing to write."""
    if not objects:
        return {}
    _check(objects, layer, allow_secrets)
    names = _file_names(objects, layer)
    files = {name: _dump(_dressed(obj, layer)) for name, obj in zip(names, objects, strict=True)}
    if KUSTOMIZATION in files:
        raise ConfigError(f"layer {layer.name}: an object's file would be called {KUSTOMIZATION}")
    return {**dict(sorted(files.items())), KUSTOMIZATION: _kustomization(sorted(files))}


def render_cluster(folders: Iterable[str]) -> str:
    """The kustomization of one cluster: its layers in order."""
    return _kustomization(sorted(folders))


def is_private(text: str) -> bool:
    """Does the file have to be its owner's only?"""
    if _SECRET.search(text):
        return True
    found = _loaded(text)  # coded, or in a text that is wrapped
    return isinstance(found, Mapping) and holds_secret(found)


def shown_texts(before: str, after: str) -> dict[str, str]:
    """Both sides of a file's difference as people may see them: what may be a secret is masked on both."""
    sides = {"before": _loaded(before), "after": _loaded(after)}
    others = {"before": sides["after"], "after": sides["before"]}
    return {side: _shown_text(obj, side, others[side]) for side, obj in sides.items()}


def _shown_text(obj: Any, side: str, other: Any) -> str:
    if not obj:
        return ""
    if not isinstance(obj, Mapping):
        return f"{HEADER}# cannot be shown\n"
    return shown_data(_dump(masked(obj, side, other), width=_NO_WIDTH))


def _loaded(text: str) -> Any:
    """The object of a file of ours; something else when somebody has changed it to what is none."""
    try:
        return yaml_load(text) if text else None
    except (YAMLError, ValueError):
        return "no YAML"
