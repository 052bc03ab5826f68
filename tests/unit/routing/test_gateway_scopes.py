# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services a gateway knows: those that are exported to its namespace, or what a sidecar beside it knows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import RoutingWorld
from ansible_collections.meshops.mesh.plugins.module_utils._routing.model import Consumer
from routing.routing_shop import made, service

EDGE = Consumer("shop", {"app": "edge"}, gateway=True, name="edge")
END = "svc.cluster.local"


def hidden(namespace: str, name: str, export: str) -> dict[str, Any]:
    found = service(namespace, name)
    found["metadata"]["annotations"] = {"networking.istio.io/exportTo": export}
    return found


def pod(namespace: str, app: str, *, phase: str = "Running", **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "spec": {}, "status": {"phase": phase},
            "metadata": {"name": app, "namespace": namespace, "labels": {"app": app, **labels}}}  # fmt: skip


def sidecar(namespace: str = "shop", app: str = "web", **more: Any) -> dict[str, Any]:
    return pod(namespace, app, **{"security.istio.io/tlsMode": "istio"}, **more)


def sidecar_of(namespace: str, spec: str = "egress: [{hosts: ['./*']}]") -> dict[str, Any]:
    return made("Sidecar", namespace, "default", spec)


BESIDE = [
    pytest.param([], False, id="nothing-beside-it"),
    pytest.param([sidecar()], True, id="a-sidecar"),
    pytest.param([pod("shop", "web")], False, id="a-pod-without-a-sidecar"),
    pytest.param([sidecar(phase="Succeeded")], False, id="a-job-that-is-done"),
    pytest.param([sidecar("back")], False, id="a-sidecar-of-another-namespace"),
    pytest.param([sidecar(app="edge")], False, id="the-gateway-itself"),
    pytest.param([sidecar(), sidecar_of("shop")], False, id="a-sidecar-with-a-Sidecar"),
    pytest.param([sidecar(), sidecar_of("istio-system")], False, id="a-sidecar-with-that-of-the-mesh"),
    pytest.param([sidecar(), sidecar_of("shop", "{workloadSelector: {labels: {app: pay}}, egress: [{hosts: ['./*']}]}")], True,
                 id="a-sidecar-beside-a-Sidecar-of-others"),
]  # fmt: skip


@pytest.mark.parametrize(("beside", "shared"), BESIDE)
def test_a_gateway_knows_what_a_sidecar_beside_it_knows(beside: list[dict[str, Any]], shared: bool) -> None:
    """A destination of a VirtualService in its own namespace needs no export; to a gateway alone it does."""
    route = made("VirtualService", "shop", "web", "{hosts: [web], gateways: [mesh], http: [{route: [{destination: {host: web}}]}]}")
    world = RoutingWorld([hidden("shop", "web", "~"), hidden("shop", "pay", "~"), route, *beside])
    clusters = world.configured(EDGE).clusters
    assert (clusters.get(f"outbound|8080||web.shop.{END}") is not None) is shared
    assert clusters.get(f"outbound|8080||pay.shop.{END}") is None, "nothing leads there"


@pytest.mark.parametrize(("beside", "namespace"), [([], "back"), ([sidecar()], "shop")])
def test_of_one_host_in_two_namespaces_a_sidecar_takes_its_own(beside: list[dict[str, Any]], namespace: str) -> None:
    spec = "{hosts: [api.example.com], resolution: DNS, ports: [{name: http, number: 80, protocol: HTTP}]}"
    entries = [made("ServiceEntry", space, "api", spec) for space in ("back", "shop")]
    world = RoutingWorld([*entries, *beside])
    assert world.scopes.of(EDGE).by_host["api.example.com"].namespace == namespace
