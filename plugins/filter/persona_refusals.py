# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter persona_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: persona_refusals
short_description: What the personas of a mesh cannot mean
version_added: "0.1.0"
description:
  - Takes C(mesh_personas) and returns what has to be refused before anything changes, which is rights in namespaces where the role has none
    to give.
author:
  - meshops.mesh contributors (@meshops)
positional: members
options:
  _input:
    description: The people, as C(mesh_personas) has them.
    type: list
    elements: dict
    required: true
  members:
    description: The namespaces of C(mesh_domains).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join('; ') }}"
  vars:
    refusals: "{{ mesh_personas | meshops.mesh.persona_refusals(mesh_domains | map(attribute='namespaces') | flatten) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._personas.refusals import persona_refusals as judge


def persona_refusals(people: Sequence[Mapping[str, Any]], members: Sequence[str]) -> list[str]:
    """The refusals."""
    return judge(people, members)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"persona_refusals": persona_refusals}
