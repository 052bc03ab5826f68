# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What traffic_plan does: reads the mesh and asks for the way from its routes to the intended ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._model.clock import utc_now
from .._model.intent import Intent
from .._model.malformed import readable
from .._model.snapshot import Snapshot
from .._traffic.plan import TrafficPlan, TrafficSettings, plan_traffic
from .._traffic.proof import PROVEN_BY
from .sources import nothing, read_whole

__all__ = ["plan_for"]


def plan_for(
    params: Mapping[str, Any], *, check_mode: bool = False, warn: Callable[[str], None] | None = None
) -> tuple[TrafficPlan, Snapshot]:
    """The plan, and what it was made of. Raises ConfigError with all that cannot be done."""
    source = _read(params, warn)
    members = params["members"]
    given = TrafficSettings(
        intent=Intent(
            mesh=params["mesh"],
            provider=params["provider"],
            control_plane={"namespace": params["namespace"]},
            members=tuple(members) if members is not None else None,
        ),
        gateways=params["gateways"],
        api=params["api"],
        strict=params["target"] == "cluster" and not check_mode,
        together=params["target"] == "files",
        prune=params["prune"],
        adopt=params["adopt"],
    )
    return readable(source.cluster, lambda: plan_traffic(params["traffic"], source, given)), source


def _read(params: Mapping[str, Any], warn: Callable[[str], None] | None) -> Snapshot:
    """The source; nothing where the tree that is going to be written is not there yet."""
    if params["target"] == "files" and params["source"] == "manifests" and not Path(params["path"]).exists():
        return replace(nothing(params["cluster"], now=utc_now()), source="manifests")
    empty = {"may_be_empty": params["target"] == "files"}
    return read_whole({**params, **empty}, kinds=PROVEN_BY, family="traffic", clock=utc_now, warn=warn)
