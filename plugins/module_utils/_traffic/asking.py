# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Requests as people name them: what DNS makes of a name for a caller, and where a gateway is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .._routing.hosts import is_wild
from .._routing.model import ANYWHERE, RoutedService, RouteRequest
from .._routing.protocols import is_http_or_auto, is_tls
from .expectations import Expectation
from .mesh_routing import MeshRouting, Sender

__all__ = ["AskedRequest", "asked_of", "service_named", "services_meant"]

OUTSIDE = "203.0.113.77"  # of documentation: an address that nobody in the mesh has
_STOCK_PORTS = {80: 8080, 443: 8443}  # the ports of Istio's own gateway's Service, and those of its pods


@dataclass(frozen=True)
class AskedRequest:
    """A request of one caller, or why it cannot be made."""

    sender: Sender
    request: RouteRequest | None
    problem: str = ""


def service_named(routing: MeshRouting, sender: Sender, name: str) -> RoutedService | None:
    """The service that a name means for a caller: its short forms are completed as DNS does, with the caller's namespace."""
    registry, end = routing.world(sender).registry, routing.world(sender).mesh.end
    space = sender.consumer.namespace
    own, slash, rest = name.partition("/")
    forms = (
        [f"{rest}.{own}{end}"]
        if slash
        else [name.removesuffix("."), f"{name}.{space}{end}", f"{name}{end}", f"{name}{end.removeprefix('.svc')}"]
    )
    for host in forms:
        known = registry.by_host.get(host.lower())
        if known:
            return known.get(space) or next((one for one in known.values() if one.kubernetes), None) or next(iter(known.values()))
    wild = [one for one in registry.services if is_wild(one.hostname) and name.endswith(one.hostname[1:])]
    return max(wild, key=lambda one: len(one.hostname), default=None)


def services_meant(routing: MeshRouting, sender: Sender, name: str) -> list[RoutedService]:
    """The service that somebody means who need not think of the caller's namespace: that of the caller, else all of this short name."""
    own = service_named(routing, sender, name)
    if own is not None or "." in name or "/" in name:
        return [own] if own is not None else []
    return [one for one in routing.world(sender).registry.services if one.kubernetes and one.name == name]


def asked_of(routing: MeshRouting, expectation: Expectation, senders: list[Sender]) -> Iterator[AskedRequest]:
    """The request of each caller."""
    for sender in senders:
        yield _of_gateway(routing, expectation, sender) if sender.gateway else _of_sidecar(routing, expectation, sender)


def _of_sidecar(routing: MeshRouting, expectation: Expectation, sender: Sender) -> AskedRequest:
    service = service_named(routing, sender, expectation.host)
    port, secure = expectation.port, expectation.scheme == "https"
    if not port and "://" in expectation.url:
        port = 443 if secure else 80
    if not port and service is not None:
        numbers = [one.number for one in service.ports if is_http_or_auto(one.protocol)] or [one.number for one in service.ports]
        if len(numbers) > 1:
            return AskedRequest(
                sender,
                None,
                f"{service.hostname} has the ports {', '.join(map(str, numbers))}: say which, as {expectation.host}:{numbers[0]}",
            )
        port = numbers[0] if numbers else 80
    port = port or 80
    address = _address(routing, sender, service, port)
    own = service.port(port) if service is not None else None
    http = own is None or is_http_or_auto(own.protocol)
    tls = secure or (own is not None and is_tls(own.protocol))
    host = expectation.host if port in (80, 443) else f"{expectation.host}:{port}"
    request = RouteRequest(
        address, port, host=host, protocol="http" if http and not tls else "tcp", method=expectation.method, path=expectation.whole_path,
        headers=expectation.headers, tls=tls, sni=expectation.host if tls else "",
    )  # fmt: skip
    return AskedRequest(sender, request)


def _address(routing: MeshRouting, sender: Sender, service: RoutedService | None, port: int) -> str:
    if service is None:
        return OUTSIDE
    registry = routing.world(sender).registry
    if service.resolution == "ALIAS":
        target = registry.by_host.get(service.external_name, {})
        return _address(routing, sender, next(iter(target.values()), None), port) if target else OUTSIDE
    if service.address != ANYWHERE:
        return service.address.partition("/")[0]
    endpoints = registry.endpoints(service, port, {}) if service.resolution == "NONE" and service.kubernetes else []
    return endpoints[0].address if endpoints else OUTSIDE


def _of_gateway(routing: MeshRouting, expectation: Expectation, sender: Sender) -> AskedRequest:
    secure = expectation.scheme == "https"
    number = expectation.port or (443 if secure else 80)
    targets = routing.world(sender).targets(sender.consumer)
    port = next((one.target for one in targets if one.port == number), number)
    if sender.assumed and port not in routing.gateway_ports(sender):
        port = _STOCK_PORTS.get(port, port)
    request = RouteRequest(
        sender.consumer.ip or OUTSIDE, port, host=expectation.host, method=expectation.method, path=expectation.whole_path,
        headers=expectation.headers, tls=secure, sni=expectation.host if secure else "", alpn=("http/1.1",) if secure else (),
    )  # fmt: skip
    return AskedRequest(sender, request)
