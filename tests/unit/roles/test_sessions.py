# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook that talks to a cluster logs in before, and out again whatever happens in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
# The first reads files only; the other writes into an inventory how its cluster was reached, and a session is gone by then.
OFFLINE = {"check_access", "init_inventory"}
ROLE = "ansible.builtin.include_role"


def plays() -> dict[str, dict[str, Any]]:
    """Those with tasks of their own, by playbook and number."""
    found = {}
    for path in sorted(PLAYBOOKS.glob("*.yml")):
        for number, play in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))):
            if "hosts" in play and path.stem not in OFFLINE:
                found[f"{path.stem} {number}"] = play
    return found


PLAYS = plays()


@pytest.mark.parametrize("name", PLAYS)
def test_a_play_is_one_session(name: str) -> None:
    play = PLAYS[name]
    assert not {"pre_tasks", "roles", "post_tasks", "handlers"} & play.keys(), "what is outside of the block is outside of the session"
    (session,) = play["tasks"]
    places = [number for number, task in enumerate(session["block"]) if (task.get(ROLE) or {}).get("name") == "meshops.mesh.login"]
    assert len(places) == 1
    before, login, logout = session["block"][: places[0]], session["block"][places[0]], session["always"][0]
    assert {key for task in before for key in task if "." in key} <= {"meshops.mesh.mesh_intent"}
    for task, extra in ((login, {}), (logout, {"tasks_from": "logout.yml"})):
        # With the tags of a run neither may be left out; the role reads a password and judges it itself.
        wanted = {"name": "meshops.mesh.login", "rolespec_validate": False, "apply": {"tags": ["always"]}, **extra}
        assert task[ROLE] == wanted and task["tags"] == ["always"] and task["when"] == "mesh_openshift_login is defined"


def test_all_playbooks_are_looked_at() -> None:
    assert {"install_mesh 0", "check_mesh 0", "upgrade_mesh 0", "remove_mesh 0", "rotate_certificates 0"} <= PLAYS.keys()
