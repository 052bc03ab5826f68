# SPDX-License-Identifier: GPL-3.0-or-later
"""Between each Envoy and its pilot-agent: a process of its own, so that many proxies can start while others are called.

Lines on its standard input are orders, {"folder": "/run/of/pod", "identity": {...}} or {"gone": "/run/of/pod"}; each is answered by a line.
{"folder": ..., "collect": "file"} makes a collector of traces (COLLECTOR) there. The agent listens at etc/istio/proxy/XDS of its folder,
and Envoy's bootstrap names the socket beside it (SOCKET).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from ..paths import die_with
from . import spans
from .relay_client import COLLECTOR, SOCKET
from .spec import Identity
from .xds_edit import Editor

__all__ = ["main"]

_PLACE = Path("etc/istio/proxy")
_LARGE = [("grpc.max_receive_message_length", 1 << 28), ("grpc.max_send_message_length", 1 << 28)]
_HOP = (":", "user-agent", "te", "grpc-")


class _Handler(grpc.GenericRpcHandler):
    """Any method with a stream both ways; what comes from above is edited."""

    def __init__(self, upstream: str, editor: Editor) -> None:
        self.upstream, self.editor = upstream, editor

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method

        async def run(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for answer in self._relay(method, requests, context):
                yield answer

        return grpc.stream_stream_rpc_method_handler(run)

    async def _relay(self, method: str, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        change = self.editor.delta if "Delta" in method else self.editor.sotw
        said = tuple((key, value) for key, value in context.invocation_metadata() or () if not key.startswith(_HOP))
        async with grpc.aio.insecure_channel(self.upstream, options=[*_LARGE, ("grpc.default_authority", "localhost")]) as channel:
            call = channel.stream_stream(method)(metadata=said)

            async def upwards() -> None:
                async for request in requests:
                    await call.write(request)
                await call.done_writing()

            task = asyncio.create_task(upwards())
            try:
                async for answer in call:
                    yield change(answer)
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details())
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await task


async def _serve(folder: Path, identity: Identity) -> grpc.aio.Server:
    place = folder / _PLACE
    path = place / SOCKET
    path.unlink(missing_ok=True)
    server = grpc.aio.server(options=_LARGE)
    server.add_generic_rpc_handlers((_Handler(f"unix:{place / 'XDS'}", Editor(identity)),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    os.chmod(path, 0o666)  # noqa: S103  (Envoy is another user)
    return server


class _Collector(grpc.GenericRpcHandler):
    """An OTLP collector: whatever is exported is kept."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def service(self, handler_call_details: Any) -> Any:
        async def export(request: bytes, _context: Any) -> bytes:
            if handler_call_details.method.endswith("TraceService/Export"):
                spans.keep(self.file, spans.of_otlp(request))
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


async def _collect(folder: Path, file: Path) -> grpc.aio.Server:
    path = folder / COLLECTOR
    path.unlink(missing_ok=True)
    server = grpc.aio.server(options=_LARGE)
    server.add_generic_rpc_handlers((_Collector(file),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    return server


async def _orders() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    servers: dict[str, grpc.aio.Server] = {}
    while line := await reader.readline():
        order = json.loads(line)
        folder = order.get("gone") or order["folder"]
        old = servers.pop(folder, None)
        if old is not None:
            await old.stop(None)
        if "collect" in order:
            servers[folder] = await _collect(Path(folder), Path(order["collect"]))
        elif "folder" in order:
            servers[folder] = await _serve(Path(folder), Identity(**order["identity"]))
        print(json.dumps({"done": folder}), flush=True)


def main() -> None:
    die_with(os.getppid())()  # never without the process that gives the orders
    asyncio.run(_orders())


if __name__ == "__main__":
    main()
