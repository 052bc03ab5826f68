# SPDX-License-Identifier: GPL-3.0-or-later
"""What cert-manager decides and signs: whether a Secret fits its Certificate, the request, the certificate. No I/O.

Reasons and messages are those of cert-manager v1.19 (internal/controller/certificates/policies, pkg/issuer, certificaterequests).
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .base import conditions_of, now

__all__ = [
    "Signer",
    "backoff",
    "ca_signer",
    "desired_names",
    "duration",
    "issuer_condition",
    "new_key",
    "request",
    "sign",
    "status_times",
    "violation",
    "with_condition",
]

Obj = dict[str, Any]
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
DAY = datetime.timedelta(days=1)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_SUBJECT = {
    "organizations": NameOID.ORGANIZATION_NAME,
    "organizationalUnits": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "countries": NameOID.COUNTRY_NAME,
    "localities": NameOID.LOCALITY_NAME,
    "provinces": NameOID.STATE_OR_PROVINCE_NAME,
}
_EXTENDED = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}
_NAME = "cert-manager.io/certificate-name"
_ISSUER = ("cert-manager.io/issuer-name", "cert-manager.io/issuer-kind", "cert-manager.io/issuer-group")


@dataclass(frozen=True)
class Signer:
    """A CA that signs; without a certificate it is what signs itself."""

    key: Key
    cert: x509.Certificate | None = None
    chain: bytes = b""
    root: bytes = b""


def duration(text: str | None, default: datetime.timedelta) -> datetime.timedelta:
    """A Go duration of hours, minutes and seconds."""
    found = re.findall(r"([0-9.]+)([hms])", text or "")
    return datetime.timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in found)) if found else default


def new_key(spec: Obj) -> Key:
    wanted = spec.get("privateKey") or {}
    if wanted.get("algorithm") == "ECDSA":
        return ec.generate_private_key(ec.SECP384R1() if wanted.get("size") == 384 else ec.SECP256R1())
    return rsa.generate_private_key(65537, int(wanted.get("size") or 2048))


def desired_names(spec: Obj) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(name) for name in spec.get("dnsNames") or []),
        *(x509.IPAddress(ipaddress.ip_address(name)) for name in spec.get("ipAddresses") or []),
        *(x509.UniformResourceIdentifier(name) for name in spec.get("uris") or []),
        *(x509.RFC822Name(name) for name in spec.get("emailAddresses") or []),
    ]


def _subject(spec: Obj) -> x509.Name:
    given = spec.get("subject") or {}
    parts = [x509.NameAttribute(oid, text) for field, oid in _SUBJECT.items() for text in given.get(field) or []]
    if spec.get("commonName"):
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, spec["commonName"]))
    return x509.Name(parts)


def request(spec: Obj, key: Key) -> bytes:
    """The CSR of a Certificate."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(spec))
    names = desired_names(spec)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not builder._subject_name)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def ca_signer(secret: Obj | None) -> Signer | None:
    """The CA in a Secret, as the issuer `ca` reads it: the first certificate signs, the last one is the root it tells."""
    data = {item: base64.b64decode(value) for item, value in ((secret or {}).get("data") or {}).items()}
    try:
        certs = x509.load_pem_x509_certificates(data["tls.crt"])
        key = serialization.load_pem_private_key(data["tls.key"], None)
    except (KeyError, ValueError, TypeError):
        return None
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        return None
    own = [one for one in certs if one.subject != one.issuer]
    chain = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in own)
    return Signer(key, certs[0], chain, certs[-1].public_bytes(serialization.Encoding.PEM))


def _usage(names: list[str], *, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital signature" in names,
        key_encipherment="key encipherment" in names,
        key_cert_sign=is_ca,
        crl_sign="crl sign" in names,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def sign(asked: Obj, signer: Signer, at: datetime.datetime) -> tuple[bytes, bytes]:
    """The certificate with its chain, and its CA, for the spec of a CertificateRequest."""
    csr = x509.load_pem_x509_csr(base64.b64decode(asked["request"]))
    is_ca, usages = bool(asked.get("isCA")), list(asked.get("usages") or ["digital signature", "key encipherment"])
    issuer = signer.cert.subject if signer.cert else csr.subject
    builder = x509.CertificateBuilder().subject_name(csr.subject).issuer_name(issuer).public_key(csr.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(at)
    builder = builder.not_valid_after(at + duration(asked.get("duration"), 90 * DAY))
    builder = builder.add_extension(_usage(usages, is_ca=is_ca), critical=True)
    extended = [oid for name, oid in _EXTENDED.items() if name in usages]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    if is_ca:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(csr.public_key()), critical=False)
    if signer.cert:
        public: Any = signer.cert.public_key()
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    for extension in csr.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    cert = builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return cert + signer.chain, signer.root or cert


def issuer_condition(issuer: Obj, secret: Obj | None) -> tuple[str, str, str]:
    """Status, reason and message of Ready."""
    spec = issuer["spec"]
    if "selfSigned" in spec:
        return "True", "IsReady", ""
    name = (spec.get("ca") or {}).get("secretName")
    if not name:
        return "False", "Error", "issuer type is not played on this bed: selfSigned and ca are"
    if secret is None:
        return "False", "ErrGetKeyPair", f'Error getting keypair for CA issuer: secrets "{name}" not found'
    signer = ca_signer(secret)
    if signer is None or signer.cert is None:
        return "False", "ErrGetKeyPair", "Error getting keypair for CA issuer: error decoding certificate PEM block"
    try:
        is_ca = signer.cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        return "False", "ErrInvalidKeyPair", "Error getting keypair for CA issuer: certificate is not a CA"
    return "True", "KeyPairVerified", "Signing CA verified"


def _names_of(cert: x509.Certificate) -> set[str]:
    try:
        return {str(name.value) for name in cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value}
    except x509.ExtensionNotFound:
        return set()


def violation(certificate: Obj, secret: Obj | None, at: datetime.datetime) -> tuple[str, str] | None:
    """Why the Secret does not fit the Certificate; None when it does."""
    spec = certificate["spec"]
    if secret is None:
        return "DoesNotExist", "Issuing certificate as Secret does not exist"
    data = {item: base64.b64decode(value) for item, value in (secret.get("data") or {}).items()}
    for item, word in (("tls.key", "private key"), ("tls.crt", "certificate")):
        if not data.get(item):
            return "MissingData", f"Issuing certificate as Secret does not contain a {word}"
    try:
        cert = x509.load_pem_x509_certificates(data["tls.crt"])[0]
        key: Any = serialization.load_pem_private_key(data["tls.key"], None)
    except (ValueError, TypeError) as error:
        return "InvalidCertificate", f"Issuing certificate as Secret contains an invalid certificate: {error}"
    if cert.public_key() != key.public_key():
        return "InvalidKeyPair", "Issuing certificate as Secret contains a private key that does not match the certificate"
    notes = secret["metadata"].get("annotations") or {}
    ref = spec["issuerRef"]
    wanted = (ref["name"], ref.get("kind") or "Issuer", ref.get("group") or "cert-manager.io")
    found = tuple(notes.get(name, "") for name in _ISSUER)
    if any(found) and found != wanted:
        return "IncorrectIssuer", f'Issuing certificate as Secret was previously issued by "{found[1]}.{found[2]}/{found[0]}"'
    if notes.get(_NAME, certificate["metadata"]["name"]) != certificate["metadata"]["name"]:
        return "IncorrectCertificate", (
            f'Secret was issued for "{notes[_NAME]}". If this message is not transient, you might have two '
            "conflicting Certificates pointing to the same secret."
        )
    if _names_of(cert) != {str(name.value) for name in desired_names(spec)} or cert.subject != _subject(spec):
        return "SecretMismatch", "Issuing certificate as Existing issued Secret is not up to date for spec: [spec.dnsNames]"
    if status_times(certificate, cert)[2] <= at:
        return "Renewing", f"Renewing certificate as renewal was scheduled at {status_times(certificate, cert)[2]}"
    return None


def status_times(certificate: Obj, cert: x509.Certificate) -> tuple[datetime.datetime, datetime.datetime, datetime.datetime]:
    """notBefore, notAfter, renewalTime."""
    begins, ends = cert.not_valid_before_utc, cert.not_valid_after_utc
    return begins, ends, ends - duration(certificate["spec"].get("renewBefore"), (ends - begins) / 3)


def backoff(certificate: Obj, at: datetime.datetime) -> bool:
    """An hour after the first failure, twice as long after each further one, at most 32 hours."""
    status = certificate.get("status") or {}
    if not status.get("lastFailureTime"):
        return False
    hours = min(2 ** max(int(status.get("failedIssuanceAttempts") or 1) - 1, 0), 32)
    last = datetime.datetime.strptime(status["lastFailureTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    return at < last + datetime.timedelta(hours=hours)


def with_condition(obj: Obj, kind: str, *said: str, generation: bool = True) -> list[Obj]:
    """The conditions of obj with one set: status, reason, message. The time moves only with the status."""
    old = conditions_of(obj.get("status"))
    last = next((one for one in old if one["type"] == kind), {})
    when = last["lastTransitionTime"] if last.get("status") == said[0] else now()
    new: Obj = {"type": kind, "lastTransitionTime": when, **dict(zip(("status", "reason", "message"), said, strict=True))}
    if generation:
        new["observedGeneration"] = obj["metadata"]["generation"]
    return [new if one["type"] == kind else one for one in old] + ([] if last else [new])
