# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_check does, for the module and for the action plugin that does the same without a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .._catalogue import kinds_read, run_checks_on
from .._checks.answer import answer
from .._checks.render import table
from .._checks.runner import Report, run_until
from .._checks.several import together
from .._checks.types import Options
from .._discovery.completion import FIELDS, completed, meshes_for, unmatched
from .._discovery.discover import READS as DISCOVERED_BY
from .._discovery.discover import discover_readable
from .._discovery.model import DiscoveredMesh, Discovery
from .._discovery.report import found_lines, mesh_data, not_judged
from .._errors import ConfigError, FetchError
from .._inputs import intent_from, options_from, reviews_for
from .._kube.auth import AUTH_ARG_SPEC
from .._kube.collect import collect
from .._kube.options import CLUSTER, REPORT, SOURCE, display_name, wait_options
from .._kube.progress import Progress, few
from .._model.clock import utc_now
from .._model.intent import ISTIO_ONLY, Intent
from .._model.packages import TOOLS
from .._model.scope import strangers, tells_of_a_mesh
from .._model.snapshot import Snapshot
from .._model.view import View
from .._text import counted, shortened
from .certificate_sources import clock_source
from .sources import cluster_of, nothing, read_result, read_source

__all__ = ["Look", "argument_spec", "check", "look"]


def argument_spec() -> dict[str, Any]:
    """The options of mesh_check."""
    thresholds = {name: {"type": "str"} for name in ("kubernetes_oldest", "istio_oldest", "ossm2_oldest", "ossm3_oldest")}
    whole = ("proxy_skew_minors", "remote_access_days", "restarts", "certificate_rsa_bits", "certificate_ec_bits", "certificate_max_bytes")
    thresholds |= {name: {"type": "int"} for name in whole}
    fractions = ("snapshot_max_age_hours", "certificate_days", "certificate_fraction", "clock_skew_seconds")
    thresholds |= {name: {"type": "float"} for name in fractions}
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **SOURCE,
        **REPORT,
        **wait_options(wait_timeout=0, wait_interval=5),
        "mesh": {"type": "str"},
        "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail", ISTIO_ONLY]},
        "categories": {"type": "list", "elements": "str", "default": []},
        "control_plane": {"type": "dict"},
        "members": {"type": "list", "elements": "str"},
        "operators": {"type": "list", "elements": "str"},
        "personas": {"type": "list", "elements": "dict"},
        "gateways": {"type": "list", "elements": "dict"},
        "observability": {"type": "list", "elements": "str", "choices": list(TOOLS)},
        "show_from": {"type": "str", "choices": ["info", "warning", "error"], "default": "info"},
        "thresholds": {"type": "dict", "default": {}, "options": thresholds},
    }


@dataclass(frozen=True)
class Look:
    """One look: what was read, what was found in it, and which meshes of it were checked, each with its intent."""

    report: Report
    snapshot: Snapshot
    discovery: Discovery = field(default_factory=Discovery)
    taken: tuple[DiscoveredMesh, ...] = ()
    intents: tuple[Intent, ...] = ()

    @property
    def told(self) -> dict[str, Any]:
        """What a module returns of what was found: `found`, where something was taken of it or left out."""
        lines = [] if not any(intent.found for intent in self.intents) else found_lines(self.discovery, self.taken)
        rest = self._rest()
        return {"found": {"meshes": [mesh_data(mesh) for mesh in self.taken], "text": "\n".join([*lines, *filter(None, [rest])])}}

    def _rest(self) -> str:
        if not self.intents or any(intent.members is None for intent in self.intents):
            return ""
        return not_judged(
            self.snapshot.objects,
            lambda namespace: any(intent.owns(namespace) for intent in self.intents),
            every=self.snapshot.source == "manifests",
        )


def look(params: dict[str, Any], warn: Callable[[str], None] | None = None) -> Look:
    """Read the source once and run the table over it; an API that does not answer is a failed check, not a crash.

    What no inventory says is found out from the source; without a word about which of several meshes is meant all are checked.
    warn: is told of files that cannot be read."""
    intent, options = intent_from(params), options_from(params, now=utc_now())
    asks = _asks(intent, options)
    try:
        cluster = cluster_of(params)
        if cluster is not None:
            kinds = kinds_read(intent, options) | (frozenset(DISCOVERED_BY) if asks else frozenset())
            snapshot = collect(cluster, reviews=reviews_for(intent), kinds=kinds, plane=intent.namespace, members=intent.members)
            clocks = tuple(source.to_object() for source in clock_source(cluster))
            snapshot, options = replace(snapshot, objects=(*snapshot.objects, *clocks)), replace(options, now=snapshot.taken_at)
        else:
            snapshot = read_source(params, clock=utc_now, warn=warn)
            _require_ours(snapshot, intent, params)
    except FetchError as exc:
        options = options_from(params, now=utc_now(), fetch_error=str(exc))
        snapshot, asks = nothing(params["cluster"], now=utc_now()), False
    view = View(snapshot)
    discovery = discover_readable(view) if asks else Discovery()
    taken = meshes_for(discovery, intent)
    intents = tuple(completed(intent, mesh) for mesh in taken) or (unmatched(intent, discovery),)
    report = together([run_checks_on(view, one, options) for one in intents])
    return Look(report, snapshot, discovery, taken, intents)


def _asks(intent: Intent, options: Options) -> bool:
    """Whether the source is asked what mesh it has: always, but for chosen checks of an inventory that says everything."""
    chosen = options.only or options.categories
    return not chosen or any(getattr(intent, name) is None for name in FIELDS)


def _require_ours(snapshot: Snapshot, intent: Intent, params: dict[str, Any]) -> None:
    """Manifests of another mesh pass every check of this one, as nothing of them is looked at."""
    if params["source"] != "manifests":
        return
    if not intent.members:
        if not any(map(tells_of_a_mesh, snapshot.objects)):
            raise ConfigError(
                f"{params['cluster']}: nothing was checked. None of the {counted(len(snapshot.objects), 'object')} of "
                f"{params['path']} is of a "
                "mesh (of Istio, OpenShift Service Mesh or the Gateway API, or with their labels): give the folder that has them, or an "
                "inventory (-i) whose mesh_domains says which namespaces are members"
            )
        return
    ours = [*intent.members, *([intent.namespace] if intent.namespace else [])]
    found = strangers(snapshot.objects, ours)
    if found:
        raise ConfigError(
            f"{params['cluster']}: nothing was checked. The objects of {params['path']} are in {shortened(found, 5)}, and none of these is "
            f"a namespace of this mesh ({shortened(ours, 5)}): give the inventory of these manifests (-i), correct mesh_domains, "
            "or give no inventory at all: what mesh they are of is found out then"
        )


def _say(progress: Progress, report: Report, fail_on: str) -> None:
    if progress.due():
        rows = report.failing("warning" if fail_on == "warning" else "error")
        progress.say(few(f"{row.id} {row.resource}: {row.message}" for row in rows))


def _report(looks: list[Look], one: Look) -> Report:
    looks[:] = [one]
    return one.report


def check(params: dict[str, Any], warn: Callable[[str], None]) -> dict[str, Any]:
    """The result of a task: the rows, and `failed` with a line that says which checks are the reason. Raises MeshError."""
    params = {**params, "cluster": display_name(params)}
    looks: list[Look] = []
    progress = Progress(params["cluster"])
    report = run_until(
        lambda: _report(looks, look(params, warn)),
        wait_timeout=params["wait_timeout"] if params["source"] == "cluster" else 0,
        wait_interval=params["wait_interval"],
        clock=time.monotonic,
        sleep=time.sleep,
        fail_on=params["fail_on"],
        waits=lambda report: _say(progress, report, params["fail_on"]),
    )
    result = answer(report, by="mesh_check", params=params, warn=warn, **read_result(looks[-1].snapshot), **looks[-1].told)
    shown = table(result["checks"], show_from=params["show_from"], summary=report.summary, about=report.about)
    return {**result, "cluster": params["cluster"], "table": shown}
