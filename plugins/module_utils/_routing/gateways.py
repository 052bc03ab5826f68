# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The listeners and routes of a gateway: the servers of all Gateways that select it, merged by port.

After pilot/pkg/model/gateway.go and pilot/pkg/networking/core/gateway.go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.fields import entries, name_of, namespace_of, section, sections, texts
from .._model.selectors import matches_labels
from .clusters import ClusterTable
from .hosts import host_matches, intersection, of_namespace, subset_of
from .listeners import Chain, Listener, tcp_clusters
from .model import ANYWHERE, Consumer, RoutedService, RoutingMesh
from .protocols import HTTPS, UDP, is_http, parse
from .registry import Registry, created_at, number_of
from .routes import HttpRoute, RouteBuilder, in_order
from .scope import ProxyScope
from .virtual_hosts import RouteTable, VirtualHost
from .virtual_services import RoutedVirtualService, VirtualServices

__all__ = ["GatewayListeners", "RoutedGateway", "ServiceTarget", "istio_gateway"]

_PASSING = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
_NO_TRANSLATION = "experimental.istio.io/disable-gateway-port-translation"
_MESH_ALPN = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")


@dataclass(frozen=True, eq=False)
class RoutedGateway:
    """A Gateway. services: the hosts of its own Services, of one of Gateway API; None: it is found by its selector."""

    name: str
    namespace: str
    created: str
    selector: Mapping[str, str] | None
    servers: tuple[Mapping[str, Any], ...]
    ref: str
    services: frozenset[str] | None = None


@dataclass(frozen=True)
class ServiceTarget:
    """A port of a Service that leads to a gateway's pod."""

    service: RoutedService
    port: int
    target: int


def istio_gateway(obj: Mapping[str, Any]) -> RoutedGateway:
    """A Gateway of networking.istio.io."""
    spec, namespace, name = section(obj, "spec"), namespace_of(obj), name_of(obj)
    selector = texts(spec["selector"]) if isinstance(spec.get("selector"), Mapping) else None
    return RoutedGateway(name, namespace, created_at(obj), selector, tuple(sections(spec.get("servers"))), f"Gateway {namespace}/{name}")


@dataclass(eq=False)
class _Server:
    """One server of a Gateway on one port of the pod."""

    spec: Mapping[str, Any]
    gateway: RoutedGateway
    hosts: tuple[str, ...]
    number: int  # the Gateway's
    port: int  # the pod's
    routes: str
    place: str

    @property
    def protocol(self) -> str:
        return parse(str(section(self.spec, "port").get("protocol") or ""))

    @property
    def bind(self) -> str:
        return str(self.spec.get("bind") or "")

    @property
    def tls(self) -> Mapping[str, Any] | None:
        tls = self.spec.get("tls")
        return tls if isinstance(tls, Mapping) else None

    @property
    def mode(self) -> str:
        return str((self.tls or {}).get("mode") or "PASSTHROUGH")

    @property
    def passes(self) -> bool:
        """TLS goes through as it is."""
        return self.tls is not None and self.mode in _PASSING

    @property
    def encrypted(self) -> bool:
        return self.tls is not None and not is_http(self.protocol)

    @property
    def http(self) -> bool:
        return is_http(self.protocol) or (self.protocol == HTTPS and not self.passes)

    @property
    def redirects(self) -> bool:
        return bool((self.tls or {}).get("httpsRedirect"))

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts without the namespaces that may bind them."""
        return tuple(sorted({host.partition("/")[2] or host for host in self.hosts}))

    def downstream(self) -> dict[str, Any]:
        """What is asked of a client that makes TLS with this server."""
        tls, mode = self.tls or {}, self.mode
        names = [str(name) for name in (*entries(tls.get("credentialNames")), tls.get("credentialName")) if name]
        if mode == "ISTIO_MUTUAL":
            return {"mode": "mutual", "secrets": ["default"]}
        if not names and tls.get("serverCertificate"):
            return {"mode": mode.lower(), "secrets": [f"file-cert:{tls['serverCertificate']}~{tls.get('privateKey') or ''}"]}
        return {"mode": mode.lower(), "secrets": [name if "://" in name else f"kubernetes://{name}" for name in names]}


_PortKey = tuple[int, str, str]  # number on the pod, protocol as written, bind


@dataclass(eq=False)
class _Merged:
    servers: list[_Server] = field(default_factory=list)
    routes: str = ""


def _hosts(spec: Mapping[str, Any], namespace: str) -> tuple[str, ...]:
    """Hosts with the namespace of the Gateway instead of a dot, and without one that says any."""
    found: list[str] = []
    for host in map(str, entries(spec.get("hosts"))):
        space, slash, name = host.partition("/")
        if not slash:
            found.append(host)
        elif space == ".":
            found.append(f"{namespace}/{name}")
        elif space == "*":
            if name == "*":
                return ("*",)
            found.append(name)
        else:
            found.append(host)
    return tuple(found)


class GatewayListeners:
    """All listeners of one gateway, with their routes."""

    def __init__(
        self, caller: Consumer, scope: ProxyScope, *, gateways: Iterable[RoutedGateway], targets: Sequence[ServiceTarget],
        virtual: VirtualServices, registry: Registry, clusters: ClusterTable, mesh: RoutingMesh,
    ) -> None:  # fmt: skip
        self._caller, self._scope, self._virtual, self._registry = caller, scope, virtual, registry
        self._clusters, self._mesh, self._targets = clusters, mesh, targets
        retries = mesh.config.get("defaultHttpRetryPolicy")
        self._retries: Mapping[str, Any] | None = retries if isinstance(retries, Mapping) else None
        self._merged: dict[_PortKey, _Merged] = {}
        self._by_routes: dict[str, list[_Server]] = {}
        self._plain: dict[int, _PortKey] = {}
        self._ports: set[int] = set()
        self._binds: dict[int, set[str]] = {}
        self._tls_hosts: dict[int, dict[str, str]] = {}
        for server in self._servers(gateways):
            self._merge(server)
        clusters.auto_passthrough = any(
            server.mode == "AUTO_PASSTHROUGH" and server.tls is not None for one in self._merged.values() for server in one.servers
        )
        self._listeners = self._build()
        self._tables: dict[str, RouteTable] = {}

    def find(self, address: str, port: int) -> Listener | None:
        """The listener of exactly this address, else the one of every address."""
        return self._listeners.get((address, port)) or self._listeners.get((ANYWHERE, port))

    def every(self) -> Iterator[Listener]:
        """All of them."""
        yield from self._listeners.values()

    # servers, by port

    def _selected(self, gateways: Iterable[RoutedGateway]) -> Iterator[tuple[RoutedGateway, Sequence[ServiceTarget]]]:
        for gateway in sorted(gateways, key=lambda one: (one.created, one.name, one.namespace)):
            if gateway.services is not None:
                own = [
                    one for one in self._targets if one.service.hostname in gateway.services and one.service.namespace == gateway.namespace
                ]
                if own:
                    yield gateway, own
            elif gateway.selector is None or matches_labels(gateway.selector, self._caller.labels):
                yield gateway, self._targets

    def _servers(self, gateways: Iterable[RoutedGateway]) -> Iterator[_Server]:
        for gateway, targets in self._selected(gateways):
            for place, spec in enumerate(gateway.servers):
                if not isinstance(spec.get("port"), Mapping):
                    continue
                hosts, number = _hosts(spec, gateway.namespace), number_of(section(spec, "port").get("number"))
                for port in _resolved_ports(number, targets, by_selector=gateway.services is None):
                    server = _Server(spec, gateway, hosts, number, port, "", f"servers[{place}]")
                    server.routes = _routes_name(server)
                    yield server

    def _merge(self, server: _Server) -> None:
        port = server.port
        if server.tls is not None:
            known = self._tls_hosts.setdefault(port, {})
            if any(known.get(host) == server.bind for host in server.hosts):
                return  # one of its hosts is served already
            known.update(dict.fromkeys(server.hosts, server.bind))
        key = (port, str(section(server.spec, "port").get("protocol") or ""), server.bind)
        if port not in self._ports:
            self._ports.add(port)
            self._add_plain(key, server)
        elif port in self._plain:
            self._beside_plain(key, server, self._plain[port])
        else:
            self._beside_tls(key, server)

    def _add_plain(self, key: _PortKey, server: _Server) -> None:
        if not server.encrypted:
            self._plain[server.port] = key
        if server.http:
            self._by_routes[server.routes] = [server]
        self._merged[key] = _Merged([server], server.routes)

    def _beside_plain(self, key: _PortKey, server: _Server, current: _PortKey) -> None:
        same = current[2] == server.bind
        theirs = parse(current[1])
        if same and not ((is_http(server.protocol) or server.protocol == theirs) and is_http(theirs)):
            return
        if same and not server.routes:
            return
        if same:
            self._merged[current].servers.append(server)
        elif key not in self._merged:
            self._add_plain(key, server)
            return
        else:
            self._merged[key].routes = server.routes
            self._merged[key].servers.append(server)
        self._by_routes.setdefault(server.routes, []).append(server)

    def _beside_tls(self, key: _PortKey, server: _Server) -> None:
        if not server.encrypted:
            self._add_plain(key, server)
            return
        if server.http:
            if not server.routes or server.routes in self._by_routes:
                return
            self._by_routes[server.routes] = [server]
        self._binds.setdefault(server.port, set()).add(server.bind)
        self._merged.setdefault(key, _Merged()).servers.append(server)

    # listeners

    def _build(self) -> dict[tuple[str, int], Listener]:
        found: dict[tuple[str, int], Listener] = {}
        taken: dict[int, dict[str, str]] = {}
        for (port, protocol, bind), merged in self._merged.items():
            chains: list[Chain] = []
            if is_http(parse(protocol)):
                chains.append(Chain(routes=merged.routes, ref=merged.servers[0].gateway.ref, place=merged.servers[0].place))
            else:
                for server in merged.servers:
                    chains += self._chains(server, taken)
            key = (bind or ANYWHERE, port)
            listener = found.setdefault(key, Listener(f"{key[0]}_{port}", [], gateway=True))
            listener.chains += chains
        for listener in found.values():
            listener.detects_tls = any(chain.sni or chain.tls is not None for chain in listener.chains)
        return {key: listener for key, listener in found.items() if listener.chains}

    def _chains(self, server: _Server, taken: dict[int, dict[str, str]]) -> list[Chain]:
        if server.tls is not None and server.http:
            return [Chain(server.names, routes=server.routes, tls=server.downstream(), ref=server.gateway.ref, place=server.place)]
        if server.tls is None:
            return [Chain(clusters=clusters, ref=ref, place=where) for clusters, ref, where in self._tcp(server)]
        if not server.passes:
            return [
                Chain(server.names, clusters=clusters, tls=server.downstream(), ref=ref, place=where)
                for clusters, ref, where in self._tcp(server)
            ]
        if server.mode == "AUTO_PASSTHROUGH":
            return list(self._auto(server))
        return list(self._passed(server, taken.setdefault(server.port, {})))

    def _bound(self, server: _Server) -> Iterator[RoutedVirtualService]:
        """The VirtualServices of a server whose protocol says nothing of hosts."""
        for one in self._virtual.of_gateway(self._caller.namespace, f"{server.gateway.namespace}/{server.gateway.name}"):
            for own in server.hosts:
                space, slash, host = own.partition("/")
                if (not slash or space == one.namespace) and any(host_matches(host if slash else own, name) for name in one.hosts):
                    yield one
                    break

    def _at(self, match: Mapping[str, Any], server: _Server) -> bool:
        names = entries(match.get("gateways"))
        name = f"{server.gateway.namespace}/{server.gateway.name}"
        return number_of(match.get("port")) in (0, server.number) and (not names or name in names)

    def _service(self, host: str) -> RoutedService | None:
        return self._scope.by_host.get(host)

    def _tcp(self, server: _Server) -> list[tuple[tuple[tuple[str, int | None], ...], str, str]]:
        for one in self._bound(server):
            for number, row in enumerate(one.tcp):
                matches, routes = sections(row.get("match")), sections(row.get("route"))
                if routes and (not matches or any(self._at(match, server) for match in matches)):
                    return [(tcp_clusters(routes, self._service, server.number), one.ref, one.stream_place("tcp", number))]
            for number, row in enumerate(one.tls) if one.gateway_api and server.tls is not None else ():  # of a TLSRoute: TLS ends here
                if any(self._at(match, server) for match in sections(row.get("match"))):
                    routes = sections(row.get("route"))
                    return [(tcp_clusters(routes, self._service, server.number), one.ref, one.stream_place("tls", number))]
        return []

    def _passed(self, server: _Server, taken: dict[str, str]) -> Iterator[Chain]:
        for one in self._bound(server):
            for number, row in enumerate(one.tls):
                routes = sections(row.get("route"))
                for match in sections(row.get("match")) if routes else ():
                    if not self._at(match, server):
                        continue
                    names = tuple(map(str, entries(match.get("sniHosts"))))
                    if any(taken.get(name) == server.bind for name in names):
                        continue
                    taken.update(dict.fromkeys(names, server.bind))
                    yield Chain(names, clusters=tcp_clusters(routes, self._service, server.number), ref=one.ref,
                                place=one.stream_place("tls", number))  # fmt: skip

    def _auto(self, server: _Server) -> Iterator[Chain]:
        for service in self._scope.services:
            if service.external or not any(subset_of(service.hostname, name) for name in server.names):
                continue
            rule = self._clusters.rule(service.hostname)
            subsets = [str(one.get("name") or "") for one in rule.subsets] if rule is not None else []
            for port in service.ports:
                for subset in ("", *subsets) if port.protocol != UDP else ():
                    name = f"outbound_.{port.number}_.{subset}_.{service.hostname}"
                    yield Chain((name,), alpn=_MESH_ALPN, clusters=((name, None),), ref=server.gateway.ref, place=server.place)

    # routes

    def table(self, name: str) -> RouteTable:
        """The routes of a listener, or of one server that ends TLS."""
        if name not in self._tables:
            self._tables[name] = RouteTable(name, list(self._virtual_hosts(self._by_routes.get(name, ()))))
        return self._tables[name]

    def _lookup(self, virtual: RoutedVirtualService) -> Any:
        def find(host: str) -> RoutedService | None:
            own = self._registry.by_host.get(host, {}).get(virtual.namespace)
            if own is not None and self._registry.visible(own, self._caller.namespace):
                return own
            return self._scope.by_host.get(host)

        return find

    def _virtual_hosts(self, servers: Sequence[_Server]) -> Iterable[VirtualHost]:
        found: dict[str, VirtualHost] = {}
        made: dict[tuple[str, RoutedVirtualService], list[HttpRoute]] = {}
        for server in servers:
            gateway = f"{server.gateway.namespace}/{server.gateway.name}"
            for virtual in self._virtual.of_gateway(self._caller.namespace, gateway):
                hosts = intersection(of_namespace(server.hosts, virtual.namespace), virtual.hosts)
                if not hosts:
                    continue
                key = (gateway, virtual)
                if key not in made:
                    builder = RouteBuilder(
                        self._caller, port=server.number, gateways=(gateway,), service=self._lookup(virtual),
                        hashing=self._clusters.hash_policy, default_retries=self._retries, tls=server.tls is not None,
                    )  # fmt: skip
                    routes = builder.of(virtual)
                    if not routes:
                        continue
                    made[key] = routes
                for host in map(str.lower, hosts):
                    known = found.get(host)
                    if known is None:
                        known = found[host] = VirtualHost(f"{host}:{server.number}", [host], [], ref=virtual.ref)
                    known.routes = [*known.routes, *made[key]]
                    known.needs_tls |= server.redirects
            for host in map(str.lower, server.hosts) if server.redirects else ():
                known = found.setdefault(host, VirtualHost(f"{host}:{server.number}", [host], [], ref=server.gateway.ref))
                known.needs_tls = True
        if not found:
            return [VirtualHost(f"blackhole:{servers[0].number}", ["*"], [])] if servers else []
        return _collapsed(found)


def _collapsed(found: Mapping[str, VirtualHost]) -> list[VirtualHost]:
    """Hosts with the very same routes become one, under the most specific name."""
    kept: list[VirtualHost] = []
    known: dict[tuple[tuple[int, ...], bool], VirtualHost] = {}
    for _host, one in sorted(found.items(), key=lambda pair: (pair[0].startswith("*"), -len(pair[0]), pair[0])):
        key = (tuple(map(id, one.routes)), one.needs_tls)
        same = known.get(key)
        if same is not None:
            same.domains += one.domains
        else:
            known[key] = one
            kept.append(one)
    for one in kept:
        one.routes = in_order(one.routes)
    return kept


def _resolved_ports(number: int, targets: Sequence[ServiceTarget], *, by_selector: bool) -> list[int]:
    """The ports of the pod behind the number of a Gateway: those of the Services in front of it."""
    found: dict[int, None] = {}
    for one in targets:
        if by_selector and _NO_TRANSLATION in one.service.labels:
            continue
        if one.port == number:
            if by_selector:
                return [one.target]
            found[one.target] = None
    return list(found) or ([number] if by_selector else [])


def _routes_name(server: _Server) -> str:
    bind = f".{server.bind}" if server.bind else ""
    if is_http(server.protocol):
        return f"http.{server.port}{bind}"
    if server.protocol == HTTPS and not server.passes:
        name = section(server.spec, "port").get("name") or ""
        return f"https.{server.number}.{name}.{server.gateway.name}.{server.gateway.namespace}{bind}"
    return ""
