# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter saved_certificates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: saved_certificates
short_description: The certificates of saved CAs, for a check
version_added: "0.1.0"
description:
  - Takes Secrets of a CA as they are to be put back.
  - Returns what the option C(certificates) of M(meshops.mesh.certificate_check) takes.
  - The answer has the certificate of each and no key.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: Secrets, in the form of C(cacerts) or of C(kubernetes.io/tls).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge what was saved
  meshops.mesh.certificate_check:
    only: [OSM2101, OSM2102]
    certificates: "{{ restored | meshops.mesh.saved_certificates }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: An entry with C(name) and C(certificate_content) for each Secret; the content is empty where it has no certificate.
  type: list
  elements: dict
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

_ITEMS = ("ca-cert.pem", "tls.crt")


def saved_certificates(secrets: Any) -> list[dict[str, str]]:
    """Name and certificate of each Secret."""
    if not isinstance(secrets, list) or not all(isinstance(one, Mapping) for one in secrets):
        raise AnsibleFilterError("saved_certificates: the input must be a list of Secrets")
    return [{"name": f"{one['metadata']['name']}-saved", "certificate_content": _certificate(one.get("data") or {})} for one in secrets]


def _certificate(data: Mapping[str, str]) -> str:
    return base64.b64decode(next((data[item] for item in _ITEMS if item in data), "")).decode(errors="surrogateescape")


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"saved_certificates": saved_certificates}
