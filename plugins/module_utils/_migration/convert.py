# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Walks a ServiceMeshControlPlane field by field: what each becomes, and the values of the Istio resource."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from .._model.secrecy import is_secret, masked, names_a_secret
from .affinity import affinity
from .fields import FIELDS, IMPLIED, Field, FieldOutcome

__all__ = ["Converted", "FieldRow", "Lost", "at", "convert", "path_text", "tracing_of"]

PathItem: TypeAlias = "str | int"
_HIDDEN = "(not shown)"
_SECRET = re.compile(r"(?i)(key|token|password|passphrase|secret|credential)s?$")
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_TLS = {"TLSv1_2": "TLSV1_2", "TLSv1_3": "TLSV1_3", "TLS_AUTO": "TLS_AUTO"}


class Lost(ValueError):
    """A value that the new place cannot take; the text says what to do."""


@dataclass(frozen=True)
class FieldRow:
    """What became of one field. implied: OSSM 2 does it although nobody wrote it. todo is empty where nothing is left to do."""

    path: str
    value: Any
    outcome: FieldOutcome
    to: str = ""
    todo: str = ""
    source: str = ""
    implied: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "path": self.path,
            "value": self.value,
            "outcome": self.outcome.value,
            "to": self.to,
            "todo": self.todo,
            "source": self.source,
            "implied": self.implied,
        }


@dataclass
class Converted:
    """The rows, the Helm values of the Istio, and the spec with what OSSM 2 implies."""

    rows: list[FieldRow] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)

    def at(self, path: str, default: Any = None) -> Any:
        """The effective value of a field."""
        return at(self.spec, path, default)


def at(obj: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path; `default` where a step is absent or null."""
    for step in path.split("."):
        obj = obj.get(step) if isinstance(obj, Mapping) else None
        if obj is None:
            return default
    return obj


def path_text(tokens: tuple[PathItem, ...]) -> str:
    """`spec.` and the path, as people write it."""
    text = "spec"
    for token in tokens:
        text += f"[{token}]" if isinstance(token, int) else f'["{token}"]' if "." in token else f".{token}"
    return text


def _steps(path: str) -> tuple[str, ...]:
    return tuple(part for step in path.split(".") for part in ((step[:-2], "[]") if step.endswith("[]") else (step,)))


_ROWS: dict[str, list[tuple[tuple[str, ...], Field]]] = {}
for _field in FIELDS:
    _ROWS.setdefault(_field.path.split(".")[0].removesuffix("[]"), []).append((_steps(_field.path), _field))


def _captures(steps: tuple[str, ...], tokens: tuple[PathItem, ...]) -> tuple[list[PathItem], tuple[PathItem, ...]] | None:
    """What the wildcards stand for and the rest of the path; None where the row does not fit."""
    taken: list[PathItem] = []
    for number, step in enumerate(steps):
        if step == "**":
            return (taken, tokens[number:]) if len(tokens) > number else None
        if number >= len(tokens):
            return None
        token = tokens[number]
        if step == "[]":
            if not isinstance(token, int):
                return None
            taken.append(token)
        elif isinstance(token, int) or not fnmatchcase(token, step):
            return None
        elif step == "*":
            taken.append(token)
    return (taken, ()) if len(tokens) == len(steps) else None


def row_for(tokens: tuple[PathItem, ...], *, whole: bool) -> tuple[Field, list[PathItem], tuple[PathItem, ...]] | None:
    """The first row that fits; whole: only rows that name this very field, and not all below one."""
    for steps, row in _ROWS.get(str(tokens[0]), ()):
        if whole == (steps[-1] == "**"):
            continue
        found = _captures(steps, tokens)
        if found is not None:
            return (row, *found)
    return None


def _leaves(node: Any, tokens: tuple[PathItem, ...] = ()) -> Iterator[tuple[tuple[PathItem, ...], Any, Any]]:
    """(path, value, row) of each field as far as the table tells fields apart."""
    named = row_for(tokens, whole=True) if tokens else None
    if named is not None:
        yield tokens, node, named
    elif isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, (*tokens, str(key)))
    elif isinstance(node, list) and node:
        for number, value in enumerate(node):
            yield from _leaves(value, (*tokens, number))
    elif tokens:
        yield tokens, node, row_for(tokens, whole=False)


def _target(to: str, taken: list[PathItem], rest: tuple[PathItem, ...]) -> tuple[PathItem, ...]:
    queue, made = list(taken), []
    for step in _steps(to):
        if step == "**":
            made += list(rest)
        else:
            made.append(queue.pop(0) if step in ("*", "[]") else step)
    return tuple(made)


def _put(where: Any, tokens: tuple[PathItem, ...], value: Any) -> Any:
    """Set a value below `where`; returns the value that was there and is another one, which then stays."""
    for number, token in enumerate(tokens[:-1]):
        made: Any = [] if isinstance(tokens[number + 1], int) else {}
        if isinstance(token, int):
            where.extend({} for _new in range(token + 1 - len(where)))
            where[token] = where[token] or made
            where = where[token]
        else:
            where = where.setdefault(token, made)
    last = tokens[-1]
    if isinstance(last, int):
        where.extend({} for _new in range(last + 1 - len(where)))
        where[last] = value
        return None
    old = where.get(last)
    if isinstance(old, dict) and isinstance(value, Mapping):
        where[last] = {**value, **old}
        return None
    if isinstance(old, list) and isinstance(value, list):
        where[last] = old + [one for one in value if one not in old]
        return None
    if old is not None and old != value:
        return old
    where[last] = value
    return None


def _tls(value: Any) -> str:
    if str(value) not in _TLS:
        raise Lost(f"Istio takes {' or '.join(_TLS.values())}: clients that need {value} must be changed first")
    return _TLS[str(value)]


_HOW: dict[str, Callable[[Any], Any]] = {
    "affinity": affinity,
    "enabled": lambda value: "enabled" if value else "disabled",
    "joined": lambda value: ",".join(str(one) for one in value),
    "levels": lambda value: ",".join(f"{name}:{level}" for name, level in sorted(value.items())),
    "lower": lambda value: str(value).lower(),
    "names": lambda value: [str(one.get("name")) for one in value],
    "text": lambda value: str(value).lower() if isinstance(value, bool) else str(value),
    "texts": lambda value: {str(name): str(text) for name, text in value.items()},
    "tls": _tls,
}


def _shown(tokens: tuple[PathItem, ...], value: Any) -> Any:
    """The value for a report; what may be a secret is not shown: by the names of the way to it, by what it is, or by its place."""
    names = [token for token in tokens if isinstance(token, str)]
    last = names[-1] if names else ""
    if last == "env" and isinstance(value, Mapping):
        return dict.fromkeys(value, _HIDDEN)
    if isinstance(value, (Mapping, list)):
        return masked({last: value})[last]
    if value is None or isinstance(value, bool):
        return value
    placed = last == "value" or not {"env", "args", "command"}.isdisjoint(names)
    named = bool(_SECRET.search(last)) or any(map(names_a_secret, names[:-1])) or names_a_secret(last)
    return _HIDDEN if (isinstance(value, str) and (placed or is_secret(value))) or named else value


def _row(made: Converted, tokens: tuple[PathItem, ...], value: Any, found: Any, *, implied: bool) -> FieldRow:
    blank = FieldRow(path_text(tokens), _shown(tokens, value), FieldOutcome.UNKNOWN, implied=implied)
    if found is None:
        return replace(blank, todo="This version of the collection does not know the field: find out what it does, and set it by hand.")
    row, taken, rest = found
    # what is switched off leaves nothing to do
    named = replace(
        blank, outcome=row.outcome, to=row.to, todo="" if value is False and tokens[-1] == "enabled" else row.todo, source=row.source
    )
    if row.outcome is not FieldOutcome.MAPPED:
        return named
    target = _target(row.to.removeprefix("spec.values."), taken, rest)
    named = replace(named, to=path_text(("values", *target)))
    try:
        old = _put(made.values, target, _HOW[row.how](value) if row.how else value)
    except Lost as exc:
        return replace(named, outcome=FieldOutcome.GONE, to="", todo=f"{named.to}: {exc}")
    except (AttributeError, TypeError) as exc:
        return replace(named, outcome=FieldOutcome.UNKNOWN, todo=f"The value is of no form that the field takes ({exc}): set it by hand.")
    if old is not None:
        twice = f"{named.to} can be said only once, and another field says {_shown(target, old)}: choose one."
        return replace(named, outcome=FieldOutcome.GONE, to="", todo=twice)
    return named


def _implied(spec: Mapping[str, Any], applied: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What OSSM 2 does although the resource does not say it; the profile's word, where the operator has written it down, goes first."""
    for path, value in IMPLIED:
        if at(spec, path) is None and not (path.startswith("gateways.") and at(spec, "gateways.enabled") is False):
            yield path, at(applied, path, value)


def tracing_of(smcp: Mapping[str, Any]) -> str | None:
    """Where OSSM 2 sends spans: what the resource says, else what its operator has written down; None where nobody can know it.

    Up to 2.5 it is Jaeger by default. In 2.6 it is off, unless a profile of the operator says otherwise, which a file does not show.
    """
    said = at(smcp, "spec.tracing.type") or at(smcp, "status.appliedSpec.tracing.type")
    if said:
        return str(said)
    if at(smcp, "status.appliedSpec") is not None:
        return "None"
    version = _VERSION.match(str(at(smcp, "spec.version", "")))
    return "Jaeger" if version and (int(version[1]), int(version[2])) < (2, 6) else None


def _tracing_row(made: Converted, effective: dict[str, Any], smcp: Mapping[str, Any]) -> None:
    """Tracing that the resource does not speak of."""
    tokens, found = ("tracing", "type"), tracing_of(smcp)
    if found is not None:
        _put(effective, tokens, found)
        made.rows.append(_row(made, tokens, found, row_for(tokens, whole=True), implied=True))
        return
    todo = ("It is not said, and off by default in 2.6, unless a profile says otherwise: look at status.appliedSpec.tracing.type on the "
            "cluster, or write it.")  # fmt: skip
    made.rows.append(FieldRow(path_text(tokens), None, FieldOutcome.UNKNOWN, todo=todo, implied=True))


def convert(smcp: Mapping[str, Any]) -> Converted:
    """All fields of the resource, one row each."""
    spec = smcp.get("spec") or {}
    made = Converted()
    for tokens, value, found in _leaves(spec):
        made.rows.append(_row(made, tokens, value, found, implied=False))
    effective: dict[str, Any] = _copied(spec)
    for path, value in _implied(spec, (smcp.get("status") or {}).get("appliedSpec") or {}):
        tokens = tuple(path.split("."))
        _put(effective, tokens, value)
        made.rows.append(_row(made, tokens, value, row_for(tokens, whole=True), implied=True))
    if at(spec, "tracing.type") is None:
        _tracing_row(made, effective, smcp)
    made.spec = effective
    _settle(made)
    made.values = _pruned(made.values)
    return made


def _settle(made: Converted) -> None:
    """What follows from fields together."""
    authority = made.at("security.certificateAuthority.type")
    if authority == "cert-manager":
        # istio-csr signs, and makes istiod's own certificate too
        _put(made.values, ("pilot", "env", "ENABLE_CA_SERVER"), "false")
    tls = at(made.values, "meshConfig.meshMTLS.minProtocolVersion")
    if tls:
        _put(made.values, ("meshConfig", "tlsDefaults", "minProtocolVersion"), tls)
    if not made.at("runtime.components.pilot.deployment.autoScaling.enabled", default=False):
        # OSSM 2 scales istiod only where it is asked to
        _put(made.values, ("pilot", "autoscaleEnabled"), False)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _pruned(value: Any) -> Any:
    """Without list items that nothing was put into."""
    if isinstance(value, dict):
        return {key: _pruned(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_pruned(one) for one in value if one != {}]
    return value
