# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from routes that are there to those that are wanted: its stages, what each of them is proven by, and what it is in words."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import slim
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.plan import TrafficPlan
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.proof import route_faults
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.report import plan_result

sys.path.insert(0, str(Path(__file__).parent))
from traffic_bookinfo import GATEWAYS, INTENT, applied, bookinfo, entry, plan, pod, service, snapshot

HOST = "reviews.bookinfo.svc.cluster.local"
ONLY_V2 = entry(versions=[{"name": "v2"}], routes=[{"to": {"v2": 100}}])
ONLY_V1 = entry(versions=[{"name": "v1"}], routes=[{"to": {"v1": 100}}])


def subsets(stage: Any) -> list[str]:
    (rule,) = [obj for obj in stage.objects if obj["kind"] == "DestinationRule"]
    return [one["name"] for one in rule["spec"]["subsets"]]


def refusal(*rows: dict[str, Any], objects: Any = None, **given: Any) -> str:
    with pytest.raises(ConfigError) as found:
        plan(list(rows), bookinfo() if objects is None else objects, **given)
    return str(found.value)


def whole(found: TrafficPlan, objects: list[dict[str, Any]], **given: Any) -> None:
    """Each state on the way leads somewhere, whoever looks at it."""
    for stages in range(len(found.stages) + 1):
        assert not route_faults(View(snapshot(applied(found, objects, stages))), INTENT), f"after {stages} stages"


def test_the_first_time_versions_come_before_routes() -> None:
    found = plan([entry()], bookinfo())
    assert [stage.name for stage in found.stages] == ["traffic_subsets", "traffic_routes"] and found.changed
    assert [row["name"] for row in found.stages[0].clusters] == [f"outbound|9080|v1|{HOST}", f"outbound|9080|v2|{HOST}"]
    assert {row["of"] for row in found.stages[0].clusters} == {HOST}
    assert found.changes == ("requests to bookinfo/reviews: all its pods alike -> v1 80 %, v2 20 %",)
    whole(found, bookinfo())


def test_a_second_run_changes_nothing() -> None:
    there = applied(plan([entry()], bookinfo()), bookinfo())
    found = plan([entry()], there)
    assert [stage.changed for stage in found.stages] == [False, False] and not found.changed and found.changes == ()
    assert found.stages[0].clusters == () and "no request goes another way" in plan_result(found, "west")["text"]


def test_a_version_goes_after_the_routes_to_it() -> None:
    there = applied(plan([entry()], bookinfo()), bookinfo())
    found = plan([ONLY_V2], there)
    assert [(stage.name, subsets(stage)) for stage in found.stages if stage.name == "traffic_subsets"] == [
        ("traffic_subsets", ["v2", "v1"]),
        ("traffic_subsets", ["v2"]),
    ]
    assert [stage.name for stage in found.stages] == ["traffic_subsets", "traffic_routes", "traffic_subsets"]
    assert found.stages[2].unrouted == (f"|v1|{HOST}",)
    whole(found, there)
    after = plan([ONLY_V2], applied(found, there))
    assert not after.changed and len(after.stages) == 2


def test_one_version_in_the_place_of_another() -> None:
    there = applied(plan([ONLY_V1], bookinfo()), bookinfo())
    found = plan([ONLY_V2], there)
    assert [subsets(stage) for stage in found.stages if stage.name == "traffic_subsets"] == [["v2", "v1"], ["v2"]]
    assert found.changes == ("requests to bookinfo/reviews: v1 100 % -> v2 100 %",)
    whole(found, there)


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_a_run_that_ended_between_stages_is_gone_on_with(killed: int) -> None:
    there = applied(plan([entry()], bookinfo()), bookinfo())
    first = plan([ONLY_V2], there)
    left = applied(first, there, killed)
    again = plan([ONLY_V2], left)
    whole(again, left)
    assert applied(again, left) == applied(first, there)
    assert [row["name"] for row in again.stages[0].clusters] == ([f"outbound|9080|v2|{HOST}"] if killed < 2 else [])


def test_an_unused_version_goes_at_once() -> None:
    there = applied(plan([entry(routes=[{"to": {"v1": 100}}])], bookinfo()), bookinfo())
    found = plan([ONLY_V1], there)
    assert [stage.name for stage in found.stages] == ["traffic_subsets", "traffic_routes"] and subsets(found.stages[0]) == ["v1"]


FOREIGN = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "team", "namespace": "bookinfo"},
    "spec": {
        "hosts": ["team.example.com"],
        "gateways": ["bookinfo/team"],
        "http": [{"route": [{"destination": {"host": HOST, "subset": "v1"}}]}],
    },
}
TEAM_GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "team", "namespace": "bookinfo"},
    "spec": {"selector": {"app": "reviews"}, "servers": [{"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"]}]},
}


def test_a_route_of_others_keeps_its_version() -> None:
    there = [*applied(plan([entry()], bookinfo()), bookinfo()), FOREIGN, TEAM_GATEWAY]
    said = refusal(ONLY_V2, objects=there)
    assert "VirtualService bookinfo/team: it routes to subset v1" in said and "nothing was changed" in said


REFUSED: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "no Service": (entry(service="reviewz"), [], "mesh_traffic[0].service: there is no Service bookinfo/reviewz"),
    "no port": (entry(port=80), [], "mesh_traffic[0].port: Service bookinfo/reviews has no port 80, it has 9080"),
    "several ports": (
        entry(service="two"),
        [service("two", {"name": "http", "port": 80}, {"name": "http-b", "port": 81}), pod("two", "v1"), pod("two", "v2")],
        "mesh_traffic[0].port: is missing; Service bookinfo/two has several: 80, 81",
    ),
    "no HTTP": (
        entry(service="redis"),
        [service("redis", {"name": "tcp-redis", "port": 6379}), pod("redis", "v1"), pod("redis", "v2")],
        "mesh_traffic[0].routes: port 6379 of Service bookinfo/redis is tcp by its name or appProtocol",
    ),
    "no pods": (
        entry(versions=[{"name": "v1"}, {"name": "v3"}], routes=[{"to": {"v1": 50, "v3": 50}}]),
        [],
        "it routes to version v3 of Service bookinfo/reviews, which has no ready pod (app=reviews, version=v3)",
    ),
    "no pods for copies": (
        entry(versions=[{"name": "v1"}, {"name": "v9"}], routes=[{"to": {"v1": 100}, "mirror": {"version": "v9"}}]),
        [],
        "which has no ready pod (app=reviews, version=v9)",
    ),
    "a host with an owner": (
        entry(),
        [{**FOREIGN, "spec": {"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": HOST}}]}]}}],
        "VirtualService bookinfo/team routes the requests to bookinfo/reviews already, and of two only the older counts",
    ),
    "an object of others": (
        entry(),
        [{**FOREIGN, "metadata": {"name": "reviews", "namespace": "bookinfo"}}],
        "VirtualService bookinfo/reviews is there and not ours; take it away, or name it in mesh_adopt",
    ),
    "two policies": (
        entry(resilience={"load_balancer": "RANDOM"}),
        [
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "DestinationRule",
                "metadata": {"name": "pool", "namespace": "bookinfo"},
                "spec": {"host": "reviews", "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}},
            }
        ],
        "DestinationRule bookinfo/pool is for reviews as DestinationRule bookinfo/reviews would be",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_is_applied(case: str) -> None:
    row, more, text = REFUSED[case]
    said = refusal(row, objects=[*bookinfo(), *more])
    assert text in said and "nothing was changed" in said


def test_a_version_without_a_share_needs_no_pods() -> None:
    found = plan([entry(versions=[{"name": "v1"}, {"name": "v3"}], routes=[{"to": {"v1": 100, "v3": 0}}])], bookinfo())
    assert subsets(found.stages[0]) == ["v1", "v3"]


def test_what_is_not_there_yet_is_a_note_of_a_plan() -> None:
    found = plan([entry(service="later")], bookinfo(), strict=False)
    assert any("there is no Service bookinfo/later yet" in note for note in found.notes)
    new = [entry(versions=[{"name": "v1"}, {"name": "v3"}], routes=[{"to": {"v1": 50, "v3": 50}}])]
    assert any("which has no ready pod (app=reviews, version=v3)" in note for note in plan(new, bookinfo(), strict=False).notes)


def test_a_misspelt_service_of_a_tree_is_no_note() -> None:
    assert "there is no Service bookinfo/reviewz" in refusal(entry(service="reviewz"), strict=False, together=True, source="manifests")


def test_what_was_broken_before_is_said_and_is_no_obstacle() -> None:
    """v1 of ratings has no pods: who shifts reviews, or ratings away from it, must not be stopped."""
    ratings = entry(service="ratings", versions=[{"name": "v1"}], routes=[{"to": {"v1": 100}}])
    there = applied(plan([ratings], bookinfo()), bookinfo())
    dead = [obj for obj in there if obj["metadata"]["name"] != "ratings-v1"]
    found = plan([ratings, entry()], dead)
    assert any("ratings" in note and "it is so already" in note for note in found.notes)


def test_a_service_that_is_named_no_more_stays_until_it_is_pruned() -> None:
    there = applied(plan([entry()], bookinfo()), bookinfo())
    found = plan([], there)
    assert found.stages == () and [obj["kind"] for obj in found.leftovers] == ["DestinationRule", "VirtualService"]
    assert "mesh_prune=true removes them" in found.notes[0]
    gone = plan([], there, prune=True)
    assert [(stage.name, [obj["kind"] for obj in stage.gone]) for stage in gone.stages] == [
        ("traffic_routes", ["VirtualService"]),
        ("traffic_subsets", ["DestinationRule"]),
    ]
    assert gone.changes == ("requests to bookinfo/reviews: v1 80 %, v2 20 % -> all its pods alike",)
    whole(gone, there)


def test_routes_of_another_api_go_with_the_change() -> None:
    """A VirtualService goes before an HTTPRoute for the same Service, so it must not stay."""
    there = applied(plan([entry()], bookinfo()), bookinfo())
    found = plan([entry()], there, api="gateway")
    assert [obj["kind"] for stage in found.stages for obj in stage.gone] == ["VirtualService", "DestinationRule"]
    whole(found, there)
    assert not plan([entry()], applied(found, there), api="gateway").changed


PLAINTEXT = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "DestinationRule",
    "metadata": {"name": "default-plaintext", "namespace": "bookinfo"},
    "spec": {"host": "*.bookinfo.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
}


def test_the_tls_mode_of_a_less_specific_rule_is_kept() -> None:
    """Without it callers would begin a handshake with pods that speak plain text."""
    there = [*bookinfo(), PLAINTEXT]
    found = plan([entry()], there)
    assert found.stages[0].objects[0]["spec"]["trafficPolicy"] == {"tls": {"mode": "DISABLE"}}
    assert found.notes == (
        f"DestinationRule bookinfo/reviews has the tls of DestinationRule bookinfo/default-plaintext, which no longer counts for {HOST}",
    )
    assert not plan([entry()], applied(found, there)).changed
    said = plan([entry(tls="ISTIO_MUTUAL")], there).stages[0].objects[0]["spec"]["trafficPolicy"]
    assert said == {"tls": {"mode": "ISTIO_MUTUAL"}}


def test_a_port_with_its_own_tls_keeps_the_rest_of_the_policy() -> None:
    """A setting for a port takes the place of all that is said for the host."""
    level = {"port": {"number": 9080}, "tls": {"mode": "DISABLE"}}
    rule = {**PLAINTEXT, "spec": {"host": "*.bookinfo.svc.cluster.local", "trafficPolicy": {"portLevelSettings": [level]}}}
    found = plan([entry(resilience={"load_balancer": "RANDOM"})], [*bookinfo(), rule])
    policy = found.stages[0].objects[0]["spec"]["trafficPolicy"]
    assert policy["portLevelSettings"] == [{"loadBalancer": {"simple": "RANDOM"}, **level}]


def test_in_a_tree_old_versions_stay_until_they_are_pruned() -> None:
    """A tree has no time between two states: what goes in the same commit may go first."""
    tree = {"strict": False, "together": True, "source": "manifests"}
    there = applied(plan([entry()], bookinfo(), **tree), bookinfo())
    found = plan([ONLY_V2], there, **tree)
    assert [stage.name for stage in found.stages] == ["traffic_subsets", "traffic_routes"] and subsets(found.stages[0]) == ["v2", "v1"]
    assert any(f"v1 of {HOST}" in note and "mesh_prune=true" in note for note in found.notes)
    after = applied(found, there)
    assert not plan([ONLY_V2], after, **tree).changed
    pruned = plan([ONLY_V2], after, **tree, prune=True)
    assert subsets(pruned.stages[0]) == ["v2"]
    assert subsets(plan([ONLY_V2], there, **tree, prune=True).stages[0]) == ["v2", "v1"], "its routes are still in the tree"


CHANGES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "a header": (
        [{"match": [{"headers": {"end-user": "jason"}}], "to": {"v2": 100}}, {"to": {"v1": 80, "v2": 20}}],
        ["requests to bookinfo/reviews with header end-user is jason: v1 80 %, v2 20 % -> v2 100 %"],
    ),
    "copies and a timeout": (
        [
            {
                "to": {"v1": 80, "v2": 20},
                "mirror": {"version": "v2", "percent": 10},
                "timeout": "3s",
                "retries": {"attempts": 2, "retry_on": ["5xx"]},
            }
        ],
        ["requests to bookinfo/reviews: v1 80 %, v2 20 % -> v1 80 %, v2 20 %, copies of 10 % to v2, at most 3s, 2 retries on 5xx"],
    ),
    "all pods": ([{"timeout": "1s"}], ["requests to bookinfo/reviews: v1 80 %, v2 20 % -> all its pods alike, at most 1s"]),
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("api", ["istio", "gateway"])
def test_changes_in_words(case: str, api: str) -> None:
    routes, lines = CHANGES[case]
    if api == "gateway":
        routes = [{key: value for key, value in route.items() if key != "retries"} for route in routes]
        lines = [line.removesuffix(", 2 retries on 5xx") for line in lines]
    there = applied(plan([entry()], bookinfo(), api=api), bookinfo())
    assert list(plan([entry(routes=routes)], there, api=api).changes) == lines


def test_who_comes_from_outside_is_told_apart() -> None:
    outside = {"gateways": ["bookinfo"], "hosts": ["bookinfo.example.com"], "paths": [{"prefix": "/reviews"}]}
    found = plan([entry(**outside)], bookinfo(), gateways=GATEWAYS)
    assert found.changes[1] == (
        "requests to bookinfo/reviews from outside (bookinfo.example.com) with path begins with /reviews: 404 -> v1 80 %, v2 20 %"
    )


@pytest.mark.parametrize("api", ["istio", "gateway"])
def test_a_snapshot_file_says_as_much_as_the_cluster(api: str) -> None:
    """What a file leaves out must not look like a change, or like a route to nothing."""
    rows = [
        entry(resilience={"load_balancer": "RANDOM"}, routes=[{"match": [{"cookies": {"a": "1"}}], "to": {"v2": 100}}, {"to": {"v1": 100}}])
    ]
    there = applied(plan(rows, bookinfo(), api=api), bookinfo())
    kept = [slim(obj) for obj in there]
    live, told = plan(rows, there, api=api), plan(rows, kept, api=api, source="snapshot")
    assert told.notes == live.notes == () and told.changes == live.changes == ()
    assert "has no ready pod" in refusal(
        entry(versions=[{"name": "v3"}], routes=[{"to": {"v3": 100}}]), objects=kept, source="snapshot", api=api
    )


def caller(name: str, namespace: str = "bookinfo") -> dict[str, Any]:
    return pod(name, "v1", namespace=namespace)


def routing_object(
    kind: str, name: str, spec: dict[str, Any], namespace: str = "bookinfo", created: str = "2026-01-01T00:00:00Z"
) -> dict[str, Any]:
    group = "gateway.networking.k8s.io" if kind == "HTTPRoute" else "networking.istio.io"
    return {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec,
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created}}  # fmt: skip


RATINGS_ROUTE = {
    "parentRefs": [{"group": "", "kind": "Service", "name": "reviews", "namespace": "bookinfo"}],
    "rules": [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [{"name": "ratings", "namespace": "bookinfo", "port": 9080}],
        }
    ],
}


def test_a_rule_for_some_callers_only_takes_their_versions_away() -> None:
    """A DestinationRule with a workloadSelector is the only one for those that it selects, and has none of the subsets."""
    own = {"host": HOST, "workloadSelector": {"matchLabels": {"app": "web"}}, "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}
    there = [*bookinfo(), caller("web"), caller("batch"), routing_object("DestinationRule", "of-web", own)]
    said = refusal(entry(), objects=there)
    assert "VirtualService bookinfo/reviews: callers would get 503 by http[0]: no DestinationRule defines subset v1" in said
    assert "(bookinfo/web-v1) (after the stage: where requests go)" in said and "batch" not in said


def test_callers_with_routes_of_their_own_are_named() -> None:
    """An HTTPRoute in the namespace of a caller holds for that namespace, and before what the Service's owner says."""
    there = [*bookinfo(), caller("web"), caller("web", "shop"), routing_object("HTTPRoute", "mine", RATINGS_ROUTE, "shop")]
    found = plan([entry()], there, intent=replace(INTENT, members=("bookinfo", "shop")))
    assert found.notes == ("the routes of bookinfo/reviews do not hold for shop/web-v1: HTTPRoute shop/mine holds for them instead",)


def test_routes_that_hold_for_nobody_are_refused() -> None:
    older = routing_object("HTTPRoute", "older", RATINGS_ROUTE, created="2020-01-01T00:00:00Z")
    said = refusal(entry(), objects=[*bookinfo(), caller("web"), older])
    assert "the routes of bookinfo/reviews do not hold for" in said and "HTTPRoute bookinfo/older holds for them instead" in said
