# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the numbers come from: proxies of pods or of callers, a Prometheus by its Service or its address; and traffic_metrics_info."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._canary.intent import Measure
from ansible_collections.meshops.mesh.plugins.module_utils._commands import traffic_metrics, traffic_metrics_info
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_metrics import MetricsReader, MetricsRequest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, FetchError
from ansible_collections.meshops.mesh.plugins.modules import traffic_metrics_info as module

from .played import Played, Shop

VERSIONS = {"v1": {"version": "v1"}, "v2": {"version": "v2"}}


def reader(shop: Any, measure: Measure, fetch: Any = None) -> MetricsReader:
    request = MetricsRequest("shop", "cars", VERSIONS, measure, home="system")
    return MetricsReader(shop, object(), request, fetch or (lambda *_args: b""))  # type: ignore[arg-type]


def vector(*rows: tuple[Mapping[str, str], float]) -> bytes:
    found = [{"metric": {"__name__": "istio_requests_total", **labels}, "value": [1, str(value)]} for labels, value in rows]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}}).encode()


LABELS = {"reporter": "destination", "destination_workload_namespace": "shop", "response_code": "200"}
V1, V2 = {**LABELS, "destination_workload": "cars-v1"}, {**LABELS, "destination_workload": "cars-v2"}


def test_a_prometheus_at_an_address() -> None:
    asked: list[tuple[str, Mapping[str, str]]] = []
    answers = [
        vector(({**V1, "pod": "cars-v1-a"}, 100), ({**V2, "pod": "cars-v2-a"}, 900)), vector(),
        vector(({**V1, "pod": "cars-v1-a"}, 180), ({**V2, "pod": "cars-v2-a"}, 920), ({**V2, "pod": "cars-v2-b"}, 7)), vector(),
    ]  # fmt: skip

    def fetch(url: str, headers: Mapping[str, str]) -> bytes:
        asked.append((url, headers))
        return answers.pop(0)

    shop = Shop()
    given = {"url": "https://thanos.example.com/", "token": "of-this-test-only", "labels": {"cluster": 'we"st'}}
    one = reader(shop, Measure("prometheus", prometheus=given), fetch)
    one.look()
    shop.pods["cars-v2-b"] = Played("v2")  # came in between: all that it has counted counts
    one.look()
    assert (one.counts("v1").requests, one.counts("v2").requests) == (80, 27)
    url, headers = asked[0]
    query = parse_qs(urlparse(url).query)["query"][0]
    assert query == (
        'istio_requests_total{cluster="we\\"st",reporter="destination",destination_workload_namespace="shop",'
        'destination_workload=~"cars\\\\-v1|cars\\\\-v2"}'
    )
    assert headers == {"Authorization": "Bearer of-this-test-only"}
    assert "istio_request_duration_milliseconds_bucket" in asked[1][0]


def test_a_prometheus_by_its_service() -> None:
    asked: list[str] = []

    class Served(Shop):
        def request(self, _method: str, path: str) -> Any:
            asked.append(path.partition("?")[0])
            return SimpleNamespace(body=vector())

    one = reader(
        Served(),
        Measure("prometheus", prometheus={"service": {"name": "thanos-querier", "namespace": "mon", "port": "9091", "scheme": "https"}}),
    )
    one.look()
    assert asked[0] == "/api/v1/namespaces/mon/services/https:thanos-querier:9091/proxy/api/v1/query"
    reader(Served(), Measure("prometheus")).look()
    assert asked[-1] == "/api/v1/namespaces/system/services/prometheus:9090/proxy/api/v1/query"


def test_an_address_that_does_not_answer_tells_no_secret() -> None:
    def fetch(_url: str, _headers: Mapping[str, str]) -> bytes:
        raise OSError("refused")

    one = reader(Shop(), Measure("prometheus", prometheus={"url": "https://ann:s3cret@prometheus.example.com"}), fetch)
    with pytest.raises(FetchError, match=r"no answer from Prometheus at .*prometheus[.]example[.]com: refused") as caught:
        one.look()
    assert "s3cret" not in str(caught.value)


def test_callers_know_of_requests_that_reached_no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"reporter": "source", "destination_service_name": "cars", "destination_service_namespace": "shop"}
    rows = [
        ({**source, "destination_workload": "cars-v2", "destination_workload_namespace": "shop", "response_code": "200"}, 40),
        ({**source, "destination_workload": "unknown", "destination_workload_namespace": "unknown", "response_code": "503"}, 5),
        ({**source, "destination_service_name": "vans", "destination_workload": "vans", "response_code": "200"}, 99),
        ({**source, "reporter": "destination", "destination_workload": "cars-v2", "destination_workload_namespace": "shop"}, 99),
    ]

    def text(factor: int) -> bytes:
        lines = ["# TYPE istio_requests_total counter"]
        for labels, number in rows:
            inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
            lines.append(f"istio_requests_total{{{inner}}} {number * factor}")
        return "\n".join(lines).encode()

    pod = {"metadata": {"name": "web", "namespace": "front"}}
    monkeypatch.setattr(traffic_metrics, "proxy_pods", lambda _cluster, spaces: [pod] if spaces == ("front",) else [])
    answers = [text(1), text(2)]
    monkeypatch.setattr(traffic_metrics, "admin_get", lambda *_args, **_more: answers.pop(0))
    one = reader(Shop(), Measure(reporter="source", callers=("front",)))
    one.look()
    one.look()
    assert (one.counts("v2").requests, one.counts("v1").requests, one.unreached().requests) == (40, 0, 5)
    assert one.unreached().codes == {("503", ""): 5}


@pytest.mark.parametrize(("service", "said"), [
    (None, "Service shop/cars is not there"),
    ({"metadata": {}, "spec": {}}, "selects no pods by labels"),
])  # fmt: skip
def test_a_service_that_cannot_be_measured(service: Any, said: str) -> None:
    shop = Shop()
    shop.objects.pop(("Service", "shop", "cars"))
    if service:
        shop.objects["Service", "shop", "cars"] = service
    with pytest.raises(ConfigError, match=said):
        reader(shop, Measure())


def test_a_proxy_that_is_silent_for_a_while_is_named_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    monkeypatch.setattr(traffic_metrics, "admin_get", shop.metrics)
    shop.pods["cars-v2-a"].silent = "its port 15020 gave no answer for 5 s"
    one = reader(shop, Measure())
    one.look()
    assert one.silent == {"Pod shop/cars-v2-a": "its port 15020 gave no answer for 5 s"} and one.asked == 3
    shop.pods["cars-v2-a"].silent = ""
    one.look()
    assert one.silent == {}


def params(**given: Any) -> dict[str, Any]:
    found = {name: option.get("default") for name, option in module.ARGUMENT_SPEC.items()}
    return {
        **found, "context": None, "host": None, "service": "cars", "namespace": "shop",
        "versions": [{"name": "v1"}, {"name": "v2"}], **given,
    }  # fmt: skip


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    found = Shop()
    monkeypatch.setattr(traffic_metrics_info.Cluster, "from_params", lambda *_args, **_more: found)
    monkeypatch.setattr(traffic_metrics_info, "dialer", lambda *_args, **_more: object())
    monkeypatch.setattr(traffic_metrics, "admin_get", found.metrics)
    return found


def test_the_module_tells_each_version_and_the_split(shop: Shop) -> None:
    shop.deliver({"v1": 80, "v2": 20})
    shop.pods["cars-v2-a"].errors = 0.5
    found = traffic_metrics_info.measured(params(window="40s"), clock=shop.clock, sleep=shop.sleep)
    assert found["seconds"] == 40
    assert found["versions"]["v2"]["codes"] == {"200": 200, "503": 200} and found["versions"]["v1"]["errors"] == 0
    assert found["split"]["v2"]["interval"][0] < 0.2 < found["split"]["v2"]["interval"][1]
    said = "v2 answered 400 of 2000 requests (20.0 %, 95 % interval 18.3 to 21.8 %), 200 failed, 95th percentile 23.8 ms"
    assert found["lines"][1] == said


def test_it_ends_when_enough_was_seen(shop: Shop) -> None:
    assert traffic_metrics_info.measured(params(window="5m", min_requests=900), clock=shop.clock, sleep=shop.sleep)["seconds"] == 20


def test_all_that_it_cannot_mean(shop: Shop) -> None:
    wrong = params(window="soon", errors=["x"], prometheus={"url": "p", "token": "of-this-test-only"})
    with pytest.raises(ConfigError) as caught:
        traffic_metrics_info.measured(wrong)
    assert str(caught.value).split("\n") == [
        "window: 'soon' is no length of time such as 60s or 5m",
        "errors[0]: 'x' is neither a class such as 5xx nor a code such as 429",
        "prometheus.url: is no address that begins with https:// or http://",
        "prometheus.token: goes over https:// only",
    ]
