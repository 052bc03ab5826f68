# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a proxy knows: the services, VirtualServices and DestinationRules that its Sidecar imports and that are exported to it.

After pilot/pkg/model/sidecar.go and push_context.go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._model.fields import entries, name_of, namespace_of, section, sections, texts
from .._model.selectors import matches_labels
from .destination_rules import DestinationRules, MergedRule
from .hosts import host_matches, is_wild, most_specific, subset_of
from .model import Consumer, RoutedPort, RoutedService, RoutingMesh
from .protocols import HTTP_PROXY, parse
from .registry import Registry, created_at, number_of
from .virtual_services import MESH, RoutedVirtualService, VirtualServices

__all__ = ["EgressScope", "ProxyScope", "Scopes"]


class _Imports:
    """The hosts that an egress listener imports of a namespace."""

    def __init__(self) -> None:
        self.exact: set[str] = set()
        self.every: list[str] = []
        self.excluded: list[str] = []

    def excludes(self, host: str) -> bool:
        return any(subset_of(host, one) for one in self.excluded)

    def service(self, host: str) -> bool:
        """Is a service of this host imported?"""
        if host in self.exact:
            return True
        wild = is_wild(host)
        return any((wild or is_wild(one)) and subset_of(host, one) for one in self.every)

    def virtual_service(self, host: str, *, gateway_api: bool) -> bool:
        if host in self.exact:
            return True
        wild, fits = is_wild(host), subset_of if gateway_api else host_matches
        return any((wild or is_wild(one)) and fits(host, one) for one in self.every)


@dataclass(eq=False)
class EgressScope:
    """One egress listener of a Sidecar, or the one that imports everything."""

    spec: Mapping[str, Any]
    services: list[RoutedService] = field(default_factory=list)
    virtual_services: list[RoutedVirtualService] = field(default_factory=list)
    wildcards: dict[str, RoutedVirtualService] = field(default_factory=dict)  # by the host of a service, the most specific for it

    @property
    def port(self) -> RoutedPort | None:
        port = self.spec.get("port")
        if not isinstance(port, Mapping):
            return None
        return RoutedPort(str(port.get("name") or ""), number_of(port.get("number")), parse(str(port.get("protocol") or "")))

    @property
    def matches_port(self) -> bool:
        port = self.port
        return port is not None and port.number != 0 and port.protocol != HTTP_PROXY

    def with_port(self, service: RoutedService) -> RoutedService | None:
        """The service with this listener's port only; None where it has no such port."""
        port = self.port
        found = [one for one in service.ports if port is not None and one.number == port.number]
        if not found:
            return None
        return service if len(service.ports) == 1 else replace(service, ports=(found[0],))


@dataclass(eq=False)
class ProxyScope:
    """All that proxies of a namespace with the same Sidecar know."""

    namespace: str
    egress: list[EgressScope] = field(default_factory=list)
    services: list[RoutedService] = field(default_factory=list)
    by_host: dict[str, RoutedService] = field(default_factory=dict)
    rules: dict[str, list[MergedRule]] = field(default_factory=dict)
    policy: str = ""  # outboundTrafficPolicy
    egress_proxy: Mapping[str, Any] | None = None
    ref: str = ""  # the Sidecar

    def egress_of(self, port: int) -> EgressScope | None:
        """The egress listener that the routes of a port come from."""
        for one in self.egress:
            own = one.port
            if own is None or (own.number == port and port):
                return one
        return None


class Scopes:
    """Makes the scope of each proxy, once for all that share it."""

    def __init__(
        self,
        sidecars: Iterable[Mapping[str, Any]],
        registry: Registry,
        services: VirtualServices,
        rules: DestinationRules,
        mesh: RoutingMesh,
    ) -> None:
        self._registry, self._virtual, self._rules, self._mesh = registry, services, rules, mesh
        ordered = sorted(sidecars, key=lambda one: (created_at(one), name_of(one), namespace_of(one)))
        self._sidecars: dict[str, list[Mapping[str, Any]]] = {}
        for selecting in (True, False):
            for one in ordered:
                if (section(one, "spec").get("workloadSelector") is not None) is selecting:
                    self._sidecars.setdefault(namespace_of(one), []).append(one)
        root = self._sidecars.get(mesh.root_namespace, ())
        self._general = next((one for one in root if section(one, "spec").get("workloadSelector") is None), None)
        self._made: dict[tuple[str, int, bool], ProxyScope] = {}
        self._free: dict[str, list[Mapping[str, str]]] = {}

    def sidecar(self, namespace: str, labels: Mapping[str, str]) -> Mapping[str, Any] | None:
        """The Sidecar that counts for a workload."""
        for one in self._sidecars.get(namespace, ()):
            selector = section(one, "spec").get("workloadSelector")
            if selector is None or matches_labels(texts(section(selector).get("labels")), labels):
                return one
        return self._general

    def of(self, caller: Consumer) -> ProxyScope:
        chosen = None if caller.gateway else self.sidecar(caller.namespace, caller.labels)
        alone = caller.gateway and not self._beside_sidecar(caller)
        key = (caller.namespace, id(chosen), alone)
        known = self._made.get(key)
        if known is None:
            known = self._made[key] = self._gateway(caller.namespace) if alone else self._of_sidecar(caller.namespace, chosen)
        return known

    def _beside_sidecar(self, gateway: Consumer) -> bool:
        """Is a sidecar of its namespace without any Sidecar? What istiod made for that one it gives the gateway, too
        (doGetSidecarScope); before it has served such a sidecar, after each change, the gateway is alone."""
        return any(not matches_labels(gateway.labels, labels) for labels in self._without_sidecar(gateway.namespace))

    def _without_sidecar(self, namespace: str) -> list[Mapping[str, str]]:
        """The labels of a namespace's sidecars for which no Sidecar counts; each request at a gateway asks."""
        known = self._free.get(namespace)
        if known is None:
            every = {tuple(sorted(labels.items())): labels for labels in self._registry.sidecars(namespace)}
            known = self._free[namespace] = [labels for labels in every.values() if self.sidecar(namespace, labels) is None]
        return known

    def _gateway(self, namespace: str) -> ProxyScope:
        scope = ProxyScope(namespace)
        self._add(scope, self._registry.exported_to(namespace))
        self._select_rules(scope)
        return scope

    def _of_sidecar(self, namespace: str, sidecar: Mapping[str, Any] | None) -> ProxyScope:
        spec = section(sidecar, "spec") if sidecar is not None else {}
        scope = ProxyScope(namespace, ref=f"Sidecar {namespace_of(sidecar)}/{name_of(sidecar)}" if sidecar is not None else "")
        scope.egress = [self._egress(namespace, one) for one in sections(spec.get("egress")) or [{"hosts": ["*/*"]}]]
        self._add(scope, self._imported(namespace, scope.egress))
        self._select_rules(scope)
        policy = spec.get("outboundTrafficPolicy")
        if isinstance(policy, Mapping):
            scope.policy = str(policy.get("mode") or "REGISTRY_ONLY")
            proxy = policy.get("egressProxy")
            scope.egress_proxy = proxy if isinstance(proxy, Mapping) else None
        else:
            scope.policy = self._mesh.outbound_policy
        return scope

    # services

    def _egress(self, namespace: str, spec: Mapping[str, Any]) -> EgressScope:
        imports: dict[str, _Imports] = {}
        for entry in map(str, entries(spec.get("hosts"))):
            if entry.count("/") != 1:
                continue
            space, _slash, host = entry.partition("/")
            excluded = space.startswith("~")
            space = (space[1:] or "*") if excluded else space
            kept = imports.setdefault(namespace if space == "." else space, _Imports())
            if excluded:
                kept.excluded.append(host)
                continue
            if not is_wild(host):
                kept.exact.add(host)
            kept.every.append(host)
        scope = EgressScope(spec)
        scope.virtual_services = list(self._virtual_services(namespace, imports))
        scope.services = self._services(namespace, imports, scope)
        exact: dict[str, RoutedVirtualService] = {}
        wild: dict[str, RoutedVirtualService] = {}
        for one in scope.virtual_services:
            for host in one.hosts:
                (wild if is_wild(host) else exact).setdefault(host, one)
        if wild:  # who has no star in any host is found by name
            for service in scope.services:
                found = most_specific(service.hostname, exact, wild)
                if found is not None:
                    scope.wildcards[service.hostname] = found
        return scope

    def _virtual_services(self, namespace: str, imports: Mapping[str, _Imports]) -> Iterator[RoutedVirtualService]:
        every, seen = imports.get("*"), set()
        everything = every is not None and every.every == ["*"] and not any(one.excluded for one in imports.values())
        for listed in self._virtual.lists(namespace, MESH):
            for first in (True, False):  # Routes of Gateway API of the caller's own namespace come before the others
                for one in listed:
                    if (one.gateway_api and one.namespace == namespace) is not first or one in seen:
                        continue
                    if everything or self._imports(one, imports, every):
                        seen.add(one)
                        yield one

    @staticmethod
    def _imports(one: RoutedVirtualService, imports: Mapping[str, _Imports], every: _Imports | None) -> bool:
        own = imports.get(one.namespace)
        for known in (own, every):
            if known is None:
                continue
            for host in one.hosts:
                if known.virtual_service(host, gateway_api=one.gateway_api) and not any(
                    kept is not None and kept.excludes(host) for kept in (own, every)
                ):
                    return True
        return False

    def _services(self, namespace: str, imports: Mapping[str, _Imports], scope: EgressScope) -> list[RoutedService]:
        every = imports.get("*")
        found: list[RoutedService] = []
        for service in self._candidates(namespace, imports):
            own = imports.get(service.namespace)
            if any(kept is not None and kept.excludes(service.hostname) for kept in (own, every)):
                continue
            for kept in (own, every):
                if kept is not None and kept.service(service.hostname):
                    taken: RoutedService | None = scope.with_port(service) if scope.matches_port else service
                    if taken is not None:
                        aliases = tuple(alias for alias in taken.aliases if kept.service(alias))
                        found.append(taken if aliases == taken.aliases else replace(taken, aliases=aliases))
                        break
        best: dict[str, RoutedService] = {}
        for service in found:
            known = best.get(service.hostname)
            better = known is None or service.namespace == namespace
            if not better and known is not None and service.kubernetes and not known.kubernetes:
                better = known.namespace != namespace
            if better:
                best[service.hostname] = service
        return [service for service in found if best[service.hostname].namespace == service.namespace]

    def _candidates(self, namespace: str, imports: Mapping[str, _Imports]) -> list[RoutedService]:
        exact = all(not any(is_wild(one) for one in kept.every) for kept in imports.values()) and not (
            imports.get("*") and imports["*"].every
        )
        if not exact:
            return self._registry.exported_to(namespace)
        named = (self._registry.by_host.get(host, {}).get(space) for space, kept in imports.items() for host in kept.exact)
        found = [service for service in named if service is not None and self._registry.visible(service, namespace)]
        return sorted(found, key=lambda one: (one.created, one.name, one.namespace))

    def _imported(self, namespace: str, egress: Iterable[EgressScope]) -> Iterator[RoutedService]:
        """The services of all listeners, each followed by the destinations of its VirtualServices, which need no import."""
        for scope in egress:
            yield from scope.services
            for one in scope.virtual_services:
                for host, ports in one.destinations(namespace).items():
                    service = self._best(self._registry.by_host.get(host, {}), namespace)
                    if service is not None:
                        found = scope.with_port(service) if scope.matches_port else _with_ports(service, ports)
                        if found is not None:
                            yield found

    def _best(self, spaces: Mapping[str, RoutedService], namespace: str) -> RoutedService | None:
        if namespace in spaces:
            return spaces[namespace]
        visible = [one for one in spaces.values() if self._registry.visible(one, namespace)]
        of_kubernetes = [one for one in visible if one.kubernetes]
        return next(iter(of_kubernetes or sorted(visible, key=lambda one: one.created)), None)

    def _add(self, scope: ProxyScope, services: Iterable[RoutedService]) -> None:
        places: dict[str, int] = {}
        for service in services:
            place = places.get(service.hostname)
            if place is None:
                places[service.hostname] = len(scope.services)
                scope.services.append(service)
                scope.by_host[service.hostname] = service
                continue
            existing = scope.services[place]
            if service is existing or (existing.kubernetes and not service.kubernetes):
                continue
            if service.kubernetes and not existing.kubernetes:
                merged = service
            elif existing.ports == service.ports or not _mergeable(existing, service):
                continue
            else:
                numbers = {port.number for port in existing.ports}
                merged = replace(existing, ports=(*existing.ports, *(port for port in service.ports if port.number not in numbers)))
            scope.services[place] = scope.by_host[service.hostname] = merged

    def _select_rules(self, scope: ProxyScope) -> None:
        for service in scope.services:
            found = self._rules.counting(scope.namespace, service)
            if found:
                scope.rules[service.hostname] = found


def _with_ports(service: RoutedService, ports: set[int]) -> RoutedService | None:
    """The service with the ports that are routed to; all of them where one destination names none."""
    if not ports or 0 in ports:
        return service
    found = tuple(port for port in service.ports if port.number in ports)
    if len(found) == len(service.ports):
        return service
    return replace(service, ports=found) if found else None


def _mergeable(one: RoutedService, other: RoutedService) -> bool:
    same = (one.namespace, one.resolution, one.kubernetes) == (other.namespace, other.resolution, other.kubernetes)
    return same and dict(one.labels) == dict(other.labels) and (one.selector or {}) == (other.selector or {}) and one.export == other.export
