# SPDX-License-Identifier: GPL-3.0-or-later
"""A Gateway of Gateway API by chance, with its pods' Service, the routes that want to attach to it, and grants for their backends."""

from __future__ import annotations

import random
from typing import Any

__all__ = ["DOOR", "GatewayMaker"]

Obj = dict[str, Any]
API, DOOR = "gateway.networking.k8s.io", "door"  # its namespace is ra
_SPACES, _NAMES = ("ra", "rb"), ("pay", "web", "db")
_HOSTS = ("shop.example.com", "pay.example.com", "*.example.com", "other.example.org", "*.eu.example.com", "a.eu.example.com")
_PREFIX, _REGEX = "PathPrefix", "RegularExpression"
_PATHS = ((_PREFIX, "/"), (_PREFIX, "/a"), (_PREFIX, "/a/"), ("Exact", "/a"), ("Exact", "/a/b"), (_REGEX, "/a.*"))
_KINDS = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")


def _made(kind: str, space: str, name: str, spec: Obj, version: str = "v1") -> Obj:
    return {"apiVersion": f"{API}/{version}", "kind": kind, "metadata": {"name": name, "namespace": space}, "spec": spec}


class GatewayMaker:
    """chance: that of the mesh, after all else of it, which so stays as it was."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.doors: tuple[str, ...] = (DOOR,)

    def some(self, part: float) -> bool:
        return self.chance.random() < part

    # the Gateway

    def listener(self, name: str, port: int, protocol: str) -> Obj:
        found: Obj = {"name": name, "port": port, "protocol": protocol}
        if protocol != "TCP" and self.some(0.6):
            found["hostname"] = self.chance.choice(_HOSTS)
        if protocol == "TLS":
            found["tls"] = {"mode": "Passthrough"}
        origin = self.chance.choice(("", "All", "All", "Same", "Selector"))
        allowed: Obj = {"namespaces": {"from": origin}} if origin else {}
        if origin == "Selector":
            allowed["namespaces"]["selector"] = {"matchLabels": {"kubernetes.io/metadata.name": self.chance.choice((*_SPACES, "nobody"))}}
        if self.some(0.1):
            allowed["kinds"] = [{"kind": "GRPCRoute" if protocol == "HTTP" else f"{protocol}Route"}]
        return {**found, "allowedRoutes": allowed} if allowed else found

    def listeners(self) -> list[Obj]:
        wanted = [("http", 80, "HTTP", 1.0), ("more", 80, "HTTP", 0.5), ("third", self.chance.choice((80, 81)), "HTTP", 0.3),
                  ("pass", 443, "TLS", 0.5), ("names", 443, "TLS", 0.2), ("stream", 5432, "TCP", 0.4),
                  ("clash", self.chance.choice((80, 443, 5432)), self.chance.choice(("HTTP", "TLS", "TCP")), 0.3)]  # fmt: skip
        found: dict[tuple[object, ...], Obj] = {}  # each port has a host of a protocol once, says the API server
        for name, port, protocol, part in wanted:
            if self.some(part):
                one = self.listener(name, port, protocol)
                found.setdefault((port, protocol, one.get("hostname")), one)
        rows = list(found.values())
        return self.chance.sample(rows, len(rows)) if self.some(0.3) else rows  # of two in conflict the first counts

    def gateway(self) -> list[Obj]:
        """With the Service of its pods: under the name that istiod would give it, or under its own."""
        spec: Obj = {"gatewayClassName": "istio", "listeners": self.listeners()}
        name = f"{DOOR}-istio"
        if self.some(0.4):
            name = f"{DOOR}-own"
            value = self.chance.choice((name, f"{name}.ra.svc.cluster.local"))
            spec["addresses"] = [{"type": "Hostname", "value": value}]
        moved = self.chance.choice((0, 0, 8000))  # what containers listen on without root
        ports = [{"name": f"{own}-{port}", "port": port, "targetPort": port + moved}
                 for own, port in (("http", 80), ("http", 81), ("tls", 443), ("tcp", 5432)) if self.some(0.95)]  # fmt: skip
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "ra"},
                   "spec": {"selector": {"app": DOOR}, "ports": ports}}  # fmt: skip
        found = [_made("Gateway", "ra", DOOR, spec), *([service] if ports else [])]
        if self.some(0.3):  # another one on the same pods; from another namespace it does not get them
            space = self.chance.choice(("ra", "ra", "rb"))
            spec = {"gatewayClassName": "istio", "addresses": [{"type": "Hostname", "value": f"{name}.ra.svc.cluster.local"}]}
            found.append(_made("Gateway", space, "hatch", {**spec, "listeners": self.listeners()}))
            self.doors = (DOOR, "hatch")
        return found

    # routes

    def backends(self, space: str, *ports: int) -> list[Obj]:
        found = []
        for _number in range(self.chance.choice((1, 1, 2))):
            where = self.chance.choice(_SPACES)
            one: Obj = {"name": self.chance.choice((*_NAMES, *_NAMES, "nobody")), "port": self.chance.choice(ports)}
            if where != space or self.some(0.2):
                one["namespace"] = where
            if self.some(0.5):
                one["weight"] = self.chance.choice((1, 3, 0))
            found.append(one)
        return found

    def parents(self, sections: tuple[str, ...], ports: tuple[int, ...], mesh_port: int) -> list[Obj]:
        one: Obj = {"name": self.chance.choice(self.doors), "namespace": "ra"}
        if self.some(0.4):
            one["sectionName"] = self.chance.choice(sections)
        if self.some(0.2):
            one["port"] = self.chance.choice(ports)
        found = [one]
        if self.some(0.2):
            mesh = {"group": "", "kind": "Service", "name": self.chance.choice(_NAMES), "namespace": self.chance.choice(_SPACES)}
            found.append({**mesh, "port": mesh_port} if self.some(0.5) else mesh)
        return found

    def hostnames(self, least: int = 0) -> Obj:
        names = self.chance.sample(_HOSTS, self.chance.choice((least, 1, 1, 2)))
        return {"hostnames": names} if names else {}

    def http_match(self) -> Obj:
        form, value = self.chance.choice(_PATHS)
        found: Obj = {"path": {"type": form, "value": value}}
        if self.some(0.3):
            form = self.chance.choice(("Exact", _REGEX))
            found["headers"] = [{"name": self.chance.choice(("x-v", "X-W")), "value": "1", "type": form}]
        if self.some(0.15):
            found["queryParams"] = [{"name": "q", "value": "1"}]
        if self.some(0.15):
            found["method"] = "POST"
        return found

    def http_rule(self, space: str) -> Obj:
        found: Obj = {}
        if self.some(0.85):
            found["matches"] = [self.http_match() for _match in range(self.chance.choice((1, 1, 2)))]
        if self.some(0.1):
            return {**found, "filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "new.example.com"}}]}
        return {**found, "backendRefs": self.backends(space, 8080, 9090)} if self.some(0.95) else found

    def http_route(self, space: str, number: int) -> Obj:
        spec = {
            "parentRefs": self.parents(("http", "more", "third", "pass", "clash"), (80, 81), 8080),
            **self.hostnames(),
            "rules": [self.http_rule(space) for _rule in range(self.chance.choice((1, 2, 3)))],
        }
        return _made("HTTPRoute", space, f"door-http-{number}", spec)

    def grpc_route(self, space: str, number: int) -> Obj:
        method = self.chance.choice(({"service": "shop.Pay"}, {"service": "shop.Pay", "method": "Buy"}, {"method": "Buy"}))
        rules = [{"matches": [{"method": method}], "backendRefs": self.backends(space, 9000)}]
        if self.some(0.5):
            rules.append({"backendRefs": self.backends(space, 9000)})
        spec = {"parentRefs": self.parents(("http", "more"), (80, 81), 9000), **self.hostnames(), "rules": rules}
        return _made("GRPCRoute", space, f"door-grpc-{number}", spec)

    def tcp_route(self, space: str, number: int) -> Obj:
        spec = {"parentRefs": self.parents(("stream", "clash"), (5432,), 5432), "rules": [{"backendRefs": self.backends(space, 5432)}]}
        return _made("TCPRoute", space, f"door-tcp-{number}", spec)

    def tls_route(self, space: str, number: int) -> Obj:
        rules = [{"backendRefs": self.backends(space, 8443)}]
        spec = {"parentRefs": self.parents(("pass", "names"), (443,), 8443), **self.hostnames(1), "rules": rules}
        return _made("TLSRoute", space, f"door-tls-{number}", spec)

    def grant(self, space: str) -> Obj:
        """What routes of the other namespace may lead to."""
        other = next(one for one in _SPACES if one != space)
        kinds = self.chance.sample(_KINDS, self.chance.choice((1, 2, 4)))
        service: Obj = {"group": "", "kind": "Service", **({"name": self.chance.choice(_NAMES)} if self.some(0.4) else {})}
        spec = {"from": [{"group": API, "kind": kind, "namespace": other} for kind in kinds], "to": [service]}
        return _made("ReferenceGrant", space, "for-routes", spec, "v1beta1")

    # what has nothing to do with Gateway API, on the same pods

    def beside(self) -> list[Obj]:
        """A Gateway of Istio that selects the pods, and VirtualServices that name it, the other one, or a listener of that as istiod does:
        its webhook refuses that name, and where it is off the name works."""
        ports = [{"number": self.chance.choice((80, 8080)), "name": "http", "protocol": "HTTP"}]
        spec = {"selector": {"app": DOOR}, "servers": [{"port": port, "hosts": [self.chance.choice(("*", *_HOSTS))]} for port in ports]}
        rule = {"route": [{"destination": {"host": f"{self.chance.choice(_NAMES)}.{self.chance.choice(_SPACES)}.svc.cluster.local"}}]}
        found = [("Gateway", "beside", spec)]
        for number, name in enumerate(("ra/beside", f"ra/{DOOR}", f"ra/{DOOR}~istio-autogenerated-k8s-gateway~http")):
            found.append(
                ("VirtualService", f"beside-{number}", {"hosts": [self.chance.choice(_HOSTS)], "gateways": [name], "http": [rule]})
            )
        return [{**_made(kind, "ra", name, one), "apiVersion": "networking.istio.io/v1"} for kind, name, one in found]

    def whole(self) -> list[Obj]:
        found = self.gateway()
        for make, counts in ((self.http_route, (1, 2, 3)), (self.grpc_route, (0, 0, 1)), (self.tcp_route, (0, 1, 2)),
                             (self.tls_route, (0, 1, 2))):  # fmt: skip
            found += [make(self.chance.choice(_SPACES), number) for number in range(self.chance.choice(counts))]
        found += [self.grant(space) for space in _SPACES if self.some(0.5)]
        return found + (self.beside() if self.some(0.3) else [])
