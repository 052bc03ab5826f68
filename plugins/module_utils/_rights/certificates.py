# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the playbooks of certificates do: they issue what an intent asks for, and rotate the CA of a mesh."""

from __future__ import annotations

from dataclasses import replace

from .._model.secrets_used import CA_SECRETS, ROOT_MAP
from .reads import check_reads
from .right import WRITE, Right, Scope, Where

__all__ = ["CERTIFICATES", "ISSUE", "reads"]

_ISTIO, _SECURITY, _CM = "networking.istio.io", "security.istio.io", "cert-manager.io"
_CA, _SERVING, _ISSUING = "authority", "gateways", "issue"
_ASKED = "each istiod and each proxy is asked for the certificates that it has"
_COPIED = "the CA of the mesh, and the copies of those before it"
_OWN_GOES = "the CA that istiod made for itself goes once there is a copy"
_SERVED = "certificates of gateways and clients"
_TRUSTED = "roots that applications are to trust"
_RIVALS = "whether cert-manager writes the same Secrets"
_GATEWAYS_ASKED = "each gateway is asked for the certificates that it has"

# Every certificate that a mesh has.
_LOOK: tuple[Right, ...] = (
    Right("secrets", ("get",), Where.GATEWAYS, "the certificates that gateways serve, by the names in Gateways"),
    Right("configmaps", ("get", "list"), Where.PROXIES, "the roots that istiod hands out", names=(ROOT_MAP,)),
    Right("pods", ("list",), Where.PROXIES, "who has a proxy, and where istiod runs"),
    Right(f"gateways.{_ISTIO}", ("list",), Where.PROXIES, "which certificates they name"),
    Right(f"requestauthentications.{_SECURITY}", ("list",), Where.PROXIES, "which roots they name"),
    Right("namespaces", ("list",), Where.CLUSTER, "which of them have the roots of the mesh"),
    Right("mutatingwebhookconfigurations.admissionregistration.k8s.io", ("list",), Where.CLUSTER, "which root they trust"),
    Right("validatingwebhookconfigurations.admissionregistration.k8s.io", ("list",), Where.CLUSTER, "which root they trust"),
)
# The same where gateways are, which may be outside of the members.
_AT_GATEWAYS = tuple(replace(right, where=Where.SERVED, when=("served",)) for right in _LOOK if right.where is Where.PROXIES)
_BY_CERT_MANAGER: tuple[Right, ...] = (
    *(Right(f"{kind}.{_CM}", WRITE, Where.SERVED, "cert-manager issues the certificates") for kind in ("issuers", "certificates")),
    Right(f"certificaterequests.{_CM}", ("list",), Where.SERVED, "why cert-manager does not issue one"),
    Right(f"clusterissuers.{_CM}", ("get",), Where.CLUSTER, "whether an issuer of the cluster is ready"),
)
# What the role certificates does with an intent; an installation does it, too.
ISSUE: tuple[Right, ...] = (
    Right("secrets", WRITE, Where.PLANE, _COPIED, when=("authority",)),
    Right("secrets", ("delete",), Where.PLANE, _OWN_GOES, when=("authority",), names=CA_SECRETS),
    Right("pods", ("list",), Where.PROXIES, "who has a proxy: another root for them is refused", when=("authority",)),
    Right("secrets", ("get",), Where.GIVEN, "a certificate that is taken from there", when=("given",)),
    Right("secrets", WRITE, Where.SERVED, _SERVED, when=("served",)),
    Right("configmaps", WRITE, Where.TRUST, _TRUSTED, when=("trust",)),
    Right("pods/portforward", ("get", "create"), Where.SERVED, _GATEWAYS_ASKED, when=("served",)),
    Right(f"certificates.{_CM}", ("list",), Where.CLUSTER, _RIVALS, when=("authority", "served")),
    *(replace(right, when=("issuers",)) for right in _BY_CERT_MANAGER),
    Right("istiorevisions.sailoperator.io", ("list",), Where.CLUSTER, "for which revisions istiod needs a name", when=("issuers",)),
    Right("istiocsrs.operator.openshift.io", WRITE, Where.CLUSTER, "istio-csr signs in the place of istiod", when=("istio_csr",)),
)

CERTIFICATES: tuple[Right, ...] = (
    Right("secrets", ("get", "list", "create", "patch"), Where.PLANE, _COPIED, work=_CA),
    Right("secrets", ("delete",), Where.PLANE, _OWN_GOES, names=CA_SECRETS, work=_CA),
    Right("secrets", ("get",), Where.GIVEN, "a certificate that is taken from there", when=("given",)),
    *(replace(right, work=_CA) for right in _LOOK),
    Right("pods/portforward", ("get", "create"), Where.PROXIES, _ASKED, work=_CA),
    Right("deployments.apps", ("list", "patch"), Where.PLANE, "istiod is restarted where it does not take its CA by itself", work=_CA),
    Right("poddisruptionbudgets.policy", ("list",), Where.PLANE, "how many of istiod's pods may be away at a time", work=_CA),
    Right("leases.coordination.k8s.io", WRITE, Where.PLANE, "one run at a time", work=_CA),
    *(
        Right(f"{kind}.apps", ("list", "patch"), Where.PROXIES, "workloads are restarted in waves", when=("restart",), work=_CA)
        for kind in ("deployments", "statefulsets", "daemonsets")
    ),
    Right("poddisruptionbudgets.policy", ("list",), Where.PROXIES, "how many may be away at a time", when=("restart",), work=_CA),
    *(replace(right, work=_ISSUING) for right in (*ISSUE, *_LOOK, *_AT_GATEWAYS)),
    Right("secrets", WRITE, Where.SERVED, _SERVED, work=_SERVING),
    Right("configmaps", WRITE, Where.TRUST, _TRUSTED, when=("trust",), work=_SERVING),
    Right("configmaps", ("get",), Where.PLANE, "the roots that istiod hands out", names=(ROOT_MAP,), work=_SERVING),
    Right("pods/portforward", ("get", "create"), Where.SERVED, _GATEWAYS_ASKED, work=_SERVING),
    Right(f"certificates.{_CM}", ("list",), Where.CLUSTER, _RIVALS, work=_SERVING),
    *(replace(right, when=("cert_manager",), work=_SERVING) for right in _BY_CERT_MANAGER),
    Right(f"gateways.{_ISTIO}", WRITE, Where.PLANE, "the gateways of the intent", work=_SERVING),
    Right(f"virtualservices.{_ISTIO}", WRITE, Where.MESH, "the routes of the gateways", work=_SERVING),
    Right("routes.route.openshift.io", WRITE, Where.PLANE, "Routes of OpenShift to the gateways", when=("routes",), work=_SERVING),
)


def reads(scope: Scope) -> list[Right]:
    """travel_https ends with the check."""
    return [replace(right, work=_SERVING) for right in check_reads(scope)]
