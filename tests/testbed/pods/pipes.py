# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways between namespaces: a socket that listens in one, and leads to an address in another one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from . import netns

__all__ = ["Target", "both", "copy", "local_port", "relay"]


class Target(NamedTuple):
    """An address in a namespace; None is the machine's own."""

    namespace: str | None
    address: str
    port: int


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To the end, which is handed on as well."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()


async def both(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far_reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter
) -> None:
    """Two connections are one, to the end of both ways; then the far one is closed."""
    try:
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
    finally:
        far_writer.close()


async def relay(namespace: str | None, address: str, port: int, target: Callable[[], Target | None]) -> asyncio.AbstractServer:
    """target is asked for each connection; None refuses it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = target()
        try:
            if found is None:
                raise ConnectionRefusedError("nobody is behind it")
            far_reader, far_writer = await asyncio.open_connection(sock=await netns.connect(*found))
        except OSError:
            writer.close()
            return
        try:
            await both(reader, writer, far_reader, far_writer)
        finally:
            writer.close()

    return await asyncio.start_server(serve, sock=netns.listen(namespace, address, port))


def local_port(server: asyncio.AbstractServer) -> int:
    return int(server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]
