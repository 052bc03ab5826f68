# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the gateways category about what people ask of a gateway's pods that those do not do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .._checks.types import Options
from .._model import kinds as k
from .._model.fields import section, sections, texts
from .._model.intent import Intent
from .._model.istiods import READS, istiods_of_mesh, service_ends
from .._model.pods import selected_pods
from .._model.problem import Problem, Severity, skip
from .._model.routing import binds_mesh, full_name, gateway_names
from .._model.selectors import matches_labels
from .._model.view import Obj, View
from .._text import shortened
from .checks import CATEGORY, gateways_of, root_namespace

check = CATEGORY.check

__all__: list[str] = []

_GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"  # on the pods that istiod runs for a Gateway of the Gateway API
_WAYPOINTS = ("istio-waypoint", "istio-waypoint-remote")
_SELECTING = (k.AUTHORIZATION_POLICY, k.REQUEST_AUTHENTICATION, k.TELEMETRY, k.WASM_PLUGIN)
_SHOWN = 3


@check(
    "OSM1522",
    title="each policy for the pods of a Gateway of the Gateway API names the Gateway",
    hint="in place of the selector write targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: GATEWAY}]",
    severity=Severity.WARNING,
    inputs=(*_SELECTING, k.POD, k.K8S_GATEWAY, *READS),
    live=False,
    subjects=_SELECTING,
    equivalents=("IST0166", "KIA0110", "KIA1115", "KIA1116", "KIA1117"),
)
def gateways_targeted(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A waypoint never looks at selectors, and with ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY=false no gateway of the Gateway API does: the
    policy is stored, and not one request is judged by it. Where a gateway does look at them this is a notice."""
    off = any(one.flag("ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY") is False for one in istiods_of_mesh(view, intent))
    for row in (one for kind in _SELECTING for one in intent.owned(view.of(kind))):
        wanted = texts(section(row.raw, "spec", "selector", "matchLabels"))
        if not wanted or row.at("spec", "targetRef") or row.items("spec", "targetRefs"):
            continue
        for name in _chosen(view, row, wanted):
            waypoint = _is_waypoint(view, name, row.namespace)
            remedy = f"in place of the selector write targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {name}}}]"
            if waypoint:
                text = f"it has no effect at the waypoint {name}, which follows targetRefs only"
            elif off:
                text = f"it has no effect at Gateway {row.namespace}/{name}: this istiod follows targetRefs only at such gateways"
            else:
                text = f"it selects the pods of Gateway {row.namespace}/{name}: that an istiod may be told not to follow"
            yield Problem(row.ref, text, remedy, None if waypoint or off else Severity.INFO)


def _chosen(view: View, row: Obj, wanted: Mapping[str, str]) -> list[str]:
    """The Gateways whose pods a policy selects: those that it names by their label, and those whose pods are there."""
    named = [wanted[_GATEWAY_NAME]] if _GATEWAY_NAME in wanted else []
    pods = (shape.labels.get(_GATEWAY_NAME) for _space, shape in selected_pods(view, wanted, row.namespace))
    return list(dict.fromkeys([*named, *filter(None, pods)]))


def _is_waypoint(view: View, name: str, namespace: str) -> bool:
    gateway = view.get(k.K8S_GATEWAY, name, namespace)
    return gateway is not None and gateway.at("spec", "gatewayClassName") in _WAYPOINTS


_CLAIMS = "@request.auth.claims"


@check(
    "OSM1523",
    title="each gateway with routes by claims reads tokens",
    hint="add a RequestAuthentication in the namespace of the gateway's pods, with their labels in its selector",
    inputs=(k.VIRTUAL_SERVICE, k.GATEWAY, k.REQUEST_AUTHENTICATION, k.POD, *READS),
    live=False,
    subjects=(k.VIRTUAL_SERVICE,),
    equivalents=("IST0149",),
)
def claims_are_read(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A route by a claim compares what a RequestAuthentication has read of a valid token at this very gateway. Without one no request has
    any claim: all of them take the next route, or get 404."""
    for service in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        claim = next(_claims(service), "")
        for gateway in gateways_of(view, service) if claim else ():
            selector = texts(gateway.at("spec", "selector"))
            pods = selected_pods(view, selector)
            if not pods:
                yield skip(f"{service.ref} routes by {claim}, and the source has no pod of {gateway.ref}")
            spaces = {space: shape.labels for space, shape in pods if not _reads_tokens(view, intent, space, shape.labels)}
            for space in sorted(spaces):
                text = f"it routes by {claim}, and no RequestAuthentication reads tokens at {gateway.ref} (pods in {space})"
                yes = f"spec: {{selector: {{matchLabels: {_flow(selector)}}}, jwtRules: [{{issuer: ISSUER, jwksUri: URL}}]}}"
                yield Problem(service.ref, f"{text}: no request takes that route", f"add in {space} a RequestAuthentication with {yes}")


def _flow(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in sorted(labels.items())) + "}"


def _claims(service: Obj) -> Iterator[str]:
    for rule in sections(service.items("spec", "http")):
        for match in sections(rule.get("match")):
            names = [*section(match, "headers"), *section(match, "withoutHeaders")]
            yield from (name for name in names if name.startswith((f"{_CLAIMS}.", f"{_CLAIMS}[")))


def _reads_tokens(view: View, intent: Intent, space: str, labels: Mapping[str, str]) -> bool:
    homes = dict.fromkeys((space, root_namespace(view, intent)))
    return any(_is_for(row, labels) for home in homes for row in view.of(k.REQUEST_AUTHENTICATION, home))


def _is_for(row: Obj, labels: Mapping[str, str]) -> bool:
    refs = [section(row.raw, "spec", "targetRef"), *sections(row.items("spec", "targetRefs"))]
    targets = {str(one.get("name")) for one in refs if one}
    if targets:
        return labels.get(_GATEWAY_NAME) in targets
    return matches_labels(section(row.raw, "spec", "selector", "matchLabels"), labels)


@check(
    "OSM1524",
    title="each Service with subsets has routes to them at its gateways",
    hint="give the destination the subset that is meant; or bind the VirtualService with the subsets to the Gateway as well",
    severity=Severity.INFO,
    inputs=(k.VIRTUAL_SERVICE, *READS),
    live=False,
    subjects=(k.VIRTUAL_SERVICE,),
    equivalents=("IST0140",),
)
def subsets_at_gateways(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A gateway follows the VirtualServices that name it. What another one says for callers in the mesh, a canary's weights for instance,
    is not asked again for the Service that a gateway routes to: such requests go to all of its pods."""
    end = service_ends(view)[0]
    services = intent.owned(view.of(k.VIRTUAL_SERVICE))
    inside: dict[str, list[Obj]] = {}
    for service in services:
        hosts = [full_name(str(host), service.namespace, end) for host in service.items("spec", "hosts")]
        split = {full for full, subset in _http(service, end) if subset and binds_mesh(service.raw)}
        for host in split.intersection(hosts):
            inside.setdefault(host, []).append(service)
    for service in services:
        gateways = [f"{space}/{name}" for space, name in gateway_names(service.raw)]
        for host in dict.fromkeys(full for full, subset in _http(service, end) if gateways and not subset):
            others = [one.ref for one in inside.get(host, ()) if one is not service]
            if others:
                text = f"what comes by {shortened(gateways, _SHOWN)} for {host} goes to all of its pods"
                yield Problem(service.ref, f"{text}: the subsets in {shortened(others, _SHOWN)} are for callers in the mesh only")


def _http(service: Obj, end: str) -> Iterator[tuple[str, str]]:
    """Full host and subset of each HTTP destination."""
    for rule in sections(service.items("spec", "http")):
        for one in sections(rule.get("route")):
            target = section(one, "destination")
            yield full_name(str(target.get("host") or ""), service.namespace, end), str(target.get("subset") or "")
