# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificate_chain."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_chain
short_description: A chain of certificates in order
version_added: "0.1.0"
description:
  - Takes the first certificate of a PEM text and puts what signed it behind it, each followed by its issuer, each once.
  - What does not belong to the chain, and line ends of Windows, are left out.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: PEM text, the certificate first.
    type: str
    required: true
  others:
    description: PEM texts with the certificates that may have signed it, in any order.
    type: list
    elements: str
    default: []
  with_root:
    description: Whether the root is part of the result when it is there. Servers need not hand it over.
    type: bool
    default: true
  length:
    description: How many certificates to return at most. V(0) stands for all.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Put a chain into order
  ansible.builtin.copy:
    content: "{{ leaf_pem | meshops.mesh.certificate_chain([bundle_pem], with_root=false) }}"
    dest: chain.pem
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The certificates in PEM.
  type: str
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import Certificate


def _certificates(text: Any) -> tuple[Certificate, ...]:
    from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_bundle

    if not isinstance(text, str):
        raise AnsibleFilterError(f"certificate_chain: the input must be PEM text, found {type(text).__name__}")
    return read_bundle(text.encode(), "").certificates


def certificate_chain(text: Any, others: Sequence[str] = (), with_root: bool = True, length: int = 0) -> str:
    """The chain as text; a text without a certificate is an error."""
    # late: Ansible loads this file in each task that uses any filter of the collection
    from ansible_collections.meshops.mesh.plugins.module_utils._certificates.chain import build
    from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import IMPORT_ERROR

    if IMPORT_ERROR:
        raise AnsibleFilterError("certificate_chain: the Python package cryptography is needed on the control node")
    own = _certificates(text)
    if not own:
        raise AnsibleFilterError("certificate_chain: there is no certificate in the input that can be read")
    pool = [*own[1:], *(one for other in others for one in _certificates(other))]
    path = build(own[0], pool, ()).path
    if not with_root and len(path) > 1 and path[-1].self_issued:
        path = path[:-1]
    return "".join(one.pem() for one in path[: length or None])


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """The filters of this file."""
        return {"certificate_chain": certificate_chain}
