# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What stands alone: files, endpoints, Secrets of gateways, keys of token issuers; and numbers that were given twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._model.fields import section
from .encoding import decode
from .facts import Certificate, FaultKind
from .inspection import Credential, Inspection, TlsServer, short_name
from .names import parse_spiffe, spiffe_problem
from .reading import Bundle, read_bundle
from .source import Source

__all__ = ["compare_serials", "inspect_gateway", "inspect_jwks", "inspect_source"]


def inspect_source(inspection: Inspection, source: Source) -> None:
    if source.clock_ahead is not None:
        inspection.seen.add("clock")
        if abs(source.clock_ahead) > inspection.settings.limits.skew.total_seconds():
            side = "ahead of" if source.clock_ahead > 0 else "behind"
            both = f" ({source.clock})" if source.clock else ""
            inspection.add(FaultKind.CLOCK_SKEW, source.resource, f"its clock is {abs(source.clock_ahead):.0f} s {side} ours{both}")
    if source.absent:
        inspection.seen.add("bytes")
        inspection.add(FaultKind.INCOMPLETE, source.resource, source.absent)
    if source.endpoint is not None and not _endpoint(inspection, source):
        return
    roots: tuple[Certificate, ...] = ()
    if source.roots is not None and source.purpose != "roots":
        roots = inspection.read(source.resource, "roots", source.roots, "root", der=source.der, loose=True).certificates
    chain = Bundle()
    if source.chain is not None:
        chain = inspection.read(source.resource, "chain", source.chain, "chain", der=source.der)
    if source.certificate is not None:
        bundle = inspection.read(source.resource, "", source.certificate, source.purpose, der=source.der)
        credential = Credential(source.resource, "", bundle, chain.certificates, roots, source.purpose, source.key, hosts=source.hosts)
        inspection.credential(credential)
        if bundle.certificates:
            _identity(inspection, source, bundle.certificates[0])


def _endpoint(inspection: Inspection, source: Source) -> bool:
    """False when there is nothing more to say."""
    facts = source.endpoint or {}
    if facts.get("stage") == "proxy":
        inspection.seen.add("proxy")
        inspection.add(FaultKind.PROXY_SILENT, source.resource, str(facts["error"]))
        return False
    inspection.seen.add("endpoint")
    if facts.get("error"):
        word = FaultKind.HANDSHAKE if facts.get("stage") == "handshake" else FaultKind.UNREACHED
        inspection.add(word, source.resource, str(facts["error"]))
        return source.certificate is not None
    wanted = list(facts.get("wanted_alpn") or ())
    if wanted and facts.get("alpn") not in wanted:
        inspection.add(
            FaultKind.ALPN, source.resource, f"it speaks {facts.get('alpn') or 'no protocol of ours'}, expected {' or '.join(wanted)}"
        )
    served = read_bundle(source.certificate or b"", source.resource).certificates
    if facts.get("wanted"):
        inspection.seen.add("wanted")
        if not served or served[0].fingerprint != facts["wanted"]:
            found = short_name(served[0]) if served else "nothing"
            text = f"it serves {found}, not the certificate of {facts.get('wanted_from') or facts['wanted'][:16]}"
            inspection.add(FaultKind.OTHER_CERTIFICATE, source.resource, text)
    return True


def _identity(inspection: Inspection, source: Source, leaf: Certificate) -> None:
    wanted, uris = source.identity, [uri for uri in leaf.names.uris if uri.startswith("spiffe:")]
    if not wanted and not uris:
        return
    inspection.seen.add("identity")
    if len(uris) != 1:
        found = ", ".join(uris) or "none"
        inspection.add(FaultKind.SPIFFE, source.resource, f"{leaf.title} has {len(uris)} SPIFFE ids ({found}); it must have exactly one")
        return
    problem = spiffe_problem(uris[0])
    if problem:
        inspection.add(FaultKind.SPIFFE, source.resource, problem)
        return
    domain = uris[0].removeprefix("spiffe://").partition("/")[0]
    if wanted.get("trust_domain") and domain != wanted["trust_domain"]:
        text = f"{uris[0]} is of the trust domain {domain}, expected {wanted['trust_domain']}"
        inspection.add(FaultKind.TRUST_DOMAIN, source.resource, text)
    workload = parse_spiffe(uris[0])
    if wanted.get("namespace") and wanted.get("service_account"):
        expected = (wanted["namespace"], wanted["service_account"])
        if workload is None or (workload.namespace, workload.service_account) != expected:
            text = f"{uris[0]} is not of service account {'/'.join(expected)}"
            inspection.add(FaultKind.IDENTITY, source.resource, text)


def inspect_gateway(inspection: Inspection, gateway: TlsServer) -> None:
    secret = inspection.secrets.get((gateway.namespace, gateway.credential))
    if secret is None:
        return  # OSM1503 says so
    inspection.seen.add("gateway")
    resource, data = f"Secret {gateway.namespace}/{gateway.credential}", secret.get("data") or {}
    inspection.misplaced(secret, resource)
    leaf_item, key_item = ("cert", "key") if "cert" in data else ("tls.crt", "tls.key")
    inspection.complete(secret, resource, (leaf_item, key_item))
    raw = inspection.value(secret, leaf_item)
    if raw:
        bundle = inspection.read(resource, leaf_item, raw, "server")
        key = inspection.key(secret, key_item)
        roots = () if gateway.mutual or inspection.expected else _beside(inspection, secret, resource)
        given = Credential(resource, leaf_item, bundle, (), roots, "server", key, key_item, gateway.hosts, partial=bool(roots))
        inspection.credential(given)
    _client_ca(inspection, gateway, secret, resource)


def _beside(inspection: Inspection, secret: Mapping[str, Any], resource: str) -> tuple[Certificate, ...]:
    """The CA that an issuer put beside the certificate; where clients have to show theirs, it is the clients'."""
    for item in ("ca.crt", "cacert"):
        raw = inspection.value(secret, item)
        if raw:
            return inspection.read(resource, item, raw, "root", loose=True).certificates
    return ()


def _client_ca(inspection: Inspection, gateway: TlsServer, secret: Mapping[str, Any], resource: str) -> None:
    if not gateway.mutual:
        return
    inspection.seen.add("mutual")
    apart = inspection.secrets.get((gateway.namespace, f"{gateway.credential}-cacert"))
    for title, one in ((resource, secret), (f"{resource}-cacert", apart)):
        for item in ("ca.crt", "cacert") if one is not None else ():
            if item in section(one, "data"):
                raw = inspection.value(one or {}, item)
                if raw is not None:
                    inspection.read(title, item, raw, "client_ca", loose=True)
                return
    inspection.add(
        FaultKind.NO_CLIENT_CA, resource, f"{gateway.ref} wants client certificates, and there is no ca.crt (cacert) to judge them by"
    )


def inspect_jwks(inspection: Inspection, one: Mapping[str, Any]) -> None:
    metadata = one["metadata"]
    resource = f"RequestAuthentication {metadata.get('namespace')}/{metadata['name']}"
    for number, rule in enumerate((one.get("spec") or {}).get("jwtRules") or []):
        if not isinstance(rule, Mapping) or not rule.get("jwks"):
            continue
        inspection.seen.add("jwks")
        where = f"jwtRules[{number}].jwks"
        try:
            keys = json.loads(rule["jwks"])["keys"]
            rows = [(str(key["kty"]), key) for key in keys]
        except (ValueError, KeyError, TypeError):
            inspection.add(FaultKind.JWKS, resource, f'{where}: it is not a JSON object with a list "keys" of keys with "kty"')
            continue
        if not rows:
            inspection.add(FaultKind.JWKS, resource, f"{where}: it has no key, so every token is refused")
        for position, (kind, key) in enumerate(rows):
            if kind == "oct" or "d" in key:
                inspection.add(
                    FaultKind.KEY_IN_PUBLIC, resource, f"{where}: key {position + 1} is a private or shared key, readable by everyone"
                )
            for text in key.get("x5c") or []:
                inspection.read(resource, f"{where} key {position + 1}", decode(text), "jwks", der=True)


def compare_serials(inspection: Inspection) -> None:
    """A CA that gives a number twice cannot revoke one of the two."""
    known: dict[tuple[str, int], tuple[Certificate, str]] = {}
    for place in inspection.places:
        for one in place.bundle.certificates:
            first, where = known.setdefault((one.issuer, one.serial), (one, f"{place.resource} {place.item}".strip()))
            if first != one:
                text = f"{place.item}: {one.title} has the serial number {one.serial:x} of {first.title} in {where}, of the same issuer"
                inspection.add(FaultKind.DUPLICATE_SERIAL, place.resource, text.removeprefix(": "))
