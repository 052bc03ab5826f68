# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes and the tools around the mesh, as the played operators make them."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.operators.observability import elasticsearch_name, jaeger_objects, kiali_objects
from testbed.operators.openshift import admission, host_of

Obj = dict[str, Any]


def route(namespace: str, created: str, host: str = "shop.example.com", path: str = "") -> Obj:
    return {"metadata": {"name": "shop", "namespace": namespace, "uid": namespace, "creationTimestamp": created},
            "spec": {"host": host, "path": path}}


def test_host_of() -> None:
    assert host_of(route("ns", "1")) == "shop-ns.apps.bed.example.com"


@pytest.mark.parametrize(("rival", "status"), [
    (route("other", "1"), "False"), (route("other", "3"), "True"), (route("mine", "1"), "True"),
    (route("other", "1", host="else.example.com"), "True"), (route("other", "1", path="/x"), "True"),
])
def test_the_oldest_route_has_the_host(rival: Obj, status: str) -> None:
    found = admission(route("mine", "2"), [rival])
    assert found["status"] == status
    assert found.get("reason") == (None if status == "True" else "HostAlreadyClaimed")


def jaeger(name: str = "jaeger-small-production", **spec: Any) -> Obj:
    return {"apiVersion": "jaegertracing.io/v1", "kind": "Jaeger",
            "metadata": {"name": name, "namespace": "prod-istio-system", "uid": "u"}, "spec": spec}


def names(objects: list[Obj], kind: str) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects if obj["kind"] == kind]


@pytest.mark.parametrize(("spec", "deployments"), [
    ({}, ["jaeger-small-production"]),
    ({"strategy": "production", "storage": {"type": "memory"}}, ["jaeger-small-production"]),
    ({"strategy": "production", "storage": {"type": "elasticsearch", "elasticsearch": {"nodeCount": 2}}},
     ["elasticsearch-cdm-prodistiosystemjaegersmallproduction-1", "elasticsearch-cdm-prodistiosystemjaegersmallproduction-2",
      "jaeger-small-production-collector", "jaeger-small-production-query"]),
    ({"strategy": "production", "storage": {"type": "elasticsearch", "options": {"es": {"server-urls": "https://es:9200"}}}},
     ["jaeger-small-production-collector", "jaeger-small-production-query"]),
])
def test_jaeger_deployments(spec: Obj, deployments: list[str]) -> None:
    assert names(jaeger_objects(jaeger(**spec), route=True), "Deployment") == deployments


def test_elasticsearch_name() -> None:
    assert elasticsearch_name(jaeger()) == "prodistiosystemjaegersmallproduction"


@pytest.mark.parametrize(("available", "ingress", "routes"), [(True, True, ["jaeger"]), (False, True, []), (True, False, [])])
def test_jaeger_route(available: bool, ingress: bool, routes: list[str]) -> None:
    assert names(jaeger_objects(jaeger("jaeger", ingress={"enabled": ingress}), route=available), "Route") == routes


def test_kiali_elsewhere_is_not_owned_by_its_cr() -> None:
    cr = {"apiVersion": "kiali.io/v1alpha1", "kind": "Kiali", "metadata": {"name": "kiali", "namespace": "operators", "uid": "u"},
          "spec": {"deployment": {"namespace": "mesh", "instance_name": "view"}}}
    objects = kiali_objects(cr, route=False)
    assert names(objects, "Deployment") == ["view"]
    assert {obj["metadata"]["namespace"] for obj in objects} == {"mesh"}
    assert not any(obj["metadata"]["ownerReferences"] for obj in objects)
    assert names(kiali_objects(cr, route=True), "Route") == ["view"]
