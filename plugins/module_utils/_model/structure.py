# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether an object has the fields of its kind: what an API server drops without a word, or refuses once it is too late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .._text import did_you_mean, nearest, quoted, shortened
from .kind_fields import FIELDS
from .objects import group_of

__all__ = ["GROUPS", "Fault", "faults_of", "served_versions"]

_MANY = 6  # values of an enumeration that are listed


@dataclass(frozen=True)
class Fault:
    """What is wrong at a path such as `spec.http[0].rout`. certain: no version of the kind can mean it."""

    path: str
    text: str
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.path} {self.text}"


@dataclass
class _Line:
    """A line of the table. word: what a value is; empty for an object, whose fields are `below`."""

    word: str = ""
    lists: int = 0
    required: bool = False
    below: dict[str, _Line] = field(default_factory=dict)


@dataclass(frozen=True)
class _Kind:
    versions: tuple[str, ...]
    spec: _Line


@cache
def _kinds() -> dict[tuple[str, str], _Kind]:
    """Group and kind to what the table says."""
    found = {}
    for block in FIELDS.strip().split("\n\n"):
        head, *rows = block.split("\n")
        group, kind, *versions = head.split()
        spec = _Line()
        parents = [spec]
        for row in rows:
            text = row.lstrip(" ")
            name, *words = text.split(" ")
            lists = sum(word == "list" for word in words)
            one = _Line(" ".join(word for word in words if word != "list"), lists, name.endswith("!"))
            depth = len(row) - len(text)
            parents[depth:] = [one]
            parents[depth - 1].below[name.removesuffix("!")] = one
        found[group, kind] = _Kind(tuple(versions), spec)
    return found


GROUPS = frozenset(block.partition(" ")[0] for block in FIELDS.strip().split("\n\n"))


def served_versions(group: str, kind: str) -> tuple[str, ...]:
    """The versions in which a kind is served, the newest first; none where it is not in the table."""
    known = _kinds().get((group, kind))
    return known.versions if known else ()


def faults_of(obj: Mapping[str, Any]) -> Iterator[Fault]:
    """What of an object is not as its kind has it. Kinds of other groups have no faults: nothing is known of them."""
    version, kind = str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")
    group = group_of(version)
    known = _kinds().get((group, kind))
    if known is None:
        if group in GROUPS:
            names = [name for space, name in _kinds() if space == group]
            yield Fault("kind", f"{quoted(kind)} is not one of {group}; {did_you_mean(kind, names)}", bool(nearest(kind, names)))
        return
    short = version.rpartition("/")[2]
    if short not in known.versions:
        yield Fault("apiVersion", f"{quoted(version)} is not served; {kind} has {' or '.join(known.versions)}", certain=False)
    spec = obj.get("spec")
    if spec is not None:
        yield from _faults(spec, known.spec, "spec")
    near = nearest("spec", [str(key) for key in obj if key not in ("apiVersion", "kind", "metadata", "status", "spec")])
    if spec is None and near:
        yield Fault(near, "is no field of an object; did you mean spec?")


def _faults(value: Any, wanted: _Line, path: str, lists: int | None = None) -> Iterator[Fault]:
    left = wanted.lists if lists is None else lists
    if value is None:
        return  # the API server drops it
    if left:
        if not isinstance(value, (list, tuple)):
            yield Fault(path, f"is {_what(value)}, expected a list")
            return
        for number, one in enumerate(value):
            yield from _faults(one, wanted, f"{path}[{number}]", left - 1)
    elif wanted.word:
        text = _wrong(value, wanted.word)
        if text:
            yield Fault(path, text)
    elif not isinstance(value, Mapping):
        yield Fault(path, f"is {_what(value)}, expected fields: {shortened(wanted.below, _MANY)}")
    else:
        yield from _below(value, wanted, path)


def _below(value: Mapping[str, Any], wanted: _Line, path: str) -> Iterator[Fault]:
    anything = wanted.below.get("*")
    unknown = [str(name) for name in value if str(name) not in wanted.below and anything is None]
    for name in unknown:
        near = nearest(name, [known for known in wanted.below if known not in value])
        near = near or next((known for known in wanted.below if known.lower() == name.lower().replace("_", "")), "")
        hint = f"did you mean {near}?" if near else f"there are {shortened(wanted.below, _MANY)}"
        yield Fault(f"{path}.{name}", f"is no field that is known here, so it would be dropped; {hint}", bool(near))
    for name, one in wanted.below.items():
        if one.required and value.get(name) is None and not any(nearest(name, [other]) for other in unknown):
            yield Fault(f"{path}.{name}", "is missing, and has to be there")
    for name, inner in value.items():
        known = wanted.below.get(str(name), anything)
        if known is not None:
            yield from _faults(inner, known, f"{path}.{name}")


_IS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "text": ("a text", lambda value: isinstance(value, str)),
    "whole": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "number": ("a number", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)),
    "switch": ("true or false", lambda value: isinstance(value, bool)),
    "text-or-whole": ("a text or a whole number", lambda value: isinstance(value, (str, int)) and not isinstance(value, bool)),
    "any": ("", lambda value: True),
}  # fmt: skip


def _wrong(value: Any, word: str) -> str:
    """Why a value is not what the table's word says; empty where it is."""
    if word.startswith("one of "):
        choices = word.split(" ")[2:]
        if str(value) in choices and not isinstance(value, bool):
            return ""
        near = nearest(str(value), choices) or next((one for one in choices if one.lower() == str(value).lower()), "")
        return f"is {_what(value)}, expected " + (f"one of {', '.join(choices)}" if len(choices) <= _MANY or not near else f"{near}?")
    expected, fits = _IS[word]
    return "" if fits(value) else f"is {_what(value)}, expected {expected}"


def _what(value: Any) -> str:
    """A value, as a person reads YAML."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else f"the number {value}"
