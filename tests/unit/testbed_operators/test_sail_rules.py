# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of the played Sail operator: versions, conditions, references, charts."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from testbed.operators import charts
from testbed.operators import status as rules

SUPPORTED = ["v1.31.0-beta.1", "v1.30.3", "v1.30.2", "v1.29.10", "v1.29.9", "v1.27.0", "v1.26.8", "v1.24.3", "v1.32.0-alpha.8dc789c5"]
Obj = dict[str, Any]


@pytest.mark.parametrize(
    ("asked", "installed"),
    [
        ("v1.30.2", "v1.30.2"),
        ("v1.30-latest", "v1.30.3"),
        ("v1.29-latest", "v1.29.10"),
        ("v1.31-latest", "v1.31.0-beta.1"),
        ("v1.27.0", "v1.27.0"),
        ("master", "v1.32.0-alpha.8dc789c5"),
    ],
)
def test_resolve(asked: str, installed: str) -> None:
    assert rules.resolve(asked, SUPPORTED) == installed


@pytest.mark.parametrize("asked", ["v1.26.8", "v1.26-latest", "v1.24.3", "v1.21.6"])
def test_end_of_life_is_a_validation_error(asked: str) -> None:
    with pytest.raises(rules.ValidationError, match=f'validation error: version "{asked}" is end-of-life') as caught:
        rules.resolve(asked, SUPPORTED)
    assert caught.value.retry is None


@pytest.mark.parametrize("asked", ["v1.30.99", "v1.33-latest", "latest"])
def test_an_unknown_version_is_not_end_of_life(asked: str) -> None:
    with pytest.raises(rules.SailError, match="not found") as caught:
        rules.resolve(asked, SUPPORTED)
    assert not isinstance(caught.value, rules.ValidationError)


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        (None, "prod"),
        ({"type": "InPlace"}, "prod"),
        ({"type": "RevisionBased"}, "prod-v1-30-latest"),
    ],
)
def test_active_revision_name(strategy: Obj | None, name: str) -> None:
    istio = {"metadata": {"name": "prod"}, "spec": {"version": "v1.30-latest", "updateStrategy": strategy}}
    assert rules.active_revision_name(istio) == name


def test_set_condition_moves_the_time_only_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "now", lambda: "later")
    old = [{"type": "Ready", "status": "False", "reason": "A", "lastTransitionTime": "earlier"}]
    assert rules.set_condition(old, rules.condition("Ready", "False", "B")) == [
        {"type": "Ready", "status": "False", "reason": "B", "lastTransitionTime": "earlier"}
    ]
    assert rules.set_condition(old, rules.condition("Ready", "True", "Ready"))[0]["lastTransitionTime"] == "later"
    assert [c["type"] for c in rules.set_condition(old, rules.condition("InUse", "True"))] == ["Ready", "InUse"]


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ([("True", "Reconciled"), ("True", "Ready")], "Healthy"),
        ([("True", "Reconciled"), ("False", "IstiodNotReady"), ("False", "ZTunnelNotFound")], "IstiodNotReady"),
        ([("False", "ReconcileError"), ("False", "IstiodNotReady")], "ReconcileError"),
        ([("Unknown", ""), ("True", "Ready")], ""),
    ],
)
def test_state_is_the_reason_of_the_first_condition_that_is_not_true(found: list[tuple[str, str]], state: str) -> None:
    assert rules.derive_state(*(rules.condition("X", *pair) for pair in found)) == state


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, ("False", "istiod Deployment not found")),
        ({}, ("False", "istiod Deployment is scaled to zero replicas")),
        ({"replicas": 2, "readyReplicas": 1}, ("False", "not all istiod pods are ready")),
        ({"replicas": 2, "readyReplicas": 2, "updatedReplicas": 0}, ("True", None)),
    ],
)
def test_istiod_ready(status: Obj | None, expected: tuple[str, str | None]) -> None:
    found = rules.istiod_ready(None if status is None else {"status": status})
    assert (found["status"], found.get("message")) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, ("False", "ztunnel DaemonSet not found")),
        ({"currentNumberScheduled": 0}, ("False", "no ztunnel pods are currently scheduled")),
        ({"currentNumberScheduled": 3, "numberReady": 2}, ("False", "not all ztunnel pods are ready")),
        ({"currentNumberScheduled": 3, "numberReady": 3}, ("True", None)),
    ],
)
def test_daemon_set_ready(status: Obj | None, expected: tuple[str, str | None]) -> None:
    found = rules.daemon_set_ready("ztunnel", None if status is None else {"status": status})
    assert (found["status"], found.get("message")) == expected


def _istio(status: Obj | None = None) -> Obj:
    return {
        "metadata": {"name": "default", "generation": 2},
        "spec": {"version": "v1.30.3", "namespace": "istio-system"},
        "status": status or {},
    }


def test_an_istio_copies_what_its_revision_last_said() -> None:
    reasons = {"Reconciled": "Reconciled", "Ready": "Ready", "InUse": "ReferencedByWorkloads"}
    said = [{"type": kind, "status": "True", "reason": reason} for kind, reason in reasons.items()]
    rev = {"metadata": {"name": "default"}, "status": {"observedGeneration": 1, "state": "Healthy", "conditions": said}}
    found = rules.istio_status(_istio(), [rev], None)
    assert (found["observedGeneration"], found["state"], found["activeRevisionName"]) == (2, "Healthy", "default")
    assert [(c["type"], c["status"]) for c in found["conditions"]] == [
        ("Reconciled", "True"),
        ("Ready", "True"),
        ("DependenciesHealthy", "Unknown"),
    ]
    assert found["revisions"] == {"total": 1, "ready": 1, "inUse": 1}


def test_an_istio_whose_revision_says_nothing_has_no_state() -> None:
    found = rules.istio_status(_istio({"state": "ReconcileError"}), [{"metadata": {"name": "default"}}], None)
    assert "state" not in found
    assert {c["status"] for c in found["conditions"]} == {"Unknown"}


def test_an_istio_without_its_revision() -> None:
    found = rules.istio_status(_istio(), [], None)
    assert found["state"] == "ActiveRevisionNotFound"
    assert {c["reason"] for c in found["conditions"]} == {"ActiveRevisionNotFound"}


@pytest.mark.parametrize(
    ("labels", "revision"),
    [
        ({}, ""),
        ({"istio-injection": "enabled"}, "default"),
        ({"istio.io/rev": "canary"}, "canary"),
        ({"istio-injection": "enabled", "istio.io/rev": "canary"}, "default"),
        ({"istio-injection": "disabled", "istio.io/rev": "canary"}, "canary"),
    ],
)
def test_labels_of_a_namespace(labels: dict[str, str], revision: str) -> None:
    assert rules.labels_revision(labels) == revision


def _pod(phase: str = "Running", *, labels: Obj | None = None, annotations: Obj | None = None) -> Obj:
    return {"metadata": {"labels": labels or {}, "annotations": annotations or {}}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("namespaces", "pod", "tags", "used"),
    [
        ({"a": {}}, None, {}, False),
        ({"a": {"istio.io/rev": "canary"}}, None, {}, True),
        ({"a": {}}, None, {"stable": "canary"}, True),
        ({"a": {}}, _pod(annotations={"istio.io/rev": "canary"}), {}, True),
        ({"a": {}}, _pod("Succeeded", annotations={"istio.io/rev": "canary"}), {}, False),
        ({"a": {}}, _pod("Failed", annotations={"istio.io/rev": "canary"}), {}, True),
        ({}, _pod(annotations={"istio.io/rev": "canary"}), {}, False),
        ({"a": {}}, _pod(labels={"istio.io/rev": "canary"}), {}, True),
        ({"a": {}}, _pod(labels={"istio.io/rev": "canary", "sidecar.istio.io/inject": "false"}), {}, False),
        ({"a": {"istio.io/rev": "other"}}, _pod(labels={"istio.io/rev": "canary"}), {}, False),
    ],
)
def test_a_revision_in_use(namespaces: dict[str, dict[str, str]], pod: Obj | None, tags: dict[str, str], used: bool) -> None:
    counted = rules.References.pod(pod) if pod else None
    references = rules.References(namespaces, {("a", "pod"): counted} if counted else {}, tags)
    assert references.revision_in_use("canary") is used


def test_an_injected_pod_does_not_hold_a_tag() -> None:
    pod = rules.References.pod(_pod(annotations={"istio.io/rev": "stable"}))
    assert pod and not rules.References({"a": {}}, {("a", "p"): pod}).tag_in_use("stable")
    assert rules.References({"a": {"istio.io/rev": "stable"}}).tag_in_use("stable")


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"mesh": "prod"}}, True),
        ({"matchLabels": {"mesh": "dev"}}, False),
        ({"matchExpressions": [{"key": "mesh", "operator": "In", "values": ["dev", "prod"]}]}, True),
        ({"matchExpressions": [{"key": "mesh", "operator": "NotIn", "values": ["prod"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["prod"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}], "matchLabels": {"mesh": "prod"}}, True),
    ],
)
def test_selectors(selector: Obj, selected: bool) -> None:
    assert charts.selects(selector, {"mesh": "prod"}) is selected


def _rev(name: str, namespace: str = "istio-system", **values: Any) -> Obj:
    values = {**values, "revision": "" if name == "default" else name}
    return {
        "apiVersion": "sailoperator.io/v1",
        "kind": "IstioRevision",
        "metadata": {"name": name, "uid": "u"},
        "spec": {"version": "v1.30.3", "namespace": namespace, "values": values},
    }


def _by_kind(objects: list[Obj]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for obj in objects:
        found.setdefault(obj["kind"], []).append(obj["metadata"]["name"])
    return found


@pytest.mark.parametrize(
    ("name", "namespace", "webhook", "validators", "hooks"),
    [
        (
            "default",
            "istio-system",
            "istio-sidecar-injector",
            ["istio-validator-istio-system", "istiod-default-validator"],
            ["rev.namespace.", "rev.object.", "namespace.", "object."],
        ),
        (
            "default",
            "mesh",
            "istio-sidecar-injector-mesh",
            ["istio-validator-mesh", "istiod-default-validator"],
            ["rev.namespace.", "rev.object.", "namespace.", "object."],
        ),
        ("canary", "mesh", "istio-sidecar-injector-canary-mesh", ["istio-validator-canary-mesh"], ["rev.namespace.", "rev.object."]),
    ],
)
def test_istiod_names(name: str, namespace: str, webhook: str, validators: list[str], hooks: list[str]) -> None:
    objects = charts.istiod(_rev(name, namespace), "Q0E=")
    found, suffix = _by_kind(objects), "" if name == "default" else f"-{name}"
    assert found["Deployment"] == found["Service"] == found["ServiceAccount"] == found["HorizontalPodAutoscaler"] == [f"istiod{suffix}"]
    assert found["ConfigMap"] == [f"istio{suffix}", f"istio-sidecar-injector{suffix}"]
    assert (found["MutatingWebhookConfiguration"], found["ValidatingWebhookConfiguration"]) == ([webhook], validators)
    made = next(o for o in objects if o["kind"] == "MutatingWebhookConfiguration")
    assert [h["name"].removesuffix("sidecar-injector.istio.io") for h in made["webhooks"]] == hooks
    assert {h["clientConfig"]["service"]["name"] for h in made["webhooks"]} == {f"istiod{suffix}"}


@pytest.mark.parametrize(
    ("pilot", "replicas", "scaled"),
    [
        ({}, None, True),
        ({"replicaCount": 2}, None, True),
        ({"autoscaleEnabled": False, "replicaCount": 2}, 2, False),
        ({"autoscaleEnabled": False}, 1, False),
    ],
)
def test_replicas_are_left_to_the_autoscaler(pilot: Obj, replicas: int | None, scaled: bool) -> None:
    objects = charts.istiod(_rev("default", pilot=pilot), "Q0E=")
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    assert deployment["spec"].get("replicas") == replicas
    assert any(o["kind"] == "HorizontalPodAutoscaler" for o in objects) is scaled


def test_the_mesh_config_map_holds_the_users_mesh_config() -> None:
    rev = _rev("canary", "mesh", meshConfig={"accessLogFile": "/dev/stdout", "defaultConfig": {"concurrency": 1}})
    mesh = yaml.safe_load(next(o for o in charts.istiod(rev, "") if o["metadata"]["name"] == "istio-canary")["data"]["mesh"])
    assert mesh["accessLogFile"] == "/dev/stdout"
    assert mesh["defaultConfig"] == {"concurrency": 1, "discoveryAddress": "istiod-canary.mesh.svc:15012"}
    assert mesh["rootNamespace"] == "mesh"


def test_a_tag_leads_to_the_istiod_of_its_revision() -> None:
    tag = {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevisionTag", "metadata": {"name": "stable", "uid": "t"}}
    objects = charts.tag(tag, _rev("canary", "mesh"), "Q0E=")
    assert _by_kind(objects) == {
        "Service": ["istiod-revision-tag-stable"],
        "MutatingWebhookConfiguration": ["istio-revision-tag-stable-mesh"],
    }
    hook = objects[1]["webhooks"][0]
    assert hook["clientConfig"]["service"]["name"] == "istiod-canary"
    assert hook["namespaceSelector"]["matchExpressions"][0] == {"key": "istio.io/rev", "operator": "In", "values": ["stable"]}
    tag["metadata"]["name"] = "default"
    assert "istiod-default-validator" in _by_kind(charts.tag(tag, _rev("canary", "mesh"), ""))["ValidatingWebhookConfiguration"]
