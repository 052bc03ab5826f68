# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's states one after the other, as the role calls them, on a played cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands import restart
from ansible_collections.meshops.mesh.plugins.module_utils._commands import rollout_waves as command
from ansible_collections.meshops.mesh.plugins.module_utils._errors import NotReady
from ansible_collections.meshops.mesh.plugins.modules import rollout_waves as module

from .played import App, Played


@pytest.fixture
def west(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Everybody's cluster and clock."""
    found = Played([App("shop", "cars"), App("shop", "hotels"), App("system", "ingress", gateway=True)])
    found.versions["default"] = "1.27.5"
    monkeypatch.setattr(command.Cluster, "from_params", lambda *_args, **_more: found)
    monkeypatch.setattr(command, "dialer", lambda *_args, **_more: None)
    rollout, lock = command.Rollout, restart.Lock
    monkeypatch.setattr(command, "Rollout", lambda *args, **more: rollout(*args, **more, clock=found.clock, sleep=found.sleep))
    monkeypatch.setattr(restart, "Lock", lambda *args, **more: lock(*args, **more, clock=found.clock, sleep=found.sleep, renews=False))
    return found


def call(state: str, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    params = {name: option.get("default") for name, option in module.ARGUMENT_SPEC.items()}
    params |= {
        "context": None,
        "host": None,
        "mesh": "travel",
        "namespace": "system",
        "members": ["shop"],
        "goal": {"version": "v1.27.5"},
        "origin": {"version": "v1.27.3"},
        "interval": 3,
        "state": state,
        **given,
    }
    run = command.RolloutRun(params, check_mode=check_mode)
    try:
        run.run()
    except NotReady as exc:
        return {**run.result(), "msg": str(exc)}
    return run.result()


def test_the_states_in_their_order(west: Played) -> None:
    planned = call("planned")
    assert planned["lines"] == ["wave 1 of 2, workloads: 2 workloads, 4 pods", "wave 2 of 2, gateways: 1 workload, 2 pods"]
    assert (planned["left"], planned["wave"], planned["under_way"], west.writes) == (2, "workloads", False, [])
    assert call("advanced", check_mode=True)["changed"] is False and not west.writes
    begun = call("started", checks=[{"id": "A1", "status": "failed", "resource": "Service shop/old"}])
    assert begun["changed"] and begun["rollout"]["origin"] == {"version": "v1.27.3", "revision": ""}
    moved = call("advanced")
    assert moved["finished"] and moved["restarted"] == ["Deployment shop/cars", "Deployment shop/hotels"] and moved["wave"] == "workloads"
    stopped = call("verified", checks=[{"id": "A2", "status": "failed", "resource": "Service shop/new", "message": "bad"}])
    assert "the gate after wave 1 of 2, workloads: Service shop/new: A2 fails now and did not before: bad" in stopped["msg"]
    assert stopped["waves"] and call("status")["waves"][0]["state"] == "failed"
    again = call("advanced")
    assert again["finished"] and again["restarted"] == []
    passed = call("verified", checks=[{"id": "A1", "status": "failed", "resource": "Service shop/old"}])
    assert (passed["wave"], passed["left"]) == ("gateways", 1)
    call("advanced")
    assert call("verified")["under_way"] is False
    assert call("advanced")["restarted"] == [] and call("planned")["lines"] == ["all proxies are what they shall be: nothing to restart"]
    assert not call("done")["changed"]
    west.versions["default"] = "1.27.3"
    turned = call("rolled_back")
    assert [wave["name"] for wave in turned["waves"]] == ["gateways", "workloads"] and turned["direction"] == "back"
    for _number in range(2):
        call("advanced")
        call("verified")
    assert {app.version for app in west.apps.values()} == {"1.27.3"}
    call("absent")
    assert call("status")["waves"] == []
    call("unlocked")
    assert west.objects[("Lease", "rollout-travel")]["spec"]["holderIdentity"] == ""


def test_a_slice_hands_its_memory_on(west: Played) -> None:
    west.apps["Deployment shop/cars"].stuck = True
    call("started")
    memory: dict[str, Any] = {}
    for _number in range(40):
        found = call("advanced", slice=5, memory=memory, workload_timeout=30)
        memory = found["memory"]
        if "msg" in found:
            break
        assert found["finished"] is False and "slowest Deployment shop/cars" in found["lines"][-1]
    assert "Deployment shop/cars: it has not come back after 3" in found["msg"] and west.seconds < 60


def test_a_query_of_the_user_s_is_a_part_of_the_gate(west: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []

    class Reply:
        @staticmethod
        def read() -> bytes:
            return b'{"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "0.7"]}]}}'

    def opened(url: str, **more: Any) -> Reply:
        asked.append((url, more["headers"]))
        return Reply()

    monkeypatch.setattr(command, "open_url", opened)
    call("started")
    call("advanced")
    query = {"name": "errors", "query": "rate(x[5m])", "max": 0.5, "url": "https://prometheus.example.com/", "token": "of-this-test-only"}
    stopped = call("verified", queries=[query])
    assert "query errors: it gives 0.7, at most 0.5 was asked for" in stopped["msg"] and "of-this-test-only" not in str(stopped)
    wanted = "https://prometheus.example.com/api/v1/query?query=rate%28x%5B5m%5D%29"
    assert asked == [(wanted, {"Authorization": "Bearer of-this-test-only"})]
    call("advanced")
    assert call("verified", queries=[{**query, "max": 1}])["wave"] == "gateways"
