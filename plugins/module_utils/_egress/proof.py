# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Who would lose which calls with REGISTRY_ONLY: what was seen, asked of the routing of the mesh before and after. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from .._access.traffic import KnownWorkloads
from .._model.fields import entries, name_of, namespace_of, section, sections
from .._model.intent import Intent
from .._model.overlay import overlaid
from .._model.routing import exported_to
from .._model.snapshot import Snapshot
from .._model.view import View
from .._routing.hosts import subset_of
from .._routing.model import RouteRequest
from .._traffic.asking import OUTSIDE
from .._traffic.mesh_routing import MeshRouting, Sender
from .observed import OutboundCall, OutboundEvidence

__all__ = ["CLEAN", "LOSSES", "UNKNOWN", "LostCall", "OutboundProof", "proposed_services", "prove_registry_only"]

CLEAN, LOSSES, UNKNOWN = "clean", "losses", "unknown"
_REGISTRY_ONLY = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
_BLOCKED = 502
_PROTOCOLS = {"http": "HTTP", "tls": "TLS", "tcp": "TCP"}
_LONGEST = 50  # of a name that is made of a host
Obj = dict[str, Any]


@dataclass(frozen=True)
class LostCall:
    """A call that gets out now and would not any more. would: what its caller gets; why: what the mesh has of the host."""

    source: str
    call: OutboundCall
    would: str
    why: str

    @property
    def name(self) -> str:
        return f"{self.source} -> {self.call.target}"


@dataclass(frozen=True)
class OutboundProof:
    """unnamed: calls of which nothing says where they go; unseen: workloads that no evidence knows, or too little, with the reason;
    closed: calls that do not get out already; gone: callers that are no more; accepted: what somebody has accepted of the first three."""

    lost: tuple[LostCall, ...] = ()
    unnamed: tuple[OutboundCall, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    closed: tuple[OutboundCall, ...] = ()
    gone: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    callers: int = 0
    asked: int = 0  # calls that were asked of the routing

    @property
    def verdict(self) -> str:
        if self.lost:
            return LOSSES
        return UNKNOWN if self.unnamed or self.unseen or not self.callers else CLEAN


class _Accepted:
    """What somebody takes the blame for: NAMESPACE/WORKLOAD, or NAMESPACE/WORKLOAD -> HOST:PORT, each with stars."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = [tuple(part.strip() for part in str(row).partition("->")[::2]) for row in rows]
        self.used: dict[str, None] = {}

    def takes(self, source: str, target: str = "") -> bool:
        for who, what in self._rows:
            if fnmatchcase(source, who) and (not what or fnmatchcase(target, what)):
                self.used[f"{source} -> {target}" if target else source] = None
                return True
        return False


def _request(call: OutboundCall, address: str) -> RouteRequest:
    if call.protocol == "http":
        return RouteRequest(address, call.port or 80, host=call.host or call.address)
    tls = call.protocol == "tls"
    return RouteRequest(address, call.port, protocol="tcp", tls=tls, sni=call.host if tls else "")


def _address(call: OutboundCall, after: MeshRouting, sender: Sender) -> str:
    """Where the connection goes. A name that an entry gives an address is taken for that one."""
    if call.address:
        return call.address
    known = after.world(sender).registry.by_host.get(call.host, {})
    found = next((one.address.partition("/")[0] for one in known.values() if one.address[:1].isdigit() and one.address != "0.0.0.0"), "")  # noqa: S104
    return found or OUTSIDE


def _would(routing: MeshRouting, sender: Sender, request: RouteRequest) -> str:
    """What keeps it from getting out; empty where nothing does."""
    answer = routing.answer(sender, request)
    if answer.outcome == "blackhole":
        return "the connection would be closed (BlackHoleCluster)"
    blocked = answer.outcome == "direct_response" and answer.route is not None and answer.route.status == _BLOCKED
    return "it would get 502 (BlackHoleCluster)" if blocked else ""


def _missing(call: OutboundCall, sender: Sender, found: Iterable[Mapping[str, Any]]) -> str:
    """What the mesh has of the host, and why that does not help."""
    space = sender.consumer.namespace
    for obj in found:
        spec, name = section(obj, "spec"), f"ServiceEntry {namespace_of(obj)}/{name_of(obj)}"
        if not call.host or not any(subset_of(call.host, str(host)) for host in entries(spec.get("hosts"))):
            continue
        ports = [port for port in sections(spec.get("ports")) if port.get("number") == call.port]
        if not exported_to(obj, space):
            return f"{name} has that host, and its exportTo leaves out {space}"
        if not ports:
            numbers = ", ".join(str(port.get("number")) for port in sections(spec.get("ports"))) or "none"
            return f"{name} has that host, and not that port (its ports: {numbers})"
        protocol = str(ports[0].get("protocol"))
        if protocol.upper() != _PROTOCOLS[call.protocol] and (call.protocol, protocol.upper()) != ("tls", "HTTPS"):
            return f"{name} has that host, with {protocol} on the port, and {_PROTOCOLS[call.protocol]} was seen"
        return f"{name} has that host, and the Sidecar of {sender.name} does not import it"
    return f"no ServiceEntry that it sees has that {'host' if call.host else 'address'}"


def _merged(calls: Iterable[OutboundCall]) -> list[OutboundCall]:
    """The same target of a caller once, whatever address its name had."""
    found: dict[tuple[Any, ...], OutboundCall] = {}
    for call in calls:
        key = (call.source, call.host or call.address, call.port, call.protocol, call.closed)
        before = found.get(key)
        found[key] = replace(before, count=before.count + call.count, known=before.known or call.known) if before else call
    return sorted(found.values(), key=lambda call: (-call.count, call.source, call.target))


def prove_registry_only(
    source: Snapshot, intent: Intent, evidence: OutboundEvidence, objects: Sequence[Mapping[str, Any]] = (), accepted: Sequence[Any] = ()
) -> OutboundProof:
    """objects: what is delivered before the switch, such as those of mesh_external_services."""
    before = MeshRouting(View(source), intent)
    after_objects = overlaid(source.objects, objects)
    after = MeshRouting(View(replace(source, objects=tuple(map(dict, after_objects)))), intent, _REGISTRY_ONLY)
    known = KnownWorkloads(before.scene.inventory, source.objects)
    senders = {id(one.place): one for one in before.senders if not one.gateway}
    names = {one.name: one for one in after.senders if not one.gateway}
    registered = [obj for obj in after_objects if obj.get("kind") == "ServiceEntry"]

    def sender_of(name: str) -> Sender | None:
        place = known.place(name)
        return senders.get(id(place)) if place is not None else None

    taken = _Accepted(accepted)
    lost, unnamed, closed, gone, asked = [], [], [], dict[str, None](), 0
    calls = [(sender_of(call.source), call) for call in evidence.calls if call.protocol]
    gone |= {call.source: None for sender, call in calls if sender is None}
    for call in _merged(replace(call, source=sender.name) for sender, call in calls if sender is not None):
        if call.closed:
            closed.append(call)
        if not call.target:
            unnamed += [] if call.closed or taken.takes(call.source) else [call]
            continue
        asked += 1
        here, there = next(one for one in senders.values() if one.name == call.source), names[call.source]
        request = _request(call, _address(call, after, there))
        would = _would(after, there, request)
        if would and not _would(before, here, request) and not taken.takes(call.source, call.target):
            lost.append(LostCall(call.source, call, would, _missing(call, there, registered)))
    seen = {sender.name for sender in map(sender_of, {*evidence.seen, *(call.source for call in evidence.calls)}) if sender is not None}
    young = {sender.name: why for name, why in evidence.young.items() if (sender := sender_of(name)) is not None}
    told = {sender.name for sender in (sender_of(call.source) for call in evidence.calls if call.known) if sender is not None}
    unseen = {one.name: young.get(one.name, "") for one in senders.values() if one.name not in seen or one.name in young}
    unseen = {name: why for name, why in sorted(unseen.items()) if name not in told and not taken.takes(name)}
    return OutboundProof(
        lost=tuple(lost),
        unnamed=tuple(unnamed),
        unseen=unseen,
        closed=tuple(closed),
        gone=tuple(gone),
        accepted=tuple(taken.used),
        callers=len(senders),
        asked=asked,
    )


def _row_name(call: OutboundCall) -> str:
    return re.sub(r"[^a-z0-9]+", "-", (call.host or f"ip-{call.address}").lower())[:_LONGEST].strip("-")


def proposed_services(lost: Iterable[LostCall]) -> list[Obj]:
    """Rows of mesh_external_services that would let the lost calls out, for their callers only."""
    found: dict[str, Obj] = {}
    for one in lost:
        call, name = one.call, _row_name(one.call)
        row = found.setdefault(name, {"name": name, "hosts": [call.host or f"{name}.outside.internal"], "ports": [], "namespaces": []})
        port = {"number": call.port or 80, "protocol": _PROTOCOLS[call.protocol]}
        row["ports"] += [port] if all(port["number"] != own["number"] for own in row["ports"]) else []
        row["namespaces"] = sorted({*row["namespaces"], one.source.partition("/")[0]})
        if call.protocol == "tcp" and call.address:
            row["addresses"] = sorted({*row.get("addresses", ()), call.address})
    return list(found.values())
