# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback short: a task speaks where it changed something or failed, and what is shown is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import warm_ansible
import yaml

PLAY: list[dict[str, Any]] = [
    {
        "name": "Try",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"name": "Fine", "ansible.builtin.assert": {"that": True}},
            {"name": "Left out", "ansible.builtin.assert": {"that": True}, "when": False},
            {"name": "Bring more", "ansible.builtin.include_tasks": "more.yml"},
            {"name": "Say it", "meshops.mesh.mesh_show": {"lines": ["a line for people"]}},
            {"name": "Break", "ansible.builtin.fail": {"msg": "a reason"}},
        ],
    }
]
MORE = [{"name": "Change", "ansible.builtin.debug": {"msg": "done"}, "changed_when": True}]


def test_what_speaks(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY), encoding="utf-8")
    (tmp_path / "more.yml").write_text(yaml.safe_dump(MORE), encoding="utf-8")
    done = warm_ansible.run(
        [str(tmp_path / "play.yml"), "-i", "west,", "-e", "ansible_connection=local"], env={"ANSIBLE_STDOUT_CALLBACK": "meshops.mesh.short"}
    )
    said = done.stdout
    assert done.returncode == 2 and [line.split("]")[0] for line in said.splitlines() if line.startswith("TASK")] == [
        "TASK [Change",
        "TASK [Break",
    ]
    assert "changed: [west]" in said and "a line for people\n" in said and "a reason" in said and "PLAY RECAP" in said
    assert not any(words in said for words in ("included:", "skipping:", "ok: ["))
