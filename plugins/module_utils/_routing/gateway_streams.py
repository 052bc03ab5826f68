# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""TCPRoutes and TLSRoutes of Gateway API, as the VirtualServices that istiod makes of them (pilot/pkg/config/kube/gateway)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._model.fields import entries, name_of, namespace_of, section, sections
from .gateway_backends import AttachedRoute, RouteBackends, UnreadableRuleError, backend_weight
from .hosts import host_matches, intersection
from .registry import created_at, number_of
from .virtual_services import MESH, RoutedVirtualService

__all__ = ["stream_routes"]

_NOWHERE = {"host": "internal.cluster.local", "subset": "zero-weight", "port": {"number": 65535}}


def stream_routes(route: Mapping[str, Any], attached: Iterable[AttachedRoute], backends: RouteBackends) -> Iterator[RoutedVirtualService]:
    """A TCPRoute or TLSRoute: one VirtualService for each host of each parent."""
    namespace, name, tls = namespace_of(route), name_of(route), route.get("kind") == "TLSRoute"
    own = [str(host) for host in entries(section(route, "spec").get("hostnames"))] or ["*"] if tls else ["*"]
    count = 0
    for parent in attached:
        mesh, hosts = parent.gateway == MESH, own
        rows = _rows(route, backends, own if tls else None, mesh=mesh)
        if mesh:
            hosts = [str(host) for host in entries(parent.parent.get("hosts"))]
            rows = [_of_parent(row, parent.parent.get("port"), hosts, tls=tls) for row in rows]
        elif tls and parent.hostname:
            hosts = intersection(own, [parent.hostname])
            rows = [row for row in (_narrowed(row, parent.hostname) for row in rows) if row is not None]
        for host in hosts:
            kept = tuple(_of_host(row, host) if mesh and tls else row for row in rows)
            yield RoutedVirtualService(
                name=f"{name}~{'tls' if tls else 'tcp'}~{count}", namespace=namespace, created=created_at(route), hosts=(host,),
                gateways=(parent.gateway,), http=(), tls=kept if tls else (), tcp=() if tls else kept, export=frozenset("*"),
                ref=f"{route.get('kind')} {namespace}/{name}", gateway_api=True,
            )  # fmt: skip
            count += 1


def _rows(route: Mapping[str, Any], backends: RouteBackends, names: list[str] | None, *, mesh: bool) -> list[dict[str, Any]]:
    found = []
    try:
        for rule in sections(section(route, "spec").get("rules")):
            weighted = [one for one in sections(rule.get("backendRefs")) if backend_weight(one)]
            if not weighted:  # connections are closed
                found.append({"route": [{"destination": dict(_NOWHERE)}]})
                continue
            shares = [0] if len(weighted) == 1 else list(map(backend_weight, weighted))
            row: dict[str, Any] = {"match": [{"sniHosts": names}]} if names is not None else {}
            row["route"] = [{"destination": backends.destination(one, route, mesh), "weight": share}
                            for one, share in zip(weighted, shares, strict=True)]  # fmt: skip
            found.append(row)
    except UnreadableRuleError:
        return []
    return found


def _of_parent(row: Mapping[str, Any], port: Any, hosts: list[str], *, tls: bool) -> dict[str, Any]:
    """A rule in the sidecars: for the port of its parent, and where it names no host, for the parent's hosts."""
    matches = [dict(match) for match in sections(row.get("match"))]
    if len(matches) == 1 and matches[0].get("sniHosts") == ["*"]:
        matches[0]["sniHosts"] = hosts
    if port is not None:
        matches = [{**match, "port": number_of(port)} for match in matches or ([] if tls else [{}])]
    return {**row, "match": matches} if matches else dict(row)


def _of_host(row: Mapping[str, Any], host: str) -> dict[str, Any]:
    matches = sections(row.get("match"))
    if len(matches) == 1 and len(entries(matches[0].get("sniHosts"))) > 1:
        return {**row, "match": [{**matches[0], "sniHosts": [one for one in matches[0]["sniHosts"] if host_matches(host, one)]}]}
    return dict(row)


def _narrowed(row: Mapping[str, Any], hostname: str) -> dict[str, Any] | None:
    """A rule of a TLSRoute at a listener with a host: None where they have no name in common."""
    matches = [
        {**match, "sniHosts": intersection(map(str, entries(match.get("sniHosts"))), [hostname])} for match in sections(row.get("match"))
    ]
    if matches and not any(match["sniHosts"] for match in matches):
        return None
    return {**row, "match": matches} if matches else dict(row)
