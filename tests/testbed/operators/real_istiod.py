# SPDX-License-Identifier: GPL-3.0-or-later
"""A real istiod as a local process behind each running istiod pod of the bed, as that pod's container would be.

It has the pod's arguments, environment and volumes (mounts.py); only where it listens is ours. It ends with its pod, so it reads at its
start what a pod reads at its start, and a change of a mounted Secret reaches it as files do. A pod with the gate GATE is Ready when its
istiod answers; without a pod there is no process, and webhooks fail closed. Faults, under "istiod": {"down": true}.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from .. import kubelet
from ..paths import die_with, write_atomic
from ..pods import spec
from . import mounts
from .base import LOG, ApiError, Controller, Key, conditions_of, free_ports, gated
from .charts import ISTIOD_GATE as GATE

__all__ = ["CONTROLLERS", "RealIstiod", "arguments", "environment"]

Obj = dict[str, Any]
Ident = tuple[str, str]  # namespace and name of a pod
# The pod's ports with the option that says where istiod listens.
_PORTS = {15017: "httpsAddr", 8080: "httpAddr", 15010: "grpcAddr", 15012: "secureGRPCAddr", 15014: "monitoringAddr"}
# And the Service's, where they have other numbers.
_SERVICE = {443: 15017, 15010: 15010, 15012: 15012, 15014: 15014}
_CONTROL = 9876  # ctrlz, which is no port of the pod
_KUBECONFIG = Path("var/run/secrets/remote/config")


def _discovery(pod: Obj) -> Obj:
    containers: list[Obj] = pod["spec"]["containers"]
    return next((c for c in containers if c["name"] == "discovery"), containers[0])


def environment(pod: Obj, *, kubeconfig: str, remote: bool) -> dict[str, str]:
    """The container's, as a kubelet resolves it. remote: its mesh is in another cluster, whose kubeconfig is mounted."""
    meta = pod["metadata"]
    # Its limits are the machine's.
    rows = [row for row in _discovery(pod).get("env") or [] if "resourceFieldRef" not in (row.get("valueFrom") or {})]
    found = spec.environment(pod, {"env": rows})
    found.pop("KUBECONFIG", None)  # said by an option
    account = pod["spec"].get("serviceAccountName") or "default"
    found = {"POD_NAME": meta["name"], "POD_NAMESPACE": meta["namespace"], "SERVICE_ACCOUNT": account, **found}
    if remote and found.get("LOCAL_CLUSTER_SECRET_WATCHER") == "true":
        # For this it would want the credentials of a pod; the same by a file.
        del found["LOCAL_CLUSTER_SECRET_WATCHER"]
        found["PILOT_MULTICLUSTER_KUBECONFIG_PATH"] = kubeconfig
    return found


def arguments(pod: Obj, ports: dict[int, int], *, kubeconfig: str, control: int) -> list[str]:
    """The container's own, and after them where it listens: the last one of an option counts."""
    own = [str(argument) for argument in _discovery(pod).get("args") or ["discovery"]]
    listens = [f"--{_PORTS[port]}=127.0.0.1:{local}" for port, local in ports.items()]
    return [*own, f"--kubeconfig={kubeconfig}", *listens, f"--ctrlz_port={control}"]


@dataclass
class _Running:
    """One istiod."""

    uid: str
    service: str  # namespace/name
    home: Path
    volumes: list[mounts.Volume]
    process: asyncio.subprocess.Process
    ports: dict[int, int]
    answers: bool = False

    @property
    def alive(self) -> bool:
        return self.process.returncode is None


class RealIstiod(Controller):
    """One process for each pod, started again when it dies, as a kubelet does."""

    name = "istiod"
    kinds = (("v1", "Pod"), ("v1", "Secret"), ("v1", "ConfigMap"))

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.pods: dict[Ident, Obj] = {}
        self.running: dict[Ident, _Running] = {}
        self._session: aiohttp.ClientSession | None = None

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        meta = obj["metadata"]
        ident = (meta.get("namespace", ""), meta["name"])
        if obj["kind"] == "Pod":
            if (meta.get("labels") or {}).get("app") != "istiod":
                return []
            if event == "DELETED":
                self.pods.pop(ident, None)
            else:
                self.pods[ident] = obj
            return [("Pod", *ident)]
        source = (obj["kind"], meta["name"])
        return [("Pod", *one) for one, running in self.running.items() if one[0] == ident[0] and source in mounts.sources(running.volumes)]

    async def run(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2))
        try:
            await super().run()
        finally:
            await self._session.close()
            for one in self.running.values():
                if one.alive:
                    one.process.kill()

    async def reconcile(self, key: Key) -> float | None:
        ident = (key[1], key[2])
        pod, one = self.pods.get(ident), self.running.get(ident)
        wanted = pod is not None and _runs(pod) and not self.faults.get("down")
        if pod is not None and (one is None or not one.alive or not wanted):
            await self._gate(pod, "False")
        if one is not None and not (wanted and one.alive and pod is not None and one.uid == pod["metadata"]["uid"]):
            await self._end(ident, one)
            one = None
        if pod is None or not wanted:
            return None
        if one is None:
            one = self.running[ident] = await self._start(ident, pod)
            await self._forward(pod, one)
            return 0.1
        await self._mount(ident[0], one)
        if not one.answers:
            one.answers = await self._is_ready(one)
            if not one.answers:
                return 0.1
            self._publish(one.service)
        await self._gate(pod, "True")
        return 2.0

    # -- a process

    async def _start(self, ident: Ident, pod: Obj) -> _Running:
        folder, (namespace, name) = Path(self.bed["dir"]), ident
        home = folder / "istiod" / f"{namespace}.{name}"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        volumes = mounts.volumes_of(pod["spec"], _discovery(pod))
        await self._write(namespace, home, volumes)
        ports = free_ports(*_PORTS, _CONTROL)
        control = ports.pop(_CONTROL)
        remote = (home / _KUBECONFIG).exists()
        kubeconfig = str(home / _KUBECONFIG) if remote else self.bed["kubeconfig"]
        with (folder / "logs" / f"{name}.{namespace}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                self.bed["istiod"],
                *arguments(pod, ports, kubeconfig=kubeconfig, control=control),
                cwd=home,  # all of its paths are relative
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                preexec_fn=die_with(os.getpid()),
                env={**os.environ, **environment(pod, kubeconfig=self.bed["kubeconfig"], remote=remote)},
            )
        LOG.info("real istiod %s/%s runs as process %d", namespace, name, process.pid)
        return _Running(pod["metadata"]["uid"], f"{namespace}/{_service(pod)}", home, volumes, process, ports)

    async def _end(self, ident: Ident, one: _Running) -> None:
        del self.running[ident]
        self._publish(one.service)
        if one.alive:
            one.process.terminate()
            try:
                await asyncio.wait_for(one.process.wait(), 0.5)
            except TimeoutError:
                one.process.kill()
                await one.process.wait()
        shutil.rmtree(one.home, ignore_errors=True)

    async def _is_ready(self, one: _Running) -> bool:
        assert self._session
        try:
            async with self._session.get(f"http://127.0.0.1:{one.ports[8080]}/ready") as answer:
                return answer.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    # -- its files

    async def _write(self, namespace: str, home: Path, volumes: list[mounts.Volume]) -> bool:
        objects: dict[mounts.Source, Obj | None] = {}
        for kind, name in mounts.sources(volumes):
            found = await self.kube.get("v1", kind, name, namespace)
            objects[kind, name] = {**found, "kind": kind} if found else None
        return any([mounts.write_volume(home, volume, objects) for volume in volumes])

    async def _mount(self, namespace: str, one: _Running) -> None:
        if await self._write(namespace, one.home, one.volumes):
            LOG.info("the volumes of istiod %s were renewed", one.home.name)

    # -- the ways to it

    def _publish(self, service: str) -> None:
        """Who answers for the istiods' Service, in services.json, where others may have entries of their own."""
        path = Path(self.bed["dir"]) / "services.json"
        known: dict[str, str] = json.loads(path.read_text() or "{}")
        kept = {key: address for key, address in known.items() if key.rpartition(":")[0] != service}
        one = next((one for one in self.running.values() if one.service == service and one.answers), None)
        made = {f"{service}:{port}": f"127.0.0.1:{one.ports[target]}" for port, target in _SERVICE.items()} if one else {}
        write_atomic(path, json.dumps({**kept, **made}))

    async def _forward(self, pod: Obj, one: _Running) -> None:
        """Port-forwards to the pod lead to its istiod: istioctl, and whoever looks at its certificates, come that way."""
        try:
            await self.kube.apply(kubelet.forward_of(pod["metadata"], one.ports))
        except ApiError as error:
            if error.status not in (403, 404):  # its namespace goes
                raise

    async def _gate(self, pod: Obj, status: str) -> None:
        """The kubelet's part: Ready follows the readiness gate."""
        if not _runs(pod) or all(row["type"] != GATE or row["status"] == status for row in conditions_of(pod.get("status"))):
            return
        await self.kube.patch(pod, {"status": {"conditions": gated(pod, GATE, status)}}, sub="status")


def _runs(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")


def _service(pod: Obj) -> str:
    """The Service of its revision."""
    revision = (pod["metadata"].get("labels") or {}).get("istio.io/rev") or "default"
    return "istiod" if revision == "default" else f"istiod-{revision}"


CONTROLLERS: list[type[Controller]] = [RealIstiod]
