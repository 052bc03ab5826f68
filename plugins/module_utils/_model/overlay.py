# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The objects of a mesh as they would be after a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import ConfigError
from .mesh_config import is_mesh_config, istiod_deployment
from .objects import group_of
from .scope import DEFAULT, is_namespaced

__all__ = ["overlaid"]

_PLANES = {("sailoperator.io", "Istio"), ("sailoperator.io", "IstioRevision"), ("maistra.io", "ServiceMeshControlPlane")}


def _key(obj: Mapping[str, Any]) -> tuple[str, str, str, str]:
    metadata, group, kind = obj.get("metadata") or {}, group_of(str(obj.get("apiVersion", ""))), str(obj.get("kind"))
    return group, kind, str(metadata.get("namespace") or (DEFAULT if is_namespaced(group, kind) else "")), str(metadata.get("name"))


def overlaid(
    below: Iterable[Mapping[str, Any]], above: Iterable[Mapping[str, Any]], removed: Iterable[str] = ()
) -> list[Mapping[str, Any]]:
    """The objects after those above were applied: one of the same kind, namespace and name is replaced. `removed`: Kind namespace/name."""
    found = {_key(obj): obj for obj in below}
    for name in removed:
        kind, _space, where = name.partition(" ")
        namespace, slash, short = where.rpartition("/")
        # a name alone is of the whole cluster, or where kubectl would look for it
        places = [(namespace, short)] if slash else [("", short), (DEFAULT, short)]
        gone = [key for key in found if key[1] == kind and key[2:] in places]
        if not gone:
            raise ConfigError(f"remove: there is no {name} before the change; write Kind namespace/name")
        for key in gone:
            del found[key]
    over = {_key(obj): obj for obj in above}
    planes = [key for key, obj in over.items() if key[:2] in _PLANES and (found.get(key) or {}).get("spec") != obj.get("spec")]
    if planes:  # what an istiod was told before the change says nothing of it afterwards
        found = {key: obj for key, obj in found.items() if not is_mesh_config(obj) and not istiod_deployment(obj)}
    found |= over
    return list(found.values())
