# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter authorities_to_save."""

from __future__ import annotations

DOCUMENTATION = r"""
name: authorities_to_save
short_description: CAs that are there and not ours
version_added: "0.1.0"
description:
  - Takes the Secrets of a control plane's CA, and says which of them are not ours, and how a copy of each is kept.
  - Use it in tasks with C(no_log) only, as C(copies) has private keys.
author:
  - meshops.mesh contributors (@meshops)
positional: namespace, cert_manager
options:
  _input:
    description: The Secrets C(cacerts) and C(istio-ca-secret), and their copies, as far as they are there.
    type: list
    elements: dict
    required: true
  namespace:
    description: The namespace of the control plane.
    type: str
    required: true
  cert_manager:
    description: Whether cert-manager makes the CA. Then one that it has not issued is not ours.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Find what has to be saved
  ansible.builtin.set_fact:
    saving: "{{ found.resources | meshops.mesh.authorities_to_save('prod-istio-system') }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: What is there.
  type: dict
  contains:
    names:
      description: Those that are not ours, as C(Secret NAMESPACE/NAME).
      type: list
      elements: str
    copies:
      description: A Secret C(NAME-saved) for each of them that has none yet.
      type: list
      elements: dict
    misfits:
      description: Items and types because of which a C(cacerts) cannot become ours by writing it; it has to be deleted first.
      type: list
      elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.saving import copies, foreign, misfits
from ansible_collections.meshops.mesh.plugins.module_utils._model.picked import names_of
from ansible_collections.meshops.mesh.plugins.plugin_utils.certificate_filters import quoting_nothing


def authorities_to_save(found: Sequence[Mapping[str, Any]], namespace: str, cert_manager: Any = False) -> dict[str, Any]:
    """As the pure functions."""
    by_cert_manager = bool(boolean(cert_manager, strict=False))
    with quoting_nothing("authorities_to_save"):
        return {
            "names": names_of(foreign(found, by_cert_manager=by_cert_manager)),
            "copies": copies(found, namespace, by_cert_manager=by_cert_manager),
            "misfits": misfits(found, by_cert_manager=by_cert_manager),
        }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"authorities_to_save": authorities_to_save}
