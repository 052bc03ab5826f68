# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces: one for a bed's node, one for each pod, and sockets that live in them.

A socket stays in the namespace in which it was made, so one process serves and calls in all of them.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import BedError

__all__ = [
    "GATEWAY",
    "add",
    "batch",
    "command_in",
    "connect",
    "delete",
    "delete_now",
    "etc",
    "exists",
    "inside",
    "ip_program",
    "join",
    "leftovers",
    "listen",
    "low_ports",
    "node_name",
    "part",
    "pod_name",
    "prefix",
    "run_in",
]

GATEWAY = "169.254.1.1"  # each pod's next hop, as with point-to-point CNIs: no bridge, so that replies pass conntrack
_RUN = Path("/run/netns")
_ETC = Path("/etc/netns")
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def ip_program() -> str:
    return shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin") or "ip"


def prefix(tag: str) -> str:
    """What the names of all namespaces of a bed begin with; tag: some letters that are the bed's own."""
    return f"mb{tag}-"


def node_name(tag: str) -> str:
    return f"{prefix(tag)}node"


def pod_name(tag: str, uid: str) -> str:
    return f"{prefix(tag)}{uid[:8]}"


def etc(name: str) -> Path:
    """The folder that `ip netns exec` mounts over /etc."""
    return _ETC / name


def exists(name: str) -> bool:
    return (_RUN / name).exists()


def leftovers(tag: str) -> list[str]:
    return sorted(path.name for path in _RUN.glob(f"{prefix(tag)}*")) if _RUN.exists() else []


async def _run(arguments: Iterable[str], text: str = "", **options: Any) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, **options
    )
    out, _none = await process.communicate(text.encode())
    return process.returncode or 0, out.decode(errors="replace").strip()


def command_in(name: str, *command: str) -> list[str]:
    """The command line of a program in a namespace."""
    return [ip_program(), "netns", "exec", name, *command]


async def run_in(name: str, *command: str, text: str = "", **options: Any) -> tuple[int, str]:
    """Runs a program in a namespace to its end: its exit code, and what it said. text: its input; options: cwd, env."""
    return await _run(command_in(name, *command), text, **options)


async def batch(name: str | None, *lines: str, force: bool = False) -> None:
    """Runs lines of `ip` in a namespace (None: the machine's own); force goes on after a line that fails."""
    where = ["-n", name] if name else []
    code, said = await _run([ip_program(), *where, *(["-force"] if force else []), "-batch", "-"], "\n".join(lines) + "\n")
    if code and not force:
        raise BedError(f"ip in {name or 'the machine'}: {said}")


async def add(name: str) -> None:
    code, said = await _run([ip_program(), "netns", "add", name])
    if code:
        raise BedError(f"ip netns add {name}: {said}")
    etc(name).mkdir(parents=True, exist_ok=True)


async def join(pod: str, node: str, address: str, veth: str) -> None:
    """Gives a pod its address: a pair of interfaces, and a route at the node that ends an older pod's use of the address."""
    await batch(node, f"link del {veth}", force=True)
    await batch(None, f"link add {veth} netns {node} type veth peer name eth0 netns {pod}")
    await batch(node, f"link set {veth} up", f"addr add {GATEWAY}/32 dev {veth}", f"route replace {address}/32 dev {veth}")
    await batch(
        pod,
        "link set lo up",
        "link set eth0 up",
        f"addr add {address}/32 dev eth0",
        f"route add {GATEWAY} dev eth0 scope link",
        f"route add default via {GATEWAY}",
    )


def low_ports(name: str) -> None:
    """Any user may listen on port 80, as container runtimes have it: gateways do."""
    with inside(name):
        Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")


async def part(node: str, veth: str) -> None:
    """Takes the interface away at once; that of a deleted namespace lingers, and keeps the address from the next pod."""
    await batch(node, f"link del {veth}", force=True)


async def delete(name: str) -> None:
    await _run([ip_program(), "netns", "del", name])
    shutil.rmtree(etc(name), ignore_errors=True)


def delete_now(names: Iterable[str]) -> None:
    """For a process that ends, and for what a dead one left: whoever runs in them ends as well."""
    for name in names:
        found = subprocess.run([ip_program(), "netns", "pids", name], capture_output=True, text=True, check=False).stdout.split()
        for pid in {int(one) for one in found} - {os.getpid()}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run([ip_program(), "netns", "del", name], capture_output=True, check=False)
        shutil.rmtree(etc(name), ignore_errors=True)


@contextmanager
def inside(name: str | None) -> Iterator[None]:
    """This thread is in the namespace: sockets that are made here live there. Nothing may be awaited in it."""
    if name is None:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(_RUN / name, os.O_RDONLY)
        try:
            if _LIBC.setns(there, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {name}")
        finally:
            os.close(there)
        try:
            yield
        finally:
            if _LIBC.setns(home, _CLONE_NEWNET):
                os._exit(70)  # a thread that is lost in a pod must do nothing more
    finally:
        os.close(home)


# With the protocol named: only on such a socket does asyncio switch delays off.
def listen(name: str | None, address: str, port: int, backlog: int = 512) -> socket.socket:
    with inside(name):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind((address, port))
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made


async def connect(name: str | None, address: str, port: int, *, timeout: float = 5.0, mark: int = 0) -> socket.socket:
    """mark: a number that rules of iptables can see, for connections that must not be captured."""
    with inside(name):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if mark:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, (address, port)), timeout)
    except (OSError, asyncio.CancelledError):
        made.close()
        raise
    return made
