# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter member_labels."""

from __future__ import annotations

DOCUMENTATION = r"""
name: member_labels
short_description: The labels by which a namespace is a member of a mesh
version_added: "0.1.0"
description:
  - The labels of OpenShift Service Mesh 3 and Sail, by which istiod discovers a namespace and adds proxies to its pods.
author:
  - meshops.mesh contributors (@meshops)
positional: control_plane, injection
options:
  _input:
    description: Name of the mesh.
    type: str
    required: true
  control_plane:
    description: The control plane, as C(mesh_control_plane).
    type: dict
    required: true
  injection:
    description: Who asks for proxies, V(namespace) for all of its pods, or V(pods) each by itself.
    type: str
    choices: [namespace, pods]
    default: namespace
"""

EXAMPLES = r"""
- name: Show the labels of a member
  ansible.builtin.debug:
    msg: "{{ mesh_name | meshops.mesh.member_labels(mesh_control_plane) }}"
"""

RETURN = r"""
_value:
  description: Label to value.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.enrolment import namespace_labels


def member_labels(mesh: str, control_plane: Mapping[str, Any], injection: str = "namespace") -> dict[str, str]:
    """As the pure function."""
    return namespace_labels(mesh, control_plane, injection)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"member_labels": member_labels}
