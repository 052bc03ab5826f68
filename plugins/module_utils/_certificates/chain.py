# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Builds the chain of a certificate and judges it, as OpenSSL and Go do, with a reason for each refusal.

cryptography's own x509.verification answers yes or no for the profile of the web's public CAs, and stops at the first reason;
a mesh needs all reasons, CAs as the end of a chain, and identities without a host name. Signatures are verified by the library.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from .._model.problem import Problem, Severity, merged
from .._text import span
from .facts import Certificate, FaultKind
from .names import violation

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
except ImportError:  # facts.IMPORT_ERROR says so

    class InvalidSignature(Exception):  # type: ignore[no-redef]
        """Never raised."""

    class UnsupportedAlgorithm(Exception):  # type: ignore[no-redef]
        """Never raised."""


__all__ = [
    "CLIENT",
    "SERVER",
    "CertificateChain",
    "CertificateLimits",
    "build",
    "date_faults",
    "judge",
    "signed_by",
    "strength_faults",
]

SERVER = "1.3.6.1.5.5.7.3.1"
CLIENT = "1.3.6.1.5.5.7.3.2"
ANY = "2.5.29.37.0"
_PURPOSES = {SERVER: "server authentication", CLIENT: "client authentication"}
_WEAK_HASHES = frozenset({"md2", "md4", "md5", "sha1", "1.2.840.113549.1.1.2", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.3"})
_MAX_DEPTH = 12
_MAX_STEPS = 2000  # a bundle of CAs that all signed each other has more paths than anybody can walk


@dataclass(frozen=True)
class CertificateLimits:
    """What is compared with; every number comes from the thresholds."""

    days: float = 30.0
    fraction: float = 0.2
    skew: timedelta = timedelta(seconds=60)
    rsa_bits: int = 2048
    ec_bits: int = 224


@dataclass(frozen=True)
class CertificateChain:
    """A path from a certificate upwards, and what is wrong with it. `anchored`: it ends at a root that was expected."""

    path: tuple[Certificate, ...]
    anchored: bool
    faults: tuple[Problem, ...] = ()

    @property
    def words(self) -> frozenset[str]:
        """Which faults there are."""
        return frozenset(fault.kind for fault in self.faults)


@lru_cache(maxsize=65536)
def signed_by(child: Certificate, parent: Certificate) -> bool | None:
    """True if the parent's key made the child's signature; None when the algorithm is too old to be verified at all."""
    try:
        child.x509.verify_directly_issued_by(parent.x509)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # cryptography refuses MD5 and the like here; names and kind of key still tell
        return None if child.hash_name in _WEAK_HASHES and child.x509.issuer == parent.x509.subject else False
    return True


def _may_have_issued(parent: Certificate, child: Certificate) -> bool:
    """The name fits, and the key identifiers do not contradict it."""
    if parent.x509.subject != child.x509.issuer:
        return False
    return child.issuer_key_id is None or parent.key_id is None or child.issuer_key_id == parent.key_id


def build(leaf: Certificate, others: Sequence[Certificate], roots: Sequence[Certificate], *, partial: bool = False) -> CertificateChain:
    """The best path: one that ends at a root if there is any, else the longest. Without roots any self-signed end will do."""
    best: CertificateChain | None = None
    steps = 0
    trusted = frozenset(roots)
    # roots first; of two with the same name and key, the one that ends later
    pool = sorted(dict.fromkeys((*roots, *others)), key=lambda one: (one not in trusted, -one.not_after.timestamp()))

    def anchor(certificate: Certificate) -> bool:
        if not roots:
            return certificate.self_issued and signed_by(certificate, certificate) is not False
        return certificate in trusted and (partial or certificate.self_issued)

    def walk(path: tuple[Certificate, ...]) -> CertificateChain | None:
        nonlocal best, steps
        last, steps = path[-1], steps + 1
        if anchor(last):
            return CertificateChain(path, True)
        if best is None or len(path) > len(best.path):
            best = CertificateChain(path, False)
        if (last.self_issued and signed_by(last, last) is not False) or len(path) >= _MAX_DEPTH or steps > _MAX_STEPS:
            return None
        for candidate in pool:
            if candidate not in path and _may_have_issued(candidate, last) and signed_by(last, candidate) is not False:
                found = walk((*path, candidate))
                if found is not None:
                    return found
        return None

    return walk((leaf,)) or best or CertificateChain((leaf,), False)


_NONE = timedelta(0)


def date_faults(certificate: Certificate, where: str, *, at: datetime, limits: CertificateLimits) -> Iterable[Problem]:
    """Not yet, no longer, or not much longer valid. Short lives are measured by their own length."""
    life = certificate.not_after - certificate.not_before
    left = certificate.not_after - at
    if certificate.not_before <= at + limits.skew and left >= min(timedelta(days=limits.days), life * limits.fraction) and left > _NONE:
        return
    evidence = {"not_before": certificate.not_before.isoformat(), "not_after": certificate.not_after.isoformat()}
    if certificate.not_before > at + limits.skew:
        wait = certificate.not_before - at
        text = f"{certificate.title} is valid from {certificate.not_before:%Y-%m-%d %H:%M} UTC on, in {span(wait)}"
        yield Problem(where, text, kind=FaultKind.NOT_YET_VALID, evidence=evidence)
    if certificate.not_after <= at:
        text = f"{certificate.title} expired on {certificate.not_after:%Y-%m-%d %H:%M} UTC, {span(-left)} ago"
        yield Problem(where, text, kind=FaultKind.EXPIRED, evidence=evidence)
    elif left < min(timedelta(days=limits.days), life * limits.fraction):
        text = f"{certificate.title} ends on {certificate.not_after:%Y-%m-%d %H:%M} UTC: {span(left)} of {span(life)} are left"
        yield Problem(where, text, kind=FaultKind.ENDS_SOON, evidence=evidence)


def strength_faults(certificate: Certificate, where: str, limits: CertificateLimits, *, root: bool = False) -> Iterable[Problem]:
    """Too short a key, too old a hash. Nobody verifies a root's own signature, so its hash does not count."""
    least = {"RSA": limits.rsa_bits, "DSA": limits.rsa_bits, "EC": limits.ec_bits}.get(certificate.key_type, 0)
    if certificate.key_bits < least:
        text = f"{certificate.title} has a key of {certificate.key_type} {certificate.key_bits}, at least {least} bits are wanted"
        yield Problem(where, text, kind=FaultKind.WEAK_KEY)
    if not root and certificate.hash_name in _WEAK_HASHES:
        text = f"{certificate.title} is signed with {certificate.hash_name.upper()}, which can be forged"
        yield Problem(where, text, kind=FaultKind.WEAK_HASH)


class _ChainJudge:
    """All faults of one path."""

    def __init__(self, where: str, chain: CertificateChain, at: datetime, limits: CertificateLimits) -> None:
        self.where, self.path, self.anchored, self.at, self.limits = where, chain.path, chain.anchored, at, limits
        self.faults: list[Problem] = []

    def add(self, word: FaultKind, message: str, **fields: Any) -> None:
        self.faults.append(Problem(self.where, message, kind=word, **fields))

    def certificates(self, judged: Collection[str]) -> None:
        for depth, one in enumerate(self.path):
            root = one.self_issued and depth == len(self.path) - 1
            if one.fingerprint not in judged:
                self.faults += date_faults(one, self.where, at=self.at, limits=self.limits)
                self.faults += strength_faults(one, self.where, self.limits, root=root)
            if one.unknown_critical:
                text = f"{one.title} has the critical extension {', '.join(one.unknown_critical)}, which is not understood here"
                self.add(FaultKind.CRITICAL_EXTENSION, text)

    def authorities(self) -> None:
        below = 0  # CAs between this one and the leaf that count for the path length
        for depth, one in enumerate(self.path[1:], 1):
            if not one.authority:
                says = "says that it is none" if one.is_ca is False else "does not say so (no basic constraints)"
                self.add(FaultKind.NO_CA_BIT, f"{one.title} signed {self.path[depth - 1].title}, but is no CA: it {says}")
            if one.key_usage is not None and "key_cert_sign" not in one.key_usage:
                self.add(FaultKind.NO_CERT_SIGN, f"{one.title} may not sign certificates: its key usage has no keyCertSign")
            if one.path_length is not None and below > one.path_length:
                self.add(FaultKind.PATH_LENGTH, f"{one.title} allows {one.path_length} CAs below it, and there are {below}")
            below += 0 if one.self_issued else 1
            for lower in self.path[:depth]:
                problem = "" if lower.self_issued and lower is not self.path[0] else violation(one, lower)
                if problem:
                    self.add(FaultKind.NAME_CONSTRAINT, f"{one.title} does not allow {lower.title}: {problem}")

    def nested_dates(self) -> None:
        for child, parent in zip(self.path, self.path[1:], strict=False):
            if child.not_after > parent.not_after:
                ends = f"{parent.not_after:%Y-%m-%d}"
                self.add(FaultKind.OUTLIVES_ISSUER, f"{child.title} ends after its issuer {parent.title}, which ends on {ends}")

    def purposes(self, purpose: str | None) -> None:
        for one in self.path if purpose else ():
            if one.purposes is not None and not one.purposes & {purpose, ANY}:
                self.add(FaultKind.PURPOSE, f"{one.title} is not made for {_PURPOSES[str(purpose)]}: its extended key usage leaves it out")
        usable = {"digital_signature", "key_encipherment", "key_agreement"}
        leaf = self.path[0]
        if purpose and leaf.key_usage is not None and not leaf.key_usage & usable:
            self.add(
                FaultKind.PURPOSE, f"{leaf.title} cannot be used for TLS: its key usage has neither digitalSignature nor keyEncipherment"
            )

    def end(self, others: Sequence[Certificate], roots: Sequence[Certificate]) -> None:
        """Why the path does not end at a root."""
        last = self.path[-1]
        if self.anchored or (not roots and not any(_may_have_issued(one, last) for one in others)):
            return
        forged = [one for one in (*roots, *others) if one is not last and _may_have_issued(one, last) and signed_by(last, one) is False]
        if forged:
            self.add(FaultKind.BAD_SIGNATURE, f"{last.title} names {last.issuer} as its issuer, but the signature was made by another key")
        elif last.self_issued:
            wanted = ", ".join(sorted({one.title for one in roots})) or "none"
            self.add(
                FaultKind.UNKNOWN_ROOT,
                f"the chain ends at {last.title}, which is not an expected root ({wanted})",
                evidence={"found": last.fingerprint, "expected": sorted(one.fingerprint for one in roots)},
            )
        else:
            self.add(FaultKind.MISSING_ISSUER, f"the issuer of {last.title} is missing: {last.issuer} is neither in the chain nor a root")

    def presented(self, others: Sequence[Certificate]) -> None:
        """The order of what was handed over, and what does not belong to it."""
        on_path = [one for one in others if one in self.path]
        wanted = sorted(dict.fromkeys(on_path), key=self.path.index)
        if list(dict.fromkeys(on_path)) != wanted:
            self.add(
                FaultKind.ORDER,
                f"the chain is not in order; expected {' <- '.join(one.title for one in wanted)}",
                severity=Severity.WARNING,
            )
        for one in dict.fromkeys(others):
            if one not in self.path and not _may_have_issued(one, self.path[-1]):
                self.add(FaultKind.STRANGER, f"{one.title} is in the chain and signed none of it")


def judge(
    leaf: Certificate,
    others: Sequence[Certificate],
    roots: Sequence[Certificate],
    *,
    at: datetime,
    where: str = "",
    purpose: str | None = None,
    limits: CertificateLimits | None = None,
    partial: bool = False,
    judged: Collection[str] = (),
) -> CertificateChain:
    """The path and everything that is wrong with it. `others` is what was handed over behind the leaf, in its order.

    judged: fingerprints of certificates whose dates and strength are judged at a place of their own."""
    chain = build(leaf, others, roots, partial=partial)
    work = _ChainJudge(where, chain, at, limits or CertificateLimits())
    work.end(others, roots)
    work.certificates(judged)
    work.authorities()
    work.purposes(purpose)
    work.nested_dates()
    work.presented(others)
    return CertificateChain(chain.path, chain.anchored, merged(work.faults))
