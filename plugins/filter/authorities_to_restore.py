# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter authorities_to_restore."""

from __future__ import annotations

DOCUMENTATION = r"""
name: authorities_to_restore
short_description: CAs as they were before they were saved
version_added: "0.1.0"
description:
  - Takes copies that the role P(meshops.mesh.certificates#role) has kept, and returns the Secrets that they are copies of.
  - Use it in tasks with C(no_log) only.
author:
  - meshops.mesh contributors (@meshops)
positional: namespace
options:
  _input:
    description: The copies.
    type: list
    elements: dict
    required: true
  namespace:
    description: The namespace of the control plane.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Build what is put back
  ansible.builtin.set_fact:
    restored: "{{ saved.resources | meshops.mesh.authorities_to_restore('prod-istio-system') }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The Secrets, with their keys.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.saving import restored
from ansible_collections.meshops.mesh.plugins.plugin_utils.certificate_filters import quoting_nothing


def authorities_to_restore(saved: Sequence[Mapping[str, Any]], namespace: str) -> list[dict[str, Any]]:
    """As the pure function."""
    with quoting_nothing("authorities_to_restore"):
        return restored(saved, namespace)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"authorities_to_restore": authorities_to_restore}
