# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's states one after the other, as the role calls them, on a played cluster: to the end, back, killed, edited by others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands import canary_release as command
from ansible_collections.meshops.mesh.plugins.module_utils._commands import traffic_metrics

from .played import Killed, Played, Shop, call


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Everybody's cluster and clock."""
    found = Shop()
    monkeypatch.setattr(command.Cluster, "from_params", lambda *_args, **_more: found)
    monkeypatch.setattr(command, "dialer", lambda *_args, **_more: object())
    monkeypatch.setattr(traffic_metrics, "admin_get", found.metrics)
    lock = command.Lock
    monkeypatch.setattr(command, "Lock", lambda *args, **more: lock(*args, **more, clock=found.clock, sleep=found.sleep, renews=False))
    return found


def delivered(shop: Shop, found: dict[str, Any]) -> None:
    """What the role traffic does with the weights."""
    (row,) = found["traffic"]
    shop.deliver(row["routes"][0]["to"])


def play(shop: Shop, *, steps: int = 20, canary: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """The role: until there is nothing to do, at most so many steps."""
    found = call(command, shop, "started", canary=canary, **given)
    while steps and "msg" not in found and found["action"] in ("shift", "measure", "settle"):
        steps -= 1
        if found["action"] == "settle":
            delivered(shop, found)
            return call(command, shop, "settled", canary=canary, **given)
        found = call(command, shop, "advanced", canary=canary, **given)
        delivered(shop, found)
        found = call(command, shop, "measured", canary=canary, **given)
        if found.get("verdict") == "open":
            return found
    return found


def test_a_good_version_gets_all_requests(shop: Shop) -> None:
    found = play(shop)
    assert (found["canary"]["outcome"], found["under_way"], found["left"], shop.weights()) == ("promoted", False, 0, {"v2": 100})
    history = found["canary"]["history"]
    assert [(row["weight"], row["verdict"]) for row in history] == [(5, "passed"), (20, "passed"), (50, "passed"), (100, "passed")]
    assert all(row["seconds"] >= 60 for row in history)
    v2, v1 = history[1]["figures"]["v2"], history[1]["figures"]["v1"]
    assert v2["requests"] == pytest.approx(600, abs=3) and v1["requests"] == pytest.approx(2400, abs=6)
    again = call(command, shop, "started")
    assert (again["changed"], again["action"], again["lines"]) == (False, "", ["canary shop/cars v1 -> v2: promoted"])


def test_a_bad_version_goes_back_at_once(shop: Shop) -> None:
    shop.pods["cars-v2-a"].errors = 0.10
    found = play(shop)
    assert (found["canary"]["outcome"], shop.weights()) == ("rolled_back", {"v1": 100})
    (row,) = found["canary"]["history"]
    assert row["verdict"] == "violated" and row["seconds"] < 60
    assert "v2 answered 503 to " in row["reason"] and ": at most 1.0 % may fail" in row["reason"]
    again = call(command, shop, "started")
    assert (again["changed"], again["verdict"]) == (False, "violated")
    assert "bring another build, or try this one again with canary_retry=true" in again["reason"]
    shop.pods["cars-v2-a"].image, shop.pods["cars-v2-a"].errors = "cars:3", 0.0
    assert play(shop)["canary"]["outcome"] == "promoted"


def test_the_same_build_is_tried_again_where_somebody_says_so(shop: Shop) -> None:
    shop.pods["cars-v2-a"].errors = 0.10
    play(shop)
    shop.pods["cars-v2-a"].errors = 0.0
    assert play(shop, retry=True)["canary"]["outcome"] == "promoted"


def test_back_to_the_step_before(shop: Shop) -> None:
    worse = {"on_failure": "step"}
    play(shop, steps=2, canary=worse)
    shop.pods["cars-v2-a"].errors = 0.10
    found = play(shop, canary=worse)
    assert (found["canary"]["percent"], found["canary"]["paused"], found["action"], shop.weights()) == (
        20,
        True,
        "wait",
        {"v1": 80, "v2": 20},
    )
    assert call(command, shop, "advanced", canary=worse)["changed"] is False
    shop.pods["cars-v2-a"].errors = 0.0
    assert call(command, shop, "resumed", canary=worse)["action"] == "shift"
    assert play(shop, canary=worse)["canary"]["outcome"] == "promoted"


@pytest.mark.parametrize(("change", "reason"), [
    (lambda pod: setattr(pod, "ready", False), "v2 has no ready pod (1 pod: cars-v2-a)"),
    (lambda pod: setattr(pod, "restarts", 1), "containers of v2 ended while it was measured, at most 0 may: Pod shop/cars-v2-a app"),
    (lambda pod: setattr(pod, "milliseconds", 400.0), "to v2 took longer than 100 ms"),
])  # fmt: skip
def test_what_else_is_a_violation(shop: Shop, change: Callable[[Played], None], reason: str) -> None:
    shop.at[15.0] = lambda one: change(one.pods["cars-v2-a"])
    found = play(shop, canary={"gate": {"latency": {"max": "100ms"}}})
    assert found["canary"]["outcome"] == "rolled_back"
    assert reason in found["canary"]["reason"]


def test_too_few_requests_never_promote(shop: Shop) -> None:
    shop.rate = 2
    found = play(shop)
    assert (found["verdict"], found["canary"]["phase"], shop.weights()) == ("open", "measuring", {"v1": 95, "v2": 5})
    assert "of the 100 requests that the gate needs" in found["reason"]
    assert found["canary"]["history"][-1]["seconds"] >= 290
    shop.rate = 50
    assert play(shop)["canary"]["outcome"] == "promoted"


def test_too_few_requests_lead_back_where_that_is_wanted(shop: Shop) -> None:
    shop.rate = 2
    found = play(shop, canary={"on_timeout": "back"})
    assert (found["canary"]["outcome"], shop.weights()) == ("rolled_back", {"v1": 100})
    assert "after 300 s: v2 has answered" in found["canary"]["reason"]


def test_proxies_that_do_not_answer_are_named(shop: Shop) -> None:
    shop.pods["cars-v2-a"].silent = "its port 15020 gave no answer for 5 s"
    found = play(shop)
    assert found["verdict"] == "open"
    assert "Pod shop/cars-v2-a: its port 15020 gave no answer for 5 s" in found["reason"]


@pytest.mark.parametrize("bad", [False, True])
def test_killed_after_each_write(shop: Shop, bad: bool) -> None:
    """Whatever write is the last one of a run, the next run brings it to the end."""
    shop.pods["cars-v2-a"].errors = 0.10 if bad else 0.0
    died = 0
    for kill_after in range(1, 30):
        fresh = Shop(pods={name: Played(**{**vars(pod), "counted": {}}) for name, pod in shop.pods.items()})
        for part in ("objects", "pods", "writes", "at"):
            setattr(shop, part, getattr(fresh, part))
        shop.kill_after = kill_after
        try:
            found = play(shop)
        except Killed:
            died += 1
            shop.seconds += 60
            found = play(shop)
        assert (found["canary"]["outcome"], shop.weights()) == (("rolled_back", {"v1": 100}) if bad else ("promoted", {"v2": 100}))
        if shop.kill_after is not None:
            break
    assert died >= (4 if bad else 9)


def test_killed_between_memory_and_delivery(shop: Shop) -> None:
    call(command, shop, "started")
    call(command, shop, "advanced")  # and the role died before it delivered
    measured = call(command, shop, "measured")
    assert "VirtualService shop/cars gives v1 100 %, expected v1 95 %, v2 5 %" in measured["msg"]
    assert play(shop)["canary"]["outcome"] == "promoted"


def test_what_somebody_edited_is_refused(shop: Shop) -> None:
    play(shop, steps=1)
    shop.deliver({"v1": 50, "v2": 50}, manager="kubectl-edit")
    found = call(command, shop, "advanced")
    assert "VirtualService shop/cars was changed by kubectl-edit at 2026-11-30" in found["msg"]
    assert "VirtualService shop/cars gives v1 50 %, v2 50 %, expected" in found["msg"]
    assert "canary_action=abort" in found["msg"] and not found["changed"]


def test_an_edit_in_the_middle_of_a_measurement_stops_it(shop: Shop) -> None:
    shop.at[20.0] = lambda one: one.deliver({"v1": 100}, manager="kubectl-edit")
    found = play(shop)
    assert "VirtualService shop/cars was changed by kubectl-edit" in found["msg"] and shop.seconds < 60


def test_nothing_begins_on_routes_that_are_not_the_inventory_s(shop: Shop) -> None:
    shop.deliver({"v1": 90, "v2": 10})
    assert "gives v1 90 %, v2 10 %, expected v1 100 %" in call(command, shop, "started")["msg"]
    del shop.objects["VirtualService", "shop", "cars"]
    assert "deliver mesh_traffic first" in call(command, shop, "started")["msg"]
    assert not [one for one in shop.writes if "ConfigMap" in one]


def test_nothing_begins_without_a_ready_pod(shop: Shop) -> None:
    shop.pods["cars-v2-a"].ready = False
    assert "v2 of Service shop/cars has no ready pod (1 with the labels version=v2)" in call(command, shop, "started")["msg"]


def test_another_build_in_the_middle_is_refused(shop: Shop) -> None:
    play(shop, steps=1)
    shop.pods["cars-v2-a"].image = "cars:3"
    assert "v2 runs cars:3 now and ran cars:2 when it began" in call(command, shop, "started")["msg"]


def test_never_two_at_once(shop: Shop) -> None:
    play(shop, steps=1)
    found = call(command, shop, "started", canary={"from": "v2", "to": "v1"}, traffic=[
        {"service": "cars", "namespace": "shop", "versions": [{"name": "v1"}, {"name": "v2"}], "routes": [{"to": {"v2": 100}}]},
    ])  # fmt: skip
    assert "another canary of shop/cars is not over" in found["msg"]
    lease = shop.objects["Lease", "shop", "canary-cars"]["spec"]
    lease.update({"holderIdentity": "job 9", "leaseDurationSeconds": 30})
    shop.at[shop.seconds + 5] = lambda one: lease.update({"renewTime": "2026-11-30T21:00:00.000000Z"})
    assert "another run is at work: Lease shop/canary-cars is held by job 9" in call(command, shop, "advanced")["msg"]


def test_an_inventory_that_changed_meanwhile_is_refused(shop: Shop) -> None:
    play(shop, steps=1)
    traffic = [
        {"service": "cars", "namespace": "shop", "versions": [{"name": "v1"}, {"name": "v2"}], "routes": [{"to": {"v1": 90, "v2": 10}}]}
    ]
    found = call(command, shop, "started", traffic=traffic, canary={"steps": [20, 100]})
    assert "the route says v1 90 %, v2 10 % in mesh_traffic now, and the canary began at v1 100 %" in found["msg"]


def test_pause_resume_abort_promote(shop: Shop) -> None:
    assert "no canary of shop/cars is under way" in call(command, shop, "paused")["msg"]
    play(shop, steps=1)
    paused = call(command, shop, "paused", reason="a holiday", holder="ann")
    assert paused["action"] == "wait" and "paused by ann: a holiday" in paused["lines"][0]
    assert play(shop)["action"] == "wait" and shop.weights() == {"v1": 95, "v2": 5}
    assert call(command, shop, "resumed")["action"] == "shift"
    aborted = call(command, shop, "aborted", reason="a complaint", holder="ann")
    assert aborted["action"] == "settle"
    assert play(shop)["canary"]["outcome"] == "aborted" and shop.weights() == {"v1": 100}
    play(shop, steps=1)
    assert call(command, shop, "promoted", holder="ann")["action"] == "settle"
    assert play(shop)["canary"]["outcome"] == "promoted" and shop.weights() == {"v2": 100}


def test_check_mode_and_plans_say_what_would_be_done(shop: Shop) -> None:
    planned = call(command, shop, "planned")
    assert planned["lines"] == [
        "canary shop/cars v1 -> v2, route default",
        "  from 0 %: v1 100 %",
        "  step 1 of 4: v1 95 %, v2 5 %",
        "  step 2 of 4: v1 80 %, v2 20 %",
        "  step 3 of 4: v1 50 %, v2 50 %",
        "  step 4 of 4: v1 0 %, v2 100 %",
        "  after each step, for 60 s and 100 requests, at most 300 s, by the proxies: at most 1.0 % fail, at most 1 points more than of v1",
        "  on a violation back to 0 %; with too few requests it stays",
    ]
    assert call(command, shop, "started", check_mode=True)["lines"] == planned["lines"] and not shop.writes
    play(shop, steps=2)
    before = len(shop.writes)
    again = call(command, shop, "advanced", check_mode=True)
    assert (
        again["lines"][0] == "canary shop/cars v1 -> v2: step 2 of 4, 20 %, passed" and "  step 3 of 4: v1 50 %, v2 50 %" in again["lines"]
    )
    assert len(shop.writes) == before


def test_status_is_of_all_services(shop: Shop) -> None:
    assert call(command, shop, "status", service="")["canaries"] == []
    play(shop, steps=2)
    found = call(command, shop, "status", service="", canaries=[])
    assert [(row["service"], row["percent"]) for row in found["canaries"]] == [("shop/cars", 20)]
    assert found["traffic"][0]["routes"] == [{"to": {"v1": 80, "v2": 20}}]
    assert found["kept"] == ["canary shop/cars v1 -> v2: step 2 of 4, 20 %, passed"]


def test_forgotten(shop: Shop) -> None:
    play(shop, steps=1)
    assert call(command, shop, "absent")["changed"] and ("ConfigMap", "shop", "canary-cars") not in shop.objects
    assert not call(command, shop, "absent")["changed"]


def test_what_somebody_else_has_under_the_name_is_left_alone(shop: Shop) -> None:
    shop.objects["ConfigMap", "shop", "canary-cars"] = {"metadata": {"name": "canary-cars", "namespace": "shop"}, "data": {"state": "{}"}}
    assert "ConfigMap shop/canary-cars is not of mesh travel" in call(command, shop, "started")["msg"]


def test_all_mistakes_of_the_inventory_are_one_message(shop: Shop) -> None:
    found = call(command, shop, "started", canary={"to": "v3", "steps": [5, 3]})
    assert "mesh_canaries[0].to: 'v3' is no version" in found["msg"] and "mesh_canaries[0].steps[1]" in found["msg"]


def test_the_lock_is_let_go_with_the_last_call_of_a_play(shop: Shop) -> None:
    def holder() -> str:
        return str(shop.objects["Lease", "shop", "canary-cars"]["spec"]["holderIdentity"])

    play(shop, steps=1)
    assert holder() == "ansible"  # the next step is this play's
    call(command, shop, "paused")
    assert holder() == ""
    call(command, shop, "resumed")
    assert holder() == "ansible"
    call(command, shop, "absent")
    assert holder() == ""
    play(shop)
    assert holder() == ""
