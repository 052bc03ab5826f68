# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A namespace that leaves a mesh: what of it is ours to take off, and what is left to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .objects import CREATED, MANAGED_BY, MANAGER, MESH, sets_field

__all__ = ["ENROLLING", "has_our_fields", "may_be_deleted", "set_otherwise", "still_enrolled", "without"]

# what makes a namespace's pods part of a mesh, or lets an istiod see it
ENROLLING = ("istio-injection", "istio.io/rev", "istio.io/dataplane-mode", "istio.io/use-waypoint", "istio-discovery")
_PARTS = ("labels", "annotations")

Obj = Mapping[str, Any]


def _labels(namespace: Obj) -> Mapping[str, str]:
    return namespace["metadata"].get("labels") or {}


def may_be_deleted(namespace: Obj, mesh: str) -> bool:
    """We made it, nobody else calls it theirs, and no other mesh has it. One that left a mesh earlier keeps the note that we made it."""
    notes, labels = namespace["metadata"].get("annotations") or {}, _labels(namespace)
    made = notes.get(CREATED) == "true" and sets_field(namespace, "annotations", CREATED)
    return made and labels.get(MANAGED_BY, MANAGER) == MANAGER and labels.get(MESH, mesh) == mesh


def _set_by_us(namespace: Obj, part: str) -> set[str]:
    return {key for key in namespace["metadata"].get(part) or {} if sets_field(namespace, part, key)}


def has_our_fields(namespace: Obj, mesh: str) -> bool:
    """Something of this mesh is on it, besides the note that we made it."""
    if _labels(namespace).get(MESH, mesh) != mesh:
        return False
    return any(_set_by_us(namespace, part) - {CREATED} for part in _PARTS)


def set_otherwise(namespace: Obj) -> dict[str, list[str]]:
    """Labels and annotations that we set by a patch (an upgrade, a migration), which an apply does not give back, and nobody else set."""
    found: dict[str, list[str]] = {}
    for part in _PARTS:
        by_patch, others = set(), set()
        for entry in namespace["metadata"].get("managedFields") or []:
            fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get(f"f:{part}") or {}
            keys = {key.removeprefix("f:") for key in fields if key.startswith("f:")}
            if entry.get("manager") != MANAGER:
                others |= keys
            elif entry.get("operation") != "Apply" and not entry.get("subresource"):
                by_patch |= keys
        there = set(namespace["metadata"].get(part) or {})
        found[part] = sorted((by_patch - others - {CREATED}) & there)
    return found


def without(namespace: Obj, keys: Mapping[str, list[str]]) -> dict[str, Any]:
    """The namespace as it is when these labels and annotations are gone."""
    meta = dict(namespace["metadata"])
    for part, gone in keys.items():
        meta[part] = {key: value for key, value in (meta.get(part) or {}).items() if key not in gone}
    return {**namespace, "metadata": meta}


def still_enrolled(namespace: Obj) -> str:
    """What somebody else set and what keeps its pods in a mesh; empty where there is nothing."""
    labels = _labels(namespace)
    left = []
    for key in ENROLLING:
        if key in labels:
            writers = sorted(
                {
                    str(entry.get("manager"))
                    for entry in namespace["metadata"].get("managedFields") or []
                    if sets_field(namespace, "labels", key, str(entry.get("manager")))
                }
                - {MANAGER}
            )
            left.append(f"{key}={labels[key]} (by {', '.join(writers) or 'unknown'})")
    return f"others set {', '.join(left)}, which keeps its pods in a mesh: take that off as well" if left else ""
