# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter control_plane_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: control_plane_refusals
short_description: What a control plane cannot be
version_added: "0.1.0"
description:
  - Looks at names, ranges and fields of a control plane before anything changes.
  - Returns a sentence for each thing that has to be refused.
  - A field that the generation or the version does not have is named with the reason.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The control plane as the inventory has it, as C(mesh_control_plane).
    type: dict
    required: true
  meant:
    description: The same with the defaults.
    type: dict
    required: true
  mesh:
    description: The name of the mesh.
    type: str
    required: true
  provider:
    description: Whose control plane it is, V(ossm2), V(ossm3) or V(sail).
    type: str
    required: true
  version:
    description: Its version.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what the version does not have
  ansible.builtin.assert:
    that: mesh_control_plane | meshops.mesh.control_plane_refusals(meant, 'shop', 'ossm2', 'v2.6') | length == 0
"""

RETURN = r"""
_value:
  description: The sentences, none where nothing stands against it.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._model.plane_refusals import plane_refusals


def control_plane_refusals(given: Any, meant: Any, mesh: Any, provider: str, version: Any) -> list[str]:
    """The refusals."""
    for name, value in (("the input", given), ("meant", meant)):
        if not isinstance(value, Mapping):
            raise AnsibleFilterError(f"control_plane_refusals: {name} must be a map, found {type(value).__name__}")
    try:
        return plane_refusals(given, meant, mesh=mesh, provider=provider, version=str(version))
    except (KeyError, TypeError, ValueError) as exc:
        reason = f"{type(exc).__name__}: {exc}"
        raise AnsibleFilterError(f"control_plane_refusals: meant is no control plane with its defaults: {reason}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"control_plane_refusals": control_plane_refusals}
