# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The kinds that checks read, each with its API group: `Gateway` and `Subscription` alone would be ambiguous."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of one API group; the core group is the empty string."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.kind}" if self.group else self.kind


CONFIG_MAP = Kind("", "ConfigMap")
NAMESPACE = Kind("", "Namespace")
POD = Kind("", "Pod")
SECRET = Kind("", "Secret")
SERVICE = Kind("", "Service")
SERVICE_ACCOUNT = Kind("", "ServiceAccount")
DAEMON_SET = Kind("apps", "DaemonSet")
DEPLOYMENT = Kind("apps", "Deployment")
STATEFUL_SET = Kind("apps", "StatefulSet")
NETWORK_POLICY = Kind("networking.k8s.io", "NetworkPolicy")
CRD = Kind("apiextensions.k8s.io", "CustomResourceDefinition")
POD_DISRUPTION_BUDGET = Kind("policy", "PodDisruptionBudget")
MUTATING_WEBHOOK = Kind("admissionregistration.k8s.io", "MutatingWebhookConfiguration")
VALIDATING_WEBHOOK = Kind("admissionregistration.k8s.io", "ValidatingWebhookConfiguration")
# What certificate_check reads elsewhere, in the form of an object; no API has this kind.
CERTIFICATE_SOURCE = Kind("mesh.meshops.io", "CertificateSource")

ISTIO_CSR = Kind("operator.openshift.io", "IstioCSR")

CATALOG_SOURCE = Kind("operators.coreos.com", "CatalogSource")
CSV = Kind("operators.coreos.com", "ClusterServiceVersion")
INSTALL_PLAN = Kind("operators.coreos.com", "InstallPlan")
OPERATOR_GROUP = Kind("operators.coreos.com", "OperatorGroup")
SUBSCRIPTION = Kind("operators.coreos.com", "Subscription")

ISTIO = Kind("sailoperator.io", "Istio")
ISTIO_CNI = Kind("sailoperator.io", "IstioCNI")
ISTIO_REVISION = Kind("sailoperator.io", "IstioRevision")
ISTIO_REVISION_TAG = Kind("sailoperator.io", "IstioRevisionTag")
SMCP = Kind("maistra.io", "ServiceMeshControlPlane")
SMMR = Kind("maistra.io", "ServiceMeshMemberRoll")
SME = Kind("maistra.io", "ServiceMeshExtension")
PEER = Kind("federation.maistra.io", "ServiceMeshPeer")
EXPORTED = Kind("federation.maistra.io", "ExportedServiceSet")
IMPORTED = Kind("federation.maistra.io", "ImportedServiceSet")

DESTINATION_RULE = Kind("networking.istio.io", "DestinationRule")
GATEWAY = Kind("networking.istio.io", "Gateway")
SERVICE_ENTRY = Kind("networking.istio.io", "ServiceEntry")
VIRTUAL_SERVICE = Kind("networking.istio.io", "VirtualService")
AUTHORIZATION_POLICY = Kind("security.istio.io", "AuthorizationPolicy")
PEER_AUTHENTICATION = Kind("security.istio.io", "PeerAuthentication")
REQUEST_AUTHENTICATION = Kind("security.istio.io", "RequestAuthentication")
ROUTE = Kind("route.openshift.io", "Route")

JAEGER = Kind("jaegertracing.io", "Jaeger")
KIALI = Kind("kiali.io", "Kiali")
PROMETHEUS = Kind("monitoring.coreos.com", "Prometheus")

__all__ = [
    "AUTHORIZATION_POLICY",
    "CATALOG_SOURCE",
    "CERTIFICATE_SOURCE",
    "CONFIG_MAP",
    "CRD",
    "CSV",
    "DAEMON_SET",
    "DEPLOYMENT",
    "DESTINATION_RULE",
    "EXPORTED",
    "GATEWAY",
    "IMPORTED",
    "INSTALL_PLAN",
    "ISTIO",
    "ISTIO_CNI",
    "ISTIO_CSR",
    "ISTIO_REVISION",
    "ISTIO_REVISION_TAG",
    "JAEGER",
    "KIALI",
    "MUTATING_WEBHOOK",
    "NAMESPACE",
    "NETWORK_POLICY",
    "OPERATOR_GROUP",
    "PEER",
    "PEER_AUTHENTICATION",
    "POD",
    "POD_DISRUPTION_BUDGET",
    "PROMETHEUS",
    "REQUEST_AUTHENTICATION",
    "ROUTE",
    "SECRET",
    "SERVICE",
    "SERVICE_ACCOUNT",
    "SERVICE_ENTRY",
    "SMCP",
    "SME",
    "SMMR",
    "STATEFUL_SET",
    "SUBSCRIPTION",
    "VALIDATING_WEBHOOK",
    "VIRTUAL_SERVICE",
    "Kind",
]
