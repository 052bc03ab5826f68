# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter external_services."""

from __future__ import annotations

DOCUMENTATION = r"""
name: external_services
short_description: ServiceEntries and DestinationRules of services outside of the mesh
version_added: "0.1.0"
description:
  - Takes C(mesh_external_services) and returns the objects that let its callers reach them.
author:
  - meshops.mesh contributors (@meshops)
positional: domains, control_plane_namespace, provider
options:
  _input:
    description: What is outside of the mesh, as C(mesh_external_services) has it.
    type: list
    elements: dict
    required: true
  domains:
    description: The domains, as C(mesh_domains) has them.
    type: list
    elements: dict
    required: true
  control_plane_namespace:
    description: Namespace of the control plane.
    type: str
    required: true
  provider:
    description: Which generation runs the mesh, as C(mesh_provider) has it.
    type: str
    default: ossm3
"""

EXAMPLES = r"""
- name: Render them
  ansible.builtin.set_fact:
    entries: "{{ mesh_external_services | meshops.mesh.external_services(mesh_domains, mesh_control_plane.namespace, mesh_provider) }}"
"""

RETURN = r"""
_value:
  description: The objects.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._egress.services import external_objects, read_services

Rows = Sequence[Mapping[str, Any]]


def external_services(services: Rows, domains: Rows, control_plane_namespace: str, provider: str = "ossm3") -> list[dict[str, Any]]:
    """The objects."""
    return external_objects(read_services(services, domains), control_plane_namespace, provider)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"external_services": external_services}
