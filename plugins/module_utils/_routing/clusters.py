# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The clusters that a proxy has: where they lead, how they choose, and with what TLS.

After pilot/pkg/networking/core/cluster*.go and pilot/pkg/xds/endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.fields import section, texts
from .destination_rules import MergedRule, merged_policy, policy_of_port, rule_for, tls_mode_of_port
from .hosts import is_wild
from .model import Consumer, RoutedEndpoint, RoutedService, RoutingMesh
from .peers import PeerModes
from .protocols import GRPC, HTTP, HTTP2, TLS, UDP
from .registry import Registry, number_of
from .scope import ProxyScope

__all__ = ["ALLOW_ANY_DYNAMIC", "BLACK_HOLE", "DYNAMIC", "ORIGINAL", "PASSTHROUGH", "ClusterTable", "RoutedCluster", "parse_cluster"]

PASSTHROUGH, BLACK_HOLE, ALLOW_ANY_DYNAMIC = "PassthroughCluster", "BlackHoleCluster", "AllowAnyDynamicDNSCluster"
ORIGINAL, DYNAMIC = "ORIGINAL_DST", "envoy.clusters.dynamic_forward_proxy"
_BALANCERS = {"LEAST_CONN": "LEAST_REQUEST", "LEAST_REQUEST": "LEAST_REQUEST", "RANDOM": "RANDOM", "ROUND_ROBIN": "ROUND_ROBIN"}
_TYPES = {"STATIC": "EDS", "DNS": "STRICT_DNS", "DNS_ROUND_ROBIN": "LOGICAL_DNS"}
_NAMED = ("STRICT_DNS", "LOGICAL_DNS")


@dataclass(frozen=True)
class RoutedCluster:
    """A cluster. type: Envoy's word for how it finds endpoints. plain: the endpoints that get plain text where TLS is automatic."""

    name: str
    type: str
    balancer: str
    tls: str = "none"  # none, auto (per endpoint), istio_mutual, simple, mutual
    sni: str = ""
    endpoints: tuple[RoutedEndpoint, ...] = ()
    plain: frozenset[RoutedEndpoint] = frozenset()
    outlier: bool = False
    max_connections: int = 0
    host: str = ""
    port: int = 0
    subset: str = ""
    sources: tuple[str, ...] = ()  # the service and the DestinationRules

    @property
    def usable(self) -> bool:
        """Has it somewhere to go?"""
        return bool(self.endpoints) or self.type in (ORIGINAL, DYNAMIC)


def parse_cluster(name: str) -> tuple[str, int, str, str] | None:
    """Form, port, subset and host in the name of a cluster; None for the names of Istio's own."""
    if name.startswith("outbound|"):
        parts = name.split("|", 3)
        return (parts[0], number_of(parts[1]), parts[2], parts[3]) if len(parts) == 4 else None
    if name.startswith("outbound_."):
        port, _dot, rest = name.removeprefix("outbound_.").partition("_.")
        subset, _dot, host = rest.partition("_.")
        return "sni", number_of(port), subset, host
    return None


def _sni(port: int, subset: str, host: str) -> str:
    return f"outbound_.{port}_.{subset}_.{host}"


class ClusterTable:
    """The clusters of one proxy."""

    def __init__(
        self, caller: Consumer, scope: ProxyScope, *, registry: Registry, peers: PeerModes, mesh: RoutingMesh,
        shared: dict[tuple[object, ...], RoutedCluster | None],
    ) -> None:  # fmt: skip
        self._caller, self._scope, self._registry, self._peers, self._mesh = caller, scope, registry, peers, mesh
        self._shared = shared  # by callers for whom the same rule and service count
        self._made: dict[str, RoutedCluster | None] = {}
        self.auto_passthrough = False  # set for a gateway that has such a server

    def rule(self, host: str) -> MergedRule | None:
        """The DestinationRule for a host, as this caller has it."""
        return rule_for(self._scope.rules.get(host, ()), self._scope.namespace, self._caller.labels)

    def hash_policy(self, destination: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """By what the requests of one caller stay with one endpoint: of the subset's port, the subset, the port, else the host."""
        rule = self.rule(str(destination.get("host") or ""))
        if rule is None:
            return None
        port = number_of(section(destination, "port").get("number"))
        subset = rule.subset(str(destination.get("subset") or "")) if destination.get("subset") else None
        policies = [rule.traffic_policy]
        if port:
            policies.append(_only_port(rule.traffic_policy, port))
        if subset is not None:
            policies.append(section(subset, "trafficPolicy"))
            if port:
                policies.append(_only_port(section(subset, "trafficPolicy"), port))
        return next(filter(None, (_consistent_hash(policy) for policy in reversed(policies))), None)

    def service_hash(self, host: str, port: int) -> Mapping[str, Any] | None:
        """The same for a service without a VirtualService."""
        rule = self.rule(host)
        if rule is None:
            return None
        return _consistent_hash(_only_port(rule.traffic_policy, port)) or _consistent_hash(rule.traffic_policy)

    def get(self, name: str) -> RoutedCluster | None:
        """A cluster by its name; None where the proxy does not have it."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> RoutedCluster | None:
        if name == BLACK_HOLE:
            return RoutedCluster(name, "STATIC", "ROUND_ROBIN")
        if not self._caller.gateway and name == PASSTHROUGH:
            return RoutedCluster(name, ORIGINAL, "CLUSTER_PROVIDED")
        if not self._caller.gateway and name == ALLOW_ANY_DYNAMIC and self._scope.policy == "ALLOW_ANY_DYNAMIC_DNS":
            return RoutedCluster(name, DYNAMIC, "CLUSTER_PROVIDED")
        parsed = parse_cluster(name)
        if parsed is None:
            return None
        form, port, subset, host = parsed
        service = self._scope.by_host.get(host)
        of_port = service.port(port) if service is not None else None
        if service is None or of_port is None or service.resolution == "ALIAS" or of_port.protocol == UDP:
            return None
        if form == "sni" and (not self.auto_passthrough or service.external):
            return None
        if service.resolution == "DYNAMIC_DNS" and is_wild(host) and (subset or of_port.protocol not in (HTTP, TLS, GRPC, HTTP2)):
            return None
        key = (name, self._caller.gateway, service, self.rule(host))
        if key not in self._shared:
            self._shared[key] = self._of_service(name, form, port, subset, service)
        return self._shared[key]

    def _type(self, service: RoutedService) -> str:
        if service.resolution == "DYNAMIC_DNS" and is_wild(service.hostname):
            return DYNAMIC
        if service.resolution == "NONE":
            return "EDS" if self._caller.gateway else ORIGINAL
        return _TYPES.get(service.resolution, "EDS")

    def _of_service(self, name: str, form: str, port: int, subset: str, service: RoutedService) -> RoutedCluster | None:
        rule, host = self.rule(service.hostname), service.hostname
        whole = rule.policy if rule is not None else None
        policy = policy_of_port(whole, port)
        labels: Mapping[str, str] = {}
        inferred = whole
        if subset:
            found = rule.subset(subset) if rule is not None else None
            if found is None:
                return None
            own = found.get("trafficPolicy")
            inferred = own if isinstance(own, Mapping) else None
            policy, labels = merged_policy(policy, inferred, port), texts(found.get("labels"))
        type_ = self._type(service)
        if type_ in _NAMED and not self._registry.endpoints_by_number(service, port, {}):
            return None  # Envoy takes no cluster of names without one
        through = [policy_of_port(whole, port), policy if subset else None, inferred if subset else None]
        if type_ != DYNAMIC and any(section(one or {}, "loadBalancer").get("simple") == "PASSTHROUGH" for one in through):
            type_ = ORIGINAL  # also of a subset of a host that is passed through
        balancing = section(policy or {}, "loadBalancer")
        endpoints: list[RoutedEndpoint] = []
        if type_ in _NAMED:
            endpoints = self._registry.endpoints_by_number(service, port, labels)
            if not endpoints:
                return None
        if type_ == "EDS":
            endpoints = self._registry.endpoints(service, port, labels)
        tls, sni = ("none", "") if form == "sni" else self._tls(policy, inferred, rule, service, port=port, subset=subset, type_=type_)
        mode = tls_mode_of_port(rule, subset, port)
        if form == "sni":  # only endpoints that take mutual TLS can be passed through to
            endpoints = [one for one in endpoints if self._takes_mutual_tls(one, mode)]
        plain = frozenset(one for one in endpoints if not self._takes_mutual_tls(one, mode)) if tls == "auto" else frozenset()
        return RoutedCluster(
            name, type_, _balancer(balancing, type_), tls, sni, tuple(endpoints), plain,
            outlier=(policy or {}).get("outlierDetection") is not None,
            max_connections=number_of(section(policy or {}, "connectionPool", "tcp").get("maxConnections")),
            host=host, port=port, subset=subset, sources=(service.ref, *(rule.refs if rule is not None else ())),
        )  # fmt: skip

    def _takes_mutual_tls(self, endpoint: RoutedEndpoint, mode: str | None) -> bool:
        if mode is not None:
            return mode == "ISTIO_MUTUAL"
        return endpoint.mutual_tls and self._peers.of_endpoint(endpoint) != "DISABLE"

    def _tls(
        self,
        policy: Mapping[str, Any] | None,
        inferred: Mapping[str, Any] | None,
        rule: MergedRule | None,
        service: RoutedService,
        *,
        port: int,
        subset: str,
        type_: str,
    ) -> tuple[str, str]:
        """What is spoken to the endpoints, and the name that is asked for. inferred: the policy that says whether it is passed through."""
        tls = (policy or {}).get("tls")
        usual = "" if type_ == DYNAMIC else _sni(port, subset, service.hostname)
        if tls is None:
            if service.external or not self._mesh.auto_mtls or self._service_mode(inferred, service, port) == "DISABLE":
                return "none", ""
            return ("istio_mutual" if type_ == ORIGINAL else "auto"), usual
        settings = section(tls)
        mode, sni = str(settings.get("mode") or "DISABLE"), str(settings.get("sni") or "")
        if mode == "ISTIO_MUTUAL":
            return "istio_mutual", sni or usual
        if mode not in ("SIMPLE", "MUTUAL"):
            return "none", ""
        credential = str(settings.get("credentialName") or "")
        if (
            credential
            and not credential.startswith("configmap://")
            and not self._caller.gateway
            and (rule is None or rule.selector is None)
        ):
            return "none", ""  # a sidecar may not read Secrets unless a rule selects it
        if mode == "MUTUAL" and not credential and not (settings.get("clientCertificate") and settings.get("privateKey")):
            return "none", ""
        return mode.lower(), sni

    def _service_mode(self, inferred: Mapping[str, Any] | None, service: RoutedService, port: int) -> str:
        if service.resolution == "NONE" or section(inferred or {}, "loadBalancer").get("simple") == "PASSTHROUGH":
            endpoints = self._registry.endpoints_by_number(service, port, {})
            if not endpoints or any(not one.mutual_tls for one in endpoints):
                return "DISABLE"
        return self._peers.of_namespace(service.namespace)


def _only_port(policy: Mapping[str, Any], port: int) -> Mapping[str, Any]:
    found = policy_of_port(policy, port)
    return found if found is not None and found is not policy else {}


def _consistent_hash(policy: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """In Envoy's words; None where there is none that looks at requests."""
    hashing = section(policy, "loadBalancer", "consistentHash")
    if hashing.get("httpHeaderName"):
        return {"header": {"headerName": hashing["httpHeaderName"]}}
    if isinstance(hashing.get("httpCookie"), Mapping):
        cookie = hashing["httpCookie"]
        return {"cookie": {name: cookie[name] for name in ("name", "ttl", "path") if cookie.get(name)}}
    if hashing.get("useSourceIp"):
        return {"connectionProperties": {"sourceIp": True}}
    if hashing.get("httpQueryParameterName"):
        return {"queryParameter": {"name": hashing["httpQueryParameterName"]}}
    return None


def _balancer(settings: Mapping[str, Any], type_: str) -> str:
    if type_ in (ORIGINAL, DYNAMIC):
        return "CLUSTER_PROVIDED"
    if isinstance(settings.get("consistentHash"), Mapping):
        return "MAGLEV" if section(settings, "consistentHash").get("maglev") is not None else "RING_HASH"
    return _BALANCERS.get(str(settings.get("simple") or ""), "LEAST_REQUEST")
