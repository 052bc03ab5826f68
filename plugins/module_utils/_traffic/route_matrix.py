# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Every caller against every service: each route with where it leads. Callers that no object tells apart are asked once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .._routing.evaluate import RouteAnswer, RoutingWorld
from .._routing.hosts import is_wild
from .._routing.model import ANYWHERE, Consumer, RoutedPort, RoutedService, RouteRequest
from .._routing.protocols import UDP, is_http_or_auto, is_tls
from .._routing.routes import HttpRoute
from .asking import OUTSIDE
from .end_to_end import missing_cluster, parts_of, status_of
from .mesh_routing import MeshRouting

__all__ = ["MatrixRow", "classes_of", "request_to", "route_matrix", "routes_of"]


@dataclass(frozen=True)
class MatrixRow:
    """One route from some callers to a service: what is asked, and what becomes of it."""

    host: str
    port: int
    asked: str  # of HTTP what the route matches, in words; empty for all requests
    goes: str
    by: str  # the object that decides


def classes_of(world: RoutingWorld, consumers: Iterable[Consumer]) -> list[tuple[Consumer, list[int]]]:
    """The callers that are alike as far as full names go: one of each kind, and the places of all of them."""
    found: dict[object, tuple[Consumer, list[int]]] = {}
    for number, consumer in enumerate(consumers):
        found.setdefault(world.classes.by_full_names(consumer), (consumer, []))[1].append(number)
    return list(found.values())


def request_to(world: RoutingWorld, service: RoutedService, port: RoutedPort) -> RouteRequest:
    """A request to a port of a service by its full name."""
    http = is_http_or_auto(port.protocol)
    address = service.address.partition("/")[0]
    if address == ANYWHERE:
        endpoints = world.registry.endpoints(service, port.number, {}) if service.resolution == "NONE" else []
        address = endpoints[0].address if endpoints else OUTSIDE
    tls = is_tls(port.protocol)
    return RouteRequest(
        address, port.number, host=service.hostname, protocol="http" if http else "tcp", tls=tls, sni=service.hostname if tls else ""
    )


def _asked(route: HttpRoute | None) -> str:
    """What a route matches, in words."""
    if route is None:
        return ""
    form = {"exact": "path ", "prefix": "path ", "separated": "path ", "regex": "path ~"}[route.path.form]
    star = "*" if route.path.form in ("prefix", "separated") else ""
    words = [] if star and route.path.value == "/" else [f"{form}{route.path.value}{star}"]
    for one in route.headers:
        text = f"{one.name}{'!' if one.inverted else ''}" + (
            "" if one.text.form == "present" else f"={one.text.value}{'*' if one.text.form == 'prefix' else ''}"
        )
        words.append(text)
    words += [f"?{one.name}={one.text.value}" for one in route.query]
    return " ".join(words)


def _goes(world: RoutingWorld, answer: RouteAnswer) -> str:
    if not answer.destinations:
        status = status_of(answer)
        return str(status) if status else answer.outcome.replace("_", " ")
    found = []
    for percent, one in parts_of(answer):
        share = "" if len(answer.destinations) == 1 else f"{percent:g} % "
        if one.cluster is None:
            found.append(f"{share}503 ({missing_cluster(world, 'these callers', one.name)})")
        elif not one.cluster.usable:
            what = f"subset {one.cluster.subset} of {one.cluster.host}" if one.cluster.subset else one.cluster.host or one.cluster.name
            found.append(f"{share}503 ({what} has no ready pod)" if one.cluster.host else f"{share}closed")
        elif not one.cluster.host:
            found.append(f"{share}outside, past all routes")
        else:
            name, _svc, _end = one.cluster.host.partition(".svc.")
            found.append(f"{share}{name}{f' {one.cluster.subset}' if one.cluster.subset else ''}:{one.cluster.port}")
    return ", ".join(found)


def routes_of(world: RoutingWorld, consumer: Consumer, services: Iterable[RoutedService]) -> Iterator[MatrixRow]:
    """All routes of one caller to these services, by their full names."""
    for service in services:
        if service.resolution == "ALIAS" or is_wild(service.hostname):
            continue
        for port in service.ports:
            if port.protocol == UDP:
                continue
            for answer in world.routes(consumer, request_to(world, service, port)):
                by = answer.route.ref if answer.route is not None else answer.chain.ref if answer.chain is not None else ""
                yield MatrixRow(service.hostname, port.number, _asked(answer.route), _goes(world, answer), by)


def route_matrix(routing: MeshRouting) -> dict[MatrixRow, list[str]]:
    """Each route of the mesh, with the callers that have it."""
    found: dict[MatrixRow, list[str]] = {}
    by_world: dict[int, list[int]] = {}
    senders = [one for one in routing.senders if not one.gateway]
    for number, sender in enumerate(senders):
        by_world.setdefault(id(routing.world(sender)), []).append(number)
    for numbers in by_world.values():
        world = routing.world(senders[numbers[0]])
        for consumer, alike in classes_of(world, [senders[number].consumer for number in numbers]):
            names = [senders[numbers[place]].name for place in alike]
            for row in routes_of(world, consumer, world.registry.services):
                found.setdefault(row, []).extend(names)
    return found
