# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Trust domains: the aliases of a mesh put into a policy's principals and trust domains, as istiod does it for Envoy."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["expand_principals", "expand_trust_domains"]

_LOCAL = "cluster.local"  # in a policy, a name for the mesh's own trust domain and its aliases


def _covers(pattern: str, text: str) -> bool:
    """Does a pattern with a star at its end or its start cover the text? One without a star covers nothing here."""
    return (pattern.endswith("*") and text.startswith(pattern[:-1])) or (pattern.startswith("*") and text.endswith(pattern[1:]))


def _known(name: str, trust_domains: Sequence[str]) -> bool:
    """Is this a trust domain of the mesh? A star may be on either side."""
    return any(name == own or _covers(own, name) or _covers(name, own) for own in trust_domains)


def _replaced(principal: str, name: str, trust_domains: Sequence[str]) -> list[str]:
    rest = principal.partition("/")[2]
    return [principal if name.startswith("*") and own.endswith(name[1:]) else f"{own}/{rest}" for own in trust_domains]


def expand_principals(values: Sequence[str], trust_domains: Sequence[str]) -> tuple[str, ...]:
    """Only a principal of five segments has a trust domain to replace; an unknown one is kept as it is, and so is `*`."""
    found: list[str] = []
    for principal in values:
        name = principal.partition("/")[0]
        if principal.count("/") == 4 and (name == _LOCAL or _known(name, trust_domains)):
            found += _replaced(principal, name, trust_domains)
        else:
            found.append(principal)
    return tuple(dict.fromkeys(found))


def expand_trust_domains(values: Sequence[str], trust_domains: Sequence[str]) -> tuple[str, ...]:
    """A trust domain of the mesh, written in full, means all of them."""
    found: list[str] = []
    for value in values:
        found += trust_domains if value in trust_domains else (value,)
    return tuple(dict.fromkeys(found))
