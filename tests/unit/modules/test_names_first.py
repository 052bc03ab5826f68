# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_intent: what becomes a folder is checked before a value is worked out that may write into it; mesh_show: a line is a line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible_collections.meshops.mesh.plugins.action import mesh_intent, mesh_show


@pytest.mark.parametrize(("name", "refused"), [("../up", True), ("/abs", True), ("a\0b", True), ("x" * 64, True), ("travel-prod", False)])
def test_no_other_variable_is_worked_out_before_the_name(name: str, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    worked_out: list[Any] = []

    def template(value: Any, **_options: Any) -> Any:
        worked_out.append(value)
        return value

    action = object.__new__(mesh_intent.ActionModule)
    action._task, action._templar = SimpleNamespace(args={"roles": ["workloads"]}), SimpleNamespace(template=template)
    action._loader = DataLoader()
    monkeypatch.setattr(ActionBase, "run", lambda *_args, **_options: {})
    result = action.run(task_vars={"mesh_name": name, "inventory_hostname": "west", "mesh_workloads": "a lookup that writes a file"})
    assert (worked_out == [name]) is refused
    assert not refused or ("mesh_name" in result["msg"] and all(line.isprintable() for line in result["msg"].split("\n")))


def showing(printed: list[tuple[str, str | None]], **arguments: Any) -> Any:
    action = object.__new__(mesh_show.ActionModule)
    action._task = SimpleNamespace(args=arguments)
    action._templar = SimpleNamespace(template=lambda value: value)
    action._display = SimpleNamespace(display=lambda line, color=None: printed.append((line, color)))
    return action


def test_an_item_is_one_line_whatever_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[tuple[str, str | None]] = []
    monkeypatch.setattr(ActionBase, "run", lambda *_args, **_options: {})
    showing(printed, lines=["√ ours", "Service a/b: x\n√ FORGED\x1b[2J\u2028::error::y", 7]).run()
    assert printed == [("√ ours", "green"), ("Service a/b: x\\n√ FORGED\\x1b[2J\\u2028:\\:error::y", None), ("7", None)]


@pytest.mark.parametrize(("style", "detail", "lines"), [("full", True, 2), ("short", True, 0), ("short", False, 1), ("full", False, 2)])
def test_short_leaves_out_what_passed_and_details(style: str, detail: bool, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[tuple[str, str | None]] = []
    monkeypatch.setattr(ActionBase, "run", lambda *_args, **_options: {})
    showing(printed, lines=["√ good", "1 passed"], detail=detail).run(task_vars={"mesh_output_style": style})
    assert len(printed) == lines
