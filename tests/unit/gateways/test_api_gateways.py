# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways of the Gateway API: what mesh_gateways cannot mean of them, the definitions that a cluster needs, and when one is done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._gateways.definitions import ASKED, definitions_for
from ansible_collections.meshops.mesh.plugins.module_utils._gateways.gateway_api import api_gateways
from ansible_collections.meshops.mesh.plugins.module_utils._gateways.refusals import gateway_refusals
from ansible_collections.meshops.mesh.plugins.module_utils._model.gateway_intent import urls_of
from ansible_collections.meshops.mesh.plugins.module_utils._model.readiness import Readiness, judge
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

Obj = dict[str, Any]
PLANE = {"namespace": "istio-system"}
EDGE: Obj = {"name": "edge", "api": "gateway", "namespace": "shop", "hosts": ["a.example.com"]}
TLS: Obj = {"port": 443, "protocol": "HTTPS", "tls": {"credential_name": "a-tls"}}
ROUTE = {"namespace": "shop", "service": "web", "port": 80}
WHERE = "mesh_gateways[0]"


@pytest.mark.parametrize(
    "row",
    [
        EDGE,
        {**EDGE, **TLS},
        {**EDGE, "listeners": [{**TLS, "hosts": ["a.example.com"]}]},
        {**EDGE, "protocol": "GRPC", "routes": [ROUTE, {**ROUTE, "prefix": "/b"}], "replicas": 3},
        {"name": "plain", "hosts": ["a.example.com"], "protocol": "TLS"},
    ],
)
def test_good_ones(row: Obj) -> None:
    assert gateway_refusals([row], [], PLANE) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({**EDGE, "gateway": "ingress"}, f"{WHERE}.gateway: a Gateway of the Gateway API has pods of its own"),
        ({**EDGE, "virtual_service": {"name": "x"}}, f"{WHERE}.virtual_service: its routes are HTTPRoutes"),
        ({**EDGE, "protocol": "TLS"}, f"{WHERE}.protocol: TLS that passes through needs a TLSRoute"),
        ({**EDGE, "protocol": "HTTPS"}, f"{WHERE}.tls.credential_name: is missing"),
        (
            {**EDGE, **TLS, "tls": {"credential_name": "x", "mode": "OPTIONAL_MUTUAL"}},
            f"{WHERE}.tls.mode: a listener knows SIMPLE and MUTUAL",
        ),
        ({**EDGE, **TLS, "tls": {"credential_name": "x", "min_version": "TLSV1_3"}}, f"{WHERE}.tls.min_version: a listener"),
        ({**EDGE, "replicas": 2, "autoscale": {"max": 3}}, f"{WHERE}.replicas: autoscale decides"),
        ({**EDGE, "autoscale": {"min": 4, "max": 3}}, f"{WHERE}.autoscale.max: is 3, less than min (4)"),
        (
            {**EDGE, "listeners": [{"hosts": ["a.example.com"]}]},
            f"{WHERE}.listeners[0].hosts: {WHERE} serves a.example.com on port 80 as well",
        ),
        (
            {**EDGE, "listeners": [{**TLS, "port": 80, "hosts": ["b.example.com"]}]},
            f"{WHERE}.listeners[0].port: {WHERE} has port 80 with HTTP",
        ),
        (
            {**EDGE, "listeners": [{"hosts": ["b.example.com"], "port": 443, "protocol": "HTTPS"}]},
            f"{WHERE}.listeners[0].tls.credential_name",
        ),
        ({**EDGE, "routes": [ROUTE, ROUTE]}, f"{WHERE}.routes[1].prefix: {WHERE}.routes[0] has '/' as well"),
        ({"name": "plain", "hosts": ["a"], "replicas": 2}, f"{WHERE}.replicas: is for gateways of the Gateway API"),
    ],
)
def test_what_it_cannot_mean(row: Obj, words: str) -> None:
    (found,) = gateway_refusals([row], [], PLANE)
    assert found.startswith(words), found


def test_a_mesh_of_tls_1_3_has_no_listener_that_takes_less() -> None:
    (found,) = gateway_refusals([{**EDGE, **TLS}], [], {**PLANE, "min_tls_version": "TLSv1_3"})
    assert "takes TLS 1.2 as well" in found


def test_openshift_service_mesh_2_is_told_what_it_has_instead() -> None:
    (found,) = gateway_refusals([EDGE], [], PLANE, provider="ossm2")
    assert found.startswith(f"{WHERE}.api: OpenShift Service Mesh 2 has no gateways of the Gateway API")


def test_two_gateways_are_two_deployments() -> None:
    (found,) = gateway_refusals(
        [EDGE, {**EDGE, "name": "edge-istio", "class": "x"}, {**EDGE, "name": "edge", "class": "istio"}], [], PLANE
    )[:1]
    assert "mesh_gateways[2].name" in found


def test_whose_routes_may_attach_is_never_everybody() -> None:
    given = [
        {**EDGE, "allowed_routes": ["guests"], "routes": [{**ROUTE, "namespace": "pay"}]},
        {**EDGE, "name": "own", "allowed_routes": []},
    ]
    traffic = [{"service": "web", "namespace": "front", "gateways": ["edge"]}, {"service": "web", "namespace": "other", "gateways": ["x"]}]
    assert [row["allowed"] for row in api_gateways(given, plane="istio-system", traffic=traffic)] == [
        ["front", "guests", "pay", "shop"],
        ["shop"],
    ]


def test_addresses_of_all_listeners() -> None:
    row = {**EDGE, "listeners": [{**TLS, "hosts": ["a.example.com"]}]}
    assert urls_of([row], routed=False) == {"edge": ["http://a.example.com", "https://a.example.com"]}


# definitions


def definition(name: str, *, ours: str = "", version: str = "v1") -> Obj:
    labels = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": ours} if ours else {}
    notes = {"gateway.networking.k8s.io/bundle-version": "v1.2.1"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "labels": labels, "annotations": notes},
        "spec": {"group": "gateway.networking.k8s.io", "versions": [{"name": version, "served": True}]},
    }


THERE, OURS = [definition(name) for name in ASKED], [definition(name, ours="shop") for name in ASKED]
POLICY = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "safe-upgrades"}}


@pytest.mark.parametrize(
    ("there", "given", "openshift", "refusal", "delivered"),
    [
        (THERE, [], "", "", 0),
        (THERE, THERE, "4.19.3", "", 0),  # whoever has made them, they stay
        (THERE, THERE, "", "", 0),
        ([], [], "", "the cluster has no CustomResourceDefinition gatewayclasses", 0),
        ([], [], "4.18.9", "name a file with them in mesh_gateway_api_definitions", 0),
        ([], THERE, "4.18.9", "", 3),
        ([], [*THERE, POLICY], "", "", 3),
        ([], THERE, "4.19.0", "which OpenShift 4.19.0 brings and keeps itself", 0),
        ([], THERE[:1], "", "has no CustomResourceDefinition gateways", 0),
        ([], [definition(name, version="v1beta1") for name in ASKED], "", "has no version v1; take a release 1.0", 0),
        (THERE[:1], THERE, "", "which are not ours: have whoever installed them complete them", 0),
        ([definition(name, version="v1beta1") for name in ASKED], [], "", "has no version v1: the Gateway API has to be 1.0", 0),
        (OURS, THERE, "", "", 3),  # ours follow the file
        (OURS, [], "", "", 0),
        ([definition(name, ours="other") for name in ASKED], THERE, "", "", 0),
    ],
)
def test_definitions(there: list[Obj], given: list[Obj], openshift: str, refusal: str, delivered: int) -> None:
    found = definitions_for(there, given, mesh="shop", file="standard-install.yaml", openshift=openshift)
    assert (refusal in found.refusal and bool(refusal) == bool(found.refusal)) and len(found.objects) == delivered
    assert ("v1.2.1" in found.note) == bool(given and there and not refusal and not delivered)


# readiness


def condition(kind: str, status: str, reason: str, message: str = "", seen: int = 1) -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": seen}


ACCEPTED, PROGRAMMED = condition("Accepted", "True", "Accepted"), condition("Programmed", "True", "Programmed")
PENDING = [condition("Accepted", "Unknown", "Pending"), condition("Programmed", "Unknown", "Pending")]


def judged(conditions: list[Obj], *listeners: Obj, classes: tuple[str, ...] = ("istio",)) -> Readiness:
    api = "gateway.networking.k8s.io/v1"
    gateway = {
        "apiVersion": api,
        "kind": "Gateway",
        "metadata": {"name": "edge", "namespace": "shop", "generation": 1},
        "spec": {"gatewayClassName": "istio"},
        "status": {"conditions": conditions, "listeners": [{"name": "http-80", "conditions": list(listeners)}]},
    }
    there = tuple({"apiVersion": api, "kind": "GatewayClass", "metadata": {"name": name}} for name in classes)
    return judge(gateway, Snapshot("west", datetime(2026, 11, 21, tzinfo=UTC), "cluster", None, there))


def test_a_gateway_is_done_when_it_is_programmed() -> None:
    assert judged([ACCEPTED, PROGRAMMED]).state == "ready"
    assert judged([ACCEPTED, condition("Programmed", "True", "Programmed", seen=0)]).reason == "NotObserved"


def test_nobody_takes_it() -> None:
    lost = judged(PENDING, classes=())
    assert (lost.state, lost.grace > 0) == ("failed", True) and "there is no GatewayClass istio" in lost.message
    assert judged(PENDING).state == "waiting" and "istio.io/rev" in judged(PENDING).message


def test_no_load_balancer_gives_an_address() -> None:
    text = 'address pending for hostname "edge-istio.shop.svc.cluster.local"'
    found = judged([ACCEPTED, condition("Programmed", "False", "AddressNotAssigned", text)])
    assert found.state == "waiting" and found.message.startswith("Service shop/edge-istio is a LoadBalancer that has no address")


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (condition("Conflicted", "True", "HostnameConflict", "taken"), "failed"),
        (condition("Accepted", "False", "UnsupportedProtocol", "taken"), "failed"),
        (condition("ResolvedRefs", "False", "InvalidCertificateRef", "taken"), "waiting"),
        (condition("Conflicted", "False", "NoConflicts"), "ready"),
    ],
)
def test_a_listener_that_is_refused(row: Obj, state: str) -> None:
    found = judged([ACCEPTED, PROGRAMMED], row)
    assert found.state == state and ("listener http-80: taken" in found.message) == (state != "ready")


@pytest.mark.parametrize(
    ("parents", "state"),
    [
        ([], "waiting"),
        ([[condition("Accepted", "True", "Accepted"), condition("ResolvedRefs", "True", "ResolvedRefs")]], "ready"),
        ([[condition("Accepted", "False", "NotAllowedByListeners", "not allowed")]], "waiting"),
        ([[condition("Accepted", "True", "Accepted"), condition("ResolvedRefs", "False", "BackendNotFound", "gone")]], "waiting"),
        ([[condition("Accepted", "True", "Accepted", seen=0), condition("ResolvedRefs", "True", "ResolvedRefs")]], "waiting"),
    ],
)
@pytest.mark.parametrize("kind", ["Gateway", "Service"])
def test_a_route_is_done_when_its_gateways_have_it(parents: list[list[Obj]], state: str, kind: str) -> None:
    ref = {"kind": kind, "name": "edge", **({"group": ""} if kind == "Service" else {})}
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"parentRefs": [ref]},
        "status": {"parents": [{"parentRef": ref, "conditions": rows} for rows in parents]},
    }
    found = judge(route, Snapshot("west", datetime(2026, 11, 21, tzinfo=UTC), "cluster", None, ()))
    assert found.state == ("ready" if kind == "Service" else state)
