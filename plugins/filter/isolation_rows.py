# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter isolation_rows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: isolation_rows
short_description: Who may call whom between the namespaces of projects
version_added: "0.1.0"
description:
  - Takes C(mesh_isolation) and returns a row for each namespace that is closed.
author:
  - meshops.mesh contributors (@meshops)
positional: domains, control_plane_namespace, gateways, projects
options:
  _input:
    description: The intent, as C(mesh_isolation) has it.
    type: dict
    required: true
  domains:
    description: The domains, as C(mesh_domains) has them.
    type: list
    elements: dict
    required: true
  control_plane_namespace:
    description: Namespace of the control plane, whose gateways call every member.
    type: str
    required: true
  gateways:
    description: The gateways, as C(mesh_gateways) has them.
    type: list
    elements: dict
    default: []
  projects:
    description: Gateways in the namespaces of projects, as C(mesh_project_gateways) has them.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show who may call whom
  ansible.builtin.debug:
    msg: "{{ mesh_isolation | meshops.mesh.isolation_rows(mesh_domains, mesh_control_plane.namespace) }}"
"""

RETURN = r"""
_value:
  description: >-
    Rows with C(namespace), C(callers) and C(calls) (each of C(namespaces) and C(ports)), C(addresses) outside of the cluster, and
    C(gateways) with their ports.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._isolation.plan import isolation_rows as rows_of

Rows = Sequence[Mapping[str, Any]]


def isolation_rows(
    intent: Mapping[str, Any], domains: Rows, control_plane_namespace: str, gateways: Rows = (), projects: Rows = ()
) -> list[dict[str, Any]]:
    """As the pure function."""
    return rows_of(intent, domains, control_plane_namespace, gateways, projects)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"isolation_rows": isolation_rows}
