# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What traffic_plan returns."""

from __future__ import annotations

from typing import Any

from .._model.objects import Ref
from .._text import counted, joined
from .plan import TrafficPlan, TrafficStage
from .render import ROUTES

__all__ = ["plan_result"]

_SHOWN = 30


def plan_result(plan: TrafficPlan, cluster: str) -> dict[str, Any]:
    """The module's answer."""
    return {
        "stages": [stage.to_dict() for stage in plan.stages],
        "route_changes": any(stage.changed for stage in plan.stages if stage.name == ROUTES),
        "changes": list(plan.changes),
        "notes": list(plan.notes),
        "leftovers": [str(Ref.of(obj)) for obj in plan.leftovers],
        "text": _text(plan, cluster),
    }


def _text(plan: TrafficPlan, cluster: str) -> str:
    head = f"{counted(len(plan.changes), 'change')} for callers" if plan.changes else "no request goes another way"
    lines = [f"{cluster}: {head}", *(f"  {text}" for text in plan.changes[:_SHOWN])]
    lines += [f"  ... and {len(plan.changes) - _SHOWN} more"] if len(plan.changes) > _SHOWN else []
    lines += [f"stage {number}  {_line(stage)}" for number, stage in enumerate(plan.stages, 1)]
    return joined([*lines, *(f"note: {text}" for text in plan.notes)])


def _line(stage: TrafficStage) -> str:
    kinds: dict[str, int] = {}
    for obj in stage.objects:
        kinds[obj["kind"]] = kinds.get(obj["kind"], 0) + 1
    what = [f"{number} {kind}" for kind, number in sorted(kinds.items())]
    what += [f"without {Ref.of(obj)}" for obj in stage.gone]
    return f"{stage.title}: {', '.join(what) or 'nothing'}{'' if stage.changed else ' (as it is)'}"
