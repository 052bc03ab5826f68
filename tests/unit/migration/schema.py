# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of structural schemas that tells a wrong field or type, as the API server's strict validation does."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from testbed import crds

__all__ = ["leaves", "problems", "schema_of"]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
Obj = dict[str, Any]


@functools.cache
def schema_of(group: str, kind: str, version: str) -> Obj:
    """Of the real CRD where there is one on this machine."""
    for crd in crds.load([group]):
        if crd["spec"]["names"]["kind"] == kind:
            for one in crd["spec"]["versions"]:
                if one["name"] == version:
                    found: Obj = one["schema"]["openAPIV3Schema"]
                    return found
    raise LookupError(f"{kind} {version} is not in the group {group}")


def problems(value: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Unknown fields, wrong types, values outside an enumeration."""
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str):
            yield f"{path}: {value!r} is neither a number nor a text"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (kind in ("integer", "number") and isinstance(value, bool))):
        yield f"{path}: {value!r} is not of type {kind}"
        return
    if schema.get("enum") and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if schema.get("pattern") and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not fit {schema['pattern']}"
    if isinstance(value, dict):
        yield from _fields(value, schema, path)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from problems(one, schema.get("items") or {}, f"{path}[{number}]")


def _fields(value: Obj, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    known, more = schema.get("properties") or {}, schema.get("additionalProperties")
    yield from (f"{path}.{name} is missing" for name in schema.get("required") or [] if name not in value)
    for name, one in value.items():
        if name in known:
            yield from problems(one, known[name], f"{path}.{name}")
        elif isinstance(more, dict):
            yield from problems(one, more, f"{path}.{name}")
        elif not schema.get("x-kubernetes-preserve-unknown-fields") and not more and known:
            yield f"{path}.{name} is not in the schema"


def leaves(schema: Mapping[str, Any], path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    """Every field that has no fields of its own, by a concrete path: `x` for a free name, 0 for an item."""
    if schema.get("properties"):
        for name, one in schema["properties"].items():
            yield from leaves(one, (*path, name))
    elif schema.get("type") == "array" and (schema.get("items") or {}).get("properties"):
        yield from leaves(schema["items"], (*path, 0))
    elif isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"].get("properties"):
        yield from leaves(schema["additionalProperties"], (*path, "x"))
    else:
        yield path, schema
