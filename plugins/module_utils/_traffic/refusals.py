# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_traffic cannot mean, whatever a cluster has: each as `mesh_traffic[0].field: sentence`, all of them at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import combinations, pairwise
from typing import Any

from .._model.fields import entries, section, sections
from .._model.gateway_intent import by_gateway_api
from .._model.traffic_rows import key_of, version_labels
from .._routing.durations import nanoseconds
from .._text import counted, did_you_mean, quoted, shown
from .intent import EXACT, PREFIX, PRESENT, REGEX, ComparedText
from .outside import OutsideListener, listener_of

__all__ = ["traffic_refusals"]

Rows = Sequence[Mapping[str, Any]]

WHOLE = 100  # per cent
_DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")  # what Istio and the Gateway API both read
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # names of headers and cookies (RFC 9110)
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_FORMS = (EXACT, PREFIX, REGEX, PRESENT)
_COOKIES = 3  # in one match: each order of them is written out
_HIGHEST_PORT = 65535
_CONDITIONS = (
    "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx", "refused-stream",
    "retriable-status-codes", "retriable-headers", "http3-post-connect-failure", "cancelled", "deadline-exceeded", "internal",
    "resource-exhausted", "unavailable", "retry-on-same-host",
)  # fmt: skip
_STICKY = ("header", "cookie", "source_ip")


def traffic_refusals(rows: Rows, gateways: Rows, *, api: str = "istio", provider: str = "ossm3") -> list[str]:
    """A sentence for each thing that has to be refused. gateways: as mesh_gateways has them; api: istio or gateway."""
    found = [text for where, row in _each(rows) for text in _service(where, row)]
    found += [*_twice(rows), *_outside(rows, gateways)]
    found += _of_gateway_api(rows, {str(row.get("name")) for row in gateways if by_gateway_api(row)}, api, provider)
    return list(dict.fromkeys(found))


def _each(rows: Rows) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((f"mesh_traffic[{number}]", row) for number, row in enumerate(rows))


def _service(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    yield from _port(f"{where}.port", row.get("port"))
    yield from _versions(where, row)
    yield from _resilience(f"{where}.resilience", section(row, "resilience"))
    names = [str(one.get("name")) for one in sections(row.get("versions"))]
    for place, route in _routes(where, row):
        yield from _route(place, route, names)
        yield from _claims(place, route, row)
    yield from _order(where, row)
    if not any(row.get(name) for name in ("versions", "routes", "resilience", "tls")):
        yield f"{where}: says nothing of {shown(row.get('service'))}; give it versions, routes or resilience, or take it out"


def _routes(where: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((f"{where}.routes[{number}]", one) for number, one in enumerate(sections(row.get("routes"))))


def _port(where: str, value: Any) -> Iterator[str]:
    if value is not None and not 0 < int(value) <= _HIGHEST_PORT:
        yield f"{where}: {shown(value)} is no port; expected the port of the Service, from 1 to {_HIGHEST_PORT}"


def _versions(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    names: dict[str, int] = {}
    selected: dict[tuple[tuple[str, str], ...], str] = {}
    for number, one in enumerate(sections(row.get("versions"))):
        place, name = f"{where}.versions[{number}]", str(one.get("name"))
        if not _LABEL.fullmatch(name):
            yield f"{place}.name: {quoted(name)} cannot be a version here, expected lower case letters, digits and '-', at most 63"
        if name in names:
            yield f"{place}.name: {where}.versions[{names[name]}] is called {shown(name)} as well; give each a name of its own"
        names.setdefault(name, number)
        labels = tuple(sorted(version_labels(one).items()))
        if labels in selected and selected[labels] != name:
            words = ", ".join(f"{key}={value}" for key, value in labels)
            yield f"{place}.labels: {shown(words)} are the pods of {shown(selected[labels])} already; the two would be the same"
        selected.setdefault(labels, name)
        yield from _resilience(f"{place}.resilience", section(one, "resilience"))


def _order(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    """The first that matches wins, so what stands behind a route for every request is never asked."""
    first = ""
    names: dict[str, str] = {}
    for place, route in _routes(where, row):
        if first:
            yield f"{place}: {first} has no match and takes every request, so this one is never reached; put it before that one"
        elif not sections(route.get("match")):
            first = place
        name = route.get("name")
        if name is not None and str(name) in names:
            yield f"{place}.name: {names[str(name)]} is called {shown(name)} as well; give each a name of its own"
        names.setdefault(str(name), place)
    if entries(row.get("routes")) and not first:
        last = len(sections(row.get("routes")))
        yield (
            f"{where}.routes: none is for all other requests, which would be answered with 404; end with a route without match, "
            f"such as routes[{last}]: {{to: {{v1: 100}}}}"
        )


def _route(where: str, route: Mapping[str, Any], versions: Sequence[str]) -> Iterator[str]:
    yield from _shares(where, route, versions)
    for number, one in enumerate(sections(route.get("match"))):
        yield from _match(f"{where}.match[{number}]", one)
    mirror, retries = section(route, "mirror"), section(route, "retries")
    if mirror:
        yield from _named(f"{where}.mirror.version", mirror.get("version"), versions)
        yield from _percent(f"{where}.mirror.percent", mirror.get("percent", WHOLE))
    if "timeout" in route:
        yield from _duration(f"{where}.timeout", route["timeout"])
    if retries:
        yield from _retries(f"{where}.retries", retries, route)


def _named(where: str, name: Any, versions: Sequence[str]) -> Iterator[str]:
    if str(name) not in versions:
        yield f"{where}: {quoted(name)} is none of its versions, so callers would get 503; {did_you_mean(name, versions)}"


def _percent(where: str, value: Any) -> Iterator[str]:
    try:
        fits = 0 < float(value) <= WHOLE
    except (TypeError, ValueError):
        fits = False
    if not fits:
        yield f"{where}: {quoted(value)} is no share of the requests; expected per cent, above 0 and up to 100"


def _shares(where: str, route: Mapping[str, Any], versions: Sequence[str]) -> Iterator[str]:
    shares = section(route, "to")
    if not shares:
        if versions and route.get("to") is not None:
            yield f"{where}.to: is empty; name versions with their shares, or leave it out for all pods of the Service"
        return
    whole = True
    for name, weight in shares.items():
        yield from _named(f"{where}.to", name, versions)
        if isinstance(weight, bool) or not re.fullmatch(r"\d{1,3}", str(weight)):
            whole = False
            yield f"{where}.to.{shown(name)}: {quoted(weight)} is no share; expected a whole number of per cent, from 0 to 100"
    total = sum(int(weight) for weight in shares.values()) if whole else WHOLE
    if total != WHOLE:
        yield f"{where}.to: the shares are {total} per cent together; expected 100"


def _retries(where: str, retries: Mapping[str, Any], route: Mapping[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"\d{1,3}", str(retries.get("attempts"))):
        yield f"{where}.attempts: {quoted(retries.get('attempts'))} is no number of retries; expected 0 (none) or more"
    if "per_try_timeout" in retries:
        yield from _duration(f"{where}.per_try_timeout", retries["per_try_timeout"])
        tried, whole = seconds(str(retries["per_try_timeout"])), seconds(str(route.get("timeout") or ""))
        if tried and whole and tried > whole:
            yield (
                f"{where}.per_try_timeout: {shown(retries['per_try_timeout'])} is longer than the timeout of the route "
                f"({shown(route['timeout'])}), which ends a try first; make it shorter"
            )
    for number, one in enumerate(entries(retries.get("retry_on"))):
        if str(one) not in _CONDITIONS and not re.fullmatch(r"[1-5]\d\d", str(one)):
            yield f"{where}.retry_on[{number}]: {quoted(one)} is no condition of Envoy and no status code; {did_you_mean(one, _CONDITIONS)}"


def seconds(text: str) -> float:
    """How long a duration is; 0 for what is none."""
    return nanoseconds(text) / 10**9 if _DURATION.fullmatch(text) else 0.0


def _duration(where: str, value: Any) -> Iterator[str]:
    if not _DURATION.fullmatch(str(value)):
        yield f"{where}: {quoted(value)} is no duration; expected a number with its unit: 500ms, 3s, 1m30s"
    elif not seconds(str(value)):
        yield f"{where}: {quoted(value)} is no time at all; leave it out where nothing is to end a request"


def _match(where: str, match: Mapping[str, Any]) -> Iterator[str]:
    if not match:
        yield f"{where}: asks for nothing, so it matches every request; leave match out, or say what a request has to have"
    path = section(match, "path")
    if path:
        yield from _compared(f"{where}.path", path, slash=True)
    method = match.get("method")
    if method is not None and method not in _METHODS:
        yield f"{where}.method: {quoted(method)} never matches; methods are in capitals: {did_you_mean(str(method).upper(), _METHODS)}"
    for field in ("headers", "without_headers", "cookies", "query"):
        said = match.get(field)
        pairs = said.items() if isinstance(said, Mapping) else [(name, {PRESENT: True}) for name in entries(said)]
        for name, value in pairs:
            if field != "query" and not _TOKEN.fullmatch(str(name)):
                yield f"{where}.{field}: {quoted(name)} is no name of a {'cookie' if field == 'cookies' else 'header'}"
            yield from _compared(f"{where}.{field}.{shown(name)}", value)
    yield from _cookies(where, match)
    yield from _users(where, section(match, "users"))
    caller = section(match, "from")
    if "from" in match and not any(caller.get(name) for name in ("namespace", "labels")):
        yield f"{where}.from: names nobody; give the namespace or the labels of the callers' pods"


def _cookies(where: str, match: Mapping[str, Any]) -> Iterator[str]:
    cookies = section(match, "cookies")
    names = [str(name).lower() for field in ("headers", "without_headers") for name in (match.get(field) or ())]
    if cookies and "cookie" in names:
        yield f"{where}.cookies: all cookies are one header, and the match names the header cookie as well; write one of the two"
    if len(cookies) > _COOKIES:
        yield f"{where}.cookies: {counted(len(cookies), 'cookie')} at once; at most {_COOKIES} can be asked for, in any order"


def _users(where: str, users: Mapping[str, Any]) -> Iterator[str]:
    if not users:
        return
    if bool(users.get("header")) == bool(users.get("claim")):
        yield f"{where}.users: needs one of header and claim, which says who a caller is"
    if not entries(users.get("names")):
        yield f"{where}.users.names: names nobody"


def _compared(where: str, said: Any, *, slash: bool = False) -> Iterator[str]:
    """One way to compare: a text by itself is that text."""
    if isinstance(said, bool):
        yield f"{where}: YAML reads this word as true or false; write it in quotes"
        return
    if not isinstance(said, Mapping):
        if said is None or isinstance(said, (list, tuple)) or str(said) == "":
            yield f"{where}: {quoted(said)} is nothing to compare with; expected a text, or one of {', '.join(_FORMS)}"
        return
    form = next(iter(said), "")
    if len(said) != 1 or form not in _FORMS or (slash and form == PRESENT):
        known = _FORMS[:3] if slash else _FORMS
        yield f"{where}: found {shown(', '.join(map(str, said)) or 'nothing')}; expected one of {', '.join(known)}"
        return
    value = said[form]
    if form == PRESENT:
        if str(value).lower() not in ("true", "yes", "1"):
            yield f"{where}.present: {quoted(value)}; say true, or name it in without_headers where it may not be there"
        return
    if isinstance(value, (bool, Mapping, list, tuple)) or value is None or str(value) == "":
        yield f"{where}.{form}: {quoted(value)} is no text to compare with; write a text, in quotes"
        return
    yield from _text_form(f"{where}.{form}", str(form), str(value), slash)


def _text_form(where: str, form: str, value: str, slash: bool) -> Iterator[str]:
    if slash and form in (EXACT, PREFIX) and not value.startswith("/"):
        yield f"{where}: {quoted(value)} never matches, a path begins with /"
    if form == REGEX:
        if re.search(r"\(\?(=|!|<=|<!)|\\[1-9]", value):
            yield f"{where}: {quoted(value)} looks ahead or back, or refers to a group; Envoy's regular expressions (RE2) do neither"
            return
        try:
            re.compile(value)
        except re.error as exc:
            yield f"{where}: {quoted(value)} is no regular expression: {exc}"


def _claims(where: str, route: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[str]:
    for number, one in enumerate(sections(route.get("match"))):
        if section(one, "users").get("claim") and not entries(row.get("gateways")):
            yield (
                f"{where}.match[{number}].users.claim: only a gateway looks into tokens, and no gateways are named; name them, or have the "
                "gateway put the claim into a header (outputClaimToHeaders) and say header"
            )


def _resilience(where: str, said: Mapping[str, Any]) -> Iterator[str]:
    outlier, pool = section(said, "outlier_detection"), section(said, "connection_pool")
    for field in ("interval", "base_ejection_time"):
        if field in outlier:
            yield from _duration(f"{where}.outlier_detection.{field}", outlier[field])
    for field in ("connect_timeout", "idle_timeout"):
        if field in pool:
            yield from _duration(f"{where}.connection_pool.{field}", pool[field])
    for field in ("max_ejection_percent", "min_health_percent"):
        if field in outlier and not 0 <= int(outlier[field]) <= WHOLE:
            yield f"{where}.outlier_detection.{field}: {shown(outlier[field])} is no share of the pods; expected per cent, from 0 to 100"
    numbers = (
        (f"{where}.{part}.{key}", value) for part in ("outlier_detection", "connection_pool") for key, value in section(said, part).items()
    )
    yield from (f"{place}: {shown(value)} is below 0" for place, value in numbers if re.fullmatch(r"-\d+", str(value)))
    sticky = section(said, "sticky")
    if sticky and said.get("load_balancer"):
        yield f"{where}.load_balancer: sticky chooses the pod of a request already; leave one of the two out"
    if sticky and sum(bool(sticky.get(name)) for name in _STICKY) != 1:
        yield f"{where}.sticky: needs one of {', '.join(_STICKY)}"
    if section(sticky, "cookie"):
        yield from _duration(f"{where}.sticky.cookie.ttl", section(sticky, "cookie").get("ttl", "1h"))


def _twice(rows: Rows) -> Iterator[str]:
    seen: dict[str, str] = {}
    for where, row in _each(rows):
        key = key_of(row)
        if key in seen:
            yield f"{where}: {seen[key]} is about Service {shown(key)} as well; a Service has one entry: put the two together"
        seen.setdefault(key, where)


def _outside(rows: Rows, gateways: Rows) -> Iterator[str]:
    """Who is served where: each host of a gateway leads to one entry, unless their paths tell them apart."""
    known = {str(row.get("name")): (number, row) for number, row in enumerate(gateways)}
    owners: dict[tuple[str, str], list[tuple[str, tuple[ComparedText, ...]]]] = {}
    for where, row in _each(rows):
        names, hosts = entries(row.get("gateways")), entries(row.get("hosts"))
        if bool(names) != bool(hosts):
            given, missing = ("gateways", "hosts") if names else ("hosts", "gateways")
            yield f"{where}.{missing}: is missing beside {given}; callers outside come by a host name at a gateway"
        if entries(row.get("paths")) and not names:
            yield f"{where}.paths: is for callers outside, and there are no gateways; leave it out, or name them"
        paths = tuple(ComparedText.of(one) for one in sections(row.get("paths")))
        for number, one in enumerate(entries(row.get("paths"))):
            yield from _compared(f"{where}.paths[{number}]", section(one), slash=True)
        for number, name in enumerate(map(str, names)):
            place = f"{where}.gateways[{number}]"
            if "/" in name:
                continue  # somebody else's: whether it is there says the source
            if name not in known:
                yield f"{place}: {quoted(name)} is none of mesh_gateways; {did_you_mean(name, known)} (NAMESPACE/NAME is one of others)"
                continue
            yield from _served(where, place, row, listener_of(*known[name]))
            for host in map(str, hosts):
                owners.setdefault((name, host), []).append((where, paths))
        if entries(row.get("routes")) == [] and names:
            yield f"{where}.routes: are missing; without them the gateways have nothing to serve"
    for (name, host), found in owners.items():
        for (first, one), (second, other) in combinations(found, 2):
            if _overlap(one, other):
                yield (
                    f"{second}.hosts: {first} serves {shown(host)} at the gateway {shown(name)} as well, for the same paths; "
                    "give each paths of its own, or another host"
                )


def _served(where: str, place: str, row: Mapping[str, Any], listener: OutsideListener) -> Iterator[str]:
    if listener.passes:
        yield f"{place}: mesh_gateways[{listener.number}] passes TLS on and sees no requests; its protocol has to be HTTPS"
    if listener.routed:
        yield (
            f"{place}: mesh_gateways[{listener.number}].routes serve its hosts already, and a host has one owner; leave routes out there"
        )
    for number, host in enumerate(map(str, entries(row.get("hosts")))):
        if not listener.serves(host):
            yield (
                f"{where}.hosts[{number}]: {quoted(host)} is no host of mesh_gateways[{listener.number}] "
                f"({shown(', '.join(listener.hosts))}); add it there"
            )
    if listener.virtual_service == (str(row.get("namespace")), str(row.get("service"))):
        yield f"{place}: mesh_gateways[{listener.number}].virtual_service has the name of the routes in the mesh; give it another name"


def _overlap(one: tuple[ComparedText, ...], other: tuple[ComparedText, ...]) -> bool:
    if not one or not other:
        return True
    return any(_meet(first, second) for first in one for second in other)


def _meet(one: ComparedText, other: ComparedText) -> bool:
    """Whether a path may be of both; of a regular expression nobody knows but by its text."""
    if REGEX in (one.form, other.form):
        return one == other
    if one.form == EXACT and other.form == EXACT:
        return one.value == other.value
    shorter, longer = sorted((one, other), key=lambda match: (len(match.value), match.form == EXACT))
    return shorter.form == PREFIX and longer.value.startswith(shorter.value)


def _of_gateway_api(rows: Rows, named: Set[str], api: str, provider: str) -> Iterator[str]:
    """What HTTPRoutes of the standard channel have no word for. named: the gateways that are Gateways of the Gateway API."""
    if api == "gateway" and provider == "ossm2" and rows:
        yield "mesh_traffic_api: OpenShift Service Mesh 2 does not route in the mesh by the Gateway API; leave it out, or say istio"
    why = "an HTTPRoute has no word for it; leave it out, or route by Istio's API (mesh_traffic_api: istio, and a gateway of that API)"
    for where, row in _each(rows):
        outside = bool(named & set(map(str, entries(row.get("gateways")))))
        for place, route in _routes(where, row) if outside or api == "gateway" else ():
            if section(route, "retries"):
                yield f"{place}.retries: {why}"
            for number, one in enumerate(sections(route.get("match"))):
                yield from (
                    f"{place}.match[{number}].{field}: {why}" for field in ("without_headers", "from", "ignore_case") if one.get(field)
                )
                if section(one, "users").get("claim") and outside:
                    yield f"{place}.match[{number}].users.claim: {why}"
                if REGEX in section(one, "path"):
                    yield f"{place}.match[{number}].path.regex: {why}; istiod asks it only after the route for all other requests"
        if outside or api == "gateway":
            yield from _by_specificity(where, row)


def _by_specificity(where: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Of the rules of an HTTPRoute that fit, the more specific one wins: in any other order our first one would not be the first."""
    keys = [(place, max((_specificity(one) for one in sections(route.get("match"))), default=(0,))) for place, route in _routes(where, row)]
    for (first, one), (second, other) in pairwise(keys):
        if other > one:
            yield (
                f"{second}: an HTTPRoute prefers it to {first}, as its match is more specific (exact paths, then longer ones, a method, "
                "more headers, more parameters); put it first"
            )


def _specificity(match: Mapping[str, Any]) -> tuple[int, ...]:
    """As istiod sorts them."""
    path = section(match, "path")
    form, value = next(iter(path.items()), (PREFIX, "/"))
    headers = len(section(match, "headers")) + bool(match.get("cookies")) + bool(section(match, "users").get("header"))
    return (1 + (form == EXACT), len(str(value)), int(bool(match.get("method"))), headers, len(section(match, "query")))
