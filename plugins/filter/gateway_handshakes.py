# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter gateway_handshakes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_handshakes
short_description: The handshakes that prove what gateways serve
version_added: "0.1.0"
description:
  - Puts each of C(mesh_gateways_handshakes) together with what it needs to know of its gateway, and with the callers that must be refused.
author:
  - meshops.mesh contributors (@meshops)
positional: gateways, namespace, folder
options:
  _input:
    description: The handshakes, as C(mesh_gateways_handshakes) has them.
    type: list
    elements: dict
    required: true
  gateways:
    description: The gateways, as C(mesh_gateways) has them.
    type: list
    elements: dict
    required: true
  namespace:
    description: The namespace of the control plane.
    type: str
    required: true
  folder:
    description: Where C(stranger.pem) is, a certificate that no gateway may accept.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which gateways are asked
  ansible.builtin.debug:
    msg: "{{ mesh_gateways_handshakes | meshops.mesh.gateway_handshakes(mesh_gateways, 'shop-system', '/tmp') | map(attribute='gateway') }}"
"""

RETURN = r"""
_value:
  description: One row a handshake, with C(gateway), C(mode), C(given) (whether an address was), C(endpoint), C(expected) and C(client) as
    in O(meshops.mesh.certificate_check#module:endpoints), and C(refused), each with C(who) and C(client).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.gateway_intent import handshakes


def gateway_handshakes(asked: Sequence[Mapping[str, Any]], gateways: Sequence[Mapping[str, Any]], namespace: Any,
                       folder: Any) -> list[dict[str, Any]]:  # fmt: skip
    """As the pure function."""
    try:
        return handshakes(asked, gateways, namespace=str(namespace), folder=str(folder))
    except ConfigError as exc:
        raise AnsibleFilterError(f"gateway_handshakes: {exc}") from None


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"gateway_handshakes": gateway_handshakes}
