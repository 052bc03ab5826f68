# SPDX-License-Identifier: GPL-3.0-or-later
"""What fits on the nodes: requests, taints, selectors, and what a rolling update adds."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.capacity import capacity, quantity
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.fleet import fleet_of_view
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.journey import RolloutTerms, journey_of
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.route import UpgradeRequest

from upgrade.world import Obj, deployment, istio, istiod, namespace, obj, revision, snapshot


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100m", 0.1), ("2", 2), (2, 2), ("1.5", 1.5), ("1k", 1000), ("1M", 1e6), ("1G", 1e9), ("1T", 1e12), ("1P", 1e15), ("1Ki", 1024),
        ("64Mi", 64 * 2**20), ("3Gi", 3 * 2**30), ("1Ti", 2**40), ("1Pi", 2**50), ("1e3", 1000), (" 1 ", 1), ("", 0), (None, 0),
        ("lots", 0), ("Mi", 0),
    ],
)  # fmt: skip
def test_quantities(text: Any, number: float) -> None:
    assert quantity(text) == pytest.approx(number)


def requests(cpu: str = "1", memory: str = "1Gi") -> Obj:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}}


def node(
    name: str = "n1",
    *,
    cpu: str = "4",
    memory: str = "16Gi",
    pods: str = "110",
    ready: str = "True",
    labels: Obj | None = None,
    **spec: Any,
) -> Obj:
    allocatable = {"cpu": cpu, "memory": memory, **({"pods": pods} if pods else {})}
    status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]}
    return obj("v1", "Node", name, labels=labels, spec=spec, status=status)


def running(name: str, *, cpu: str = "1", memory: str = "1Gi", where: str = "n1", phase: str = "Running", **spec: Any) -> Obj:
    given = {"nodeName": where, "containers": [{"name": "app", **requests(cpu, memory)}], **spec}
    return obj("v1", "Pod", f"other/{name}", spec=given, status={"phase": phase})


def app(name: str = "cart", *, cpu: str = "1", memory: str = "1Gi", **spec: Any) -> Obj:
    made = deployment(f"shop/{name}", **{key: value for key, value in spec.items() if key in ("replicas", "strategy", "kind")})
    pod = {key: value for key, value in spec.items() if key not in ("replicas", "strategy", "kind")}
    made["spec"]["template"]["spec"] = {"containers": [{"name": "app", **requests(cpu, memory)}], **pod}
    return made


def mesh(*, replicas: int = 2, cpu: str = "1", strategy: str = "RevisionBased", **pod: Any) -> list[Obj]:
    control = istiod("prod", replicas=replicas, **requests(cpu, "1Gi"))
    control["spec"]["template"]["spec"] |= pod
    name = "prod-v1-29-4" if strategy == "RevisionBased" else "prod"
    control["metadata"] |= {"name": f"istiod-{name}", "labels": {"app": "istiod", "istio.io/rev": name}}
    return [
        istio("prod", updateStrategy={"type": strategy}, status={"activeRevisionName": name}),
        revision(name, istio_name="prod"), control, namespace("shop", istio_io__rev=name), running("base", cpu="0", memory="0"),
    ]  # fmt: skip


def said(*objects: Obj, target: str = "v1.30.3", concurrency: int = 10) -> list[str]:
    view = View(snapshot(*objects))
    way = journey_of(view, fleet_of_view(view), UpgradeRequest(target, provider="sail"), RolloutTerms(concurrency=concurrency))
    return [row.message for row in capacity(way)]


def fit(count: int, placed: int, text: str = "1 CPU and 1024 Mi", why: str = "a second control plane runs beside the first") -> list[str]:
    return (
        []
        if count == placed
        else [f"{why}: {count} pod{'s' if count > 1 else ''} of {text} to be added, of which {placed} fit on the nodes"]
    )


TAINT = {"key": "node-role.kubernetes.io/control-plane", "value": "", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("nodes", "placed"),
    [
        ([node()], 2),
        ([node(cpu="1.5")], 1),
        ([node(cpu="1"), node("n2", cpu="1")], 2),
        ([node(cpu="2"), running("busy", cpu="1")], 1),
        ([node(cpu="2"), running("busy", cpu="1", where="n2")], 2),
        ([node(cpu="2"), running("over", cpu="1", phase="Succeeded"), running("failed", cpu="1", phase="Failed")], 2),
        ([node(cpu="2"), running("native", cpu="0", initContainers=[{"name": "a", "restartPolicy": "Always", **requests()}])], 1),
        ([node(cpu="2"), running("init", cpu="0", initContainers=[{"name": "a", **requests()}])], 2),
        ([node(memory="1536Mi")], 1),
        ([node(pods="2")], 1),  # one is there
        ([node(pods="")], 2),
        ([node(unschedulable=True)], 0),
        ([node(ready="False")], 0),
        ([node(ready="Unknown"), node("n2", cpu="1")], 1),
        ([node(taints=[TAINT])], 0),
        ([node(taints=[{**TAINT, "effect": "NoExecute"}])], 0),
        ([node(taints=[{**TAINT, "effect": "PreferNoSchedule"}])], 2),
        ([node(taints=[TAINT]), node("n2")], 2),
    ],
)
def test_the_istiods_of_a_new_revision_fit_beside_the_old_ones(nodes: list[Obj], placed: int) -> None:
    assert said(*mesh(), *nodes) == fit(2, placed)


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "dedicated", "operator": "Equal", "value": "mesh"}, True),
        ({"key": "dedicated", "value": "mesh", "effect": ""}, True),
        ({"key": "dedicated", "value": "other"}, False),
        ({"key": "dedicated"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "other", "value": "mesh"}, False),
    ],
)
def test_taints_and_tolerations(toleration: Obj, fits: bool) -> None:
    tainted = node(taints=[{"key": "dedicated", "value": "mesh", "effect": "NoSchedule"}])
    assert said(*mesh(tolerations=[toleration]), tainted) == fit(2, 2 if fits else 0)
    assert said(*mesh(tolerations=[{"key": "first"}, toleration]), tainted) == fit(2, 2 if fits else 0)


def test_a_node_selector() -> None:
    wanted = mesh(nodeSelector={"role": "infra", "zone": "a"})
    assert said(*wanted, node(labels={"role": "infra", "zone": "b"})) == fit(2, 0)
    assert said(*wanted, node(labels={"role": "infra", "zone": "a", "more": "x"})) == []


def test_in_place_a_rolling_update_adds_as_many_as_there_are() -> None:
    found = said(*mesh(strategy="InPlace", replicas=3), node(cpu="2"))
    assert found == fit(3, 2, why="its rolling update adds as many as there are")
    assert said(*mesh(replicas=0), node(cpu="0.5")) == fit(1, 0)
    assert said(*mesh(), node(cpu="0.5"), target="v1.29.4") == [], "nothing is added where there is no hop"


def test_sources_that_do_not_say_enough() -> None:
    assert said(*mesh()) == ["the source has no nodes"]
    bare = [row for row in mesh() if row["kind"] != "Pod"]
    silent = obj("v1", "Pod", "other/silent", spec={"nodeName": "n1", "containers": [{"name": "app"}]}, status={"phase": "Running"})
    assert said(*bare, silent, node()) == ["the source does not say what pods request; take a new snapshot"]
    assert said(*bare, node()) == []
    assert said(*[row for row in mesh() if row["kind"] != "Deployment"], node(cpu="0.1")) == []


NO_ROOM = "no node has room for it beside the others of a wave"


@pytest.mark.parametrize(
    ("apps", "concurrency", "expected"),
    [
        ([app(cpu="1")], 10, []),
        ([app(cpu="2")], 10, [f"a restart adds a pod of 2.1 CPU and 1152 Mi, and {NO_ROOM}"]),
        # what its proxy asks for is counted once, or as its template has it
        ([app(cpu="1.8", containers=[{"name": "app", **requests("1.8")}, {"name": "istio-proxy", **requests("0.2", "1Gi")}])], 10, []),
        ([app(containers=[{"name": "app", **requests("1.8")}, {"name": "istio-proxy", "image": "auto"}])], 10, []),
        ([app(containers=[{"name": "app", **requests("1.95")}, {"name": "istio-proxy", "image": "auto"}])], 10,
         [f"a restart adds a pod of 2.05 CPU and 1152 Mi, and {NO_ROOM}"]),
        ([app(containers=None)], 10, []),
        ([app(cpu="2", strategy={"type": "Recreate"})], 10, []),
        ([app(cpu="2", strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}})], 10, []),
        ([app(cpu="2", strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "0%"}})], 10, []),
        ([app(cpu="2", replicas=0)], 10, []),
        ([app(cpu="2", kind="StatefulSet")], 10, []),
        # as many at the same time as a wave has, the largest first
        ([app("a", cpu="1"), app("b", cpu="1")], 10, [f"a restart adds a pod of 1.1 CPU and 1152 Mi, and {NO_ROOM}"]),
        ([app("a", cpu="1"), app("b", cpu="1")], 1, []),
        ([app("a", cpu="0.1"), app("b", cpu="2")], 1, [f"a restart adds a pod of 2.1 CPU and 1152 Mi, and {NO_ROOM}"]),
        ([app("a", cpu="0.1", memory="9Gi")], 1, [f"a restart adds a pod of 0.2 CPU and 9344 Mi, and {NO_ROOM}"]),
    ],
)  # fmt: skip
def test_the_pods_that_a_wave_adds_fit(apps: list[Obj], concurrency: int, expected: list[str]) -> None:
    """Of four CPUs the new istiods take two."""
    assert said(*mesh(), node(memory="10Gi"), *apps, concurrency=concurrency) == expected
