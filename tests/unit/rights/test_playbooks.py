# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook that changes something asks for its rights first, by a family and works that are in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._rights.table import FAMILIES, WORKS

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
# They change nothing on a cluster, or what they do is not in the table.
OTHERS = {
    "check_access",
    "check_mesh",
    "check_outbound",
    "check_shared_root",
    "check_traffic",
    "access_from_traffic",
    "plan_upgrade",
    "plan_migration",
    "render_rights",
    "init_inventory",
}
# What the inventory says may be looked at before, and without a login there is nobody whose rights could be asked for.
BEFORE = {"meshops.mesh.mesh_intent"}
LOGIN = "meshops.mesh.login"
ROLE = "ansible.builtin.include_role"
# Without the role access it only calls from outside, which no right of the cluster is for.
TAGS = {"travel_partner_jwt": ["access"]}


def plays(path: Path) -> list[dict[str, Any]]:
    """Its own; one that is only imported asks itself."""
    return [play for play in yaml.safe_load(path.read_text(encoding="utf-8")) if "hosts" in play]


ASKING = {path.stem: plays(path) for path in sorted(PLAYBOOKS.glob("*.yml")) if path.stem not in OTHERS and plays(path)}


@pytest.mark.parametrize("name", ASKING)
def test_rights_are_required_before_anything_else(name: str) -> None:
    first = ASKING[name][0]["tasks"][0]["block"]
    place = next((number for number, task in enumerate(first) if (task.get(ROLE) or {}).get("tasks_from") == "require.yml"), None)
    assert place is not None, "the role rights, tasks_from require.yml, is not among its first tasks"
    before = [task for task in first[:place] if (task.get(ROLE) or {}).get("name") != LOGIN]
    assert {key for task in before for key in task if "." in key} <= BEFORE
    task = first[place]
    assert task["when"] == "mesh_target | default('cluster') == 'cluster'" and task.get("tags") == TAGS.get(name)
    said = task["vars"]
    assert said["rights_families"] and set(said["rights_families"]) <= FAMILIES.keys() and said["rights_subjects"] == []
    works = set(said.get("rights_works", []))
    own = {right.work for family in said["rights_families"] for right in FAMILIES[family][1]} - {""}
    assert works <= own and works <= set(WORKS) and bool(works) == bool(own), "a family with works is asked for by work"


def test_those_of_the_families_are_among_them() -> None:
    assert {"install_mesh", "rotate_certificates", "travel_https", "travel_zero_trust", "upgrade_mesh", "migrate_mesh"} <= ASKING.keys()
    named = " ".join(about for about, _rights in FAMILIES.values())
    assert not [name for name in ASKING if name not in named], "docs/rights.md names each of them"
