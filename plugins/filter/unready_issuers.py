# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter unready_issuers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unready_issuers
short_description: Why issuers of cert-manager are not ready
version_added: "0.1.0"
description:
  - Issuers of other API groups than cert-manager's do not count, as nobody knows how they say that they are ready.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: RV(meshops.mesh.mesh_objects_info#module:answers). What is no question about cert-manager is left out.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Check the issuers
  ansible.builtin.assert:
    that: found.answers | meshops.mesh.unready_issuers | length == 0
"""

RETURN = r"""
_value:
  description: A part of a sentence for each that is not there or not ready.
  type: list
  elements: str
  sample: ["ClusterIssuer corporate does not exist"]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.saving import unready_issuers as unready


def unready_issuers(answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """As the pure function."""
    return unready(answers)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"unready_issuers": unready_issuers}
