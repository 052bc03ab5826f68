# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which the role access works, with modules that only take notes: what is remembered, probed, taken back, forgotten.

tests/integration/test_zero_trust.py plays the same with real Envoys and runs that are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
NOTES = '''
import json, os
from pathlib import Path
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        folder, name = Path(os.environ["NOTES"]), self._task.action.rpartition(".")[2]
        with (folder / "log").open("a") as handle:
            handle.write(json.dumps({"module": name, **json.loads(json.dumps(self._task.args, default=str))}) + "\\n")
        answers = json.loads((folder / "answers.json").read_text())
        rows = answers.get(name) or [{}]
        found = rows.pop(0) if len(rows) > 1 else rows[0]
        (folder / "answers.json").write_text(json.dumps(answers))
        return {"changed": False, **found}
'''
MODULES = ("access_plan", "authorization_probe", "mesh_apply", "mesh_show", "mesh_objects_info")
Obj = dict[str, Any]


def policy(name: str) -> Obj:
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": name, "namespace": "shop"}}


def stage(name: str, *, changed: bool) -> Obj:
    memory = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "access-pending-m", "namespace": "istio-system"}}
    return {"name": name, "objects": [policy("new")], "saved": [], "made": [policy("new")], "gone": [], "changed": changed, "policies": [],
            "calls": [{"stage": name}], "memory": memory if changed else None}


def plan(*stages: Obj, pending: Obj | None = None) -> Obj:
    return {"stages": list(stages), "leftovers": [], "baseline": [{"stage": "before"}], "text": "a plan", "pending": pending}


PENDING: Obj = {"name": "access_allow", "layer": "access_allow", "saved": [policy("old")], "made": [policy("new")],
                "policies": [{"namespace": "shop", "name": "new", "rules": 1}]}
GOOD: Obj = {"text": "1 call", "results": []}
BAD: Obj = {"failed": True, "msg": "the proxy of shop/a does not have shop/new yet", "text": "1 call", "results": []}
APPLIED: Obj = {"objects": [], "lines": [], "leaving": [], "seconds": 0.1, "summary": {}}


def play(folder: Path, **answers: list[Obj]) -> tuple[int, str, list[str]]:
    """The result, what was said, and what was done in its order."""
    collection = folder / "collections" / "ansible_collections" / "meshops" / "mesh"
    (collection / "plugins" / "action").mkdir(parents=True)
    (collection / "roles").symlink_to(REPOSITORY / "roles")
    (collection / "galaxy.yml").write_text((REPOSITORY / "galaxy.yml").read_text(encoding="utf-8"), encoding="utf-8")
    for name in MODULES:
        (collection / "plugins" / "action" / f"{name}.py").write_text(NOTES, encoding="utf-8")
    (folder / "answers.json").write_text(json.dumps({"mesh_apply": [APPLIED], **answers}), encoding="utf-8")
    variables = {"mesh_provider": "ossm3", "mesh_name": "m", "mesh_control_plane": {"name": "m", "namespace": "istio-system"},
                 "mesh_access": {"rules": [{"from": ["a"], "to": ["b"]}]}, "mesh_domains": [{"name": "d", "namespaces": ["shop"]}]}
    tasks = [{"ansible.builtin.include_role": {"name": "meshops.mesh.access"}}]
    (folder / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": "west", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}]))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"), "NOTES": str(folder),
                   "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run([program, str(path), "-i", "west,"], env=environment, cwd=folder, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in (folder / "log").read_text(encoding="utf-8").splitlines()]
    return done.returncode, " ".join((done.stdout + done.stderr).split()), [line for line in map(step, rows) if line]


def step(row: Obj) -> str:
    if row["module"] == "mesh_apply":
        names = ",".join(obj["metadata"]["name"] for obj in row["objects"])
        return f"{row['state']} {row['layer']}: {names}"
    if row["module"] == "authorization_probe":
        return f"probe {row['calls'][0]['stage']} {','.join(one['name'] for one in row.get('policies') or [])}".strip()
    return ""


REMEMBER, FORGET = "present access_pending: access-pending-m", "absent access_pending: access-pending-m"


def test_a_stage_is_remembered_until_it_is_proven(tmp_path: Path) -> None:
    changed, after = plan(stage("access_allow", changed=True)), plan(stage("access_allow", changed=False))
    code, said, steps = play(tmp_path, access_plan=[changed, after], authorization_probe=[GOOD])
    assert code == 0, said[-2000:]
    assert steps == ["probe before", REMEMBER, "present access_allow: new", "probe access_allow", FORGET, "probe access_allow"]


def test_a_stage_that_is_not_proven_is_taken_back_and_forgotten(tmp_path: Path) -> None:
    code, said, steps = play(tmp_path, access_plan=[plan(stage("access_allow", changed=True))], authorization_probe=[GOOD, BAD])
    assert code != 0 and "stage access_allow was taken back" in said
    assert steps == ["probe before", REMEMBER, "present access_allow: new", "probe access_allow", "absent access_allow: new", FORGET]


def test_what_a_killed_run_has_left_is_probed_and_forgotten(tmp_path: Path) -> None:
    """Everything is there already, so without it nothing would be probed before the end."""
    there = plan(stage("access_allow", changed=False), pending=PENDING)
    code, said, steps = play(tmp_path, access_plan=[there], authorization_probe=[GOOD])
    assert code == 0, said[-2000:]
    assert steps[:2] == ["probe before new", FORGET] and REMEMBER not in steps


@pytest.mark.parametrize("changed", [True, False])
def test_what_a_killed_run_has_left_is_taken_back_where_it_differs(tmp_path: Path, changed: bool) -> None:
    there = plan(stage("access_allow", changed=changed), pending=PENDING)
    code, said, steps = play(tmp_path, access_plan=[there], authorization_probe=[BAD])
    assert code != 0 and "stage access_allow was taken back: an earlier run had delivered it and ended before it was proven" in said
    assert "the proxy of shop/a does not have shop/new yet" in said
    assert steps == ["probe before new", "present access_allow: old", "absent access_allow: new", FORGET], "what was there comes first"
