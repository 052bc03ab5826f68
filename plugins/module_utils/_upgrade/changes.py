# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a version of Istio removed, deprecated or changed, as far as it can be found in a user's objects; a source for each row."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHANGES", "COMPATIBILITY", "FILTER_NAMES", "NOTES", "REMOVED_FILTERS", "Note", "ReleaseChange", "between"]

REMOVED, DEPRECATED, CHANGED = "removed", "deprecated", "changed"
_NOTES = "https://github.com/istio/istio/blob/master/releasenotes/notes/"
_FLAGS = "env.Register in the release branches of https://github.com/istio/istio"


@dataclass(frozen=True)
class ReleaseChange:
    """From this minor of Istio on, what is found at `where` by the name `match` has this effect."""

    istio: tuple[int, int]
    effect: str
    where: str  # annotation, label, env, value, provider, metadata, object
    match: str  # name, or name=value; for object the name of a predicate of `objects.py`
    meaning: str
    source: str


def _env(minor: int, *names: str) -> tuple[ReleaseChange, ...]:
    meaning = "istiod does not know this variable any more, so what it switched is as the version has it"
    return tuple(ReleaseChange((1, minor), REMOVED, "env", name, meaning, _FLAGS) for name in names)


def _values(minor: int, source: str, *paths: str) -> tuple[ReleaseChange, ...]:
    return tuple(
        ReleaseChange((1, minor), REMOVED, "value", path, "the field is gone; it had no effect any more", source) for path in paths
    )


CHANGES: tuple[ReleaseChange, ...] = (
    # annotations and labels of workloads
    ReleaseChange(
        (1, 22),
        REMOVED,
        "annotation",
        "ambient.istio.io/redirection=disabled",
        "the pod is captured by ztunnel again; set the label istio.io/dataplane-mode=none",
        _NOTES + "50804.yaml",
    ),
    ReleaseChange(
        (1, 24), REMOVED, "annotation", "sidecar.istio.io/enableCoreDump", "no core dumps are made", _NOTES + "drop-coredump.yaml"
    ),
    ReleaseChange(
        (1, 24),
        REMOVED,
        "annotation",
        "sidecar.istio.io/controlPlaneAuthPolicy",
        "it is not read any more",
        "https://github.com/istio/api/blob/release-1.24/annotation/annotations.yaml",
    ),
    ReleaseChange(
        (1, 24),
        REMOVED,
        "label",
        "istio.io/gateway-name",
        "Istio does not set it any more: selectors must use gateway.networking.k8s.io/gateway-name",
        _NOTES + "52049.yaml",
    ),
    ReleaseChange(
        (1, 25),
        DEPRECATED,
        "annotation",
        "traffic.sidecar.istio.io/kubevirtInterfaces",
        "write istio.io/reroute-virtual-interfaces",
        _NOTES + "57662.yaml",
    ),
    ReleaseChange(
        (1, 29),
        REMOVED,
        "annotation",
        "sidecar.istio.io/statsCompression",
        "set statsCompression in proxy.istio.io/config or in the ProxyConfig",
        _NOTES + "48051.yaml",
    ),
    ReleaseChange(
        (1, 25),
        CHANGED,
        "annotation",
        "traffic.sidecar.istio.io/excludeOutboundPorts",
        "DNS over UDP obeys it too, which it did not before 1.23",
        _NOTES + "53998.yaml",
    ),
    ReleaseChange(
        (1, 25),
        CHANGED,
        "annotation",
        "traffic.sidecar.istio.io/excludeOutboundIPRanges",
        "DNS over UDP obeys it too, which it did not before 1.23",
        _NOTES + "53998.yaml",
    ),
    # variables of istiod
    *_env(20, "PILOT_ENABLE_DESTINATION_RULE_INHERITANCE"),
    *_env(21, "BOOTSTRAP_XDS_AGENT", "PILOT_ENABLE_INBOUND_PASSTHROUGH"),
    *_env(
        22,
        "PILOT_ENABLE_HBONE",
        "PILOT_ENABLE_AMBIENT_CONTROLLERS",
        "PILOT_ENABLE_HEADLESS_SERVICE_POD_LISTENERS",
        "PILOT_XDS_SEND_TIMEOUT",
    ),
    *_env(
        23,
        "ENABLE_OPTIMIZED_CONFIG_REBUILD",
        "ENABLE_OTEL_BUILTIN_RESOURCE_LABELS",
        "ISTIO_ENABLE_OPTIMIZED_SERVICE_PUSH",
        "PILOT_DISTRIBUTION_HISTORY_RETENTION",
        "PILOT_ENABLE_CONFIG_DISTRIBUTION_TRACKING",
    ),
    *_env(
        24,
        "ENABLE_EXTERNAL_NAME_ALIAS",
        "PERSIST_OLDEST_FIRST_HEURISTIC_FOR_VIRTUAL_SERVICE_HOST_MATCHING",
        "PILOT_ENABLE_STATUS",
        "VERIFY_CERTIFICATE_AT_CLIENT",
    ),
    *_env(25, "ENABLE_ENHANCED_RESOURCE_SCOPING", "ENABLE_RESOLUTION_NONE_TARGET_PORT"),
    *_env(26, "ENABLE_AUTO_SNI", "ENABLE_DEFERRED_CLUSTER_CREATION", "ENABLE_DELIMITED_STATS_TAG_REGEX"),
    *_env(
        27,
        "BYPASS_OVERLOAD_MANAGER_FOR_STATIC_LISTENERS",
        "ENABLE_DEFERRED_STATS_CREATION",
        "ENABLE_INBOUND_RETRY_POLICY",
        "EXCLUDE_UNSAFE_503_FROM_DEFAULT_RETRY",
        "PILOT_STATUS_BURST",
        "PILOT_STATUS_QPS",
        "PILOT_STATUS_UPDATE_INTERVAL",
    ),
    *_env(28, "METRIC_GRACEFUL_DELETION_INTERVAL", "METRIC_ROTATION_INTERVAL"),
    *_env(31, "PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY"),
    # values of the control plane
    ReleaseChange((1, 22), REMOVED, "value", "global.jwtPolicy=first-party-jwt", "only third-party-jwt is left", _NOTES + "no-1p-jwt.yaml"),
    ReleaseChange(
        (1, 22), REMOVED, "value", "cni.privileged", "the node agent has permissions for each feature instead", _NOTES + "49029.yaml"
    ),
    ReleaseChange(
        (1, 23),
        DEPRECATED,
        "value",
        "cni.logLevel",
        "it has no effect; write cni.logging.level or global.logging.level",
        _NOTES + "51972.yaml",
    ),
    ReleaseChange((1, 24), REMOVED, "value", "istio_cni", "write pilot.cni", _NOTES + "52645.yaml"),
    *_values(
        24,
        _NOTES + "51987.yaml",
        "pilot.configNamespace",
        "pilot.configSource",
        "pilot.enableProtocolSniffingForOutbound",
        "pilot.enableProtocolSniffingForInbound",
        "pilot.useMCP",
        "global.autoscalingV2API",
        "global.configRootNamespace",
        "global.defaultConfigVisibilitySettings",
        "global.useMCP",
        "sidecarInjectorWebhook.objectSelector",
        "sidecarInjectorWebhook.useLegacySelectors",
    ),
    # meshConfig
    ReleaseChange((1, 23), REMOVED, "provider", "stackdriver", "its metrics and access logs are not sent any more", _NOTES + "51044.yaml"),
    ReleaseChange(
        (1, 25), REMOVED, "provider", "opencensus", "Envoy 1.33 has no OpenCensus; use opentelemetry", _NOTES + "opencensus-removal.yaml"
    ),
    ReleaseChange((1, 27), REMOVED, "provider", "lightstep", "use opentelemetry", _NOTES + "54002.yaml"),
    ReleaseChange(
        (1, 25),
        DEPRECATED,
        "metadata",
        "ISTIO_META_DNS_AUTO_ALLOCATE",
        "istiod allocates addresses itself (PILOT_ENABLE_IP_AUTOALLOCATE)",
        _NOTES + "54690.yaml",
    ),
    ReleaseChange(
        (1, 22),
        CHANGED,
        "object",
        "tracing_without_provider",
        "traces do not go to zipkin.istio-system any more: name a provider in meshConfig.defaultConfig.tracing or in a Telemetry",
        _NOTES + "drop-default-tracing.yaml",
    ),
    # objects
    ReleaseChange(
        (1, 21),
        CHANGED,
        "object",
        "tls_without_ca",
        "the server's certificate is verified with the CAs of the proxy's system: set caCertificates, or insecureSkipVerify",
        _NOTES + "enable-verify-certificate-at-client.yaml",
    ),
    ReleaseChange(
        (1, 21),
        CHANGED,
        "object",
        "external_name",
        "it is an alias of its externalName now: routes and policies are those of that host",
        _NOTES + "external-name-on.yaml",
    ),
    ReleaseChange((1, 22), CHANGED, "object", "target_port_of_none", "targetPort counts now", _NOTES + "targetPort-service-entry.yaml"),
    ReleaseChange(
        (1, 24),
        REMOVED,
        "object",
        "wasm_attributes",
        "CEL expressions read filter_state.downstream_peer, filter_state.upstream_peer and xds.node instead",
        _NOTES + "telemetry-cel.yaml",
    ),
    ReleaseChange((1, 27), REMOVED, "object", "provider_of_telemetry", "the tracing provider is gone", _NOTES + "54002.yaml"),
    ReleaseChange((1, 28), REMOVED, "object", "backend_tls_alpha", "only gateway.networking.k8s.io/v1 is read", _NOTES + "gtw-140.yaml"),
    ReleaseChange((1, 28), REMOVED, "object", "inference_pool_alpha", "only inference.networking.k8s.io/v1 is read", _NOTES + "57219.yaml"),
    ReleaseChange(
        (1, 29),
        CHANGED,
        "object",
        "ambient_dry_run",
        "with AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY a ztunnel older than 1.29 enforces it: update ZTunnel before you set that",
        _NOTES + "authz-dry-run-ambient.yaml",
    ),
    ReleaseChange(
        (1, 30),
        CHANGED,
        "object",
        "same_host_twice",
        "where a host is in several namespaces, the Service wins and then the oldest ServiceEntry, not the first by name",
        _NOTES + "sidecar-pick-best-service-namespace.yaml",
    ),
)

# The oldest compatibilityVersion that a minor takes (manifests/helm-profiles/compatibility-version-*.yaml in each release branch).
COMPATIBILITY: dict[tuple[int, int], tuple[int, int]] = {
    (1, 21): (1, 20),
    (1, 22): (1, 20),
    (1, 23): (1, 20),
    (1, 24): (1, 21),
    (1, 25): (1, 22),
    (1, 26): (1, 23),
    (1, 27): (1, 24),
    (1, 28): (1, 25),
    (1, 29): (1, 25),
    (1, 30): (1, 25),
    (1, 31): (1, 25),
}

# Filters that were taken out of Istio's Envoy: name, from which minor on, source.
REMOVED_FILTERS: tuple[tuple[str, tuple[int, int], str], ...] = (
    ("envoy.filters.network.forward_downstream_sni", (1, 20), _NOTES + "envoy-filter-removal.yaml"),
    ("forward_downstream_sni", (1, 20), _NOTES + "envoy-filter-removal.yaml"),
    ("envoy.filters.network.tcp_cluster_rewrite", (1, 20), _NOTES + "envoy-filter-removal.yaml"),
    ("tcp_cluster_rewrite", (1, 20), _NOTES + "envoy-filter-removal.yaml"),
    ("envoy.filters.network.sni_verifier", (1, 20), _NOTES + "envoy-filter-removal.yaml"),
    ("sni_verifier", (1, 20), _NOTES + "envoy-filter-removal.yaml"),
    ("envoy.tracers.opencensus", (1, 25), _NOTES + "opencensus-removal.yaml"),
)

# Old names of filters, as istiod's validation warns of them (pkg/config/xds/deprecated.go).
FILTER_NAMES: dict[str, str] = {
    "envoy.buffer": "envoy.filters.http.buffer",
    "envoy.client_ssl_auth": "envoy.filters.network.client_ssl_auth",
    "envoy.cors": "envoy.filters.http.cors",
    "envoy.csrf": "envoy.filters.http.csrf",
    "envoy.ext_authz": "envoy.filters.http.ext_authz",
    "envoy.fault": "envoy.filters.http.fault",
    "envoy.grpc_http1_bridge": "envoy.filters.http.grpc_http1_bridge",
    "envoy.grpc_json_transcoder": "envoy.filters.http.grpc_json_transcoder",
    "envoy.grpc_web": "envoy.filters.http.grpc_web",
    "envoy.gzip": "envoy.filters.http.gzip",
    "envoy.health_check": "envoy.filters.http.health_check",
    "envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
    "envoy.http_dynamo_filter": "envoy.filters.http.dynamo",
    "envoy.ip_tagging": "envoy.filters.http.ip_tagging",
    "envoy.listener.http_inspector": "envoy.filters.listener.http_inspector",
    "envoy.listener.original_dst": "envoy.filters.listener.original_dst",
    "envoy.listener.original_src": "envoy.filters.listener.original_src",
    "envoy.listener.proxy_protocol": "envoy.filters.listener.proxy_protocol",
    "envoy.listener.tls_inspector": "envoy.filters.listener.tls_inspector",
    "envoy.lua": "envoy.filters.http.lua",
    "envoy.mongo_proxy": "envoy.filters.network.mongo_proxy",
    "envoy.rate_limit": "envoy.filters.http.ratelimit",
    "envoy.ratelimit": "envoy.filters.network.ratelimit",
    "envoy.redis_proxy": "envoy.filters.network.redis_proxy",
    "envoy.router": "envoy.filters.http.router",
    "envoy.squash": "envoy.filters.http.squash",
    "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
}


@dataclass(frozen=True)
class Note:
    """What changes for the whole mesh from this minor on, whatever its objects are; `ambient`: only where there is a ztunnel."""

    istio: tuple[int, int]
    text: str
    source: str
    ambient: bool = False


NOTES: tuple[Note, ...] = (
    Note((1, 20), "sidecars have a startupProbe: one that is not up after 10 minutes is killed", _NOTES + "startupProbe.yaml"),
    Note((1, 22), "Delta xDS is the default protocol between istiod and proxies", _NOTES + "delta-xds-default.yaml"),
    Note(
        (1, 25),
        "Envoy trusts no internal addresses by default: internal headers at gateways need ENABLE_HCM_INTERNAL_NETWORKS",
        _NOTES + "53402.yaml",
    ),
    Note((1, 25), "DNS of new pods goes through ztunnel", _NOTES + "ambient-dns-on.yaml", ambient=True),
    Note(
        (1, 27),
        "sidecars are native (init containers) where Kubernetes has them: other webhooks that look for the container must know",
        _NOTES + "native-sidecar-default.yaml",
    ),
    Note(
        (1, 27),
        "istiod's debug endpoints need an identity: tools outside of the system namespace see less",
        _NOTES + "debug-endpoint-authorization.yaml",
    ),
    Note(
        (1, 29),
        "circuit breakers do not report what is left (DISABLE_TRACK_REMAINING_CB_METRICS)",
        _NOTES + "disable-track-remaining-cb-metrics.yaml",
    ),
    Note(
        (1, 29),
        "istio-cni rewrites the rules of running pods when it starts",
        _NOTES + "reconcile-iptables-default-true.yaml",
        ambient=True,
    ),
    Note((1, 30), "istio-cni takes pods of excluded namespaces out of the mesh", _NOTES + "59295.yaml", ambient=True),
    Note((1, 31), "unhealthy endpoints are sent to proxies unless outlierDetection.minHealthPercent is set", _NOTES + "60690.yaml"),
)


def between(old: tuple[int, int], new: tuple[int, int], since: tuple[int, int]) -> bool:
    """Whether a change of this minor comes on the way from old to new."""
    return old < since <= new
