# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bed's Envoys make of VirtualServices and subsets."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.operators.envoy_config import Destination, clusters, routes
from testbed.operators.envoy_routes import RETRY, actions, routed, subsets_of

HOST = "reviews.shop.svc.cluster.local"
PORTS = {HOST: [9080]}


def rule(name: str, host: str, made: str, **subsets: str) -> dict[str, Any]:
    rows = [{"name": subset, "labels": {"version": label}} for subset, label in subsets.items()]
    return {"metadata": {"name": name, "namespace": "shop", "creationTimestamp": made}, "spec": {"host": host, "subsets": rows}}


def service(*http: dict[str, Any], hosts: tuple[str, ...] = ("reviews",), made: str = "1", **spec: Any) -> dict[str, Any]:
    meta = {"name": f"r{made}", "namespace": "shop", "creationTimestamp": made}
    return {"metadata": meta, "spec": {"hosts": list(hosts), "http": list(http), **spec}}


def to(*shares: tuple[str, int], **more: Any) -> dict[str, Any]:
    return {"route": [{"destination": {"host": "reviews", "subset": name}, "weight": weight} for name, weight in shares], **more}


def test_of_two_rules_the_older_s_subset_counts() -> None:
    found = subsets_of(
        HOST, [rule("b", HOST, "2", v1="one", v2="two"), rule("a", "reviews", "1", v1="1"), rule("c", "ratings", "0", v1="x")]
    )
    assert found == {"v1": {"version": "1"}, "v2": {"version": "two"}}


def test_sidecars_follow_the_oldest_that_is_for_the_mesh() -> None:
    outside = service(made="0", gateways=["shop/edge"])
    assert routed(HOST, [service(made="2"), service(made="1", hosts=(HOST,)), outside, service(made="0", hosts=("ratings",))]) == service(
        made="1", hosts=(HOST,)
    )
    assert routed(HOST, [outside]) is None


MATCHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {"prefix": "/"}),
    "exact": ({"uri": {"exact": "/a"}}, {"path": "/a"}),
    "regex": ({"uri": {"regex": "/a.*"}, "ignoreUriCase": True}, {"safe_regex": {"regex": "/a.*"}, "case_sensitive": False}),
    "header": ({"headers": {"x": {"exact": "1"}}}, {"prefix": "/", "headers": [{"name": "x", "string_match": {"exact": "1"}}]}),
    "present": ({"headers": {"x": {}}}, {"prefix": "/", "headers": [{"name": "x", "present_match": True}]}),
    "absent": ({"withoutHeaders": {"x": {}}}, {"prefix": "/", "headers": [{"name": "x", "present_match": True, "invert_match": True}]}),
    "method": ({"method": {"exact": "GET"}}, {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}),
    "query": ({"queryParams": {"d": {"exact": "1"}}}, {"prefix": "/", "query_parameters": [{"name": "d", "string_match": {"exact": "1"}}]}),
}


@pytest.mark.parametrize("case", MATCHES)
def test_matches(case: str) -> None:
    match, expected = MATCHES[case]
    (found,) = actions(service(to(("v1", 100), match=[match])), PORTS)
    assert found["match"] == expected


def test_shares_copies_times_and_retries() -> None:
    more = {
        "timeout": "1m30s",
        "retries": {"attempts": 3, "perTryTimeout": "500ms", "retryOn": "5xx,503"},
        "mirror": {"host": "reviews", "subset": "v2"},
        "mirrorPercentage": {"value": 2.5},
    }
    (found,) = actions(service(to(("v1", 80), ("v2", 20), ("v3", 0), **more)), PORTS)
    route = found["route"]
    shares = {one["name"]: one["weight"] for one in route["weighted_clusters"]["clusters"]}
    assert shares == {f"outbound|9080|v1|{HOST}": 80, f"outbound|9080|v2|{HOST}": 20} and route["timeout"] == "90s"
    assert route["retry_policy"] == {
        "num_retries": 3, "retry_on": "5xx,retriable-status-codes", "retriable_status_codes": [503], "per_try_timeout": "0.5s"
    }  # fmt: skip
    (copy,) = route["request_mirror_policies"]
    assert copy["cluster"] == f"outbound|9080|v2|{HOST}" and copy["runtime_fraction"]["default_value"]["numerator"] == 25_000


def test_a_single_destination_takes_all() -> None:
    (found,) = actions(service(to(("v1", 0))), PORTS)
    assert found["route"] == {"cluster": f"outbound|9080|v1|{HOST}", "retry_policy": RETRY}


def test_callers_are_told_apart_by_namespace_and_not_at_gateways() -> None:
    rows = service(to(("v2", 100), match=[{"sourceNamespace": "web"}]), to(("v1", 100)))

    def ways(**given: Any) -> list[str]:
        return [one["route"]["cluster"].split("|")[2] for one in actions(rows, PORTS, **given)]

    assert ways(caller="web") == ["v2", "v1"] and ways(caller="shop") == ["v1"] and ways() == ["v1"]


def test_a_version_is_a_cluster_of_its_own_for_each_port() -> None:
    whole = Destination("shop", "reviews", (9080, 9081), (1, 2), ("spiffe://a",))
    version = Destination("shop", "reviews", (9080, 9081), (2,), ("spiffe://a",), subset="v2")
    found = {one["name"]: len(one["load_assignment"]["endpoints"][0]["lb_endpoints"]) for one in clusters([whole, version])}
    assert found == {
        f"outbound|{port}|{subset}|{HOST}": size for subset, size in (("", 2), ("v2", 1)) for port in (9080, 9081)
    }  # fmt: skip


def test_without_a_virtual_service_all_pods_are_called() -> None:
    (config,) = routes("shop", [Destination("shop", "reviews", (9080,)), Destination("shop", "reviews", (9080,), subset="v1")])
    (host,) = config["virtual_hosts"]
    assert [one["route"]["cluster"] for one in host["routes"]] == [f"outbound|9080||{HOST}"] and "reviews:9080" in host["domains"]
