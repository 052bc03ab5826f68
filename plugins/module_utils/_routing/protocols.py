# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a port speaks, as istiod reads its protocol, its name or its appProtocol (pkg/config/protocol, pkg/config/kube)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["AUTO", "GRPC", "HTTP", "HTTP2", "HTTPS", "HTTP_PROXY", "MONGO", "MYSQL", "TCP", "TLS", "UDP", "is_http", "is_http_or_auto",
           "is_tcp", "is_tls", "parse", "service_port_protocol"]  # fmt: skip

HTTP, HTTP2, HTTP_PROXY, GRPC, GRPC_WEB = "HTTP", "HTTP2", "HTTP_PROXY", "GRPC", "GRPC-Web"
HTTPS, TLS, TCP, UDP, MONGO, REDIS, MYSQL = "HTTPS", "TLS", "TCP", "UDP", "Mongo", "Redis", "MySQL"
AUTO = "auto"  # nobody says: it is looked at while the connection begins
_KNOWN = {name.lower(): name for name in (HTTP, HTTP2, HTTP_PROXY, GRPC, GRPC_WEB, HTTPS, TLS, TCP, UDP, MONGO, REDIS, MYSQL)}
_HTTP, _TCP, _TLS = frozenset((HTTP, HTTP2, HTTP_PROXY, GRPC, GRPC_WEB)), frozenset((TCP, HTTPS, TLS, MONGO, REDIS, MYSQL)), (HTTPS, TLS)
_OF_KUBERNETES = {"kubernetes.io/h2c": HTTP2, "kubernetes.io/ws": HTTP, "kubernetes.io/wss": HTTPS}
_SERVER_FIRST = (25, 53, 3306, 27017)  # nothing can be detected there: the server speaks first


def parse(name: str) -> str:
    """The protocol of this name, in whatever case; AUTO for any other."""
    return _KNOWN.get(name.lower(), AUTO)


def service_port_protocol(port: Mapping[str, Any]) -> str:
    """The protocol of a port of a Kubernetes Service: appProtocol, else its name up to the first dash."""
    if port.get("protocol") == UDP:
        return UDP
    name = str(port.get("name") or "")
    if port.get("appProtocol") is not None:
        name = str(port["appProtocol"])
        if name in _OF_KUBERNETES:
            return _OF_KUBERNETES[name]
    if name[: len(GRPC_WEB)].lower() == GRPC_WEB.lower():
        return GRPC_WEB
    found = parse(name.partition("-")[0])
    return TCP if found == AUTO and port.get("port") in _SERVER_FIRST else found


def is_http(protocol: str) -> bool:
    return protocol in _HTTP


def is_http_or_auto(protocol: str) -> bool:
    return protocol in _HTTP or protocol == AUTO


def is_tcp(protocol: str) -> bool:
    """Any that is read as bytes only; TLS is among them."""
    return protocol in _TCP


def is_tls(protocol: str) -> bool:
    return protocol in _TLS
