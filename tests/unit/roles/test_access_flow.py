# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which the role access works, with modules that only take notes: what is remembered, probed, taken back, forgotten.

tests/integration/test_zero_trust.py plays the same with real Envoys and runs that are killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
NOTES = """
import json, os
from pathlib import Path
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        folder, name = Path(os.environ["NOTES"]) / task_vars["inventory_hostname"], self._task.action.rpartition(".")[2]
        with (folder / "log").open("a") as handle:
            handle.write(json.dumps({"module": name, **json.loads(json.dumps(self._task.args, default=str))}) + "\\n")
        answers = json.loads((folder / "answers.json").read_text())
        rows = answers.get(name) or [{}]
        found = rows.pop(0) if len(rows) > 1 else rows[0]
        (folder / "answers.json").write_text(json.dumps(answers))
        return {"changed": False, **found}
"""
MODULES = ("access_plan", "authorization_probe", "mesh_apply", "mesh_show", "mesh_objects_info")
Obj = dict[str, Any]


def policy(name: str) -> Obj:
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": name, "namespace": "shop"}}


def stage(name: str, *, changed: bool) -> Obj:
    memory = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "access-pending-m", "namespace": "istio-system"}}
    return {
        "name": name,
        "objects": [policy("new")],
        "saved": [],
        "made": [policy("new")],
        "gone": [],
        "changed": changed,
        "policies": [],
        "calls": [{"stage": name}],
        "memory": memory if changed else None,
    }


def plan(*stages: Obj, pending: Obj | None = None) -> Obj:
    return {"stages": list(stages), "leftovers": [], "baseline": [{"stage": "before"}], "text": "a plan", "pending": pending}


PENDING: Obj = {
    "name": "access_allow",
    "layer": "access_allow",
    "saved": [policy("old")],
    "made": [policy("new")],
    "policies": [{"namespace": "shop", "name": "new", "rules": 1}],
}
GOOD: Obj = {"text": "1 call", "results": []}
BAD: Obj = {"failed": True, "msg": "the proxy of shop/a does not have shop/new yet", "text": "1 call", "results": []}
APPLIED: Obj = {"objects": [], "lines": [], "leaving": [], "seconds": 0.1, "summary": {}}


def play(folder: Path, cases: dict[str, dict[str, list[Obj]]]) -> str:
    """Each case is a host of one run, with its answers and notes in a folder of its name; what was said."""
    collection = folder / "collections" / "ansible_collections" / "meshops" / "mesh"
    (collection / "plugins" / "action").mkdir(parents=True)
    for name in ("roles", "plugins/filter", "plugins/lookup", "plugins/module_utils"):
        (collection / name).symlink_to(REPOSITORY / name)
    (collection / "galaxy.yml").write_text((REPOSITORY / "galaxy.yml").read_text(encoding="utf-8"), encoding="utf-8")
    for name in MODULES:
        (collection / "plugins" / "action" / f"{name}.py").write_text(NOTES, encoding="utf-8")
    for host, answers in cases.items():
        (folder / host).mkdir()
        (folder / host / "answers.json").write_text(json.dumps({"mesh_apply": [APPLIED], **answers}), encoding="utf-8")
    variables = {
        "mesh_provider": "ossm3",
        "mesh_name": "m",
        "mesh_control_plane": {"name": "m", "namespace": "istio-system"},
        "mesh_access": {"rules": [{"from": ["a"], "to": ["b"]}]},
        "mesh_domains": [{"name": "d", "namespaces": ["shop"]}],
    }
    tasks = [{"ansible.builtin.include_role": {"name": "meshops.mesh.access"}}]
    (folder / "ansible.cfg").write_text("[defaults]\ninternal_poll_interval = 0.005\n", encoding="utf-8")
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": "all", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}]))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "NOTES": str(folder),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, str(path), "-i", f"{','.join(cases)},"], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def step(row: Obj) -> str:
    if row["module"] == "mesh_apply":
        names = ",".join(obj["metadata"]["name"] for obj in row["objects"])
        return f"{row['state']} {row['layer']}: {names}"
    if row["module"] == "authorization_probe":
        return f"probe {row['calls'][0]['stage']} {','.join(one['name'] for one in row.get('policies') or [])}".strip()
    return ""


REMEMBER, FORGET = "present access_pending: access-pending-m", "absent access_pending: access-pending-m"


THERE = plan(stage("access_allow", changed=False), pending=PENDING)
CASES: dict[str, dict[str, list[Obj]]] = {
    "proven": {"access_plan": [plan(stage("access_allow", changed=True)), plan(stage("access_allow", changed=False))],
               "authorization_probe": [GOOD]},
    "not-proven": {"access_plan": [plan(stage("access_allow", changed=True))], "authorization_probe": [GOOD, BAD]},
    # Everything is there already, so without it nothing would be probed before the end.
    "left-and-good": {"access_plan": [THERE], "authorization_probe": [GOOD]},
    "left-and-bad": {"access_plan": [THERE], "authorization_probe": [BAD]},
    "left-and-more": {"access_plan": [plan(stage("access_allow", changed=True), pending=PENDING)], "authorization_probe": [BAD]},
}  # fmt: skip


@dataclass(frozen=True)
class Played:
    """A case: how its run ended, why, and what was done in its order."""

    failed: bool
    said: str
    steps: list[str]


@pytest.fixture(scope="module", name="played")
def _played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    folder = tmp_path_factory.mktemp("flow")
    text = play(folder, CASES)
    found = {}
    for host in CASES:
        recap = re.search(rf"^{host} .*failed=(\d)", text, re.MULTILINE)
        assert recap, text[-3000:]
        words = " ".join(" ".join(re.findall(rf"^(?:fatal|failed): \[{host}\].*(?:\n(?!\n|TASK|PLAY).*)*", text, re.MULTILINE)).split())
        rows = [json.loads(line) for line in (folder / host / "log").read_text(encoding="utf-8").splitlines()]
        found[host] = Played(recap[1] != "0", words, [line for line in map(step, rows) if line])
    return found


def test_a_stage_is_remembered_until_it_is_proven(played: dict[str, Played]) -> None:
    case = played["proven"]
    assert not case.failed, case.said
    assert case.steps == ["probe before", REMEMBER, "present access_allow: new", "probe access_allow", FORGET, "probe access_allow"]


def test_a_stage_that_is_not_proven_is_taken_back_and_forgotten(played: dict[str, Played]) -> None:
    case = played["not-proven"]
    assert case.failed and "not-proven: stage access_allow was taken back" in case.said
    assert case.steps == ["probe before", REMEMBER, "present access_allow: new", "probe access_allow", "absent access_allow: new", FORGET]


def test_what_a_killed_run_has_left_is_probed_and_forgotten(played: dict[str, Played]) -> None:
    case = played["left-and-good"]
    assert not case.failed, case.said
    assert case.steps[:2] == ["probe before new", FORGET] and REMEMBER not in case.steps


@pytest.mark.parametrize("name", ["left-and-bad", "left-and-more"])
def test_what_a_killed_run_has_left_is_taken_back_where_it_differs(played: dict[str, Played], name: str) -> None:
    case = played[name]
    assert case.failed and "stage access_allow was taken back: an earlier run had delivered it and ended before it was proven" in case.said
    assert "the proxy of shop/a does not have shop/new yet" in case.said
    assert case.steps == ["probe before new", "present access_allow: old", "absent access_allow: new", FORGET], "what was there comes first"
