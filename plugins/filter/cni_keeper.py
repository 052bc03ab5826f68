# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter cni_keeper."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cni_keeper
short_description: Which mesh keeps the CNI plugin of a cluster
version_added: "0.1.0"
description:
  - C(IstioCNI) C(default) is one per cluster. The mesh that made it keeps it, the others use it.
  - Where no mesh has made it, the first of the hosts that is a mesh of Istio in the same cluster does.
author:
  - meshops.mesh contributors (@meshops)
positional: mesh
options:
  _input:
    description: The C(IstioCNI) of the cluster, in a list that is empty when there is none.
    type: list
    elements: dict
    required: true
  mesh:
    description: The name of this mesh.
    type: str
    required: true
  api:
    description: How its API is reached, as the values of C(mesh_kubeconfig) and C(mesh_context), empty where they are not given.
    type: list
    elements: raw
    required: true
  hosts:
    description: The hosts of the play.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show who keeps it
  ansible.builtin.debug:
    msg: >-
      {{ found.resources | meshops.mesh.cni_keeper(mesh_name, api=[mesh_kubeconfig, mesh_context],
                                                   hosts=ansible_play_hosts_all, hostvars=hostvars) }}
"""

RETURN = r"""
_value:
  description: The name of the mesh.
  type: str
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.plane_parts import cni_keeper as keeper
from ansible_collections.meshops.mesh.plugins.plugin_utils.hosts import api_of, variable_of


def cni_keeper(found: Sequence[Mapping[str, Any]], mesh: Any, *, api: Sequence[Any], hosts: Sequence[str],
               hostvars: Mapping[str, Any]) -> str:  # fmt: skip
    """As the pure function."""

    def meshes() -> Iterator[str]:
        for host in hosts:
            if variable_of(hostvars, host, "mesh_provider", "") != "ossm2" and api_of(hostvars, host) == list(api):
                yield str(variable_of(hostvars, host, "mesh_name", ""))

    return keeper(found, str(mesh), meshes())


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name to function."""
        return {"cni_keeper": cni_keeper}
