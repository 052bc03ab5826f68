# SPDX-License-Identifier: GPL-3.0-or-later
"""From step to step, back, and what is kept of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._canary.intent import Canary, CanaryStep
from ansible_collections.meshops.mesh.plugins.module_utils._canary.state import CanaryState, Measured, begin
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

NOW = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)
GOOD = Measured(5, "passed", "fine", 60.0, "2026-11-30T20:01:00Z", {"v2": {"requests": 300}})
BAD = Measured(20, "violated", "v2 answered 503 to 23 of 210 requests", 30.0, "2026-11-30T20:02:00Z")


def started(base: dict[str, int] | None = None, *steps: Any) -> CanaryState:
    rows = tuple(step if isinstance(step, CanaryStep) else CanaryStep(step) for step in steps or (5, 20, 50, 100))
    canary = Canary("cars", "shop", "v1", "v2", steps=rows, base=base or {"v1": 100})
    return begin(canary, now=NOW, by="job 7")


def test_from_the_first_step_to_the_end() -> None:
    state, seen = started(), []
    assert (state.percent, state.left, state.weights) == (0, 4, {"v1": 100})
    while not state.over:
        state = state.shifted()
        seen.append((state.position, state.percent, state.weights, state.left))
        state = state.measuring().passed(GOOD)
    assert seen == [
        (0, 5, {"v1": 95, "v2": 5}, 4), (1, 20, {"v1": 80, "v2": 20}, 3),
        (2, 50, {"v1": 50, "v2": 50}, 2), (3, 100, {"v1": 0, "v2": 100}, 1),
    ]  # fmt: skip
    assert (state.outcome, state.left, state.weights) == ("promoted", 0, {"v1": 0, "v2": 100})
    assert state.said == "canary shop/cars v1 -> v2: promoted"


def test_a_killed_run_takes_up_the_step_that_it_was_at() -> None:
    for phase in (started().shifted(), started().shifted().measuring()):
        again = phase.shifted()
        assert (again.position, again.percent, again.phase) == (0, 5, "shifting")


@pytest.mark.parametrize(("how", "place", "after"), [
    ("all", (0, -1), ("over", "rolled_back", False)),
    ("step", (5, 0), ("passed", "", True)),
])  # fmt: skip
def test_the_way_back(how: str, place: tuple[int, int], after: tuple[str, str, bool]) -> None:
    state = started().shifted().measuring().passed(GOOD).shifted().measuring().failed(BAD, how)
    assert (state.phase, state.percent, state.position, state.left) == ("settling", *place, 0)
    assert "503 to 23 of 210" in state.said
    done = state.settled()
    assert (done.phase, done.outcome, done.paused, done.history) == (*after, (GOOD, BAD))


def test_the_first_step_has_no_step_before_it() -> None:
    state = started().shifted().measuring().failed(BAD, "step").settled()
    assert (state.percent, state.outcome, state.over) == (0, "rolled_back", True)


def test_a_release_that_began_with_a_share_goes_back_to_it() -> None:
    state = started({"v1": 70, "v2": 10, "v0": 20}, 50, 100)
    assert (state.percent, state.weights) == (12, {"v1": 70, "v2": 10, "v0": 20})
    moved = state.shifted()
    assert moved.weights == {"v0": 20, "v1": 40, "v2": 40}
    assert moved.failed(BAD, "all").settled().weights == {"v1": 70, "v2": 10, "v0": 20}


@pytest.mark.parametrize(("base", "percent", "expected"), [
    ({"v1": 100}, 1, {"v1": 99, "v2": 1}),
    ({"v1": 10, "v0": 90}, 1, {"v0": 90, "v1": 9, "v2": 1}),  # 0.1 would be none
    ({"v1": 10, "v0": 90}, 99, {"v0": 90, "v1": 1, "v2": 9}),
    ({"v1": 1, "v0": 99}, 50, {"v0": 99, "v1": 1, "v2": 0}),
    ({"v1": 33, "v0": 67}, 50, {"v0": 67, "v1": 17, "v2": 16}),
])  # fmt: skip
def test_weights_stay_whole_and_add_up(base: dict[str, int], percent: int, expected: dict[str, int]) -> None:
    found = started(base, percent, 100).shifted().weights
    assert found == expected
    assert sum(found.values()) == 100


def test_nothing_is_known_for_sure() -> None:
    state = started().shifted().measuring().held(BAD)
    assert (state.phase, state.percent, state.shifted().position) == ("measuring", 5, 0)


def test_a_step_with_a_pause() -> None:
    state = started(None, CanaryStep(5, pause=True), 100).shifted().measuring().passed(GOOD)
    assert state.paused and not state.over and "paused" in state.said
    assert not state.resume().paused


def test_abort_and_promote() -> None:
    state = started().shifted().measuring().passed(GOOD)
    gone = state.back("aborted by ann", "aborted").settled()
    assert (gone.percent, gone.outcome, gone.over) == (0, "aborted", True)
    all_of_it = state.promoted("promoted by ann")
    assert (all_of_it.weights, all_of_it.phase) == ({"v1": 0, "v2": 100}, "settling")
    assert all_of_it.settled().outcome == "promoted"


def test_what_is_kept_is_read_back() -> None:
    for state in (
        started(),
        started().shifted(),
        started().shifted().measuring().failed(BAD, "all"),
        started().shifted().measuring().passed(GOOD),
    ):
        assert CanaryState.from_json(state.to_json(), "here") == state


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format": "meshops.mesh/canary/v1"}', '{"format": "meshops.mesh/canary/v1", "id": 1}']
)
def test_what_somebody_else_wrote_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="ConfigMap shop/canary-cars does not hold a canary"):
        CanaryState.from_json(text, "ConfigMap shop/canary-cars")


def test_another_release_is_refused() -> None:
    data = {**json.loads(started().to_json()), "format": "meshops.mesh/canary/v2"}
    with pytest.raises(ConfigError, match="another release"):
        CanaryState.from_json(json.dumps(data), "here")
