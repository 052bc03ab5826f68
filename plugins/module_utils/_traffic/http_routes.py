# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Routes as HTTPRoutes of the Gateway API: versions are Services, and of rules that fit the most specific one wins, not the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cookies import cookie_pattern
from .intent import EXACT, PREFIX, PRESENT, REGEX, ComparedText, RequestMatch, ServiceRoute, ServiceTraffic, escaped

__all__ = ["RouteAttachment", "http_route"]

_PATHS = {EXACT: "Exact", PREFIX: "PathPrefix", REGEX: "RegularExpression"}
Obj = dict[str, Any]


@dataclass(frozen=True)
class RouteAttachment:
    """What a route hangs on: a Service for callers in the mesh, Gateways for those outside, with host names and paths that are its own."""

    parents: Sequence[Mapping[str, Any]]
    hosts: Sequence[str] = ()
    paths: Sequence[ComparedText] = ()


def http_route(one: ServiceTraffic, name: str, port: int, at: RouteAttachment) -> Obj:
    """One HTTPRoute for all routes of a Service. port: of the Services behind it."""
    spec: Obj = {
        "parentRefs": list(at.parents),
        **({"hostnames": list(at.hosts)} if at.hosts else {}),
        "rules": [_rule(one, route, port, at.paths) for route in one.routes if not route.matches or _counting(route)],
    }
    meta = {"name": name, "namespace": one.namespace}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec}


def _counting(route: ServiceRoute) -> list[RequestMatch]:
    return [match for match in route.matches if match.claim is None]


def _rule(one: ServiceTraffic, route: ServiceRoute, port: int, paths: Sequence[ComparedText]) -> Obj:
    matches = [found for match in _counting(route) for found in _within(_match(match), paths)]
    if not route.matches:
        matches = [{"path": _path(path)} for path in paths]
    found: Obj = {"matches": matches} if matches else {}
    if route.mirror:
        mirrored: Obj = {"backendRef": _backend(one, route.mirror.version, port)}
        percent = route.mirror.percent
        if percent == int(percent):
            mirrored |= {"percent": int(percent)} if percent != 100 else {}
        else:
            mirrored["fraction"] = {"numerator": round(percent * 1000), "denominator": 100_000}
        found["filters"] = [{"type": "RequestMirror", "requestMirror": mirrored}]
    found["backendRefs"] = [
        {**_backend(one, share.version, port), **({"weight": share.weight} if len(route.to) > 1 else {})} for share in route.to
    ]
    return {**found, **({"timeouts": {"request": route.timeout}} if route.timeout else {})}


def _backend(one: ServiceTraffic, version: str, port: int) -> Obj:
    return {"name": f"{one.service}-{version}" if version else one.service, "port": port or 80}


def _within(match: Obj, paths: Sequence[ComparedText]) -> list[Obj]:
    return [{"path": _path(path), **match} for path in paths] if paths and "path" not in match else [match]


def _path(match: ComparedText) -> Obj:
    return {"type": _PATHS[match.form], "value": match.value}


def _match(match: RequestMatch) -> Obj:
    headers = [_named(name, value) for name, value in match.headers.items()]
    if match.cookies:
        headers.append({"name": "cookie", "type": "RegularExpression", "value": cookie_pattern(match.cookies)})
    found: Obj = {
        "path": _path(match.path) if match.path else None,
        "method": match.method,
        "headers": headers,
        "queryParams": [_named(name, value) for name, value in match.query.items()],
    }
    return {name: value for name, value in found.items() if value}


def _named(name: str, match: ComparedText) -> Obj:
    """Of a header or a parameter: there is no prefix and no presence, but a regular expression of the whole value."""
    patterns = {PREFIX: f"{escaped(match.value)}.*", PRESENT: ".*", REGEX: match.value}
    if match.form == EXACT:
        return {"name": name, "type": "Exact", "value": match.value}
    return {"name": name, "type": "RegularExpression", "value": patterns[match.form]}
