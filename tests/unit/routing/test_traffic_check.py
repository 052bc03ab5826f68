# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: a pull request that deletes a subset in use fails with who breaks, in JUnit and SARIF with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._checks.documents import junit
from ansible_collections.meshops.mesh.plugins.module_utils._checks.sarif import sarif
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_check import run_traffic_checks
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from routing.routing_shop import NOW, made, shop

EXPECT = ["shop/web -> pay:8080 GET /x reaches pay v2 at 20 %", "internet -> http://shop.example.com/admin answers 403"]


def folder(path: Path, objects: list[dict[str, Any]]) -> Path:
    path.mkdir(parents=True)
    (path / "shop.yml").write_text(yaml.safe_dump_all(objects, sort_keys=False), encoding="utf-8")
    return path


def without_v2(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in objects:
        if one["kind"] == "DestinationRule":
            one["spec"]["subsets"] = one["spec"]["subsets"][:1]
    return objects


def check(path: Path, expect: list[Any]) -> Any:
    params: dict[str, Any] = {"expect": expect, "path": str(path), "members": None, "provider": "ossm3"}
    return run_traffic_checks(params, Snapshot.from_manifests(str(path), cluster="west", taken_at=NOW))


def test_a_folder_in_which_all_holds_passes_and_says_where_each_goes(tmp_path: Path) -> None:
    found = check(folder(tmp_path / "main", shop()), EXPECT)
    assert found.report.summary["failed"] == 0
    assert found.text.splitlines()[0] == "west: 2 expectations of 5 callers, all of them hold"
    assert [(row["caller"], row["goes"], row["decided_by"]) for row in found.requests] == [
        ("shop/web", "80 % pay.shop v1, 20 % pay.shop v2", "VirtualService shop/pay http[1]"),
        ("edge/ingress",
         "routed to web.shop, then 403 there (denied by DENY shop/no-admin rules[0]: to[0].operation.paths [/admin*])",
         "VirtualService shop/public http[1]"),
    ]  # fmt: skip


# What a team's own folder has: applications, and the Gateway whose pods the platform runs.
TEAM = [one for one in shop() if one["metadata"].get("namespace") != "edge" and one["metadata"]["name"] != "edge"]
OPEN = made("Gateway", "shop", "public", "{selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, "
            "hosts: ['*']}]}")  # fmt: skip
ROUTE = made(
    "VirtualService",
    "shop",
    "open",
    """
    hosts: [team.example.com]
    gateways: [public]
    http: [{match: [{uri: {prefix: /pay}}], route: [{destination: {host: pay.shop.svc.cluster.local, port: {number: 8080}}}]}]
""",
)


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("internet -> http://team.example.com/pay reaches pay", ""),
        ("internet -> http://team.example.com:8080/pay reaches pay", ""),  # the port of the Gateway itself
        ("internet -> http://team.example.com/admin answers 404", ""),
        ("internet -> https://team.example.com/pay reaches pay", "the connection is refused: nothing listens on that port instead"),
        ("internet -> http://team.example.com/pay reaches pya", "no Service or ServiceEntry is called pya in istio-system"),
        ("shop/pay -> web:8080 reaches web", ""),
        ("shop/wbe -> pay:8080 reaches pay", "no workload with a proxy is called shop/wbe; did you mean shop/web?"),
    ],
)
def test_a_folder_without_the_pods_of_its_gateway_has_one_assumed(tmp_path: Path, sentence: str, wrong: str) -> None:
    found = check(folder(tmp_path / "team", [*TEAM, OPEN, ROUTE]), [sentence])
    assert found.text.splitlines()[1] == (
        "assumed: a gateway with istio=ingressgateway in istio-system for Gateway shop/public: the folder has no such pods. Their account "
        "is not known, so policies of the workloads behind them are not asked"
    )
    assert (found.report.summary["failed"] == 0) == (not wrong)
    assert wrong in found.text


def test_a_gateway_is_assumed_only_where_a_gateway_object_has_no_pods(tmp_path: Path) -> None:
    text = check(folder(tmp_path / "whole", shop()), EXPECT).text
    assert "assumed" not in text


def test_a_deleted_subset_fails_with_caller_file_and_line(tmp_path: Path) -> None:
    path = folder(tmp_path / "change", without_v2(shop()))
    found = check(path, EXPECT)
    assert found.report.summary["failed"] == 1
    assert "1 problem" in found.text.splitlines()[0]
    assert "from shop/web: it is 80 % pay.shop v1, 20 % 503 (no DestinationRule defines subset v2" in found.text
    result = json.loads(sarif(found.report, by="traffic_check"))["runs"][0]["results"][0]
    place = result["locations"][0]["physicalLocation"]
    lines = (path / "shop.yml").read_text(encoding="utf-8").splitlines()
    start = next(number for number, text in enumerate(lines) if "prefix: /old" in text)
    rule = next(number for number, text in enumerate(lines, start=1) if number > start + 1 and text.strip() == "- route:")
    assert place["artifactLocation"]["uri"].endswith("shop.yml") and place["region"]["startLine"] == rule
    assert "shop.yml" in junit(found.report) and "no DestinationRule defines subset v2" in junit(found.report)


def test_mistakes_are_all_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        check(folder(tmp_path / "main", shop()), ["web pay", "web -> pay", EXPECT[0]])
    assert "expect[0] (web pay) has no caller before ->" in str(told.value) and "expect[1] (web -> pay) does not say" in str(told.value)


def test_a_folder_without_callers_is_no_proof(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no workload with a proxy and no gateway was found"):
        check(folder(tmp_path / "main", [one for one in shop() if one["kind"] != "Deployment"]), EXPECT)
