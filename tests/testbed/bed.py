# SPDX-License-Identifier: GPL-3.0-or-later
"""A bed as its user sees it: start, stop, kubeconfigs, faults, audit log."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import binaries, crds, kubelet, networks, users
from .api import Api
from .errors import BedError
from .paths import BEDS, locked_if_free, python_path, read_map, socket_dir, start_time, write_atomic
from .pods import leavings
from .processes import POD_CIDR, SERVICE_CIDR, Layout, prepare

__all__ = ["OPERATORS", "Bed"]

OPERATORS = ("olm", "sail", "maistra", "openshift", "observability", "envoys", "pods", "cert_manager")
# Somebody took a port in between; a race in KWOK (see processes.kwok).
_TRY_AGAIN = ("address already in use", "concurrent map")
_PORTS = ("api", "etcd", "etcd_peer", "kubelet", "injector")


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """Ports below the range of outgoing connections, so that a restarted server finds its own port free again."""
    held: list[socket.socket] = []
    ports: dict[str, int] = {}
    try:
        while len(ports) < len(names):
            candidate = random.randrange(16000, 32000)
            probe = socket.socket()
            held.append(probe)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            ports[names[len(ports)]] = candidate
    finally:
        for probe in held:
            probe.close()
    return ports


def _istiod(choice: str, operators: tuple[str, ...]) -> str | None:
    """The binary of the real istiods that are asked for; None for played ones."""
    if choice not in ("", "played", "real"):
        raise BedError(f"istiod is real or played, not {choice!r}")
    if choice == "real" and "sail" not in operators:
        raise BedError("Real istiods are those that the operator sail installs: name it among the operators")
    real = "pods" in operators
    if choice == "played" and real and "sail" in operators:
        raise BedError("The data plane pods needs real istiods: a played one gives its proxies nothing")
    if choice == "played" or "sail" not in operators or not (choice or real or os.environ.get("MESH_ISTIOD")):
        return None
    # A real Sail operator has its own charts; the played one has istioctl render them.
    needed = ("pilot-discovery",) if os.environ.get("MESH_SAIL_OPERATOR") else ("pilot-discovery", "istioctl")
    reason = binaries.istio_missing(*needed)
    if reason:
        raise BedError(f"No real istiod can run: {reason}")
    return str(binaries.find_istio()["pilot-discovery"])


def _network(cidr: str) -> ipaddress.IPv4Network:
    """Where pods may be: not where Services are."""
    try:
        found = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise BedError(f"pod_cidr {cidr!r} is no network: {error}") from error
    if found.overlaps(ipaddress.IPv4Network(SERVICE_CIDR)):
        raise BedError(f"pod_cidr {cidr} overlaps with that of Services, {SERVICE_CIDR}")
    return found


def _belongs(network: str, *, routed: bool) -> str:
    return f"in network {network} {'with routed pods' if routed else 'of load balancers'}" if network else "in no network"


class Bed:
    """The bed in a folder; `Bed.start` makes a running one, `Bed.find` the one that is there."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder
        self.name = folder.name
        self.kubeconfig = folder / "kubeconfig"

    # -- life

    @classmethod
    def find(cls, name: str) -> Bed:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", name):
            raise BedError(f"Bed name {name!r}: use up to 40 lower case letters, digits and dashes")
        return cls(BEDS / name)

    @classmethod
    def start(
        cls,
        name: str,
        operators: Iterable[str] | None = None,
        *,
        nodes: int = 3,
        extra_crds: Iterable[str] = (),
        istiod: str = "",
        pod_cidr: str = POD_CIDR,
        network: str = "",
        routed: bool = False,
        lean: bool = False,
        owner: int | None = None,
        timeout: float = 400.0,
    ) -> Bed:
        """Idempotent: a running bed of that name is returned as it is.

        istiod: "real" runs one behind each istiod pod of Sail's, "played" none; without it, real where MESH_ISTIOD names one.
        network: beds that name the same one have addresses of their own each, and those with the data plane `pods` reach each other's load
        balancers; with `routed`, which all of them have to say, each other's pods as well. pod_cidr: its pods' addresses where it is alone.
        lean: an API server with less memory, for machines with many beds. owner: the process with which the bed shall end."""
        self = cls.find(name)
        if network:
            networks.checked_name(network)
        if routed and not network:
            raise BedError("routed is about beds of one network: name it")
        if network and pod_cidr != POD_CIDR:
            raise BedError(f"Network {network} says where the pods of its beds are: leave pod_cidr out")
        with binaries.locked(BEDS / f"{name}.lock"):
            if self.is_running():
                self._is_as_asked(operators, istiod, pod_cidr, network, routed=routed)
                return self
            chosen = tuple(dict.fromkeys(operators or ()))
            unknown = set(chosen) - set(OPERATORS)
            if unknown:
                raise BedError(f"No such operators: {', '.join(sorted(unknown))}; there are {', '.join(OPERATORS)}")
            if "pods" in chosen:
                self._pods_can_run(chosen)
            options: dict[str, Any] = {"istiod": _istiod(istiod, chosen), "pod_cidr": str(_network(pod_cidr)), "lean": lean}
            for attempt in (1, 2, 3):
                with self._place(network, routed=routed) as place:
                    self._lay_out(chosen, nodes, extra_crds, {**options, **place})
                try:
                    self._launch(owner, timeout)
                    return self
                except BedError as error:
                    if attempt == 3 or not any(sign in str(error) for sign in _TRY_AGAIN):
                        raise
        raise AssertionError("unreachable")

    @staticmethod
    def _pods_can_run(chosen: tuple[str, ...]) -> None:
        if "envoys" in chosen:
            raise BedError("A bed has one data plane: envoys or pods")
        why = binaries.pods_missing()
        if why:
            raise BedError(f"The data plane `pods` cannot run here: {why}")

    @contextlib.contextmanager
    def _place(self, network: str, *, routed: bool) -> Iterator[dict[str, Any]]:
        """Where its addresses are, as spec.json has it; nobody else of the network chooses while that is written."""
        if not network:
            yield {"service_cidr": SERVICE_CIDR, "network": None}
            return
        before = networks.membership(self._spec())
        with binaries.locked(BEDS / f".network-{network}.lock"):
            known = [member for other in self._others() if (member := other._living_member(network))]
            if any(member.routed != routed for member in known):
                raise BedError(f"Bed {self.name} cannot be {_belongs(network, routed=routed)}: its other beds are there otherwise")
            own = before.number if before and before.network == network else None
            number = networks.choose(network, (member.number for member in known), own)
            there, member = networks.ranges(number), networks.Membership(network, number, routed)
            yield {"pod_cidr": there.pods, "service_cidr": there.services, "network": asdict(member)}

    def _others(self) -> list[Bed]:
        return [Bed(path.parent) for path in sorted(BEDS.glob("*/spec.json")) if path.parent.name != self.name]

    def _living_member(self, network: str) -> networks.Membership | None:
        """What it is in that network, unless it is dead; then what it left there is taken away."""
        member = networks.membership(self._spec())
        if member is None or member.network != network:
            return None
        with locked_if_free(BEDS / f"{self.name}.lock") as free:
            if not free or self.is_running():  # on its way, or up
                return member
            leavings.clean(self.dir)
        return None

    def _is_as_asked(self, operators: Iterable[str] | None, istiod: str, pod_cidr: str, network: str = "", *, routed: bool = False) -> None:
        """Refuses a running bed that is another one than is asked for."""
        data, stop = self.data, f"stop it first (python -m testbed down --name {self.name})"
        if operators is not None and sorted(operators) != sorted(data["operators"]):
            raise BedError(f"Bed {self.name} runs with operators [{','.join(data['operators'])}], not with [{','.join(operators)}]: {stop}")
        if istiod and bool(data.get("istiod")) != (istiod == "real"):
            raise BedError(f"Bed {self.name} runs with {'real' if data.get('istiod') else 'played'} istiods, not {istiod} ones: {stop}")
        if pod_cidr not in (POD_CIDR, data.get("pod_cidr")):
            raise BedError(f"Bed {self.name} has pods in {data.get('pod_cidr')}, not in {pod_cidr}: {stop}")
        member = networks.membership(data)
        found = (member.network, member.routed) if member else ("", False)
        if network and found != (network, routed):
            raise BedError(f"Bed {self.name} is {_belongs(found[0], routed=found[1])}, not {_belongs(network, routed=routed)}: {stop}")

    def _lay_out(self, operators: tuple[str, ...], nodes: int, extra_crds: Iterable[str], options: dict[str, Any]) -> None:
        found = binaries.find()
        self._clear()
        self.dir.mkdir(parents=True)
        sockets = socket_dir(self.dir)
        sockets.mkdir(mode=0o700, exist_ok=True)
        if sockets.stat().st_uid != os.getuid():
            raise BedError(f"{sockets} belongs to somebody else")
        layout = Layout(
            name=self.name,
            folder=self.dir,
            sockets=sockets,
            ports=free_ports(_PORTS),
            binaries=found,
            service_cidr=options["service_cidr"],
        )
        prepare(layout)
        write_atomic(
            self.dir / "spec.json",
            json.dumps(
                {
                    "name": self.name,
                    "sockets": str(sockets),
                    "ports": layout.ports,
                    "binaries": {n: str(p) for n, p in found.items()},
                    "operators": list(operators),
                    "crds": list(dict.fromkeys([*crds.groups_for(operators), *extra_crds])),
                    "nodes": nodes,
                    "sail_operator": os.environ.get("MESH_SAIL_OPERATOR"),
                    **options,
                    "cert_manager": os.environ.get("MESH_CERT_MANAGER"),
                }
            ),
        )

    def _launch(self, owner: int | None, timeout: float) -> None:
        logs = self.dir / "logs"
        logs.mkdir()
        command = [sys.executable, "-m", "testbed.supervisor", "--dir", str(self.dir), *(["--owner", str(owner)] if owner else [])]
        with (logs / "supervisor.log").open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.dir,
                env={**os.environ, "PYTHONPATH": python_path()},
            )
        deadline = time.monotonic() + timeout
        while True:
            ended = child.poll() is not None
            data = self._read()
            if data.get("state") == "ready":
                return
            if ended:
                tail = (logs / "supervisor.log").read_text(errors="replace")[-1500:]
                raise BedError(f"Bed {self.name} did not come up: {data.get('error') or tail}")
            if time.monotonic() > deadline:
                child.terminate()
                child.wait()
                raise BedError(f"Bed {self.name} is not up after {timeout:.0f} s, see {logs}")
            time.sleep(0.05)

    def _clear(self) -> None:
        """What a dead bed left."""
        leavings.clean(self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(socket_dir(self.dir), ignore_errors=True)

    def stop(self) -> bool:
        """Ends every process of the bed; its logs and audit log stay until the next start. False when it was not running."""
        with binaries.locked(BEDS / f"{self.name}.lock"):
            running = self.is_running()
            if running:
                pid = int(self.data["supervisor"]["pid"])
                started = self.data["supervisor"]["start"]
                os.kill(pid, signal.SIGTERM)
                deadline = time.monotonic() + 10
                while start_time(pid) == started:
                    if time.monotonic() > deadline:
                        os.kill(pid, signal.SIGKILL)  # its children go with it
                        deadline += 10
                    _reap(pid)
                    time.sleep(0.02)
            leavings.clean(self.dir)
            shutil.rmtree(self.dir / "etcd", ignore_errors=True)
            shutil.rmtree(socket_dir(self.dir), ignore_errors=True)
            return running

    def is_running(self) -> bool:
        data = self._read()
        supervisor = data.get("supervisor")
        return supervisor is not None and data["state"] == "ready" and start_time(supervisor["pid"]) == supervisor["start"]

    # -- what it is

    def _read(self) -> dict[str, Any]:
        return read_map(self.dir / "bed.json")

    def _spec(self) -> dict[str, Any]:
        """What it was last started with; nothing where it never was."""
        return read_map(self.dir / "spec.json")

    @property
    def data(self) -> dict[str, Any]:
        data = self._read()
        if not data:
            raise BedError(f"There is no bed {self.name}: python -m testbed up --name {self.name}")
        return data

    @property
    def api(self) -> Api:
        data = self.data
        return Api(data["api"], Path(data["ca_cert"]), Path(data["client_cert"]), Path(data["client_key"]))

    def env(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """The environment for programs that shall work with this bed."""
        chosen = str(kubeconfig or self.kubeconfig)
        return {**os.environ, "KUBECONFIG": chosen, "K8S_AUTH_KUBECONFIG": chosen}

    def kubectl(
        self, *args: str, kubeconfig: Path | None = None, stdin: str | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """apply does not validate unless it is told to: for kinds that are new it would have the server make its whole OpenAPI."""
        told = args[0] != "apply" or any(arg.startswith("--validate") for arg in args)
        chosen = args if told else ("apply", "--validate=false", *args[1:])
        return subprocess.run(
            [self.data["binaries"]["kubectl"], *chosen],
            input=stdin,
            env=self.env(kubeconfig),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def install_crds(self, *groups: str) -> list[str]:
        return crds.install(self.api, groups)

    # -- users

    def user_kubeconfig(self, name: str, groups: Iterable[str] = ()) -> Path:
        """A person with a client certificate of the bed's CA."""
        return users.certificate(self.dir, self.data, name, groups)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A service account (made when it is missing) with a token of an hour."""
        return users.service_account(self.dir, self.data, self.api, namespace, name)

    # -- faults

    def _order(self, verb: str, **more: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(90)
            try:
                connection.connect(self.data["control"])
                connection.sendall(json.dumps({"verb": verb, **more}).encode() + b"\n")
                with connection.makefile() as stream:
                    answer: dict[str, Any] = json.loads(stream.readline() or "{}")
            except OSError as error:
                raise BedError(f"Bed {self.name} does not answer: {error}") from error
        if "error" in answer:
            raise BedError(answer["error"])
        return answer

    def kill(self, process: str, number: int = signal.SIGKILL) -> None:
        """Ends a process of the bed (SIGSTOP and SIGCONT freeze it); nothing restarts it but `restart`."""
        self._order("kill", name=process, signal=int(number))

    def restart(self, process: str) -> None:
        """Starts a process again, dead or alive; waits for /readyz after the API server and etcd."""
        self._order("restart", name=process)

    def alive(self) -> dict[str, bool]:
        """Which processes live."""
        found: dict[str, bool] = self._order("status")["alive"]
        return found

    def set_faults(self, faults: dict[str, Any]) -> None:
        """What the played operators do wrong: {"sail": {"delay": 2.0, "fail": {"default": "reason"}}}."""
        write_atomic(self.dir / "faults.json", json.dumps(faults))

    def set_services(self, services: dict[str, str]) -> None:
        """Who plays a Service for the API server's calls: {"namespace/name:port": "127.0.0.1:port"}."""
        write_atomic(self.dir / "services.json", json.dumps(services))

    def set_outside(self, servers: dict[str, str]) -> None:
        """What is outside of the cluster for the data plane `pods`: {"api.example.com:443": "127.0.0.1:8443"}."""
        write_atomic(self.dir / "outside.json", json.dumps(servers))

    def set_pods(self, *, forwards: dict[str, str] | None = None, logs: dict[str, str] | None = None) -> None:
        """What is behind port-forward and logs of single pods: {"ns/pod:port": "127.0.0.1:port"}, {"ns/pod": "file"}."""
        if forwards and kubelet.from_api(self.data):
            raise BedError(f"Bed {self.name} has proxies or real istiods: there a forward is an object PortForward of kwok.x-k8s.io")
        write_atomic(self.dir / "kubelet.json", json.dumps({"forwards": forwards or {}, "logs": logs or {}}))
        self.restart("kwok")

    # -- audit

    def mark(self) -> int:
        """A place in the audit log, for `audit(since=...)`."""
        log = self.dir / "audit.log"
        return log.stat().st_size if log.exists() else 0

    def audit(self, since: int = 0) -> Iterator[dict[str, Any]]:
        """The requests the API server has served, as audit events."""
        with (self.dir / "audit.log").open("rb") as stream:
            if since:
                # a mark may fall into a line that the API server was just writing
                stream.seek(since - 1)
                stream.readline()
            for line in stream:
                if line.endswith(b"\n"):
                    yield json.loads(line)


def _reap(pid: int) -> None:
    """Collects the supervisor when it is a child of this process."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
