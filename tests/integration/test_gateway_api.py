# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways by the Gateway API on a bed: pods by istiod, scale, reasons where something does not come, definitions, and the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from shop_support import play
from testbed import Bed
from testbed.patience import until
from travel_support import said

Obj = dict[str, Any]
EDGE: Obj = {
    "name": "edge",
    "api": "gateway",
    "namespace": "shop",
    "hosts": ["shop.example.com"],
    "routes": [{"namespace": "shop", "service": "front", "port": 8080}],
    "autoscale": {"min": 2, "max": 4},
    "service_type": "ClusterIP",
}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
GROUP = "gateway.networking.k8s.io"


def apply(bed: Bed, *objects: Obj) -> None:
    done = bed.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def bed(beds: Callable[..., Bed]) -> Iterator[Bed]:
    found = beds("sail", tag="gateway-api")
    for name in ("istio-system", "shop"):
        found.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": {"istio-injection": "enabled"}}})
    istio = {"version": "v1.30.3", "namespace": "istio-system"}
    apply(
        found,
        {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "default"}, "spec": istio},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front", "namespace": "shop"}, "spec": {"ports": [{"port": 8080}]}},
    )
    until(lambda: found.kubectl("get", "gatewayclass", "istio").returncode == 0, timeout=60, what="the class of istiod")
    yield found


@pytest.fixture
def gateways(bed: Bed, tmp_path: Path, playbook: Callable[..., Any]) -> Callable[..., Any]:
    """The role gateways with these gateways."""

    def run(*rows: Obj, **more: Any) -> Any:
        given = {"mesh_gateways": list(rows), "mesh_routes": False, **more}
        return play(playbook, bed, tmp_path, "install_mesh", "--tags", "gateways", **given)

    return run


def names(bed: Bed, what: str) -> list[str]:
    return sorted(bed.kubectl("get", what, "-n", "shop", "-o", "name").stdout.split())


@pytest.mark.long
@pytest.mark.xdist_group("gateway-api")
class TestGatewayApi:
    def test_istiod_runs_it_with_the_pods_that_are_asked_for(self, bed: Bed, gateways: Callable[..., Any]) -> None:
        planned = gateways(EDGE, mesh_target="plan").check()
        assert "Gateway shop/edge" in said(planned) and names(bed, f"gateways.{GROUP}") == []
        gateways(EDGE).check()
        assert names(bed, "deployments,services,hpa,pdb,httproutes") == [
            "deployment.apps/edge-istio",
            "horizontalpodautoscaler.autoscaling/edge-istio",
            f"httproute.{GROUP}/edge",
            "poddisruptionbudget.policy/edge-istio",
            "service/edge-istio",
            "service/front",
        ]
        assert len([name for name in names(bed, "pods") if "edge-istio" in name]) == 2
        budget = json.loads(bed.kubectl("get", "pdb", "edge-istio", "-n", "shop", "-o", "json").stdout)
        assert budget["status"]["expectedPods"] == 2
        assert gateways(EDGE).check().changed == 0

    def test_without_a_load_balancer_it_says_what_is_missing(self, gateways: Callable[..., Any]) -> None:
        run = gateways({**EDGE, "name": "outer", "service_type": "LoadBalancer", "routes": []}, deliver_wait_timeout=4)
        assert run.rc != 0
        assert "Service shop/outer-istio is a LoadBalancer that has no address" in said(run), said(run)[-2000:]

    def test_an_unknown_class_a_lost_secret_and_a_lost_service_are_named(self, gateways: Callable[..., Any]) -> None:
        tls = {"port": 443, "protocol": "HTTPS", "tls": {"credential_name": "edge-tls"}}
        for change, words in (
            ({"class": "nobodys"}, "there is no GatewayClass nobodys"),
            (tls, "listener https-443: invalid certificate reference"),
            ({"routes": [{"namespace": "shop", "service": "nowhere", "port": 80}]}, "nowhere.shop.svc.cluster.local"),
        ):
            run = gateways({**EDGE, "name": "odd", "autoscale": {"max": 2}, **change}, deliver_wait_timeout=4)
            assert run.rc != 0 and words in said(run), (words, said(run)[-2000:])

    def test_the_last_one_that_is_named_no_more_goes_by_prune(self, bed: Bed, gateways: Callable[..., Any]) -> None:
        injected = {"name": "door", "namespace": "shop"}
        gateways(EDGE, mesh_project_gateways=[injected]).check()
        planned = gateways(mesh_prune=True, mesh_target="plan").check()
        assert "Gateway shop/edge" in said(planned) and "Deployment shop/door" in said(planned)
        gateways(mesh_prune=True).check()
        until(lambda: names(bed, "deployments") == [], what="both gateways gone")
        assert names(bed, f"gateways.{GROUP}") == [] and gateways(mesh_prune=True).check().changed == 0

    def test_nothing_is_left(self, bed: Bed, gateways: Callable[..., Any]) -> None:
        rows = [EDGE, {**EDGE, "name": "outer"}, {**EDGE, "name": "odd"}, {**EDGE, "name": "odd", "class": "nobodys"}]
        for row in rows:
            gateways(row, gateways_state="absent").check()
        until(lambda: names(bed, "deployments,hpa,pdb,httproutes,serviceaccounts") == ["serviceaccount/default"], what="nothing")
        assert names(bed, f"gateways.{GROUP}") == [] and names(bed, "services") == ["service/front"]

    def test_definitions_come_from_the_file_and_those_of_others_stay(self, bed: Bed, gateways: Callable[..., Any], tmp_path: Path) -> None:
        definitions = tmp_path / "standard-install.yaml"
        there = [row for row in bed.api.get(CRDS)["items"] if row["spec"]["group"] == GROUP]
        meta = [{"name": row["metadata"]["name"], "annotations": row["metadata"]["annotations"]} for row in there]
        rows = [{**CRD, "metadata": one, "spec": row["spec"]} for one, row in zip(meta, there, strict=True)]
        definitions.write_text(yaml.safe_dump_all(rows), encoding="utf-8")
        given = {"mesh_gateway_api_definitions": str(definitions)}
        before = [row["metadata"]["resourceVersion"] for row in there]
        run = gateways(EDGE, **given).check()
        assert "are not ours and stay as they are" in said(run)
        gateways(EDGE, gateways_state="absent").check()
        assert before == [row["metadata"]["resourceVersion"] for row in bed.api.get(CRDS)["items"] if row["spec"]["group"] == GROUP]

        bed.kubectl("delete", "crd", *(one["name"] for one in meta))
        until(
            lambda: not any(row["spec"]["group"] == GROUP for row in bed.api.get(CRDS)["items"]), what="a cluster without the Gateway API"
        )
        mark = bed.mark()
        run = gateways(EDGE)
        assert run.rc != 0 and "name a file with them in mesh_gateway_api_definitions" in said(run), said(run)[-2000:]
        assert [event["verb"] for event in bed.audit(mark) if "meshops.mesh" in event.get("requestURI", "")] == []
        gateways(EDGE, **given).check()
        assert names(bed, f"gateways.{GROUP}") == [f"gateway.{GROUP}/edge"]
        assert gateways(EDGE, **given).check().changed == 0
        gateways(EDGE, gateways_state="absent").check()
        assert any(row["spec"]["group"] == GROUP for row in bed.api.get(CRDS)["items"])  # others may use them by now
