# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificates_to_check."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_to_check
short_description: Certificates as they are to be checked
version_added: "0.1.0"
description:
  - Takes what P(meshops.mesh.certificate_material#filter) returns, and makes options of M(meshops.mesh.certificate_check) of it.
  - Use it in tasks with C(no_log) only; C(secrets) and C(rootless) have no secret.
author:
  - meshops.mesh contributors (@meshops)
positional: namespace
options:
  _input:
    description: The certificates with their keys.
    type: list
    elements: dict
    required: true
  namespace:
    description: The namespace of the control plane.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Judge the material before anything changes
  meshops.mesh.certificate_check:
    certificates: "{{ (material | meshops.mesh.certificates_to_check('prod-istio-system')).certificates }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: What to check.
  type: dict
  contains:
    certificates:
      description: The texts, keys included, as the option C(certificates).
      type: list
      elements: dict
    secrets:
      description: The Secrets that are made of them, as the option C(secrets).
      type: list
      elements: dict
    rootless:
      description: Names of CAs that come without roots.
      type: list
      elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.supply import secret_checks, text_checks
from ansible_collections.meshops.mesh.plugins.plugin_utils.certificate_filters import quoting_nothing


def certificates_to_check(material: Any, namespace: str) -> dict[str, Any]:
    """As the pure functions."""
    with quoting_nothing("certificates_to_check"):
        return {
            "certificates": text_checks(material),
            "secrets": secret_checks(material, namespace),
            "rootless": [str(one["name"]) for one in material if one["role"] == "authority" and not one["roots"].strip()],
        }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"certificates_to_check": certificates_to_check}
