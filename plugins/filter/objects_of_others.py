# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter objects_of_others."""

from __future__ import annotations

DOCUMENTATION = r"""
name: objects_of_others
short_description: Objects that a mesh has not made
version_added: "0.1.0"
description:
  - Leaves out what carries the label of the mesh, and what has an owner, because that goes with its owner.
author:
  - meshops.mesh contributors (@meshops)
positional: mesh
options:
  _input:
    description: The objects.
    type: list
    elements: dict
    required: true
  mesh:
    description: The name of the mesh.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Nobody else needs the operator
  ansible.builtin.assert:
    that: running.resources | meshops.mesh.objects_of_others(mesh_name) | length == 0
"""

RETURN = r"""
_value:
  description: The objects of others, as they were given.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.picked import of_others


def objects_of_others(objects: Sequence[Mapping[str, Any]], mesh: Any) -> list[Mapping[str, Any]]:
    """As the pure function."""
    return of_others(objects, str(mesh))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"objects_of_others": objects_of_others}
