# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a mesh is reached, how it is proven what its gateways serve, and what is said of that."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.failed_checks import failed_checks
from ansible_collections.meshops.mesh.plugins.filter.gateway_addresses import gateway_addresses
from ansible_collections.meshops.mesh.plugins.filter.gateway_handshakes import gateway_handshakes

Row = dict[str, Any]
TOOLS = [{"name": "kiali", "route": "kiali"}, {"name": "jaeger", "route": "tracing"}, {"name": "spans", "route": "tracing"}]


def gateway(**fields: Any) -> Row:
    return {"name": "edge", "hosts": ["a.example.com"], **fields}


def route(name: str, host: Any = "x.example.com", **spec: Any) -> Row:
    return {"kind": "Route", "metadata": {"name": name}, "spec": {"host": host, **spec}}


URLS: dict[str, tuple[Any, list[Row], list[Row], dict[str, Any]]] = {
    "nothing": (True, [], [], {}),
    "plain": (False, [gateway()], [], {"edge": ["http://a.example.com"]}),
    "by the router": (True, [gateway(port=8080)], [], {"edge": ["https://a.example.com"]}),
    "routed by a text": ("yes", [gateway(port=8080)], [], {"edge": ["https://a.example.com"]}),
    "a port": (False, [gateway(port=8080)], [], {"edge": ["http://a.example.com:8080"]}),
    "a port as a text": (False, [gateway(port="8080")], [], {"edge": ["http://a.example.com:8080"]}),
    "HTTPS": (False, [gateway(protocol="HTTPS", port=443)], [], {"edge": ["https://a.example.com"]}),
    "TLS elsewhere": (False, [gateway(protocol="TLS", port=8443)], [], {"edge": ["https://a.example.com:8443"]}),
    "GRPC": (False, [gateway(protocol="GRPC", port=80)], [], {"edge": ["http://a.example.com"]}),
    "two hosts, two gateways": (False, [gateway(hosts=["a.org", "*.b.org"], port=81), gateway(name="in", hosts=[])], [],
                                {"edge": ["http://a.org:81", "http://*.b.org:81"], "in": []}),
    "tools": (True, [], [route("kiali", tls={"termination": "reencrypt"}), route("tracing", "t.org"), route("other")],
              {"kiali": "https://x.example.com", "jaeger": "http://t.org", "spans": "http://t.org"}),
    "a tool without a host": (True, [], [route("kiali", None), route("tracing", "")], {}),
    "a tool takes the name of a gateway": (True, [gateway(name="kiali")], [route("kiali")], {"kiali": "http://x.example.com"}),
}  # fmt: skip


@pytest.mark.parametrize("case", URLS)
def test_urls(case: str) -> None:
    routed, gateways, routes, expected = URLS[case]
    assert gateway_addresses(gateways, routed, routes, TOOLS)["urls"] == expected


def test_lines_for_people() -> None:
    found = gateway_addresses([gateway(hosts=["a.org", "b.org"])], False, [route("kiali", "k.org")], TOOLS)
    assert found["lines"] == ["edge             http://a.org http://b.org", "kiali            http://k.org"]


NOBODY = {"who": "a caller without a certificate", "client": {}}
STRANGER = {"who": "a caller with a certificate of a foreign CA", "client": {"client_certificate": "/tmp/s/stranger.pem"}}
SIMPLE: Row = {
    "gateway": "edge", "mode": "SIMPLE", "given": False, "endpoint": {"host": "a.org", "port": 443, "sni": "a.org"},
    "expected": {"secret": "mesh/cert"}, "client": {}, "refused": [],
}  # fmt: skip
PAIR = {"client_certificate": "c.pem", "client_key": "c.key"}
HANDSHAKES: dict[str, tuple[Row, Row, Row]] = {
    "simple": ({}, {}, SIMPLE),
    "simple by name": ({"mode": "SIMPLE"}, {}, SIMPLE),
    "an address": ({}, {"address": "10.0.0.1", "port": "8443"},
                   SIMPLE | {"given": True, "endpoint": {"host": "10.0.0.1", "port": 8443, "sni": "a.org"}}),
    "roots": ({}, {"roots": "ca.pem"}, SIMPLE | {"expected": {"secret": "mesh/cert", "roots": "ca.pem"}}),
    "mutual": ({"mode": "MUTUAL"}, PAIR, SIMPLE | {"mode": "MUTUAL", "client": PAIR, "refused": [NOBODY, STRANGER]}),
    "one file for both": ({"mode": "MUTUAL"}, {"client_certificate": "c.pem"},
                          SIMPLE | {"mode": "MUTUAL", "refused": [NOBODY, STRANGER],
                                    "client": {"client_certificate": "c.pem", "client_key": "c.pem"}}),
    "optional": ({"mode": "OPTIONAL_MUTUAL"}, {}, SIMPLE | {"mode": "OPTIONAL_MUTUAL", "refused": [STRANGER]}),
}  # fmt: skip


@pytest.mark.parametrize("case", HANDSHAKES)
def test_handshakes(case: str) -> None:
    tls, asked, expected = HANDSHAKES[case]
    edge = gateway(hosts=["a.org", "b.org"], tls={"credential_name": "cert", **tls})
    gateways = [gateway(name="other"), edge, gateway(hosts=["late.org"])]
    assert gateway_handshakes([{"gateway": "edge", **asked}], gateways, "mesh", "/tmp/s") == [expected]


def test_a_name_stands_for_all_of_a_wildcard() -> None:
    gateways = [gateway(hosts=["*.a.org"], tls={"credential_name": "cert"})]
    (row,) = gateway_handshakes([{"gateway": "edge"}], gateways, "mesh", "/tmp/s")
    assert row["endpoint"] == {"host": "any.a.org", "port": 443, "sni": "any.a.org"}


def test_a_gateway_that_is_not_there_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match="mesh_gateways_handshakes names gone, expected one of edge"):
        gateway_handshakes([{"gateway": "gone"}], [gateway()], "mesh", "/tmp/s")


def test_what_failed_is_a_sentence_with_its_remedy() -> None:
    row = {"id": "OSM2601", "resource": "Endpoint a:443", "message": "it refuses", "hint": "look there", "status": "failed"}
    assert failed_checks([row | {"status": "passed"}, row, row | {"status": "skipped"}, row | {"id": "OSM2602", "status": "warning"}]) == [
        "OSM2601: Endpoint a:443 it refuses (look there)"
    ]
    assert failed_checks([]) == []
