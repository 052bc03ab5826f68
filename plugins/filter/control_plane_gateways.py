# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter control_plane_gateways."""

from __future__ import annotations

DOCUMENTATION = r"""
name: control_plane_gateways
short_description: The gateways of a control plane
version_added: "0.1.0"
description:
  - The ingress and egress gateways that are switched on, and the additional ones, each with its defaults.
author:
  - meshops.mesh contributors (@meshops)
positional: additional
options:
  _input:
    description: The control plane with its defaults, as C(mesh_control_plane).
    type: dict
    required: true
  additional:
    description: Whether only the additional ones are wanted.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the names of the additional gateways
  ansible.builtin.debug:
    msg: "{{ mesh_control_plane | meshops.mesh.control_plane_gateways(additional=true) | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: One row a gateway, with C(name), C(istio) (the label of its pods), C(replicas), C(resources) and C(service_type).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.meshops.mesh.plugins.module_utils._model.plane_parts import additional_gateways, own_gateways


def control_plane_gateways(plane: Mapping[str, Any], additional: bool = False) -> list[dict[str, Any]]:
    """As the pure functions."""
    kinds = [] if additional else [kind for kind in ("ingress", "egress") if boolean(plane[kind]["enabled"], strict=False)]
    return own_gateways(plane, kinds) + additional_gateways(plane)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"control_plane_gateways": control_plane_gateways}
