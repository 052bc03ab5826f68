# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What access_plan and access_from_traffic return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._model.yaml_writer import dumped
from .._text import counted, joined, shortened
from .stages import AccessPlan, Stage
from .traffic import Findings

__all__ = ["plan_result", "proposal_text", "traffic_text"]

_SHOWN = 15


def _line(stage: Stage) -> str:
    kinds: dict[str, int] = {}
    for obj in stage.objects:
        kinds[obj["kind"]] = kinds.get(obj["kind"], 0) + 1
    what = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    return f"{stage.name:<18} {what}{'' if stage.changed else ' (as it is)'}"


def _text(plan: AccessPlan, cluster: str) -> str:
    intended = sum(call["expected"] == "allowed" for call in plan.stages[-1].calls) if plan.stages else 0
    end = (
        f"{counted(len(plan.breaks), 'time')} they deny calls on their way that are"
        if plan.breaks
        else "none of them denies a call that is"
    )
    lines = [
        f"{cluster}: exactly the intended access is allowed after {counted(len(plan.stages), 'stage')}, and {end} intended; "
        f"{plan.coverage.seen.text}",
        f"covered: all requests of {counted(plan.coverage.sources, 'workload')}, of callers without an identity and of unknown ones, to "
        f"{counted(len(plan.closed), 'closed workload')}",
        *(_line(stage) for stage in plan.stages),
    ]
    lines += [f"BREAKS  {text}" for text in plan.breaks[:_SHOWN]]
    lines += [f"... and {len(plan.breaks) - _SHOWN} more: BREAKS"] if len(plan.breaks) > _SHOWN else []
    if plan.leftovers:
        lines.append(f"removed at the end: {', '.join(_name(obj) for obj in plan.leftovers)}")
    if plan.stages:
        left = f"; {plan.left_out} more are left out (probe_limit)" if plan.left_out else ""
        lines.append(f"to probe: {counted(len(plan.stages[-1].calls), 'call')}, {intended} of them to be allowed at the end{left}")
    lines += [f"note: {text}" for text in plan.notes[:_SHOWN]]
    return joined([*lines, *(f"assumed: {text}" for text in plan.assumptions)])


def _name(obj: dict[str, Any]) -> str:
    return f"{obj['kind']} {obj['metadata']['namespace']}/{obj['metadata']['name']}"


def plan_result(plan: AccessPlan, cluster: str) -> dict[str, Any]:
    """The module's answer."""
    return {
        "stages": [stage.to_dict() for stage in plan.stages],
        "baseline": list(plan.baseline),
        "leftovers": list(plan.leftovers),
        "matrix": plan.matrix,
        "breaks": list(plan.breaks),
        "notes": list(plan.notes),
        "closed": list(plan.closed),
        "proof": {"holds": True, **plan.coverage.to_dict(), "mesh": dict(plan.mesh), "assumptions": list(plan.assumptions)},
        "text": _text(plan, cluster),
    }


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    more = [f"  ... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [title, *(f"  {line}" for line in lines[:_SHOWN]), *more] if lines else []


def traffic_text(cluster: str, found: Findings, sources: Sequence[str], skipped: Mapping[str, int], *, compared: bool) -> str:
    """What the intent would deny first; at most a few screens."""
    pairs = {(one.source.ref if one.source else "", one.target.ref) for one in found.seen}
    calls = counted(sum(one.count for one in found.seen), "call")
    lines = [f"{cluster}: {calls} between {counted(len(pairs), 'pair')} of workloads, in {shortened(sources, 3)}"]
    if compared:
        kinds = counted(len(found.would_deny), "kind")
        denies = f"the intent would deny {kinds} of observed calls; not seen of its own: {len(found.never_seen)}"
        lines.append(denies if found.would_deny or found.never_seen else "the intent allows all of them, and each of its calls was seen")
    lines += _listed("WOULD BE DENIED", found.would_deny)
    lines += _listed("NEVER SEEN (rare, or not needed)", found.never_seen)
    lines += _listed("WITHOUT A RULE IN THE PROPOSAL", found.unclear)
    lines += _listed("REFUSED ALREADY (401 or 403; not proposed)", found.refused)
    lines += _listed("OUT OF THE MESH (no matter of mesh_access)", found.outside)
    lines += _listed(
        "NOT READ, because it is no access log", [f"{path}: {counted(count, 'line')}" for path, count in sorted(skipped.items())]
    )
    lines.append(f"proposed: {counted(len(found.rules), 'rule')}")
    return joined([*lines, *(f"assumed: {text}" for text in found.assumptions)])


def proposal_text(found: Findings, sources: Sequence[str]) -> str:
    """A file of variables, with how often each rule was used."""
    head = [
        "# Proposed by meshops.mesh.access_from_traffic: what was seen, not what is meant. Read each rule before it is used.",
        *(f"# Seen in {text}." for text in sources[:_SHOWN]),
        *(f"# {name}: {counted(count, 'call')}" for name, count in found.rules.items()),
    ]
    return joined([*head, *dumped({"mesh_access": found.proposal}, width=140).split("\n")])
