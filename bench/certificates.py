# SPDX-License-Identifier: GPL-3.0-or-later
"""Many certificates of a snapshot judged, against `openssl verify` of the same chains in one process; CPU seconds of each."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "unit"), str(ROOT / "tests" / "integration")]
    import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.source import Source
from ansible_collections.meshops.mesh.plugins.module_utils._commands.certificate_check import run_certificate_checks
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["measured"]

NOW = dt.datetime.now(dt.UTC)
PARAMS: dict[str, Any] = {"cluster": "bench", "mesh": False, "only": [], "ignore": [], "thresholds": {}, "fail_on": "error"}


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A CA of the bench."""

    def __init__(self, name: str, above: Authority | None = None) -> None:
        self.name, self.key = name, ec.generate_private_key(ec.SECP256R1())
        signer = above or self
        builder = self._builder(name, signer, self.key.public_key(), 3650 if above is None else 700)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None if above is None else 0), critical=True)
        usage = {flag: flag in ("key_cert_sign", "crl_sign") for flag in _USAGES}
        self.cert = builder.add_extension(x509.KeyUsage(**usage), critical=True).sign(signer.key, hashes.SHA256())

    @staticmethod
    def _builder(name: str, signer: Authority, key: Any, days: int) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(signer.name)).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - dt.timedelta(days=1))
        return builder.not_valid_after(NOW + dt.timedelta(days=days))

    def leaf(self, host: str, key: Any) -> bytes:
        """A server's certificate."""
        builder = self._builder(host, self, key, 300).add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.cert.public_bytes(serialization.Encoding.PEM)


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _openssl(folder: Path, root: Authority, middle: Authority, leaves: list[bytes]) -> float:
    for name, text in [("root.pem", root.pem), ("middle.pem", middle.pem), *((f"{n}.pem", leaf) for n, leaf in enumerate(leaves))]:
        (folder / name).write_bytes(text)
    command = ["openssl", "verify", "-CAfile", "root.pem", "-untrusted", "middle.pem", "-purpose", "sslserver"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, *(f"{n}.pem" for n in range(len(leaves)))], cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or done.stdout.count(": OK") != len(leaves):
        raise RuntimeError(f"openssl verify: {done.stderr[:500]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(count: int) -> dict[str, float]:
    """CPU seconds of our checks and of openssl for as many chains, and MiB."""
    root = Authority("bench root")
    middle, key = Authority("bench intermediate", root), ec.generate_private_key(ec.SECP256R1()).public_key()
    hosts = [f"app-{number}.example.com" for number in range(count)]
    leaves = [middle.leaf(host, key) for host in hosts]
    sources = [
        Source(f"Secret team/{host}", "server", certificate=leaf, chain=middle.pem, roots=root.pem, hosts=(host,))
        for host, leaf in zip(hosts, leaves, strict=True)
    ]
    objects = json.loads(json.dumps([source.to_object() for source in sources]))  # as a snapshot's file has them
    started = time.process_time()
    report, _inventory = run_certificate_checks(PARAMS, Snapshot("bench", NOW, "snapshot", None, tuple(objects)))
    ours = time.process_time() - started
    if report.summary["failed"] or report.summary["warning"] or not report.summary["passed"]:
        raise RuntimeError(f"all chains are good, and the checks say otherwise: {report.summary}")
    with tempfile.TemporaryDirectory() as folder:
        floor = _openssl(Path(folder), root, middle, leaves)
    return {"ours": ours, "openssl": floor, "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    sys.stdout.write(json.dumps(measured(parser.parse_args().count)) + "\n")
