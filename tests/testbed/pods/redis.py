# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of Redis as the samples use, and an echo for whoever speaks something else."""

from __future__ import annotations

import asyncio

__all__ = ["Store", "ask", "command_of", "reply", "serve"]

Store = dict[str, list[str]]


def command_of(data: bytes) -> tuple[list[str] | None, bytes]:
    """The first command and what is left; None while it is not whole. Raises ValueError for what is no Redis."""
    if data[:1] != b"*":
        line, end, rest = data.partition(b"\n")
        if not end:
            return None, data
        words = line.decode(errors="replace").split()
        if not words or words[0].upper() not in _COMMANDS:
            raise ValueError("not Redis")
        return words, rest
    parts: list[str] = []
    head, end, rest = data.partition(b"\r\n")
    if not end:
        return None, data
    for _number in range(int(head[1:])):
        size, end, rest = rest.partition(b"\r\n")
        if not end or len(rest) < int(size[1:]) + 2:
            return None, data
        parts.append(rest[: int(size[1:])].decode(errors="replace"))
        rest = rest[int(size[1:]) + 2 :]
    return parts, rest


def _bulk(text: str | None) -> bytes:
    return b"$-1\r\n" if text is None else f"${len(text.encode())}\r\n{text}\r\n".encode()


def _set(store: Store, words: list[str]) -> bytes:
    store[words[1]] = [words[2]]
    return b"+OK\r\n"


def _push(store: Store, words: list[str]) -> bytes:
    known, new = store.get(words[1], []), words[2:]
    store[words[1]] = [*known, *new] if words[0].upper() == "RPUSH" else [*reversed(new), *known]
    return f":{len(store[words[1]])}\r\n".encode()


def _range(store: Store, words: list[str]) -> bytes:
    rows = store.get(words[1], [])
    begin, end = int(words[2]), int(words[3])
    begin = max(begin + len(rows), 0) if begin < 0 else begin
    end = end + len(rows) if end < 0 else end
    chosen = rows[begin : end + 1]
    return f"*{len(chosen)}\r\n".encode() + b"".join(map(_bulk, chosen))


def _delete(store: Store, words: list[str]) -> bytes:
    return f":{sum(store.pop(key, None) is not None for key in words[1:])}\r\n".encode()


_COMMANDS = {
    "PING": lambda _store, words: _bulk(words[1]) if len(words) > 1 else b"+PONG\r\n",
    "ECHO": lambda _store, words: _bulk(words[1]),
    "SET": _set,
    "GET": lambda store, words: _bulk((store.get(words[1]) or [None])[0]),
    "DEL": _delete,
    "RPUSH": _push,
    "LPUSH": _push,
    "LRANGE": _range,
    "SELECT": lambda _store, _words: b"+OK\r\n",
    "CLIENT": lambda _store, _words: b"+OK\r\n",
    "COMMAND": lambda _store, _words: b"*0\r\n",
    "INFO": lambda _store, _words: _bulk("redis_version:7.0.0\r\nrole:master\r\n"),
    "QUIT": lambda _store, _words: b"+OK\r\n",
}


def reply(store: Store, words: list[str]) -> bytes:
    run = _COMMANDS.get(words[0].upper()) if words else None
    if run is None:
        return f"-ERR unknown command '{words[0] if words else ''}'\r\n".encode()
    try:
        return run(store, words)
    except (IndexError, ValueError):
        return f"-ERR wrong arguments for '{words[0]}'\r\n".encode()


async def serve(store: Store, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    data, echo = begun, False
    while data:
        while data and not echo:
            try:
                words, rest = command_of(data)
            except ValueError:
                echo = True
                break
            if words is None:
                break
            writer.write(reply(store, words))
            data = rest
            if words and words[0].upper() == "QUIT":
                await writer.drain()
                return
        if echo:
            writer.write(data)
            data = b""
        await writer.drain()
        more = await reader.read(65536)
        if not more:
            return
        data += more


async def ask(words: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    writer.write(f"*{len(words)}\r\n".encode() + b"".join(map(_bulk, words)))
    await writer.drain()
    return await _answer(reader)


async def _answer(reader: asyncio.StreamReader) -> str:
    line = (await reader.readuntil(b"\r\n")).decode(errors="replace").strip()
    if line[:1] == "$":
        size = int(line[1:])
        return "" if size < 0 else (await reader.readexactly(size + 2))[:-2].decode(errors="replace")
    if line[:1] == "*":
        return "\n".join([await _answer(reader) for _number in range(int(line[1:]))])
    return line[1:]
