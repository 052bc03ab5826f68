# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rollout_waves: runs the module slice by slice, and shows between two of them how far it is."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """The action plugin."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The last slice's result, with the lines and restarts of all of them."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        lines: list[str] = []
        restarted: list[str] = []
        changed, memory = False, args.get("memory") or {}
        while True:
            found = self._execute_module(module_name="meshops.mesh.rollout_waves", module_args={**args, "memory": memory},
                                         task_vars=task_vars, tmp=tmp)
            for line in found.get("lines") or []:
                self._display.display(line)
            lines += found.get("lines") or []
            restarted += found.get("restarted") or []
            changed = changed or bool(found.get("changed"))
            memory = found.get("memory") or {}
            if found.get("failed") or found.get("finished", True) or found.get("closed"):
                break
        return {**result, **found, "lines": lines, "restarted": restarted, "changed": changed}
