# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter topology_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: topology_refusals
short_description: Why clusters cannot be one mesh
version_added: "0.1.0"
description:
  - Compares C(mesh_topology) of all hosts that have the same C(mesh_id), and what else clusters of a mesh have in common or must not, and
    returns what has to be refused before anything changes.
author:
  - meshops.mesh contributors (@meshops)
positional: hostvars, host, played
options:
  _input:
    description: The hosts of the inventory.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  host:
    description: The host whose mesh is meant.
    type: str
    required: true
  played:
    description: The hosts of this run.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what cannot be one mesh
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join('; ') }}"
  vars:
    refusals: "{{ groups.all | meshops.mesh.topology_refusals(hostvars, inventory_hostname, ansible_play_hosts_all) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._multicluster.topology import fleet_refusals
from ansible_collections.meshops.mesh.plugins.plugin_utils.topology import mesh_hosts


def topology_refusals(hosts: Iterable[str], hostvars: Mapping[str, Any], host: str, played: Iterable[str]) -> list[str]:
    """As the pure function."""
    every = mesh_hosts(hostvars, list(hosts))
    own = next((one for one in every if one.host == host), None)
    if own is None or not own.mesh_id:
        return [f"host {host}: mesh_topology does not say which mesh it is of; set mesh_topology.mesh_id and network in its inventory"]
    return fleet_refusals(every, own.mesh_id, list(played))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"topology_refusals": topology_refusals}
