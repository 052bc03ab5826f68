# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go: on random worlds, exactly those policies and rules without which no request is answered otherwise."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.change import difference_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.doors import doors_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.removable import spare_policies, spare_rules, spare_values
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from authorization_travel import namespace, workload
from authorization_worlds import operation, policy, source

BASE = [namespace("foo"), *workload("foo", "cars"), *workload("foo", "web")]


def world(objects: list[dict[str, Any]]) -> Any:
    inventory = take([*BASE, *objects])
    return MeshPolicies(inventory.objects, inventory.mesh), inventory


def policies(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    sides = [
        source(namespaces=["a"]),
        source(namespaces=["a", "b"]),
        source(principals=["cluster.local/ns/a/sa/x"]),
        source(principals=["*"]),
        {},
    ]
    whats = [operation(paths=["/a*"]), operation(paths=["/a/b"]), operation(methods=["GET"]), operation(paths=["/a"], notPaths=["/a*"]), {}]
    found = []
    for number in range(chance.randint(2, 4)):
        rules = [chance.choice(sides) | chance.choice(whats) for _rule in range(chance.randint(1, 3))]
        more = {"selector": {"matchLabels": {"app": "cars"}}} if chance.random() < 0.5 else {}
        found.append(policy(*rules, action=chance.choice(["ALLOW", "ALLOW", "DENY"]), name=f"p{number}", namespace="foo", **more))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_policy_can_go_if_and_only_if_nothing_changes_without_it(seed: int) -> None:
    objects = policies(seed)
    whole = world(objects)
    named = {spare.policy.name for spare in spare_policies(doors_of(*whole))}
    for number, one in enumerate(objects):
        same = not difference_of(whole, world(objects[:number] + objects[number + 1 :])).groups
        assert (one["metadata"]["name"] in named) is same, one


AMBIENT = [namespace("foo", **{"istio.io/dataplane-mode": "ambient"}), *workload("foo", "cars")]
OF_AMBIENT: list[dict[str, Any]] = [
    {},
    {"selector": {}},
    {"selector": {"matchLabels": {}}},
    {"annotations": {"istio.io/dry-run": "true"}},
    {"targetRefs": [{"kind": "Service", "group": "", "name": "cars"}]},
]


@pytest.mark.parametrize("version", ["1.28", "1.32"])
@pytest.mark.parametrize("seed", range(15))
def test_a_policy_of_ambient_can_go_if_and_only_if_nothing_changes_without_it(seed: int, version: str) -> None:
    chance = random.Random(seed)
    rules = [source(namespaces=["a"]), source(principals=["*"]), operation(methods=["GET"]), operation(ports=["8000"])]
    objects = [
        policy(chance.choice(rules), action=chance.choice(["ALLOW", "ALLOW", "DENY"]), name=f"p{number}", **chance.choice(OF_AMBIENT))
        for number in range(3)
    ]

    def state(kept: list[dict[str, Any]]) -> Any:
        inventory = take([*AMBIENT, *kept], {"version": version})
        return MeshPolicies(inventory.objects, inventory.mesh), inventory

    named = {spare.policy.name for spare in spare_policies(doors_of(*state(objects)))}
    for number, one in enumerate(objects):
        same = not difference_of(state(objects), state(objects[:number] + objects[number + 1 :])).groups
        attached = "targetRefs" not in one["spec"]  # one that no workload enforces is named by another check
        if not one["metadata"]["annotations"] and attached:
            assert (one["metadata"]["name"] in named) is same, one


@pytest.mark.parametrize("seed", range(40))
def test_a_rule_can_go_if_and_only_if_nothing_changes_without_it(seed: int) -> None:
    objects = policies(seed)
    whole = world(objects)
    named = {(spare.policy.name, spare.where) for spare in spare_rules(doors_of(*whole))}
    for number, one in enumerate(objects):
        rules = one["spec"]["rules"]
        for index in range(len(rules)) if len(rules) > 1 else ():
            less = {**one, "spec": {**one["spec"], "rules": rules[:index] + rules[index + 1 :]}}
            same = not difference_of(whole, world([*objects[:number], less, *objects[number + 1 :]])).groups
            assert ((one["metadata"]["name"], f"rules[{index}]") in named) is same, (one, index)


def values(**lists: Any) -> list[str]:
    return [spare.reason for spare in spare_values(doors_of(*world([policy(operation(**lists), namespace="foo")])))]


def test_values_that_others_take_in() -> None:
    assert values(paths=["/a*", "/a/b", "/c"]) == ["/a/b is part of /a*"]
    assert values(hosts=["a.example.com", "A.EXAMPLE.COM"]) == []  # one matcher: nothing is left to compare
    assert values(methods=["GET", "*"]) == ["GET is part of *"]
    assert values(ports=["80", "81"]) == [] and values(paths=["/a"]) == []
    assert values(paths=["/x/{*}", "/x/{**}", "/x/y"]) == ["/x/{*} is part of /x/{**}", "/x/y is part of /x/{**}"]


def test_a_default_deny_and_what_is_not_enforced_are_left_in_peace() -> None:
    cars = policy(source(namespaces=["a"]), namespace="foo", name="cars")
    nothing = policy(namespace="foo", name="nothing")
    dry = policy({}, namespace="foo", name="dry", annotations={"istio.io/dry-run": "true"})
    assert [spare.policy.name for spare in spare_policies(doors_of(*world([cars, nothing, dry])))] == []


def test_the_last_allow_policy_cannot_go_though_it_allows_nothing() -> None:
    closed = policy(namespace="foo", name="closed", selector={"matchLabels": {"app": "cars"}})
    assert list(spare_policies(doors_of(*world([closed])))) == []
    beside = policy(source(namespaces=["a"]), namespace="foo", name="cars")
    assert [spare.policy.name for spare in spare_policies(doors_of(*world([closed, beside])))] == ["closed"]
