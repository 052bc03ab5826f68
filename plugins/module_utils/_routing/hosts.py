# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Host names with stars, as istiod compares them (pkg/config/host): a star stands in front only, for anything."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

__all__ = ["HostIndex", "by_specificity", "host_matches", "intersection", "is_ip", "is_wild", "most_specific", "of_namespace", "resolved",
           "subset_of"]  # fmt: skip

Found = TypeVar("Found")


def is_wild(host: str) -> bool:
    return host.startswith("*")


def host_matches(one: str, other: str) -> bool:
    """Do they have a name in common?"""
    if is_wild(one):
        if is_wild(other):
            short, long = (one, other) if len(one) < len(other) else (other, one)
            return long[1:].endswith(short[1:])
        return other.endswith(one[1:])
    return one.endswith(other[1:]) if is_wild(other) else one == other


def subset_of(one: str, other: str) -> bool:
    """Is each name of the one a name of the other?"""
    if is_wild(one):
        return is_wild(other) and len(one) >= len(other) and one[1:].endswith(other[1:])
    return one.endswith(other[1:]) if is_wild(other) else one == other


def by_specificity(host: str) -> tuple[bool, int, str]:
    """A key to sort by: exact names first, then the longer ones."""
    return is_wild(host), -len(host), host


def most_specific(host: str, exact: Mapping[str, Found], wild: Mapping[str, Found]) -> Found | None:
    """What is known for the most specific of the names that take this one in."""
    if is_wild(host):
        if host in wild:
            return wild[host]
        rest = host[1:]
    else:
        if host in exact:
            return exact[host]
        rest = host
    if not wild:
        return None
    for start in range(len(rest) + 1):  # from the longest end on
        found = wild.get("*" + rest[start:])
        if found is not None:
            return found
    return None


class HostIndex:
    """A set of names that is asked which of them have something in common with others."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self.exact = {host for host in hosts if not is_wild(host)}
        self.wild = [host for host in hosts if is_wild(host)]

    def matching(self, host: str) -> Iterator[str]:
        """The names in common with this host."""
        if not is_wild(host):
            if host in self.exact:
                yield host
        else:
            yield from (name for name in self.exact if host_matches(host, name))
        yield from (name for name in self.wild if host_matches(host, name))


def intersection(ours: Iterable[str], theirs: Iterable[str]) -> list[str]:
    """The narrower name of each pair of which one takes the other in."""
    found: dict[str, None] = {}
    others = list(theirs)
    for mine in ours:
        for its in others:
            if subset_of(mine, its):
                found.setdefault(mine)
            elif subset_of(its, mine):
                found.setdefault(its)
    return list(found)


def of_namespace(hosts: Iterable[str], namespace: str) -> list[str]:
    """The hosts of a Gateway's server that a VirtualService of this namespace may bind."""
    found = []
    for host in hosts:
        space, slash, name = host.partition("/")
        if not slash:
            found.append(host)
        elif space in (namespace, "*"):
            found.append(name)
    return found


@lru_cache(maxsize=4096)
def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def resolved(host: str, namespace: str, end: str) -> str:
    """The full name of a host in an object: only a name without any dot is completed. end: `.svc.` and the cluster's domain."""
    if not host or host == "*" or "." in host or is_ip(host):
        return host
    return f"{host}.{namespace}{end}"
