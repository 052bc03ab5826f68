# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether every route of a mesh leads somewhere: the question that each stage of a change is asked before anything is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._checks.types import Options
from .._gateways.checks import destination_exists, subset_defined
from .._model import kinds as k
from .._model.fields import section, sections, texts
from .._model.intent import Intent
from .._model.istiods import READS, service_ends
from .._model.pods import selected_pods
from .._model.problem import Problem, merged
from .._model.routing import Rules, destinations, full_name, short_name
from .._model.view import Obj, View
from .._text import shown
from .callers_proof import NO_PODS, NO_SERVICE, NO_SUBSET, callers_proof
from .routed_objects import ROUTED

__all__ = ["NO_PODS", "NO_SERVICE", "PROVEN_BY", "route_faults"]

# What the answer stands on.
PROVEN_BY = frozenset({*READS, *ROUTED, k.POD}) - {k.PEER_AUTHENTICATION}  # how it is spoken to them is no matter of routes


def route_faults(view: View, intent: Intent) -> tuple[Problem, ...]:
    """Each route of the mesh to what would answer with an error: no such Service or port, no subset, no ready pod behind it.

    The one place that knows; `kind` says which of them it is. Objects are asked first, as not all callers have to be there, and then the
    routes as the callers that are there have them."""
    options = Options()
    found = [
        Problem(one.resource, one.message, kind=kind)
        for kind, check in ((NO_SERVICE, destination_exists), (NO_SUBSET, subset_defined))
        for one in check(view, intent, options)
        if not one.skipped
    ]
    told = merged([*found, *_without_pods(view, intent), *_http_routes(view, intent)])
    known = {(one.resource, one.kind) for one in told}
    return (*told, *(one for one in callers_proof(view, intent).faults() if (one.resource, one.kind) not in known))


def _service_at(view: View, host: str, namespace: str) -> Obj | None:
    """The Service that a host means in an object of this namespace."""
    ends = service_ends(view)
    name, _dot, home = short_name(full_name(host, namespace, ends[0]), ends).partition(".")
    return view.get(k.SERVICE, name, home) if home else None


def _without_pods(view: View, intent: Intent) -> Iterator[Problem]:
    ends = service_ends(view)
    rules = Rules((rule.raw for rule in view.of(k.DESTINATION_RULE)), ends[0])
    for route in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        for destination in _with_requests(route):
            host, subset = str(destination.get("host") or ""), str(destination.get("subset") or "")
            service = _service_at(view, host, route.namespace)
            if service is None:
                continue
            named = rules.named(full_name(host, route.namespace, ends[0]))
            labels = next((labels for rule in named for labels in _labels(rule, subset)), {}) if subset else {}
            yield from _no_pods(view, route, service, labels, subset)


def _with_requests(route: Obj) -> Iterator[Mapping[str, Any]]:
    """The destinations that get any: those without a share are there for later."""
    for rule in sections(route.items("spec", "http")):
        several = len(sections(rule.get("route"))) > 1
        for one in sections(rule.get("route")):
            if not several or int(one.get("weight") or 0):
                yield section(one, "destination")
        yield from ([section(rule, "mirror")] if rule.get("mirror") else [])
    yield from destinations({"spec": {name: route.at("spec", name) for name in ("tls", "tcp")}})


def _labels(rule: Mapping[str, Any], subset: str) -> Iterator[dict[str, str]]:
    yield from (texts(one.get("labels")) for one in sections(section(rule, "spec").get("subsets")) if one.get("name") == subset)


def _no_pods(view: View, route: Obj, service: Obj, labels: Mapping[str, str], subset: str) -> Iterator[Problem]:
    selector = texts(service.at("spec", "selector", default={}))
    wanted = {**selector, **labels}
    if not selector or _served(view, wanted, service.namespace):
        return
    words = ", ".join(f"{key}={value}" for key, value in sorted(wanted.items()))
    what = f"version {shown(subset)} of {service.ref}" if subset else service.ref
    yield Problem(route.ref, f"it routes to {what}, which has no ready pod ({shown(words)}): callers would get 503", kind=NO_PODS)


def _served(view: View, wanted: Mapping[str, str], namespace: str) -> bool:
    """Is there a pod that answers? Manifests have templates only, and those of a namespace may be elsewhere."""
    if view.source == "manifests":
        there = any(pod.namespace == namespace for kind in (k.DEPLOYMENT, k.STATEFUL_SET) for pod in view.of(kind))
        return not there or bool(selected_pods(view, wanted, namespace))
    ready = (pod.condition("Ready") for pod in view.selected(k.POD, wanted) if pod.namespace == namespace and not pod.deleting)
    return any(condition is not None and condition.true for condition in ready)


def _http_routes(view: View, intent: Intent) -> Iterator[Problem]:
    for route in intent.owned(view.of(k.HTTP_ROUTE)):
        for rule in sections(route.items("spec", "rules")):
            mirrors = [section(one, "requestMirror", "backendRef") for one in sections(rule.get("filters"))]
            several = len(sections(rule.get("backendRefs"))) > 1
            backends = [one for one in sections(rule.get("backendRefs")) if not several or int(one.get("weight", 1))]
            for backend in (*backends, *(one for one in mirrors if one)):
                if str(backend.get("kind") or "Service") == "Service":
                    yield from _backend(view, route, backend)


def _backend(view: View, route: Obj, backend: Mapping[str, Any]) -> Iterator[Problem]:
    name, home = str(backend.get("name")), str(backend.get("namespace") or route.namespace)
    service = view.get(k.SERVICE, name, home)
    if service is None:
        yield Problem(route.ref, f"it routes to Service {shown(home)}/{shown(name)}, which does not exist", kind=NO_SERVICE)
        return
    ports = [port.get("port") for port in sections(service.items("spec", "ports"))]
    if backend.get("port") not in ports:
        have = ", ".join(map(str, ports)) or "no port"
        yield Problem(route.ref, f"it routes to port {shown(backend.get('port'))} of {service.ref}, which has {have}", kind=NO_SERVICE)
    yield from _no_pods(view, route, service, {}, "")
