# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The classes into which the policies of a chain divide each attribute's values, with one witness each: what a proof stands on.

Two values of a class are told apart by no condition of the chain. Assumed: a caller has one identity, of the form td/ns/NS/sa/SA, or none;
texts have no line breaks. A header or claim with several values is in the class of a union, which `joined` makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from .addresses import Address, Network
from .attributes import TUNNELLED
from .automata import TooManyError, combinations
from .compiled import Test
from .evaluate import PolicyChain
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
_USUAL = {"methods": ("GET", "POST", "PUT", "DELETE"), "paths": ("/", "/x"), "hosts": ("example.com",)}  # witnesses that people know
_NAME = r"((?:[a-z0-9]|\\[-.])+)"  # as re.escape writes a name
# What matching.py and ztunnel.py make of a namespace or a service account that is written whole.
_OF_PATTERNS = re.compile(
    rf"spiffe://\.\+/ns/{_NAME}/\(\.\+/\|\)sa/{_NAME}\(/\.\+\)\?|spiffe://\[\^/\]\*/ns/{_NAME}/sa/(?:{_NAME}|\[\^/\]\*)"
)
_ADDRESSES = ("source.ip", "remote.ip", "destination.ip")
_NEVER_THERE = (TUNNELLED.name,)
_ALWAYS_THERE = ("hosts", "methods", "paths", "connection.sni", "destination.port", *_ADDRESSES)


@dataclass(frozen=True)
class ValueClass:
    """`matched`: which matchers of the dimension match. `witness`: a value of the class, None if the value is absent."""

    matched: tuple[bool, ...]
    witness: Any


def dimension(attribute: str) -> str:
    """What an attribute asks about; several attributes may ask about one value."""
    return _SAME.get(attribute, attribute)


def conditions_of(chain: PolicyChain) -> Iterator[Test]:
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


def _segments(matcher: Matcher) -> tuple[str | None, str, str | None] | None:
    """Trust domain, namespace and service account that a matcher asks an identity for, None for any; None if it is not of that kind."""
    if isinstance(matcher, Text) and isinstance(matcher.value, str) and not matcher.folded:
        parts = matcher.value.split("/")
        if matcher.form in ("exact", "prefix") and parts[:2] == ["spiffe:", ""] and parts[3:4] == ["ns"] and all(parts[2:-1]):
            whole = len(parts) == 7 and parts[5] == "sa"
            if matcher.form == "exact":
                return (parts[2], parts[4], parts[6]) if whole and parts[6] else None
            namespace = len(parts) == 6 and parts[5] == ""
            return (parts[2], parts[4], None) if (whole and parts[6] == "") or namespace else None
        if matcher.form == "contains" and len(parts) == 4 and parts[1] == "ns":
            return (None, parts[2], None) if parts[2] not in ("", "ns", "sa") else None
    found = _OF_PATTERNS.fullmatch(matcher.expression) if isinstance(matcher, Pattern) else None
    if found:
        namespace_text, account = (re.sub(r"\\(.)", r"\1", text or "") for text in (found[1] or found[3], found[2] or found[4]))
        return (None, namespace_text, account or None) if namespace_text not in ("ns", "sa") else None
    return None


def _identities(matchers: Sequence[Matcher]) -> list[ValueClass] | None:
    """The classes of callers without automata, where every matcher only asks for whole segments of the identity."""
    asked = [(matcher, _segments(matcher)) for matcher in matchers]
    if any(segments is None and matcher != Pattern("spiffe://.*") and matcher != Pattern(".+") for matcher, segments in asked):
        return None
    named = [segments for _matcher, segments in asked if segments]
    stranger = next(name for name in ("other", "stranger", *(f"other-{number}" for number in range(len(named) + 1)))
                    if all(name not in segments for segments in named))  # fmt: skip
    found: dict[str, None] = {}
    for namespace in dict.fromkeys((*(segments[1] for segments in named), stranger)):
        here = [segments for segments in named if segments[1] == namespace]
        domains = [*dict.fromkeys(segments[0] for segments in here if segments[0]), stranger]
        accounts = [*dict.fromkeys(segments[2] for segments in here if segments[2]), stranger]
        found.update({f"spiffe://{domain}/ns/{namespace}/sa/{account}": None for domain in domains for account in accounts})
    return _distinct(matchers, found)


@lru_cache(maxsize=4096)
def _of(name: str, matchers: tuple[Matcher, ...]) -> list[ValueClass]:
    """The same lists of conditions come again and again in a mesh."""
    if name == CALLER:
        whole = _identities(matchers)
        if whole is not None:
            return whole
    return _classes_of(name, matchers)


def _classes_of(name: str, matchers: Sequence[Matcher]) -> list[ValueClass]:
    if name in _NEVER_THERE:
        return []
    if name in _ADDRESSES:
        return _distinct(matchers, _addresses(matchers))
    if name == "destination.port":
        return _distinct(matchers, _ports(matchers))
    pairs = [matcher for matcher in matchers if isinstance(matcher, Pair)]
    if pairs:
        return _pairs(pairs)
    found = _texts(matchers, _IDENTITY if name == CALLER else None)
    usual = {value.matched: value.witness for value in reversed(_distinct(matchers, _USUAL.get(name, ())))}
    return [ValueClass(value.matched, usual.get(value.matched, value.witness)) for value in found]


def _of_nobody(matchers: Sequence[Matcher]) -> tuple[bool, ...]:
    """Of a caller without an identity: only an empty namespace at ztunnel matches it."""
    return tuple(isinstance(matcher, Pattern) and matcher.matches("") for matcher in matchers)


def classes(tests: Iterable[Test]) -> dict[str, tuple[tuple[Matcher, ...], tuple[ValueClass, ...]]]:
    """For each dimension that the conditions ask about: its matchers, and the classes that they make of its values."""
    wanted: dict[str, dict[Matcher, None]] = {}
    for test in tests:
        wanted.setdefault(dimension(test.attribute), {}).update(dict.fromkeys(test.matchers))
    result: dict[str, tuple[tuple[Matcher, ...], tuple[ValueClass, ...]]] = {}
    for name, asked in wanted.items():
        matchers = tuple(asked)
        values = list(_of(name, matchers))
        if name not in _ALWAYS_THERE:
            values.append(ValueClass(_of_nobody(matchers) if name == CALLER else (False,) * len(matchers), None))
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
