# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter pods_with_proxy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pods_with_proxy
short_description: Pods that the injector has written a proxy into
version_added: "0.1.0"
description:
  - Tells them by the annotation C(sidecar.istio.io/status), which pods of gateways have as well, whatever their state.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The pods.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: No pod has a proxy yet
  ansible.builtin.assert:
    that: pods.resources | meshops.mesh.pods_with_proxy | length == 0
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

from ansible_collections.meshops.mesh.plugins.module_utils._model.picked import pods_with_proxy as injected


def pods_with_proxy(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """As the pure function."""
    return injected(pods)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"pods_with_proxy": pods_with_proxy}
