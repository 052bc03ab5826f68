# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which members of a mesh are refused before anything changes, and which are none yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .._text import shown
from .fields import entries, section, sections

__all__ = ["Neighbour", "member_refusals", "namespaces_of", "pending_members"]


class Neighbour(NamedTuple):
    """Another mesh of the same API: its host, its name, and its domains as mesh_domains has them."""

    host: str
    mesh: str
    domains: Any


def _flat(value: Any) -> Iterator[Any]:
    for one in value:
        if isinstance(one, (list, tuple)):
            yield from _flat(one)
        else:
            yield one


def namespaces_of(domains: Any) -> list[Any]:
    """The namespaces of mesh_domains, in order."""
    return list(_flat(entries(domain.get("namespaces")) for domain in sections(domains)))


def member_refusals(
    namespaces: Sequence[str], *, mesh: str, host: str, control_plane: str, neighbours: Iterable[Neighbour] = ()
) -> list[str]:
    """A sentence for each thing that has to be refused. control_plane: its namespace."""
    refusals = []
    twice = [str(name) for name, number in Counter(namespaces).items() if number > 1]
    if twice:
        refusals.append(
            f"mesh_domains names {', '.join(twice)} more than once: a namespace belongs to one domain. Remove it from the others."
        )
    if control_plane in namespaces:
        refusals.append(
            f"mesh_domains names {control_plane}, which is the namespace of the control plane: it is no member. "
            "Remove it from mesh_domains."
        )
    for other in neighbours:
        theirs = namespaces_of(other.domains)
        shared = [str(name) for name in dict.fromkeys(namespaces) if name in theirs]
        if shared:
            refusals.append(
                f"{', '.join(shared)} would be in two meshes of one cluster: {mesh} (host {host}) and {other.mesh} (host {other.host}). "
                "Take it out of one of the two mesh_domains, or give the hosts their own mesh_kubeconfig or mesh_context."
            )
    return refusals


def pending_members(namespaces: Iterable[str], roll: Mapping[str, Any]) -> list[str]:
    """The namespaces that a ServiceMeshMemberRoll does not have yet, each as `name (why)`."""
    status = section(roll, "status")
    told = {str(row.get("namespace")): row for row in reversed(sections(status.get("memberStatuses")))}
    configured = entries(status.get("configuredMembers"))
    return [f"{name} ({_why(told.get(name, {}))})" for name in dict.fromkeys(namespaces) if name not in configured]


def _why(row: Mapping[str, Any]) -> str:
    """What the conditions of a member say that do not hold."""
    said = [str(one.get("message") or "") for one in sections(row.get("conditions")) if one.get("status") != "True"]
    return shown(", ".join(filter(None, said))) or "the operator has not looked at it yet"
