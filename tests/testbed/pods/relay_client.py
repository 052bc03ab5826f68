# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders for the relay, which is a process of its own; one that dies is started again with all that it had."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from ..operators.base import LOG
from ..paths import python_path

__all__ = ["COLLECTOR", "SOCKET", "RelayClient"]

SOCKET = "XDR"  # beside the agent's own
COLLECTOR = "otlp.sock"


class RelayClient:
    def __init__(self, log: Path) -> None:
        self.log = log
        self._process: asyncio.subprocess.Process | None = None
        self._known: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        with self.log.open("ab") as stream:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "testbed.pods.relay",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stream,
                env={**os.environ, "PYTHONPATH": python_path()},
            )
        self._task = asyncio.create_task(self._read(self._process))
        for order in self._known.values():
            self._send(order)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        while line := await process.stdout.readline():
            waiting = self._waiting.pop(json.loads(line)["done"], None)
            if waiting:
                waiting.set()
        LOG.error("the relay ended, see %s", self.log)
        await asyncio.sleep(1.0)
        await self.start()

    def _send(self, order: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def order(self, order: dict[str, Any]) -> None:
        """Until it is done; a relay that is away does it when it is back."""
        folder = order.get("gone") or order["folder"]
        if "folder" in order:
            self._known[folder] = order
        elif self._known.pop(folder, None) is None:
            return
        done = self._waiting[folder] = asyncio.Event()
        self._send(order)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 10.0)

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
