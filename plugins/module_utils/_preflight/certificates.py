# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the variables about certificates cannot mean. They may hold keys: entries and fields are named, never values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._errors import MeshError
from .._model.fields import entries, section
from .._model.gateway_intent import home_of, listeners_of
from .._model.lasting import NOT_KEPT, lost_places
from .._model.versions import at_least
from .._text import quoted, shown
from .given import MeshVariables

if TYPE_CHECKING:
    from .._certificates.intent import CertificateIntent

__all__ = ["VARIABLES", "intended", "served"]

VARIABLES = (
    "mesh_provider",
    "mesh_certificates_authority",
    "mesh_certificates_cert_manager",
    "mesh_certificates_clients",
    "mesh_certificates_edge_root",
    "mesh_certificates_extra_roots",
    "mesh_certificates_gateways",
    "mesh_certificates_provider",
    "mesh_certificates_root",
    "mesh_certificates_trust",
    "mesh_target",
)
_CSR = re.compile(r"[a-z0-9-]+[.][a-z0-9-]+[.]svc([.][a-z0-9.-]+)?(:[0-9]+)?")
_SECRET = re.compile(r"[a-z0-9-]+/[a-z0-9.-]+")
_SINCE = "v2.4"  # of OpenShift Service Mesh: cert-manager's form of cacerts, and istio-csr


def intended(given: MeshVariables) -> Iterable[str]:
    """Only where certificates are going to be made: elsewhere nobody needs to open the vault that they are in."""
    if "certificates" not in given.roles:
        return ()
    # late: a mesh without certificates of its own needs none of it
    from .._certificates.intent import CertificateIntent
    from .._certificates.refusals import cert_manager_refusals, certificate_refusals, unasked_refusals

    names = {name.removeprefix("mesh_certificates_"): given.values.get(name) for name in VARIABLES if name.startswith("mesh_certificates_")}
    more = {
        "mesh": given.text("mesh_name"),
        "control_plane": given.map("mesh_control_plane"),
        "generation": given.provider or "ossm3",
        "target": given.text("mesh_target") or "cluster",
        "version": given.versions.get("ossm3", ""),
        "members": list(given.members),
    }
    try:
        intent = CertificateIntent.of({**names, **more})
        found = certificate_refusals(intent.entries, with_material=intent.provider == "pem")
        found += unasked_refusals(intent) + (cert_manager_refusals(intent) if intent.by_cert_manager else [])
    except MeshError as exc:
        return [f"mesh_certificates_*: {exc}"]
    found += _not_kept(given, intent)
    return [*found, *_of_cert_manager(given, by_cert_manager=intent.by_cert_manager), *_secrets(given)]


def _not_kept(given: MeshVariables, intent: CertificateIntent) -> list[str]:
    """The next job would have another CA, and a mesh with two of them has an outage."""
    own = intent.provider not in ("pem", "cert_manager") and intent.entries
    found = lost_places({"mesh_certificates_store": given.store} if own else {}, intent.clients, judge=given.lost)
    return [f"{text}. {NOT_KEPT}" for text in found]


def _of_cert_manager(given: MeshVariables, *, by_cert_manager: bool) -> Iterator[str]:
    authority = section(given.map("mesh_control_plane"), "certificate_authority")
    by_csr, address = authority.get("type") == "istio_csr", str(authority.get("address") or "")
    version = given.versions.get("ossm2", "")
    if by_cert_manager and given.generation == "ossm2" and version and not at_least(version, _SINCE):
        yield (
            f"mesh_certificates_provider: cert_manager needs OpenShift Service Mesh {_SINCE}, and mesh_ossm2_version is {shown(version)}: "
            "upgrade the control plane first, or use own_ca or pem"
        )
    if by_csr and address and not _CSR.fullmatch(address):
        yield (
            f"mesh_control_plane.certificate_authority.address: {quoted(address)} is no SERVICE.NAMESPACE.svc:PORT; "
            "the namespace in it is where istio-csr is installed"
        )


def _secrets(given: MeshVariables) -> Iterator[str]:
    rows = [("mesh_certificates_authority", given.map("mesh_certificates_authority"))]
    for variable in ("mesh_certificates_gateways", "mesh_certificates_clients"):
        rows += [(f"{variable}[{number}]", row) for number, row in enumerate(given.rows(variable))]
    for where, row in rows:
        if row.get("from_secret") is not None and not _SECRET.fullmatch(str(row["from_secret"])):
            yield f"{where}.from_secret: expected NAMESPACE/NAME of a Secret"


def served(given: MeshVariables) -> Iterator[str]:
    """A gateway's certificate has to be for its hosts, and to come with the roots of its clients where it asks for them."""
    if "certificates" not in given.roles:
        return
    from .._certificates.intent import flag

    given_by_us = given.text("mesh_certificates_provider") != "pem"
    issued = {str(row.get("name")): (number, row) for number, row in enumerate(given.rows("mesh_certificates_gateways"))}
    for gateway, listener in ((row, one) for row in given.rows("mesh_gateways") for one in listeners_of(row)):
        tls = section(listener, "tls")
        number, row = issued.get(str(tls.get("credential_name")), (0, None))
        if row is None or (row.get("namespace") or given.home) != home_of(gateway, given.home):
            continue
        where, name = f"mesh_certificates_gateways[{number}]", shown(gateway.get("name"))
        if tls.get("mode") in ("MUTUAL", "OPTIONAL_MUTUAL") and not flag(row, "mutual"):
            yield f"{where}.mutual: is not true, and the gateway {name} wants client certificates: its Secret needs the clients' roots"
        bare = [host for host in map(_host, entries(listener.get("hosts"))) if not _covered(host, entries(row.get("hosts")))]
        if given_by_us and bare:
            yield f"{where}.hosts: do not cover {', '.join(map(shown, bare))}, which the gateway {name} serves with this certificate"


def _host(entry: Any) -> str:
    return str(entry).rpartition("/")[2]


def _covered(host: str, names: Iterable[Any]) -> bool:
    parent = "*." + host.partition(".")[2]
    return any(str(name) in (host, parent) for name in names)
