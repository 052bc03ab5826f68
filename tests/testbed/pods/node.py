# SPDX-License-Identifier: GPL-3.0-or-later
"""The node of a bed: routes to its pods, kube-proxy, load balancers, names, the way to each istiod, and the world outside.

All nodes of a bed are one namespace here; which pod is on which node counts for faults only. It has no route out of the machine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..egress import BEYOND
from ..errors import BedError
from ..networks import membership, ranges
from ..paths import write_atomic
from . import link, netns
from .delays import Delays
from .pipes import Target, local_port, relay
from .rules import (
    Endpoints,
    balancer_addresses,
    beyond,
    endpoints_of,
    hosts_file,
    link_rules,
    names_of,
    nat_rules,
    ready_addresses,
    resolve,
)

__all__ = ["WORLD_ADDRESS", "Node"]

Obj = dict[str, Any]
Ident = tuple[str, str]
WORLD_ADDRESS = "203.0.113.10"  # where callers from outside come from
_OUTSIDE = "203.0.113"
# Port of the pod, and of its Service as services.json has it.
_ISTIOD = ((15012, 15012), (15017, 443), (15014, 15014))


def _of_machine(address: str) -> Target:
    return Target(None, "127.0.0.1", int(address.rpartition(":")[2]))


class Node:
    """What is the same for all pods of a bed. bed: what its bed.json says."""

    def __init__(self, tag: str, folder: Path, bed: Mapping[str, Any]) -> None:
        self.tag, self.folder = tag, folder
        self.member = membership(bed)
        self.balancers = ranges(self.member.number if self.member else 1).balancers
        routed = str(bed["pod_cidr"]) if self.member and self.member.routed else ""
        self._across = link_rules(routed) if self.member else ([], [])
        self.name, self.world = netns.node_name(tag), f"{netns.prefix(tag)}world"
        self.services: dict[Ident, Obj] = {}
        self.slices: dict[Ident, Obj] = {}
        self.between: list[str] = []  # what befalls packets, as lines of iptables
        self.delays = Delays(self.name)
        self.names: list[tuple[str, str]] = []
        self.endpoints: Endpoints = {}
        self.outside: dict[str, str] = {}  # host name: address
        self.ready: frozenset[str] = frozenset()  # by the rules as they are
        self._rules = ""
        self._istiods: dict[str, list[asyncio.AbstractServer]] = {}
        self._abroad: dict[str, asyncio.AbstractServer] = {}
        self._beyond: dict[tuple[str, int], asyncio.AbstractServer] = {}

    async def start(self) -> None:
        for name in (self.name, self.world):
            await netns.add(name)
        await netns.batch(self.name, "link set lo up", f"route add local {self.balancers}.0/24 dev lo")
        await netns.join(self.world, self.name, WORLD_ADDRESS, "world0")
        await netns.batch(self.name, f"route add {_OUTSIDE}.0/24 dev world0")
        await self.program("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        if self.member is not None:
            await asyncio.to_thread(link.join, self.member, self.tag, self.name)
        for name in (self.name, self.world):
            self.write_hosts(name, "")

    async def program(self, *arguments: str, text: str = "") -> None:
        """Runs a program in the node's namespace."""
        code, said = await netns.run_in(self.name, *arguments, text=text)
        if code:
            raise BedError(f"{' '.join(arguments)} at the node: {said}")

    async def apply(self) -> bool:
        """Rules and names as Services and endpoints are now. True where the names have changed."""
        self.endpoints, ready = endpoints_of(self.slices.values()), ready_addresses(self.slices.values())
        rules = nat_rules(self.services.values(), self.endpoints, self.between, self._across)
        if rules != self._rules:
            await self.program("iptables-restore", text=rules)
            self._rules = rules
        self.ready = ready
        names = [row for service in self.services.values() for row in names_of(service, self.endpoints)]
        await self._outside()
        await self._lead_beyond()
        known, self.names = self.names, sorted(names)
        if self.names == known:
            return False
        self.write_hosts(self.world, "")
        self.write_hosts(self.name, "")
        return True

    # -- names

    def write_hosts(self, name: str, namespace: str) -> None:
        """In place: whoever runs in the namespace has this very file for its /etc/hosts."""
        path = netns.etc(name) / "hosts"
        with path.open("r+" if path.exists() else "w") as stream:
            stream.write(hosts_file(namespace, self.names, self.outside))
            stream.truncate()
        resolver = path.parent / "resolv.conf"
        if not resolver.exists():
            resolver.write_text("nameserver 127.0.0.1\n")

    def resolver(self, namespace: str) -> Callable[[str], list[str]]:
        return lambda host: resolve(host, namespace, self.names, self.outside)

    # -- istiod, which is a process of the machine

    async def istiods(self, addresses: Mapping[str, str]) -> None:
        """addresses: {an istiod pod's address: namespace/Service}; there its ports lead to the process."""
        for address in [one for one in self._istiods if one not in addresses]:
            for server in self._istiods.pop(address):
                server.close()
            await netns.batch(self.name, f"addr del {address}/32 dev lo", force=True)
        for address, service in addresses.items():
            if address not in self._istiods:
                await netns.batch(self.name, f"addr add {address}/32 dev lo", force=True)
                self._istiods[address] = [
                    await relay(self.name, address, port, self._played(f"{service}:{known}")) for port, known in _ISTIOD
                ]

    def _played(self, key: str) -> Callable[[], Target | None]:
        def target() -> Target | None:
            known = self._told("services.json").get(key)
            return _of_machine(known) if known else None

        return target

    def _told(self, name: str) -> dict[str, str]:
        """A file of the bed that says what is behind an address; nothing where there is none."""
        try:
            found: dict[str, str] = json.loads((self.folder / name).read_text() or "{}")
        except (OSError, ValueError):
            return {}
        return found

    async def _lead_beyond(self) -> None:
        """The API server is a process of the machine: its webhooks reach another cluster's istiod by a port of the machine."""
        wanted = beyond(self.services.values(), self.endpoints)
        for place in [one for one in self._beyond if one not in wanted.values()]:
            self._beyond.pop(place).close()
        for place in set(wanted.values()) - self._beyond.keys():
            target = Target(self.name, *place)
            self._beyond[place] = await relay(None, "127.0.0.1", 0, lambda target=target: target)  # type: ignore[misc]
        made = {key: f"127.0.0.1:{local_port(self._beyond[place])}" for key, place in sorted(wanted.items())}
        if made != self._told(BEYOND):
            write_atomic(self.folder / BEYOND, json.dumps(made))

    # -- the world outside

    async def _outside(self) -> None:
        """outside.json: {"api.example.com:443": "127.0.0.1:8443"}, servers of the machine that have a name and an address outside."""
        wanted = self._told("outside.json")
        for key in [one for one in self._abroad if one not in wanted]:
            self._abroad.pop(key).close()
        for key, where in wanted.items():
            host, _colon, port = key.rpartition(":")
            if host not in self.outside:
                self.outside[host] = f"{_OUTSIDE}.{20 + len(self.outside)}"
                await netns.batch(self.world, f"addr add {self.outside[host]}/32 dev lo", force=True)
                self.names = []  # the hosts files have to be written again
            if key not in self._abroad:
                target = _of_machine(where)
                self._abroad[key] = await relay(self.world, self.outside[host], int(port), lambda target=target: target)  # type: ignore[misc]

    def free_balancer(self) -> str:
        taken = {address for one in self.services.values() for address in balancer_addresses(one)}
        return next(found for number in range(1, 255) if (found := f"{self.balancers}.{number}") not in taken)

    def stop(self) -> None:
        istiods = (one for rows in self._istiods.values() for one in rows)
        servers: Iterable[asyncio.AbstractServer] = [*self._abroad.values(), *self._beyond.values(), *istiods]
        for server in servers:
            server.close()
        self.delays.stop()
