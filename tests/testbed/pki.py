# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and kubeconfigs of a bed: one CA signs the servers, the kubelet and every user."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .paths import write_atomic

__all__ = ["Authority", "Pair", "kubeconfig", "token_kubeconfig", "write_service_account_keys"]

_YEAR = datetime.timedelta(days=365)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    cert: Path
    key: Path


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """The bed's certificate authority, in the files ca.crt and ca.key of `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pair = Pair(folder / "ca.crt", folder / "ca.key")

    @classmethod
    def create(cls, folder: Path, name: str) -> Authority:
        folder.mkdir(parents=True, exist_ok=True)
        self = cls(folder)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(f"testbed-{name}")
        now = datetime.datetime.now(datetime.UTC)
        usage = x509.KeyUsage(
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
        cert = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + _YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_atomic(self.pair.key, _key_pem(key), 0o600)
        write_atomic(self.pair.cert, cert.public_bytes(serialization.Encoding.PEM).decode())
        return self

    def issue(self, file: str, common_name: str, organizations: Iterable[str] = (), names: Iterable[str] = ()) -> Pair:
        """A server certificate when `names` are given, else a client certificate."""
        ca = x509.load_pem_x509_certificate(self.pair.cert.read_bytes())
        ca_key = serialization.load_pem_private_key(self.pair.key.read_bytes(), None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        names = list(names)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name, organizations))
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + _YEAR)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            # Python 3.13 and newer verify as strictly as RFC 5280, and want both.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), critical=False)
        pair = Pair(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        write_atomic(pair.key, _key_pem(key), 0o600)
        write_atomic(pair.cert, builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())
        return pair


def write_service_account_keys(folder: Path) -> Pair:
    """The RSA pair that signs service account tokens (public half in `cert`)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    pair = Pair(folder / "sa.pub", folder / "sa.key")
    write_atomic(pair.key, _key_pem(key), 0o600)
    write_atomic(pair.cert, public.decode())
    return pair


def _write(path: Path, name: str, cluster: dict[str, Any], *, user_name: str, user: dict[str, Any], namespace: str | None = None) -> Path:
    context = {"cluster": name, "user": user_name, **({"namespace": namespace} if namespace else {})}
    write_atomic(
        path,
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": name,
                "preferences": {},
                "clusters": [{"name": name, "cluster": cluster}],
                "contexts": [{"name": name, "context": context}],
                "users": [{"name": user_name, "user": user}],
            },
            sort_keys=False,
        ),
        0o600,
    )
    return path


def kubeconfig(path: Path, *, name: str, server: str, ca: Path, user: str, pair: Pair, embed: bool = False) -> Path:
    """embed: with the certificates inside, so that the one file can be handed on."""
    if not embed:
        return _write(
            path,
            name,
            {"server": server, "certificate-authority": str(ca)},
            user_name=user,
            user={"client-certificate": str(pair.cert), "client-key": str(pair.key)},
        )
    text = {what: base64.b64encode(file.read_bytes()).decode() for what, file in (("ca", ca), ("cert", pair.cert), ("key", pair.key))}
    return _write(
        path,
        name,
        {"server": server, "certificate-authority-data": text["ca"]},
        user_name=user,
        user={"client-certificate-data": text["cert"], "client-key-data": text["key"]},
    )


def token_kubeconfig(path: Path, *, name: str, server: str, ca: Path, user: str, token: str, namespace: str) -> Path:
    data = base64.b64encode(ca.read_bytes()).decode()
    return _write(
        path, name, {"server": server, "certificate-authority-data": data}, user_name=user, user={"token": token}, namespace=namespace
    )
