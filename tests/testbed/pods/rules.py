# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node does for Services, as text: rules for iptables-restore, and the hosts file that is a pod's DNS. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ..networks import is_balancer

__all__ = [
    "WIRE",
    "balancer_addresses",
    "beyond",
    "endpoints_of",
    "hosts_file",
    "is_headless",
    "link_rules",
    "names_of",
    "nat_rules",
    "ready_addresses",
    "resolve",
]

Obj = dict[str, Any]
Endpoints = dict[tuple[str, str, str], list[tuple[str, int]]]  # namespace, Service, port name -> addresses
DOMAIN = "cluster.local"
WIRE = "wire0"  # a node's interface towards other clusters


def endpoints_of(slices: Iterable[Obj]) -> Endpoints:
    """Who is behind each port of each Service: only ready ones, as kube-proxy does while there is one."""
    ready: Endpoints = defaultdict(list)
    draining: Endpoints = defaultdict(list)
    for piece in slices:
        meta = piece["metadata"]
        service = (meta.get("labels") or {}).get("kubernetes.io/service-name")
        if not service or piece.get("addressType", "IPv4") != "IPv4":
            continue
        for port in piece.get("ports") or []:
            if port.get("protocol", "TCP") != "TCP" or port.get("port") is None:
                continue
            key = (meta["namespace"], service, port.get("name") or "")
            for endpoint in piece.get("endpoints") or []:
                said = endpoint.get("conditions") or {}
                rows = [(address, int(port["port"])) for address in endpoint.get("addresses") or []]
                if said.get("ready", True):
                    ready[key] += rows
                elif said.get("serving") and said.get("terminating"):
                    draining[key] += rows
    found = {**draining, **ready}
    return {key: sorted(dict.fromkeys(rows)) for key, rows in found.items()}


def ready_addresses(slices: Iterable[Obj]) -> frozenset[str]:
    """The pods that new connections may be led to while others are there."""
    return frozenset(
        address
        for piece in slices
        for endpoint in piece.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready", True)
        for address in endpoint.get("addresses") or []
    )


def is_headless(service: Obj) -> bool:
    return service["spec"].get("clusterIP") in (None, "", "None")


def balancer_addresses(service: Obj) -> list[str]:
    rows = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return [row["ip"] for row in rows if row.get("ip")]


def _translated(address: str, port: int, found: list[tuple[str, int]]) -> list[str]:
    """One rule for each endpoint; the first takes one in n, the next one in n - 1 of what is left."""
    rules = []
    for number, (target, target_port) in enumerate(found):
        left = len(found) - number
        chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
        rules.append(f"-d {address}/32 -p tcp --dport {port} {chance}-j DNAT --to-destination {target}:{target_port}")
    return rules


def link_rules(routed: str = "") -> tuple[list[str], list[str]]:
    """What passes between clusters, as lines of nat and of filter. routed: the pods' network, where others reach them by their addresses.

    Else only what comes to a load balancer gets in, and an answer; who calls out has the node's address there."""
    ours = f"! -s {routed} " if routed else ""
    nat = [f"-A POSTROUTING {ours}-o {WIRE} -j MASQUERADE"]
    if routed:
        return nat, []
    known = "-m conntrack --ctstate ESTABLISHED,RELATED,DNAT"
    return nat, [f"-A FORWARD -i {WIRE} {known} -j ACCEPT", f"-A FORWARD -i {WIRE} -j DROP"]


def nat_rules(
    services: Iterable[Obj], endpoints: Endpoints, between: Iterable[str] = (), across: tuple[list[str], list[str]] = ([], [])
) -> str:
    """The tables nat and filter of a node. between: what befalls the traffic between pods, as lines of filter; across: link_rules."""
    nat: list[str] = []
    for service in sorted(services, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"])):
        meta, spec = service["metadata"], service["spec"]
        addresses = [] if is_headless(service) else [spec["clusterIP"]]
        addresses += [*balancer_addresses(service), *(spec.get("externalIPs") or [])]
        for port in spec.get("ports") or []:
            if port.get("protocol", "TCP") != "TCP":
                continue
            found = endpoints.get((meta["namespace"], meta["name"], port.get("name") or ""), [])
            for address in addresses:
                nat += _translated(address, port["port"], found)
    # A pod that calls itself by its Service would get an answer from itself.
    pods = sorted({address for found in endpoints.values() for address, _port in found})
    lines = ["*nat", *(f"-A PREROUTING {rule}" for rule in nat), *(f"-A OUTPUT {rule}" for rule in nat)]
    lines += [f"-A POSTROUTING -s {address}/32 -d {address}/32 -j MASQUERADE" for address in pods]
    lines += [*across[0], "COMMIT", "*filter", *between, *across[1], "COMMIT"]
    return "\n".join(lines) + "\n"


def beyond(services: Iterable[Obj], endpoints: Endpoints) -> dict[str, tuple[str, int]]:
    """{namespace/name:port: address and port} of Services that lead to another cluster's load balancer, as that of a remote istiod does."""
    found: dict[str, tuple[str, int]] = {}
    for service in services:
        meta = service["metadata"]
        for port in service["spec"].get("ports") or []:
            rows = endpoints.get((meta["namespace"], meta["name"], port.get("name") or ""), [])
            if rows and is_balancer(rows[0][0]):
                found[f"{meta['namespace']}/{meta['name']}:{port['port']}"] = rows[0]
    return found


def names_of(service: Obj, endpoints: Endpoints) -> list[tuple[str, str]]:
    """(address, full name): of a headless Service the addresses of its pods, as DNS answers."""
    meta = service["metadata"]
    full = f"{meta['name']}.{meta['namespace']}.svc.{DOMAIN}"
    if service["spec"].get("type") == "ExternalName":
        return []
    if not is_headless(service):
        return [(service["spec"]["clusterIP"], full)]
    found = {
        address
        for port in service["spec"].get("ports") or []
        for address, _port in endpoints.get((meta["namespace"], meta["name"], port.get("name") or ""), [])
    }
    return [(address, full) for address in sorted(found)]


def _all_names(full: str, namespace: str) -> list[str]:
    name, space, *_rest = full.split(".")
    short = [name] if space == namespace else []
    return [full, f"{name}.{space}.svc", f"{name}.{space}", *short]


def hosts_file(namespace: str, names: Iterable[tuple[str, str]], outside: Mapping[str, str] | None = None) -> str:
    """The hosts file of a pod of that namespace; outside: {host name: address} of what is not of the cluster."""
    lines = ["127.0.0.1 localhost"]
    lines += [f"{address} {' '.join(_all_names(full, namespace))}" for address, full in names]
    lines += [f"{address} {name}" for name, address in sorted((outside or {}).items())]
    return "\n".join(lines) + "\n"


def resolve(host: str, namespace: str, names: Iterable[tuple[str, str]], outside: Mapping[str, str] | None = None) -> list[str]:
    """The addresses that a pod of that namespace gets for a name; an address is its own."""
    if host.replace(".", "").isdigit():
        return [host]
    if host == "localhost":
        return ["127.0.0.1"]
    wanted = host.rstrip(".").lower()
    found = [address for address, full in names if wanted in _all_names(full, namespace)]
    return found or [address for name, address in (outside or {}).items() if name == wanted]
