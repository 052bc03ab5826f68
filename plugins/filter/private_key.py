# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter private_key."""

from __future__ import annotations

DOCUMENTATION = r"""
name: private_key
short_description: The private key of a PEM text, opened
version_added: "0.1.0"
description:
  - Takes the private key out of a PEM text and returns it without a passphrase, as istiod and Envoy want it.
  - A file of M(meshops.mesh.certificate_authority) that is in Ansible Vault is opened with the passphrase as well, when O(file) is set.
  - Use it in tasks with C(no_log) only.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: PEM text with a private key, with or without certificates.
    type: str
    required: true
  passphrase:
    description: Opens the key. A key that needs none is taken as it is.
    type: str
  file:
    description: Whether the input is the path of a file on the control node instead of its text.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Render a Secret with the key of a gateway
  ansible.builtin.set_fact:
    gateway_secret:
      apiVersion: v1
      kind: Secret
      metadata: {name: travel-tls, namespace: prod-istio-system}
      stringData:
        tls.key: "{{ lookup('ansible.builtin.file', 'pki/travel.pem') | meshops.mesh.private_key(pki_passphrase) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The private key in PEM (PKCS 8), without a passphrase.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._model.files import MIB, read_file


def _read(path: str, passphrase: str | None) -> str:
    """A file of the store; the lookups of Ansible would open a vault with the passwords of the run only."""
    from ansible_collections.meshops.mesh.plugins.module_utils._certificates.vault import is_sealed, unseal

    try:
        raw = read_file(path, limit=MIB)
        return (unseal(raw, str(passphrase or "").encode()) if is_sealed(raw) else raw).decode()
    except OSError as exc:
        raise AnsibleFilterError(f"private_key: {path} cannot be read: {exc.strerror}") from None
    except ValueError as exc:
        raise AnsibleFilterError(f"private_key: {path} is in Ansible Vault and cannot be opened: {exc}") from None


def private_key(text: Any, passphrase: str | None = None, file: bool = False) -> str:
    """The key in clear text; never says anything of its content in an error."""
    # late: Ansible loads this file in each task that uses any filter of the collection
    from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import IMPORT_ERROR
    from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import load_key

    if IMPORT_ERROR:
        raise AnsibleFilterError("private_key: the Python package cryptography is needed on the control node")
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if not isinstance(text, str):
        raise AnsibleFilterError(f"private_key: the input must be a PEM text, found {type(text).__name__}")
    text = _read(text, passphrase) if file else text
    try:
        key = load_key(text.encode(), str(passphrase).encode() if passphrase else None)
    except TypeError:
        raise AnsibleFilterError("private_key: the key is encrypted, and no passphrase is given") from None
    except ValueError:
        reason = "the passphrase does not open it" if passphrase and "ENCRYPTED" in text else "there is no private key that can be read"
        raise AnsibleFilterError(f"private_key: {reason}") from None
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"private_key": private_key}
