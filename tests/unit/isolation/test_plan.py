# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call whom between namespaces, what is refused, and that what is rendered cuts nobody off."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._isolation.plan import isolation_refusals, isolation_rows
from ansible_collections.meshops.mesh.plugins.module_utils._isolation.reach import EGRESS, INGRESS, End, closed_by
from ansible_collections.meshops.mesh.plugins.module_utils._model import kinds as k
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import Obj

DOMAINS = [{"name": "shop", "namespaces": ["web", "orders"]}, {"name": "pay", "namespaces": ["pay"]}]


def ends(rows: list[dict[str, Any]], namespace: str, side: str) -> dict[str, list[int]]:
    row = next(one for one in rows if one["namespace"] == namespace)
    return {name: group["ports"] for group in row[side] for name in group["namespaces"]}


@pytest.mark.parametrize(
    ("intent", "callers", "calls"),
    [
        ({}, {"web": [], "mesh": []}, {"web": []}),
        ({"between": "none"}, {"mesh": []}, {}),
        ({"between": "mesh"}, {"web": [], "pay": [], "mesh": []}, {"web": [], "pay": []}),
        ({"between": "none", "allow": [{"from": ["orders"], "to": ["pay"], "ports": [8080]}]}, {"mesh": []}, {"pay": [8080]}),
        # all ports and some are all
        ({"allow": [{"from": ["web"], "to": ["orders"], "ports": [8080]}]}, {"web": [], "mesh": []}, {"web": []}),
    ],
)
def test_who_calls_orders_and_whom_it_calls(intent: dict[str, Any], callers: dict[str, Any], calls: dict[str, Any]) -> None:
    rows = isolation_rows(intent, DOMAINS, "mesh")
    assert [row["namespace"] for row in rows] == ["web", "orders", "pay"]
    assert (ends(rows, "orders", "callers"), ends(rows, "orders", "calls")) == (callers, calls)


def test_a_gateway_calls_what_it_routes_to_and_is_open_itself() -> None:
    gateways = [{"name": "g", "gateway": "web/door", "routes": [{"namespace": "pay", "service": "pay", "port": 80}]}]
    doors = [
        {"name": "door", "namespace": "web", "ports": [{"name": "http", "port": 80}, {"name": "x", "port": 9000, "target_port": 9001}]}
    ]
    rows = isolation_rows({"namespaces": ["web", "pay"]}, DOMAINS, "mesh", gateways, doors)
    assert [row["namespace"] for row in rows] == ["web", "pay"]
    assert "web" in ends(rows, "pay", "callers") and "pay" in ends(rows, "web", "calls")
    assert [row["gateways"] for row in rows] == [[{"name": "door", "ports": [8080, 9001]}], []]


def test_addresses_are_for_who_is_named_or_for_all() -> None:
    rows = isolation_rows({"egress": [{"cidr": "192.0.2.0/24"}, {"from": ["pay"], "cidr": "198.51.100.7/32"}]}, DOMAINS, "mesh")
    assert [len(row["addresses"]) for row in rows] == [1, 1, 2]


@pytest.mark.parametrize(
    ("intent", "says"),
    [
        ({"namespaces": ["wbe"]}, "mesh_isolation.namespaces[0]: 'wbe' is no namespace of mesh_domains; did you mean web?"),
        ({"namespaces": ["mesh"]}, "mesh_isolation.namespaces: mesh is the namespace of the control plane"),
        ({"allow": [{"from": ["web"], "to": ["pya"]}]}, "mesh_isolation.allow[0].to[0]: 'pya' is no namespace"),
        ({"egress": [{"cidr": "192.0.2.1/24"}]}, "mesh_isolation.egress[0].cidr: '192.0.2.1/24' is no address block"),
        ({"egress": [{"cidr": "192.0.2.0/24", "except": ["bank"]}]}, "mesh_isolation.egress[0].except: 'bank' is no address block"),
    ],
)
def test_what_is_refused(intent: dict[str, Any], says: str) -> None:
    (text,) = isolation_refusals(intent, ["web", "orders", "pay"], "mesh")
    assert text.startswith(says)


def policy(**spec: Any) -> Obj:
    raw = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "web"}, "spec": spec}
    return Obj.from_dict(k.NETWORK_POLICY, raw)


WEB, OTHER, FAR = End("web", {"app": "web"}), End("pay", {"app": "pay"}, {"team": "pay"}), End(outside=True)
TEAM = {"namespaceSelector": {"matchLabels": {"team": "pay"}}}
# policy, direction, other end, port, protocol: is it closed?
REACH: dict[str, tuple[dict[str, Any], str, End | None, int, str, bool]] = {
    "another pod's policy": ({"podSelector": {"matchLabels": {"app": "db"}}}, INGRESS, OTHER, 80, "TCP", False),
    "no rule": ({"podSelector": {}}, INGRESS, OTHER, 80, "TCP", True),
    "no rule is for ingress only": ({"podSelector": {}}, EGRESS, OTHER, 80, "TCP", False),
    "rules for egress count without types": ({"podSelector": {}, "egress": []}, EGRESS, OTHER, 80, "TCP", True),
    "an empty rule is everything": ({"podSelector": {}, "ingress": [{}]}, INGRESS, FAR, 80, "TCP", False),
    "pods of the own namespace": ({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}, INGRESS, OTHER, 80, "TCP", True),
    "namespace": ({"podSelector": {}, "ingress": [{"from": [TEAM]}]}, INGRESS, OTHER, 80, "TCP", False),
    "namespace and other pods": (
        {"podSelector": {}, "ingress": [{"from": [{**TEAM, "podSelector": {"matchLabels": {"app": "x"}}}]}]},
        INGRESS, OTHER, 80, "TCP", True,
    ),
    "a namespace by its name": (
        {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "pay"}}}]}]},
        INGRESS, OTHER, 80, "TCP", False,
    ),
    "another port": ({"podSelector": {}, "ingress": [{"ports": [{"port": 81}]}]}, INGRESS, OTHER, 80, "TCP", True),
    "a range of ports": ({"podSelector": {}, "ingress": [{"ports": [{"port": 79, "endPort": 81}]}]}, INGRESS, OTHER, 80, "TCP", False),
    "another protocol": ({"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}, INGRESS, OTHER, 80, "UDP", True),
    "all ports of a protocol": ({"podSelector": {}, "ingress": [{"ports": [{"protocol": "UDP"}]}]}, INGRESS, OTHER, 80, "UDP", False),
    "nobody outside is a pod": ({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}, INGRESS, FAR, 80, "TCP", True),
    "an address may be his": (
        {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}, INGRESS, FAR, 80, "TCP", False,
    ),
    "an address is no pod": (
        {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}, INGRESS, OTHER, 80, "TCP", True,
    ),
    "every address": ({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}, INGRESS, OTHER, 80, "TCP", False),
    "open to somebody": ({"podSelector": {}, "ingress": [{"from": [TEAM], "ports": [{"port": 80}]}]}, INGRESS, None, 80, "TCP", False),
}  # fmt: skip


@pytest.mark.parametrize("case", REACH)
def test_what_a_policy_lets_through(case: str) -> None:
    spec, direction, other, port, protocol, closed = REACH[case]
    assert bool(closed_by([policy(**spec)], WEB, direction, other, port, protocol=protocol)) is closed


def test_policies_add_to_each_other() -> None:
    open_to_team = policy(podSelector={}, ingress=[{"from": [TEAM]}])
    assert closed_by([policy(podSelector={}), open_to_team], WEB, INGRESS, OTHER, 80) == ()


def test_a_named_port_is_that_of_the_called_pod() -> None:
    called = End("web", {"app": "web"}, {}, {"http": 8080})
    rule = policy(podSelector={}, ingress=[{"ports": [{"port": "http"}]}])
    assert closed_by([rule], called, INGRESS, OTHER, 8080) == () and closed_by([rule], called, INGRESS, OTHER, 80)
    out = policy(podSelector={}, policyTypes=["Egress"], egress=[{"ports": [{"port": "http"}]}])
    assert closed_by([out], OTHER, EGRESS, called, 8080) == ()
