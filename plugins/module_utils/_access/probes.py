# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which requests to send to see whether the mesh does what was proven: from every workload to every closed port, with what is predicted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from .._authorization.inventory import MeshInventory, Workload
from .._authorization.model import HTTP, ZTUNNEL, Request
from .._authorization.world import MeshPolicies, Response
from .rows import Resolved, ResolvedRule
from .waypoints import Guarded, guarded

__all__ = ["Probes", "calls_for"]

_NOW = datetime(2000, 1, 1, tzinfo=UTC)  # no token is sent, so the time plays no part
Obj = dict[str, Any]


@dataclass(frozen=True)
class Probes:
    """The calls with the predictions of each state, in the order of the states."""

    states: tuple[tuple[Obj, ...], ...]
    left_out: int


@dataclass(frozen=True)
class _ServicePort:
    """A Service's port that leads to a place."""

    place: Workload
    host: str
    port: int
    target: int
    protocol: str
    way: Guarded | None = None  # the waypoint that it leads through


_Call = tuple[_ServicePort, Workload, tuple[str, str]]


def _doors(
    places: Sequence[Workload], objects: Sequence[Mapping[str, Any]], ways: Sequence[Guarded], domain: str
) -> Iterator[_ServicePort]:
    services: dict[str, list[Mapping[str, Any]]] = {}
    for obj in objects:
        if obj.get("kind") == "Service" and obj.get("apiVersion") == "v1":
            services.setdefault(str(obj["metadata"].get("namespace")), []).append(obj)
    for place in places:
        for service in services.get(place.namespace, ()):
            meta, spec = service["metadata"], service.get("spec") or {}
            selector = spec.get("selector") or {}
            if not selector or not selector.items() <= place.workload.labels.items():
                continue
            for port in spec.get("ports") or []:
                target = port.get("targetPort", port.get("port"))
                # a status port of a gateway answers to nobody's policy
                if str(target).isdigit() and int(target) in place.ports and port.get("name") != "status-port":
                    host = f"{meta['name']}.{meta['namespace']}.svc.{domain}"
                    own = next((way for way in ways if way.leads_to(place) and way.is_of(str(meta["name"]))), None)
                    yield _ServicePort(place, host, int(port["port"]), int(target), HTTP if own else place.ports[int(target)], own)


def _concrete(path: str) -> str:
    """A path that a pattern matches."""
    if path == "*":
        return "/"
    found = path.replace("{**}", "probe").replace("{*}", "probe")
    if found.startswith("*"):
        return f"/probe{found[1:]}"
    return f"{found[:-1]}probe" if found.endswith("*") else found


def _requests(rows: Iterable[ResolvedRule], methods: Sequence[str]) -> list[tuple[str, str]]:
    """Method and path of what to ask for: one of each rule, and the root."""
    found: dict[tuple[str, str], None] = {}
    for row in rows:
        wanted = row.rule.operations.get("methods", ("GET",))
        method = next((name for name in wanted if name in methods), "GET" if "*" in wanted else "")
        if method and not row.rule.operations.get("hosts"):
            found[(method, _concrete(row.rule.operations.get("paths", ("/",))[0]))] = None
    found[("GET", "/")] = None
    return list(found)


def calls_for(
    resolved: Resolved,
    inventory: MeshInventory,
    objects: Iterable[Mapping[str, Any]],
    worlds: Sequence[MeshPolicies],
    *,
    methods: Sequence[str],
    limit: int,
) -> Probes:
    """For each world the calls with its prediction. Methods that may change something are never sent; intended calls go first."""
    # Who has no proxy is stopped by mutual TLS, which is never a verdict; and nobody execs into the pods of strangers.
    sources = [place for place in inventory.places if not place.assumed and not place.workload.service and not place.outside]
    rows, live = resolved.rows_by_target(), list(objects)
    meant: list[_Call] = []
    others: list[_Call] = []
    total = 0
    for door in _doors(resolved.closed, live, guarded(inventory, live), inventory.mesh.cluster_domain):
        own = [*rows.get(door.place.ref, []), *(rows.get(door.way.place.ref, []) if door.way else [])]
        requests = _requests(own, methods) if door.protocol == HTTP else [("", "")]
        callers, anybody = {name for row in own for name in row.identities}, any(row.words for row in own)
        for source in sources:
            found = meant if anybody or f"{source.namespace}/{source.account}" in callers else others
            total += len(requests)
            if len(found) < limit:  # thousands of workloads have millions of pairs
                found += [(door, source, request) for request in requests]
    kept = [_predicted(call, inventory, worlds) for call in (meant + others)[:limit]]
    kept.sort(key=lambda states: states[-1]["expected"] != "allowed")
    return Probes(tuple(tuple(states[number] for states in kept) for number in range(len(worlds))), total - len(kept))


def _predicted(call: _Call, inventory: MeshInventory, worlds: Sequence[MeshPolicies]) -> list[Obj]:
    """The call with the prediction of each world."""
    door, source, (method, path) = call
    asked = f"{source.namespace}/{source.asked or source.name}"
    found = {"from": asked, "to": door.place.ref, "host": door.host, "port": door.port, "protocol": door.protocol.lower()}
    found |= {"method": method, "path": path} if method else {}
    answers = [_answer(door, source, (method, path), inventory, world) for world in worlds]
    return [{**found, "expected": "allowed" if one.allowed else "denied", "reason": one.reason} for one in answers]


def _answer(door: _ServicePort, source: Workload, ask: tuple[str, str], inventory: MeshInventory, world: MeshPolicies) -> Response:
    """What a caller sees: of the workload's proxy alone, or of the waypoint's and then of ztunnel's, which is called by the waypoint."""
    request = _request(inventory.identity(source), door, *ask)
    if door.place.past.takes(door.target):
        return Response("passes", f"the port goes past its proxy: {door.place.past.why}")
    by_way = door.way is not None and (source.workload.kind == "ztunnel" or (source.workload.kind == "gateway" and door.way.ingress))
    if door.way is None or not by_way:
        protocol = ZTUNNEL if door.place.workload.kind == "ztunnel" else door.protocol
        return world.answer(door.place.workload, request, now=_NOW, protocol=protocol)
    there = world.answer(door.way.place.workload, replace(request, port=door.port), now=_NOW)
    if not there.allowed:
        return there
    connection = _request(inventory.identity(door.way.place), door, "", "")
    return world.answer(door.place.workload, connection, now=_NOW, protocol=ZTUNNEL)


def _request(identity: str | None, door: _ServicePort, method: str, path: str) -> Request:
    principal = identity.removeprefix("spiffe://") if identity else None
    connection = Request(principal=principal, port=door.target, tls=identity is not None)
    return replace(connection, method=method, host=f"{door.host}:{door.port}", path=path) if method else connection
