# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter subscription_targets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: subscription_targets
short_description: Subscriptions with the version that each shall reach
version_added: "0.1.0"
description:
  - Picks the Subscriptions of a list of objects, and makes of them the option O(meshops.mesh.install_plan#module:subscriptions).
author:
  - meshops.mesh contributors (@meshops)
positional: versions
options:
  _input:
    description: The objects.
    type: list
    elements: dict
    required: true
  versions:
    description: The name of a Subscription to the ClusterServiceVersion that it shall reach, as C(mesh_operators_versions).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Wait for the operators
  meshops.mesh.install_plan:
    subscriptions: "{{ objects | meshops.mesh.subscription_targets({'servicemeshoperator3': 'servicemeshoperator3.v3.2.0'}) }}"
"""

RETURN = r"""
_value:
  description: One row a Subscription, with C(name), C(namespace) and C(target), which is empty where no version is asked for.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._olm.targets import targets_of


def subscription_targets(objects: Sequence[Mapping[str, Any]], versions: Mapping[str, str]) -> list[dict[str, str]]:
    """As the pure function."""
    return targets_of(objects, versions)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"subscription_targets": subscription_targets}
