# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A change of a mesh's CA in steps that are safe each: what the next one is, and who is not ready for it. No I/O, no memory.

The step follows from what `cacerts` holds and from the goal alone. So a run that was killed goes on where it was, and the way back is the
same machine with the old CA as its goal:

    distribute   the signer stays, the goal's roots are trusted as well
    switch       the goal's signer signs, all roots are trusted still
    retire       only the goal's roots are trusted

With the same roots (a new intermediate) there is only `switch`. Certificates are named by their fingerprints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .._model.clock import invalid_at
from .._model.problem import Problem
from .chain import build
from .facts import Certificate
from .reading import read_bundle
from .source import Source

__all__ = [
    "Authority",
    "GateVerdict",
    "Istiod",
    "Phase",
    "ProxyTrust",
    "RotationState",
    "RotationStep",
    "Trust",
    "gate",
    "held_by",
    "needs_restart",
    "next_step",
    "plan",
    "reloads_by_default",
    "unfit",
    "unsettled",
]

_VERSION = re.compile(r"v?(\d+)\.(\d+)")
# AUTO_RELOAD_PLUGIN_CERTS is on by default since Istio 1.18, which is what OpenShift Service Mesh 2.5 has.
_RELOADS_SINCE = {1: 18, 2: 5}


class Phase(StrEnum):
    """What a step does."""

    DISTRIBUTE = "distribute"
    SWITCH = "switch"
    RETIRE = "retire"


@dataclass(frozen=True)
class Authority:
    """A CA as `cacerts` has it: who signs, which root that leads to, and which roots everybody shall trust, in their order."""

    signer: str
    anchor: str
    roots: tuple[str, ...]


@dataclass(frozen=True)
class RotationStep:
    """What is to be written into `cacerts` next."""

    phase: Phase
    authority: Authority


@dataclass(frozen=True)
class Istiod:
    """One istiod: the roots that it hands out, who signs its own certificate ("" where nobody asked), and what decides about restarts."""

    name: str
    roots: tuple[str, ...] = ()
    signer: str = ""
    version: str = ""
    plugged: bool = True
    multiroot: bool = False
    reloads: bool | None = None
    error: str = ""


@dataclass(frozen=True)
class Trust:
    """A place that trusts roots: a member's istio-ca-root-cert, a webhook's caBundle."""

    name: str
    roots: tuple[str, ...]


@dataclass(frozen=True)
class ProxyTrust:
    """A live sidecar or gateway: the roots that it trusts, and the root that its own certificate leads to ("" for an unknown one).

    not_before, not_after: of its own certificate; None where nobody read them.
    """

    name: str
    roots: tuple[str, ...] = ()
    anchor: str = ""
    issuer: str = ""
    error: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True)
class RotationState:
    """All that was seen at one moment."""

    istiods: Sequence[Istiod] = ()
    proxies: Sequence[ProxyTrust] = ()
    places: Sequence[Trust] = ()
    titles: Mapping[str, str] = field(default_factory=dict)

    def title(self, fingerprint: str) -> str:
        """A root for people."""
        return f"{self.titles.get(fingerprint) or 'a root'} ({fingerprint[:16]})" if fingerprint else "no known root"


@dataclass(frozen=True)
class GateVerdict:
    """Whether a step is safe now. `notes` do not hold it up."""

    blockers: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()

    @property
    def safe(self) -> bool:
        """Nobody would lose a connection by it."""
        return not self.blockers


def next_step(current: Authority, goal: Authority) -> RotationStep | None:
    """The next step from what `cacerts` has to the goal; None when it is reached."""
    lost = tuple(root for root in goal.roots if root not in current.roots)
    if lost:
        # Also from a retired CA back: its roots first, whoever signs meanwhile.
        return RotationStep(Phase.DISTRIBUTE, Authority(current.signer, current.anchor, (*current.roots, *lost)))
    if current.signer != goal.signer:
        return RotationStep(Phase.SWITCH, Authority(goal.signer, goal.anchor, current.roots))
    if current.roots != goal.roots:
        return RotationStep(Phase.RETIRE, goal)
    return None


def plan(current: Authority, goal: Authority) -> tuple[RotationStep, ...]:
    """All steps."""
    steps: list[RotationStep] = []
    while (step := next_step(steps[-1].authority if steps else current, goal)) is not None:
        steps.append(step)
    return tuple(steps)


def reloads_by_default(version: str) -> bool:
    """Whether an istiod of this version looks at a changed `cacerts` unless told otherwise; an unknown one is not trusted to."""
    found = _VERSION.match(version)
    return found is not None and int(found[2]) >= _RELOADS_SINCE.get(int(found[1]), 0)


def needs_restart(istiod: Istiod, before: Authority, after: Authority) -> str:
    """Why this istiod must be restarted to take the new CA; empty when it takes it by itself."""
    if not istiod.plugged:
        return "it started with a CA of its own and does not look at cacerts"
    if not (reloads_by_default(istiod.version) if istiod.reloads is None else istiod.reloads):
        return f"{istiod.version or 'its version'} does not reload cacerts (AUTO_RELOAD_PLUGIN_CERTS)"
    if before.roots == after.roots:
        return ""
    if not istiod.multiroot:
        return "without ISTIO_MULTIROOT_MESH it refuses other roots, with no more than a warning"
    if not (_within(before.roots, after.roots) or _within(after.roots, before.roots)):
        return "neither bundle contains the other, which it refuses with no more than a warning"
    return ""


def _within(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    """istiod looks for the bytes of the one in the other, so the order counts, and nothing may be between."""
    return any(whole[start : start + len(part)] == part for start in range(len(whole) - len(part) + 1))


def unsettled(mesh: RotationState, roots: Sequence[str], signer: str = "") -> Iterable[Problem]:
    """Istiods and places that do not have these roots, and istiods that sign with another CA than this one."""
    for istiod in mesh.istiods:
        lost = [root for root in roots if root not in istiod.roots]
        if istiod.error:
            yield Problem(istiod.name, f"it did not answer: {istiod.error}", "bring it up, then run again")
        elif lost:
            yield Problem(istiod.name, f"it does not hand out {mesh.title(lost[0])}, which cacerts has", "restart it")
        elif signer and istiod.signer and istiod.signer != signer:
            text = f"it signs with {mesh.title(istiod.signer)}, not with {mesh.title(signer)} of cacerts"
            yield Problem(istiod.name, text, "restart it")
    for place in mesh.places:
        lost = [root for root in roots if root not in place.roots]
        if lost:
            yield Problem(place.name, f"it does not have {mesh.title(lost[0])}", "look at its istiod, which writes it")


def unfit(chain: Iterable[Certificate], now: datetime) -> list[str]:
    """What of a CA's chain nobody would accept at this time of the cluster."""
    reasons = ((one, invalid_at(one.not_before, one.not_after, now)) for one in chain)
    return [f"{one.title} {reason}" for one, reason in reasons if reason]


def _out_of_date(proxies: Iterable[ProxyTrust], now: datetime | None) -> Iterable[Problem]:
    """Proxies whose certificate is not valid: whatever they trust, nobody talks to them."""
    for one in proxies:
        reason = invalid_at(one.not_before, one.not_after, now) if now and one.not_before and one.not_after else ""
        if reason:
            yield Problem(one.name, f"its certificate {reason}", "look at the clocks of its node and of istiod's, then restart the pod")


def gate(step: RotationStep, mesh: RotationState, current: Authority, *, now: datetime | None = None) -> GateVerdict:
    """Whether the step is safe for everybody that was seen. now: the cluster's time; without it no dates are looked at."""
    restart = "restart the pod, or delete it"
    silent = tuple(Problem(one.name, f"it did not answer: {one.error}", restart) for one in mesh.proxies if one.error)
    talking = [one for one in mesh.proxies if not one.error]
    if step.phase is Phase.RETIRE:
        kept = step.authority.roots
        text, remedy = "its certificate still leads to {}", "wait until it is renewed, or restart the pod"
        old = tuple(Problem(one.name, text.format(mesh.title(one.anchor)), remedy) for one in talking if one.anchor not in kept)
        waiting = tuple(unsettled(mesh, kept, step.authority.signer))
        return GateVerdict((*silent, *waiting, *_out_of_date(talking, now), *old, *_distrust(talking, kept, mesh)))
    text, remedy = "its certificate leads to {}, which cacerts does not have", "restart the pod"
    # A step that brings a proxy's own root back (cacerts was lost in the middle of a rotation) takes nothing away from it.
    after = step.authority.roots if step.phase is Phase.DISTRIBUTE else current.roots
    stray = tuple(Problem(one.name, text.format(mesh.title(one.anchor)), remedy) for one in talking if one.anchor not in after)
    waiting = tuple(unsettled(mesh, current.roots))
    if step.phase is Phase.DISTRIBUTE:
        # One more root takes nothing away from anybody, and an istiod that lags behind is restarted for it anyway.
        return GateVerdict(stray, (*silent, *waiting, *_out_of_date(talking, now)))
    needed = tuple(dict.fromkeys((step.authority.anchor, *(one.anchor for one in talking if one.anchor))))
    return GateVerdict((*silent, *waiting, *_out_of_date(talking, now), *stray, *_distrust(talking, needed, mesh)))


def _distrust(proxies: Iterable[ProxyTrust], needed: Sequence[str], mesh: RotationState) -> Iterable[Problem]:
    for one in proxies:
        lost = [root for root in needed if root not in one.roots]
        if lost:
            text = f"it does not trust {mesh.title(lost[0])} yet"
            yield Problem(one.name, text, "wait until its certificate is renewed, or restart the pod")


def held_by(source: Source, known: Sequence[Certificate]) -> ProxyTrust:
    """A live proxy as it was read; known: all roots that play a part."""
    facts: Mapping[str, Any] = source.endpoint or {}
    if facts.get("error"):
        return ProxyTrust(source.resource, error=str(facts["error"]))
    chain = read_bundle(source.certificate or b"", source.resource).certificates
    roots = tuple(one.fingerprint for one in read_bundle(source.roots or b"", source.resource).certificates)
    if not chain:
        return ProxyTrust(source.resource, roots, error="it has no certificate that can be read")
    found = build(chain[0], chain[1:], known)
    anchor = found.path[-1].fingerprint if found.anchored else ""
    return ProxyTrust(source.resource, roots, anchor, chain[0].issuer, not_before=chain[0].not_before, not_after=chain[0].not_after)
