# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter isolation_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: isolation_refusals
short_description: What the network policies of a mesh cannot mean
version_added: "0.1.0"
description:
  - Takes C(mesh_isolation) and returns what has to be refused before anything changes, whatever the cluster has.
author:
  - meshops.mesh contributors (@meshops)
positional: domains, control_plane_namespace
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
    description: Namespace of the control plane.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join('; ') }}"
  vars:
    refusals: "{{ mesh_isolation | meshops.mesh.isolation_refusals(mesh_domains, mesh_control_plane.namespace) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._isolation.plan import isolation_refusals as judge
from ansible_collections.meshops.mesh.plugins.module_utils._model.members import namespaces_of


def isolation_refusals(intent: Mapping[str, Any], domains: Sequence[Mapping[str, Any]], control_plane_namespace: str) -> list[str]:
    """The refusals."""
    return list(judge(intent, [str(name) for name in namespaces_of(list(domains))], control_plane_namespace))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"isolation_refusals": isolation_refusals}
