# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded cases: objects, a proxy and a request, with what istiod's own generator and a real Envoy make of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._routing.durations import duration_text
from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import Destination, RouteAnswer, RoutingWorld
from ansible_collections.meshops.mesh.plugins.module_utils._routing.hosts import is_ip
from ansible_collections.meshops.mesh.plugins.module_utils._routing.model import Consumer, RoutedEndpoint, RouteRequest, RoutingMesh
from ansible_collections.meshops.mesh.plugins.module_utils._routing.routes import HeaderChanges


@dataclass(frozen=True)
class RoutingCase:
    row: dict[str, Any]
    ours: dict[str, Any]

    @property
    def expected(self) -> dict[str, Any]:
        return comparable(self.row["result"])

    @property
    def agrees(self) -> bool:
        return comparable(self.ours) == self.expected

    @property
    def differences(self) -> list[str]:
        ours, theirs = comparable(self.ours), self.expected
        return [f"{key}: recorded {json.dumps(theirs.get(key))}, ours {json.dumps(ours.get(key))}"
                for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]  # fmt: skip


def comparable(result: Mapping[str, Any]) -> dict[str, Any]:
    """Endpoints have no order; why Envoy refuses is told in its words and in ours."""
    found = dict(result)
    if "clusters" in found:
        found["clusters"] = [{**one, "endpoints": sorted(one["endpoints"])} if "endpoints" in one else one for one in found["clusters"]]
    if "computed" in found:
        found["computed"] = comparable(found["computed"])
        found.pop("reason", None)
    return json.loads(json.dumps(found))


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of cases, compressed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def caller_of(row: Mapping[str, Any]) -> Consumer:
    proxy = row["proxy"]
    return Consumer(
        namespace=proxy["namespace"], labels=proxy["labels"] or {}, gateway=proxy["kind"] == "gateway", name=proxy["name"], ip=proxy["ip"],
        service_account=proxy["service_account"],
    )  # fmt: skip


def request_of(row: Mapping[str, Any]) -> RouteRequest:
    request = row["request"]
    return RouteRequest(
        address=request["address"], port=request["port"], host=request.get("host") or "", protocol=request["protocol"],
        method=request.get("method") or "GET", path=request.get("path") or "/", headers=request.get("headers") or {},
        tls=bool(request.get("tls")), sni=request.get("sni") or "", alpn=(request["alpn"],) if request.get("alpn") else (),
    )  # fmt: skip


def _endpoint(endpoint: RoutedEndpoint, plain: bool) -> str:
    mark = "/plain" if plain else ""
    if not endpoint.port and not is_ip(endpoint.address):
        return f"unix:{endpoint.address}{mark}"
    return f"{endpoint.address}:{endpoint.port}{mark}"


def _changes(changes: HeaderChanges) -> dict[str, Any]:
    found = {"set": dict(changes.set), "add": dict(changes.add), "remove": list(changes.remove)}
    return {key: value for key, value in found.items() if value}


def _cluster(one: Destination) -> dict[str, Any]:
    cluster = one.cluster
    found: dict[str, Any] = {"name": one.name, "exists": cluster is not None}
    if one.weight is not None:
        found["weight"] = one.weight
    if one.name.startswith(("outbound|", "outbound_.")):
        sep = "|" if "|" in one.name else "_."
        _form, port, subset, host = one.name.split(sep, 3)
        found |= {"host": host, "port": int(port)} | ({"subset": subset} if subset else {})
    if one.choice is not None and one.weight is not None:
        for key, value in (
            ("request_headers", _changes(one.choice.request)),
            ("response_headers", _changes(one.choice.response)),
            ("host_rewrite", one.choice.host_rewrite),
        ):
            if value:
                found[key] = value
    if cluster is None:
        return found
    found |= {"type": cluster.type, "tls": cluster.tls}
    if cluster.balancer != "ROUND_ROBIN":
        found["lb"] = cluster.balancer
    if cluster.sni:
        found["sni"] = cluster.sni
    if cluster.outlier:
        found["outlier"] = True
    if cluster.max_connections:
        found["max_connections"] = cluster.max_connections
    if cluster.endpoints:
        found["endpoints"] = [_endpoint(endpoint, endpoint in cluster.plain) for endpoint in cluster.endpoints]
    elif not cluster.usable:
        found["no_endpoints"] = True
    return found


def _number(value: float) -> float:
    return int(value) if value == int(value) else value


def _of_route(answer: RouteAnswer, found: dict[str, Any]) -> None:
    route = answer.route
    if route is None:
        return
    found |= {"route": route.name, "route_index": answer.index}
    for key, changes in (("request_headers", route.request), ("response_headers", route.response)):
        if _changes(changes):
            found[key] = _changes(changes)
    if route.fault:
        fault = {key: {**value, "percent": _number(value["percent"])} for key, value in route.fault.items()}
        if "delay" in fault:
            fault["delay"]["fixed"] = duration_text(fault["delay"]["fixed"])
        found["fault"] = fault
    if route.action == "direct_response":
        found["direct_response"] = {"status": route.status}
    if route.action == "redirect":
        found["redirect"] = dict(route.redirect)
    if route.action != "route":
        return
    if route.timeout:
        found["timeout"] = duration_text(route.timeout)
    if route.retries:
        found["retries"] = {key: duration_text(value) if key == "per_try" else value for key, value in route.retries.items()}
    if route.rewrite:
        found["rewrite"] = dict(route.rewrite)
    if route.hash:
        found["hash"] = dict(route.hash)
    if answer.mirrors:
        found["mirror"] = [{"cluster": name, "exists": exists, "percent": _number(percent)} for name, exists, percent in answer.mirrors]


def as_result(answer: RouteAnswer) -> dict[str, Any]:
    """An answer in the words of the rows."""
    if answer.computed is not None:
        return {"outcome": answer.outcome, "reason": answer.reason, "computed": as_result(answer.computed)}
    found: dict[str, Any] = {"outcome": answer.outcome}
    if answer.listener:
        found["listener"] = answer.listener
    if answer.chain is not None:
        if answer.chain.name:
            found["filter_chain"] = answer.chain.name
        if answer.chain.tls is not None:
            found["downstream_tls"] = dict(answer.chain.tls)
    if answer.tcp:
        found["tcp"] = True
    if answer.routes:
        found["route_config"] = answer.routes
    if answer.virtual_host is not None:
        found["virtual_host"] = answer.virtual_host.name
    if answer.destinations:
        found["clusters"] = [_cluster(one) for one in answer.destinations]
    _of_route(answer, found)
    return found


class Worlds:
    """Each world is read once; the rows of a set follow each other."""

    def __init__(self) -> None:
        self._key: object = None
        self._world: RoutingWorld | None = None

    def of(self, row: Mapping[str, Any]) -> RoutingWorld:
        key = (row["set"], json.dumps(row["mesh"], sort_keys=True), row.get("revision"), json.dumps(row["objects"]))
        if self._world is None or key != self._key:
            mesh = RoutingMesh(row["mesh"], revision=row.get("revision") or "")
            self._key, self._world = key, RoutingWorld(row["objects"], mesh)
        return self._world


def run_rows(rows: Iterable[dict[str, Any]]) -> Iterator[RoutingCase]:
    """Each row with our answer."""
    worlds = Worlds()
    for row in rows:
        yield RoutingCase(row, as_result(worlds.of(row).answer(caller_of(row), request_of(row))))
