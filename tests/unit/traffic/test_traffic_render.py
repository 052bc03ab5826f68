# SPDX-License-Identifier: GPL-3.0-or-later
"""What mesh_traffic becomes, by Istio's API in both generations and by the Gateway API; refresh the golden files with UPDATE_GOLDEN=1."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.cookies import cookie_pattern
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.intent import ComparedText, escaped, read_traffic
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.outside import listener_of
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.render import RenderSettings, render_traffic

sys.path.insert(0, str(Path(__file__).parent))
from test_traffic_refusals import GOOD
from traffic_bookinfo import GATEWAYS, entry, service

GOLDEN = Path(__file__).parent / "golden"
SERVICES = {
    "bookinfo/reviews": service("reviews"),
    "bookinfo/ratings": service("ratings", {"name": "http", "port": 80}, {"name": "grpc", "port": 81}),
}
EDGE = {"name": "edge", "namespace": "bookinfo", "hosts": ["edge.example.com"], "api": "gateway"}
PLAIN = entry(
    service="ratings",
    port=80,
    versions=[
        {"name": "stable", "labels": {"track": "stable"}},
        {"name": "next", "labels": {"track": "next"}, "resilience": {"sticky": {"header": "x"}}},
    ],
    gateways=["edge"],
    hosts=["edge.example.com"],
    paths=[{"prefix": "/ratings"}],
    resilience={
        "load_balancer": "ROUND_ROBIN",
        "connection_pool": {"max_connections": 10, "max_pending_requests": 1, "idle_timeout": "1m"},
    },
    routes=[
        {
            "match": [{"path": {"exact": "/ratings/0"}, "method": "GET"}, {"headers": {"x-a": {"prefix": "b."}, "x-b": {"present": True}}}],
            "to": {"next": 100},
        },
        {
            "match": [{"cookies": {"canary": "on"}}, {"users": {"header": "end-user", "names": ["j.doe", "ann"]}}],
            "to": {"next": 100},
            "timeout": "2s",
        },
        {"to": {"stable": 95, "next": 5}, "mirror": {"version": "next", "percent": 2.5}},
    ],
)
CLAIM = entry(
    gateways=["bookinfo"],
    hosts=["bookinfo.example.com"],
    routes=[
        {"match": [{"users": {"claim": "sub", "names": ["ann"]}}, {"from": {"namespace": "web"}}], "to": {"v2": 100}},
        {"to": {"v1": 100, "v2": 0}},
    ],
)
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "istio": ([GOOD, {**PLAIN, "gateways": [], "hosts": [], "paths": []}], {}),
    "ossm2": ([GOOD], {"version": "v1beta1"}),
    "gateway": ([PLAIN], {"api": "gateway"}),
    "claims": ([CLAIM], {}),
}


def rendered(rows: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    listeners = {row["name"]: listener_of(number, row, "istio-system") for number, row in enumerate([*GATEWAYS, EDGE])}
    found = render_traffic(read_traffic(rows), RenderSettings(listeners=listeners, services=SERVICES, **given))
    return {layer: {f"{obj['kind']} {obj['metadata']['name']}": obj for obj in objects} for layer, objects in vars(found).items()}


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    rows, given = CASES[case]
    found = rendered(rows, **given)
    path = GOLDEN / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(yaml.safe_dump(found, sort_keys=True, width=140), encoding="utf-8")
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == found


def test_a_version_without_a_share_is_there_and_gets_nothing() -> None:
    found = rendered([CLAIM])
    (rule,) = found["routes"]["VirtualService reviews"]["spec"]["http"][1:]
    assert [one["destination"]["subset"] for one in rule["route"]] == ["v1"] and "weight" not in rule["route"][0]
    assert [one["name"] for one in found["subsets"]["DestinationRule reviews"]["spec"]["subsets"]] == ["v1", "v2"]


def test_only_the_port_that_is_meant_is_routed() -> None:
    """A VirtualService is for all ports of its host: those that it is not for keep the way that they had."""
    rules = rendered([PLAIN])["routes"]["VirtualService ratings"]["spec"]["http"]
    assert all(match["port"] == 80 for rule in rules for match in rule["match"])


COOKIES: dict[str, dict[str, Any]] = {
    "exact": {"canary": "on"},
    "dots": {"v": "1.2"},
    "prefix": {"team": {"prefix": "blue"}},
    "present": {"team": {"present": True}},
    "regex": {"v": {"regex": "1|2"}},
    "two": {"a": "1", "b": "2"},
}


@pytest.mark.parametrize(("cookies", "header", "matches"), [
    ("exact", "canary=on", True),
    ("exact", "a=b; canary=on", True),
    ("exact", "canary=on; a=b", True),
    ("exact", "a=b; canary=on; c=d", True),
    ("exact", "canary=once", False),
    ("exact", "canary=on2; a=b", False),
    ("exact", "xcanary=on", False),
    ("exact", "a=canary=on", False),
    ("exact", "", False),
    ("dots", "v=1.2", True),
    ("dots", "v=1x2", False),
    ("prefix", "a=b; team=blue7; c=d", True),
    ("prefix", "team=red", False),
    ("present", "team=; a=b", True),
    ("present", "teams=1", False),
    ("regex", "v=2; a=b", True),
    ("regex", "v=3", False),
    ("regex", "v=12", False),
    ("two", "a=1; b=2", True),
    ("two", "b=2; x=y; a=1", True),
    ("two", "a=1", False),
    ("two", "a=1; b=3", False),
    ("two", "a=12; b=2", False),
])  # fmt: skip
def test_cookies(cookies: str, header: str, matches: bool) -> None:
    """Envoy's regular expressions are those of the whole header; these have nothing that RE2 reads otherwise."""
    pattern = cookie_pattern({name: ComparedText.of(said) for name, said in COOKIES[cookies].items()})
    assert bool(re.fullmatch(pattern, header)) == matches


@pytest.mark.parametrize("text", ["a.b", "a|b", "(a)", "^$", "[x]", "a{2}", "a\\b", "a*b+c?", "plain-text_1"])
def test_an_escaped_text_is_that_text_and_no_other(text: str) -> None:
    assert re.fullmatch(escaped(text), text) and not re.fullmatch(escaped(text), f"{text}x")
    assert not re.fullmatch(escaped(text), text.replace(".", "x")) or "." not in text
