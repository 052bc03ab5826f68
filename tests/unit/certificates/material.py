# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes certificates for tests, good and bad ones, at fixed times; keys are made once in a run."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@cache
def key(name: str, kind: str = "EC") -> Any:
    """The key of this name."""
    if kind == "EC":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "RSA512":
        return _tiny()
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("RSA")))


def _tiny() -> rsa.RSAPrivateKey:
    """An RSA key of 512 bits."""
    p, q = _prime(1 << 255 | 1 << 254), _prime(1 << 255 | 1 << 254 | 1 << 200)
    phi = (p - 1) * (q - 1)
    d = pow(65537, -1, phi)
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _prime(start: int) -> int:
    number = start | 1
    while any(pow(base, number - 1, number) != 1 for base in (2, 3, 5, 7, 11, 13)) or (number - 1) % 65537 == 0:
        number += 2
    return number


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    cert: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.cert.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.DER)

    def key_pem(self, passphrase: str = "") -> str:
        cover = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cover).decode()


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Travel"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def general(text: str) -> x509.GeneralName:
    """`spiffe://...` is a URI, an address an address, the rest DNS."""
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(ca: bool, sign: bool | None) -> x509.KeyUsage:
    may = ca if sign is None else sign
    return x509.KeyUsage(not may or not ca, False, False, False, False, may, may, False, False)


def make(
    common: str,
    issuer: Made | None = None,
    *,
    ca: bool | None = False,
    names: tuple[str, ...] = (),
    length: int | None = None,
    begins: dt.datetime = NOW - 10 * DAY,
    ends: dt.datetime = NOW + 355 * DAY,
    kind: str = "EC",
    key_name: str = "",
    serial: int | None = None,
    sign: bool | None = None,
    usage: bool = True,
    purposes: tuple[Any, ...] | None = None,
    extra: tuple[tuple[Any, bool], ...] = (),
    identifiers: bool = True,
    signed_with: Any = None,
) -> Made:
    """A certificate; without issuer it signs itself. ca=None leaves the basic constraints out."""
    own = key(key_name or common, kind)
    parent = issuer.cert.subject if issuer else name(common)
    # derived: the same call makes the same certificate but for the signature
    number = serial or int.from_bytes(hashlib.sha256(f"{common}|{parent}|{begins}|{ends}".encode()).digest()[:8], "big") >> 1
    builder = x509.CertificateBuilder().subject_name(name(common)).issuer_name(parent).public_key(own.public_key())
    builder = builder.serial_number(number).not_valid_before(begins).not_valid_after(ends)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True)
    if usage:
        builder = builder.add_extension(_usage(bool(ca), sign), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([general(text) for text in names]), critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
    signer = signed_with or (issuer.key if issuer else own)
    if identifiers:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        above = (issuer.key if issuer else own).public_key()
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
    for value, critical in extra:
        builder = builder.add_extension(value, critical=critical)
    return Made(builder.sign(signer, hashes.SHA256()), own)


_SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")
_MD5_RSA = bytes.fromhex("06092a864886f70d010104")


def with_md5(made: Made, signer: rsa.RSAPrivateKey) -> Made:
    """The same certificate signed with MD5, which no library does any more: the bytes are exchanged and signed anew."""
    der = made.der
    tbs = made.cert.tbs_certificate_bytes
    new = tbs.replace(_SHA256_RSA, _MD5_RSA)
    signature = signer.sign(new, padding.PKCS1v15(), hashes.MD5())  # noqa: S303
    forged = der.replace(tbs, new).replace(_SHA256_RSA, _MD5_RSA)
    forged = forged[: -len(signature)] + signature
    return Made(x509.load_der_x509_certificate(forged), made.key)
