# SPDX-License-Identifier: GPL-3.0-or-later
"""The next step of a wave, case by case: who begins, who waits and for what, who has failed, and what the operator reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.gate import judge_wave
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.machine import (
    TURN,
    Next,
    RestartLimits,
    WaveMemory,
    budgets_of,
    slowest,
    step,
    unsure,
)
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.model import (
    Budget,
    Goal,
    ProxyPod,
    RestartedWorkload,
    RolloutObservation,
)

from rollout.world import world

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(hours=3), NOON + timedelta(seconds=5)
GOAL = Goal("1.27.5", since=NOON)
CARS, WEB = "Deployment shop/cars", "Deployment shop/web"


def pods(
    name: str = "cars", count: int = 1, *, new: bool = False, ready: bool = True, namespace: str = "shop", **more: Any
) -> tuple[ProxyPod, ...]:
    given: dict[str, Any] = {"version": "1.27.5" if new else "1.27.3", "revision": "default", "labels": {"app": name}, **more}
    return tuple(ProxyPod(f"{name}-{number}", namespace, AFTER if new else BEFORE, ready=ready, **given) for number in range(count))


def old(name: str = "cars", wanted: int = 1, **more: Any) -> RestartedWorkload:
    """Not restarted yet; nobody is away while it is, unless cost says so."""
    given: dict[str, Any] = {"kind": "Deployment", "namespace": "shop", "said": ("ready", ""), "cost": 0, "ready": wanted, **more}
    given.setdefault("pods", pods(name, wanted, namespace=given["namespace"]))
    return RestartedWorkload(name=name, wanted=wanted, labels={"app": name}, **given)


def restarted(name: str = "cars", wanted: int = 1, **more: Any) -> RestartedWorkload:
    """Restarted by us, its new pods not ready yet."""
    return old(name, wanted, **{"stamp": AFTER, "said": ("waiting", ""), "pods": pods(name, wanted, new=True, ready=False), **more})


def budget(app: str = "cars", *, allowed: int = 1, possible: int = 1, namespace: str = "shop") -> Budget:
    return Budget(namespace, app, {"matchLabels": {"app": app}}, allowed, possible)


def look(here: RolloutObservation, *, now: float = 100.0, memory: WaveMemory | None = None, goal: Goal = GOAL, **limits: Any) -> Next:
    return step(
        sorted(here.workloads), here, goal, limits=RestartLimits(**limits), memory=memory if memory is not None else WaveMemory(), now=now
    )


# -- who begins, and who has to wait


def test_all_begin_that_may() -> None:
    out = look(world(old(), old("web")))
    assert (out.start, out.done, out.under_way, out.held, out.failed, out.finished) == ([CARS, WEB], [], {}, {}, [], False)


def test_concurrency_counts_who_is_under_way() -> None:
    out = look(world(old(), restarted("hotels"), old("web")), concurrency="2")
    assert (out.start, out.held, list(out.under_way)) == ([CARS], {WEB: TURN}, ["Deployment shop/hotels"])
    assert not out.finished


@pytest.mark.parametrize(("one", "here", "reason"), [
    pytest.param(old(cost=1), {"budgets": (budget(allowed=0),)},
                 "PodDisruptionBudget shop/cars allows 0 disruptions at the moment, a restart takes 1", id="used-up"),
    pytest.param(old(wanted=4, cost=2), {"budgets": (budget(allowed=1, possible=3),)},
                 "PodDisruptionBudget shop/cars allows 1 disruptions at the moment, a restart takes 2", id="not-enough"),
    pytest.param(old(wanted=2, cost=1), {"budgets": (budget("web"), budget(allowed=0))},
                 "PodDisruptionBudget shop/cars allows 0 disruptions at the moment, a restart takes 1", id="one-of-several"),
    pytest.param(old(kind="DaemonSet", wanted=3, cost=1, gateway=True), {"budgets": (budget(allowed=0),)},
                 "PodDisruptionBudget shop/cars allows 0 disruptions at the moment, a restart takes 1", id="gateway-on-nodes"),
    pytest.param(old(wanted=2, cost=1, ready=1, gateway=True), {"budgets": (budget(allowed=0),)},
                 "PodDisruptionBudget shop/cars allows 0 disruptions at the moment, a restart takes 1", id="gateway-and-its-budget"),
    pytest.param(old(wanted=2, cost=1, ready=1, gateway=True), {}, "1 of its 2 pods are ready, and a restart takes 1 away", id="gateway"),
])  # fmt: skip
def test_who_is_held_up(one: RestartedWorkload, here: dict[str, Any], reason: str) -> None:
    out = look(world(one, **here))
    assert (out.start, out.held, out.failed, out.finished) == ([], {one.title: reason}, [], False)


@pytest.mark.parametrize(("one", "here", "limits"), [
    pytest.param(old(cost=1), {"budgets": (budget(),)}, {}, id="allowed"),
    pytest.param(old(), {"budgets": (budget(allowed=0, possible=0),)}, {}, id="nobody-is-away"),
    pytest.param(old(cost=1), {"budgets": (budget("web", allowed=0, possible=0),)}, {}, id="of-other-pods"),
    pytest.param(old(cost=1), {"budgets": (budget(allowed=0, possible=0, namespace="bank"),)}, {}, id="of-another-namespace"),
    pytest.param(old(cost=1), {"budgets": (budget(allowed=0, possible=0),)}, {"respect_budgets": False}, id="ignored"),
    pytest.param(old(wanted=2, cost=1, gateway=True), {"budgets": (budget(allowed=0, possible=0),)}, {"respect_budgets": False},
                 id="ignored-at-a-gateway"),
    # The controller cannot tell how many pods a DaemonSet shall have, and allows nothing; a rolling update does not ask it.
    pytest.param(old(kind="DaemonSet", wanted=3, cost=1), {"budgets": (budget(allowed=0, possible=0),)}, {}, id="of-a-daemonset"),
    pytest.param(old(wanted=2, cost=1, ready=2, gateway=True), {}, {}, id="a-gateway-with-another-pod"),
    pytest.param(old(wanted=1, cost=0, ready=0, gateway=True), {}, {}, id="a-gateway-that-loses-nothing"),
    pytest.param(old(wanted=2, cost=1, ready=1), {}, {}, id="no-gateway"),
    pytest.param(old(wanted=0, ready=0, gateway=True, pods=pods()), {}, {}, id="a-gateway-that-is-being-scaled-to-zero"),
    pytest.param(old(stamp=BEFORE), {}, {}, id="restarted-long-ago"),
    pytest.param(old(pods=(*pods(new=True), *pods())), {}, {}, id="half-of-it-was-made-anew-by-itself"),
])  # fmt: skip
def test_who_begins(one: RestartedWorkload, here: dict[str, Any], limits: dict[str, Any]) -> None:
    out = look(world(one, **here), **limits)
    assert (out.start, out.held, out.failed) == ([one.title], {}, [])


def test_two_of_one_budget_do_not_begin_at_once_and_one_without_cost_may() -> None:
    shared = Budget("shop", "all", {"matchLabels": {}}, 1, 2)
    out = look(world(old("a", cost=1), old("b"), old("c", cost=1), budgets=(shared,)))
    assert (out.start, list(out.held)) == (["Deployment shop/a", "Deployment shop/b"], ["Deployment shop/c"])
    assert "allows 0 disruptions" in out.held["Deployment shop/c"]
    # Who starts beside it, with pods of another budget, takes nothing of this one.
    out = look(world(old("a", cost=1), old("b", cost=1), budgets=(budget("a"), budget("b"))))
    assert out.start == ["Deployment shop/a", "Deployment shop/b"]


def test_any_of_its_pods_makes_a_budget_its_own() -> None:
    one = old(pods=(*pods(), *pods(labels={"app": "other"})))
    assert budgets_of(one, world(one, budgets=(budget(), budget("other"), budget("web"), budget(namespace="bank")))) == [
        budget(),
        budget("other"),
    ]


# -- what no waiting makes possible


@pytest.mark.parametrize(("one", "here", "reason", "remedy"), [
    pytest.param(old(obstacle="its updateStrategy is OnDelete"), {}, "its updateStrategy is OnDelete",
                 "do that, or leave it out of the waves", id="obstacle"),
    pytest.param(old(cost=1), {"budgets": (budget(possible=0),)},
                 "PodDisruptionBudget shop/cars lets 0 pods go even when all are ready, and a restart takes 1 away at once",
                 "give the workload more replicas or maxUnavailable 0, change the budget, or say budgets: ignore", id="budget"),
    pytest.param(old(cost=1, gateway=True), {}, "it is a gateway with 1 replica of which 1 may be away at once, so there would be a moment "
                 "without a ready one", "give it a rolling update with maxUnavailable 0, or more replicas", id="gateway"),
    pytest.param(old(wanted=2, cost=2, gateway=True), {}, "it is a gateway with 2 replicas of which 2 may be away at once",
                 "maxUnavailable 0", id="gateway-of-two"),
    pytest.param(old(kind="DaemonSet", cost=1, gateway=True), {}, "it is a gateway with 1 replica", "maxUnavailable 0",
                 id="gateway-on-nodes"),
])  # fmt: skip
def test_what_cannot_be(one: RestartedWorkload, here: dict[str, Any], reason: str, remedy: str) -> None:
    out = look(world(one, old("web"), **here))
    (blocked,) = out.failed
    assert blocked.resource == one.title and reason in blocked.message and remedy in blocked.remedy
    assert (out.start, out.finished) == ([], False), "nothing is begun once something has gone wrong"


def test_an_obstacle_and_a_gateway_count_where_budgets_are_ignored() -> None:
    for one in (old(obstacle="it is paused"), old(cost=1, gateway=True)):
        out = look(world(one), respect_budgets=False)
        assert out.failed and not out.finished, one


# -- who is done, who is under way


@pytest.mark.parametrize(("one", "done"), [
    pytest.param(old(pods=pods(new=True)), True, id="new-and-ready"),
    pytest.param(restarted(said=("ready", ""), pods=pods(new=True)), True, id="restarted-and-ready"),
    pytest.param(old(wanted=0, ready=0, pods=()), True, id="scaled-to-zero"),
    pytest.param(restarted(wanted=0, ready=0, pods=()), True, id="scaled-to-zero-after-its-restart"),
    pytest.param(old(wanted=2, pods=pods(new=True)), False, id="one-is-missing"),
    pytest.param(old(wanted=1, ready=0, pods=()), False, id="all-are-missing"),
    pytest.param(restarted(wanted=0, pods=pods(new=True, ready=False)), False, id="scaled-to-zero-and-still-there"),
    pytest.param(restarted(pods=pods(new=True)), False, id="its-status-is-not-there-yet"),
    pytest.param(restarted(said=("ready", ""), wanted=2, pods=(*pods(new=True), *pods(new=True, ready=False))), False, id="one-not-ready"),
    pytest.param(restarted(said=("ready", ""), wanted=2, pods=(*pods(new=True), *pods())), False, id="one-is-old"),
])  # fmt: skip
def test_who_is_done(one: RestartedWorkload, *, done: bool) -> None:
    out = look(world(one))
    assert (out.done, out.finished, out.start) == (([one.title], True, []) if done else ([], False, []))


def test_what_has_gone_is_no_failure() -> None:
    out = step([CARS, WEB], world(old(), going=frozenset({"shop"})), GOAL, limits=RestartLimits(), memory=WaveMemory(), now=0.0)
    assert (out.gone, out.finished) == ([CARS, WEB], True)


def test_how_long_each_took_is_kept_from_its_first_look() -> None:
    memory, one = WaveMemory(), restarted()
    look(world(one), now=100.0, memory=memory)
    look(world(one), now=112.0, memory=memory)
    done = replace(one, said=("ready", ""), pods=pods(new=True))
    look(world(done, old("web", pods=pods("web", new=True))), now=130.0, memory=memory)
    look(world(done), now=190.0, memory=memory)
    assert (memory.began, memory.done) == ({CARS: 100.0}, {CARS: 30.0})


def test_the_fewest_ready_pods_of_a_gateway_are_kept() -> None:
    memory = WaveMemory()
    for ready in (3, 1, 2):
        look(world(restarted(wanted=3, ready=ready, gateway=True), restarted("web", ready=0)), memory=memory)
    assert memory.least_ready == {CARS: 1}


@pytest.mark.parametrize(("one", "text"), [
    pytest.param(restarted(), "its pods are not ready", id="nothing-said"),
    pytest.param(restarted(said=("waiting", "1 of 2 updated")), "1 of 2 updated", id="its-status"),
    pytest.param(restarted(said=("waiting", "1 of 2 updated"), pods=pods()), "1 of 2 updated", id="old-pods-that-are-going"),
    pytest.param(restarted(said=("ready", ""), pods=pods()), "its new pod cars-0 has a proxy of version 1.27.3 and revision default, "
                 "expected version 1.27.5: does an annotation", id="the-wrong-proxy"),
])  # fmt: skip
def test_what_is_waited_for(one: RestartedWorkload, text: str) -> None:
    out = look(world(one))
    assert list(out.under_way) == [CARS] and text in out.under_way[CARS]


# -- why a pod is not what it shall be

IMAGE = "does an annotation (sidecar.istio.io/proxyImage)"


@pytest.mark.parametrize(("pod", "own", "space", "goal", "text"), [
    pytest.param({}, "old", "new", GOAL, "its pod template has the label istio.io/rev=old, its namespace istio.io/rev=new, and the pod's "
                 "label wins", id="template"),
    pytest.param({}, "old", "", GOAL, "has the label istio.io/rev=old, its namespace none", id="template-alone"),
    pytest.param({"revision": "old"}, "new", "new", Goal("1.27.5", "new", NOON), "the label istio.io/rev=new leads there", id="same-label"),
    pytest.param({"revision": "old"}, "", "new", Goal("1.27.5", "new", NOON), "the label istio.io/rev=new leads there", id="namespace"),
    pytest.param({"revision": "old"}, "", "", Goal("1.27.5", "new", NOON), "the label istio.io/rev=default leads there", id="no-label"),
    pytest.param({"revision": "new"}, "", "new", Goal("1.27.5", "new", NOON), IMAGE, id="image"),
    pytest.param({"revision": ""}, "", "new", Goal("1.27.5", "new", NOON), IMAGE, id="unknown"),
    pytest.param({"revision": "old"}, "", "", GOAL, IMAGE, id="no-revision-wanted"),
    pytest.param({"version": "", "revision": "old"}, "", "", Goal("", "new", NOON), "has a proxy of revision old, expected revision new",
                 id="a-digest"),
    pytest.param({"revision": ""}, "", "", GOAL, "has a proxy of version 1.27.3, expected version 1.27.5", id="only-a-version"),
    pytest.param({"version": "", "revision": ""}, "", "", GOAL, "has a proxy of neither version nor revision", id="neither"),
])  # fmt: skip
def test_why_it_is_behind(pod: dict[str, str], own: str, space: str, goal: Goal, text: str) -> None:
    one = restarted(said=("ready", ""), pods=pods(**pod), own_revision=own)
    here = world(one, revisions={"shop": space} if space else {})
    (blocked,) = judge_wave([CARS], here, goal)
    assert text in blocked.message
    assert blocked.message.startswith("its new pod cars-0 has a proxy of ")


def test_the_gate_names_pods_that_are_not_ready_and_goes_on_to_the_next() -> None:
    rows = (
        restarted("a", pods=pods("a", ready=False)),
        restarted("b", wanted=5, pods=(*pods("b", 4, new=True, ready=False), *pods("b", new=True))),
        old("c", pods=pods("c", new=True)),
        old("d", namespace="bank"),
    )
    found = judge_wave([*sorted(world(*rows).workloads), "Deployment shop/gone"], world(*rows, going=frozenset({"bank"})), GOAL)
    assert [one.resource for one in found] == ["Deployment shop/a", "Deployment shop/b"]
    assert found[1].message == "not ready: 4 of 5 pods (b-0, b-1, b-2)"


# -- what goes wrong


def trouble(text: str = "ImagePullBackOff", **more: Any) -> RestartedWorkload:
    return restarted(pods=pods(new=True, ready=False, trouble=text), **more)


def test_a_pod_in_trouble_gets_half_a_minute() -> None:
    memory = WaveMemory()
    assert not look(world(trouble()), now=100.0, memory=memory).failed
    assert not look(world(trouble()), now=129.9, memory=memory).failed
    (blocked,) = look(world(trouble()), now=130.0, memory=memory).failed
    assert (blocked.resource, blocked.message) == (CARS, "Pod shop/cars-0: ImagePullBackOff")
    assert blocked.remedy == "kubectl describe deployment cars -n shop"


def test_trouble_that_passes_counts_from_anew() -> None:
    memory = WaveMemory()
    for now, one in ((100.0, trouble()), (120.0, restarted()), (125.0, trouble()), (154.0, trouble())):
        assert not look(world(one), now=now, memory=memory).failed, now
    assert look(world(trouble()), now=155.0, memory=memory).failed


@pytest.mark.parametrize(("one", "text"), [
    pytest.param(restarted(said=("failed", "ProgressDeadlineExceeded")), "ProgressDeadlineExceeded", id="its-status"),
    pytest.param(trouble("CrashLoopBackOff", said=("failed", "ProgressDeadlineExceeded")), "Pod shop/cars-0: CrashLoopBackOff",
                 id="its-pod"),
    pytest.param(restarted(said=("waiting", "slow")), "", id="only-slow"),
])  # fmt: skip
def test_what_counts_as_trouble(one: RestartedWorkload, text: str) -> None:
    memory = WaveMemory()
    look(world(one), now=0.0, memory=memory)
    failed = look(world(one), now=31.0, memory=memory).failed
    assert [blocked.message for blocked in failed] == ([text] if text else [])


def test_a_workload_that_does_not_come_back() -> None:
    memory, one = WaveMemory(), restarted(said=("waiting", "0 of 1 ready"))
    for now in (100.0, 399.9):
        assert list(look(world(one), now=now, memory=memory).under_way) == [CARS]
    (blocked,) = look(world(one, old("web")), now=400.0, memory=memory).failed
    assert (blocked.resource, blocked.message) == (CARS, "it has not come back after 300 s: 0 of 1 ready")
    assert blocked.remedy == "kubectl describe deployment cars -n shop"


def test_a_budget_holds_up_for_so_long_and_no_longer() -> None:
    memory, held = WaveMemory(), world(old(cost=1), budgets=(budget(allowed=0),))
    assert look(held, now=100.0, memory=memory).held
    assert look(held, now=699.9, memory=memory).held
    (blocked,) = look(held, now=700.0, memory=memory).failed
    assert blocked.message.startswith("held up for 600 s: PodDisruptionBudget shop/cars allows 0") and "budgets: ignore" in blocked.remedy


def test_a_budget_that_let_go_in_between_counts_from_anew() -> None:
    memory = WaveMemory()
    look(world(old(cost=1), budgets=(budget(allowed=0),)), now=100.0, memory=memory)
    assert look(world(old(cost=1), budgets=(budget(),)), now=500.0, memory=memory).start == [CARS]
    assert look(world(old(cost=1), budgets=(budget(allowed=0),)), now=800.0, memory=memory).held


def test_after_a_failure_the_others_wait() -> None:
    out = look(world(old("a", obstacle="it is paused"), old("b")))
    assert (out.start, out.held) == ([], {"Deployment shop/b": TURN})


# -- what a run remembers


def test_time_in_which_nothing_was_seen_counts_for_nobody() -> None:
    memory = WaveMemory(began={CARS: 10.0}, held={WEB: 20.0}, troubled={CARS: ("x", 30.0)}, done={WEB: 5.0})
    memory.shift(60.0)
    assert memory == WaveMemory(began={CARS: 70.0}, held={WEB: 80.0}, troubled={CARS: ("x", 90.0)}, done={WEB: 5.0})


def test_ages_have_tenths_and_come_back() -> None:
    memory = WaveMemory(began={CARS: 10.04}, held={WEB: 20.04}, troubled={CARS: ("x", 30.04)}, done={WEB: 5.04}, least_ready={WEB: 1})
    ages = memory.ages(100.0)
    assert ages == {
        "began": {CARS: 90.0},
        "held": {WEB: 80.0},
        "troubled": {CARS: ["x", 70.0]},
        "done": {WEB: 5.0},
        "least_ready": {WEB: 1},
    }
    assert WaveMemory.from_ages(ages, 1000.0) == WaveMemory(
        began={CARS: 910.0}, held={WEB: 920.0}, troubled={CARS: ("x", 930.0)}, done={WEB: 5.0}, least_ready={WEB: 1}
    )
    assert WaveMemory.from_ages({}, 1000.0) == WaveMemory()


def test_who_takes_longest() -> None:
    memory = WaveMemory(began={CARS: 90.0, WEB: 40.0, "Deployment shop/done": 10.0})
    assert slowest(memory, {CARS: "", WEB: "", "Deployment shop/unknown": ""}, 100.0) == (WEB, 60.0)
    assert slowest(memory, {}, 100.0) == ("", 0.0)


def test_who_says_that_it_is_ready_while_its_pods_were_seen_long_ago() -> None:
    stale = restarted(said=("ready", ""), pods=pods(), namespace="shop")
    rows = world(stale, restarted("web", namespace="bank"), old("b", namespace="car"), restarted("c", said=("ready", ""), namespace="dog",
                 pods=pods("c", new=True)))  # fmt: skip
    assert unsure([*rows.workloads, "Deployment shop/gone"], rows, GOAL) == {"shop"}


@pytest.mark.parametrize(("allowed", "possible", "begins"), [(1, 1, False), (1, 2, True), (2, 2, True), (0, 2, False)])
def test_a_budget_whose_status_is_late_counts_what_is_under_way(allowed: int, possible: int, begins: bool) -> None:
    """The disruption controller may not have seen yet that the other one is away."""
    under_way = restarted("cars", 3, cost=1, pods=pods("cars", 3, ready=False, labels={"tier": "data"}))
    next_one = old("web", 3, cost=1, pods=pods("web", 3, labels={"tier": "data"}))
    late = Budget("shop", "data", {"matchLabels": {"tier": "data"}}, allowed, possible)
    rows = world(under_way, next_one, budgets=(late,))
    found = step([CARS, WEB], rows, GOAL, limits=RestartLimits(), memory=WaveMemory(), now=0.0)
    assert (found.start == [WEB], WEB in found.held) == (begins, not begins)


def test_with_a_stamp_of_our_own_a_restart_of_others_does_not_count() -> None:
    """Whatever their clock says, which may be ahead of the cluster's."""
    mine = Goal(since=NOON, stamp=NOON + timedelta(microseconds=7))
    ahead = old(stamp=AFTER)
    ours = replace(ahead, stamp=mine.stamp, pods=pods(new=True))
    assert (ahead.stamped(mine), ours.stamped(mine), bool(ahead.behind(mine)), ours.behind(mine)) == (False, True, True, ())


def test_waiting_for_others_of_the_wave_is_no_time_that_a_budget_has_held_up() -> None:
    """However many workloads one budget has, each of them may take its time."""
    under_way = restarted("cars", 3, cost=1, pods=pods("cars", 3, ready=False, labels={"tier": "data"}))
    next_one = old("web", 3, cost=1, pods=pods("web", 3, labels={"tier": "data"}))
    used_up = Budget("shop", "data", {"matchLabels": {"tier": "data"}}, 0, 1)
    limits, memory = RestartLimits(workload=9000.0, budget=600.0), WaveMemory()
    for now in (0.0, 599.0, 5000.0):
        found = step([CARS, WEB], world(under_way, next_one, budgets=(used_up,)), GOAL, limits=limits, memory=memory, now=now)
        assert not found.failed and "PodDisruptionBudget shop/data allows 0 disruptions" in found.held[WEB]
    done = replace(under_way, pods=pods("cars", 3, new=True, labels={"tier": "data"}), said=("ready", ""))
    alone = world(done, next_one, budgets=(used_up,))
    found = step([CARS, WEB], alone, GOAL, limits=limits, memory=memory, now=6000.0)
    assert found.held and not found.failed, "from here on it counts"
    found = step([CARS, WEB], alone, GOAL, limits=limits, memory=memory, now=6601.0)
    assert [one.resource for one in found.failed] == [WEB]
