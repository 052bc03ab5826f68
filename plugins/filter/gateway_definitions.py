# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter gateway_definitions."""

from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_definitions
short_description: Whether the definitions of the Gateway API are there, and which may come
version_added: "0.1.0"
description:
  - Judges what a cluster has of the definitions of the Gateway API. Those of others, and those that OpenShift brings, are never written.
author:
  - meshops.mesh contributors (@meshops)
positional: given
options:
  _input:
    description: The definitions of the cluster, as M(meshops.mesh.mesh_objects_info) returns them.
    type: list
    elements: dict
    required: true
  given:
    description: The documents of a file with definitions; none where nobody has named one.
    type: list
    elements: dict
    required: true
  mesh:
    description: Name of the mesh, whose definitions are ours.
    type: str
    required: true
  file:
    description: The name of the file, for messages.
    type: str
    default: ""
  openshift:
    description: The version of OpenShift; empty on other clusters.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Require the Gateway API
  ansible.builtin.assert:
    that: (found.resources | meshops.mesh.gateway_definitions([], mesh='shop')).refusal == ''
"""

RETURN = r"""
_value:
  description: >-
    The C(refusal), a sentence where nothing may go on; the C(note) about definitions that stay as they are; and C(objects), the
    definitions to deliver.
  type: dict
  sample: {refusal: "", note: "", objects: []}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._gateways.definitions import definitions_for


def gateway_definitions(
    there: Sequence[Mapping[str, Any]], given: Sequence[Any], *, mesh: str, file: str = "", openshift: str = ""
) -> dict[str, Any]:
    """As the pure function."""
    return definitions_for(there, given, mesh=mesh, file=file, openshift=openshift).to_dict()


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"gateway_definitions": gateway_definitions}
