# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What routing is made of: services with ports and endpoints, who calls, what is asked, and the settings of the mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.mesh_config import CLUSTER_DOMAIN, ROOT_NAMESPACE, MeshConfig

__all__ = ["ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS", "ANYWHERE", "REGISTRY_ONLY", "Consumer", "RouteRequest", "RoutedEndpoint", "RoutedPort",
           "RoutedService", "RoutingMesh"]  # fmt: skip

ANYWHERE = "0.0.0.0"  # noqa: S104  # the address of who has none, as istiod writes it
ALLOW_ANY, REGISTRY_ONLY, ALLOW_ANY_DYNAMIC_DNS = "ALLOW_ANY", "REGISTRY_ONLY", "ALLOW_ANY_DYNAMIC_DNS"


@dataclass(frozen=True)
class RoutedPort:
    """A port of a service. protocol: one of `protocols`."""

    name: str
    number: int
    protocol: str


@dataclass(frozen=True, eq=False)
class RoutedService:
    """A host that istiod knows, of a Service or a ServiceEntry; one of several addresses is a service of its own."""

    hostname: str
    name: str
    namespace: str
    ports: tuple[RoutedPort, ...]
    resolution: str  # STATIC, DNS, DNS_ROUND_ROBIN, NONE (to where the caller wants), ALIAS, DYNAMIC_DNS
    address: str = ANYWHERE  # an IP, or a CIDR of a ServiceEntry
    kubernetes: bool = True
    external: bool = False  # not of the mesh: no mutual TLS
    export: frozenset[str] = frozenset()
    created: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    selector: Mapping[str, str] | None = None
    external_name: str = ""
    aliases: tuple[str, ...] = ()
    ref: str = ""

    def port(self, number: int) -> RoutedPort | None:
        return next((port for port in self.ports if port.number == number), None)


@dataclass(frozen=True)
class RoutedEndpoint:
    """Where a service is served. number: the port of the service that it is for, 0 where only the name tells."""

    address: str
    port: int
    port_name: str
    number: int
    labels: Mapping[str, str] = field(hash=False)
    namespace: str
    mutual_tls: bool  # it has a sidecar that takes mutual TLS
    ref: str = ""


@dataclass(frozen=True)
class Consumer:
    """The proxy that a request goes through: a workload's sidecar, or a gateway."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    gateway: bool = False
    name: str = ""
    ip: str = ""
    service_account: str = ""


@dataclass(frozen=True)
class RouteRequest:
    """A request as it leaves the caller. address: where the connection goes, as DNS would say. protocol: http, http2 or tcp (bytes that
    are no HTTP); headers: those besides Host, each sent once. alpn and sni are those of the ClientHello."""

    address: str
    port: int
    host: str = ""
    protocol: str = "http"
    method: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False
    sni: str = ""
    alpn: Sequence[str] = ()

    @property
    def http(self) -> bool:
        return self.protocol != "tcp"


@dataclass(frozen=True)
class RoutingMesh:
    """What of MeshConfig decides about routing. config: its fields as they are written."""

    config: Mapping[str, Any] = field(default_factory=dict)
    root_namespace: str = ROOT_NAMESPACE
    cluster_domain: str = CLUSTER_DOMAIN
    revision: str = ""

    @classmethod
    def of(cls, config: MeshConfig, revision: str = "", changes: Mapping[str, Any] | None = None) -> RoutingMesh:
        """That of an istiod. changes: of its settings, which take the place of its own."""
        settings = {**config.settings, **(changes or {})}
        return cls(settings, config.root_namespace or ROOT_NAMESPACE, config.cluster_domain or CLUSTER_DOMAIN, revision)

    @property
    def end(self) -> str:
        """How the name of each Service ends."""
        return f".svc.{self.cluster_domain}"

    @property
    def outbound_policy(self) -> str:
        policy = self.config.get("outboundTrafficPolicy")
        return str(policy.get("mode") or ALLOW_ANY) if isinstance(policy, Mapping) else ALLOW_ANY

    @property
    def auto_mtls(self) -> bool:
        return self.config.get("enableAutoMtls") is not False

    def default_export(self, name: str) -> frozenset[str]:
        """defaultServiceExportTo and its sisters; public where nothing is said."""
        words = self.config.get(name)
        return frozenset(map(str, words)) if isinstance(words, Sequence) and not isinstance(words, str) else frozenset("*")
