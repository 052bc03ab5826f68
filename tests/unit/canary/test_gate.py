# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate makes of what two versions answered, with the sentences that a person reads."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._canary.counting import VersionCounts
from ansible_collections.meshops.mesh.plugins.module_utils._canary.gate import GOOD, OPEN, VIOLATED, judge, judge_pods, split
from ansible_collections.meshops.mesh.plugins.module_utils._canary.intent import CanaryGate
from ansible_collections.meshops.mesh.plugins.module_utils._canary.pods import VersionPod

INF = math.inf
NONE = VersionCounts()
ERRORS_ONLY: dict[str, Any] = {"max_error_increase": None}
INCREASE_ONLY: dict[str, Any] = {"max_error_rate": None}
MAY, UNSURE = ": at most 1.0 % may fail", ": not sure that it is at most 1.0 %"
SLOW_ONLY: dict[str, Any] = {"max_error_rate": None, "max_error_increase": None}


def answers(good: int = 0, **codes: int) -> VersionCounts:
    """c503=20 for twenty answers with 503."""
    return VersionCounts({("200", ""): good, **{(code[1:], ""): number for code, number in codes.items()}})


def timed(*cumulative: float) -> VersionCounts:
    """In buckets up to 100, 250, 500 and 1000 ms, and beyond."""
    return VersionCounts({("200", ""): cumulative[-1]}, (100.0, 250.0, 500.0, 1000.0, INF), tuple(cumulative))


def verdict(new: VersionCounts, old: VersionCounts = NONE, *, serves: bool = True, looks: int = 1, **gate: Any) -> tuple[str, str]:
    found = judge(("v2", new), ("v1", old), CanaryGate(**gate), old_serves=serves, looks=looks)
    return found.state, found.text


@pytest.mark.parametrize(("new", "gate", "state", "said"), [
    pytest.param(answers(187, c503=23), {}, VIOLATED,
                 "v2 answered 503 to 23 of 210 requests (11.0 %, 95 % interval 7.4 to 15.9 %)" + MAY, id="too many"),
    pytest.param(answers(210), {}, GOOD, "v2 failed 0 of 210 requests (0.0 %, 95 % interval 0.0 to 1.8 %)" + MAY, id="none"),
    pytest.param(answers(210), {"strict": True}, OPEN,
                 "v2 failed 0 of 210 requests (0.0 %, 95 % interval 0.0 to 1.8 %)" + UNSURE, id="none, not proven"),
    pytest.param(answers(2000), {"strict": True}, GOOD,
                 "v2 failed 0 of 2000 requests (0.0 %, 95 % interval 0.0 to 0.2 %)" + MAY, id="none, proven"),
    pytest.param(answers(206, c500=3, c503=1), {}, OPEN,
                 "v2 failed 4 of 210 requests (500 3, 503 1) (1.9 %, 95 % interval 0.7 to 4.8 %)" + UNSURE,
                 id="may be chance"),
    pytest.param(answers(150, c0=60), {}, VIOLATED,
                 "v2 gave no answer to 60 of 210 requests (28.6 %, 95 % interval 22.9 to 35.0 %)" + MAY, id="no answers"),
    pytest.param(answers(100, c404=110), {}, GOOD, "v2 failed 0 of 210 requests (0.0 %, 95 % interval 0.0 to 1.8 %)" + MAY,
                 id="404 is no error of the server"),
    pytest.param(answers(100, c429=110), {"errors": ("5xx", "429")}, VIOLATED,
                 "v2 answered 429 to 110 of 210 requests (52.4 %, 95 % interval 45.6 to 59.0 %)" + MAY, id="unless asked"),
    pytest.param(VersionCounts({("200", "0"): 190, ("200", "14"): 20, ("200", "5"): 3}), {}, VIOLATED,
                 "v2 answered gRPC status 14 to 20 of 213 requests (9.4 %, 95 % interval 6.2 to 14.1 %)" + MAY, id="gRPC"),
    pytest.param(answers(210, c500=0), {"max_error_rate": None}, GOOD, "", id="not asked"),
])  # fmt: skip
def test_error_rate(new: VersionCounts, gate: dict[str, Any], state: str, said: str) -> None:
    assert verdict(new, **{**ERRORS_ONLY, **gate}) == (state, said)


@pytest.mark.parametrize(("requests", "errors", "state"), [
    (0, 0, OPEN), (12, 0, OPEN), (199, 0, OPEN), (200, 0, GOOD),
    (3, 3, OPEN),  # fewer than the 20 that a stop needs
    (20, 20, VIOLATED),  # nobody waits for 200 when all of 20 failed
])  # fmt: skip
def test_too_few_requests_never_pass(requests: int, errors: int, state: str) -> None:
    found, said = verdict(answers(requests - errors, c500=errors), **ERRORS_ONLY)
    assert found == state
    if state == OPEN:
        assert f"v2 has answered {requests} of the 200 requests that the gate needs" in said


@pytest.mark.parametrize(("new", "old", "state", "said"), [
    pytest.param(answers(187, c503=23), answers(830), VIOLATED,
                 "v2 answered 503 to 23 of 210 requests (11.0 %), v1 0 of 830 (0.0 %): 11.0 points more, 95 % interval 7.4 to 15.9; "
                 "at most 1.0 more may fail", id="worse"),
    pytest.param(answers(187, c503=23), answers(700, c503=130), GOOD,
                 "v2 answered 503 to 23 of 210 requests (11.0 %), v1 130 of 830 (15.7 %): 4.7 points fewer, 95 % interval -9.1 to 0.7; "
                 "at most 1.0 more may fail", id="both fail: what they call is broken"),
    pytest.param(answers(206, c503=4), answers(830), OPEN,
                 "v2 answered 503 to 4 of 210 requests (1.9 %), v1 0 of 830 (0.0 %): 1.9 points more, 95 % interval 0.7 to 4.8; "
                 "not sure that it is at most 1.0", id="may be chance"),
    pytest.param(answers(210), answers(12), OPEN, "v1 has answered 12 of the 30 that it is compared by", id="too few of the old one"),
    pytest.param(answers(210), VersionCounts(), OPEN, "v1 has answered 0 of the 30 that it is compared by", id="none of the old one"),
])  # fmt: skip
def test_error_increase(new: VersionCounts, old: VersionCounts, state: str, said: str) -> None:
    assert verdict(new, old, **INCREASE_ONLY) == (state, said)


def test_at_the_last_step_there_is_nobody_to_compare_with() -> None:
    state, said = verdict(answers(210), VersionCounts(), serves=False)
    assert state == GOOD
    assert said.endswith("v1 gets no requests at this step, so there is nothing to compare with")


@pytest.mark.parametrize(("new", "gate", "state", "said"), [
    pytest.param(timed(150, 190, 200, 205, 210), {"max_latency": 500.0}, GOOD,
                 "10 of 210 requests to v2 took longer than 500 ms (4.8 %, 95 % interval 2.6 to 8.5 %; "
                 "its 95th percentile is about 488 ms): at most 5.0 % may", id="fast enough"),
    pytest.param(timed(100, 150, 179, 205, 210), {"max_latency": 500.0}, VIOLATED,
                 "31 of 210 requests to v2 took longer than 500 ms (14.8 %, 95 % interval 10.6 to 20.2 %; "
                 "its 95th percentile is about 894 ms): at most 5.0 % may", id="too slow"),
    pytest.param(timed(100, 150, 197, 205, 210), {"max_latency": 500.0}, OPEN,
                 "13 of 210 requests to v2 took longer than 500 ms (6.2 %, 95 % interval 3.7 to 10.3 %; "
                 "its 95th percentile is about 656 ms): not sure that it is at most 5.0 %", id="may be chance"),
    pytest.param(answers(210), {"max_latency": 500.0}, OPEN, "no proxy says how long requests to v2 took", id="no durations"),
])  # fmt: skip
def test_latency(new: VersionCounts, gate: dict[str, Any], state: str, said: str) -> None:
    assert verdict(new, **{**SLOW_ONLY, **gate}) == (state, said)


@pytest.mark.parametrize(("new", "old", "state"), [
    pytest.param(timed(150, 190, 210, 210, 210), timed(600, 760, 840, 840, 840), GOOD, id="as before"),
    pytest.param(timed(50, 90, 120, 180, 210), timed(600, 760, 840, 840, 840), VIOLATED, id="slower"),
    pytest.param(timed(210, 210, 210, 210, 210), timed(600, 760, 840, 840, 840), GOOD, id="faster"),
    pytest.param(timed(50, 90, 120, 210, 210), timed(200, 360, 480, 840, 840), GOOD, id="both slow"),
    pytest.param(timed(50, 90, 120, 180, 210), timed(200, 360, 480, 720, 840), OPEN, id="both beyond the last bucket"),
    pytest.param(timed(150, 190, 210, 210, 210), answers(800), OPEN, id="no durations of the old one"),
])  # fmt: skip
def test_latency_increase(new: VersionCounts, old: VersionCounts, state: str) -> None:
    found, said = verdict(new, old, **SLOW_ONLY, max_latency_increase=1.25)
    assert found == state
    assert "times the 95th percentile of v1" in said or state == OPEN


def test_all_that_is_wrong_is_told() -> None:
    slow_and_bad = VersionCounts({("200", ""): 187, ("503", ""): 23}, (500.0, INF), (100.0, 210.0))
    state, said = verdict(slow_and_bad, answers(830), max_latency=500.0)
    assert state == VIOLATED
    assert said.count(";") == 4 and "may fail" in said and "points more" in said and "took longer" in said


def test_looks_before_the_end_do_not_stop_good_versions_more_often() -> None:
    """A version that fails exactly as often as it may is asked ten times on the way to 400 requests."""
    dice, rounds = random.Random(5), 500
    stopped = 0
    for _round in range(rounds):
        errors = requests = 0
        for _look in range(10):
            requests += 40
            errors += sum(dice.random() < 0.02 for _request in range(40))
            state, _said = verdict(answers(requests - errors, c500=errors), looks=10, max_error_rate=0.02, max_error_increase=None)
            if state == VIOLATED:
                stopped += 1
                break
    assert stopped / rounds < 0.04


def test_a_bad_version_is_stopped_early() -> None:
    state, _said = verdict(answers(36, c500=4), looks=6, **ERRORS_ONLY)
    assert state == VIOLATED


def test_figures_are_for_programs() -> None:
    found = judge(("v2", timed(150, 190, 200, 205, 210)), ("v1", answers(800, c503=3)), CanaryGate(), old_serves=True).figures
    assert found["v2"]["latency_ms"] == {"percentile": 95.0, "value": 487.5}
    assert found["v1"] == {
        "requests": 803, "errors": 3, "codes": {"200": 800, "503": 3}, "error_rate": 0.003736, "error_interval": [0.001271, 0.010926],
    }  # fmt: skip


def pod(name: str = "a", *, ready: bool = True, **restarts: int) -> VersionPod:
    return VersionPod(name, "shop", name, "cars-v2", ready, True, restarts, ("cars:2",))


@pytest.mark.parametrize(("before", "now", "found"), [
    ([pod()], [pod()], []),
    ([pod()], [], ["v2 has no pod any more"]),
    ([pod()], [pod(ready=False)], ["v2 has no ready pod (1 pod: a)"]),
    ([pod(app=3)], [pod(app=3)], []),
    ([pod(app=3)], [pod(app=4)], ["containers of v2 ended while it was measured, at most 0 may: Pod shop/a app"]),
    ([pod(app=3)], [pod(app=5), pod("b", app=1)],
     ["containers of v2 ended while it was measured, at most 0 may: Pod shop/a app (2 times), Pod shop/b app"]),
    ([pod()], [pod(ready=False), pod("b")], []),
])  # fmt: skip
def test_pods(before: list[VersionPod], now: list[VersionPod], found: list[str]) -> None:
    assert judge_pods("v2", before, now, CanaryGate()) == found


def test_split() -> None:
    found = split({"v1": answers(1598), "v2": answers(402)}, 0.95)
    assert found["v2"]["text"] == "v2 answered 402 of 2000 requests (20.1 %, 95 % interval 18.4 to 21.9 %)"
    assert found["v2"]["interval"][0] < 0.2 < found["v2"]["interval"][1]


def test_a_look_of_many_passes_by_the_confidence_that_was_asked_for() -> None:
    state, said = verdict(answers(210), looks=90, **ERRORS_ONLY)
    assert (state, said) == (GOOD, "v2 failed 0 of 210 requests (0.0 %, 95 % interval 0.0 to 1.8 %)" + MAY)
    state, said = verdict(answers(203, c503=7), looks=90, **ERRORS_ONLY)  # a violation for one look, and none for one of ninety
    assert state == OPEN and said.startswith("v2 answered 503 to 7 of 210 requests (3.3 %, 95 % interval 1.6 to 6.7 %)")
