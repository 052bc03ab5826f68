# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The weights of a canary in the routes of `mesh_traffic`: the rest of these stays as the inventory has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import ConfigError
from .._model.fields import sections
from .._model.traffic_rows import key_of
from .._text import shown
from .intent import route_of, weights_of
from .state import CanaryState
from .weights import text_of

__all__ = ["under_canaries", "weighted"]


def weighted(traffic: Iterable[Mapping[str, Any]], state: CanaryState) -> list[dict[str, Any]]:
    """`mesh_traffic` with the weights that a canary has reached."""
    found = []
    for service in traffic:
        row = dict(service)
        if key_of(row) == state.key:
            mine = route_of(row, state.route)
            row["routes"] = [{**route, "to": state.weights} if route is mine else dict(route) for route in sections(row.get("routes"))]
        found.append(row)
    return found


def under_canaries(traffic: Iterable[Mapping[str, Any]], states: Iterable[CanaryState]) -> tuple[list[dict[str, Any]], list[str]]:
    """`mesh_traffic` as it stands with the canaries that were begun, and a line about each that counts.

    A canary counts as long as the inventory has the route that it began with. Once that says something else the inventory counts,
    unless the canary is not over: then ConfigError."""
    rows, lines, wrong = [dict(row) for row in traffic], [], []
    for state in states:
        service = next((row for row in rows if key_of(row) == state.key), None)
        route = route_of(service, state.route) if service is not None else None
        if route is not None and weights_of(route) == dict(state.base):
            if state.weights != state.base:
                rows = weighted(rows, state)
                lines.append(state.said)
        elif not state.over:
            now = "is not in mesh_traffic any more" if route is None else f"says {text_of(weights_of(route))} in mesh_traffic now"
            wrong.append(
                f"the route {shown(state.route or 'default')} of {shown(state.key)} {now}, and a canary that began at "
                f"{text_of(state.base)} is under way there ({state.said}): put the route back as it was until the canary is "
                "over, or end it with canary_action: abort"
            )
    if wrong:
        raise ConfigError(f"{'; '.join(wrong)}. Nothing was changed")
    return rows, lines
