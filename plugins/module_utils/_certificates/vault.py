# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Ansible Vault's file format (1.1 and 1.2, AES256), so that `ansible-vault view` and `rekey` work on the store. No I/O.

A module runs where ansible-core may not be importable, so it is written here once more; a test opens each other's files.
"""

from __future__ import annotations

import binascii
import contextlib
import os

with contextlib.suppress(ImportError):  # facts.IMPORT_ERROR says so
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.hmac import HMAC
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
    from cryptography.hazmat.primitives.padding import PKCS7

__all__ = ["is_sealed", "seal", "unseal"]

_MARK = b"$ANSIBLE_VAULT;"
_HEADER = _MARK + b"1.1;AES256\n"
_ROUNDS, _BLOCK, _WIDTH = 10_000, 128, 80


def is_sealed(data: bytes) -> bool:
    """Whether it is a vaulted file."""
    return data.startswith(_MARK)


def _secrets(password: bytes, salt: bytes) -> tuple[bytes, bytes, bytes]:
    """The key, the key of the HMAC, the first counter."""
    made = PBKDF2HMAC(algorithm=hashes.SHA256(), length=80, salt=salt, iterations=_ROUNDS).derive(password)
    return made[:32], made[32:64], made[64:]


def _mac(key: bytes, text: bytes) -> HMAC:
    mac = HMAC(key, hashes.SHA256())
    mac.update(text)
    return mac


def seal(data: bytes, password: bytes) -> bytes:
    """A vaulted file."""
    salt = os.urandom(32)
    key, mac_key, counter = _secrets(password, salt)
    pad = PKCS7(_BLOCK).padder()
    coder = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    text = coder.update(pad.update(data) + pad.finalize()) + coder.finalize()
    body = binascii.hexlify(b"\n".join(map(binascii.hexlify, (salt, _mac(mac_key, text).finalize(), text))))
    return _HEADER + b"\n".join(body[start : start + _WIDTH] for start in range(0, len(body), _WIDTH)) + b"\n"


def unseal(data: bytes, password: bytes) -> bytes:
    """What is in a vaulted file; ValueError with the reason when it cannot be opened."""
    header, _newline, body = data.partition(b"\n")
    parts = header.strip().split(b";")
    if len(parts) < 3 or parts[1] not in (b"1.1", b"1.2") or parts[2] != b"AES256":
        raise ValueError(f"its format {header[:40].decode(errors='replace')!r} is not known; expected 1.1 or 1.2 with AES256")
    try:
        salt, mac, text = map(binascii.unhexlify, binascii.unhexlify(b"".join(body.split())).split(b"\n", 2))
    except (binascii.Error, ValueError):
        raise ValueError("it is damaged: its body is no vaulted text") from None
    key, mac_key, counter = _secrets(password, salt)
    try:
        _mac(mac_key, text).verify(mac)
    except InvalidSignature:
        raise ValueError("the passphrase does not open it") from None
    coder, pad = Cipher(algorithms.AES(key), modes.CTR(counter)).decryptor(), PKCS7(_BLOCK).unpadder()
    return pad.update(coder.update(text) + coder.finalize()) + pad.finalize()
