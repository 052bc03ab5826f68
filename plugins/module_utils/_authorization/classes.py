# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The classes into which the policies of a chain divide each attribute's values, with one witness each: what a proof stands on.

Two values of a class are told apart by no condition of the chain. Assumed: a caller has one identity, of the form td/ns/NS/sa/SA, or none;
texts have no line breaks. A header or claim with several values is in the class of a union, which `joined` makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from .addresses import Address, Network
from .automata import TooManyError, combinations
from .compile import Test
from .evaluate import Chain
from .matching import Matcher, Pair, Pattern, Text

__all__ = ["CALLER", "ValueClass", "classes", "conditions_of", "dimension", "joined"]

CALLER = "caller"
_IDENTITY = Pattern("spiffe://[^/]+/ns/[^/]+/sa/[^/]+")
_SAME = {
    "source.principal": CALLER,
    "source.namespace": CALLER,
    "source.serviceAccount": CALLER,
    "source.trustDomain": CALLER,
    "request.headers[host]": "hosts",
    "request.headers[:authority]": "hosts",
    "request.headers[:method]": "methods",
    "request.auth.audiences": "request.auth.claims[aud]",
    "request.auth.presenter": "request.auth.claims[azp]",
}  # attributes that ask about the same value
_ADDRESSES = ("source.ip", "remote.ip", "destination.ip")
_ALWAYS_THERE = ("hosts", "methods", "paths", "connection.sni", "destination.port", *_ADDRESSES)


@dataclass(frozen=True)
class ValueClass:
    """`matched`: which matchers of the dimension match. `witness`: a value of the class, None if the value is absent."""

    matched: tuple[bool, ...]
    witness: Any


def dimension(attribute: str) -> str:
    """What an attribute asks about; several attributes may ask about one value."""
    return _SAME.get(attribute, attribute)


def conditions_of(chain: Chain) -> Iterator[Test]:
    """Every condition that can decide."""
    rules = [*chain.deny, *chain.allow, *(rule for step in chain.custom for rule in step.rules)]
    return (test for rule in rules for part in rule.parts for alternative in part for test in alternative)


def _addresses(networks: Sequence[Matcher]) -> list[Address]:
    """A block ends where another begins, so the first addresses, and those after the last, are of all classes."""
    found = [ip_address("0.0.0.0"), ip_address("::")]  # noqa: S104 - an address, nothing is bound
    for network in networks:
        if isinstance(network, Network):
            base, top = found[0] if network.version == 4 else found[1], 1 << (32 if network.version == 4 else 128)
            first, after = network.prefix << network.shift, (network.prefix + 1) << network.shift
            found += [base + number for number in (first, after) if number < top]
    return found


def _ports(matchers: Sequence[Matcher]) -> list[int]:
    named = {found.value for found in matchers if isinstance(found, Text)}
    return [*sorted(named), next(port for port in range(1, 65536) if port not in named)]


def _distinct(matchers: Sequence[Matcher], values: Iterable[Any]) -> list[ValueClass]:
    found: dict[tuple[bool, ...], Any] = {}
    for value in values:
        found.setdefault(tuple(matcher.matches(value) for matcher in matchers), value)
    return [ValueClass(matched, value) for matched, value in found.items()]


def _texts(matchers: Sequence[Matcher], within: Matcher | None = None) -> list[ValueClass]:
    return [ValueClass(found.matched, found.witness) for found in combinations(matchers, within=within)]


def _pairs(matchers: Sequence[Pair]) -> list[ValueClass]:
    """Classes of two values at once: those of the one with those of the other."""
    sides = [[found.witness for found in combinations(list(dict.fromkeys(side)))] for side in
             ([pair.first for pair in matchers], [pair.second for pair in matchers])]  # fmt: skip
    return _distinct(matchers, ((first, second) for first in sides[0] for second in sides[1]))


def _of(name: str, matchers: Sequence[Matcher]) -> list[ValueClass]:
    if name in _ADDRESSES:
        return _distinct(matchers, _addresses(matchers))
    if name == "destination.port":
        return _distinct(matchers, _ports(matchers))
    pairs = [matcher for matcher in matchers if isinstance(matcher, Pair)]
    if pairs:
        return _pairs(pairs)
    return _texts(matchers, _IDENTITY if name == CALLER else None)


def classes(tests: Iterable[Test]) -> dict[str, tuple[tuple[Matcher, ...], tuple[ValueClass, ...]]]:
    """For each dimension that the conditions ask about: its matchers, and the classes that they make of its values."""
    wanted: dict[str, dict[Matcher, None]] = {}
    for test in tests:
        wanted.setdefault(dimension(test.attribute), {}).update(dict.fromkeys(test.matchers))
    result: dict[str, tuple[tuple[Matcher, ...], tuple[ValueClass, ...]]] = {}
    for name, asked in wanted.items():
        matchers = tuple(asked)
        values = _of(name, matchers)
        if name not in _ALWAYS_THERE:
            values.append(ValueClass((False,) * len(matchers), None))
        result[name] = matchers, tuple(values)
    return result


def joined(values: Sequence[ValueClass], limit: int = 4096) -> tuple[ValueClass, ...]:
    """The classes of several values at once, such as the lines of a header: every union, each with a list as its witness."""
    found: dict[tuple[bool, ...], tuple[Any, ...]] = {value.matched: (value.witness,) for value in values if value.witness is not None}
    waiting = list(found)
    while waiting:
        if len(found) > limit:
            raise TooManyError(f"more than {limit} kinds of several values at once")
        matched = waiting.pop()
        for value in values:
            union = tuple(one or other for one, other in zip(matched, value.matched, strict=True))
            if value.witness is not None and union not in found:
                found[union] = (*found[matched], value.witness)
                waiting.append(union)
    return tuple(ValueClass(matched, list(witness)) for matched, witness in found.items())
