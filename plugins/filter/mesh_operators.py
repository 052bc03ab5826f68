# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter mesh_operators."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_operators
short_description: The operators that an intent uses
version_added: "0.1.0"
description:
  - The packages of the Operator Lifecycle Manager that a mesh needs, each with what asks for it. What nothing asks for is not among them.
  - C(kiali.enabled) asks for Kiali, tracing by Jaeger (only V(ossm2)) for Jaeger and its storage, C(tempo) for Tempo and, unless
    C(opentelemetry.enabled) is false, for OpenTelemetry.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The provider, V(ossm2), V(ossm3) or V(sail).
    type: str
    required: true
  control_plane:
    description: The intent's C(mesh_control_plane).
    type: dict
    default: {}
  observability:
    description: The intent's C(mesh_observability).
    type: dict
    default: {}
  extra:
    description: The intent's C(mesh_operators_extra). A package of the same name takes the place of ours.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show which operators this mesh uses, and why
  ansible.builtin.debug:
    msg: "{{ mesh_provider | meshops.mesh.mesh_operators(mesh_control_plane, mesh_observability) }}"
"""

RETURN = r"""
_value:
  description: The packages in the order in which the products want them, each with C(package), C(source), C(channel), C(why), and where it
    has a namespace of its own C(namespace) and C(own_group).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.packages import packages_of


def mesh_operators(provider: Any, control_plane: Mapping[str, Any] | None = None, observability: Mapping[str, Any] | None = None,
                   extra: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:  # fmt: skip
    """As the pure function."""
    try:
        return [row.row() for row in packages_of(str(provider), control_plane, observability, extra)]
    except ConfigError as exc:
        raise AnsibleFilterError(f"mesh_operators: {exc}") from None


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"mesh_operators": mesh_operators}
