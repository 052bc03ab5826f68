# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What roles take of the objects that they have read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .fields import metadata_of, section, sections, texts
from .malformed import title
from .objects import LAYER, MESH
from .proxies import INJECT, STATUS, lives, proxy_container

__all__ = ["names_of", "of_layer", "of_others", "owned_by", "pods_with_proxy", "pods_without_proxy"]

Objects = Iterable[Mapping[str, Any]]


def names_of(objects: Objects) -> list[str]:
    """Each as people and `adopt` name it: `Kind namespace/name`, without a namespace `Kind name`."""
    return [title(one) for one in objects]


def of_others(objects: Objects, mesh: str) -> list[Mapping[str, Any]]:
    """Those that this mesh has not made. What has an owner (the Kiali of a ServiceMeshControlPlane) goes with it, and does not count."""
    return [
        one
        for one in objects
        if (section(one, "metadata", "labels").get(MESH) or "") != mesh and not sections(section(one, "metadata").get("ownerReferences"))
    ]


def of_layer(objects: Objects, layer: str) -> list[dict[str, Any]]:
    """Those of a layer of ours, as much of each as its removal needs."""
    return [
        {
            "apiVersion": one["apiVersion"],
            "kind": one["kind"],
            "metadata": {key: one["metadata"][key] for key in ("name", "namespace") if key in one["metadata"]},
        }
        for one in objects
        if section(one, "metadata", "labels").get(LAYER) == layer
    ]


def owned_by(objects: Objects, kind: str, name: str) -> list[Mapping[str, Any]]:
    """Those that an object of this kind and name owns."""
    owner = (kind, name)
    return [
        one
        for one in objects
        if any((ref.get("kind"), ref.get("name")) == owner for ref in sections(section(one, "metadata").get("ownerReferences")))
    ]


def pods_with_proxy(pods: Objects) -> list[str]:
    """`namespace/name` of each pod that the injector has written a proxy into, whatever its state."""
    found = [pod for pod in pods if STATUS in section(pod, "metadata", "annotations")]
    return [f"{metadata_of(pod, 'namespace')}/{metadata_of(pod, 'name')}" for pod in found]


def pods_without_proxy(pods: Objects) -> list[str]:
    """`namespace/name` of each pod that lives, should have a proxy and has none."""
    bare = [pod for pod in pods if lives(pod) and _wants_proxy(pod) and proxy_container(pod) is None]
    return [f"{metadata_of(pod, 'namespace')}/{metadata_of(pod, 'name')}" for pod in bare]


def _wants_proxy(pod: Mapping[str, Any]) -> bool:
    return texts(section(pod, "metadata").get("labels")).get(INJECT) != "false"
