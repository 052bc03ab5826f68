# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What becomes of each field of a ServiceMeshControlPlane, as data: one row a field, with the source of the fact.

A path's step is a name, `*` (any name, captured), `name[]` (each item of a list, captured) or a last `**` (all below). The first row that
fits wins, rows that name more come first. `to` takes the captures in their order; with `**` it takes the rest of the path.

Sources: `table` and `removed` are the vendor's two documents on this migration (smcp-to-istio-mappings, unsupported-fields-in-3), `guide`
its procedure, `chart` what the operator of OSSM 2 makes of the field (its charts and its conversion to Helm values), `crd` the CRD of the
Istio resource, `istio` Istio's own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["FIELDS", "IMPLIED", "Field", "FieldOutcome"]


class FieldOutcome(StrEnum):
    """mapped: a value of the Istio resource. elsewhere: another object. gone: nothing has it any more. unknown: no row of ours fits."""

    MAPPED = "mapped"
    ELSEWHERE = "elsewhere"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Field:
    """One row. to: where it is now; todo: what is left for people, empty for nothing; how: the conversion of the value."""

    path: str
    outcome: FieldOutcome
    to: str
    source: str
    how: str = ""
    todo: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.path.split(".")))

    steps: tuple[str, ...] = ()


def _mapped(path: str, to: str, source: str = "table", how: str = "", todo: str = "") -> Field:
    return Field(path, FieldOutcome.MAPPED, f"spec.values.{to}", source, how, todo)


def _elsewhere(path: str, to: str, source: str, todo: str = "") -> Field:
    return Field(path, FieldOutcome.ELSEWHERE, to, source, "", todo)


def _gone(path: str, source: str = "removed", todo: str = "") -> Field:
    return Field(path, FieldOutcome.GONE, "", source, "", todo)


_NEW_IMAGES = (
    "An image of OSSM 2 must not run under OSSM 3. Where a mirror is used, set spec.values.global.hub of the Istio and the IstioCNI to the "
    "mirror of OSSM 3's images."
)
_PROMETHEUS = "The role observability runs Prometheus (mesh_observability.prometheus), or use user workload monitoring."
_ADDON = "OSSM 3 manages no addons."


def _images(prefix: str) -> tuple[Field, ...]:
    return tuple(_gone(f"{prefix}.{name}", "guide", _NEW_IMAGES) for name in ("imageName", "imageRegistry", "imageTag"))


def _pull(prefix: str) -> tuple[Field, ...]:
    return (
        _mapped(f"{prefix}.imagePullPolicy", "global.imagePullPolicy"),
        _mapped(f"{prefix}.imagePullSecrets", "global.imagePullSecrets", how="names"),
    )


def _sink(smcp: str, istio: str) -> tuple[Field, ...]:
    """A gRPC service of Envoy's: access logs or metrics."""
    return (
        _mapped(f"{smcp}.address", f"meshConfig.defaultConfig.{istio}.address"),
        _mapped(f"{smcp}.tcpKeepalive.**", f"meshConfig.defaultConfig.{istio}.tcpKeepalive.**"),
        _mapped(f"{smcp}.tlsSettings.**", f"meshConfig.defaultConfig.{istio}.tlsSettings.**"),
    )


def _gateway(path: str) -> tuple[Field, ...]:
    """A gateway of the control plane: its Deployment becomes an injected one."""
    deployment, service = "Deployment of the gateway, injected", "Service of the gateway"
    guide = "guide"
    return (
        _elsewhere(f"{path}.enabled", deployment, guide),
        _elsewhere(f"{path}.namespace", deployment, guide),
        _elsewhere(f"{path}.requestedNetworkView", f"{deployment}: env ISTIO_META_REQUESTED_NETWORK_VIEW", "chart"),
        _elsewhere(f"{path}.routerMode", f"{deployment}: env ISTIO_META_ROUTER_MODE", "chart"),
        _gone(f"{path}.routeConfig.enabled", "removed", "OSSM 3 makes no Routes: the role gateways does (mesh_gateways)."),
        _gone(f"{path}.ingress", "removed", "Kubernetes Ingress objects are served with spec.values.meshConfig.ingressControllerMode."),
        _gone(f"{path}.meshExpansionPorts[].**", "removed", "Expose istiod by a Gateway of its own (an east-west gateway)."),
        _gone(f"{path}.sds.**", "chart", "A gateway always reads the Secrets of its Gateways itself."),
        _elsewhere(f"{path}.service.metadata.labels", f"{service} and {deployment}: labels and selector", "chart"),
        _elsewhere(f"{path}.service.metadata.annotations", f"{service}: metadata.annotations", "chart"),
        _gone(
            f"{path}.service.topologyKeys", "chart", "Kubernetes has no topologyKeys any more: see spec.trafficDistribution of the Service."
        ),
        _elsewhere(f"{path}.service.ipFamily", f"{service}: spec.ipFamilies", "chart"),
        _elsewhere(f"{path}.service.selector", f"{service}: spec.selector, and the labels of the pods", "chart"),
        _elsewhere(f"{path}.service.ports[].**", f"{service}: spec.ports", "chart"),
        _elsewhere(f"{path}.service.**", f"{service}: spec", "chart"),
        _elsewhere(f"{path}.volumes[].**", f"{deployment}: volumes and volumeMounts", "chart"),
        *_images(f"{path}.runtime.container"),
        _elsewhere(f"{path}.runtime.container.**", f"{deployment}: container istio-proxy", guide),
        _elsewhere(f"{path}.runtime.deployment.autoScaling.enabled", "HorizontalPodAutoscaler of the gateway", "chart"),
        _elsewhere(f"{path}.runtime.deployment.autoScaling.**", "HorizontalPodAutoscaler of the gateway", "chart"),
        _elsewhere(f"{path}.runtime.deployment.replicas", f"{deployment}: spec.replicas", guide),
        _elsewhere(f"{path}.runtime.deployment.strategy.**", f"{deployment}: spec.strategy", guide),
        _elsewhere(f"{path}.runtime.pod.metadata.**", f"{deployment}: labels and annotations of the pods", guide),
        _elsewhere(f"{path}.runtime.pod.**", f"{deployment}: spec of the pods", guide),
    )


FIELDS: tuple[Field, ...] = (
    _elsewhere("version", "spec.version of the Istio", "guide"),
    _gone("profiles", "table", "The profiles of OSSM 2 are other ones than Istio's; what they imply is listed as fields of its own."),
    _elsewhere("mode", "spec.values.meshConfig.discoverySelectors, and labels of the namespaces", "table"),
    # addons
    _gone("addons.3scale.**", "removed", "Use the 3scale WASM module by a WasmPlugin."),
    _elsewhere(
        "addons.grafana.enabled", "role observability: mesh_observability.grafana", "removed", f"{_ADDON} Grafana is not part of OSSM 3."
    ),
    _elsewhere("addons.grafana.install.persistence.capacity.requests", "role observability: mesh_observability.grafana.storage", "removed"),
    _gone("addons.grafana.**", "removed", "Grafana is not part of OSSM 3: run one of your own."),
    _elsewhere("addons.jaeger.name", "extension provider of the Istio, Telemetry, Kiali: external_services.tracing", "removed"),
    _elsewhere("addons.jaeger.install.storage.type", "Jaeger: spec.strategy and spec.storage.type", "chart"),
    _elsewhere("addons.jaeger.install.storage.memory.maxTraces", "Jaeger: spec.storage.options.memory.max-traces", "chart"),
    _elsewhere("addons.jaeger.install.storage.elasticsearch.indexCleaner.**", "Jaeger: spec.storage.esIndexCleaner", "chart"),
    _elsewhere("addons.jaeger.install.storage.elasticsearch.**", "Jaeger: spec.storage.elasticsearch", "chart"),
    _elsewhere("addons.jaeger.install.ingress.enabled", "Jaeger: spec.ingress.enabled", "chart"),
    _gone("addons.jaeger.install.ingress.metadata.**", "removed", "Set them on the Jaeger resource."),
    _elsewhere("addons.kiali.enabled", "Kiali", "removed"),
    _elsewhere("addons.kiali.name", "Kiali: metadata.name", "removed"),
    _elsewhere("addons.kiali.install.dashboard.viewOnly", "Kiali: spec.deployment.view_only_mode", "chart"),
    _elsewhere("addons.kiali.install.dashboard.enableGrafana", "Kiali: spec.external_services.grafana.enabled", "chart"),
    _gone("addons.kiali.install.dashboard.enablePrometheus", "chart", "Kiali always reads Prometheus."),
    _elsewhere("addons.kiali.install.dashboard.enableTracing", "Kiali: spec.external_services.tracing.enabled", "chart"),
    _elsewhere("addons.kiali.install.deployment.resources", "Kiali: spec.deployment.resources", "chart"),
    _elsewhere("addons.kiali.install.deployment.nodeSelector", "Kiali: spec.deployment.node_selector", "chart"),
    _elsewhere("addons.kiali.install.deployment.tolerations", "Kiali: spec.deployment.tolerations", "chart"),
    _elsewhere("addons.kiali.install.deployment.affinity", "Kiali: spec.deployment.affinity", "chart"),
    _elsewhere("addons.kiali.install.service.ingress.enabled", "Kiali: spec.deployment.ingress.enabled", "chart"),
    _elsewhere("addons.kiali.install.service.ingress.contextPath", "Kiali: spec.server.web_root", "chart"),
    _gone("addons.kiali.install.service.**", "removed", "Set it on the Kiali resource (spec.deployment)."),
    _elsewhere("addons.prometheus.enabled", "role observability: mesh_observability.prometheus", "removed", f"{_ADDON} {_PROMETHEUS}"),
    _elsewhere("addons.prometheus.address", "Kiali: spec.external_services.prometheus.url", "chart"),
    _elsewhere(
        "addons.prometheus.install.retention", "role observability: mesh_observability.prometheus.retention", "removed", _PROMETHEUS
    ),
    _mapped("addons.prometheus.scrape", "meshConfig.enablePrometheusMerge", "chart"),
    _gone("addons.prometheus.**", "removed", _PROMETHEUS),
    _gone("addons.stackdriver.**", "removed", "Name an extension provider and a Telemetry for it."),
    # cluster
    _gone("cluster.meshExpansion.**", "removed", "Expose istiod by a Gateway of its own (an east-west gateway)."),
    _mapped("cluster.multiCluster.enabled", "global.multiCluster.enabled"),
    _mapped("cluster.multiCluster.meshNetworks.*.endpoints[].fromCIDR", "global.meshNetworks.*.endpoints[].fromCidr"),
    _mapped("cluster.multiCluster.meshNetworks.*.endpoints[].fromRegistry", "global.meshNetworks.*.endpoints[].fromRegistry"),
    _gone("cluster.multiCluster.meshNetworks.*.gateways[].service", "removed", "Write the address, or registryServiceName."),
    _mapped("cluster.multiCluster.meshNetworks.*.gateways[].**", "global.meshNetworks.*.gateways[].**"),
    _mapped("cluster.name", "global.multiCluster.clusterName"),
    _mapped("cluster.network", "global.network"),
    # gateways
    _elsewhere("gateways.enabled", "Deployments of the gateways, injected", "guide"),
    _gone("gateways.openshiftRoute.enabled", "removed", "OSSM 3 makes no Routes: the role gateways does (mesh_gateways)."),
    *_gateway("gateways.ingress"),
    *_gateway("gateways.egress"),
    *_gateway("gateways.additionalIngress.*"),
    *_gateway("gateways.additionalEgress.*"),
    # general: the table's global.logging.componentLevels is not in the CRD, global.logging.level takes the same as one text
    _mapped("general.logging.componentLevels", "global.logging.level", "crd", "levels"),
    _mapped("general.logging.logAsJSON", "global.logAsJson"),
    _mapped("general.validationMessages", "global.istiod.enableAnalysis"),
    # the table writes spec.meshConfig for what the CRD has as spec.values.meshConfig
    _mapped("meshConfig.discoverySelectors[].**", "meshConfig.discoverySelectors[].**", "crd"),
    _mapped("meshConfig.extensionProviders[].**", "meshConfig.extensionProviders[].**", "crd"),
    _gone("policy.type", "table", ""),
    _gone("policy.mixer.**", "removed", "Mixer is no more: use an AuthorizationPolicy with the action CUSTOM and an extension provider."),
    _gone("policy.remote.**", "removed", "Mixer is no more: use an AuthorizationPolicy with the action CUSTOM and an extension provider."),
    # proxy
    _mapped("proxy.accessLogging.file.name", "meshConfig.accessLogFile"),
    _mapped("proxy.accessLogging.file.encoding", "meshConfig.accessLogEncoding"),
    _mapped("proxy.accessLogging.file.format", "meshConfig.accessLogFormat"),
    _mapped("proxy.accessLogging.envoyService.enabled", "meshConfig.enableEnvoyAccessLogService"),
    *_sink("proxy.accessLogging.envoyService", "envoyAccessLogService"),
    # the table's enableEnvoyAccessLogService is about access logs; metrics are sent where an address is set
    _gone(
        "proxy.envoyMetricsService.enabled",
        "istio",
        "Metrics are sent when spec.values.meshConfig.defaultConfig.envoyMetricsService is set.",
    ),
    *_sink("proxy.envoyMetricsService", "envoyMetricsService"),
    _mapped("proxy.adminPort", "meshConfig.defaultConfig.proxyAdminPort"),
    _mapped("proxy.concurrency", "meshConfig.defaultConfig.concurrency"),
    _mapped("proxy.injection.alwaysInjectSelector[].**", "sidecarInjectorWebhook.alwaysInjectSelector[].**"),
    _mapped("proxy.injection.neverInjectSelector[].**", "sidecarInjectorWebhook.neverInjectSelector[].**"),
    _mapped("proxy.injection.injectedAnnotations", "sidecarInjectorWebhook.injectedAnnotations"),
    _mapped("proxy.injection.autoInject", "global.proxy.autoInject", "table", "enabled"),
    # the table's global.logging.level is istiod's own
    _mapped("proxy.logging.level", "global.proxy.logLevel", "crd"),
    _mapped("proxy.logging.componentLevels", "global.proxy.componentLogLevel", "table", "levels"),
    _mapped("proxy.networking.clusterDomain", "global.proxy.clusterDomain"),
    _mapped("proxy.networking.connectionTimeout", "meshConfig.connectTimeout"),
    _mapped("proxy.networking.dns.refreshRate", "meshConfig.dnsRefreshRate"),
    _mapped("proxy.networking.dns.searchSuffixes", "global.podDNSSearchNamespaces"),
    _elsewhere("proxy.networking.initialization.type", "IstioCNI", "guide"),
    *_images("proxy.networking.initialization.initContainer.runtime"),
    *_pull("proxy.networking.initialization.initContainer.runtime"),
    _gone("proxy.networking.initialization.initContainer.runtime.env"),
    _mapped("proxy.networking.initialization.initContainer.runtime.resources", "global.proxy_init.resources"),
    _mapped("proxy.networking.maxConnectionAge", "pilot.keepaliveMaxServerConnectionAge"),
    _gone(
        "proxy.networking.protocol.autoDetect.inbound",
        "removed",
        "Istio always detects the protocol of a port that says none, so such a port may become HTTP: name the ports of Services (OSM1406).",
    ),
    _gone(
        "proxy.networking.protocol.autoDetect.outbound",
        "removed",
        "Istio always detects the protocol of a port that says none, so such a port may become HTTP: name the ports of Services (OSM1406).",
    ),
    _mapped("proxy.networking.protocol.autoDetect.timeout", "meshConfig.protocolDetectionTimeout"),
    _mapped("proxy.networking.trafficControl.inbound.excludedPorts", "global.proxy.excludeInboundPorts", "table", "joined"),
    _mapped("proxy.networking.trafficControl.inbound.includedPorts", "global.proxy.includeInboundPorts", "table", "joined"),
    _mapped("proxy.networking.trafficControl.inbound.interceptionMode", "meshConfig.defaultConfig.interceptionMode"),
    _mapped("proxy.networking.trafficControl.outbound.excludedIPRanges", "global.proxy.excludeIPRanges", "table", "joined"),
    _mapped("proxy.networking.trafficControl.outbound.excludedPorts", "global.proxy.excludeOutboundPorts", "table", "joined"),
    _mapped("proxy.networking.trafficControl.outbound.includedIPRanges", "global.proxy.includeIPRanges", "table", "joined"),
    _mapped("proxy.networking.trafficControl.outbound.policy", "meshConfig.outboundTrafficPolicy.mode"),
    *_images("proxy.runtime.container"),
    *_pull("proxy.runtime.container"),
    # the table's global.proxy.env is not in the CRD; proxyMetadata is the environment of the proxies
    _mapped("proxy.runtime.container.env", "meshConfig.defaultConfig.proxyMetadata", "crd", "texts"),
    _mapped("proxy.runtime.container.resources", "global.proxy.resources"),
    _mapped("proxy.runtime.readiness.failureThreshold", "global.proxy.readinessFailureThreshold"),
    _mapped("proxy.runtime.readiness.initialDelaySeconds", "global.proxy.readinessInitialDelaySeconds"),
    _mapped("proxy.runtime.readiness.periodSeconds", "global.proxy.readinessPeriodSeconds"),
    _mapped("proxy.runtime.readiness.rewriteApplicationProbes", "sidecarInjectorWebhook.rewriteAppHTTPProbe"),
    _mapped("proxy.runtime.readiness.statusPort", "global.proxy.statusPort"),
    # runtime
    *_images("runtime.components.pilot.container"),
    *_pull("runtime.components.pilot.container"),
    _mapped("runtime.components.pilot.container.env", "pilot.env", "table", "texts"),
    _mapped("runtime.components.pilot.container.resources", "pilot.resources"),
    _mapped("runtime.components.pilot.deployment.autoScaling.enabled", "pilot.autoscaleEnabled"),
    _mapped("runtime.components.pilot.deployment.autoScaling.maxReplicas", "pilot.autoscaleMax"),
    _mapped("runtime.components.pilot.deployment.autoScaling.minReplicas", "pilot.autoscaleMin"),
    _mapped("runtime.components.pilot.deployment.autoScaling.targetCPUUtilizationPercentage", "pilot.cpu.targetAverageUtilization"),
    _mapped("runtime.components.pilot.deployment.replicas", "pilot.replicaCount"),
    _mapped("runtime.components.pilot.deployment.strategy.rollingUpdate.maxSurge", "pilot.rollingMaxSurge"),
    _mapped("runtime.components.pilot.deployment.strategy.rollingUpdate.maxUnavailable", "pilot.rollingMaxUnavailable"),
    _gone("runtime.components.pilot.deployment.strategy.type", "removed", "istiod is always rolled."),
    _mapped("runtime.components.pilot.pod.affinity", "pilot.affinity", "table", "affinity"),
    _mapped("runtime.components.pilot.pod.metadata.annotations", "pilot.podAnnotations"),
    _mapped("runtime.components.pilot.pod.metadata.labels", "pilot.podLabels"),
    _mapped("runtime.components.pilot.pod.nodeSelector", "pilot.nodeSelector"),
    _mapped("runtime.components.pilot.pod.priorityClassName", "global.priorityClassName", "crd"),
    _mapped("runtime.components.pilot.pod.tolerations", "pilot.tolerations"),
    _elsewhere("runtime.components.kiali.**", "Kiali: spec.deployment", "removed", "Set it on the Kiali resource."),
    _elsewhere("runtime.components.tracing*.**", "Jaeger", "removed", "Set it on the Jaeger resource."),
    _gone("runtime.components.*.**", "removed", f"{_ADDON} The component is none of Istio's."),
    *_images("runtime.defaults.container"),
    *_pull("runtime.defaults.container"),
    _mapped("runtime.defaults.container.resources", "global.defaultResources"),
    _mapped("runtime.defaults.deployment.podDisruption.enabled", "global.defaultPodDisruptionBudget.enabled"),
    _gone("runtime.defaults.deployment.podDisruption.maxUnavailable", "removed", "The budget of istiod is minAvailable 1."),
    _gone("runtime.defaults.deployment.podDisruption.minAvailable", "removed", "The budget of istiod is minAvailable 1."),
    _mapped("runtime.defaults.pod.nodeSelector", "global.defaultNodeSelector"),
    _mapped("runtime.defaults.pod.priorityClassName", "global.priorityClassName"),
    _mapped("runtime.defaults.pod.tolerations", "global.defaultTolerations"),
    # security
    _elsewhere("security.certificateAuthority.type", "Secret cacerts or istio-ca-secret, which both control planes use", "guide"),
    # the table's meshConfig.ca is for the CA that istiod itself asks; proxies ask global.caAddress
    _mapped("security.certificateAuthority.cert-manager.address", "global.caAddress", "guide"),
    _gone("security.certificateAuthority.cert-manager.pilotSecretName", "removed", "The Secret's name is istiod-tls."),
    _gone("security.certificateAuthority.cert-manager.rootCAConfigMapName", "removed", "The ConfigMap's name is istio-ca-root-cert."),
    _mapped("security.certificateAuthority.custom.address", "global.caAddress", "chart"),
    _elsewhere("security.certificateAuthority.istiod.type", "Secret cacerts or istio-ca-secret, which both control planes use", "guide"),
    # the list of removed fields has these; they are environment of istiod in both generations
    _mapped("security.certificateAuthority.istiod.privateKey.rootCADir", "pilot.env.ROOT_CA_DIR", "istio", "text"),
    _mapped(
        "security.certificateAuthority.istiod.selfSigned.checkPeriod", "pilot.env.CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL", "istio"
    ),
    _mapped(
        "security.certificateAuthority.istiod.selfSigned.enableJitter",
        "pilot.env.CITADEL_ENABLE_JITTER_FOR_ROOT_CERT_ROTATOR",
        "istio",
        "text",
    ),
    _mapped(
        "security.certificateAuthority.istiod.selfSigned.gracePeriod",
        "pilot.env.CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE",
        "istio",
        "text",
    ),
    _mapped("security.certificateAuthority.istiod.selfSigned.ttl", "pilot.env.CITADEL_SELF_SIGNED_CA_CERT_TTL", "istio"),
    _mapped("security.certificateAuthority.istiod.workloadCertTTLDefault", "pilot.env.DEFAULT_WORKLOAD_CERT_TTL", "istio"),
    _mapped("security.certificateAuthority.istiod.workloadCertTTLMax", "pilot.env.MAX_WORKLOAD_CERT_TTL", "istio"),
    _mapped("security.controlPlane.certProvider", "global.pilotCertProvider", "chart", "lower"),
    _gone("security.controlPlane.mtls", "chart", ""),
    _mapped("security.controlPlane.tls.cipherSuites", "meshConfig.tlsDefaults.cipherSuites"),
    _mapped("security.controlPlane.tls.ecdhCurves", "meshConfig.tlsDefaults.ecdhCurves"),
    _gone("security.controlPlane.tls.maxProtocolVersion", "removed", "The newest version is always allowed."),
    _mapped("security.controlPlane.tls.minProtocolVersion", "meshConfig.meshMTLS.minProtocolVersion", "crd", "tls"),
    _mapped("security.dataPlane.automtls", "meshConfig.enableAutoMtls"),
    # the table's meshMTLS.enabled is not in the CRD; the chart makes a PeerAuthentication
    _elsewhere("security.dataPlane.mtls", "PeerAuthentication of the root namespace", "chart"),
    _mapped("security.identity.thirdParty.audience", "global.sds.token.aud"),
    _gone("security.identity.thirdParty.issuer", "removed", "The API server says who issues its tokens."),
    _gone("security.identity.type", "removed", ""),
    _mapped("security.jwksResolverCA", "pilot.jwksResolverExtraRootCA"),
    _elsewhere("security.manageNetworkPolicy", "NetworkPolicies", "guide"),
    _mapped("security.trust.domain", "meshConfig.trustDomain"),
    _mapped("security.trust.additionalDomains", "meshConfig.trustDomainAliases"),
    # telemetry, tracing
    _gone("telemetry.type", "table", ""),
    _gone("telemetry.mixer.**", "removed", "Mixer is no more: proxies make the metrics themselves."),
    _gone("telemetry.remote.**", "removed", "Mixer is no more: name an extension provider and a Telemetry."),
    # the table's pilot.traceSampling counts in per cent, and a Telemetry goes before it; the field counts in hundredths of a per cent
    _elsewhere("tracing.sampling", "Telemetry: randomSamplingPercentage", "chart"),
    _elsewhere("tracing.type", "extension provider of the Istio, and Telemetry", "removed"),
    _mapped("techPreview.meshConfig.**", "meshConfig.**", "chart"),
    _gone("techPreview.gatewayAPI.**", "guide", "Istio serves the Gateway API wherever its CRDs are."),
)

# What OSSM 2 does where the resource and its profile say nothing, as far as OSSM 3 does otherwise (profile base of the operator; IOR and
# network policies by the vendor's checker, which asks for "false" to be written).
IMPLIED: tuple[tuple[str, object], ...] = (
    ("gateways.ingress.enabled", True),
    ("gateways.egress.enabled", True),
    ("general.logging.componentLevels", {"default": "warn"}),
    ("proxy.injection.autoInject", False),
    ("proxy.networking.dns.refreshRate", "300s"),
    ("proxy.networking.protocol.autoDetect.inbound", False),
    ("proxy.networking.protocol.autoDetect.outbound", False),
    ("security.manageNetworkPolicy", True),
    ("addons.prometheus.enabled", True),
    ("addons.grafana.enabled", True),
    ("addons.kiali.enabled", True),
)
