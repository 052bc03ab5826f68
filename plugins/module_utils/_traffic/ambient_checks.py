# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the traffic category about ambient: what only a sidecar or a waypoint does, where there is none."""

from __future__ import annotations

from collections.abc import Iterable

from .._authorization.checks import INPUTS, analysis_of
from .._checks.types import Options
from .._gateways.checks import root_namespace
from .._model import kinds as k
from .._model.fields import section, texts
from .._model.intent import Intent
from .._model.problem import Problem, Severity
from .._model.selectors import matches_labels
from .._model.view import View
from .checks import CATEGORY

check = CATEGORY.check

__all__: list[str] = []

_MODE, _INJECTION, _REVISION = "istio.io/dataplane-mode", "istio-injection", "istio.io/rev"
_USE, _USE_IN = "istio.io/use-waypoint", "istio.io/use-waypoint-namespace"
_WAYPOINTS = ("istio-waypoint", "istio-waypoint-remote")


def _ambient(view: View, namespace: str) -> bool:
    """Whether the pods of a namespace are ztunnel's, unless they say otherwise."""
    row = view.get(k.NAMESPACE, namespace)
    if row is None or row.labels.get(_INJECTION) == "enabled" or row.labels.get(_REVISION):
        return False
    return row.labels.get(_MODE) == "ambient"


@check(
    "OSM1849",
    title="each Sidecar is for pods with a sidecar",
    hint="delete it: ztunnel needs no list of hosts, and who may call whom is said by an AuthorizationPolicy",
    severity=Severity.WARNING,
    inputs=(*INPUTS,),
    live=False,
    subjects=(k.SIDECAR,),
    equivalents=("IST0167",),
)
def sidecars_have_readers(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """ztunnel and waypoints do not read it. One with REGISTRY_ONLY in ambient closes nothing: its namespace calls whomever it likes."""
    inventory, root = analysis_of(view, intent).inventory, root_namespace(view, intent)
    for row in intent.owned(view.of(k.SIDECAR)):
        if row.namespace == root:
            continue  # it is for all namespaces that have none of their own
        wanted = texts(section(row.raw, "spec", "workloadSelector", "labels"))
        places = [one for one in inventory.near(row.namespace) if not one.assumed and matches_labels(wanted, one.workload.labels)]
        kinds = {one.workload.kind for one in places if not one.outside}
        if kinds - {"ztunnel", "waypoint"} or not (kinds or (not wanted and _ambient(view, row.namespace))):
            continue
        mode = section(row.raw, "spec", "outboundTrafficPolicy").get("mode")
        closed = " and its REGISTRY_ONLY closes nothing" if mode == "REGISTRY_ONLY" else ""
        whose = "the pods that it selects are" if wanted else f"the pods of namespace {row.namespace} are"
        yield Problem(row.ref, f"it has no effect{closed}: {whose} in ambient, where nothing reads a Sidecar")
