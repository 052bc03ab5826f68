# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_show: lines for people, as they are, whatever the play's output format."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.meshops.mesh.plugins.module_utils._checks.render import short_lines
from ansible_collections.meshops.mesh.plugins.module_utils._text import shown_line

# What a line of a check table begins with, and its colour.
COLOURS = {"√": "green", "‼": "yellow", "×": "red"}


class ActionModule(ActionBase):
    """The action plugin."""

    _requires_connection = False
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"detail", "lines"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Prints, and returns nothing that would be printed again."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        lines = self._task.args.get("lines")
        if not isinstance(lines, list):
            raise AnsibleActionFail(f"mesh_show: lines is {type(lines).__name__}, expected a list of texts")
        if self._templar.template((task_vars or {}).get("mesh_output_style", "full")) == "short":
            lines = [] if boolean(self._task.args.get("detail", False)) else short_lines(map(str, lines))
        for line in map(shown_line, lines):
            self._display.display(line, color=COLOURS.get(line[:1]))
        return {**result, "changed": False}
