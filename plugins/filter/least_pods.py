# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter least_pods."""

from __future__ import annotations

DOCUMENTATION = r"""
name: least_pods
short_description: How many pods a part of the control plane has at least
version_added: "0.1.0"
description:
  - What its autoscaler keeps where it has one, else its fixed number.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: istiod or a gateway, as C(mesh_control_plane) has it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the least number of istiods
  ansible.builtin.debug:
    msg: "{{ mesh_control_plane.istiod | meshops.mesh.least_pods }}"
"""

RETURN = r"""
_value:
  description: The number, at least 1.
  type: int
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.plane_parts import least_pods as pods_of


def least_pods(part: Mapping[str, Any]) -> int:
    """As the pure function."""
    return pods_of(part)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"least_pods": least_pods}
