# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the traffic category about rules of routes that do nothing, because others take all that they are for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .._checks.types import Options
from .._model import kinds as k
from .._model.fields import name_of, namespace_of
from .._model.intent import Intent
from .._model.istiods import READS, istiods
from .._model.mesh_config import MeshConfig
from .._model.problem import Problem, Severity
from .._model.view import View
from .._routing.dead_rules import DeadMatch, dead_matches
from .._routing.model import RoutingMesh
from .checks import CATEGORY
from .wording import request_in_words

check = CATEGORY.check

__all__: list[str] = []

_RULES = (k.VIRTUAL_SERVICE, k.HTTP_ROUTE, k.GRPC_ROUTE, k.TCP_ROUTE, k.TLS_ROUTE)
_AROUND = (k.GATEWAY, k.K8S_GATEWAY, k.GATEWAY_CLASS, k.NAMESPACE, k.REFERENCE_GRANT, k.SERVICE, k.SERVICE_ENTRY)
_INPUTS = (*_RULES, *_AROUND, *READS)


def _found(view: View, intent: Intent) -> tuple[DeadMatch, ...]:
    """All of them; a mesh has one answer for both checks."""
    return view.memo("traffic.dead_rules", intent, lambda: tuple(_asked(view, intent)))


def _asked(view: View, intent: Intent) -> Iterator[DeadMatch]:
    config = next(iter(istiods(view)), MeshConfig(""))
    mesh = RoutingMesh.of(config)
    kinds = {("k8s Gateway" if kind is k.K8S_GATEWAY else kind.kind): [row.raw for row in view.of(kind)] for kind in (*_RULES, *_AROUND)}
    owned = {f"{kind.kind} {namespace_of(row.raw)}/{name_of(row.raw)}" for kind in _RULES for row in intent.owned(view.of(kind))}
    yield from (one for one in dead_matches(kinds, mesh) if one.ref in owned)


def _why(one: DeadMatch) -> str:
    """What takes its requests, with one of them."""
    host = one.host.partition(".svc.")[0]
    who = list(dict.fromkeys(place if ref == one.ref else f"{place} of {ref}" for ref, place in one.takers))
    if not who:
        return "no request can be all of what it asks for"
    asked = request_in_words(one.asked, host, http=not one.rule.startswith(("tls", "tcp")))
    hedge = " (or the other way round, if this one is older)" if one.undated else ""
    return f"{asked}, like every request that it is for, is taken by {' or '.join(who)}{hedge}"


def _remedy(one: DeadMatch) -> str:
    if not one.takers:
        return "correct or remove it; a match is for requests that are all of what it says"
    (ref, place) = one.takers[0]
    if one.narrower and ref == one.ref and ref.startswith("VirtualService"):
        return f"put {one.rule} in front of {place.partition('.')[0]}, or remove it"
    return f"remove it, or let {place} of {ref} ask for more" if ref != one.ref else f"remove it, or let {place} ask for more"


@check(
    "OSM1821",
    title="each rule of a route has requests that get to it",
    hint="put the rule in front of the one that takes its requests, or remove it",
    severity=Severity.WARNING,
    inputs=_INPUTS,
    live=False,
    subjects=_RULES,
    equivalents=("IST0130", "IST0131"),  # which is said of each match of such a rule besides
)
def rules_reached(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Of the rules of a host the first that fits is taken; a rule behind one that takes as much or more does nothing: its timeout, its
    weights and its destination are those of nobody. Rules of HTTPRoutes are sorted first, by how exact they are."""
    told: set[tuple[str, str]] = set()
    for one in _found(view, intent):
        if one.whole and (one.ref, one.rule) not in told:
            told.add((one.ref, one.rule))
            named = f" ({one.name})" if one.name else ""
            yield Problem(one.ref, f"{one.rule}{named} is never used: {_why(one)}", remedy=_remedy(one))


@check(
    "OSM1822",
    title="each match of a route has requests that get to it",
    hint="remove the match, or put its rule in front of the one that takes its requests",
    severity=Severity.INFO,
    inputs=_INPUTS,
    live=False,
    subjects=_RULES,
    equivalents=("IST0131",),
)
def matches_reached(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A rule with several matches is used, but one of them never is: what it speaks of is taken by an earlier match or rule."""
    for one in _found(view, intent):
        if not one.whole:
            yield Problem(one.ref, f"{one.place} is never used: {_why(one)}", remedy=_remedy(one))
