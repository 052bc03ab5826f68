# SPDX-License-Identifier: GPL-3.0-or-later
"""GRPCRoutes, TCPRoutes and TLSRoutes, in the sidecars and at a Gateway: which connection goes where, and who may send it there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import RouteAnswer, RoutingWorld
from ansible_collections.meshops.mesh.plugins.module_utils._routing.model import Consumer, RouteRequest
from routing.routing_shop import made, service

API = "gateway.networking.k8s.io/v1"
WEB = Consumer("shop", {"app": "web"})
EDGE = Consumer("edge", {"app": "ingress"}, gateway=True, name="ingress", ip="10.1.0.9")


def pod(namespace: str, app: str, ip: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": app, "namespace": namespace, "labels": {"app": app}},
            "spec": {}, "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}  # fmt: skip


def addressed(namespace: str, name: str, ip: str, *ports: str) -> dict[str, Any]:
    found = service(namespace, name, *ports)
    found["spec"]["clusterIP"] = ip
    return found


def world(*routes: dict[str, Any]) -> RoutingWorld:
    listeners = """
        gatewayClassName: istio
        listeners:
        - {name: grpc, port: 80, protocol: HTTP, hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}}}
        - {name: db, port: 5432, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}
        - {name: pass, port: 443, protocol: TLS, hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}},
           tls: {mode: Passthrough}}
        - {name: ends, port: 8443, protocol: TLS, hostname: db.example.com, allowedRoutes: {namespaces: {from: All}},
           tls: {mode: Terminate, certificateRefs: [{name: db}]}}
        - {name: grpc-only, port: 81, protocol: HTTP, allowedRoutes: {namespaces: {from: All}, kinds: [{kind: GRPCRoute}]}}
    """
    entrance = addressed("edge", "edge-istio", "10.0.0.9", "http:80", "tcp-db:5432", "tls:443", "tls-db:8443", "http-b:81")
    entrance["spec"]["selector"] = {"app": "ingress"}
    for port in entrance["spec"]["ports"]:
        port["targetPort"] = port["port"]
    return RoutingWorld([
        made("Gateway", "edge", "edge", listeners, API), entrance, pod("edge", "ingress", "10.1.0.9"),
        addressed("shop", "pay", "10.0.0.1", "grpc:9000", "tcp:5432", "tls:443"), pod("shop", "pay", "10.1.0.1"),
        addressed("back", "db", "10.0.0.2", "tcp:5432", "tls:443"), pod("back", "db", "10.1.0.2"),
        addressed("back", "old", "10.0.0.3", "grpc:9000"), pod("back", "old", "10.1.0.3"), *routes,
    ])  # fmt: skip


def goes(answer: RouteAnswer) -> str:
    names = [f"{one.weight if one.weight is not None else ''}{one.name.split('|', 1)[-1]}" for one in answer.destinations]
    return " ".join([answer.outcome, *names])


GRPC = """
    parentRefs: [{PARENT}]
    rules:
    - matches: [{method: {service: shop.Pay, method: Refund}}]
      backendRefs: [{name: old, namespace: back, port: 9000}]
    - matches: [{method: {service: shop.Pay}, headers: [{name: x-beta, value: "1"}]}]
      backendRefs: [{name: pay, port: 9000, weight: 3}, {name: old, namespace: back, port: 9000, weight: 1}]
    - matches: [{method: {method: Check}}, {method: {type: RegularExpression, service: "grpc[.]health.*"}}]
      backendRefs: [{name: pay, port: 9000, weight: 0}]
    - matches: [{method: {service: shop.Pay}}]
      backendRefs: [{name: pay, port: 9000}]
"""
MESH, GATEWAY = "{group: '', kind: Service, name: pay, port: 9000}", "{name: edge, namespace: edge}"
OLD, PAY = "9000||old.back.svc.cluster.local", "9000||pay.shop.svc.cluster.local"


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/shop.Pay/Refund", {}, f"route {OLD}"),
        ("/shop.Pay/Buy", {"x-beta": "1"}, f"route 3{PAY} 1{OLD}"),
        ("/shop.Pay/Buy", {}, f"route {PAY}"),
        ("/shop.Payment/Buy", {}, "no_route"),
        ("/any/Check", {}, "direct_response"),
        ("/grpc.health.v1/Watch", {}, "direct_response"),
    ],
)
def test_a_method_of_grpc_is_a_path(path: str, headers: dict[str, str], expected: str) -> None:
    found = world(made("GRPCRoute", "shop", "pay", GRPC.replace("{PARENT}", MESH), API))
    request = RouteRequest("10.0.0.1", 9000, "pay.shop", method="POST", path=path, headers=headers, protocol="http2")
    answer = found.answer(WEB, request)
    assert goes(answer) == expected and (answer.route is None or answer.route.ref == "GRPCRoute shop/pay")


@pytest.mark.parametrize("granted", ["GRPCRoute", "HTTPRoute", ""])
def test_a_gateway_asks_for_a_grant_to_the_kind_of_the_route(granted: str) -> None:
    grant = made("ReferenceGrant", "back", "any", f"""
        from: [{{group: gateway.networking.k8s.io, kind: {granted or "GRPCRoute"}, namespace: shop}}]
        to: [{{group: "", kind: Service, name: {"old" if granted else "another"}}}]
    """, "gateway.networking.k8s.io/v1beta1")  # fmt: skip
    found = world(made("GRPCRoute", "shop", "pay", "\n    hostnames: [pay.example.com]" + GRPC.replace("{PARENT}", GATEWAY), API), grant)
    answer = found.answer(EDGE, RouteRequest("10.1.0.9", 80, "pay.example.com", path="/shop.Pay/Refund", protocol="http2"))
    assert goes(answer) == (f"route {OLD}" if granted == "GRPCRoute" else "no_cluster UnknownService")


def test_a_listener_takes_the_kinds_that_it_names() -> None:
    rules = """
        hostnames: [a.example.com]
        parentRefs: [{name: edge, namespace: edge, port: 81}]
        rules: [{backendRefs: [{name: pay, port: 9000}]}]
    """
    request = RouteRequest("10.1.0.9", 81, "a.example.com")
    assert goes(world(made("HTTPRoute", "shop", "pay", rules, API)).answer(EDGE, request)) == "no_route"
    assert goes(world(made("GRPCRoute", "shop", "pay", rules, API)).answer(EDGE, request)) == f"route {PAY}"


TCP = """
    parentRefs: [{PARENT}]
    rules: [{backendRefs: [{name: db, namespace: back, port: 5432, weight: 9}, {name: pay, port: 5432, weight: 1}]}]
"""
DB = "5432||db.back.svc.cluster.local"


def test_bytes_of_a_port_go_where_its_tcproute_says() -> None:
    found = world(made("TCPRoute", "shop", "db", TCP.replace("{PARENT}", "{group: '', kind: Service, name: pay, port: 5432}"), API))
    answer = found.answer(WEB, RouteRequest("10.0.0.1", 5432, protocol="tcp"))
    assert goes(answer) == f"route 9{DB} 15432||pay.shop.svc.cluster.local"
    assert answer.chain is not None and (answer.chain.ref, answer.chain.place) == ("TCPRoute shop/db", "rules[0]")
    assert (
        goes(found.answer(WEB, RouteRequest("10.0.0.1", 443, protocol="tcp", tls=True, sni="x"))) == "route 443||pay.shop.svc.cluster.local"
    )


def test_bytes_at_a_gateway_need_a_grant_too() -> None:
    route = made("TCPRoute", "shop", "db", TCP.replace("{PARENT}", "{name: edge, namespace: edge, sectionName: db}"), API)
    request = RouteRequest("10.1.0.9", 5432, protocol="tcp")
    assert goes(world(route).answer(EDGE, request)) == "route 9UnknownService 15432||pay.shop.svc.cluster.local"
    assert goes(world().answer(EDGE, request)) == "no_listener"


def test_no_backend_with_a_weight_closes_connections() -> None:
    rules = "parentRefs: [{name: edge, namespace: edge, sectionName: db}]\nrules: [{backendRefs: [{name: pay, port: 5432, weight: 0}]}]"
    answer = world(made("TCPRoute", "shop", "db", rules, API)).answer(EDGE, RouteRequest("10.1.0.9", 5432, protocol="tcp"))
    assert goes(answer) == "no_cluster 65535|zero-weight|internal.cluster.local"


TLS = "{HOSTS}parentRefs: [{PARENT}]\nrules: [{backendRefs: [{name: pay, port: 443}]}]"
PASS = "{name: edge, namespace: edge, sectionName: pass}"


@pytest.mark.parametrize(
    ("hosts", "sni", "expected"),
    [
        ("hostnames: [a.example.com, b.org]\n", "a.example.com", "route 443||pay.shop.svc.cluster.local"),
        ("hostnames: [a.example.com, b.org]\n", "b.org", "no_filter_chain"),
        ("hostnames: ['*.com']\n", "x.example.com", "route 443||pay.shop.svc.cluster.local"),
        ("hostnames: ['*.com']\n", "x.other.com", "no_filter_chain"),
        ("", "x.example.com", "route 443||pay.shop.svc.cluster.local"),
    ],
)
def test_a_listener_with_a_host_narrows_its_tlsroutes(hosts: str, sni: str, expected: str) -> None:
    found = world(made("TLSRoute", "shop", "tls", TLS.replace("{HOSTS}", hosts).replace("{PARENT}", PASS), API))
    assert goes(found.answer(EDGE, RouteRequest("10.1.0.9", 443, protocol="tcp", tls=True, sni=sni))) == expected


def test_a_tlsroute_where_tls_ends_gets_the_bytes() -> None:
    ends = "{name: edge, namespace: edge, sectionName: ends}"
    found = world(made("TLSRoute", "shop", "tls", TLS.replace("{HOSTS}", "hostnames: [db.example.com]\n").replace("{PARENT}", ends), API))
    answer = found.answer(EDGE, RouteRequest("10.1.0.9", 8443, protocol="tcp", tls=True, sni="db.example.com"))
    assert goes(answer) == "route 443||pay.shop.svc.cluster.local" and answer.chain is not None and answer.chain.tls


def test_without_hosts_a_tlsroute_in_the_mesh_is_for_its_parent() -> None:
    parent = "{group: '', kind: Service, name: pay, port: 443}"
    rules = "parentRefs: [{PARENT}]\nrules: [{backendRefs: [{name: db, namespace: back, port: 443}]}]".replace("{PARENT}", parent)
    found = world(made("TLSRoute", "shop", "tls", rules, API))
    host = "pay.shop.svc.cluster.local"
    asked = {sni: goes(found.answer(WEB, RouteRequest("10.0.0.1", 443, protocol="tcp", tls=True, sni=sni))) for sni in (host, "pay")}
    assert asked[host] == "route 443||db.back.svc.cluster.local" and asked["pay"].startswith("passthrough")


CONFLICTS = [
    ("HTTP:80:a.example.com HTTP:80:b.example.com HTTP:81:a.example.com", "0 1 2"),
    ("HTTP:80 HTTP:80:a.example.com", "0 1"),
    ("HTTP:80:a.example.com TCP:80", "0"),
    ("TCP:80 HTTP:80:a.example.com", "0"),
    ("HTTPS:443:a.example.com TLS:443:b.example.com", "0 1"),
    ("HTTPS:443:a.example.com TLS:443:a.example.com", "0"),
    ("TLS:443 HTTP:443", "0"),
    ("TCP:53 UDP:53", "0"),
    ("HTTP:80:a.example.com TCP:80 HTTP:80:b.example.com TCP:81", "0 2 3"),
    ("TCP:80 HTTP:80 TCP:80", "0"),
]


@pytest.mark.parametrize(("listeners", "kept"), CONFLICTS)
def test_of_listeners_in_conflict_the_first_counts(listeners: str, kept: str) -> None:
    """One that lost stands in the way of no other."""
    rows = []
    for number, text in enumerate(listeners.split()):
        protocol, port, *host = text.split(":")
        row = {"name": str(number), "port": int(port), "protocol": protocol, **({"hostname": host[0]} if host else {})}
        rows.append({**row, "tls": {"mode": "Passthrough"}} if protocol in ("HTTPS", "TLS") else row)
    gateway = {"apiVersion": API, "kind": "Gateway", "metadata": {"name": "edge", "namespace": "edge"},
               "spec": {"gatewayClassName": "istio", "listeners": rows}}  # fmt: skip
    names = [one.name.rpartition("~")[2] for one in RoutingWorld([gateway]).gateways]
    assert " ".join(names) == kept
