# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where a request goes: the whole of a mesh, asked for a caller and a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._model.fields import name_of, namespace_of, section, sections, texts
from .._model.objects import group_of
from .._model.selectors import matches, matches_labels
from .caller_classes import CallerClasses
from .clusters import BLACK_HOLE, PASSTHROUGH, ClusterTable, RoutedCluster
from .destination_rules import DestinationRules
from .gateway_api import GATEWAY_API, GatewayApi
from .gateways import GatewayListeners, ServiceTarget, istio_gateway
from .listeners import Chain, Listener, SidecarListeners
from .matching import choose_chain, first_route, request_facts
from .model import Consumer, RouteRequest, RoutingMesh
from .peers import PeerModes
from .registry import Registry, number_of
from .routes import HttpRoute
from .scope import Scopes
from .validity import listener_refusal, refusal
from .virtual_hosts import RouteTable, SidecarRoutes, VirtualHost
from .virtual_services import VirtualServices

__all__ = ["Destination", "ProxyConfig", "RouteAnswer", "RoutingWorld"]

_NETWORKING, _SECURITY = "networking.istio.io", "security.istio.io"
_GROUPS = {"Service": "", "Pod": "", "Namespace": "", "EndpointSlice": "discovery.k8s.io", "VirtualService": _NETWORKING,
           "DestinationRule": _NETWORKING, "ServiceEntry": _NETWORKING, "WorkloadEntry": _NETWORKING, "Sidecar": _NETWORKING,
           "Gateway": _NETWORKING, "PeerAuthentication": _SECURITY, "HTTPRoute": GATEWAY_API, "GRPCRoute": GATEWAY_API,
           "TCPRoute": GATEWAY_API, "TLSRoute": GATEWAY_API, "GatewayClass": GATEWAY_API, "ReferenceGrant": GATEWAY_API}  # fmt: skip
_REVISION = "istio.io/rev"


@dataclass(frozen=True)
class Destination:
    """A cluster that a request may go to. weight: relative, None where it is the only one; cluster: None where the proxy has none."""

    name: str
    weight: int | None
    cluster: RoutedCluster | None
    choice: Any = None


@dataclass
class RouteAnswer:
    """What becomes of a request. outcome: route, no_cluster, no_endpoints, no_destination, passthrough, blackhole, direct_response,
    redirect, https_redirect, no_route, no_virtual_host, no_listener, no_filter_chain, tls_error, protocol_error, envoy_rejects."""

    outcome: str
    listener: str = ""
    chain: Chain | None = None
    routes: str | None = None  # name of the route configuration
    virtual_host: VirtualHost | None = None
    route: HttpRoute | None = None
    index: int = 0
    destinations: tuple[Destination, ...] = ()
    mirrors: tuple[tuple[str, bool, float], ...] = ()  # cluster, exists, percent
    reason: str = ""
    computed: RouteAnswer | None = None  # what the configuration says that Envoy refuses
    sources: tuple[str, ...] = field(default=())

    @property
    def tcp(self) -> bool:
        return self.chain is not None and self.chain.routes is None and bool(self.destinations)


@dataclass(eq=False)
class ProxyConfig:
    """All that is made for one caller."""

    clusters: ClusterTable
    listeners: SidecarListeners | GatewayListeners
    routes: SidecarRoutes | GatewayListeners


def _sorted_out(objects: Iterable[Mapping[str, Any]], mesh: RoutingMesh) -> dict[str, list[Mapping[str, Any]]]:
    """The objects by kind that this istiod reads: of its revision, and of the namespaces that it discovers."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for obj in objects:
        kind, group = str(obj.get("kind")), group_of(str(obj.get("apiVersion") or ""))
        if kind == "Gateway" and group == GATEWAY_API:
            found.setdefault("k8s Gateway", []).append(obj)
        elif _GROUPS.get(kind) == group:
            if (
                group in (_NETWORKING, _SECURITY)
                and mesh.revision
                and texts(section(obj, "metadata").get("labels")).get(_REVISION, mesh.revision) != mesh.revision
            ):
                continue
            found.setdefault(kind, []).append(obj)
    selectors = sections(mesh.config.get("discoverySelectors"))
    if selectors:
        labels = {name_of(obj): {"kubernetes.io/metadata.name": name_of(obj), **texts(section(obj, "metadata").get("labels"))}
                  for obj in found.get("Namespace", ())}  # fmt: skip
        seen = {name for name, own in labels.items() if any(matches(selector, own) for selector in selectors)} | {mesh.root_namespace}
        for kind, kept in found.items():
            if kind not in ("Namespace", "GatewayClass"):
                found[kind] = [obj for obj in kept if namespace_of(obj) in seen]
    return found


class RoutingWorld:
    """All objects of a mesh, read once. `answer` tells where a request goes."""

    def __init__(self, objects: Iterable[Mapping[str, Any]], mesh: RoutingMesh | None = None) -> None:
        self.mesh = mesh or RoutingMesh()
        kinds = _sorted_out(objects, self.mesh)
        self.registry = Registry(kinds, self.mesh)
        api = GatewayApi(kinds, self.mesh)
        self.virtual_services = VirtualServices(kinds.get("VirtualService", ()), api.virtual_services, self.mesh)
        self.rules = DestinationRules(kinds.get("DestinationRule", ()), self.mesh)
        self.peers = PeerModes(kinds.get("PeerAuthentication", ()), self.mesh.root_namespace)
        self.scopes = Scopes(kinds.get("Sidecar", ()), self.registry, self.virtual_services, self.rules, self.mesh)
        self.gateways = [*map(istio_gateway, kinds.get("Gateway", ())), *api.gateways]
        self._proxies: dict[tuple[Any, ...], ProxyConfig] = {}
        self._clusters: dict[tuple[object, ...], RoutedCluster | None] = {}
        self._refusals: dict[int, str] = {}  # by the id of a table or listener, which are kept as long
        self.classes = CallerClasses(kinds, self.registry, self.virtual_services, self.mesh)

    def targets(self, caller: Consumer) -> list[ServiceTarget]:
        """The ports of Services that lead to a gateway's pod. Where there is no such pod its labels tell, and no port is known by name."""
        pods = self.registry.pods.get(caller.namespace, ())
        pod = next((one for one in pods if name_of(one) == caller.name), None)
        labels = texts(section(pod, "metadata").get("labels")) if pod is not None else caller.labels
        found: dict[tuple[str, int, str], ServiceTarget] = {}
        for service in self.registry.services:
            if (
                not service.kubernetes
                or service.namespace != caller.namespace
                or not service.selector
                or not matches_labels(service.selector, labels)
            ):
                continue
            raw = self.registry.raw_services[(service.namespace, service.name)]
            for port, own in zip(sections(section(raw, "spec").get("ports")), service.ports, strict=True):
                target = self.registry.target_port(pod, port) if pod is not None else number_of(port.get("targetPort"))
                if target or pod is None:
                    found.setdefault((service.hostname, target, own.protocol), ServiceTarget(service, own.number, target))
        return list(found.values())

    def configured(self, caller: Consumer) -> ProxyConfig:
        """All that istiod gives the proxy of a caller."""
        key = self.classes.own(caller)
        known = self._proxies.get(key)
        if known is None:
            known = self._proxies[key] = self._made(caller)
        return known

    def _made(self, caller: Consumer) -> ProxyConfig:
        scope = self.scopes.of(caller)
        clusters = ClusterTable(caller, scope, registry=self.registry, peers=self.peers, mesh=self.mesh, shared=self._clusters)
        if caller.gateway:
            made = GatewayListeners(caller, scope, gateways=self.gateways, targets=self.targets(caller), virtual=self.virtual_services,
                                    registry=self.registry, clusters=clusters, mesh=self.mesh)  # fmt: skip
            return ProxyConfig(clusters, made, made)
        return ProxyConfig(
            clusters, SidecarListeners(caller, scope, self.registry, self.mesh), SidecarRoutes(caller, scope, clusters, self.mesh)
        )

    def led_to(self, caller: Consumer) -> Iterator[tuple[str, RoutedCluster | None, str, str]]:
        """Each cluster that something a caller may send is led to, by its name, with the object and the field that leads there; None where
        the proxy has no such cluster. What is copied to is not among them."""
        proxy = self.configured(caller)
        for listener in proxy.listeners.every():
            for chain in (*listener.chains, *([listener.default] if listener.default is not None else [])):
                for name, _weight in chain.clusters:
                    yield name, proxy.clusters.get(name), chain.ref, chain.place
                for host in proxy.routes.table(chain.routes).hosts if chain.routes is not None else ():
                    for route in host.routes:
                        for choice in route.clusters:
                            yield choice.name, proxy.clusters.get(choice.name), route.ref, route.place

    def reached(self, caller: Consumer) -> Iterator[tuple[RoutedCluster, str, str]]:
        """The same of those that the proxy has."""
        for _name, cluster, ref, place in self.led_to(caller):
            if cluster is not None:
                yield cluster, ref, place

    def answer(self, caller: Consumer, request: RouteRequest) -> RouteAnswer:
        """Where a request goes that this caller sends."""
        return self._answered(caller, request, whole=True)

    def _answered(self, caller: Consumer, request: RouteRequest, *, whole: bool) -> RouteAnswer:
        """whole: with the route; else only up to the virtual host."""
        proxy = self.configured(caller)
        listener = proxy.listeners.find(request.address, request.port)
        if listener is None:
            return RouteAnswer("no_listener")
        chain = choose_chain(listener, request)
        if chain is None:
            return RouteAnswer("no_filter_chain", listener.name)
        answer = RouteAnswer("", listener.name, chain)
        if chain.tls is not None and not request.tls:
            answer.outcome = "tls_error"
        elif chain.routes is None:
            self._to_clusters(answer, proxy, chain)
        elif not request.http or (request.tls and chain.tls is None):
            answer.outcome = "protocol_error"
        else:
            self._by_routes(answer, proxy, proxy.routes.table(chain.routes), request, whole=whole)
        reason = self._known_refusal(listener)
        if reason and answer.computed is None:
            return RouteAnswer("envoy_rejects", reason=reason, computed=answer)
        return answer

    def _known_refusal(self, thing: Listener | RouteTable) -> str:
        if id(thing) not in self._refusals:
            self._refusals[id(thing)] = listener_refusal(thing) if isinstance(thing, Listener) else refusal(thing)
        return self._refusals[id(thing)]

    def routes(self, caller: Consumer, request: RouteRequest) -> list[RouteAnswer]:
        """What each route of the virtual host of a request does, whatever it matches; else the one answer that there is."""
        first = self._answered(caller, request, whole=False)
        if first.virtual_host is None or first.outcome in ("https_redirect", "envoy_rejects"):
            return [first]
        proxy = self.configured(caller)
        found = []
        for index, route in enumerate(first.virtual_host.routes):
            answer = replace(first, route=None, index=0, destinations=(), mirrors=())
            self._take(answer, proxy, index, route)
            found.append(answer)
        return found

    def _to_clusters(self, answer: RouteAnswer, proxy: ProxyConfig, chain: Chain) -> None:
        answer.destinations = tuple(Destination(name, weight, proxy.clusters.get(name)) for name, weight in chain.clusters)
        answer.outcome = _outcome(answer.destinations)

    def _by_routes(self, answer: RouteAnswer, proxy: ProxyConfig, table: RouteTable, request: RouteRequest, *, whole: bool) -> None:
        answer.routes = table.name
        self._choose(answer, proxy, table, request, whole=whole)
        reason = self._known_refusal(table)
        if reason:
            answer.computed = replace(answer)
            answer.outcome, answer.reason = "envoy_rejects", reason

    def _choose(self, answer: RouteAnswer, proxy: ProxyConfig, table: RouteTable, request: RouteRequest, *, whole: bool) -> None:
        host = answer.virtual_host = table.find(request.host)
        if host is None:
            answer.outcome = "no_virtual_host"
            return
        over_tls = answer.chain is not None and answer.chain.tls is not None
        if host.needs_tls and not over_tls:
            answer.outcome = "https_redirect"
            return
        if not whole:
            return
        found = first_route(host.routes, request_facts(request, tls=over_tls))
        if found is None:
            answer.outcome = "no_route"
            return
        self._take(answer, proxy, *found)

    @staticmethod
    def _take(answer: RouteAnswer, proxy: ProxyConfig, index: int, route: HttpRoute) -> None:
        answer.index, answer.route = index, route
        answer.mirrors = tuple((name, proxy.clusters.get(name) is not None, percent) for name, percent in route.mirrors)
        if route.action != "route":
            answer.outcome = "no_destination" if route.action == "none" else route.action
            return
        answer.destinations = tuple(Destination(one.name, one.weight, proxy.clusters.get(one.name), one) for one in route.clusters)
        answer.outcome = _outcome(answer.destinations)


def _outcome(destinations: tuple[Destination, ...]) -> str:
    if not destinations:
        return "no_destination"
    if len(destinations) > 1 or any(one.cluster is not None and one.cluster.usable for one in destinations):
        return "passthrough" if destinations[0].name == PASSTHROUGH else "route"
    if all(one.name == BLACK_HOLE for one in destinations):
        return "blackhole"
    return "no_endpoints" if any(one.cluster is not None for one in destinations) else "no_cluster"
