# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What `mesh_access` says, read and looked at by itself: forms, unknown keys, empty lists. All problems at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._errors import ConfigError

__all__ = [
    "ANYONE",
    "AUTHENTICATED",
    "PLAINTEXT",
    "AccessIntent",
    "AccessRule",
    "Egress",
    "Exemption",
    "Issuer",
    "bare_intent",
    "read_intent",
    "read_rules",
]  # fmt: skip

ANYONE, AUTHENTICATED, PLAINTEXT = "anyone", "authenticated", "plaintext"
WORDS = (ANYONE, AUTHENTICATED, PLAINTEXT)
OPERATIONS = ("ports", "methods", "paths", "hosts")
_SOURCES = ("namespace:", "domain:", "gateway:", "serviceaccount:")
_TARGETS = ("namespace:", "domain:", "gateway:", "service:")
_PAIRS = ("serviceaccount:", "service:")
_MODES = ("STRICT", "PERMISSIVE", "DISABLE")
_KEYS = ("namespaces", "rules", "never", "close", "mtls", "issuers", "default_deny", "egress")
_RULE = ("name", "from", "to", *OPERATIONS, "tokens", "claims")
_CLAIM = re.compile(r"[^\[\]]+(\[[^\[\]]+\])*")


@dataclass(frozen=True)
class AccessRule:
    """Who may do what. `name`: as messages call it."""

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    operations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokens: tuple[str, ...] = ()
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by name; a[b] is b inside of a


@dataclass(frozen=True)
class Issuer:
    """Who signs tokens; `jwks` are the keys themselves, `jwks_uri` is where they are."""

    name: str
    issuer: str
    jwks_uri: str = ""
    jwks: str = ""
    audiences: tuple[str, ...] = ()
    forward: bool = False


@dataclass(frozen=True)
class Exemption:
    """Another mode of mutual TLS than that of the namespaces: for a namespace, a workload, or ports of one."""

    target: str
    mode: str = ""
    ports: Mapping[int, str] = field(default_factory=dict)
    name: str = ""  # why it is there, for messages and as an annotation


@dataclass(frozen=True)
class Egress:
    """Whether workloads are told only about the hosts that they may call, and what else they shall know."""

    sidecars: bool = False
    also: tuple[str, ...] = ()  # NAMESPACE/HOST, as in a Sidecar


@dataclass(frozen=True)
class AccessIntent:
    namespaces: tuple[str, ...]
    rules: tuple[AccessRule, ...]
    never: tuple[AccessRule, ...] = ()
    close: tuple[str, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    mode: str = ""  # of mutual TLS in the namespaces; empty: it is left as it is
    exemptions: tuple[Exemption, ...] = ()
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_deny: bool = True  # whether whole namespaces are closed, or only what rules and `close` name
    destination_rules: bool = False  # whether callers are told about mutual TLS too
    egress: Egress = field(default_factory=Egress)


class _IntentReader:
    def __init__(self) -> None:
        self.problems: list[str] = []

    def mapping(self, value: Any, where: str, known: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.problems.append(f"{where} is {value!r}, expected a map with {', '.join(known)}")
            return {}
        self.problems += [f"{where}.{key} is not known; there are {', '.join(known)}" for key in value if key not in known]
        return {key: entry for key, entry in value.items() if entry is not None}

    def rows(self, value: Any, where: str) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            self.problems.append(f"{where} is {value!r}, expected a list")
            return []
        return list(value)

    def strings(self, value: Any, where: str) -> tuple[str, ...]:
        rows = self.rows(value, where)
        if isinstance(value, (list, tuple)) and not rows:
            self.problems.append(
                f"{where} is an empty list, which Istio would take for anyone or anything; leave the key out, or name something"
            )
        for entry in rows:
            if isinstance(entry, (Mapping, list, tuple)) or entry is None or str(entry).strip() in ("", "*/*"):
                self.problems.append(f"{where}: {entry!r} is no name")
        return tuple(str(entry) for entry in rows)

    def name(self, entry: str, where: str, forms: Sequence[str], words: Sequence[str]) -> None:
        form = next((form for form in forms if entry.startswith(form)), "")
        rest, pair = entry.removeprefix(form), form in _PAIRS or not form
        if entry in words or (rest and (rest.count("/") == 1 and all(rest.split("/")) if pair else "/" not in rest)):
            return
        known = [*words, "NAMESPACE/WORKLOAD", *(f"{form}{'NAMESPACE/NAME' if form in _PAIRS else 'NAME'}" for form in forms)]
        self.problems.append(f"{where}: {entry!r} is none of {', '.join(known)}")

    def boolean(self, value: Any, where: str) -> bool:
        words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        if str(value).lower() not in words:
            self.problems.append(f"{where} is {value!r}, expected true or false")
        return words.get(str(value).lower(), False)

    def claims(self, value: Any, where: str) -> dict[str, tuple[str, ...]]:
        if not isinstance(value, Mapping) or not value:
            self.problems.append(f"{where} is {value!r}, expected a map of a claim's name to a list of values")
            return {}
        self.problems += [f"{where}: {name!r} is no name of a claim; write a[b] for b inside of a" for name in value
                          if not _CLAIM.fullmatch(str(name))]  # fmt: skip
        return {str(name): self.strings(entry, f"{where}.{name}") for name, entry in value.items()}

    def mode(self, value: Any, where: str) -> str:
        if value not in _MODES:
            self.problems.append(f"{where} is {value!r}, expected one of {', '.join(_MODES)}")
        return str(value)

    def rule(self, value: Any, where: str) -> AccessRule:
        row = self.mapping(value, where, _RULE)
        name = f"{where} ({row['name']})" if row.get("name") else where
        for key in ("from", "to"):
            if isinstance(value, Mapping) and key not in row:
                self.problems.append(f"{name} has no {key}")
        lists = {key: self.strings(entry, f"{name}.{key}") for key, entry in row.items() if key in _RULE and key not in ("name", "claims")}
        claims = self.claims(row["claims"], f"{name}.claims") if "claims" in row else {}
        if claims and "tokens" not in row:
            self.problems.append(f"{name}.claims: say in tokens whose token it is, such as ISSUER/*; another issuer could claim the same")
        for entry in lists.get("from", ()):
            self.name(entry, f"{name}.from", _SOURCES, WORDS)
        for entry in lists.get("to", ()):
            self.name(entry, f"{name}.to", _TARGETS, ())
        for entry in lists.get("ports", ()):
            if not entry.isdigit() or not 0 < int(entry) < 65536:
                self.problems.append(f"{name}.ports: {entry!r} is no port of a pod, expected a number from 1 to 65535")
        for entry in lists.get("methods", ()):
            if entry != entry.upper():
                self.problems.append(f"{name}.methods: {entry!r} never matches, methods are in capitals: {entry.upper()}")
        for entry in lists.get("paths", ()):
            if not entry.startswith(("/", "*")):
                self.problems.append(f"{name}.paths: {entry!r} never matches, a path begins with /")
        operations = {key: lists[key] for key in OPERATIONS if key in lists}
        return AccessRule(name, lists.get("from", ()), lists.get("to", ()), operations, lists.get("tokens", ()), claims)

    def rules(self, row: Mapping[str, Any], key: str) -> list[AccessRule]:
        where = f"mesh_access.{key}"
        return [self.rule(entry, f"{where}[{number}]") for number, entry in enumerate(self.rows(row.get(key, []), where))]

    def issuer(self, value: Any, where: str) -> Issuer:
        row = self.mapping(value, where, ("name", "issuer", "jwks_uri", "jwks", "audiences", "forward"))
        for key in ("name", "issuer"):
            if not row.get(key):
                self.problems.append(f"{where} has no {key}")
        if bool(row.get("jwks_uri")) == bool(row.get("jwks")):
            self.problems.append(f"{where} needs one of jwks_uri and jwks, the keys that its tokens are signed with")
        audiences = self.strings(row["audiences"], f"{where}.audiences") if "audiences" in row else ()
        name, issuer, uri, keys = (str(row.get(key) or "") for key in ("name", "issuer", "jwks_uri", "jwks"))
        return Issuer(name, issuer, uri, keys, audiences, self.boolean(row.get("forward", False), f"{where}.forward"))

    def exemption(self, value: Any, where: str) -> Exemption:
        row = self.mapping(value, where, ("name", "for", "mode", "ports"))
        target = str(row.get("for") or "")
        where = f"{where} ({row['name']})" if row.get("name") else where
        self.name(target, f"{where}.for", ("namespace:", "gateway:"), ())
        ports = self.mapping(row.get("ports") or {}, f"{where}.ports", tuple(row.get("ports") or {}))
        if not ports and "mode" not in row:
            self.problems.append(f"{where} has no mode and no ports, so it says nothing")
        if ports and target.startswith("namespace:"):
            self.problems.append(f"{where}: ports are those of a workload, and {target} is none")
        modes = {int(port): self.mode(mode, f"{where}.ports.{port}") for port, mode in ports.items() if str(port).isdigit()}
        self.problems += [f"{where}.ports: {port!r} is no port" for port in ports if not str(port).isdigit()]
        return Exemption(target, self.mode(row["mode"], f"{where}.mode") if "mode" in row else "", modes, str(row.get("name") or ""))

    def egress(self, value: Any, where: str) -> Egress:
        row = self.mapping(value, where, ("sidecars", "also"))
        also = self.strings(row["also"], f"{where}.also") if "also" in row else ()
        for entry in also:
            if entry.count("/") != 1 or not all(entry.split("/")):
                self.problems.append(f"{where}.also: {entry!r} is no NAMESPACE/HOST, as a Sidecar has it, such as istio-system/*")
        return Egress(self.boolean(row.get("sidecars", False), f"{where}.sidecars"), also)


def _domains(value: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    return {str(row["name"]): tuple(str(name) for name in row["namespaces"]) for row in value}


def _twice(reader: _IntentReader, names: Sequence[str], what: str) -> None:
    for name in dict.fromkeys(name for name in names if name and names.count(name) > 1):
        reader.problems.append(f"there are several {what} {name}: give each a name of its own")


def bare_intent(value: Any, domains: Iterable[Any] = ()) -> AccessIntent:
    """What stands beside the rules: issuers and domains."""
    reader = _IntentReader()
    rows = reader.rows((value or {}).get("issuers") or [], "mesh_access.issuers")
    issuers = tuple(reader.issuer(entry, f"mesh_access.issuers[{number}]") for number, entry in enumerate(rows))
    if reader.problems:
        raise ConfigError("the intended access cannot be used:", *(f"- {text}" for text in reader.problems))
    return AccessIntent((), (), issuers=issuers, domains=_domains(domains))


def read_rules(value: Any, where: str) -> tuple[tuple[AccessRule, ...], list[str]]:
    """Rules by themselves, and what is wrong with them."""
    reader = _IntentReader()
    rules = tuple(reader.rule(entry, f"{where}[{number}]") for number, entry in enumerate(reader.rows(value, where)))
    return rules, reader.problems


def read_intent(value: Any, domains: Iterable[Any] = ()) -> AccessIntent:
    """mesh_access, with the namespaces of mesh_domains where it names none; a ConfigError has all that is wrong by itself."""
    reader, known = _IntentReader(), _domains(domains)
    row = reader.mapping(value, "mesh_access", _KEYS)
    every = tuple(dict.fromkeys(name for names in known.values() for name in names))
    default_deny = reader.boolean(row.get("default_deny", True), "mesh_access.default_deny")
    namespaces = reader.strings(row["namespaces"], "mesh_access.namespaces") if "namespaces" in row else every if default_deny else ()
    if not namespaces and default_deny:
        reader.problems.append("mesh_access.namespaces is not set and mesh_domains has no namespaces: nothing would be closed")
    rules, never = reader.rules(row, "rules"), reader.rules(row, "never")
    if not rules and isinstance(value, Mapping):
        reader.problems.append("mesh_access.rules is empty, so no call would be allowed; write the intended calls")
    close = reader.strings(row["close"], "mesh_access.close") if "close" in row else ()
    for entry in close:
        reader.name(entry, "mesh_access.close", _TARGETS, ())
    listed = reader.rows(row.get("issuers", []), "mesh_access.issuers")
    issuers = [reader.issuer(entry, f"mesh_access.issuers[{i}]") for i, entry in enumerate(listed)]
    _twice(reader, [issuer.name for issuer in issuers], "mesh_access.issuers of the name")
    mtls = reader.mapping(row.get("mtls") or {}, "mesh_access.mtls", ("mode", "exceptions", "destination_rules"))
    mode = reader.mode(mtls["mode"], "mesh_access.mtls.mode") if "mode" in mtls else ""
    listed = reader.rows(mtls.get("exceptions", []), "mesh_access.mtls.exceptions")
    exemptions = [reader.exemption(entry, f"mesh_access.mtls.exceptions[{i}]") for i, entry in enumerate(listed)]
    _twice(reader, [one.target for one in exemptions], "mesh_access.mtls.exceptions for")
    tell = reader.boolean(mtls.get("destination_rules", False), "mesh_access.mtls.destination_rules")
    egress = reader.egress(row.get("egress") or {}, "mesh_access.egress")
    if reader.problems:
        raise ConfigError("the intended access cannot be used:", *(f"- {text}" for text in dict.fromkeys(reader.problems)))
    return AccessIntent(
        namespaces, tuple(rules), tuple(never), close, tuple(issuers), mode, tuple(exemptions), known, default_deny, tell, egress
    )
