# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter pending_members."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pending_members
short_description: Which namespaces a member roll does not have yet, and why
version_added: "0.1.0"
description:
  - Compares namespaces with the status of a C(ServiceMeshMemberRoll).
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The namespaces that should be members.
    type: list
    elements: str
    required: true
  roll:
    description: The C(ServiceMeshMemberRoll); an empty map where there is none.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Each namespace is a member
  ansible.builtin.assert:
    that: "['shop', 'stock'] | meshops.mesh.pending_members(roll.resources | first | default({})) | length == 0"
"""

RETURN = r"""
_value:
  description: Each namespace that is no member yet, with what the operator says about it.
  type: list
  elements: str
  sample: ["shop (the operator has not looked at it yet)"]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.members import pending_members as pending


def pending_members(namespaces: Sequence[str], roll: Mapping[str, Any]) -> list[str]:
    """As the pure function."""
    return pending(namespaces, roll)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"pending_members": pending_members}
