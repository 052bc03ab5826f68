# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter layer_times."""

from __future__ import annotations

DOCUMENTATION = r"""
name: layer_times
short_description: What became of each layer, as a table for people with a summary
version_added: "0.1.0"
description:
  - Renders C(deliver_layer_times), which the role P(meshops.mesh.deliver#role) keeps while it delivers, one layer a line.
  - The summary says how many objects were created, changed and deleted, or would be, and where a GitOps tree is.
author:
  - meshops.mesh contributors (@meshops)
positional: operators_seconds
options:
  _input:
    description: The rows, each as P(meshops.mesh.layer_result#filter) makes it.
    type: list
    elements: dict
    required: true
  operators_seconds:
    description: How many seconds the operators took until they worked; a line of its own after the layer C(operators).
    type: float
  style:
    description: V(short) leaves out the layers that are as they were.
    type: str
    choices: [full, short]
    default: full
"""

EXAMPLES = r"""
- name: Say what was delivered
  meshops.mesh.mesh_show:
    lines: "{{ deliver_layer_times | default([]) | meshops.mesh.layer_times }}"
"""

RETURN = r"""
_value:
  description: The lines of the table.
  type: list
  elements: str
  sample:
    - "layer                       objects  seconds"
    - "membership                        3      0.1  changed"
    - "1 of 1 layer changed: 1 object created; 2 unchanged"
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._model.layers import layer_lines


def layer_times(rows: Any, operators_seconds: Any = None, style: str = "full") -> list[str]:
    """Rows to lines; what is no list of rows is refused with a sentence."""
    try:
        seconds = None if operators_seconds is None else float(operators_seconds)
        return layer_lines(rows, seconds, short=style == "short")
    except (KeyError, TypeError, ValueError) as exc:
        found = [sorted(row) if isinstance(row, Mapping) else type(row).__name__ for row in rows] if isinstance(rows, list) else rows
        raise AnsibleFilterError(f"layer_times: the input must be rows of the filter layer_result; found {found!r}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """The filters of this file."""
        return {"layer_times": layer_times}
