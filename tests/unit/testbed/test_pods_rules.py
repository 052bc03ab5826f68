# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node of the data plane `pods` does for Services: rules, names, lost packets."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.pods import faults, rules

Obj = dict[str, Any]


def service(name: str, address: str = "10.96.0.9", balancer: str = "", **spec: Any) -> Obj:
    status = {"loadBalancer": {"ingress": [{"ip": balancer}]}} if balancer else {}
    ports = [{"name": "http", "port": 80, "targetPort": 8000}]
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"clusterIP": address, "ports": ports, **spec}, "status": status}


def endpoint_slice(*endpoints: Obj, service_name: str = "cars", port: int | None = 8000, **more: Any) -> Obj:
    labels = {"kubernetes.io/service-name": service_name}
    ports = [{"name": "http", "port": port}]
    return {"metadata": {"namespace": "shop", "labels": labels}, "ports": ports, "endpoints": list(endpoints), **more}


def endpoint(address: str, **conditions: bool) -> Obj:
    return {"addresses": [address], "conditions": conditions}


KEY = ("shop", "cars", "http")


@pytest.mark.parametrize(
    ("slices", "found"),
    [
        ([endpoint_slice(endpoint("10.1.0.2", ready=True), endpoint("10.1.0.1"))], {KEY: [("10.1.0.1", 8000), ("10.1.0.2", 8000)]}),
        ([endpoint_slice(endpoint("10.1.0.1", ready=False))], {}),
        # Only where nobody else is there do those that drain still get calls.
        ([endpoint_slice(endpoint("10.1.0.1", ready=False, serving=True, terminating=True))], {KEY: [("10.1.0.1", 8000)]}),
        (
            [endpoint_slice(endpoint("10.1.0.1", ready=False, serving=True, terminating=True), endpoint("10.1.0.2", ready=True))],
            {KEY: [("10.1.0.2", 8000)]},
        ),
        # One Service in two slices, the same pod in both.
        ([endpoint_slice(endpoint("10.1.0.1")), endpoint_slice(endpoint("10.1.0.1"))], {KEY: [("10.1.0.1", 8000)]}),
        ([endpoint_slice(endpoint("fd00::1"), addressType="IPv6")], {}),
        ([endpoint_slice(endpoint("10.1.0.1"), port=None)], {}),
    ],
    ids=["ready", "not-ready", "draining-alone", "draining-beside-ready", "twice", "ipv6", "without-port"],
)
def test_who_is_behind_a_service(slices: list[Obj], found: Obj) -> None:
    assert rules.endpoints_of(slices) == found


def test_who_drains_gets_no_new_connection_where_others_are() -> None:
    """A pod is asked to end when the rules lead past it."""
    draining = endpoint("10.1.0.1", ready=False, serving=True, terminating=True)
    assert rules.ready_addresses([endpoint_slice(draining, endpoint("10.1.0.2")), endpoint_slice(endpoint("10.1.0.3", ready=True))]) == {
        "10.1.0.2",
        "10.1.0.3",
    }
    assert rules.ready_addresses([endpoint_slice(draining)]) == frozenset()


def test_each_endpoint_gets_its_share() -> None:
    found = {KEY: [("10.1.0.1", 8000), ("10.1.0.2", 8000), ("10.1.0.3", 8000)]}
    lines = [line for line in rules.nat_rules([service("cars")], found).splitlines() if "PREROUTING" in line]
    assert [line.split("--probability ")[1].split()[0] if "--probability" in line else "1" for line in lines] == [
        "0.3333333333",
        "0.5000000000",
        "1",
    ]
    assert [line.rpartition(" ")[2] for line in lines] == ["10.1.0.1:8000", "10.1.0.2:8000", "10.1.0.3:8000"]


def test_a_load_balancer_and_external_addresses_lead_where_the_service_leads() -> None:
    text = rules.nat_rules([service("cars", balancer="198.18.1.1", externalIPs=["192.0.2.7"])], {KEY: [("10.1.0.1", 8000)]})
    for address in ("10.96.0.9", "198.18.1.1", "192.0.2.7"):
        assert f"-A PREROUTING -d {address}/32 -p tcp --dport 80 -j DNAT --to-destination 10.1.0.1:8000" in text
        assert f"-A OUTPUT -d {address}/32 -p tcp --dport 80 -j DNAT --to-destination 10.1.0.1:8000" in text
    assert "-A POSTROUTING -s 10.1.0.1/32 -d 10.1.0.1/32 -j MASQUERADE" in text
    assert text.startswith("*nat\n")
    assert text.count("COMMIT\n") == 2


def test_a_headless_service_has_no_rule_and_its_pods_for_names() -> None:
    headless = service("cars", "None")
    found = {KEY: [("10.1.0.2", 8000), ("10.1.0.1", 8000)]}
    assert "DNAT" not in rules.nat_rules([headless], found)
    assert rules.names_of(headless, found) == [
        ("10.1.0.1", "cars.shop.svc.cluster.local"),
        ("10.1.0.2", "cars.shop.svc.cluster.local"),
    ]
    assert rules.names_of(service("db", type="ExternalName"), {}) == []


def test_which_services_lead_to_another_cluster() -> None:
    there = service("istiod", ports=[{"name": "webhook", "port": 443}, {"name": "grpc", "port": 15012}])
    found = {("shop", "istiod", "webhook"): [("198.18.2.1", 15017)], KEY: [("198.1.0.1", 8000)]}
    assert rules.beyond([there, service("cars")], found) == {"shop/istiod:443": ("198.18.2.1", 15017)}


@pytest.mark.parametrize(
    ("host", "namespace", "addresses"),
    [
        ("cars", "shop", ["10.96.0.9"]),
        ("cars", "bank", []),
        ("cars.shop", "bank", ["10.96.0.9"]),
        ("cars.shop.svc", "bank", ["10.96.0.9"]),
        ("cars.shop.svc.cluster.local", "bank", ["10.96.0.9"]),
        ("CARS.shop.svc.cluster.local.", "bank", ["10.96.0.9"]),
        ("10.1.0.1", "bank", ["10.1.0.1"]),
        ("localhost", "bank", ["127.0.0.1"]),
        ("api.example.com", "bank", ["203.0.113.20"]),
    ],
)
def test_names_are_those_of_cluster_dns(host: str, namespace: str, addresses: list[str]) -> None:
    names = rules.names_of(service("cars"), {})
    outside = {"api.example.com": "203.0.113.20"}
    assert rules.resolve(host, namespace, names, outside) == addresses
    if addresses and not host[0].isdigit() and host.islower() and host != "localhost":
        line = next(row for row in rules.hosts_file(namespace, names, outside).splitlines() if host in row.split()[1:])
        assert line.split()[0] == addresses[0]


def pod(name: str, address: str, node: str, workload: str = "cars") -> Obj:
    owner = {"kind": "ReplicaSet", "name": f"{workload}-abc"}
    meta = {"name": name, "namespace": "shop", "labels": {"pod-template-hash": "abc"}, "ownerReferences": [owner]}
    return {"metadata": meta, "spec": {"nodeName": node}, "status": {"podIP": address}}


PODS = [
    pod("cars-abc-1", "10.1.0.1", "node-0"),
    pod("cars-abc-2", "10.1.0.2", "node-1"),
    pod("portal-abc-1", "10.1.0.3", "node-1", "portal"),
]
FIFTH = "-m statistic --mode random --probability 0.200000 -j DROP"
LATE = "-j NFQUEUE --queue-num 0 --queue-bypass"


@pytest.mark.parametrize(
    ("said", "chain", "rules"),
    [
        ({}, "", []),
        ({"loss": [{"percent": 20}]}, "loss0", [FIFTH]),
        ({"loss": [{"percent": 20, "to": "shop/cars"}]}, "loss0", [f"-d 10.1.0.1/32 {FIFTH}", f"-d 10.1.0.2/32 {FIFTH}"]),
        # What stays within a node passes no network.
        (
            {"loss": [{"percent": 20, "from": "node-1"}]},
            "loss0",
            [*(f"-d {a}/32 -j RETURN" for a in ("10.1.0.2", "10.1.0.3")), *(f"-s {a}/32 {FIFTH}" for a in ("10.1.0.2", "10.1.0.3"))],
        ),
        (
            {"delay": [{"seconds": 0.2, "from": "node-0", "to": "node-1"}]},
            "delay0",
            [
                "-d 10.1.0.1/32 -j RETURN",
                *(f"-s {a}/32 -j RETURN" for a in ("10.1.0.2", "10.1.0.3")),
                *(f"-s 10.1.0.1/32 -d {a}/32 {LATE}" for a in ("10.1.0.2", "10.1.0.3")),
            ],
        ),
        # Between two pods of the same name it is never the way to oneself.
        ({"loss": [{"percent": 20, "from": "shop/cars-abc-1", "to": "shop/cars"}]}, "loss0", [f"-s 10.1.0.1/32 -d 10.1.0.2/32 {FIFTH}"]),
        ({"loss": [{"percent": 20, "to": "shop/nobody"}]}, "", []),
        ({"gone": ["node-0"]}, "FORWARD", ["-s 10.1.0.1/32 -j DROP", "-d 10.1.0.1/32 -j DROP"]),
    ],
    ids=["nothing", "everywhere", "to-a-workload", "from-a-node", "late-between-nodes", "not-to-oneself", "to-nobody", "node-gone"],
)
def test_what_befalls_packets(said: Obj, chain: str, rules: list[str]) -> None:
    made = [] if chain in ("", "FORWARD") else [f":{chain} -", f"-A FORWARD -j {chain}"]
    assert faults.network(said, PODS) == [*made, *(f"-A {chain} {rule}" for rule in rules)]


def test_a_cluster_that_is_apart_sends_and_takes_nothing() -> None:
    found = faults.network({"apart": True, "gone": ["node-0"]}, PODS)
    assert found[:3] == ["-A FORWARD -i wire0 -j DROP", "-A FORWARD -o wire0 -j DROP", "-A OUTPUT -o wire0 -j DROP"]
    assert found[3:] == faults.network({"gone": ["node-0"]}, PODS)


def test_packets_of_each_row_wait_in_a_queue_of_their_own() -> None:
    said = {"delay": [{"seconds": 0.2, "to": "shop/cars"}, {"to": "shop/portal-abc-1"}]}
    assert faults.delays(said) == {0: 0.2, 1: 0.1} and faults.delays({}) == {}
    assert [line for line in faults.network(said, PODS) if "queue-num 1" in line] == [
        "-A delay1 -d 10.1.0.3/32 -j NFQUEUE --queue-num 1 --queue-bypass"
    ]


def test_trouble_of_an_application_is_that_of_its_workload() -> None:
    said = {"errors": {"shop/cars": {"percent": 30, "status": 500}}, "slow": {"shop/portal-abc-1": {"seconds": 2}}}
    assert faults.trouble(said, PODS[0]) == faults.Trouble(status=500, errors=30, seconds=1, slow=0)
    assert faults.trouble(said, PODS[2]) == faults.Trouble(status=503, errors=0, seconds=2, slow=100)
    assert faults.node_gone({"gone": ["node-1"]}, PODS[1])
    assert not faults.node_gone({"gone": ["node-1"]}, PODS[0])
