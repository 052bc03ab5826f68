# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""All requests at once: the space of value classes, policies as sets of boxes in it, and what differs between two sets of policies.

Exact up to what `classes` assumes, and: every attribute varies freely of the others, an issuer and a subject are single texts, and a
provider of CUSTOM whose answer is unknown says yes. Each witness is a request that `decide` answers as stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import MeshError
from .classes import CALLER, ValueClass, classes, conditions_of, dimension, joined
from .compiled import CompiledRule, Test
from .evaluate import PolicyChain, Verdict
from .facts import Facts
from .matching import Matcher, Pair, Pattern, Text
from .model import HTTP, TCP, ZTUNNEL

__all__ = ["AUDIENCE", "ISSUER", "Box", "ProofError", "RequestChange", "Space", "bits_of", "difference", "meet", "subtract"]

Box = tuple[int, ...]  # for each dimension, a bit for each class that is in the box
_PRINCIPAL = "request.auth.principal"
_CLAIMS, _HEADERS = "request.auth.claims", "request.headers"
_FILTERS = "experimental.envoy.filters."
ISSUER, _SUBJECT, AUDIENCE = (f"{_CLAIMS}[{name}]" for name in ("iss", "sub", "aud"))
_SINGLE = (ISSUER, _SUBJECT)
_ANY = Pattern(".+")


@dataclass(frozen=True)
class RequestChange:
    """Requests that are answered otherwise: `opened`, or closed. One witness stands for all with the same two verdicts."""

    opened: bool
    witness: Facts
    before: Verdict
    after: Verdict
    boxes: tuple[Box, ...]


def meet(one: Box, other: Box) -> Box | None:
    found = tuple(left & right for left, right in zip(one, other, strict=True))
    return found if all(found) else None


def _without(box: Box, other: Box) -> Iterator[Box]:
    """What is left of a box, as boxes that do not overlap."""
    if meet(box, other) is None:
        yield box
        return
    for index, (mine, theirs) in enumerate(zip(box, other, strict=True)):
        if mine & ~theirs:
            yield (*box[:index], mine & ~theirs, *box[index + 1 :])
        box = (*box[:index], mine & theirs, *box[index + 1 :])


def subtract(boxes: Iterable[Box], others: Sequence[Box]) -> list[Box]:
    left = list(boxes)
    for other in others:
        left = [piece for box in left for piece in _without(box, other)]
    return left


def bits_of(values: Sequence[ValueClass], matchers: Sequence[Matcher], wanted: Sequence[Matcher]) -> int:
    """The classes in which any of the wanted matchers matches."""
    places = [index for index, matcher in enumerate(matchers) if matcher in wanted]
    return sum(1 << number for number, value in enumerate(values) if any(value.matched[place] for place in places))


def _principals(matcher: Matcher) -> tuple[Pair, ...]:
    """What a request principal must be, as issuer and subject: one of these pairs.

    Before Istio 1.21 it is one text, `issuer/subject`, and any slash of the policy's value may be the one between the two.
    """
    if isinstance(matcher, Pair):
        return (matcher,)
    if not isinstance(matcher, Text):
        return (Pair(_ANY, _ANY),)  # *
    form, text = matcher.form, str(matcher.value)
    sides = [(text[:place], text[place + 1 :]) for place, sign in enumerate(text) if sign == "/"]
    if form == "exact":
        return tuple(Pair(Text(form, issuer), Text(form, subject)) for issuer, subject in sides if issuer and subject)
    if form == "prefix":
        split = (Pair(Text("exact", issuer), Text(form, subject) if subject else _ANY) for issuer, subject in sides if issuer)
        return (Pair(matcher, _ANY), *split)
    split = (Pair(Text(form, issuer) if issuer else _ANY, Text("exact", subject)) for issuer, subject in sides if subject)
    return (Pair(_ANY, matcher), *split)


class ProofError(MeshError):
    """The evaluator answers a witness otherwise than the boxes say: a mistake in this module, never in the policies."""


class _ImpossibleError(Exception):
    """No request has these values together."""


def _one_address(chain: PolicyChain) -> bool:
    """Is the client's address the peer's, whatever is sent?"""
    return chain.protocol in (TCP, ZTUNNEL) or (chain.kind == "gateway" and chain.mesh.trusted_proxies == 0)


class Space:
    """The dimensions that the conditions of some chains ask about, and their classes."""

    def __init__(self, chains: Sequence[PolicyChain], extra: Iterable[Test] = ()) -> None:
        self.protocol = HTTP if any(chain.protocol == HTTP for chain in chains) else chains[0].protocol
        # Before Istio 1.21 several audiences are one text for a policy, which no union of them is: one audience is assumed there.
        self.joined = any(not chain.mesh.abilities.envoy_jwt for chain in chains)
        self.single_address = all(_one_address(chain) for chain in chains)
        tests = [test for given in (*(conditions_of(chain) for chain in chains), extra) for test in self._split(given)]
        found = classes(tests)
        self.matchers = {name: matchers for name, (matchers, _values) in found.items()}
        asked: dict[str, dict[tuple[Matcher, ...], None]] = {}
        for test in tests:
            asked.setdefault(dimension(test.attribute), {})[test.matchers] = None
        self.values = {name: self._several(name, values, tuple(asked[name])) for name, (_matchers, values) in found.items()}
        self.names = tuple(found)
        self.everything: Box = tuple((1 << len(self.values[name])) - 1 for name in self.names)

    def _several(self, name: str, values: tuple[ValueClass, ...], asked: Sequence[tuple[Matcher, ...]]) -> tuple[ValueClass, ...]:
        """Headers and claims may have several values: the classes of unions are added, unless they are there already.

        Conditions ask whether any of a list matches, so of the values that no list tells apart one is enough for the unions.
        """
        if not name.startswith((_HEADERS, _CLAIMS)) or name in _SINGLE or (self.joined and name == AUDIENCE):
            return values
        place = {matcher: number for number, matcher in enumerate(self.matchers[name])}
        lists = [[place[matcher] for matcher in matchers] for matchers in asked]
        told = {tuple(any(value.matched[number] for number in numbers) for numbers in lists): value for value in reversed(values)
                if value.witness is not None}  # fmt: skip
        known = {value.matched for value in values}
        return (*values, *(value for value in joined(tuple(told.values())) if value.matched not in known))

    def _name(self, attribute: str) -> str:
        return "source.ip" if attribute == "remote.ip" and self.single_address else attribute

    def _split(self, tests: Iterable[Test]) -> Iterator[Test]:
        """Conditions about issuer and subject at once become two, so that they vary with the claims of these names."""
        for test in tests:
            pairs = [pair for matcher in test.matchers for pair in _principals(matcher)] if test.attribute == _PRINCIPAL else []
            if pairs:
                for name, side in zip(_SINGLE, ([pair.first for pair in pairs], [pair.second for pair in pairs]), strict=True):
                    yield Test(test.where, name, test.values, False, tuple(dict.fromkeys(side)), test.of)
            else:
                yield Test(test.where, self._name(test.attribute), test.values, False, test.matchers, test.of)

    def _where(self, attribute: str, matchers: Sequence[Matcher]) -> Box:
        name = dimension(self._name(attribute))
        place, bits = self.names.index(name), bits_of(self.values[name], self.matchers[name], matchers)
        return (*self.everything[:place], bits, *self.everything[place + 1 :])

    def _test(self, test: Test) -> list[Box]:
        if test.attribute == _PRINCIPAL:
            sides = [(self._where(ISSUER, [pair.first]), self._where(_SUBJECT, [pair.second]))
                     for matcher in test.matchers for pair in _principals(matcher)]  # fmt: skip
            boxes = [box for first, second in sides for box in [meet(first, second)] if box]
        else:
            boxes = [box for box in [self._where(test.attribute, test.matchers)] if all(box)]
        return subtract([self.everything], boxes) if test.negated else boxes

    def rule(self, rule: CompiledRule) -> list[Box]:
        """The requests that a rule matches."""
        whole = [self.everything]
        for part in rule.parts:
            found: list[Box] = []
            for alternative in part:
                boxes = whole
                for test in alternative:
                    boxes = [met for box in boxes for other in self._test(test) for met in [meet(box, other)] if met]
                found += boxes
            whole = found
        return list(dict.fromkeys(whole))

    def rules(self, rules: Iterable[CompiledRule]) -> list[Box]:
        return list(dict.fromkeys(box for rule in rules for box in self.rule(rule)))

    def allowed(self, chain: PolicyChain) -> list[Box]:
        """The requests that a chain lets pass."""
        refused = [box for step in chain.custom if step.denies or step.answer is False for box in self.rules(step.rules)]
        refused += self.rules(chain.deny)
        return subtract(self.rules(chain.allow) if chain.has_allow else [self.everything], refused)

    def witness(self, box: Box) -> Facts | None:
        """One request of a box, as the enforcer sees it; None if a claim would have to be a text and a mapping at once."""
        chosen: dict[str, Any] = {}
        for name, bits in zip(self.names, box, strict=True):
            choice = [value.witness for number, value in enumerate(self.values[name]) if bits >> number & 1]
            chosen[name] = None if None in choice and name.startswith((_CLAIMS, _HEADERS)) else choice[0]
        try:
            return _facts(chosen, self.protocol)
        except _ImpossibleError:
            return None


def _tuple(value: Any) -> tuple[Any, ...]:
    return () if value is None else tuple(value) if isinstance(value, list) else (value,)


def _nested(claims: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        claims = claims.setdefault(key, {})
        if not isinstance(claims, dict):
            raise _ImpossibleError
    if isinstance(claims.get(path[-1]), dict):
        raise _ImpossibleError
    claims[path[-1]] = value


def _facts(chosen: dict[str, Any], protocol: str) -> Facts:
    """The request that has these values; what no policy asks about is left out."""
    claims: dict[str, Any] = {}
    headers: dict[str, tuple[str, ...]] = {}
    metadata: dict[str, dict[str, Any]] = {}
    for name, value in chosen.items():
        inner = name.partition("[")[2].removesuffix("]")
        if name.startswith(_CLAIMS) and value is not None:
            _nested(claims, inner.split("]["), value)
        elif name.startswith(_HEADERS):
            headers[inner.lower()] = _tuple(value)
        elif name.startswith(_FILTERS) and value is not None:
            kind, text = value
            metadata.setdefault(name.partition("[")[0].removeprefix("experimental."), {})[inner] = [text] if kind == "list" else text
    caller = chosen.get(CALLER)
    parts = caller.removeprefix("spiffe://").split("/") if caller else []
    host, method = _tuple(chosen.get("hosts")), _tuple(chosen.get("methods"))
    source = _tuple(chosen.get("source.ip"))
    return Facts(
        peer_names=_tuple(caller),
        source_ip=source,
        remote_ip=_tuple(chosen.get("remote.ip")) or source,
        port=_tuple(chosen.get("destination.port")),
        destination_ip=_tuple(chosen.get("destination.ip")),
        sni=_tuple(chosen.get("connection.sni")) or ("",),
        method=method,
        host=host,
        path=_tuple(chosen.get("paths")),
        headers={**headers, "host": host, ":authority": host, ":method": method} if protocol == HTTP else None,
        claims=claims or None,
        metadata=metadata,
        identity=(parts[0], parts[2], parts[4]) if len(parts) == 5 else None,
    )


def difference(before: PolicyChain, after: PolicyChain) -> list[RequestChange]:
    """What a change of policies opens and closes for one workload: one entry for each pair of deciding rules."""
    space = Space((before, after))
    old, new = space.allowed(before), space.allowed(after)
    changes: dict[tuple[bool, str, str, str, str], RequestChange] = {}
    for opened, boxes in ((True, subtract(new, old)), (False, subtract(old, new))):
        for box in boxes:
            facts = space.witness(box)
            if facts is None:
                continue
            one, other = before.decide(facts), after.decide(facts)
            if one.allowed == other.allowed or other.allowed != opened:
                raise ProofError(f"{facts} was expected to be {'opened' if opened else 'closed'}: {one}, {other}")
            key = opened, one.by, one.rule.name if one.rule else "", other.by, other.rule.name if other.rule else ""
            more = (*changes[key].boxes, box) if key in changes else (box,)
            changes[key] = RequestChange(opened, changes[key].witness if key in changes else facts, one, other, more)
    return list(changes.values())
