# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter gateway_addresses."""

from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_addresses
short_description: Where a mesh is reached
version_added: "0.1.0"
description:
  - The URLs of C(mesh_gateways), and of the tools of a mesh that have a Route.
author:
  - meshops.mesh contributors (@meshops)
positional: routed, routes, components
options:
  _input:
    description: The gateways, as C(mesh_gateways) has them.
    type: list
    elements: dict
    required: true
  routed:
    description: Whether the router of OpenShift stands before the gateways.
    type: bool
    required: true
  routes:
    description: The Routes of the control plane's namespace.
    type: list
    elements: dict
    default: []
  components:
    description: The tools, each with its C(name) and the name of its C(route).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show the addresses
  meshops.mesh.mesh_show:
    lines: "{{ (mesh_gateways | meshops.mesh.gateway_addresses(true)).lines }}"
"""

RETURN = r"""
_value:
  description: The C(urls) by name, of a gateway in a list; and the C(lines) that say the same to people.
  type: dict
  sample: {urls: {control: ["https://travel.example.com"]}, lines: ["control          https://travel.example.com"]}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.meshops.mesh.plugins.module_utils._model.gateway_intent import address_lines, urls_of


def gateway_addresses(gateways: Sequence[Mapping[str, Any]], routed: Any, routes: Sequence[Mapping[str, Any]] = (),
                      components: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:  # fmt: skip
    """As the pure functions."""
    urls = urls_of(gateways, routed=boolean(routed, strict=False), routes=routes, components=components)
    return {"urls": urls, "lines": address_lines(urls)}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"gateway_addresses": gateway_addresses}
