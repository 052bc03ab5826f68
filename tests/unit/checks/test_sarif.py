# SPDX-License-Identifier: GPL-3.0-or-later
"""SARIF as GitHub takes it: the structure, its own rules, the place of each finding, and an identity that stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE, run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._checks import sarif as module
from ansible_collections.meshops.mesh.plugins.module_utils._checks.runner import Report, Row
from ansible_collections.meshops.mesh.plugins.module_utils._checks.sarif import VERSION, line_hashes, sarif
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Status
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Severity
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

from .builder import NOW, intent, options, snapshot
from .sarif_rules import faults

POLICIES = """\
# who may call
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: open, namespace: shop}
spec:
  action: ALLOW
  rules:
    - from:
        - source:
            principals: ["spiffe://cluster.local/ns/shop/sa/web"]
    - to:
        - operation:
            methods:
              - get
---

apiVersion: v1
kind: List
items:
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: listed, namespace: shop}
    spec:
      rules:
        - to: [{operation: {methods: [post]}}]
"""
SPACES = """\
{
  "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
  "metadata": {"name": "json", "namespace": "shop"},
  "spec": {
    "rules": [{"to": [
      {"operation": {"methods": ["put"]}}
    ]}]
  }
}
"""


def checked(root: Path, folder: Path, **given: Any) -> Report:
    (root / ".git").mkdir(parents=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "who may.yaml").write_text(POLICIES, encoding="utf-8")
    (folder / "json.json").write_text(SPACES, encoding="utf-8")
    read = Snapshot.from_manifests(folder, cluster="west", taken_at=NOW)
    chosen = options(categories=("authorization", "control_plane"))
    return run_checks(read, intent(members=["shop"], **given), chosen)


def results(report: Report) -> list[dict[str, Any]]:
    text = sarif(report, by="mesh_check")
    assert faults(text) == []
    found: list[dict[str, Any]] = json.loads(text)["runs"][0]["results"]
    return found


def place(result: dict[str, Any]) -> tuple[str, int]:
    physical = result["locations"][0]["physicalLocation"]
    return physical["artifactLocation"]["uri"], physical["region"]["startLine"]


def live(**given: Any) -> Report:
    objects: list[dict[str, Any]] = [
        {"Namespace shop": {"labels": {"istio-injection": "enabled", "istio.io/rev": "production"}}},
        {"Pod shop/a b": {"status": {"containerStatuses": [{"name": name, "restartCount": 9} for name in ("app", "other")]}}},
        {"Pod ../odd?#": {"status": {"containerStatuses": [{"name": "app", "restartCount": 9}]}}},
    ]
    return run_checks(snapshot(objects, **given), intent(members=["shop", ".."]), options())


def test_a_field_that_a_finding_names_is_its_line(tmp_path: Path) -> None:
    report = checked(tmp_path, tmp_path / "gitops" / "west")
    found = {row["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]: place(row) for row in results(report)
             if row["ruleId"] == "OSM3107"}  # fmt: skip
    assert found == {
        "AuthorizationPolicy shop/open": ("gitops/west/who%20may.yaml", 13),
        "AuthorizationPolicy shop/listed": ("gitops/west/who%20may.yaml", 25),
        "AuthorizationPolicy shop/json": ("gitops/west/json.json", 6),
    }


def test_a_value_that_a_finding_names_is_its_line(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n---\n"
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  hosts: [web]\n"
        "  gateways:\n    - mesh\n    - shop/nosuch\n  http:\n    - route:\n        - destination:\n            host: wbe\n",
        encoding="utf-8",
    )
    read = Snapshot.from_manifests(tmp_path, cluster="west", taken_at=NOW)
    report = run_checks(read, intent(members=["shop"]), options(categories=("gateways",)))
    assert {row["ruleId"]: place(row)[1] for row in results(report)} == {"OSM1505": 15, "OSM1506": 19}


def test_what_no_file_has_gets_a_path_of_its_own(tmp_path: Path) -> None:
    (row,) = [row for row in results(checked(tmp_path, tmp_path / "gitops")) if row["ruleId"] == "OSM1201"]
    assert place(row) == ("gitops/Istio/production", 1)


def test_a_folder_that_is_the_repository_or_a_link_into_it(tmp_path: Path) -> None:
    top = tmp_path / "top"
    assert {place(row)[0] for row in results(checked(top, top)) if row["ruleId"] == "OSM3107"} == {"who%20may.yaml", "json.json"}
    (tmp_path / "link").symlink_to(top)
    read = Snapshot.from_manifests(tmp_path / "link" / "json.json", cluster="west", taken_at=NOW)
    report = run_checks(read, intent(), options(categories=("authorization",)))
    assert {place(row)[0] for row in results(report)} >= {"json.json"}


def test_a_file_that_is_away_by_now_keeps_its_place(tmp_path: Path) -> None:
    report = checked(tmp_path, tmp_path / "gitops")
    (tmp_path / "gitops" / "who may.yaml").unlink()
    found = {place(row) for row in results(report) if row["ruleId"] == "OSM3107"}
    assert ("gitops/who%20may.yaml", 2) in found and ("gitops/json.json", 6) in found


def test_a_cluster_has_a_path_for_each_object() -> None:
    found = {place(row) for row in results(live())}
    assert ("clusters/west/Pod/shop/a%20b", 1) in found and ("clusters/west/Namespace/shop", 1) in found
    report = live(cluster="../we st/é")
    assert all(uri.startswith("clusters/..%2Fwe%20st%2F%C3%A9/") for uri, _line in map(place, results(report)))


def test_clusters_and_modules_are_categories_of_their_own() -> None:
    names = {json.loads(sarif(live(cluster=cluster), by=by))["runs"][0]["automationDetails"]["id"].rpartition("/")[0]
             for cluster in ("west", "east") for by in ("mesh_check", "upgrade_plan")}  # fmt: skip
    assert len(names) == 4


def test_a_fingerprint_stays_when_the_object_moves_and_no_two_are_alike(tmp_path: Path) -> None:
    def prints(report: Report, name: str) -> dict[str, str]:
        return {row["message"]["text"]: row["partialFingerprints"][name] for row in results(report)}

    before = checked(tmp_path / "a", tmp_path / "a")
    checked(tmp_path / "b", tmp_path / "b")
    (tmp_path / "b" / "who may.yaml").write_text("# one more line\n" * 40 + POLICIES, encoding="utf-8")
    after = run_checks(
        Snapshot.from_manifests(tmp_path / "b", cluster="east", taken_at=NOW),
        intent(members=["shop"]),
        options(categories=("authorization", "control_plane")),
    )
    for name in ("primaryLocationLineHash", "meshObject/v1"):
        here, there = prints(before, name), prints(after, name)
        same = {text for text in here if text.startswith("AuthorizationPolicy")}
        assert len(same) >= 3 and {text: here[text] for text in same} == {text: there[text] for text in same}
    assert prints(live(), "meshObject/v1") == prints(live(), "meshObject/v1")
    assert set(prints(live(), "meshObject/v1").values()).isdisjoint(prints(live(cluster="east"), "meshObject/v1").values())


@pytest.mark.parametrize(
    ("text", "hashes"),
    [  # what GitHub's own upload (codeql-action, fingerprints.ts) makes of these texts
        ("x\nx\nx\n\n", ["7bc8f7cacdc526a7:1", "a5d30319e7ad30cd:1", "75897d1b718b7603:1", "3c5bef55b72b93c9:1", "c129715d7a2bc9a3:1"]),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n"
            f'\tname: größe 😀\r\n\r\n  x: "{"z" * 150}"\nlast',
            [
                "1d09df7826f2a6c:1", "3b94fadf278189fc:1", "a67a2f085933d5f7:1", "991f3441dd50b71a:1", "fdc47c28d831706b:1",
                "8ced69b8d92f409a:1", "ca57ed076377917b:1", "dbea0a99aa77350a:1", "5262990744a71155:1", "f5b2258d23b75e1e:1",
                "8a9f47602a600866:1", "58429ecce5a8d0db:1",
            ],
        ),
    ],
)  # fmt: skip
def test_a_line_has_the_hash_that_github_makes_of_it(text: str, hashes: list[str]) -> None:
    assert line_hashes(text) == hashes


def test_a_line_that_is_there_again_is_counted() -> None:
    found = line_hashes("a line of thirty characters, ..\n" * 9)
    assert len(found) == 10 and [word.partition(":")[2] for word in found[:4]] == ["1", "2", "3", "4"]


def test_more_results_than_github_takes_are_left_out_from_the_mildest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.MOST_RESULTS == 25_000
    monkeypatch.setattr(module, "MOST_RESULTS", 50)
    row = Row("OSM1406", "workloads", "t", Status.WARNING, Severity.WARNING, "Pod shop/x", "it restarts")
    worst = Row("OSM1206", "control_plane", "t", Status.FAILED, Severity.ERROR, "Deployment shop/x", "it is away")
    many = tuple(replace(row, resource=f"Pod shop/{number}") for number in range(55))
    text = sarif(Report("west", (*many, worst), CATALOGUE), by="mesh_check")
    assert faults(text) == []
    (run,) = json.loads(text)["runs"]
    assert len(run["results"]) == 50 and run["results"][0]["ruleId"] == "OSM1206"
    assert "left out: 6 results" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_the_version_is_that_of_the_collection() -> None:
    galaxy = yaml.safe_load((Path(__file__).resolve().parents[3] / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["version"] == VERSION


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda run: run["results"][0].pop("locations"), "1 to 10 locations"),
        (lambda run: run["results"][0]["locations"][0].pop("physicalLocation"), "has to be physical"),
        (lambda run: run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(uri="file:///x"), "not relative"),
        (lambda run: run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(uri="a/../b"), "no path below"),
        (lambda run: run["results"][0]["locations"][0]["physicalLocation"]["region"].pop("endLine"), "all four numbers"),
        (lambda run: run["results"][0].update(partialFingerprints={}), "is the one that counts"),
        (lambda run: run["results"][0].update(ruleId="OSM0000"), "not among the rules"),
        (lambda run: run["results"].append(run["results"][0]), "are one alert"),
        (lambda run: run["results"][0].update(more=1), "Additional properties"),
        (lambda run: run["automationDetails"].update(id="west"), "a category of its own"),
        (lambda run: run["tool"]["driver"]["rules"][0]["shortDescription"].update(text="x" * 1025), "1024 characters"),
        (lambda run: run["tool"]["driver"]["rules"][0].pop("help"), "help.text"),
    ],
)
def test_the_rules_find_what_breaks_them(change: Any, fault: str) -> None:
    document = json.loads(sarif(live(), by="mesh_check"))
    change(document["runs"][0])
    assert any(fault in text for text in faults(json.dumps(document)))
