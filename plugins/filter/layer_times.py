# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter layer_times."""

from __future__ import annotations

DOCUMENTATION = r"""
name: layer_times
short_description: Renders the seconds of each layer as a table for people
version_added: "0.1.0"
description:
  - Renders C(deliver_layer_times), which the role P(meshops.mesh.deliver#role) keeps while it delivers, one layer a line.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description:
      - The rows, each with C(layer) (a name), C(objects) (how many), C(seconds), and C(changed).
      - Numbers and booleans may be texts, as templates of older ansible-core give them.
    type: list
    elements: dict
    required: true
  operators_seconds:
    description: How many seconds the operators took until they worked; a line of its own after the layer C(operators).
    type: float
"""

EXAMPLES = r"""
- name: Show the seconds of each layer
  meshops.mesh.mesh_show:
    lines: "{{ deliver_layer_times | default([]) | meshops.mesh.layer_times }}"
"""

RETURN = r"""
_value:
  description: The lines of the table.
  type: list
  elements: str
  sample:
    - "layer                       objects  seconds  "
    - "membership                        3      0.1  changed"
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean


def layer_times(rows: Any, operators_seconds: Any = None) -> list[str]:
    """Rows to lines; what is no list of rows is refused with a sentence."""
    lines = [f"{'layer':26} {'objects':>8} {'seconds':>8}"]
    try:
        for row in rows:
            changed = "  changed" if boolean(row["changed"]) else ""
            lines.append(f"{row['layer']:26} {int(row['objects']):8d} {float(row['seconds']):8.1f}{changed}")
            if row["layer"] == "operators" and operators_seconds is not None:
                lines.append(f"{'operators, until they work':26} {'':>8} {float(operators_seconds):8.1f}")
    except (KeyError, TypeError, ValueError) as exc:
        found = [sorted(row) if isinstance(row, Mapping) else type(row).__name__ for row in rows] if isinstance(rows, list) else rows
        raise AnsibleFilterError(f"layer_times: the input must be rows with layer, objects, seconds, changed; found {found!r}") from exc
    return lines


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """The filters of this file."""
        return {"layer_times": layer_times}
