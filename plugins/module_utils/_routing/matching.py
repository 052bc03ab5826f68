# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""How Envoy chooses: the filter chain of a connection, the route of a request."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from .listeners import PLAIN_HTTP, Chain, Listener
from .model import RouteRequest
from .routes import HeaderMatch, HttpRoute, TextMatch

__all__ = ["RequestFacts", "choose_chain", "first_route", "request_facts", "route_matches"]


@lru_cache(maxsize=4096)
def _networks(texts: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    found = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        if str(ipaddress.ip_interface(text).ip) != "0.0.0.0":  # noqa: S104  # no address is any address
            found.append(network)
    return tuple(found)


def _by_network(chains: Sequence[Chain], address: str) -> list[Chain]:
    """Those for the smallest network around the address; else those that name none."""
    best, found = -1, []
    general = []
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        ip = None
    for chain in chains:
        networks = _networks(chain.networks)
        if not networks:
            general.append(chain)
            continue
        for network in networks:
            if ip is not None and ip in network:
                if network.prefixlen > best:
                    best, found = network.prefixlen, [chain]
                elif network.prefixlen == best and chain not in found:
                    found.append(chain)
    return found or general


def _by_name(chains: Sequence[Chain], sni: str) -> list[Chain]:
    """Those for the exact name, else for the longest end with a star, else those that name none."""

    def named(wanted: str) -> list[Chain]:
        return [chain for chain in chains if wanted in (name.lower() for name in chain.sni)]

    if sni:
        found = named(sni)
        if found:
            return found
        rest = sni
        while "." in rest:
            rest = rest.partition(".")[2]
            found = named(f"*.{rest}")
            if found:
                return found
    return [chain for chain in chains if not chain.sni or "*" in chain.sni]


def choose_chain(listener: Listener, request: RouteRequest) -> Chain | None:
    """The filter chain of a connection. Each criterion picks the most specific there is and is never gone back on."""
    tls = request.tls and listener.detects_tls
    sni = request.sni.lower() if tls else ""
    alpn: Sequence[str] = request.alpn if tls else ()
    if listener.detects_http and not request.tls and request.http:
        alpn = (PLAIN_HTTP[request.protocol == "http2"],)
    chains: Sequence[Chain] = listener.chains
    own = [chain for chain in chains if chain.port == request.port]
    chains = own or [chain for chain in chains if not chain.port]
    chains = _by_name(_by_network(chains, request.address), sni)
    transport = "tls" if tls else "raw_buffer"
    chains = [chain for chain in chains if chain.transport == transport] or [chain for chain in chains if not chain.transport]
    found = next((chain for word in alpn for chain in chains if word in chain.alpn), None)
    found = found or next((chain for chain in chains if not chain.alpn), None)
    return found or listener.default


class RequestFacts:
    """A request as routes look at it."""

    def __init__(self, request: RouteRequest, scheme: str) -> None:
        self.path, _mark, query = request.path.partition("#")[0].partition("?")
        self.query: dict[str, str] = {}
        for part in query.split("&") if query else ():
            name, _equal, value = part.partition("=")
            self.query.setdefault(name, value)
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        self.headers.update(
            {":method": request.method, ":authority": request.host, "host": request.host, ":path": request.path, ":scheme": scheme}
        )


def request_facts(request: RouteRequest, *, tls: bool) -> RequestFacts:
    """tls: the request comes through TLS that ends at this proxy."""
    return RequestFacts(request, "https" if tls else "http")


@lru_cache(maxsize=4096)
def _regex(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:
        return None


def _text_is(match: TextMatch, value: str | None) -> bool:
    if value is None:
        return False
    if match.form == "exact":
        return value == match.value
    if match.form == "prefix":
        return value.startswith(match.value)
    if match.form == "regex":
        found = _regex(match.value)
        return found is not None and found.fullmatch(value) is not None
    return True


def _path_is(route: HttpRoute, path: str) -> bool:
    form, value = route.path.form, route.path.value
    if form == "regex":
        return _text_is(route.path, path)
    if route.ignore_case:
        path, value = path.lower(), value.lower()
    if form == "exact":
        return path == value
    if form == "separated":
        return path == value or path.startswith(value + "/")
    return path.startswith(value)


def _header_is(match: HeaderMatch, headers: Mapping[str, str]) -> bool:
    value = headers.get(match.name.lower())
    if value is None and match.absent_is_empty:
        value = ""
    if value is None:  # of an absent header only the presence can be denied
        return match.inverted and match.text.form == "present"
    return _text_is(match.text, value) is not match.inverted


def route_matches(route: HttpRoute, facts: RequestFacts) -> bool:
    """Is it the route of this request?"""
    if not _path_is(route, facts.path):
        return False
    if not all(_header_is(one, facts.headers) for one in route.headers):
        return False
    return all(one.name in facts.query and _text_is(one.text, facts.query[one.name]) for one in route.query)


def first_route(routes: Iterable[HttpRoute], facts: RequestFacts) -> tuple[int, HttpRoute] | None:
    """The first route of a request, with its place."""
    return next(((number, route) for number, route in enumerate(routes) if route_matches(route, facts)), None)
