# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether requests go where they are expected, and what they do instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from .._model.problem import Problem
from .._text import did_you_mean, shortened
from .asking import AskedRequest, asked_of, service_named, services_meant
from .end_to_end import RequestPart, WholeAnswer, decided_by, whole_answer
from .expectations import Expectation
from .mesh_routing import MeshRouting, Sender

__all__ = ["answers_to", "judge", "told"]

_SHOWN = 5
_POLICIES = ("AuthorizationPolicy ", "PeerAuthentication ")
_STRANGE = ("no_listener", "no_virtual_host", "no_filter_chain")
_NEAR = 0.5  # percent: weights are whole numbers


def _short(host: str) -> str:
    """As people write it: the short name and the namespace of a Service."""
    name, inner, _end = host.partition(".svc.")
    return name if inner else host


def _part_text(part: RequestPart) -> str:
    subset = f" {part.subset}" if part.subset else ""
    if part.reached:
        return f"{_short(part.service)}{subset}" if part.service else "the address itself, past all routes"
    if part.place:
        status = part.status or "a closed connection"
        routed = (
            f"routed to {_short(part.service)}{subset}, then {status} there" if part.service else f"{status} at the gateway {part.place}"
        )
        return f"{routed} ({part.why})"
    if part.status:
        return f"{part.status}{f' ({part.why})' if part.why else ''}"
    return part.why or "nowhere"


def told(answer: WholeAnswer) -> str:
    """What becomes of a request, for people."""
    parts = [part for part in answer.parts if part.percent > 0]
    if len(parts) == 1:
        return _part_text(parts[0])
    return ", ".join(f"{part.percent:g} % {_part_text(part)}" for part in parts)


def _senders(routing: MeshRouting, expectation: Expectation) -> list[Sender]:
    if expectation.caller == "internet":
        return [one for one in routing.senders if one.gateway]
    if expectation.caller in ("nobody", "*"):
        return list(routing.senders) if expectation.caller == "nobody" else [one for one in routing.senders if not one.gateway]
    return routing.named(expectation.caller)


def answers_to(routing: MeshRouting, expectation: Expectation, *, now: datetime) -> Iterator[WholeAnswer | AskedRequest]:
    """What becomes of the request of each caller; where it cannot be made, what it asked."""
    senders = _senders(routing, expectation)
    found = [asked if asked.request is None else whole_answer(routing, asked.sender, asked.request, now=now)
             for asked in asked_of(routing, expectation, senders)]  # fmt: skip
    if expectation.caller == "internet":  # the gateways that know the host; if none does, those that listen there: one for egress does not
        whole = [one for one in found if isinstance(one, WholeAnswer)]
        knowing = [one for one in whole if one.answer.outcome not in _STRANGE]
        listening = [one for one in whole if one.answer.outcome != _STRANGE[0]]
        found = list(knowing or listening) or found[:1]
    yield from found


def judge(routing: MeshRouting, expectations: Iterable[Expectation], *, now: datetime) -> Iterator[Problem]:
    """The expectations that do not hold, each with the object that decides."""
    for expectation in expectations:
        found = list(_nobody(routing, expectation)) if expectation.caller == "nobody" else list(_each(routing, expectation, now))
        grouped: dict[tuple[str, str], list[str]] = {}
        for resource, message, caller in found:
            grouped.setdefault((resource, message), []).append(caller)
        for (resource, message), callers in grouped.items():
            who = shortened(sorted(dict.fromkeys(filter(None, callers))), _SHOWN)
            yield Problem(resource or "expectations", f"{expectation.text}: {f'from {who}: ' if who else ''}{message}")


def _each(routing: MeshRouting, expectation: Expectation, now: datetime) -> Iterator[tuple[str, str, str]]:
    answers = list(answers_to(routing, expectation, now=now))
    if not answers:
        yield "", _nobody_asks(routing, expectation.caller), ""
    for one in answers:
        if isinstance(one, AskedRequest):
            yield f"Workload {one.sender.name}", one.problem, one.sender.name
            continue
        wrong = _wrong(routing, expectation, one)
        if wrong:
            decided = _decider(one)
            kind, _space, rest = decided.partition(" ")
            name, _space, place = rest.partition(" ")
            at = f"{place} of " if place else ""
            by = f", by {at}{kind} {name}" if decided else ""
            yield (f"{kind} {name}" if decided else f"Workload {one.sender.name}"), f"{wrong}{by}", one.sender.name


def _nobody_asks(routing: MeshRouting, caller: str) -> str:
    """Why a caller of an expectation is nobody, and who was meant."""
    if caller == "internet":
        return "the source has no gateway"
    several = routing.ambiguous(caller)
    if several:
        return f"there are {', '.join(several)}: say which"
    known = sorted(one.name for one in routing.senders if not one.gateway)
    space, slash, own = caller.rpartition("/")
    versions = [name for name in known if name.startswith(f"{caller}-" if slash else f"{space}/{own}-")]
    meant = f"did you mean {', '.join(versions)}?" if 0 < len(versions) <= _SHOWN else did_you_mean(caller, known)
    return f"no workload with a proxy is called {caller}; {meant}"


def _decider(found: WholeAnswer) -> str:
    """The object that is to be corrected: the policy, where one refuses all that does not get there; else that of the route."""
    refusing = {part.by for part in found.parts if part.percent > 0 and not part.reached}
    policies = [by for by in refusing if by.startswith(_POLICIES)]
    return policies[0] if len(refusing) == 1 and policies else decided_by(found.answer)


def _wrong(routing: MeshRouting, expectation: Expectation, found: WholeAnswer) -> str:
    """What happens instead of what is expected; empty where it does not."""
    parts = [part for part in found.parts if part.percent > 0]
    becomes = told(found)
    instead = f"{becomes} instead" if becomes.startswith("the connection is") else f"it is {becomes} instead"
    if expectation.by and any(part.by != expectation.by and not part.by.startswith(f"{expectation.by} ") for part in parts):
        return instead
    if expectation.status:
        return "" if sum(part.percent for part in parts if part.status == expectation.status) > 100 - _NEAR else instead
    if expectation.outcome:
        holds = {
            "fails": all(not part.reached and not 200 <= part.status < 400 for part in parts),
            "leaves the mesh": all(part.outside for part in parts),
            "is refused": all(not part.reached and part.status in (0, 401, 403) for part in parts),
        }[expectation.outcome]
        return "" if holds else instead
    meant = services_meant(routing, found.sender, expectation.service)
    if len(meant) != 1:
        several = f"; there are {', '.join(_short(one.hostname) for one in meant)}: say which" if meant else ""
        return f"no Service or ServiceEntry is called {expectation.service} in {found.sender.consumer.namespace}{several}"
    wanted = meant[0]
    share = sum(
        part.percent for part in parts if part.reached and part.service == wanted.hostname and expectation.subset in ("", part.subset)
    )
    least = expectation.share if expectation.share is not None else 100.0
    enough = share >= least - _NEAR and (expectation.at_least or share <= least + _NEAR)
    return "" if enough else instead


def _nobody(routing: MeshRouting, expectation: Expectation) -> Iterator[tuple[str, str, str]]:
    """Whoever has a route to the pods of a service, by whatever name, of which their policies let something pass."""
    known = False
    for sender in routing.senders:
        service = service_named(routing, sender, expectation.service)
        if service is None:
            continue
        known = True
        labels = _subset_labels(routing, sender, service.hostname, expectation.subset) if expectation.subset else {}
        registry = routing.world(sender).registry
        pods = {endpoint for port in service.ports for endpoint in registry.endpoints(service, port.number, labels)}
        if pods and not any(routing.admits(sender, endpoint) for endpoint in pods):
            continue
        for cluster, ref, place in routing.world(sender).reached(sender.consumer):
            there = (cluster.host == service.hostname and not expectation.subset) or bool(pods.intersection(cluster.endpoints))
            if there and cluster.usable:
                at = f"{place} of {ref}" if place else ref
                yield ref, f"they are led to {_short(service.hostname)} by {at}, and its policies let something pass", sender.name
                break
    if not known:
        yield "", f"no Service or ServiceEntry is called {expectation.service}", ""


def _subset_labels(routing: MeshRouting, sender: Sender, host: str, subset: str) -> dict[str, str]:
    rules = routing.world(sender).scopes.of(sender.consumer).rules.get(host, ())
    found = next((one for rule in rules for one in [rule.subset(subset)] if one is not None), None)
    labels = (found or {}).get("labels")
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {"version": subset}
