# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_apply does, for the module and for the action plugin that does the same without a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .._errors import MeshError
from .._kube.auth import AUTH_ARG_SPEC
from .._kube.client import Cluster
from .._kube.options import CLUSTER, WAIT, display_name
from .._kube.wait import Timing
from .._model.diff import as_yaml
from .._model.secrecy import without_secrets
from .._text import shown
from .apply import LayerRequest, LayerResult, run
from .removal import Allowed

__all__ = ["apply_layer", "argument_spec"]


def argument_spec() -> dict[str, Any]:
    """The options of mesh_apply."""
    return {
        **AUTH_ARG_SPEC,
        "objects": {"type": "list", "elements": "raw", "required": True},
        "mesh": {"type": "str", "required": True},
        "layer": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "force_conflicts": {"type": "bool", "default": False},
        "adopt": {"type": "list", "elements": "str", "default": []},
        "prune": {"type": "bool", "default": False},
        "prune_kinds": {"type": "list", "elements": "str", "default": []},
        "namespaces_by": {"type": "str", "choices": ["namespace", "project"], "default": "namespace"},
        "remove_namespaces": {"type": "bool", "default": False},
        "remove_volumes": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        **CLUSTER,
        **WAIT,
    }


def _kind(text: str) -> tuple[str, str]:
    """Group and kind of `group/Kind`; the core group has no name."""
    group, _slash, kind = text.rpartition("/")
    return group, kind


def _order(params: Mapping[str, Any], check_mode: bool) -> LayerRequest:
    """The module's options as the engine takes them."""
    return LayerRequest(
        mesh=params["mesh"],
        layer=params["layer"],
        state=params["state"],
        force_conflicts=params["force_conflicts"],
        adopt=frozenset(params["adopt"]),
        prune=params["prune"],
        kinds=frozenset(_kind(text) for text in params["prune_kinds"]),
        allowed=Allowed(namespaces=params["remove_namespaces"], volumes=params["remove_volumes"]),
        projects=params["namespaces_by"] == "project",
        wait=params["wait"],
        dry_run=check_mode,
        timing=Timing(timeout=params["wait_timeout"], interval=max(0.1, params["wait_interval"])),
    )


def _diff(outcome: LayerResult) -> dict[str, str]:
    """All changed objects as two texts."""
    rows = [row for row in outcome.rows if row.changed]
    return {side: "".join(f"--- # {shown(row.ref)}\n{as_yaml(getattr(row, side))}" for row in rows) for side in ("before", "after")}


def apply_layer(params: dict[str, Any], warn: Callable[[str], None], *, check_mode: bool, diff: bool) -> dict[str, Any]:
    """The result of a task, with `failed` where it fails."""
    name, started = display_name(params), time.monotonic()
    try:
        cluster = Cluster.from_params(params, name=name)
        outcome = run(cluster, params["objects"], _order(params, check_mode))
    except MeshError as exc:
        return {"failed": True, "msg": without_secrets(str(exc), params["objects"])}
    for text in sorted(set(cluster.warnings)):
        warn(f"cluster {name}: {without_secrets(text, params['objects'])}")
    result: dict[str, Any] = {
        "changed": outcome.changed,
        "objects": [row.to_dict() for row in outcome.rows],
        "lines": outcome.lines(planned=check_mode),
        "leaving": outcome.lines(planned=check_mode, leaving=True),
        "waited": round(outcome.waited, 3),
        "seconds": round(time.monotonic() - started, 3),
        "summary": outcome.summary,
    }
    return result | ({"diff": _diff(outcome)} if diff else {})
