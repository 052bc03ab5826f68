# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Issuing: from what is wanted, what is there and the time to what is kept, renewed or made. Pure; the store is elsewhere."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .._errors import ConfigError
from .chain import CLIENT, SERVER, signed_by
from .facts import Certificate, load_certificate
from .reading import Key

with contextlib.suppress(ImportError):  # facts.IMPORT_ERROR says so
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID, ObjectIdentifier

__all__ = [
    "KEEP",
    "MAKE",
    "RENEW",
    "CertificateRequest",
    "Decision",
    "StoredCertificate",
    "decide",
    "issue",
    "new_key",
    "ordered",
    "wants_new_key",
]

KEEP, RENEW, MAKE = "kept", "renewed", "made"
BACKDATED = timedelta(minutes=5)  # for clocks that are a little behind
_CURVES = {256: "SECP256R1", 384: "SECP384R1", 521: "SECP521R1"}
SUBJECT_FIELDS = ("country", "state", "locality", "organization", "organizational_unit", "common_name")


@dataclass(frozen=True)
class CertificateRequest:
    """A certificate that is wanted."""

    name: str
    kind: str  # root | intermediate | server | client
    subject: Mapping[str, str]
    issuer: str = ""
    names: tuple[str, ...] = ()
    days: float = 365.0
    key_type: str = "RSA"
    key_bits: int = 2048
    path_length: int | None = None

    @property
    def authority(self) -> bool:
        """Signs others."""
        return self.kind in ("root", "intermediate")


@dataclass(frozen=True)
class StoredCertificate:
    """What the store has of a name."""

    certificate: Certificate | None = None
    key: Key | None = None


@dataclass(frozen=True)
class Decision:
    """What becomes of one certificate, and why."""

    request: CertificateRequest
    action: str
    reason: str
    held: StoredCertificate = field(default_factory=StoredCertificate)


def _check(request: CertificateRequest, known: Mapping[str, CertificateRequest]) -> None:
    where = f"certificates: {request.name}"
    if request.kind == "root" and request.issuer:
        raise ConfigError(f"{where}: a root has no issuer, found {request.issuer}; make it an intermediate, or take the issuer out")
    if request.kind != "root" and request.issuer not in known:
        raise ConfigError(f"{where}: its issuer is {request.issuer or 'not given'}; expected one of {', '.join(sorted(known))}")
    if request.kind != "root" and not known[request.issuer].authority:
        raise ConfigError(f"{where}: its issuer {request.issuer} is a {known[request.issuer].kind}; expected a root or intermediate")
    if request.kind == "server" and not request.names:
        raise ConfigError(f"{where}: a server needs names; without them no client accepts it")
    if request.key_type == "EC" and request.key_bits not in _CURVES:
        raise ConfigError(f"{where}: EC with {request.key_bits} bits does not exist here; expected 256, 384 or 521")
    if request.key_type == "RSA" and request.key_bits < 2048:
        raise ConfigError(f"{where}: RSA with {request.key_bits} bits is too short; expected 2048 or more")
    if request.days <= 0:
        raise ConfigError(f"{where}: days is {request.days:g}; expected more than 0")
    if not request.subject.get("common_name") and not request.subject.get("organization"):
        raise ConfigError(f"{where}: the subject needs a common_name or an organization")


def ordered(requests: Sequence[CertificateRequest]) -> list[CertificateRequest]:
    """Issuers before what they sign; ConfigError for what cannot be issued at all."""
    known = {request.name: request for request in requests}
    if len(known) < len(requests):
        twice = sorted({request.name for request in requests if sum(one.name == request.name for one in requests) > 1})
        raise ConfigError(f"certificates: {', '.join(twice)} is there twice; each name is a file of the store")
    for request in requests:
        _check(request, known)
    rows: list[CertificateRequest] = []
    left = list(requests)
    while left:
        ready = [request for request in left if not request.issuer or any(one.name == request.issuer for one in rows)]
        if not ready:
            raise ConfigError(f"certificates: {', '.join(one.name for one in left)} sign each other in a circle")
        rows += ready
        left = [request for request in left if request not in ready]
    for request in rows:
        _check_depth(request, known)
    return rows


def _check_depth(request: CertificateRequest, known: Mapping[str, CertificateRequest]) -> None:
    """A path length that would be exceeded is found before anything is signed."""
    below, above = 0, known.get(request.issuer)
    while request.kind == "intermediate" and above is not None:
        if above.path_length is not None and above.path_length <= below:
            raise ConfigError(
                f"certificates: {above.name} has path_length {above.path_length}, so {request.name} cannot be a CA below it; "
                f"raise it to {below + 1}, or sign {request.name} with a CA above"
            )
        below, above = below + 1, known.get(above.issuer)


def decide(
    requests: Sequence[CertificateRequest],
    held: Mapping[str, StoredCertificate],
    *,
    now: datetime,
    renew_at: float,
    replace_root: bool = False,
) -> list[Decision]:
    """For each certificate, in the order of signing: kept while it is valid and matches, else renewed, with the reason."""
    decisions: dict[str, Decision] = {}
    for request in ordered(requests):
        own = held.get(request.name, StoredCertificate())
        action, reason = _verdict(request, own, decisions, now, renew_at)
        if request.kind == "root" and action == RENEW and reason.startswith("it does not match") and not replace_root:
            raise ConfigError(
                f"certificates: the root {request.name} is there and valid, but {reason.removeprefix('it does not match: ')}; a new root "
                "ends the trust of the whole mesh: correct the intent, or give it a new name, or set replace_root"
            )
        decisions[request.name] = Decision(request, action, reason, own)
    return list(decisions.values())


def _verdict(
    request: CertificateRequest, own: StoredCertificate, above: Mapping[str, Decision], now: datetime, renew_at: float
) -> tuple[str, str]:
    one = own.certificate
    if one is None:
        return MAKE, "there is none"
    _usable(request, own)
    difference = _difference(request, one)
    if difference:
        return RENEW, f"it does not match: {difference}"
    issuer = above.get(request.issuer)
    if issuer is not None and (
        wants_new_key(issuer) or issuer.held.certificate is None or signed_by(one, issuer.held.certificate) is False
    ):
        return RENEW, f"its issuer {request.issuer} has another key"
    if one.not_after <= now:
        return RENEW, f"it expired on {one.not_after:%Y-%m-%d}"
    if one.not_before > now:
        return RENEW, f"it is not valid before {one.not_before:%Y-%m-%d %H:%M} UTC: a clock that was ahead has issued it"
    life = one.not_after - one.not_before
    if now >= one.not_before + life * renew_at:
        passed = (now - one.not_before) / life
        return RENEW, f"{passed:.0%} of its life have passed, it is renewed at {renew_at:.0%}"
    return KEEP, f"valid until {one.not_after:%Y-%m-%d}"


def _usable(request: CertificateRequest, own: StoredCertificate) -> None:
    """A certificate whose key we cannot use is not thrown away by us."""
    key, remedy = own.key, "put the right key back, or move the file away to have both made anew"
    if key is None or key.state == "unreadable":
        why = key.reason if key else "there is none"
        raise ConfigError(f"store: {request.name} has a certificate, and its key cannot be read ({why}); {remedy}")
    if key.state == "encrypted":
        raise ConfigError(f"store: the key of {request.name} cannot be opened: {key.reason}; give the passphrase that it was made with")
    if own.certificate is not None and key.spki != own.certificate.spki:
        raise ConfigError(f"store: the key of {request.name} belongs to another certificate; {remedy}")


def _difference(request: CertificateRequest, one: Certificate) -> str:
    """The first thing that is not as wanted; empty if all is."""
    wanted = _name(request.subject).rfc4514_string()
    if one.subject != wanted:
        return f"its subject is {one.subject}, expected {wanted}"
    if sorted(one.names.all()) != sorted(str(_address(name) or name) for name in request.names):
        return f"its names are {', '.join(one.names.all()) or 'none'}, expected {', '.join(request.names) or 'none'}"
    if (one.key_type, one.key_bits) != (request.key_type, request.key_bits):
        return f"its key is {one.key_type} {one.key_bits}, expected {request.key_type} {request.key_bits}"
    if bool(one.is_ca) != request.authority or one.self_issued != (request.kind == "root"):
        return f"it is no {request.kind}"
    if request.authority and one.path_length != request.path_length:
        return f"its path length is {one.path_length}, expected {request.path_length}"
    purpose = {"server": SERVER, "client": CLIENT}.get(request.kind)
    if purpose and purpose not in (one.purposes or ()):
        return f"it is not made for a {request.kind}"
    return ""


def wants_new_key(decision: Decision) -> bool:
    """A root is renewed with its key, so that what it signed stays valid; everything else gets a new one."""
    if decision.action == KEEP:
        return False
    return not (decision.request.kind == "root" and decision.action == RENEW and not decision.reason.startswith("it does not match"))


def new_key(request: CertificateRequest) -> Any:
    """A private key of the wanted kind."""
    if request.key_type == "EC":
        return ec.generate_private_key(getattr(ec, _CURVES[request.key_bits])())
    return rsa.generate_private_key(public_exponent=65537, key_size=request.key_bits)


def _name(subject: Mapping[str, str]) -> Any:
    oids: dict[str, ObjectIdentifier] = {
        "country": NameOID.COUNTRY_NAME,
        "state": NameOID.STATE_OR_PROVINCE_NAME,
        "locality": NameOID.LOCALITY_NAME,
        "organization": NameOID.ORGANIZATION_NAME,
        "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "common_name": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(oids[name], subject[name]) for name in SUBJECT_FIELDS if subject.get(name)])


def _address(name: str) -> Any:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _general(name: str) -> Any:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _usage(request: CertificateRequest) -> Any:
    ca = request.authority
    return x509.KeyUsage(
        digital_signature=request.kind != "root",
        content_commitment=False,
        key_encipherment=not ca and request.key_type == "RSA",
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def issue(request: CertificateRequest, key: Any, issuer: tuple[Certificate, Any] | None, *, now: datetime) -> Certificate:
    """A certificate; it never outlives its issuer. `issuer` is None for a root."""
    begins, ends = now - BACKDATED, now + timedelta(days=request.days)
    if issuer is not None:
        begins, ends = max(begins, issuer[0].not_before), min(ends, issuer[0].not_after)
        if begins > now:
            raise ConfigError(
                f"certificates: {request.name} cannot be issued: its issuer {issuer[0].title} is not valid before "
                f"{begins:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}; correct the clock, or replace the issuer"
            )
        if ends <= now:
            raise ConfigError(f"certificates: {request.name} cannot be issued: its issuer {issuer[0].title} expired on {ends:%Y-%m-%d}")
    subject = _name(request.subject)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0].x509.subject if issuer else subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(begins.replace(microsecond=0)).not_valid_after(ends.replace(microsecond=0))
    length = request.path_length if request.authority else None
    builder = builder.add_extension(x509.BasicConstraints(request.authority, length), critical=True)
    builder = builder.add_extension(_usage(request), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if request.names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in request.names]), critical=False)
    purpose = {"server": SERVER, "client": CLIENT}.get(request.kind)
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ObjectIdentifier(purpose)]), critical=False)
    if issuer is not None:
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key())
        if issuer[0].key_id is not None:
            above = x509.AuthorityKeyIdentifier(issuer[0].key_id, None, None)
        builder = builder.add_extension(above, critical=False)
    signed = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    return load_certificate(signed.public_bytes(Encoding.DER))
