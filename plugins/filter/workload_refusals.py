# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter workload_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: workload_refusals
short_description: What the applications of a mesh cannot mean
version_added: "0.1.0"
description:
  - Takes the list of C(mesh_workloads) and that of C(mesh_mtls), and returns what has to be refused before anything changes.
  - The answer names namespaces, applications and fields. It never has a value of the lists, which hold secrets.
author:
  - meshops.mesh contributors (@meshops)
positional: mtls
options:
  _input:
    description: The applications by namespace, as C(mesh_workloads) has them.
    type: list
    elements: dict
    required: true
  mtls:
    description: The exemptions from mutual TLS, as C(mesh_mtls) has them.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.assert:
    that: mesh_workloads | meshops.mesh.workload_refusals(mesh_mtls) | length == 0
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._model.workload_refusals import workload_refusals as judge


def workload_refusals(workloads: Any, mtls: Any = ()) -> list[str]:
    """The refusals."""
    for name, value in (("the input", workloads), ("mtls", mtls)):
        if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(item, Mapping) for item in value):
            raise AnsibleFilterError(f"workload_refusals: {name} must be a list of maps")
    return judge(workloads, mtls)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"workload_refusals": workload_refusals}
