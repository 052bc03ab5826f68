# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter external_service_scope."""

from __future__ import annotations

DOCUMENTATION = r"""
name: external_service_scope
short_description: What a Sidecar lets in, with services outside of the mesh
version_added: "0.1.0"
description:
  - Takes C(sidecar_hosts) of C(mesh_control_plane) and adds the hosts of C(mesh_external_services) that it does not let in. An empty list
    stays empty, as it lets in everything.
author:
  - meshops.mesh contributors (@meshops)
positional: services, control_plane_namespace
options:
  _input:
    description: The hosts, as C(sidecar_hosts) has them.
    type: list
    elements: str
    required: true
  services:
    description: What is outside of the mesh, as C(mesh_external_services) has it.
    type: list
    elements: dict
    required: true
  control_plane_namespace:
    description: Namespace of the control plane.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what proxies are told of
  ansible.builtin.debug:
    msg: "{{ ['./*'] | meshops.mesh.external_service_scope(mesh_external_services, mesh_control_plane.namespace) }}"
"""

RETURN = r"""
_value:
  description: The hosts, each as NAMESPACE/HOST.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._egress.services import read_services, scope_with

Rows = Sequence[Mapping[str, Any]]


def external_service_scope(hosts: Sequence[str], services: Rows, control_plane_namespace: str) -> list[str]:
    """The hosts."""
    return scope_with(hosts, read_services(services, ()), control_plane_namespace)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"external_service_scope": external_service_scope}
