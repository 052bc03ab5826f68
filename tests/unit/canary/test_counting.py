# SPDX-License-Identifier: GPL-3.0-or-later
"""From counters at several moments to what was answered in between: restarts, pods that come and go, series that appear."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._canary.counting import RequestCounter, Scrape, VersionCounts
from ansible_collections.meshops.mesh.plugins.module_utils._canary.metrics import BUCKETS, REQUESTS, Sample, from_prometheus, from_text
from ansible_collections.meshops.mesh.plugins.module_utils._errors import FetchError

TEXT = b"""\
# HELP istio_requests_total requests
# TYPE istio_requests_total counter
istio_requests_total{reporter="destination",version="v2",response_code="200",path="a\\"b,c=\\"d\\"",grpc_response_status=""} 12
istio_requests_total{reporter="destination",version="v2",response_code="503"} 3 1700000000
istio_requests_total_created{reporter="destination"} 1
# TYPE istio_request_duration_milliseconds histogram
istio_request_duration_milliseconds_bucket{version="v2",le="5"} 9
istio_request_duration_milliseconds_bucket{version="v2",le="+Inf"} 15
istio_request_duration_milliseconds_sum{version="v2"} 99
envoy_server_uptime{} 4
"""


def test_the_text_of_a_proxy() -> None:
    found = from_text(TEXT)
    assert [(one.name, one.value, one.labels.get("response_code"), one.labels.get("le")) for one in found] == [
        (REQUESTS, 12.0, "200", None),
        (REQUESTS, 3.0, "503", None),
        (BUCKETS, 9.0, None, "5"),
        (BUCKETS, 15.0, None, "+Inf"),
    ]
    assert found[0].labels["path"] == 'a"b,c="d"'


def test_a_proxy_without_requests_and_something_else() -> None:
    assert from_text(b"# TYPE envoy_server_uptime gauge\nenvoy_server_uptime{} 4\n") == []
    with pytest.raises(FetchError, match="no Prometheus text"):
        from_text(b"<html>not here</html>")
    with pytest.raises(FetchError, match="no number"):
        from_text(b'# TYPE istio_requests_total counter\nistio_requests_total{a="b"} many\n')


def test_the_answer_of_a_prometheus() -> None:
    row = {"metric": {"__name__": REQUESTS, "pod": "a", "response_code": "200"}, "value": [1700000000, "7"]}
    other = {"metric": {"__name__": "up"}, "value": [1, "1"]}
    found = from_prometheus({"status": "success", "data": {"resultType": "vector", "result": [row, other]}})
    assert found == [Sample(REQUESTS, {"pod": "a", "response_code": "200"}, 7.0)]


@pytest.mark.parametrize("answer", [
    None, "no", {}, {"status": "error", "error": "parse error"}, {"status": "success", "data": {"resultType": "matrix", "result": []}},
])  # fmt: skip
def test_what_is_no_answer_of_a_prometheus(answer: object) -> None:
    with pytest.raises(FetchError, match="did not answer"):
        from_prometheus(answer)


def sample(value: float, *, version: str = "v2", code: str = "200") -> Sample:
    return Sample(REQUESTS, {"version": version, "response_code": code}, value)


def counted(looks: list[list[Scrape]], version: str = "v2") -> dict[str, float]:
    counter = RequestCounter(lambda labels: labels.get("version"))
    for look in looks:
        counter.look(look)
    found: dict[str, float] = {}
    for (code, _grpc), number in counter.counts(version).codes.items():
        found[code] = found.get(code, 0) + number
    return found


def scrape(place: str, *samples: Sample, born: bool = False) -> Scrape:
    return Scrape(place, samples, born)


@pytest.mark.parametrize(("looks", "expected"), [
    pytest.param([], {}, id="no look"),
    pytest.param([[scrape("a", sample(1000))]], {}, id="one look says nothing"),
    pytest.param([[scrape("a", sample(1000))], [scrape("a", sample(1010))]], {"200": 10}, id="what came in between"),
    pytest.param([[scrape("a", sample(1000))], [scrape("a", sample(4))]], {"200": 4}, id="a counter that began anew"),
    pytest.param([[scrape("a", sample(10))], [scrape("a", sample(15))], [scrape("a", sample(2))], [scrape("a", sample(5))]], {"200": 10},
                 id="began anew between two looks"),
    pytest.param([[scrape("a", sample(5))], [scrape("a", sample(5), sample(3, code="503"))]], {"503": 3}, id="a series that is new"),
    pytest.param([[scrape("a", sample(5))], [scrape("a", sample(5)), scrape("b", sample(900))], [scrape("b", sample(907))]], {"200": 7},
                 id="a proxy that was not seen before"),
    pytest.param([[scrape("a", sample(5))], [scrape("b", sample(9), born=True)]], {"200": 9}, id="a pod that came in between"),
    pytest.param([[scrape("a", sample(5))], [scrape("a", sample(8))], []], {"200": 3}, id="a pod that went"),
    pytest.param([[scrape("a", sample(5))], [], [scrape("a", sample(8))]], {"200": 3}, id="a look that failed"),
    pytest.param([[scrape("a", sample(5), sample(7, version="v1"))], [scrape("a", sample(6), sample(9, version="v1"))]], {"200": 1},
                 id="another version"),
    pytest.param([[scrape("a", sample(float("nan")))], [scrape("a", sample(3))]], {"200": 3}, id="no number"),
])  # fmt: skip
def test_looks(looks: list[list[Scrape]], expected: dict[str, float]) -> None:
    assert counted(looks) == expected


def test_what_is_not_asked_about_counts_nowhere() -> None:
    counter = RequestCounter(lambda labels: None)
    counter.look([scrape("a", sample(1))])
    counter.look([scrape("a", sample(9))])
    assert counter.counts("v2") == VersionCounts()


def bucket(le: str, value: float) -> Sample:
    return Sample(BUCKETS, {"version": "v2", "le": le}, value)


def test_durations_add_up_over_proxies() -> None:
    counter = RequestCounter(lambda labels: labels.get("version"))
    counter.look([scrape("a", bucket("5", 100), bucket("10", 100), bucket("+Inf", 100)), scrape("b", bucket("5", 1), bucket("+Inf", 2))])
    counter.look([scrape("a", bucket("5", 103), bucket("10", 104), bucket("+Inf", 105)), scrape("b", bucket("5", 4), bucket("+Inf", 6))])
    found = counter.counts("v2")
    assert found.bounds == (5.0, 10.0, float("inf"))
    assert found.cumulative == (6.0, 6.0, 9.0)
    assert found.timed == 9


def test_any_life_of_proxies_is_counted_as_their_requests() -> None:
    """A naive mesh: requests come one by one, proxies restart with counters at 0, pods come and go, and each look is a sum of truths."""
    dice = random.Random(3)
    for _round in range(60):
        counter = RequestCounter(lambda labels: labels.get("version"))
        pods: dict[str, dict[str, float]] = {f"p{number}": {"200": dice.randint(0, 500)} for number in range(3)}
        born: set[str] = set()
        truth: dict[str, float] = {}
        fresh = 3
        counter.look(_look(pods, born))
        for _look_number in range(8):
            for name in list(pods):
                for code in ("200", "503"):
                    more = dice.randint(0, 9)
                    if more:
                        pods[name][code] = pods[name].get(code, 0) + more
                        truth[code] = truth.get(code, 0) + more
            if dice.random() < 0.3:
                name = f"p{fresh}"
                fresh += 1
                more = dice.randint(1, 9)
                pods[name], born = {"200": more}, born | {name}
                truth["200"] = truth.get("200", 0) + more
            counter.look(_look(pods, born))
            if len(pods) > 1 and dice.random() < 0.3:  # after a look, so that nothing of it is lost
                name = dice.choice(list(pods))
                del pods[name]
                if dice.random() < 0.5:
                    pods[f"{name}x"], born = {}, born | {f"{name}x"}
        found = {code: number for (code, _grpc), number in counter.counts("v2").codes.items()}
        assert found == truth


def _look(pods: Mapping[str, Mapping[str, float]], born: set[str]) -> list[Scrape]:
    return [Scrape(name, tuple(sample(value, code=code) for code, value in codes.items()), name in born) for name, codes in pods.items()]
