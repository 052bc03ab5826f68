# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""One certificate as facts, and what may be wrong with one."""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

IMPORT_ERROR: str | None = None
try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:  # the module says so in main(), the checks in their reason for being skipped
    IMPORT_ERROR = traceback.format_exc()

__all__ = [
    "IMPORT_ERROR",
    "AlternativeNames",
    "Certificate",
    "FaultKind",
    "Unreadable",
    "key_facts",
    "load_certificate",
    "spki_fingerprint",
]


class FaultKind(StrEnum):
    """Every fault that we know; each has a check of its own."""

    UNREACHED = "unreached"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    DER = "der"
    TOO_LARGE = "too_large"
    BOM = "bom"
    CRLF = "crlf"
    KEY_IN_PUBLIC = "key_in_public"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    ENDS_SOON = "ends_soon"
    CLOCK_SKEW = "clock_skew"
    OUTLIVES_ISSUER = "outlives_issuer"
    UNKNOWN_ROOT = "unknown_root"
    MISSING_ISSUER = "missing_issuer"
    ORDER = "order"
    STRANGER = "stranger"
    TWO_ROOTS = "two_roots"
    BAD_SIGNATURE = "bad_signature"
    NO_CA_BIT = "no_ca_bit"
    PATH_LENGTH = "path_length"
    NO_CERT_SIGN = "no_cert_sign"
    PURPOSE = "purpose"
    DUPLICATE_SERIAL = "duplicate_serial"
    LEAF_AS_CA = "leaf_as_ca"
    CRITICAL_EXTENSION = "critical_extension"
    NAME_CONSTRAINT = "name_constraint"
    KEY_MISMATCH = "key_mismatch"
    KEY_ENCRYPTED = "key_encrypted"
    KEY_UNREADABLE = "key_unreadable"
    WEAK_KEY = "weak_key"
    WEAK_HASH = "weak_hash"
    SPIFFE = "spiffe"
    TRUST_DOMAIN = "trust_domain"
    IDENTITY = "identity"
    NO_SAN = "no_san"
    HOST_UNCOVERED = "host_uncovered"
    INCOMPLETE = "incomplete"
    TWO_AUTHORITIES = "two_authorities"
    ROOT_DIFFERS = "root_differs"
    WEBHOOK_ROOT = "webhook_root"
    NO_CLIENT_CA = "no_client_ca"
    JWKS = "jwks"
    HANDSHAKE = "handshake"
    OTHER_CERTIFICATE = "other_certificate"
    ALPN = "alpn"
    PROXY_SILENT = "proxy_silent"
    PROXY_ROOTS = "proxy_roots"
    PROXY_OLD = "proxy_old"
    NOT_SHARED = "not_shared"


class Unreadable(ValueError):
    """Bytes that are no certificate, with the reason."""


@dataclass(frozen=True)
class AlternativeNames:
    """The subject alternative names."""

    dns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        """Every name as people write it."""
        return self.dns + self.uris + self.addresses + self.emails


@dataclass(frozen=True)
class Certificate:
    """Facts of one certificate; two are equal when their bytes are."""

    fingerprint: str
    x509: Any = field(compare=False, repr=False)
    version: int = field(compare=False)
    subject: str = field(compare=False)
    issuer: str = field(compare=False)
    serial: int = field(compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    names: AlternativeNames = field(compare=False)
    is_ca: bool | None = field(compare=False)  # None: it does not say
    path_length: int | None = field(compare=False)
    key_usage: frozenset[str] | None = field(compare=False)
    purposes: frozenset[str] | None = field(compare=False)  # extended key usage, as OIDs
    key_id: bytes | None = field(compare=False, repr=False)
    issuer_key_id: bytes | None = field(compare=False, repr=False)
    spki: str = field(compare=False)
    key_type: str = field(compare=False)
    key_bits: int = field(compare=False)
    hash_name: str = field(compare=False)
    unknown_critical: tuple[str, ...] = field(compare=False)
    constraints: Any = field(compare=False, repr=False)
    self_issued: bool = field(compare=False)  # subject and issuer are the same name, as of a root and of a root's renewed key

    @property
    def authority(self) -> bool:
        """True for what may sign others: a CA, or a root of the time before extensions."""
        return bool(self.is_ca) or (self.is_ca is None and self.version == 1 and self.self_issued)

    @property
    def title(self) -> str:
        """How messages name it."""
        return self.subject or next(iter(self.names.all()), "") or f"serial {self.serial:x}"

    def pem(self) -> str:
        """The certificate in PEM."""
        return self.x509.public_bytes(Encoding.PEM).decode()


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


def spki_fingerprint(public_key: Any) -> str:
    """What a private key and its certificates have in common: SHA-256 of the public key."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def key_facts(public_key: Any) -> tuple[str, int]:
    """Kind and size of a key."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return "RSA", public_key.key_size
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return "EC", public_key.key_size
    if isinstance(public_key, dsa.DSAPublicKey):
        return "DSA", public_key.key_size
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return "Ed25519", 256
    if isinstance(public_key, ed448.Ed448PublicKey):
        return "Ed448", 456
    return type(public_key).__name__, 0


def _names(found: Any) -> AlternativeNames:
    if found is None:
        return AlternativeNames()
    return AlternativeNames(
        dns=tuple(found.get_values_for_type(x509.DNSName)),
        uris=tuple(found.get_values_for_type(x509.UniformResourceIdentifier)),
        addresses=tuple(str(item) for item in found.get_values_for_type(x509.IPAddress)),
        emails=tuple(found.get_values_for_type(x509.RFC822Name)),
    )


def _hash_name(certificate: Any) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return certificate.signature_algorithm_oid.dotted_string
    return algorithm.name if algorithm is not None else "none"  # Ed25519 hashes on its own


@lru_cache(maxsize=16384)
def load_certificate(der: bytes) -> Certificate:
    """The facts of a DER certificate; Unreadable says what it is instead."""
    try:
        parsed = x509.load_der_x509_certificate(der)
        return _facts(parsed, hashlib.sha256(der).hexdigest())
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as exc:
        raise Unreadable(str(exc).splitlines()[0] if str(exc) else type(exc).__name__) from exc


def _facts(parsed: Any, fingerprint: str) -> Certificate:
    extensions, public = parsed.extensions, parsed.public_key()
    # asked once: get_extension_for_class looks through all of them each time
    by_kind = {type(item.value): item.value for item in extensions}
    basic, usage, extended = (by_kind.get(kind) for kind in (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage))
    own, parent = by_kind.get(x509.SubjectKeyIdentifier), by_kind.get(x509.AuthorityKeyIdentifier)
    kind, bits = key_facts(public)
    return Certificate(
        fingerprint=fingerprint,
        x509=parsed,
        version=1 if parsed.version is x509.Version.v1 else 3,
        subject=parsed.subject.rfc4514_string(),
        issuer=parsed.issuer.rfc4514_string(),
        serial=parsed.serial_number,
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        names=_names(by_kind.get(x509.SubjectAlternativeName)),
        is_ca=None if basic is None else basic.ca,
        path_length=None if basic is None else basic.path_length,
        key_usage=None if usage is None else frozenset(name for name in _USAGES if getattr(usage, name)),
        purposes=None if extended is None else frozenset(item.dotted_string for item in extended),
        key_id=None if own is None else own.digest,
        issuer_key_id=None if parent is None else parent.key_identifier,
        spki=spki_fingerprint(public),
        key_type=kind,
        key_bits=bits,
        hash_name=_hash_name(parsed),
        unknown_critical=tuple(
            item.oid.dotted_string for item in extensions if item.critical and isinstance(item.value, x509.UnrecognizedExtension)
        ),
        constraints=by_kind.get(x509.NameConstraints),
        self_issued=parsed.subject == parsed.issuer,
    )
