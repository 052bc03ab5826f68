# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The virtual hosts of a sidecar's routes: of VirtualServices first, then of services.

After pilot/pkg/networking/core/httproute.go and route/route.go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .clusters import ClusterTable
from .domains import service_domains
from .hosts import host_matches, is_wild
from .listeners import catch_all_cluster
from .model import ALLOW_ANY, ALLOW_ANY_DYNAMIC_DNS, Consumer, RoutedService, RoutingMesh
from .protocols import HTTP_PROXY, is_http_or_auto
from .routes import ClusterChoice, HttpRoute, RouteBuilder, default_route
from .scope import ProxyScope
from .virtual_services import MESH, RoutedVirtualService

__all__ = ["RouteTable", "SidecarRoutes", "VirtualHost"]


@dataclass(eq=False)
class VirtualHost:
    """A virtual host with its domains."""

    name: str
    domains: list[str]
    routes: list[HttpRoute]
    needs_tls: bool = False  # everything is redirected to HTTPS
    ref: str = ""


@dataclass(eq=False)
class RouteTable:
    """A route configuration."""

    name: str
    hosts: list[VirtualHost]

    def __post_init__(self) -> None:
        self._by_domain: dict[str, VirtualHost] = {}
        for host in self.hosts:
            for domain in host.domains:
                if domain == "*":  # of two the last counts, where Envoy takes them at all
                    self._by_domain[domain] = host
                self._by_domain.setdefault(domain.lower(), host)

    def find(self, authority: str) -> VirtualHost | None:
        """The virtual host of a Host header, without its port: the exact name, else the longest end, else the star."""
        host = authority.lower()
        if not host.endswith("]") and ":" in host:
            host = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        found = self._by_domain.get(host)
        if found is not None or not host:
            return found or self._by_domain.get("*")
        for start in range(1, len(host)):
            found = self._by_domain.get("*" + host[start:])
            if found is not None:
                return found
        return self._by_domain.get("*")


@dataclass(eq=False)
class _RouteGroup:
    """Routes, with all that is reached by them."""

    port: int
    routes: list[HttpRoute]
    hosts: Sequence[str] = ()
    services: list[RoutedService] = field(default_factory=list)
    ref: str = ""


class SidecarRoutes:
    """The route configurations of a sidecar."""

    def __init__(self, caller: Consumer, scope: ProxyScope, clusters: ClusterTable, mesh: RoutingMesh) -> None:
        self._caller, self._scope, self._clusters, self._mesh = caller, scope, clusters, mesh
        retries = mesh.config.get("defaultHttpRetryPolicy")
        self._retries: Mapping[str, Any] | None = retries if isinstance(retries, Mapping) else None
        self._made: dict[str, RouteTable] = {}
        self._hosts: dict[int, list[VirtualHost]] = {}

    def table(self, name: str) -> RouteTable:
        """The routes of a listener; the empty name is that of who is not known anywhere."""
        if name not in self._made:
            self._made[name] = self._table(name)
        return self._made[name]

    def _table(self, name: str) -> RouteTable:
        if not name:
            return RouteTable("", [self._catch_all()])
        host, sniffed, port = name.rpartition(":")
        number = int(port) if port.isdigit() else 0  # `http_proxy` is for all ports
        if number not in self._hosts:
            self._hosts[number] = self._virtual_hosts(number)
        hosts = self._hosts[number]
        if not sniffed:
            return RouteTable(name, [*sorted(hosts, key=lambda one: one.name), self._catch_all()])
        own = [one for one in hosts if name in one.domains or host in one.domains]
        return RouteTable(name, [replace(own[0], domains=["*"])] if len(own) == 1 else own)

    def _catch_all(self) -> VirtualHost:
        policy = self._scope.policy
        if policy == ALLOW_ANY_DYNAMIC_DNS:
            name, cluster = "allow_any_dynamic_dns", "AllowAnyDynamicDNSCluster"
        elif policy == ALLOW_ANY:
            name, cluster = "allow_any", catch_all_cluster(self._scope)
        else:
            return VirtualHost("block_all", ["*"], [HttpRoute("block_all", action="direct_response", status=502, ref=self._scope.ref)])
        return VirtualHost(name, ["*"], [HttpRoute(name, action="route", clusters=(ClusterChoice(cluster),), ref=self._scope.ref)])

    def _known(self, services: Sequence[RoutedService], port: int) -> dict[str, RoutedService]:
        """The services of a port by name, each with that port only; of all ports where it is 0."""
        if not port:
            return {service.hostname: service for service in services}
        found = {}
        for service in services:
            own = service.port(port)
            if own is not None:
                host = service.hostname.lower()
                found[host] = (
                    replace(service, hostname=host, ports=(own,)) if len(service.ports) > 1 or host != service.hostname else service
                )
        return found

    def _virtual_hosts(self, port: int) -> list[VirtualHost]:
        egress = self._scope.egress_of(port)
        if egress is None:
            return []
        own = egress.port
        if own is not None and own.protocol == HTTP_PROXY:
            port = 0
        known = self._known(egress.services, port)
        virtual_services = [one for one in egress.virtual_services if one.http]
        if port != 80:
            virtual_services = _of_services(virtual_services, known)
        groups: list[_RouteGroup] = []
        builder = RouteBuilder(
            self._caller, port=port, gateways=(MESH,), service=known.get, hashing=self._clusters.hash_policy, default_retries=self._retries,
        )  # fmt: skip
        for virtual in virtual_services:
            groups += self._of_virtual_service(virtual, known, port, builder, egress.wildcards)
        taken = {service.hostname for group in groups for service in group.services}
        for host, service in known.items():
            if host not in taken and service.resolution != "ALIAS":
                groups += self._of_service(service)
        return self._named(groups, port)

    def _of_service(self, service: RoutedService) -> list[_RouteGroup]:
        found = []
        for own in service.ports:
            if is_http_or_auto(own.protocol):
                cluster = f"outbound|{own.number}||{service.hostname}"
                route = default_route(cluster, self._retries, self._clusters.service_hash(service.hostname, own.number), service.ref)
                found.append(_RouteGroup(own.number, [route], services=[service], ref=service.ref))
        return found

    def _of_virtual_service(
        self, virtual: RoutedVirtualService, known: Mapping[str, RoutedService], port: int, builder: RouteBuilder,
        wildcards: Mapping[str, RoutedVirtualService],
    ) -> list[_RouteGroup]:  # fmt: skip
        routes = builder.of(virtual)
        if not routes:
            return []
        hosts, services = _hosts_and_services(virtual, known, wildcards)
        if virtual.gateway_api and not any(virtual.namespace in (service.namespace, self._caller.namespace) for service in services):
            return []
        by_port: dict[int, list[RoutedService]] = {}
        for service in services:
            for own in service.ports:
                if is_http_or_auto(own.protocol):
                    by_port.setdefault(own.number, []).append(service)
        if not by_port and port == 80:
            by_port[80] = []
        return [_RouteGroup(number, routes, hosts, own_services, virtual.ref) for number, own_services in by_port.items()]

    def _named(self, groups: Sequence[_RouteGroup], port: int) -> list[VirtualHost]:
        """Each name goes to the first that wants it."""
        full = {service.hostname for group in groups for service in group.services}
        names: set[str] = set()
        domains: set[str] = set()
        by_port: dict[int, list[VirtualHost]] = {}

        def add(host: str, group: _RouteGroup, service: RoutedService | None) -> None:
            name = f"{host}:{group.port}"
            if name in names:
                return
            names.add(name)
            wanted, short = service_domains(service, self._caller.namespace, self._mesh.end) if service else ([host], set())
            kept = []
            for domain in wanted:
                if domain.lower() not in domains and not (domain in short and domain in full):
                    domains.add(domain.lower())
                    kept.append(domain)
            if kept:
                by_port.setdefault(group.port, []).append(VirtualHost(name, kept, group.routes, ref=group.ref))

        for group in groups:
            if group.routes:
                for host in group.hosts:
                    add(host.lower(), group, None)
                for service in group.services:
                    add(service.hostname, group, service)
        return by_port.get(port or 80, [])


def _of_services(virtual_services: Sequence[RoutedVirtualService], known: Mapping[str, RoutedService]) -> list[RoutedVirtualService]:
    """Those that have a host of a service there: away from port 80 the others do nothing."""
    wild = [host for host in known if is_wild(host)]

    def fits(host: str) -> bool:
        host = host.lower()
        if host in known:
            return True
        return any(host_matches(host, one) for one in (known if is_wild(host) else wild))

    return [one for one in virtual_services if any(map(fits, one.hosts))]


def _hosts_and_services(
    virtual: RoutedVirtualService, known: Mapping[str, RoutedService], wildcards: Mapping[str, RoutedVirtualService]
) -> tuple[list[str], list[RoutedService]]:
    """The hosts of a VirtualService that are no service's, and the services that are its own."""
    hosts: list[str] = []
    services: list[RoutedService] = []
    for host in virtual.hosts:
        if not is_wild(host):
            service = known.get(host.lower())
            if service is not None:
                services.append(service)
            else:
                hosts.append(host)
    for host in (host.lower() for host in virtual.hosts if is_wild(host)):
        if virtual.gateway_api:
            hosts.append(host)
            continue
        matching = [name for name in known if host_matches(name, host)]
        if not matching:
            hosts.append(host)
        services += [known[name] for name in matching if wildcards.get(name) is virtual]
    return hosts, services
