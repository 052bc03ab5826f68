# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter injection_word."""

from __future__ import annotations

DOCUMENTATION = r"""
name: injection_word
short_description: The revision or tag that labels of a mesh name
version_added: "0.1.0"
description:
  - The name of the IstioRevisionTag where the control plane has one, else that of its only revision.
author:
  - meshops.mesh contributors (@meshops)
positional: control_plane
options:
  _input:
    description: Name of the mesh.
    type: str
    required: true
  control_plane:
    description: The control plane, as C(mesh_control_plane).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what the label istio.io/rev of a gateway says
  ansible.builtin.debug:
    msg: "{{ mesh_name | meshops.mesh.injection_word(mesh_control_plane) }}"
"""

RETURN = r"""
_value:
  description: The value of the label C(istio.io/rev); V(default) is said by C(istio-injection=enabled) as well.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.enrolment import injection_word as word_of


def injection_word(mesh: str, control_plane: Mapping[str, Any]) -> str:
    """As the pure function."""
    return word_of(mesh, control_plane)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"injection_word": injection_word}
