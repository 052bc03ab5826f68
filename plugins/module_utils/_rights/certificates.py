# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the playbooks of certificates do: the CA of a mesh and its rotation, and the certificates of gateways."""

from __future__ import annotations

from dataclasses import replace

from .._model.secrets_used import CA_SECRETS, ROOT_MAP
from .reads import check_reads
from .right import WRITE, Right, Scope, Where

__all__ = ["CERTIFICATES", "reads"]

_ISTIO, _SECURITY, _CM = "networking.istio.io", "security.istio.io", "cert-manager.io"
_CA, _SERVING = "authority", "gateways"
_ASKED = "each istiod and each proxy is asked for the certificates that it has"

CERTIFICATES: tuple[Right, ...] = (
    Right("secrets", ("get", "list", "create", "patch"), Where.PLANE, "the CA of the mesh, and the copies of those before it", work=_CA),
    Right("secrets", ("delete",), Where.PLANE, "the CA that istiod made for itself goes once there is a copy", names=CA_SECRETS, work=_CA),
    Right("secrets", ("get",), Where.GIVEN, "a certificate that is taken from there", when=("given",)),
    Right("secrets", ("get",), Where.GATEWAYS, "the certificates that gateways serve, by the names in Gateways", work=_CA),
    Right("configmaps", ("get", "list"), Where.PROXIES, "the roots that istiod hands out", names=(ROOT_MAP,), work=_CA),
    Right("pods", ("list",), Where.PROXIES, "who has a proxy, and where istiod runs", work=_CA),
    Right("pods/portforward", ("get", "create"), Where.PROXIES, _ASKED, work=_CA),
    Right(f"gateways.{_ISTIO}", ("list",), Where.PROXIES, "which certificates they name", work=_CA),
    Right(f"requestauthentications.{_SECURITY}", ("list",), Where.PROXIES, "which roots they name", work=_CA),
    Right("namespaces", ("list",), Where.CLUSTER, "which of them have the roots of the mesh", work=_CA),
    Right("mutatingwebhookconfigurations.admissionregistration.k8s.io", ("list",), Where.CLUSTER, "which root they trust", work=_CA),
    Right("validatingwebhookconfigurations.admissionregistration.k8s.io", ("list",), Where.CLUSTER, "which root they trust", work=_CA),
    Right("deployments.apps", ("list", "patch"), Where.PLANE, "istiod is restarted where it does not take its CA by itself", work=_CA),
    Right("poddisruptionbudgets.policy", ("list",), Where.PLANE, "how many of istiod's pods may be away at a time", work=_CA),
    Right("leases.coordination.k8s.io", WRITE, Where.PLANE, "one run at a time", work=_CA),
    *(
        Right(f"{kind}.apps", ("list", "patch"), Where.PROXIES, "workloads are restarted in waves", when=("restart",), work=_CA)
        for kind in ("deployments", "statefulsets", "daemonsets")
    ),
    Right("poddisruptionbudgets.policy", ("list",), Where.PROXIES, "how many may be away at a time", when=("restart",), work=_CA),
    Right("secrets", WRITE, Where.SERVED, "certificates of gateways and clients", work=_SERVING),
    Right("configmaps", WRITE, Where.TRUST, "roots that applications are to trust", when=("trust",), work=_SERVING),
    Right("configmaps", ("get",), Where.PLANE, "the roots that istiod hands out", names=(ROOT_MAP,), work=_SERVING),
    Right("pods/portforward", ("get", "create"), Where.SERVED, "each gateway is asked for the certificates that it has", work=_SERVING),
    Right(f"certificates.{_CM}", ("list",), Where.CLUSTER, "whether cert-manager writes the same Secrets", work=_SERVING),
    *(
        Right(f"{kind}.{_CM}", WRITE, Where.SERVED, "cert-manager issues the certificates", when=("cert_manager",), work=_SERVING)
        for kind in ("issuers", "certificates")
    ),
    Right(
        f"certificaterequests.{_CM}", ("list",), Where.SERVED, "why cert-manager does not issue one", when=("cert_manager",), work=_SERVING
    ),
    Right(
        f"clusterissuers.{_CM}", ("get",), Where.CLUSTER, "whether an issuer of the cluster is ready", when=("cert_manager",), work=_SERVING
    ),
    Right(f"gateways.{_ISTIO}", WRITE, Where.PLANE, "the gateways of the intent", work=_SERVING),
    Right(f"virtualservices.{_ISTIO}", WRITE, Where.MESH, "the routes of the gateways", work=_SERVING),
    Right("routes.route.openshift.io", WRITE, Where.PLANE, "Routes of OpenShift to the gateways", when=("routes",), work=_SERVING),
)


def reads(scope: Scope) -> list[Right]:
    """travel_https ends with the check."""
    return [replace(right, work=_SERVING) for right in check_reads(scope)]
