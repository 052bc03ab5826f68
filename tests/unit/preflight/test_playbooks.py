# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook looks at the inventory first, whatever tags and target are asked for, and refuses the same; with file and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import THRESHOLDS
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import argument_spec
from ansible_collections.meshops.mesh.plugins.plugin_utils.role_options import OF_PLAYBOOKS

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "playbooks").glob("*.yml"))}
OWN = {name: [play for play in plays if "hosts" in play] for name, plays in PLAYBOOKS.items()}
OTHERS = {"init_inventory"}  # it writes the inventory
INTENT = "meshops.mesh.mesh_intent"


def tasks_of(play: dict[str, Any]) -> list[dict[str, Any]]:
    """In order, also those of the block that is one session with the cluster."""
    tasks = [*play.get("pre_tasks", []), *play.get("tasks", [])]
    return [one for task in tasks for one in task.get("block", [task])]


def roles_of(play: dict[str, Any]) -> set[str]:
    """The roles that a play names by themselves."""
    named = {row if isinstance(row, str) else row["role"] for row in play.get("roles", [])}
    for task in tasks_of(play):
        for how in ("ansible.builtin.include_role", "ansible.builtin.import_role"):
            named |= {task[how]["name"]} if how in task else set()
    return {name.removeprefix("meshops.mesh.") for name in named if "{{" not in name} - {"login", "rights"}


@pytest.mark.parametrize("name", [name for name, plays in OWN.items() if plays and name not in OTHERS])
def test_the_inventory_is_looked_at_first(name: str) -> None:
    play = OWN[name][0]
    first = tasks_of(play)[0]
    assert first.get("tags") == ["always"] and "when" not in first, "not only for some tags or targets"
    assert roles_of(play) <= set(first[INTENT]["roles"]), "each of its roles says what it needs"
    block = next((task for task in play.get("tasks", []) if "block" in task), {})
    assert "when" not in block and "tags" not in block


def test_those_that_only_import_look_as_well() -> None:
    for name, plays in PLAYBOOKS.items():
        imported = {play["ansible.builtin.import_playbook"].removesuffix(".yml") for play in plays if "hosts" not in play}
        assert all(OWN[other] for other in imported) and (OWN[name] or imported)


VARIABLES = """\
mesh_provider: ossm3
mesh_name: shop
mesh_control_plane:
  name: shop
  namespace: shop-system
mesh_domains:
  - name: shop
    namespaces: [shop-web]
mesh_gateways:
mesh_personas:
  - {name: ann, role: cluster_admin}
  - name: bob
    role: mesh_developer
    namespaces:
      - shop-web
      - shop-wbe
mesh_upgrade:
  waves: [{name: all, rest: true}]
  windws: []
mesh_kubeconfig: /nowhere
mesh_hosts: east
mesh_check_fail_on: eror
"""
# What each run says, whatever it is for; the last one is of what was given on the command line.
SAYS = (
    r"mesh_gateways: has no value \(null\), expected a list; write one, or remove the line \({vars}, line 9\)",
    r"mesh_personas\[1\]\.namespaces\[1\]: 'shop-wbe' is no namespace of mesh_domains, where bob is mesh_developer; "
    r"did you mean shop-web\? \({vars}, line 16\)",
    r"mesh_upgrade\.windws: not known; did you mean windows\? \({vars}, line \d+\)",
    r"mesh_check_fail_on: expected one of error, warning, never, found 'eror'; did you mean error\? \({vars}, line \d+\)",
    r"mesh_adopt: expected a list, found 'a,b'; this is one text: write a list",
)


@pytest.mark.parametrize(
    ("playbook", "arguments"),
    [
        ("install_mesh", ["--tags", "gateways", "-e", "mesh_target=files"]),
        ("check_mesh", []),
        ("upgrade_mesh", ["-e", "mesh_target=plan"]),
        ("rotate_certificates", ["--check"]),
        ("migrate_mesh", ["--tags", "migration"]),
        ("travel_zero_trust", ["--tags", "nothing", "-e", "mesh_hosts=all"]),
    ],
)
def test_as_played(playbook: str, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    variables = tmp_path / "group_vars" / "all.yml"
    variables.write_text(VARIABLES, encoding="utf-8")
    inventory = {"all": {"hosts": {"west": {}}, "vars": {"ansible_connection": "local"}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    done = warm_ansible.run([f"meshops.mesh.{playbook}", "-i", str(tmp_path / "hosts.yml"), "-e", "mesh_adopt=a,b", *arguments])
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2 and "changed=0" in text and "failed=1" in text and "Traceback" not in text, text
    for says in SAYS:
        assert re.search(says.replace("{vars}", re.escape(str(variables))), text), (says, text)
    too_far = "mesh_hosts: is read before the variables of the inventory, and has not chosen this host"
    assert (too_far in text) is ("mesh_hosts=all" not in arguments)


def test_what_is_made_of_a_wrong_variable_is_not_told_beside_it(tmp_path: Path) -> None:
    """The options of roles that are made of mesh_domains cannot be worked out; their lines would name files of the collection."""
    (tmp_path / "group_vars").mkdir()
    wrong = VARIABLES.replace("    namespaces: [shop-web]", "    namespace: [shop-web]")
    (tmp_path / "group_vars" / "all.yml").write_text(wrong, encoding="utf-8")
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"west": {"ansible_connection": "local"}}}}), encoding="utf-8")
    done = warm_ansible.run(["meshops.mesh.install_mesh", "-i", str(tmp_path / "hosts.yml"), "-e", "mesh_target=files"])
    text = done.stdout + done.stderr
    assert done.returncode == 2 and "mesh_domains[0].namespace: not known; did you mean namespaces?" in text
    assert "cannot be worked out" not in text and "defaults/main.yml" not in text


def test_what_the_check_is_asked_with_is_what_it_takes() -> None:
    takes = argument_spec()
    for name, spec in OF_PLAYBOOKS.items():
        if name.startswith("mesh_check_") and spec["type"] != "raw":
            option = takes[name.removeprefix("mesh_check_")]
            assert (spec["type"], spec.get("choices")) == (option["type"], option.get("choices")), name
    assert set(takes["thresholds"]["options"]) == set(THRESHOLDS)
