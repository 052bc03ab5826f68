# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateways of a control plane, and which mesh keeps the CNI plugin of a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.filter.cni_keeper import cni_keeper
from ansible_collections.meshops.mesh.plugins.filter.control_plane_gateways import control_plane_gateways
from ansible_collections.meshops.mesh.plugins.filter.least_pods import least_pods
from ansible_collections.meshops.mesh.plugins.filter.project_gateways import project_gateways

GATEWAY: dict[str, Any] = {"enabled": True, "replicas": 2, "resources": {}, "service_type": "LoadBalancer"}
OFF = GATEWAY | {"enabled": False}
INGRESS = GATEWAY | {"name": "istio-ingressgateway", "istio": "ingressgateway", "autoscale": {}}
EGRESS = GATEWAY | {"name": "istio-egressgateway", "istio": "egressgateway", "autoscale": {}}
PARTNER = {"name": "partner", "istio": "partner", "replicas": 1, "resources": {}, "service_type": "ClusterIP", "autoscale": {}}


def plane(ingress: dict[str, Any] = GATEWAY, egress: dict[str, Any] = GATEWAY, *additional: dict[str, Any]) -> dict[str, Any]:
    return {"name": "p", "ingress": ingress, "egress": egress, "additional_ingress": list(additional)}


GATEWAYS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "both": (plane(), [INGRESS, EGRESS]),
    "neither": (plane(OFF, OFF), []),
    "one, by a text": (plane(GATEWAY | {"enabled": "yes"}, OFF | {"enabled": "false"}), [INGRESS | {"enabled": "yes"}]),
    "its name is not the intent's": (plane(GATEWAY | {"name": "mine", "istio": "x"}, OFF), [INGRESS]),
    "an additional one": (plane(OFF, GATEWAY, {"name": "partner"}), [EGRESS, PARTNER]),
    "with fields of its own": (plane(OFF, OFF, {"name": "partner", "replicas": 3, "resources": {"limits": {"cpu": "1"}}}),
                               [PARTNER | {"replicas": 3, "resources": {"limits": {"cpu": "1"}}}]),
}  # fmt: skip


@pytest.mark.parametrize("case", GATEWAYS)
def test_gateways(case: str) -> None:
    given, expected = GATEWAYS[case]
    assert control_plane_gateways(given) == expected
    assert control_plane_gateways(given, additional=True) == [row for row in expected if row["name"] == "partner"]


MANAGED = {"app.kubernetes.io/managed-by": "meshops.mesh"}


def cni(**labels: str) -> list[dict[str, Any]]:
    return [{"kind": "IstioCNI", "metadata": {"name": "default", "labels": labels}}]


def host(mesh: str | None, provider: str | None = "ossm3", context: str = "west") -> dict[str, Any]:
    given = {"mesh_name": mesh, "mesh_provider": provider, "mesh_context": context}
    return {key: value for key, value in given.items() if value is not None}


SHOP, STOCK = host("shop"), host("stock")
KEEPERS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], str]] = {
    "ours": (cni(**MANAGED, **{"mesh.meshops.io/mesh": "shop"}), [STOCK, SHOP], "shop"),
    "another mesh's": (cni(**MANAGED, **{"mesh.meshops.io/mesh": "stock"}), [SHOP], "stock"),
    "ours without a mesh": (cni(**MANAGED), [STOCK, SHOP], "shop"),
    "somebody else's": (cni(**{"app.kubernetes.io/managed-by": "Helm", "mesh.meshops.io/mesh": "x"}), [STOCK, SHOP], "stock"),
    "without labels": ([{"metadata": {"name": "default", "labels": None}}], [SHOP, STOCK], "shop"),
    "none yet, first": ([], [SHOP, STOCK], "shop"),
    "none yet, second": ([], [STOCK, SHOP], "stock"),
    "the first is of OSSM 2, which brings its own": ([], [host("stock", "ossm2"), SHOP], "shop"),
    "the first is another cluster": ([], [host("stock", context="east"), SHOP], "shop"),
    "the first says no provider": ([], [host("stock", None), SHOP], "stock"),
    "nobody": ([], [], "shop"),
    "none is of this cluster": ([], [host("stock", context="east")], "shop"),
}


@pytest.mark.parametrize("case", KEEPERS)
def test_keeper_of_the_cni_plugin(case: str) -> None:
    found, hosts, expected = KEEPERS[case]
    hostvars = {f"host{number}": variables for number, variables in enumerate(hosts)}
    assert cni_keeper(found, "shop", api=["", "west"], hosts=list(hostvars), hostvars=hostvars) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [({}, 1), ({"replicas": 3}, 3), ({"autoscale": {"max": 5}}, 1), ({"autoscale": {"min": 2, "max": 5}}, 2),
     ({"replicas": 3, "autoscale": {"min": "2", "max": 5}}, 2), ({"replicas": "4", "autoscale": {}}, 4)],
)  # fmt: skip
def test_least_pods(part: dict[str, Any], expected: int) -> None:
    assert least_pods(part) == expected


PROJECT = {"name": "door", "istio": "door", "namespace": "shop", "replicas": 1, "resources": {}, "service_type": "ClusterIP",
           "autoscale": {}, "service_annotations": {}}  # fmt: skip


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        (None, [{"name": "http2", "port": 80, "target_port": 8080}, {"name": "https", "port": 443, "target_port": 8443}]),
        ([{"name": "tcp", "port": "9000"}], [{"name": "tcp", "port": 9000, "target_port": 9000}]),
        ([{"name": "tls", "port": 443, "target_port": "9443"}], [{"name": "tls", "port": 443, "target_port": 9443}]),
    ],
)
def test_a_gateway_of_a_project_with_everything_said(ports: list[dict[str, Any]] | None, expected: list[dict[str, Any]]) -> None:
    given = {"name": "door", "namespace": "shop", **({} if ports is None else {"ports": ports})}
    assert project_gateways([given]) == [PROJECT | {"ports": expected}]
    assert project_gateways([given | {"replicas": 3}]) == [PROJECT | {"replicas": 3, "ports": expected}]
