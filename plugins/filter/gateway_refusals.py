# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter gateway_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_refusals
short_description: What the gateways of a mesh cannot mean
version_added: "0.1.0"
description:
  - Takes C(mesh_gateways) and returns what has to be refused before anything changes, whatever the cluster has.
author:
  - meshops.mesh contributors (@meshops)
positional: control_plane, handshakes, projects, provider
options:
  _input:
    description: The gateways, as C(mesh_gateways) has them.
    type: list
    elements: dict
    required: true
  control_plane:
    description: The control plane, as C(mesh_control_plane) has it.
    type: dict
    required: true
  handshakes:
    description: The handshakes, as C(mesh_gateways_handshakes) has them.
    type: list
    elements: dict
    default: []
  projects:
    description: Gateways in the namespaces of projects, as C(mesh_project_gateways) has them.
    type: list
    elements: dict
    default: []
  provider:
    description: Generation of the mesh, as C(mesh_provider) has it; V(ossm2) has no gateways of the Gateway API.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join('; ') }}"
  vars:
    refusals: "{{ mesh_gateways | meshops.mesh.gateway_refusals(mesh_control_plane) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._gateways.refusals import gateway_refusals as judge


def gateway_refusals(
    gateways: Sequence[Mapping[str, Any]],
    control_plane: Mapping[str, Any],
    handshakes: Sequence[Mapping[str, Any]] = (),
    projects: Sequence[Mapping[str, Any]] = (),
    provider: str = "",
) -> list[str]:
    """The refusals."""
    return judge(gateways, handshakes, control_plane, projects, provider)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"gateway_refusals": gateway_refusals}
