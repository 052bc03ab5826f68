# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Rules of routes that no request ever gets to, and matches of rules: those before them take all that they are for.

Asked at every place where a rule counts: in the sidecars, and at each Gateway, where istiod puts the VirtualServices of a host together. A
match is dead if it is so at all of them, and a rule if all of its matches are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._model.fields import entries, name_of, namespace_of
from .coverage import MatchBox, at_gateway, example, http_boxes, stream_boxes, taken_by
from .gateway_api import GatewayApi
from .gateways import RoutedGateway, istio_gateway
from .hosts import intersection, of_namespace
from .model import RoutingMesh
from .registry import created_at
from .virtual_services import MESH, RoutedVirtualService, VirtualServices

__all__ = ["DeadMatch", "dead_matches"]

_DATED = ("VirtualService", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")


@dataclass(frozen=True)
class DeadMatch:
    """A match that no request gets to. takers: the object and place of those that take it all, none where it asks for the impossible.

    whole: so are all matches of its rule. undated: which of the two objects is older is not known, and the other one's is dead if it is."""

    ref: str
    rule: str
    place: str
    name: str
    host: str
    takers: tuple[tuple[str, str], ...]
    asked: Mapping[str, str | None]  # a request that it is for
    narrower: bool  # it would get some of them in front of those
    whole: bool = False
    undated: bool = False


@dataclass(frozen=True, eq=False)
class _Verdict:
    """What became of a match at one place."""

    box: MatchBox
    host: str
    takers: list[MatchBox] | None


class _Book:
    """All rules, by the places where they count."""

    def __init__(self, virtual: VirtualServices, gateways: Iterable[RoutedGateway]) -> None:
        self._gateways = {f"{one.namespace}/{one.name}": one for one in gateways}
        self._all = virtual.all
        self._boxes = {id(one): http_boxes(one) for one in self._all}
        self._bound: dict[str, list[RoutedVirtualService]] = {}
        for one in self._all:
            for gateway in one.gateways or (MESH,):
                self._bound.setdefault(gateway, []).append(one)

    def verdicts(self) -> Iterator[_Verdict]:
        for gateway, bound in self._bound.items():
            alone: dict[int, list[_Verdict]] = {}
            for one in bound:
                alone[id(one)] = list(self._alone(one, self._boxes[id(one)], gateway))
                for kind in ("tls", "tcp"):
                    yield from self._alone(one, stream_boxes(one, kind), gateway)
            together = {} if gateway == MESH else self._together(gateway, bound)
            for one in bound:
                hosts = [host for host in one.hosts if len(together.get(host, ())) > 1]
                if len(hosts) < len(one.hosts) or not hosts:
                    yield from alone[id(one)]
                for host in hosts:
                    yield from self._among(one, together[host], host, alone)

    @staticmethod
    def _alone(one: RoutedVirtualService, boxes: Sequence[MatchBox], gateway: str) -> Iterator[_Verdict]:
        placed = [at_gateway(box, gateway) for box in boxes]
        for number, box in enumerate(placed):
            yield _Verdict(box, one.hosts[0], taken_by(box, placed[:number]))

    def _together(self, gateway: str, bound: Sequence[RoutedVirtualService]) -> dict[str, list[RoutedVirtualService]]:
        """Those of which a gateway makes one list, by their host: who is not let in by every server is left alone."""
        known = self._gateways.get(gateway)
        found: dict[str, list[RoutedVirtualService]] = {}
        for one in bound if known is not None else ():
            if "*" not in one.export or one.gateway_api:
                continue
            servers = [of_namespace(map(str, entries(server.get("hosts"))), one.namespace) for server in known.servers] if known else []
            for host in one.hosts:
                if servers and all(intersection(own, [host]) for own in servers):
                    found.setdefault(host, []).append(one)
        return found

    @staticmethod
    def _among(
        one: RoutedVirtualService, same: Sequence[RoutedVirtualService], host: str, alone: Mapping[int, list[_Verdict]]
    ) -> Iterator[_Verdict]:
        """Its rules behind those of the VirtualServices before it; what takes everything is moved to the end of them all."""
        place = next((number for number, other in enumerate(same) if other is one), len(same))
        for own in alone[id(one)]:
            if own.takers is not None:
                yield own
                continue
            earlier = [
                verdict.box
                for number, other in enumerate(same)
                for verdict in alone[id(other)]
                if other is not one and verdict.takers is None
                and _before(verdict.box, own.box, older=number < place, dated=other.created != one.created)
            ]  # fmt: skip
            yield _Verdict(own.box, host, taken_by(own.box, earlier))


def _before(box: MatchBox, own: MatchBox, *, older: bool, dated: bool) -> bool:
    """Is a match of another VirtualService before it? Without dates one of two that are the same is, whichever it is."""
    if box.everything is not own.everything:
        return own.everything
    return older and (dated or _same(box, own))


def _same(one: MatchBox, other: MatchBox) -> bool:
    return taken_by(one, [other]) is not None and taken_by(other, [one]) is not None


def _dead(same: Sequence[_Verdict], dates: Mapping[str, str]) -> DeadMatch | None:
    if any(verdict.takers is None for verdict in same):
        return None
    telling = next((verdict for verdict in same if verdict.takers), same[0])
    box, takers = telling.box, telling.takers or []
    narrower = bool(takers) and all(taken_by(taker, [box]) is None for taker in takers)
    places = tuple(dict.fromkeys((taker.ref, taker.place) for taker in takers))
    undated = any(
        taker.ref != box.ref and not (taker.delegated or box.delegated) and dates.get(taker.ref) == dates.get(box.ref) for taker in takers
    )
    return DeadMatch(box.ref, box.rule, box.place, box.name, telling.host, places, example(box), narrower, undated=undated)


def dead_matches(by_kind: Mapping[str, list[Mapping[str, Any]]], mesh: RoutingMesh) -> Iterator[DeadMatch]:
    """All matches of the VirtualServices and HTTPRoutes of a mesh that no request gets to. by_kind: as GatewayApi takes it."""
    api = GatewayApi(by_kind, mesh)
    virtual = VirtualServices(by_kind.get("VirtualService", ()), api.virtual_services, mesh)
    book = _Book(virtual, [*map(istio_gateway, by_kind.get("Gateway", ())), *api.gateways])
    by_place: dict[tuple[str, str, str], list[_Verdict]] = {}
    for verdict in book.verdicts():
        by_place.setdefault((verdict.box.ref, verdict.box.rule, verdict.box.place), []).append(verdict)
    dates = {f"{kind} {namespace_of(obj)}/{name_of(obj)}": created_at(obj) for kind in _DATED for obj in by_kind.get(kind, ())}
    dead = {key: _dead(same, dates) for key, same in by_place.items()}
    alive = {(ref, rule) for (ref, rule, _place), found in dead.items() if found is None}
    for found in dead.values():
        if found is not None:
            yield replace(found, whole=(found.ref, found.rule) not in alive)
