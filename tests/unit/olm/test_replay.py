# SPDX-License-Identifier: GPL-3.0-or-later
"""The state machine against what the real OLM wrote: every event of a step is one reading, at the time it had."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._olm.machine import Approve, Fail, History, PlanDone, Target, Wait, step
from ansible_collections.meshops.mesh.plugins.module_utils._olm.model import Observation

RECORDING = Path(__file__).parents[2] / "data" / "recorded" / "olm-status.jsonl.gz"
Key = tuple[str, str, str]


@cache
def _events() -> list[tuple[str, dict[str, Any]]]:
    """(step, event) in the order of the recording, with the step's letter and number only."""
    rows, now = [], ""
    with gzip.open(RECORDING, "rt") as lines:
        for line in lines:
            data = json.loads(line)
            if "step" in data:
                now = data["step"]
            rows.append((now, data))
    return rows


def _object(event: dict[str, Any], uids: dict[Key, str]) -> dict[str, Any]:
    """The object again; uids of plans were recorded only where a Subscription names them."""
    key = (event["kind"], event["namespace"], event["name"])
    meta: dict[str, Any] = {
        "name": event["name"],
        "namespace": event["namespace"],
        "generation": event.get("generation"),
        "resourceVersion": str(event["resourceVersion"]),
        "uid": uids.get(key, "/".join(key)),
    }
    if event.get("copied"):
        meta["labels"] = {"olm.copiedFrom": "x"}
    meta["ownerReferences"] = [{"uid": f"{o.split('/')[0]}/{event['namespace']}/{o.split('/')[1]}"} for o in event.get("owners") or []]
    return {
        "apiVersion": event["apiVersion"],
        "kind": event["kind"],
        "metadata": meta,
        "spec": event["spec"],
        "status": event.get("status") or {},
    }


@cache
def _plan_uids() -> dict[Key, str]:
    found: dict[Key, str] = {}
    for _now, event in _events():
        plan = (event.get("status") or {}).get("installPlanRef")
        if plan:
            found["InstallPlan", plan["namespace"], plan["name"]] = plan["uid"]
    return found


def readings(first: str, last: str) -> Iterator[tuple[float, str, dict[str, list[dict[str, Any]]]]]:
    """(time, step, objects by kind) after each event from the step that begins with first to the end of the one with last."""
    world: dict[Key, dict[str, Any]] = {}
    running, ending = False, False
    for now, event in _events():
        if "step" in event:
            if ending and not now.startswith(last):
                return
            running = running or now.startswith(first)
            ending = ending or (running and now.startswith(last))
        elif event["kind"] in {"Subscription", "InstallPlan", "ClusterServiceVersion", "OperatorGroup", "CatalogSource"}:
            key = (event["kind"], event["namespace"], event["name"])
            if event["event"] == "DELETED":
                world.pop(key, None)
            else:
                world[key] = _object(event, _plan_uids())
        if running:
            objects: dict[str, list[dict[str, Any]]] = {}
            for obj in world.values():
                objects.setdefault(obj["kind"], []).append(obj)
            yield event["t"], now, objects


def run(
    first: str, last: str, namespace: str, name: str, target: Target, *, until: float = 1e9, still: int = 20
) -> list[tuple[float, str, Any]]:
    """Every change of mind with its time; time goes on in steps of 1 s where nothing happens, as a poll would see it."""
    history, minds, before = History(), [], None

    def look(when: float, now: str, objects: dict[str, list[dict[str, Any]]]) -> bool:
        nonlocal history
        seen = Observation.of(name, namespace, objects)
        if seen.subscription is None:
            return False
        action, history = step(seen, target, when, history)
        minds.append((when, now, action))
        return isinstance(action, (PlanDone, Fail))

    for when, now, objects in readings(first, last):
        if before is not None:
            clock = before[0]
            while clock + 1 < when:
                clock += 1
                if look(clock, before[1], before[2]):
                    return minds
        if when > until or look(when, now, objects):
            return minds
        before = (when, now, objects)
    for second in range(1, still):  # nothing more happens
        if before is not None and look(before[0] + second, before[1], before[2]):
            break
    return minds


def approvals(minds: list[tuple[float, str, Any]]) -> list[str]:
    """The plans' CSVs in the order in which they would be approved, each plan once."""
    found: dict[str, str] = {}
    for _when, _now, action in minds:
        if isinstance(action, Approve):
            found.setdefault(action.plan.uid, ",".join(action.plan.csvs))
    return list(found.values())


OSSM = "servicemeshoperator3"


def test_hops_to_the_target_and_no_further() -> None:
    minds = run("B 08", "B 09", "openshift-operators", OSSM, Target(version=f"{OSSM}.v3.2.0"))
    assert approvals(minds) == [f"{OSSM}.v{v}" for v in ("3.0.0", "3.0.1", "3.1.0", "3.2.0")]
    last = minds[-1][2]
    assert last == PlanDone(f"{OSSM}.v3.2.0", f"{OSSM}.v3.2.0 is Succeeded")
    assert not [m for m in minds if isinstance(m[2], Fail)]
    for when, _now, action in minds:
        if isinstance(action, Approve):
            assert (action.plan.phase, action.plan.approved) == ("RequiresApproval", False), when


def test_a_middle_target_is_not_passed() -> None:
    minds = run("B 08", "B 09", "openshift-operators", OSSM, Target(version=f"{OSSM}.v3.1.0"))
    assert approvals(minds)[-1] == f"{OSSM}.v3.1.0"
    assert minds[-1][2] == PlanDone(f"{OSSM}.v3.1.0", f"{OSSM}.v3.1.0 is Succeeded")


def test_between_hops_is_never_the_end_for_latest() -> None:
    """2.4 to 2.6 s of AtLatestKnown between two hops: not done before the last."""
    minds = run("B 08", "B 09", "openshift-operators", OSSM, Target(version="latest"))
    assert len(approvals(minds)) == 4
    assert minds[-1][2] == PlanDone(f"{OSSM}.v3.2.0", f"{OSSM}.v3.2.0 is the newest of channel stable")


def test_without_a_target_the_first_install_is_enough() -> None:
    minds = run("B 08", "B 09", "openshift-operators", OSSM, Target())
    assert approvals(minds) == [f"{OSSM}.v3.0.0"]
    assert isinstance(minds[-1][2], PlanDone)


@pytest.mark.parametrize(
    ("first", "namespace", "name", "version"),
    [
        ("B 03", "openshift-operators", OSSM, ""),
        ("B 03", "openshift-operators", OSSM, f"{OSSM}.v3.2.0"),
        ("B 81", "openshift-operators", OSSM, f"{OSSM}.v3.2.0"),
    ],
)
def test_automatic_is_waited_for(first: str, namespace: str, name: str, version: str) -> None:
    minds = run(first, first, namespace, name, Target(version=version))
    assert approvals(minds) == []
    assert minds[-1][2] == PlanDone(f"{OSSM}.v3.2.0", f"{OSSM}.v3.2.0 is Succeeded")


FAILURES = [
    # step from, step to, namespace, subscription, target, code, words of reason, words of remedy, seconds at most
    ("B 51", "B 53", "badpkg", None, "UnknownPackage", "nosuch-package", "spec.name", 16),
    ("B 51", "B 53", "badch", None, "UnknownChannel", "nosuch", "channel", 16),
    ("B 51", "B 53", "badcsv", None, "UnknownStartingCSV", "v9.9.9", "startingCSV", 16),
    ("B 51", "B 53", "badsrc", None, "CatalogMissing", "nosuch-catalog", "CatalogSource", 16),
    ("B 50", "B 53", "nogroup", None, "OperatorGroupMissing", "no OperatorGroup", "make one OperatorGroup", 12),
    ("B 52", "B 54", "toogroup", None, "OperatorGroupTwice", "2 OperatorGroups", "delete all of them but one", 12),
    ("B 53", "B 55", "ownmode", None, "UnsupportedOperatorGroup", "AllNamespaces", "targetNamespaces", 12),
    ("B 58", "B 58", "openshift-operators", "kiali-ossm", "InterOperatorGroupOwnerConflict", "intersecting", "twice", 12),
    ("B 105", "B 105", "badsa", None, "ServiceAccountNotFound", "nosuch", "ServiceAccount", 12),
    ("B 104", "B 106", "badplan", None, "InstallPlanFailed", "bad-svc", "refuses", 15),
    ("A 03", "A 03", "openshift-operators", OSSM, "RequirementsNotMet", "minKubeVersion", "version", 15),
    ("B 85", "B 85", "openshift-operators", "kiali-ossm", "CatalogUnreachable", "broken-catalog", "repair or delete", 12),
    ("B 05", "B 05", "openshift-operators", OSSM, "OrphanedCSV", "not referenced", f"{OSSM}.v3.2.0", 12),
    ("B 78", "B 79", "openshift-operators", OSSM, "CSVDeleted", "was deleted", "delete the Subscription", 20),
    ("B 63", "B 63", "openshift-operators", OSSM, "InstallPlanLost", "which is gone", "delete the Subscription", 15),
]


def _name_in(namespace: str, first: str, last: str) -> str:
    for _when, _now, objects in readings(first, last):
        for obj in objects.get("Subscription", []):
            if obj["metadata"]["namespace"] == namespace:
                return str(obj["metadata"]["name"])
    raise AssertionError(f"no Subscription in {namespace}")


@pytest.mark.parametrize(
    ("first", "last", "namespace", "name", "code", "reason", "remedy", "seconds"), FAILURES, ids=[f"{row[0]}-{row[4]}" for row in FAILURES]
)
def test_cannot_go_on_ends_with_cause_and_remedy(
    *, first: str, last: str, namespace: str, name: str | None, code: str, reason: str, remedy: str, seconds: float
) -> None:
    name = name or _name_in(namespace, first, last)
    minds = run(first, last, namespace, name, Target(version="latest"))
    when, _now, action = minds[-1]
    assert isinstance(action, Fail), [str(m[2])[:150] for m in minds[-3:]]
    assert action.code == code, action
    assert reason in action.reason
    assert remedy in action.remedy
    assert when - minds[0][0] <= seconds


def test_one_plan_with_a_neighbours_csv_is_refused_by_name() -> None:
    minds = run("B 30", "B 30", "openshift-operators", OSSM, Target(version=f"{OSSM}.v3.0.0"))
    action = minds[-1][2]
    assert isinstance(action, Fail)
    assert (action.code, approvals(minds)) == ("Strangers", [])
    assert "kiali-operator.v2.4.0" in action.reason and OSSM not in action.reason.split("would also install")[1]


@pytest.mark.parametrize(
    "target",
    [
        Target(version=f"{OSSM}.v3.0.0", allowed=("kiali-operator.*",)),
        Target(version=f"{OSSM}.v3.0.0", peers={"kiali-ossm": "kiali-operator.v2.4.0"}),
        Target(version=f"{OSSM}.v3.0.0", peers={"kiali-ossm": ""}),
    ],
    ids=["allowed", "peer-with-target", "peer-first-install"],
)
def test_a_neighbour_that_was_named_may_come_along(target: Target) -> None:
    minds = run("B 30", "B 31", "openshift-operators", OSSM, target)
    assert approvals(minds) == [f"{OSSM}.v3.0.0,kiali-operator.v2.4.0"]
    assert isinstance(minds[-1][2], PlanDone)


def test_a_neighbour_is_not_carried_beyond_its_own_target() -> None:
    target = Target(version=f"{OSSM}.v3.0.1", peers={"kiali-ossm": "kiali-operator.v2.4.0"})
    minds = run("B 31", "B 32", "openshift-operators", OSSM, target)
    action = minds[-1][2]
    assert isinstance(action, Fail), action
    assert action.code == "BeyondTarget" and "kiali-operator.v2.11.0" in action.reason


def test_a_pending_plan_is_approved_though_a_neighbour_blocks_resolution() -> None:
    """B 32 and 33: ResolutionFailed of another package does not stop the plan that is there."""
    target = Target(version=f"{OSSM}.v3.0.1", allowed=("kiali-operator.*",))
    minds = run("B 32", "B 33", "openshift-operators", OSSM, target)
    assert any("v3.0.1" in csvs for csvs in approvals(minds))
    assert minds[-1][2] == PlanDone(f"{OSSM}.v3.0.1", f"{OSSM}.v3.0.1 is Succeeded")


def test_a_stale_resolution_failure_is_called_stale() -> None:
    """B 34 and 35: the Subscription of the unknown package is gone, the condition stays."""
    minds = run("B 35", "B 35", "openshift-operators", OSSM, Target(version=f"{OSSM}.v3.2.0", allowed=("kiali-*",)))
    action = minds[-1][2]
    assert isinstance(action, Fail)
    assert action.code == "StaleResolution" and "put a label" in action.remedy


def test_a_hop_waits_for_the_last_one() -> None:
    """A 08: v3.0.1 is offered with v3.0.0 Pending; approving it would block both for good."""
    minds = run("A 08", "A 09", "openshift-operators", OSSM, Target(version=f"{OSSM}.v3.2.0"), until=330)
    assert approvals(minds) == [f"{OSSM}.v3.0.0"]
    assert isinstance(minds[-1][2], Fail) and minds[-1][2].code == "RequirementsNotMet"


def test_what_is_offered_beyond_the_target_while_the_target_is_not_ready_yet_stops_nobody() -> None:
    """A 08 again, as who wants v3.0.0 sees it: the offer of v3.0.1 is nothing to approve, and the CSV's own trouble is the cause."""
    minds = run("A 08", "A 09", "openshift-operators", OSSM, Target(version=f"{OSSM}.v3.0.0"), until=330)
    assert approvals(minds) == [f"{OSSM}.v3.0.0"]
    assert isinstance(minds[-1][2], Fail) and minds[-1][2].code == "RequirementsNotMet", minds[-1]


def test_a_target_that_the_channel_does_not_have() -> None:
    minds = run("B 09 plan for v3.2.0", "B 09 plan for v3.2.0", "openshift-operators", OSSM, Target(version=f"{OSSM}.v3.9.0"))
    action = minds[-1][2]
    assert isinstance(action, Fail) and action.code == "TargetNotOffered"
    assert "v3.2.0" in action.reason and "v3.9.0" in action.reason


def test_a_newer_version_is_not_taken_back() -> None:
    minds = run("B 09 plan for v3.2.0", "B 09 plan for v3.2.0", "openshift-operators", OSSM, Target(version=f"{OSSM}.v2.0.0"))
    assert isinstance(minds[-1][2], Fail)
    assert minds[-1][2].code in {"Downgrade", "BeyondTarget"}


def test_plans_without_a_phase_are_never_approved() -> None:
    """B 70: somebody approves too early again and again; we neither join in nor wait for ever."""
    minds = run("B 70", "B 73", "openshift-operators", OSSM, Target(version=f"{OSSM}.v3.2.0"))
    assert all(m[2].plan.phase == "RequiresApproval" for m in minds if isinstance(m[2], Approve))
    assert isinstance(minds[-1][2], Fail), minds[-1]


def test_only_the_named_plan_of_several_pending_ones() -> None:
    """B 95 to 97: several plans are pending; the Subscription names one."""
    minds = run("B 95", "B 95", "openshift-operators", OSSM, Target(version="latest", allowed=("kiali-*",)))
    for when, _now, action in minds:
        if isinstance(action, Approve):
            assert action.plan.uid, when
    assert not isinstance(minds[-1][2], PlanDone)


@pytest.mark.parametrize("name", ["broken-operator", "fragile-operator"])
def test_an_operator_that_does_not_get_ready(name: str) -> None:
    """B 20 to B 34: never done; the wait names the Deployment, or OLM's verdict ends it."""
    namespace = name.split("-", maxsplit=1)[0]
    minds = run("B 20", "B 40", namespace, name, Target(version="latest"))
    assert not [m for m in minds if isinstance(m[2], PlanDone)]
    words = " ".join(m[2].reason for m in minds if isinstance(m[2], (Wait, Fail)))
    assert f"deployment {name}" in words
    if name == "broken-operator":
        assert isinstance(minds[-1][2], Fail) and minds[-1][2].code == "InstallCheckFailed"
