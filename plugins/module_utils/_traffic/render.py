# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The objects of an intended traffic: what versions are (DestinationRules, Services of versions), and where requests go (VirtualServices,
HTTPRoutes). The two are layers of their own, because a route must not come before what it leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.fields import section
from .._model.routing import CLUSTER_DOMAIN
from .._model.traffic_rows import TRAFFIC_OF
from .cookies import cookie_pattern
from .http_routes import RouteAttachment, http_route
from .intent import EXACT, PRESENT, REGEX, ComparedText, RequestMatch, ServiceRoute, ServiceTraffic, VersionShare
from .outside import OutsideListener

__all__ = ["ROUTES", "SUBSETS", "RenderSettings", "TrafficObjects", "destination_rules", "render_traffic", "subset_of"]

SUBSETS, ROUTES = "traffic_subsets", "traffic_routes"
_ISTIO = "networking.istio.io"
_MESH = "mesh"
_TCP = {"max_connections": "maxConnections", "connect_timeout": "connectTimeout"}
_HTTP = {
    "max_pending_requests": "http1MaxPendingRequests",
    "max_requests": "http2MaxRequests",
    "max_requests_per_connection": "maxRequestsPerConnection",
    "max_retries": "maxRetries",
    "idle_timeout": "idleTimeout",
}
_OUTLIER = {
    "consecutive_5xx": "consecutive5xxErrors",
    "consecutive_gateway_errors": "consecutiveGatewayErrors",
    "interval": "interval",
    "base_ejection_time": "baseEjectionTime",
    "max_ejection_percent": "maxEjectionPercent",
    "min_health_percent": "minHealthPercent",
}
_DURATIONS = frozenset({"interval", "base_ejection_time", "connect_timeout", "idle_timeout"})
Obj = dict[str, Any]


@dataclass(frozen=True)
class RenderSettings:
    """api: of the routes in the mesh, istio or gateway; version: of Istio's API; end: `.svc.` and the cluster's domain; listeners:
    mesh_gateways by their names; services: what the source has of each Service, by namespace/name."""

    api: str = "istio"
    version: str = "v1"
    end: str = CLUSTER_DOMAIN
    listeners: Mapping[str, OutsideListener] = field(default_factory=dict)
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrafficObjects:
    """By layer, in the order in which they are needed."""

    subsets: tuple[Obj, ...]
    routes: tuple[Obj, ...]


def render_traffic(traffic: Iterable[ServiceTraffic], settings: RenderSettings) -> TrafficObjects:
    """All objects of the intent."""
    rows = list(traffic)
    subsets = [_about(one, obj) for one in rows for obj in (*_version_services(one, settings), *destination_rules(one, settings))]
    routes = [_about(one, obj) for one in rows for obj in (*_in_the_mesh(one, settings), *_from_outside(one, settings))]
    return TrafficObjects(tuple(subsets), tuple(routes))


def _about(one: ServiceTraffic, obj: Obj) -> Obj:
    """The object with the label of its Service, by which it is found once it is not wanted any more."""
    meta = obj["metadata"]
    return {**obj, "metadata": {**meta, "labels": {**meta.get("labels", {}), TRAFFIC_OF: one.service}}}


def host_of(one: ServiceTraffic, settings: RenderSettings, version: str = "") -> str:
    """The full name of the Service, or of that of a version."""
    return f"{one.service}{f'-{version}' if version else ''}.{one.namespace}{settings.end}"


def subset_of(one: ServiceTraffic, version: str) -> Obj:
    """A version as a DestinationRule has it."""
    found = one.version(version)
    policy = _policy(found.resilience)
    return {"name": found.name, "labels": dict(found.labels), **({"trafficPolicy": policy} if policy else {})}


def _by_services(one: ServiceTraffic, settings: RenderSettings) -> bool:
    """Whether versions are Services: HTTPRoutes know no subsets."""
    return settings.api == "gateway" or any(
        settings.listeners[name].api == "gateway" for name in one.gateways if name in settings.listeners
    )


def _port(one: ServiceTraffic, settings: RenderSettings) -> int:
    """The port that is meant: 0 where nobody says it."""
    ports = settings.services.get(one.key, {}).get("spec", {}).get("ports") or []
    return one.port or (int(ports[0]["port"]) if len(ports) == 1 else 0)


def _object(api: str, kind: str, namespace: str, name: str, spec: Obj) -> Obj:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


# what versions are


def destination_rules(one: ServiceTraffic, settings: RenderSettings) -> list[Obj]:
    """One for the Service with its subsets; where versions are Services of their own, one for each that says anything."""
    api, policy = f"{_ISTIO}/{settings.version}", _policy(one.resilience, one.tls)
    spec: Obj = {"host": host_of(one, settings), **({"trafficPolicy": policy} if policy else {})}
    if settings.api == "istio" and one.versions:
        spec["subsets"] = [subset_of(one, version.name) for version in one.versions]
    found = [_object(api, "DestinationRule", one.namespace, one.service, spec)] if len(spec) > 1 else []
    for version in one.versions if _by_services(one, settings) else ():
        own = {**_policy(one.resilience, one.tls), **_policy(version.resilience)}
        if own:
            host = host_of(one, settings, version.name)
            found.append(
                _object(api, "DestinationRule", one.namespace, f"{one.service}-{version.name}", {"host": host, "trafficPolicy": own})
            )
    return found


def _version_services(one: ServiceTraffic, settings: RenderSettings) -> list[Obj]:
    """A Service for each version, with the ports of the Service and its selector narrowed."""
    if not _by_services(one, settings):
        return []
    spec = section(settings.services.get(one.key), "spec")
    kept = ("name", "port", "targetPort", "protocol", "appProtocol")
    ports = [{key: port[key] for key in kept if key in port} for port in spec.get("ports") or []]
    ports = ports or [{"name": "http", "port": one.port or 80, "protocol": "TCP"}]
    selector = dict(section(spec, "selector")) or {"app": one.service}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"{one.service}-{version.name}", "namespace": one.namespace, "labels": {"app": one.service}},
            "spec": {"selector": {**selector, **version.labels}, "ports": [dict(port) for port in ports]},
        }
        for version in one.versions
    ]


def _policy(said: Mapping[str, Any], tls: str = "") -> Obj:
    """A trafficPolicy; empty where nothing is said."""
    pool, outlier, sticky = section(said, "connection_pool"), section(said, "outlier_detection"), section(said, "sticky")
    found: Obj = {}
    parts = {"tcp": _renamed(pool, _TCP), "http": _renamed(pool, _HTTP)}
    if any(parts.values()):
        found["connectionPool"] = {name: part for name, part in parts.items() if part}
    if said.get("load_balancer"):
        found["loadBalancer"] = {"simple": said["load_balancer"]}
    if sticky:
        found["loadBalancer"] = {"consistentHash": _sticky(sticky)}
    if outlier:
        found["outlierDetection"] = _renamed(outlier, _OUTLIER)
    return {**found, **({"tls": {"mode": tls}} if tls else {})}


def _renamed(said: Mapping[str, Any], names: Mapping[str, str]) -> Obj:
    return {name: str(said[key]) if key in _DURATIONS else int(said[key]) for key, name in names.items() if said.get(key) is not None}


def _sticky(said: Mapping[str, Any]) -> Obj:
    cookie = section(said, "cookie")
    if cookie:
        return {"httpCookie": {"name": str(cookie["name"]), "ttl": str(cookie.get("ttl") or "1h")}}
    return {"httpHeaderName": str(said["header"])} if said.get("header") else {"useSourceIp": True}


# where requests go


def _in_the_mesh(one: ServiceTraffic, settings: RenderSettings) -> list[Obj]:
    if not one.routes:
        return []
    if settings.api == "gateway":
        parent = {"group": "", "kind": "Service", "name": one.service, **({"port": one.port} if one.port else {})}
        return [http_route(one, one.service, _port(one, settings), RouteAttachment([parent]))]
    spec = {"hosts": [host_of(one, settings)], "http": _rules(one, settings, outside=False)}
    return [_object(f"{_ISTIO}/{settings.version}", "VirtualService", one.namespace, one.service, spec)]


def _rules(one: ServiceTraffic, settings: RenderSettings, *, outside: bool) -> list[Obj]:
    return [_rule(one, route, settings, outside=outside) for route in one.routes if _reachable(route, outside=outside)]


def _reachable(route: ServiceRoute, *, outside: bool) -> bool:
    """Only gateways read claims, and only pods of the mesh are callers of a namespace."""
    return not route.matches or any(_counts(match, outside=outside) for match in route.matches)


def _counts(match: RequestMatch, *, outside: bool) -> bool:
    return not (match.from_namespace or match.from_labels) if outside else match.claim is None


def _from_outside(one: ServiceTraffic, settings: RenderSettings) -> list[Obj]:
    """The same routes for those who come by gateways, which have host names and paths of their own."""
    if not (one.routes and one.gateways):
        return []
    apis = {name: settings.listeners[name].api if name in settings.listeners else "istio" for name in one.gateways}
    istio = [_gateway_name(name, one, settings) for name, api in apis.items() if api == "istio"]
    routed = [name for name, api in apis.items() if api == "gateway"]
    found, name = [], f"{one.service}-gateways"
    if istio:
        spec = {"hosts": list(one.hosts), "gateways": istio, "http": _rules(one, settings, outside=True)}
        found.append(_object(f"{_ISTIO}/{settings.version}", "VirtualService", one.namespace, name, spec))
    if routed:
        parents = [
            {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": own, "namespace": settings.listeners[own].home}
            for own in routed
        ]
        found.append(http_route(one, name, _port(one, settings), RouteAttachment(parents, one.hosts, one.paths)))
    return found


def _gateway_name(name: str, one: ServiceTraffic, settings: RenderSettings) -> str:
    if name not in settings.listeners:
        return name  # NAMESPACE/NAME
    home = settings.listeners[name].home
    return name if home == one.namespace else f"{home}/{name}"


def _rule(one: ServiceTraffic, route: ServiceRoute, settings: RenderSettings, *, outside: bool) -> Obj:
    counting = [match for match in route.matches if _counts(match, outside=outside)]
    matches = [found for match in counting for found in _with_paths(_match(match), one.paths if outside else ())]
    if not counting and outside and one.paths:
        matches = [{"uri": _string(path)} for path in one.paths]
    if one.port and not outside:
        # a port of the Service beside it keeps its own way
        matches = [{**match, "port": one.port} for match in matches or [{}]]
    shares = [_destination(one, share, settings) for share in route.to]
    if len(shares) > 1:
        shares = [{**found, "weight": share.weight} for found, share in zip(shares, route.to, strict=True)]
    found: Obj = {"name": route.name, **({"match": matches} if matches else {}), "route": shares}
    if route.mirror:
        found["mirror"] = _destination(one, VersionShare(route.mirror.version, 100), settings)["destination"]
        found["mirrorPercentage"] = {"value": _number(route.mirror.percent)}
    if route.timeout:
        found["timeout"] = route.timeout
    if route.retries:
        tried, words = route.retries.per_try_timeout, route.retries.retry_on
        found["retries"] = {
            "attempts": route.retries.attempts,
            **({"perTryTimeout": tried} if tried else {}),
            **({"retryOn": ",".join(words)} if words else {}),
        }
    return found


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _destination(one: ServiceTraffic, share: VersionShare, settings: RenderSettings) -> Obj:
    port = _port(one, settings)
    found: Obj = {"host": host_of(one, settings)}
    if share.version and settings.api == "istio":
        found["subset"] = share.version
    elif share.version:
        found["host"] = host_of(one, settings, share.version)
    return {"destination": {**found, **({"port": {"number": port}} if port else {})}}


def _with_paths(match: Obj, paths: Sequence[ComparedText]) -> list[Obj]:
    """A match by paths counts as it is: it is within the paths of the gateway, or it asks for none of them."""
    return [{"uri": _string(path), **match} for path in paths] if paths and "uri" not in match else [match]


def _string(match: ComparedText) -> Obj:
    return {} if match.form == PRESENT else {match.form: match.value}


def _match(match: RequestMatch) -> Obj:
    headers = {name: _string(value) for name, value in match.headers.items()}
    if match.cookies:
        headers["cookie"] = {REGEX: cookie_pattern(match.cookies)}
    if match.claim:
        headers[f"@request.auth.claims.{match.claim.claim}"] = _string(match.claim.value)
    found: Obj = {
        "uri": _string(match.path) if match.path else None,
        "ignoreUriCase": True if match.ignore_case and match.path else None,
        "method": {EXACT: match.method} if match.method else None,
        "headers": headers,
        "withoutHeaders": {name: _string(value) for name, value in match.without_headers.items()},
        "queryParams": {name: _string(value) for name, value in match.query.items()},
        "sourceNamespace": match.from_namespace,
        "sourceLabels": dict(match.from_labels),
    }
    return {name: value for name, value in found.items() if value}
