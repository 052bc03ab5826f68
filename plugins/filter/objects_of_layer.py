# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter objects_of_layer."""

from __future__ import annotations

DOCUMENTATION = r"""
name: objects_of_layer
short_description: Objects of a layer of ours
version_added: "0.1.0"
description:
  - Picks what carries the label of a layer, and leaves of each object what its removal by the role P(meshops.mesh.deliver#role) needs.
author:
  - meshops.mesh contributors (@meshops)
positional: layer
options:
  _input:
    description: The objects, as M(meshops.mesh.mesh_objects_info) reads them.
    type: list
    elements: dict
    required: true
  layer:
    description: The name of the layer.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Take a layer away
  ansible.builtin.include_role:
    name: meshops.mesh.deliver
  vars:
    deliver_layer: access_allow
    deliver_state: absent
    deliver_objects: "{{ found.resources | meshops.mesh.objects_of_layer('access_allow') }}"
"""

RETURN = r"""
_value:
  description: The objects, each with C(apiVersion), C(kind), and the name and namespace in C(metadata).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.picked import of_layer


def objects_of_layer(objects: Sequence[Mapping[str, Any]], layer: Any) -> list[dict[str, Any]]:
    """As the pure function."""
    return of_layer(objects, str(layer))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"objects_of_layer": objects_of_layer}
