# SPDX-License-Identifier: GPL-3.0-or-later
"""Begins and ends pods: their network, applications and proxies, and what the API says of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..operators.base import LOG, Controller, Key, now
from . import chains, faults, metrics, netns, serving, spans, spec, status
from .agent import Agent, Programs, capture, trusted_root
from .apps import Application
from .node import Node
from .redis import Store
from .relay_client import COLLECTOR, RelayClient

__all__ = ["Pods"]

Obj = dict[str, Any]
Ident = tuple[str, str]
SETTLE = 0.05  # seconds for news of Services that come together
LOOK = 2.0  # seconds between two looks at a proxy that is ready
HEALTH = 15021
GRACE = 30.0
LEFT_OUT = 20.0  # seconds at most for the rules of a node to lead past a pod that is to end


@dataclass
class Running:
    """What this data plane has made for one pod."""

    pod: Obj
    namespace: str  # of the network
    veth: str
    folder: Path
    app: Application
    agent: Agent | None = None
    servers: list[asyncio.AbstractServer] = field(default_factory=list)
    forwards: dict[int, int] = field(default_factory=dict)  # local ports by those of the pod
    ready: bool = False
    draining: bool = False
    gone_since: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def restarts(self) -> int:
        return max(self.agent.restarts, 0) if self.agent else 0


class Pods(Controller):
    """The kubelet and kube-proxy of a bed."""

    name = "pods"
    kinds = (("v1", "Pod"), ("v1", "Service"), ("discovery.k8s.io/v1", "EndpointSlice"))
    workers = 8

    def __init__(self, *args: Any, tag: str, root: Path, programs: Programs) -> None:
        super().__init__(*args)
        self.tag, self.root, self.programs = tag, root, programs
        self.folder = Path(self.bed["dir"])
        self.node = Node(tag, self.folder, self.bed)
        self.relay = RelayClient(self.folder / "logs" / "relay.log")
        self.pods: dict[Ident, Obj] = {}
        self.running: dict[Ident, Running] = {}
        self.stores: dict[str, Store] = {}

    # -- what there is

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        meta = obj["metadata"]
        ident, there = (meta.get("namespace", ""), meta["name"]), event != "DELETED"
        if obj["kind"] == "Pod":
            if there:
                self.pods[ident] = obj
            else:
                self.pods.pop(ident, None)
            istiod = (meta.get("labels") or {}).get("app") == "istiod"
            return [("Istiods", "", "")] if istiod else [("Pod", *ident)]
        known = self.node.services if obj["kind"] == "Service" else self.node.slices
        known.pop(ident, None)
        if there:
            known[ident] = obj
        return [("Network", "", ""), *([("Balancer", *ident)] if obj["kind"] == "Service" else [])]

    async def run(self) -> None:
        await self.node.start()
        await self.relay.start()
        await self.relay.order({"folder": str(self.root), "collect": str(self.folder / "spans.jsonl")})
        serving.write_programs(self.folder / "bin", self.programs.agent, self.programs.path)
        self.enqueue(("Network", "", ""))
        self.in_background(self._follow_outside())
        try:
            await super().run()
        finally:
            self.stop()

    async def _follow_outside(self) -> None:
        """Servers outside come and go with a file, as faults do."""
        path, last = self.folder / "outside.json", 0.0
        while True:
            await asyncio.sleep(0.25)
            now_ = path.stat().st_mtime if path.exists() else 0.0
            if now_ != last:
                last = now_
                self.enqueue(("Network", "", ""))

    def stop(self) -> None:
        for task in self._background:
            task.cancel()
        for one in self.running.values():
            if one.agent is not None:
                one.agent.kill()
        self.node.stop()
        self.relay.stop()

    async def reconcile(self, key: Key) -> float | None:
        if key[0] == "Network":
            await asyncio.sleep(SETTLE)
            self.node.delays.set(faults.delays(self.faults))
            self.node.between = faults.network(self.faults, self.pods.values())
            if await self.node.apply():
                for one in list(self.running.values()):
                    self.node.write_hosts(one.namespace, one.pod["metadata"]["namespace"])
                    await one.app.listen(self._ports(one.pod))
                    await self._forward(one)
            return None
        if key[0] == "Istiods":
            await self.node.istiods(self._istiods())
            return None
        if key[0] == "Balancer":
            await self._balance((key[1], key[2]))
            return None
        return await self._pod((key[1], key[2]))

    def _istiods(self) -> dict[str, str]:
        """{address: namespace/Service}; the Service of an istiod has its Deployment's name."""
        return {
            pod["status"]["podIP"]: f"{ident[0]}/{spec.identity(pod).workload}"
            for ident, pod in self.pods.items()
            if (pod["metadata"].get("labels") or {}).get("app") == "istiod" and (pod.get("status") or {}).get("podIP")
        }

    async def _balance(self, ident: Ident) -> None:
        service = self.node.services.get(ident)
        if service is None or service["spec"].get("type") != "LoadBalancer":
            return
        if not ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
            address = self.node.free_balancer()
            changed = {"loadBalancer": {"ingress": [{"ip": address}]}}
            self.node.services[ident] = {**service, "status": changed}  # nobody else gets it meanwhile
            await self.kube.patch({"apiVersion": "v1", "kind": "Service", **service}, {"status": changed}, sub="status")

    # -- one pod

    async def _pod(self, ident: Ident) -> float | None:
        pod, one = self.pods.get(ident), self.running.get(ident)
        if one is not None and (pod is None or pod["metadata"]["uid"] != one.uid):
            await self._end(ident, one)
            one = None
        if pod is None:
            return None
        if pod["metadata"].get("deletionTimestamp"):
            await self._terminate(ident, pod, one)
            return None
        if not spec.served(pod):
            if one is not None:  # a Job that is done
                await self._end(ident, one)
            elif spec.held(pod) and (pod.get("status") or {}).get("phase") == "Running":
                await self._tell(pod, True, 0)
            return None
        if one is None:
            proxy = spec.proxy_container(pod)
            root = await trusted_root(self.kube, ident[0]) if proxy else ""
            if root is None:
                return 0.3
            one = await self._begin(ident, pod, proxy, root)
        one.pod = pod
        one.app.trouble = faults.trouble(self.faults, pod)
        return await self._look(ident, one)

    def _ports(self, pod: Obj) -> list[int]:
        return spec.ports(pod, self.node.services.values())

    async def _begin(self, ident: Ident, pod: Obj, proxy: Obj | None, root: str) -> Running:
        uid, address = pod["metadata"]["uid"], pod["status"]["podIP"]
        namespace, veth = netns.pod_name(self.tag, uid), f"v{uid[:8]}"
        folder = self.root / f"{ident[0]}.{ident[1]}"
        labels = pod["metadata"].get("labels") or {}
        calls, said = chains.of_pod(pod)
        store = self.stores.setdefault(f"{ident[0]}/{labels.get('app', ident[1])}", {})
        app = Application(ident[0], ident[1], labels, namespace, calls, said, self.node.resolver(ident[0]), store)
        if spans.COLLECTORS.keys() & set(self._ports(pod)):
            app.spans, app.collector = self.folder / "spans.jsonl", str(self.root / COLLECTOR)
        one = self.running[ident] = Running(pod, namespace, veth, folder, app)
        try:
            await netns.add(namespace)
            self.node.write_hosts(namespace, ident[0])
            await netns.join(namespace, self.node.name, address, veth)
            netns.low_ports(namespace)
            await app.listen(self._ports(pod))
            folder.mkdir(parents=True, exist_ok=True)
            if proxy is not None:
                await self._proxy(one, proxy, root)
            await serving.exec_to(self.kube, pod, namespace, folder)
            await self._forward(one)
        except BaseException:
            await self._end(ident, one)
            raise
        return one

    async def _forward(self, one: Running) -> None:
        """Also to the ports of a Service that came after the pod."""
        wanted = spec.forwarded(one.pod, self.node.services.values())
        one.servers += await serving.forward_to(self.kube, one.pod, one.namespace, wanted, one.forwards)

    async def _proxy(self, one: Running, proxy: Obj, root: str) -> None:
        one.agent = Agent(self.programs, one.folder, one.namespace, one.pod, proxy)
        one.agent.lay_out()
        await one.agent.credentials(self.kube, root)
        env = spec.environment(one.pod, proxy)
        who = spec.identity(one.pod, env.get("ISTIO_META_CLUSTER_ID") or "Kubernetes")
        captured = spec.capture_arguments(one.pod)
        trouble = await capture(self.programs, one.namespace, captured or ["version"], metrics.redirects())
        if trouble:
            LOG.error("pod %s/%s: its traffic cannot be captured: %s", *self._ident(one), trouble)
        for port in metrics.PORTS:
            one.servers.append(await metrics.serve(one.namespace, port))
        await self.relay.order({"folder": str(one.folder), "identity": asdict(who)})
        await one.agent.start()

    @staticmethod
    def _ident(one: Running) -> Ident:
        return one.pod["metadata"]["namespace"], one.pod["metadata"]["name"]

    async def _look(self, ident: Ident, one: Running) -> float | None:
        """Ready follows the proxy, and the node."""
        if faults.node_gone(self.faults, one.pod):
            one.gone_since = one.gone_since or time.monotonic()
            left = one.gone_since + float(self.faults.get("unready_after", faults.UNREADY_AFTER)) - time.monotonic()
            if left <= 0:
                await self._tell(one.pod, False, one.restarts, "the node does not answer")
            self.enqueue(("Network", "", ""))
            return max(left, LOOK)
        if one.gone_since:
            one.gone_since = 0.0
            self.enqueue(("Network", "", ""))
        if one.agent is None:
            await self._tell(one.pod, True, 0)
            return None
        crashed = faults.meant(self.faults.get("crashed") or [], one.pod) is not None
        if crashed:
            one.agent.kill()
        elif not one.agent.alive:
            await asyncio.sleep(min(one.agent.restarts, 10) * 0.5)
            await one.agent.start()
        one.ready = not crashed and await self._healthy(one)
        if one.ready and one.agent.restarts == 0 and not status.says_ready(one.pod):
            LOG.info("pod %s/%s is ready after %.1f s", *ident, time.monotonic() - one.began)
        await self._tell(one.pod, one.ready, one.restarts)
        return LOOK if one.ready else 0.15

    async def _tell(self, pod: Obj, ready: bool, restarts: int, why: str = "") -> None:
        changed = status.readiness(pod, ready, restarts, now(), why)
        if changed:
            await self.kube.patch({"apiVersion": "v1", "kind": "Pod", **pod}, {"status": changed}, sub="status")

    @staticmethod
    async def _healthy(one: Running) -> bool:
        try:
            made = await netns.connect(one.namespace, "127.0.0.1", HEALTH, timeout=1.0)
            reader, writer = await asyncio.open_connection(sock=made)
            try:
                writer.write(b"GET /healthz/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                return b" 200 " in await asyncio.wait_for(reader.readline(), 2.0)
            finally:
                writer.close()
        except OSError:
            return False

    # -- the end

    async def _terminate(self, ident: Ident, pod: Obj, one: Running | None) -> None:
        """A pod with a proxy goes when that has drained; the others are KWOK's to delete."""
        if not spec.held(pod):
            return
        if one is None:
            await self._gone(pod)
        elif not one.draining:
            one.draining = True
            self.in_background(self._drain(ident, one))

    async def _drain(self, ident: Ident, one: Running) -> None:
        grace = float(one.pod["metadata"].get("deletionGracePeriodSeconds") or GRACE)
        await self._left_out(str((one.pod.get("status") or {}).get("podIP") or ""))
        if one.agent is not None:
            await one.agent.drain(grace)
        await self._end(ident, one)
        await self._gone(one.pod)

    async def _left_out(self, address: str) -> None:
        """Until no new connection is led to the pod. Nodes need a moment for that, of the five seconds that a proxy drains; here two busy
        cores may need all of them, for the list of endpoints as for the rules."""
        end = time.monotonic() + LEFT_OUT
        while address in self.node.ready and time.monotonic() < end:
            await asyncio.sleep(SETTLE)

    async def _gone(self, pod: Obj) -> None:
        meta = pod["metadata"]
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
        with contextlib.suppress(Exception):  # it may be gone, or another one by now; the watch tells
            await self.kube.request("DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", body)

    async def _end(self, ident: Ident, one: Running) -> None:
        if self.running.get(ident) is one:
            del self.running[ident]
        if one.agent is not None:
            one.agent.kill()
            await self.relay.order({"gone": str(one.folder)})
        for server in one.servers:
            server.close()
        one.app.close()
        await netns.part(self.node.name, one.veth)
        await netns.delete(one.namespace)
        if ident not in self.running:
            await serving.close(self.kube, *ident)
