# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What access_plan returns."""

from __future__ import annotations

from typing import Any

from .stages import Plan, Stage

__all__ = ["plan_result"]


def _line(stage: Stage) -> str:
    kinds: dict[str, int] = {}
    for obj in stage.objects:
        kinds[obj["kind"]] = kinds.get(obj["kind"], 0) + 1
    what = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    return f"{stage.name:<18} {what}{'' if stage.changed else ' (as it is)'}"


def _text(plan: Plan, cluster: str) -> str:
    intended = sum(call["expected"] == "allowed" for call in plan.stages[-1].calls) if plan.stages else 0
    lines = [
        f"{cluster}: exactly the intended access is allowed after {len(plan.stages)} stages, and none of them denies an intended call",
        f"covered: all requests of {plan.coverage.sources} workloads, of callers without an identity and of unknown ones, to "
        f"{len(plan.closed)} closed workloads",
        *(_line(stage) for stage in plan.stages),
    ]
    if plan.leftovers:
        lines.append(f"removed at the end: {', '.join(_name(obj) for obj in plan.leftovers)}")
    if plan.stages:
        left = f"; {plan.left_out} more are left out (probe_limit)" if plan.left_out else ""
        lines.append(f"to probe: {len(plan.stages[-1].calls)} calls, {intended} of them to be allowed at the end{left}")
    return "\n".join([*lines, *(f"assumed: {text}" for text in plan.assumptions)])


def _name(obj: dict[str, Any]) -> str:
    return f"{obj['kind']} {obj['metadata']['namespace']}/{obj['metadata']['name']}"


def plan_result(plan: Plan, cluster: str) -> dict[str, Any]:
    """The module's answer."""
    return {
        "stages": [stage.to_dict() for stage in plan.stages],
        "baseline": list(plan.baseline),
        "leftovers": list(plan.leftovers),
        "matrix": plan.matrix,
        "closed": list(plan.closed),
        "proof": {"holds": True, **plan.coverage.to_dict(), "mesh": dict(plan.mesh), "assumptions": list(plan.assumptions)},
        "text": _text(plan, cluster),
    }
