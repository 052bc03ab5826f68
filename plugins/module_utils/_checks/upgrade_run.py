# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What upgrade_plan returns: the rows of the upgrade, the plan, and both as a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._errors import ConfigError
from .._model.malformed import readable
from .._model.snapshot import Snapshot
from .._upgrade.fleet import fleet_of_view, with_reports
from .._upgrade.plan import Plan, plan_of
from .._upgrade.text import text_of
from .._upgrade.timing import earlier_rate
from .inputs import intent_from, options_from
from .render import table
from .runner import Report, run_checks_on
from .table import CHECKS
from .types import Options
from .upgrade import journey, tell_fleet
from .view import View

__all__ = ["Planned", "run_upgrade_plan"]

_TERMS = ("strategy", "concurrency", "per_minute", "pause", "waves", "hours")


@dataclass(frozen=True)
class Planned:
    report: Report
    plan: Plan
    text: str


def run_upgrade_plan(params: Mapping[str, Any], snapshot: Snapshot, reports: Mapping[tuple[str, str], str] | None = None) -> Planned:
    """Plan and checks of one source; reports: what proxies said of their version, by (namespace, pod)."""
    own = {row.id for row in CHECKS if row.category == "upgrade"}
    options: Options = options_from(params, now=snapshot.taken_at)
    foreign = sorted(set(options.only) - own)
    if foreign:
        raise ConfigError(f"only: {', '.join(foreign)} is no check of an upgrade; meshops.mesh.mesh_check has all of them")
    if not options.only:
        options = replace(options, only=tuple(sorted(own)))
    view, intent = View(snapshot), intent_from(params)
    wanted = {"version": params["target"], **{name: params.get(name) for name in _TERMS}}
    wanted["per_minute"] = wanted["per_minute"] or readable(snapshot.cluster, lambda: earlier_rate(view, intent.namespace))
    intent = replace(intent, upgrade=wanted)
    fleet = readable(snapshot.cluster, lambda: fleet_of_view(view))
    tell_fleet(view, with_reports(fleet, reports) if reports else fleet)
    plan = readable(snapshot.cluster, lambda: plan_of(journey(view, intent)))
    if intent.provider is None:
        # Only now it is known which generation it is.
        intent = replace(intent, provider=plan.journey.route.provider)
    report = run_checks_on(view, intent, options)
    live = snapshot.source != "manifests"
    report = replace(report, rows=tuple(row for row in report.rows if row.category == "upgrade" or (live and row.id == "OSM1002")))
    rows = [row.to_dict() for row in report.rows]
    shown = table(rows, show_from=params.get("show_from") or "warning", summary=report.summary)
    return Planned(report, plan, f"{text_of(plan)}\n\n{shown}")
