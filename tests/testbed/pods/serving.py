# SPDX-License-Identifier: GPL-3.0-or-later
"""What `kubectl exec` and `kubectl port-forward` lead to, as objects that KWOK reads."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import kubelet
from ..operators.base import Kube
from . import netns
from .agent import PROXY_USER
from .pipes import Target, local_port, relay
from .spec import PROXY

__all__ = ["PROXY_PORTS", "close", "open_to", "write_programs"]

Obj = dict[str, Any]
PROXY_PORTS = (15000, 15004, 15006, 15020, 15021, 15090)
_PROGRAM = """#!/bin/sh
# In the pod's network namespace, as the container's user.
[ -n "$TESTBED_NETNS" ] || exec {program} "$@"
if [ -n "$TESTBED_USER" ]; then
  exec {ip} netns exec "$TESTBED_NETNS" {setpriv} --reuid="$TESTBED_USER" --regid="$TESTBED_USER" --clear-groups {program} "$@"
fi
exec {ip} netns exec "$TESTBED_NETNS" {program} "$@"
"""


def write_programs(folder: Path, agent: Path, path: str) -> None:
    """In the bed's folder bin/, which is first on the PATH of an exec."""
    places = {"curl": shutil.which("curl", path=path), "pilot-agent": str(agent)}
    places |= {name: shutil.which(name, path=path) for name in ("wget", "nc", "openssl", "ip", "iptables-save")}
    folder.mkdir(exist_ok=True)
    setpriv = shutil.which("setpriv", path=path) or "setpriv"
    for name, program in places.items():
        if program:
            (folder / name).write_text(_PROGRAM.format(ip=netns.ip_program(), setpriv=setpriv, program=program))
            (folder / name).chmod(0o755)


async def open_to(kube: Kube, pod: Obj, namespace: str, folder: Path, ports: Iterable[int]) -> list[asyncio.AbstractServer]:
    """The two objects of a pod, and a relay on 127.0.0.1 for each of its ports."""
    servers: list[asyncio.AbstractServer] = []
    forwards: dict[int, int] = {}
    for port in dict.fromkeys(ports):
        target = Target(namespace, "127.0.0.1", port)
        server = await relay(None, "127.0.0.1", 0, lambda target=target: target)  # type: ignore[misc]
        servers.append(server)
        forwards[port] = local_port(server)
    meta = pod["metadata"]
    envs = [{"name": "TESTBED_NETNS", "value": namespace}, {"name": "TESTBED_POD", "value": f"{meta['namespace']}/{meta['name']}"}]
    proxy = {"workDir": str(folder), "envs": [*envs, {"name": "TESTBED_USER", "value": str(PROXY_USER)}]}
    execs: list[Obj] = [{"containers": [PROXY], "local": proxy}, {"local": {"workDir": str(folder), "envs": envs}}]
    await kube.apply(kubelet.exec_of(meta, *execs))
    if forwards:
        await kube.apply(kubelet.forward_of(meta, forwards))
    return servers


async def close(kube: Kube, namespace: str, name: str) -> None:
    for obj in kubelet.objects_of(namespace, name):
        await kube.delete(obj)
