# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter version_at_least."""

from __future__ import annotations

DOCUMENTATION = r"""
name: version_at_least
short_description: Whether a version of a control plane has what came with another one
version_added: "0.1.0"
description:
  - Compares versions of Istio or of OpenShift Service Mesh as their operators write them, with aliases such as V(v1.30-latest).
  - What is no version, such as V(master), counts as newer than all.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The version.
    type: str
    required: true
  since:
    description: The version that brought something; V(v2.4) means every patch of it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Needs OpenShift Service Mesh 2.4
  ansible.builtin.assert:
    that: mesh_ossm2_version | meshops.mesh.version_at_least('v2.4')
"""

RETURN = r"""
_value:
  description: Whether it has.
  type: bool
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.versions import at_least


def version_at_least(text: Any, since: Any) -> bool:
    """As the pure function, of whatever an inventory has: 2.4 may be a number there."""
    return at_least(str(text), str(since))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., bool]]:
        """Name to function."""
        return {"version_at_least": version_at_least}
