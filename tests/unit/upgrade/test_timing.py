# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a rollout takes, from what pods themselves took."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.fleet import FleetWorkload, RestartOwner
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.timing import (
    ASSUMED,
    StartupTimes,
    duration,
    earlier_rate,
    pace_of,
    words,
)

from upgrade.world import pod, rollout, snapshot


def workload(name: str = "cart", kind: str = "Deployment", replicas: int = 1, **fields: Any) -> FleetWorkload:
    return FleetWorkload(
        RestartOwner(kind, "shop", name, "apps/v1"), "sidecar", replicas, (), "stable", "stable", **{"strategy": "RollingUpdate", **fields}
    )


@pytest.mark.parametrize(
    ("given", "batches"),
    [
        ({"replicas": 0}, 0),
        ({"replicas": 1}, 1),
        ({"replicas": 3}, 3),  # 25 % of 3: one more, none away
        ({"replicas": 8}, 2),  # two more, two away
        ({"replicas": 7, "max_surge": "25%", "max_unavailable": "25%"}, 3),  # two more, one away
        ({"replicas": 8, "max_surge": "100%", "max_unavailable": "0"}, 1),
        ({"replicas": 8, "max_surge": "0", "max_unavailable": "1"}, 8),
        ({"replicas": 8, "strategy": "Recreate"}, 1),
        ({"kind": "StatefulSet", "replicas": 4}, 4),
        ({"kind": "StatefulSet", "replicas": 4, "max_unavailable": "2"}, 2),
        ({"kind": "DaemonSet", "replicas": 10}, 10),
        ({"kind": "DaemonSet", "replicas": 10, "max_unavailable": "25%"}, 4),
    ],
)
def test_a_rollout_goes_by_batches(given: dict[str, Any], batches: int) -> None:
    assert StartupTimes(middle=10).rollout(workload(**given)) == 10 * batches


def test_its_own_time_goes_before_the_middle_one() -> None:
    pace = StartupTimes({"Deployment shop/cart": 4.0}, middle=10)
    assert [pace.rollout(workload(name)) for name in ("cart", "web")] == [4, 10]
    assert pace.rollout(workload("cart", min_ready_seconds=30)) == 34


def test_a_wave_is_never_quicker_than_its_slowest() -> None:
    pace = StartupTimes({"Deployment shop/slow": 100.0}, middle=10)
    rows = [workload(f"w{number}") for number in range(30)]
    assert pace.wave(rows, 10) == 30
    assert pace.wave([*rows, workload("slow")], 1000) == 100
    assert pace.wave([], 10) == 0
    assert StartupTimes(middle=10, per_minute=60).wave(rows, 10) == 30


def aged(name: str, ready: str, status: str = "True") -> dict[str, Any]:
    found = pod(f"shop/{name}")
    found["metadata"]["creationTimestamp"] = "2026-11-21T10:00:00Z"
    found["status"]["conditions"] = [{"type": "Ready", "status": status, "lastTransitionTime": ready}]
    return found


def test_pods_say_how_long_they_took() -> None:
    pods = [
        aged("a", "2026-11-21T10:00:04Z"),
        aged("b", "2026-11-21T10:00:08Z"),
        aged("c", "2026-11-21T10:00:20Z"),
        aged("flapped", "2026-11-21T11:30:00Z"),
        aged("never", "2026-11-21T10:00:09Z", "False"),
        aged("stranger", "2026-11-21T10:00:01Z"),
    ]
    owners = {("shop", name): "Deployment shop/cart" for name in ("a", "b", "c", "flapped", "never")}
    pace = pace_of(View(snapshot(*pods)), owners)
    assert (pace.ready, pace.middle, pace.measured) == ({"Deployment shop/cart": 8.0}, 8.0, 3)
    assert words(pace) == "measured: half of 3 pods were ready 8 s after their creation"


def test_nothing_is_known() -> None:
    pace = pace_of(View(snapshot()), {})
    assert (pace.middle, words(pace)) == (ASSUMED, "assumed: a pod is ready 15 s after its creation, as the source has no times")
    assert words(StartupTimes(per_minute=42)) == "measured in an earlier rollout: 42 workloads a minute"


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (6001, "1 h 41 min")])
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("found", "rate"),
    [
        (rollout([(10, 30.0, "passed"), (30, 90.0, "passed"), (50, 5.0, "moving")]), 20.0),
        (rollout([(19, 30.0, "passed")]), None),
        (rollout([(20, 30.0, "passed")]), 40.0),
        (rollout([(40, 30.0, "passed")], gateways=True), None),
        (rollout([(40, 0.0, "passed")]), None),
        (rollout([(40, 30.0, "passed")], mine=False), None),
        (rollout([], text="{}"), None),
    ],
    ids=["passed waves", "too few", "enough", "gateways", "no time", "a stranger's", "unreadable"],
)
def test_the_rate_of_the_last_rollout(found: dict[str, Any], rate: float | None) -> None:
    view = View(snapshot(found))
    assert earlier_rate(view, "mesh") == rate
    assert earlier_rate(view, "elsewhere") is None
