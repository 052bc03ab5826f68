# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe of a remote istiod: the statuses that the real operator was seen to give, in their order."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from testbed.operators import remote_istiod
from testbed.operators.certificates import Authority, server_context
from testbed.operators.remote_istiod import REASON, STATUS

Obj = dict[str, Any]
REVISION = {"metadata": {"name": "default"}, "spec": {"namespace": "istio-system", "values": {"profile": "remote", "revision": ""}}}
HOST = "istiod.istio-system.svc"


class Cluster:
    """Has the webhook, or nothing."""

    def __init__(self) -> None:
        self.webhook: Obj | None = None
        self.patches = 0

    def has(self, bundle: bytes | None) -> None:
        config = {"caBundle": base64.b64encode(bundle).decode()} if bundle else {}
        notes = (self.webhook or {"metadata": {}})["metadata"].get("annotations") or {}
        self.webhook = {"metadata": {"name": "istio-sidecar-injector", "annotations": notes}, "webhooks": [{"clientConfig": config}]}

    async def get(self, *_args: str) -> Obj | None:
        return self.webhook

    async def patch(self, obj: Obj, patch: Obj) -> None:
        self.patches += 1
        notes = self.webhook["metadata"]["annotations"] | patch["metadata"]["annotations"]
        self.webhook["metadata"]["annotations"] = {key: value for key, value in notes.items() if value is not None}

    @property
    def said(self) -> tuple[str, str]:
        notes = self.webhook["metadata"]["annotations"]
        return notes[STATUS], notes.get(REASON, "")


@pytest.mark.parametrize("status", [200, 503])
def test_a_remote_istiod_gets_ready_step_by_step(tmp_path: Path, status: int) -> None:
    authority, cluster, bed = Authority.new("cluster.local"), Cluster(), {"dir": str(tmp_path)}
    services = tmp_path / "services.json"
    services.write_text("{}")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readline()).startswith(b"GET /ready ")
        writer.write(f"HTTP/1.1 {status} Whatever\r\n\r\n".encode())
        writer.close()

    async def ready() -> tuple[str, str]:
        found = await remote_istiod.readiness(cluster, bed, REVISION)
        return found["status"], found.get("reason", "")

    async def story() -> None:
        assert await ready() == ("False", "RemoteIstiodNotReady")
        cluster.has(None)
        assert await ready() == ("False", "RemoteIstiodNotReady")
        assert cluster.said == (
            "false",
            "webhooks[].clientConfig.caBundle hasn't been set; check if the remote istiod can access this cluster",
        )
        cluster.has(authority.root)
        assert await ready() == ("False", "RemoteIstiodNotReady")
        assert "connection refused" in cluster.said[1]
        assert f"https://{HOST}:443/ready" in cluster.said[1]
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context(*authority.leaf(HOST)))
        services.write_text(json.dumps({"istio-system/istiod:443": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}))
        if status == 200:
            assert await ready() == ("True", "Ready")
            assert cluster.said == ("true", "")
            cluster.has(Authority.new("elsewhere").root)
            assert await ready() == ("False", "RemoteIstiodNotReady")
            assert "certificate" in cluster.said[1]
        else:
            assert await ready() == ("False", "RemoteIstiodNotReady")
            assert "503" in cluster.said[1]
        before = cluster.patches
        await ready()
        assert cluster.patches == before, "the same answer is not written again"
        server.close()

    asyncio.run(story())


def test_only_the_profile_remote_is_probed() -> None:
    assert remote_istiod.is_remote(REVISION)
    assert not remote_istiod.is_remote({"spec": {"values": {"profile": "default"}}})
    assert not remote_istiod.is_remote({"spec": {}})
