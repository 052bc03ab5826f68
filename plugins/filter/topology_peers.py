# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter topology_peers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: topology_peers
short_description: The other clusters of a mesh of several
version_added: "0.1.0"
description:
  - Finds the hosts that say the same C(mesh_topology.mesh_id) as this one, and how each is reached.
author:
  - meshops.mesh contributors (@meshops)
positional: hostvars, host
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
    description: This host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the other clusters
  ansible.builtin.debug:
    msg: "{{ groups.all | meshops.mesh.topology_peers(hostvars, inventory_hostname) | map(attribute='cluster') }}"
"""

RETURN = r"""
_value:
  description: Rows for the option O(meshops.mesh.remote_secret#module:peers).
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._multicluster.topology import MeshHost, topology_of
from ansible_collections.meshops.mesh.plugins.plugin_utils.hosts import variable_of
from ansible_collections.meshops.mesh.plugins.plugin_utils.topology import fleet_around


def topology_peers(hosts: Iterable[str], hostvars: Mapping[str, Any], host: str) -> list[dict[str, Any]]:
    """Each with its login."""
    try:
        return [_peer(hostvars, one) for one in fleet_around(hostvars, list(hosts), host) if one.host != host]
    except MeshError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def _peer(hostvars: Mapping[str, Any], one: MeshHost) -> dict[str, Any]:
    found = topology_of(one.given, one.host)
    login = {"kubeconfig": variable_of(hostvars, one.host, "mesh_kubeconfig"), "context": variable_of(hostvars, one.host, "mesh_context")}
    where = {"server": found.server, "ca_file": found.ca_file}
    return {
        "host": one.host,
        "cluster": found.cluster,
        **{name: value for name, value in {**login, **where}.items() if value},
        "lifetime": found.lifetime,
        "renew_before": found.renew_before,
    }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"topology_peers": topology_peers}
