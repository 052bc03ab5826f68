# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the CA: its steps, who holds them up, and a mesh that goes through them in every order without a failed handshake."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from dataclasses import dataclass, replace

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_bundle
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import (
    Authority,
    Istiod,
    Phase,
    ProxyTrust,
    RotationState,
    RotationStep,
    Trust,
    gate,
    held_by,
    needs_restart,
    next_step,
    plan,
    reloads_by_default,
)
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.source import of_proxy

from .material import make
from .named import content

OLD = Authority("old-ca", "O", ("O",))
RENEWED = Authority("old-ca-2", "O", ("O",))
NEW = Authority("new-ca", "N", ("N",))
OTHER = Authority("other-ca", "X", ("X",))
BOTH = ("O", "N")
SPREAD, SWITCHED = replace(OLD, roots=BOTH), replace(NEW, roots=BOTH)
D, S, R = Phase.DISTRIBUTE, Phase.SWITCH, Phase.RETIRE


@pytest.mark.parametrize(
    ("current", "goal", "steps"),
    [
        (OLD, OLD, []),
        (OLD, NEW, [(D, SPREAD), (S, SWITCHED), (R, NEW)]),
        (SPREAD, NEW, [(S, SWITCHED), (R, NEW)]),
        (SWITCHED, NEW, [(R, NEW)]),
        (OLD, RENEWED, [(S, RENEWED)]),
        # the way back, from each phase
        (SPREAD, OLD, [(R, OLD)]),
        (SWITCHED, OLD, [(S, SPREAD), (R, OLD)]),
        (NEW, OLD, [(D, replace(NEW, roots=("N", "O"))), (S, replace(OLD, roots=("N", "O"))), (R, OLD)]),
        # another goal in the middle
        (SWITCHED, OTHER, [(D, replace(NEW, roots=("O", "N", "X"))), (S, replace(OTHER, roots=("O", "N", "X"))), (R, OTHER)]),
        # two roots are the goal
        (OLD, replace(NEW, roots=BOTH), [(D, SPREAD), (S, SWITCHED)]),
    ],
    ids=str,
)
def test_the_plan_follows_from_what_is_there_and_the_goal(
    current: Authority, goal: Authority, steps: list[tuple[Phase, Authority]]
) -> None:
    assert [(step.phase, step.authority) for step in plan(current, goal)] == steps
    assert next_step(goal, goal) is None


@pytest.mark.parametrize(
    ("version", "reloads"),
    [
        ("v1.29.6", True),
        ("1.18.0", True),
        ("v1.16.7", False),
        ("v2.5.2", True),
        ("v2.4", False),
        ("", False),
        ("latest", False),
        ("v3.0", True),
    ],
)
def test_which_versions_look_at_a_changed_cacerts(version: str, reloads: bool) -> None:
    assert reloads_by_default(version) is reloads


NOW = Istiod("istiod", version="v1.26.0")


@pytest.mark.parametrize(
    ("istiod", "before", "after", "why"),
    [
        (NOW, OLD, RENEWED, ""),
        (NOW, OLD, SPREAD, "ISTIO_MULTIROOT_MESH"),
        (NOW, SPREAD, SWITCHED, ""),
        (NOW, SWITCHED, NEW, "MULTIROOT"),
        (replace(NOW, plugged=False), OLD, RENEWED, "of its own"),
        (replace(NOW, version="v1.16.1"), OLD, RENEWED, "does not reload"),
        (replace(NOW, reloads=False), OLD, RENEWED, "does not reload"),
        (replace(NOW, version="v2.4", reloads=True), OLD, RENEWED, ""),
        (replace(NOW, multiroot=True), OLD, SPREAD, ""),
        (replace(NOW, multiroot=True), SWITCHED, NEW, ""),
        (replace(NOW, multiroot=True), OLD, NEW, "neither bundle"),
        (replace(NOW, multiroot=True), replace(OLD, roots=("N", "X", "O")), replace(OLD, roots=("N", "O")), "neither bundle"),
    ],
)
def test_when_an_istiod_must_be_restarted(istiod: Istiod, before: Authority, after: Authority, why: str) -> None:
    found = needs_restart(istiod, before, after)
    assert (why in found) if why else found == ""


READY = RotationState(
    [Istiod("istiod", BOTH, "old-ca")],
    [ProxyTrust("a", BOTH, "O"), ProxyTrust("b", BOTH, "O")],
    [Trust("map", BOTH)],
    {"O": "Old", "N": "New"},
)
DONE = RotationState([Istiod("istiod", BOTH, "new-ca")], [ProxyTrust("a", BOTH, "N"), ProxyTrust("b", ("N",), "N")], [Trust("map", BOTH)])
FRESH = RotationState([Istiod("istiod", ("O",), "old-ca")], [ProxyTrust("a", ("O",), "O")], [Trust("map", ("O",))])


@pytest.mark.parametrize(
    ("step", "mesh", "current", "blockers"),
    [
        (RotationStep(D, SPREAD), FRESH, OLD, set()),
        (RotationStep(D, SPREAD), replace(FRESH, proxies=[ProxyTrust("a", error="no answer")]), OLD, set()),
        (RotationStep(D, SPREAD), replace(FRESH, proxies=[ProxyTrust("a", ("O",), "X")]), OLD, {"a"}),
        # cacerts was lost in the middle: the step brings this proxy's root back
        (RotationStep(D, SPREAD), replace(FRESH, proxies=[ProxyTrust("a", BOTH, "N")]), OLD, set()),
        (RotationStep(S, SWITCHED), READY, SPREAD, set()),
        (RotationStep(S, SWITCHED), replace(READY, proxies=[ProxyTrust("a", ("O",), "O"), ProxyTrust("b", BOTH, "O")]), SPREAD, {"a"}),
        (RotationStep(S, SWITCHED), replace(READY, proxies=[ProxyTrust("a", ("N",), "N"), ProxyTrust("b", BOTH, "O")]), SPREAD, {"a"}),
        (
            RotationStep(S, SWITCHED),
            replace(READY, proxies=[ProxyTrust("a", error="no answer"), ProxyTrust("b", BOTH, "O")]),
            SPREAD,
            {"a"},
        ),
        (RotationStep(S, SWITCHED), replace(READY, istiods=[Istiod("i", ("O",))]), SPREAD, {"i"}),
        (RotationStep(S, SWITCHED), replace(READY, istiods=[Istiod("i", error="down")]), SPREAD, {"i"}),
        (RotationStep(S, SWITCHED), replace(READY, places=[Trust("hook", ("O",))]), SPREAD, {"hook"}),
        (RotationStep(R, NEW), DONE, SWITCHED, set()),
        (RotationStep(R, NEW), replace(DONE, proxies=[ProxyTrust("a", BOTH, "O"), ProxyTrust("b", BOTH, "N")]), SWITCHED, {"a"}),
        (RotationStep(R, NEW), replace(DONE, proxies=[ProxyTrust("a", BOTH, ""), ProxyTrust("b", BOTH, "N")]), SWITCHED, {"a"}),
        (RotationStep(R, NEW), replace(DONE, proxies=[ProxyTrust("a", error="no answer")]), SWITCHED, {"a"}),
        (RotationStep(R, NEW), replace(DONE, istiods=[Istiod("i", BOTH, "old-ca")]), SWITCHED, {"i"}),
        # an istiod that refused the second root does not hold up the way back to what it has
        (RotationStep(R, OLD), FRESH, SPREAD, set()),
    ],
    ids=[str(number) for number in range(17)],
)
def test_a_gate_names_who_is_not_ready(step: RotationStep, mesh: RotationState, current: Authority, blockers: set[str]) -> None:
    verdict = gate(step, mesh, current)
    assert {one.resource for one in verdict.blockers} == blockers and verdict.safe is not bool(blockers)
    assert all(one.message and one.remedy for one in (*verdict.blockers, *verdict.notes))


def test_a_silent_proxy_is_a_note_where_it_does_not_matter() -> None:
    mesh = replace(FRESH, proxies=[ProxyTrust("a", error="no answer for 5 s")])
    assert [one.message for one in gate(RotationStep(D, SPREAD), mesh, OLD).notes] == ["it did not answer: no answer for 5 s"]


def test_messages_name_roots_for_people() -> None:
    mesh = replace(READY, proxies=[ProxyTrust("Pod shop/cart", ("O",), "O")])
    assert gate(RotationStep(S, SWITCHED), mesh, SPREAD).blockers[0].message == "it does not trust New (N) yet"


def test_a_live_proxy_as_it_was_read() -> None:
    pod = {"metadata": {"namespace": "shop", "name": "cart"}}
    known = list(read_bundle(content("root+other_root"), "roots").certificates)
    found = held_by(of_proxy(pod, chain=content("workload+middle"), roots=content("root+other_root")), known)
    assert found.anchor == known[0].fingerprint and set(found.roots) == {one.fingerprint for one in known} and not found.error
    assert held_by(of_proxy(pod, chain=content("workload+middle"), roots=content("root")), known[1:]).anchor == ""
    assert held_by(of_proxy(pod, error="no answer"), known).error == "no answer"
    assert "no certificate" in held_by(of_proxy(pod, chain=b"junk", roots=content("root")), known).error


# A mesh in which everything happens in any order.


@dataclass
class World:
    """What is in cacerts, in the memory of two istiods, and in each proxy (the anchor of its certificate, its roots)."""

    cacerts: Authority
    istiods: list[Authority]
    proxies: list[tuple[str, tuple[str, ...]]]

    def seen(self) -> RotationState:
        handed = [Istiod(f"istiod-{number}", one.roots, one.signer) for number, one in enumerate(self.istiods)]
        return RotationState(handed, [ProxyTrust(f"proxy-{number}", roots, anchor) for number, (anchor, roots) in enumerate(self.proxies)])

    def all_can_call_all(self) -> bool:
        return all(a[0] in b[1] and b[0] in a[1] for a, b in itertools.combinations(self.proxies, 2))


def live(chance: random.Random, *, careful: bool) -> bool:
    """Three hundred events: renewals, restarts of istiods, steps, and a change of mind. Whether every handshake succeeded."""
    world, goal = World(OLD, [OLD, OLD], [("O", ("O",))] * 4), NEW
    for _event in range(300):
        what = chance.random()
        if what < 0.4:
            istiod = chance.choice(world.istiods)
            world.proxies[chance.randrange(4)] = (istiod.anchor, istiod.roots)
        elif what < 0.6:
            world.istiods[chance.randrange(2)] = world.cacerts
        elif what < 0.97:
            step = next_step(world.cacerts, goal)
            if step and (not careful or gate(step, world.seen(), world.cacerts).safe):
                world.cacerts = step.authority
        else:
            goal = chance.choice((OLD, NEW, OTHER, RENEWED))
        if not world.all_can_call_all():
            return False
    return True


def test_in_every_order_no_handshake_fails_and_without_gates_many_do() -> None:
    assert all(live(random.Random(seed), careful=True) for seed in range(300))
    assert sum(live(random.Random(seed), careful=False) for seed in range(50)) < 5


def test_it_gets_there() -> None:
    for start, goal in itertools.permutations((OLD, NEW, OTHER, SPREAD, SWITCHED), 2):
        world = World(start, [start] * 2, [(start.anchor, start.roots)] * 4)
        for _round in range(5):
            step = next_step(world.cacerts, goal)
            if step is None:
                break
            assert gate(step, world.seen(), world.cacerts).safe
            world = World(step.authority, [step.authority] * 2, [(step.authority.anchor, step.authority.roots)] * 4)
        assert world.cacerts == goal


NOON = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("step", "current"), [(RotationStep(S, SWITCHED), SPREAD), (RotationStep(R, NEW), SWITCHED), (RotationStep(D, SPREAD), OLD)], ids=str
)
@pytest.mark.parametrize(
    ("begins", "ends", "text"),
    [
        (-1, 23, ""),
        (0.01, 24, ""),
        (2, 26, "its certificate is not valid before 2026-03-01T14:00:00Z, and the cluster's clock says 2026"),
        (-24, -1, "its certificate expired at 2026-03-01T11:00:00Z"),
    ],
)
def test_a_proxy_whose_certificate_is_not_valid_is_nowhere_proven_safe(
    step: RotationStep, current: Authority, begins: float, ends: float, text: str
) -> None:
    anchor = "N" if step.phase is R else "O"
    proxy = ProxyTrust("Pod a/b", roots=BOTH, anchor=anchor, not_before=NOON + begins * HOUR, not_after=NOON + ends * HOUR)
    istiod = Istiod("istiod", roots=BOTH)
    verdict = gate(step, RotationState([istiod], [proxy]), current, now=NOON)
    assert verdict.safe is (not text or step.phase is D), "one more root takes nothing away from anybody"
    said = [one.message for one in (*verdict.blockers, *verdict.notes)]
    assert (len(said) == 1 and said[0].startswith(text)) if text else not said


def test_a_proxys_dates_are_read() -> None:
    leaf = make("proxy", begins=NOON, ends=NOON + HOUR)
    pod = {"metadata": {"namespace": "a", "name": "b"}}
    found = held_by(of_proxy(pod, chain=leaf.pem.encode(), roots=content("root")), read_bundle(content("root"), "").certificates)
    assert (found.not_before, found.not_after) == (NOON, NOON + HOUR)
