# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter authority_changes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: authority_changes
short_description: Whether a CA that is delivered would be another root
version_added: "0.1.0"
description:
  - Takes the Secrets of a control plane's CA as they are, and the Secret C(cacerts) that is to be delivered.
  - Says whether proxies that run would have to trust another root because of it. A CA that cannot be read counts as another one.
author:
  - meshops.mesh contributors (@meshops)
positional: goal
options:
  _input:
    description: The Secrets C(cacerts) and C(istio-ca-secret), as far as they are there. Others do not count.
    type: list
    elements: dict
    required: true
  goal:
    description: The Secret C(cacerts) that is to be delivered.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse an outage
  ansible.builtin.assert:
    that: not (found.resources | meshops.mesh.authority_changes(cacerts))
"""

RETURN = r"""
_value:
  description: Whether the root changes.
  type: bool
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.plugin_utils.certificate_filters import quoting_nothing


def authority_changes(found: Sequence[Mapping[str, Any]], goal: Mapping[str, Any]) -> bool:
    """As the pure function."""
    from ansible_collections.meshops.mesh.plugins.module_utils._certificates.change import changes_root  # slow to load

    with quoting_nothing("authority_changes"):
        return changes_root(found, goal)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"authority_changes": authority_changes}
