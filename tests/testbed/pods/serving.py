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

__all__ = ["close", "exec_to", "forward_to", "write_programs"]

Obj = dict[str, Any]
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


async def exec_to(kube: Kube, pod: Obj, namespace: str, folder: Path) -> None:
    """The object of a pod for `kubectl exec`."""
    meta = pod["metadata"]
    envs = [{"name": "TESTBED_NETNS", "value": namespace}, {"name": "TESTBED_POD", "value": f"{meta['namespace']}/{meta['name']}"}]
    proxy = {"workDir": str(folder), "envs": [*envs, {"name": "TESTBED_USER", "value": str(PROXY_USER)}]}
    execs: list[Obj] = [{"containers": [PROXY], "local": proxy}, {"local": {"workDir": str(folder), "envs": envs}}]
    await kube.apply(kubelet.exec_of(meta, *execs))


async def forward_to(kube: Kube, pod: Obj, namespace: str, ports: Iterable[int], known: dict[int, int]) -> list[asyncio.AbstractServer]:
    """A relay on 127.0.0.1 for each port that is not `known` yet, and the object of a pod for `kubectl port-forward`."""
    servers: list[asyncio.AbstractServer] = []
    for port in [port for port in ports if port not in known]:
        target = Target(namespace, "127.0.0.1", port)
        server = await relay(None, "127.0.0.1", 0, lambda target=target: target)  # type: ignore[misc]
        servers.append(server)
        known[port] = local_port(server)
    if servers:
        await kube.apply(kubelet.forward_of(pod["metadata"], known))
    return servers


async def close(kube: Kube, namespace: str, name: str) -> None:
    for obj in kubelet.objects_of(namespace, name):
        await kube.delete(obj)
