# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificates_for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_for
short_description: Certificates of cert-manager that write these Secrets
version_added: "0.1.0"
description:
  - Takes Certificates, and returns those whose Secret is among some objects.
author:
  - meshops.mesh contributors (@meshops)
positional: objects
options:
  _input:
    description: The Certificates.
    type: list
    elements: dict
    required: true
  objects:
    description: The objects, of any kind.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say who would write over our Secrets
  ansible.builtin.debug:
    msg: "{{ found.resources | meshops.mesh.certificates_for(ours) | meshops.mesh.object_names }}"
"""

RETURN = r"""
_value:
  description: The Certificates, as they were given.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.saving import certificates_for as writers


def certificates_for(certificates: Sequence[Mapping[str, Any]], objects: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """As the pure function."""
    return writers(certificates, objects)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"certificates_for": certificates_for}
