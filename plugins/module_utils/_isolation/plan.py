# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which namespaces a project may call and be called from, out of mesh_isolation and what the rest of the intent needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from .._model.fields import entries, sections
from .._model.gateway_intent import home_of
from .._model.members import namespaces_of
from .._model.plane_parts import project_gateways
from .._text import did_you_mean, quoted, shown

__all__ = ["isolation_refusals", "isolation_rows"]

Rows = Sequence[Mapping[str, Any]]
_End = tuple[str, tuple[int, ...]]  # a namespace, and the ports of its pods or of those that it calls


def isolation_rows(intent: Mapping[str, Any], domains: Rows, plane: str, gateways: Rows = (), projects: Rows = ()) -> list[dict[str, Any]]:
    """One row for each namespace that is closed: `callers` and `calls`, each `{namespaces, ports}`, `addresses` outside of the cluster, and
    `gateways`, its own ones with the ports of their pods. plane: the control plane's namespace; projects: mesh_project_gateways."""
    members = [str(name) for name in namespaces_of(list(domains))]
    chosen = [str(name) for name in entries(intent.get("namespaces"))] or members
    callers: dict[str, list[_End]] = {}
    calls: dict[str, list[_End]] = {}
    for source, target, ports in _pairs(intent, domains, members, plane, gateways):
        if source != target:
            callers.setdefault(target, []).append((source, ports))
            calls.setdefault(source, []).append((target, ports))
    doors: dict[str, list[dict[str, Any]]] = {}
    for one in project_gateways(projects):
        door = {"name": str(one["name"]), "ports": [port["target_port"] for port in one["ports"]]}
        doors.setdefault(str(one["namespace"]), []).append(door)
    return [
        {
            "namespace": name,
            "callers": _grouped(callers.get(name, ())),
            "calls": _grouped(calls.get(name, ())),
            "addresses": [
                one for one in sections(intent.get("egress")) if name in entries(one.get("from")) or not entries(one.get("from"))
            ],
            "gateways": doors.get(name, []),
        }
        for name in dict.fromkeys(chosen)
    ]


def _pairs(
    intent: Mapping[str, Any], domains: Rows, members: Sequence[str], plane: str, gateways: Rows
) -> list[tuple[str, str, tuple[int, ...]]]:
    """Who calls whom, on which ports of the pods; no port is all of them."""
    found: dict[tuple[str, str, tuple[int, ...]], None] = {}
    between = str(intent.get("between") or "domain")
    groups = [members] if between == "mesh" else [list(map(str, entries(row.get("namespaces")))) for row in domains]
    for group in groups if between != "none" else []:
        found |= {(source, target, ()): None for source in group for target in group}
    found |= {(plane, name, ()): None for name in members}  # the gateways of the control plane
    for gateway in gateways:
        for route in sections(gateway.get("routes")):
            found[(home_of(gateway, plane), str(route.get("namespace")), ())] = None
    for row in sections(intent.get("allow")):
        ports = tuple(int(port) for port in entries(row.get("ports")))
        found |= {(str(source), str(target), ports): None for source in entries(row.get("from")) for target in entries(row.get("to"))}
    everything = {(source, target) for source, target, ports in found if not ports}
    return [one for one in found if not one[2] or one[:2] not in everything]


def _grouped(ends: Iterable[_End]) -> list[dict[str, Any]]:
    by_ports: dict[tuple[int, ...], list[str]] = {}
    for name, ports in ends:
        by_ports.setdefault(ports, []).append(name)
    return [{"namespaces": sorted(set(names)), "ports": list(ports)} for ports, names in sorted(by_ports.items())]


def isolation_refusals(intent: Mapping[str, Any], members: Sequence[str], plane: str) -> Iterator[str]:
    """What mesh_isolation cannot mean: names that no domain has, and addresses that are none. members: none, where they are not known."""
    known = (*members, plane)
    for path, name in _names(intent):
        if members and name not in known:
            yield f"mesh_isolation.{path}: {quoted(name)} is no namespace of mesh_domains; {did_you_mean(name, known)}"
    if plane in map(str, entries(intent.get("namespaces"))):
        yield (
            f"mesh_isolation.namespaces: {shown(plane)} is the namespace of the control plane, which all proxies have to reach; "
            "control_plane: true closes it to what istiod does not serve"
        )
    for number, row in enumerate(sections(intent.get("egress"))):
        for field in ("cidr", "except"):
            for value in entries(row.get(field)) if field == "except" else [row.get(field)]:
                try:
                    ip_network(str(value))
                except ValueError:
                    yield f"mesh_isolation.egress[{number}].{field}: {quoted(value)} is no address block such as 192.0.2.0/24"


def _names(intent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((f"namespaces[{number}]", str(name)) for number, name in enumerate(entries(intent.get("namespaces"))))
    for where in ("allow", "egress"):
        for number, row in enumerate(sections(intent.get(where))):
            for field in ("from", "to"):
                for place, name in enumerate(entries(row.get(field))):
                    yield f"{where}[{number}].{field}[{place}]", str(name)
