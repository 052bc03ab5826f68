# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which Secrets a mesh uses, by name: so that no login needs to list the Secrets of applications."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from .fields import entries, metadata_of, section, sections, texts
from .objects import group_of
from .remote_access import PEERS, secret_name
from .selectors import ByLabel

__all__ = ["CACERTS", "CACERTS_ITEMS", "CA_SECRETS", "OWN", "ROOT_MAP", "SECRET", "SOURCES", "certificate_refs", "credential_names",
           "secrets_used"]  # fmt: skip

SECRET = ("", "Secret")
CACERTS, OWN = CA_SECRETS = ("cacerts", "istio-ca-secret")
CACERTS_ITEMS = ("ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem")  # in istiod's own form
ROOT_MAP = "istio-ca-root-cert"  # the ConfigMap in which istiod hands its roots out
# What says which Secrets they are. Where one of these may not be read nobody knows.
SOURCES = frozenset(
    {
        ("", "Pod"),
        ("networking.istio.io", "Gateway"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("sailoperator.io", "Istio"),
        ("maistra.io", "ServiceMeshControlPlane"),
    }
)
_HOME = "istio-system"

Rows = Mapping[tuple[str, str], list[Mapping[str, Any]]]


def _planes(rows: Rows) -> Iterator[str]:
    """Namespaces in which an istiod runs or is meant to."""
    for kind in ("Istio", "IstioRevision"):
        for obj in rows.get(("sailoperator.io", kind), ()):
            yield str(section(obj, "spec").get("namespace") or _HOME)
    for obj in rows.get(("maistra.io", "ServiceMeshControlPlane"), ()):
        yield metadata_of(obj, "namespace")
    for key in (("", "Pod"), ("apps", "Deployment")):
        for obj in rows.get(key, ()):
            if section(obj, "metadata", "labels").get("app") == "istiod":
                yield metadata_of(obj, "namespace")


def credential_names(server: Any) -> list[str]:
    """The Secrets that a server of a Gateway names: one, or several as Istio takes them since 1.27."""
    tls = section(server, "tls")
    names = [tls.get("credentialName"), *entries(tls.get("credentialNames"))]
    return list(dict.fromkeys(str(name) for name in names if name and "://" not in str(name)))


def certificate_refs(gateway: Mapping[str, Any], listener: Any) -> list[tuple[str, str]]:
    """Namespace and name of the Secrets that a listener of a Gateway of the Gateway API names."""
    refs = [ref for ref in sections(section(listener, "tls").get("certificateRefs")) if ref.get("kind", "Secret") == "Secret"]
    named = [
        (str(ref.get("namespace") or metadata_of(gateway, "namespace")), str(ref["name"]))
        for ref in refs
        if not ref.get("group") and ref.get("name")
    ]
    return list(dict.fromkeys(named))


def _credentials(gateway: Mapping[str, Any]) -> Iterator[str]:
    for server in entries(section(gateway, "spec").get("servers")):
        yield from credential_names(server)


def _of_gateways(rows: Rows, plane: str, scope: Collection[str] | None, where: Collection[str] | None) -> Iterator[tuple[str, str]]:
    """A Secret is read by the proxy, so it is in the namespace of the gateway's pods. where: the namespaces whose pods count."""
    pods = ByLabel(
        (metadata_of(pod, "namespace"), texts(section(pod, "metadata", "labels")))
        for pod in rows.get(("", "Pod"), ())
        if (where is None or metadata_of(pod, "namespace") in where) and not metadata_of(pod, "deletionTimestamp")
    )
    for gateway in rows.get(("networking.istio.io", "Gateway"), ()):
        names = sorted(set(_credentials(gateway)))
        if not names or (scope is not None and metadata_of(gateway, "namespace") not in scope):
            continue
        selector = texts(section(gateway, "spec", "selector"))
        homes = set(pods.matching(selector)) if selector else set()
        for namespace in homes or {plane or metadata_of(gateway, "namespace")}:
            for name in names:
                yield namespace, name
                yield namespace, f"{name}-cacert"  # where Istio looks for the CA of clients


def _of_gateway_api(rows: Rows, scope: Collection[str] | None) -> Iterator[tuple[str, str]]:
    for gateway in rows.get(("gateway.networking.k8s.io", "Gateway"), ()):
        if scope is not None and metadata_of(gateway, "namespace") not in scope:
            continue
        for listener in entries(section(gateway, "spec").get("listeners")):
            yield from certificate_refs(gateway, listener)


def _of_peers(rows: Rows, plane: str) -> Iterator[tuple[str, str]]:
    """Secrets by which istiod reads the other clusters of its mesh, beside it."""
    for gateway in rows.get(("networking.istio.io", "Gateway"), ()):
        if plane in ("", metadata_of(gateway, "namespace")):
            for name in filter(None, str(section(gateway, "metadata", "annotations").get(PEERS) or "").split(",")):
                yield metadata_of(gateway, "namespace"), secret_name(name)


def secrets_used(objects: Iterable[Mapping[str, Any]], *, plane: str = "", members: Collection[str] | None = None) -> set[tuple[str, str]]:
    """(namespace, name) of each Secret that may be there: the CA of each control plane, what gateways serve, and logins to other clusters.

    plane, members: the namespaces of one mesh; without them those of every mesh that is seen."""
    rows: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for obj in objects:
        rows[group_of(str(obj.get("apiVersion"))), str(obj.get("kind"))].append(obj)
    where = None if members is None else {plane, *members}
    scope = where if plane else None
    found = {(namespace, name) for namespace in ({plane} if plane else set(_planes(rows))) for name in CA_SECRETS}
    served = {*_of_gateways(rows, plane, scope, where), *_of_gateway_api(rows, scope)}
    return found | served | set(_of_peers(rows, plane))
