# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter first_variables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: first_variables
short_description: The variables of a first, small mesh
version_added: "0.1.0"
description:
  - Takes the answers of a person to the questions that the playbook C(meshops.mesh.init_inventory) asks, and variables that were given,
    which go before. An empty answer means what C(inventories/minimal) has.
author:
  - meshops.mesh contributors (@meshops)
positional: given
options:
  _input:
    description: The answers, in the order of the questions. None where nothing was asked.
    type: list
    elements: str
    required: true
  given:
    description: Variables by their names. Those without a value count as not given.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Take what was given, and the rest as in inventories/minimal
  ansible.builtin.set_fact:
    wanted: "{{ [] | meshops.mesh.first_variables({'mesh_name': 'shop', 'mesh_provider': 'ossm2'}) }}"

- name: The control plane is called as the mesh
  ansible.builtin.assert:
    that: wanted.mesh_control_plane.name == 'shop'
"""

RETURN = r"""
_value:
  description: The variables.
  type: dict
  sample: {mesh_name: first, mesh_provider: ossm3}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._inventory.first import first_variables


def variables(answers: Sequence[str], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The filter."""
    return first_variables([str(answer or "") for answer in answers], given or {})


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter of this file."""
        return {"first_variables": variables}
