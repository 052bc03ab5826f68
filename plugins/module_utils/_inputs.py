# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""From a module's options to what checks take: the intent and how to check."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ._checks.types import Options
from ._errors import ConfigError
from ._model.intent import Intent
from ._personas.checks import full_resource
from ._personas.matrix import expected_cells

__all__ = ["intent_from", "options_from", "reviews_for"]


def _tuple(value: Any) -> tuple[Any, ...] | None:
    return None if value is None else tuple(value)


def intent_from(params: Mapping[str, Any]) -> Intent:
    """The intent; a control plane without a name or namespace is a mistake, not an intent."""
    plane = params.get("control_plane")
    for key in ("name", "namespace"):
        if plane is not None and not plane.get(key):
            raise ConfigError(f"control_plane.{key} is not set; give name and namespace, or leave control_plane out")
    return Intent(
        mesh=params.get("mesh"),
        provider=params.get("provider"),
        control_plane=plane,
        members=_tuple(params.get("members")),
        operators=_tuple(params.get("operators")),
        personas=_tuple(params.get("personas")),
        gateways=_tuple(params.get("gateways")),
        observability=_tuple(params.get("observability")),
        cells=_cells(params),
        access=_tuple(params.get("access")),
        access_scope=tuple(params.get("access_scope") or ()),
        mesh_settings=params.get("mesh_settings"),
        requests=_tuple(params.get("requests")),
    )


def _cells(params: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...] | None:
    personas, plane, provider = params.get("personas"), params.get("control_plane"), params.get("provider")
    if personas is None or plane is None or provider is None or params.get("members") is None:
        return None
    names = {"control_plane": plane["name"], "mesh": params.get("mesh") or ""}
    return tuple(cell.to_dict() for cell in expected_cells(personas, plane["namespace"], params["members"], provider, **names))


def reviews_for(intent: Intent) -> tuple[Mapping[str, Any], ...]:
    """What to ask the API server: every cell, without our answer; the collector writes subresources as `pods/log`."""
    return tuple({**cell, "resource": full_resource(cell), "subresource": "", "allowed": None} for cell in intent.cells or ())


def options_from(params: Mapping[str, Any], *, now: datetime, fetch_error: str = "") -> Options:
    """The options of a run."""
    return Options(
        thresholds={key: value for key, value in (params.get("thresholds") or {}).items() if value is not None},
        ignore=tuple(params.get("ignore") or ()),
        only=tuple(params.get("only") or ()),
        categories=tuple(params.get("categories") or ()),
        now=now,
        fetch_error=fetch_error,
    )
