# SPDX-License-Identifier: GPL-3.0-or-later
"""What Envoys of a bed ask for their configuration and secrets: xDS over REST on a unix socket, answered when there is something new.

Files that Envoy watches would do for a few proxies only: each takes a handful of inotify instances, and a user has 128 of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
from pathlib import Path
from typing import Any

from aiohttp import web

__all__ = ["HELD", "Xds"]

Obj = dict[str, Any]
Topic = tuple[str, ...]  # clusters | routes, namespace | secrets, namespace, pod, name | extension_configs, namespace, pod, name
HELD = 50.0  # how long a question is held open


class Xds:
    """Topics with a version each; an Envoy that has the version of now waits for the next one."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._resources: dict[Topic, list[Obj]] = {}
        self._versions: dict[Topic, int] = {}
        self._changed: dict[Topic, asyncio.Event] = {}
        self._runner: web.AppRunner | None = None

    def publish(self, topic: Topic, resources: list[Obj]) -> None:
        if self._resources.get(topic) == resources:
            return
        self._resources[topic] = resources
        self._versions[topic] = self._versions.get(topic, 0) + 1
        self._changed.pop(topic, asyncio.Event()).set()

    def knows(self, *topic: str) -> bool:
        return topic in self._resources

    def forget(self, *start: str) -> None:
        """All topics that begin so."""
        for topic in [one for one in self._resources if one[: len(start)] == start]:
            for known in (self._resources, self._versions):
                known.pop(topic, None)
            self._changed.pop(topic, asyncio.Event()).set()

    async def start(self) -> None:
        # Each Envoy holds a few questions open.
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        app = web.Application()
        app.router.add_post("/v3/discovery:{kind}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        self.socket.unlink(missing_ok=True)
        await web.UnixSite(self._runner, str(self.socket), backlog=1024).start()
        os.chmod(self.socket, 0o600)

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    @staticmethod
    def _topic(kind: str, asked: Obj) -> Topic:
        pod, _dot, namespace = asked["node"]["id"].split("~")[2].rpartition(".")
        if kind == "listeners":
            return (kind, namespace, pod)
        name = (asked.get("resource_names") or [""])[0]
        if kind in ("secrets", "extension_configs"):
            return (kind, namespace, pod, name)
        return (kind, namespace) if kind == "routes" else (kind,)

    async def _answer(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        topic = self._topic(request.match_info["kind"], asked)
        known = asked.get("version_info") or ""
        try:
            async with asyncio.timeout(HELD):
                while topic not in self._resources or str(self._versions[topic]) == known:
                    await self._changed.setdefault(topic, asyncio.Event()).wait()
        except TimeoutError:
            return web.Response(status=304)
        rows = self._resources[topic]
        return web.json_response({"version_info": str(self._versions[topic]), "resources": rows, "type_url": asked.get("type_url", "")})
