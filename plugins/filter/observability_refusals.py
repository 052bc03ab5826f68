# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter observability_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: observability_refusals
short_description: What the observability of a mesh cannot mean
version_added: "0.1.0"
description:
  - Takes C(mesh_observability) and returns what has to be refused before anything changes, which is tools that would read from, or store
    in, what is not there.
author:
  - meshops.mesh contributors (@meshops)
positional: provider, control_plane
options:
  _input:
    description: The tools, as C(mesh_observability) has them.
    type: dict
    required: true
  provider:
    description: The generation of the mesh, as C(mesh_provider) has it.
    type: str
    required: true
  control_plane:
    description: The control plane, as C(mesh_control_plane) has it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join('; ') }}"
  vars:
    refusals: "{{ mesh_observability | meshops.mesh.observability_refusals('ossm3', mesh_control_plane) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._observability.refusals import observability_refusals as judge


def observability_refusals(observability: Mapping[str, Any], provider: str, control_plane: Mapping[str, Any]) -> list[str]:
    """The refusals."""
    return judge(provider, control_plane, observability)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"observability_refusals": observability_refusals}
