# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate authorities of played control planes: one per control plane namespace, kept in the bed's pki folder.

An istiod signs its own webhook certificate with the mesh's CA, and that CA is what goes into caBundle, `istio-ca-secret` and
`istio-ca-root-cert`. So a check that follows these certificates finds what it would find in a real mesh.
"""

from __future__ import annotations

import base64
import datetime
import os
import re
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authorities", "Authority", "server_context"]

ROOT_DAYS, LEAF_DAYS = 3650, 365


@dataclass(frozen=True)
class Authority:
    """A signing CA in PEM: `cert` signs, `root` is what others trust (the same unless a CA was plugged in by `cacerts`)."""

    cert: bytes
    key: bytes
    root: bytes

    @property
    def bundle(self) -> str:
        """caBundle of a webhook."""
        return base64.b64encode(self.root).decode()

    def leaf(self, *names: str) -> tuple[bytes, bytes]:
        """A serving certificate for the DNS names, with its chain, and its key."""
        issuer = x509.load_pem_x509_certificate(self.cert)
        signer = serialization.load_pem_private_key(self.key, None)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(names[0][:64], key, issuer.subject, LEAF_DAYS)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        cert = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
        return cert.public_bytes(serialization.Encoding.PEM) + self.cert, _pem(key)

    def workload(self, spiffe: str, life: datetime.timedelta) -> tuple[bytes, bytes]:
        """A workload's certificate as istiod issues it, with its chain, and its key."""
        issuer = x509.load_pem_x509_certificate(self.cert)
        signer = serialization.load_pem_private_key(self.key, None)
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().issuer_name(issuer.subject).public_key(key.public_key()).subject_name(x509.Name([]))
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(minutes=2)).not_valid_after(now + life)
        # Without a subject the names are all there is, so they are critical.
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe)]), critical=True)
        builder = builder.add_extension(_leaf_usage(), critical=True)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        cert = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
        return cert.public_bytes(serialization.Encoding.PEM) + self.cert, _pem(key)

    @classmethod
    def new(cls, organization: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
        builder = _builder("", key, name, ROOT_DAYS).subject_name(name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_ca_usage(), critical=True)
        cert = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return cls(cert, _pem(key), cert)


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _leaf_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=False,
        crl_sign=False,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(common_name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=2)
    builder = x509.CertificateBuilder().issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=days))
    if common_name:
        builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
    return builder


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authorities:
    """The CAs of one bed, by control plane namespace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Authority] = {}

    def of(self, namespace: str) -> Authority:
        """The CA of the control plane in this namespace; made on first use, kept in the bed's folder."""
        if namespace not in self._known:
            safe = re.sub(r"[^A-Za-z0-9.-]", "_", namespace)
            cert, key = self.folder / f"mesh-{safe}.crt", self.folder / f"mesh-{safe}.key"
            if cert.exists() and key.exists():
                pem = cert.read_bytes()
                self._known[namespace] = Authority(pem, key.read_bytes(), pem)
            else:
                made = Authority.new("cluster.local")
                self.folder.mkdir(parents=True, exist_ok=True)
                cert.write_bytes(made.cert)
                key.touch(mode=0o600)
                key.write_bytes(made.key)
                self._known[namespace] = made
        return self._known[namespace]

    def plug_in(self, namespace: str, authority: Authority) -> None:
        """A `cacerts` Secret wins over the CA that istiod would make."""
        self._known[namespace] = authority


def server_context(cert: bytes, key: bytes) -> ssl.SSLContext:
    """A TLS server context; ssl reads certificates only from files, so they pass through one that is removed at once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as handle:
        handle.write(key + cert)
    try:
        context.load_cert_chain(handle.name)
    finally:
        os.unlink(handle.name)
    return context
