# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bed's Envoys listen on, by Istio's objects."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from testbed.operators.envoy_config import Proxy, inbound
from testbed.operators.envoy_listeners import by_mode, credential_names, credentials, gateway_listeners, is_plain, mode_of

Obj = dict[str, Any]
PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()


def pod(namespace: str = "shop", port: int = 8000, **labels: str) -> Obj:
    return {
        "metadata": {"namespace": namespace, "name": "one", "labels": labels},
        "spec": {"containers": [{"name": "app", "ports": [{"containerPort": port}]}]},
    }


def policy(namespace: str, mode: str | None, at: str = "1", ports: dict[str, str] | None = None, **labels: str) -> Obj:
    spec: Obj = {"mtls": {"mode": mode}} if mode else {}
    spec |= {"selector": {"matchLabels": labels}} if labels else {}
    spec |= {"portLevelMtls": {port: {"mode": found} for port, found in ports.items()}} if ports else {}
    return {"metadata": {"namespace": namespace, "name": "p", "creationTimestamp": at}, "spec": spec}


def rule(host: str, mode: str | None, namespace: str = "shop", ports: dict[int, str] | None = None) -> Obj:
    traffic: Obj = {"tls": {"mode": mode}} if mode else {}
    traffic["portLevelSettings"] = [{"port": {"number": port}, "tls": {"mode": found}} for port, found in (ports or {}).items()]
    return {"metadata": {"namespace": namespace, "name": "r"}, "spec": {"host": host, "trafficPolicy": traffic}}


@pytest.mark.parametrize(
    ("policies", "mode"),
    [
        ([], "PERMISSIVE"),
        ([policy("istio-system", "STRICT")], "STRICT"),
        ([policy("elsewhere", "STRICT")], "PERMISSIVE"),
        ([policy("istio-system", "STRICT"), policy("shop", "DISABLE")], "DISABLE"),
        ([policy("istio-system", "STRICT"), policy("shop", "DISABLE"), policy("shop", "PERMISSIVE", app="cars")], "PERMISSIVE"),
        ([policy("shop", "DISABLE", app="other"), policy("istio-system", "STRICT")], "STRICT"),
        ([policy("istio-system", "DISABLE", app="cars")], "PERMISSIVE"),
        ([policy("istio-system", "STRICT"), policy("shop", "UNSET", app="cars")], "STRICT"),
        ([policy("shop", "DISABLE", at="2"), policy("shop", "STRICT", at="1")], "STRICT"),
        ([policy("shop", "STRICT", ports={"8000": "DISABLE"}, app="cars")], "DISABLE"),
        ([policy("shop", "STRICT", ports={"9000": "DISABLE"}, app="cars")], "STRICT"),
        ([policy("istio-system", "STRICT"), policy("shop", None, ports={"8000": "PERMISSIVE"}, app="cars")], "PERMISSIVE"),
    ],
)
def test_the_narrowest_policy_wins(policies: list[Obj], mode: str) -> None:
    assert mode_of(pod(app="cars"), policies, "istio-system") == mode


@pytest.mark.parametrize(("mode", "plain", "secure"), [("STRICT", 0, 1), ("PERMISSIVE", 1, 1), ("DISABLE", 1, 0)])
def test_a_listener_takes_what_its_mode_says(mode: str, plain: int, secure: int) -> None:
    found = by_mode(inbound(Proxy("shop", "one", "default", "cluster.local"), 1), mode)
    chains = found["filter_chains"]
    assert sum("transport_socket" in chain for chain in chains) == secure
    assert sum("transport_socket" not in chain for chain in chains) == plain
    assert [one["name"] for one in found["listener_filters"]] == ["envoy.filters.listener.tls_inspector"]


@pytest.mark.parametrize(
    ("rules", "modes", "plain"),
    [
        ([], ["STRICT"], False),
        ([], ["DISABLE"], True),
        ([], ["DISABLE", "STRICT"], False),
        ([rule("*.cluster.local", "ISTIO_MUTUAL", "istio-system")], ["DISABLE"], False),
        ([rule("*.cluster.local", "ISTIO_MUTUAL", "istio-system"), rule("cars.shop.svc.cluster.local", "DISABLE")], ["DISABLE"], True),
        ([rule("cars", "DISABLE")], ["STRICT"], True),
        ([rule("cars", "DISABLE", "elsewhere")], ["STRICT"], False),
        ([rule("*.shop.svc.cluster.local", "DISABLE"), rule("*.cluster.local", "ISTIO_MUTUAL")], ["STRICT"], True),
        ([rule("cars", None, ports={8000: "DISABLE"})], ["STRICT"], True),
        ([rule("cars", None, ports={9000: "DISABLE"})], ["STRICT"], False),
    ],
)
def test_callers_speak_as_the_narrowest_rule_says(rules: list[Obj], modes: list[str], plain: bool) -> None:
    assert is_plain("shop", "cars", 8000, rules, modes) is plain


def gateway(number: int, protocol: str, *hosts: str, tls: Obj | None = None, app: str = "edge") -> Obj:
    server: Obj = {"port": {"number": number, "protocol": protocol}, "hosts": list(hosts), **({"tls": tls} if tls else {})}
    return {"metadata": {"namespace": "system", "name": "front"}, "spec": {"selector": {"app": app}, "servers": [server]}}


def service(*hosts: str, gateways: tuple[str, ...] = ("system/front",), **prefixes: str) -> Obj:
    http = [{"match": [{"uri": {"prefix": f"/{prefix}"}}], "route": [{"destination": {"host": host}}]} for prefix, host in prefixes.items()]
    return {"metadata": {"namespace": "shop", "name": "v"}, "spec": {"hosts": list(hosts), "gateways": list(gateways), "http": http}}


PORTS = {"http": 1, "https": 2}
EDGE = pod("system", app="edge")
TLS = {"mode": "MUTUAL", "credentialName": "front-tls"}


def test_a_gateway_of_other_pods_is_not_served() -> None:
    assert gateway_listeners(EDGE, [gateway(80, "HTTP", "*", app="other")], [], PORTS) == []
    assert credential_names(EDGE, [gateway(443, "HTTPS", "a", tls=TLS, app="other")]) == set()


def test_tls_is_ended_for_its_hosts_with_the_secret_that_it_names() -> None:
    (found,) = gateway_listeners(
        EDGE,
        [gateway(443, "HTTPS", "a.example.com", tls=TLS)],
        [service("a.example.com", cars="cars.shop.svc.cluster.local", hotels="hotels")],
        PORTS,
        {"cars.shop.svc.cluster.local": [8000], "hotels.shop.svc.cluster.local": [80, 81]},
    )
    (chain,) = found["filter_chains"]
    assert chain["filter_chain_match"] == {"server_names": ["a.example.com"]} and found["address"]["socket_address"]["port_value"] == 2
    context = chain["transport_socket"]["typed_config"]
    assert context["require_client_certificate"] is True
    assert context["common_tls_context"]["validation_context_sds_secret_config"]["name"] == "kubernetes://front-tls-cacert"
    (host,) = chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"]
    found = {row["match"]["prefix"]: row["route"]["cluster"] for row in host["routes"]}
    assert found == {"/cars": "outbound|8000||cars.shop.svc.cluster.local", "/hotels": "outbound|80||hotels.shop.svc.cluster.local"}


def test_simple_tls_asks_no_caller_for_a_certificate() -> None:
    simple = {"mode": "SIMPLE", "credentialName": "front-tls"}
    (found,) = gateway_listeners(EDGE, [gateway(443, "HTTPS", "a.example.com", tls=simple)], [], PORTS)
    context = found["filter_chains"][0]["transport_socket"]["typed_config"]
    assert context["require_client_certificate"] is False
    assert "validation_context_sds_secret_config" not in context["common_tls_context"]


@pytest.mark.parametrize("named", [("front",), ("mesh",), ("system/other",), ()])
def test_a_virtual_service_of_another_gateway_is_not_served(named: tuple[str, ...]) -> None:
    (found,) = gateway_listeners(EDGE, [gateway(80, "HTTP", "*")], [service("a.example.com", gateways=named, cars="cars")], PORTS)
    assert found["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"] == []


def test_credentials_have_what_their_secrets_have() -> None:
    pair = {"data": {"tls.crt": PEM, "tls.key": PEM}}
    assert set(credentials("a", pair, None)) == {"kubernetes://a"}
    assert set(credentials("a", {"data": {**pair["data"], "ca.crt": PEM}}, None)) == {"kubernetes://a", "kubernetes://a-cacert"}
    assert set(credentials("a", pair, {"data": {"ca.crt": PEM}})) == {"kubernetes://a", "kubernetes://a-cacert"}
    assert credentials("a", {}, None) == {} and set(credentials("a", {"data": {**pair["data"], "ca.crt": ""}}, None)) == {"kubernetes://a"}
