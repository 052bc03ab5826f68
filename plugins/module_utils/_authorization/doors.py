# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""All that a request to one workload has to pass, as one thing: mutual TLS by port, tokens, and the chain of policies.

A request is what the caller sends. A token that nobody reads where the policies are enforced counts as none, a token that is read and not
accepted is refused. Assumed: one token at most, in a place that a rule reads, signed and in time; a CORS preflight has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .attachment import attaches
from .authentication import JwtRule, PeerAuthentication, effective_mtls
from .classes import CALLER
from .compiled import Test
from .evaluate import PolicyChain
from .facts import Facts, claim_values
from .inventory import MeshInventory, Workload
from .matching import Matcher, Pattern, Text
from .model import HTTP, TCP, ZTUNNEL
from .regions import AUDIENCE, ISSUER, Box, ProofError, Space, meet, subtract
from .world import FORBIDDEN, RESET, UNAUTHORIZED, MeshPolicies, Response, refusal
from .ztunnel_mtls import CLOSED

__all__ = ["AccessChange", "EnforcementPoint", "EnforcementSpace", "compare", "doors_of", "exactly", "split"]

_CLAIMS = "request.auth."
_PORT = "destination.port"
_IDENTITY = Pattern("spiffe://.*")


@dataclass(frozen=True)
class EnforcementPoint:
    """`modes`: mutual TLS, the one of None for all ports that are not named. `only`: the ports that this door is for; `but`: those that
    it is not for. `open`: why nobody stands there: everything passes."""

    chain: PolicyChain
    modes: tuple[tuple[int | None, str, str], ...] = ((None, "PERMISSIVE", ""),)  # port, mode, who set it
    rules: tuple[JwtRule, ...] | None = None  # None: nobody looks at tokens
    only: tuple[int, ...] = ()
    but: tuple[int, ...] = ()
    open: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        return (id(self.chain), self.modes, self.rules, self.only, self.but, self.open)

    @cached_property
    def space(self) -> EnforcementSpace:
        """What this door tells apart; made once for all who ask, which is most of what a large mesh costs."""
        return EnforcementSpace((self,))

    @cached_property
    def passing(self) -> list[Box]:
        """All requests that pass, in its space."""
        return self.space.passes(self)

    @property
    def whole(self) -> bool:
        """Does nothing at all stand before the workload?"""
        return bool(self.open) and not self.only and not self.but

    @property
    def tokens(self) -> bool:
        return self.chain.protocol == HTTP

    @property
    def mutual(self) -> bool:
        return self.chain.kind in ("sidecar", "ztunnel")

    def at(self, other: EnforcementPoint) -> EnforcementPoint | None:
        """This door for those of its ports that the other one is for too; None if there are none."""
        if not self.only and not other.only:
            return replace(self, but=tuple(sorted({*self.but, *other.but})))
        ports = set(self.only or other.only) - {*self.but, *other.but}
        if self.only and other.only:
            ports &= set(other.only)
        return replace(self, only=tuple(sorted(ports)), but=()) if ports else None

    def tests(self) -> Iterable[Test]:
        """What this door tells apart beside its chain."""
        ports = {port for port, _mode, _by in self.modes if port is not None} | {*self.only, *self.but}
        if ports and (self.only or self.but or len({mode for _port, mode, _by in self.modes}) > 1):
            yield _test(_PORT, [Text("exact", port) for port in sorted(ports)])
        if self.mutual and any(mode != "PERMISSIVE" for _port, mode, _by in self.modes):
            yield _test("source.principal", [_IDENTITY])
        if self.tokens and self.rules:
            issuers = [Text("exact", rule.issuer) for rule in self.rules if rule.issuer]
            if issuers:
                yield _test(ISSUER, issuers)
            yield from (_test(AUDIENCE, _audiences(rule)) for rule in self.rules if rule.audiences)

    def mode(self, port: int | None) -> tuple[str, str]:
        found = {number: (mode, by) for number, mode, by in self.modes}
        return found.get(port, found[None])

    def decide(self, facts: Facts) -> Response:
        """What happens to one request; the claims are those of the token that is sent."""
        if self.open:
            return Response("passes", self.open)
        mode, by = self.mode(facts.port[0] if facts.port else None)
        refused = refusal(mode, by, facts, self.chain.kind) if self.mutual else ""
        if refused:
            return Response(RESET, refused)
        if self.chain.kind == "sidecar" and mode == "DISABLE":
            facts = replace(facts, peer_names=(), identity=None)
        if self.tokens and self.rules is None:
            facts = replace(facts, claims=None)
        elif self.tokens and facts.claims and not any(_takes(rule, facts) for rule in self.rules or ()):
            return Response(UNAUTHORIZED, "no jwtRule accepts the token")
        verdict = self.chain.decide(facts)
        status = "passes" if verdict.allowed else FORBIDDEN if self.chain.protocol == HTTP else RESET
        return Response(status, str(verdict), verdict)


def _test(attribute: str, matchers: Sequence[Matcher]) -> Test:
    return Test(attribute, attribute, (), False, tuple(dict.fromkeys(matchers)), lambda _facts: ())


def _audiences(rule: JwtRule) -> list[Text]:
    """Every text that Envoy takes for one of the rule's audiences: with either scheme or none, with a final slash or without."""
    found: list[Text] = []
    for audience in rule.audiences:
        bare = audience.removeprefix("http://").removeprefix("https://").removesuffix("/")
        found += [Text("exact", f"{before}{bare}{after}") for before in ("", "http://", "https://") for after in ("", "/")]
    return found


def _takes(rule: JwtRule, facts: Facts) -> bool:
    if rule.issuer and (facts.claims or {}).get("iss") != rule.issuer:
        return False
    wanted = {found.value for found in _audiences(rule)}
    return not wanted or bool(wanted & set(claim_values(facts.claims, ("aud",))))


class EnforcementSpace(Space):
    """The space of requests that some doors tell apart."""

    def __init__(self, doors: Sequence[EnforcementPoint]) -> None:
        super().__init__([door.chain for door in doors], [test for door in doors for test in door.tests()])
        self.claims = tuple(index for index, name in enumerate(self.names) if name.startswith(_CLAIMS))
        self.caller = self.names.index(CALLER) if CALLER in self.names else None
        self.bare = self.restrict({index: self.absent(index) for index in self.claims})  # no token
        self.plain = self.restrict({} if self.caller is None else {self.caller: self.absent(self.caller)})  # no identity

    def absent(self, place: int) -> int:
        """The classes of a dimension in which the value is not there."""
        return sum(1 << number for number, value in enumerate(self.values[self.names[place]]) if value.witness is None)

    def is_bare(self, box: Box) -> bool:
        """Are these requests without a token, and would others be answered otherwise?"""
        return any(box[index] != self.everything[index] for index in self.claims) and all(
            not box[index] & ~self.absent(index) for index in self.claims
        )

    def restrict(self, places: dict[int, int]) -> Box:
        return tuple(places.get(index, bits) for index, bits in enumerate(self.everything))

    def where(self, name: str, matchers: Iterable[Matcher]) -> Box:
        return self._where(name, list(matchers))

    def widened(self, boxes: Iterable[Box], probe: Box, places: Iterable[int]) -> list[Box]:
        """What is inside for the probe's values of these dimensions, for all their values."""
        chosen = set(places)
        met = [found for box in boxes for found in [meet(box, probe)] if found]
        return [tuple(self.everything[index] if index in chosen else bits for index, bits in enumerate(box)) for box in met]

    def _after_tokens(self, door: EnforcementPoint, boxes: list[Box]) -> list[Box]:
        if not door.tokens or not self.claims:
            return boxes
        without = [found for box in boxes for found in [meet(box, self.bare)] if found]
        if door.rules is None:
            return self.widened(boxes, self.bare, self.claims)
        accepted: list[Box] = []
        for rule in door.rules:
            box: Box | None = self.everything
            if box and rule.issuer and ISSUER in self.names:
                box = meet(box, self.where(ISSUER, [Text("exact", rule.issuer)]))
            if box and rule.audiences and AUDIENCE in self.names:
                box = meet(box, self.where(AUDIENCE, _audiences(rule)))
            accepted += [box] if box else []
        with_token = [found for box in boxes for good in accepted for found in [meet(box, good)] if found]
        return [*with_token, *subtract(without, with_token)]

    def _after_mutual(self, door: EnforcementPoint, boxes: list[Box]) -> list[Box]:
        if not door.mutual or self.caller is None:
            return boxes
        named = [Text("exact", port) for port, _mode, _by in door.modes if port is not None]
        found: list[Box] = []
        for port, mode, _by in door.modes:
            part = boxes
            if _PORT in self.names and named and port is not None:
                part = [met for box in boxes for met in [meet(box, self.where(_PORT, [Text("exact", port)]))] if met]
            elif _PORT in self.names and named:
                part = subtract(boxes, [self.where(_PORT, named)])
            if mode == CLOSED:
                part = []
            elif mode == "STRICT":
                part = subtract(part, [self.plain])
            elif mode == "DISABLE" and door.chain.kind == "sidecar":
                part = self.widened(part, self.plain, (self.caller,))
            found += part
        return found

    def ports(self, door: EnforcementPoint) -> list[Box]:
        """The requests that this door is for."""
        if door.only:
            return [self.where(_PORT, [Text("exact", port) for port in door.only])]
        return subtract([self.everything], [self.where(_PORT, [Text("exact", port)]) for port in door.but])

    def allowed(self, chain: PolicyChain) -> list[Box]:
        """As Space does it; CUSTOM is asked before there is a token."""
        refused: list[Box] = []
        for step in chain.custom:
            if step.denies or step.answer is False:
                refused += self.widened(self.rules(step.rules), self.bare, self.claims)
        refused += self.rules(chain.deny)
        return subtract(self.rules(chain.allow) if chain.has_allow else [self.everything], refused)

    def passes(self, door: EnforcementPoint) -> list[Box]:
        """All requests that pass this door."""
        inside = [self.everything] if door.open else self._after_mutual(door, self._after_tokens(door, self.allowed(door.chain)))
        if not door.only and not door.but:
            return inside
        return [met for box in inside for part in self.ports(door) for met in [meet(box, part)] if met]


@dataclass(frozen=True)
class AccessChange:
    """Requests that are answered otherwise: `opened` or closed, all with the same two causes."""

    opened: bool
    box: Box
    witness: Facts
    before: Response
    after: Response


def split(space: EnforcementSpace, box: Box) -> list[Box]:
    """A box in parts that people tell apart: callers without an identity, and requests without a token, for themselves."""
    found = [box]
    for part, places in ((space.plain, () if space.caller is None else (space.caller,)), (space.bare, space.claims)):
        for one in list(found):
            met = meet(one, part)
            if met and any(one[index] != space.everything[index] for index in places):
                rest = subtract([one], [met])
                if rest:
                    found.remove(one)
                    found += [met, *rest]
    return found


def exactly(space: EnforcementSpace, one: EnforcementPoint, other: EnforcementPoint) -> tuple[list[Box], list[Box]]:
    """What only the other lets pass, and what only the one does."""
    old, new = space.passes(one), space.passes(other)
    return subtract(new, old), subtract(old, new)


def compare(before: EnforcementPoint, after: EnforcementPoint) -> tuple[EnforcementSpace, list[AccessChange]]:
    """All requests that the two doors answer otherwise; each witness has been put to both."""
    space = EnforcementSpace((before, after))
    found: list[AccessChange] = []
    for opened, boxes in zip((True, False), exactly(space, before, after), strict=True):
        for box in boxes:
            for part in split(space, box):
                facts = space.witness(part)
                if facts is None:
                    continue
                one, other = before.decide(facts), after.decide(facts)
                if one.allowed == other.allowed or other.allowed != opened:
                    raise ProofError(f"{facts} was expected to be {'opened' if opened else 'closed'}: {one.reason}, {other.reason}")
                found.append(AccessChange(opened, part, facts, one, other))
    return space, found


def _ports_of(place: Workload) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """For each protocol, the ports that it is for, and those that it is not for; unnamed ports are taken to speak HTTP. What goes past the
    proxy is for none."""
    tcp = {port for port, word in place.ports.items() if word == TCP}
    past, taken = set(place.past.ports), place.past.but
    if place.workload.kind == "ztunnel" or (tcp and len(tcp) == len(place.ports)):
        return {ZTUNNEL if place.workload.kind == "ztunnel" else TCP: (taken or (), place.past.ports)}
    if taken is not None:
        found = {HTTP: (tuple(sorted(set(taken) - tcp)), ()), TCP: (tuple(sorted(set(taken) & tcp)), ())}
        return {protocol: ports for protocol, ports in found.items() if ports[0]}
    left = tuple(sorted(tcp - past))
    return {HTTP: ((), tuple(sorted(tcp | past)))} | ({TCP: (left, ())} if left else {})


def _past(place: Workload, world: MeshPolicies) -> Iterator[EnforcementPoint]:
    """What no proxy stands before, and why."""
    chain = PolicyChain("sidecar", HTTP, world.mesh, (), (), (), (), False, (), ())
    if place.open:
        yield EnforcementPoint(chain, open=place.open)
    elif place.past:
        why = f"{place.past.text} of it {'go' if place.past.but or len(place.past.ports) > 1 else 'goes'} past its proxy: {place.past.why}"
        yield EnforcementPoint(chain, only=place.past.ports, but=place.past.but or (), open=why)


def _modes(peers: Sequence[PeerAuthentication], place: Workload, world: MeshPolicies) -> tuple[tuple[int | None, str, str], ...]:
    ports = {port for policy in peers if policy.namespace == place.namespace for port in policy.ports}
    general = (None, *effective_mtls(peers, place.workload, None, world.mesh))
    named = [(port, *effective_mtls(peers, place.workload, port, world.mesh)) for port in sorted(ports)]
    return (general, *(entry for entry in named if entry[1] != general[1]))


def _rules(place: Workload, world: MeshPolicies) -> tuple[JwtRule, ...] | None:
    if place.workload.kind == "ztunnel":
        return None
    near = world.tokens_near(place.workload)
    return tuple(rule for policy in near if attaches(policy, place.workload, world.mesh) for rule in policy.rules) or None


def doors_of(world: MeshPolicies, inventory: MeshInventory) -> list[tuple[Workload, EnforcementPoint]]:
    """The doors of all places, one for each istiod that its proxies ask; equal ones are the same object. Where no proxy stands the door is
    open, and says why."""
    known: dict[tuple[Any, ...], EnforcementPoint] = {}
    open_: dict[str, EnforcementPoint] = {}
    found: list[tuple[Workload, EnforcementPoint]] = []
    for place in inventory.places:
        if place.workload.kind == "waypoint" and not place.workload.service:
            continue
        if place.outside or place.past:
            found += [(place, open_.setdefault(f"{door.only}{door.but}{door.open}", door)) for door in _past(place, world)]
        if place.open:
            continue
        for own in (world.of(mesh) for mesh in inventory.meshes_of(place)) if place.control_planes else (world,):
            modes, rules = _modes(own.peers_near(place.workload), place, own), _rules(place, own)
            for protocol, (only, but) in _ports_of(place).items():
                door = EnforcementPoint(own.policies.chain(place.workload, protocol), modes, rules if protocol == HTTP else None, only, but)
                found.append((place, known.setdefault(door.key, door)))
    return found
