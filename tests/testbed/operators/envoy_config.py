# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration of the real Envoys behind a bed's pods: what each one listens on, whom it trusts, which Services it can call. No I/O.

As with a real sidecar, a proxy's certificate is the secret `default` and its trust bundle the secret `ROOTCA`, both delivered by SDS;
callers need a certificate of the mesh's trust domain, and a Service's proxies one of its own accounts. Then the token filter of
envoy_jwt.py and the RBAC filters of envoy_rbac.py decide, which are delivered by ECDS.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from . import envoy_jwt
from .envoy_rbac import ACTIONS, TYPES
from .envoy_routes import DOMAIN, RETRY, actions, cluster_name, routed

__all__ = [
    "Destination",
    "Proxy",
    "bootstrap",
    "clusters",
    "extension",
    "inbound",
    "listener",
    "manager",
    "rbac",
    "rbac_name",
    "routes",
    "sds",
    "secrets",
]

Obj = dict[str, Any]
_V3 = "type.googleapis.com/envoy.config"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
# Each call is a full handshake: a connection that was made before says nothing about the certificates of now.
_OPTIONS: Obj = {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "common_http_protocol_options": {"max_requests_per_connection": 1},
    "explicit_http_config": {"http_protocol_options": {}},
}
_ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}


@dataclass(frozen=True)
class Proxy:
    """One pod with an Envoy behind it."""

    namespace: str
    name: str
    service_account: str
    trust_domain: str
    role: str = "sidecar"
    tcp: bool = False  # its Services say that it speaks something else than HTTP
    version: str = ""  # of Istio, as the agent that starts an Envoy tells it

    @property
    def layer(self) -> str:
        """Where its policies are enforced."""
        return "network" if self.tcp else "http"

    @property
    def spiffe(self) -> str:
        return f"spiffe://{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"


@dataclass(frozen=True)
class Destination:
    """A Service, and the proxies behind it that are ready: 127.0.0.1:port of the inbound listener, and their identities. subset: those of a
    version only."""

    namespace: str
    name: str
    ports: tuple[int, ...]
    addresses: tuple[int, ...] = ()
    identities: tuple[str, ...] = ()
    plain: bool = False  # whether callers speak plain text to it
    subset: str = ""

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}{DOMAIN}"

    def cluster(self, port: int) -> str:
        return cluster_name(self.host, port, self.subset)


def _address(port: int) -> Obj:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _xds() -> Obj:
    """The server holds a question until it has something new."""
    source = {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": ["xds"],
        "refresh_delay": "0.05s",
        "request_timeout": "120s",
    }
    return {"api_config_source": source, "resource_api_version": "V3"}


def _sds(name: str) -> Obj:
    return {"name": name, "sds_config": _xds()}


def _common_tls(*, prefix: str = "", exact: Sequence[str] = ()) -> Obj:
    matchers = [{"san_type": "URI", "matcher": {"prefix": prefix}}] if prefix else []
    matchers += [{"san_type": "URI", "matcher": {"exact": one}} for one in exact]
    return {
        "tls_certificate_sds_secret_configs": [_sds("default")],
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": matchers},
            "validation_context_sds_secret_config": _sds("ROOTCA"),
        },
    }


def _inline(pem: bytes) -> Obj:
    return {"inline_bytes": base64.b64encode(pem).decode()}


def secrets(chain: bytes, key: bytes, roots: bytes) -> dict[str, Obj]:
    """By name, as a real sidecar's agent gives them to its Envoy."""
    identity = {"certificate_chain": _inline(chain), "private_key": _inline(key)}
    return {
        "default": {"@type": f"{_TLS}.Secret", "name": "default", "tls_certificate": identity},
        "ROOTCA": {"@type": f"{_TLS}.Secret", "name": "ROOTCA", "validation_context": {"trusted_ca": _inline(roots)}},
    }


def rbac_name(action: str) -> str:
    """What an Envoy asks for by ECDS."""
    return f"rbac-{action.lower()}"


def extension(name: str, config: Obj) -> Obj:
    """A filter as ECDS delivers it."""
    return {"@type": f"{_V3}.core.v3.TypedExtensionConfig", "name": name, "typed_config": config}


def _rbac(layer: str) -> list[Obj]:
    """Tokens are looked at before policies; a connection has none."""
    named = [(envoy_jwt.NAME, envoy_jwt.TYPE)] if layer == "http" else []
    named += [(rbac_name(action), TYPES[layer]) for action in ACTIONS]
    return [{"name": name, "config_discovery": {"config_source": _xds(), "type_urls": [kind]}} for name, kind in named]


def _manager(name: str, *filters: Obj, **routes_from: Any) -> Obj:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": _HTTP,
            "stat_prefix": name,
            "http_filters": [*filters, _ROUTER],
            "normalize_path": True,
            "forward_client_cert_details": "SANITIZE_SET",
            **routes_from,
        },
    }


def _inbound(proxy: Proxy, port: int) -> Obj:
    """mTLS only; the application behind is played by Envoy itself: it says who it is, and who it was called by."""
    said = [
        {"header": {"key": key, "value": value}}
        for key, value in (("x-testbed-pod", f"{proxy.namespace}/{proxy.name}"), ("x-testbed-peer", "%DOWNSTREAM_PEER_URI_SAN%"))
    ]
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": f"{proxy.namespace}/{proxy.name}\n"}}}
    host = {"name": "inbound", "domains": ["*"], "routes": [answer], "response_headers_to_add": said}
    tls = {
        "@type": f"{_TLS}.DownstreamTlsContext",
        "require_client_certificate": True,
        "disable_stateless_session_resumption": True,
        "common_tls_context": {**_common_tls(prefix=f"spiffe://{proxy.trust_domain}/"), "alpn_protocols": ["h2", "http/1.1"]},
    }
    routes_ = {"name": "inbound", "virtual_hosts": [host]}
    filters = [_manager("inbound", *([] if proxy.tcp else _rbac("http")), route_config=routes_)]
    chain = {
        "filters": [*(_rbac("network") if proxy.tcp else []), *filters],
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
    }
    # It reads the SNI, by which policies tell ports apart.
    inspector = {
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"},
    }
    return {"name": "inbound", "address": _address(port), "listener_filters": [inspector], "filter_chains": [chain]}


def listener(name: str, port: int, chains: list[Obj]) -> Obj:
    return {"@type": f"{_V3}.listener.v3.Listener", "name": name, "address": _address(port), "filter_chains": chains}


def inbound(proxy: Proxy, port: int) -> Obj:
    """As LDS delivers it."""
    return {"@type": f"{_V3}.listener.v3.Listener", **_inbound(proxy, port)}


def bootstrap(proxy: Proxy, socket: str, ports: dict[str, int]) -> str:
    """What one Envoy starts with; socket: where it asks for the rest. ports: admin, inbound, outbound."""
    rds = {"route_config_name": "mesh", "config_source": _xds()}
    server = {
        "name": "xds",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": socket}}}}]}],
        },
    }
    outbound = {"name": "outbound", "address": _address(ports["outbound"]), "filter_chains": [{"filters": [_manager("outbound", rds=rds)]}]}
    node = {
        "id": f"{proxy.role}~127.0.0.1~{proxy.name}.{proxy.namespace}~{proxy.namespace}.svc.cluster.local",
        "cluster": f"{proxy.name}.{proxy.namespace}",
        "metadata": {"ISTIO_VERSION": proxy.version, "NAMESPACE": proxy.namespace},
    }
    return json.dumps(
        {
            "node": node,
            "admin": {"address": _address(ports["admin"])},
            "static_resources": {"listeners": [outbound], "clusters": [server]},
            "dynamic_resources": {"cds_config": _xds(), "lds_config": _xds()},
        }
    )


def clusters(destinations: Iterable[Destination]) -> list[Obj]:
    """One for each Service: mTLS, and only with one of the accounts that its pods run as, unless it is called in plain text."""
    made: list[Obj] = []
    for one, number in ((row, port) for row in destinations for port in row.ports):
        # policies tell ports by it, and a bed's pod has one: that of the first
        sni, name = f"outbound_.{one.ports[0]}_._.{one.host}", one.cluster(number)
        tls = {
            "@type": f"{_TLS}.UpstreamTlsContext",
            "max_session_keys": 0,
            "sni": sni,
            "common_tls_context": {**_common_tls(exact=one.identities or ["spiffe://nobody"]), "alpn_protocols": ["http/1.1"]},
        }
        rows = [{"endpoint": {"address": _address(port)}} for port in one.addresses]
        secure = {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls}}
        made.append(
            {
                "@type": f"{_V3}.cluster.v3.Cluster",
                "name": name,
                "type": "STATIC",
                "connect_timeout": "2s",
                "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": rows}] if rows else []},
                "typed_extension_protocol_options": {_OPTIONS["@type"].rpartition("/")[2]: _OPTIONS},
                **({} if one.plain else secure),
            }
        )
    return made


def routes(namespace: str, destinations: Sequence[Destination], services: Iterable[Obj] = ()) -> list[Obj]:
    """By Host header, as a client in `namespace` writes it; services: VirtualServices."""
    known = [one for one in destinations if not one.subset]
    ports, rows = {one.host: one.ports for one in known}, list(services)
    hosts = []
    for one in known:
        short = one.host.removesuffix(DOMAIN)
        names = [short, f"{short}.svc", one.host, *([one.name] if one.namespace == namespace else [])]
        domains = [*names, *(f"{name}:{port}" for name in names for port in one.ports)]
        chosen = routed(one.host, rows)
        ways = list(actions(chosen, ports, caller=namespace)) if chosen else []
        default = {"match": {"prefix": "/"}, "route": {"cluster": one.cluster(one.ports[0]), "retry_policy": RETRY}}
        hosts.append({"name": short, "domains": domains, "routes": ways or [default]})
    return [{"@type": f"{_V3}.route.v3.RouteConfiguration", "name": "mesh", "virtual_hosts": hosts}]


# What envoy_listeners builds with.
manager, rbac, sds = _manager, _rbac, _sds
