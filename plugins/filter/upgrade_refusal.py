# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter upgrade_refusal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_refusal
short_description: Why a control plane must not go through some versions
version_added: "0.1.0"
description:
  - Looks at each step between the versions by the same rules as M(meshops.mesh.upgrade_plan), and says why one of them must not be made.
  - An alias such as V(v1.30-latest) counts as its minor version.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The versions in order, the one that runs first.
    type: list
    elements: str
    required: true
  provider:
    description: Whose control plane it is, V(ossm2), V(ossm3) or V(sail).
    type: str
    required: true
  strategy:
    description: How it is updated, V(InPlace) or V(RevisionBased).
    type: str
    default: InPlace
  ambient:
    description: Whether the mesh has a ztunnel.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Refuse an upgrade that skips a minor version
  ansible.builtin.assert:
    that: "['v1.29-latest', 'v1.30.3'] | meshops.mesh.upgrade_refusal('sail') == ''"
"""

RETURN = r"""
_value:
  description: The reason, empty when nothing stands against it.
  type: str
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.rules import HOPS, hops_for


def upgrade_refusal(versions: Sequence[Any], provider: str, strategy: str = "InPlace", ambient: bool = False) -> str:
    """The reason, or nothing."""
    if provider not in {row.provider for row in HOPS}:
        raise AnsibleFilterError(f"upgrade_refusal: the provider is {provider!r}, expected ossm2, ossm3 or sail")
    # late: Ansible loads this file in each task that uses any filter of the collection
    from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.route import refusal_of_steps

    return refusal_of_steps([str(version) for version in versions], hops_for(provider, str(strategy), ambient=bool(ambient)))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name to function."""
        return {"upgrade_refusal": upgrade_refusal}
