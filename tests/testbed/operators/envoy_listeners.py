# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bed's Envoys listen on, by Istio's own objects: servers of Gateways with their credentials, and mutual TLS of sidecars. No I/O.

Less than a real istiod does: of a VirtualService what envoy_routes.py says; of a Gateway ports 80 and 443; of a pod one inbound port, whose
mode is that of portLevelMtls where one of its containers has that port.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import envoy_config
from .envoy_routes import DOMAIN, actions

__all__ = ["GATEWAY_PORTS", "by_mode", "credential_names", "credentials", "gateway_listeners", "is_plain", "mode_of"]

Obj = dict[str, Any]
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_INSPECTOR = {
    "name": "envoy.filters.listener.tls_inspector",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"},
}
# The port of a Gateway, the port of its pods, and the local port that stands for it.
GATEWAY_PORTS = {80: "http", 8080: "http", 443: "https", 8443: "https"}
_NO_PORTS: Mapping[str, Sequence[int]] = {}


def _space(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _labels(pod: Obj) -> dict[str, str]:
    return pod["metadata"].get("labels") or {}


def _chosen(selector: Mapping[str, str], pod: Obj) -> bool:
    return selector.items() <= _labels(pod).items()


def _mode(policy: Obj, pod: Obj) -> str | None:
    """What one policy says of a pod: of one of its ports, or of all; None for UNSET."""
    ports = {str(row["containerPort"]) for one in pod["spec"].get("containers") or [] for row in one.get("ports") or []}
    for port, said in (policy["spec"].get("portLevelMtls") or {}).items():
        if port in ports and said.get("mode", "UNSET") != "UNSET":
            return str(said["mode"])
    found = (policy["spec"].get("mtls") or {}).get("mode", "UNSET")
    return None if found == "UNSET" else str(found)


def mode_of(pod: Obj, policies: Iterable[Obj], root: str) -> str:
    """The narrowest PeerAuthentication wins: workload, namespace, mesh; of two of a kind the older; without any it is PERMISSIVE."""
    ranked: list[list[Obj]] = [[], [], []]
    for policy in sorted(policies, key=lambda one: str(one["metadata"].get("creationTimestamp", ""))):
        selector = ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        if selector and _space(policy) == _space(pod) and _chosen(selector, pod):
            ranked[0].append(policy)
        elif not selector and _space(policy) in (_space(pod), root):
            ranked[1 if _space(policy) == _space(pod) else 2].append(policy)
    said = (_mode(rank[0], pod) for rank in ranked if rank and rank[0].get("spec"))
    return next((mode for mode in said if mode), "PERMISSIVE")


def by_mode(listener: Obj, mode: str) -> Obj:
    """A listener of mutual TLS, as a PeerAuthentication's mode has it: also plain text, or nothing else."""
    if mode == "STRICT":
        return listener
    secure = listener["filter_chains"]
    plain = [{key: value for key, value in copy.deepcopy(chain).items() if key != "transport_socket"} for chain in secure]
    if mode == "DISABLE":
        return {**listener, "filter_chains": plain}
    both = [{**chain, "filter_chain_match": {"transport_protocol": "tls"}} for chain in secure]
    return {**listener, "filter_chains": [*both, *plain], "listener_filters": [_INSPECTOR]}


def _reach(host: str, space: str, full: str) -> int:
    """How narrowly a DestinationRule's host means a Service; 0 for not at all."""
    if host.startswith("*"):
        return len(host) if full.endswith(host[1:]) else 0
    return 1000 if (host if "." in host else f"{host}.{space}{DOMAIN}") == full else 0


def is_plain(namespace: str, name: str, port: int, rules: Iterable[Obj], modes: Iterable[str]) -> bool:
    """Whether callers speak plain text: when a DestinationRule says so; without one that says anything, when the pods take nothing else."""
    full = f"{name}.{namespace}{DOMAIN}"
    found: list[tuple[int, str]] = []
    for rule in rules:
        policy = rule["spec"].get("trafficPolicy") or {}
        single = [row for row in policy.get("portLevelSettings") or [] if (row.get("port") or {}).get("number") == port]
        mode = ((single[0] if single else policy).get("tls") or {}).get("mode")
        if mode and _reach(rule["spec"]["host"], _space(rule), full):
            found.append((_reach(rule["spec"]["host"], _space(rule), full), mode))
    if found:
        return max(found)[1] == "DISABLE"
    known = set(modes)
    return known == {"DISABLE"}


def _servers(pod: Obj, gateways: Iterable[Obj]) -> Iterator[tuple[Obj, Obj]]:
    for gateway in sorted(gateways, key=lambda one: (_space(one), one["metadata"]["name"])):
        if _chosen(gateway["spec"].get("selector") or {}, pod):
            yield from ((gateway, server) for server in gateway["spec"].get("servers") or [])


def credential_names(pod: Obj, gateways: Iterable[Obj]) -> set[str]:
    """The Secrets, in the pod's own namespace, that its gateways name."""
    return {name for _gateway, server in _servers(pod, gateways) if (name := (server.get("tls") or {}).get("credentialName"))}


def credentials(name: str, secret: Obj, roots: Obj | None) -> dict[str, Obj]:
    """A credential as istiod hands it out; the clients' roots are in a Secret NAME-cacert, or in the same one."""
    data = secret.get("data") or {}
    made: dict[str, Obj] = {}
    if "tls.crt" in data and "tls.key" in data:
        pair = {"certificate_chain": {"inline_bytes": data["tls.crt"]}, "private_key": {"inline_bytes": data["tls.key"]}}
        made[f"kubernetes://{name}"] = {"tls_certificate": pair}
    trusted = ((roots or {}).get("data") or data).get("ca.crt")
    if trusted and base64.b64decode(trusted).strip():
        made[f"kubernetes://{name}-cacert"] = {"validation_context": {"trusted_ca": {"inline_bytes": trusted}}}
    return {key: {"@type": f"{_TLS}.Secret", "name": key, **value} for key, value in made.items()}


def _bare(hosts: Sequence[str]) -> list[str]:
    return [host.rpartition("/")[2] for host in hosts]


def _covers(pattern: str, host: str) -> bool:
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _virtual_hosts(gateway: Obj, server: Obj, services: Iterable[Obj], known: Mapping[str, Sequence[int]]) -> list[Obj]:
    own = f"{_space(gateway)}/{gateway['metadata']['name']}"
    found: dict[str, list[Obj]] = {}
    for service in sorted(services, key=lambda one: str(one["metadata"].get("creationTimestamp", ""))):
        named = {name if "/" in name else f"{_space(service)}/{name}" for name in service["spec"].get("gateways") or []}
        for host in service["spec"].get("hosts") or []:
            if own in named and any(_covers(have, host) or _covers(host, have) for have in _bare(server["hosts"])):
                found.setdefault(host, []).extend(actions(service, known))
    return [{"name": host, "domains": [host], "routes": rules} for host, rules in found.items()]


def _socket(tls: Obj) -> Obj:
    """TLS that the gateway ends, with secrets that may come later."""
    name, mode = f"kubernetes://{tls['credentialName']}", tls.get("mode", "SIMPLE")
    least = {"TLSV1_3": "TLSv1_3"}.get(tls.get("minProtocolVersion", ""), "TLSv1_2")
    common: Obj = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": least},
        "tls_certificate_sds_secret_configs": [envoy_config.sds(name)],
    }
    if mode in ("MUTUAL", "OPTIONAL_MUTUAL"):
        common["validation_context_sds_secret_config"] = envoy_config.sds(f"{name}-cacert")
    context = {
        "@type": f"{_TLS}.DownstreamTlsContext",
        "require_client_certificate": mode == "MUTUAL",
        "common_tls_context": common,
        "disable_stateless_session_resumption": True,
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def gateway_listeners(
    pod: Obj, gateways: Iterable[Obj], services: Sequence[Obj], ports: Mapping[str, int], known: Mapping[str, Sequence[int]] = _NO_PORTS
) -> list[Obj]:
    """One listener for each port that a Gateway of this pod opens; a host has a filter chain of its own where TLS is ended.

    known: the ports of each Service, by its full name."""
    plain: dict[str, list[Obj]] = {}
    secure: dict[str, list[Obj]] = {}
    for gateway, server in _servers(pod, gateways):
        where = GATEWAY_PORTS.get(server["port"]["number"], "")
        hosts = _virtual_hosts(gateway, server, services, known)
        if where in ports and server["port"]["protocol"] == "HTTP":
            plain.setdefault(where, []).extend(hosts)
        elif where in ports and (server.get("tls") or {}).get("credentialName"):
            names = [host for host in _bare(server["hosts"]) if host != "*"]
            secure.setdefault(where, []).append(
                {
                    **({"filter_chain_match": {"server_names": names}} if names else {}),
                    "filters": [_manager(where, hosts)],
                    "transport_socket": _socket(server["tls"]),
                }
            )
    made = [envoy_config.listener(where, ports[where], [{"filters": [_manager(where, hosts)]}]) for where, hosts in plain.items()]
    return made + [
        {**envoy_config.listener(where, ports[where], chains), "listener_filters": [_INSPECTOR]}
        for where, chains in secure.items()
        if where not in plain
    ]


def _manager(name: str, hosts: list[Obj]) -> Obj:
    filters = envoy_config.rbac("http")
    return envoy_config.manager(name, *filters, route_config={"name": name, "virtual_hosts": hosts}, strip_any_host_port=True)
