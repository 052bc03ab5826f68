# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A request as the policies see it: after Envoy's and the token filter's own changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .addresses import Address, address
from .matching import fold
from .model import HTTP, Mesh, Request
from .paths import normalise, without_query

__all__ = ["Facts", "claim_values", "remote_address", "view"]

_FORWARDED = "x-forwarded-for"
_SPACE_DELIMITED = frozenset(("scope", "permission"))


@dataclass(slots=True)
class Facts:
    """Each attribute as the tuple of its values; an absent one is empty. Not frozen: one is made per request, so it must be cheap."""

    peer_names: tuple[str, ...] = ()
    source_ip: tuple[Address, ...] = ()
    remote_ip: tuple[Address, ...] = ()
    port: tuple[int, ...] = ()
    destination_ip: tuple[Address, ...] = ()
    sni: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    headers: Mapping[str, tuple[str, ...]] | None = None
    claims: Mapping[str, Any] | None = None
    metadata: Mapping[str, Mapping[str, Any]] | None = None
    identity: tuple[str, str, str] | None = None  # trust domain, namespace, service account, as ztunnel reads them

    def header(self, name: str) -> tuple[str, ...]:
        return (self.headers or {}).get(name, ())


def _addresses(value: str | None) -> tuple[Address, ...]:
    return (address(value),) if value else ()


def _lines(value: str | list[str]) -> tuple[str, ...]:
    """A header's lines; HTTP does not count blanks around a value."""
    return tuple(line.strip(" \t") for line in ([value] if isinstance(value, str) else value))


def remote_address(request: Request, kind: str, mesh: Mesh) -> str | None:
    """Envoy's idea of the client: at a gateway the peer, unless proxies are trusted; elsewhere the last entry of X-Forwarded-For."""
    hops = mesh.trusted_proxies - 1 if kind == "gateway" else 0
    entries = [entry.strip() for name, value in request.headers.items() if fold(name) == _FORWARDED
               for line in _lines(value) for entry in line.split(",")]  # fmt: skip
    if hops < 0 or len(entries) <= hops:
        return request.source_ip
    try:
        return str(address(entries[-1 - hops]))
    except ValueError:  # Envoy falls back to the peer
        return request.source_ip


def _split(claims: Mapping[str, Any], every: bool) -> dict[str, Any]:
    """The claims that are split on blanks into lists: two of them, or every one in Istio's older filter."""
    return {
        name: [part for part in value.split(" ") if part] if isinstance(value, str) and (every or name in _SPACE_DELIMITED) else value
        for name, value in claims.items()
    }


def claim_values(claims: Mapping[str, Any] | None, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The strings at a claim's path: the value itself, or those in its list. Nothing else ever matches."""
    value: Any = claims
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    values = value if isinstance(value, list) else [value]
    return tuple(entry for entry in values if isinstance(entry, str))


def _http(facts: Facts, request: Request, kind: str, mesh: Mesh) -> None:
    path = normalise(request.path or "/", mesh.path_normalization)
    facts.method, facts.host = (request.method or "",), (request.host or "",)
    facts.path = (without_query(path),)
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in request.headers.items():
        headers[fold(name)] = headers.get(fold(name), ()) + _lines(value)
    forwarded = headers.get(_FORWARDED, ()) + ((request.source_ip,) if kind == "gateway" and request.source_ip else ())
    if forwarded:  # a gateway adds the peer; Envoy keeps this header as one line
        headers[_FORWARDED] = (",".join(forwarded),)
    headers |= {":authority": facts.host, "host": facts.host, ":method": facts.method, ":path": (path,)}
    can = mesh.abilities
    facts.headers = headers if can.headers_one_by_one else {name: (",".join(lines),) for name, lines in headers.items()}
    facts.claims = _split(request.claims, not can.envoy_jwt) if request.claims is not None else None


def view(request: Request, kind: str, protocol: str, mesh: Mesh) -> Facts:
    """What an enforcer of this kind knows about the request."""
    names: tuple[str, ...] = (f"spiffe://{request.principal}",) if request.principal else ()
    if kind == "waypoint":
        names = names or ("-",)  # its tunnel hands on the URI of the certificate, and a dash where there is none
    else:
        names += request.dns_names
    facts = Facts(peer_names=names if request.tls else (), source_ip=_addresses(request.source_ip))
    facts.remote_ip = facts.source_ip
    facts.port = () if request.port is None else (request.port,)
    facts.destination_ip = _addresses(request.destination_ip)
    facts.sni = (fold(request.sni or ""),)
    facts.metadata = request.metadata
    parts = request.principal.split("/") if request.principal and request.tls else []
    if len(parts) == 5 and parts[1] == "ns" and parts[3] == "sa":  # ztunnel does not ask whether there is anything between the slashes
        facts.identity = (parts[0], parts[2], parts[4])
    if protocol == HTTP:
        _http(facts, request, kind, mesh)
        facts.remote_ip = _addresses(request.remote_ip or remote_address(request, kind, mesh))
    return facts
