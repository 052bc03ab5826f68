# SPDX-License-Identifier: GPL-3.0-or-later
"""The bed's translation of policies: who has them, and that it denies what it cannot say."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.operators.envoy_rbac import attached, filters

Obj = dict[str, Any]
ANY: Obj = {"any": True}
NEVER = {"permissions": [{"not_rule": ANY}], "principals": [{"not_id": ANY}]}


def policy(name: str, spec: Obj, namespace: str = "shop") -> Obj:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def rules(spec: Obj, layer: str = "http") -> Obj:
    """The one rule of one policy."""
    action = spec.get("action", "ALLOW")
    found: Obj = filters([policy("p", spec)], layer)[action]["rules"]["policies"]
    return found


@pytest.mark.parametrize(
    "rule",
    [
        {"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]},
        {"from": [{"source": {"requestPrincipals": ["https://*/x"]}}]},
        {"to": [{"operation": {"paths": ["/a/{*}"]}}]},
        {"when": [{"key": "source.ip", "values": ["10.0.0.1"]}]},
        {"when": [{"key": "request.headers[x]", "notValues": ["1"]}]},
    ],
)
def test_what_cannot_be_said_is_denied(rule: Obj) -> None:
    assert rules({"rules": [rule]}) == {"ns[shop]-policy[p]-rule[0]": NEVER}
    assert rules({"action": "DENY", "rules": [rule]}) == {"ns[shop]-policy[p]-rule[0]": {"permissions": [ANY], "principals": [ANY]}}


def test_http_at_a_tcp_port_is_denied() -> None:
    for rule in (
        {"to": [{"operation": {"methods": ["GET"]}}]},
        {"from": [{"source": {"requestPrincipals": ["*"]}}]},
        {"when": [{"key": "request.auth.claims[groups]", "values": ["a"]}]},
    ):
        assert rules({"rules": [rule]}, "network") == {"ns[shop]-policy[p]-rule[0]": NEVER}
        assert rules({"rules": [rule]}, "http") != {"ns[shop]-policy[p]-rule[0]": NEVER}


def test_a_policy_without_rules_matches_nothing_and_none_at_all_passes() -> None:
    assert rules({}) == {"ns[shop]-policy[p]-rule[0]": NEVER}
    assert "rules" not in filters([], "http")["ALLOW"]
    assert "rules" not in filters([policy("p", {})], "http")["DENY"]


def test_an_empty_rule_is_anyone() -> None:
    assert rules({"rules": [{}]}) == {"ns[shop]-policy[p]-rule[0]": {"permissions": [ANY], "principals": [ANY]}}


def test_which_pod_has_which_policies() -> None:
    pod = {"metadata": {"namespace": "shop", "labels": {"app": "cars", "version": "v1"}}}
    mine = {"selector": {"matchLabels": {"app": "cars"}}}
    every = [
        policy("a", {}),
        policy("b", mine),
        policy("c", {"selector": {"matchLabels": {"app": "other"}}}),
        policy("d", {}, "elsewhere"),
        policy("e", {}, "root"),
        policy("f", {"targetRefs": [{"kind": "Gateway", "name": "x"}]}),
    ]
    assert [one["metadata"]["name"] for one in attached(every, pod, "root")] == ["e", "a", "b"]
