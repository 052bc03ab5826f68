# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Addresses and ports of a policy, read as Istio reads them: what it does not take is a ValueError here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias, Union

from .matching import Matcher, Text

__all__ = ["Address", "Network", "address", "network_matcher", "port_matcher"]

Address: TypeAlias = Union[IPv4Address, IPv6Address]  # noqa: UP007  (pylint takes | between these two for an operation)
_PORT = re.compile(r"[0-9]+")
_LENGTH = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Network:
    """An address block; the other address family never matches."""

    version: int
    shift: int  # host bits
    prefix: int  # the network's bits, without the host's

    def matches(self, value: Address) -> bool:
        return value.version == self.version and int(value) >> self.shift == self.prefix


def port_matcher(value: str) -> Matcher:
    """A decimal port; ValueError for anything else."""
    if not _PORT.fullmatch(value) or int(value) > 65535:
        raise ValueError(f"{value!r} is not a port between 0 and 65535")
    return Text("exact", int(value))


@lru_cache(maxsize=8192)
def address(value: str) -> Address:
    """An address; ValueError if it is none, or has a zone."""
    found = ip_address(value)
    if isinstance(found, IPv6Address) and found.scope_id:
        raise ValueError(f"{value!r} has a zone")
    return found


def network_matcher(value: str) -> Matcher:
    """An address or a block with its length; host bits are cut off, and an address's zone; ValueError for anything else."""
    text, slash, length = value.partition("/")
    host, _percent, zone = text.partition("%")
    found = address(host if zone and ":" in host and not slash else text)
    if slash and (not _LENGTH.fullmatch(length) or int(length) > found.max_prefixlen):
        raise ValueError(f"{value!r} is not an address block")
    shift = found.max_prefixlen - (int(length) if slash else found.max_prefixlen)
    return Network(found.version, shift, int(found) >> shift)
