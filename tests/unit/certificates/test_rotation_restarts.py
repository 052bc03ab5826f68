# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a rotation restarts goes through the engine of restarts: budgets, what never comes up, pods of nobody, and the lock of the mesh."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import Phase
from ansible_collections.meshops.mesh.plugins.module_utils._commands import certificate_rotation as command
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, NotReady
from ansible_collections.meshops.mesh.plugins.module_utils._kube.lease import LeaseHeld, Lock
from ansible_collections.meshops.mesh.plugins.modules import certificate_rotation as module
from rollout.played import App

from .played_rotation import NEW, OLD, PlayedRotation, Signed, istiod, limits

PHASES = [Phase.DISTRIBUTE, Phase.SWITCH, Phase.RETIRE]
DATA = {"namespace": "shop", "name": "data", "selector": {"matchLabels": {"tier": "data"}}}
WHOLE = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
NAMES = ("bookings", "cars", "hotels")


def played(*more: App, least: int = 8, **fields: Any) -> Signed:
    """Three StatefulSets of three pods each; one budget for all of them, which lets one of the nine go."""
    west = Signed([istiod(), *[App("shop", name, "StatefulSet", 3, labels={"tier": "data"}) for name in NAMES], *more])
    west.budgets = [{**DATA, "min": least}]
    for name, value in fields.items():
        setattr(west, name, value)
    return west


def rotated(west: Signed, **more: Any) -> list[str]:
    run = PlayedRotation(west, limits=limits(**more))
    phases = []
    while (turn := run.turn(NEW)) is not None:
        phases.append(turn.phase)
    run.settle(NEW)
    assert run.current()[0].authority == NEW.authority
    return phases


def stamps(west: Signed) -> dict[str, int]:
    return {app.name: app.stamps for app in west.apps.values()}


@pytest.mark.parametrize(("budgets", "fewest"), [(True, 8), (False, 6)], ids=["respected", "ignored"])
def test_never_more_pods_are_away_than_a_budget_allows(budgets: bool, fewest: int) -> None:
    west = played()
    assert rotated(west, budgets=budgets) == PHASES
    assert west.fewest == fewest and min(stamps(west).values()) >= 2


def test_concurrency_is_within_a_wave() -> None:
    west = played(least=0)
    rotated(west, concurrency="1")
    assert west.fewest == 8
    west = played(least=0)
    rotated(west, wave_size=1)
    assert west.fewest == 8


def test_a_budget_that_blocks_for_good_is_named_and_nothing_is_restarted() -> None:
    west = played(least=9)
    run = PlayedRotation(west, limits=limits())
    assert run.turn(NEW).phase == Phase.DISTRIBUTE  # type: ignore[union-attr]
    blocked = (
        r"cluster west: StatefulSet shop/bookings: PodDisruptionBudget shop/data lets 0 pods go even when all are ready, and a "
        r"restart takes 1 away at once .*budgets: ignore.*; nothing is lost: run this again"
    )
    with pytest.raises(NotReady, match=blocked):
        run.turn(NEW)
    assert stamps(west) == {"istiod": 1, "bookings": 0, "cars": 0, "hotels": 0}
    assert run.current()[0].authority.signer == OLD.authority.signer, "nobody trusts the new root yet, so it does not sign"
    assert rotated(west, budgets=False) == PHASES[1:]


def test_a_budget_that_is_used_up_holds_the_restart_up_and_is_named() -> None:
    west = played()
    west.budgets[0]["sick"] = 1
    run = PlayedRotation(west, limits=limits())
    run.turn(NEW)
    with pytest.raises(NotReady, match=r"StatefulSet shop/bookings: held up for 3\d s: PodDisruptionBudget shop/data allows 0 disruptions"):
        run.turn(NEW)
    west.at(west.seconds + 10, lambda: west.budgets[0].update(sick=0))
    assert rotated(west) == PHASES[1:] and west.fewest == 8


def test_an_istiod_that_a_budget_never_lets_go_is_named_before_anything_is_written() -> None:
    west = played()
    west.apps["Deployment system/istiod"].spec = WHOLE
    west.budgets.append({"namespace": "system", "name": "istiod", "selector": {"matchLabels": {"app": "istiod"}}, "min": 2})
    run = PlayedRotation(west, limits=limits())
    with pytest.raises(
        NotReady,
        match=r"nothing was written for distribute, which needs restarts that cannot be made: Deployment "
        r"system/istiod: PodDisruptionBudget system/istiod lets 0 pods go even when all are ready",
    ):
        run.turn(NEW)
    assert west.writes == [] and not run.changed
    west.budgets[1]["min"] = 1
    assert rotated(west) == PHASES


def test_a_check_says_who_could_never_be_restarted() -> None:
    west = played(least=9)
    turn = PlayedRotation(west, limits=limits(), dry_run=True).turn(NEW)
    assert turn is not None and [one.resource for one in turn.blockers] == [f"StatefulSet shop/{name}" for name in NAMES]
    turn = PlayedRotation(west, limits=limits(renew="wait"), dry_run=True).turn(NEW)
    assert turn is not None and turn.blockers == () and west.writes == [], "nobody restarts them"


def test_a_pod_that_does_not_come_up_stops_the_restarts() -> None:
    west = played()
    west.apps["StatefulSet shop/bookings"].stuck = True
    run = PlayedRotation(west, limits=limits())
    run.turn(NEW)
    with pytest.raises(NotReady, match=r"StatefulSet shop/bookings: it has not come back after 6\d s"):
        run.turn(NEW)
    assert stamps(west) == {"istiod": 1, "bookings": 1, "cars": 0, "hotels": 0}
    assert run.turns[-1].waves == [["StatefulSet shop/bookings"]] and run.turns[-1].to_dict()["written"] is False
    west.apps["StatefulSet shop/bookings"].stuck = False
    assert rotated(west) == PHASES[1:]


def test_a_gateway_is_not_restarted_where_nobody_would_be_there() -> None:
    west = played(App("system", "ingress", replicas=1, gateway=True, spec={"strategy": {"type": "Recreate"}}))
    run = PlayedRotation(west, limits=limits())
    run.turn(NEW)
    with pytest.raises(NotReady, match=r"Deployment system/ingress: it is a gateway with 1 replica of which 1 may be away at once"):
        run.turn(NEW)
    assert west.apps["Deployment system/ingress"].stamps == 0


def test_a_pod_of_nobody_is_left_alone_and_named() -> None:
    west = played()
    pod = west._pod(App("shop", "debug"), 1)
    west.extra_pods = [{**pod, "metadata": {**pod["metadata"], "name": "debug", "ownerReferences": []}}]
    run = PlayedRotation(west, limits=limits(gate=60.0))
    run.turn(NEW)
    told = r"Pod shop/debug: it does not trust .* \(no controller would recreate it: delete and recreate it yourself\)"
    with pytest.raises(NotReady, match=told):
        run.turn(NEW)
    assert run.turns[-1].to_dict()["loose"] == [
        {"resource": "Pod shop/debug", "reason": "no controller would recreate it: delete and recreate it yourself"}
    ]
    west.extra_pods = []
    assert rotated(west) == PHASES[1:]


# the module, with the lock of the mesh


def lock(west: Signed, holder: str) -> Lock:
    return Lock(
        west,
        namespace="system",
        name="rollout-travel",
        mesh="travel",
        holder=holder,
        seconds=20,  # type: ignore[arg-type]
        clock=west.clock,
        sleep=west.sleep,
        renews=False,
    )


@pytest.fixture(name="west")
def _west(monkeypatch: pytest.MonkeyPatch) -> Signed:
    found = played()
    monkeypatch.setattr(command.Cluster, "from_params", lambda *_args, **_more: found)
    monkeypatch.setattr(command, "dialer", lambda *_args, **_more: None)
    monkeypatch.setattr(command, "Rotation", PlayedRotation)
    monkeypatch.setattr(command, "lock_from", lambda cluster, params, _namespace: lock(cluster, params["holder"]))
    return found


def call(state: str, *, holder: str = "bob", check_mode: bool = False, **given: Any) -> dict[str, Any]:
    params = {name: option.get("default") for name, option in module.ARGUMENT_SPEC.items()}
    params |= {
        "context": None,
        "host": None,
        "mesh": "travel",
        "namespace": "system",
        "members": ["shop"],
        "goal": NEW.data(),
        "state": state,
        "renew": "restart",
        "holder": holder,
        **given,
    }
    run = command.RotationRun(params, check_mode=check_mode)
    run.go()
    return run.result()


def test_a_second_run_on_the_same_mesh_is_refused_by_name(west: Signed) -> None:
    ann = lock(west, "ann")
    ann.acquire()
    west.at(5, ann.renew)
    west.writes.clear()
    for state in ("gated", "next", "settled", "rotated"):
        west.at(west.seconds + 3, ann.renew)
        with pytest.raises(LeaseHeld, match=r"another run is at work: Lease system/rollout-travel is held by ann, renewed at "):
            call(state)
    assert {write for write in west.writes if write != "patch Lease"} == set()
    assert call("planned")["left"] == 3 and call("next", check_mode=True)["changed"], "looking is free"
    ann.release(keep=False)
    assert call("rotated")["left"] == 0 and stamps(west)["cars"] == 3


def test_the_lock_is_kept_between_two_calls_of_a_play_and_not_after_the_last(west: Signed) -> None:
    def holder() -> str:
        return str(west.objects["Lease", "rollout-travel"]["spec"]["holderIdentity"])

    for state in ("gated", "next") * 3:
        call(state)
        assert holder() == "bob"
    call("settled")
    assert holder() == ""
    west.apps["StatefulSet shop/bookings"].stuck = True
    with pytest.raises(NotReady):
        call("rotated", goal=OLD.data(), workload_timeout=10)
    assert holder() == "", "a run that has ended keeps nobody waiting"


def test_a_run_whose_lock_was_taken_over_stops_before_its_next_write(west: Signed) -> None:
    west.apps["StatefulSet shop/bookings"].seconds = 30

    def take_over() -> None:
        lock(west, "ann").acquire(take_over=True)

    bob = lock(west, "bob")
    bob.acquire()
    run = PlayedRotation(west, limits=limits(), lock=bob)
    run.turn(NEW)
    west.at(west.seconds + 10, take_over)
    west.at(west.seconds + 12, bob.renew)
    with pytest.raises(LeaseHeld, match="this run stops, because Lease system/rollout-travel is held by ann now"):
        run.turn(NEW)
    assert stamps(west) == {"istiod": 1, "bookings": 1, "cars": 0, "hotels": 0}


def test_a_concurrency_that_is_none_is_refused_before_anything(west: Signed) -> None:
    with pytest.raises(ConfigError, match="the concurrency many is no number"):
        call("rotated", concurrency="many")
    assert west.writes == []
