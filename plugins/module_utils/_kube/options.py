# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Argument specs that modules share; each piece has a twin of the same name in doc_fragments/options.py, and a test compares them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .auth import current_context

__all__ = [
    "CHANGE",
    "CLUSTER",
    "MEMBERS",
    "MESH_CONFIG",
    "OBSERVED",
    "PLANE",
    "REPORT",
    "RESTART",
    "SOURCE",
    "SOURCE_NEEDS",
    "WAIT",
    "display_name",
    "wait_options",
]

Spec = dict[str, dict[str, Any]]

CLUSTER: Spec = {"cluster": {"type": "str"}}
SOURCE: Spec = {
    "source": {"type": "str", "choices": ["cluster", "snapshot", "manifests"], "default": "cluster"},
    "path": {"type": "path"},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "unreadable": {"type": "str", "choices": ["warn", "fail"], "default": "warn"},
}
SOURCE_NEEDS = [("source", "snapshot", ["path"]), ("source", "manifests", ["path"])]  # required_if of each module with SOURCE
_WORDS: dict[str, Any] = {"type": "list", "elements": "str"}
REPORT: Spec = {
    **{name: {**_WORDS, "default": []} for name in ("only", "ignore")},
    "fail_on": {"type": "str", "choices": ["error", "warning", "never"], "default": "error"},
    **{name: {"type": "path"} for name in ("junit", "sarif", "report")},
}
MESH_CONFIG: Spec = {
    **{name: {"type": "str"} for name in ("trust_domain", "root_namespace", "istio_version")},
    "trust_domain_aliases": dict(_WORDS),
    "path_normalization": {"type": "str", "choices": ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]},
}
CHANGE: Spec = {
    "before": {"type": "dict", "default": {"source": "cluster"}, "options": SOURCE},
    "after": {
        "type": "dict",
        "required": True,
        "options": {
            **SOURCE,
            "source": {**SOURCE["source"], "default": "manifests"},
            "applied": {"type": "bool", "default": False},
        },
    },
    "remove": {**_WORDS, "default": []},
}
PLANE: Spec = {"provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"]}, "control_plane": {"type": "dict"}}
OBSERVED: Spec = {
    "prometheus": {
        "type": "dict",
        "options": {
            "url": {"type": "str", "required": True},
            "token": {"type": "str", "no_log": True},
            "ca_path": {"type": "path"},
            "window": {"type": "str", "default": "7d"},
            "timeout": {"type": "float", "default": 60},
        },
    },
    "prometheus_answers": {"type": "list", "elements": "path", "default": []},
    "logs": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"path": {"type": "path", "required": True}, "workload": {"type": "str"}},
    },
}
MEMBERS: Spec = {
    "mesh": {"type": "str", "required": True},
    "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"], "required": True},
    "control_plane": {
        "type": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "namespace": {"type": "str", "required": True}},
    },
    "namespaces": {"type": "list", "elements": "str", "required": True},
}
RESTART: Spec = {
    "concurrency": {"type": "str", "default": ""},
    "budgets": {"type": "str", "choices": ["respect", "ignore"], "default": "respect"},
    "workload_timeout": {"type": "float", "default": 300},
    "budget_timeout": {"type": "float", "default": 600},
    "outage": {"type": "float", "default": 300},
    "holder": {"type": "str", "default": "ansible"},
    "lock_seconds": {"type": "float", "default": 30},
    "take_over": {"type": "bool", "default": False},
}
WAIT: Spec = {"wait_timeout": {"type": "float", "default": 300}, "wait_interval": {"type": "float", "default": 1}}


def wait_options(**defaults: float) -> Spec:
    """The options of WAIT with a module's own defaults."""
    return {name: {**option, "default": defaults.get(name, option["default"])} for name, option in WAIT.items()}


def display_name(params: Mapping[str, Any]) -> str:
    """What messages call the cluster: its host of the inventory; without one its context, or the file or folder that is read."""
    if params["cluster"]:
        return str(params["cluster"])
    if path := _path_of(params):
        return str(params["context"] or Path(path).name or path)
    given = {name: params.get(name) or os.environ.get(f"K8S_AUTH_{name.upper()}") for name in ("context", "host", "kubeconfig")}
    return str(given["context"] or given["host"] or current_context(given["kubeconfig"]) or "default")


def _path_of(params: Mapping[str, Any]) -> str:
    """Of a module that reads a cluster, a snapshot or manifests; of two of them the one that is complete in itself and later."""
    after, before = params.get("after"), params.get("before")
    source = (before if after["applied"] else after) if isinstance(after, Mapping) and isinstance(before, Mapping) else params
    return str(source.get("path") or "") if source.get("source", "cluster") != "cluster" else ""
