# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The attributes that a policy can ask about: which values a request has for each, and what a policy's value matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .addresses import network_matcher, port_matcher
from .facts import Facts, claim_values
from .matching import (
    Matcher,
    Pair,
    Text,
    fold,
    header_matcher,
    namespace_matcher,
    path_matcher,
    principal_pair,
    service_account_matcher,
    string_matcher,
    trust_domain_matcher,
)
from .model import Mesh
from .trust_domains import expand_principals, expand_trust_domains

__all__ = ["FIELDS", "TUNNELLED", "Attribute", "UnknownKeyError", "attribute", "for_field"]

FIELDS = {
    "principals": "source.principal",
    "requestPrincipals": "request.auth.principal",
    "serviceAccounts": "source.serviceAccount",
    "trustDomains": "source.trustDomain",
    "namespaces": "source.namespace",
    "remoteIpBlocks": "remote.ip",
    "ipBlocks": "source.ip",
    "ports": "destination.port",
}  # a source's or operation's list means the same as this key of a `when`
_FILTERS = "experimental.envoy.filters."
_HEADERS, _CLAIMS = "request.headers", "request.auth.claims"


class UnknownKeyError(ValueError):
    """Not a key of a `when`: Istio skips the whole rule, whatever the action."""


@dataclass(frozen=True)
class Attribute:
    """`values`: what a request has; `matcher`: what a policy's value matches, ValueError if nothing can be made of it."""

    name: str
    values: Callable[[Facts], Sequence[Any]]
    matcher: Callable[[str], Matcher]
    http_only: bool = False
    expand: Callable[[Sequence[str]], tuple[str, ...]] = tuple


def _peers(facts: Facts) -> Sequence[str]:
    return facts.peer_names


def _pairs(facts: Facts) -> Sequence[tuple[str, str]]:
    claims = facts.claims or {}
    issuer, subject = claims.get("iss"), claims.get("sub")
    return ((issuer, subject),) if isinstance(issuer, str) and isinstance(subject, str) else ()


def _joined_pair(facts: Facts) -> Sequence[str]:
    issuer, subject = claim_values(facts.claims, ("iss",)), claim_values(facts.claims, ("sub",))
    return (f"{issuer[0]}/{subject[0]}",) if issuer and subject else ()


def _joined_audiences(facts: Facts) -> Sequence[str]:
    audiences = claim_values(facts.claims, ("aud",))
    return (",".join(audiences),) if audiences else ()


def _bracketed(text: str) -> str:
    if not text.startswith("[") or not text.endswith("]"):
        raise ValueError(f"{text!r} is not of the form [name]")
    return text[1:-1]


def _nested(text: str) -> tuple[str, ...]:
    """`[a][b]` is the path a, b; brackets that do not pair up are part of one name."""
    if not text:  # all claims at once: a mapping, which no string matches
        return ()
    parts = text[1:-1].split("][") if text.startswith("[") and text.endswith("]") else []
    return tuple(parts) if parts and not any(mark in part for part in parts for mark in "[]") else (_bracketed(text),)


def _header(key: str) -> Attribute:
    name = fold(_bracketed(key[len(_HEADERS) :]))
    return Attribute(key, lambda facts: facts.header(name), header_matcher, http_only=True)


def _claim(key: str) -> Attribute:
    path = _nested(key[len(_CLAIMS) :])
    return Attribute(key, lambda facts: claim_values(facts.claims, path), string_matcher, http_only=True)


def _metadata_matcher(value: str) -> Matcher:
    if value.startswith("[") and value.endswith("]"):
        return Pair(Text("exact", "list"), string_matcher(value.strip("[]")))
    return Pair(Text("exact", "string"), string_matcher(value))


def _metadata(key: str) -> Attribute:
    head, bracket, name = key.removeprefix("experimental.").removesuffix("]").partition("[")
    if not bracket:
        raise ValueError(f"{key!r} is not of the form {_FILTERS}a.b[name]")

    def values(facts: Facts) -> Sequence[tuple[str, str]]:
        value = (facts.metadata or {}).get(head, {}).get(name)
        if isinstance(value, str):
            return (("string", value),)
        return tuple(("list", entry) for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()

    return Attribute(key, values, _metadata_matcher)


def _tokens(key: str, mesh: Mesh) -> Attribute | None:
    own = not mesh.abilities.envoy_jwt
    if key == "request.auth.principal":
        return Attribute(key, _joined_pair if own else _pairs, string_matcher if own else principal_pair, http_only=True)
    if key == "request.auth.audiences":
        values = _joined_audiences if own else lambda facts: claim_values(facts.claims, ("aud",))
        return Attribute(key, values, string_matcher, http_only=True)
    if key == "request.auth.presenter":
        return Attribute(key, lambda facts: claim_values(facts.claims, ("azp",)), string_matcher, http_only=True)
    return None


def _callers(key: str, namespace: str, mesh: Mesh) -> Attribute | None:
    if key == "source.principal":
        return Attribute(
            key,
            _peers,
            lambda value: string_matcher(value, "spiffe://"),
            expand=lambda values: expand_principals(values, mesh.trust_domains),
        )
    if key == "source.namespace":
        return Attribute(key, _peers, namespace_matcher)
    if key == "source.serviceAccount" and mesh.abilities.service_accounts:
        return Attribute(key, _peers, lambda value: service_account_matcher(value, namespace, mesh.abilities.accounts_quoted))
    if key == "source.trustDomain" and mesh.abilities.trust_domains:
        return Attribute(key, _peers, trust_domain_matcher, expand=lambda values: expand_trust_domains(values, mesh.trust_domains))
    return None


_PLAIN = {
    "source.ip": Attribute("source.ip", lambda facts: facts.source_ip, network_matcher),
    "remote.ip": Attribute("remote.ip", lambda facts: facts.remote_ip, network_matcher),
    "destination.ip": Attribute("destination.ip", lambda facts: facts.destination_ip, network_matcher),
    "destination.port": Attribute("destination.port", lambda facts: facts.port, port_matcher),
    "connection.sni": Attribute("connection.sni", lambda facts: facts.sni, string_matcher),
}


# A waypoint's peer is the end of a tunnel inside itself, which has no address: whatever is asked of it never matches.
TUNNELLED = Attribute("source.ip at a waypoint", lambda facts: (), network_matcher)


def attribute(key: str, namespace: str, mesh: Mesh) -> Attribute:
    """The attribute of a `when` key in a policy of this namespace; UnknownKeyError, or ValueError if the key's form is wrong."""
    found = _PLAIN.get(key) or _tokens(key, mesh) or _callers(key, namespace, mesh)
    if found:
        return found
    for prefix, make in ((_FILTERS, _metadata), (_HEADERS, _header), (_CLAIMS, _claim)):
        if key.startswith(prefix):
            return make(key)
    raise UnknownKeyError(f"{key!r} is not an attribute that Istio knows")


def for_field(name: str, namespace: str, mesh: Mesh) -> Attribute:
    """The attribute of a source's or operation's list, by its positive name."""
    if name == "hosts":
        return Attribute(name, lambda facts: facts.host, lambda value: header_matcher(value, folded=True), http_only=True)
    if name == "methods":
        return Attribute(name, lambda facts: facts.method, header_matcher, http_only=True)
    if name == "paths":
        templates = mesh.abilities.path_templates
        return Attribute(name, lambda facts: facts.path, lambda value: path_matcher(value, templates), http_only=True)
    return attribute(FIELDS[name], namespace, mesh)
