# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change opens and closes: the travel mesh's stages, and brute force over a whole world's answers."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.authentication import Token
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.change import Difference, difference_of, text_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.doors import compare, doors_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import MeshInventory, take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import Request
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from authorization_travel import AGENCY, ISSUER, ROOT, mesh, mtls, namespace, partner_paths, stages, token_rules, workload
from authorization_worlds import operation, policy, source, when

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STAGES = stages()


def world(objects: list[dict[str, Any]], version: str = "") -> tuple[MeshPolicies, MeshInventory]:
    inventory = take(objects)
    return MeshPolicies(inventory.objects, replace(inventory.mesh, version=version) if version else inventory.mesh), inventory


def between(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Difference:
    return difference_of(world(before), world(after))


def test_policy_06_takes_the_place_of_the_allow_and_the_first_lines_say_so() -> None:
    difference = between(STAGES[5], STAGES[6])
    lines = text_of(difference).splitlines()
    assert lines[1] == "OPENED  anyone, without a token -> prod-istio-system/gto-external-ingressgateway: every request"
    assert lines[3].strip() == "because AuthorizationPolicy prod-istio-system/authpolicy-gto-external was replaced: ALLOW became DENY"
    (closed,) = [group for group in difference.groups if not group.opened]
    assert closed.what == "every path but /flights*, /insurances*" and ISSUER in closed.token
    first = difference.groups[0]
    assert "claims" not in first.witness and first.before == "no ALLOW rule matches"


def test_policy_06_under_a_name_of_its_own_only_closes() -> None:
    difference = between(STAGES[5], [*STAGES[5], partner_paths("partner-paths")])
    assert [(group.opened, group.what) for group in difference.groups] == [(False, "every path but /flights*, /insurances*")]


def test_policy_06_of_another_cluster_opens_everything_and_closes_nothing() -> None:
    other = [obj for obj in STAGES[5] if obj["metadata"]["name"] != "authpolicy-gto-external"]
    difference = between(STAGES[5], [*other, partner_paths(issuer="https://sso.other.example.com/realm")])
    assert difference.closed == 0 and difference.groups[0].token == "without a token"


@pytest.mark.parametrize(
    ("stage", "who", "count"),
    [(2, f"{ROOT}/gto-external-ingressgateway", 7), (4, "prod-travel-portal/{travels,viaggi,voyages}", 7)],
)
def test_a_stage_opens_what_it_says(stage: int, who: str, count: int) -> None:
    (group,) = between(STAGES[stage], STAGES[stage + 1]).groups
    assert group.opened and group.who.text == who and len(group.destinations) == count
    assert not group.who.plain and not group.who.others


def test_stage_1_closes_the_agency_and_control_but_not_the_portal() -> None:
    closed = {ref for group in between(STAGES[0], STAGES[1]).groups for ref in group.destinations}
    assert {ref.split("/")[0] for ref in closed} == {AGENCY, "prod-travel-control"}


def test_nothing_changes_by_the_same_in_other_words() -> None:
    difference = between(STAGES[5], list(reversed(STAGES[5])))
    assert difference.groups == () and difference.edits == ()
    assert text_of(difference).startswith("nothing is opened and nothing is closed (13 places compared, 13 as before)")


def test_mutual_tls_that_goes_opens_callers_without_an_identity() -> None:
    open_ = [obj for obj in STAGES[0] if obj["kind"] != "PeerAuthentication"]
    difference = between(STAGES[0], open_)
    texts = {(group.opened, group.who.text) for group in difference.groups}
    assert (True, "callers without an identity") in texts
    assert any("PeerAuthentication prod-istio-system/default was removed" in text for text in difference.groups[0].because)


def test_tokens_that_are_looked_at_close_strangers_tokens() -> None:
    bare = [obj for obj in mesh() if obj["kind"] != "RequestAuthentication"]
    (group,) = between(bare, [*bare, token_rules()]).groups
    assert not group.opened and "iss any but" in group.token and group.after == "no jwtRule accepts the token"


def test_a_screen_is_enough_for_a_thousand_groups() -> None:
    many = [obj for number in range(60) for obj in workload(AGENCY, f"app{number}")]
    policies = [
        policy(operation(paths=[f"/p{number}"]), name=f"p{number}", namespace=AGENCY, selector={"matchLabels": {"app": f"app{number}"}})
        for number in range(60)
    ]
    text = text_of(between([namespace(AGENCY), *many], [namespace(AGENCY), *many, *policies]))
    assert len(text.splitlines()) <= 45 and "more groups" in text


def test_many_values_of_one_list_are_one_question_for_claims_of_several_values() -> None:
    groups = [f"g{number}" for number in range(40)]
    shop = [namespace("shop"), *workload("shop", "cars"), token_rules() | {"metadata": {"name": "t", "namespace": "shop"}}]
    shop[-1]["spec"] = {"jwtRules": [{"issuer": "i"}]}
    before, after = (policy(when("request.auth.claims[groups]", *some), namespace="shop") for some in (groups, groups[:-1]))
    (group,) = between([*shop, before], [*shop, after]).groups
    assert not group.opened and "groups g39" in group.token and group.witness["claims"]["groups"] == "g39"


def test_what_cannot_be_told_apart_is_said_and_not_called_unchanged() -> None:
    shop = [namespace("shop"), *workload("shop", "cars"), *workload("shop", "web")]
    rules = [when("request.headers[x]", f"v{number}") | operation(paths=[f"/{number}"]) for number in range(14)]
    wild = [policy(*some, namespace="shop", selector={"matchLabels": {"app": "cars"}}) for some in (rules, rules[:-1])]
    plain = policy(operation(paths=["/a"]), name="web", namespace="shop", selector={"matchLabels": {"app": "web"}})
    difference = between([*shop, wild[0]], [*shop, wild[1], plain])
    assert len(difference.undecided) == 1 and difference.undecided[0].startswith("shop/cars: its policies tell too many requests apart")
    assert [group.destinations for group in difference.groups] == [("shop/web",)] and difference.unchanged == 0
    assert text_of(difference).splitlines()[1].startswith("NOT COMPARED  shop/cars")


WAYPOINT = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "way", "namespace": AGENCY},
            "spec": {"gatewayClassName": "istio-waypoint"}}  # fmt: skip


def ambient(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The agency in ambient, its policies at a waypoint."""
    labels = {"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "way"}
    found: list[dict[str, Any]] = [namespace(AGENCY, **labels), WAYPOINT]
    refs = [{"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "way"}]
    for obj in objects:
        agency = obj["kind"] == "AuthorizationPolicy" and obj["metadata"]["namespace"] == AGENCY
        found += [] if obj["kind"] == "Namespace" and obj["metadata"]["name"] == AGENCY else [
            {**obj, "spec": {**obj["spec"], "targetRefs": refs}} if agency else obj]  # fmt: skip
    return found


def test_a_stage_in_ambient_opens_the_same_at_the_waypoint() -> None:
    (group,) = between(ambient(STAGES[4]), ambient(STAGES[5])).groups
    assert group.who.text == "prod-travel-portal/{travels,viaggi,voyages}" and len(group.destinations) == 7
    assert f"{AGENCY}/cars (waypoint way)" in group.destinations
    first = between(ambient(STAGES[5]), ambient(STAGES[6])).groups[0]
    assert (first.opened, first.who.text, first.token) == (True, "anyone", "without a token")


def test_a_move_to_ambient_that_leaves_the_pods_open_says_so() -> None:
    """At ztunnel no policy with targetRefs counts: who calls a pod directly is asked nothing any more."""
    groups = between(STAGES[5], ambient(STAGES[5])).groups
    assert {(group.opened, group.after) for group in groups} == {(True, "no ALLOW policy is on it, so everything passes")}
    assert f"{AGENCY}/cars" in groups[0].destinations and groups[0].who.others


@pytest.mark.parametrize(("before", "after", "opened"), [("http", "tcp", False), ("tcp", "http", True)])
def test_a_port_that_gets_another_protocol_is_compared_across_both(before: str, after: str, opened: bool) -> None:
    rule = policy(operation(methods=["GET"]), namespace="shop")
    states = [[namespace("shop"), *workload("shop", "db", 3306, word), rule] for word in (before, after)]
    (group,) = between(*states).groups
    assert group.opened is opened and group.what == "GET" and group.destinations == ("shop/db",)


def test_a_port_of_tcp_that_comes_beside_http_is_compared_with_what_it_was() -> None:
    rule = policy(operation(methods=["GET"]), namespace="shop")
    one, two = ([namespace("shop"), *workload("shop", "db"), rule] for _state in range(2))
    two[2] = {**two[2], "spec": {**two[2]["spec"], "ports": [*two[2]["spec"]["ports"], {"port": 3306, "name": "tcp"}]}}
    (group,) = between(one, two).groups
    assert not group.opened and group.what == "GET port 3306"


# brute force

CALLERS = [None, "cluster.local/ns/a/sa/x", "cluster.local/ns/b/sa/x", "other/ns/a/sa/y"]
TOKENS: list[dict[str, Any] | None] = [
    None,
    {"iss": "i", "sub": "s"},
    {"iss": "i"},
    {"iss": "j", "sub": "s", "group": ["g", "h"]},
    {"iss": "k", "sub": "s"},
    {"iss": "i", "sub": "s", "aud": "https://a/"},
]


def _objects(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    sides = [
        source(namespaces=["a"]),
        source(notPrincipals=["cluster.local/ns/a/sa/x"]),
        source(requestPrincipals=["i/*"]),
        source(requestPrincipals=["*/s", "j*"]),
        source(notRequestPrincipals=["*"]),
        source(principals=["*"]),
        source(namespaces=["*"], notNamespaces=["b"]),
        source(serviceAccounts=["a/x"]),
        source(notTrustDomains=["cluster.local"]),
        source(ipBlocks=["10.0.0.0/30"]),
        when("source.principal", "*/sa/y", absent=("other/*",)),
        {},
    ]
    whats = [
        operation(hosts=["h", "h:*"]),
        operation(notHosts=["H"]),
        operation(paths=["/{*}/b", "/a/{**}"], notPaths=["/a"]),
        operation(notMethods=["P*"], notPorts=["81"]),
        when("request.headers[x]", "1"),
        when("request.headers[x]", "2*"),
        when("request.headers[x]", absent=("1",)),
        when("request.auth.claims[group]", absent=("h",)),
        operation(paths=["/a*"]),
        operation(methods=["GET"], ports=["8000"]),
        operation(notPaths=["/a/b"]),
        operation(ports=["3306"]),
        when("request.auth.claims[group]", "g"),
        {},
    ]
    found: list[dict[str, Any]] = [namespace("foo"), *workload("foo", "cars")]
    found[-1]["spec"]["ports"].append({"port": 3306, "name": "tcp-db"})
    for number in range(chance.randint(0, 3)):
        rules = [chance.choice(sides) | chance.choice(whats) for _rule in range(chance.randint(0, 2))]
        action = chance.choice(["ALLOW", "ALLOW", "DENY"]) if rules else "ALLOW"
        found.append(policy(*rules, action=action, name=f"p{number}", namespace=chance.choice(["foo", "foo", "istio-system"])))
    if chance.random() < 0.6:
        rules = chance.sample([{"issuer": "i"}, {"issuer": "j"}, {"issuer": "i", "audiences": ["a"]}], chance.randint(1, 2))
        found.append(
            {
                "apiVersion": "security.istio.io/v1",
                "kind": "RequestAuthentication",
                "metadata": {"name": "r", "namespace": "foo"},
                "spec": {"jwtRules": rules},
            }
        )
    if chance.random() < 0.6:
        found.append(mtls(chance.choice(["STRICT", "DISABLE", "PERMISSIVE"]), "foo"))
    if chance.random() < 0.4:
        own = mtls(chance.choice(["STRICT", "PERMISSIVE"]), "foo")
        own["metadata"]["name"] = "cars"
        own["spec"] |= {
            "selector": {"matchLabels": {"app": "cars"}},
            "portLevelMtls": {8000: {"mode": chance.choice(["STRICT", "DISABLE"])}},
        }
        found.append(own)
    return found


def _requests() -> list[tuple[Request, Token | None, str]]:
    """Every caller with every token; the rest by chance, and always the same."""
    chance = random.Random(5)
    found: list[tuple[Request, Token | None, str]] = []
    for caller, claims, _turn in itertools.product(CALLERS, TOKENS, range(12)):
        request = Request(
            principal=caller,
            source_ip=chance.choice(["10.0.0.1", "10.0.0.9"]),
            path=chance.choice(["/", "/a", "/a/b", "/a/", "/x/b", "/a/b/c"]),
            method=chance.choice(["GET", "PUT"]),
            port=chance.choice([8000, 81]),
            host=chance.choice(["h", "h:81", "H", "other"]),
            headers=chance.choice([{}, {}, {"x": "1"}, {"x": ["1", "22"]}, {"x": "3"}]),
        )
        found.append((request, None if claims is None else Token(claims), "HTTP"))
    tcp = itertools.product(CALLERS, ["10.0.0.1", "10.0.0.9"])
    return [*found, *((Request(principal=caller, source_ip=ip, port=3306), None, "TCP") for caller, ip in tcp)]


REQUESTS = _requests()


@pytest.mark.parametrize(("seed", "version"), [*((seed, "") for seed in range(60)), *((seed, "1.20.8") for seed in range(60, 90))])
def test_the_difference_is_what_brute_force_finds(seed: int, version: str) -> None:
    """Every request that two random worlds answer otherwise is in a box of that direction, and no other request is."""
    (one, places), (two, _same) = world(_objects(seed), version), world(_objects(seed + 5000), version)
    doors = [{door.chain.protocol: (place, door) for place, door in doors_of(each, places)} for each in (one, two)]
    assert doors[0].keys() == doors[1].keys() == {"HTTP", "TCP"}
    for protocol in doors[0]:
        place, before = doors[0][protocol]
        after = doors[1][protocol][1]
        space, shifts = compare(before, after)
        for request, token, spoken in REQUESTS:
            if spoken != protocol:
                continue
            answers = [each.answer(place.workload, request, now=NOW, protocol=protocol, token=token).allowed for each in (one, two)]
            facts = before.chain.facts(request)
            facts.claims = token.claims if token else None
            inside = {shift.opened for shift in shifts if _in(space, shift.box, facts)}
            assert inside == (set() if answers[0] == answers[1] else {answers[1]}), (request, token, answers)


def _in(space: Any, box: tuple[int, ...], facts: Any) -> bool:
    """Is a request in a box? Asked of the conditions themselves, dimension by dimension."""
    for name, bits in zip(space.names, box, strict=True):
        values = _values(name, facts)
        matched = tuple(any(matcher.matches(value) for value in values) for matcher in space.matchers[name])
        places = [
            number
            for number, value in enumerate(space.values[name])
            if (value.matched == matched and value.witness is not None if values else value.witness is None)
        ]
        assert len(places) == 1, (name, values)
        if not bits >> places[0] & 1:
            return False
    return True


def _values(name: str, facts: Any) -> tuple[Any, ...]:
    if name == "caller":
        return tuple(facts.peer_names)
    if name.startswith("request.auth.claims["):
        found = (facts.claims or {}).get(name[20:-1])
        return tuple(found) if isinstance(found, list) else () if found is None else (found,)
    if name.startswith("request.headers["):
        return facts.header(name[16:-1])
    return {
        "paths": facts.path,
        "methods": facts.method,
        "hosts": facts.host,
        "destination.port": facts.port,
        "source.ip": facts.source_ip,
        "source.ip at a waypoint": (),
        "remote.ip": facts.remote_ip,
        "destination.ip": facts.destination_ip,
    }[name]
