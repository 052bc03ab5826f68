# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_external_services: what is refused, what is rendered, and what Sidecars let in."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._egress.refusals import external_refusals, taken_hosts
from ansible_collections.meshops.mesh.plugins.module_utils._egress.services import external_objects, read_services, scope_with

DOMAINS = [{"name": "shop", "namespaces": ["web", "orders"]}, {"name": "pay", "namespaces": ["pay"]}, {"name": "new", "namespaces": []}]
MEMBERS = ["web", "orders", "pay"]
HOME = "istio-system"
Obj = dict[str, Any]


def row(**more: Any) -> Obj:
    return {"name": "bank", "hosts": ["api.bank.com"], "ports": [{"number": 443, "protocol": "TLS"}], "domains": ["pay"], **more}


def port(number: int, protocol: str, **more: Any) -> list[Obj]:
    return [{"number": number, "protocol": protocol, **more}]


ORIGINATED = {"ports": port(80, "HTTP", target_port=443), "tls": {"mode": "SIMPLE"}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (row(), ""),
        (row(hosts=["*.bank.com"]), ""),
        (row(ports=port(5432, "TCP"), addresses=["192.0.2.0/24"]), ""),
        (row(everybody=True, domains=[]), ""),
        (row(**ORIGINATED), ""),
        (row(endpoints=["192.0.2.7"]), ""),
        (row(endpoints=["eu.bank.com"]), ""),
        (row(name="The Bank"), "name: 'The Bank' cannot be the name of an object"),
        (row(hosts=[]), "hosts: is empty"),
        (row(hosts=["192.0.2.7"]), "is an address, which belongs into addresses"),
        (row(hosts=["192.0.2.0/24"]), "is an address, which belongs into addresses"),
        (row(hosts=["https://api.bank.com"]), "is an address"),
        (row(hosts=["bank"]), "'bank' is no host; expected a full name"),
        (row(hosts=["API.bank.com"]), "is no host; expected a full name in lower case"),
        (row(hosts=["api.*.com"]), "is no host"),
        (row(hosts=["*"]), "'*' is no host"),
        (row(hosts=["pay.pay.svc.cluster.local"]), "is a name inside of the cluster"),
        (row(hosts=["*.bank.com"], resolution="DNS"), "stands for many names, which nobody can look up (DNS)"),
        (row(hosts=["*.bank.com"], endpoints=["192.0.2.7"]), "stands for many names, which nobody can look up (STATIC)"),
        (row(ports=[]), "ports: is empty"),
        (row(ports=port(0, "TLS")), "0 is no port"),
        (row(ports=port(443, "TSL")), "'TSL' is none that Istio knows; did you mean TLS?"),
        (row(ports=port(443, "TLS") + port(443, "HTTPS")), "ports[0] is 443 as well"),
        (row(ports=port(443, "HTTP")), "HTTP on 443 would be plain text to a port that speaks TLS"),
        (row(ports=port(443, "GRPC")), "GRPC on 443 would be plain text"),
        (row(ports=port(5432, "TCP")), "proxies would take everything on port 5432 for it"),
        (row(addresses=["bank"]), "addresses[0]: 'bank' is no address"),
        (row(addresses=["0.0.0.0/0"]), "is every address"),
        (row(endpoints=["bank"], resolution="STATIC"), "'bank' is no IP, which STATIC asks for"),
        (row(endpoints=["bank"]), "'bank' is neither an IP nor a full name"),
        (row(resolution="STATIC"), "none is; name them, or use resolution: DNS"),
        (row(resolution="NONE", endpoints=["192.0.2.7"]), "with NONE proxies go where the application does"),
        (row(resolution="NONE", **ORIGINATED), "tls and target_port need DNS or STATIC"),
        (row(domains=["pya"]), "domains[0]: 'pya' is none of mesh_domains; did you mean pay?"),
        (row(domains=[], namespaces=["pya"]), "namespaces[0]: 'pya' is no namespace of mesh_domains; did you mean pay?"),
        (row(domains=[]), "nobody may use it, as it names neither domains nor namespaces"),
        (row(domains=["new"]), "nobody may use it, as these domains have no namespaces"),
        (row(everybody=True), "leave out one of the two"),
        (row(tls={"mode": "SIMPLE"}), "no port is plain text, so the application speaks TLS itself"),
        (row(ports=port(80, "HTTP"), tls={"mode": "SIMPLE"}), "target_port: is missing, so TLS would go to port 80"),
        (row(ports=port(80, "HTTP", target_port=443), tls={"mode": "MUTUAL"}), "MUTUAL needs a certificate of ours"),
        (row(ports=port(80, "HTTP", target_port=443), tls={"key_file": "/k"}), "SIMPLE shows no certificate of ours"),
        (row(ports=port(80, "HTTP", target_port=443), tls={"mode": "MUTUAL", "credential_name": "c"}), "tls.workloads: is missing"),
        (
            row(ports=port(80, "HTTP", target_port=443), tls={"mode": "MUTUAL", "credential_name": "c", "ca_file": "/c"}),
            "the Secret has certificates, key and CA",
        ),
        (
            row(everybody=True, domains=[], ports=port(80, "HTTP", target_port=443), tls={"workloads": {"app": "a"}}),
            "name domains or namespaces",
        ),
    ],
)
def test_what_is_refused(given: Obj, said: str) -> None:
    found = external_refusals([given], DOMAINS, MEMBERS, HOME)
    assert (found == []) if not said else any(said in text for text in found), found
    assert all(text.startswith("mesh_external_services[0]") for text in found)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"domains": ["shop"]}, []),
        ({"domains": ["pay", "shop"]}, ["mesh_external_services[1].hosts[0]: api.bank.com is a host of mesh_external_services[0] as well"]),
        ({"domains": [], "everybody": True}, ["mesh_external_services[1].hosts[0]"]),
        ({"hosts": ["*.bank.com"]}, []),  # the narrower one wins, and both are meant
    ],
)
def test_a_host_is_once_for_each_caller(others: Obj, said: list[str]) -> None:
    found = external_refusals([row(), row(name="two", **others)], DOMAINS, MEMBERS, HOME)
    assert len(found) == len(said) and all(text.startswith(start) for text, start in zip(found, said, strict=True)), found


def test_names_are_there_once() -> None:
    found = external_refusals([row(), row(hosts=["b.com"])], DOMAINS, MEMBERS, HOME)
    assert found == ["mesh_external_services[1].name: mesh_external_services[0] is called bank as well; give each a name of its own"]


def entry(namespace: str = "pay", *, ours: bool = False, number: int = 443, **spec: Any) -> Obj:
    labels = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "m"} if ours else {}
    ports = [{"number": number, "name": "tls", "protocol": "TLS"}]
    return {
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": {"name": "theirs", "namespace": namespace, "labels": labels},
        "spec": {"hosts": ["api.bank.com"], "ports": ports, **spec},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("live", "taken"),
    [
        (entry(), True),
        (entry(exportTo=["."]), True),
        (entry("elsewhere", exportTo=["."]), False),  # no caller of ours sees it
        (entry("elsewhere"), True),
        (entry(number=8443), False),
        (entry(ours=True), False),
        (entry(hosts=["other.com"]), False),
    ],
)
def test_hosts_that_somebody_else_has_are_named(live: Obj, taken: bool) -> None:
    found = taken_hosts([row()], DOMAINS, [live], "m")
    assert bool(found) == taken
    if taken:
        assert found[0].startswith("mesh_external_services[0].hosts[0]: api.bank.com is a host of ServiceEntry ")
        assert f"{live['metadata']['namespace']}/theirs" in found[0]


@pytest.mark.parametrize(("provider", "version"), [("ossm2", "v1beta1"), ("ossm3", "v1"), ("sail", "v1")])
def test_what_is_rendered(provider: str, version: str) -> None:
    (found,) = external_objects(read_services([row()], DOMAINS), HOME, provider)
    assert found == {
        "apiVersion": f"networking.istio.io/{version}",
        "kind": "ServiceEntry",
        "metadata": {"name": "bank", "namespace": HOME},
        "spec": {
            "hosts": ["api.bank.com"],
            "location": "MESH_EXTERNAL",
            "ports": [{"number": 443, "name": "tls-443", "protocol": "TLS"}],
            "resolution": "DNS",
            "exportTo": ["pay"],
        },
    }


@pytest.mark.parametrize(
    ("given", "resolution"),
    [
        ({}, "DNS"),
        ({"hosts": ["*.bank.com"]}, "NONE"),
        ({"endpoints": ["192.0.2.7"]}, "STATIC"),
        ({"endpoints": ["192.0.2.7", "eu.bank.com"]}, "DNS"),
        ({"ports": port(5432, "TCP"), "addresses": ["192.0.2.0/24"]}, "NONE"),
        ({"addresses": ["192.0.2.0/24"]}, "DNS"),
        ({"resolution": "DNS_ROUND_ROBIN"}, "DNS_ROUND_ROBIN"),
    ],
)
def test_how_it_is_found(given: Obj, resolution: str) -> None:
    assert read_services([row(**given)], DOMAINS)[0].resolution == resolution


def test_nobody_is_not_everybody() -> None:
    """An exportTo without a word in it would be all of the mesh."""
    (found,) = external_objects(read_services([row(domains=["new"])], DOMAINS), HOME, "ossm3")
    assert found["spec"]["exportTo"] == ["~"]


def test_proxies_begin_tls() -> None:
    given = row(hosts=["a.com", "b.com"], ports=port(80, "HTTP", target_port=443) + port(443, "TLS"), tls={"mode": "SIMPLE"})
    found, *rules = external_objects(read_services([given], DOMAINS), HOME, "ossm3")
    assert found["spec"]["ports"][0] == {"number": 80, "name": "http-80", "protocol": "HTTP", "targetPort": 443}
    assert [(rule["metadata"]["name"], rule["spec"]["host"]) for rule in rules] == [("bank", "a.com"), ("bank-2", "b.com")]
    # the port on which the application speaks TLS itself stays as it is
    levels = [{"port": {"number": 80}, "tls": {"mode": "SIMPLE", "sni": "a.com", "subjectAltNames": ["a.com"]}}]
    assert rules[0]["spec"] == {"host": "a.com", "trafficPolicy": {"portLevelSettings": levels}, "exportTo": ["pay"]}


def test_a_secret_is_read_by_chosen_workloads() -> None:
    tls = {"mode": "MUTUAL", "credential_name": "bank", "workloads": {"app": "web"}, "sni": "s.com", "subject_alt_names": ["x", "y"]}
    given = row(domains=["shop"], ports=port(80, "HTTP", target_port=443), tls=tls)
    assert external_refusals([given], DOMAINS, MEMBERS, HOME) == []
    _entry, *rules = external_objects(read_services([given], DOMAINS), HOME, "ossm3")
    assert [rule["metadata"]["namespace"] for rule in rules] == ["orders", "web"]
    assert rules[0]["spec"]["workloadSelector"] == {"matchLabels": {"app": "web"}} and "exportTo" not in rules[0]["spec"]
    wanted = {"mode": "MUTUAL", "sni": "s.com", "subjectAltNames": ["x", "y"], "credentialName": "bank"}
    assert rules[0]["spec"]["trafficPolicy"]["portLevelSettings"][0]["tls"] == wanted


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        ([], []),
        (["./*"], ["./*", "istio-system/api.bank.com"]),
        (["./*", "istio-system/*"], ["./*", "istio-system/*"]),
        (["*/*"], ["*/*"]),
        (["./*", "*/api.bank.com"], ["./*", "*/api.bank.com"]),
        (["./*", "istio-system/api.bank.com"], ["./*", "istio-system/api.bank.com"]),
    ],
)
def test_what_a_sidecar_lets_in(hosts: list[str], found: list[str]) -> None:
    assert scope_with(hosts, read_services([row()], DOMAINS), HOME) == found
