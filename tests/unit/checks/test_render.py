# SPDX-License-Identifier: GPL-3.0-or-later
"""Renderers against golden files (MESH_UPDATE_GOLDEN=1 writes them anew) and against the structure of their formats."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.check_table import FilterModule
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE, run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._checks.documents import json_report, junit
from ansible_collections.meshops.mesh.plugins.module_utils._checks.render import short_lines, summary_line, table, verdict_line
from ansible_collections.meshops.mesh.plugins.module_utils._checks.runner import Report
from ansible_collections.meshops.mesh.plugins.module_utils._checks.sarif import sarif

from .builder import intent, options, snapshot

GOLDEN = Path(__file__).parent / "golden"
READY = {"conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "Reconciled")]}


@pytest.fixture(scope="module", name="report")
def _report() -> Report:
    objects: list[dict[str, Any]] = [
        {
            "Istio production": {
                "spec": {"namespace": "istio-system", "version": "v1.23.5"},
                "status": {"activeRevisionName": "production"} | READY,
            }
        },
        {"IstioRevision production": {"spec": {"version": "v1.23.5"}, "status": READY}},
        {"IstioCNI default": {"spec": {"version": "v1.23.5"}, "status": READY}},
        {"Deployment istio-system/istiod-production": {"spec": {"replicas": 2}, "status": {"updatedReplicas": 2, "availableReplicas": 1}}},
        {"Namespace shop": {"labels": {"istio-injection": "enabled", "istio.io/rev": "production"}}},
        {"Namespace pay": {"labels": {"istio.io/rev": "production"}}},
        {"Service pay/web": {"spec": {"ports": [{"port": 80}]}}},
        {
            "Pod pay/app": {
                "status": {"containerStatuses": [{"name": "app", "restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}
            }
        },
        {"Pod pay/odd": {"status": {"containerStatuses": [{"name": "a\u0001<&>", "restartCount": 9}]}}},
    ]
    chosen = options(categories=("control_plane", "membership", "workloads"), ignore=("OSM1406",))
    return run_checks(snapshot(objects), intent(members=["shop", "pay"]), chosen)


def rows(report: Report) -> list[dict[str, Any]]:
    return [row.to_dict() for row in report.rows]


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("MESH_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("show_from", ["info", "warning", "error"])
def test_table(report: Report, show_from: str) -> None:
    check_golden(f"table_{show_from}.txt", table(rows(report), show_from=show_from, summary=report.summary) + "\n")


def row(code: str, category: str, status: str = "skipped", message: str = "") -> dict[str, Any]:
    return {"id": code, "category": category, "title": f"{code} is so", "status": status, "severity": "error", "resource": "",
            "message": message, "hint": "", "hint_url": ""}  # fmt: skip


def test_what_was_not_asked_is_told_by_reason_at_the_end() -> None:
    given = [
        row("OSM1001", "api", message="manifests do not say what runs"),
        row("OSM1201", "control_plane", "passed"),
        row("OSM1202", "control_plane", message="manifests do not say what runs"),
        row("OSM1203", "control_plane", message="there is no Istio"),  # beside one that passed, and alone: it stays where it is looked for
        *(row(f"OSM20{number}", "certificates", message=f"there is no {number}") for number in range(10, 14)),
    ]
    assert table(given).splitlines() == [
        "control plane",
        "-------------",
        "√ OSM1201 is so",
        "· OSM1203 is so (skipped, there is no Istio)",
        "",
        "skipped, by reason (how many checks)",
        "------------------------------------",
        "· manifests do not say what runs: Kubernetes API (1), control plane (1)",
        "· each for a reason of its own, which the rows and reports have: certificates (4)",
        "",
        "1 passed, 0 warnings, 0 failed, 7 skipped",
    ]
    assert table(given[:-1]).splitlines()[-5:-2] == [f"· there is no {number}: certificates (1)" for number in range(10, 13)]
    assert short_lines(table(given).splitlines()) == ["1 passed, 0 warnings, 0 failed, 7 skipped"]


def test_a_failure_is_one_line_that_says_which(report: Report) -> None:
    def line(fail_on: str, status: str = "") -> str:
        return verdict_line([row.to_dict() for row in report.failing(fail_on) if status in ("", row.status)], cluster="west")

    codes = dict.fromkeys(row.id for row in report.failing("error"))
    end = "; the table says where and what to do"
    assert line("error") == f"west: {len(codes)} checks failed ({', '.join(codes)}){end}" and len(codes) > 2
    assert line("warning").startswith(line("error").removesuffix(end)) and " with warnings (OSM1208" in line("warning")
    assert line("warning", "warning").startswith("west: ") and "failed" not in line("warning", "warning")
    one = verdict_line([report.failing("error")[0].to_dict()] * 2, cluster="west\x1b")
    assert one == f"west\\x1b: 1 check failed ({next(iter(codes))}){end}"


def test_one_warning_is_one_warning() -> None:
    assert summary_line({"passed": 2, "warning": 1}) == "2 passed, 1 warning, 0 failed, 0 skipped"
    assert summary_line({"warning": 2, "failed": 1}) == "0 passed, 2 warnings, 1 failed, 0 skipped"


@pytest.mark.parametrize(("name", "render"), [("report.json", json_report), ("junit.xml", junit)])
def test_documents(report: Report, name: str, render: Any) -> None:
    check_golden(name, render(report))


def test_show_from_never_changes_the_summary(report: Report) -> None:
    last = {table(rows(report), show_from=word).splitlines()[-1] for word in ("info", "warning", "error")}
    assert len(last) == 1


def test_json_is_one_document_with_all_rows(report: Report) -> None:
    data = json.loads(json_report(report))
    assert data["summary"] == report.summary and len(data["checks"]) == len(report.rows)
    assert sum(data["summary"].values()) == len(report.rows)


def test_junit_counts_are_those_of_its_cases(report: Report) -> None:
    root = ET.fromstring(junit(report))  # noqa: S314 - our own text
    assert root.tag == "testsuites" and int(root.get("tests", "")) == len(report.rows)
    assert int(root.get("failures", "")) == report.summary["failed"]
    assert {suite.get("hostname") for suite in root} == {"west"} and all(suite.get("name", "").startswith("west: ") for suite in root)
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
        assert all(case.get("name") and case.get("classname") for case in cases)
    assert len(root.findall(".//failure")) == report.summary["failed"]
    assert len(root.findall(".//system-out")) == report.summary["warning"]
    assert len({case.get("name") for case in root.iter("testcase")}) == len(report.rows)


def test_sarif_has_every_rule_and_every_deviation(report: Report) -> None:
    data = json.loads(sarif(report, by="mesh_check"))
    (run,) = data["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert data["version"] == "2.1.0" and [rule["id"] for rule in rules] == [check.id for check in CATALOGUE.checks]
    assert len(run["results"]) == report.summary["failed"] + report.summary["warning"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"} and result["message"]["text"]
        assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
    assert all(rule["helpUri"].endswith(f"/docs/checks/{rule['id']}.md") for rule in rules)


def test_the_filter_renders_what_the_module_returns(report: Report) -> None:
    render = FilterModule().filters()["check_table"]
    assert render(rows(report)) == table(rows(report))
    with pytest.raises(AnsibleFilterError, match="must be the list `checks`"):
        render("not rows")
    with pytest.raises(AnsibleFilterError, match="must be one of info, warning, error"):
        render([], show_from="all")


def test_junit_has_what_jenkins_gitlab_and_azure_know(report: Report) -> None:
    """The strictest of them is the schema of Jenkins' xunit plugin."""
    known = {
        "testsuites": {"name", "time", "tests", "failures", "errors"},
        "testsuite": {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"},
        "testcase": {"name", "time", "classname"},
        "failure": {"type", "message"},
        "skipped": {"type", "message"},
        "system-out": set(),
    }
    root = ET.fromstring(junit(report))  # noqa: S314 - our own text
    below = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "skipped", "system-out"}}
    for element in root.iter():
        assert set(element.attrib) <= known[element.tag], element.tag
        assert {child.tag for child in element} <= below.get(element.tag, set())
    for suite in root:
        assert {"name", "tests", "failures", "errors"} <= set(suite.attrib)
        assert suite.get("timestamp") == "2026-11-21T12:00:00"


SHORT = """\
cluster west, mesh shop

gateways
--------
about them
× each host has a Route  [OSM1407]
    Gateway a/b: none
    see https://example.com/OSM1407

12 passed, 0 warnings, 1 failed, 3 skipped
"""


def test_short_is_what_deviates_and_the_summary() -> None:
    more = SHORT.replace("gateways\n", "control plane\n-------------\n√ it exists\n· 3 checks skipped, no gateways\n\ngateways\n")
    more = more.replace("them\n", "them\n√ each has a pod\n")
    assert short_lines(["", *more.splitlines(), ""]) == SHORT.splitlines()
    assert short_lines(["plan: nothing", "a: b"]) == ["plan: nothing", "a: b"] and short_lines(["", "√ all", ""]) == []
