# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a playbook leaves for the next node of a workflow: of what its tasks have registered, the few values that a decision is made by.

Names, numbers, codes and versions; nothing of an object, so no secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["PLAYBOOKS", "SOURCES", "artifact"]

Picked = dict[str, Any]


def _checks(found: Mapping[str, Any]) -> Picked:
    rows = found.get("checks") or []
    return {
        "passed": "msg" not in found,
        "summary": dict(found.get("summary") or {}),
        **{status: sorted({row["id"] for row in rows if row["status"] == status}) for status in ("failed", "warning")},
    }


def _layers(rows: list[Mapping[str, Any]]) -> Picked:
    changed = [str(row["layer"]) for row in rows if row["changed"]]
    return {"layers": [str(row["layer"]) for row in rows], "changed_layers": changed, "objects": sum(int(row["objects"]) for row in rows)}


def _rollout(found: Mapping[str, Any]) -> Picked:
    """A failed call has no waves, and then nothing is known of them."""
    if "waves" not in found:
        return {}
    names = ("next_wave", "wave"), ("waves_left", "left"), ("direction", "direction"), ("under_way", "under_way"), ("closed", "closed")
    return {
        **{name: found[key] for name, key in names if key in found},
        "waves": [{"name": str(row["name"]), "state": str(row["state"])} for row in found["waves"]],
    }


def _rotation(found: Mapping[str, Any]) -> Picked:
    """blockers: how many places were not safe when the step was last looked at."""
    turns = found.get("turns") or []
    return {
        "steps_left": found.get("left"),
        "steps": [str(row["phase"]) for row in found.get("plan") or []],
        "blockers": len(turns[-1].get("blockers") or []) if turns else 0,
        "passed": "msg" not in found,
    }


def _upgrade_plan(found: Mapping[str, Any]) -> Picked:
    plan = found.get("plan") or {}
    kept = {name: plan[name] for name in ("current", "target", "seconds") if name in plan}
    return {**_checks(found), **kept, "hops": len(plan.get("hops") or []), "steps": len(plan.get("steps") or [])}


def _migration_plan(found: Mapping[str, Any]) -> Picked:
    return {**_checks(found), "stage": found.get("stage"), "fields": dict(found.get("counts") or {})}


def _difference(found: Mapping[str, Any]) -> Picked:
    return {name: len(found[name]) if isinstance(found[name], list) else found[name] for name in ("opened", "closed") if name in found}


def _traffic(found: Mapping[str, Any]) -> Picked:
    return {"passed": "msg" not in found, **{name: len(found.get(name) or []) for name in ("would_deny", "never_seen", "unclear")}}


def _outbound(found: Mapping[str, Any]) -> Picked:
    return {
        "passed": "msg" not in found,
        "verdict": found.get("verdict"),
        **{name: len(found.get(name) or []) for name in ("lost", "unseen")},
    }


def _routes(found: Mapping[str, Any]) -> Picked:
    """route_changes: of how many kinds of requests something becomes else."""
    return {"passed": "msg" not in found, "route_changes": len(found.get("changes") or [])}


def _canaries(found: Mapping[str, Any]) -> Picked:
    names = ("from", "to", "percent", "step", "phase", "paused", "outcome")
    rows = {str(key): row for key, row in found.items() if isinstance(row, Mapping)}
    return {"canaries": {key: {name: row[name] for name in names if name in row} for key, row in rows.items()}} if rows else {}


def _remotes(found: Mapping[str, Any]) -> Picked:
    """ends: when the first of the tokens ends by which other clusters are read."""
    rows = found.get("secrets") or []
    ends = sorted(str(row["ends"]) for row in rows if row["ends"])
    return {"renewed": [str(row["cluster"]) for row in rows if row["status"] in ("made", "renewed")], **({"ends": ends[0]} if ends else {})}


# Variable, and what is taken of it.
SOURCES: dict[str, Callable[[Any], Picked]] = {
    "access_from_traffic_found": _traffic,
    "canary_results": _canaries,
    "check_shared_root_compared": _checks,
    "deliver_layer_times": _layers,
    "mesh_access_change": _difference,
    "mesh_access_result": _checks,
    "mesh_check_result": _checks,
    "mesh_check_traffic_result": _checks,
    "plan_upgrade_result": _upgrade_plan,
    "__egress_proof": _outbound,
    "__certificates_shown": _checks,
    "__certificates_turn": _rotation,
    "__migration_plan": _migration_plan,
    "__multicluster_access": _remotes,
    "__multicluster_checks": _checks,
    "__traffic_plan": _routes,
    "__upgrade_result": _rollout,
}
_INSTALLED = ("deliver_layer_times",)
_UPGRADED = ("deliver_layer_times", "__upgrade_result")
PLAYBOOKS: dict[str, tuple[str, ...]] = {
    "access_from_traffic": ("access_from_traffic_found",),
    "check_access": ("mesh_access_result", "mesh_access_change"),
    "check_mesh": ("mesh_check_result",),
    "check_outbound": ("__egress_proof",),
    "check_shared_root": ("check_shared_root_compared",),
    "check_traffic": ("mesh_check_traffic_result",),
    "connect_clusters": ("deliver_layer_times", "__multicluster_access", "__multicluster_checks"),
    "disconnect_cluster": _INSTALLED,
    "install_mesh": _INSTALLED,
    "issue_certificates": ("deliver_layer_times", "__certificates_shown"),
    "migrate_mesh": ("deliver_layer_times", "__migration_plan"),
    "plan_migration": ("__migration_plan",),
    "plan_upgrade": ("plan_upgrade_result",),
    "release_canary": ("deliver_layer_times", "canary_results"),
    "remove_mesh": _INSTALLED,
    "render_rights": _INSTALLED,
    "restart_data_plane": _UPGRADED,
    "rotate_certificates": ("__certificates_turn",),
    "shift_traffic": ("deliver_layer_times", "__traffic_plan"),
    "travel_corporate_ca": ("__certificates_turn", "__certificates_shown"),
    "travel_https": _INSTALLED,
    "travel_partner_gateway": _INSTALLED,
    "travel_partner_jwt": _INSTALLED,
    "travel_zero_trust": _INSTALLED,
    "upgrade_control_plane": _UPGRADED,
    "upgrade_data_plane": _UPGRADED,
    "upgrade_mesh": _UPGRADED,
    "upgrade_operators": _INSTALLED,
}


def artifact(playbook: str, host: str, about: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """`{meshops_PLAYBOOK: {host: {...}}}`: a map by host, because Ansible merges maps of several hosts and only joined results leave a job.

    about: what is known before anything was done (mesh, provider, version). What has not come to pass is not in it."""
    found: Picked = {name: value for name, value in about.items() if value is not None}
    for name in PLAYBOOKS[playbook]:
        value = variables.get(name)
        # a task that was skipped has registered that it was
        if value is not None and not (isinstance(value, Mapping) and value.get("skipped")):
            found |= SOURCES[name](value)
    return {f"meshops_{playbook}": {host: found}}
