# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The annotations of Istio's API (istio.io/api 1.31, package annotation): what each may be on, and which are on their way out."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ANYWHERE", "DEPRECATED", "PLACES", "is_of_istio"]

INGRESS_CLASS = "kubernetes.io/ingress.class"
_STATS = "sidecar.istio.io/stats"
_BY_KINDS: Mapping[tuple[str, ...], str] = {
    ("Service",): "alpha.istio.io/canonical-serviceaccounts alpha.istio.io/kubernetes-serviceaccounts networking.istio.io/exportTo"
    " traffic.istio.io/nodeSelector",
    ("Gateway",): "gateway.istio.io/name-override gateway.istio.io/service-account networking.istio.io/service-type",
    ("Gateway", "GatewayClass"): "ambient.istio.io/waypoint-inbound-binding",
    ("WorkloadEntry",): "istio.io/autoRegistrationGroup istio.io/connectedAt istio.io/disconnectedAt istio.io/workloadController",
    ("AuthorizationPolicy",): "istio.io/dry-run",
    ("Namespace", "Service", "ServiceEntry"): "istio.io/use-waypoint-canary-weight networking.istio.io/traffic-distribution",
    ("Namespace",): "topology.istio.io/controlPlaneClusters",
    ("Ingress",): INGRESS_CLASS,
    ("Pod",): "ambient.istio.io/bypass-inbound-capture ambient.istio.io/dns-capture ambient.istio.io/redirection inject.istio.io/templates"
    " istio.io/reroute-virtual-interfaces istio.io/rev prometheus.istio.io/merge-metrics proxy.istio.io/config proxy.istio.io/overrides"
    " readiness.status.sidecar.istio.io/applicationPorts readiness.status.sidecar.istio.io/failureThreshold"
    " readiness.status.sidecar.istio.io/initialDelaySeconds readiness.status.sidecar.istio.io/periodSeconds"
    " sidecar.istio.io/agentLogLevel sidecar.istio.io/bootstrapOverride sidecar.istio.io/componentLogLevel"
    " sidecar.istio.io/discoveryAddress sidecar.istio.io/extraStatTags sidecar.istio.io/inject sidecar.istio.io/interceptionMode"
    " sidecar.istio.io/logLevel sidecar.istio.io/nativeSidecar sidecar.istio.io/proxyCPU sidecar.istio.io/proxyCPULimit"
    " sidecar.istio.io/proxyImage sidecar.istio.io/proxyImageType sidecar.istio.io/proxyMemory sidecar.istio.io/proxyMemoryLimit"
    " sidecar.istio.io/rewriteAppHTTPProbers sidecar.istio.io/status sidecar.istio.io/userVolume sidecar.istio.io/userVolumeMount"
    f" {_STATS}Compression {_STATS}EvictionInterval {_STATS}FlushInterval {_STATS}HistogramBins {_STATS}HistogramBuckets"
    f" {_STATS}InclusionPrefixes {_STATS}InclusionRegexps {_STATS}InclusionSuffixes"
    " status.sidecar.istio.io/port traffic.sidecar.istio.io/excludeInboundPorts traffic.sidecar.istio.io/excludeInterfaces"
    " traffic.sidecar.istio.io/excludeOutboundIPRanges traffic.sidecar.istio.io/excludeOutboundPorts"
    " traffic.sidecar.istio.io/includeInboundPorts traffic.sidecar.istio.io/includeOutboundIPRanges"
    " traffic.sidecar.istio.io/includeOutboundPorts traffic.sidecar.istio.io/kubevirtInterfaces",
}

# The kinds that may have an annotation.
PLACES: Mapping[str, tuple[str, ...]] = {name: kinds for kinds, names in _BY_KINDS.items() for name in names.split()}
ANYWHERE = frozenset({"galley.istio.io/analyze-suppress", "gateway.istio.io/controller-version"})

_PROXY_CONFIG = "the annotation proxy.istio.io/config"
# What takes the place of one that a later Istio may not read.
DEPRECATED: Mapping[str, str] = {
    "sidecar.istio.io/inject": "the label sidecar.istio.io/inject of the pod template",
    "sidecar.istio.io/discoveryAddress": f"{_PROXY_CONFIG} with discoveryAddress",
    "sidecar.istio.io/extraStatTags": f"{_PROXY_CONFIG} with extraStatTags",
    **{
        f"{_STATS}{word}": f"{_PROXY_CONFIG} with proxyStatsMatcher"
        for word in ("InclusionPrefixes", "InclusionRegexps", "InclusionSuffixes")
    },
    f"{_STATS}Compression": f"{_PROXY_CONFIG}",
    "traffic.sidecar.istio.io/kubevirtInterfaces": "the annotation istio.io/reroute-virtual-interfaces",
    "alpha.istio.io/canonical-serviceaccounts": "subjectAltNames of a DestinationRule or ServiceEntry",
    "alpha.istio.io/kubernetes-serviceaccounts": "subjectAltNames of a DestinationRule or ServiceEntry",
}


def is_of_istio(key: str) -> bool:
    """Is it one of Istio's annotations, or pretends to be? Those of its own parts between themselves are not for people."""
    owner, slash, _name = key.partition("/")
    return key == INGRESS_CLASS or (bool(slash) and f".{owner}".endswith(".istio.io") and not owner.startswith(("internal.", "operator.")))
