# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter tracing_problems."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tracing_problems
short_description: What of an intent's tracing does not fit together
version_added: "0.1.0"
description:
  - Says what is not available in this generation, and what is missing between C(mesh_control_plane.tracing) and C(mesh_observability).
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The provider, V(ossm2), V(ossm3) or V(sail).
    type: str
    required: true
  control_plane:
    description: The intent's C(mesh_control_plane).
    type: dict
    default: {}
  observability:
    description: The intent's C(mesh_observability).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Tracing fits together
  ansible.builtin.assert:
    that: mesh_provider | meshops.mesh.tracing_problems(mesh_control_plane, mesh_observability) | length == 0
"""

RETURN = r"""
_value:
  description: The problems, each with the path of its field; empty when there are none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.packages import tracing_problems as problems


def tracing_problems(provider: Any, control_plane: Mapping[str, Any] | None = None,
                     observability: Mapping[str, Any] | None = None) -> list[str]:  # fmt: skip
    """As the pure function."""
    return problems(str(provider), control_plane, observability)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"tracing_problems": tracing_problems}
