# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains judged by us and by `openssl verify`: the same verdict, and the reason that OpenSSL's error stands for."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.chain import CLIENT as CLIENT_AUTH
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.chain import SERVER as SERVER_AUTH
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.chain import CertificateChain, CertificateLimits, judge
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import Certificate, FaultKind, load_certificate
from cryptography import x509

from .material import CLIENT, DAY, NOW, SERVER, Made, key, make, name, with_md5

# A verifier does not refuse these: they are advice.
ADVICE = {FaultKind.ENDS_SOON, FaultKind.OUTLIVES_ISSUER, FaultKind.ORDER, FaultKind.STRANGER}
LIMITS = CertificateLimits(skew=dt.timedelta(0), ec_bits=224)
# What X509_verify_cert says, by number, and our word for it.
ERRORS = {
    2: {FaultKind.MISSING_ISSUER},
    7: {FaultKind.BAD_SIGNATURE},
    9: {FaultKind.NOT_YET_VALID},
    10: {FaultKind.EXPIRED},
    18: {FaultKind.UNKNOWN_ROOT},
    19: {FaultKind.UNKNOWN_ROOT},
    20: {FaultKind.MISSING_ISSUER},
    21: {FaultKind.MISSING_ISSUER},
    25: {FaultKind.PATH_LENGTH},
    26: {FaultKind.PURPOSE, FaultKind.NO_CA_BIT, FaultKind.NO_CERT_SIGN},
    32: {FaultKind.NO_CERT_SIGN},
    34: {FaultKind.CRITICAL_EXTENSION},
    47: {FaultKind.NAME_CONSTRAINT},
    48: {FaultKind.NAME_CONSTRAINT},
    66: {FaultKind.WEAK_KEY},
    67: {FaultKind.WEAK_KEY},
    68: {FaultKind.WEAK_HASH},
    79: {FaultKind.NO_CA_BIT, FaultKind.NO_CERT_SIGN},
}


@dataclass(frozen=True)
class Case:
    """What is verified, and what we expect."""

    leaf: Made
    others: tuple[Made, ...]
    roots: tuple[Made, ...]
    faults: frozenset[FaultKind] = frozenset()
    at: dt.datetime = NOW
    purpose: str = "sslserver"
    partial: bool = False


ROOT = make("Root", ca=True)
MIDDLE = make("Intermediate", ROOT, ca=True, length=0)
LEAF = make("leaf", MIDDLE, names=("travel.example.com",), purposes=(SERVER, CLIENT))
OTHER_ROOT = make("Other Root", ca=True)
TWIN = make("Root", ca=True, key_name="twin root")


def case(leaf: Made, others: tuple[Made, ...] = (), roots: tuple[Made, ...] = (ROOT,), *words: FaultKind, **fields: object) -> Case:
    return Case(leaf, others, roots, frozenset(words), **fields)  # type: ignore[arg-type]


def _expired() -> Case:
    return case(make("leaf", MIDDLE, begins=NOW - 20 * DAY, ends=NOW - DAY), (MIDDLE,), (ROOT,), FaultKind.EXPIRED)


def _expired_middle() -> Case:
    old = make("Intermediate", ROOT, ca=True, begins=NOW - 20 * DAY, ends=NOW - DAY)
    return case(make("leaf", old), (old,), (ROOT,), FaultKind.EXPIRED, FaultKind.OUTLIVES_ISSUER)


def _long_path() -> Case:
    second = make("Second", MIDDLE, ca=True)
    return case(make("leaf", second), (second, MIDDLE), (ROOT,), FaultKind.PATH_LENGTH)


def _self_issued_does_not_count() -> Case:
    renewed = make("Limited", make("Limited", ca=True, length=1), ca=True, length=1, key_name="renewed")
    top = make("Limited", ca=True, length=1)
    middle = make("Below", renewed, ca=True, length=0)
    return case(make("leaf", middle), (middle, renewed), (top,))


def _forged() -> Case:
    return case(make("leaf", MIDDLE, signed_with=key("forger")), (MIDDLE,), (ROOT,), FaultKind.BAD_SIGNATURE)


def _no_ca_bit() -> Case:
    fake = make("Intermediate", ROOT, ca=False, sign=True)
    return case(make("leaf", fake), (fake,), (ROOT,), FaultKind.NO_CA_BIT)


def _no_cert_sign() -> Case:
    weak = make("Intermediate", ROOT, ca=True, sign=False)
    return case(make("leaf", weak), (weak,), (ROOT,), FaultKind.NO_CERT_SIGN)


def _leaf_signs() -> Case:
    return case(make("victim", LEAF), (LEAF, MIDDLE), (ROOT,), FaultKind.NO_CA_BIT, FaultKind.NO_CERT_SIGN, FaultKind.PATH_LENGTH)


def _no_basic_constraints() -> Case:
    odd = make("Intermediate", ROOT, ca=None, sign=True)
    return case(make("leaf", odd), (odd,), (ROOT,), FaultKind.NO_CA_BIT)


def _small_key() -> Case:
    return case(make("leaf", MIDDLE, kind="RSA512", key_name="tiny"), (MIDDLE,), (ROOT,), FaultKind.WEAK_KEY)


def _small_ca() -> Case:
    tiny = make("Intermediate", ROOT, ca=True, kind="RSA1024", key_name="small")
    return case(make("leaf", tiny), (tiny,), (ROOT,), FaultKind.WEAK_KEY)


def _md5() -> Case:
    root = make("RSA Root", ca=True, kind="RSA2048")
    return case(with_md5(make("leaf", root), root.key), (), (root,), FaultKind.WEAK_HASH)


def _md5_root_is_nobodys_business() -> Case:
    root = with_md5(make("RSA Root", ca=True, kind="RSA2048"), key("RSA Root", "RSA2048"))
    return case(make("leaf", root), (), (root,))


def _critical() -> Case:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    return case(make("leaf", MIDDLE, extra=((unknown, True),)), (MIDDLE,), (ROOT,), FaultKind.CRITICAL_EXTENSION)


def _constrained(*names: str, **rules: list[x509.GeneralName]) -> tuple[Made, Made]:
    limits = x509.NameConstraints(rules.get("permitted"), rules.get("excluded"))
    middle = make("Intermediate", ROOT, ca=True, extra=((limits, True),))
    return make("leaf", middle, names=names), middle


def _name_constraint(inside: bool) -> Case:
    leaf, middle = _constrained("a.example.com" if inside else "a.example.org", permitted=[x509.DNSName("example.com")])
    return case(leaf, (middle,), (ROOT,), *(() if inside else (FaultKind.NAME_CONSTRAINT,)))


def _excluded_name() -> Case:
    leaf, middle = _constrained("bad.example.com", excluded=[x509.DNSName("bad.example.com")])
    return case(leaf, (middle,), (ROOT,), FaultKind.NAME_CONSTRAINT)


def _excluded_uri(inside: bool) -> Case:
    leaf, middle = _constrained(
        f"spiffe://{'cluster.local' if inside else 'other.local'}/ns/a/sa/b", permitted=[x509.UniformResourceIdentifier("cluster.local")]
    )
    return case(leaf, (middle,), (ROOT,), *(() if inside else (FaultKind.NAME_CONSTRAINT,)))


def _directory_constraint(inside: bool) -> Case:
    wanted = x509.Name(list(name("x"))[:1]) if inside else x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Other")])
    leaf, middle = _constrained("a.example.com", permitted=[x509.DirectoryName(wanted)])
    return case(leaf, (middle,), (ROOT,), *(() if inside else (FaultKind.NAME_CONSTRAINT,)))


def _nested_purpose() -> Case:
    middle = make("Intermediate", ROOT, ca=True, purposes=(CLIENT,))
    return case(make("leaf", middle, purposes=(SERVER,)), (middle,), (ROOT,), FaultKind.PURPOSE)


CASES: dict[str, Callable[[], Case]] = {
    "leaf, intermediate, root": lambda: case(LEAF, (MIDDLE,)),
    "root handed over too": lambda: case(LEAF, (MIDDLE, ROOT)),
    "no intermediate between": lambda: case(make("direct", ROOT), ()),
    "the root itself": lambda: case(ROOT, (), (ROOT,), purpose=""),
    "two roots, one fits": lambda: case(LEAF, (MIDDLE,), (OTHER_ROOT, ROOT)),
    "two roots of one name": lambda: case(LEAF, (MIDDLE,), (TWIN, ROOT)),
    "cross-signed": lambda: case(LEAF, (MIDDLE, make("Root", OTHER_ROOT, ca=True)), (OTHER_ROOT,)),
    "order of the rest": lambda: case(LEAF, (ROOT, MIDDLE), (ROOT,), FaultKind.ORDER),
    "a stranger in the chain": lambda: case(LEAF, (MIDDLE, OTHER_ROOT), (ROOT,), FaultKind.STRANGER),
    "missing intermediate": lambda: case(LEAF, (), (ROOT,), FaultKind.MISSING_ISSUER),
    "root of others": lambda: case(LEAF, (MIDDLE, ROOT), (OTHER_ROOT,), FaultKind.UNKNOWN_ROOT),
    "root of others, own root not handed over": lambda: case(LEAF, (MIDDLE,), (OTHER_ROOT,), FaultKind.MISSING_ISSUER),
    "same name, other key": lambda: case(LEAF, (MIDDLE,), (TWIN,), FaultKind.MISSING_ISSUER),
    "self-signed": lambda: case(make("alone", names=("a.example.com",)), (), (ROOT,), FaultKind.UNKNOWN_ROOT),
    "intermediate as root": lambda: case(LEAF, (), (MIDDLE,), FaultKind.MISSING_ISSUER),
    "intermediate as root, allowed": lambda: case(LEAF, (), (MIDDLE,), partial=True),
    "expired": _expired,
    "expired intermediate": _expired_middle,
    "expired root": lambda: case(LEAF, (MIDDLE,), (ROOT,), FaultKind.EXPIRED, at=NOW + 400 * DAY),
    "the last second": lambda: case(LEAF, (MIDDLE,), (ROOT,), FaultKind.ENDS_SOON, at=NOW + 355 * DAY - dt.timedelta(seconds=1)),
    "the second after": lambda: case(LEAF, (MIDDLE,), (ROOT,), FaultKind.EXPIRED, at=NOW + 355 * DAY),
    "the first second": lambda: case(LEAF, (MIDDLE,), at=NOW - 10 * DAY),
    "not yet valid": lambda: case(LEAF, (MIDDLE,), (ROOT,), FaultKind.NOT_YET_VALID, at=NOW - 11 * DAY),
    "path length exceeded": _long_path,
    "self-issued CAs do not count": _self_issued_does_not_count,
    "forged": _forged,
    "CA without the CA bit": _no_ca_bit,
    "CA without basic constraints": _no_basic_constraints,
    "CA that may not sign": _no_cert_sign,
    "a leaf signed": _leaf_signs,
    "RSA of 512 bits": _small_key,
    "CA with RSA of 1024 bits": _small_ca,
    "MD5": _md5,
    "MD5 in the root": _md5_root_is_nobodys_business,
    "unknown critical extension": _critical,
    "inside of the name constraint": lambda: _name_constraint(True),
    "outside of the name constraint": lambda: _name_constraint(False),
    "excluded name": _excluded_name,
    "inside of the URI constraint": lambda: _excluded_uri(True),
    "outside of the URI constraint": lambda: _excluded_uri(False),
    "inside of the directory constraint": lambda: _directory_constraint(True),
    "outside of the directory constraint": lambda: _directory_constraint(False),
    "client as server": lambda: case(make("leaf", MIDDLE, purposes=(CLIENT,)), (MIDDLE,), (ROOT,), FaultKind.PURPOSE),
    "server as client": lambda: case(make("leaf", MIDDLE, purposes=(SERVER,)), (MIDDLE,), (ROOT,), FaultKind.PURPOSE, purpose="sslclient"),
    "client": lambda: case(LEAF, (MIDDLE,), purpose="sslclient"),
    "a CA for the wrong purpose": _nested_purpose,
    "RSA throughout": lambda: case(
        make("leaf", make("RSA Root", ca=True, kind="RSA2048"), kind="RSA2048"), (), (make("RSA Root", ca=True, kind="RSA2048"),)
    ),
    "no key identifiers": lambda: case(
        make("leaf", make("Bare", ROOT, ca=True, identifiers=False), identifiers=False), (make("Bare", ROOT, ca=True, identifiers=False),)
    ),
}


@dataclass
class Verdict:
    """What `openssl verify` said."""

    good: bool
    errors: set[int] = field(default_factory=set)
    text: str = ""


def openssl(folder: Path, given: Case) -> Verdict:
    files = {"leaf": (given.leaf,), "others": given.others, "roots": given.roots}
    for stem, rows in files.items():
        (folder / f"{stem}.pem").write_text("".join(row.pem for row in rows))
    command = ["openssl", "verify", "-no-CAfile", "-no-CApath", "-no-CAstore", "-auth_level", "2"]
    command += ["-attime", str(int(given.at.timestamp()))]
    command += ["-purpose", given.purpose] if given.purpose else []
    command += ["-partial_chain"] if given.partial else []
    command += ["-CAfile", str(folder / "roots.pem")]
    command += ["-untrusted", str(folder / "others.pem")] if given.others else []
    done = subprocess.run([*command, str(folder / "leaf.pem")], capture_output=True, text=True, check=False, timeout=30)
    text = done.stdout + done.stderr
    return Verdict(done.returncode == 0, {int(found) for found in re.findall(r"^error (\d+) at", text, re.MULTILINE)}, text)


def facts(made: Made) -> Certificate:
    return load_certificate(made.der)


def ours(given: Case) -> CertificateChain:
    return judge(
        facts(given.leaf),
        [facts(row) for row in given.others],
        [facts(row) for row in given.roots],
        at=given.at,
        purpose={"sslserver": SERVER_AUTH, "sslclient": CLIENT_AUTH}.get(given.purpose),
        limits=LIMITS,
        partial=given.partial,
    )


@pytest.mark.parametrize("title", CASES)
def test_we_judge_as_intended(title: str) -> None:
    given = CASES[title]()
    chain = ours(given)
    assert chain.words == given.faults, [fault.message for fault in chain.faults]
    assert all(fault.message for fault in chain.faults)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH")
@pytest.mark.parametrize("title", CASES)
def test_openssl_judges_the_same(title: str, tmp_path: Path) -> None:
    given = CASES[title]()
    theirs, chain = openssl(tmp_path, given), ours(given)
    refused = chain.words - ADVICE
    assert theirs.good == (not refused), f"{theirs.text}\nours: {sorted(refused)}"
    assert theirs.good or theirs.errors, theirs.text
    unknown = theirs.errors - set(ERRORS)
    assert not unknown, theirs.text
    assert all(ERRORS[number] & refused for number in theirs.errors), theirs.text


def test_cas_that_all_signed_each_other_do_not_hold_us_up() -> None:
    """Ten keys of one name, each signed by each other: 10! paths, none of which ends."""
    keys = [f"mill {number}" for number in range(10)]
    mill = [
        make("Mill", Made(make("Mill", ca=True).cert, key(above)), ca=True, key_name=own, identifiers=False)
        for own in keys
        for above in keys
        if own != above
    ]
    leaf = make("leaf", mill[0], identifiers=False)
    began = time.process_time()
    chain = judge(facts(leaf), [facts(row) for row in mill], [facts(ROOT)], at=NOW, limits=LIMITS)
    assert not chain.anchored and time.process_time() - began < 20
