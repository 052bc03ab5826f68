# SPDX-License-Identifier: GPL-3.0-or-later
"""Who plays a Service, and how a tunnel is answered."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from testbed.egress import BEYOND, Egress, played_services, target_for


def service(name: str, namespace: str = "istio-system") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}}


@pytest.mark.parametrize(
    ("found", "port", "services", "target"),
    [
        (None, 443, {}, None),
        (service("istiod"), 443, {}, ("127.0.0.1", 15017)),
        (service("istiod-basic", "travel-control-plane"), 443, {}, ("127.0.0.1", 15017)),
        (service("kiali"), 443, {}, None),
        (service("kiali"), 443, {"istio-system/kiali:443": "127.0.0.1:8443"}, ("127.0.0.1", 8443)),
        (service("kiali"), 80, {"istio-system/kiali:443": "127.0.0.1:8443"}, None),
        (service("kiali", "other"), 443, {"istio-system/kiali:443": "127.0.0.1:8443"}, None),
        (service("istiod"), 443, {"istio-system/istiod:443": "127.0.0.1:9"}, ("127.0.0.1", 9)),
        (service("istiod"), 443, {"istio-system/istiod:443": ":9"}, ("127.0.0.1", 9)),
    ],
)
def test_target(found: dict[str, Any] | None, port: int, services: dict[str, str], target: tuple[str, int] | None) -> None:
    assert target_for(found, port, services, 15017) == target


def test_a_service_of_another_cluster_is_played_where_the_data_plane_leads_to_it(tmp_path: Path) -> None:
    services = tmp_path / "services.json"
    assert played_services(services) == {}
    (tmp_path / BEYOND).write_text(json.dumps({"istio-system/istiod:443": "127.0.0.1:1", "a/b:443": "127.0.0.1:2"}))
    services.write_text(json.dumps({"istio-system/istiod:443": "127.0.0.1:3"}))
    assert played_services(services) == {"istio-system/istiod:443": "127.0.0.1:3", "a/b:443": "127.0.0.1:2"}, "its own istiod first"
    services.write_text("{")
    assert played_services(services) == {"istio-system/istiod:443": "127.0.0.1:1", "a/b:443": "127.0.0.1:2"}


async def _ask(socket: Path, kubelet_port: int, head: bytes) -> bytes:
    egress = Egress(
        socket=socket,
        services=socket.parent / "none.json",
        api="https://127.0.0.1:1",
        tls=ssl.create_default_context(),
        injector_port=1,
        kubelet_port=kubelet_port,
    )
    await egress.start()
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(head)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer
    finally:
        await egress.stop()


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"the far side")
    writer.close()


async def _with_far_side(socket: Path) -> bytes:
    far = await asyncio.start_server(_say, "127.0.0.1", 0)
    port = far.sockets[0].getsockname()[1]
    try:
        return await _ask(socket, port, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    finally:
        far.close()


def test_the_kubelet_is_reached(tmp_path: Path) -> None:
    answer = asyncio.run(_with_far_side(tmp_path / "s"))
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nthe far side"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n", b"502"),  # no way to other local ports
        (b"CONNECT 10.96.0.7:443 HTTP/1.1\r\n\r\n", b"502"),  # the API does not answer
        (b"GET / HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b""),
    ],
)
def test_others_are_refused(tmp_path: Path, head: bytes, status: bytes) -> None:
    method_line = asyncio.run(_ask(tmp_path / "s", 10250, head)).split(b"\r\n")[0]
    assert method_line.split(b" ")[1 if status else 0] == status
