# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What `mesh_traffic` says, as values. What it cannot mean is in refusals.py and is asked first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .._model.fields import entries, section, sections, texts
from .._model.traffic_rows import route_name, version_labels

__all__ = [
    "EXACT",
    "PREFIX",
    "PRESENT",
    "REGEX",
    "ClaimMatch",
    "ComparedText",
    "Mirror",
    "RequestMatch",
    "Retries",
    "ServiceRoute",
    "ServiceTraffic",
    "VersionShare",
    "VersionSubset",
    "escaped",
    "read_traffic",
]

EXACT, PREFIX, REGEX, PRESENT = "exact", "prefix", "regex", "present"
ANY_VERSION = ""  # a destination that is the whole Service


@dataclass(frozen=True)
class ComparedText:
    """How a text is compared: `form` is exact, prefix, regex (of the whole text) or present."""

    form: str
    value: str = ""

    @classmethod
    def of(cls, said: Any) -> ComparedText:
        """A text by itself means exactly that text."""
        if isinstance(said, Mapping):
            form, value = next(iter(said.items()))
            return cls(str(form), "" if form == PRESENT else str(value))
        return cls(EXACT, str(said))


@dataclass(frozen=True)
class ClaimMatch:
    """A claim of the caller's token, as a RequestAuthentication of the gateway has verified it; value: whose it may be."""

    claim: str
    value: ComparedText


@dataclass(frozen=True)
class RequestMatch:
    """What of a request has to be so; all of it. Empty maps and texts ask for nothing."""

    path: ComparedText | None = None
    ignore_case: bool = False
    method: str = ""
    headers: Mapping[str, ComparedText] = field(default_factory=dict)
    without_headers: Mapping[str, ComparedText] = field(default_factory=dict)
    cookies: Mapping[str, ComparedText] = field(default_factory=dict)
    query: Mapping[str, ComparedText] = field(default_factory=dict)
    claim: ClaimMatch | None = None
    from_namespace: str = ""
    from_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VersionShare:
    """A version with its share of the requests, in percent; version empty: the whole Service."""

    version: str
    weight: int


@dataclass(frozen=True)
class Mirror:
    """Where copies of requests go, whose answers nobody waits for; percent of the requests."""

    version: str
    percent: float


@dataclass(frozen=True)
class Retries:
    """attempts: beside the first; per_try_timeout: a duration or nothing; retry_on: Envoy's conditions and status codes."""

    attempts: int
    per_try_timeout: str = ""
    retry_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceRoute:
    """One rule. matches: any of them; none: every request. name: as access logs and metrics call it."""

    name: str
    matches: tuple[RequestMatch, ...]
    to: tuple[VersionShare, ...]
    mirror: Mirror | None = None
    timeout: str = ""
    retries: Retries | None = None


@dataclass(frozen=True)
class VersionSubset:
    """Some of the pods behind a Service, by their labels."""

    name: str
    labels: Mapping[str, str]
    resilience: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceTraffic:
    """All that is said of one Service. port: 0 where the Service has only one; gateways: names, or namespace/name."""

    service: str
    namespace: str
    port: int = 0
    versions: tuple[VersionSubset, ...] = ()
    routes: tuple[ServiceRoute, ...] = ()
    gateways: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[ComparedText, ...] = ()
    resilience: Mapping[str, Any] = field(default_factory=dict)
    tls: str = ""

    @property
    def key(self) -> str:
        """namespace/service, as people call it."""
        return f"{self.namespace}/{self.service}"

    def version(self, name: str) -> VersionSubset:
        return next(one for one in self.versions if one.name == name)

    def used(self) -> tuple[str, ...]:
        """The versions that get requests or copies of them."""
        found = [share.version for route in self.routes for share in route.to]
        found += [route.mirror.version for route in self.routes if route.mirror]
        return tuple(dict.fromkeys(name for name in found if name))


def read_traffic(rows: Iterable[Mapping[str, Any]]) -> tuple[ServiceTraffic, ...]:
    """The values of rows that nothing is to be refused of."""
    return tuple(_service(row) for row in rows)


def _service(row: Mapping[str, Any]) -> ServiceTraffic:
    routes = sections(row.get("routes"))
    return ServiceTraffic(
        service=str(row["service"]),
        namespace=str(row["namespace"]),
        port=int(row.get("port") or 0),
        versions=tuple(_version(one) for one in sections(row.get("versions"))),
        routes=tuple(_route(one, number) for number, one in enumerate(routes)),
        gateways=_words(row.get("gateways")),
        hosts=_words(row.get("hosts")),
        paths=tuple(map(ComparedText.of, sections(row.get("paths")))),
        resilience=section(row, "resilience"),
        tls=str(row.get("tls") or ""),
    )


def _words(value: Any) -> tuple[str, ...]:
    return tuple(map(str, entries(value)))


def _version(row: Mapping[str, Any]) -> VersionSubset:
    return VersionSubset(str(row["name"]), version_labels(row), section(row, "resilience"))


def _route(row: Mapping[str, Any], number: int) -> ServiceRoute:
    shares = [VersionShare(str(name), int(weight)) for name, weight in section(row, "to").items() if int(weight)]
    mirror, retries = section(row, "mirror"), section(row, "retries")
    return ServiceRoute(
        name=route_name(row, number),
        matches=tuple(_match(one) for one in sections(row.get("match"))),
        to=tuple(shares) or (VersionShare(ANY_VERSION, 100),),
        mirror=Mirror(str(mirror["version"]), float(mirror.get("percent", 100))) if mirror else None,
        timeout=str(row.get("timeout") or ""),
        retries=_retries(retries) if retries else None,
    )


def _retries(row: Mapping[str, Any]) -> Retries:
    return Retries(int(row["attempts"]), str(row.get("per_try_timeout") or ""), _words(row.get("retry_on")))


def _compared(value: Any) -> dict[str, ComparedText]:
    return {str(name): ComparedText.of(said) for name, said in section(value).items()}


def _match(row: Mapping[str, Any]) -> RequestMatch:
    users, caller = section(row, "users"), section(row, "from")
    names = _words(users.get("names"))
    headers = _compared(row.get("headers"))
    if users.get("header"):
        headers[str(users["header"])] = _any_of(names)
    return RequestMatch(
        path=ComparedText.of(section(row, "path")) if section(row, "path") else None,
        ignore_case=boolean(row.get("ignore_case", False), strict=False),
        method=str(row.get("method") or ""),
        headers=headers,
        without_headers=_without(row.get("without_headers")),
        cookies=_compared(row.get("cookies")),
        query=_compared(row.get("query")),
        claim=ClaimMatch(str(users["claim"]), _any_of(names)) if users.get("claim") else None,
        from_namespace=str(caller.get("namespace") or ""),
        from_labels=texts(caller.get("labels")),
    )


def _without(value: Any) -> dict[str, ComparedText]:
    """A list of names, none of which may be there, or values that a header may not have."""
    return (
        {str(name): ComparedText(PRESENT) for name in value}
        if isinstance(value, Sequence) and not isinstance(value, str)
        else _compared(value)
    )


def _any_of(names: Sequence[str]) -> ComparedText:
    return ComparedText(EXACT, names[0]) if len(names) == 1 else ComparedText(REGEX, "|".join(map(escaped, names)))


def escaped(text: str) -> str:
    """The text as a regular expression of RE2 that is this text and no other."""
    return "".join(f"\\{char}" if char in r"\.+*?()|[]{}^$" else char for char in text)
