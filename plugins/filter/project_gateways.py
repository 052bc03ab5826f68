# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter project_gateways."""

from __future__ import annotations

DOCUMENTATION = r"""
name: project_gateways
short_description: The gateways in the namespaces of projects
version_added: "0.1.0"
description:
  - The gateways of C(mesh_project_gateways), each with its defaults.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The gateways, as C(mesh_project_gateways) has them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show on which ports the pods of the gateways listen
  ansible.builtin.debug:
    msg: "{{ mesh_project_gateways | meshops.mesh.project_gateways | map(attribute='ports') }}"
"""

RETURN = r"""
_value:
  description: >-
    One row a gateway, with C(name), C(namespace), C(istio) (the label of its pods), C(replicas), C(autoscale), C(resources),
    C(service_type), C(service_annotations) and C(ports), each with C(target_port).
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.plane_parts import project_gateways as rows_of


def project_gateways(gateways: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As the pure function."""
    return rows_of(gateways)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"project_gateways": project_gateways}
