# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter external_service_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: external_service_refusals
short_description: What services outside of the mesh cannot mean
version_added: "0.1.0"
description:
  - Takes C(mesh_external_services) and returns what has to be refused before anything changes; with the ServiceEntries of a cluster
    also which hosts somebody else has registered already.
author:
  - meshops.mesh contributors (@meshops)
positional: domains, control_plane_namespace, entries, mesh
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
  entries:
    description: ServiceEntries that are there already.
    type: list
    elements: dict
    default: []
  mesh:
    description: The name of the mesh, whose entries are ours.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join('; ') }}"
  vars:
    refusals: "{{ mesh_external_services | meshops.mesh.external_service_refusals(mesh_domains, mesh_control_plane.namespace) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._egress.refusals import external_refusals, taken_hosts
from ansible_collections.meshops.mesh.plugins.module_utils._model.members import namespaces_of

Rows = Sequence[Mapping[str, Any]]


def external_service_refusals(services: Rows, domains: Rows, control_plane_namespace: str, entries: Rows = (), mesh: str = "") -> list[str]:
    """The refusals."""
    members = [str(name) for name in namespaces_of(list(domains))]
    return external_refusals(services, domains, members, control_plane_namespace) or taken_hosts(services, domains, entries, mesh)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"external_service_refusals": external_service_refusals}
