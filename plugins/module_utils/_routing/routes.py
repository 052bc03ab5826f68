# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Rules of a VirtualService to the routes that Envoy gets (pilot/pkg/networking/core/route)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from .._model.fields import entries, section, sections, texts
from .._model.selectors import matches_labels
from .durations import nanoseconds
from .model import Consumer, RoutedService
from .registry import number_of
from .virtual_services import HttpRule, RoutedVirtualService

__all__ = ["DEFAULT_RETRY", "ClusterChoice", "HeaderChanges", "HeaderMatch", "HttpRoute", "RouteBuilder", "TextMatch", "cluster_name",
           "default_route", "in_order", "is_catch_all", "set_match"]  # fmt: skip

_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_CODES = {0: "", 301: "", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}
_STATUSES = frozenset(status.value for status in HTTPStatus) | {425, 451, 506, 507, 508, 510, 511}
_PRESENT = ("present", "")


@dataclass(frozen=True)
class TextMatch:
    """form: exact, prefix, regex, present (of a path also separated: a prefix of whole segments)."""

    form: str
    value: str


@dataclass(frozen=True)
class HeaderMatch:
    """What a header, or a parameter of the query, has to be."""

    name: str
    text: TextMatch
    inverted: bool = False
    absent_is_empty: bool = False


@dataclass(frozen=True)
class HeaderChanges:
    """What is done to headers."""

    set: Mapping[str, str] = field(default_factory=dict)
    add: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()

    def and_then(self, other: HeaderChanges) -> HeaderChanges:
        return HeaderChanges({**self.set, **other.set}, {**self.add, **other.add}, (*self.remove, *other.remove))


_UNCHANGED = HeaderChanges()


@dataclass(frozen=True)
class ClusterChoice:
    """A cluster that a route may go to. weight: None where it is the only one."""

    name: str
    weight: int | None = None
    request: HeaderChanges = field(default_factory=HeaderChanges)
    response: HeaderChanges = field(default_factory=HeaderChanges)
    host_rewrite: str = ""


@dataclass
class HttpRoute:
    """One route. action: route, redirect, direct_response or none (Envoy then refuses the configuration)."""

    name: str
    path: TextMatch = TextMatch("prefix", "/")
    ignore_case: bool = False
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[HeaderMatch, ...] = ()
    action: str = "none"
    clusters: tuple[ClusterChoice, ...] = ()
    timeout: int = 0  # nanoseconds, 0 for none
    retries: Mapping[str, Any] | None = None
    rewrite: Mapping[str, Any] = field(default_factory=dict)
    redirect: Mapping[str, Any] = field(default_factory=dict)
    status: int = 0
    mirrors: tuple[tuple[str, float], ...] = ()  # cluster, percent
    fault: Mapping[str, Any] = field(default_factory=dict)
    request: HeaderChanges = field(default_factory=HeaderChanges)
    response: HeaderChanges = field(default_factory=HeaderChanges)
    hash: Mapping[str, Any] | None = None
    ref: str = ""  # the object that it comes of
    place: str = ""  # and the field in it


def cluster_name(destination: Mapping[str, Any], service: RoutedService | None, listener_port: int) -> str:
    """The cluster of a destination. service: the one of its host, if it is known there; its only port is meant where none is named."""
    host = str(destination.get("host") or "")
    if not host:
        return "UnknownService"
    if service is not None and service.external_name:
        host = service.external_name
    port = listener_port
    if destination.get("port") is not None:
        port = number_of(section(destination, "port").get("number"))
    elif service is not None and len(service.ports) == 1:
        port = service.ports[0].number
    return f"outbound|{port}|{destination.get('subset') or ''}|{host}"


def _text_match(value: Any) -> TextMatch:
    """A StringMatch; an empty one, and the regular expression `*`, ask for presence only."""
    for form in ("exact", "prefix", "regex"):
        found = section(value).get(form)
        if found is not None and not (form == "regex" and found == "*"):
            return TextMatch(form, str(found))
    return TextMatch(*_PRESENT)


def _authority(name: str) -> bool:
    return name.lower() in (":authority", "host")


def _changes(operations: Mapping[str, Any]) -> tuple[HeaderChanges, str]:
    """What is done to headers, and the authority that is set among them: that is no header any more."""
    if not operations:
        return _UNCHANGED, ""
    found: dict[str, dict[str, str]] = {}
    authority = ""
    for kind in ("add", "set"):  # what is set counts more
        values = texts(operations.get(kind))
        authority = next((value for name, value in values.items() if _authority(name) and value), authority)
        found[kind] = {name: value for name, value in values.items() if not name.startswith(":") and name.lower() != "host"}
    removed = tuple(
        str(name) for name in entries(operations.get("remove")) if not str(name).startswith(":") and str(name).lower() != "host"
    )
    return HeaderChanges(found["set"], found["add"], removed), authority


def _percent(value: Any) -> float:
    number = section(value).get("value")
    return int((number if isinstance(number, (int, float)) else 0) * 10000) / 10000


def _retry_on(text: str) -> tuple[str, list[int]]:
    words, codes = [], []
    for part in filter(None, (one.strip() for one in text.split(","))):
        if part.isdigit() and int(part) in _STATUSES:
            codes.append(int(part))
        else:
            words.append(part)
    found = ",".join(words)
    return (found + ",retriable-status-codes" if codes and "retriable-status-codes" not in found else found), codes


DEFAULT_RETRY: Mapping[str, Any] = {"attempts": 2, "on": _RETRY_ON}


def retry_policy(spec: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """How often it is tried again, and when; None for never."""
    if spec is None:
        return DEFAULT_RETRY
    attempts = number_of(spec.get("attempts"))
    if attempts <= 0:
        return None
    found: dict[str, Any] = {"attempts": attempts, "on": _RETRY_ON}
    if spec.get("retryOn"):
        found["on"], codes = _retry_on(str(spec["retryOn"]))
        if codes:
            found["codes"] = codes
    if spec.get("perTryTimeout"):
        found["per_try"] = nanoseconds(spec["perTryTimeout"])
    return found


def _fault(spec: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    delay, abort = spec.get("delay"), spec.get("abort")
    if isinstance(delay, Mapping) and delay.get("fixedDelay"):
        percent = _percent(delay["percentage"]) if delay.get("percentage") is not None else number_of(delay.get("percent"))
        found["delay"] = {"fixed": nanoseconds(delay["fixedDelay"]), "percent": percent}
    if isinstance(abort, Mapping) and (abort.get("httpStatus") is not None or abort.get("grpcStatus") is not None):
        kind = "status" if abort.get("httpStatus") is not None else "grpc_status"
        found["abort"] = {"percent": _percent(abort.get("percentage")), kind: abort.get("httpStatus", abort.get("grpcStatus"))}
    return found


def _redirect(spec: Mapping[str, Any], port: int, tls: bool) -> dict[str, Any] | None:
    """None for a code that Envoy has no name for."""
    code = number_of(spec.get("redirectCode"))
    if code not in _CODES:
        return None
    found: dict[str, Any] = {}
    if spec.get("authority"):
        found["hostRedirect"] = spec["authority"]
    if spec.get("prefixRewrite"):
        found["prefixRewrite"] = spec["prefixRewrite"]
    else:
        found["pathRedirect"] = str(spec.get("uri") or "")
    if spec.get("scheme"):
        found["schemeRedirect"] = spec["scheme"]
    wanted = None
    if spec.get("port") is not None:
        wanted = number_of(spec["port"])
    elif spec.get("derivePort") == "FROM_REQUEST_PORT":
        wanted = port
    usual = {"http": 80, "https": 443}.get(str(spec.get("scheme") or ("https" if tls else "http")))
    if wanted and wanted != usual:
        found["portRedirect"] = wanted
    if _CODES[code]:
        found["responseCode"] = _CODES[code]
    return found


def is_catch_all(route: HttpRoute) -> bool:
    """Does it take every request, as far as istiod looks? An exact path never does."""
    everything = (route.path.form in ("prefix", "separated") and route.path.value == "/") or route.path == TextMatch("regex", ".*")
    return everything and not route.headers and not route.query


def in_order(routes: list[HttpRoute]) -> list[HttpRoute]:
    """Those that take everything go to the end."""
    return [route for route in routes if not is_catch_all(route)] + [route for route in routes if is_catch_all(route)]


def default_route(cluster: str, retries: Mapping[str, Any] | None, hash_policy: Mapping[str, Any] | None, ref: str) -> HttpRoute:
    """The route of a service for which there is no VirtualService."""
    return HttpRoute(
        "default", action="route", clusters=(ClusterChoice(cluster),), retries=retry_policy(retries), hash=hash_policy, ref=ref
    )


def set_match(route: HttpRoute, match: Mapping[str, Any], *, gateway_api: bool) -> None:
    """What requests have to be, but for who sends them and through which gateway and port."""
    found = [HeaderMatch(str(name), _text_match(value)) for name, value in section(match, "headers").items()]
    for name, value in section(match, "withoutHeaders").items():
        text = _text_match(value)
        found.append(HeaderMatch(str(name), text, inverted=True, absent_is_empty=text.form != "present"))
    found.sort(key=lambda one: one.name)
    uri = match.get("uri")
    if uri is not None:
        form = next((form for form in ("exact", "prefix", "regex") if section(uri).get(form) is not None), "")
        value = str(section(uri).get(form) or "")
        if form == "prefix" and gateway_api and value != "/":
            route.path = TextMatch("separated", value.removesuffix("/"))
        elif form:
            route.path = TextMatch(form, value)
    route.ignore_case = bool(match.get("ignoreUriCase"))
    for name in ("method", "authority", "scheme"):
        if match.get(name) is not None:
            found.append(HeaderMatch(f":{name}", _text_match(match[name])))
    route.headers = tuple(found)
    route.query = tuple(HeaderMatch(str(name), _text_match(value)) for name, value in section(match, "queryParams").items())


class RouteBuilder:
    """Makes the routes of VirtualServices for one proxy and port. gateways: the names by which matches mean this proxy."""

    def __init__(
        self, caller: Consumer, *, port: int, gateways: Collection[str], service: Callable[[str], RoutedService | None],
        hashing: Callable[[Mapping[str, Any]], Mapping[str, Any] | None], default_retries: Mapping[str, Any] | None, tls: bool = False,
    ) -> None:  # fmt: skip
        self._caller, self._port, self._gateways, self._service = caller, port, gateways, service
        self._hash, self._retries, self._tls = hashing, default_retries, tls

    def of(self, virtual: RoutedVirtualService) -> list[HttpRoute]:
        """The routes up to the first that takes everything."""
        found: list[HttpRoute] = []
        for rule in virtual.http:
            if not rule.matches:
                found += filter(None, [self._route(rule, None, -1, virtual.gateway_api)])
                return found
            for number, match in enumerate(rule.matches):
                route = self._route(rule, match, number, virtual.gateway_api)
                if route is not None:
                    found.append(route)
                    if is_catch_all(route):
                        return found
        return found

    def _from_here(self, match: Mapping[str, Any]) -> bool:
        if match.get("port") and number_of(match["port"]) != self._port:
            return False
        gateways = entries(match.get("gateways"))
        if gateways:
            return any(name in self._gateways for name in gateways)
        space = match.get("sourceNamespace")
        return matches_labels(texts(match.get("sourceLabels")), self._caller.labels) and (not space or space == self._caller.namespace)

    def _route(self, rule: HttpRule, match: Mapping[str, Any] | None, number: int, gateway_api: bool) -> HttpRoute | None:
        if match is not None and not self._from_here(match):
            return None
        spec = rule.spec
        name = str(spec.get("name") or "")
        if match is not None and match.get("name"):
            name = f"{name}.{match['name']}"
        route = HttpRoute(name, ref=rule.ref, place=f"{rule.path}.match[{number}]" if number >= 0 else rule.path)
        if match is not None:
            set_match(route, match, gateway_api=gateway_api)
        authority = ""
        if isinstance(spec.get("headers"), Mapping):
            route.request, authority = _changes(section(spec, "headers", "request"))
            route.response, _none = _changes(section(spec, "headers", "response"))
        if spec.get("redirect") is not None:
            redirect = _redirect(section(spec, "redirect"), self._port, self._tls)
            if redirect is not None:
                route.action, route.redirect = "redirect", redirect
        elif spec.get("directResponse") is not None:
            route.action, route.status = "direct_response", number_of(section(spec, "directResponse").get("status"))
        else:
            self._forward(route, spec, authority, gateway_api)
        if spec.get("fault") is not None:
            route.fault = _fault(section(spec, "fault"))
        return route

    def _cluster(self, destination: Mapping[str, Any]) -> str:
        return cluster_name(destination, self._service(str(destination.get("host") or "")), self._port)

    def _forward(self, route: HttpRoute, spec: Mapping[str, Any], authority: str, gateway_api: bool) -> None:
        route.action, route.timeout = "route", nanoseconds(spec.get("timeout"))
        rewrite: dict[str, Any] = {}
        if spec.get("rewrite") is not None:
            wanted = section(spec, "rewrite")
            regex, uri = wanted.get("uriRegexRewrite"), str(wanted.get("uri") or "")
            if regex is not None:
                rewrite["regex"] = {
                    "pattern": str(section(regex).get("match") or ""),
                    "substitution": str(section(regex).get("rewrite") or ""),
                }
            elif uri == "/" and gateway_api:
                before = route.path.value if route.path.form == "separated" else ""
                rewrite["regex"] = {"pattern": f"^{re.escape(before).replace('/', '/')}(/?)(.*)", "substitution": "/\\2"}
            elif uri:
                rewrite["prefix"] = uri
            authority = str(wanted.get("authority") or "") or authority
        route.mirrors = tuple(self._mirrors(spec))
        rows = sections(spec.get("route"))
        if len(rows) == 1:
            destination = section(rows[0], "destination")
            request, own = _changes(section(rows[0], "headers", "request"))
            response, _none = _changes(section(rows[0], "headers", "response"))
            route.request, route.response = route.request.and_then(request), route.response.and_then(response)
            authority = authority or own
            route.clusters = (ClusterChoice(self._cluster(destination)),)
            route.hash = self._hash(destination)
        else:
            route.clusters = tuple(self._weighted(route, row) for row in rows if number_of(row.get("weight")))
        if authority:
            rewrite["host"] = authority
        route.rewrite = rewrite
        own_retries = spec.get("retries")
        route.retries = retry_policy(section(own_retries) if own_retries is not None else self._retries)

    def _weighted(self, route: HttpRoute, row: Mapping[str, Any]) -> ClusterChoice:
        request, authority = _changes(section(row, "headers", "request"))
        response, _none = _changes(section(row, "headers", "response"))
        route.hash = route.hash or self._hash(section(row, "destination"))
        return ClusterChoice(self._cluster(section(row, "destination")), number_of(row.get("weight")), request, response, authority)

    def _mirrors(self, spec: Mapping[str, Any]) -> list[tuple[str, float]]:
        found: list[tuple[str, float]] = []
        if spec.get("mirror") is not None:
            percent: float = 100
            if spec.get("mirrorPercentage") is not None:
                percent = _percent(spec["mirrorPercentage"])
            elif spec.get("mirrorPercent") is not None:
                percent = number_of(spec["mirrorPercent"])
            if percent > 0:
                found.append((self._cluster(section(spec, "mirror")), percent))
        for one in sections(spec.get("mirrors")):
            percent = _percent(one["percentage"]) if one.get("percentage") is not None else 100
            if percent > 0 and one.get("destination") is not None:
                found.append((self._cluster(section(one, "destination")), percent))
        return found
