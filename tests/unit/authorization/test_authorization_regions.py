# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof over all requests: on random small worlds, boxes and brute force agree; the differences of two policy sets, with witnesses."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.evaluate import PolicyChain
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import Mesh, PolicyTarget, Provider, Request
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.regions import Space, difference, subtract
from authorization_worlds import APP, chain, http, operation, policy, source, tcp, when

CALLERS = [None, "cluster.local/ns/a/sa/x", "cluster.local/ns/b/sa/x", "other/ns/a/sa/y"]
PATHS = ["/", "/a", "/a/", "/a/b", "/b", "/a/b/c"]
TOKENS: list[dict[str, Any] | None] = [
    None,
    {"iss": "i", "sub": "s"},
    {"iss": "i"},
    {"iss": "j", "sub": "s", "group": ["g", "h"]},
    {"group": "g"},
]
LINES: list[dict[str, Any]] = [{}, {"x-a": "1"}, {"x-a": ["1", "2"]}, {"x-a": "3"}]


def _rule(chance: random.Random) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if chance.random() < 0.7:
        rule |= source(
            **chance.choice(
                [
                    {"namespaces": ["a"]},
                    {"notNamespaces": ["a"]},
                    {"principals": ["*"]},
                    {"principals": ["cluster.local/*"]},
                    {"requestPrincipals": ["i/*", "j/s"]},
                    {"notRequestPrincipals": ["i/s"]},
                    {"ipBlocks": ["10.0.0.0/8"]},
                    {"notIpBlocks": ["10.1.0.0/16"]},
                    {"serviceAccounts": ["a/x"]},
                    {"remoteIpBlocks": ["10.1.0.0/16"]},
                ]
            )
        )
    if chance.random() < 0.7:
        rule |= operation(
            **chance.choice(
                [
                    {"paths": ["/a*"]},
                    {"notPaths": ["/a/{*}"]},
                    {"methods": ["GET"]},
                    {"ports": ["80"], "paths": ["/a/{**}"]},
                    {"notMethods": ["GET"]},
                    {"hosts": ["a.example.com"]},
                    {"notHosts": ["*.com"]},
                ]
            )
        )
    if chance.random() < 0.4:
        rule |= chance.choice(
            [
                when("request.headers[x-a]", "1"),
                when("request.headers[x-a]", absent=("2",)),
                when("request.auth.claims[group]", "g"),
                when("request.auth.claims[iss]", "i"),
                when("destination.port", absent=("80",)),
            ]
        )
    return rule


def _world(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        policy(
            *[_rule(chance) for _rule_number in range(chance.randint(0, 2))],
            name=f"p{number}",
            action=chance.choice(["ALLOW", "ALLOW", "DENY"]),
        )
        for number in range(chance.randint(1, 3))
    ]


def _requests() -> list[Request]:
    chance = random.Random(0)
    every = list(
        itertools.product(
            CALLERS, PATHS, ["GET", "PUT"], TOKENS, LINES, [80, 81], ["10.0.0.1", "10.1.0.1", "11.0.0.1"], ["a.example.com", "b.org"]
        )
    )
    return [
        http(principal=caller, path=path, method=method, claims=claims, headers=headers, port=port, source_ip=address, host=host)
        for caller, path, method, claims, headers, port, address, host in chance.sample(every, 250)
    ]


REQUESTS = _requests()


@pytest.mark.parametrize(("seed", "version"), [*((seed, "") for seed in range(30)), *((seed, "1.20.8") for seed in range(30, 50))])
def test_what_differs_is_what_brute_force_finds(seed: int, version: str) -> None:
    mesh = Mesh(version=version) if version else Mesh()
    before, after = chain(*_world(seed), mesh=mesh), chain(*_world(seed + 1000), mesh=mesh)
    changes = difference(before, after)  # every witness is checked by the evaluator on the way
    for opened in (True, False):
        found = any(
            after.allows(after.facts(request)) is opened and before.allows(before.facts(request)) is not opened for request in REQUESTS
        )
        assert not found or any(change.opened is opened for change in changes), (
            f"brute force found a request that was {'opened' if opened else 'closed'}"
        )
    for change in changes:
        assert before.decide(change.witness).allowed is not change.opened and after.decide(change.witness).allowed is change.opened


@pytest.mark.parametrize("seed", range(10))
def test_every_box_is_allowed_and_the_rest_is_not(seed: int) -> None:
    world = chain(*_world(seed))
    space = Space([world])
    inside = space.allowed(world)
    for boxes, expected in ((inside, True), (subtract([space.everything], inside), False)):
        for box in boxes:
            facts = space.witness(box)
            assert facts and world.allows(facts) is expected


OLD = Mesh(version="1.20.8")
ISSUERS = ("https://sso/realms/lab", "https://sso", "a", "a/b", "*")
SUBJECTS = ("x", "x/y", "b", "lab/x")


@pytest.mark.parametrize("value", ["https://sso/realms/lab/*", "https://sso/realms/lab/x", "https://sso/*", "*/x", "*lab/x", "*b",
                                   "a/b", "a/*", "a*", "*", "x"])  # fmt: skip
def test_before_1_21_a_request_principal_is_one_text(value: str) -> None:
    """Found on a bed: the proof of OpenShift Service Mesh 2 ended in an error, as it took the principal for no part of the token."""
    wide, narrow = chain(policy(source(requestPrincipals=["*"])), mesh=OLD), chain(policy(source(requestPrincipals=[value])), mesh=OLD)
    changes = difference(wide, narrow)
    assert all(not change.opened for change in changes)
    space = Space([wide, narrow])
    for issuer, subject in itertools.product(ISSUERS, SUBJECTS):
        request = http(claims={"iss": issuer, "sub": subject})
        closed = wide.allows(wide.facts(request)) and not narrow.allows(narrow.facts(request))
        bits = {
            name: next(
                (
                    number
                    for number, one in enumerate(space.values[name])
                    if one.witness is not None and one.matched == tuple(matcher.matches(side) for matcher in space.matchers[name])
                ),
                None,
            )
            for name, side in zip(("request.auth.claims[iss]", "request.auth.claims[sub]"), (issuer, subject), strict=True)
        }
        inside = any(
            all(box[space.names.index(name)] >> bit & 1 for name, bit in bits.items() if bit is not None)
            for change in changes
            for box in change.boxes
        )
        assert inside is closed, (issuer, subject)


def test_nothing_differs_from_itself_nor_from_other_words_for_it() -> None:
    assert difference(chain(policy(source(namespaces=["a", "b"]))), chain(policy(source(namespaces=["b"]), source(namespaces=["a"])))) == []
    assert (
        difference(
            chain(policy(operation(paths=["/a*"]))), chain(policy(operation(paths=["/a", "/a*"])), policy(action="ALLOW", name="none"))
        )
        == []
    )
    assert difference(chain(), chain(policy({}))) == []


def test_what_a_change_opens_and_by_which_rule() -> None:
    cars = policy({**source(namespaces=["travel"]), **operation(methods=["GET"], paths=["/cars/*"])}, name="cars")
    wider = policy({**source(namespaces=["travel", "portal"]), **operation(methods=["GET"], paths=["/cars/*"])}, name="cars")
    found = difference(chain(cars), chain(wider))
    assert [(change.opened, change.before.by, change.after.policy) for change in found] == [(True, "default", "foo/cars")]
    facts = found[0].witness
    assert "/ns/portal/" in facts.peer_names[0] and facts.method == ("GET",) and facts.path[0].startswith("/cars/")
    closed = difference(chain(wider), chain(cars))
    assert [(change.opened, change.before.policy, change.after.by) for change in closed] == [(False, "foo/cars", "default")]


def test_a_removed_deny_opens_and_names_it() -> None:
    deny = policy(operation(paths=["/admin*"]), action="DENY", name="d")
    found = difference(chain(deny, policy({})), chain(policy({})))
    assert [(change.opened, change.before.policy, change.after.policy) for change in found] == [(True, "foo/d", "foo/p")]
    assert found[0].witness.path[0].startswith("/admin")


def test_custom_that_denies_counts() -> None:
    custom = policy(source(ipBlocks=["10.0.0.0/8"]), action="CUSTOM", provider={"name": "ext"}, name="c")
    for provider, expected in ((Provider("http", answer=False), [False]), (Provider("http"), []), (Provider("http", answer=True), [])):
        assert [change.opened for change in difference(chain(), chain(custom, mesh=Mesh(providers={"ext": provider})))] == expected


@pytest.mark.parametrize("seed", range(10))
def test_tcp_and_ztunnel_have_one_address(seed: int) -> None:
    rules: list[dict[str, Any]] = [
        source(ipBlocks=["10.0.0.0/8"]),
        source(remoteIpBlocks=["10.1.0.0/16"]),
        source(notRemoteIpBlocks=["10.1.0.0/16"]),
        source(namespaces=["a"]),
        operation(ports=["80"]),
        source(serviceAccounts=["a/x"]),
        source(principals=["*"]),
    ]
    chance = random.Random(seed)
    for workload in (PolicyTarget("foo", APP), PolicyTarget("foo", APP, "ztunnel")):
        worlds: list[PolicyChain] = [
            chain(
                policy(*chance.sample(rules, 2)), policy(chance.choice(rules), action="DENY", name="d"), workload=workload, protocol="TCP"
            )
            for _ in range(2)
        ]
        changes = difference(*worlds)
        for caller, address, port in itertools.product(CALLERS, ["10.0.0.1", "10.1.0.1", "11.0.0.1"], [80, 81]):
            request = tcp(principal=caller, source_ip=address, port=port)
            verdicts = [world.request(request).allowed for world in worlds]
            assert verdicts[0] == verdicts[1] or any(change.opened is verdicts[1] for change in changes)


def test_a_claim_is_not_a_text_and_a_mapping_at_once() -> None:
    rules = [when("request.auth.claims[r]", "x"), when("request.auth.claims[r][k]", "y")]
    both = {"when": [entry["when"][0] for entry in rules]}
    assert difference(chain(policy()), chain(policy(both))) == []
    assert difference(chain(policy()), chain(policy({"when": list(reversed(both["when"]))}))) == []
    found = difference(chain(policy()), chain(policy(*rules)))
    assert [change.witness.claims for change in found] == [{"r": "x"}, {"r": {"k": "y"}}]


@pytest.mark.parametrize("value", ["v", "[v]", "[*]"])
def test_metadata_of_other_filters_is_a_dimension_too(value: str) -> None:
    rule = when("experimental.envoy.filters.a.b[c]", value)
    found = difference(chain(policy()), chain(policy(rule)))
    assert [change.opened for change in found] == [True] and found[0].witness.metadata
    assert [change.opened for change in difference(chain(policy({})), chain(policy(rule)))] == [False]
