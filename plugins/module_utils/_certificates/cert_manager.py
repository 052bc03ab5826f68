# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the provider cert_manager asks for: who signs, what each Certificate says, and which revisions istio-csr serves. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.fields import section
from .._model.secrets_used import CACERTS
from .intent import CertificateIntent, Entry, flag, given, number
from .request import object_of

__all__ = [
    "GROUP",
    "CertManagerRequest",
    "CertManagerRow",
    "IstioCsr",
    "edge_issuer",
    "issuer_queries",
    "istio_csr",
    "leaf_objects",
    "mesh_issuer",
    "mesh_root_name",
    "named_issuers",
    "row_queries",
    "rows",
    "wanted",
    "wants_cacerts",
]

GROUP = "cert-manager.io"
_SUBJECT = {
    "organization": "organizations",
    "organizational_unit": "organizationalUnits",
    "locality": "localities",
    "state": "provinces",
    "country": "countries",
}
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")
_CSR_ADDRESS = "cert-manager-istio-csr.istio-csr.svc:443"
_MINUTES_OF_A_DAY = 1440
_SHORTEST_REST = 5  # minutes


@dataclass(frozen=True, repr=False)
class CertManagerRequest:
    """A certificate that is wanted, with what it is when its entry says nothing."""

    role: str  # root | authority | gateway | client
    name: str  # of the Certificate and of its Secret
    entry: Entry
    days: float
    names: Sequence[str] = ()
    title: str = ""  # the common name
    issuer: Entry = field(default_factory=dict)

    @property
    def life(self) -> float:
        """In days."""
        return number(self.entry, "days", self.days, self.name)


@dataclass(frozen=True)
class CertManagerRow:
    """A Certificate as cert-manager's API has it. duration, renew_before: `24h` or `90m`; names: by the field of the spec."""

    role: str
    name: str
    namespace: str
    issuer: dict[str, Any]
    subject: dict[str, list[str]]
    names: dict[str, list[str]]
    common_name: str
    duration: str
    renew_before: str
    algorithm: str
    size: int
    client_roots: str  # PEM text, empty where they are those of its own issuer


@dataclass(frozen=True)
class IstioCsr:
    """istio-csr in the place of istiod's CA. managed: whether we make its IstioCSR."""

    enabled: bool
    managed: bool
    address: str
    namespace: str
    port: str
    revisions: list[str]
    selector: str | None


def istio_csr(intent: CertificateIntent, running: Iterable[str] = ()) -> IstioCsr:
    """running: the names of the revisions that the cluster has."""
    authority, own = section(intent.control_plane, "certificate_authority"), section(intent.cert_manager, "istio_csr")
    enabled = intent.by_cert_manager and authority.get("type") == "istio_csr"
    address = str(authority.get("address") or _CSR_ADDRESS)
    host, _colon, port = address.partition(":")
    labels = host.split(".")
    planned = [str(name) for name in own.get("revisions") or []]
    revisions = ["default", _revision(intent), *planned, *map(str, running)]
    return IstioCsr(
        enabled=enabled,
        managed=enabled and flag(own, "manage", default=True),
        address=address,
        namespace=labels[1] if len(labels) > 1 else "",
        port=port.partition(":")[0] or "443",
        revisions=list(dict.fromkeys(revisions)),
        selector=str(own["namespace_selector"]) if given(own, "namespace_selector") else None,
    )


def _revision(intent: CertificateIntent) -> str:
    """The revision that the inventory asks for."""
    name = str(intent.control_plane.get("name") or "")
    if intent.generation == "ossm2" or intent.control_plane.get("update_strategy") != "RevisionBased":
        return name
    return f"{name}-{intent.version.replace('.', '-')}"


def wants_cacerts(intent: CertificateIntent) -> bool:
    """cacerts is made when istiod is a CA itself."""
    return intent.by_cert_manager and intent.has_authority and not istio_csr(intent).enabled


def _signs_mesh(intent: CertificateIntent) -> bool:
    return wants_cacerts(intent) or istio_csr(intent).enabled


def mesh_root_name(intent: CertificateIntent) -> str:
    return f"{intent.mesh}-{intent.root_name}"


def _edge_root_name(intent: CertificateIntent) -> str:
    return f"{intent.mesh}-{intent.edge_name}"


def _issuer(intent: CertificateIntent, name: str, own: str) -> dict[str, Any]:
    said = {key: value for key, value in section(intent.cert_manager, name).items() if value is not None}
    return {"group": GROUP, "kind": "Issuer", **(said or {"name": own})}


def mesh_issuer(intent: CertificateIntent) -> dict[str, Any]:
    """Signs the CA of the mesh, or what istio-csr asks for."""
    return _issuer(intent, "issuer", mesh_root_name(intent))


def edge_issuer(intent: CertificateIntent) -> dict[str, Any]:
    """Signs for gateways and clients."""
    return _issuer(intent, "edge_issuer", _edge_root_name(intent))


def named_issuers(intent: CertificateIntent) -> list[dict[str, Any]]:
    """Issuers that somebody else made: they must be there, and ready, before anything changes."""
    found = [mesh_issuer(intent)] if given(intent.cert_manager, "issuer") and _signs_mesh(intent) else []
    return found + ([edge_issuer(intent)] if given(intent.cert_manager, "edge_issuer") and intent.leaves else [])


def issuer_queries(intent: CertificateIntent) -> list[dict[str, str]]:
    """The named issuers that are cert-manager's own, as mesh_objects_info reads them."""
    found = []
    for one in named_issuers(intent):
        if one["group"] == GROUP:
            place = {"namespace": intent.namespace} if one["kind"] == "Issuer" else {}
            found.append({"api_version": f"{GROUP}/v1", "kind": one["kind"], "name": one["name"], **place})
    return found


def wanted(intent: CertificateIntent) -> list[CertManagerRequest]:
    """Roots where no issuer is named, the CA of the mesh, gateways, clients."""
    mesh, edge = mesh_issuer(intent), edge_issuer(intent)
    found = []
    if not given(intent.cert_manager, "issuer") and _signs_mesh(intent):
        found.append(CertManagerRequest("root", mesh_root_name(intent), intent.root, 3650, title=mesh_root_name(intent)))
    if not given(intent.cert_manager, "edge_issuer") and intent.leaves:
        found.append(CertManagerRequest("root", _edge_root_name(intent), intent.edge_root, 3650, title=_edge_root_name(intent)))
    if wants_cacerts(intent):
        names = intent.authority["names"] if given(intent.authority, "names") else [intent.istiod_name]
        found.append(CertManagerRequest("authority", CACERTS, intent.authority, 730, names, intent.authority_name, mesh))
    for one in intent.gateways:  # clients look at its names, so it needs no common name
        found.append(CertManagerRequest("gateway", str(one["name"]), one, 365, one.get("hosts") or [], "", edge))
    for one in intent.clients:
        found.append(CertManagerRequest("client", str(one["name"]), one, 365, one.get("names") or [], str(one["name"]), edge))
    return found


def rows(intent: CertificateIntent) -> list[CertManagerRow]:
    """What wanted() asks for, as cert-manager's API has it."""
    return [_row(intent, one) for one in wanted(intent)]


def _row(intent: CertificateIntent, one: CertManagerRequest) -> CertManagerRow:
    entry, subject = one.entry, section(one.entry, "subject")
    life, rest = _minutes(one.life, intent.renew_at)
    elliptic = entry.get("key_type") == "EC"
    usual = 256 if elliptic else 4096 if one.role in ("root", "authority") else 2048
    return CertManagerRow(
        role=one.role,
        name=one.name,
        namespace=intent.namespace_of(entry),
        issuer=dict(one.issuer),
        subject={field: [str(subject[key])] for key, field in _SUBJECT.items() if subject.get(key)},
        names=_names(one.names),
        common_name=str(subject["common_name"]) if given(subject, "common_name") else one.title,
        duration=_duration(life),
        renew_before=_duration(rest),
        algorithm="ECDSA" if elliptic else "RSA",
        size=int(number(entry, "key_bits", usual, one.name)),
        client_roots=str(entry.get("client_roots") or "") if flag(entry, "mutual") else "",
    )


def _minutes(days: float, renew_at: float) -> tuple[int, int]:
    """The life, and what is left of it at the renewal; in whole hours where that is more than a day."""
    life = round(days * _MINUTES_OF_A_DAY)
    rest = max(round(life * (1 - renew_at)), _SHORTEST_REST)
    return life, rest // 60 * 60 if rest > _MINUTES_OF_A_DAY else rest


def _duration(minutes: int) -> str:
    """As cert-manager reads it, which knows no days; whole hours are written as such."""
    return f"{minutes}m" if minutes % 60 else f"{minutes // 60}h"


def _names(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"dnsNames": [], "ipAddresses": [], "uris": [], "emailAddresses": []}
    for name in map(str, names):
        found[_field(name)].append(name)
    return found


def _field(name: str) -> str:
    if "://" in name:
        return "uris"
    if "@" in name:
        return "emailAddresses"
    return "ipAddresses" if _ADDRESS.fullmatch(name) else "dnsNames"


def row_queries(found: Iterable[CertManagerRow]) -> list[dict[str, str]]:
    """The Secret of each, as mesh_objects_info reads it."""
    return [{"kind": "Secret", "namespace": one.namespace, "name": one.name} for one in found]


def leaf_objects(intent: CertificateIntent) -> list[dict[str, Any]]:
    """What goes besides Certificates and Issuers. The Secrets of roots stay, as own_ca's store does: without its key a root is lost."""
    secrets = [object_of("Secret", one.name, one.namespace) for one in rows(intent) if one.role != "root"]
    return secrets + [object_of("ConfigMap", one["name"], str(one["namespace"])) for one in intent.trust]
