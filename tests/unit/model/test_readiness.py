# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness against what the real Sail operator has written, event by event, and against single facts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import NotReady
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import Ref
from ansible_collections.meshops.mesh.plugins.module_utils._model.readiness import Readiness, judge
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.waiting import Waiter

RECORD = Path(__file__).parent / "sail_operator_status.jsonl"
VERSIONS = {"Istio": "sailoperator.io/v1", "IstioRevision": "sailoperator.io/v1", "IstioRevisionTag": "sailoperator.io/v1"}


def obj(api_version: str, kind: str, name: str, namespace: str | None = None, **body: Any) -> dict[str, Any]:
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **body.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}


def related(*objects: dict[str, Any]) -> Snapshot:
    return Snapshot("west", datetime(2026, 11, 21, tzinfo=UTC), "cluster", None, objects)


def istiod(name: str, namespace: str, *, replicas: int = 1, updated: int = 1, generation: int = 1, seen: int = 1) -> dict[str, Any]:
    status = {"observedGeneration": seen, "updatedReplicas": updated, "readyReplicas": 1, "availableReplicas": 1, "replicas": 1}
    return obj("apps/v1", "Deployment", name, namespace, metadata={"generation": generation}, spec={"replicas": replicas}, status=status)


def test_a_deployment_says_why_no_pod_appears() -> None:
    found = istiod("web", "shop", updated=0)
    message = 'Internal error occurred: failed calling webhook "namespace.sidecar-injector.istio.io": context deadline exceeded'
    found["status"]["conditions"] = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]
    told = judge(found, related())
    assert (told.state, told.reason, told.message) == ("waiting", "RollingOut", f"updatedReplicas 0 of 1; FailedCreate: {message}")


def replay(until: int) -> dict[tuple[str, str], dict[str, Any]]:
    """The operator's objects after the event of this order."""
    live: dict[tuple[str, str], dict[str, Any]] = {}
    for line in RECORD.read_text().splitlines():
        event = json.loads(line)
        if event["order"] > until:
            break
        key = (event["kind"], event["name"])
        if event["event"] == "DELETED":
            live.pop(key, None)
            continue
        body = {name: event[name] for name in ("spec", "status") if name in event}
        live[key] = obj("sailoperator.io/v1", *key, metadata={"generation": event["generation"]}, **body)
    return live


# order of the event, kind, name, state, reason; 63 is the first install, 104 to 165 an update in place, 306 to 384 one by revision
SAIL = [
    (0, "Istio", "missing-ns", "waiting", "NotObserved"),
    (3, "Istio", "missing-ns", "waiting", "NotObserved"),
    (5, "Istio", "missing-ns", "failed", "ReconcileError"),
    (6, "Istio", "missing-ns", "failed", "ReconcileError"),
    (20, "Istio", "default", "waiting", "NotObserved"),
    (63, "Istio", "default", "ready", "Ready"),
    (104, "Istio", "default", "waiting", "NotObserved"),
    (106, "Istio", "default", "waiting", "NotObserved"),
    (165, "Istio", "default", "ready", "Ready"),
    (200, "IstioRevisionTag", "prod-tag", "ready", "Ready"),
    (240, "Istio", "prod", "ready", "Ready"),
    (306, "Istio", "prod", "waiting", "NotObserved"),
    (309, "Istio", "prod", "waiting", "NotObserved"),
    (364, "Istio", "prod", "waiting", "IstiodNotReady"),
    (384, "Istio", "prod", "ready", "Ready"),
    (384, "IstioRevision", "prod-v1-30-3", "ready", "Ready"),
    (577, "IstioCNI", "default", "waiting", "DaemonSetNotReady"),
    (612, "ZTunnel", "default", "waiting", "DaemonSetNotReady"),
]


@pytest.mark.parametrize(("order", "kind", "name", "state", "reason"), SAIL)
def test_recorded_sail_operator(order: int, kind: str, name: str, state: str, reason: str) -> None:
    live = replay(order)
    names = [("istiod", "istio-system"), ("istiod-prod-v1-29-6", "istio-prod"), ("istiod-prod-v1-30-3", "istio-prod")]
    found = judge(live[kind, name], related(*live.values(), *(istiod(*item) for item in names)))
    assert (found.state, found.reason) == (state, reason), found


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"updated": 0}, "RollingOut"), ({"generation": 2}, "NotObserved"), ({"replicas": 0}, "IstiodScaledToZero"), (None, "IstiodMissing")],
)
def test_istio_says_ready_and_istiod_has_not_rolled_out(change: dict[str, int] | None, reason: str) -> None:
    live = replay(165)
    deployments = [] if change is None else [istiod("istiod", "istio-system", **change)]
    found = judge(live["Istio", "default"], related(*live.values(), *deployments))
    assert (found.state, found.reason) == ("waiting", reason)


def _conditions(*rows: tuple[str, str, str, str]) -> list[dict[str, str]]:
    return [dict(zip(("type", "status", "reason", "message"), row, strict=True)) for row in rows]


OK = _conditions(("Reconciled", "True", "UpdateSuccessful", ""), ("Ready", "True", "ComponentsReady", ""))


def smcp(**status: Any) -> dict[str, Any]:
    return obj("maistra.io/v2", "ServiceMeshControlPlane", "basic", "cp", metadata={"generation": 2}, status=status)


def subscription(**status: Any) -> dict[str, Any]:
    return obj("operators.coreos.com/v1alpha1", "Subscription", "mesh", "ops", status=status)


def csv(phase: str, reason: str = "InstallSucceeded") -> dict[str, Any]:
    return obj("operators.coreos.com/v1alpha1", "ClusterServiceVersion", "m.v3", "ops", status={"phase": phase, "reason": reason})


def roll(*configured: str) -> dict[str, Any]:
    return obj(
        "maistra.io/v1",
        "ServiceMeshMemberRoll",
        "default",
        "cp",
        spec={"members": ["shop", "ghost"]},
        status={"configuredMembers": list(configured)},
    )


MEMBER = obj("maistra.io/v1", "ServiceMeshMember", "default", "shop", spec={"controlPlaneRef": {"name": "basic", "namespace": "cp"}})
DONE = {"installedCSV": "m.v3", "currentCSV": "m.v3", "state": "AtLatestKnown"}
NONE_FOUND = "constraints not satisfiable: no operators found in package x in the catalog"
OUTAGE = "error using catalogsource: code = Unavailable"
FACTS = [
    ("fact 15: old generation", smcp(observedGeneration=1, conditions=OK), (istiod("istiod-basic", "cp"),), "waiting", "NotObserved"),
    ("fact 16: done", smcp(observedGeneration=2, conditions=OK), (istiod("istiod-basic", "cp"),), "ready", "Ready"),
    (
        "fact 18: no replicas",
        smcp(observedGeneration=2, conditions=OK),
        (istiod("istiod-basic", "cp", replicas=0),),
        "waiting",
        "IstiodScaledToZero",
    ),
    ("fact 19: one of two", roll("shop"), (), "waiting", "NoReadyCondition"),
    ("fact 19: both", roll("shop", "ghost"), (), "ready", "Ready"),
    ("member is configured", MEMBER, (roll("shop"),), "ready", "Ready"),
    ("member is not", MEMBER, (roll("ghost"),), "waiting", "NoReadyCondition"),
    ("fact 2: CSV pending", subscription(**DONE), (csv("Pending"),), "waiting", "CSVNotSucceeded"),
    ("fact 2: CSV gone", subscription(**DONE), (), "waiting", "CSVMissing"),
    ("CSV succeeded", subscription(**DONE), (csv("Succeeded"),), "ready", "Ready"),
    ("CSV will not", subscription(**DONE), (csv("Failed", "UnsupportedOperatorGroup"),), "failed", "UnsupportedOperatorGroup"),
    (
        "between hops",
        subscription(
            installedCSV="m.v3", currentCSV="m.v4", conditions=_conditions(("InstallPlanPending", "True", "RequiresApproval", ""))
        ),
        (csv("Succeeded"),),
        "waiting",
        "RequiresApproval",
    ),
    (
        "unknown package",
        subscription(conditions=_conditions(("ResolutionFailed", "True", "ConstraintsNotSatisfiable", NONE_FOUND))),
        (),
        "failed",
        "ConstraintsNotSatisfiable",
    ),
    (
        "catalog outage",
        subscription(conditions=_conditions(("ResolutionFailed", "True", "ErrorPreventedResolution", OUTAGE))),
        (),
        "waiting",
        "ErrorPreventedResolution",
    ),
]


@pytest.mark.parametrize(("subject", "others", "state", "reason"), [row[1:] for row in FACTS], ids=[row[0] for row in FACTS])
def test_recorded_facts(subject: dict[str, Any], others: tuple[dict[str, Any], ...], state: str, reason: str) -> None:
    found = judge(subject, related(*others))
    assert (found.state, found.reason) == (state, reason), found


def test_end_of_life_fails_at_once_and_a_missing_namespace_after_its_grace() -> None:
    for message, grace in (("version v1.20.0 is end-of-life", 0.0), ('namespace "x" doesn\'t exist', 10.0)):
        status = {"observedGeneration": 1, "conditions": _conditions(("Reconciled", "False", "ReconcileError", message))}
        found = judge(obj("sailoperator.io/v1", "Istio", "a", metadata={"generation": 1}, spec={"version": "v1"}, status=status), related())
        assert (found.state, found.grace) == ("failed", grace)


def test_waiter_forgives_a_passing_failure_and_ends_on_a_steady_one() -> None:
    ref = Ref("sailoperator.io/v1", "Istio", None, "a")
    bad = Readiness.failed("ReconcileError", "no namespace", grace=10.0)
    waiter = Waiter.start("west", [ref])
    assert not waiter.step({ref: bad}, 0.0)
    assert not waiter.step({ref: Readiness.waiting("X", "y")}, 9.0)
    assert not waiter.step({ref: bad}, 11.0)  # the grace begins anew
    assert not waiter.step({ref: bad}, 20.0)
    with pytest.raises(NotReady, match="west: Istio a: ReconcileError: no namespace"):
        waiter.step({ref: bad}, 21.0)
    assert "Istio a: ReconcileError" in str(waiter.expired(5.0))
    assert waiter.step({ref: Readiness.ready()}, 22.0)


def tool(name: str, *, updated: int = 1, **labels: str) -> dict[str, Any]:
    found = istiod(name, "mesh", updated=updated)
    return {**found, "metadata": {**found["metadata"], "labels": {key.replace("_", "/"): value for key, value in labels.items()}}}


KIALI_DONE = {"conditions": [{"type": "Successful", "status": "True"}]}
JAEGER_LABELS = {"app": "jaeger", "app.kubernetes.io_instance": "jaeger"}
TOOLS = [
    ("Kiali", {}, KIALI_DONE, [tool("kiali")], "ready", ""),
    ("Kiali", {}, KIALI_DONE, [], "waiting", "Deployment mesh/kiali is not there"),
    ("Kiali", {}, KIALI_DONE, [tool("kiali", updated=0)], "waiting", "Deployment mesh/kiali: updatedReplicas 0 of 1"),
    ("Kiali", {"deployment": {"instance_name": "view"}}, KIALI_DONE, [tool("kiali")], "waiting", "Deployment mesh/view is not there"),
    ("Kiali", {}, {"conditions": [{"type": "Failure", "status": "True", "message": "task X"}]}, [tool("kiali")], "failed", "task X"),
    ("Jaeger", {}, {"phase": "Running"}, [tool("jaeger-query", **JAEGER_LABELS)], "ready", ""),
    (
        "Jaeger",
        {},
        {"phase": "Running"},
        [tool("jaeger-query", updated=0, **JAEGER_LABELS)],
        "waiting",
        "Deployment mesh/jaeger-query: updatedReplicas 0 of 1",
    ),
    ("Jaeger", {}, {"phase": "Running"}, [tool("of-another", updated=0, app="jaeger")], "ready", ""),
    ("Jaeger", {}, {}, [], "waiting", "phase not set"),
    # the operator of OpenTelemetry counts replicas, and says nothing else
    ("OpenTelemetryCollector", {"mode": "deployment"}, {"scale": {}}, [tool("opentelemetrycollector-collector")], "ready", ""),
    ("OpenTelemetryCollector", {}, {}, [], "waiting", "Deployment mesh/opentelemetrycollector-collector is not there"),
    (
        "OpenTelemetryCollector",
        {},
        {},
        [tool("opentelemetrycollector-collector", updated=0)],
        "waiting",
        "Deployment mesh/opentelemetrycollector-collector: updatedReplicas 0 of 1",
    ),
    ("OpenTelemetryCollector", {"mode": "sidecar"}, {}, [], "ready", ""),
]


@pytest.mark.parametrize(("kind", "spec", "status", "others", "state", "message"), TOOLS)
def test_tools_are_ready_when_their_deployments_run(
    *, kind: str, spec: dict[str, Any], status: dict[str, Any], others: list[dict[str, Any]], state: str, message: str
) -> None:
    version = {"Kiali": "kiali.io/v1alpha1", "Jaeger": "jaegertracing.io/v1", "OpenTelemetryCollector": "opentelemetry.io/v1beta1"}[kind]
    found = judge(obj(version, kind, kind.lower(), "mesh", spec=spec, status=status), related(*others))
    assert (found.state, found.message) == (state, message)


# What the autoscaler has: least pods, pods now, conditions.
SCALED: dict[str, tuple[int, int | None, list[dict[str, str]], str, str]] = {
    "one is enough": (1, None, [], "ready", "Ready"),
    "not looked at yet": (2, None, [], "waiting", "Scaling"),
    "one of two": (2, 1, [], "waiting", "Scaling"),
    "two of two, without metrics": (2, 2, [{"type": "ScalingActive", "status": "False", "reason": "FailedGetMetric"}], "ready", "Ready"),
    "switched off": (2, 0, [{"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"}], "ready", "Ready"),
}  # fmt: skip


@pytest.mark.parametrize("case", SCALED)
def test_an_autoscaler_has_its_least_pods(case: str) -> None:
    least, current, conditions, state, reason = SCALED[case]
    status = {**({"currentReplicas": current} if current is not None else {}), "conditions": conditions}
    found = obj("autoscaling/v2", "HorizontalPodAutoscaler", "edge", "shop", spec={"minReplicas": least, "maxReplicas": 5}, status=status)
    told = judge(found, related())
    assert (told.state, told.reason) == (state, reason)


@pytest.mark.parametrize(
    ("pilot", "replicas", "state"),
    [({}, 1, "ready"), ({"autoscaleMin": 2}, 1, "waiting"), ({"autoscaleMin": 2}, 2, "ready"),
     ({"autoscaleEnabled": False, "autoscaleMin": 2}, 1, "ready"), ({"autoscaleEnabled": True, "autoscaleMin": 2}, 1, "waiting")],
)  # fmt: skip
def test_a_revision_waits_for_the_pods_that_its_autoscaler_keeps(pilot: dict[str, Any], replicas: int, state: str) -> None:
    conditions = [{"type": name, "status": "True"} for name in ("Reconciled", "Ready")]
    found = obj(
        "sailoperator.io/v1",
        "IstioRevision",
        "default",
        metadata={"generation": 1},
        spec={"namespace": "mesh", "values": {"pilot": pilot}},
        status={"observedGeneration": 1, "conditions": conditions},
    )
    deployment = istiod("istiod", "mesh", replicas=replicas, updated=replicas)
    deployment["status"] |= dict.fromkeys(("readyReplicas", "availableReplicas", "replicas"), replicas)
    told = judge(found, related(deployment))
    assert told.state == state, told
    assert told.state == "ready" or told.message == "Deployment mesh/istiod: replicas 1 of 2, which its autoscaler keeps"
