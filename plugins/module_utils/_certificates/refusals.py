# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the intended certificates cannot mean. The answers name entries and fields, never a value that may be a key or a passphrase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .cert_manager import edge_issuer, istio_csr, wanted, wants_cacerts
from .intent import CertificateIntent, given

__all__ = ["cert_manager_refusals", "certificate_refusals", "unasked_refusals"]

_OF_A_CA = ("cacerts", "istio-ca-secret")
_MATERIAL = ("certificate", "chain", "from_secret", "key", "passphrase", "roots")


def certificate_refusals(given: Sequence[Mapping[str, Any]], *, with_material: bool) -> list[str]:
    """A sentence for each thing that has to be refused. given: entries with name and role (authority, gateway or client).

    with_material: whether each has to come with certificate and key, as with the provider `pem`."""
    names = [str(entry.get("name")) for entry in given]
    refusals = []
    if len(set(names)) < len(names):
        refusals.append(f"A name is used twice among the CA, mesh_certificates_gateways and mesh_certificates_clients: {', '.join(names)}.")
    if any(entry.get("role") == "gateway" and entry.get("name") in _OF_A_CA for entry in given):
        refusals.append(
            "mesh_certificates_gateways uses the name cacerts or istio-ca-secret, which is a CA's; give the gateway's Secret another name."
        )
    if with_material:
        refusals += [_incomplete(entry) for entry in given if not _complete(entry)]
    return refusals


def _complete(entry: Mapping[str, Any]) -> bool:
    return "from_secret" in entry or ("certificate" in entry and "key" in entry)


def _incomplete(entry: Mapping[str, Any]) -> str:
    return (
        f"{entry.get('name')}: with certificates_provider pem it needs certificate and key, as files or text, "
        "or from_secret with NAMESPACE/NAME of a Secret that has them."
    )


def unasked_refusals(intent: CertificateIntent) -> list[str]:
    """A sentence for each thing that is a part of what the intent does not ask for: of a CA of the mesh, or of its edge."""
    whole = intent.has_authority or istio_csr(intent).enabled
    extra = ["mesh_certificates_extra_roots is set"] if intent.extra_roots and not whole else []
    rows = (
        ([] if whole else [*extra, *_trusting(intent, "mesh")],
         "the intent asks for no CA of the mesh, so nobody knows its root beforehand. Ask for one in mesh_certificates_authority "
         "({enabled: true} is enough), or take this out."),
        ([] if intent.leaves else _trusting(intent, "edge"),
         "neither mesh_certificates_gateways nor mesh_certificates_clients has an entry, so there is no such root. Take this out."),
    )  # fmt: skip
    return [f"{' and '.join(found)}: {why}" for found, why in rows if found]


def _trusting(intent: CertificateIntent, whose: str) -> list[str]:
    names = [f"{one.get('namespace')}/{one['name']}" for one in intent.trust if (one.get("of") or "edge") == whose]
    return [f"mesh_certificates_trust wants the root of the {whose} in {', '.join(names)}"] if names else []


def cert_manager_refusals(intent: CertificateIntent) -> list[str]:
    """A sentence for each thing that only the other providers have, or that cert-manager cannot do."""
    rows = (
        (_material(intent), "these are for certificates_provider pem; cert-manager makes key and certificate itself. Take them out."),
        (_path_lengths(intent), "a Certificate cannot say a path length. Take it out, or name an issuer whose CA has one."),
        (_extra_roots(intent),
         "ca.crt of cacerts is what the issuer says, and nothing can be added to it. Take it out, or use the providers own_ca or pem."),
        (_far(intent), f"an Issuer signs in its own namespace only, here {intent.namespace}. Name a ClusterIssuer in "
                       "mesh_certificates_cert_manager.edge_issuer."),
        (_short(intent), "cert-manager refuses a life of less than an hour (0.042 days)."),
        (_bundles(intent),
         "its files have a key that only the cluster has. Use certificates_target cluster, or give it a namespace instead."),
        (_trust(intent), "the roots that it wants are only on the cluster. Use certificates_target cluster."),
    )  # fmt: skip
    return [f"certificates_provider is cert_manager, and {', '.join(found)}: {why}" for found, why in rows if found]


def _material(intent: CertificateIntent) -> list[str]:
    fields = [(one["name"], [name for name in _MATERIAL if given(one, name)]) for one in intent.entries]
    return [f"{name} has {', '.join(found)}" for name, found in fields if found]


def _path_lengths(intent: CertificateIntent) -> list[str]:
    roots = {"mesh_certificates_root": intent.root, "mesh_certificates_edge_root": intent.edge_root}
    return [f"{name}.path_length is {one['path_length']}" for name, one in roots.items() if given(one, "path_length")]


def _extra_roots(intent: CertificateIntent) -> list[str]:
    return ["mesh_certificates_extra_roots is set"] if intent.extra_roots and wants_cacerts(intent) else []


def _far(intent: CertificateIntent) -> list[str]:
    if edge_issuer(intent)["kind"] != "Issuer":
        return []
    far = [one for one in intent.leaves if intent.namespace_of(one) != intent.namespace]
    return [f"{one['name']} is wanted in the namespace {one['namespace']}" for one in far]


def _short(intent: CertificateIntent) -> list[str]:
    return [f"{one.name} has days {one.entry['days']}" for one in wanted(intent) if one.life * 24 < 1]


def _bundles(intent: CertificateIntent) -> list[str]:
    if intent.target != "files":
        return []
    return [f"{one['name']} has a bundle" for one in intent.clients if given(one, "bundle")]


def _trust(intent: CertificateIntent) -> list[str]:
    return ["mesh_certificates_trust is set"] if intent.trust and intent.target == "files" else []
