# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes and the tools around the mesh, as the played operators make them."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.operators.observability import (
    collector_objects,
    elasticsearch_name,
    jaeger_objects,
    kiali_objects,
    tempo_conditions,
    tempo_objects,
)
from testbed.operators.openshift import admission, host_of

Obj = dict[str, Any]


def route(namespace: str, created: str, host: str = "shop.example.com", path: str = "") -> Obj:
    return {
        "metadata": {"name": "shop", "namespace": namespace, "uid": namespace, "creationTimestamp": created},
        "spec": {"host": host, "path": path},
    }


def test_host_of() -> None:
    assert host_of(route("ns", "1")) == "shop-ns.apps.bed.example.com"


@pytest.mark.parametrize(
    ("rival", "status"),
    [
        (route("other", "1"), "False"),
        (route("other", "3"), "True"),
        (route("mine", "1"), "True"),
        (route("other", "1", host="else.example.com"), "True"),
        (route("other", "1", path="/x"), "True"),
    ],
)
def test_the_oldest_route_has_the_host(rival: Obj, status: str) -> None:
    found = admission(route("mine", "2"), [rival])
    assert found["status"] == status
    assert found.get("reason") == (None if status == "True" else "HostAlreadyClaimed")


def jaeger(name: str = "jaeger-small-production", **spec: Any) -> Obj:
    return {
        "apiVersion": "jaegertracing.io/v1",
        "kind": "Jaeger",
        "metadata": {"name": name, "namespace": "prod-istio-system", "uid": "u"},
        "spec": spec,
    }


def names(objects: list[Obj], kind: str) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects if obj["kind"] == kind]


@pytest.mark.parametrize(
    ("spec", "deployments"),
    [
        ({}, ["jaeger-small-production"]),
        ({"strategy": "production", "storage": {"type": "memory"}}, ["jaeger-small-production"]),
        (
            {"strategy": "production", "storage": {"type": "elasticsearch", "elasticsearch": {"nodeCount": 2}}},
            [
                "elasticsearch-cdm-prodistiosystemjaegersmallproduction-1",
                "elasticsearch-cdm-prodistiosystemjaegersmallproduction-2",
                "jaeger-small-production-collector",
                "jaeger-small-production-query",
            ],
        ),
        (
            {"strategy": "production", "storage": {"type": "elasticsearch", "options": {"es": {"server-urls": "https://es:9200"}}}},
            ["jaeger-small-production-collector", "jaeger-small-production-query"],
        ),
    ],
)
def test_jaeger_deployments(spec: Obj, deployments: list[str]) -> None:
    assert names(jaeger_objects(jaeger(**spec), route=True), "Deployment") == deployments


def test_elasticsearch_name() -> None:
    assert elasticsearch_name(jaeger()) == "prodistiosystemjaegersmallproduction"


@pytest.mark.parametrize(("available", "ingress", "routes"), [(True, True, ["jaeger"]), (False, True, []), (True, False, [])])
def test_jaeger_route(available: bool, ingress: bool, routes: list[str]) -> None:
    assert names(jaeger_objects(jaeger("jaeger", ingress={"enabled": ingress}), route=available), "Route") == routes


def test_kiali_elsewhere_is_not_owned_by_its_cr() -> None:
    cr = {
        "apiVersion": "kiali.io/v1alpha1",
        "kind": "Kiali",
        "metadata": {"name": "kiali", "namespace": "operators", "uid": "u"},
        "spec": {"deployment": {"namespace": "mesh", "instance_name": "view"}},
    }
    objects = kiali_objects(cr, route=False)
    assert names(objects, "Deployment") == ["view"]
    assert {obj["metadata"]["namespace"] for obj in objects} == {"mesh"}
    assert not any(obj["metadata"]["ownerReferences"] for obj in objects)
    assert names(kiali_objects(cr, route=True), "Route") == ["view"]


def tempo(kind: str = "TempoMonolithic", **spec: Any) -> Obj:
    meta = {"name": "traces", "namespace": "mesh", "uid": "u"}
    return {"apiVersion": "tempo.grafana.com/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "available", "volume", "routes"),
    [
        ({}, True, "", []),
        ({"storage": {"traces": {"backend": "pv", "size": "5Gi"}}}, True, "5Gi", []),
        ({"jaegerui": {"enabled": True, "route": {"enabled": True}}}, True, "", ["tempo-traces-jaegerui"]),
        ({"jaegerui": {"enabled": True, "route": {"enabled": True}}}, False, "", []),
    ],
)
def test_one_pod_with_all_of_tempo_in_it(spec: Obj, available: bool, volume: str, routes: list[str]) -> None:
    made = tempo_objects(tempo(**spec), route=available)
    (workload,) = [obj for obj in made if obj["kind"] == "StatefulSet"]
    claims = workload["spec"].get("volumeClaimTemplates", [])
    assert [claim["spec"]["resources"]["requests"]["storage"] for claim in claims] == ([volume] if volume else [])
    (intake,) = [obj for obj in made if obj["kind"] == "Service" and obj["metadata"]["name"] == "tempo-traces"]
    assert {row["name"]: row["port"] for row in intake["spec"]["ports"]} == {"http": 3200, "otlp-grpc": 4317, "otlp-http": 4318}
    assert names(made, "Route") == routes


def test_a_stack_has_a_workload_for_each_part() -> None:
    spec = {"storageSize": "20Gi", "template": {"queryFrontend": {"jaegerQuery": {"enabled": True, "ingress": {"type": "route"}}}}}
    made = tempo_objects(tempo("TempoStack", **spec), route=True)
    assert names(made, "StatefulSet") == ["tempo-traces-ingester"] and len(names(made, "Deployment")) == 4
    assert "tempo-traces-distributor" in names(made, "Service") and names(made, "Route") == ["tempo-traces-query-frontend"]


def test_what_tempo_says_is_true_of_one_condition_only() -> None:
    pending = tempo_conditions([], "Pending", "PendingComponents", "wait")
    ready = tempo_conditions(pending, "Ready", "Ready", "all")
    assert [(row["type"], row["status"]) for row in pending] == [("Pending", "True")]
    assert {row["type"]: row["status"] for row in ready} == {"Ready": "True", "Pending": "False"}


def test_a_collector_has_a_port_for_each_receiver() -> None:
    protocols = {"grpc": {"endpoint": "0.0.0.0:4317"}, "http": {}}
    spec = {"replicas": 2, "config": {"receivers": {"otlp": {"protocols": protocols}}}}
    cr = {
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": "otel", "namespace": "mesh", "uid": "u"},
        "spec": spec,
    }
    made = collector_objects(cr, route=True)
    assert names(made, "Deployment") == ["otel-collector"] and names(made, "Route") == []
    (service,) = [obj for obj in made if obj["kind"] == "Service" and obj["metadata"]["name"] == "otel-collector"]
    assert {row["name"]: row["port"] for row in service["spec"]["ports"]} == {"otlp-grpc": 4317, "otlp-http": 4318}
