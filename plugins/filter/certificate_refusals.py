# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificate_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_refusals
short_description: What the given certificates cannot mean
version_added: "0.1.0"
description:
  - Takes the entries of a mesh's CA, gateways and clients, and returns what has to be refused before anything changes.
  - The answer names entries and fields. It never has a value of them, which may be keys and passphrases.
author:
  - meshops.mesh contributors (@meshops)
positional: with_material
options:
  _input:
    description: Entries with C(name), C(role), and what the user gave for each.
    type: list
    elements: dict
    required: true
  with_material:
    description: Whether each entry has to come with certificate and key, or with C(from_secret).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.assert:
    that: gateway_certificates | meshops.mesh.certificate_refusals(true) | length == 0
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.refusals import certificate_refusals as judge


def certificate_refusals(given: Any, with_material: bool = False) -> list[str]:
    """The refusals."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(item, Mapping) for item in given):
        raise AnsibleFilterError("certificate_refusals: the input must be a list of maps")
    return judge(given, with_material=bool(with_material))


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"certificate_refusals": certificate_refusals}
