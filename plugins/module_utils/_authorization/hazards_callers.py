# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Who gets in, or is shut out, although nobody wrote it so."""

from __future__ import annotations

from collections.abc import Iterator

from .._model.problem import Problem, Severity
from .analysis import PolicyAnalysis, ref_of
from .attachment import why_not
from .doors import EnforcementPoint, EnforcementSpace
from .facts import Facts
from .model import HTTP, AuthorizationPolicy
from .wording import names

__all__ = [
    "closed_to_all",
    "preflights",
    "tokens_not_demanded",
    "tokens_not_read",
    "waypoints_shut_out",
]

_TOKEN_LISTS = ("requestPrincipals", "notRequestPrincipals")


def _asks_for_token(analysis: PolicyAnalysis, policy: AuthorizationPolicy) -> bool:
    lists = any(name in clause.lists for rule in policy.rules for clause in rule.sources for name in _TOKEN_LISTS)
    return lists or any(condition.key.startswith("request.auth.") for rule in policy.rules for condition in rule.when)


def tokens_not_demanded(analysis: PolicyAnalysis) -> Iterator[Problem]:
    every = {(tokens.namespace, tokens.name): tokens for world in analysis.worlds for tokens in world.tokens}
    for tokens in every.values() if len(analysis.worlds) > 1 else analysis.world.tokens:
        own = [
            (place, door)
            for place, door in analysis.doors_near(tokens.namespace)
            if door.chain.protocol == HTTP and door.rules and not why_not(tokens, place.workload, door.chain.mesh)
        ]
        open_ = [place.ref for place, door in own if not any(_asks_for_token(analysis, policy) for policy in door.chain.policies)]
        if open_:
            yield Problem(
                f"RequestAuthentication {tokens.namespace}/{tokens.name}",
                f"a request without a token passes at {names(dict.fromkeys(open_))}: no AuthorizationPolicy there asks for one",
            )


def tokens_not_read(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for policy in analysis.policies:
        if _asks_for_token(analysis, policy):
            blind = [place.ref for place, door in analysis.at.get(id(policy), ()) if door.chain.protocol == HTTP and door.rules is None]
            if blind:
                yield Problem(
                    ref_of(policy), f"it asks for a token, and no RequestAuthentication reads one at {names(dict.fromkeys(blind))}"
                )


def closed_to_all(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """A notice where no Service leads to the workload: nobody is meant to call most of these, a controller for instance."""
    closed: dict[str, dict[str, bool]] = {}
    called = {place.ref for place, _door in analysis.doors if place.ports}
    for place, door in analysis.doors:
        if (door.chain.has_allow or door.chain.deny) and not place.assumed:
            closed.setdefault(place.ref, {})[", ".join(policy.key for policy in door.chain.policies)] = bool(door.passing)
    grouped: dict[str, list[str]] = {}
    for ref, found in closed.items():
        if not any(found.values()):
            grouped.setdefault(next(iter(found), ""), []).append(ref)
    for policies, refs in grouped.items():
        for ref in refs:
            severity = Severity.WARNING if ref in called else Severity.INFO
            yield Problem(f"Workload {ref}", f"no request at all can pass {policies}", severity=severity)


def preflights(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """A browser's OPTIONS has no token and goes through the policies before the answer of CORS."""
    for place, door in analysis.doors:
        if door.chain.protocol == HTTP and place.ref in analysis.cors and door.chain.has_allow:
            facts = Facts(method=("OPTIONS",), path=("/",), host=("example.com",), headers={}, port=tuple(place.ports)[:1])
            space = door.space
            methods = "methods" in space.names or bool(space.claims)
            if methods and not door.decide(facts).allowed and not _options(analysis, space, door):
                yield Problem(
                    f"Workload {place.ref}",
                    "a VirtualService has a corsPolicy for it, and no policy lets OPTIONS pass without a token",
                )


def _options(analysis: PolicyAnalysis, space: EnforcementSpace, door: EnforcementPoint) -> bool:
    for box in door.passing:
        facts = space.witness(box)
        if facts and "methods" in space.names:
            index = space.names.index("methods")
            values = space.values["methods"]
            matchers = space.matchers["methods"]
            mine = tuple(matcher.matches("OPTIONS") for matcher in matchers)
            bit = next(number for number, value in enumerate(values) if value.matched == mine)
            if box[index] >> bit & 1 and all(box[place] & space.absent(place) for place in space.claims):
                return True
        elif facts and all(box[place] & space.absent(place) for place in space.claims):
            return True
    return False


def waypoints_shut_out(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """ztunnel sees the waypoint, not the caller, once a Service is behind one."""
    served: dict[str, set[str]] = {}
    for place in analysis.inventory.places:
        if place.workload.service:
            identity = f"spiffe://{analysis.inventory.mesh.trust_domain}/ns/{place.namespace}/sa/{place.account}"
            served.setdefault(place.workload.service.namespace, set()).add(identity)
    for place, door in analysis.doors:
        for identity in sorted(served.get(place.namespace, ())) if place.workload.kind == "ztunnel" else ():
            parts = identity.removeprefix("spiffe://").split("/")
            facts = Facts(peer_names=(identity,), identity=(parts[0], parts[2], parts[4]), port=tuple(place.ports)[:1])
            answer = door.decide(facts)
            if not answer.allowed:
                yield Problem(
                    f"Workload {place.ref}", f"its waypoint may not call it: {identity.removeprefix('spiffe://')} is {answer.reason}"
                )
