# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificate_material."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_material
short_description: Certificates with their keys, whoever provides them
version_added: "0.1.0"
description:
  - Takes the intended certificates of a mesh, and returns each with its chain, its roots and its private key.
  - Use it in tasks with C(no_log) only.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The variables C(certificates_*) of the role P(meshops.mesh.certificates#role), without their prefix.
    type: dict
    required: true
  issued:
    description: For own_ca, RV(meshops.mesh.certificate_authority#module:certificates).
    type: list
    elements: dict
    default: []
  secrets:
    description:
      - RV(meshops.mesh.mesh_objects_info#module:answers) to the questions that P(meshops.mesh.certificates_wanted#filter) has for pem, or
        P(meshops.mesh.cert_manager_certificates#filter) for cert-manager.
    type: list
    elements: dict
    default: []
  texts:
    description: For pem, what is in the files, by their path.
    type: dict
    default: {}
  passphrase:
    description: Opens keys that have no passphrase of their own.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Take the material of the store
  ansible.builtin.set_fact:
    material: "{{ intent | meshops.mesh.certificate_material(issued=pki.certificates, passphrase=pki_passphrase) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: Each with C(name), C(role), C(intent) (its entry), C(certificate), C(chain), C(roots), C(key) and C(passphrase).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.filter.private_key import private_key
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.supply import from_cert_manager, from_pem, from_store
from ansible_collections.meshops.mesh.plugins.plugin_utils.certificate_filters import intent_of, quoting_nothing


def certificate_material(variables: Any, issued: Sequence[Mapping[str, Any]] = (), secrets: Sequence[Mapping[str, Any]] = (),
                         texts: Mapping[str, str] | None = None, passphrase: Any = "") -> list[dict[str, Any]]:  # fmt: skip
    """As the pure function of the provider."""
    opened = str(passphrase or "")

    def open_key(path: str) -> str:
        return private_key(path, opened or None, file=True)

    with quoting_nothing("certificate_material"):
        intent = intent_of(variables)
        if intent.by_cert_manager:
            return from_cert_manager(intent, secrets)
        if intent.provider == "pem":
            return from_pem(intent, secrets, texts or {}, opened)
        return from_store(intent, issued, opened, open_key)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"certificate_material": certificate_material}
