# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM2xxx: every certificate that a mesh keeps, and those that are handed in as files, text or by an endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from .._checks.types import Category, Finding, Options, Severity, skip
from .._model import kinds as k
from .._model.intent import Intent
from .._model.mesh_config import named_revision
from .._model.view import Obj, View
from .chain import CertificateLimits
from .facts import IMPORT_ERROR, FaultKind
from .inventory import CertificateInventory, Given, InspectionSettings, TlsServer, take
from .source import Source

CATEGORY = Category("certificates")
check = CATEGORY.check

__all__ = ["inventory"]

READS = (
    k.SECRET,
    k.CONFIG_MAP,
    k.GATEWAY,
    k.POD,
    k.MUTATING_WEBHOOK,
    k.VALIDATING_WEBHOOK,
    k.REQUEST_AUTHENTICATION,
    k.CERTIFICATE_SOURCE,
)
_ENDS_TLS = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")


def _namespaces(intent: Intent) -> frozenset[str] | None:
    """The namespaces of the mesh; None where the intent does not say."""
    if intent.members is None or not intent.namespace:
        return None
    return frozenset({intent.namespace, *intent.members})


def _gateway_namespace(view: View, gateway: Obj, intent: Intent) -> str:
    selector = dict(gateway.at("spec", "selector", default={}))
    known: dict[str, str] = view.memo("certificates.gateways", intent, dict)
    key = repr(selector)
    if key not in known:  # many Gateways have the same one
        chosen = view.selected(k.POD, selector) if selector else []
        known[key] = next((pod.namespace for pod in chosen if intent.owns(pod.namespace) and not pod.deleting), "")
    return known[key] or intent.namespace or gateway.namespace


def _gateways(view: View, intent: Intent) -> Iterator[TlsServer]:
    scope = _namespaces(intent)
    view.of(k.POD)  # what it stands on, also where no Gateway asks
    for gateway in view.of(k.GATEWAY):
        if scope is not None and gateway.namespace not in scope:
            continue
        namespace = _gateway_namespace(view, gateway, intent)
        for server in gateway.items("spec", "servers"):
            tls = server.get("tls") or {}
            name = str(tls.get("credentialName") or "")
            if name and "://" not in name and tls.get("mode", "SIMPLE") in _ENDS_TLS:
                hosts = tuple(str(host).rpartition("/")[2] for host in server.get("hosts") or [])
                yield TlsServer(gateway.ref, namespace, name, hosts, tls.get("mode") in _ENDS_TLS[1:])


def _webhooks(view: View, intent: Intent) -> list[Any]:
    """Configurations that call an istiod of this mesh."""
    found = []
    for one in view.of(k.MUTATING_WEBHOOK) + view.of(k.VALIDATING_WEBHOOK):
        services = [((hook.get("clientConfig") or {}).get("service") or {}) for hook in one.items("webhooks")]
        if not intent.namespace or any(service.get("namespace") == intent.namespace for service in services):
            found.append({**one.raw, "kind": one.kind.kind})
    return found


def inventory(view: View, intent: Intent, options: Options) -> CertificateInventory:
    """All certificates of a source, with all that is wrong with them: one pass, made once for each view and intent, feeds all checks."""
    return view.memo("certificates.inventory", intent, lambda: _inventory(view, intent, options))


def _inventory(view: View, intent: Intent, options: Options) -> CertificateInventory:
    scope, gateways = _namespaces(intent), list(_gateways(view, intent))

    def ours(rows: list[Obj]) -> list[Any]:
        return [row.raw for row in rows if scope is None or row.namespace in scope]

    used = {(gateway.namespace, gateway.credential) for gateway in gateways}
    used |= {(namespace, f"{name}-cacert") for namespace, name in used}
    control = {intent.namespace} if intent.namespace else {row.namespace for row in view.of(k.SECRET)}
    secrets = [
        row.raw
        for row in view.of(k.SECRET)
        if (row.namespace, row.name) in used or (row.namespace in control and row.name in ("cacerts", "istio-ca-secret"))
    ]
    limits = CertificateLimits(
        days=float(options.threshold("certificate_days")),
        fraction=float(options.threshold("certificate_fraction")),
        skew=timedelta(seconds=float(options.threshold("clock_skew_seconds"))),
        rsa_bits=int(options.threshold("certificate_rsa_bits")),
        ec_bits=int(options.threshold("certificate_ec_bits")),
    )
    given = Given(
        secrets=secrets,
        config_maps=ours(view.of(k.CONFIG_MAP)),
        webhooks=_webhooks(view, intent),
        authentications=ours(view.of(k.REQUEST_AUTHENTICATION)),
        gateways=gateways,
        sources=[Source.from_object(row.raw) for row in view.of(k.CERTIFICATE_SOURCE)],
    )
    settings = InspectionSettings(at=view.taken_at, limits=limits, max_bytes=int(options.threshold("certificate_max_bytes")))
    return take(given, settings)


def _found(view: View, intent: Intent, options: Options, what: tuple[FaultKind, str], nothing: str) -> Iterator[Finding]:
    """The faults of one kind; skipped, with the reason, when there was nothing that could have it."""
    word, seen = what
    if IMPORT_ERROR:
        yield skip("the Python package cryptography is needed on the machine that runs the module, and is not there")
        return
    everything = inventory(view, intent, options)
    faults = [fault for fault in everything.faults if fault.word is word]
    if not faults and seen not in everything.seen:
        yield skip(nothing)
    for fault in faults:
        severity = Severity.WARNING if fault.warning else None
        yield Finding(fault.resource, fault.message, severity=severity, evidence=dict(fault.evidence))


@check(
    "OSM2001",
    title="each place of a certificate has content",
    hint="write the certificate into the item; an empty value is often a pipe or a variable that had nothing",
    inputs=READS,
    live=False,
)
def has_content(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """An empty file or item is accepted by the API, and found out by the pod that mounts it."""
    return _found(view, intent, options, (FaultKind.EMPTY, "bytes"), "the source has no certificate")


@check(
    "OSM2002",
    title="each certificate can be read",
    hint="openssl x509 -in FILE -noout -text; write it again from where it came",
    inputs=READS,
    live=False,
)
def can_be_read(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """What cannot be parsed is as good as absent, and some readers skip it without a word."""
    return _found(view, intent, options, (FaultKind.UNREADABLE, "bytes"), "the source has no certificate")


@check(
    "OSM2003",
    title="each certificate is PEM",
    hint="openssl x509 -inform DER -in FILE -out FILE.pem",
    inputs=READS,
    live=False,
)
def is_pem(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Istio, Envoy and the API read PEM only; DER is what some PKIs export."""
    return _found(view, intent, options, (FaultKind.DER, "bytes"), "the source has no certificate")


@check(
    "OSM2004",
    title="each file of certificates has a sensible size",
    hint="hand over the chain only, not a bundle of all public CAs; thresholds.certificate_max_bytes is the limit",
    inputs=READS,
    live=False,
)
def is_small(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A Secret holds 1 MiB, and every proxy gets the whole of it."""
    return _found(view, intent, options, (FaultKind.TOO_LARGE, "bytes"), "the source has no certificate")


@check(
    "OSM2005",
    title="each file of certificates begins with its first letter",
    hint="sed -i '1s/^\\xEF\\xBB\\xBF//' FILE, or save it as UTF-8 without BOM",
    inputs=READS,
    live=False,
)
def without_bom(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Behind a byte order mark the first BEGIN line is none for OpenSSL and Go: that certificate is skipped without a word."""
    return _found(view, intent, options, (FaultKind.BOM, "bytes"), "the source has no certificate")


@check(
    "OSM2006",
    title="each file of certificates has Unix lines",
    hint="sed -i 's/\\r$//' FILE",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
)
def unix_lines(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """CRLF is read by most programs, and breaks comparisons of two files that have the same certificate."""
    return _found(view, intent, options, (FaultKind.CRLF, "bytes"), "the source has no certificate")


@check(
    "OSM2007",
    title="private keys are in places of their own",
    hint="take the key out and make a new one: whoever may read that place has it",
    inputs=READS,
    live=False,
)
def keys_are_apart(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Certificates are copied to every namespace and into snapshots. A private key beside them is copied too."""
    return _found(view, intent, options, (FaultKind.KEY_IN_PUBLIC, "bytes"), "the source has no certificate")


@check(
    "OSM2101",
    title="each certificate is valid already",
    hint="wait, or let it be issued anew; look at the clock of the machine that issued it",
    inputs=READS,
    live=False,
)
def valid_already(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A certificate from the future is refused by everybody. thresholds.clock_skew_seconds is the tolerance."""
    return _found(view, intent, options, (FaultKind.NOT_YET_VALID, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2102",
    title="each certificate is still valid",
    hint="renew it (role meshops.mesh.certificates), then restart what has read it at its start",
    inputs=READS,
    live=False,
)
def still_valid(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """An expired certificate ends every handshake that meets it; of an expired root, all of them."""
    return _found(view, intent, options, (FaultKind.EXPIRED, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2103",
    title="each certificate has enough of its life left",
    hint="plan its renewal; thresholds.certificate_days and certificate_fraction say how much is enough",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
)
def enough_left(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Less than thresholds.certificate_days days, or, for short lives, less than thresholds.certificate_fraction of the whole."""
    return _found(view, intent, options, (FaultKind.ENDS_SOON, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2104",
    title="the cluster's clock agrees with ours",
    hint="chronyc tracking on the nodes and here; thresholds.clock_skew_seconds is the tolerance",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
)
def clocks_agree(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Certificates that were just issued are not valid yet for a clock that is behind."""
    return _found(view, intent, options, (FaultKind.CLOCK_SKEW, "clock"), "the source does not say what time its cluster has")


@check(
    "OSM2105",
    title="no certificate outlives its issuer",
    hint="renew the issuer first, or issue for a shorter time",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
)
def within_issuers_life(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A chain ends with the first of its certificates, whatever the others say."""
    return _found(view, intent, options, (FaultKind.OUTLIVES_ISSUER, "chain"), "the source has no chain, or no root to judge it by")


@check(
    "OSM2201",
    title="each chain ends at an expected root",
    hint="compare fingerprints (inventory); trust this root too, or have the certificate issued by the expected one",
    inputs=READS,
    live=False,
)
def expected_root(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Whoever trusts another root refuses the handshake with CERTIFICATE_VERIFY_FAILED or "unknown authority"."""
    return _found(view, intent, options, (FaultKind.UNKNOWN_ROOT, "chain"), "the source has no chain, or no root to judge it by")


@check(
    "OSM2202",
    title="each chain is complete",
    hint="append the intermediate certificates to the chain, each followed by its issuer",
    inputs=READS,
    live=False,
)
def chain_complete(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Clients know roots only. Every CA between has to be handed over by the server."""
    return _found(view, intent, options, (FaultKind.MISSING_ISSUER, "chain"), "the source has no chain, or no root to judge it by")


@check(
    "OSM2203",
    title="each chain is in order",
    hint="cat leaf.pem intermediate.pem > chain.pem: the certificate first, then its issuer, then that one's",
    inputs=READS,
    live=False,
)
def chain_in_order(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Envoy and istiod take the first certificate of a file for the one that the key belongs to."""
    return _found(view, intent, options, (FaultKind.ORDER, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2204",
    title="each chain has only its own certificates",
    hint="take it out of the file",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
)
def no_strangers(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A certificate that signed none of the others is handed over for nothing, and is often the trace of a renewal by half."""
    return _found(view, intent, options, (FaultKind.STRANGER, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2205",
    title="each control plane has one root",
    hint="finish the rotation: retire the old root once every proxy has a certificate under the new one",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
)
def one_root(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Two roots are right while a root is changed, and a risk when the old one stays."""
    return _found(view, intent, options, (FaultKind.TWO_ROOTS, "authority"), "the source has no CA of a control plane")


@check(
    "OSM2206",
    title="each signature was made by the issuer's key",
    hint="fetch the issuer's certificate anew: it has the same name, and another key",
    inputs=READS,
    live=False,
)
def signatures_right(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Two CAs of one name are common after a CA was made again instead of renewed."""
    return _found(view, intent, options, (FaultKind.BAD_SIGNATURE, "chain"), "the source has no chain, or no root to judge it by")


@check(
    "OSM2207",
    title="each issuer is a CA",
    hint="have the CA's certificate issued anew with basicConstraints=critical,CA:TRUE",
    inputs=READS,
    live=False,
)
def issuers_are_cas(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Without the CA bit nobody accepts what it signs."""
    return _found(view, intent, options, (FaultKind.NO_CA_BIT, "chain"), "the source has no chain, or no root to judge it by")


@check(
    "OSM2208",
    title="each path length is kept",
    hint="sign with the CA above, or have it issued with a longer pathlen",
    inputs=READS,
    live=False,
)
def path_length_kept(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A CA with pathlen:0 may sign certificates, but no other CA."""
    return _found(view, intent, options, (FaultKind.PATH_LENGTH, "chain"), "the source has no chain, or no root to judge it by")


@check(
    "OSM2209",
    title="each CA may sign certificates",
    hint="have it issued anew with keyUsage=critical,keyCertSign,cRLSign",
    inputs=READS,
    live=False,
)
def cas_may_sign(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Go and OpenSSL refuse a CA whose key usage leaves signing out."""
    return _found(view, intent, options, (FaultKind.NO_CERT_SIGN, "chain"), "the source has no chain, or no root to judge it by")


@check(
    "OSM2210",
    title="each certificate fits its purpose",
    hint="issue it with extendedKeyUsage=serverAuth for a gateway, clientAuth for a partner, both for a workload",
    inputs=READS,
    live=False,
)
def fit_for_purpose(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A client certificate at a gateway is refused by every browser, and a server's by every gateway that wants clients."""
    return _found(view, intent, options, (FaultKind.PURPOSE, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2211",
    title="each serial number of an issuer is used once",
    hint="let the CA use random serial numbers, and issue one of the two anew",
    inputs=READS,
    live=False,
)
def serials_unique(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Revocation goes by issuer and number; browsers refuse two certificates with the same pair."""
    return _found(view, intent, options, (FaultKind.DUPLICATE_SERIAL, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2212",
    title="each place of a CA has a CA",
    hint="write the CA's certificate there, not one that it signed",
    inputs=READS,
    live=False,
)
def cas_where_wanted(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """istiod with a leaf as its CA starts, and every certificate that it signs is refused."""
    return _found(view, intent, options, (FaultKind.LEAF_AS_CA, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2213",
    title="each critical extension is understood",
    hint="have it issued without that extension, or with it not critical",
    inputs=READS,
    live=False,
)
def extensions_known(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Who does not know a critical extension must refuse the certificate."""
    return _found(view, intent, options, (FaultKind.CRITICAL_EXTENSION, "chain"), "the source has no chain, or no root to judge it by")


@check(
    "OSM2214",
    title="each name is allowed by the CAs above it",
    hint="ask the corporate PKI for the names that its constraints permit",
    inputs=READS,
    live=False,
)
def names_allowed(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Corporate intermediates often permit the company's domains only; SPIFFE ids have to be permitted too."""
    return _found(view, intent, options, (FaultKind.NAME_CONSTRAINT, "chain"), "the source has no chain, or no root to judge it by")


_REVISIONS, _MORE_NAMES = "--istiod-cert-istio-revisions=", "--istiod-cert-additional-dns-names="
_NAMESPACE = "--certificate-namespace="


def _agents(view: View) -> Iterator[tuple[Obj, str, list[str], list[str]]]:
    """Each istio-csr, its istiod's namespace, the revisions that it lists and further names, by its operator or its own chart."""
    managed = set()
    for one in view.of(k.ISTIO_CSR):
        managed.add(one.namespace)
        config = ("spec", "istioCSRConfig")
        names = one.at(*config, "istiodTLSConfig", "certificateDNSNames", default=[])
        yield one, str(one.at(*config, "istio", "namespace", default="")), one.at(*config, "istio", "revisions", default=["default"]), names
    for one in view.of(k.DEPLOYMENT):
        arguments = [str(word) for row in one.items("spec", "template", "spec", "containers") for word in row.get("args") or []]
        flags = (_REVISIONS, _MORE_NAMES, _NAMESPACE)
        told = {flag: word.removeprefix(flag) for word in arguments for flag in flags if word.startswith(flag)}
        if _REVISIONS in told and one.namespace not in managed:
            revisions, more = ([name for name in told.get(flag, "").split(",") if name] for flag in (_REVISIONS, _MORE_NAMES))
            yield one, told.get(_NAMESPACE, "istio-system"), revisions or ["default"], more


def _istiods(view: View, namespace: str) -> Iterator[tuple[Obj, str]]:
    """Control planes that run or will run in a namespace and do not sign themselves, each with its revision."""
    for one in view.of(k.SMCP):
        kind = one.at("spec", "security", "certificateAuthority", "type", default="")
        if one.namespace == namespace and str(kind).lower() == "cert-manager":
            yield one, one.name
    revisions = {one.name: one for one in view.of(k.ISTIO_REVISION)}
    wanted = {named_revision(one.raw): one for one in view.of(k.ISTIO)}
    # an alias like v1.30-latest says its revision only once it runs
    known = {**{name: one for name, one in wanted.items() if not name.endswith("-")}, **revisions}
    for name, one in sorted(known.items()):
        signs = str(one.at("spec", "values", "pilot", "env", "ENABLE_CA_SERVER", default="true")).lower()
        if one.at("spec", "namespace") == namespace and signs == "false" and one.at("spec", "values", "global", "caAddress"):
            yield one, name


@check(
    "OSM2215",
    title="each revision of a control plane is listed for istio-csr",
    hint="add it to istio_csr.revisions of mesh_certificates_cert_manager and run meshops.mesh.certificates before its istiod comes",
    inputs=(k.ISTIO_CSR, k.DEPLOYMENT, k.ISTIO, k.ISTIO_REVISION, k.SMCP),
    live=False,
)
def revisions_listed(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """istio-csr makes istiod's certificate with a name for each listed revision. A canary of another one starts with a certificate that
    is not its own: its webhook is refused by the API server, and proxies refuse its configuration."""
    agents = list(_agents(view))
    if not agents:
        yield skip("the source has no istio-csr")
    for agent, namespace, revisions, names in agents:
        for plane, revision in _istiods(view, namespace):
            name = f"istiod.{namespace}.svc" if revision == "default" else f"istiod-{revision}.{namespace}.svc"
            if revision not in revisions and name not in names:
                listed = ", ".join(revisions) or "none"
                text = f"{agent.ref} lists the revisions {listed}, not {revision}: its istiod has no certificate for {name}"
                yield Finding(plane.ref, text)


@check(
    "OSM2301",
    title="each private key belongs to its certificate",
    hint="compare openssl x509 -noout -pubkey with openssl pkey -pubout; hand over the key that the request was made with",
    inputs=READS,
    live=False,
)
def keys_match(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """istiod does not start with another certificate's key, and a gateway keeps its old certificate without a word."""
    return _found(view, intent, options, (FaultKind.KEY_MISMATCH, "key"), "the source does not say what its private keys are")


@check(
    "OSM2302",
    title="each private key is readable without a passphrase where it is used",
    hint="openssl pkey -in KEY -out KEY.plain, or give the passphrase to the role meshops.mesh.certificates",
    inputs=READS,
    live=False,
)
def keys_open(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """istiod fails with "failed to parse the RSA private key" on an encrypted ca-key.pem."""
    return _found(view, intent, options, (FaultKind.KEY_ENCRYPTED, "key"), "the source does not say what its private keys are")


@check(
    "OSM2303",
    title="each private key can be read",
    hint="openssl pkey -in KEY -noout -text; hand it over again, as PEM",
    inputs=READS,
    live=False,
)
def keys_readable(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A key that cannot be parsed is found out when a pod starts."""
    return _found(view, intent, options, (FaultKind.KEY_UNREADABLE, "key"), "the source does not say what its private keys are")


@check(
    "OSM2304",
    title="each key is long enough",
    hint="make a new key: RSA 2048 or more, or EC P-256; thresholds.certificate_rsa_bits and certificate_ec_bits are the limits",
    inputs=READS,
    live=False,
)
def keys_long_enough(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """RSA with 512 bits is broken in hours; Envoy refuses RSA below 2048."""
    return _found(view, intent, options, (FaultKind.WEAK_KEY, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2305",
    title="each signature has a strong hash",
    hint="have it issued anew with SHA-256",
    inputs=READS,
    live=False,
)
def hashes_strong(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """MD5 and SHA-1 signatures can be forged. Go refuses both."""
    return _found(view, intent, options, (FaultKind.WEAK_HASH, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2401",
    title="each workload has one well-formed SPIFFE id",
    hint="look at who issues it: istiod writes spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT",
    inputs=READS,
    live=False,
)
def spiffe_ids(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Authorization goes by this id. Without it, or with two, a peer has no identity."""
    return _found(view, intent, options, (FaultKind.SPIFFE, "identity"), "the source has no certificate of a workload")


@check(
    "OSM2402",
    title="each SPIFFE id is of the mesh's trust domain",
    hint="set meshConfig.trustDomain (ossm2: security.trust.domain), or add the old one to trustDomainAliases",
    inputs=READS,
    live=False,
)
def trust_domains(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Policies name principals with the trust domain; another one matches none of them."""
    return _found(view, intent, options, (FaultKind.TRUST_DOMAIN, "identity"), "the source has no certificate of a workload")


@check(
    "OSM2403",
    title="each workload has its own identity",
    hint="restart the pod; if it stays, look at who signed the certificate",
    inputs=READS,
    live=False,
)
def identities(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A certificate of another service account has the rights of that account."""
    return _found(view, intent, options, (FaultKind.IDENTITY, "identity"), "the source has no certificate of a workload")


@check(
    "OSM2404",
    title="each server's certificate has subject alternative names",
    hint="issue it with the hosts as subjectAltName",
    inputs=READS,
    live=False,
)
def has_names(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """The common name is not looked at by any client of today."""
    return _found(view, intent, options, (FaultKind.NO_SAN, "server"), "the source has no certificate of a server")


@check(
    "OSM2405",
    title="each gateway's certificate covers its hosts",
    hint="issue it with this host as subjectAltName; *.example.com covers one label only",
    inputs=READS,
    live=False,
)
def hosts_covered(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Clients refuse a certificate that is made out to another host."""
    return _found(view, intent, options, (FaultKind.HOST_UNCOVERED, "server"), "the source has no certificate of a server")


@check(
    "OSM2501",
    title="each Secret with a certificate is complete",
    hint="write all items: cacerts has ca-cert.pem, ca-key.pem, root-cert.pem and cert-chain.pem, a gateway's has tls.crt and tls.key",
    inputs=READS,
    live=False,
)
def secret_complete(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """With an incomplete cacerts older versions of istiod went back to a self-signed CA without a word; newer ones do not start."""
    return _found(view, intent, options, (FaultKind.INCOMPLETE, "certificate"), "the source has no certificate that can be read")


@check(
    "OSM2502",
    title="each control plane has one CA",
    hint="save istio-ca-secret and delete it once cacerts works",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
)
def one_authority(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """With both Secrets there it depends on the moment of its start which CA istiod takes."""
    return _found(view, intent, options, (FaultKind.TWO_AUTHORITIES, "authority"), "the source has no CA of a control plane")


@check(
    "OSM2503",
    title="istiod hands out the root of its CA",
    hint="look for a warning about the root in istiod's log; without a restart it needs both in root-cert.pem and ISTIO_MULTIROOT_MESH",
    inputs=READS,
    retryable=True,
    live=False,
)
def root_handed_out(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A new root in cacerts can be refused with no more than a warning: the Secret then says one thing and the mesh does another."""
    return _found(
        view, intent, options, (FaultKind.ROOT_DIFFERS, "root_map"), "the source has no CA with the root that its istiod hands out"
    )


@check(
    "OSM2504",
    title="each webhook trusts its istiod",
    hint="restart istiod: it writes caBundle when it starts",
    inputs=READS,
    retryable=True,
    live=False,
)
def webhook_root(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """The API server refuses an istiod under another root, and then no pod with a proxy starts."""
    return _found(view, intent, options, (FaultKind.WEBHOOK_ROOT, "webhook"), "the source has no webhook of an istiod")


@check(
    "OSM2505",
    title="each gateway that wants client certificates has their CA",
    hint="add ca.crt to the Secret, or make the Secret NAME-cacert",
    inputs=READS,
    live=False,
)
def client_ca(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Without a CA for its clients a MUTUAL gateway refuses every caller."""
    return _found(view, intent, options, (FaultKind.NO_CLIENT_CA, "mutual"), "no gateway wants client certificates")


@check(
    "OSM2506",
    title="each inline JWKS has keys",
    hint='write the issuer\'s JWKS: {"keys": [{"kty": ...}]}',
    inputs=READS,
    live=False,
)
def jwks_usable(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """With a JWKS that cannot be read every token of that issuer is refused."""
    return _found(view, intent, options, (FaultKind.JWKS, "jwks"), "no RequestAuthentication has its keys inline")


@check(
    "OSM2507",
    title="each proxy trusts the root that its istiod hands out",
    hint="wait until its certificate is renewed (half of its life), or restart the pod; do not remove the old root before",
    inputs=READS,
    retryable=True,
    live=False,
)
def proxies_trust(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A proxy without it refuses every peer whose certificate is newer than its roots."""
    return _found(
        view, intent, options, (FaultKind.PROXY_ROOTS, "proxy_root"), "no live proxy was asked, or nothing says what its istiod is"
    )


@check(
    "OSM2508",
    title="each proxy has a certificate under the root that its istiod hands out",
    hint="wait until its certificate is renewed (half of its life), or restart the pod; do not remove the old root before",
    inputs=READS,
    retryable=True,
    live=False,
)
def proxies_signed(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A certificate under another root is refused by every proxy that does not know that root any more."""
    return _found(view, intent, options, (FaultKind.PROXY_OLD, "proxy_root"), "no live proxy was asked, or nothing says what its istiod is")


@check(
    "OSM2509",
    title="clusters that share a root do",
    hint="compare the fingerprints, and bring both to one root: meshops.mesh.rotate_certificates on all of them with the same goal",
    inputs=READS,
    live=False,
)
def root_shared(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Calls between the clusters of a mesh fail with CERTIFICATE_VERIFY_FAILED when one does not trust what the other signs."""
    return _found(view, intent, options, (FaultKind.NOT_SHARED, "shared"), "nothing says which clusters share a root (shares_root_with)")


@check(
    "OSM2601",
    title="each endpoint answers in time",
    hint="check the address, the port, firewalls and whether it speaks TLS there",
    inputs=READS,
    retryable=True,
    live=False,
)
def endpoint_answers(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """An endpoint that accepts a connection and says nothing is bounded by endpoint_timeout."""
    return _found(view, intent, options, (FaultKind.UNREACHED, "endpoint"), "no endpoint was asked")


@check(
    "OSM2602",
    title="each endpoint finishes its TLS handshake",
    hint="openssl s_client -connect HOST:PORT -servername NAME; a MUTUAL gateway wants a client certificate",
    inputs=READS,
    live=False,
)
def handshake_succeeds(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """The reason is the TLS library's own, with what it means where that is known."""
    return _found(view, intent, options, (FaultKind.HANDSHAKE, "endpoint"), "no endpoint was asked")


@check(
    "OSM2603",
    title="each endpoint serves the certificate that it should",
    hint="restart the gateway if its Secret was changed, and check which Gateway has that host",
    inputs=READS,
    retryable=True,
    live=False,
)
def wanted_served(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """The Secret that a Gateway names and the certificate that it serves can differ for days."""
    return _found(view, intent, options, (FaultKind.OTHER_CERTIFICATE, "wanted"), "nothing says which certificate an endpoint should serve")


@check(
    "OSM2604",
    title="each endpoint speaks a wanted protocol",
    hint="set the protocol of the port, or leave alpn out",
    inputs=READS,
    live=False,
)
def alpn_agreed(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Without h2 a gRPC client falls back or fails."""
    return _found(view, intent, options, (FaultKind.ALPN, "endpoint"), "no endpoint was asked")


@check(
    "OSM2605",
    title="each proxy says which certificates it has",
    hint="look at the pod's istio-proxy container and log, and restart the pod; proxy_timeout is how long one may take",
    inputs=READS,
    retryable=True,
    live=False,
)
def proxies_answer(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Of a proxy that does not answer nobody knows whether it survives the next change of a root."""
    return _found(view, intent, options, (FaultKind.PROXY_SILENT, "proxy"), "no live proxy was asked")
