# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter secrets_not_issued."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secrets_not_issued
short_description: Secrets that cert-manager has not written
version_added: "0.1.0"
description:
  - A Secret that cert-manager has written has the annotation C(cert-manager.io/certificate-name).
author:
  - meshops.mesh contributors (@meshops)
positional: mesh
options:
  _input:
    description: The Secrets.
    type: list
    elements: dict
    required: true
  mesh:
    description: Those that this mesh has made do not count, either.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Say what cert-manager would write over
  ansible.builtin.debug:
    msg: "{{ found.resources | meshops.mesh.secrets_not_issued('travel') | meshops.mesh.object_names }}"
"""

RETURN = r"""
_value:
  description: The Secrets, as they were given.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.saving import not_issued


def secrets_not_issued(secrets: Sequence[Mapping[str, Any]], mesh: Any = "") -> list[Mapping[str, Any]]:
    """As the pure function."""
    return not_issued(secrets, str(mesh or ""))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"secrets_not_issued": secrets_not_issued}
