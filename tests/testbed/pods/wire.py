# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of protobuf's wire format as it takes to edit messages without their definitions. No I/O.

What is not edited keeps its bytes; what is made is given as a Struct, which Envoy takes for every configuration of an extension.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["any_of", "edit", "every", "fields", "first", "kind_of", "member", "number", "struct_of", "typed"]

Edit = Callable[[bytes], bytes | None]
_TYPED_STRUCT = b"type.googleapis.com/xds.type.v3.TypedStruct"


def varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, bytes | int | None, bytes]]:
    """(field, value, the field as it stands): bytes of a message or string, an int, or None for fixed widths."""
    at = 0
    while at < len(data):
        start = at
        key, at = _read(data, at)
        field, form = key >> 3, key & 7
        value: bytes | int | None = None
        if form == 0:
            value, at = _read(data, at)
        elif form == 1:
            at += 8
        elif form == 5:
            at += 4
        elif form == 2:
            size, at = _read(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"wire type {form} at byte {start}")
        if at > len(data):
            raise ValueError(f"field {field} ends after the message")
        yield field, value, data[start:at]


def member(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def edit(data: bytes, rules: Mapping[int, Edit], more: bytes = b"") -> bytes:
    """Each field by its rule: other bytes, None to drop it; `more` are fields put at the end."""
    made = []
    for field, value, raw in fields(data):
        rule = rules.get(field)
        if rule is None or not isinstance(value, bytes):
            made.append(raw)
            continue
        new = rule(value)
        if new is not None:
            made.append(raw if new is value else member(field, new))
    return b"".join([*made, more])


def every(data: bytes, field: int) -> Iterator[bytes]:
    """What a repeated field of messages or strings holds."""
    return (value for found, value, _raw in fields(data) if found == field and isinstance(value, bytes))


def first(data: bytes, field: int) -> bytes:
    return next(every(data, field), b"")


def kind_of(packed: bytes) -> bytes:
    """The type of an Any, and of what a TypedStruct in it stands for."""
    kind = first(packed, 1)
    return first(first(packed, 2), 1) if kind.endswith(b"TypedStruct") else kind


def any_of(kind: bytes, value: bytes) -> bytes:
    return member(1, kind) + member(2, value)


def struct_of(data: Mapping[str, Any]) -> bytes:
    """google.protobuf.Struct"""
    return b"".join(member(1, member(1, key.encode()) + member(2, _value(value))) for key, value in data.items())


def _value(value: Any) -> bytes:
    if value is None:
        return number(1, 0)
    if isinstance(value, bool):
        return number(4, int(value))
    if isinstance(value, int | float):
        return varint(2 << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, str):
        return member(3, value.encode())
    if isinstance(value, Mapping):
        return member(5, struct_of(value))
    return member(6, b"".join(member(1, _value(one)) for one in value))


def typed(kind: str, data: Mapping[str, Any]) -> bytes:
    """An Any of a TypedStruct: a configuration of an extension, written as one would write it in YAML."""
    return any_of(_TYPED_STRUCT, member(1, f"type.googleapis.com/{kind}".encode()) + member(2, struct_of(data)))
