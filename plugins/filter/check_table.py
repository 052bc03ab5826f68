# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter check_table."""

from __future__ import annotations

DOCUMENTATION = r"""
name: check_table
short_description: Renders check results as a table for people
version_added: "0.1.0"
description:
  - Renders the rows that M(meshops.mesh.mesh_check) returns with the marks √, ‼ and ×, one fact a line.
  - The reason and the remedy are under what fails.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The rows, as in the return value C(checks) of M(meshops.mesh.mesh_check).
    type: list
    elements: dict
    required: true
  show_from:
    description: From which severity on checks are shown.
    type: str
    choices: [info, warning, error]
    default: info
"""

EXAMPLES = r"""
- name: Show what fails
  ansible.builtin.debug:
    msg: "{{ (mesh_result.checks | meshops.mesh.check_table(show_from='warning')).split('\n') }}"
"""

RETURN = r"""
_value:
  description: The table.
  type: str
  sample: "control plane\n-------------\n√ the control plane exists\n\n1 passed, 0 warnings, 0 failed, 0 skipped"
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._checks.render import SHOWN, table

ROW = frozenset({"id", "category", "title", "status", "resource", "message", "hint", "hint_url"})


def check_table(rows: Any, show_from: str = "info") -> str:
    """Rows to text; what is no list of rows is refused with a sentence."""
    if show_from not in SHOWN:
        raise AnsibleFilterError(f"check_table: show_from is {show_from!r}, it must be one of {', '.join(SHOWN)}")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and set(row) >= ROW for row in rows):
        raise AnsibleFilterError("check_table: the input must be the list `checks` that meshops.mesh.mesh_check returned")
    return table(rows, show_from=show_from)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """The filters of this file."""
        return {"check_table": check_table}
