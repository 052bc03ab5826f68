# SPDX-License-Identifier: GPL-3.0-or-later
"""What the played istiod says of Gateways and HTTPRoutes, held against what a real one says."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.operators.gateway_api import gateway_status, route_status, takes, workload

Obj = dict[str, Any]
LISTENER: Obj = {"name": "http-80", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"}
GATEWAY: Obj = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "edge", "namespace": "shop", "generation": 3, "uid": "u", "labels": {"team": "a"}},
    "spec": {"gatewayClassName": "istio", "listeners": [LISTENER]},
}
SERVICE: Obj = {"spec": {"type": "ClusterIP"}}


def words(status: Obj, kind: str) -> tuple[str, str]:
    return next((row["status"], row["reason"]) for row in status["conditions"] if row["type"] == kind)


def route(**spec: Any) -> Obj:
    return {"metadata": {"name": "web", "namespace": "shop", "generation": 2}, "spec": spec}


def test_its_objects_are_called_after_gateway_and_class_and_go_with_it() -> None:
    account, deployment, service = workload(GATEWAY, "proxyv2:1", "default")
    assert [one["metadata"]["name"] for one in (account, deployment, service)] == ["edge-istio"] * 3
    assert all(one["metadata"]["ownerReferences"][0]["name"] == "edge" for one in (account, deployment, service))
    assert "replicas" not in deployment["spec"] and deployment["metadata"]["labels"]["team"] == "a"
    assert service["spec"]["type"] == "LoadBalancer" and [port["port"] for port in service["spec"]["ports"]] == [15021, 80]


@pytest.mark.parametrize(
    ("service", "ready", "expected"),
    [
        (None, False, ("False", "AddressNotUsable")),
        (SERVICE, False, ("False", "AddressNotUsable")),
        (SERVICE, True, ("True", "Programmed")),
        ({"spec": {"type": "LoadBalancer"}}, True, ("False", "AddressNotAssigned")),
        ({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}, True, ("True", "Programmed")),
    ],
)
def test_it_is_programmed_when_its_pods_have_an_address(service: Obj | None, ready: bool, expected: tuple[str, str]) -> None:
    status = gateway_status(GATEWAY, service, ready, set(), {})
    assert words(status, "Programmed") == expected and words(status, "Accepted") == ("True", "Accepted")
    assert bool(status["addresses"]) == (expected[0] == "True")


def test_a_certificate_that_is_not_there() -> None:
    tls = {**LISTENER, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "edge-tls"}]}}
    gateway = {**GATEWAY, "spec": {**GATEWAY["spec"], "listeners": [tls]}}
    (lost,), (found,) = (gateway_status(gateway, SERVICE, True, names, {})["listeners"] for names in (set(), {"edge-tls"}))
    assert words(lost, "ResolvedRefs") == ("False", "InvalidCertificateRef")
    assert words(found, "ResolvedRefs") == ("True", "ResolvedRefs")


@pytest.mark.parametrize(
    ("allowed", "hosts", "space", "expected"),
    [
        ({}, ["a.example.com"], "shop", ""),
        ({}, ["a.example.org"], "shop", "NoMatchingListenerHostname"),
        ({}, [], "shop", ""),
        ({}, ["*.b.example.com"], "shop", ""),
        ({}, ["a.example.com"], "other", "NotAllowedByListeners"),
        ({"from": "All"}, ["a.example.com"], "other", ""),
        ({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, ["a.example.com"], "other", ""),
        ({"from": "Selector", "selector": {"matchLabels": {"x": "y"}}}, ["a.example.com"], "other", "NotAllowedByListeners"),
    ],
)
def test_which_routes_a_listener_takes(allowed: Obj, hosts: list[str], space: str, expected: str) -> None:
    found = route(hostnames=hosts)
    found["metadata"]["namespace"] = space
    assert takes({**LISTENER, "allowedRoutes": {"namespaces": allowed}}, GATEWAY, found, {}) == expected


def test_what_is_said_of_a_route_keeps_what_others_said() -> None:
    theirs = {"controllerName": "example.com/other", "parentRef": {"name": "x"}, "conditions": []}
    found = {**route(), "status": {"parents": [theirs]}}
    status = route_status(found, [({"name": "edge"}, "NotAllowedByListeners")], ["gone.shop.svc.cluster.local"])
    assert status["parents"][0] == theirs
    assert words(status["parents"][1], "Accepted") == ("False", "NotAllowedByListeners")
    assert words(status["parents"][1], "ResolvedRefs") == ("False", "BackendNotFound")
