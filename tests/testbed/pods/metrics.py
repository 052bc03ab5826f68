# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy's pages of metrics with Istio's names: requests for 15020 and 15090 pass here, on their way through the pod's own rules."""

from __future__ import annotations

import asyncio
import re

from . import netns
from .http1 import joined
from .pipes import both
from .telemetry import istio_names

__all__ = ["PORTS", "redirects", "serve"]

PORTS = {15020: 15920, 15090: 15990}  # of the proxy, and where we listen in the pod for it
_MARK = 0x7B  # our own way to the proxy
_PAGE = re.compile(rb"^GET /(stats/prometheus|metrics)[ ?]")
_LIMIT = 1 << 26


def redirects() -> list[list[str]]:
    """Arguments of iptables. The agent, which is user 1337, asks Envoy itself."""
    rules = []
    for port, ours in PORTS.items():
        to = ["-p", "tcp", "--dport", str(port), "-j", "REDIRECT", "--to-ports", str(ours)]
        rules.append(["-t", "nat", "-I", "PREROUTING", "1", *to])
        others = ["-o", "lo", "-m", "mark", "!", "--mark", hex(_MARK), "-m", "owner", "!", "--uid-owner", "1337"]
        rules.append(["-t", "nat", "-I", "OUTPUT", "1", *others, *to])
    return rules


async def serve(namespace: str, port: int) -> asyncio.AbstractServer:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _answer(namespace, port, reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(one, sock=netns.listen(namespace, "0.0.0.0", PORTS[port]))  # noqa: S104


async def _answer(namespace: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    made = await netns.connect(namespace, "127.0.0.1", port, mark=_MARK)
    far_reader, far_writer = await asyncio.open_connection(sock=made, limit=_LIMIT)
    try:
        if not _PAGE.match(head):
            far_writer.write(head)
            await both(reader, writer, far_reader, far_writer)
            return
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"accept-encoding:", b"connection:"))]
        far_writer.write(b"\r\n".join([*lines[:-2], b"connection: close", b"", b""]))
        answer = await far_reader.read(-1)
        writer.write(rewritten(answer))
        await writer.drain()
    finally:
        far_writer.close()


def rewritten(answer: bytes) -> bytes:
    """A whole answer of HTTP, its page with Istio's names."""
    head, _gap, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if any(line.lower().replace(b" ", b"") == b"transfer-encoding:chunked" for line in lines):
        body = joined(body)
    page = istio_names(body.decode(errors="replace")).encode()
    kept = [line for line in lines if not line.lower().startswith((b"transfer-encoding:", b"content-length:", b"connection:"))]
    return b"\r\n".join([*kept, b"content-length: %d" % len(page), b"connection: close", b"", page])
