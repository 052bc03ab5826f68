# SPDX-License-Identifier: GPL-3.0-or-later
"""What mesh_traffic cannot mean: one entry that is good, and one change of it for each kind of mistake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.refusals import seconds, traffic_refusals

sys.path.insert(0, str(Path(__file__).parent))
from traffic_bookinfo import GATEWAYS, entry

MATCH: dict[str, Any] = {
    "path": {"prefix": "/api"},
    "method": "GET",
    "headers": {"end-user": "jason", "x-stage": {"prefix": "t"}, "x-any": {"present": True}},
    "without_headers": ["x-internal"],
    "cookies": {"canary": "on", "team": {"regex": "a|b"}},
    "query": {"debug": {"exact": "1"}},
    "users": {"header": "x-user", "names": ["ann", "bob"]},
    "from": {"namespace": "web", "labels": {"app": "front"}},
}
GOOD: dict[str, Any] = entry(
    port=9080,
    gateways=["bookinfo", "others/edge"],
    hosts=["bookinfo.example.com", "a.shop.example.com"],
    paths=[{"prefix": "/reviews"}, {"exact": "/r"}],
    resilience={
        "outlier_detection": {"consecutive_5xx": 3, "interval": "10s", "base_ejection_time": "30s", "max_ejection_percent": 100},
        "connection_pool": {"max_connections": 100, "connect_timeout": "3s"},
        "sticky": {"cookie": {"name": "who", "ttl": "1h"}},
    },
    routes=[
        {
            "name": "testers",
            "match": [MATCH],
            "to": {"v2": 100},
            "timeout": "3s",
            "retries": {"attempts": 2, "per_try_timeout": "1s", "retry_on": ["5xx", "reset", 503]},
        },
        {"to": {"v1": 80, "v2": 20}, "mirror": {"version": "v2", "percent": 10}},
    ],
)


def route(**fields: Any) -> dict[str, Any]:
    return entry(routes=[{"to": {"v1": 100}, **fields}])


def matching(**fields: Any) -> dict[str, Any]:
    return entry(routes=[{"match": [fields], "to": {"v2": 100}}, {"to": {"v1": 100}}])


def judged(*rows: dict[str, Any], **given: Any) -> list[str]:
    return traffic_refusals(rows, GATEWAYS, **given)


def test_what_is_good() -> None:
    assert judged(GOOD) == [] and judged() == []
    assert judged(entry(versions=[], routes=[], resilience={"load_balancer": "RANDOM"})) == []


WHERE = "mesh_traffic[0]"
MATCHED = f"{WHERE}.routes[0].match[0]"
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no word": ({"service": "reviews", "namespace": "bookinfo"}, f"{WHERE}: says nothing of reviews"),
    "no port": (entry(port=70000), f"{WHERE}.port: 70000 is no port"),
    "shares": (route(to={"v1": 80, "v2": 30}), f"{WHERE}.routes[0].to: the shares are 110 per cent together; expected 100"),
    "no share": (route(to={"v1": "most"}), f"{WHERE}.routes[0].to.v1: 'most' is no share"),
    "a fraction": (route(to={"v1": 99.5, "v2": 0.5}), f"{WHERE}.routes[0].to.v1: '99.5' is no share"),
    "no such version": (
        route(to={"v3": 100}),
        f"{WHERE}.routes[0].to: 'v3' is none of its versions, so callers would get 503; there are v1, v2",
    ),
    "nobody": (route(to={}), f"{WHERE}.routes[0].to: is empty"),
    "no such mirror": (route(mirror={"version": "v9"}), f"{WHERE}.routes[0].mirror.version: 'v9' is none of its versions"),
    "mirror of nothing": (route(mirror={"version": "v2", "percent": 0}), f"{WHERE}.routes[0].mirror.percent: '0' is no share"),
    "versions twice": (
        entry(versions=[{"name": "v1"}, {"name": "v2"}, {"name": "v1"}]),
        "versions[2].name: mesh_traffic[0].versions[0] is",
    ),
    "one pod twice": (
        entry(versions=[{"name": "v1"}, {"name": "v2", "labels": {"version": "v1"}}]),
        f"{WHERE}.versions[1].labels: version=v1 are the pods of v1 already",
    ),
    "no name": (entry(versions=[{"name": "v1"}, {"name": "v2"}, {"name": "V 3"}]), f"{WHERE}.versions[2].name: 'V 3' cannot be"),
    "two defaults": (
        entry(routes=[{"to": {"v1": 100}}, {"to": {"v2": 100}}]),
        f"{WHERE}.routes[1]: mesh_traffic[0].routes[0] has no match",
    ),
    "after the default": (
        entry(routes=[{"to": {"v1": 100}}, {"match": [{"method": "GET"}], "to": {"v2": 100}}]),
        f"{WHERE}.routes[1]: mesh_traffic[0].routes[0] has no match and takes every request",
    ),
    "no default": (entry(routes=[{"match": [{"method": "GET"}], "to": {"v2": 100}}]), f"{WHERE}.routes: none is for all other requests"),
    "names twice": (
        entry(routes=[{"name": "a", "match": [{"method": "GET"}], "to": {"v2": 100}}, {"name": "a", "to": {"v1": 100}}]),
        f"{WHERE}.routes[1].name: mesh_traffic[0].routes[0] is called a as well",
    ),
    "no unit": (route(timeout=3), f"{WHERE}.routes[0].timeout: '3' is no duration; expected a number with its unit"),
    "no time": (route(timeout="0s"), f"{WHERE}.routes[0].timeout: '0s' is no time at all"),
    "a try longer than all": (
        route(timeout="1s", retries={"attempts": 2, "per_try_timeout": "1500ms"}),
        f"{WHERE}.routes[0].retries.per_try_timeout: 1500ms is longer than the timeout of the route (1s)",
    ),
    "no condition": (route(retries={"attempts": 1, "retry_on": ["5x"]}), "retries.retry_on[0]: '5x' is no condition of Envoy"),
    "no attempts": (route(retries={"attempts": -1}), f"{WHERE}.routes[0].retries.attempts: '-1' is no number of retries"),
    "empty match": (matching(), f"{MATCHED}: asks for nothing"),
    "two forms": (matching(headers={"a": {"exact": "1", "prefix": "2"}}), f"{MATCHED}.headers.a: found exact, prefix; expected one of"),
    "another form": (matching(headers={"a": {"equals": "1"}}), f"{MATCHED}.headers.a: found equals; expected one of exact, prefix, regex"),
    "on is true": (
        matching(cookies={"canary": True}),
        f"{MATCHED}.cookies.canary: YAML reads this word as true or false; write it in quotes",
    ),
    "off is false": (matching(headers={"a": {"exact": False}}), f"{MATCHED}.headers.a.exact: 'False' is no text to compare with"),
    "no header": (matching(headers={"a b": "1"}), f"{MATCHED}.headers: 'a b' is no name of a header"),
    "no value": (matching(headers={"a": ""}), f"{MATCHED}.headers.a: '' is nothing to compare with"),
    "absent by present": (matching(headers={"a": {"present": False}}), f"{MATCHED}.headers.a.present: 'False'; say true, or name it in"),
    "no path": (matching(path={"prefix": "api"}), f"{MATCHED}.path.prefix: 'api' never matches, a path begins with /"),
    "any path": (matching(path={"present": True}), f"{MATCHED}.path: found present; expected one of exact, prefix, regex"),
    "no expression": (matching(path={"regex": "/("}), f"{MATCHED}.path.regex: '/(' is no regular expression"),
    "looks ahead": (matching(path={"regex": "/(?!a)"}), f"{MATCHED}.path.regex: '/(?!a)' looks ahead or back"),
    "small method": (matching(method="get"), f"{MATCHED}.method: 'get' never matches; methods are in capitals"),
    "cookies in a header": (matching(cookies={"a": "1"}, headers={"Cookie": "a=1"}), f"{MATCHED}.cookies: all cookies are one header"),
    "four cookies": (matching(cookies=dict.fromkeys("abcd", "1")), f"{MATCHED}.cookies: 4 cookies at once; at most 3"),
    "users of both": (matching(users={"header": "a", "claim": "b", "names": ["c"]}), f"{MATCHED}.users: needs one of header and claim"),
    "no users": (matching(users={"header": "a", "names": []}), f"{MATCHED}.users.names: names nobody"),
    "claim without a gateway": (matching(users={"claim": "sub", "names": ["a"]}), f"{MATCHED}.users.claim: only a gateway looks into"),
    "no caller": (matching(**{"from": {}, "method": "GET"}), f"{MATCHED}.from: names nobody"),
    "ejection": (entry(resilience={"outlier_detection": {"interval": "10"}}), f"{WHERE}.resilience.outlier_detection.interval: '10' is no"),
    "below zero": (
        entry(resilience={"connection_pool": {"max_connections": -1}}),
        "resilience.connection_pool.max_connections: -1 is below 0",
    ),
    "above all": (
        entry(resilience={"outlier_detection": {"max_ejection_percent": 110}}),
        "max_ejection_percent: 110 is no share of the pods",
    ),
    "two balancers": (
        entry(resilience={"load_balancer": "RANDOM", "sticky": {"source_ip": True}}),
        f"{WHERE}.resilience.load_balancer: sticky chooses the pod of a request already",
    ),
    "sticky by nothing": (entry(resilience={"sticky": {"source_ip": False}}), f"{WHERE}.resilience.sticky: needs one of header, cookie"),
    "resilience of a version": (
        entry(versions=[{"name": "v1", "resilience": {"connection_pool": {"connect_timeout": "soon"}}}, {"name": "v2"}]),
        f"{WHERE}.versions[0].resilience.connection_pool.connect_timeout: 'soon' is no duration",
    ),
    "no such gateway": (
        entry(gateways=["bookinof"], hosts=["a.example.com"]),
        f"{WHERE}.gateways[0]: 'bookinof' is none of mesh_gateways; did you",
    ),
    "a host of none": (entry(gateways=["bookinfo"], hosts=["shop.example.com"]), f"{WHERE}.hosts[0]: 'shop.example.com' is no host of"),
    "hosts without a gateway": (entry(hosts=["a.example.com"]), f"{WHERE}.gateways: is missing beside hosts"),
    "a gateway without hosts": (entry(gateways=["bookinfo"]), f"{WHERE}.hosts: is missing beside gateways"),
    "paths without a gateway": (entry(paths=[{"prefix": "/a"}]), f"{WHERE}.paths: is for callers outside"),
    "a gateway without routes": (entry(gateways=["bookinfo"], hosts=["bookinfo.example.com"], routes=[]), f"{WHERE}.routes: are missing"),
    "tls that passes": (entry(gateways=["raw"], hosts=["raw.example.com"]), f"{WHERE}.gateways[0]: mesh_gateways[1] passes TLS on"),
    "a host with an owner": (
        entry(gateways=["old"], hosts=["old.example.com"]),
        f"{WHERE}.gateways[0]: mesh_gateways[2].routes serve its hosts already, and a host has one owner",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_is_refused(case: str) -> None:
    row, text = MISTAKES[case]
    assert [found for found in judged(row) if text in found], judged(row)


def test_all_mistakes_are_told_at_once() -> None:
    found = judged(entry(port=0, routes=[{"to": {"v1": 1}, "timeout": "x"}]), entry(namespace="shop", versions=[{"name": "-"}]))
    assert len([text for text in found if text.startswith("mesh_traffic[0]")]) == 3
    assert [text for text in found if text.startswith("mesh_traffic[1].versions[0].name")]


def test_a_service_has_one_entry() -> None:
    assert judged(entry(), entry())[0].startswith("mesh_traffic[1]: mesh_traffic[0] is about Service bookinfo/reviews as well")
    assert judged(entry(), entry(namespace="shop")) == []


OUTSIDE = {"gateways": ["bookinfo"], "hosts": ["bookinfo.example.com"]}


@pytest.mark.parametrize(("one", "other", "refused"), [
    ([], [], True),
    ([{"prefix": "/a"}], [], True),
    ([{"prefix": "/a"}], [{"prefix": "/b"}], False),
    ([{"prefix": "/a"}], [{"prefix": "/a/b"}], True),
    ([{"prefix": "/a"}], [{"exact": "/a"}], True),
    ([{"exact": "/a"}], [{"exact": "/a/b"}], False),
    ([{"exact": "/ab"}], [{"prefix": "/a"}], True),
    ([{"exact": "/a"}], [{"prefix": "/ab"}], False),
    ([{"regex": "/x.*"}], [{"regex": "/x.*"}], True),
])  # fmt: skip
def test_paths_of_a_host_have_one_owner(one: Any, other: Any, refused: bool) -> None:
    found = judged(entry(**OUTSIDE, paths=one), entry(**OUTSIDE, paths=other, service="ratings"))
    assert [text for text in found if "serves bookinfo.example.com at the gateway bookinfo as well" in text] == found
    assert bool(found) == refused


@pytest.mark.parametrize(("row", "text"), [
    (route(retries={"attempts": 1}), "mesh_traffic[0].routes[0].retries: an HTTPRoute has no word for it"),
    (matching(without_headers=["a"]), f"{MATCHED}.without_headers: an HTTPRoute"),
    (matching(**{"from": {"namespace": "a"}}), f"{MATCHED}.from: an HTTPRoute"),
    (matching(path={"prefix": "/A"}, ignore_case=True), f"{MATCHED}.ignore_case: an HTTPRoute"),
    (matching(path={"regex": "/a.*"}), f"{MATCHED}.path.regex: an HTTPRoute"),
    (
        entry(routes=[{"match": [{"headers": {"a": "1"}}], "to": {"v2": 100}}, {"match": [{"path": {"exact": "/a"}}], "to": {"v1": 100}},
                      {"to": {"v1": 100}}]),
        "mesh_traffic[0].routes[1]: an HTTPRoute prefers it to mesh_traffic[0].routes[0]",
    ),
])  # fmt: skip
def test_what_an_http_route_cannot_say(row: dict[str, Any], text: str) -> None:
    assert [found for found in judged(row, api="gateway") if text in found]
    assert judged(row) == []
    by_gateway = [{"name": "edge", "hosts": ["edge.example.com"], "api": "gateway"}]
    outside = traffic_refusals([{**row, "gateways": ["edge"], "hosts": ["edge.example.com"]}], by_gateway)
    assert [found for found in outside if text in found]


def test_the_older_generation_has_no_http_routes_in_the_mesh() -> None:
    assert judged(entry(), api="gateway", provider="ossm2")[0].startswith("mesh_traffic_api: OpenShift Service Mesh 2 does not")


@pytest.mark.parametrize(("text", "length"), [("3s", 3), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("3", 0), ("", 0), ("1d", 0)])
def test_durations(text: str, length: float) -> None:
    assert seconds(text) == length
