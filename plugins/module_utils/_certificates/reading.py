# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Bytes to certificates and keys: PEM, DER, bundles, and everything that people hand over instead."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.problem import Problem
from .facts import Certificate, FaultKind, Unreadable, key_facts, load_certificate, spki_fingerprint

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
except ImportError:  # facts.IMPORT_ERROR says so

    class UnsupportedAlgorithm(Exception):  # type: ignore[no-redef]
        """Never raised."""


__all__ = ["MAX_BYTES", "Bundle", "Key", "has_private_key", "load_key", "public_part", "read_bundle", "read_key"]

MAX_BYTES = 1024 * 1024  # what a Secret can hold
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----[ \t]*\r?\n?", re.DOTALL)
# A snapshot says of a private key that there is one, with a block of the second label.
_KEYS = (b"PRIVATE KEY", b"WITHHELD KEY")
_WITHHELD = b"WITHHELD CONTENT"  # the same of anything else where certificates belong
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Bundle:
    """What was read: certificates in their order, and faults on the way."""

    certificates: tuple[Certificate, ...] = ()
    faults: tuple[Problem, ...] = ()

    @property
    def empty(self) -> bool:
        """True when there was nothing to read at all."""
        return any(fault.kind is FaultKind.EMPTY for fault in self.faults)


@dataclass(frozen=True)
class Key:
    """What may be said about a private key: never the key."""

    state: str  # readable | encrypted | unreadable
    kind: str = ""
    bits: int = 0
    spki: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For an annotation or a result."""
        return {"state": self.state, "kind": self.kind, "bits": self.bits, "spki": self.spki, "reason": self.reason}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Key:
        """Back from an annotation."""
        return cls(
            str(data.get("state") or "unreadable"),
            str(data.get("kind") or ""),
            int(data.get("bits") or 0),
            str(data.get("spki") or ""),
            str(data.get("reason") or ""),
        )


def has_private_key(data: bytes) -> bool:
    """True when a PEM block in it is a private key, also where it is cut off."""
    return any(match[1].endswith(_KEYS) for match in _BEGIN.finditer(data))


def public_part(data: bytes) -> bytes:
    """The bytes without any private key; what is cut off or is no text goes as a whole."""
    kept = _BLOCK.sub(lambda match: b"" if match[1].endswith(_KEYS) else match[0], data)
    return b"" if has_private_key(kept) else kept


def _plain(data: bytes, where: str) -> tuple[bytes, list[Problem]]:
    """The text without what disturbs, and a fault for each disturbance."""
    faults = []
    if data.startswith(_UTF8_BOM) or data[:2] in _UTF16_BOMS:
        reads = "Go and OpenSSL do not see the first certificate behind it"
        faults.append(Problem(where, f"it begins with a byte order mark; {reads}", kind=FaultKind.BOM))
        if data.startswith(_UTF8_BOM):
            data = data[len(_UTF8_BOM) :]
        else:
            data = data.decode("utf-16", errors="replace").encode("ascii", errors="replace")
    if b"\r\n" in data and b"-----BEGIN" in data:
        faults.append(Problem(where, "its lines end in CRLF, as on Windows", kind=FaultKind.CRLF))
    return data, faults


def read_bundle(data: bytes, where: str, *, limit: int = MAX_BYTES, der_wanted: bool = False) -> Bundle:
    """Every certificate of a PEM text or DER file; what is wrong with the rest."""
    if len(data) > limit:
        size = f"{len(data):,} {'byte' if len(data) == 1 else 'bytes'}"
        return Bundle(faults=(Problem(where, f"it has {size}, more than {limit:,}; it was not read further", kind=FaultKind.TOO_LARGE),))
    text, faults = _plain(data, where)
    if not text.strip():
        return Bundle(faults=(*faults, Problem(where, "it is empty", kind=FaultKind.EMPTY)))
    if text[:1] == b"\x30" and b"-----BEGIN" not in text:
        return _read_der(text, where, faults, der_wanted)
    found: list[Certificate] = []
    end = 0
    for number, match in enumerate(_BLOCK.finditer(text), 1):
        end = match.end()
        if match[1].endswith(_KEYS):
            faults.append(Problem(where, f"block {number} is a private key, where only certificates belong", kind=FaultKind.KEY_IN_PUBLIC))
        elif match[1] in _CERTIFICATES:
            _read_block(match[2], number, where, found, faults)
        elif match[1] == _WITHHELD:
            faults.append(Problem(where, "it has something that is no certificate; what it is is not shown", kind=FaultKind.UNREADABLE))
        elif match[1] not in (b"EC PARAMETERS", b"DH PARAMETERS"):
            faults.append(Problem(where, f"block {number} is a {match[1].decode()}, not a certificate", kind=FaultKind.UNREADABLE))
    rest = _BEGIN.search(text, end)
    if rest:
        faults.append(Problem(where, f"its last block ({rest[1].decode()}) is cut off: it has no END line", kind=FaultKind.UNREADABLE))
    elif not found and not faults:
        faults.append(Problem(where, "it is neither PEM nor DER: there is no -----BEGIN CERTIFICATE----- in it", kind=FaultKind.UNREADABLE))
    return Bundle(tuple(found), tuple(faults))


def _read_der(data: bytes, where: str, faults: list[Problem], der_wanted: bool) -> Bundle:
    try:
        certificate = load_certificate(data)
    except Unreadable as exc:
        return Bundle(faults=(*faults, Problem(where, f"it is DER, but no certificate: {exc}", kind=FaultKind.UNREADABLE)))
    if not der_wanted:
        faults.append(Problem(where, "it is DER, where PEM is wanted", kind=FaultKind.DER))
    return Bundle((certificate,), tuple(faults))


def _read_block(body: bytes, number: int, where: str, found: list[Certificate], faults: list[Problem]) -> None:
    try:
        found.append(load_certificate(base64.b64decode(b"".join(body.split()), validate=True)))
    except binascii.Error as exc:
        faults.append(Problem(where, f"certificate {number} is not base64: {exc}", kind=FaultKind.UNREADABLE))
    except Unreadable as exc:
        faults.append(Problem(where, f"certificate {number} cannot be read: {exc}", kind=FaultKind.UNREADABLE))


def load_key(data: bytes, passphrase: bytes | None = None) -> Any:
    """The private key as an object; TypeError when it is encrypted and no passphrase is given, ValueError when it is none."""
    text = data.removeprefix(_UTF8_BOM)
    for match in _BLOCK.finditer(text):
        if match[1].endswith(b"PRIVATE KEY"):
            encrypted = match[1].startswith(b"ENCRYPTED") or b"ENCRYPTED" in match[2][:200]
            # a passphrase for a key that needs none is no mistake
            return load_pem_private_key(match[0], passphrase if encrypted else None)
    if text[:1] == b"\x30":
        return load_der_private_key(text, None)
    raise ValueError("there is no PRIVATE KEY block in it")


def read_key(data: bytes, passphrase: bytes | None = None) -> Key:
    """What may be said about a private key."""
    if not data.strip():
        return Key("unreadable", reason="it is empty")
    try:
        key = load_key(data, passphrase)
    except TypeError:
        return Key("encrypted", reason="it is encrypted and no passphrase was given")
    except (ValueError, UnsupportedAlgorithm) as exc:
        if b"ENCRYPTED" in data[:400] and passphrase is not None:
            return Key("encrypted", reason="it is encrypted, and the passphrase does not open it")
        return Key("unreadable", reason=str(exc).splitlines()[0][:120] if str(exc) else "it is no private key")
    public = key.public_key()
    kind, bits = key_facts(public)
    return Key("readable", kind, bits, spki_fingerprint(public))
