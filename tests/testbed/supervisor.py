# SPDX-License-Identifier: GPL-3.0-or-later
"""The one process that owns a bed's processes: brings them up in order, answers on a control socket, and takes them down with itself."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import crds, kubelet, processes
from .api import Api, ApiStatus
from .egress import Egress
from .errors import BedError
from .paths import TESTBED, die_with, start_time, write_atomic
from .processes import Layout, Process

__all__ = ["Supervisor", "main"]

LOG = logging.getLogger("testbed.supervisor")
SAIL_KINDS = {"Istio", "IstioCNI", "IstioRevision", "IstioRevisionTag"}


class Supervisor:
    """Children are started from the main thread only: the kernel ties their death to the thread that made them."""

    def __init__(self, folder: Path) -> None:
        spec = json.loads((folder / "spec.json").read_text())
        self.spec: dict[str, Any] = spec
        self.layout = Layout(
            name=spec["name"],
            folder=folder,
            sockets=Path(spec["sockets"]),
            ports=spec["ports"],
            binaries={name: Path(path) for name, path in spec["binaries"].items()},
            pod_cidr=spec["pod_cidr"],
            service_cidr=spec["service_cidr"],
            lean=spec["lean"],
        )
        self.table: dict[str, Process] = {}
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.state, self.error = "starting", ""
        self.stopping = asyncio.Event()
        self.killed: set[str] = set()
        self._busy = asyncio.Lock()
        supervisor = self.layout.pair("supervisor")
        self._api_args = (self.layout.server, self.layout.pki / "ca.crt", supervisor.cert, supervisor.key)
        self.api = Api(*self._api_args)

    # -- processes

    def spawn(self, process: Process) -> None:
        self.table[process.name] = process
        log = self.layout.folder / "logs" / f"{process.name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as stream:
            self.children[process.name] = subprocess.Popen(
                process.argv,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**os.environ, **process.env},
                cwd=self.layout.folder,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509  (no other thread holds a lock that it takes)
            )
        self.write()

    def alive(self) -> None:
        """Raises when a child has ended that nobody killed."""
        for name, child in self.children.items():
            if child.poll() is not None:
                log = self.layout.folder / "logs" / f"{name}.log"
                lines = log.read_text(errors="replace").splitlines()
                # A Go program tells its reason before its stack, the others on their last lines.
                tail = "\n".join([*[line for line in lines if line.startswith(("fatal error:", "panic:"))], *lines[-5:]])
                raise BedError(f"{name} ended with code {child.returncode}, see {log}:\n{tail}")

    async def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        child = self._child(name)
        self.killed.add(name)
        child.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            while child.poll() is None:
                await asyncio.sleep(0.02)
        self.write()

    def _child(self, name: str) -> subprocess.Popen[bytes]:
        if name not in self.children:
            raise BedError(f"No process {name} in this bed; there are {', '.join(sorted(self.children))}")
        return self.children[name]

    async def keep_operator(self) -> None:
        """The real operator as a kubelet runs it: once its kinds are there (OLM starts it then), and again when it ends by itself."""
        process = processes.sail_operator(self.layout, self.spec["sail_operator"])
        while True:
            child = self.children.get(process.name)
            away = process.name not in self.killed and (child is None or child.poll() is not None)
            if away and await asyncio.to_thread(self._sail_kinds):
                LOG.info("%s", "the Sail operator starts" if child is None else f"it ended with {child.returncode} and starts again")
                self.spawn(process)
            await asyncio.sleep(1.0)

    def _sail_kinds(self) -> bool:
        try:
            found = self.api.get("/apis/sailoperator.io/v1")
        except (ApiStatus, OSError):
            return False
        return {row["kind"] for row in found["resources"]} >= SAIL_KINDS

    async def restart(self, name: str) -> None:
        self.killed.discard(name)
        if self._child(name).poll() is None:
            await self.kill(name)
        if name == "kwok":
            kubelet.write_config(self.layout.folder, pods="pods" in self.spec["operators"])
        self.spawn(self.table[name])
        if name in ("etcd", "kube-apiserver"):
            await asyncio.to_thread(self._wait_ready, self.children[name])

    # -- bring-up

    def _wait(self, what: str, done: Callable[[], bool], timeout: float = 180.0, check: Callable[[], None] | None = None) -> None:
        deadline, last = time.monotonic() + timeout, ""
        while True:
            (check or self.alive)()
            try:
                if done():
                    return
            except (ApiStatus, OSError) as error:
                last = f" (last answer: {error})"
            if time.monotonic() > deadline:
                raise BedError(f"{what}: not after {timeout:.0f} s{last}")
            time.sleep(0.05)

    def _wait_ready(self, child: subprocess.Popen[bytes] | None = None) -> None:
        def only_this() -> None:
            if child is not None and child.poll() is not None:
                raise BedError(f"The restarted process ended with code {child.returncode}, see {self.layout.folder / 'logs'}")

        self._wait("/readyz of the API server", lambda: self.api.get("/readyz") == "ok", check=only_this if child else None)

    def _bootstrap(self) -> None:
        """What a cluster has before anybody works with it."""
        for number in range(self.spec["nodes"]):
            self.api.ensure("/api/v1/nodes", kubelet.node(number))
        crds.install(self.api, self.spec["crds"], check=self.alive)
        self._wait("the service account default/default", lambda: bool(self.api.get("/api/v1/namespaces/default/serviceaccounts/default")))
        self._wait("all nodes Ready", self._nodes_ready)

    def _nodes_ready(self) -> bool:
        nodes = self.api.get("/api/v1/nodes")["items"]
        return len(nodes) >= self.spec["nodes"] and all(
            any(c["type"] == "Ready" and c["status"] == "True" for c in (n["status"].get("conditions") or [])) for n in nodes
        )

    async def bring_up(self, egress: Egress) -> None:
        layout = self.layout
        self.spawn(processes.etcd(layout))
        await egress.start()
        self.spawn(processes.apiserver(layout))
        await asyncio.to_thread(self._wait_ready)
        kubelet.write_config(layout.folder, pods="pods" in self.spec["operators"])
        kinds = kubelet.FROM_API if kubelet.from_api(self.spec) else ()
        if kinds:
            await asyncio.to_thread(crds.install, self.api, ["kwok"], check=self.alive)
        for process in (processes.controller_manager(layout), processes.scheduler(layout), processes.kwok(layout, kinds)):
            self.spawn(process)
        await asyncio.to_thread(self._bootstrap)
        self._start_operators()
        if "operators" in self.children:
            await asyncio.to_thread(self._wait, "the played operators", self._playing)
        if "olm" in self.spec["operators"]:
            await asyncio.to_thread(self._wait, "the catalogues of OLM", self._offering)
        self.alive()
        self.state = "ready"
        self.write()

    def _playing(self) -> bool:
        """They say so in their log once their modules are loaded."""
        return "playing " in (self.layout.folder / "logs" / "operators.log").read_text(errors="replace")

    def _offering(self) -> bool:
        """Whoever subscribes looks into the catalogues first; on a cluster that people use they have been there for long."""
        path = "/apis/packages.operators.coreos.com/v1/namespaces/openshift-marketplace/packagemanifests"
        sources = {item["metadata"].get("labels", {}).get("catalog") for item in self.api.get(path).get("items", [])}
        self.api.get("/apis/operators.coreos.com/v1/namespaces/openshift-operators/operatorgroups/global-operators")
        return {"redhat-operators", "community-operators"} <= sources

    def _start_operators(self) -> None:
        played = list(self.spec["operators"])
        real = self.spec.get("sail_operator")
        if real and "sail" in played:
            played.remove("sail")
            self.api.ensure("/api/v1/namespaces", {"metadata": {"name": "sail-operator"}})
            played.append("istiod")
        if self.spec.get("istiod") and "sail" in self.spec["operators"]:
            played.append("real-istiod")
        real = self.spec.get("cert_manager")
        if real and "cert_manager" in played:
            played[played.index("cert_manager")] = "istio-csr"
            self.api.ensure("/api/v1/namespaces", {"metadata": {"name": "cert-manager"}})
            self.spawn(processes.cert_manager(self.layout, real))
        if "pods" in played:
            played.remove("pods")
            self.spawn(processes.pods(self.layout))
        if played:
            if not (TESTBED / "operators" / "__main__.py").exists():
                raise BedError("tests/testbed/operators/__main__.py is missing: this checkout can play no operators")
            self.spawn(processes.operators(self.layout, tuple(played)))

    # -- the outside

    def write(self) -> None:
        """bed.json: what others need to know of this bed."""
        layout = self.layout
        pids = {name: child.pid for name, child in self.children.items() if child.poll() is None}
        write_atomic(
            layout.folder / "bed.json",
            json.dumps(
                {
                    "name": layout.name,
                    "state": self.state,
                    "error": self.error,
                    "dir": str(layout.folder),
                    "api": layout.server,
                    "kubeconfig": str(layout.config("admin")),
                    "injector_port": layout.ports["injector"],
                    "kubelet_port": layout.ports["kubelet"],
                    "ports": layout.ports,
                    "supervisor": {"pid": os.getpid(), "start": start_time(os.getpid())},
                    "pids": pids,
                    "control": str(layout.sockets / "control.sock"),
                    "ca_cert": str(layout.pki / "ca.crt"),
                    "ca_key": str(layout.pki / "ca.key"),
                    "client_cert": str(layout.pki / "admin.crt"),
                    "client_key": str(layout.pki / "admin.key"),
                    "binaries": {name: str(path) for name, path in layout.binaries.items()},
                    "operators": self.spec["operators"],
                    "istiod": self.spec.get("istiod"),
                    "crds": {name: crds.origin(name) for name in self.spec["crds"]},
                    "nodes": self.spec["nodes"],
                    "pod_cidr": layout.pod_cidr,
                    "service_cidr": layout.service_cidr,
                    "network": self.spec.get("network"),
                },
                indent=1,
            ),
        )

    async def _command(self, order: dict[str, Any]) -> dict[str, Any]:
        verb, name = order.get("verb"), str(order.get("name", ""))
        if verb == "stop":
            self.stopping.set()
        elif verb == "kill":
            await self.kill(name, int(order.get("signal", signal.SIGKILL)))
        elif verb == "restart":
            await self.restart(name)
        elif verb != "status":
            raise BedError(f"No such order: {verb}")
        return {"state": self.state, "alive": {n: c.poll() is None for n, c in self.children.items()}}

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            order = json.loads(await reader.readline())
            async with self._busy:
                answer = await self._command(order)
        except (BedError, ValueError, OSError) as error:
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    async def take_down(self) -> None:
        """Operators may end by themselves; the rest holds nothing worth a slow end."""
        for name, child in self.children.items():
            if child.poll() is None and self.table[name].gentle:
                child.terminate()
        deadline = time.monotonic() + max((self.table[n].gentle for n in self.children), default=0.0)
        while time.monotonic() < deadline and any(c.poll() is None and self.table[n].gentle for n, c in self.children.items()):
            await asyncio.sleep(0.02)
        for child in reversed(list(self.children.values())):
            child.kill()
        for child in self.children.values():
            child.wait()
        if self.state != "failed":
            self.state = "down"
        self.write()


def _watch_owner(owner: int | None, stop: Callable[[], None]) -> None:
    """The bed of a test run ends with the run, however that ends."""
    if owner is None:
        return
    try:
        handle = os.pidfd_open(owner)
    except ProcessLookupError:
        stop()
        return
    asyncio.get_running_loop().add_reader(handle, stop)


async def run(folder: Path, owner: int | None) -> int:
    supervisor = Supervisor(folder)
    layout = supervisor.layout
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stopping.set)
    _watch_owner(owner, supervisor.stopping.set)
    tls = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    pair = layout.pair("supervisor")
    tls.load_cert_chain(pair.cert, pair.key)
    egress = Egress(
        socket=layout.sockets / "egress.sock",
        services=layout.folder / "services.json",
        api=layout.server,
        tls=tls,
        injector_port=layout.ports["injector"],
        kubelet_port=layout.ports["kubelet"],
    )
    control = layout.sockets / "control.sock"
    control.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(supervisor.control, path=str(control))
    bring_up = asyncio.create_task(supervisor.bring_up(egress))
    keeper: asyncio.Task[None] | None = None
    stopped = asyncio.create_task(supervisor.stopping.wait())
    try:
        await asyncio.wait({bring_up, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if bring_up.done():
            bring_up.result()
            if supervisor.spec.get("sail_operator") and "sail" in supervisor.spec["operators"]:
                keeper = asyncio.create_task(supervisor.keep_operator())
            await stopped
    except (BedError, OSError) as error:
        LOG.error("%s", error)
        supervisor.state, supervisor.error = "failed", str(error)
    finally:
        bring_up.cancel()
        if keeper is not None:
            keeper.cancel()
        server.close()
        await supervisor.take_down()
        await egress.stop()
        control.unlink(missing_ok=True)
    return 0 if supervisor.state == "down" else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Owns the processes of a test bed; started by `python -m testbed up`.")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--owner", type=int)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    return asyncio.run(run(options.dir, options.owner))


if __name__ == "__main__":
    sys.exit(main())
