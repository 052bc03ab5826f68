# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_canaries: what it says, what it cannot mean, and mesh_traffic under a canary."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._canary.intent import canary_named, read_canary, seconds_of
from ansible_collections.meshops.mesh.plugins.module_utils._canary.refusals import canary_refusals
from ansible_collections.meshops.mesh.plugins.module_utils._canary.routes import under_canaries
from ansible_collections.meshops.mesh.plugins.module_utils._canary.state import CanaryState
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

from .test_state import BAD, started

TRAFFIC: list[dict[str, Any]] = [
    {"service": "reviews", "namespace": "bookinfo", "versions": [{"name": "v1"}, {"name": "v2"}], "routes": [{"to": {"v1": 100}}]},
    {
        "service": "cars",
        "namespace": "shop",
        "versions": [{"name": "v1", "labels": {"app": "cars", "track": "old"}}, {"name": "v2"}],
        "routes": [
            {"name": "testers", "match": [{"headers": {"x-tester": "yes"}}], "to": {"v2": 100}},
            {"to": {"v1": 100}, "timeout": "3s"},
        ],
    },
]
ROW: dict[str, Any] = {"service": "cars", "namespace": "shop", "from": "v1", "to": "v2"}


@pytest.mark.parametrize(("value", "expected"), [
    (5, 5.0), ("5", 5.0), ("90s", 90.0), ("1m30s", 90.0), ("2h", 7200.0), ("500ms", 0.5), ("1.5s", 1.5),
    ("", None), ("soon", None), (True, None), (-1, None), ("5 s", None), (None, None), ("ms", None),
])  # fmt: skip
def test_lengths_of_time(value: Any, expected: float | None) -> None:
    assert seconds_of(value) == expected


def test_defaults_and_all_options() -> None:
    plain = read_canary(ROW, TRAFFIC)
    assert [step.weight for step in plain.steps] == [5, 20, 50, 100]
    assert plain.labels == {"v1": {"app": "cars", "track": "old"}, "v2": {"version": "v2"}}
    assert plain.base == {"v1": 100}
    assert (plain.gate.max_error_rate, plain.gate.max_latency, plain.gate.errors) == (0.01, None, ("5xx", "0"))
    full = read_canary(
        {
            **ROW,
            "route": "testers",
            "steps": [10, {"weight": 50, "pause": True}, 100],
            "gate": {
                "window": "2m", "timeout": "1m", "min_requests": 50, "max_error_rate": 1, "max_error_increase": 0.005, "strict": True,
                "latency": {"percentile": 99, "max": "500ms", "max_increase": 1.25}, "confidence": 0.99, "errors": ["5xx", 429],
            },
            "measure": "prometheus", "reporter": "source", "prometheus": {"url": "https://prometheus.example.com"}, "on_failure": "step",
        },
        TRAFFIC,
    )  # fmt: skip
    assert [(step.weight, step.pause) for step in full.steps] == [(10, False), (50, True), (100, False)]
    assert (full.gate.window, full.gate.timeout, full.gate.max_latency, full.gate.percentile) == (120.0, 120.0, 500.0, 99.0)
    assert (full.gate.max_error_rate, full.gate.max_error_increase, full.gate.errors) == (None, 0.005, ("5xx", "429"))
    assert (full.measure.source, full.measure.reporter, full.on_failure, full.base) == ("prometheus", "source", "step", {"v2": 100})


def test_nothing_is_refused_of_what_is_good() -> None:
    rows = [ROW, {"service": "reviews", "namespace": "bookinfo", "from": "v1", "to": "v2", "steps": [50, 100], "gate": {"window": "30s"}}]
    assert canary_refusals(rows, TRAFFIC) == []
    assert canary_refusals(rows, None) == []
    assert canary_refusals(None, TRAFFIC) == []


@pytest.mark.parametrize(("change", "expected"), [
    ({"to": None}, "mesh_canaries[0].to: is missing"),
    ({"to": "v1"}, "mesh_canaries[0].to: is 'v1' as from; it has to be another version"),
    ({"to": "v22"}, "mesh_canaries[0].to: 'v22' is no version of shop/cars in mesh_traffic; did you mean v2?"),
    ({"from": "v2", "to": "v1"}, "mesh_canaries[0].from: the route default of shop/cars gives nothing to 'v2' in mesh_traffic, "
                                 "and its share is what the canary moves; a canary that is done goes out of mesh_canaries"),
    ({"service": "car"}, "mesh_canaries[0].service: 'shop/car' is not in mesh_traffic; did you mean shop/cars?"),
    ({"route": "tester"}, "mesh_canaries[0].route: 'tester' is no route of shop/cars in mesh_traffic; did you mean testers?"),
    ({"steps": []}, "mesh_canaries[0].steps: expected a list of percentages such as [5, 20, 50, 100]"),
    ({"steps": [5, "x", 100]}, "mesh_canaries[0].steps[1]: 'x' is no percentage from 1 to 100"),
    ({"steps": [0, 100]}, "mesh_canaries[0].steps[0]: '0' is no percentage from 1 to 100"),
    ({"steps": [50, 20, 100]}, "mesh_canaries[0].steps[1]: 20 is not more than the step before it (50)"),
    ({"steps": [50]}, "mesh_canaries[0].steps: end at 50; the last step has to be 100 (for a lasting share write it into mesh_traffic)"),
    ({"gate": {"window": "soon"}}, "mesh_canaries[0].gate.window: 'soon' is no length of time such as 60s or 5m"),
    ({"gate": {"timeout": "30s"}}, "mesh_canaries[0].gate.timeout: 30 s is shorter than the window of 60 s"),
    ({"gate": {"min_requests": 0}}, "mesh_canaries[0].gate.min_requests: '0' is not a whole number of at least 1"),
    ({"gate": {"max_error_rate": 5}}, "mesh_canaries[0].gate.max_error_rate: '5' is not a rate from 0 to 1, such as 0.01 for 1 %"),
    ({"gate": {"confidence": 95}}, "mesh_canaries[0].gate.confidence: '95' is not a number from 0.5 to below 1, such as 0.95"),
    ({"gate": {"errors": ["5x"]}}, "mesh_canaries[0].gate.errors[0]: '5x' is neither a class such as 5xx nor a code such as 429"),
    ({"gate": {"latency": {"max": "fast"}}}, "mesh_canaries[0].gate.latency.max: 'fast' is no length of time such as 500ms or 2s"),
    ({"gate": {"latency": {"percentile": 100}}}, "mesh_canaries[0].gate.latency.percentile: '100' is not between 0 and 100, such as 95"),
    ({"gate": {"latency": {"max_increase": 0.5}}},
     "mesh_canaries[0].gate.latency.max_increase: '0.5' is not at least 1, such as 1.25 for a quarter slower"),
    ({"measure": "logs"}, "mesh_canaries[0].measure: 'logs' is neither proxies nor prometheus"),
    ({"prometheus": {"url": "https://p"}}, "mesh_canaries[0].prometheus: is not used, as measure is not prometheus"),
    ({"measure": "prometheus", "prometheus": {"url": "p:9090"}},
     "mesh_canaries[0].prometheus.url: is no address that begins with https:// or http://"),
    ({"measure": "prometheus", "prometheus": {"url": "http://p", "token": "s3cret-s3cret"}},
     "mesh_canaries[0].prometheus.token: goes over https:// only"),
    ({"measure": "prometheus", "prometheus": {"url": "https://p", "service": {"name": "p"}}},
     "mesh_canaries[0].prometheus: has url and service; it is asked by one of them"),
    ({"callers": ["shop"]}, "mesh_canaries[0].callers: is not used, as reporter is not source"),
])  # fmt: skip
def test_what_it_cannot_mean(change: dict[str, Any], expected: str) -> None:
    found = canary_refusals([{**ROW, **change}], TRAFFIC)
    assert found == [expected]
    assert "s3cret" not in "".join(found)


def test_all_mistakes_at_once() -> None:
    found = canary_refusals([{**ROW, "to": "v9", "steps": [5, 3], "gate": {"window": "x", "confidence": 2}}, dict(ROW)], TRAFFIC)
    assert len(found) == 6
    assert "mesh_canaries[1]: shop/cars has a canary in mesh_canaries[0] already; one service has one at a time" in found


def test_a_step_below_what_it_has() -> None:
    traffic = [{**TRAFFIC[1], "routes": [{"to": {"v1": 80, "v2": 20}}]}]
    found = canary_refusals([{**ROW, "steps": [20, 100]}], traffic)
    assert found == ["mesh_canaries[0].steps[0]: 20 is not more than the 20 % that v2 has in mesh_traffic already"]


def test_no_default_route() -> None:
    found = canary_refusals([ROW], [{**TRAFFIC[1], "routes": TRAFFIC[1]["routes"][:1]}])
    assert found == ["mesh_canaries[0].route: shop/cars has no route without match in mesh_traffic; name the one whose weights move"]


def test_a_row_by_its_name() -> None:
    other = {**ROW, "namespace": "market"}
    assert canary_named([ROW, other], "market/cars") is other
    assert canary_named([ROW], "cars") is ROW
    with pytest.raises(ConfigError, match="say it as shop/cars, or market/cars"):
        canary_named([ROW, other], "cars")
    with pytest.raises(ConfigError, match="did you mean shop/cars"):
        canary_named([ROW], "shop/carz")


# mesh_traffic under canaries


def route(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return rows[1]["routes"][1]


def state(**steps: Any) -> CanaryState:
    return started({"v1": 100})


def test_a_canary_under_way_keeps_its_weights() -> None:
    rows, lines = under_canaries(TRAFFIC, [started().shifted()])
    assert route(rows) == {"to": {"v1": 95, "v2": 5}, "timeout": "3s"}
    assert rows[0] == TRAFFIC[0] and rows[1]["routes"][0] == TRAFFIC[1]["routes"][0]
    assert lines == ["canary shop/cars v1 -> v2: step 1 of 4, 5 %, being put into place"]
    assert TRAFFIC[1]["routes"][1]["to"] == {"v1": 100}


def test_one_that_is_over_counts_until_the_inventory_says_something_else() -> None:
    done = started().promoted("by ann").settled()
    rows, lines = under_canaries(TRAFFIC, [done])
    assert route(rows)["to"] == {"v1": 0, "v2": 100} and len(lines) == 1
    mine = [TRAFFIC[0], {**TRAFFIC[1], "routes": [{"to": {"v1": 50, "v2": 50}}]}]
    assert under_canaries(mine, [done]) == (mine, [])
    gone = started().shifted().measuring().failed(BAD, "all").settled()
    assert under_canaries(TRAFFIC, [gone]) == (TRAFFIC, [])


@pytest.mark.parametrize(("traffic", "said"), [
    ([TRAFFIC[0], {**TRAFFIC[1], "routes": [{"to": {"v2": 100}}]}], "says v2 100 % in mesh_traffic now"),
    ([TRAFFIC[0]], "is not in mesh_traffic any more"),
])  # fmt: skip
def test_an_inventory_that_says_something_else_meanwhile_is_refused(traffic: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        under_canaries(traffic, [started().shifted()])
