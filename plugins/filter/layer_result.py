# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter layer_result."""

from __future__ import annotations

DOCUMENTATION = r"""
name: layer_result
short_description: What became of a layer, as a row of the summary
version_added: "0.1.0"
description:
  - Makes a row of C(deliver_layer_times) of what M(meshops.mesh.mesh_apply) or M(meshops.mesh.gitops_tree) returned.
author:
  - meshops.mesh contributors (@meshops)
positional: layer, target
options:
  _input:
    description: The result of the module.
    type: dict
    required: true
  layer:
    description: Name of the layer.
    type: str
    required: true
  target:
    description: Where it went, V(cluster), V(files) or V(plan).
    type: str
    required: true
  planned:
    description: Whether nothing was done, as in check mode.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Keep what became of the layer
  ansible.builtin.set_fact:
    rows: "{{ rows | default([]) + [applied | meshops.mesh.layer_result('namespaces', 'cluster', planned=ansible_check_mode)] }}"
"""

RETURN = r"""
_value:
  description:
    - The row, with C(layer), C(target), C(planned), C(objects) (how many), C(changed), C(seconds), C(counts) (how many of each status) and
      C(folder) (of a tree).
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.layers import layer_row


def layer_result(result: Mapping[str, Any], layer: str, target: str, planned: bool = False) -> dict[str, Any]:
    """As the pure function."""
    return layer_row(result, layer, target, planned=bool(planned) or target == "plan")


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name to function."""
        return {"layer_result": layer_result}
