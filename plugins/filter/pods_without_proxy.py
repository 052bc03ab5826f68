# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter pods_without_proxy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pods_without_proxy
short_description: Pods that should have a proxy and have none
version_added: "0.1.0"
description:
  - Pods that are done or on their way out, and those that carry the label C(sidecar.istio.io/inject) with the value V(false), do not count.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The pods. Of their containers only the names are looked at.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Each pod has its proxy
  ansible.builtin.assert:
    that: pods.resources | meshops.mesh.pods_without_proxy | length == 0
"""

RETURN = r"""
_value:
  description: Namespace and name of each.
  type: list
  elements: str
  sample: ["shop/web-v1-7d4b9c"]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.picked import pods_without_proxy as bare


def pods_without_proxy(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """As the pure function."""
    return bare(pods)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"pods_without_proxy": pods_without_proxy}
