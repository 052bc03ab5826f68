# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proof sees: whatever has pods is a workload, what no proxy guards is open to anyone, and the answer says what it is about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.report import plan_result
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.capture import past_proxy, settings_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.change import difference_of, text_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.doors import doors_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from ansible_collections.meshops.mesh.plugins.module_utils._checks.render import table
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import (
    run_authorization_checks,
    run_authorization_diff,
)
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.owners import Owners
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot, slim, trimmed
from ansible_collections.meshops.mesh.plugins.module_utils._model.workloads import Shape, groups_of
from authorization_travel import mtls, namespace
from authorization_worlds import policy, source

SPACE = "bakery"
EXCLUDE, INCLUDE = "traffic.sidecar.istio.io/excludeInboundPorts", "traffic.sidecar.istio.io/includeInboundPorts"
INJECT = "sidecar.istio.io/inject"
STRICT = mtls(where="istio-system")


def meta(name: str, where: str = SPACE, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": where, **more}


def owner(api: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "name": name, "controller": True, "uid": name}


def pod(name: str, labels: dict[str, str], *owners: dict[str, Any], proxy: bool = True, where: str = SPACE, **spec: Any) -> dict[str, Any]:
    """A running pod, as the API server has it."""
    notes = spec.pop("annotations", {})
    phase = spec.pop("phase", "Running")
    containers = [{"name": "main", "image": "main:1"}] + ([{"name": "istio-proxy", "image": "proxyv2:1.30.1"}] if proxy else [])
    injected = {"sidecar.istio.io/status": "{}"} if proxy else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, where, labels=labels, annotations={**injected, **notes}, ownerReferences=list(owners)),
        "spec": {"serviceAccountName": "baker", "containers": containers, **spec},
        "status": {"phase": phase},
    }


def template(labels: dict[str, str] | None = None, notes: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "main:1", "ports": [{"containerPort": 8080}]}]
    return {
        "metadata": {"labels": labels or {"app": "oven"}, "annotations": notes or {}},
        "spec": {"serviceAccountName": "baker", "containers": containers, **spec},
    }


def deployment(name: str = "oven", where: str = SPACE, **more: Any) -> dict[str, Any]:
    shape = template(more.pop("labels", {"app": name}), more.pop("notes", None), **more.pop("spec", {}))
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name, where), "spec": {"template": shape, **more}}


def guard(app: str = "oven", *accounts: str, where: str = SPACE) -> dict[str, Any]:
    """Who may call an application: these accounts, or nobody."""
    rules = [source(principals=[f"cluster.local/ns/{where}/sa/{name}" for name in accounts])] if accounts else []
    return policy(*rules, name=app, namespace=where, selector={"matchLabels": {"app": app}})


def check(objects: list[dict[str, Any]], access: Any = None, source_: str = "snapshot", **given: Any) -> Any:
    read = Snapshot.from_json(
        {"format": "meshops.mesh/snapshot/v1", "cluster": "east", "taken_at": "2026-11-21T12:00:00Z", "objects": objects}
    )
    read = Snapshot(read.cluster, read.taken_at, source_, None, read.objects)
    settings = ("members", "trust_domain", "trust_domain_aliases", "root_namespace", "istio_version", "path_normalization")
    return run_authorization_checks({**dict.fromkeys(settings), "only": [], "ignore": [], "access": access, **given}, read)


def more(found: Any) -> dict[str, str]:
    """What is allowed beyond the matrix, by workload."""
    return {
        row.resource.removeprefix("Workload "): row.message for row in found.report.rows if row.id == "OSM3302" and row.status == "failed"
    }


def places(objects: list[dict[str, Any]]) -> dict[str, str]:
    return {place.name: "outside" if place.outside else place.workload.kind for place in take([namespace(SPACE), *objects]).places}


# ---- whatever has pods


BREAD = {"app": "bread"}
MAKERS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "Deployment, its ReplicaSet not read": (
        [pod("bread-5d-x", {**BREAD, "pod-template-hash": "5d"}, owner("apps/v1", "ReplicaSet", "bread-5d"))],
        "bread",
    ),
    "Rollout, its ReplicaSet not read": (
        [pod("bread-5d-x", {**BREAD, "rollouts-pod-template-hash": "5d"}, owner("apps/v1", "ReplicaSet", "bread-5d"))],
        "bread",
    ),
    "Rollout above a ReplicaSet": (
        [
            pod("bread-5d-x", BREAD, owner("apps/v1", "ReplicaSet", "bread-5d")),
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": meta("bread-5d", ownerReferences=[owner("argoproj.io/v1alpha1", "Rollout", "bread")]),
            },
        ],
        "bread",
    ),
    "DeploymentConfig by its label": (
        [pod("bread-3-x", {**BREAD, "deploymentconfig": "bread"}, owner("v1", "ReplicationController", "bread-3"))],
        "bread",
    ),
    "a ReplicationController of nobody": ([pod("bread-3-x", BREAD, owner("v1", "ReplicationController", "bread-3"))], "bread-3"),
    "a Job": ([pod("bread-x", BREAD, owner("batch/v1", "Job", "bread"))], "bread"),
    "a CronJob whose Jobs are not read": (
        [
            pod("bread-29384040-x", BREAD, owner("batch/v1", "Job", "bread-29384040")),
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": meta("bread"),
                "spec": {"jobTemplate": {"spec": {"template": template(BREAD)}}},
            },
        ],
        "bread",
    ),
    "a kind of an operator, two levels up": (
        [
            pod("bread-0", BREAD, owner("core.strimzi.io/v1", "StrimziPodSet", "bread-set")),
            {
                "apiVersion": "core.strimzi.io/v1",
                "kind": "StrimziPodSet",
                "spec": {"pods": []},
                "metadata": meta("bread-set", ownerReferences=[owner("kafka.strimzi.io/v1", "KafkaNodePool", "bread")]),
            },
        ],
        "bread",
    ),
    "an owner that does not say that it controls": (
        [pod("bread-0", BREAD, {"apiVersion": "x.example.com/v1", "kind": "Loaf", "name": "bread", "uid": "u"})],
        "bread",
    ),
    "nobody": ([pod("bread", BREAD)], "bread"),
    "a node, as a static pod": ([pod("bread", BREAD, owner("v1", "Node", "worker-1"))], "bread"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_pods_of_any_maker_are_a_workload_and_open_without_a_policy(name: str) -> None:
    objects, expected = MAKERS[name]
    world = [
        namespace(SPACE),
        STRICT,
        deployment("oven"),
        pod("oven-1-a", {"app": "oven", "pod-template-hash": "1"}, owner("apps/v1", "ReplicaSet", "oven-1")),
        guard("oven", "baker"),
        *objects,
    ]
    found = check(world, [{"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}])
    assert found.proven is False and list(more(found)) == [f"{SPACE}/{expected}"]
    closed = check(
        [*world, guard("bread", "baker")], [{"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven", f"{SPACE}/{expected}"]}]
    )
    assert closed.proven is True, closed.text
    about = f"about {len(world) + 1} objects, 2 workloads, 2 pods and 2 callers; all that was seen is judged"
    assert closed.text.splitlines()[0] == f"east: exactly the intended access is allowed; {about}"


def test_pods_that_are_done_or_on_their_way_out_are_no_workload() -> None:
    gone = pod("late", BREAD)
    gone["metadata"]["deletionTimestamp"] = "2026-11-21T11:00:00Z"
    done = pod("night-1-x", BREAD, owner("batch/v1", "Job", "night-1"), phase="Succeeded")
    assert places([deployment(), gone, done, pod("lost", BREAD, phase="Failed")]) == {"oven": "sidecar"}


TEMPLATES: dict[str, tuple[str, str, dict[str, Any], set[str]]] = {
    "Rollout": ("argoproj.io/v1alpha1", "Rollout", {"template": template()}, {"x"}),
    "DeploymentConfig": ("apps.openshift.io/v1", "DeploymentConfig", {"template": template()}, {"x"}),
    "ReplicationController": ("v1", "ReplicationController", {"template": template()}, {"x"}),
    "Job": ("batch/v1", "Job", {"template": template()}, {"x"}),
    "CronJob": ("batch/v1", "CronJob", {"jobTemplate": {"spec": {"template": template()}}}, {"x"}),
    "Knative Service": ("serving.knative.dev/v1", "Service", {"template": template()}, {"x"}),
    "JobSet": (
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        {"replicatedJobs": [{"name": "w", "template": {"spec": {"template": template()}}}]},
        {"x"},
    ),
    "LeaderWorkerSet, whose leader is another": (
        "leaderworkerset.x-k8s.io/v1",
        "LeaderWorkerSet",
        {"leaderWorkerTemplate": {"leaderTemplate": template({"app": "lead"}), "workerTemplate": template(notes={INJECT: "false"})}},
        {"x", "x (leaderWorkerTemplate.workerTemplate)"},
    ),
    "an operator's own": ("ovens.example.com/v1", "Oven", {"pods": {"template": template()}}, {"x"}),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_any_kind_with_a_pod_template_is_a_workload_of_a_folder(name: str) -> None:
    api, kind, spec, expected = TEMPLATES[name]
    obj = {"apiVersion": api, "kind": kind, "metadata": meta("x"), "spec": spec}
    assert set(places([obj])) == expected
    found = check([namespace(SPACE), obj, guard("other")], [], "manifests")
    assert found.coverage.seen.workloads == 1 and found.proven is False


def test_a_job_that_is_done_is_no_workload() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta("x"), "spec": {"template": template()}}
    assert set(places([job])) == {"x"}
    assert places([{**job, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}]) == {}


@pytest.mark.parametrize("change_", [slim, trimmed], ids=["in a file", "in memory"])
def test_a_snapshot_keeps_all_that_is_looked_at(change_: Any) -> None:
    """What is left out of a snapshot's file, or of what is read, would be judged as if it were not there."""
    values = {"global": {"proxy": {"excludeInboundPorts": "9999"}}}
    notes = {"proxy.istio.io/config": "interceptionMode: NONE", EXCLUDE: "1"}
    space = namespace(SPACE)
    objects = [
        space,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta("istio-sidecar-injector", "istio-system"),
            "data": {"values": json.dumps(values)},
        },
        *[
            {"apiVersion": api, "kind": kind, "metadata": meta(kind.lower()), "spec": spec}
            for api, kind, spec, _expected in TEMPLATES.values()
            if kind in ("Rollout", "DeploymentConfig", "Job", "CronJob", "Service")
        ],
        deployment("moved", notes=notes),
        deployment("host", spec={"hostNetwork": True}),
        *[obj for made, _name in MAKERS.values() for obj in made][:6],
        pod("plain", {"app": "plain"}, proxy=False),
        pod("red", {"app": "red"}, proxy=False, annotations={"ambient.istio.io/redirection": "enabled"}),
        *machines(),
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Sidecar",
            "metadata": meta("own"),
            "spec": {"workloadSelector": {"labels": {"app": "moved"}}, "ingress": [{"port": {"number": 9080}, "captureMode": "NONE"}]},
        },
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": meta("mill"),
            "spec": {"workloadSelector": {"labels": {"app": "mill"}}, "ports": [{"number": 80, "name": "web", "protocol": "HTTP"}]},
        },
        {
            "apiVersion": "maistra.io/v2",
            "kind": "ServiceMeshControlPlane",
            "metadata": meta("cp", "cp"),
            "spec": {"proxy": {"networking": {"trafficControl": {"inbound": {"excludedPorts": [7]}}}}},
        },
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "Istio",
            "metadata": {"name": "default"},
            "spec": {"namespace": "istio-system", "values": values},
        },
    ]
    whole, left = take(objects).places, take([change_(obj) for obj in objects]).places
    assert [(place.ref, place.outside, place.why, place.past, place.account, place.ports, place.aliases) for place in whole] == [
        (place.ref, place.outside, place.why, place.past, place.account, place.ports, place.aliases) for place in left
    ]
    assert len(whole) > 12 and {place.past.ports for place in whole} >= {(9999,)}


def test_what_only_describes_workloads_is_none() -> None:
    spec = {"install": {"spec": {"deployments": [{"name": "x", "spec": {"template": template()}}]}}}
    csv = {"apiVersion": "operators.coreos.com/v1alpha1", "kind": "ClusterServiceVersion", "metadata": meta("x"), "spec": spec}
    listed = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": meta("y"), "template": template()}
    assert places([csv, listed]) == {}


def test_a_rollout_that_borrows_a_deployment_s_template_goes_by_both_names() -> None:
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": meta("loaf"),
        "spec": {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "oven"}},
    }
    (place,) = take([namespace(SPACE), deployment(replicas=0), rollout]).places
    assert place.refs == (f"{SPACE}/loaf", f"{SPACE}/oven") and place.account == "baker"


def test_a_deployment_and_a_statefulset_of_one_name_are_two() -> None:
    other = {**deployment(), "kind": "StatefulSet"}
    other["spec"] = {"template": template({"app": "other"})}
    found = take([namespace(SPACE), deployment(), other]).places
    assert [place.ref for place in found] == [f"{SPACE}/oven", f"{SPACE}/oven (2)"]
    assert {place.workload.labels["app"] for place in found} == {"oven", "other"}


def test_pods_that_differ_from_their_template_are_judged_beside_it() -> None:
    """An old ReplicaSet has other labels, and a pod that was made before the namespace was injected has no proxy."""
    of = owner("apps/v1", "ReplicaSet", "oven-1")
    pods = [
        pod("oven-1-a", {"app": "oven", "pod-template-hash": "1"}, of),
        pod("oven-1-b", {"app": "stove", "pod-template-hash": "1"}, of),
        pod("oven-1-c", {"app": "oven", "pod-template-hash": "1"}, of, proxy=False),
        pod("oven-1-d", {"app": "oven", "pod-template-hash": "1"}, of, proxy=False),
    ]
    world = [namespace(SPACE), STRICT, deployment(), *pods, guard("oven", "baker")]
    assert places([*pods, deployment(), guard()]) == {
        "oven": "sidecar",
        "oven (pod oven-1-b)": "sidecar",
        "oven (pod oven-1-c and 1 more)": "outside",
    }
    found = check(world, [{"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}])
    assert "oven-1-b" in str(more(found)) and "no container istio-proxy" in more(found)[f"{SPACE}/oven (pod oven-1-c and 1 more)"]
    assert found.coverage.seen.workloads == 1 and found.coverage.seen.pods == 4
    alike = check(
        [namespace(SPACE), STRICT, deployment(), pods[0], guard("oven", "baker")],
        [{"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}],
    )
    assert alike.proven is True


def test_labels_that_only_a_pod_has_count_where_a_policy_selects_by_them() -> None:
    of = owner("apps/v1", "StatefulSet", "vault")
    made = {**deployment("vault"), "kind": "StatefulSet"}
    key = "statefulset.kubernetes.io/pod-name"
    pods = [pod(f"vault-{number}", {"app": "vault", key: f"vault-{number}"}, of) for number in (0, 1)]
    assert set(places([made, *pods])) == {"vault"}
    one = policy(name="first", namespace=SPACE, selector={"matchLabels": {key: "vault-0"}})
    found = doors([namespace(SPACE), made, *pods, one])
    assert {ref: door.chain.has_allow for ref, door in found.items()} == {f"{SPACE}/vault": True, f"{SPACE}/vault (pod vault-1)": False}
    before, after = [namespace(SPACE), made, *pods], [namespace(SPACE), made, *pods, one]
    difference = change(before, after)
    assert difference.only_after == () and [group.destinations for group in difference.groups] == [(f"{SPACE}/vault",)]


def doors(objects: list[dict[str, Any]]) -> dict[str, Any]:
    inventory = take(objects)
    return {place.ref: door for place, door in doors_of(MeshPolicies(inventory.objects, inventory.mesh), inventory)}


def change(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Any:
    states = []
    for objects in (before, after):
        inventory = take(objects)
        states.append((MeshPolicies(inventory.objects, inventory.mesh), inventory))
    return difference_of(states[0], states[1])


def test_the_canonical_name_that_injection_gives_counts_for_a_template_too() -> None:
    named = policy(name="x", namespace=SPACE, selector={"matchLabels": {"service.istio.io/canonical-name": "oven"}})
    assert doors([namespace(SPACE), deployment(), named])[f"{SPACE}/oven"].chain.has_allow


# ---- machines


def machines(**entry: Any) -> list[dict[str, Any]]:
    group = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "WorkloadGroup",
        "metadata": meta("mill"),
        "spec": {"metadata": {"labels": {"app": "mill"}}, "template": {"serviceAccount": "miller", "ports": {"tcp": 5432}}},
    }
    spec = {"address": "192.0.2.7", "labels": {"app": "mill"}, "serviceAccount": "miller"} | entry
    return [group, {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": meta("mill-1"), "spec": spec}]


def test_a_workload_entry_is_the_workload_of_a_policy_for_a_machine() -> None:
    world = [namespace(SPACE), STRICT, deployment("oven"), guard("oven"), *machines(), guard("mill", "baker")]
    for name in ("mill", "mill-1"):
        found = check(world, [{"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/{name}"]}], "manifests")
        assert found.proven is True, found.text
    assert not [row for row in found.report.rows if row.id == "OSM3005" and row.message]
    open_ = check(world[:-1], [{"from": ["authenticated"], "to": [f"{SPACE}/oven"]}], "manifests")
    assert f"{SPACE}/mill" in more(open_)


def test_an_entry_alone_is_a_workload_and_one_without_an_account_has_no_proxy() -> None:
    (_group, entry) = machines()
    assert places([entry]) == {"mill-1": "sidecar"}
    (_group, bare) = machines(serviceAccount="")
    assert places([bare]) == {"mill-1": "outside"}
    (_group, off) = machines(labels={"app": "mill", "security.istio.io/tlsMode": "disabled"})
    assert places([off]) == {"mill-1": "outside"}
    (group, registered) = machines(serviceAccount="", labels={})
    registered["metadata"]["annotations"] = {"istio.io/autoRegistrationGroup": "mill"}
    assert places([group, registered]) == {"mill": "sidecar"}


def test_ports_of_a_machine_are_those_of_its_service_entry() -> None:
    entry = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": meta("mill"),
        "spec": {
            "workloadSelector": {"labels": {"app": "mill"}},
            "ports": [
                {"number": 80, "name": "web", "protocol": "HTTP", "targetPort": 8000},
                {"number": 5432, "name": "tcp", "protocol": "TCP"},
            ],
        },
    }
    (place,) = take([namespace(SPACE), machines()[0], entry]).places
    assert place.ports == {8000: "HTTP", 5432: "TCP"}


# ---- what is not behind a proxy


NO_PROXY: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "label": (namespace(SPACE), {"labels": {"app": "oven", INJECT: "false"}}, f"label {INJECT}: false"),
    "annotation": (namespace(SPACE), {"notes": {INJECT: "false"}}, f"annotation {INJECT}: false"),
    "the label goes before the annotation": (
        namespace(SPACE),
        {"labels": {"app": "oven", INJECT: "false"}, "notes": {INJECT: "true"}},
        f"label {INJECT}: false",
    ),
    "hostNetwork": (namespace(SPACE), {"spec": {"hostNetwork": True}}, "hostNetwork"),
    "hostNetwork in ambient": (namespace(SPACE, **{"istio.io/dataplane-mode": "ambient"}), {"spec": {"hostNetwork": True}}, "hostNetwork"),
    "a namespace that is not injected": (namespace(SPACE, team="a"), {}, "its namespace is not injected"),
    "a namespace that says disabled": (
        namespace(SPACE, **{"istio-injection": "disabled", "istio.io/rev": "x"}),
        {},
        "istio-injection=disabled",
    ),
    "disabled goes before a pod's wish": (
        namespace(SPACE, **{"istio-injection": "disabled"}),
        {"labels": {"app": "oven", INJECT: "true"}},
        "istio-injection=disabled",
    ),
    "a member that is not injected": (namespace(SPACE, **{"maistra.io/member-of": "cp"}), {}, "OpenShift Service Mesh 2 injects only"),
}


@pytest.mark.parametrize("name", NO_PROXY)
def test_a_place_without_a_proxy_is_open_and_never_green(name: str) -> None:
    space, shape, why = NO_PROXY[name]
    world = [space, STRICT, deployment("oven", **shape), guard("oven", "baker")]
    for rows in (
        [{"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}],
        [{"from": ["anyone"], "to": [f"{SPACE}/oven"]}],
        [],
    ):
        found = check(world, rows, "manifests")
        assert found.proven is False and why in more(found)[f"{SPACE}/oven"], found.text
        assert "anyone: every request; it has no proxy" in more(found)[f"{SPACE}/oven"]
    (unattached,) = [row for row in found.report.rows if row.id == "OSM3005"]
    assert unattached.message.startswith(f"no workload enforces it: it matches {SPACE}/oven, which has no proxy (")
    assert "open to anyone: bakery/oven: it has no proxy" in found.text


def test_a_policy_that_some_enforce_names_those_that_it_matches_without_a_proxy() -> None:
    bare = deployment("van", labels={"app": "oven", INJECT: "false"})
    (row,) = [row for row in check([namespace(SPACE), deployment(), bare, guard("oven", "baker")]).report.rows if row.id == "OSM3005"]
    assert row.message.startswith(f"no workload enforces it there: it matches {SPACE}/van, which has no proxy")
    everybody = policy(name="all", namespace=SPACE)
    assert [row.status for row in check([namespace(SPACE), deployment(), bare, everybody]).report.rows if row.id == "OSM3005"] == ["passed"]


def test_each_reason_why_a_policy_finds_no_proxy_is_named() -> None:
    van = deployment("van", labels={"app": "oven", INJECT: "false"})
    cart = deployment("cart", labels={"app": "oven"}, spec={"hostNetwork": True})
    (row,) = [row for row in check([namespace(SPACE), van, cart, guard()]).report.rows if row.id == "OSM3005"]
    assert f"label {INJECT}: false; hostNetwork, where no proxy is injected" in row.message


def test_taking_a_proxy_away_opens_and_giving_one_closes() -> None:
    kept, bare = [namespace(SPACE), deployment(), guard()], [namespace(SPACE), deployment(labels={"app": "oven", INJECT: "false"}), guard()]
    opened, closed = change(kept, bare), change(bare, kept)
    assert (opened.opened, opened.closed) == (1, 0) and opened.groups[0].who.text == "anyone"
    assert "it has no proxy" in opened.groups[0].after and (closed.opened, closed.closed) == (0, 1)
    assert change(bare, bare).compared == 0 and text_of(opened, (), "about this").splitlines()[0].endswith("; about this")


def test_what_is_no_part_of_the_mesh_is_told_and_not_judged() -> None:
    """Other namespaces, and the control plane's own parts; a matrix that names one has it judged."""
    away = [
        namespace("legacy", team="b"),
        deployment("old", "legacy"),
        deployment("istiod", "istio-system", labels={"app": "istiod"}),
        namespace("istio-system", team="c"),
    ]
    world = [namespace(SPACE), STRICT, deployment(), guard("oven", "baker"), *away]
    row = {"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}
    found = check(world, [row])
    assert found.proven is True, found.text
    assert found.text.splitlines()[0].endswith(
        "seen and not judged: 2 workloads without a proxy that are no part of the mesh (legacy/old, istio-system/istiod)"
    )
    assert list(more(check(world, [row, {"from": ["anyone"], "to": ["legacy/old"]}]))) == ["legacy/old"]
    assert "legacy/old" in more(check([*world, guard("old", where="legacy")], [row]))


def test_a_pod_with_a_proxy_of_this_mesh_in_a_namespace_that_is_no_member_leaves_nothing_proven() -> None:
    def plane(name: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta("istio" if name == "default" else f"istio-{name}", f"cp-{name}"),
            "data": {"mesh": f"rootNamespace: cp-{name}"},
        }

    lost = pod("lost", {"app": "x"}, where="other", annotations={"istio.io/rev": "default"})
    world = [namespace(SPACE), STRICT, deployment(), guard("oven", "baker"), namespace("other")]
    row = {"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}
    given = {"members": [SPACE], "control_plane": {"name": "x", "namespace": "istio-system"}}
    told = "1 pod with a proxy in namespaces that are no members (other)"
    found = check([*world, lost], [row], **given)
    assert found.text.splitlines()[0].endswith(f"seen and not judged: {told}")
    assert found.proven is False and more(found)[""] == f"it cannot be proven that nothing more is allowed: there are {told}"
    assert check([*world, lost], [row], **given, access_scope=[SPACE]).proven is True
    assert check([*world, pod("bare", {"app": "x"}, where="other", proxy=False)], [row], **given).proven is True
    mesh = {**STRICT, "metadata": meta("default", "cp-default")}
    two = [plane("default"), plane("blue"), namespace(SPACE), mesh, deployment(), guard("oven", "baker"), namespace("other")]
    mine = {"members": [SPACE], "control_plane": {"name": "x", "namespace": "cp-default"}}
    theirs = pod("lost", {"app": "x"}, where="other", annotations={"istio.io/rev": "blue"})
    assert check([*two, theirs], [row], **mine).proven is True
    assert check([*two, lost], [row], **mine).proven is False


def test_what_stands_in_the_root_namespace_holds_for_members_whoever_says_which_it_is() -> None:
    world = [namespace(SPACE), STRICT, deployment(), policy({}, action="DENY", name="all", namespace="istio-system")]
    for given in ({"root_namespace": "istio-system"}, {"control_plane": {"name": "x", "namespace": "istio-system"}}):
        assert check(world, [], members=[SPACE], **given).proven is True


def test_pods_that_may_not_be_listed_leave_nothing_proven() -> None:
    read = Snapshot.from_json(
        {
            "format": "meshops.mesh/snapshot/v1",
            "cluster": "east",
            "taken_at": "2026-11-21T12:00:00Z",
            "objects": [namespace(SPACE), deployment(), guard()],
            "forbidden": {"v1/Pod": "no"},
        }
    )
    settings = ("members", "trust_domain", "trust_domain_aliases", "root_namespace", "istio_version", "path_normalization")
    found = run_authorization_checks({**dict.fromkeys(settings), "only": [], "ignore": [], "access": []}, read)
    assert found.proven is False


SETTINGS = settings_of(
    [
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "Istio",
            "metadata": {"name": "default"},
            "spec": {"values": {"global": {"proxy": {"excludeInboundPorts": "9999", "includeInboundPorts": "*"}}}},
        },
    ]
)
PASTS: dict[str, tuple[dict[str, str], Any, tuple[tuple[int, ...], tuple[int, ...] | None]]] = {
    "nothing is said": ({}, None, ((), None)),
    "two ports": ({EXCLUDE: "8080, 9090"}, None, ((8080, 9090), None)),
    "Istio's own are no application's": ({EXCLUDE: "15020,15021,15090"}, None, ((), None)),
    "the status port is the agent's": ({EXCLUDE: "16020", "status.sidecar.istio.io/port": "16020"}, None, ((), None)),
    "a list takes these and no others": ({INCLUDE: "8080", EXCLUDE: "8080"}, None, ((), (8080,))),
    "a star takes all": ({INCLUDE: "*"}, None, ((), None)),
    "an empty list takes none": ({INCLUDE: ""}, None, ((), ())),
    "no interception": ({"sidecar.istio.io/interceptionMode": "NONE"}, None, ((), ())),
    "no interception by ProxyConfig": ({"proxy.istio.io/config": "interceptionMode: NONE\nconcurrency: 2"}, None, ((), ())),
    "TPROXY intercepts": ({"sidecar.istio.io/interceptionMode": "TPROXY"}, None, ((), None)),
    "for the whole mesh": ({}, SETTINGS, ((9999,), None)),
    "a pod's own word goes before the mesh's": ({EXCLUDE: "7000"}, SETTINGS, ((7000,), None)),
    "a pod's empty word does too": ({EXCLUDE: ""}, SETTINGS, ((), None)),
}


@pytest.mark.parametrize("name", PASTS)
def test_which_ports_go_past_the_proxy(name: str) -> None:
    notes, settings, expected = PASTS[name]
    found = past_proxy(Shape("x", {}, notes, {}), SPACE, "sidecar", "default", settings or settings_of([]))
    assert (found.ports, found.but) == expected
    assert past_proxy(Shape("x", {}, notes, {}), SPACE, "gateway", "default", settings or settings_of([])).but is None


def test_a_label_of_that_name_is_not_taken_to_be_of_no_effect() -> None:
    found = past_proxy(Shape("x", {EXCLUDE: "8080"}, {}, {}), SPACE, "sidecar", "", settings_of([]))
    assert found.ports == (8080,) and "Istio itself does not read" in found.why


@pytest.mark.parametrize(
    "plane",
    [
        {
            "apiVersion": "maistra.io/v2",
            "kind": "ServiceMeshControlPlane",
            "metadata": meta("cp", "cp"),
            "spec": {"proxy": {"networking": {"trafficControl": {"inbound": {"excludedPorts": [9999]}}}}},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta("istio-sidecar-injector-blue", "cp"),
            "data": {"values": '{"global": {"proxy": {"excludeInboundPorts": "9999"}}}'},
        },
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "IstioRevision",
            "metadata": {"name": "blue"},
            "spec": {"values": {"global": {"proxy": {"excludeInboundPorts": 9999}}}},
        },
        {
            "apiVersion": "install.istio.io/v1alpha1",
            "kind": "IstioOperator",
            "metadata": meta("x", "cp"),
            "spec": {"values": {"global": {"proxy": {"excludeInboundPorts": "9999"}}}},
        },
    ],
    ids=["ServiceMeshControlPlane", "the injector's ConfigMap", "IstioRevision", "IstioOperator"],
)
def test_ports_that_a_whole_mesh_leaves_out(plane: dict[str, Any]) -> None:
    found = past_proxy(Shape("x", {}, {}, {}), SPACE, "sidecar", "", settings_of([plane]))
    assert found.ports == (9999,) and plane["kind"] in found.why


def test_a_mesh_whose_proxies_intercept_nothing_says_so_in_its_configuration() -> None:
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta("istio", "cp"),
        "data": {"mesh": "defaultConfig:\n  interceptionMode: NONE\n"},
    }
    ports = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta("istio-sidecar-injector", "cp"),
        "data": {"values": json.dumps({"global": {"proxy": {"excludeInboundPorts": "1"}}})},
    }
    for objects in ([config], [config, ports], [ports, config], [slim(ports), slim(config)]):
        found = past_proxy(Shape("x", {}, {}, {}), SPACE, "sidecar", "default", settings_of(objects))
        assert found.but == () and "interception mode is NONE" in found.why
    redirected = past_proxy(
        Shape("x", {}, {"sidecar.istio.io/interceptionMode": "REDIRECT"}, {}), SPACE, "sidecar", "", settings_of([config, ports])
    )
    assert redirected.ports == (1,)


def test_what_is_in_force_goes_before_what_is_wished_and_each_revision_has_its_own() -> None:
    def injector(revision: str, ports: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta(f"istio-sidecar-injector-{revision}", "cp"),
            "data": {"values": json.dumps({"global": {"proxy": {"excludeInboundPorts": ports}}})},
        }

    wish = {
        "apiVersion": "sailoperator.io/v1",
        "kind": "IstioRevision",
        "metadata": {"name": "blue"},
        "spec": {"values": {"global": {"proxy": {"excludeInboundPorts": "1"}}}},
    }
    settings = settings_of([wish, injector("blue", "2"), injector("green", "3,4")])
    ports = {name: past_proxy(Shape("x", {}, {}, {}), SPACE, "sidecar", name, settings).ports for name in ("blue", "green", "unknown")}
    assert ports == {"blue": (2,), "green": (3, 4), "unknown": (3, 4)}


def test_what_istio_init_was_told_is_what_was_done_and_one_that_is_gone_did_nothing() -> None:
    init = {"name": "istio-init", "args": ["istio-iptables", "-p", "15001", "-m", "REDIRECT", "-b", "*", "-d", "15090,15021,7777"]}
    told = Shape("x", {}, {EXCLUDE: "1"}, {"initContainers": [init]}, live=True)
    assert past_proxy(told, SPACE, "sidecar", "", SETTINGS).ports == (7777,)
    status = {"sidecar.istio.io/status": '{"initContainers": ["istio-init"], "containers": ["istio-proxy"]}'}
    lost = Shape("x", {}, status, {"containers": [{"name": "istio-proxy"}]}, live=True)
    assert past_proxy(lost, SPACE, "sidecar", "", settings_of([])).but == ()
    kept = Shape("x", {}, status, {"initContainers": [{"name": "istio-validation"}]}, live=True)
    assert not past_proxy(kept, SPACE, "sidecar", "", settings_of([]))


def test_at_the_ports_of_a_sidecar_s_ingress_envoy_itself_listens() -> None:
    sidecar = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": meta("own"),
        "spec": {
            "workloadSelector": {"labels": {"app": "oven"}},
            "ingress": [{"port": {"number": 9080}, "captureMode": "NONE"}, {"port": {"number": 9081}}],
        },
    }
    settings = settings_of([sidecar])
    none = past_proxy(Shape("x", {"app": "oven"}, {INCLUDE: ""}, {}), SPACE, "sidecar", "", settings)
    assert (none.ports, none.but) == ((), (9080,))
    mode = past_proxy(Shape("x", {"app": "oven"}, {"sidecar.istio.io/interceptionMode": "NONE"}, {}), SPACE, "sidecar", "", settings)
    assert mode.but == (9080, 9081)
    assert past_proxy(Shape("x", {"app": "else"}, {INCLUDE: ""}, {}), SPACE, "sidecar", "", settings).but == ()
    assert not past_proxy(Shape("x", {"app": "oven"}, {EXCLUDE: "9080"}, {}), SPACE, "sidecar", "", settings)


def test_an_excluded_port_is_open_and_the_others_are_not() -> None:
    world = [namespace(SPACE), STRICT, deployment(notes={EXCLUDE: "9090"}), guard("oven", "baker")]
    row = {"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}
    found = check(world, [row], "manifests")
    assert found.proven is False and "port 9090 of it goes past its proxy" in more(found)[f"{SPACE}/oven"]
    found_door = {place.past.ports: place for place in take(world).places}
    assert list(found_door) == [(9090,)]
    # who says that anyone may come to that port says what is so
    stated = check(world, [{**row}, {"from": ["anyone"], "to": [f"{SPACE}/oven"], "ports": ["9090"]}], "manifests")
    assert stated.proven is True, stated.text
    moved = change([*world[:2], deployment(), world[3]], world)
    assert [(group.opened, group.what) for group in moved.groups if group.who.plain] == [(True, "port 9090")]


def test_a_list_of_included_ports_leaves_all_others_open() -> None:
    world = [namespace(SPACE), STRICT, deployment(notes={INCLUDE: "8080"}), guard("oven", "baker")]
    found = check(world, [{"from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}], "manifests")
    assert "every port but 8080 of it go past its proxy" in more(found)[f"{SPACE}/oven"] and "any but 8080" in more(found)[f"{SPACE}/oven"]
    none = check([*world[:2], deployment(notes={INCLUDE: ""}), world[3]], [{"from": ["anyone"], "to": [f"{SPACE}/oven"]}], "manifests")
    assert "every port goes past its proxy (includeInboundPorts is empty (annotation))" in more(none)[f"{SPACE}/oven"]


# ---- ambient


def test_in_ambient_what_is_redirected_counts_and_not_what_is_meant() -> None:
    space = namespace(SPACE, **{"istio.io/dataplane-mode": "ambient"})
    on, off = (
        pod("on", {"app": "on"}, proxy=False, annotations={"ambient.istio.io/redirection": "enabled"}),
        pod("off", {"app": "off"}, proxy=False),
    )
    past = pod(
        "past",
        {"app": "past"},
        proxy=False,
        annotations={"ambient.istio.io/redirection": "enabled", "ambient.istio.io/bypass-inbound-capture": "true"},
    )
    found = {place.name: place for place in take([space, on, off, past]).places}
    assert found["on"].workload.kind == "ztunnel" and not found["on"].open
    assert "redirection is not enabled" in found["off"].open and "every port goes past its proxy" in found["past"].open
    assert places([]) == {} and {place.name: place.outside for place in take([space, deployment()]).places} == {"oven": False}


def test_traffic_to_the_pod_goes_past_the_waypoint_that_alone_enforces() -> None:
    space = namespace(SPACE, **{"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "way"})
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": meta("way"),
        "spec": {"gatewayClassName": "istio-waypoint"},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta("oven"),
        "spec": {"selector": {"app": "oven"}, "ports": [{"port": 80}]},
    }
    at_way = policy(source(namespaces=[SPACE]), name="x", namespace=SPACE, targetRefs=[{"kind": "Service", "group": "", "name": "oven"}])
    found = check(
        [space, deployment(), gateway, service, at_way], [{"from": ["authenticated"], "to": [f"{SPACE}/oven (waypoint way)"]}], "manifests"
    )
    assert found.proven is False and more(found)[f"{SPACE}/oven"].endswith("what is addressed to the pod goes past its waypoint way")


# ---- what an answer is about


WORLD = [namespace(SPACE), STRICT, deployment(), guard("oven", "baker")]
ABOUT = "about 4 objects, 1 workload, 0 pods and 1 caller; all that was seen is judged"


def test_the_category_of_a_mesh_check_says_what_it_was_about() -> None:
    report = check(WORLD, source_="manifests").report
    assert report.about == {"authorization": ABOUT}
    lines = table([row.to_dict() for row in report.rows], about=report.about).splitlines()
    assert lines[lines.index("authorization") + 2] == ABOUT
    nothing = check([namespace(SPACE), deployment()], source_="manifests").report
    shown = table([row.to_dict() for row in nothing.rows], about=nothing.about)
    assert "authorization" not in nothing.about and "about" not in shown


def test_a_difference_says_in_its_first_line_what_it_was_about() -> None:
    _difference, _assumed, text = run_authorization_diff(WORLD[:3], WORLD, {})
    assert text.splitlines()[0] == f"0 opened, 1 closed (1 places compared, 0 as before); {ABOUT}"


def test_a_plan_of_access_says_it_too_and_refuses_what_no_proxy_guards() -> None:
    intent = read_intent(
        {"namespaces": [SPACE], "rules": [{"name": "a", "from": [f"serviceaccount:{SPACE}/baker"], "to": [f"{SPACE}/oven"]}]}, []
    )
    plan = plan_access(intent, WORLD[:3], StageSettings(mesh="m"))
    first = plan_result(plan, "east")["text"].splitlines()[0]
    assert first.endswith("intended; about 5 objects, 1 workload, 0 pods and 1 caller; all that was seen is judged")
    for shape, why in (
        ({"labels": {"app": "oven", INJECT: "false"}}, "has no proxy"),
        ({"notes": {INCLUDE: ""}}, "gets none of its ports"),
    ):
        with pytest.raises(ConfigError, match=why):
            plan_access(intent, [*WORLD[:2], deployment(**shape)], StageSettings(mesh="m"))
    with pytest.raises(ConfigError, match="port 9090 of it goes past its proxy"):
        plan_access(intent, [*WORLD[:2], deployment(notes={EXCLUDE: "9090"})], StageSettings(mesh="m"))


# ---- the pieces


def test_the_way_up_ends_in_a_circle_and_at_what_is_not_known() -> None:
    one = {"apiVersion": "x.example.com/v1", "kind": "A", "metadata": meta("a", ownerReferences=[owner("x.example.com/v1", "B", "b")])}
    other = {"apiVersion": "x.example.com/v1", "kind": "B", "metadata": meta("b", ownerReferences=[owner("x.example.com/v1", "A", "a")])}
    assert Owners([one, other]).of(pod("p", {}, owner("x.example.com/v1", "A", "a"))).name in ("a", "b")
    found = Owners([]).of(pod("p", {}, owner("x.example.com/v1", "A", "a")))
    assert (found.kind, found.name, found.known) == ("A", "a", False)


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "Pod"},
        {"kind": "Pod", "metadata": {"ownerReferences": "x"}},
        {"kind": "Pod", "metadata": {"name": "p", "ownerReferences": [None, {}]}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": []},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "x"},
            "spec": {"template": {"spec": {"containers": [None, 1]}}},
        },
        {"apiVersion": "x/v1", "kind": "Y", "metadata": {"name": 1}, "spec": {"a": [{"spec": {"containers": [{}]}}]}},
        {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": None, "spec": {"ingress": 3}},
        {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "spec": None},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-sidecar-injector"}, "data": {"values": "{"}},
    ],
)
def test_half_written_objects_do_no_harm(broken: dict[str, Any]) -> None:
    inventory = take([namespace(SPACE), deployment(), broken])
    assert any(place.name == "oven" for place in inventory.places)
    groups_of([broken])


def test_a_name_that_nothing_has_is_still_refused() -> None:
    with pytest.raises(ConfigError, match="there is no workload bakery/nothing"):
        check([namespace(SPACE), deployment(), guard()], [{"from": ["anyone"], "to": [f"{SPACE}/nothing"]}])


@pytest.mark.parametrize("said", ["notes", "labels"])
def test_an_agent_for_grpc_without_a_proxy_guards_nothing(said: str) -> None:
    key = {"inject.istio.io/templates": "grpc-agent"}
    more_ = {"notes": key} if said == "notes" else {"labels": {"app": "oven", **key}}
    found = check([namespace(SPACE), STRICT, deployment("oven", **more_), guard("oven")], [])
    assert found.proven is False and "which has no proxy" in more(found)[f"{SPACE}/oven"]
    plain = {"notes": {"inject.istio.io/templates": "sidecar, own"}}
    assert check([namespace(SPACE), STRICT, deployment("oven", **plain), guard("oven")], []).proven is True


def test_an_empty_matrix_is_not_proven_by_a_source_without_workloads() -> None:
    found = check([namespace(SPACE)], [], "cluster")
    assert found.proven is False and "there is nothing to check" in found.text
    assert check([namespace(SPACE), STRICT, deployment("oven"), guard("oven")], [], access_scope=["other*"]).proven is False


def test_a_virtual_machine_of_kubevirt_is_a_workload() -> None:
    shape = {"metadata": {"labels": {"app": "mill"}}, "spec": {"domain": {"devices": {}, "resources": {}}, "volumes": []}}
    machine = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": meta("mill"), "spec": {"template": shape}}
    found = check([namespace(SPACE), STRICT, machine], [], "manifests")
    assert found.proven is False and set(more(found)) == {f"{SPACE}/mill"}
