# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The outbound listeners of a sidecar (pilot/pkg/networking/core/listener.go, tls.go): what takes a connection to an address and port."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._model.fields import entries, section, sections, texts
from .._model.selectors import matches_labels
from .domains import alternative_names
from .hosts import host_matches, is_ip, is_wild
from .model import ALLOW_ANY, ALLOW_ANY_DYNAMIC_DNS, ANYWHERE, Consumer, RoutedPort, RoutedService, RoutingMesh
from .protocols import AUTO, HTTP_PROXY, MONGO, MYSQL, UDP, is_http, is_tcp, is_tls
from .registry import Registry, number_of
from .routes import cluster_name
from .scope import EgressScope, ProxyScope
from .virtual_services import MESH, RoutedVirtualService

__all__ = ["PLAIN_HTTP", "Chain", "Listener", "SidecarListeners", "catch_all_cluster", "matches_caller", "tcp_clusters"]

PLAIN_HTTP = ("http/1.1", "h2c")
_RAW = "raw_buffer"
_PROXY_PORTS = (15001, 15006)  # of the proxy itself
_OWN_WORDS = (MONGO, MYSQL)  # protocols that are never merged with others


@dataclass(eq=False)
class Chain:
    """A filter chain: what connections it takes, and what it makes of them: HTTP by the routes of this name, or bytes to clusters."""

    sni: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    transport: str = ""
    routes: str | None = None
    clusters: tuple[tuple[str, int | None], ...] = ()
    name: str = ""
    tls: Mapping[str, Any] | None = None  # terminated here
    port: int = 0  # the destination's
    ref: str = ""
    place: str = ""

    @property
    def takes_all(self) -> bool:
        return (not self.sni or "*" in self.sni) and not self.alpn and not self.transport and not self.networks

    def _key(self) -> tuple[str, tuple[str, ...], frozenset[str], frozenset[str]]:
        return self.transport, self.alpn, frozenset(self.sni) - {"*"}, frozenset(filter(None, map(_network, self.networks)))

    def conflicts(self, other: Chain) -> bool:
        return self._key() == other._key()


def _network(text: str) -> str:
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    return "" if str(ipaddress.ip_interface(text).ip) == ANYWHERE else str(found)


@dataclass(eq=False)
class Listener:
    """A listener with its chains; `default` takes what no other does."""

    name: str
    chains: list[Chain]
    default: Chain | None = None
    detects_tls: bool = False
    detects_http: bool = False
    gateway: bool = False


@dataclass(eq=False)
class _Entry:
    """A listener while it is put together."""

    bind: str
    port: RoutedPort
    protocol: str
    chains: list[Chain]
    locked: bool = False


@dataclass(frozen=True)
class _Wanted:
    """One port of a service that wants to be listened for."""

    service: RoutedService
    port: RoutedPort
    bind: str
    networks: tuple[str, ...] = ()


def matches_caller(match: Mapping[str, Any], caller: Consumer, gateways: Iterable[str], port: int) -> bool:
    """Does what a match of `tls` or `tcp` says of callers and ports hold?"""
    named = entries(match.get("gateways"))
    space = match.get("sourceNamespace")
    return (
        (not named or any(name in gateways for name in named))
        and matches_labels(texts(match.get("sourceLabels")), caller.labels)
        and number_of(match.get("port")) in (0, port)
        and (not space or space == caller.namespace)
    )


def tcp_clusters(
    routes: Sequence[Mapping[str, Any]], service: Callable[[str], RoutedService | None], port: int
) -> tuple[tuple[str, int | None], ...]:
    """Where the bytes of a `tls` or `tcp` rule go."""

    def named(route: Mapping[str, Any]) -> str:
        destination = section(route, "destination")
        return cluster_name(destination, service(str(destination.get("host") or "")), port)

    if len(routes) == 1:
        return ((named(routes[0]), None),)
    return tuple((named(route), number_of(route.get("weight"))) for route in routes if number_of(route.get("weight")) > 0)


def catch_all_cluster(scope: ProxyScope) -> str:
    """Where goes what nobody knows."""
    if scope.policy not in (ALLOW_ANY, ALLOW_ANY_DYNAMIC_DNS):
        return "BlackHoleCluster"
    return cluster_name(scope.egress_proxy, None, 0) if scope.egress_proxy is not None else "PassthroughCluster"


class SidecarListeners:
    """All outbound listeners of a sidecar, found by address and port."""

    def __init__(self, caller: Consumer, scope: ProxyScope, registry: Registry, mesh: RoutingMesh) -> None:
        self._caller, self._scope, self._registry, self._mesh = caller, scope, registry, mesh
        self._entries: dict[tuple[str, int], _Entry] = {}
        self._made: dict[tuple[str, int], Listener] = {}
        for egress in scope.egress:
            self._egress(egress)
        proxy_port = number_of(mesh.config.get("proxyHttpPort"))
        if proxy_port:
            own = RoutedPort("", proxy_port, HTTP_PROXY)
            self._entries[("127.0.0.1", proxy_port)] = _Entry("127.0.0.1", own, HTTP_PROXY, [Chain(routes="http_proxy")])
        self._virtual = self._virtual_outbound()

    def find(self, address: str, port: int) -> Listener:
        """The listener of exactly this address, else the one of every address, else the one of what nobody knows."""
        for key in ((address, port), (ANYWHERE, port)):
            entry = self._entries.get(key)
            if entry is not None:
                if key not in self._made:
                    self._made[key] = self._finished(entry)
                return self._made[key]
        return self._virtual

    def every(self) -> Iterator[Listener]:
        """All of them."""
        for bind, port in self._entries:
            yield self.find(bind, port)
        yield self._virtual

    def _virtual_outbound(self) -> Listener:
        chains = [Chain(name="virtualOutbound-blackhole", port=_PROXY_PORTS[0], clusters=(("BlackHoleCluster", None),))]
        dynamic = self._scope.policy == ALLOW_ANY_DYNAMIC_DNS
        if dynamic:
            chains.append(Chain(name="virtualOutbound-catchall-tcp-http", alpn=PLAIN_HTTP, routes=""))
        chains.append(Chain(name="virtualOutbound-catchall-tcp", clusters=((catch_all_cluster(self._scope), None),), ref=self._scope.ref))
        return Listener("virtualOutbound", chains, detects_http=dynamic)

    def _finished(self, entry: _Entry) -> Listener:
        listener = Listener(f"{entry.bind}_{entry.port.number}", [])
        for chain in entry.chains:
            listener.detects_tls |= bool(chain.sni)
            listener.detects_http |= bool(chain.alpn)
            if chain.takes_all:
                listener.default = chain
            else:
                listener.chains.append(chain)
        if listener.default is not None and not listener.chains:
            listener.chains, listener.default = [listener.default], None
        elif listener.default is None:
            listener.default = Chain(name="PassthroughFilterChain", clusters=((catch_all_cluster(self._scope), None),), ref=self._scope.ref)
        return listener

    # what wants to be listened for

    def _reserved(self, bind: str, port: RoutedPort) -> bool:
        if bind not in ("", ANYWHERE) or (not bind and not is_http(port.protocol)):
            return False
        return port.number in _PROXY_PORTS

    def _egress(self, egress: EgressScope) -> None:
        bind, own = str(egress.spec.get("bind") or ""), egress.port
        if bind.startswith("unix://"):
            return
        if not bind and egress.spec.get("captureMode") == "NONE":
            bind = "127.0.0.1"
        if own is not None:
            for service in () if self._reserved(bind, own) else egress.services:
                self._add(_Wanted(service, own, bind), egress.virtual_services)
            return
        for entry in self._entries.values():
            entry.locked = True
        for service in egress.services:
            for port in service.ports:
                if not self._reserved(bind, port):
                    for wanted in self._binds(service, port, bind):
                        self._add(wanted, egress.virtual_services)

    def _binds(self, service: RoutedService, port: RoutedPort, bind: str) -> Iterator[_Wanted]:
        """A service without an address of its own, whose bytes are not read, is listened for at each of its pods."""
        each = (
            not bind
            and service.resolution == "NONE"
            and service.address == ANYWHERE
            and not is_http(port.protocol)
            and port.protocol != UDP
        )
        if not each:
            yield _Wanted(service, port, bind)
            return
        instances = self._registry.endpoints_by_number(service, port.number, {})
        if not service.kubernetes and not instances and service.selector is None:
            yield _Wanted(service, port, bind)
            return
        for instance in instances:
            if is_ip(instance.address) and instance.address != self._caller.ip:
                yield _Wanted(service, port, instance.address)

    def _add(self, wanted: _Wanted, virtual_services: Sequence[RoutedVirtualService]) -> None:
        service, port = wanted.service, wanted.port
        if service.resolution == "ALIAS" or port.protocol == UDP:
            return
        kind = "http" if is_http(port.protocol) else "auto" if port.protocol == AUTO else "tcp"
        if not wanted.bind:
            if kind == "http":
                wanted = replace(wanted, bind=ANYWHERE)
            elif "/" in service.address:
                wanted = replace(wanted, bind=ANYWHERE, networks=(service.address,))
            else:
                wanted = replace(wanted, bind=service.address)
        key = (wanted.bind, port.number)
        current = self._entries.get(key)
        if current is not None and current.locked:
            return
        protocol, merged = port.protocol, False
        if port.protocol == HTTP_PROXY:
            chains = [self._http(wanted, "http")]
        elif kind == "http":
            if current is not None and not is_tcp(current.protocol):
                return
            chain = self._http(wanted, kind)
            if wanted.bind == ANYWHERE:
                chain.alpn, chain.transport, protocol = PLAIN_HTTP, _RAW, AUTO
            chains, merged = [chain], current is not None
        elif kind == "tcp":
            chains, merged = self._tcp(wanted, virtual_services), current is not None
        else:
            if current is not None and not is_http(current.protocol) and not is_tcp(current.protocol):
                return
            chain = self._http(wanted, kind)
            chain.alpn, chain.transport = PLAIN_HTTP, _RAW
            chains, merged = [*self._tcp(wanted, virtual_services), chain], current is not None and is_tcp(current.protocol)
        self._put(key, current, _Entry(wanted.bind, port, protocol, chains), kind=kind, merged=merged)

    def _put(self, key: tuple[str, int], current: _Entry | None, entry: _Entry, *, kind: str, merged: bool) -> None:
        apart = (
            current is not None
            and entry.port.protocol != current.protocol
            and (entry.port.protocol in _OWN_WORDS or current.protocol in _OWN_WORDS)
        )
        conflict = merged or (current is not None and kind == "auto" and is_http(current.protocol))
        if conflict and apart:
            return
        if current is None or not merged:
            self._entries[key] = entry
            return
        for chain in entry.chains:
            if not any(known.conflicts(chain) for known in current.chains):
                current.chains.append(chain)
        if kind != "tcp" or is_http(current.protocol):
            current.protocol = AUTO

    def _http(self, wanted: _Wanted, kind: str) -> Chain:
        sniffed = kind == "auto" and wanted.bind != ANYWHERE
        return Chain(routes=f"{wanted.service.hostname}:{wanted.port.number}" if sniffed else str(wanted.port.number))

    def _service(self, host: str) -> RoutedService | None:
        return self._scope.by_host.get(host)

    def _tcp(self, wanted: _Wanted, virtual_services: Sequence[RoutedVirtualService]) -> list[Chain]:
        own = [
            one
            for one in virtual_services
            if (one.tls or one.tcp) and any(host_matches(host, wanted.service.hostname) for host in one.hosts)
        ]
        return self._of_tls(wanted, own) if is_tls(wanted.port.protocol) else self._of_tcp(wanted, own)

    def _single(self, wanted: _Wanted) -> tuple[tuple[str, None], ...]:
        ports = wanted.service.ports
        port = ports[0].number if len(ports) == 1 else wanted.port.number
        return ((f"outbound|{port}||{wanted.service.hostname}", None),)

    def _of_tls(self, wanted: _Wanted, own: Sequence[RoutedVirtualService]) -> list[Chain]:
        number, networks = wanted.port.number, wanted.networks
        found: list[Chain] = []
        handled: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
        for virtual in own:
            for index, row in enumerate(virtual.tls):
                routes = sections(row.get("route"))
                for match in sections(row.get("match")) if routes else ():
                    if not matches_caller(match, self._caller, (MESH,), number):
                        continue
                    subnets = tuple(map(str, entries(match.get("destinationSubnets"))))
                    networks = subnets or networks
                    wished = tuple(map(str, entries(match.get("sniHosts"))))
                    if (wished, subnets) not in handled:
                        handled.add((wished, subnets))
                        clusters = tcp_clusters(routes, self._service, number)
                        found.append(Chain(wished, networks, clusters=clusters, ref=virtual.ref, place=virtual.stream_place("tls", index)))
        if found:
            return found
        service = wanted.service
        address = "" if "/" in service.address else service.address
        names: tuple[str, ...] = ()
        everywhere = address == ANYWHERE and wanted.bind == ANYWHERE
        if networks or not address or everywhere or (is_wild(service.hostname) and service.resolution == "DYNAMIC_DNS"):
            namespace, end = self._caller.namespace, self._mesh.end
            others = (name for alias in service.aliases for name in (alias, *alternative_names(alias, namespace, end)))
            names = (service.hostname, *others)
        return [Chain(names, networks, clusters=self._single(wanted), ref=service.ref)]

    def _of_tcp(self, wanted: _Wanted, own: Sequence[RoutedVirtualService]) -> list[Chain]:
        number = wanted.port.number
        found: list[Chain] = []
        for virtual in own:
            for index, row in enumerate(virtual.tcp):
                routes = sections(row.get("route"))
                if not routes:
                    continue
                matches, place = sections(row.get("match")), virtual.stream_place("tcp", index)
                chain = Chain(networks=wanted.networks, clusters=tcp_clusters(routes, self._service, number), ref=virtual.ref, place=place)
                if not matches:
                    return [*found, chain]
                subnets: list[str] = []
                for match in matches:
                    if matches_caller(match, self._caller, (MESH,), number):
                        own_subnets = list(map(str, entries(match.get("destinationSubnets"))))
                        if not own_subnets:
                            return [*found, chain]
                        subnets += own_subnets
                if subnets:
                    found.append(replace(chain, networks=tuple(subnets)))
                    if sorted(subnets) == sorted(wanted.networks):
                        return found
        found.append(Chain(networks=wanted.networks, clusters=self._single(wanted), ref=wanted.service.ref))
        return found
