# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What of istiod's routes a real Envoy refuses; it then keeps what it had, and a new proxy serves nothing on that port."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .listeners import Chain, Listener
from .routes import HttpRoute, TextMatch
from .virtual_hosts import RouteTable

__all__ = ["listener_refusal", "refusal"]

_NOT_RE2 = re.compile(r"\(\?(?:[=!>]|<[=!])|\\[1-9]")  # looks around, atomic groups and references are not in RE2


def _texts(route: HttpRoute) -> Iterator[TextMatch]:
    for one in (*route.headers, *route.query):
        yield one.text


def _regex_error(pattern: str) -> str:
    if _NOT_RE2.search(pattern):
        return f"{pattern}: RE2 has no such group"
    try:
        re.compile(pattern)
    except re.error as exc:
        return f"{pattern}: {exc}"
    return ""


def _of_route(route: HttpRoute) -> str:
    if any(text.form == "prefix" and not text.value for text in _texts(route)):
        return "StringMatcher.Prefix: value length must be at least 1 characters"
    for text in (route.path, *_texts(route)):
        error = _regex_error(text.value) if text.form == "regex" else ""
        if error:
            return error
    if route.action == "none":
        return "Route.Action: value is required"
    if route.action == "route" and not route.clusters:
        return "WeightedCluster.Clusters: value must contain at least 1 item(s)"
    if route.action == "direct_response" and not 200 <= route.status < 600:
        return f"DirectResponseAction.Status: value must be inside range [200, 600), not {route.status}"
    return ""


def _criteria(chain: Chain) -> Iterator[tuple[object, ...]]:
    for network in chain.networks or ("",):
        for name in (name.lower() for name in chain.sni if name != "*") if "*" not in chain.sni and chain.sni else ("",):
            for word in chain.alpn or ("",):
                yield chain.port, network, name, chain.transport, word


def listener_refusal(listener: Listener) -> str:
    """Why Envoy refuses a listener; empty where it takes it."""
    seen: set[tuple[object, ...]] = set()
    for chain in listener.chains:
        if any("*" in name.removeprefix("*.") for name in chain.sni if name != "*"):
            return "partial wildcards are not supported in server_names"
        own = set(_criteria(chain))
        if own & seen:
            return f"{listener.name}: multiple filter chains with overlapping matching rules are defined"
        seen |= own
    return ""


def refusal(table: RouteTable) -> str:
    """Why Envoy refuses a route configuration; empty where it takes it."""
    if sum(host.domains.count("*") for host in table.hosts) > 1:
        return f"Only a single wildcard domain is permitted in route {table.name}"
    for host in table.hosts:
        for route in host.routes:
            found = _of_route(route)
            if found:
                return found
    return ""
