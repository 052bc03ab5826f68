# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a change of routes is for callers, in words: `requests to bookinfo/reviews: v1 100 % -> v1 80 %, v2 20 %`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._model.fields import section, sections, texts
from .._text import counted, shown

__all__ = ["ALL_PODS", "NOT_SERVED", "difference", "request_in_words", "rules_in_words"]

ALL_PODS, NOT_SERVED = "all its pods alike", "404"
_EVERYTHING = "requests"
_FORMS = {"exact": "is", "prefix": "begins with", "regex": "matches", "Exact": "is", "RegularExpression": "matches"}
_PATHS = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}


def rules_in_words(route: Mapping[str, Any], service: str) -> dict[str, str]:
    """For each rule of a VirtualService or an HTTPRoute who it is for, and where those requests go; in its order."""
    spec = section(route, "spec")
    found: dict[str, str] = {}
    if route.get("kind") == "HTTPRoute":
        for rule in sections(spec.get("rules")):
            who = " or ".join(map(_http_match, sections(rule.get("matches"))))
            found.setdefault(who.strip() or _EVERYTHING, _backends(rule, service))
    else:
        for rule in sections(spec.get("http")):
            who = " or ".join(map(_match, sections(rule.get("match"))))
            found.setdefault(who.strip() or _EVERYTHING, _targets(rule, service))
    return found


def difference(before: Mapping[str, str], after: Mapping[str, str], subject: str, otherwise: str) -> list[str]:
    """One line for each kind of request that goes another way. otherwise: what becomes of requests that no rule is for."""
    lines = []
    for who in dict.fromkeys((*before, *after)):
        was, will = (side.get(who, side.get(_EVERYTHING, otherwise)) for side in (before, after))
        if was != will:
            lines.append(f"requests to {subject}{'' if who == _EVERYTHING else f' with {who}'}: {was} -> {will}")
    return lines


def _text(value: Mapping[str, Any]) -> str:
    form, text = next(iter(value.items()), ("", ""))
    return f"{_FORMS.get(str(form), str(form))} {shown(text)}" if form else "is there"


def _match(match: Mapping[str, Any]) -> str:
    return ", ".join(_parts(match))


def _parts(match: Mapping[str, Any]) -> Iterator[str]:
    if section(match, "uri"):
        yield f"path {_text(section(match, 'uri'))}"
    if section(match, "method"):
        yield f"method {_text(section(match, 'method')).removeprefix('is ')}"
    for name, value in section(match, "headers").items():
        yield f"header {shown(name)} {_text(section(value))}"
    for name, value in section(match, "withoutHeaders").items():
        yield f"no header {shown(name)}{f' that {_text(section(value))}' if section(value) else ''}"
    for name, value in section(match, "queryParams").items():
        yield f"parameter {shown(name)} {_text(section(value))}"
    if match.get("sourceNamespace"):
        yield f"callers of namespace {shown(match['sourceNamespace'])}"
    if section(match, "sourceLabels"):
        yield f"callers with {', '.join(f'{shown(key)}={shown(value)}' for key, value in texts(match['sourceLabels']).items())}"


def _http_match(match: Mapping[str, Any]) -> str:
    path = section(match, "path")
    parts: dict[str, Any] = {
        "uri": {_PATHS.get(str(path.get("type")), "prefix"): path.get("value")} if path.get("value", "/") != "/" else {},
        "method": {"exact": match["method"]} if match.get("method") else {},
        "headers": {str(one.get("name")): {str(one.get("type") or "Exact"): one.get("value")} for one in sections(match.get("headers"))},
        "queryParams": {
            str(one.get("name")): {str(one.get("type") or "Exact"): one.get("value")} for one in sections(match.get("queryParams"))
        },
    }
    return _match(parts)


def _targets(rule: Mapping[str, Any], service: str) -> str:
    if rule.get("redirect") or rule.get("directResponse"):
        return "answered by the proxy itself"
    rows = sections(rule.get("route"))
    shares = [(_version(section(one, "destination"), service), int(one.get("weight") or 0) if len(rows) > 1 else 100) for one in rows]
    text = _shares(shares)
    if rule.get("mirror"):
        percent = section(rule, "mirrorPercentage").get("value", 100)
        text += f", copies of {percent:g} % to {_version(section(rule, 'mirror'), service)}"
    if rule.get("timeout"):
        text += f", at most {shown(rule['timeout'])}"
    retries = section(rule, "retries")
    if retries:
        each = f", {shown(retries['perTryTimeout'])} each" if retries.get("perTryTimeout") else ""
        words = f" on {shown(retries['retryOn'])}" if retries.get("retryOn") else ""
        text += f", {counted(int(retries.get('attempts') or 0), 'retry', 'retries')}{each}{words}"
    if rule.get("fault"):
        text += ", with faults injected"
    return text


def _version(destination: Mapping[str, Any], service: str) -> str:
    host, subset = str(destination.get("host") or ""), str(destination.get("subset") or "")
    name = host.partition(".")[0]
    if name == service:
        return shown(subset) if subset else ALL_PODS
    if name.startswith(f"{service}-") and not subset:
        return shown(name.removeprefix(f"{service}-"))
    return shown(f"{host}{f' ({subset})' if subset else ''}")


def _shares(shares: Sequence[tuple[str, int]]) -> str:
    total = sum(weight for _name, weight in shares) or 1
    rows = [(name, weight * 100 / total) for name, weight in shares if weight or len(shares) == 1]
    if len(rows) == 1 and rows[0][0] == ALL_PODS:
        return ALL_PODS
    return ", ".join(f"{name} {share:g} %" for name, share in rows) or "nowhere"


def _backends(rule: Mapping[str, Any], service: str) -> str:
    rows = sections(rule.get("backendRefs"))
    text = _shares([(_version({"host": one.get("name")}, service), int(one.get("weight", 1)) if len(rows) > 1 else 100) for one in rows])
    for one in sections(rule.get("filters")):
        mirror = section(one, "requestMirror")
        if mirror:
            fraction = section(mirror, "fraction")
            percent = fraction["numerator"] * 100 / fraction.get("denominator", 100) if fraction else mirror.get("percent", 100)
            text += f", copies of {percent:g} % to {_version({'host': section(mirror, 'backendRef').get('name')}, service)}"
    if section(rule, "timeouts").get("request"):
        text += f", at most {shown(section(rule, 'timeouts')['request'])}"
    return text


def request_in_words(asked: Mapping[str, str | None], host: str, *, http: bool) -> str:
    """A request by what it is about: `path`, `header x`, `parameter q`, `port`, `namespace`, `label app`, `gateway`; None: not there."""
    words, target = [], shown(host)
    if http:
        words += [shown(asked.get("header :method") or "GET"), shown(asked.get("path") or "/")]
    else:
        words.append("a connection")
    for about, value in asked.items():
        kind, _space, name = about.partition(" ")
        if about == "port":
            target = f"port {shown(value)} of {target}"
        elif about == "namespace":
            words.append(f"from namespace {shown(value)}")
        elif kind == "label":
            words.append(
                f"from pods with{'' if value is not None else 'out'} {shown(name)}{f'={shown(value)}' if value is not None else ''}"
            )
        elif name in ("sniHosts", "destinationSubnets"):
            return f"a connection for {shown(value)}"
        elif about not in ("path", "header :method", "gateway") and value is not None:
            words.append(f"with {kind} {shown(name.removeprefix(':'))}={shown(value)}")
    return f"{' '.join(words)} to {target}"
