# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways of the Gateway API as the role gateways renders them; refresh with UPDATE_GOLDEN=1."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from rendering import REPOSITORY, render

GOLDEN = Path(__file__).parent / "golden" / "gateway-api.yaml"
BOOKINFO = str(REPOSITORY / "inventories/bookinfo")
SHOP: list[dict[str, Any]] = [
    {
        "name": "shop",
        "api": "gateway",
        "namespace": "bookinfo",
        "class": "edge",
        "hosts": ["shop.example.com", "*.shop.example.com"],
        "listeners": [{"hosts": ["shop.example.com"], "port": 443, "protocol": "HTTPS", "tls": {"credential_name": "shop-tls"}}],
        "replicas": 3,
        "service_type": "NodePort",
        "allowed_routes": ["guests"],
        "routes": [
            {"namespace": "bookinfo", "service": "reviews", "port": 9080, "prefix": "/reviews"},
            {"namespace": "istio-system", "service": "kiali", "port": 20001},
        ],
    },
    {
        "name": "inside",
        "api": "gateway",
        "hosts": ["*"],
        "port": 8443,
        "protocol": "HTTPS",
        "tls": {"credential_name": "inside-tls", "mode": "MUTUAL"},
    },
    {"name": "plain", "hosts": ["plain.example.com"], "routes": [{"namespace": "bookinfo", "service": "ratings", "port": 9080}]},
]


def gateways(tmp_path: Path, **variables: Any) -> dict[str, Any]:
    rendered = render(tmp_path, ["gateways"], inventory=BOOKINFO, **variables)
    assert rendered.code == 0, rendered.output[-3000:]
    return rendered.objects("lab", "gateways")


def test_golden(tmp_path: Path) -> None:
    plane = {"name": "default", "namespace": "istio-system", "update_strategy": "RevisionBased", "revision_tag": "stable"}
    found = gateways(tmp_path, mesh_gateways=SHOP, mesh_traffic=[], mesh_control_plane=plane, mesh_project_gateways=[])
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(yaml.safe_dump(found, sort_keys=True, width=140), encoding="utf-8")
    assert yaml.safe_load(GOLDEN.read_text(encoding="utf-8")) == found


def test_bookinfo_by_the_gateway_api_has_the_scale_of_the_other_one(tmp_path: Path) -> None:
    found = gateways(tmp_path, bookinfo_gateway="api")
    assert set(found) == {
        "Gateway bookinfo/bookinfo-gateway",
        "HorizontalPodAutoscaler bookinfo/bookinfo-gateway-istio",
        "PodDisruptionBudget bookinfo/bookinfo-gateway-istio",
        "Route bookinfo/bookinfo-gateway",
    }
    gateway = found["Gateway bookinfo/bookinfo-gateway"]
    assert gateway["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert gateway["metadata"]["annotations"] == {"networking.istio.io/service-type": "ClusterIP"}
    route = found["Route bookinfo/bookinfo-gateway"]["spec"]
    assert (route["to"]["name"], route["port"]["targetPort"]) == ("bookinfo-gateway-istio", 80) and "tls" not in route


def test_the_route_of_the_page_hangs_at_it(tmp_path: Path) -> None:
    rendered = render(tmp_path, ["workloads", "gateways", "traffic"], inventory=BOOKINFO, bookinfo_gateway="api")
    assert rendered.code == 0, rendered.output[-3000:]
    spec = rendered.objects("lab", "traffic_routes")["HTTPRoute bookinfo/productpage-gateways"]["spec"]
    assert spec["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "bookinfo-gateway", "namespace": "bookinfo"}
    ]
    paths = [match["path"] for match in spec["rules"][0]["matches"]]
    assert {"type": "Exact", "value": "/productpage"} in paths and {"type": "PathPrefix", "value": "/static"} in paths


def test_two_pods_without_an_autoscaler_of_load(tmp_path: Path) -> None:
    row = {"name": "edge", "api": "gateway", "hosts": ["edge.example.com"], "replicas": 2}
    found = gateways(tmp_path, mesh_gateways=[row], mesh_project_gateways=[], mesh_traffic=[], mesh_routes=False)
    scaler = found["HorizontalPodAutoscaler istio-system/edge-istio"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 2)
    assert found["Gateway istio-system/edge"]["metadata"]["annotations"] == {"networking.istio.io/service-type": "LoadBalancer"}


@pytest.mark.parametrize("provider", ["ossm2"])
def test_openshift_service_mesh_2_is_told_what_it_has_instead(tmp_path: Path, provider: str) -> None:
    rendered = render(tmp_path, ["gateways"], inventory=BOOKINFO, bookinfo_gateway="api", mesh_provider=provider)
    assert rendered.code != 0
    assert "mesh_gateways[0].api: OpenShift Service Mesh 2 has no gateways of the Gateway API here" in rendered.output, rendered.output[
        -2000:
    ]
    assert json.dumps(rendered.output).count("make it one of mesh_project_gateways") >= 1
