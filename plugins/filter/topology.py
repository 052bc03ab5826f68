# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter topology."""

from __future__ import annotations

DOCUMENTATION = r"""
name: topology
short_description: What a cluster is called in a mesh of several
version_added: "0.1.0"
description:
  - Takes C(mesh_topology) and returns it complete, with its defaults. Of a cluster that is a mesh of its own, where it is empty, an empty
    map.
author:
  - meshops.mesh contributors (@meshops)
positional: host, provider
options:
  _input:
    description: What the cluster is in a mesh of several, as C(mesh_topology) has it.
    type: dict
    required: true
  host:
    description: The host of the inventory, which the cluster is called by where nothing else is said.
    type: str
    required: true
  provider:
    description: Which generation runs the mesh; V(ossm2) cannot be a mesh of several.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the network of a cluster
  ansible.builtin.debug:
    msg: "{{ (mesh_topology | meshops.mesh.topology(inventory_hostname)).network }}"
"""

RETURN = r"""
_value:
  description: The keys V(mesh_id), V(cluster), V(network) and V(east_west).
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._multicluster.topology import topology_of


def topology(given: Mapping[str, Any], host: str, provider: str = "") -> dict[str, Any]:
    """As the pure function."""
    if not given:
        return {}
    try:
        found = topology_of(given, str(host), str(provider))
    except MeshError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    return {"mesh_id": found.mesh_id, "cluster": found.cluster, "network": found.network, "east_west": dict(found.east_west)}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"topology": topology}
