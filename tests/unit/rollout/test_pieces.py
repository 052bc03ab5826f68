# SPDX-License-Identifier: GPL-3.0-or-later
"""Waves, windows, versions and strategies, each as a table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Problem, summary
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.machine import WaveMemory
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.model import Goal, ProxyPod, RestartedWorkload, plain_version
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.progress import plan_lines, seconds_text
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.reading import _cost, matches, pod_of, thin_pod, thin_workload, world_of
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.state import State, begin
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.waves import PlannedWave, orders_from, plan, width
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.windows import is_open, next_opening, windows_from

from rollout.world import world

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
GOAL = Goal("1.27.5", since=NOON)


def workload(name: str, *, namespace: str = "shop", gateway: bool = False, version: str = "1.27.3", **more: Any) -> RestartedWorkload:
    pod = ProxyPod(f"{name}-1", namespace, NOON.replace(hour=1), version, "default", ready=True)
    labels = {"app": name, **more.pop("labels", {})}
    return RestartedWorkload("Deployment", namespace, name, 1, 1, 0, gateway=gateway, labels=labels, pods=(pod,), **more)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("v1.27.3", "1.27.3"),
        ("1.27.3-distroless", "1.27.3"),
        ("1.30.0-alpha.1", "1.30.0-alpha.1"),
        ("latest", ""),
        ("", ""),
        ("sha256:11", ""),
        ("v2.6", "2.6"),
        ("22", ""),
        ("v1.30-latest", "1.30"),
    ],
)
def test_versions(text: str, plain: str) -> None:
    assert plain_version(text) == plain


@pytest.mark.parametrize(
    ("goal", "pod", "stamped", "there"),
    [
        (Goal("v1.27.5"), ("1.27.5", "x", 1), False, True),
        (Goal("v1.27.5"), ("1.27.3", "x", 13), True, False),
        (Goal("v2.6"), ("2.6.4", "x", 1), False, True),
        (Goal("v2.6"), ("2.60.1", "x", 1), False, False),
        # an alias: what it leads to counts, and any patch of its minor where nobody could say
        (Goal("v1.27-latest", runs="v1.27.5"), ("1.27.5", "x", 1), False, True),
        (Goal("v1.27-latest", runs="v1.27.5"), ("1.27.3", "x", 13), True, False),
        (Goal("v1.27-latest"), ("1.27.3", "x", 1), False, True),
        (Goal("v1.27-latest"), ("1.26.8", "x", 13), True, False),
        (Goal("v1.27-latest", "r-latest", runs="v1.27.5"), ("1.27.5", "r-latest", 1), False, True),
        (Goal("v1.27.5", "r-5"), ("1.27.5", "r-3", 13), True, False),
        (Goal("v1.27.5", "r-5"), ("", "r-5", 1), False, True),
        (Goal("v1.27.5", since=NOON), ("", "x", 13), False, True),
        (Goal("v1.27.5", since=NOON), ("", "x", 12), False, False),
        (Goal("v1.27.5", since=NOON), ("", "x", 12), True, True),
        (Goal(since=NOON), ("1.27.5", "x", 11), False, False),
        (Goal("v1.27.5"), ("", "x", 13), True, False),
    ],
)
def test_what_a_pod_has_to_be(goal: Goal, pod: tuple[str, str, int], stamped: bool, there: bool) -> None:
    version, revision, hour = pod
    assert ProxyPod("a", "b", NOON.replace(hour=hour), version, revision).at(goal, stamped=stamped) is there


@pytest.mark.parametrize(
    ("kind", "spec", "wanted", "cost"),
    [
        ("Deployment", {}, 3, 0),
        ("Deployment", {}, 8, 2),
        ("Deployment", {"strategy": {"type": "Recreate"}}, 3, 3),
        ("Deployment", {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}, 3, 1),
        ("Deployment", {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "50%"}}}, 5, 2),
        ("StatefulSet", {}, 3, 1),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}, 3, 2),
        ("DaemonSet", {}, 9, 1),
        ("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}, 9, 0),
        ("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "20%"}}}, 9, 2),
    ],
)
def test_how_many_pods_are_away_during_a_restart(kind: str, spec: dict[str, Any], wanted: int, cost: int) -> None:
    assert _cost(kind, spec, wanted) == cost


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["0"]}]}, False),
    ],
)
def test_selectors(selector: dict[str, Any], fits: bool) -> None:
    assert matches(selector, {"a": "1"}) is fits


def test_a_native_sidecar_s_image_and_the_status_of_older_injectors_are_read() -> None:
    raw = {
        "metadata": {
            "name": "a",
            "namespace": "b",
            "creationTimestamp": "2026-03-01T00:00:00Z",
            "annotations": {"sidecar.istio.io/status": '{"revision": "r-3"}'},
        },
        "spec": {"initContainers": [{"name": "istio-proxy", "image": "registry:5000/istio/proxyv2:1.27.3"}]},
        "status": {"phase": "Running"},
    }
    pod = pod_of(thin_pod(raw))
    assert pod is not None and (pod.version, pod.revision) == ("1.27.3", "r-3")
    raw["metadata"]["annotations"] = {"sidecar.istio.io/status": "broken"}  # type: ignore[index]
    raw["spec"]["initContainers"][0]["image"] = "registry:5000/istio/proxyv2@sha256:01"  # type: ignore[index]
    pod = pod_of(thin_pod(raw))
    assert pod is not None and (pod.version, pod.revision) == ("", "")


# waves


def names(found: list[PlannedWave]) -> dict[str, list[str]]:
    return {one.name: [title.rpartition("/")[2] for title in one.members] for one in found}


FLEET = world(
    *[workload(f"app-{number}") for number in range(8)],
    workload("web", namespace="portal", labels={"tier": "front"}),
    workload("done", version="1.27.5"),
    workload("ingress", namespace="system", gateway=True),
    domains={"portal": "front"},
)


@pytest.mark.parametrize(
    ("orders", "sizes"),
    [
        ([], {"workloads": 9, "gateways": 1}),
        ([{"name": "a", "share": 20}], {"a": 2, "rest": 7, "gateways": 1}),
        ([{"name": "a", "share": 20, "gateways": "no", "rest": "no"}], {"a": 2, "rest": 7, "gateways": 1}),
        ([{"name": "a", "share": "50%", "namespaces": ["portal"]}], {"a": 1, "rest": 8, "gateways": 1}),
        ([{"name": "a", "domains": ["front"]}, {"name": "gw", "gateways": True}, {"name": "b", "rest": True}], {"a": 1, "gw": 1, "b": 8}),
        ([{"name": "a", "labels": {"tier": "front"}}], {"a": 1, "rest": 8, "gateways": 1}),
        ([{"name": "a", "workloads": ["shop/app-1", "Deployment shop/app-2"]}], {"a": 2, "rest": 7, "gateways": 1}),
        ([{"name": "rest", "workloads": ["shop/app-1"]}], {"rest": 1, "rest-left": 8, "gateways": 1}),
        ([{"name": "nobody", "namespaces": ["elsewhere"]}], {"rest": 9, "gateways": 1}),
    ],
)
def test_waves(orders: list[dict[str, Any]], sizes: dict[str, int]) -> None:
    found = plan(FLEET, GOAL, orders_from(orders))
    assert {one.name: len(one.members) for one in found} == sizes
    members = [title for one in found for title in one.members]
    assert len(members) == len(set(members)) == 10
    assert plan(FLEET, GOAL, orders_from(orders)) == found, "the same every time"


def test_a_share_is_of_a_hundred() -> None:
    many = world(*[workload(f"app-{number:03}") for number in range(200)])
    assert [len(one.members) for one in plan(many, GOAL, orders_from([{"name": "a", "share": 60}]))] == [120, 80]


@pytest.mark.parametrize(
    ("labels", "notes", "expected"),
    [
        ({"istio": "ingressgateway"}, {}, True),
        ({"istio": "east-west-gateway"}, {}, True),
        ({"istio": "pilot"}, {}, False),
        ({"app": "gateway"}, {}, False),
        ({"maistra.io/gateway": "edge.shop"}, {}, True),
        ({"gateway.networking.k8s.io/gateway-name": "edge"}, {}, True),
        ({}, {"inject.istio.io/templates": "sidecar,gateway"}, True),
        ({}, {"inject.istio.io/templates": "grpc-agent"}, False),
    ],
)
def test_what_is_a_gateway(labels: dict[str, str], notes: dict[str, str], expected: bool) -> None:
    template = {"metadata": {"labels": labels, "annotations": notes}}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "shop"}, "spec": {"template": template}}
    found = world_of([thin_workload(made)], [], named={"Deployment shop/a"})
    assert [one.gateway for one in found.workloads.values()] == [expected]


def test_domains_of_the_inventory_stand_for_their_namespaces() -> None:
    found = plan(FLEET, GOAL, orders_from([{"name": "a", "domains": ["buy"]}], domains={"buy": ["shop"]}))
    assert len(names(found)["a"]) == 8
    with pytest.raises(ConfigError, match="wave a names the domain sell; there are buy"):
        orders_from([{"name": "a", "domains": ["sell"]}], domains={"buy": ["shop"]})


def test_all_mistakes_of_the_waves_come_at_once() -> None:
    with pytest.raises(ConfigError) as found:
        orders_from([{"name": "a", "shares": 10}, {"name": "a", "share": 120}, {"rest": True, "concurrency": "many"}])
    for text in (
        "wave a has the unknown key shares",
        "wave a selects nothing",
        "wave a has the share 120",
        "wave wave-3: the concurrency many is",
        "several waves are called a",
    ):
        assert text in str(found.value)


@pytest.mark.parametrize(("text", "size", "wide"), [("", 7, 7), ("", 0, 1), ("3", 7, 3), ("25%", 10, 3), ("1%", 10, 1)])
def test_width(text: str, size: int, wide: int) -> None:
    assert width(text, size) == wide


# windows


@pytest.mark.parametrize(
    ("row", "opened", "opens"),
    [
        ({"start": "11:00", "end": "13:00"}, True, "05 11:00"),
        ({"start": "22:00", "end": "04:00"}, False, "04 22:00"),
        ({"start": "22:00", "end": "13:00"}, True, "04 22:00"),
        ({"days": ["tue"], "start": "22:00", "end": "13:00"}, True, "10 22:00"),
        ({"days": ["wed"], "start": "22:00", "end": "13:00"}, False, "04 22:00"),
        ({"days": ["Sat"], "start": "11:00", "end": "13:00"}, False, "07 11:00"),
        ({"start": "12:30", "end": "14:00", "timezone": "Europe/Madrid"}, True, "05 12:30"),
        ({"start": "12:00", "end": "12:00"}, True, "05 12:00"),
    ],
)
def test_windows(row: dict[str, Any], opened: bool, opens: str) -> None:
    found = windows_from([row])
    assert is_open(found, NOON) is opened
    assert next_opening(found, NOON).strftime("%d %H:%M") == opens
    assert is_open([], NOON)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"start": "22:00"}, "needs start and end"),
        ({"start": "22:00", "end": 4}, "needs start and end"),
        ({"days": ["someday"], "start": "1:00", "end": "2:00"}, "names the day som"),
        ({"start": "01:00", "end": "02:00", "timezone": "Mars/North"}, "time zone Mars/North"),
    ],
)
def test_windows_that_are_none(row: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        windows_from([row])


# what is remembered


def test_a_state_comes_back_as_it_was_and_a_stranger_s_is_refused() -> None:
    state = begin([PlannedWave("a", ("Deployment x/y",), concurrency="3")], GOAL, Goal("1.27.3"), reason="r", now=NOON, by="ann")
    assert State.from_json(state.to_json(), "there") == state
    with pytest.raises(ConfigError, match="there does not hold a rollout that can be read"):
        State.from_json("{}", "there")
    with pytest.raises(ConfigError, match="has the format other/v9, this release reads"):
        State.from_json('{"format": "other/v9"}', "there")


def test_a_memory_survives_another_process_with_another_clock() -> None:
    memory = WaveMemory(began={"a": 90.0}, troubled={"b": ("x", 80.0)}, held={"c": 70.0}, least_ready={"g": 1})
    again = WaveMemory.from_ages(json.loads(json.dumps(memory.ages(100.0))), 1000.0)
    assert again == WaveMemory(began={"a": 990.0}, troubled={"b": ("x", 980.0)}, held={"c": 970.0}, least_ready={"g": 1})


# lines


@pytest.mark.parametrize(("seconds", "text"), [(42, "42 s"), (200, "3 min"), (7500, "2 h 5 min")])
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_lines() -> None:
    found = plan(FLEET, GOAL, orders_from([{"name": "a", "share": 10, "concurrency": 5}]))
    assert plan_lines(found, FLEET)[0] == "wave 1 of 3, a: 1 workload, 1 pod, 5 at a time"
    alone = [f"Pod shop/{number:02}" for number in range(12)]
    lines = plan_lines(found, world(*FLEET.workloads.values(), loose=alone))
    assert lines[3:] == [*(f"  left alone: {one}" for one in alone[:10]), "  left alone: 2 more pods"]
    assert plan_lines([], world(loose=alone[:10])) == [f"  left alone: {one}" for one in alone[:10]]
    text = summary([Problem(f"Pod a/{number}", "bad", "do") for number in range(12)])
    assert text.startswith("Pod a/0: bad (do); ") and text.endswith("; and 2 more")


def test_what_an_alias_leads_to_is_kept_with_the_rollout() -> None:
    goal = Goal("v1.27-latest", "r-latest", runs="v1.27.5")
    text = begin([PlannedWave("gateways", ("Deployment shop/a",), True)], goal, Goal("v1.26.8"), reason="why", now=NOON, by="me").to_json()
    assert State.from_json(text, "here").goal == Goal("v1.27-latest", "r-latest", NOON, "v1.27.5")
    assert "runs" not in json.loads(text)["origin"], "a state without an alias is as it was"
