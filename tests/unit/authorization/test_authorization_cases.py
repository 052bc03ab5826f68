# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded verdicts of a real Envoy under Istio's own translation: all of them, and the reasons where Envoy gave one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.read import read_policies
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.validate import validate
from authorization.cases import Outcome, Worlds, mesh_of, read_rows, request_of, run_rows, workload_of

FILE = Path(__file__).resolve().parents[2] / "authorization" / "data" / "authz-cases.jsonl.gz"
RUN = FILE.parents[1] / "run_cases.py"
_RULE = re.compile(r"rbac_access_denied_matched_policy\[(.*)\]")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(read_rows(FILE))


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    return Worlds()


@pytest.fixture(scope="module")
def outcomes(rows: list[dict[str, Any]], worlds: Worlds) -> list[Outcome]:
    return list(run_rows(rows, worlds))


def test_every_verdict_agrees(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == 4867
    assert [f"{outcome.row['id']}: {outcome.verdict}" for outcome in outcomes if not outcome.agrees] == []


def test_the_deciding_rule_is_the_one_that_envoy_named(outcomes: list[Outcome]) -> None:
    compared = 0
    for outcome in outcomes:
        found = _RULE.fullmatch(outcome.row["observed"]["detail"] or "")
        if found:
            compared += 1
            suffix = "-deny-due-to-bad-CUSTOM-action" if outcome.verdict.by == "CUSTOM" else ""
            ours = outcome.verdict.rule.name + suffix if outcome.verdict.rule else "none"
            assert ours == found[1], outcome.row["id"]
    assert compared > 2500


def test_a_refusal_always_says_why(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        verdict = outcome.verdict
        if verdict.allowed:
            continue
        assert verdict.rule or verdict.by == "default"
        if verdict.by == "default" and verdict.nearest:
            assert verdict.nearest.failed, outcome.row["id"]
        assert str(verdict).startswith("denied")


def test_path_sni_and_remote_address_are_what_envoy_saw(rows: list[dict[str, Any]], worlds: Worlds) -> None:
    for row in rows:
        facts = worlds.chain(row).facts(request_of(row, remote_ip=False))
        assert str(facts.remote_ip[0]) == row["request"]["remote_ip"], row["id"]
        assert facts.sni == (row["observed"]["sni"] or "",), row["id"]
        if row["observed"]["path"] is not None:
            assert facts.header(":path") == (row["observed"]["path"],), row["id"]


def test_the_workload_enforces_the_policies_that_istio_selected(rows: list[dict[str, Any]], worlds: Worlds) -> None:
    for row in rows:
        policies, _findings = worlds.of(row)
        found: dict[str, list[str]] = {action: [] for action in row["selected"]}
        for policy in policies.attached(workload_of(row)):
            found[policy.action].append(policy.key)
        assert {action: sorted(keys) for action, keys in found.items()} == {
            action: sorted(keys) for action, keys in row["selected"].items()
        }


def test_admission_refuses_what_istio_refused(rows: list[dict[str, Any]]) -> None:
    for row in {row["set"]: row for row in rows}.values():
        mesh = mesh_of(row)
        policies, _findings = read_policies(row["policies"], mesh.abilities)
        refused = [finding for policy in policies for finding in validate(policy, mesh.abilities) if finding.effect == "rejected"]
        assert bool(refused) == ("webhook-invalid" in row["tags"]), row["id"]


def test_run_cases_counts_and_fails_on_a_difference(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    row = rows[0]
    wrong = dict(row, verdict="DENY" if row["verdict"] == "ALLOW" else "ALLOW", id="turned")
    mixed, good = tmp_path / "mixed.jsonl", tmp_path / "good.jsonl"
    mixed.write_text(json.dumps(row) + "\n" + json.dumps(wrong) + "\n", encoding="utf-8")
    good.write_text(json.dumps(row) + "\n", encoding="utf-8")
    ran = subprocess.run([sys.executable, str(RUN), str(mixed)], capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and ran.stdout.splitlines()[-1] == "1 agree, 1 differ" and "turned: Envoy says" in ran.stdout
    ran = subprocess.run([sys.executable, str(RUN), str(good)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and ran.stdout == "1 agree, 0 differ\n"
