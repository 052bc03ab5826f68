# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook leaves for the next node of a workflow: little, by host, and no object."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.plugin_utils.artifacts import PLAYBOOKS, SOURCES, artifact

ROOT = Path(__file__).resolve().parents[3]
SECRET = "a text of a Secret"
ROW = {"id": "OSM1401", "status": "failed", "message": SECRET, "evidence": {"x": SECRET}, "resource": "Pod shop/x"}
CHECKED = {
    "checks": [ROW, ROW, {**ROW, "id": "OSM1301", "status": "warning"}, {**ROW, "id": "OSM1001", "status": "passed"}],
    "summary": {"passed": 1, "warning": 1, "failed": 2, "skipped": 0},
    "msg": SECRET,
    "table": SECRET,
}
JUDGED = {"passed": False, "summary": CHECKED["summary"], "failed": ["OSM1401"], "warning": ["OSM1301"]}
WAVES = [{"name": "canary", "state": "passed", "members": [SECRET]}, {"name": "rest", "state": "waiting", "members": []}]
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "mesh_check_result": (CHECKED, JUDGED),
    "mesh_access_result": ({**CHECKED, "proof": SECRET}, JUDGED),
    "check_shared_root_compared": (CHECKED, JUDGED),
    "__certificates_shown": (CHECKED, JUDGED),
    "deliver_layer_times": (
        [{"layer": "operators", "objects": 4, "changed": True, "seconds": 1.0},
         {"layer": "gateways", "objects": 3, "changed": False, "seconds": 1.0}],
        {"layers": ["operators", "gateways"], "changed_layers": ["operators"], "objects": 7},
    ),
    "__upgrade_result": (
        {"waves": WAVES, "wave": "rest", "left": 1, "direction": "forward", "under_way": True, "closed": "", "memory": {"x": SECRET}},
        {
            "next_wave": "rest", "waves_left": 1, "direction": "forward", "under_way": True, "closed": "",
            "waves": [{"name": "canary", "state": "passed"}, {"name": "rest", "state": "waiting"}],
        },
    ),
    "__certificates_turn": (
        {"plan": [{"phase": "switch", "signs": SECRET}], "left": 1, "msg": SECRET,
         "turns": [{"phase": "switch", "blockers": [{"x": SECRET}]}]},
        {"steps_left": 1, "steps": ["switch"], "blockers": 1, "passed": False},
    ),
    "plan_upgrade_result": (
        {**CHECKED, "plan": {"current": "v1.27.3", "target": "v1.27.4", "seconds": 60, "hops": [1], "steps": [SECRET, SECRET]}},
        {**JUDGED, "current": "v1.27.3", "target": "v1.27.4", "seconds": 60, "hops": 1, "steps": 2},
    ),
    "__multicluster_access": (
        {"secrets": [{"cluster": "west", "status": "renewed", "ends": "2027-02-01T00:00:00Z", "name": SECRET},
                     {"cluster": "north", "status": "kept", "ends": "2027-01-01T00:00:00Z", "reason": SECRET}], "lines": [SECRET]},
        {"renewed": ["west"], "ends": "2027-01-01T00:00:00Z"},
    ),
    "__multicluster_checks": (CHECKED, JUDGED),
    "__migration_plan": (
        {**CHECKED, "stage": "ready", "counts": {"same": 3}, "objects": [SECRET]},
        {**JUDGED, "stage": "ready", "fields": {"same": 3}},
    ),
    "mesh_check_traffic_result": (CHECKED, JUDGED),
    "__traffic_plan": ({"changes": [SECRET, SECRET], "stages": [SECRET]}, {"passed": True, "route_changes": 2}),
    "canary_results": (
        {"shop/cars": {"percent": 20, "outcome": "", "phase": "passed", "reason": SECRET, "history": [SECRET]}, "shop/vans": {}},
        {"canaries": {"shop/cars": {"percent": 20, "phase": "passed", "outcome": ""}, "shop/vans": {}}},
    ),
    "__egress_proof": (
        {"verdict": "losses", "lost": [SECRET], "unseen": [SECRET, SECRET], "msg": SECRET},
        {"passed": False, "verdict": "losses", "lost": 1, "unseen": 2},
    ),
    "mesh_access_change": ({"opened": 2, "closed": [SECRET], "text": SECRET}, {"opened": 2, "closed": 1}),
    "access_from_traffic_found": (
        {"would_deny": [SECRET], "never_seen": [], "text": SECRET},
        {"passed": True, "would_deny": 1, "never_seen": 0, "unclear": 0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_taken_of_a_result(source: str) -> None:
    given, expected = CASES[source]
    playbook = next(name for name, sources in PLAYBOOKS.items() if source in sources)
    left = artifact(playbook, "west", {"mesh": "shop", "version": None}, {source: given, "password": SECRET})
    assert left == {f"meshops_{playbook}": {"west": {"mesh": "shop", **expected}}}
    assert SECRET not in json.dumps(left)


@pytest.mark.parametrize("source", SOURCES)
def test_a_task_that_did_not_come_to_it_leaves_nothing_wrong(source: str) -> None:
    """It was skipped, or failed with a message only."""
    playbook = next(name for name, sources in PLAYBOOKS.items() if source in sources)
    for given in ({}, {source: {"skipped": True, "changed": False}}):
        assert artifact(playbook, "west", {"mesh": "shop"}, given) == {f"meshops_{playbook}": {"west": {"mesh": "shop"}}}
    if source != "deliver_layer_times":
        left = artifact(playbook, "west", {}, {source: {"failed": True, "msg": SECRET}})
        assert left[f"meshops_{playbook}"]["west"].get("passed") in (False, None) and SECRET not in json.dumps(left)


def test_each_playbook_hands_on_its_own() -> None:
    found = {}
    alone = {"init_inventory"}  # is no part of a workflow
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        if path.stem not in alone and any("hosts" in play for play in yaml.safe_load(text)):
            found[path.stem] = re.findall(r"meshops\.mesh\.mesh_artifacts: \{playbook: (\w+)\}", text)
    assert found == {name: [name] for name in found}
    assert set(found) == set(PLAYBOOKS)


def test_the_sources_are_registered_somewhere() -> None:
    folders = [*(ROOT / "playbooks").glob("*.yml"), *(ROOT / "roles").glob("*/tasks/*.yml")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in folders)
    assert [name for name in SOURCES if not re.search(rf"register: {name}\b|^ +{name}: ", text, re.MULTILINE)] == []
    used = {name for sources in PLAYBOOKS.values() for name in sources}
    assert used == set(SOURCES) == set(CASES)
