# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mesh of many teams is rendered as, for both generations (inventories/at_scale); refresh with UPDATE_GOLDEN=1."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._isolation.reach import EGRESS, INGRESS, End, closed_by
from ansible_collections.meshops.mesh.plugins.module_utils._model import kinds as k
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import Obj

sys.path.insert(0, str(Path(__file__).parent))
from rendering import REPOSITORY, Rendered, render

GOLDEN = Path(__file__).parent / "golden"
INVENTORY = str(REPOSITORY / "inventories/at_scale")
ROLES = ["control_plane", "membership", "gateways", "isolation", "egress"]


@pytest.fixture(scope="module", params=["ossm2", "ossm3"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Rendered]]:
    rendered = render(tmp_path_factory.mktemp(request.param), ROLES, inventory=INVENTORY, mesh_provider=request.param)
    assert rendered.code == 0, rendered.output[-3000:]
    yield request.param, rendered


def test_golden(shared: tuple[str, Rendered]) -> None:
    provider, rendered = shared
    objects = {layer: rendered.objects("shared", layer) for layer in sorted(rendered.layers("shared"))}
    golden = GOLDEN / f"at-scale-{provider}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.safe_dump(objects, sort_keys=True, width=140), encoding="utf-8")
    assert yaml.safe_load(golden.read_text(encoding="utf-8")) == objects


def _spec(rendered: Rendered, layer: str, name: str) -> Any:
    return rendered.objects("shared", layer)[name]["spec"]


def test_a_gateway_of_a_project_is_chosen_by_nobody_else(shared: tuple[str, Rendered]) -> None:
    """A selector reaches into every namespace, so it names the project; and the pods carry what Service, scale and budget select."""
    _provider, rendered = shared
    for home, name, gateway in (("shop-web", "shop-gateway", "shop"), ("pay", "pay-gateway", "pay")):
        labels = _spec(rendered, "gateway_workloads", f"Deployment {home}/{name}")["template"]["metadata"]["labels"]
        selector = _spec(rendered, "gateways", f"Gateway {home}/{gateway}")["selector"]
        assert selector == {"istio": name, "mesh.meshops.io/project": home} and selector.items() <= labels.items()
        assert _spec(rendered, "gateway_workloads", f"Service {home}/{name}")["selector"].items() <= labels.items()
        budget = _spec(rendered, "gateway_workloads", f"PodDisruptionBudget {home}/{name}")
        assert budget["selector"]["matchLabels"].items() <= labels.items()
        route = _spec(rendered, "gateways", f"Route {home}/{gateway}")
        ports = {port["name"] for port in _spec(rendered, "gateway_workloads", f"Service {home}/{name}")["ports"]}
        assert route["to"]["name"] == name and route["port"]["targetPort"] in ports


def test_the_load_decides_on_the_pods_where_it_may(shared: tuple[str, Rendered]) -> None:
    """A number of replicas beside an autoscaler would take its decision back at each run."""
    _provider, rendered = shared
    scale = _spec(rendered, "gateway_workloads", "HorizontalPodAutoscaler shop-web/shop-gateway")
    assert (scale["minReplicas"], scale["maxReplicas"]) == (2, 5)
    assert "replicas" not in _spec(rendered, "gateway_workloads", "Deployment shop-web/shop-gateway")
    assert _spec(rendered, "gateway_workloads", "Deployment pay/pay-gateway")["replicas"] == 2
    assert "HorizontalPodAutoscaler pay/pay-gateway" not in rendered.objects("shared", "gateway_workloads")


def test_what_is_closed_leaves_the_mesh_working(shared: tuple[str, Rendered]) -> None:
    """The rendered policies, asked as a cluster would."""
    _provider, rendered = shared
    every = [Obj.from_dict(k.NETWORK_POLICY, obj) for obj in rendered.objects("shared", "isolation").values()]

    def passes(caller: End, called: End, port: int, protocol: str = "TCP") -> bool:
        out = closed_by([row for row in every if row.namespace == caller.namespace], caller, EGRESS, called, port, protocol=protocol)
        into = closed_by([row for row in every if row.namespace == called.namespace], called, INGRESS, caller, port, protocol=protocol)
        return not out and not into

    web, orders, pay = (End(namespace, {"app": "x"}) for namespace in ("shop-web", "shop-orders", "pay"))
    istiod, outside = End("istio-system", {"app": "istiod"}), End(outside=True)
    for project in (web, orders, pay):
        assert passes(project, istiod, 15012) and not passes(project, istiod, 8080)
        assert passes(project, End("openshift-dns"), 5353, "UDP") and passes(project, End("openshift-dns"), 5353)
        assert passes(End("openshift-user-workload-monitoring"), project, 15020)
        assert passes(End("istio-system", {"istio": "ingressgateway"}), project, 8080)
        assert not passes(End("elsewhere"), project, 8080) and not passes(project, End("elsewhere"), 8080)
    assert passes(outside, istiod, 15017) and not passes(outside, istiod, 15010)
    assert passes(web, orders, 8080) and passes(orders, web, 8080)
    assert passes(orders, pay, 8080) and not passes(orders, pay, 9000) and not passes(web, pay, 8080) and not passes(pay, orders, 8080)
    assert passes(outside, End("shop-web", {"istio": "shop-gateway"}), 8080) and not passes(outside, web, 8080)
