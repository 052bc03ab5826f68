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
NODE = Kind("", "Node")
POD = Kind("", "Pod")
SECRET = Kind("", "Secret")
SERVICE = Kind("", "Service")
SERVICE_ACCOUNT = Kind("", "ServiceAccount")
DAEMON_SET = Kind("apps", "DaemonSet")
DEPLOYMENT = Kind("apps", "Deployment")
REPLICA_SET = Kind("apps", "ReplicaSet")
STATEFUL_SET = Kind("apps", "StatefulSet")
CRON_JOB = Kind("batch", "CronJob")
JOB = Kind("batch", "Job")
HORIZONTAL_POD_AUTOSCALER = Kind("autoscaling", "HorizontalPodAutoscaler")
NETWORK_POLICY = Kind("networking.k8s.io", "NetworkPolicy")
POD_DISRUPTION_BUDGET = Kind("policy", "PodDisruptionBudget")
ROLE = Kind("rbac.authorization.k8s.io", "Role")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "RoleBinding")
MUTATING_WEBHOOK = Kind("admissionregistration.k8s.io", "MutatingWebhookConfiguration")
VALIDATING_WEBHOOK = Kind("admissionregistration.k8s.io", "ValidatingWebhookConfiguration")
CRD = Kind("apiextensions.k8s.io", "CustomResourceDefinition")
# What certificate_check reads elsewhere, in the form of an object; no API has this kind.
CERTIFICATE_SOURCE = Kind("mesh.meshops.io", "CertificateSource")

ISTIO_CSR = Kind("operator.openshift.io", "IstioCSR")

CATALOG_SOURCE = Kind("operators.coreos.com", "CatalogSource")
CSV = Kind("operators.coreos.com", "ClusterServiceVersion")
INSTALL_PLAN = Kind("operators.coreos.com", "InstallPlan")
OPERATOR_GROUP = Kind("operators.coreos.com", "OperatorGroup")
PACKAGE_MANIFEST = Kind("packages.operators.coreos.com", "PackageManifest")
SUBSCRIPTION = Kind("operators.coreos.com", "Subscription")

ISTIO = Kind("sailoperator.io", "Istio")
ISTIO_CNI = Kind("sailoperator.io", "IstioCNI")
ISTIO_REVISION = Kind("sailoperator.io", "IstioRevision")
ISTIO_REVISION_TAG = Kind("sailoperator.io", "IstioRevisionTag")
Z_TUNNEL = Kind("sailoperator.io", "ZTunnel")
ISTIO_OPERATOR = Kind("install.istio.io", "IstioOperator")
SMCP = Kind("maistra.io", "ServiceMeshControlPlane")
SMM = Kind("maistra.io", "ServiceMeshMember")
SMMR = Kind("maistra.io", "ServiceMeshMemberRoll")
SME = Kind("maistra.io", "ServiceMeshExtension")
PEER = Kind("federation.maistra.io", "ServiceMeshPeer")
EXPORTED = Kind("federation.maistra.io", "ExportedServiceSet")
IMPORTED = Kind("federation.maistra.io", "ImportedServiceSet")

TELEMETRY = Kind("telemetry.istio.io", "Telemetry")
WASM_PLUGIN = Kind("extensions.istio.io", "WasmPlugin")
DESTINATION_RULE = Kind("networking.istio.io", "DestinationRule")
ENVOY_FILTER = Kind("networking.istio.io", "EnvoyFilter")
GATEWAY = Kind("networking.istio.io", "Gateway")
SERVICE_ENTRY = Kind("networking.istio.io", "ServiceEntry")
SIDECAR = Kind("networking.istio.io", "Sidecar")
WORKLOAD_ENTRY = Kind("networking.istio.io", "WorkloadEntry")
WORKLOAD_GROUP = Kind("networking.istio.io", "WorkloadGroup")
VIRTUAL_SERVICE = Kind("networking.istio.io", "VirtualService")
AUTHORIZATION_POLICY = Kind("security.istio.io", "AuthorizationPolicy")
PEER_AUTHENTICATION = Kind("security.istio.io", "PeerAuthentication")
REQUEST_AUTHENTICATION = Kind("security.istio.io", "RequestAuthentication")
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "HTTPRoute")
GRPC_ROUTE = Kind("gateway.networking.k8s.io", "GRPCRoute")
TCP_ROUTE = Kind("gateway.networking.k8s.io", "TCPRoute")
TLS_ROUTE = Kind("gateway.networking.k8s.io", "TLSRoute")
K8S_GATEWAY = Kind("gateway.networking.k8s.io", "Gateway")
GATEWAY_CLASS = Kind("gateway.networking.k8s.io", "GatewayClass")
REFERENCE_GRANT = Kind("gateway.networking.k8s.io", "ReferenceGrant")
BACKEND_TLS_POLICY = Kind("gateway.networking.k8s.io", "BackendTLSPolicy")
INFERENCE_POOL = Kind("inference.networking.x-k8s.io", "InferencePool")
ROUTE = Kind("route.openshift.io", "Route")

JAEGER = Kind("jaegertracing.io", "Jaeger")
KIALI = Kind("kiali.io", "Kiali")
PROMETHEUS = Kind("monitoring.coreos.com", "Prometheus")
OPENTELEMETRY_COLLECTOR = Kind("opentelemetry.io", "OpenTelemetryCollector")
TEMPO_MONOLITHIC = Kind("tempo.grafana.com", "TempoMonolithic")
TEMPO_STACK = Kind("tempo.grafana.com", "TempoStack")

__all__ = [
    "AUTHORIZATION_POLICY",
    "BACKEND_TLS_POLICY",
    "CATALOG_SOURCE",
    "CERTIFICATE_SOURCE",
    "CONFIG_MAP",
    "CRD",
    "CRON_JOB",
    "CSV",
    "DAEMON_SET",
    "DEPLOYMENT",
    "DESTINATION_RULE",
    "ENVOY_FILTER",
    "EXPORTED",
    "GATEWAY",
    "GATEWAY_CLASS",
    "GRPC_ROUTE",
    "HORIZONTAL_POD_AUTOSCALER",
    "HTTP_ROUTE",
    "IMPORTED",
    "INFERENCE_POOL",
    "INSTALL_PLAN",
    "ISTIO",
    "ISTIO_CNI",
    "ISTIO_CSR",
    "ISTIO_OPERATOR",
    "ISTIO_REVISION",
    "ISTIO_REVISION_TAG",
    "JAEGER",
    "JOB",
    "K8S_GATEWAY",
    "KIALI",
    "MUTATING_WEBHOOK",
    "NAMESPACE",
    "NETWORK_POLICY",
    "NODE",
    "OPENTELEMETRY_COLLECTOR",
    "OPERATOR_GROUP",
    "PACKAGE_MANIFEST",
    "PEER",
    "PEER_AUTHENTICATION",
    "POD",
    "POD_DISRUPTION_BUDGET",
    "PROMETHEUS",
    "REFERENCE_GRANT",
    "REPLICA_SET",
    "REQUEST_AUTHENTICATION",
    "ROLE",
    "ROLE_BINDING",
    "ROUTE",
    "SECRET",
    "SERVICE",
    "SERVICE_ACCOUNT",
    "SERVICE_ENTRY",
    "SIDECAR",
    "SMCP",
    "SME",
    "SMM",
    "SMMR",
    "STATEFUL_SET",
    "SUBSCRIPTION",
    "TCP_ROUTE",
    "TELEMETRY",
    "TEMPO_MONOLITHIC",
    "TEMPO_STACK",
    "TLS_ROUTE",
    "VALIDATING_WEBHOOK",
    "VIRTUAL_SERVICE",
    "WASM_PLUGIN",
    "WORKLOAD_ENTRY",
    "WORKLOAD_GROUP",
    "Z_TUNNEL",
    "Kind",
]
