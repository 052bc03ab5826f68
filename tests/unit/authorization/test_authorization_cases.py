# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded verdicts of a real Envoy and a real ztunnel under Istio's own translation: all of them, and their reasons."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from authorization.cases import Outcome, Worlds, read_rows, request_of, run_rows, workload_of

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


@pytest.fixture(scope="module")
def ambient() -> dict[str, list[dict[str, Any]]]:
    return {kind: list(read_rows(FILE.with_name(f"ambient-{kind}-cases.jsonl.gz"))) for kind in ("ztunnel", "waypoint")}


def test_every_verdict_agrees(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == 4867
    assert [f"{outcome.row['id']}: {outcome.reason}" for outcome in outcomes if not outcome.agrees] == []


@pytest.mark.parametrize(("kind", "every", "denied"), [("ztunnel", 6649, 2323), ("waypoint", 1594, 405)])
def test_every_verdict_of_ambient_agrees(
    kind: str, every: int, denied: int, ambient: dict[str, list[dict[str, Any]]], worlds: Worlds
) -> None:
    found = list(run_rows(ambient[kind], worlds))
    assert (len(found), sum(one.word == "DENY" for one in found)) == (every, denied)
    assert [f"{one.row['id']}: {one.reason}" for one in found if not one.agrees] == []


def test_ztunnel_was_denied_by_what_it_named(ambient: dict[str, list[dict[str, Any]]], worlds: Worlds) -> None:
    """Of several that deny it names any: the one that it names must be one of ours."""
    named: dict[str, int] = {}
    for row in ambient["ztunnel"]:
        key = (row["observed"]["detail"] or "").partition("explicitly denied by: ")[2]
        if not key:
            continue
        world, workload, request = worlds.of(row), workload_of(row), request_of(row)
        _request, closed = world.connect(workload, request)
        if "/istio_converted_static_strict" in key or "/converted_peer_authentication_" in key:
            word = "PeerAuthentication"
            assert closed and closed.status == "reset", row["id"]
            if "static" not in key:
                assert f"PeerAuthentication {key.replace('converted_peer_authentication_', '')} " in closed.reason, row["id"]
        else:
            word, chain = "AuthorizationPolicy", world.policies.chain(workload)
            assert key in {rule.policy.key for rule in chain.deny if rule.matches(chain.facts(request))}, row["id"]
        named[word] = named.get(word, 0) + 1
    assert named["PeerAuthentication"] > 250 and named["AuthorizationPolicy"] > 700


def test_the_deciding_rule_is_the_one_that_envoy_named(outcomes: list[Outcome]) -> None:
    compared = 0
    for outcome in outcomes:
        found = _RULE.fullmatch(outcome.row["observed"]["detail"] or "")
        if found:
            compared += 1
            assert outcome.verdict
            suffix = "-deny-due-to-bad-CUSTOM-action" if outcome.verdict.by == "CUSTOM" else ""
            ours = outcome.verdict.rule.name + suffix if outcome.verdict.rule else "none"
            assert ours == found[1], outcome.row["id"]
    assert compared > 2500


def test_a_refusal_always_says_why(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        verdict = outcome.verdict
        if verdict is None or verdict.allowed:
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


def test_the_workload_enforces_the_policies_that_istio_selected(
    rows: list[dict[str, Any]], ambient: dict[str, list[dict[str, Any]]], worlds: Worlds
) -> None:
    for row in (*rows, *ambient["waypoint"]):
        found: dict[str, list[str]] = {action: [] for action in row["selected"]}
        for policy in worlds.of(row).policies.attached(workload_of(row)):
            found[policy.action].append(policy.key)
        assert {action: sorted(keys) for action, keys in found.items()} == {
            action: sorted(keys) for action, keys in row["selected"].items()
        }, row["id"]


def test_ztunnel_has_the_policies_that_istiod_sent_it(ambient: dict[str, list[dict[str, Any]]], worlds: Worlds) -> None:
    """What istiod makes of PeerAuthentications is told apart by its name, and is no policy here."""
    for row in ambient["ztunnel"]:
        policies = worlds.of(row).policies
        found: dict[str, list[str]] = {action: [] for action in row["selected"]}
        for policy in policies.attached(workload_of(row)):
            if policies.compiled(policy, "ZTUNNEL").enforced:
                found["DRY_RUN" if policy.dry_run else policy.action].append(policy.key)
        assert {action: sorted(keys) for action, keys in found.items()} == {
            action: sorted(key for key in keys if not re.search("/(istio_)?converted_", key)) for action, keys in row["selected"].items()
        }, row["id"]


def test_admission_refuses_what_istio_refused(rows: list[dict[str, Any]], ambient: dict[str, list[dict[str, Any]]], worlds: Worlds) -> None:
    every = {row["set"]: row for row in (*rows, *ambient["ztunnel"], *ambient["waypoint"])}
    for row in every.values():
        refused = [finding for finding in worlds.of(row).findings if finding.effect in ("rejected", "unreadable")]
        assert bool(refused) == bool({"webhook-invalid", "undecodable"} & set(row["tags"])), row["id"]
    assert len(every) > 1100


@pytest.mark.parametrize(("kind", "real"), [("", "Envoy"), ("ztunnel", "ztunnel"), ("waypoint", "Envoy")])
def test_run_cases_counts_and_fails_on_a_difference(
    kind: str, real: str, rows: list[dict[str, Any]], ambient: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    row = (ambient[kind] if kind else rows)[0]
    wrong = dict(row, verdict="DENY" if row["verdict"] == "ALLOW" else "ALLOW", id="turned")
    mixed, good = tmp_path / "mixed.jsonl", tmp_path / "good.jsonl"
    mixed.write_text(json.dumps(row) + "\n" + json.dumps(wrong) + "\n", encoding="utf-8")
    good.write_text(json.dumps(row) + "\n", encoding="utf-8")
    ran = subprocess.run([sys.executable, str(RUN), str(mixed)], capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and ran.stdout.splitlines()[-1] == "1 agree, 1 differ" and f"turned: {real} says" in ran.stdout
    ran = subprocess.run([sys.executable, str(RUN), str(good)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and ran.stdout == "1 agree, 0 differ\n"
