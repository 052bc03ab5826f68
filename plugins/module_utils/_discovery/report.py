# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What was found out, in a few lines for people and as data for machines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from .._model.fields import section
from .._model.objects import group_of
from .._text import counted, shortened, shown
from .model import DiscoveredMember, DiscoveredMesh, Discovery, Fact

__all__ = ["found_lines", "mesh_data", "not_judged"]

_MAKERS = {
    "ossm2": "OpenShift Service Mesh 2{version}", "ossm3": "OpenShift Service Mesh 3, Istio{version}",
    "sail": "Istio{version} by the Sail operator", "istio": "Istio{version} without an operator",
}  # fmt: skip
_EITHER = "Istio{version} by the Sail operator or OpenShift Service Mesh 3"
_WAYS = {"roll": "by the member roll", "label": "by label", "ambient": "ambient", "pods": "by their pods only"}
_MOST = 8


def found_lines(discovery: Discovery, taken: Collection[DiscoveredMesh]) -> list[str]:
    """A few lines on each mesh that was taken, and the others by name."""
    lines = [line for mesh in taken for line in _mesh(mesh)]
    others = [mesh.title for mesh in discovery.meshes if mesh not in taken]
    if others:
        lines.append(f"other meshes that are there: {', '.join(others)}")
    if len(taken) > 1:
        lines.append(f"all {len(taken)} were checked; to check one, give its control plane: {_choice(next(iter(taken)))}")
    return [shown(line) for line in (*lines, *discovery.notes)]


def _choice(mesh: DiscoveredMesh) -> str:
    return f"""-e '{{"mesh_control_plane": {{"name": "{mesh.name}", "namespace": "{mesh.namespace}"}}}}'"""


def _mesh(mesh: DiscoveredMesh) -> Iterator[str]:
    version = f" {mesh.version.value}" if mesh.version else ""
    maker = _EITHER if mesh.provider.guessed else _MAKERS[mesh.provider.value]
    why = f" ({mesh.provider.source})" if mesh.provider.source != mesh.source else ""
    yield f"found {mesh.source}: {maker.format(version=version)}{why}"
    if len(mesh.revisions) > 1 or mesh.active_revision.value != mesh.name:
        names = [_revision(row.name, row.version.value, mesh.active_revision.value) for row in mesh.revisions]
        yield f"  revisions: {shortened(names, _MOST)}"
    facts = (("root namespace", mesh.root_namespace), ("trust domain", mesh.trust_domain))
    yield f"  {', '.join(_fact(name, fact) for name, fact in facts)}"
    if mesh.remote:
        yield f"  its istiod runs in another cluster ({mesh.remote.source})"
    yield f"  members: {'; '.join(_members(mesh.members)) or 'none was found'}"
    if mesh.ambient:
        yield f"  ambient: {mesh.ambient.source}"
    if mesh.gateways:
        yield f"  gateways: {shortened([row.ref for row in mesh.gateways], _MOST)}"
    if mesh.operators:
        yield f"  operators: {shortened([f'{row.package} ({row.ref})' for row in mesh.operators], _MOST)}"
    if mesh.tools:
        yield f"  observability: {shortened([f'{row.name} ({row.source})' for row in mesh.tools], _MOST)}"


def _revision(name: str, version: str, active: str) -> str:
    words = [word for word in (version, "active" if name == active else "") if word]
    return f"{name} ({', '.join(words)})" if words else name


def _fact(name: str, fact: Fact) -> str:
    return f"{name} {fact.value} ({fact.source})" if fact else f"{name} not known"


def _members(members: Iterable[DiscoveredMember]) -> Iterator[str]:
    rows = list(members)
    for by, words in _WAYS.items():
        names = [row.namespace for row in rows if row.by == by]
        if names:
            yield f"{shortened(names, _MOST)} ({words})"


def mesh_data(mesh: DiscoveredMesh) -> dict[str, Any]:
    """One mesh as the module returns it."""
    facts = ("provider", "version", "active_revision", "root_namespace", "trust_domain", "ambient", "remote")
    return {
        "control_plane": mesh.control_plane,
        "source": mesh.source,
        **{name: asdict(getattr(mesh, name)) for name in facts if getattr(mesh, name)},
        "revisions": [{"name": row.name, "version": row.version.value, "deployment": row.deployment} for row in mesh.revisions],
        "members": [{"namespace": row.namespace, "by": row.by, "source": row.source} for row in mesh.members],
        "gateways": [{"role": row.role, "source": row.ref} for row in mesh.gateways],
        "operators": [{"package": row.package, "source": row.ref} for row in mesh.operators],
        "observability": [{"name": row.name, "source": row.source} for row in mesh.tools],
    }


def not_judged(objects: Iterable[Mapping[str, Any]], owns: Callable[[str], bool], *, every: bool) -> str:
    """What a source has beside this mesh, in a line; empty where there is nothing. owns: whether a namespace is judged.

    every: all objects, as of manifests that somebody has handed over as this mesh's; else only those of Istio, as clusters have others."""
    counts: dict[str, int] = {}
    for obj in objects:
        namespace = str(section(obj, "metadata").get("namespace") or "")
        if namespace and (every or group_of(str(obj.get("apiVersion"))).endswith(".istio.io")):
            counts[namespace] = counts.get(namespace, 0) + 1
    counts = {namespace: count for namespace, count in counts.items() if not owns(namespace)}
    if not counts:
        return ""
    total, names = sum(counts.values()), shortened([shown(name) for name in sorted(counts)], _MOST)
    number = counted(total, "object") if every else f"{counted(total, 'object')} of Istio"
    which = "is no namespace" if len(counts) == 1 else "are no namespaces"
    return f"not judged: {number} in {names}, which {which} of this mesh"
