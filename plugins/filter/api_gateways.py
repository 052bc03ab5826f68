# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter api_gateways."""

from __future__ import annotations

DOCUMENTATION = r"""
name: api_gateways
short_description: The gateways of a mesh that are Gateways of the Gateway API
version_added: "0.1.0"
description:
  - Of C(mesh_gateways) those with C(api) V(gateway), each with its defaults and with what istiod makes for it.
author:
  - meshops.mesh contributors (@meshops)
positional: namespace, traffic, routed
options:
  _input:
    description: The gateways, as C(mesh_gateways) has them.
    type: list
    elements: dict
    required: true
  namespace:
    description: Namespace of the control plane, where a gateway is that names no other one.
    type: str
    required: true
  traffic:
    description: Intended traffic, as C(mesh_traffic) has it; the namespaces of entries that name a gateway may attach routes to it.
    type: list
    elements: dict
    default: []
  routed:
    description: Whether Routes of OpenShift lead to the gateways.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show which Deployments istiod makes for gateways
  ansible.builtin.debug:
    msg: "{{ mesh_gateways | meshops.mesh.api_gateways('istio-system') | map(attribute='workload') }}"
"""

RETURN = r"""
_value:
  description: >-
    One row a gateway, with C(name), C(namespace), C(class), C(workload) (the name of its Deployment and Service), C(service_type),
    C(least) and C(most) (pods), C(cpu), C(listeners), C(allowed) (namespaces whose routes may attach), C(routes), one for each
    namespace of Services, and C(exposed), the hosts that get a Route.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.meshops.mesh.plugins.module_utils._gateways.gateway_api import api_gateways as rows_of


def api_gateways(
    gateways: Sequence[Mapping[str, Any]], namespace: str, traffic: Sequence[Mapping[str, Any]] = (), routed: Any = False
) -> list[dict[str, Any]]:
    """As the pure function."""
    return rows_of(gateways, plane=namespace, traffic=traffic, routed=boolean(routed, strict=False))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"api_gateways": api_gateways}
