# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What traffic_check returns: rows, where each request goes, and a text for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._checks.render import table
from .._checks.runner import Report
from .._checks.types import Status
from .._errors import ConfigError
from .._inputs import intent_from, options_from
from .._model.clock import utc_now
from .._model.snapshot import Snapshot
from .._model.view import View
from .._rights.reads import ROUTING
from .._text import counted, joined, shown
from .._traffic.end_to_end import WholeAnswer, decided_by
from .._traffic.expectations import EXAMPLES, read_expectations
from .._traffic.mesh_routing import MeshRouting, routing_of
from .._traffic.verdicts import answers_to, told
from .authorization_check import mesh_settings
from .category import category_options, run_category
from .sources import read_whole

__all__ = ["TrafficChecked", "read_traffic_source", "run_traffic_checks"]

_CODES = ("OSM1820",)


@dataclass(frozen=True)
class TrafficChecked:
    """The report, and each request with what becomes of it."""

    report: Report
    requests: tuple[Mapping[str, Any], ...]
    senders: int
    text: str


def read_traffic_source(params: Mapping[str, Any], warn: Callable[[str], None] | None = None) -> Snapshot:
    """All that decides about routes, and nothing else: a part of it would be a wrong answer, so a kind that may not be read is an error."""
    _require_readable(params.get("expect"))
    return read_whole(params, kinds=ROUTING, family="check", clock=utc_now, warn=warn)


def _require_readable(rows: Any) -> None:
    """All mistakes in the sentences at once, before anything is read."""
    _found, wrong = read_expectations(rows or ())
    if wrong:
        raise ConfigError(f"{'; '.join(wrong)}. Such as: {' | '.join(EXAMPLES)}")


def _row(answer: WholeAnswer) -> dict[str, Any]:
    return {
        "caller": answer.sender.name,
        "outcome": answer.answer.outcome,
        "goes": told(answer),
        "decided_by": decided_by(answer.answer),
        "parts": [{"percent": part.percent, "service": part.service, "subset": part.subset, "status": part.status, "reached": part.reached,
                   "why": part.why, "by": part.by} for part in answer.parts],
    }  # fmt: skip


def run_traffic_checks(params: Mapping[str, Any], snapshot: Snapshot) -> TrafficChecked:
    """Every expectation asked; ConfigError where a sentence cannot be read, or the source has nobody who calls."""
    _require_readable(params.get("expect"))
    own = {**params, "requests": params.get("expect") or [], "only": list(params.get("only") or _CODES)}
    options = category_options("traffic", options_from(own, now=snapshot.taken_at), "traffic")
    intent = intent_from({**own, "mesh_settings": mesh_settings(params)})
    view = View(snapshot)
    report = run_category("traffic", view, intent, options)
    view = report.view or view
    routing = routing_of(view, intent)
    _require_callers(routing, snapshot, params)
    expectations, _wrong = read_expectations(intent.requests or ())
    rows = []
    for expectation in expectations:
        if expectation.caller != "nobody":
            answers = answers_to(routing, expectation, now=options.now)
            rows += [{"expectation": expectation.text, **_row(one)} for one in answers if isinstance(one, WholeAnswer)]
    failed = sum(row.status is Status.FAILED for row in report.rows if row.id in _CODES)
    head = f"{snapshot.cluster}: {counted(len(expectations), 'expectation')} of {counted(len(routing.senders), 'caller')}, "
    head += f"{counted(failed, 'problem')}" if failed else "all of them hold"
    lines = table([row.to_dict() for row in report.rows], show_from="warning", summary=report.summary).split("\n")
    assumed = [f"assumed: {text}" for text in routing.assumptions]
    return TrafficChecked(report, tuple(rows), len(routing.senders), joined([head, *assumed, "", *lines]))


def _require_callers(routing: MeshRouting, snapshot: Snapshot, params: Mapping[str, Any]) -> None:
    """Expectations about an empty source hold, and say nothing."""
    if not all(sender.assumed for sender in routing.senders):
        return
    where = shown(params.get("path")) if params.get("path") else "the cluster"
    raise ConfigError(
        f"{snapshot.cluster}: no workload with a proxy and no gateway was found in {where}, so nobody calls; give the folder, snapshot or "
        "cluster that has the workloads, or name their namespaces with members"
    )
