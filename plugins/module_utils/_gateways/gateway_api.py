# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Gateways of the Gateway API out of mesh_gateways: what istiod shall run, and what may attach to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._model.fields import entries, section, sections
from .._model.gateway_intent import by_gateway_api, home_of, listeners_of, workload_of
from .._model.plane_parts import least_pods
from .._text import quoted, shown

__all__ = ["api_gateways", "api_refusals", "scale_refusals"]

Rows = Sequence[Mapping[str, Any]]
_PLAIN = ("HTTP", "HTTP2", "GRPC")  # which HTTPRoutes serve alike: a listener says HTTP for all of them
_MODES = ("SIMPLE", "MUTUAL")
_OWN = ("api", "namespace", "class", "listeners", "allowed_routes", "replicas", "autoscale", "service_type")


def api_gateways(gateways: Rows, *, plane: str, traffic: Rows = (), routed: bool = False) -> list[dict[str, Any]]:
    """One row for each of mesh_gateways that is a Gateway of the Gateway API, for the template.

    plane: the namespace of the control plane; traffic: mesh_traffic, whose HTTPRoutes attach, too; routed: whether Routes lead to it."""
    return [_row(one, plane, traffic, routed) for one in gateways if by_gateway_api(one)]


def _row(one: Mapping[str, Any], plane: str, traffic: Rows, routed: bool) -> dict[str, Any]:
    home, scale = home_of(one, plane), section(one, "autoscale")
    least = least_pods(one)
    return {
        "name": str(one["name"]),
        "namespace": home,
        "class": str(one.get("class") or "istio"),
        "workload": workload_of(one),
        "service_type": str(one.get("service_type") or ("ClusterIP" if routed else "LoadBalancer")),
        "least": least,
        "most": int(scale["max"]) if scale else least,
        "cpu": int(scale.get("cpu") or 80),
        "listeners": list(_listeners(one)),
        "allowed": _allowed(one, home, traffic),
        "routes": list(_routes(one)),
        "exposed": list(_exposed(one)),
    }


def _listeners(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A listener has one host name: one for each of them."""
    for row in listeners_of(one):
        protocol, port, tls = str(row.get("protocol") or "HTTP"), int(row.get("port") or 80), section(row, "tls")
        for number, host in enumerate(map(str, entries(row.get("hosts"))), 1):
            yield {
                "name": f"{protocol.lower()}-{port}" + (f"-{number}" if number > 1 else ""),
                "port": port,
                "protocol": "HTTP" if protocol in _PLAIN else protocol,
                "host": "" if host == "*" else host,
                "secret": str(tls.get("credential_name") or ""),
                "mutual": tls.get("mode") == "MUTUAL",
            }


def _exposed(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The hosts that get a Route of OpenShift: each once, at the first listener that has it."""
    seen: set[str] = set()
    said = section(one, "route")
    for row in listeners_of(one):
        termination = str(said.get("termination") or ("passthrough" if row.get("protocol") == "HTTPS" else "edge"))
        for host in map(str, entries(row.get("hosts"))):
            if host not in seen:
                yield {
                    "host": host,
                    "port": int(row.get("port") or 80),
                    "termination": termination,
                    "insecure": str(said.get("insecure") or "Redirect"),
                }
            seen.add(host)


def _allowed(one: Mapping[str, Any], home: str, traffic: Rows) -> list[str]:
    """The namespaces whose HTTPRoutes may attach: its own, those of its routes, those of mesh_traffic at it, and those that are named."""
    found = [home, *map(str, entries(one.get("allowed_routes")))]
    found += [str(route.get("namespace")) for route in sections(one.get("routes"))]
    found += [str(row.get("namespace")) for row in traffic if one.get("name") in entries(row.get("gateways"))]
    return sorted(dict.fromkeys(found))


def _routes(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One HTTPRoute in the namespace of each Service: so nobody has to grant anything to another namespace."""
    hosts = [str(host) for row in listeners_of(one) for host in entries(row.get("hosts"))]
    spaces = dict.fromkeys(str(route.get("namespace")) for route in sections(one.get("routes")))
    for space in spaces:
        rows = [route for route in sections(one.get("routes")) if route.get("namespace") == space]
        yield {
            "name": str(one["name"]),
            "namespace": space,
            "hosts": [] if "*" in hosts else list(dict.fromkeys(hosts)),
            "rules": [{"prefix": str(row.get("prefix") or "/"), "service": row["service"], "port": int(row["port"])} for row in rows],
        }


# what cannot be


def api_refusals(gateways: Rows, control_plane: Mapping[str, Any], provider: str = "") -> Iterator[str]:
    """A sentence for each thing that a Gateway of the Gateway API, or one of Istio's API beside it, cannot mean."""
    workloads: dict[tuple[str, str], str] = {}
    for number, row in enumerate(gateways):
        where = f"mesh_gateways[{number}]"
        if not by_gateway_api(row):
            yield from (
                f"{where}.{field}: is for gateways of the Gateway API (api: gateway); leave it out"
                for field in _OWN
                if field != "api" and row.get(field) not in (None, [], {})
            )
            continue
        if provider == "ossm2":
            yield (
                f"{where}.api: OpenShift Service Mesh 2 has no gateways of the Gateway API here; make it one of mesh_project_gateways, "
                "a gateway by injection, or leave api out"
            )
        yield from _foreign_fields(where, row)
        yield from scale_refusals(where, row)
        yield from _of_listeners(where, row, control_plane)
        yield from _same_prefix(where, row)
        own = (home_of(row, str(control_plane.get("namespace"))), workload_of(row))
        if own in workloads:
            yield f"{where}.name: {workloads[own]} has a Deployment {shown('/'.join(own))} as well; give one of them another name"
        workloads.setdefault(own, where)


def _foreign_fields(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    if row.get("gateway") is not None:
        yield f"{where}.gateway: a Gateway of the Gateway API has pods of its own; leave gateway out, and say its namespace"
    if section(row, "virtual_service"):
        yield f"{where}.virtual_service: its routes are HTTPRoutes, each in the namespace of its Services; leave it out"


def scale_refusals(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    """How many pods a gateway has is said once."""
    scale = section(row, "autoscale")
    if not scale:
        return
    if row.get("replicas") is not None:
        yield f"{where}.replicas: autoscale decides how many pods there are; leave out one of the two"
    least, most = int(scale.get("min") or 1), int(scale.get("max") or 0)
    if least > most:
        yield f"{where}.autoscale.max: is {most}, less than min ({least})"


def _of_listeners(where: str, row: Mapping[str, Any], control_plane: Mapping[str, Any]) -> Iterator[str]:
    seen: dict[tuple[int, str], tuple[str, str]] = {}
    ports: dict[int, tuple[str, str]] = {}
    for number, one in enumerate(listeners_of(row)):
        place = where if number == 0 else f"{where}.listeners[{number - 1}]"
        protocol, port = str(one.get("protocol") or "HTTP"), int(one.get("port") or 80)
        yield from _of_tls(place, protocol, section(one, "tls"), control_plane)
        word = "HTTP" if protocol in _PLAIN else protocol
        before, first = ports.setdefault(port, (word, place))
        if before != word:
            yield f"{place}.port: {first} has port {port} with {before}, and this one with {word}; a port speaks one protocol"
        for host in map(str, entries(one.get("hosts"))):
            if (port, host) in seen:
                yield f"{place}.hosts: {seen[port, host][0]} serves {shown(host)} on port {port} as well; leave it out in one of them"
            seen.setdefault((port, host), (place, host))


def _of_tls(place: str, protocol: str, tls: Mapping[str, Any], control_plane: Mapping[str, Any]) -> Iterator[str]:
    if protocol == "TLS":
        yield (
            f"{place}.protocol: TLS that passes through needs a TLSRoute, which is no part of the Gateway API that OpenShift brings; "
            "use a gateway of Istio's API for it"
        )
    if tls.get("mode", "SIMPLE") not in _MODES:
        yield f"{place}.tls.mode: a listener knows {' and '.join(_MODES)} only; use a gateway of Istio's API for {shown(tls['mode'])}"
    for field in ("min_version", "cipher_suites"):
        if tls.get(field):
            yield f"{place}.tls.{field}: a listener of the Gateway API has no word for it; leave it out, or use a gateway of Istio's API"
    least = str(control_plane.get("min_tls_version") or "")
    if protocol == "HTTPS" and least.upper() == "TLSV1_3":
        yield (
            f"{place}.protocol: mesh_control_plane.min_tls_version is {shown(least)}, and a listener of the Gateway API takes TLS 1.2 "
            "as well; use a gateway of Istio's API"
        )


def _same_prefix(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Of two HTTPRoutes for a path the older one counts, and nobody can say which that is."""
    seen: dict[str, str] = {}
    for number, route in enumerate(sections(row.get("routes"))):
        prefix, place = str(route.get("prefix") or "/"), f"{where}.routes[{number}]"
        if prefix in seen:
            yield f"{place}.prefix: {seen[prefix]} has {quoted(prefix)} as well; each path leads to one Service"
        seen.setdefault(prefix, place)
        if entries(route.get("hosts")):
            yield f"{place}.hosts: are for TLS that passes through; leave them out"
