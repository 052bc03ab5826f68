# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Every certificate of a source with its place, and everything that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .chain import CLIENT, SERVER, CertificateLimits, build, date_faults, judge, strength_faults
from .facts import Certificate, Fault, FaultKind
from .names import covers, parse_spiffe, spiffe_problem
from .reading import MAX_BYTES, Bundle, Key, read_bundle
from .source import Source, decode, keys_of

__all__ = ["CACERTS", "CertificateInventory", "CertificateLocation", "Given", "InspectionSettings", "TlsServer", "take"]

CACERTS, SELF_SIGNED, ROOT_MAP = "cacerts", "istio-ca-secret", "istio-ca-root-cert"
_PURPOSES = {"server": SERVER, "client": CLIENT}
# cacerts as Istio's documentation has it, and as cert-manager writes it
_ISTIO_FORM = ("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem")
_TLS_FORM = ("tls.crt", "tls.key", "ca.crt")


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
class CertificateInventory:
    """All places, all faults, and which subjects there were at all: a check of nothing is no pass."""

    places: tuple[CertificateLocation, ...]
    faults: tuple[Fault, ...]
    seen: frozenset[str]
    at: datetime
    # what istiod hands out, for other clusters to compare
    roots: tuple[Certificate, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Every certificate in every place."""
        return [row for place in self.places for row in place.rows(self.at)]

    def timeline(self) -> list[dict[str, Any]]:
        """Each certificate once, in the order in which they end."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.rows():
            entry = found.setdefault(
                row["fingerprint"], {key: row[key] for key in ("not_after", "days_left", "subject", "fingerprint")} | {"places": []}
            )
            entry["places"].append(f"{row['resource']} {row['item']}".strip())
        return sorted(found.values(), key=lambda row: (row["not_after"], row["subject"]))


@dataclass(frozen=True)
class _Credential:
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


def _short(one: Certificate) -> str:
    """Two roots of one name differ by their fingerprint only."""
    return f"{one.title} ({one.fingerprint[:16]})"


def take(given: Given, settings: InspectionSettings) -> CertificateInventory:
    """Look at everything once."""
    return _Inspector(given, settings).run()


class _Inspector:
    """Collects places and faults."""

    def __init__(self, given: Given, settings: InspectionSettings) -> None:
        self.given, self.settings = given, settings
        self.places: list[CertificateLocation] = []
        self.faults: list[Fault] = []
        self.seen: set[str] = set()
        self.secrets = {(one["metadata"].get("namespace"), one["metadata"]["name"]): one for one in given.secrets}
        self.expected: tuple[Certificate, ...] = ()
        # by namespace: the Secret whose CA signs there, and its roots
        self.active: dict[Any, tuple[str, tuple[Certificate, ...]]] = {}
        # by namespace: the roots that its istiod hands out
        self.handed: dict[Any, tuple[Certificate, ...]] = {}
        # by Secret: the root that its CA leads to
        self.anchors: dict[str, Certificate] = {}

    def run(self) -> CertificateInventory:
        for source in self.given.sources:
            if source.purpose == "roots":
                self.expected += self.read(source.resource, "", source.roots or b"", "root", loose=True).certificates
        for source in self.given.sources:
            if source.purpose != "shared":
                self.source(source)
        self.authorities()
        for source in self.given.sources:
            if source.purpose == "shared":
                self.shared(source)
        for source in self.given.sources:
            self.proxy(source)
            self.served(source)
        for gateway in self.given.gateways:
            self.gateway(gateway)
        self.webhooks()
        for one in self.given.authentications:
            self.jwks(one)
        self.serials()
        if any(place.bundle.certificates for place in self.places):
            self.seen.add("certificate")
        if any(place.bundle.certificates or place.bundle.faults for place in self.places):
            self.seen.add("bytes")
        faults = tuple(dict.fromkeys(replace(fault, message=fault.message.strip()) for fault in self.faults))
        ours = (self.handed.get(namespace) or roots for namespace, (_owner, roots) in self.active.items())
        handed = tuple(dict.fromkeys(root for roots in ours for root in roots)) or tuple(
            dict.fromkeys(root for roots in self.handed.values() for root in roots)
        )
        return CertificateInventory(tuple(self.places), faults, frozenset(self.seen), self.settings.at, handed)

    # small steps

    def add(self, word: FaultKind, resource: str, message: str, **fields: Any) -> None:
        self.faults.append(Fault(word, resource, message, **fields))

    def extend(self, item: str, faults: Iterable[Fault]) -> None:
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

    # one credential

    def pick(self, given: _Credential) -> tuple[Certificate, tuple[Certificate, ...]]:
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
            self.extend(given.item, [Fault(FaultKind.ORDER, given.resource, text)])
        return rows[index], tuple(one for number, one in enumerate(rows) if number != index)

    def credential(self, given: _Credential) -> None:
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
        )
        if len(chain.path) > 1 or given.roots or self.expected:
            self.seen.add("chain")
        # roots have a place of their own, which was judged already
        known = {one.fingerprint for one in (*given.roots, *self.expected)}
        self.extend(given.item, [fault for fault in chain.faults if fault.certificate not in known])
        if given.purpose == "ca" and not leaf.authority:
            self.add(FaultKind.LEAF_AS_CA, given.resource, f"{given.item}: {leaf.title} is no CA, but is meant to sign")
        self.match(given, leaf)
        self.hosts(given, leaf)

    def match(self, given: _Credential, leaf: Certificate) -> None:
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

    def hosts(self, given: _Credential, leaf: Certificate) -> None:
        hosts = [host for host in given.hosts if host != "*"]
        if given.purpose == "server" or hosts:
            self.seen.add("server")
        if given.purpose == "server" and not (leaf.names.dns or leaf.names.addresses or leaf.names.uris):
            text = f"{leaf.title} has no subject alternative name; clients do not look at the common name any more"
            self.extend(given.item, [Fault(FaultKind.NO_SAN, given.resource, text)])
            return
        for host in hosts:
            if not covers(leaf.names, host):
                text = f"{leaf.title} does not cover {host}; it is made out to {', '.join(leaf.names.all()) or 'nobody'}"
                self.extend(given.item, [Fault(FaultKind.HOST_UNCOVERED, given.resource, text)])

    # sources

    def source(self, source: Source) -> None:
        if source.clock_ahead is not None:
            self.seen.add("clock")
            if abs(source.clock_ahead) > self.settings.limits.skew.total_seconds():
                side = "ahead of" if source.clock_ahead > 0 else "behind"
                both = f" ({source.clock})" if source.clock else ""
                self.add(FaultKind.CLOCK_SKEW, source.resource, f"its clock is {abs(source.clock_ahead):.0f} s {side} ours{both}")
        if source.absent:
            self.seen.add("bytes")
            self.add(FaultKind.INCOMPLETE, source.resource, source.absent)
        if source.endpoint is not None and not self.endpoint(source):
            return
        roots: tuple[Certificate, ...] = ()
        if source.roots is not None and source.purpose != "roots":
            roots = self.read(source.resource, "roots", source.roots, "root", der=source.der, loose=True).certificates
        chain = Bundle()
        if source.chain is not None:
            chain = self.read(source.resource, "chain", source.chain, "chain", der=source.der)
        if source.certificate is not None:
            bundle = self.read(source.resource, "", source.certificate, source.purpose, der=source.der)
            credential = _Credential(source.resource, "", bundle, chain.certificates, roots, source.purpose, source.key, hosts=source.hosts)
            self.credential(credential)
            if bundle.certificates:
                self.identity(source, bundle.certificates[0])

    def endpoint(self, source: Source) -> bool:
        """False when there is nothing more to say."""
        facts = source.endpoint or {}
        if facts.get("stage") == "proxy":
            self.seen.add("proxy")
            self.add(FaultKind.PROXY_SILENT, source.resource, str(facts["error"]))
            return False
        self.seen.add("endpoint")
        if facts.get("error"):
            word = FaultKind.HANDSHAKE if facts.get("stage") == "handshake" else FaultKind.UNREACHED
            self.add(word, source.resource, str(facts["error"]))
            return source.certificate is not None
        wanted = list(facts.get("wanted_alpn") or ())
        if wanted and facts.get("alpn") not in wanted:
            self.add(
                FaultKind.ALPN, source.resource, f"it speaks {facts.get('alpn') or 'no protocol of ours'}, expected {' or '.join(wanted)}"
            )
        served = read_bundle(source.certificate or b"", source.resource).certificates
        if facts.get("wanted"):
            self.seen.add("wanted")
            if not served or served[0].fingerprint != facts["wanted"]:
                found = _short(served[0]) if served else "nothing"
                text = f"it serves {found}, not the certificate of {facts.get('wanted_from') or facts['wanted'][:16]}"
                self.add(FaultKind.OTHER_CERTIFICATE, source.resource, text)
        return True

    def identity(self, source: Source, leaf: Certificate) -> None:
        wanted, uris = source.identity, [uri for uri in leaf.names.uris if uri.startswith("spiffe:")]
        if not wanted and not uris:
            return
        self.seen.add("identity")
        if len(uris) != 1:
            found = ", ".join(uris) or "none"
            self.add(FaultKind.SPIFFE, source.resource, f"{leaf.title} has {len(uris)} SPIFFE ids ({found}); it must have exactly one")
            return
        problem = spiffe_problem(uris[0])
        if problem:
            self.add(FaultKind.SPIFFE, source.resource, problem)
            return
        domain = uris[0].removeprefix("spiffe://").partition("/")[0]
        if wanted.get("trust_domain") and domain != wanted["trust_domain"]:
            text = f"{uris[0]} is of the trust domain {domain}, expected {wanted['trust_domain']}"
            self.add(FaultKind.TRUST_DOMAIN, source.resource, text)
        workload = parse_spiffe(uris[0])
        if wanted.get("namespace") and wanted.get("service_account"):
            expected = (wanted["namespace"], wanted["service_account"])
            if workload is None or (workload.namespace, workload.service_account) != expected:
                text = f"{uris[0]} is not of service account {'/'.join(expected)}"
                self.add(FaultKind.IDENTITY, source.resource, text)

    # a mesh's own places

    def authorities(self) -> None:
        """The CA of each control plane, and the root that it hands out."""
        namespaces = {namespace for namespace, name in self.secrets if name in (CACERTS, SELF_SIGNED)}
        maps = {one["metadata"].get("namespace"): one for one in self.given.config_maps if one["metadata"]["name"] == ROOT_MAP}
        read_maps = {
            namespace: self.read(
                f"ConfigMap {namespace}/{ROOT_MAP}",
                "root-cert.pem",
                str((one.get("data") or {}).get("root-cert.pem") or "").encode(),
                "root",
                loose=True,
            )
            for namespace, one in sorted(maps.items(), key=lambda pair: str(pair[0]))
        }
        self.handed = {namespace: bundle.certificates for namespace, bundle in read_maps.items()}
        for namespace in sorted(namespaces, key=str):
            plugged, own = self.secrets.get((namespace, CACERTS)), self.secrets.get((namespace, SELF_SIGNED))
            # the last one wins: with cacerts there, istiod does not look at its own Secret
            for name, secret in ((SELF_SIGNED, own), (CACERTS, plugged)):
                if secret is not None:
                    self.active[namespace] = (f"Secret {namespace}/{name}", self.authority(f"Secret {namespace}/{name}", secret, name))
            self.seen.add("authority")
            if plugged is not None and own is not None:
                text = f"Secret {namespace}/{SELF_SIGNED} is there too: an istiod that starts without {CACERTS} goes back to it"
                self.add(FaultKind.TWO_AUTHORITIES, f"Secret {namespace}/{CACERTS}", text)
            self.handed_out(namespace, read_maps.get(namespace))

    def proxy(self, source: Source) -> None:
        """A live proxy against its istiod: who of the mesh it will believe, and who of the mesh will believe it."""
        issuer = source.identity.get("control_plane")
        if not issuer or source.certificate is None:
            return
        self.seen.add("proxy")
        owner, own = self.active.get(issuer, ("", ()))
        # what istiod hands out is what it uses; its Secret may have been changed since
        roots, owner = (self.handed[issuer], f"ConfigMap {issuer}/{ROOT_MAP}") if self.handed.get(issuer) else (own, owner)
        chain = read_bundle(source.certificate, source.resource).certificates
        trusted = read_bundle(source.roots or b"", source.resource).certificates
        if not roots or not chain:
            return
        self.seen.add("proxy_root")
        lost = [one for one in roots if one not in trusted]
        if lost:
            found = ", ".join(_short(one) for one in trusted) or "nobody"
            self.add(FaultKind.PROXY_ROOTS, source.resource, f"it trusts {found}, but not {_short(lost[0])} of {owner}")
        path = judge(chain[0], chain[1:], roots, at=self.settings.at, where=source.resource, limits=self.settings.limits)
        if any(fault.word in (FaultKind.UNKNOWN_ROOT, FaultKind.MISSING_ISSUER, FaultKind.BAD_SIGNATURE) for fault in path.faults):
            text = f"its certificate is signed by {chain[0].issuer}, which does not lead to a root of {owner}"
            self.add(FaultKind.PROXY_OLD, source.resource, text)

    def served(self, source: Source) -> None:
        """A live gateway against the Secrets that its Gateways name: a new one may not have reached it, or was refused."""
        for name, text in source.served.items():
            namespace, _slash, short = name.rpartition("/")
            namespace = namespace or source.identity.get("namespace", "")
            secret = self.secrets.get((namespace, short))
            raw = None if secret is None else self.value(secret, "cert" if "cert" in (secret.get("data") or {}) else "tls.crt")
            wanted = read_bundle(raw or b"", source.resource).certificates
            found = read_bundle(text, source.resource).certificates
            if not wanted or not found:
                continue
            self.seen.add("wanted")
            if wanted[0] != found[0]:
                told = f"it serves {_short(found[0])}, not {_short(wanted[0])} of Secret {namespace}/{short}"
                self.add(FaultKind.OTHER_CERTIFICATE, source.resource, told)

    def shared(self, source: Source) -> None:
        """Another cluster of the mesh: its workloads must believe ours. That ours believe its is found when it is its turn."""
        theirs = self.read(source.resource, "roots", source.roots or b"", "shared_root").certificates
        signing = {owner: self.anchors.get(owner) for owner, _roots in self.active.values()}
        ours: list[tuple[str, str, tuple[Certificate, ...]]] = [
            (owner, "what it signs leads to", (anchor,)) for owner, anchor in signing.items() if anchor is not None
        ]
        if not ours:  # no CA in the cluster: istio-csr
            ours = [(f"ConfigMap {name}/{ROOT_MAP}", "it hands out", roots) for name, roots in self.handed.items() if roots]
        if not ours or not theirs:
            return
        self.seen.add("shared")
        for owner, what, roots in ours:
            if not set(roots) & set(theirs):
                known = ", ".join(_short(one) for one in theirs)
                self.add(
                    FaultKind.NOT_SHARED, owner, f"{what} {_short(roots[0])}, which {source.resource} does not trust; it trusts {known}"
                )

    def handed_out(self, namespace: Any, read: Bundle | None) -> None:
        """istiod refuses a new root with no more than a warning in its log: what it hands out tells."""
        resource, roots = self.active[namespace]
        if read is None or not read.certificates or not roots:
            return
        self.seen.add("root_map")
        lost = [one for one in roots if one not in read.certificates]
        if lost:
            found = ", ".join(_short(one) for one in read.certificates)
            text = f"istiod hands out {found}, not {_short(lost[0])} of {resource}"
            self.add(FaultKind.ROOT_DIFFERS, f"ConfigMap {namespace}/{ROOT_MAP}", text)

    def authority(self, resource: str, secret: Mapping[str, Any], name: str) -> tuple[Certificate, ...]:
        """A signing CA with its root; returns the roots."""
        self.misplaced(secret, resource)
        data = secret.get("data") or {}
        tls = "tls.crt" in data and "ca-cert.pem" not in data
        signer, key_item, root_item = ("tls.crt", "tls.key", "ca.crt") if tls else ("ca-cert.pem", "ca-key.pem", "root-cert.pem")
        if name == CACERTS:
            self.complete(secret, resource, _TLS_FORM if tls else _ISTIO_FORM)
        items = {item: self.value(secret, item) for item in (signer, "cert-chain.pem", root_item)}
        # istiod leaves items of its own Secret empty, and an empty chain is a chain of one
        read = {
            item: self.read(resource, item, raw, role, loose=item == root_item)
            for (item, raw), role in zip(items.items(), ("ca", "chain", "root"), strict=True)
            if raw and raw.strip()
        }
        bundle, nothing = read.get(signer, Bundle()), Bundle()
        given = read.get(root_item, nothing).certificates
        chain = read.get("cert-chain.pem", nothing).certificates
        self.credential(_Credential(resource, signer, bundle, chain, given, "ca", self.key(secret, key_item), key_item))
        roots = given or tuple(one for one in bundle.certificates[:1] if one.self_issued)
        if bundle.certificates:
            found = build(bundle.certificates[0], (*bundle.certificates[1:], *chain), roots)
            if found.anchored:
                self.anchors[resource] = found.path[-1]
        if len(dict.fromkeys(roots)) > 1:
            titles = ", ".join(_short(one) for one in dict.fromkeys(roots))
            self.add(FaultKind.TWO_ROOTS, resource, f"{root_item}: it has {len(dict.fromkeys(roots))} roots: {titles}")
        if chain and bundle.certificates and bundle.certificates[0] not in chain and not bundle.certificates[0].self_issued:
            text = f"{bundle.certificates[0].title} of {signer} is missing in it, so workloads hand over an incomplete chain"
            self.add(FaultKind.MISSING_ISSUER, resource, f"cert-chain.pem: {text}")
        if self.expected:
            self.expected_root(resource, root_item, roots)
        return roots

    def expected_root(self, resource: str, item: str, roots: tuple[Certificate, ...]) -> None:
        if roots and not set(roots) & set(self.expected):
            wanted = ", ".join(one.title for one in self.expected)
            self.add(FaultKind.UNKNOWN_ROOT, resource, f"{item}: {roots[0].title} is not an expected root ({wanted})")

    def complete(self, secret: Mapping[str, Any], resource: str, items: Sequence[str]) -> None:
        data, noted = secret.get("data") or {}, keys_of(secret["metadata"].get("annotations") or {})
        lost = [item for item in items if item not in data]
        lost += [item for item in items if noted is not None and item in data and item not in noted and not decode(data[item]).strip()]
        if lost:
            self.add(FaultKind.INCOMPLETE, resource, f"it has no {', '.join(lost)}; expected {', '.join(items)}")

    def gateway(self, gateway: TlsServer) -> None:
        secret = self.secrets.get((gateway.namespace, gateway.credential))
        if secret is None:
            return  # OSM1503 says so
        self.seen.add("gateway")
        resource, data = f"Secret {gateway.namespace}/{gateway.credential}", secret.get("data") or {}
        self.misplaced(secret, resource)
        leaf_item, key_item = ("cert", "key") if "cert" in data else ("tls.crt", "tls.key")
        self.complete(secret, resource, (leaf_item, key_item))
        raw = self.value(secret, leaf_item)
        if raw:
            bundle = self.read(resource, leaf_item, raw, "server")
            key = self.key(secret, key_item)
            roots = () if gateway.mutual or self.expected else self.beside(secret, resource)
            given = _Credential(resource, leaf_item, bundle, (), roots, "server", key, key_item, gateway.hosts, partial=bool(roots))
            self.credential(given)
        self.client_ca(gateway, secret, resource)

    def beside(self, secret: Mapping[str, Any], resource: str) -> tuple[Certificate, ...]:
        """The CA that an issuer put beside the certificate; where clients have to show theirs, it is the clients'."""
        raw = next((raw for item in ("ca.crt", "cacert") for raw in [self.value(secret, item)] if raw), None)
        return () if raw is None else self.read(resource, "ca.crt" if "ca.crt" in (secret.get("data") or {}) else "cacert", raw, "root",
                                                loose=True).certificates  # fmt: skip

    def client_ca(self, gateway: TlsServer, secret: Mapping[str, Any], resource: str) -> None:
        if not gateway.mutual:
            return
        self.seen.add("mutual")
        apart = self.secrets.get((gateway.namespace, f"{gateway.credential}-cacert"))
        for title, one in ((resource, secret), (f"{resource}-cacert", apart)):
            for item in ("ca.crt", "cacert") if one is not None else ():
                if item in ((one or {}).get("data") or {}):
                    raw = self.value(one or {}, item)
                    if raw is not None:
                        self.read(title, item, raw, "client_ca", loose=True)
                    return
        self.add(
            FaultKind.NO_CLIENT_CA, resource, f"{gateway.ref} wants client certificates, and there is no ca.crt (cacert) to judge them by"
        )

    def webhooks(self) -> None:
        for one in self.given.webhooks:
            resource = f"{one['kind']} {one['metadata']['name']}"
            for number, hook in enumerate(one.get("webhooks") or []):
                client = hook.get("clientConfig") or {}
                service = client.get("service") or {}
                if not client.get("caBundle") or not str(service.get("name") or "").startswith("istiod"):
                    continue
                self.seen.add("webhook")
                bundle = self.read(resource, f"webhooks[{number}].caBundle", decode(client["caBundle"]), "webhook_ca", loose=True)
                owner, roots = self.active.get(service.get("namespace"), ("", ()))
                if roots and bundle.certificates and not set(roots) & set(bundle.certificates):
                    text = f"it trusts {_short(bundle.certificates[0])}, not {_short(roots[0])} of {owner}"
                    self.add(FaultKind.WEBHOOK_ROOT, resource, f"webhooks[{number}].caBundle: {text}")

    def jwks(self, one: Mapping[str, Any]) -> None:
        metadata = one["metadata"]
        resource = f"RequestAuthentication {metadata.get('namespace')}/{metadata['name']}"
        for number, rule in enumerate((one.get("spec") or {}).get("jwtRules") or []):
            if not isinstance(rule, Mapping) or not rule.get("jwks"):
                continue
            self.seen.add("jwks")
            where = f"jwtRules[{number}].jwks"
            try:
                keys = json.loads(rule["jwks"])["keys"]
                rows = [(str(key["kty"]), key) for key in keys]
            except (ValueError, KeyError, TypeError):
                self.add(FaultKind.JWKS, resource, f'{where}: it is not a JSON object with a list "keys" of keys with "kty"')
                continue
            if not rows:
                self.add(FaultKind.JWKS, resource, f"{where}: it has no key, so every token is refused")
            for position, (kind, key) in enumerate(rows):
                if kind == "oct" or "d" in key:
                    self.add(
                        FaultKind.KEY_IN_PUBLIC, resource, f"{where}: key {position + 1} is a private or shared key, readable by everybody"
                    )
                for text in key.get("x5c") or []:
                    self.read(resource, f"{where} key {position + 1}", decode(text), "jwks", der=True)

    def serials(self) -> None:
        """A CA that gives a number twice cannot revoke one of the two."""
        known: dict[tuple[str, int], tuple[Certificate, str]] = {}
        for place in self.places:
            for one in place.bundle.certificates:
                first, where = known.setdefault((one.issuer, one.serial), (one, f"{place.resource} {place.item}".strip()))
                if first != one:
                    text = f"{place.item}: {one.title} has the serial number {one.serial:x} of {first.title} in {where}, of the same issuer"
                    self.add(FaultKind.DUPLICATE_SERIAL, place.resource, text.removeprefix(": "))
