# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of HTTP/1.1 as applications, callers and pages of metrics read here. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["headers_of", "is_chunked", "joined"]


def headers_of(lines: Iterable[str]) -> dict[str, str]:
    """The headers of a request or an answer, by their names in small letters."""
    return {name.strip().lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}


def is_chunked(headers: dict[str, str]) -> bool:
    return "chunked" in headers.get("transfer-encoding", "")


def joined(body: bytes) -> bytes:
    """A whole body in chunks, without them. Raises ValueError where one has no end."""
    made: list[bytes] = []
    at = 0
    while True:
        line = body.index(b"\r\n", at)
        size = int(body[at:line].split(b";")[0], 16)
        if not size:
            return b"".join(made)
        made.append(body[line + 2 : line + 2 + size])
        at = line + 4 + size
