# SPDX-License-Identifier: GPL-3.0-or-later
"""What the played cert-manager signs, as OpenSSL judges it, and when it issues again; reasons as the real one says them."""

from __future__ import annotations

import base64
import datetime as dt
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from testbed.operators.cert_manager_rules import (
    Signer,
    backoff,
    ca_signer,
    duration,
    issuer_condition,
    new_key,
    request,
    sign,
    status_times,
    violation,
)

Obj = dict[str, Any]
AT = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
EC = {"algorithm": "ECDSA", "size": 256}
NOTES = {
    f"cert-manager.io/{key}": value
    for key, value in {"certificate-name": "web", "issuer-name": "root", "issuer-kind": "Issuer", "issuer-group": "cert-manager.io"}.items()
}


def coded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def issue(spec: Obj, signer: Signer | None = None, notes: Obj | None = None) -> Obj:
    """The Secret of a Certificate with this spec."""
    key = new_key(spec)
    fields = ("isCA", "usages", "duration")
    asked = {"request": coded(request(spec, key)), **{field: spec[field] for field in fields if field in spec}}
    cert, root = sign(asked, signer or Signer(key), AT)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"metadata": {"annotations": notes or {}}, "data": {"tls.crt": coded(cert), "tls.key": coded(pem), "ca.crt": coded(root)}}


def certificate(**spec: Any) -> Obj:
    return {
        "metadata": {"name": "web", "generation": 1},
        "spec": {
            "secretName": "web",
            "dnsNames": ["web.example.com"],
            "duration": "3h",
            "renewBefore": "1h",
            "privateKey": EC,
            "issuerRef": {"name": "root"},
            **spec,
        },
    }


ROOT = issue({"commonName": "root", "isCA": True, "usages": ["cert sign", "crl sign"], "duration": "87600h", "privateKey": EC})
CA = ca_signer(ROOT)
MIDDLE = issue({"commonName": "middle", "isCA": True, "usages": ["cert sign"], "privateKey": EC}, CA)
LEAF = issue(certificate()["spec"], CA, NOTES)


def text(secret: Obj, item: str) -> bytes:
    return base64.b64decode(secret["data"][item])


def test_chains_are_good_for_openssl(tmp_path: Path) -> None:
    deep = issue(certificate()["spec"], ca_signer(MIDDLE))
    for name, value in (("root", text(ROOT, "ca.crt")), ("leaf", text(LEAF, "tls.crt")), ("deep", text(deep, "tls.crt"))):
        (tmp_path / name).write_bytes(value)
    when = ["-attime", str(int((AT + HOUR).timestamp())), "-verify_hostname", "web.example.com", "-CAfile", str(tmp_path / "root")]
    for name in ("leaf", "deep"):
        command = ["openssl", "verify", *when, "-untrusted", str(tmp_path / name), str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert len(x509.load_pem_x509_certificates(text(deep, "tls.crt"))) == 2, "the CA between is handed over, the root is not"
    assert text(deep, "ca.crt") == text(MIDDLE, "tls.crt"), "the last certificate that the issuer's Secret has"


@pytest.mark.parametrize(
    ("change", "secret", "hours", "reason"),
    [
        ({}, LEAF, 1, None),
        ({}, None, 1, "DoesNotExist"),
        ({}, LEAF, 2, "Renewing"),
        ({"dnsNames": ["other.example.com"]}, LEAF, 1, "SecretMismatch"),
        ({"issuerRef": {"name": "other"}}, LEAF, 1, "IncorrectIssuer"),
        ({}, {**LEAF, "data": {"tls.crt": LEAF["data"]["tls.crt"]}}, 1, "MissingData"),
        ({}, {**LEAF, "data": {**LEAF["data"], "tls.key": ROOT["data"]["tls.key"]}}, 1, "InvalidKeyPair"),
        ({}, {**LEAF, "data": {**LEAF["data"], "tls.crt": coded(b"x")}}, 1, "InvalidCertificate"),
        ({}, {**LEAF, "metadata": {"annotations": {**NOTES, "cert-manager.io/certificate-name": "api"}}}, 1, "IncorrectCertificate"),
    ],
)
def test_when_it_issues_again(change: Obj, secret: Obj | None, hours: int, reason: str | None) -> None:
    found = violation(certificate(**change), secret, AT + hours * HOUR)
    assert (found[0] if found else None) == reason


@pytest.mark.parametrize(
    ("spec", "secret", "said"),
    [
        ({"selfSigned": {}}, None, ("True", "IsReady", "")),
        ({"ca": {"secretName": "r"}}, ROOT, ("True", "KeyPairVerified", "Signing CA verified")),
        ({"ca": {"secretName": "r"}}, None, ("False", "ErrGetKeyPair", 'Error getting keypair for CA issuer: secrets "r" not found')),
        ({"ca": {"secretName": "r"}}, LEAF, ("False", "ErrInvalidKeyPair", "Error getting keypair for CA issuer: certificate is not a CA")),
    ],
)
def test_issuers(spec: Obj, secret: Obj | None, said: tuple[str, str, str]) -> None:
    assert issuer_condition({"spec": spec}, secret) == said


@pytest.mark.parametrize(
    ("attempts", "minutes", "waits"), [(1, 59, True), (1, 61, False), (2, 119, True), (2, 121, False), (9, 1900, True), (9, 1930, False)]
)
def test_it_tries_again_later_and_later(attempts: int, minutes: int, waits: bool) -> None:
    status = {"lastFailureTime": "2026-11-21T12:00:00Z", "failedIssuanceAttempts": attempts}
    assert backoff({"status": status}, AT + dt.timedelta(minutes=minutes)) is waits


def test_times() -> None:
    leaf = x509.load_pem_x509_certificates(text(LEAF, "tls.crt"))[0]
    assert status_times(certificate(), leaf) == (AT, AT + 3 * HOUR, AT + 2 * HOUR)
    assert duration("8760h0m0s", HOUR) == 8760 * HOUR and duration("1h30m", HOUR) == 1.5 * HOUR and duration(None, HOUR) == HOUR
