# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The state of one pass over all certificates, and how one of them is judged with its chain, key, roots and hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .._model.problem import Problem
from .chain import CLIENT, SERVER, CertificateLimits, date_faults, judge, strength_faults
from .encoding import decode
from .facts import Certificate, FaultKind
from .names import covers
from .reading import MAX_BYTES, Bundle, Key, read_bundle
from .source import Source, keys_of

__all__ = ["CertificateLocation", "Credential", "Given", "Inspection", "InspectionSettings", "TlsServer", "short_name"]

_PURPOSES = {"server": SERVER, "client": CLIENT}


@dataclass(frozen=True)
class TlsServer:
    """A server of a Gateway that ends TLS, and the namespace where its Secret must be."""

    ref: str
    namespace: str
    credential: str
    hosts: tuple[str, ...]
    mutual: bool


@dataclass(frozen=True)
class Given:
    """The objects that may have certificates in them, as the API has them."""

    secrets: Sequence[Mapping[str, Any]] = ()
    config_maps: Sequence[Mapping[str, Any]] = ()
    webhooks: Sequence[Mapping[str, Any]] = ()
    authentications: Sequence[Mapping[str, Any]] = ()
    gateways: Sequence[TlsServer] = ()
    sources: Sequence[Source] = ()


@dataclass(frozen=True)
class InspectionSettings:
    """The clock and the limits."""

    at: datetime
    limits: CertificateLimits = field(default_factory=CertificateLimits)
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class CertificateLocation:
    """Where certificates are: an object or file, its item, and what they are for."""

    resource: str
    item: str
    role: str
    bundle: Bundle

    def rows(self, at: datetime) -> Iterable[dict[str, Any]]:
        """Public facts, one row for each certificate."""
        for number, one in enumerate(self.bundle.certificates):
            yield {
                "resource": self.resource,
                "item": self.item,
                "position": number,
                "role": self.role,
                "subject": one.subject,
                "issuer": one.issuer,
                "serial": f"{one.serial:x}",
                "names": list(one.names.all()),
                "is_ca": one.authority,
                "key": f"{one.key_type} {one.key_bits}",
                "signature": one.hash_name,
                "not_before": one.not_before.isoformat(),
                "not_after": one.not_after.isoformat(),
                "days_left": round((one.not_after - at).total_seconds() / 86400, 2),
                "fingerprint": one.fingerprint,
            }


@dataclass(frozen=True)
class Credential:
    """What is judged together."""

    resource: str
    item: str
    bundle: Bundle
    others: tuple[Certificate, ...] = ()
    roots: tuple[Certificate, ...] = ()
    purpose: str = "any"
    key: Key | None = None
    key_item: str = "private key"
    hosts: tuple[str, ...] = ()
    partial: bool = False  # its roots may be CAs in the middle: an issuer that somebody put beside it


def short_name(one: Certificate) -> str:
    """Two roots of one name differ by their fingerprint only."""
    return f"{one.title} ({one.fingerprint[:16]})"


class Inspection:
    """One pass over what was given: the places and faults that were found so far, and what later steps compare with.

    Steps fill `expected`, then `active`, `handed` and `anchors`; take() has their order."""

    def __init__(self, given: Given, settings: InspectionSettings) -> None:
        self.given, self.settings = given, settings
        self.places: list[CertificateLocation] = []
        self.faults: list[Problem] = []
        self.seen: set[str] = set()
        self.secrets = {(one["metadata"].get("namespace"), one["metadata"]["name"]): one for one in given.secrets}
        self.expected: tuple[Certificate, ...] = ()
        # by namespace: the Secret whose CA signs there, and its roots
        self.active: dict[Any, tuple[str, tuple[Certificate, ...]]] = {}
        # by namespace: the roots that its istiod hands out
        self.handed: dict[Any, tuple[Certificate, ...]] = {}
        # by Secret: the root that its CA leads to
        self.anchors: dict[str, Certificate] = {}

    def add(self, word: FaultKind, resource: str, message: str, **fields: Any) -> None:
        self.faults.append(Problem(resource, message, kind=word, **fields))

    def extend(self, item: str, faults: Iterable[Problem]) -> None:
        """Faults of one item of an object."""
        self.faults += [replace(fault, message=f"{item}: {fault.message}" if item else fault.message) for fault in faults]

    def read(self, resource: str, item: str, data: bytes, role: str, *, der: bool = False, loose: bool = False) -> Bundle:
        """One place. `loose`: nobody but this judges its certificates, so their dates and strength are judged here."""
        bundle = read_bundle(data, resource, limit=self.settings.max_bytes, der_wanted=der)
        self.places.append(CertificateLocation(resource, item, role, bundle))
        self.extend(item, bundle.faults)
        for one in bundle.certificates if loose else ():
            self.extend(item, date_faults(one, resource, at=self.settings.at, limits=self.settings.limits))
            self.extend(item, strength_faults(one, resource, self.settings.limits, root=one.self_issued))
            if not one.authority:
                self.add(FaultKind.LEAF_AS_CA, resource, f"{item}: {one.title} is no CA, but stands where a root is wanted")
        return bundle

    def value(self, secret: Mapping[str, Any], item: str) -> bytes | None:
        """An item of a Secret; None when it is not there, or when the source has dropped it."""
        data = secret.get("data") or {}
        if item not in data:
            return None
        raw = decode(data[item])
        noted = keys_of(secret["metadata"].get("annotations") or {})
        if noted is None and not raw:
            return None
        return raw

    def key(self, secret: Mapping[str, Any], item: str) -> Key | None:
        """What is known of a key; None when the source does not have it."""
        noted = keys_of(secret["metadata"].get("annotations") or {})
        return Key.from_dict(noted[item]) if noted and item in noted else None

    def misplaced(self, secret: Mapping[str, Any], resource: str) -> None:
        for item, facts in (keys_of(secret["metadata"].get("annotations") or {}) or {}).items():
            if facts.get("misplaced"):
                self.add(FaultKind.KEY_IN_PUBLIC, resource, f"{item}: it has a private key, where only certificates belong")

    def complete(self, secret: Mapping[str, Any], resource: str, items: Sequence[str]) -> None:
        data, noted = secret.get("data") or {}, keys_of(secret["metadata"].get("annotations") or {})
        lost = [item for item in items if item not in data]
        lost += [item for item in items if noted is not None and item in data and item not in noted and not decode(data[item]).strip()]
        if lost:
            self.add(FaultKind.INCOMPLETE, resource, f"it has no {', '.join(lost)}; expected {', '.join(items)}")

    def pick(self, given: Credential) -> tuple[Certificate, tuple[Certificate, ...]]:
        """The certificate that is meant, and the rest. Servers take the first; it should be the one of the key."""
        rows = given.bundle.certificates
        index = 0
        if given.key and given.key.spki and rows[0].spki != given.key.spki:
            index = next((number for number, one in enumerate(rows) if one.spki == given.key.spki), 0)
        elif given.purpose != "ca" and rows[0].authority:
            leaves = [number for number, one in enumerate(rows) if not one.authority]
            index = leaves[0] if len(leaves) == 1 else 0
        if index:
            text = f"{rows[index].title} must be the first certificate; it is number {index + 1}, behind {rows[0].title}"
            self.extend(given.item, [Problem(given.resource, text, kind=FaultKind.ORDER)])
        return rows[index], tuple(one for number, one in enumerate(rows) if number != index)

    def credential(self, given: Credential) -> None:
        """Everything about one certificate with its chain, roots, key and hosts."""
        if not given.bundle.certificates:
            return
        leaf, rest = self.pick(given)
        others = rest + tuple(one for one in given.others if one != leaf)
        chain = judge(
            leaf,
            others,
            given.roots or self.expected,
            at=self.settings.at,
            where=given.resource,
            purpose=_PURPOSES.get(given.purpose),
            limits=self.settings.limits,
            partial=given.partial,
            # roots have a place of their own, which was judged already
            judged={one.fingerprint for one in (*given.roots, *self.expected)},
        )
        if len(chain.path) > 1 or given.roots or self.expected:
            self.seen.add("chain")
        self.extend(given.item, chain.faults)
        if given.purpose == "ca" and not leaf.authority:
            self.add(FaultKind.LEAF_AS_CA, given.resource, f"{given.item}: {leaf.title} is no CA, but is meant to sign")
        self.match(given, leaf)
        self.hosts(given, leaf)

    def match(self, given: Credential, leaf: Certificate) -> None:
        if given.key is None:
            return
        self.seen.add("key")
        if given.key.state == "encrypted":
            self.add(FaultKind.KEY_ENCRYPTED, given.resource, f"{given.key_item}: {given.key.reason}")
        elif given.key.state != "readable":
            self.add(FaultKind.KEY_UNREADABLE, given.resource, f"{given.key_item}: {given.key.reason}")
        elif given.key.spki != leaf.spki:
            text = f"{given.key_item} ({given.key.kind} {given.key.bits}) is the key of another certificate than {leaf.title}"
            self.add(FaultKind.KEY_MISMATCH, given.resource, text)

    def hosts(self, given: Credential, leaf: Certificate) -> None:
        hosts = [host for host in given.hosts if host != "*"]
        if given.purpose == "server" or hosts:
            self.seen.add("server")
        if given.purpose == "server" and not (leaf.names.dns or leaf.names.addresses or leaf.names.uris):
            text = f"{leaf.title} has no subject alternative name; clients do not look at the common name any more"
            self.extend(given.item, [Problem(given.resource, text, kind=FaultKind.NO_SAN)])
            return
        for host in hosts:
            if not covers(leaf.names, host):
                text = f"{leaf.title} does not cover {host}; it is made out to {', '.join(leaf.names.all()) or 'nobody'}"
                self.extend(given.item, [Problem(given.resource, text, kind=FaultKind.HOST_UNCOVERED)])
