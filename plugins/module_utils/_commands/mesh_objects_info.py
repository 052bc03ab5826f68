# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_objects_info does, for the module and for the action plugin that does the same without a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import KindMissing
from .._kube.auth import AUTH_ARG_SPEC
from .._kube.client import Cluster
from .._kube.options import CLUSTER, display_name
from .._model.snapshot import slim

__all__ = ["RULES", "answers", "argument_spec"]

_QUERY: dict[str, Any] = {
    "api_version": {"type": "str", "default": "v1"},
    "kind": {"type": "str", "required": True},
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "label_selectors": {"type": "list", "elements": "str", "default": []},
}
RULES: dict[str, Any] = {
    "required_one_of": [("kind", "queries")],
    "mutually_exclusive": [("kind", "queries"), ("name", "queries"), ("namespace", "queries")],
}


def argument_spec() -> dict[str, Any]:
    """The options of mesh_objects_info."""
    return {
        **AUTH_ARG_SPEC,
        **_QUERY,
        "kind": {"type": "str"},
        "queries": {"type": "list", "elements": "dict", "options": _QUERY},
        "brief": {"type": "bool", "default": False},
        **CLUSTER,
    }


def _read(cluster: Cluster, query: Mapping[str, Any], *, brief: bool) -> list[dict[str, Any]] | None:
    """The objects that a query means; None when the API does not have their kind."""
    version, kind, namespace = query["api_version"], query["kind"], query["namespace"]
    try:
        if query["name"]:
            found = cluster.get(version, kind, query["name"], namespace)
            return [] if found is None else [slim(found) if brief else found]
        labels = ",".join(query["label_selectors"]) or None
        return cluster.list(version, kind, namespace=namespace, label_selector=labels, trim=slim if brief else None)
    except KindMissing:
        return None


def answers(params: dict[str, Any]) -> dict[str, Any]:
    """The result of a task. Raises MeshError."""
    cluster = Cluster.from_params(params, name=display_name(params))
    several = params["queries"]
    queries = [params] if several is None else several
    found = cluster.map(lambda query: _read(cluster, query, brief=params["brief"]), queries)
    result: dict[str, Any] = {
        "changed": False,
        "api_found": None not in found,
        "resources": [one for row in found for one in row or []],
    }
    if several is not None:
        # Not `results`: Ansible shows what a key of this name has, also under no_log.
        result["answers"] = [
            {"query": query, "api_found": row is not None, "resources": row or []} for query, row in zip(queries, found, strict=True)
        ]
    return result
