# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What traffic_diff returns: requests that go elsewhere after a change, in groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._errors import ConfigError
from .._inputs import intent_from
from .._model.snapshot import Snapshot
from .._model.view import View
from .._rights.reads import ROUTING
from .._text import joined
from .._traffic.mesh_routing import MeshRouting, routing_of
from .._traffic.route_difference import route_changes, route_changes_text
from .._traffic.route_matrix import route_matrix
from .authorization_check import mesh_settings
from .change import read_change

__all__ = ["route_difference_verdict", "run_traffic_diff"]


def _routing(snapshot: Snapshot, params: Mapping[str, Any]) -> MeshRouting:
    intent = intent_from({**params, "mesh_settings": mesh_settings(params)})
    return routing_of(View(snapshot), intent)


def run_traffic_diff(params: Mapping[str, Any], warn: Callable[[str], None] | None = None) -> dict[str, Any]:
    """The module's result. Raises MeshError."""
    change = read_change(params, kinds=ROUTING, family="check", warn=warn)
    states = [_routing(found, params) for found in (change.before, change.after)]
    names = [{sender.name for sender in state.senders if not sender.gateway} for state in states]
    if not names[0] & names[1]:
        raise ConfigError(
            f"{params['cluster']}: before and after have no workload with a proxy in common, so there is nobody whose requests could be "
            "compared; give sources that have the workloads, or after.applied for a change that is applied over them"
        )
    changes = route_changes(*(route_matrix(state) for state in states))
    return {
        "changes": [one.to_dict() for one in changes],
        "broken": sum(one.broken for one in changes),
        "compared": len(names[0] & names[1]),
        "not_compared": sorted(names[0] ^ names[1]),
        "text": joined(route_changes_text(changes)),
        "read": change.read,
    }


def route_difference_verdict(result: Mapping[str, Any], fail_on: str) -> str:
    """Why the task fails, in a line; empty where it does not."""
    wrong = {"never": 0, "broken": result["broken"], "any": len(result["changes"])}[fail_on]
    return str(result["text"]).split("\n", 1)[0] + " (fail_on: " + fail_on + ")" if wrong else ""
