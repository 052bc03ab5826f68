# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter mesh_tools."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_tools
short_description: The tools that mesh_observability asks for
version_added: "0.1.0"
description:
  - The names of the tools of C(mesh_observability) that are switched on. Where there is C(tempo), there is C(opentelemetry) before it,
    unless that is switched off.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The intent's C(mesh_observability).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what shows this mesh to people
  ansible.builtin.debug:
    msg: "{{ mesh_observability | meshops.mesh.mesh_tools }}"
"""

RETURN = r"""
_value:
  description: Some of C(prometheus), C(grafana), C(kiali), C(jaeger), C(tempo) and C(opentelemetry).
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.packages import tools_of


def mesh_tools(observability: Mapping[str, Any] | None) -> list[str]:
    """As the pure function."""
    return tools_of(observability or {})


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"mesh_tools": mesh_tools}
