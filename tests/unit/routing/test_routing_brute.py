# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator against a naive reading of a VirtualService: the first rule of which any match fits, word for word."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import RouteAnswer, RoutingWorld
from ansible_collections.meshops.mesh.plugins.module_utils._routing.model import Consumer, RouteRequest
from routing.routing_shop import made, service

PATHS = ("/", "/a", "/a/b", "/ab", "/A", "/b")
VALUES = ("1", "2", "12", "")
LABELS = ({"app": "web"}, {"app": "batch"}, {"app": "web", "tier": "front"})


def _text(chance: random.Random, values: tuple[str, ...]) -> dict[str, str]:
    form = chance.choice(("exact", "prefix"))
    return {form: chance.choice([value for value in values if value or form == "exact"])}


def _match(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if chance.random() < 0.7:
        found["uri"] = _text(chance, PATHS)
        if chance.random() < 0.2:
            found["ignoreUriCase"] = True
    if chance.random() < 0.4:
        found["headers"] = {"x-v": _text(chance, VALUES)}
    if chance.random() < 0.2:
        found["withoutHeaders"] = {"x-w": _text(chance, ("1", "2"))}
    if chance.random() < 0.2:
        found["queryParams"] = {"q": {"exact": chance.choice(("1", "2"))}}
    if chance.random() < 0.2:
        found["method"] = {"exact": chance.choice(("GET", "POST"))}
    if chance.random() < 0.2:
        found["sourceLabels"] = dict(chance.choice(LABELS))
    if chance.random() < 0.1:
        found["port"] = chance.choice((8080, 9090))
    return found


def _fits(match: Mapping[str, str], value: str | None) -> bool:
    if value is None:
        return False
    return value == match["exact"] if "exact" in match else value.startswith(match["prefix"])


def _holds(match: Mapping[str, Any], caller: Consumer, request: RouteRequest) -> bool:
    path, _mark, query = request.path.partition("?")
    asked = dict(part.partition("=")[::2] for part in query.split("&")) if query else {}
    if "uri" in match:
        wanted = dict(match["uri"])
        if match.get("ignoreUriCase"):
            path, wanted = path.lower(), {form: text.lower() for form, text in wanted.items()}
        if not _fits(wanted, path):
            return False
    if any(not _fits(text, request.headers.get(name)) for name, text in match.get("headers", {}).items()):
        return False
    if any(_fits(text, request.headers.get(name, "")) for name, text in match.get("withoutHeaders", {}).items()):
        return False
    if any(not _fits(text, asked.get(name)) for name, text in match.get("queryParams", {}).items()):
        return False
    if "method" in match and match["method"]["exact"] != request.method:
        return False
    if any(caller.labels.get(name) != value for name, value in match.get("sourceLabels", {}).items()):
        return False
    return match.get("port", request.port) == request.port


def _naive(rules: list[dict[str, Any]], caller: Consumer, request: RouteRequest) -> str:
    for rule in rules:
        if not rule["match"] or any(_holds(match, caller, request) for match in rule["match"]):
            return str(rule["route"][0]["destination"]["subset"])
    return "404"


def _subset(answer: RouteAnswer) -> str:
    return answer.destinations[0].name.split("|")[2] if answer.destinations else "404"


def test_the_first_rule_that_fits_is_taken() -> None:
    chance = random.Random(17)
    seen: dict[str, int] = {}
    for _world in range(150):
        rules = [
            {
                "match": [_match(chance) for _number in range(chance.randrange(3))],
                "route": [{"destination": {"host": "pay", "subset": f"s{rule}"}}],
            }
            for rule in range(chance.randrange(1, 6))
        ]
        virtual = made("VirtualService", "shop", "pay", "hosts: [pay]")
        virtual["spec"]["http"] = rules
        world = RoutingWorld([service("shop", "pay"), virtual])
        # a rule that fits no caller leaves the Service to itself; that is told by the subset, which is empty
        for _request in range(20):
            caller = Consumer("shop", dict(chance.choice(LABELS)))
            query = chance.choice(("", "", "?q=1", "?q=2"))
            headers = {name: chance.choice(VALUES) for name in ("x-v", "x-w") if chance.random() < 0.5}
            request = RouteRequest(
                "10.0.0.1", 8080, "pay", method=chance.choice(("GET", "POST")), path=chance.choice(PATHS) + query, headers=headers
            )
            expected, found = _naive(rules, caller, request), _subset(world.answer(caller, request))
            static = any(not rule["match"] or any(_static(match, caller) for match in rule["match"]) for rule in rules)
            assert found == (expected if static else ""), (rules, caller, request)
            seen[found] = seen.get(found, 0) + 1
    assert len(seen) >= 6 and seen["404"] > 300


def _static(match: Mapping[str, Any], caller: Consumer) -> bool:
    """What istiod decides: without it the rule is not there at all."""
    labels = all(caller.labels.get(name) == value for name, value in match.get("sourceLabels", {}).items())
    return labels and match.get("port", 8080) == 8080
