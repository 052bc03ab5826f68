# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificate_summary."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_summary
short_description: Who signs in a mesh, and which certificate expires first
version_added: "0.1.0"
description:
  - Takes the result of M(meshops.mesh.certificate_check), and returns lines for people.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The result; C(inventory) and C(timeline) are read.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Look at every certificate of the mesh
  meshops.mesh.certificate_check:
    mesh: true
  register: found

- name: Show who signs, and which certificate expires first
  meshops.mesh.mesh_show:
    lines: "{{ found | meshops.mesh.certificate_summary }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.issuers import summary_lines


def certificate_summary(result: Any) -> list[str]:
    """The lines."""
    if not isinstance(result, Mapping) or "inventory" not in result or "timeline" not in result:
        raise AnsibleFilterError("certificate_summary: the input must be the result of certificate_check, with inventory and timeline")
    return summary_lines(result["inventory"], result["timeline"])


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"certificate_summary": certificate_summary}
