# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rollout_waves: runs the module slice by slice, and shows between two of them how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._text import shown_line
from ansible_collections.meshops.mesh.plugins.plugin_utils.in_process import InProcess, module_of


class ActionModule(InProcess):
    """The action plugin."""

    MODULE = module_of("rollout_waves")

    def module(self, args: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The last slice's result, with the lines and restarts of all of them."""
        lines: list[str] = []
        restarted: list[str] = []
        changed, memory = False, args.get("memory") or {}
        while True:
            found = super().module({**args, "memory": memory}, task_vars)
            for line in found.get("lines") or []:
                self._display.display(shown_line(line))
            lines += found.get("lines") or []
            restarted += found.get("restarted") or []
            changed = changed or bool(found.get("changed"))
            memory = found.get("memory") or {}
            if found.get("failed") or found.get("finished", True) or found.get("closed"):
                break
        return {**found, "lines": lines, "restarted": restarted, "changed": changed}
