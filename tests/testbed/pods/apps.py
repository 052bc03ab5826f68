# SPDX-License-Identifier: GPL-3.0-or-later
"""The applications of all pods: one server in one process that listens in each pod's namespace and says who it is.

HTTP: / says hello, /headers gives the request's headers as JSON, /status/N answers N, /delay/S waits; accept: application/json has JSON.
An application with a chain (chains.py) calls on before it answers. Anything else on a port is taken for Redis, or comes back as an echo.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from . import chains, netns, redis, spans
from .chains import Call
from .http1 import headers_of, is_chunked, joined
from .pipes import both

__all__ = ["Application", "Trouble"]

Obj = dict[str, Any]
_METHOD = re.compile(rb"^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE) ")
_HTTP2 = b"PRI * HTTP/2.0"
_LIMIT = 1 << 20
_PATIENCE = 15.0  # seconds that a call of a chain may take


@dataclass
class Trouble:
    """What an application does wrong: a share of its answers is an error, or late."""

    status: int = 503
    errors: float = 0.0  # percent
    seconds: float = 0.0
    slow: float = 0.0  # percent


@dataclass
class Application:
    """One pod's. resolve: the addresses of a name as the pod sees it; store: the values of Redis that it keeps."""

    namespace: str
    pod: str
    labels: dict[str, str]
    netns: str
    calls: list[Call]
    said: bool
    resolve: Callable[[str], list[str]]
    store: redis.Store
    spans: Path | None = None  # where traces are kept that are sent to it
    collector: str = ""  # the socket behind its port for traces by gRPC
    trouble: Trouble = field(default_factory=Trouble)
    answered: int = 0
    _servers: dict[int, asyncio.AbstractServer] = field(default_factory=dict)

    async def listen(self, ports: Iterable[int]) -> None:
        """On those of the ports where it does not listen yet."""
        for port in ports:
            if port not in self._servers:
                with contextlib.suppress(OSError):  # its proxy has it
                    await self._listen(port)

    async def _listen(self, port: int) -> None:
        made = netns.listen(self.netns, "0.0.0.0", port)  # noqa: S104
        self._servers[port] = await asyncio.start_server(self._serve, sock=made, limit=_LIMIT)

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    # -- one connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            begun = await reader.read(8192)
            if begun.startswith(_HTTP2) and self.collector:
                await self._hand_on(begun, reader, writer)
                return
            while begun:
                if not _METHOD.match(begun):
                    await redis.serve(self.store, begun, reader, writer)
                    return
                begun = await self._http(begun, reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _hand_on(self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self.collector)
        far_writer.write(begun)
        await both(reader, writer, far_reader, far_writer)

    async def _http(self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """One request and its answer; what has come of the next one, nothing where the connection ends."""
        while b"\r\n\r\n" not in begun:
            more = await reader.read(8192)
            if not more or len(begun) > _LIMIT:
                return b""
            begun += more
        head, rest = begun.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, path, _version = lines[0].split(" ", 2)
        headers = headers_of(lines[1:])
        body, rest = await _body(headers, rest, reader)
        status, kind, text = await self.answer(path, headers, body)
        self.answered += 1
        payload = text.encode()
        ends = headers.get("connection", "").lower() == "close"
        reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
        answer = (
            f"HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\ncontent-length: {len(payload)}\r\n"
            f"x-testbed-pod: {self.namespace}/{self.pod}\r\n{'connection: close' if ends else 'connection: keep-alive'}\r\n\r\n".encode()
        )
        writer.write(answer if method == "HEAD" else answer + payload)
        await writer.drain()
        return b"" if ends else rest or await reader.read(8192)

    # -- an answer

    async def answer(self, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, str, str]:
        """(status, content type, text)"""
        if self.spans is not None and (traced := spans.of_request(path, body)) is not None:
            spans.keep(self.spans, traced)
            return 202, "application/json", "{}"
        trouble = self.trouble
        if trouble.slow and random.random() * 100 < trouble.slow:
            await asyncio.sleep(trouble.seconds)
        if trouble.errors and random.random() * 100 < trouble.errors:
            return trouble.status, "text/plain", f"{self.pod} was told to fail\n"
        if path.startswith("/metrics"):
            return 200, "text/plain; version=0.0.4", f"# TYPE testbed_answers_total counter\ntestbed_answers_total {self.answered}\n"
        ordered = re.match(r"^/(status|delay)/([\d.]+)", path)
        if ordered and ordered[1] == "delay":
            await asyncio.sleep(min(float(ordered[2]), 60.0))
        status = int(float(ordered[2])) if ordered and ordered[1] == "status" else 200
        made = await self._chain(path, headers) if chains.calls_on(path) else []
        version = self.labels.get("version", "none")
        said: Obj = {"pod": self.pod, "namespace": self.namespace, "app": self.labels.get("app", ""), "version": version, "path": path}
        if path.startswith("/headers"):
            return status, "application/json", json.dumps({**said, "headers": headers}, indent=1) + "\n"
        if "json" in headers.get("accept", ""):
            return status, "application/json", json.dumps({**said, "calls": made, "body": body.decode(errors="replace")}) + "\n"
        lines = [f"Hello version: {version}, instance: {self.pod}"]
        for row in made:
            lines.append(f"{row['to']}: {row['status']} {str(row['text']).strip()}".replace("\n", "\n  "))
        return status, "text/plain", "\n".join(lines) + "\n"

    async def _chain(self, path: str, headers: dict[str, str]) -> list[Obj]:
        wanted = [call for call in self.calls if self.said or self.resolve(call.host)]
        return [row for row in await asyncio.gather(*(self._call(call, path, headers) for call in wanted)) if row]

    async def _call(self, call: Call, path: str, headers: dict[str, str]) -> Obj | None:
        """Status 0 says that no answer came, with the reason."""
        command = chains.redis_command(call, path) if call.scheme in ("redis", "tcp") else None
        if call.scheme in ("redis", "tcp") and command is None:
            return None
        try:
            addresses = self.resolve(call.host)
            if not addresses:
                return {"to": call.name, "status": 0, "text": "no such host"}
            made = await netns.connect(self.netns, random.choice(addresses), call.port)
            reader, writer = await asyncio.open_connection(sock=made, limit=_LIMIT)
            try:
                if command is not None:
                    text = await asyncio.wait_for(redis.ask(command, reader, writer), _PATIENCE)
                    return {"to": call.name, "status": 200, "text": text}
                status, text = await asyncio.wait_for(_get(call, path, chains.passed_on(headers), reader, writer), _PATIENCE)
                return {"to": call.name, "status": status, "text": text}
            finally:
                writer.close()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            return {"to": call.name, "status": 0, "text": str(error) or type(error).__name__}


async def _body(headers: dict[str, str], rest: bytes, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """(body, what came after it)"""
    if is_chunked(headers):
        return await _chunks(rest, reader), b""
    size = int(headers.get("content-length") or 0)
    if size > _LIMIT:
        raise ValueError("body too large")
    if size > len(rest):
        rest += await reader.readexactly(size - len(rest))
    return rest[:size], rest[size:]


async def _chunks(rest: bytes, reader: asyncio.StreamReader) -> bytes:
    while not rest.endswith(b"0\r\n\r\n"):
        more = await reader.read(65536)
        if not more or len(rest) > _LIMIT:
            raise ValueError("body without an end")
        rest += more
    return joined(rest)


async def _get(
    call: Call, path: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[int, str]:
    host = call.host if call.port == 80 else call.name
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET {call.path or path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n".encode())
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = head.split("\r\n")
    found = headers_of(lines[1:])
    status = int(lines[0].split(" ")[1])
    if "content-length" in found or is_chunked(found):
        body, _rest = await _body(found, b"", reader)
    else:
        body = b""
        with contextlib.suppress(asyncio.IncompleteReadError):
            body = await reader.read(_LIMIT)
    return status, body.decode(errors="replace")
