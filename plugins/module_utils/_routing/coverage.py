# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether what a match asks for is all taken by matches before it: decided for every request, not for samples.

A match is a list of criteria, each about one thing: the path, a header, the port. One request may be all of it in any combination, so a
request that escapes the earlier matches is looked for by violating one criterion of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from .._model.fields import entries, texts
from .routes import HttpRoute, TextMatch, is_catch_all, set_match
from .text_sets import UNKNOWN_TEXT, TextTest, common_text
from .virtual_services import RoutedVirtualService

__all__ = ["UNKNOWN_TEXT", "Criterion", "MatchBox", "at_gateway", "example", "http_boxes", "request_escaping", "stream_boxes", "taken_by"]

GATEWAY, PATH, PORT, NAMESPACE, LABEL, HEADER, QUERY = "gateway", "path", "port", "namespace", "label ", "header ", "parameter "
_THERE = frozenset({PATH, PORT, NAMESPACE, *(f"{HEADER}{name}" for name in (":method", ":authority", ":scheme", ":path"))})
_EXACT, _PRESENT = "exact", TextMatch("present", "")
_ROOTED = TextTest(TextMatch("prefix", "/"))  # every path begins so
_BUDGET = 2_000


@dataclass(frozen=True)
class Criterion:
    """One thing that a request has to be. names: the gateways that it may come through."""

    about: str
    text: TextMatch = _PRESENT
    folded: bool = False
    inverted: bool = False
    absent_is_empty: bool = False
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class MatchBox:
    """One match with its place. everything: it is moved behind the others of its host at a gateway; delegated: of a delegate, where the
    numbers of matches are those of root and delegate together."""

    ref: str
    rule: str
    place: str
    criteria: tuple[Criterion, ...]
    name: str = ""
    everything: bool = False
    delegated: bool = False

    @cached_property
    def path(self) -> Criterion | None:
        """What the path has to be, where that is quickly compared."""
        found = next((one for one in self.criteria if one.about == PATH), None)
        return None if found is None or found.folded or found.text.form == "regex" else found


@dataclass
class _SoughtRequest:
    """What a request is to be, and is not to be, by what it is about."""

    tests: Mapping[str, tuple[tuple[Criterion, bool], ...]] = field(default_factory=dict)

    def having(self, criterion: Criterion, holds: bool) -> _SoughtRequest | None:
        """With one more; None where no request can be all of that."""
        own = (*self.tests.get(criterion.about, ()), (criterion, holds))
        return _SoughtRequest({**self.tests, criterion.about: own}) if _value(criterion.about, own) is not None else None

    def request(self) -> dict[str, str | None]:
        """Such a request; None for a header that is absent."""
        return {about: found[0] for about, tests in self.tests.items() if (found := _value(about, tests)) is not None}


def _fits(criterion: Criterion, holds: bool) -> bool:
    """Does it hold for what is not there?"""
    if criterion.absent_is_empty:  # then an empty text is looked at
        found = common_text([TextTest(criterion.text, criterion.folded), TextTest(TextMatch(_EXACT, ""))])
        return found == UNKNOWN_TEXT or ((found is not None) is not criterion.inverted) is holds
    return (criterion.inverted and criterion.text.form == "present") is holds


@lru_cache(maxsize=65536)
def _value(about: str, tests: tuple[tuple[Criterion, bool], ...]) -> tuple[str | None] | None:
    """A value for which all of these hold, in a tuple, as it may be none; None where there is no value."""
    if about == GATEWAY:
        known = [criterion.names for criterion, holds in tests if holds]
        left = frozenset.intersection(*known) if known else frozenset([""])
        left -= frozenset().union(*(criterion.names for criterion, holds in tests if not holds))
        return (min(left),) if left else None
    if about not in _THERE and all(_fits(criterion, holds) for criterion, holds in tests):
        return (None,)
    wanted = [_ROOTED] if about == PATH else []
    for criterion, holds in tests:
        wanted.append(TextTest(criterion.text, criterion.folded, holds is not criterion.inverted))
    found = common_text(wanted)
    return (found,) if found is not None else None


def _wish(box: MatchBox) -> _SoughtRequest | None:
    found: _SoughtRequest | None = _SoughtRequest()
    for criterion in box.criteria:
        found = found.having(criterion, True) if found is not None else None
    return found


def _escaping(wish: _SoughtRequest, others: Sequence[MatchBox], budget: list[int]) -> _SoughtRequest | None:
    for number, other in enumerate(others):
        if any(wish.having(criterion, True) is None for criterion in other.criteria):
            continue
        for criterion in other.criteria:
            budget[0] -= 1
            if budget[0] < 0:
                return wish  # too many combinations: nothing is claimed
            without = wish.having(criterion, False)
            found = _escaping(without, others[number + 1 :], budget) if without is not None else None
            if found is not None:
                return found
        return None
    return wish


def request_escaping(box: MatchBox, others: Sequence[MatchBox]) -> dict[str, str | None] | None:
    """A request that a match takes and none of the others; None where there is none."""
    wish = _wish(box)
    found = _escaping(wish, others, [_BUDGET]) if wish is not None else None
    return found.request() if found is not None else None


def _apart(one: MatchBox, other: MatchBox) -> bool:
    """A quick look at what most matches differ by: paths of which neither begins with the other."""
    mine, its = one.path, other.path
    if mine is None or its is None:
        return False
    if mine.text.form == its.text.form == _EXACT:
        return mine.text.value != its.text.value
    return not mine.text.value.startswith(its.text.value) and not its.text.value.startswith(mine.text.value)


def at_gateway(box: MatchBox, gateway: str) -> MatchBox:
    """A match as it counts at one gateway, or in the sidecars (`mesh`)."""
    return replace(box, criteria=(*box.criteria, Criterion(GATEWAY, names=frozenset([gateway]))))


def taken_by(box: MatchBox, earlier: Sequence[MatchBox]) -> list[MatchBox] | None:
    """The earlier matches that take together all that a match asks for, as few as there are; None where something is left for it.

    An empty list: no request can be all of what it asks for."""
    wish = _wish(box)
    if wish is None:
        return []
    near = [one for one in earlier if not _apart(box, one)]
    meeting = [one for one in near if all(wish.having(criterion, True) is not None for criterion in one.criteria)]
    for one in meeting:
        if all(wish.having(criterion, False) is None for criterion in one.criteria):
            return [one]
    if len(meeting) < 2 or _escaping(wish, meeting, [_BUDGET]) is not None:
        return None
    for one in list(meeting):
        fewer = [other for other in meeting if other is not one]
        if _escaping(wish, fewer, [_BUDGET]) is None:
            meeting = fewer
    return meeting


def example(box: MatchBox) -> dict[str, str | None]:
    """A request that a match asks for; empty where there can be none."""
    wish = _wish(box)
    return wish.request() if wish is not None else {}


# from rules


def _static(match: Mapping[str, Any], *, http: bool) -> Iterator[Criterion]:
    """What is decided by who sends a request, and where it comes in."""
    if match.get("port"):
        yield Criterion(PORT, TextMatch(_EXACT, str(match["port"])))
    gateways = entries(match.get("gateways"))
    if gateways:
        yield Criterion(GATEWAY, names=frozenset(map(str, gateways)))
        if http:
            return  # then istiod does not look at who sends it
    if match.get("sourceNamespace"):
        yield Criterion(NAMESPACE, TextMatch(_EXACT, str(match["sourceNamespace"])))
    for name, value in texts(match.get("sourceLabels")).items():
        yield Criterion(f"{LABEL}{name}", TextMatch(_EXACT, value))


def _of_route(route: HttpRoute) -> Iterator[Criterion]:
    if route.path != TextMatch("prefix", "/"):
        yield Criterion(PATH, route.path, folded=route.ignore_case and route.path.form != "regex")
    for one in route.headers:
        name = one.name.lower()
        about = f"{HEADER}{':authority' if name == 'host' else name}"
        yield Criterion(about, one.text, inverted=one.inverted, absent_is_empty=one.absent_is_empty)
    for one in route.query:
        yield Criterion(f"{QUERY}{one.name}", one.text)


def http_boxes(virtual: RoutedVirtualService) -> list[MatchBox]:
    """The matches of its HTTP rules in their order; a rule without one takes everything."""
    found = []
    for rule in virtual.http:
        delegated = not virtual.gateway_api and rule.ref != virtual.ref
        name = str(rule.spec.get("name") or "") if not virtual.gateway_api else ""
        for number, match in enumerate(rule.matches or [{}]):
            route = HttpRoute("")
            set_match(route, match, gateway_api=virtual.gateway_api)
            of_match = rule.matches and not virtual.gateway_api and not delegated
            place = f"{rule.path}.match[{number}]" if of_match else rule.path
            criteria = (*_static(match, http=True), *_of_route(route))
            found.append(MatchBox(rule.ref, rule.path.partition(".")[0], place, criteria, name, is_catch_all(route), delegated))
    return found


def stream_boxes(virtual: RoutedVirtualService, kind: str) -> list[MatchBox]:
    """The same of its rules for `tls` or `tcp`: of the names and networks of one of these the first rule counts."""
    found = []
    for number, row in enumerate(virtual.tls if kind == "tls" else virtual.tcp):
        matches = entries(row.get("match"))
        for place, match in enumerate(matches or [{}]):
            criteria = [*_static(match, http=False)]
            for name in ("sniHosts", "destinationSubnets"):
                words = sorted({str(word).lower() for word in entries(match.get(name))})
                if words:
                    criteria.append(Criterion(f"{HEADER}{name}", TextMatch(_EXACT, ", ".join(words))))
            at = virtual.stream_place(kind, number)
            found.append(MatchBox(virtual.ref, at, f"{at}.match[{place}]" if matches else at, tuple(criteria)))
    return found
