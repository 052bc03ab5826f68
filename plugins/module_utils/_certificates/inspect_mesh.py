# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What hangs together in a mesh: its CAs, the roots that istiod hands out, live proxies, other clusters, webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model.secrets_used import CACERTS, OWN, ROOT_MAP
from .._text import counted
from .chain import build, judge
from .encoding import decode
from .facts import Certificate, FaultKind
from .inspection import Credential, Inspection, short_name
from .reading import Bundle, read_bundle
from .source import Source

__all__ = ["inspect_authorities", "inspect_proxy", "inspect_served", "inspect_shared_roots", "inspect_webhooks"]

# cacerts as Istio's documentation has it, and as cert-manager writes it
_ISTIO_FORM = ("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem")
_TLS_FORM = ("tls.crt", "tls.key", "ca.crt")


def inspect_authorities(inspection: Inspection) -> None:
    """The CA of each control plane, and the root that it hands out."""
    namespaces = {namespace for namespace, name in inspection.secrets if name in (CACERTS, OWN)}
    maps = {one["metadata"].get("namespace"): one for one in inspection.given.config_maps if one["metadata"]["name"] == ROOT_MAP}
    read_maps = {
        namespace: inspection.read(
            f"ConfigMap {namespace}/{ROOT_MAP}",
            "root-cert.pem",
            str((one.get("data") or {}).get("root-cert.pem") or "").encode(),
            "root",
            loose=True,
        )
        for namespace, one in sorted(maps.items(), key=lambda pair: str(pair[0]))
    }
    inspection.handed = {namespace: bundle.certificates for namespace, bundle in read_maps.items()}
    for namespace in sorted(namespaces, key=str):
        plugged, own = inspection.secrets.get((namespace, CACERTS)), inspection.secrets.get((namespace, OWN))
        # the last one wins: with cacerts there, istiod does not look at its own Secret
        for name, secret in ((OWN, own), (CACERTS, plugged)):
            if secret is not None:
                resource = f"Secret {namespace}/{name}"
                inspection.active[namespace] = (resource, _authority(inspection, resource, secret, name))
        inspection.seen.add("authority")
        if plugged is not None and own is not None:
            text = f"Secret {namespace}/{OWN} is there too: an istiod that starts without {CACERTS} goes back to it"
            inspection.add(FaultKind.TWO_AUTHORITIES, f"Secret {namespace}/{CACERTS}", text)
        _handed_out(inspection, namespace, read_maps.get(namespace))


def inspect_proxy(inspection: Inspection, source: Source) -> None:
    """A live proxy against its istiod: who of the mesh it will believe, and who of the mesh will believe it."""
    issuer = source.identity.get("control_plane")
    if not issuer or source.certificate is None:
        return
    inspection.seen.add("proxy")
    owner, own = inspection.active.get(issuer, ("", ()))
    # what istiod hands out is what it uses; its Secret may have been changed since
    roots, owner = (inspection.handed[issuer], f"ConfigMap {issuer}/{ROOT_MAP}") if inspection.handed.get(issuer) else (own, owner)
    chain = read_bundle(source.certificate, source.resource).certificates
    trusted = read_bundle(source.roots or b"", source.resource).certificates
    if not roots or not chain:
        return
    inspection.seen.add("proxy_root")
    lost = [one for one in roots if one not in trusted]
    if lost:
        found = ", ".join(short_name(one) for one in trusted) or "nobody"
        inspection.add(FaultKind.PROXY_ROOTS, source.resource, f"it trusts {found}, but not {short_name(lost[0])} of {owner}")
    path = judge(chain[0], chain[1:], roots, at=inspection.settings.at, where=source.resource, limits=inspection.settings.limits)
    if any(fault.kind in (FaultKind.UNKNOWN_ROOT, FaultKind.MISSING_ISSUER, FaultKind.BAD_SIGNATURE) for fault in path.faults):
        text = f"its certificate is signed by {chain[0].issuer}, which does not lead to a root of {owner}"
        inspection.add(FaultKind.PROXY_OLD, source.resource, text)


def inspect_served(inspection: Inspection, source: Source) -> None:
    """A live gateway against the Secrets that its Gateways name: a new one may not have reached it, or was refused."""
    for name, text in source.served.items():
        namespace, _slash, short = name.rpartition("/")
        namespace = namespace or source.identity.get("namespace", "")
        secret = inspection.secrets.get((namespace, short))
        raw = None if secret is None else inspection.value(secret, "cert" if "cert" in (secret.get("data") or {}) else "tls.crt")
        wanted = read_bundle(raw or b"", source.resource).certificates
        found = read_bundle(text, source.resource).certificates
        if not wanted or not found:
            continue
        inspection.seen.add("wanted")
        if wanted[0] != found[0]:
            told = f"it serves {short_name(found[0])}, not {short_name(wanted[0])} of Secret {namespace}/{short}"
            inspection.add(FaultKind.OTHER_CERTIFICATE, source.resource, told)


def inspect_shared_roots(inspection: Inspection, source: Source) -> None:
    """Another cluster of the mesh: its workloads must believe ours. That ours believe its is found when it is its turn."""
    theirs = inspection.read(source.resource, "roots", source.roots or b"", "shared_root").certificates
    signing = {owner: inspection.anchors.get(owner) for owner, _roots in inspection.active.values()}
    ours: list[tuple[str, str, tuple[Certificate, ...]]] = [
        (owner, "what it signs leads to", (anchor,)) for owner, anchor in signing.items() if anchor is not None
    ]
    if not ours:  # no CA in the cluster: istio-csr
        ours = [(f"ConfigMap {name}/{ROOT_MAP}", "it hands out", roots) for name, roots in inspection.handed.items() if roots]
    if not ours or not theirs:
        return
    inspection.seen.add("shared")
    for owner, what, roots in ours:
        if not set(roots) & set(theirs):
            known = ", ".join(short_name(one) for one in theirs)
            inspection.add(
                FaultKind.NOT_SHARED, owner, f"{what} {short_name(roots[0])}, which {source.resource} does not trust; it trusts {known}"
            )


def _handed_out(inspection: Inspection, namespace: Any, read: Bundle | None) -> None:
    """istiod refuses a new root with no more than a warning in its log: what it hands out tells."""
    resource, roots = inspection.active[namespace]
    if read is None or not read.certificates or not roots:
        return
    inspection.seen.add("root_map")
    lost = [one for one in roots if one not in read.certificates]
    if lost:
        found = ", ".join(short_name(one) for one in read.certificates)
        text = f"istiod hands out {found}, not {short_name(lost[0])} of {resource}"
        inspection.add(FaultKind.ROOT_DIFFERS, f"ConfigMap {namespace}/{ROOT_MAP}", text)


def _authority(inspection: Inspection, resource: str, secret: Mapping[str, Any], name: str) -> tuple[Certificate, ...]:
    """A signing CA with its root; returns the roots."""
    inspection.misplaced(secret, resource)
    data = secret.get("data") or {}
    tls = "tls.crt" in data and "ca-cert.pem" not in data
    signer, key_item, root_item = ("tls.crt", "tls.key", "ca.crt") if tls else ("ca-cert.pem", "ca-key.pem", "root-cert.pem")
    if name == CACERTS:
        inspection.complete(secret, resource, _TLS_FORM if tls else _ISTIO_FORM)
    items = {item: inspection.value(secret, item) for item in (signer, "cert-chain.pem", root_item)}
    # istiod leaves items of its own Secret empty, and an empty chain is a chain of one
    read = {
        item: inspection.read(resource, item, raw, role, loose=item == root_item)
        for (item, raw), role in zip(items.items(), ("ca", "chain", "root"), strict=True)
        if raw and raw.strip()
    }
    bundle, nothing = read.get(signer, Bundle()), Bundle()
    given = read.get(root_item, nothing).certificates
    chain = read.get("cert-chain.pem", nothing).certificates
    inspection.credential(Credential(resource, signer, bundle, chain, given, "ca", inspection.key(secret, key_item), key_item))
    roots = given or tuple(one for one in bundle.certificates[:1] if one.self_issued)
    if bundle.certificates:
        found = build(bundle.certificates[0], (*bundle.certificates[1:], *chain), roots)
        if found.anchored:
            inspection.anchors[resource] = found.path[-1]
    if len(dict.fromkeys(roots)) > 1:
        titles = ", ".join(short_name(one) for one in dict.fromkeys(roots))
        inspection.add(FaultKind.TWO_ROOTS, resource, f"{root_item}: it has {counted(len(dict.fromkeys(roots)), 'root')}: {titles}")
    if chain and bundle.certificates and bundle.certificates[0] not in chain and not bundle.certificates[0].self_issued:
        text = f"{bundle.certificates[0].title} of {signer} is missing in it, so workloads hand over an incomplete chain"
        inspection.add(FaultKind.MISSING_ISSUER, resource, f"cert-chain.pem: {text}")
    if inspection.expected:
        _expected_root(inspection, resource, root_item, roots)
    return roots


def _expected_root(inspection: Inspection, resource: str, item: str, roots: tuple[Certificate, ...]) -> None:
    if roots and not set(roots) & set(inspection.expected):
        wanted = ", ".join(one.title for one in inspection.expected)
        inspection.add(FaultKind.UNKNOWN_ROOT, resource, f"{item}: {roots[0].title} is not an expected root ({wanted})")


def inspect_webhooks(inspection: Inspection) -> None:
    for one in inspection.given.webhooks:
        resource = f"{one['kind']} {one['metadata']['name']}"
        for number, hook in enumerate(one.get("webhooks") or []):
            client = hook.get("clientConfig") or {}
            service = client.get("service") or {}
            if not client.get("caBundle") or not str(service.get("name") or "").startswith("istiod"):
                continue
            inspection.seen.add("webhook")
            bundle = inspection.read(resource, f"webhooks[{number}].caBundle", decode(client["caBundle"]), "webhook_ca", loose=True)
            owner, roots = inspection.active.get(service.get("namespace"), ("", ()))
            if roots and bundle.certificates and not set(roots) & set(bundle.certificates):
                text = f"it trusts {short_name(bundle.certificates[0])}, not {short_name(roots[0])} of {owner}"
                inspection.add(FaultKind.WEBHOOK_ROOT, resource, f"webhooks[{number}].caBundle: {text}")
