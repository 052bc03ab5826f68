# SPDX-License-Identifier: GPL-3.0-or-later
"""What is between the nodes of the beds of one network: a namespace with a bridge, into which each node has a leg.

Nothing in it has a way out of the machine. It comes with the first leg and goes with the last one.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from ..errors import BedError
from ..networks import LIMIT, LINK, Membership, ranges
from ..paths import BEDS, locked
from . import netns
from .rules import WIRE

__all__ = ["join", "leave", "space_of"]

_BRIDGE = "bridge0"


def space_of(network: str) -> str:
    """The namespace between the nodes; another checkout's network of that name is another one."""
    return f"ml{hashlib.sha256(str(BEDS.resolve() / network).encode()).hexdigest()[:6]}-link"


def _leg(tag: str) -> str:
    return f"leg{tag}"


def _lock(network: str) -> Path:
    return BEDS / f".link-{network}.lock"


def _ip(*arguments: str, lines: tuple[str, ...] = (), may_fail: bool = False) -> str:
    command = [netns.ip_program(), *arguments, *(["-batch", "-"] if lines else [])]
    done = subprocess.run(command, input="\n".join([*lines, ""]), capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        raise BedError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def join(member: Membership, tag: str, node: str) -> None:
    """Gives a node its leg, an address, and routes to the load balancers of all clusters that the network can have.

    tag: of the bed; a cluster that is not there answers nobody, as one whose network is down."""
    space, leg = space_of(member.network), _leg(tag)
    with locked(_lock(member.network)):
        if not netns.exists(space):
            _ip("netns", "add", space)
            _ip("-n", space, lines=("link set lo up", f"link add {_BRIDGE} type bridge", f"link set {_BRIDGE} up"))
        _ip("-n", space, "link", "del", leg, may_fail=True)
        _ip("link", "add", leg, "netns", space, "type", "veth", "peer", "name", WIRE, "netns", node)
        _ip("-n", space, lines=(f"link set {leg} master {_BRIDGE}", f"link set {leg} up"))
    lines = [f"link set {WIRE} up", f"addr add {LINK}.{member.number}/24 dev {WIRE}"]
    for other in range(1, LIMIT + 1):
        if other != member.number:
            there = ranges(other)
            routed = [there.pods] if member.routed else []
            lines += [f"route add {network} via {LINK}.{other}" for network in (f"{there.balancers}.0/24", *routed)]
    _ip("-n", node, lines=tuple(lines))


def leave(network: str, tag: str) -> None:
    """Takes the leg of a bed away, with its end at the node, and what is between the nodes when it was the last one."""
    space = space_of(network)
    if not netns.exists(space):
        return
    with locked(_lock(network)):
        _ip("-n", space, "link", "del", _leg(tag), may_fail=True)
        if not _ip("-n", space, "-o", "link", "show", "master", _BRIDGE, may_fail=True).strip():
            netns.delete_now([space])
