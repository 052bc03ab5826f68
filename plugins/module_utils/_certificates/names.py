# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Names: SPIFFE identities, hosts that a certificate covers, and the name constraints of CAs."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .facts import AlternativeNames, Certificate

with contextlib.suppress(ImportError):  # facts.IMPORT_ERROR says so
    from cryptography import x509

__all__ = ["Identity", "covers", "parse_spiffe", "short", "spiffe_problem", "violation"]

_SPIFFE = "spiffe://"
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_WORKLOAD = re.compile(r"/ns/([^/]+)/sa/([^/]+)")
_COMMON_NAME = re.compile(r"(?:^|,)CN=((?:\\.|[^,\\])+)")


def short(titles: Iterable[str]) -> dict[str, str]:
    """Each distinguished name with its common name alone, where that is the only one of its kind among them; else with itself."""
    every = list(dict.fromkeys(titles))
    names = {title: found[1] if (found := _COMMON_NAME.search(title)) else title for title in every}
    return {title: name if list(names.values()).count(name) == 1 else title for title, name in names.items()}


@dataclass(frozen=True)
class Identity:
    """A workload, as Istio writes it into a SPIFFE id."""

    trust_domain: str
    namespace: str
    service_account: str

    def __str__(self) -> str:
        return f"{_SPIFFE}{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"


def spiffe_problem(uri: str) -> str:
    """Why this is no SPIFFE id; empty if it is one."""
    if not uri.startswith(_SPIFFE):
        return f"{uri} does not begin with {_SPIFFE}"
    if len(uri.encode()) > 2048:
        return "the SPIFFE id is longer than 2048 bytes"
    domain, slash, path = uri[len(_SPIFFE) :].partition("/")
    if not _TRUST_DOMAIN.fullmatch(domain):
        return f"{uri} has the trust domain {domain!r}: only a-z, 0-9, '.', '-' and '_' are allowed"
    if slash and any(part in ("", ".", "..") for part in path.split("/")):
        return f"{uri} has an empty or dotted part in its path"
    return ""


def parse_spiffe(uri: str) -> Identity | None:
    """The workload of a well-formed id of Istio's form /ns/NAMESPACE/sa/ACCOUNT; None for another."""
    if spiffe_problem(uri):
        return None
    domain, _slash, path = uri[len(_SPIFFE) :].partition("/")
    match = _WORKLOAD.fullmatch(f"/{path}")
    return Identity(domain, match[1], match[2]) if match else None


def _dns_covers(name: str, host: str) -> bool:
    name, host = name.rstrip(".").lower(), host.rstrip(".").lower()
    if name == host:
        return True
    # RFC 6125: the wildcard is the whole first label and stands for exactly one, never for a public suffix alone
    first, dot, rest = host.partition(".")
    return name.startswith("*.") and bool(first and dot) and "." in rest and first != "*" and name[2:] == rest


def covers(names: AlternativeNames, host: str) -> bool:
    """True if a client that asks for `host` accepts a certificate with these names; `*.example.com` needs the same wildcard."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return any(_dns_covers(name, host) for name in names.dns)
    return any(ipaddress.ip_address(found) == address for found in names.addresses if "/" not in found)


def _below(host: str, base: str) -> bool:
    host, base = host.lower().rstrip("."), base.lower()
    if base.startswith("."):
        return host.endswith(base)
    return not base or host == base or host.endswith(f".{base}")


def _matches(kind: Any, value: str, base: Any) -> bool:
    """One name against one subtree of the same type."""
    if kind is x509.DNSName:
        return _below(value.removeprefix("*."), base)
    if kind is x509.UniformResourceIdentifier:
        host = urlsplit(value).hostname or ""
        return host.endswith(base) if base.startswith(".") else host == base
    if kind is x509.RFC822Name:
        host = value.rpartition("@")[2].lower()
        if "@" in base:
            return value.lower() == base.lower()
        return host.endswith(base.lower()) if base.startswith(".") else host == base.lower()
    return ipaddress.ip_address(value) in base


def _typed(names: AlternativeNames) -> Iterable[tuple[Any, str]]:
    yield from ((x509.DNSName, name) for name in names.dns)
    yield from ((x509.UniformResourceIdentifier, name) for name in names.uris)
    yield from ((x509.RFC822Name, name) for name in names.emails)
    yield from ((x509.IPAddress, name) for name in names.addresses)


def violation(authority: Certificate, certificate: Certificate) -> str:
    """Which name of a certificate a CA above it does not allow; empty if all are allowed."""
    rules = authority.constraints
    if rules is None:
        return ""
    permitted, excluded = list(rules.permitted_subtrees or ()), list(rules.excluded_subtrees or ())
    for kind, value in _typed(certificate.names):
        if any(isinstance(rule, kind) and _matches(kind, value, rule.value) for rule in excluded):
            return f"{value} is excluded"
        allowed = [rule for rule in permitted if isinstance(rule, kind)]
        if allowed and not any(_matches(kind, value, rule.value) for rule in allowed):
            return f"{value} is not among the permitted names"
    return _directory_violation(permitted, excluded, certificate)


def _directory_violation(permitted: list[Any], excluded: list[Any], certificate: Certificate) -> str:
    subject = list(certificate.x509.subject.rdns)
    if not subject:
        return ""
    for rule in excluded:
        if isinstance(rule, x509.DirectoryName) and subject[: len(rule.value.rdns)] == list(rule.value.rdns):
            return f"{certificate.subject} is excluded"
    bases = [list(rule.value.rdns) for rule in permitted if isinstance(rule, x509.DirectoryName)]
    if bases and not any(subject[: len(base)] == base for base in bases):
        return f"{certificate.subject} is not among the permitted names"
    return ""
