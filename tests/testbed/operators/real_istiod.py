# SPDX-License-Identifier: GPL-3.0-or-later
"""A real istiod (MESH_ISTIOD names its binary) as a local process behind each istiod Deployment of the bed that has a ready pod.

It reads its mesh configuration and injection templates from the ConfigMaps that the operator made, as it does without mounted files.
A Deployment that is gone, or without a ready pod, has no process: its webhooks fail closed.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

from ..paths import write_atomic
from .base import LOG, Controller, Key
from .istiod import is_ready_istiod

__all__ = ["CONTROLLERS", "RealIstiod"]

Obj = dict[str, Any]
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for probe in held:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in held]
    finally:
        for probe in held:
            probe.close()


class RealIstiod(Controller):
    """One process for each Deployment, started again when its environment changes or when it dies."""

    name = "istiod"
    kinds = (("apps/v1", "Deployment"),)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.processes: dict[Key, tuple[asyncio.subprocess.Process, dict[str, str]]] = {}

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        labels = obj["metadata"].get("labels") or {}
        return super().keys_for(event, obj) if labels.get("app") == "istiod" else []

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            for process, _env in self.processes.values():
                if process.returncode is None:
                    process.kill()

    async def reconcile(self, key: Key) -> float | None:
        _kind, namespace, name = key
        found = await self.kube.get("apps/v1", "Deployment", name, namespace)
        wanted = self._environment(found) if found and is_ready_istiod("", found) else None
        process, env = self.processes.get(key, (None, None))
        alive = process is not None and process.returncode is None
        if alive and env == wanted:
            return 2.0
        if process is not None:
            await self._stop(key, process)
        if wanted is None or self.faults.get("down"):
            return None
        self.processes[key] = (await self._start(namespace, name, wanted), wanted)
        return 2.0

    @staticmethod
    def _environment(deployment: Obj) -> dict[str, str]:
        meta, container = deployment["metadata"], deployment["spec"]["template"]["spec"]["containers"][0]
        plain = {e["name"]: e["value"] for e in container.get("env") or [] if "value" in e}
        return {
            **plain,
            "POD_NAMESPACE": meta["namespace"],
            "POD_NAME": meta["name"] + "-0",
            "SERVICE_ACCOUNT": meta["name"],
            "PILOT_CERT_PROVIDER": "istiod",
        }

    async def _stop(self, key: Key, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.kill()
            await process.wait()
        self.processes.pop(key, None)
        self._serve(f"{key[1]}/{key[2]}", {})

    async def _start(self, namespace: str, name: str, env: dict[str, str]) -> asyncio.subprocess.Process:
        webhook, plain, xds, monitoring, control = _free_ports(5)
        folder = Path(self.bed["dir"])
        # Without files of its own here it reads what it needs from the cluster.
        home = folder / "istiod" / f"{namespace}-{name}"
        home.mkdir(parents=True, exist_ok=True)
        log = (folder / "logs" / f"{name}.{namespace}.log").open("ab")
        try:
            process = await asyncio.create_subprocess_exec(
                self.bed["istiod"],
                "discovery",
                "--kubeconfig",
                self.bed["kubeconfig"],
                "--httpsAddr",
                f"127.0.0.1:{webhook}",
                "--httpAddr",
                f"127.0.0.1:{plain}",
                "--grpcAddr",
                "",
                "--secureGRPCAddr",
                f"127.0.0.1:{xds}",
                "--monitoringAddr",
                f"127.0.0.1:{monitoring}",
                "--ctrlz_port",
                str(control),
                "--domain",
                "cluster.local",
                "--keepaliveMaxServerConnectionAge",
                "30m",
                "--log_output_level",
                "default:info",
                cwd=home,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                preexec_fn=_die_with_parent,
                env={**os.environ, **env},
            )
        finally:
            log.close()
        LOG.info("real istiod %s/%s runs as process %d", namespace, name, process.pid)
        self._serve(f"{namespace}/{name}", {443: webhook, 15012: xds, 15014: monitoring})
        return process

    def _serve(self, service: str, ports: dict[int, int]) -> None:
        """Who answers for the istiod's Service, in services.json, where others may have entries of their own."""
        path = Path(self.bed["dir"]) / "services.json"
        known: dict[str, str] = json.loads(path.read_text() or "{}")
        kept = {key: address for key, address in known.items() if key.rpartition(":")[0] != service}
        write_atomic(path, json.dumps({**kept, **{f"{service}:{port}": f"127.0.0.1:{local}" for port, local in ports.items()}}))


CONTROLLERS: list[type[Controller]] = [RealIstiod]
