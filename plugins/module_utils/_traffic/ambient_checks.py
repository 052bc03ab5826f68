# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the traffic category about ambient: what only a sidecar or a waypoint does, where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .._authorization.checks import INPUTS, analysis_of
from .._checks.types import Options
from .._gateways.checks import root_namespace
from .._model import kinds as k
from .._model.fields import section, texts
from .._model.intent import Intent
from .._model.istiods import service_ends
from .._model.problem import Problem, Severity
from .._model.routing import binds_mesh, full_name, short_name
from .._model.selectors import matches_labels
from .._model.view import Obj, View, ref
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


def _waypoint(view: View, row: Obj) -> tuple[str, str]:
    """Namespace and name of the waypoint that an object's labels, or its namespace's, ask for; empty where none is."""
    around = view.get(k.NAMESPACE, row.namespace)
    for labels, home in ((row.labels, row.namespace), (around.labels if around is not None else {}, row.namespace)):
        if labels.get(_USE):
            return ("", "") if labels[_USE] == "none" else (str(labels.get(_USE_IN) or home), str(labels[_USE]))
    return "", ""


@check(
    "OSM1850",
    title="each route and rule for a Service in ambient has a waypoint that follows it",
    hint="give the Service a waypoint (label istio.io/use-waypoint) and write the object in the Service's namespace",
    severity=Severity.WARNING,
    inputs=(k.DESTINATION_RULE, *INPUTS),
    live=False,
    subjects=(k.VIRTUAL_SERVICE, k.DESTINATION_RULE),
    equivalents=("KIA0210", "KIA0211", "KIA0212", "KIA1109", "KIA1113", "KIA1114"),
)
def waypoints_follow(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """ztunnel sees connections only. Without a waypoint callers in ambient get no routes, retries, timeouts or weights, and a waypoint
    reads what is in the Service's own namespace. Gateways and callers with a sidecar follow a DestinationRule all the same: a notice."""
    inventory, ends = analysis_of(view, intent).inventory, service_ends(view)
    for row in (one for kind in (k.VIRTUAL_SERVICE, k.DESTINATION_RULE) for one in intent.owned(view.of(kind))):
        for service in _services_of(view, row, ends):
            chosen = texts(section(service.raw, "spec", "selector"))
            places = [one for one in inventory.near(service.namespace) if chosen and matches_labels(chosen, one.workload.labels)]
            if {one.workload.kind for one in places if not one.outside and not one.assumed} != {"ztunnel"}:
                continue
            severity = None if row.kind == k.VIRTUAL_SERVICE else Severity.INFO
            if not any(_waypoint(view, service)):
                yield Problem(row.ref, f"callers in ambient do not follow it: {service.ref} has no waypoint", severity=severity)
            elif row.namespace != service.namespace:
                text = f"the waypoint of {service.ref} does not follow it, as it is in {row.namespace} and not in {service.namespace}"
                yield Problem(row.ref, text, severity=severity)


def _services_of(view: View, row: Obj, ends: tuple[str, ...]) -> Iterator[Obj]:
    """The Services that an object is about, where callers in the mesh are meant to follow it."""
    if row.kind == k.DESTINATION_RULE:
        hosts = (
            [str(row.at("spec", "host", default=""))] if section(row.raw, "spec", "trafficPolicy") or row.items("spec", "subsets") else []
        )
    else:
        hosts = [str(host) for host in row.items("spec", "hosts")] if binds_mesh(row.raw) and row.items("spec", "http") else []
    for host in hosts:
        name, _dot, space = short_name(full_name(host, row.namespace, ends[0]), ends).partition(".")
        service = view.get(k.SERVICE, name, space) if name and space else None
        if service is not None:
            yield service


_BOUND = (k.NAMESPACE, k.SERVICE, k.SERVICE_ENTRY, k.WORKLOAD_ENTRY)


@check(
    "OSM1851",
    title="each waypoint that a label names is there",
    hint="istioctl waypoint apply -n NAMESPACE --name NAME; or correct the label istio.io/use-waypoint",
    inputs=(*_BOUND, k.K8S_GATEWAY),
    live=False,
    subjects=_BOUND,
    equivalents=("KIA1312", "KIA1313"),
)
def waypoints_there(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Callers then go straight to the workload: no policy for the waypoint is enforced, no route followed, and only a condition in the
    status says so. In a folder of manifests asked where it has Gateways of that namespace."""
    for row in (one for kind in _BOUND for one in view.of(kind)):
        own = row.name if row.kind == k.NAMESPACE else row.namespace
        name, space = str(row.labels.get(_USE) or ""), str(row.labels.get(_USE_IN) or own)
        if name in ("", "none") or not intent.owns(own) or (view.source == "manifests" and not view.of(k.K8S_GATEWAY, space)):
            continue
        gateway = view.get(k.K8S_GATEWAY, name, space)
        if gateway is None:
            yield Problem(row.ref, f"its label {_USE} names {ref(k.K8S_GATEWAY, name, space)}, which does not exist")
        elif str(gateway.at("spec", "gatewayClassName")) not in _WAYPOINTS:
            kind = gateway.at("spec", "gatewayClassName", default="(none)")
            yield Problem(row.ref, f"its label {_USE} names {gateway.ref}, which is of class {kind}, no waypoint")
