# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from the API server to Services: answers CONNECT clusterIP:port on a unix socket and dials the local process that plays it."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from pathlib import Path
from typing import Any

import aiohttp

__all__ = ["BEYOND", "Egress", "played_services", "target_for"]

LOG = logging.getLogger("testbed.egress")
BEYOND = "beyond.json"  # beside services.json: ways to other clusters, which the data plane `pods` makes


def played_services(services: Path) -> dict[str, str]:
    """Who plays a port of a Service, {"namespace/name:port": "127.0.0.1:port"}: as services.json says, else a way to another cluster."""
    found: dict[str, str] = {}
    for path in (services.with_name(BEYOND), services):
        try:
            found |= json.loads(path.read_text() or "{}")
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            LOG.warning("%s: %s", path, error)
    return found


def target_for(service: dict[str, Any] | None, port: int, services: dict[str, str], injector_port: int) -> tuple[str, int] | None:
    """Who plays this port of this Service: whom `services` name first, then the injector for Services named istiod*."""
    if service is None:
        return None
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    address = services.get(f"{namespace}/{name}:{port}")
    if address:
        host, _colon, number = address.rpartition(":")
        return host or "127.0.0.1", int(number)
    if name.startswith("istiod"):
        return "127.0.0.1", injector_port
    return None


class Egress:
    """Serves `socket`; knows the Services by asking the API for each new address."""

    def __init__(self, *, socket: Path, services: Path, api: str, tls: ssl.SSLContext, injector_port: int, kubelet_port: int) -> None:
        self._socket, self._services, self._api, self._tls = socket, services, api, tls
        self._injector_port, self._kubelet_port = injector_port, kubelet_port
        self._server: asyncio.AbstractServer | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._tls), timeout=aiohttp.ClientTimeout(total=5))
        self._socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path=str(self._socket))

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        if self._session:
            await self._session.close()
        self._socket.unlink(missing_ok=True)

    async def _service(self, address: str) -> dict[str, Any] | None:
        assert self._session
        async with self._session.get(f"{self._api}/api/v1/services", params={"fieldSelector": f"spec.clusterIP={address}"}) as response:
            found = await response.json()
        items: list[dict[str, Any]] = found.get("items") or []
        return items[0] if items else None

    async def _target(self, host: str, port: int) -> tuple[str, int] | None:
        if host == "127.0.0.1":
            # The nodes' kubelet: exec, port-forward and logs come this way too.
            return (host, port) if port == self._kubelet_port else None
        return target_for(await self._service(host), port, played_services(self._services), self._injector_port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._tunnel(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, aiohttp.ClientError, ValueError) as error:
            LOG.info("tunnel: %r", error)
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, authority, _version = head.split("\r\n", 1)[0].split(" ")
        host, _colon, port = authority.rpartition(":")
        if method != "CONNECT":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        try:
            target = await self._target(host.strip("[]"), int(port))
            if target is None:
                raise ConnectionRefusedError("nobody plays this Service")
            far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(*target), 5)
        except (OSError, aiohttp.ClientError) as error:
            LOG.info("CONNECT %s: %s", authority, error)
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            far_writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copies to the end and hands the end on, so that half-closed streams work."""
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
