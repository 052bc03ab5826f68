# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificates_asked."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_asked
short_description: Which certificates a mesh's intent asks for
version_added: "0.1.0"
description:
  - Takes the intended certificates of a mesh, and says which of them there shall be. The answer has nothing else of them.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The variables C(certificates_*) of the role P(meshops.mesh.certificates#role), without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say whether the mesh gets a CA
  ansible.builtin.assert:
    that: "'authority' in (intent | meshops.mesh.certificates_asked)"
  vars:
    intent:
      mesh: travel
      control_plane: {name: production, namespace: prod-istio-system}
      root: {name: root-2027}
"""

RETURN = r"""
_value:
  description:
    - V(authority), a CA that istiod signs with, where C(authority), C(root) or an issuer of cert-manager has anything in it.
    - V(served), certificates of gateways or clients, or roots to trust. V(istio_csr), istio-csr in the place of istiod's CA.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.cert_manager import istio_csr
from ansible_collections.meshops.mesh.plugins.plugin_utils.certificate_filters import intent_of, quoting_nothing


def certificates_asked(variables: Any) -> list[str]:
    """As the pure functions."""
    with quoting_nothing("certificates_asked"):
        intent = intent_of(variables)
        found = {
            "authority": intent.has_authority,
            "served": bool(intent.leaves or intent.trust),
            "istio_csr": istio_csr(intent).enabled,
        }
    return [name for name, asked in found.items() if asked]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"certificates_asked": certificates_asked}
