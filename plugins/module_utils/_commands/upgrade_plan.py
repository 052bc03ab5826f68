# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What upgrade_plan returns: the rows of the upgrade, the plan, and both as a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._checks.render import table
from .._checks.runner import Report
from .._inputs import intent_from, options_from
from .._model.malformed import readable
from .._model.snapshot import Snapshot
from .._model.view import View
from .._upgrade.checks import fleet, journey
from .._upgrade.plan import UpgradePlan, plan_of
from .._upgrade.text import text_of
from .._upgrade.timing import earlier_rate
from .category import category_options, run_category

__all__ = ["UpgradeResult", "run_upgrade_plan"]

_TERMS = ("strategy", "concurrency", "per_minute", "pause", "waves", "hours")


@dataclass(frozen=True)
class UpgradeResult:
    report: Report
    plan: UpgradePlan
    text: str


def run_upgrade_plan(params: Mapping[str, Any], snapshot: Snapshot, reports: Mapping[tuple[str, str], str] | None = None) -> UpgradeResult:
    """Plan and checks of one source; reports: what proxies said of their version, by (namespace, pod)."""
    options = category_options("upgrade", options_from(params, now=snapshot.taken_at), "an upgrade")
    view, intent = View(snapshot), intent_from(params)
    wanted = {"version": params["target"], **{name: params.get(name) for name in _TERMS}}
    wanted["per_minute"] = wanted["per_minute"] or readable(snapshot.cluster, lambda: earlier_rate(view, intent.namespace))
    intent = replace(intent, upgrade=wanted)
    readable(snapshot.cluster, lambda: fleet(view, reports or {}))
    plan = readable(snapshot.cluster, lambda: plan_of(journey(view, intent)))
    if intent.provider is None:
        # Only now it is known which generation it is.
        intent = replace(intent, provider=plan.journey.route.provider)
    report = run_category("upgrade", view, intent, options)
    rows = [row.to_dict() for row in report.rows]
    shown = table(rows, show_from=params.get("show_from") or "warning", summary=report.summary)
    return UpgradeResult(report, plan, f"{text_of(plan)}\n\n{shown}")
