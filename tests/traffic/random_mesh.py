# SPDX-License-Identifier: GPL-3.0-or-later
"""Small meshes by chance, of objects that an API server with Istio's CRDs takes."""

from __future__ import annotations

import random
from typing import Any

from .random_gateways import GatewayMaker

__all__ = ["SPACES", "random_mesh"]

Obj = dict[str, Any]
SPACES = ("ra", "rb")
_END = ".svc.cluster.local"
_NAMES = ("pay", "web", "db")
_OUTSIDE = ("api.example.com", "www.example.org", "*.wild.example.net")
_PORTS = (("http-a", 8080), ("http-b", 9090), ("tcp-db", 5432), ("tls-in", 8443), ("auto", 7000), ("grpc", 9000))
_PATHS = ("/", "/a", "/a/b", "/ab")


def _made(group: str, kind: str, space: str, name: str, spec: Obj, **metadata: Any) -> Obj:
    return {
        "apiVersion": f"{group}/v1" if group else "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": space, **metadata},
        "spec": spec,
    }


class _Maker:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ports = {(space, name): self.chance.sample(_PORTS, self.chance.choice((1, 1, 2, 3))) for space in SPACES for name in _NAMES}

    def some(self, part: float) -> bool:
        return self.chance.random() < part

    def export(self) -> list[str]:
        return self.chance.choice((["*"], ["."], ["ra"], ["rb"], ["ra", "rb"], ["~"]))

    def host(self, space: str) -> str:
        name, where = self.chance.choice(_NAMES), self.chance.choice(SPACES)
        full = f"{name}.{where}{_END}"
        return name if where == space and self.some(0.4) else full

    # services

    def service(self, space: str, name: str) -> Obj:
        spec: Obj = {"selector": {"app": name}, "ports": [{"name": own, "port": port} for own, port in self.ports[(space, name)]]}
        if self.some(0.15):
            spec["clusterIP"] = "None"
        more = {"annotations": {"networking.istio.io/exportTo": self.chance.choice((".", "*", "~", "ra"))}} if self.some(0.15) else {}
        return _made("", "Service", space, name, spec, **more)

    def entry(self, space: str, number: int) -> Obj:
        protocol, port = self.chance.choice((("HTTP", 80), ("HTTP", 8080), ("TLS", 443), ("HTTPS", 443), ("TCP", 5432)))
        host = self.chance.choice(_OUTSIDE)
        spec: Obj = {
            "hosts": [host],
            "ports": [{"number": port, "name": f"{protocol.lower()}-{port}", "protocol": protocol}],
            "location": self.chance.choice(("MESH_EXTERNAL", "MESH_INTERNAL")),
            "resolution": "NONE" if host.startswith("*") else self.chance.choice(("DNS", "NONE", "STATIC")),
        }
        if protocol == "TCP" or self.some(0.2):
            spec["addresses"] = [f"192.0.2.{number + 1}"]
        if spec["resolution"] == "STATIC":
            spec["endpoints"] = [{"address": f"198.51.100.{number + 1}"}]
        if self.some(0.4):
            spec["exportTo"] = self.export()
        return _made("networking.istio.io", "ServiceEntry", space, f"entry-{number}", spec)

    def entries(self) -> list[Obj]:
        """One for each host of a namespace: of two that are of one second istiod takes now the one first, now the other, as its list comes
        out of a map, and their names do not count."""
        made = [self.entry(self.chance.choice(SPACES), number) for number in range(self.chance.randrange(4))]
        first = {(one["metadata"]["namespace"], one["spec"]["hosts"][0]): one for one in reversed(made)}
        return [one for one in made if any(one is kept for kept in first.values())]

    # routes

    def text(self, values: tuple[str, ...]) -> dict[str, str]:
        form = self.chance.choice(("exact", "prefix", "regex"))
        return {form: self.chance.choice(values) + (".*" if form == "regex" else "")}

    def match(self, *, gateways: list[str]) -> Obj:
        found: Obj = {}
        if self.some(0.7):
            found["uri"] = self.text(_PATHS)
        if self.some(0.3):
            found["headers"] = {"x-v": self.text(("1", "2")) if self.some(0.8) else {}}
        if self.some(0.15):
            found["withoutHeaders"] = {"x-w": self.text(("1", "2"))}
        if self.some(0.15):
            found["queryParams"] = {"q": {"exact": "1"}}
        if self.some(0.15):
            found["method"] = {"exact": "POST"}
        if self.some(0.15):
            found["sourceLabels"] = {"app": self.chance.choice(("web", "pay"))}
        if self.some(0.1):
            found["sourceNamespace"] = self.chance.choice(SPACES)
        if self.some(0.15):
            found["port"] = self.chance.choice((8080, 9090))
        if self.some(0.15):
            found["gateways"] = [self.chance.choice(gateways)]
        if found.get("uri") and self.some(0.1):
            found["ignoreUriCase"] = True
        return found or {"uri": {"prefix": "/"}}

    def destination(self, space: str) -> Obj:
        found: Obj = {"host": self.host(space)}
        if self.some(0.5):
            found["subset"] = self.chance.choice(("v1", "v2"))
        if self.some(0.5):
            found["port"] = {"number": self.chance.choice((8080, 9090, 5432))}
        return found

    def targets(self, space: str) -> list[Obj]:
        rows = [{"destination": self.destination(space)} for _number in range(self.chance.choice((1, 1, 2)))]
        return rows if len(rows) == 1 else [{**rows[0], "weight": 70}, {**rows[1], "weight": 30}]

    def rule(self, space: str, gateways: list[str]) -> Obj:
        found: Obj = {}
        if self.some(0.75):
            found["match"] = [self.match(gateways=gateways) for _number in range(self.chance.choice((1, 1, 2)))]
        action = self.chance.random()
        if action < 0.1:
            found["redirect"] = {"uri": "/new"}
        elif action < 0.2:
            found["directResponse"] = {"status": 418}
        else:
            found["route"] = self.targets(space)
        return found

    def virtual_service(self, space: str, number: int) -> Obj:
        gateways = self.chance.choice((["mesh"], ["mesh"], ["mesh", "ra/edge"], ["ra/edge"]))
        hosts = [
            self.host(space),
            *self.chance.sample((*_OUTSIDE, f"*.{space}{_END}", "nobody.example.com"), self.chance.choice((0, 0, 1))),
        ]
        spec: Obj = {
            "hosts": hosts,
            "gateways": gateways,
            "http": [self.rule(space, gateways) for _rule in range(self.chance.randrange(1, 4))],
        }
        if self.some(0.2):
            spec["tcp"] = [{"match": [{"port": self.chance.choice((5432, 7000))}], "route": self.targets(space)}]
        if self.some(0.2) and "*" not in "".join(hosts):
            named = [host if "." in host else f"{host}.{space}{_END}" for host in hosts]
            spec["tls"] = [{"match": [{"sniHosts": named, "port": self.chance.choice((443, 8443))}], "route": self.targets(space)}]
        if self.some(0.3):
            spec["exportTo"] = self.export()
        return _made("networking.istio.io", "VirtualService", space, f"vs-{number}", spec)

    def destination_rule(self, space: str, number: int) -> Obj:
        spec: Obj = {
            "host": self.host(space),
            "subsets": [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")[: self.chance.choice((1, 2))]],
        }
        if self.some(0.3):
            spec["exportTo"] = self.chance.choice((["."], ["*"], ["ra", "rb"]))
        if self.some(0.15):
            spec["workloadSelector"] = {"matchLabels": {"app": "web"}}
        return _made("networking.istio.io", "DestinationRule", space, f"dr-{number}", spec)

    def sidecar(self, space: str) -> Obj:
        every = ("*/*", "./*", "ra/*", "rb/*", f"rb/pay.rb{_END}", f"*/web.ra{_END}", "~rb/*")
        hosts = self.chance.sample(every, self.chance.choice((1, 2, 3)))
        egress: list[Obj] = [{"hosts": hosts if any(not host.startswith("~") for host in hosts) else [*hosts, "./*"]}]
        if self.some(0.2):
            egress.insert(0, {"port": {"number": 8080, "protocol": "HTTP", "name": "http"}, "hosts": [self.chance.choice(("./*", "*/*"))]})
        spec: Obj = {"egress": egress}
        if self.some(0.4):
            spec["outboundTrafficPolicy"] = {"mode": self.chance.choice(("REGISTRY_ONLY", "ALLOW_ANY"))}
        if self.some(0.3):
            spec["workloadSelector"] = {"labels": {"app": "web"}}
        return _made("networking.istio.io", "Sidecar", space, "default", spec)

    def gateway(self) -> Obj:
        servers: list[Obj] = [
            {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [self.chance.choice(("*/*", "*", "ra/*", "./*"))]}
        ]
        if self.some(0.5):
            tls = {"mode": "PASSTHROUGH"} if self.some(0.5) else {"mode": "SIMPLE", "credentialName": "some"}
            protocol = "TLS" if tls["mode"] == "PASSTHROUGH" else "HTTPS"
            servers.append({"port": {"number": 443, "name": "secure", "protocol": protocol}, "hosts": ["*"], "tls": tls})
        if self.some(0.4):
            servers.append({"port": {"number": 5432, "name": "tcp", "protocol": "TCP"}, "hosts": ["*"]})
        return _made("networking.istio.io", "Gateway", "ra", "edge", {"selector": {"app": "gw"}, "servers": servers})

    def backends(self, space: str) -> list[Obj]:
        rows = []
        for _number in range(self.chance.choice((1, 1, 2))):
            where = self.chance.choice(SPACES)
            rows.append({"name": self.chance.choice(_NAMES), "namespace": where, "port": 8080, "weight": self.chance.choice((1, 1, 3, 0))})
        return rows

    def parent(self, kind: str) -> Obj:
        found: Obj = {"group": "", "kind": "Service", "name": self.chance.choice(_NAMES), "namespace": self.chance.choice(SPACES)}
        if self.some(0.4):
            found["port"] = {"HTTPRoute": 8080, "GRPCRoute": 9000}.get(kind, 5432)
        return found

    def http_route(self, space: str, number: int) -> Obj:
        rules = []
        for _rule in range(self.chance.choice((1, 2))):
            path = {"type": self.chance.choice(("PathPrefix", "Exact")), "value": self.chance.choice(_PATHS)}
            match: Obj = {"path": path, **({"headers": [{"name": "x-v", "value": "1"}]} if self.some(0.3) else {})}
            rules.append({"matches": [match], "backendRefs": self.backends(space)})
        return _made(
            "gateway.networking.k8s.io", "HTTPRoute", space, f"http-{number}", {"parentRefs": [self.parent("HTTPRoute")], "rules": rules}
        )

    def grpc_route(self, space: str, number: int) -> Obj:
        method = self.chance.choice(({"service": "shop.Pay"}, {"service": "shop.Pay", "method": "Buy"}, {"method": "Buy"}))
        rules = [{"matches": [{"method": method}], "backendRefs": self.backends(space)}, {"backendRefs": self.backends(space)}]
        return _made(
            "gateway.networking.k8s.io", "GRPCRoute", space, f"grpc-{number}", {"parentRefs": [self.parent("GRPCRoute")], "rules": rules}
        )

    def whole(self) -> list[Obj]:
        found = [self.service(*key) for key in self.ports if self.some(0.9)]
        found += self.entries()
        found += [self.virtual_service(self.chance.choice(SPACES), number) for number in range(self.chance.randrange(1, 6))]
        found += [self.destination_rule(self.chance.choice(SPACES), number) for number in range(self.chance.randrange(4))]
        found += [self.sidecar(space) for space in SPACES if self.some(0.4)]
        found += [self.gateway()]
        found += [self.http_route(self.chance.choice(SPACES), number) for number in range(self.chance.choice((0, 0, 1, 2)))]
        found += [self.grpc_route(self.chance.choice(SPACES), number) for number in range(self.chance.choice((0, 0, 1)))]
        return found + GatewayMaker(self.chance).whole()


def random_mesh(seed: int) -> list[Obj]:
    """The objects of a mesh; of one seed they are always the same."""
    return _Maker(seed).whole()
