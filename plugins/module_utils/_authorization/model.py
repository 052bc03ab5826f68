# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The vocabulary: a mesh, its policies, a workload, a request, a verdict. All frozen; read.py makes the policies from objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .versions import Abilities, abilities

__all__ = [
    "ACTIONS",
    "HTTP",
    "TCP",
    "ZTUNNEL",
    "AuthorizationPolicy",
    "Clause",
    "Mesh",
    "PeerAuthentication",
    "PolicyFinding",
    "PolicyTarget",
    "Provider",
    "Request",
    "Rule",
    "ServiceRef",
    "TargetRef",
    "WhenCondition",
]  # fmt: skip

ACTIONS = ("ALLOW", "DENY", "AUDIT", "CUSTOM")
HTTP, TCP, ZTUNNEL = "HTTP", "TCP", "ZTUNNEL"  # the three ways to enforce: Envoy's two kinds of filter chain, and ztunnel


@dataclass(frozen=True)
class PolicyFinding:
    """Something that Istio refuses, drops or ignores: never guessed about, always told."""

    resource: str  # Kind namespace/name
    where: str  # rules[0].from[1].source.principals
    effect: str  # rejected | unreadable | dropped | ignored | warning
    message: str

    def __str__(self) -> str:
        return f"{self.resource}{' ' + self.where if self.where else ''}: {self.message}"


@dataclass(frozen=True)
class Clause:
    """One `source` or `operation`: its lists by name, empty ones left out."""

    lists: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class WhenCondition:
    """One `when`."""

    key: str
    values: tuple[str, ...]
    not_values: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    sources: tuple[Clause, ...]
    operations: tuple[Clause, ...]
    when: tuple[WhenCondition, ...]


@dataclass(frozen=True)
class TargetRef:
    group: str
    kind: str
    name: str
    namespace: str = ""


@dataclass(frozen=True)
class AuthorizationPolicy:
    namespace: str
    name: str
    action: str
    rules: tuple[Rule, ...]
    selector: Mapping[str, str] | None = None  # None: no selector at all
    bare_selector: bool = False  # `selector: {}`, without matchLabels
    target_refs: tuple[TargetRef, ...] = ()
    provider: str | None = None  # None: no provider at all
    dry_run: bool = False
    dry_run_text: str | None = None  # the annotation as it is written
    revision: str = ""  # of the label istio.io/rev

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class PeerAuthentication:
    namespace: str
    name: str
    created: str  # RFC 3339; the oldest of a scope wins
    selector: Mapping[str, str]
    mode: str
    ports: Mapping[int, str]
    bare_selector: bool = False  # a selector without labels: to a sidecar none at all, to ambient not quite
    revision: str = ""  # of the label istio.io/rev

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Provider:
    """An external authorizer of MeshConfig.extensionProviders. `answer`: what it says to everything, None if that is unknown."""

    protocol: str = "http"  # http | grpc; an http provider is not asked about TCP
    answer: bool | None = None


@dataclass(frozen=True)
class Mesh:
    trust_domain: str = "cluster.local"
    trust_domain_aliases: tuple[str, ...] = ()
    root_namespace: str = "istio-system"
    path_normalization: str = "BASE"
    version: str | None = None
    providers: Mapping[str, Provider] = field(default_factory=dict)
    multiple_custom_providers: bool = False  # PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS
    gateway_selectors: bool = True  # ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY
    trusted_proxies: int = 0  # gatewayTopology.numTrustedProxies
    ambient_dry_run: bool = False  # AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY
    control_plane: str = ""  # NAMESPACE/REVISION of its istiod
    revision: str = ""  # of its istiod, which reads no object that is labelled for another; empty: it reads all
    undiscovered: frozenset[str] = frozenset()  # namespaces that discoverySelectors leave out
    cluster_domain: str = "cluster.local"

    @cached_property
    def trust_domains(self) -> tuple[str, ...]:
        return (self.trust_domain, *self.trust_domain_aliases)

    @cached_property
    def abilities(self) -> Abilities:
        return abilities(self.version)


@dataclass(frozen=True)
class ServiceRef:
    """A Service or ServiceEntry that a waypoint serves."""

    name: str
    namespace: str
    kind: str = "Service"


@dataclass(frozen=True)
class PolicyTarget:
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: str = "sidecar"  # sidecar | gateway | waypoint | ztunnel
    service: ServiceRef | None = None  # for a waypoint, the one that the request is for
    unlabelled: bool = False  # a pod without any label, which istiod does not tell from one that every selector matches


@dataclass(frozen=True)
class Request:
    """What arrives. HTTP fields stay None for TCP. `claims` are those of a token that was found valid where the policy is enforced."""

    principal: str | None = None  # without spiffe://; None is a caller without an identity
    dns_names: tuple[str, ...] = ()  # other names of the client's certificate
    source_ip: str | None = None
    remote_ip: str | None = None  # None: derived from X-Forwarded-For and source_ip
    port: int | None = None  # of the listener: the pod's port
    destination_ip: str | None = None
    sni: str | None = None
    tls: bool = True
    method: str | None = None
    host: str | None = None
    path: str | None = None
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    claims: Mapping[str, Any] | None = None
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of other Envoy filters
