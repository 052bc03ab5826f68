# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_hosts chooses the hosts of every playbook, in one way; a pattern that means nobody is refused with a sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml
from ansible_collections.meshops.mesh.plugins.plugin_utils.host_pattern import pattern_problem

PLAYBOOKS = sorted((Path(__file__).resolve().parents[3] / "playbooks").glob("*.yml"))
ELSE = r"all' if groups\['all'\] else 'localhost"  # what needs no inventory
PATTERN = rf"(all|localhost|travel_prod|{ELSE})"
HOSTS = re.compile(r"""\{\{ lookup\('meshops\.mesh\.hosts', mesh_hosts \| default\('""" + PATTERN + r"""'\)\) \}\}""")
GROUPS = {"all": ["east", "west", "lab"], "ungrouped": [], "prod": ["east", "west"], "dev": ["lab"], "empty": []}


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_every_playbook_chooses_in_the_same_way(path: Path) -> None:
    plays: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert plays
    for play in plays:
        imported = play.get("ansible.builtin.import_playbook")
        assert imported in {one.name for one in PLAYBOOKS} if imported else HOSTS.fullmatch(play["hosts"]), play
        assert {"mesh_hosts"} >= {name for name in play.get("vars", {}) if name.endswith("_hosts")}


@pytest.mark.parametrize(
    ("pattern", "limit", "left", "says"),
    [
        ("all", None, None, ""),
        ("prod", None, None, ""),
        ("east,west", None, None, ""),
        ("prod:!east", None, None, ""),
        ("prod:&~e.st", None, None, ""),
        ("pr*", None, None, ""),
        ("prod[0]", None, None, ""),
        (["prod", "dev"], None, None, ""),
        ("localhost", None, None, ""),
        ("", None, None, "mesh_hosts is empty"),
        (None, None, None, "mesh_hosts is empty"),
        ([7], None, None, "mesh_hosts is empty or no text"),
        (7, None, None, "mesh_hosts is empty or no text"),
        (" ", None, None, "mesh_hosts is empty or no text"),
        ("prdo", None, None, "mesh_hosts names 'prdo', which is no host or group of the inventory; did you mean prod?"),
        ("prod,wst", None, None, "mesh_hosts names 'wst', which is no host or group of the inventory; did you mean west?"),
        ("prod:!canary", None, None, "mesh_hosts names '!canary', which is no host or group of the inventory; there are prod, dev, east"),
        ("stage-1*,x[0:1]", None, None, "mesh_hosts names 'stage-1*', 'x[0:1]', which is no host"),
        ("empty", None, None, "mesh_hosts is 'empty', and no host of the inventory is in all of it"),
        ("prod:&dev", None, None, "mesh_hosts is 'prod,&dev', and no host of the inventory is in all of it"),
        ("prod", "dev", ["lab"], "mesh_hosts is 'prod' (east, west), and --limit dev leaves none of it; change one of the two"),
        ("prod", "east", ["east"], ""),
        ("localhost", "prod", ["east", "west"], "mesh_hosts is 'localhost' (localhost), and --limit prod leaves none of it"),
        ("localhost", "localhost", [], ""),
        ("a\x1bb", None, None, "mesh_hosts names 'a\\x1bb', which is no host"),
    ],
)
def test_a_pattern(pattern: Any, limit: str | None, left: list[str] | None, says: str) -> None:
    found = pattern_problem(pattern, GROUPS, left=GROUPS["all"] if left is None else left, limit=limit)
    assert found.startswith(says) and bool(found) == bool(says), found


def test_no_inventory_is_another_mistake() -> None:
    assert pattern_problem("all", {"all": [], "ungrouped": []}, left=[]).endswith("the inventory has no host; name an inventory with -i")
    assert not pattern_problem("localhost", {"all": [], "ungrouped": []}, left=[])


INVENTORY = {"all": {"children": {"prod": {"hosts": {"west": {}}}, "dev": {"hosts": {"lab": {}}}}, "vars": {"ansible_connection": "local"}}}


@pytest.mark.parametrize(
    ("playbook", "arguments", "says"),
    [
        (
            "install_mesh",
            ["-e", "mesh_hosts=prdo"],
            "mesh_hosts names 'prdo', which is no host or group of the inventory; did you mean prod?",
        ),
        ("check_mesh", ["-e", "mesh_hosts=prod", "-l", "dev"], "--limit dev leaves none of it"),
        ("check_mesh", ["-e", '{"mesh_hosts": null}'], "mesh_hosts is empty"),
        ("check_mesh", ["-e", '{"mesh_hosts": ["prod", "dev"]}', "--list-hosts"], ""),
        ("check_mesh", ["-e", "mesh_target_hosts=prod"], "mesh_target_hosts is called mesh_hosts now"),
        ("travel_https", [], "mesh_hosts names 'travel_prod', which is no host or group of the inventory"),
        ("check_access", ["--syntax-check", "-e", "mesh_hosts=prdo"], ""),
    ],
)
def test_as_played(playbook: str, arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(INVENTORY), encoding="utf-8")
    done = warm_ansible.run([f"meshops.mesh.{playbook}", "-i", str(tmp_path / "hosts.yml"), *arguments])
    text = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode != 0) is bool(says) and says in text, text
    assert "TASK" not in text and "Traceback" not in text
