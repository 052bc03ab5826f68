# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of one mesh: beds of a network have a number each, and by it addresses that none of the others has. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BedError

__all__ = ["LIMIT", "LINK", "Membership", "Ranges", "checked_name", "choose", "is_balancer", "membership", "ranges"]

LIMIT = 32
LINK = "198.18.0"  # the nodes' own addresses between clusters; 198.18.0.0/15 is for benchmarks, nobody has it


@dataclass(frozen=True)
class Ranges:
    """pods, services: networks; balancers: the first three numbers of load balancers' addresses."""

    pods: str
    services: str
    balancers: str


@dataclass(frozen=True)
class Membership:
    """routed: pods reach those of the other clusters by their addresses (one network in Istio's terms), not load balancers only."""

    network: str
    number: int
    routed: bool = False


def ranges(number: int) -> Ranges:
    """Of the bed with that number; a bed alone is the first one."""
    return Ranges(f"10.{124 + 4 * number}.0.0/14", f"10.{95 + number}.0.0/16", f"198.18.{number}")


def membership(data: Mapping[str, Any]) -> Membership | None:
    """What spec.json or bed.json says of it; None for a bed alone."""
    found = data.get("network")
    return Membership(**found) if found else None


def is_balancer(address: str) -> bool:
    """Whether it is that of a load balancer, of any cluster."""
    return any(address.startswith(f"{ranges(number).balancers}.") for number in range(1, LIMIT + 1))


def checked_name(network: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", network):
        raise BedError(f"Network {network!r}: use up to 40 lower case letters, digits and dashes")
    return network


def choose(network: str, taken: Iterable[int], before: int | None = None) -> int:
    """The number that the bed had before, else the lowest that no other one has."""
    known = set(taken)
    free = [number for number in range(1, LIMIT + 1) if number not in known]
    if not free:
        raise BedError(f"Network {network} has {LIMIT} beds, which is all it can have: python -m testbed status")
    return before if before in free else free[0]
