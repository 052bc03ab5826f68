# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificate_issuers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_issuers
short_description: Who signs in a mesh, before and after a change
version_added: "0.1.0"
description:
  - Takes two inventories of M(meshops.mesh.certificate_check) and returns a table for people. It shows who issued the CA of istiod,
    what istiod hands out, its webhooks, and the live certificates of gateways and workloads.
author:
  - meshops.mesh contributors (@meshops)
positional: before
options:
  _input:
    description: The inventory after the change.
    type: list
    elements: dict
    required: true
  before:
    description: The inventory before the change.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show who signs now
  meshops.mesh.mesh_show:
    lines: "{{ after.inventory | meshops.mesh.certificate_issuers(before.inventory) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.issuers import issuer_lines


def certificate_issuers(after: Any, before: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """The table."""
    if not isinstance(after, Sequence) or isinstance(after, str):
        raise AnsibleFilterError(f"certificate_issuers: the input must be an inventory, a list of dicts, found {type(after).__name__}")
    return issuer_lines(before, after)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"certificate_issuers": certificate_issuers}
