# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that no request gets to: each verdict held against the evaluator, by a request that gets there or by all that do not."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._routing.coverage import at_gateway, http_boxes, request_escaping, taken_by
from ansible_collections.meshops.mesh.plugins.module_utils._routing.dead_rules import DeadMatch, dead_matches
from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import RoutingWorld
from ansible_collections.meshops.mesh.plugins.module_utils._routing.model import Consumer, RouteRequest, RoutingMesh
from ansible_collections.meshops.mesh.plugins.module_utils._routing.patterns import Edges, UnreadablePatternError, parse_pattern
from ansible_collections.meshops.mesh.plugins.module_utils._routing.routes import TextMatch
from ansible_collections.meshops.mesh.plugins.module_utils._routing.text_sets import TextTest, common_text
from routing.routing_shop import made, service

PATHS = ("/", "/a", "/a/b", "/ab", "/A", "/b")
REGEXES = ("/a.*", "/[ab]", "/a(/b)?", ".*", "/(a|b)+", "/[^a]*", "(?i)/A", r"/\w{1,2}", "/a|/b")
VALUES = ("1", "2", "12", "")
PORTS, OTHER_PORT = (8080, 9090), 7070
METHODS, LABELS, NAMESPACES = ("GET", "POST"), ("web", "batch"), ("shop", "back")


def _text(chance: random.Random, values: tuple[str, ...], regexes: tuple[str, ...] = ()) -> dict[str, str]:
    if regexes and chance.random() < 0.3:
        return {"regex": chance.choice(regexes)}
    form = chance.choice(("exact", "prefix"))
    return {form: chance.choice([value for value in values if value or form == "exact"])}


def _match(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if chance.random() < 0.7:
        found["uri"] = _text(chance, PATHS, REGEXES)
        if chance.random() < 0.2:
            found["ignoreUriCase"] = True
    if chance.random() < 0.4:
        found["headers"] = {"x-v": _text(chance, VALUES, ("[12]+", "2?"))}
    if chance.random() < 0.2:
        found["withoutHeaders"] = {chance.choice(("x-w", "x-v")): {} if chance.random() < 0.3 else _text(chance, ("1", "2"))}
    if chance.random() < 0.2:
        found["queryParams"] = {"q": {"exact": chance.choice(("1", "2"))}}
    if chance.random() < 0.2:
        found["method"] = {"exact": chance.choice(METHODS)}
    if chance.random() < 0.2:
        found["sourceLabels"] = {"app": chance.choice(LABELS)}
    if chance.random() < 0.1:
        found["sourceNamespace"] = chance.choice(NAMESPACES)
    if chance.random() < 0.1:
        found["gateways"] = chance.choice((["mesh"], ["edge"]))
    if chance.random() < 0.1:
        found["port"] = chance.choice(PORTS)
    return found


def _world(chance: random.Random) -> tuple[dict[str, Any], RoutingWorld]:
    virtual = made("VirtualService", "shop", "pay", "hosts: [pay]")
    virtual["spec"]["http"] = [
        {"match": [_match(chance) for _number in range(chance.choice((0, 1, 1, 1, 2, 2)))], "route": [{"destination": {"host": "pay"}}]}
        for _rule in range(chance.randrange(1, 6))
    ]
    return virtual, RoutingWorld([service("shop", "pay", "http:8080", "http-b:9090", "http-c:7070"), virtual])


def _place(world: RoutingWorld, caller: Consumer, request: RouteRequest) -> str:
    route = world.answer(caller, request).route
    return route.place if route is not None else ""


def _asked(wish: dict[str, str | None]) -> tuple[Consumer, RouteRequest]:
    """The caller and the request that a witness speaks of."""
    headers = {name.removeprefix("header "): value for name, value in wish.items() if name.startswith("header x") and value is not None}
    query = wish.get("parameter q")
    port = wish.get("port") or ""
    app = wish.get("label app")
    request = RouteRequest(
        "10.0.0.1", int(port) if port.isdigit() else OTHER_PORT, "pay.shop", method=wish.get("header :method") or "X",
        path=(wish.get("path") or "/") + (f"?q={query}" if query is not None else ""), headers=headers,
    )  # fmt: skip
    return Consumer(wish.get("namespace") or "elsewhere", {"app": app} if app is not None else {}), request


def _every_request(chance: random.Random, most: int) -> Iterator[tuple[Consumer, RouteRequest]]:
    rows = list(product((*PATHS, "/abc", "/c"), (None, *VALUES), (None, "1"), (None, "1", "2"), METHODS, LABELS, NAMESPACES, PORTS))
    for path, value, other, query, method, app, namespace, port in chance.sample(rows, most):
        headers = {name: text for name, text in (("x-v", value), ("x-w", other)) if text is not None}
        whole = path + (f"?q={query}" if query else "")
        yield Consumer(namespace, {"app": app}), RouteRequest("10.0.0.1", port, "pay.shop", method=method, path=whole, headers=headers)


WORLDS = 1_500 if os.environ.get("MESH_TEST_LONG") else 120


@pytest.mark.parametrize("seed", range(3))
def test_what_is_dead_is_never_taken_and_what_is_not_has_a_request(seed: int) -> None:
    chance = random.Random(seed)
    alive = dead = 0
    for _number in range(WORLDS):
        virtual, world = _world(chance)
        (read,) = world.virtual_services.all
        gone = {one.place for one in dead_matches({"VirtualService": [virtual]}, RoutingMesh())}
        boxes = [at_gateway(box, "mesh") for box in http_boxes(read)]
        taken = {_place(world, caller, request) for caller, request in _every_request(chance, 150)}
        assert not gone & taken, (virtual["spec"]["http"], gone & taken)
        for number, box in enumerate(boxes):
            wish = request_escaping(box, boxes[:number])
            assert (wish is None) is (box.place in gone), (virtual["spec"]["http"], box.place)
            dead += wish is None
            if wish is not None:
                alive += 1
                assert _place(world, *_asked(wish)) == box.place, (virtual["spec"]["http"], box.place, wish)
    assert alive > 2 * WORLDS and dead > WORLDS // 2


def _one(spec: str, *more: dict[str, Any]) -> list[DeadMatch]:
    kinds: dict[str, list[Any]] = {}
    for obj in (made("VirtualService", "shop", "pay", f"hosts: [pay]\n{spec}"), *more):
        kinds.setdefault(obj["kind"], []).append(obj)
    return list(dead_matches(kinds, RoutingMesh()))


def test_several_may_take_together_what_none_takes_alone() -> None:
    (found,) = _one("""
http:
- match: [{headers: {x-beta: {exact: "1"}}}]
- match: [{withoutHeaders: {x-beta: {exact: "1"}}}]
- match: [{uri: {prefix: /a}}]
""")
    assert found.whole and [place for _ref, place in found.takers] == ["http[0].match[0]", "http[1].match[0]"]


def test_what_is_narrower_could_be_put_in_front() -> None:
    narrow, same = _one("""
http:
- match: [{uri: {prefix: /a}}]
- match: [{uri: {exact: /a/b}}]
- match: [{uri: {prefix: /a}}]
""")
    assert narrow.narrower and not same.narrower and dict(narrow.asked)["path"] == "/a/b"


def test_a_rule_counts_wherever_it_is_reached() -> None:
    """At the gateway the first rule takes everything; in the sidecars it does not count."""
    rules = """
gateways: [mesh, edge]
http:
- match: [{gateways: [edge]}]
- match: [{uri: {prefix: /a}}]
- match: [{gateways: [edge], uri: {prefix: /b}}]
"""
    assert [one.rule for one in _one(rules)] == ["http[2]"]


@pytest.mark.parametrize(
    "pattern",
    [*REGEXES, r"a\.b", "a{2}", "a{2,}b", "a{0,2}", "(ab|c)*d?", "[a-c]+", r"\d+x", "^ab$", "a*?b", "(?:a|)b", "[]a]", r"[\w.-]+"],
)
def test_expressions_are_read_as_python_reads_them(pattern: str) -> None:
    """Of all short texts the same ones match; of common texts a shortest one does."""
    texts = ["".join(chars) for length in range(5) for chars in product("abAcd/.x1]2", repeat=length)]
    edges = Edges()
    parse_pattern(pattern, edges)
    known = re.compile(pattern, re.DOTALL)
    for text in texts[::37]:
        ours = common_text([TextTest(TextMatch("regex", pattern)), TextTest(TextMatch("exact", text))])
        assert (ours == text) is (known.fullmatch(text) is not None), text


@pytest.mark.parametrize("pattern", ["(?!a)", r"\bword", "a++", "(a", "[a", "[[:alpha:]]", "a{200}", r"(?P<n>a)", "a$b", "*a", r"\1"])
def test_what_is_not_read_is_never_guessed(pattern: str) -> None:
    with pytest.raises(UnreadablePatternError):
        parse_pattern(pattern, Edges())
    rules = f"http:\n- match: [{{uri: {{regex: '{pattern}'}}}}]\n- match: [{{uri: {{prefix: /a}}}}]"
    assert _one(rules) == []


def test_a_thousand_rules_are_compared_in_seconds() -> None:
    rows = "\n".join(f"- match: [{{uri: {{prefix: /team-{number}/}}}}]" for number in range(1_000))
    assert [one.rule for one in _one(f"http:\n{rows}\n- match: [{{uri: {{exact: /team-7/x}}}}]")] == ["http[1000]"]


def test_taken_by_nobody_is_none() -> None:
    (virtual,) = RoutingWorld(
        [made("VirtualService", "shop", "pay", "hosts: [pay]\nhttp: [{match: [{uri: {prefix: /a}}]}]")]
    ).virtual_services.all
    assert taken_by(http_boxes(virtual)[0], []) is None


ROUTE = """
parentRefs: [{group: "", kind: Service, name: pay, port: 8080}]
rules:
- backendRefs: [{name: pay, port: 8080}]
"""


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
@pytest.mark.parametrize("dates", [("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), ("", "")], ids=["dates", "no dates"])
def test_of_two_routes_the_older_counts_and_without_dates_either(kind: str, dates: tuple[str, str]) -> None:
    """Routes of every kind are ordered by their dates, and a source without dates does not tell which is the first."""
    routes = [made(kind, "shop", name, ROUTE, "gateway.networking.k8s.io/v1") for name in ("first", "second")]
    for route, date in zip(routes, dates, strict=True):
        route["metadata"].update({"creationTimestamp": date} if date else {})
    kinds = {"Service": [service("shop", "pay", "grpc:8080")], kind: routes}
    (found,) = dead_matches(kinds, RoutingMesh())
    assert (found.ref, [ref for ref, _place in found.takers]) == (f"{kind} shop/second", [f"{kind} shop/first"])
    assert found.undated is not any(dates)
