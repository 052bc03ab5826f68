# SPDX-License-Identifier: GPL-3.0-or-later
"""AuthorizationPolicies as RBAC filters of the bed's Envoys. Its own short translation, so that it and the collection's evaluator check
each other. No I/O.

What it cannot say (addresses, CUSTOM, path templates, some keys of `when`) it never guesses: such an ALLOW rule matches nobody, such a
DENY rule matches everybody. Ports are told by the SNI that the bed's clients send, since one listener serves all ports of a pod.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from . import envoy_jwt

__all__ = ["ACTIONS", "TYPES", "attached", "filters"]

Obj = dict[str, Any]
ACTIONS = ("DENY", "ALLOW")
_EXTENSIONS = "type.googleapis.com/envoy.extensions.filters"
TYPES = {"http": f"{_EXTENSIONS}.http.rbac.v3.RBAC", "network": f"{_EXTENSIONS}.network.rbac.v3.RBAC"}
_ANY: Obj = {"any": True}
_HTTP_FIELDS = {"methods", "paths", "hosts"}


class UnsupportedError(Exception):
    """The bed cannot say this."""


def attached(policies: Iterable[Obj], pod: Obj, root: str) -> list[Obj]:
    """Those that a pod enforces, by the names of their namespaces and theirs."""
    labels = pod["metadata"].get("labels") or {}
    found = []
    for policy in policies:
        spec, meta = policy.get("spec") or {}, policy["metadata"]
        wanted = (spec.get("selector") or {}).get("matchLabels") or {}
        here = meta["namespace"] in (root, pod["metadata"]["namespace"])
        if here and not spec.get("targetRefs") and wanted.items() <= labels.items():
            found.append(policy)
    return sorted(found, key=lambda policy: (policy["metadata"]["namespace"], policy["metadata"]["name"]))


def _text(value: str, start: str = "") -> Obj:
    """A string of a policy: exact, prefix*, *suffix, *; `start` is what the attribute has before it."""
    if value == "*":
        return {"safe_regex": {"regex": ".+"}}
    if value.startswith("*"):
        return {"suffix": value[1:]}
    return {"prefix": start + value[:-1]} if value.endswith("*") else {"exact": start + value}


def _caller(matcher: Obj) -> Obj:
    return {"authenticated": {"principal_name": matcher}}


def _principals(values: list[str]) -> list[Obj]:
    return [_caller(_text(value, "spiffe://")) for value in values]


def _namespaces(values: list[str]) -> list[Obj]:
    parts = [".*".join(re.escape(piece) for piece in value.split("*")) for value in values]
    return [_caller({"safe_regex": {"regex": f".*/ns/{part}/.*"}}) for part in parts]


def _ports(values: list[str]) -> list[Obj]:
    names = [f"outbound_\\.{int(value)}_\\._\\..*" for value in values]
    return [{"requested_server_name": {"safe_regex": {"regex": name}}} for name in names]


def _methods(values: list[str]) -> list[Obj]:
    return [{"header": {"name": ":method", "string_match": _text(value)}} for value in values]


def _hosts(values: list[str]) -> list[Obj]:
    return [
        {"header": {"name": ":authority", "string_match": {**_text(value), **({} if value == "*" else {"ignore_case": True})}}}
        for value in values
    ]


def _paths(values: list[str]) -> list[Obj]:
    if any("{" in value for value in values):
        raise UnsupportedError("path templates")
    return [{"url_path": {"path": _text(value)}} for value in values]


def _request_principals(values: list[str]) -> list[Obj]:
    """ISSUER/SUBJECT, told apart at the last slash; both have to be there."""
    found = []
    for value in values:
        issuer, slash, subject = value.rpartition("/")
        if value != "*" and (not slash or "*" in issuer or not subject):
            raise UnsupportedError(f"requestPrincipals {value}")
        parts = [envoy_jwt.payload(["iss"], _text(issuer or "*")), envoy_jwt.payload(["sub"], _text(subject if slash else "*"))]
        found.append({"and_ids": {"ids": parts}})
    return found


_SOURCES = {"principals": _principals, "namespaces": _namespaces, "requestPrincipals": _request_principals}
_OPERATIONS = {"ports": _ports, "methods": _methods, "hosts": _hosts, "paths": _paths}
_KEYS = {
    "source.principal": ("source", "principals"),
    "source.namespace": ("source", "namespaces"),
    "request.auth.principal": ("source", "requestPrincipals"),
    "destination.port": ("operation", "ports"),
}
_CLAIM = re.compile(r"request\.auth\.claims((?:\[[^\[\]]+\])+)")


def _source(clause: Obj) -> Obj:
    return _joined(clause, _SOURCES, "and_ids", "or_ids", "not_id", "ids")


def _operation(clause: Obj) -> Obj:
    return _joined(clause, _OPERATIONS, "and_rules", "or_rules", "not_rule", "rules")


def _joined(clause: Obj, known: dict[str, Any], *words: str) -> Obj:
    both, either, negation, key = words
    parts: list[Obj] = []
    for name, values in clause.items():
        positive = name if name in known else name[3:4].lower() + name[4:]
        if positive not in known or (name != positive and not name.startswith("not")):
            raise UnsupportedError(name)
        found: Obj = {either: {key: known[positive](list(values))}}
        parts.append(found if positive == name else {negation: found})
    return {both: {key: parts}} if parts else _ANY


def _condition(row: Obj) -> tuple[str, Obj]:
    """Where a `when` belongs, and what it is there."""
    place, field = _KEYS.get(row["key"], ("", ""))
    if not place and row["key"].startswith("request.headers["):
        name = row["key"].removeprefix("request.headers[").removesuffix("]")
        rules = [{"header": {"name": name, "string_match": _text(value)}} for value in row.get("values") or []]
        if row.get("notValues") or not rules:
            raise UnsupportedError(f"{row['key']} notValues")
        return "operation", {"or_rules": {"rules": rules}}
    claim = _CLAIM.fullmatch(row["key"])
    if claim:
        steps = claim[1][1:-1].split("][")
        ids = {key: [envoy_jwt.payload(steps, _text(value)) for value in row.get(key) or []] for key in ("values", "notValues")}
        parts: list[Obj] = [{"or_ids": {"ids": ids["values"]}}] if ids["values"] else []
        parts += [{"not_id": {"or_ids": {"ids": ids["notValues"]}}}] if ids["notValues"] else []
        return "source", {"and_ids": {"ids": parts}}
    if not place:
        raise UnsupportedError(row["key"])
    clause = {field: row["values"]} if row.get("values") else {}
    clause |= {f"not{field[0].upper()}{field[1:]}": row["notValues"]} if row.get("notValues") else {}
    return place, _source(clause) if place == "source" else _operation(clause)


def _rule(rule: Obj) -> Obj:
    sources = [_source(entry["source"]) for entry in rule.get("from") or []]
    operations = [_operation(entry["operation"]) for entry in rule.get("to") or []]
    who: list[Obj] = [{"or_ids": {"ids": sources}}] if sources else []
    what: list[Obj] = [{"or_rules": {"rules": operations}}] if operations else []
    for row in rule.get("when") or []:
        place, found = _condition(row)
        (who if place == "source" else what).append(found)
    return {"permissions": [{"and_rules": {"rules": what}} if what else _ANY], "principals": [{"and_ids": {"ids": who}} if who else _ANY]}


def _never() -> Obj:
    return {"permissions": [{"not_rule": _ANY}], "principals": [{"not_id": _ANY}]}


def _speaks_http(rule: Obj) -> bool:
    fields = {name for entry in rule.get("to") or [] for name in entry["operation"]}
    keys = [row["key"] for row in rule.get("when") or [] if row["key"].startswith("request.")]
    tokens = [name for entry in rule.get("from") or [] for name in entry["source"] if name in ("requestPrincipals", "notRequestPrincipals")]
    return bool(keys or tokens or fields & (_HTTP_FIELDS | {f"not{name.capitalize()}" for name in _HTTP_FIELDS}))


def filters(policies: Iterable[Obj], layer: str) -> dict[str, Obj]:
    """By action, the configuration of the RBAC filter of a layer (http or network); without rules it lets everything pass."""
    made: dict[str, Obj] = {}
    for action in ACTIONS:
        rules: dict[str, Obj] = {}
        own = [policy for policy in policies if ((policy.get("spec") or {}).get("action") or "ALLOW") == action]
        for policy in own:
            meta, spec = policy["metadata"], policy.get("spec") or {}
            start = f"ns[{meta['namespace']}]-policy[{meta['name']}]-rule["
            if not spec.get("rules"):
                rules[f"{start}0]"] = _never()
            for number, rule in enumerate(spec.get("rules") or []):
                try:
                    if layer == "network" and _speaks_http(rule):
                        raise UnsupportedError("HTTP at a TCP port")
                    rules[f"{start}{number}]"] = _rule(rule or {})
                except UnsupportedError:
                    rules[f"{start}{number}]"] = _never() if action == "ALLOW" else {"permissions": [_ANY], "principals": [_ANY]}
        body: Obj = {"@type": TYPES[layer], **({"stat_prefix": f"rbac_{action.lower()}"} if layer == "network" else {})}
        made[action] = {**body, "rules": {"action": action, "policies": rules}} if own else body
    return made
