# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM2xxx: every certificate that a mesh keeps, and those that are handed in as files, text or by an endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from .._checks.types import Category, CheckRow, Options
from .._model import kinds as k
from .._model.fields import namespace_of, section, sections
from .._model.intent import Intent
from .._model.mesh_config import named_revision
from .._model.objects import group_of
from .._model.pods import selected_pods
from .._model.problem import Problem, Severity, skip
from .._model.secrets_used import certificate_refs, credential_names
from .._model.view import Obj, View, ref
from .._text import shortened
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
_SHOWN = 3
# With which a gateway has nothing to serve.
_ENDS_SERVICE = (FaultKind.UNREADABLE, FaultKind.EXPIRED, FaultKind.INCOMPLETE)
_ENDS_TLS = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")


def _namespaces(intent: Intent) -> frozenset[str] | None:
    """The namespaces of the mesh; None where the intent does not say."""
    if intent.reads is not None:
        return intent.reads
    if intent.members is None or not intent.namespace:
        return None
    return frozenset({intent.namespace, *intent.members})


def _gateway_namespace(view: View, gateway: Obj, intent: Intent) -> str:
    selector = dict(gateway.at("spec", "selector", default={}))
    known: dict[str, str] = view.memo("certificates.gateways", intent, dict)
    key = repr(selector)
    if key not in known:  # many Gateways have the same one
        chosen = sorted(selected_pods(view, selector), key=lambda pod: not pod[1].live)
        known[key] = next((namespace for namespace, _shape in chosen if intent.owns(namespace)), "")
    return known[key] or intent.home(gateway.namespace)


def _gateways(view: View, intent: Intent) -> Iterator[TlsServer]:
    scope = _namespaces(intent)
    view.of(k.POD)  # what it stands on, also where no Gateway asks
    for gateway in view.of(k.GATEWAY):
        if scope is not None and gateway.namespace not in scope:
            continue
        namespace = _gateway_namespace(view, gateway, intent)
        for server in gateway.items("spec", "servers"):
            tls = server.get("tls") or {}
            for name in credential_names(server) if tls.get("mode", "SIMPLE") in _ENDS_TLS else ():
                hosts = tuple(str(host).rpartition("/")[2] for host in server.get("hosts") or [])
                yield TlsServer(gateway.ref, namespace, name, hosts, tls.get("mode") in _ENDS_TLS[1:])
    # Without them nothing else is lost, so that no right to read them is asked for.
    for row in view.others(READS):
        own = (group_of(str(row.get("apiVersion"))), row.get("kind")) == (k.K8S_GATEWAY.group, k.K8S_GATEWAY.kind)
        if own and (scope is None or namespace_of(row) in scope):
            yield from _listeners(Obj.from_dict(k.K8S_GATEWAY, row))


def _listeners(gateway: Obj) -> Iterator[TlsServer]:
    """Those of a Gateway of the Gateway API that end TLS, where its pods are Istio's."""
    if not str(gateway.at("spec", "gatewayClassName", default="")).startswith("istio"):
        return
    for listener in sections(gateway.items("spec", "listeners")):
        if section(listener, "tls").get("mode") in (None, "Terminate"):
            hosts = (str(listener.get("hostname") or "*"),)
            for namespace, name in certificate_refs(gateway.raw, listener):
                yield TlsServer(gateway.ref, namespace, name, hosts, mutual=False)


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


# Why there is nothing to check where a subject was not seen.
_NOTHING = {
    "bytes": "the source has no certificate",
    "certificate": "the source has no certificate that can be read",
    "clock": "the source does not say what time its cluster has",
    "chain": "the source has no chain, or no root to judge it by",
    "authority": "the source has no CA of a control plane",
    "key": "the source does not say what its private keys are",
    "identity": "the source has no certificate of a workload",
    "server": "the source has no certificate of a server",
    "root_map": "the source has no CA with the root that its istiod hands out",
    "webhook": "the source has no webhook of an istiod",
    "mutual": "no gateway wants client certificates",
    "jwks": "no RequestAuthentication has its keys inline",
    "proxy_root": "no live proxy was asked, or nothing says what its istiod is",
    "shared": "nothing says which clusters share a root (shares_root_with)",
    "endpoint": "no endpoint was asked",
    "wanted": "nothing says which certificate an endpoint should serve",
    "proxy": "no live proxy was asked",
}


def _found(question: tuple[FaultKind, str], view: View, intent: Intent, options: Options) -> Iterator[Problem]:
    """The faults of one kind; skipped, with the reason, where there was no subject that could have it."""
    kind, subject = question
    if IMPORT_ERROR:
        yield skip("the Python package cryptography is needed on the machine that runs the module, and is not there")
        return
    everything = inventory(view, intent, options)
    faults = [fault for fault in everything.faults if fault.kind is kind]
    if not faults and subject not in everything.seen:
        yield skip(_NOTHING[subject])
    served = _served(view, intent) if faults and kind in _ENDS_SERVICE else {}
    for fault in faults:
        gateways = [ref for ref in served.get(fault.resource, ()) if ref not in fault.message]
        yield replace(fault, message=f"{fault.message}; {shortened(gateways, _SHOWN)} serves it") if gateways else fault


def _served(view: View, intent: Intent) -> dict[str, list[str]]:
    """The Gateways that serve a Secret, by its name as people write it."""

    def made() -> dict[str, list[str]]:
        found: dict[str, dict[str, None]] = {}
        for one in _gateways(view, intent):
            found.setdefault(ref(k.SECRET, one.credential, one.namespace), {})[one.ref] = None
        return {secret: list(gateways) for secret, gateways in found.items()}

    return view.memo("certificates.served", intent, made)


_REVISIONS, _MORE_NAMES = "--istiod-cert-istio-revisions=", "--istiod-cert-additional-dns-names="
_NAMESPACE = "--certificate-namespace="


def _agents(view: View) -> Iterator[tuple[Obj, str, list[str], list[str]]]:
    """Each istio-csr, its istiod's namespace, the revisions that it lists and further names, by its operator or its own chart."""
    managed = set()
    for one in view.of(k.ISTIO_CSR):
        managed.add(one.namespace)
        config = ("spec", "istioCSRConfig")
        names = list(one.at(*config, "istiodTLSConfig", "certificateDNSNames", default=[]))
        revisions = list(one.at(*config, "istio", "revisions", default=["default"]))  # an error here is about this object
        yield one, str(one.at(*config, "istio", "namespace", default="")), revisions, names
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
    hint="add it to istio_csr.revisions of mesh_certificates_cert_manager and run meshops.mesh.issue_certificates before its istiod comes",
    inputs=(k.ISTIO_CSR, k.DEPLOYMENT, k.ISTIO, k.ISTIO_REVISION, k.SMCP),
    live=False,
)
def revisions_listed(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istio-csr makes istiod's certificate with a name for each listed revision. A canary of an unlisted revision starts with a
    certificate that is not its own: its webhook is refused by the API server, and proxies refuse its configuration."""
    agents = list(_agents(view))
    if not agents:
        yield skip("the source has no istio-csr")
    for agent, namespace, revisions, names in agents:
        for plane, revision in _istiods(view, namespace):
            name = f"istiod.{namespace}.svc" if revision == "default" else f"istiod-{revision}.{namespace}.svc"
            if revision not in revisions and name not in names:
                listed = ", ".join(map(str, revisions)) or "none"
                text = f"{agent.ref} lists the revisions {listed}, not {revision}: its istiod has no certificate for {name}"
                yield Problem(plane.ref, text)


# 20: bytes; 21: time; 22: chains; 23: keys; 24: names; 25: Secrets and what istiod makes of them; 26: endpoints and proxies. Each row asks
# for the faults of one kind, which a subject has to be there for.
ROWS = (
    CheckRow("OSM2001", "has_content", (FaultKind.EMPTY, "bytes"),
             title="no certificate file or item is empty",
             hint="write the certificate into the item; an empty value often comes from an empty pipe or variable",
             about="The API accepts an empty file or item; only the pod that mounts it notices."),
    CheckRow("OSM2002", "can_be_read", (FaultKind.UNREADABLE, "bytes"), equivalents=("IST0161",),
             title="each certificate can be read",
             hint="openssl x509 -in FILE -noout -text; write it again from its source",
             about="What cannot be parsed is as good as absent, and some readers silently skip it."),
    CheckRow("OSM2003", "is_pem", (FaultKind.DER, "bytes"),
             title="each certificate is PEM",
             hint="openssl x509 -inform DER -in FILE -out FILE.pem",
             about="Istio, Envoy and the API read PEM only; DER is what some PKIs export."),
    CheckRow("OSM2004", "is_small", (FaultKind.TOO_LARGE, "bytes"),
             title="each certificate file has a reasonable size",
             hint="hand over the chain only, not a bundle of all public CAs; thresholds.certificate_max_bytes is the limit",
             about="A Secret holds 1 MiB, and every proxy gets the whole of it."),
    CheckRow("OSM2005", "without_bom", (FaultKind.BOM, "bytes"),
             title="no certificate file begins with a byte order mark",
             hint="sed -i '1s/^\\xEF\\xBB\\xBF//' FILE, or save it as UTF-8 without BOM",
             about="OpenSSL and Go do not recognize a BEGIN line behind a byte order mark, and silently skip that certificate."),
    CheckRow("OSM2006", "unix_lines", (FaultKind.CRLF, "bytes"), severity=Severity.WARNING,
             title="each certificate file has Unix line endings",
             hint="sed -i 's/\\r$//' FILE",
             about="CRLF is read by most programs, and breaks comparisons of two files that have the same certificate."),
    CheckRow("OSM2007", "keys_are_apart", (FaultKind.KEY_IN_PUBLIC, "bytes"),
             title="private keys are kept apart from certificates",
             hint="remove the key and create a new one: everyone who may read that place has it",
             about="Certificates are copied to every namespace and into snapshots. A private key beside them is copied too."),
    CheckRow("OSM2101", "valid_already", (FaultKind.NOT_YET_VALID, "certificate"),
             title="each certificate is already valid",
             hint="wait, or have it reissued; check the clock of the machine that issued it",
             about="A certificate from the future is refused everywhere. thresholds.clock_skew_seconds is the tolerance."),
    CheckRow("OSM2102", "still_valid", (FaultKind.EXPIRED, "certificate"), equivalents=("IST0161",),
             title="each certificate is still valid",
             hint="renew it (playbook meshops.mesh.issue_certificates), then restart whatever reads it only at startup",
             about="An expired certificate ends every handshake that meets it; of an expired root, all of them."),
    CheckRow("OSM2103", "enough_left", (FaultKind.ENDS_SOON, "certificate"), severity=Severity.WARNING,
             title="each certificate has enough of its lifetime left",
             hint="run meshops.mesh.issue_certificates; thresholds.certificate_days and certificate_fraction say how much is enough",
             about="Less than thresholds.certificate_days days, or, for short "
                   "lives, less than thresholds.certificate_fraction of the whole."),
    CheckRow("OSM2104", "clocks_agree", (FaultKind.CLOCK_SKEW, "clock"), severity=Severity.WARNING,
             title="the cluster's clock agrees with the control node's",
             hint="chronyc tracking on the nodes and here; thresholds.clock_skew_seconds is the tolerance",
             about="Certificates that were just issued are not valid yet for a clock that is behind."),
    CheckRow("OSM2105", "within_issuers_life", (FaultKind.OUTLIVES_ISSUER, "chain"), severity=Severity.WARNING,
             title="no certificate outlives its issuer",
             hint="renew the issuer first, or issue for a shorter time",
             about="A chain ends with the first of its certificates, whatever the others say."),
    CheckRow("OSM2201", "expected_root", (FaultKind.UNKNOWN_ROOT, "chain"),
             title="each chain ends at an expected root",
             hint="compare fingerprints (inventory); trust this root too, or have the certificate issued by the expected one",
             about='Whoever trusts another root refuses the handshake with CERTIFICATE_VERIFY_FAILED or "unknown authority".'),
    CheckRow("OSM2202", "chain_complete", (FaultKind.MISSING_ISSUER, "chain"),
             title="each chain is complete",
             hint="append the intermediate certificates to the chain, each followed by its issuer",
             about="Clients know only roots. The server has to send every CA in between."),
    CheckRow("OSM2203", "chain_in_order", (FaultKind.ORDER, "certificate"),
             title="each chain is in order",
             hint="cat leaf.pem intermediate.pem > chain.pem: the certificate first, then its issuer, then that one's",
             about="Envoy and istiod treat the first certificate of a file as the one that the key belongs to."),
    CheckRow("OSM2204", "no_strangers", (FaultKind.STRANGER, "certificate"), severity=Severity.WARNING,
             title="each chain has only its own certificates",
             hint="take it out of the file",
             about="A certificate that signed none of the others is sent for nothing, and is often left over from an incomplete renewal."),
    CheckRow("OSM2205", "one_root", (FaultKind.TWO_ROOTS, "authority"), severity=Severity.WARNING,
             title="each control plane has one root",
             hint="finish the rotation: retire the old root once every proxy has a certificate under the new one",
             about="Two roots are right while a root is changed, and a risk when the old one stays."),
    CheckRow("OSM2206", "signatures_right", (FaultKind.BAD_SIGNATURE, "chain"),
             title="each signature was made by the issuer's key",
             hint="fetch the issuer's certificate again: it has the same name, but another key",
             about="Two CAs with one name are common after a CA was recreated instead of renewed."),
    CheckRow("OSM2207", "issuers_are_cas", (FaultKind.NO_CA_BIT, "chain"),
             title="each issuer is a CA",
             hint="have the CA's certificate reissued with basicConstraints=critical,CA:TRUE",
             about="Without the CA bit everything that it signs is refused."),
    CheckRow("OSM2208", "path_length_kept", (FaultKind.PATH_LENGTH, "chain"),
             title="each CA keeps its path length limit",
             hint="sign with the CA above, or have it issued with a longer pathlen",
             about="A CA with pathlen:0 may sign certificates, but no other CA."),
    CheckRow("OSM2209", "cas_may_sign", (FaultKind.NO_CERT_SIGN, "chain"),
             title="each CA may sign certificates",
             hint="have it reissued with keyUsage=critical,keyCertSign,cRLSign",
             about="Go and OpenSSL refuse a CA whose key usage leaves signing out."),
    CheckRow("OSM2210", "fit_for_purpose", (FaultKind.PURPOSE, "certificate"),
             title="each certificate fits its purpose",
             hint="issue it with extendedKeyUsage=serverAuth for a gateway, clientAuth for a partner, both for a workload",
             about="A client certificate at a gateway is refused by every browser, and a server's by every gateway that wants clients."),
    CheckRow("OSM2211", "serials_unique", (FaultKind.DUPLICATE_SERIAL, "certificate"),
             title="each serial number of an issuer is used once",
             hint="let the CA use random serial numbers, and reissue one of the two",
             about="Revocation goes by issuer and number; browsers refuse two certificates with the same pair."),
    CheckRow("OSM2212", "cas_where_wanted", (FaultKind.LEAF_AS_CA, "certificate"),
             title="each certificate used as a CA is a CA",
             hint="write the CA's certificate there, not one that it signed",
             about="istiod with a leaf as its CA starts, and every certificate that it signs is refused."),
    CheckRow("OSM2213", "extensions_known", (FaultKind.CRITICAL_EXTENSION, "chain"),
             title="each critical extension is understood",
             hint="have it issued without that extension, or with it not critical",
             about="A client that does not know a critical extension must refuse the certificate."),
    CheckRow("OSM2214", "names_allowed", (FaultKind.NAME_CONSTRAINT, "chain"),
             title="each name is allowed by the CAs above it",
             hint="ask the corporate PKI for the names that its constraints permit",
             about="Corporate intermediates often permit the company's domains only; SPIFFE ids have to be permitted too."),
    CheckRow("OSM2301", "keys_match", (FaultKind.KEY_MISMATCH, "key"),
             title="each private key belongs to its certificate",
             hint="compare openssl x509 -noout -pubkey with openssl pkey -pubout; hand over the key that the request was made with",
             about="istiod does not start with another certificate's key, and a gateway silently keeps its old certificate."),
    CheckRow("OSM2302", "keys_open", (FaultKind.KEY_ENCRYPTED, "key"),
             title="each private key is readable without a passphrase where it is used",
             hint="openssl pkey -in KEY -out KEY.plain, or give its passphrase in mesh_certificates_passphrase",
             about='istiod fails with "failed to parse the RSA private key" on an encrypted ca-key.pem.'),
    CheckRow("OSM2303", "keys_readable", (FaultKind.KEY_UNREADABLE, "key"),
             title="each private key can be read",
             hint="openssl pkey -in KEY -noout -text; hand it over again, as PEM",
             about="A key that cannot be parsed is noticed only when a pod starts."),
    CheckRow("OSM2304", "keys_long_enough", (FaultKind.WEAK_KEY, "certificate"),
             title="each key is long enough",
             hint="make a new key: RSA 2048 or more, or EC P-256; thresholds.certificate_rsa_bits and certificate_ec_bits are the limits",
             about="RSA with 512 bits is broken in hours; Envoy refuses RSA below 2048."),
    CheckRow("OSM2305", "hashes_strong", (FaultKind.WEAK_HASH, "certificate"),
             title="each signature uses a strong hash",
             hint="have it reissued with SHA-256",
             about="MD5 and SHA-1 signatures can be forged. Go refuses both."),
    CheckRow("OSM2401", "spiffe_ids", (FaultKind.SPIFFE, "identity"),
             title="each workload has one well-formed SPIFFE id",
             hint="look at who issues it: istiod writes spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT",
             about="Authorization goes by this id. Without it, or with two, a peer has no identity."),
    CheckRow("OSM2402", "trust_domains", (FaultKind.TRUST_DOMAIN, "identity"),
             title="each SPIFFE id belongs to the mesh's trust domain",
             hint="set meshConfig.trustDomain (ossm2: security.trust.domain), or add the old one to trustDomainAliases",
             about="Policies name principals with the trust domain; another one matches none of them."),
    CheckRow("OSM2403", "identities", (FaultKind.IDENTITY, "identity"),
             title="each workload has its own identity",
             hint="restart the pod; if that does not help, check who signed the certificate",
             about="A certificate of another service account has the rights of that account."),
    CheckRow("OSM2404", "has_names", (FaultKind.NO_SAN, "server"),
             title="each server's certificate has subject alternative names",
             hint="issue it with the hosts as subjectAltName",
             about="Current clients ignore the common name."),
    CheckRow("OSM2405", "hosts_covered", (FaultKind.HOST_UNCOVERED, "server"),
             title="each gateway's certificate covers its hosts",
             hint="issue it with this host as subjectAltName; *.example.com covers one label only",
             about="Clients refuse a certificate that is made out to another host."),
    CheckRow("OSM2501", "secret_complete", (FaultKind.INCOMPLETE, "certificate"), equivalents=("IST0161",),
             title="each Secret with a certificate is complete",
             hint="write all items: cacerts has ca-cert.pem, ca-key.pem, root-cert.pem "
                  "and cert-chain.pem, a gateway's has tls.crt and tls.key",
             about="With an incomplete cacerts older versions of istiod silently fell back to a self-signed CA; newer ones do not start."),
    CheckRow("OSM2502", "one_authority", (FaultKind.TWO_AUTHORITIES, "authority"), severity=Severity.WARNING,
             title="each control plane has one CA",
             hint="save istio-ca-secret and delete it once cacerts works",
             about="With both Secrets present, which CA istiod uses depends on when it starts."),
    CheckRow("OSM2503", "root_handed_out", (FaultKind.ROOT_DIFFERS, "root_map"), retryable=True,
             title="istiod hands out the root of its CA",
             hint="look for a warning about the root in istiod's log; without a "
                  "restart it needs both in root-cert.pem and ISTIO_MULTIROOT_MESH",
             about="A new root in cacerts can be refused with no more than a warning: "
                   "the Secret then says one thing and the mesh does another."),
    CheckRow("OSM2504", "webhook_root", (FaultKind.WEBHOOK_ROOT, "webhook"), retryable=True,
             title="each webhook trusts its istiod",
             hint="restart istiod: it writes caBundle when it starts",
             about="The API server refuses an istiod under another root, and then no pod with a proxy starts."),
    CheckRow("OSM2505", "client_ca", (FaultKind.NO_CLIENT_CA, "mutual"),
             title="each gateway that wants client certificates has their CA",
             hint="add ca.crt to the Secret, or make the Secret NAME-cacert",
             about="Without a CA for its clients a MUTUAL gateway refuses every caller."),
    CheckRow("OSM2506", "jwks_usable", (FaultKind.JWKS, "jwks"),
             title="each inline JWKS has keys",
             hint="write the issuer's JWKS: {\"keys\": [{\"kty\": ...}]}",
             about="With a JWKS that cannot be read every token of that issuer is refused."),
    CheckRow("OSM2507", "proxies_trust", (FaultKind.PROXY_ROOTS, "proxy_root"), retryable=True,
             title="each proxy trusts the root that its istiod hands out",
             hint="wait until its certificate is renewed (half of its life), or restart the pod; do not remove the old root before",
             about="A proxy without it refuses every peer whose certificate is newer than its roots."),
    CheckRow("OSM2508", "proxies_signed", (FaultKind.PROXY_OLD, "proxy_root"), retryable=True,
             title="each proxy has a certificate under the root that its istiod hands out",
             hint="wait until its certificate is renewed (half of its life), or restart the pod; do not remove the old root before",
             about="A certificate under another root is refused by every proxy that does not know that root any more."),
    CheckRow("OSM2509", "root_shared", (FaultKind.NOT_SHARED, "shared"),
             title="clusters of one mesh share a root",
             hint="compare the fingerprints, and bring both to one root: "
                  "meshops.mesh.rotate_certificates on all of them with the same goal",
             about="Calls between the clusters of a mesh fail with "
                   "CERTIFICATE_VERIFY_FAILED when one does not trust what the other signs."),
    CheckRow("OSM2601", "endpoint_answers", (FaultKind.UNREACHED, "endpoint"), retryable=True,
             title="each endpoint answers in time",
             hint="check the address, the port, firewalls and whether it speaks TLS there",
             about="An endpoint that accepts a connection and says nothing is bounded by endpoint_timeout."),
    CheckRow("OSM2602", "handshake_succeeds", (FaultKind.HANDSHAKE, "endpoint"),
             title="each endpoint finishes its TLS handshake",
             hint="openssl s_client -connect HOST:PORT -servername NAME; a MUTUAL gateway wants a client certificate",
             about="The reason is the TLS library's own message, explained where its meaning is known."),
    CheckRow("OSM2603", "wanted_served", (FaultKind.OTHER_CERTIFICATE, "wanted"), retryable=True,
             title="each endpoint serves the certificate that it should",
             hint="restart the gateway if its Secret was changed, and check which Gateway has that host",
             about="The Secret that a Gateway names and the certificate that it serves can differ for days."),
    CheckRow("OSM2604", "alpn_agreed", (FaultKind.ALPN, "endpoint"),
             title="each endpoint speaks an expected protocol",
             hint="set the protocol of the port, or leave alpn out",
             about="Without h2 a gRPC client falls back or fails."),
    CheckRow("OSM2605", "proxies_answer", (FaultKind.PROXY_SILENT, "proxy"), retryable=True,
             title="each proxy reports its certificates",
             hint="look at the pod's istio-proxy container and log, and restart the pod; proxy_timeout is how long one may take",
             about="Whether a proxy that does not answer survives the next change of the root is unknown."),
)  # fmt: skip

CATEGORY.table(_found, ROWS, inputs=READS, live=False)
