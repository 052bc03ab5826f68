# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a bed's Envoys send requests, by VirtualServices and the subsets of DestinationRules. No I/O.

Less than a real istiod does: HTTP only; of DestinationRules subsets, not their policies; no delegates, no exportTo, no sourceLabels (all
pods of a namespace have one route configuration); rewrites, faults and headers to set are left out. What leads to a subset that nobody
defines answers 503, as with a real one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["DOMAIN", "actions", "cluster_name", "routed", "subsets_of"]

Obj = dict[str, Any]
DOMAIN = ".svc.cluster.local"
# Istio's own for every route: what never reached a server is tried at another one.
RETRY = {"retry_on": "connect-failure,refused-stream,unavailable,cancelled", "num_retries": 2}
_DURATION = re.compile(r"([0-9.]+)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def cluster_name(host: str, port: int, subset: str = "") -> str:
    """As Istio calls it; host: the full name."""
    return f"outbound|{port}|{subset}|{host}"


def _space(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _full(host: str, space: str) -> str:
    return host if "." in host else f"{host}.{space}{DOMAIN}"


def subsets_of(host: str, rules: Iterable[Obj]) -> dict[str, dict[str, str]]:
    """The subsets of a Service (its full name) with their labels; of several rules the first of a name counts."""
    found: dict[str, dict[str, str]] = {}
    for rule in sorted(rules, key=lambda one: str(one["metadata"].get("creationTimestamp", ""))):
        if _full(rule["spec"]["host"], _space(rule)) == host:
            for one in rule["spec"].get("subsets") or []:
                found.setdefault(one["name"], one.get("labels") or {})
    return found


def routed(host: str, services: Iterable[Obj]) -> Obj | None:
    """The VirtualService that sidecars follow for a Service: the oldest one."""
    named = []
    for one in services:
        hosts = [_full(own, _space(one)) for own in one["spec"].get("hosts") or []]
        if "mesh" in (one["spec"].get("gateways") or ["mesh"]) and host in hosts:
            named.append(one)
    return min(named, key=lambda one: (str(one["metadata"].get("creationTimestamp", "")), one["metadata"]["name"]), default=None)


def actions(service: Obj, ports: Mapping[str, Sequence[int]], *, caller: str = "") -> Iterator[Obj]:
    """The rules of a VirtualService as Envoy's routes, in their order. ports: of each Service, by its full name; caller: a namespace,
    none for a gateway, which follows no rule for sources."""
    for rule in service["spec"].get("http") or []:
        for match in rule.get("match") or [{}]:
            if match.get("sourceNamespace", caller) != caller or match.get("sourceLabels"):
                continue
            yield {"match": _match(match), "route": _action(service, rule, ports)}


def _match(match: Obj) -> Obj:
    uri = match.get("uri") or {"prefix": "/"}
    form, value = next(iter(uri.items()))
    by: Obj = {"path": value} if form == "exact" else {"safe_regex": {"regex": value}} if form == "regex" else {"prefix": value}
    if match.get("ignoreUriCase"):
        by["case_sensitive"] = False
    headers = [_named(name, said) for name, said in (match.get("headers") or {}).items()]
    headers += [{**_named(name, said), "invert_match": True} for name, said in (match.get("withoutHeaders") or {}).items()]
    headers += [_named(":method", match["method"])] if match.get("method") else []
    asked = [_named(name, said) for name, said in (match.get("queryParams") or {}).items()]
    return {**by, **({"headers": headers} if headers else {}), **({"query_parameters": asked} if asked else {})}


def _named(name: str, said: Obj | None) -> Obj:
    """A header or a parameter of the query; without a text it only has to be there."""
    return {"name": name, **({"string_match": _text(said)} if said else {"present_match": True})}


def _text(said: Obj) -> Obj:
    form, value = next(iter(said.items()))
    return {"safe_regex": {"regex": value}} if form == "regex" else {form: value}


def _cluster(service: Obj, destination: Obj, ports: Mapping[str, Sequence[int]]) -> str:
    host = _full(str(destination.get("host", "")), _space(service))
    number = (destination.get("port") or {}).get("number") or next(iter(ports.get(host) or [0]))
    return cluster_name(host, number, str(destination.get("subset") or ""))


def _action(service: Obj, rule: Obj, ports: Mapping[str, Sequence[int]]) -> Obj:
    rows = rule.get("route") or [{}]
    named = [(_cluster(service, row.get("destination") or {}, ports), int(row.get("weight") or 0)) for row in rows]
    found: Obj = {"cluster": named[0][0]}
    if len(named) > 1:
        found = {"weighted_clusters": {"clusters": [{"name": name, "weight": weight} for name, weight in named if weight]}}
    found["retry_policy"] = _retries(rule["retries"]) if "retries" in rule else RETRY
    if rule.get("timeout"):
        found["timeout"] = _seconds(rule["timeout"])
    if rule.get("mirror"):
        share = round(float((rule.get("mirrorPercentage") or {}).get("value", 100)) * 10_000)
        fraction = {"default_value": {"numerator": share, "denominator": "MILLION"}}
        found["request_mirror_policies"] = [{"cluster": _cluster(service, rule["mirror"], ports), "runtime_fraction": fraction}]
    return found


def _retries(said: Obj) -> Obj:
    words = str(said.get("retryOn") or RETRY["retry_on"]).split(",")
    codes = [int(word) for word in words if word.isdigit()]
    conditions = [word for word in words if not word.isdigit()] + (["retriable-status-codes"] if codes else [])
    return {
        "num_retries": int(said.get("attempts", 2)),
        "retry_on": ",".join(conditions),
        **({"retriable_status_codes": codes} if codes else {}),
        **({"per_try_timeout": _seconds(said["perTryTimeout"])} if said.get("perTryTimeout") else {}),
    }


def _seconds(text: str) -> str:
    """A duration as Envoy reads it."""
    return f"{sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text)):g}s"
