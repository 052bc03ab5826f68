# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter member_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: member_refusals
short_description: Which members a mesh cannot have
version_added: "0.1.0"
description:
  - Takes the namespaces of C(mesh_domains) and returns what has to be refused before anything changes. A namespace belongs to one domain,
    it is not that of the control plane, and no other mesh of the same API has it.
  - Two hosts are the same API when they have the same C(mesh_kubeconfig) and C(mesh_context).
author:
  - meshops.mesh contributors (@meshops)
positional: mesh, host, control_plane
options:
  _input:
    description: The namespaces, in the order of the domains.
    type: list
    elements: str
    required: true
  mesh:
    description: The name of the mesh.
    type: str
    required: true
  host:
    description: The host of the mesh.
    type: str
    required: true
  control_plane:
    description: The namespace of its control plane.
    type: str
    required: true
  api:
    description: How the API of O(host) is reached, as the values of C(mesh_kubeconfig) and C(mesh_context), empty where they are not given.
    type: list
    elements: raw
    required: true
  hosts:
    description: The hosts whose meshes are looked at.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse members that cannot be
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join(' ') }}"
  vars:
    namespaces: "{{ mesh_domains | map(attribute='namespaces') | flatten }}"
    refusals: >-
      {{ namespaces | meshops.mesh.member_refusals('shop', inventory_hostname, 'shop-system',
                                                   api=[mesh_kubeconfig, mesh_context], hosts=groups['all'], hostvars=hostvars) }}
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.members import member_refusals as judge
from ansible_collections.meshops.mesh.plugins.plugin_utils.hosts import neighbours_of


def member_refusals(namespaces: Sequence[str], mesh: Any, host: str, control_plane: str, *,
                    api: Sequence[Any], hosts: Sequence[str], hostvars: Mapping[str, Any]) -> list[str]:  # fmt: skip
    """The refusals."""
    neighbours = neighbours_of(hostvars, host, hosts, api)
    return judge(namespaces, mesh=str(mesh), host=host, control_plane=control_plane, neighbours=neighbours)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"member_refusals": member_refusals}
