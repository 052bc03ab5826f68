# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""All meshes of a source, found out from its objects alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .._model import kinds as k
from .._model.istiods import READS as CONFIGURED_BY
from .._model.istiods import istiods
from .._model.malformed import suspects, title
from .._model.revisions import Revisions, revisions_of
from .._model.view import View
from .members import members_of
from .model import UNKNOWN, DiscoveredMember, DiscoveredMesh, Discovery, Fact
from .parts import gateways_in, mesh_operators, tools_of_mesh
from .planes import FoundPlane, planes_of

__all__ = ["READS", "discover", "discover_readable"]

_UNREADABLE = 25  # objects that are left out before it gives up

_TAGGED = (k.ISTIO, k.ISTIO_REVISION_TAG, k.MUTATING_WEBHOOK, k.SERVICE, k.SMMR, k.SMM, k.DAEMON_SET)
# All that is looked at.
READS = tuple(
    dict.fromkeys((
        *CONFIGURED_BY, *_TAGGED, k.NAMESPACE, k.POD, k.STATEFUL_SET, k.SUBSCRIPTION, k.CSV, k.ROUTE,
        k.Z_TUNNEL, k.KIALI, k.JAEGER, k.TEMPO_MONOLITHIC, k.TEMPO_STACK, k.OPENTELEMETRY_COLLECTOR, k.PROMETHEUS,
    ))
)  # fmt: skip


def discover(view: View) -> Discovery:
    """The meshes of a source; made once for each view."""
    return view.memo("discovery", view, lambda: _discover(view))


def discover_readable(view: View) -> Discovery:
    """The same of a source that may have objects with wrong types: each that is in the way is left out, and a note names it."""
    left_out: list[str] = []
    rest = view
    while True:
        try:
            found = discover(rest)
            return replace(found, notes=(*found.notes, *left_out))
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as exc:
            likely, _stands_out = suspects(exc)
            smaller = rest.without(likely[0]) if likely and len(left_out) < _UNREADABLE else None
            if smaller is None:
                return Discovery(notes=("which meshes there are could not be found out, because of objects with wrong types", *left_out))
            left_out.append(f"{title(likely[0])} was left out: it does not have the structure of its kind")
            rest = smaller


def _discover(view: View) -> Discovery:
    revisions = revisions_of([row.raw for kind in _TAGGED for row in view.of(kind)], istiods(view))
    planes, notes = planes_of(view, revisions.tags)
    cluster = _Cluster(view, revisions, planes, {plane.source: members_of(view, plane, planes, revisions) for plane in planes})
    return Discovery(tuple(cluster.mesh(plane) for plane in planes), tuple(notes))


@dataclass(frozen=True)
class _Cluster:
    """All control planes of a source, with the members of each by the object that stands for it."""

    view: View
    revisions: Revisions
    planes: Sequence[FoundPlane]
    members: Mapping[str, tuple[DiscoveredMember, ...]]

    def mesh(self, plane: FoundPlane) -> DiscoveredMesh:
        config, reads = plane.config, self.reads(plane)
        return DiscoveredMesh(
            provider=plane.provider,
            name=plane.name,
            namespace=plane.namespace,
            source=plane.source,
            version=plane.version,
            active_revision=plane.active,
            revisions=plane.revisions,
            root_namespace=plane.setting("rootNamespace", config.root_namespace) if config else UNKNOWN,
            trust_domain=plane.setting("trustDomain", config.trust_domain) if config else UNKNOWN,
            members=self.members[plane.source],
            gateways=gateways_in(self.view, reads if len(self.planes) == 1 else self.own(plane)),
            operators=mesh_operators(self.view, plane),
            tools=tools_of_mesh(self.view, plane, self.planes),
            ambient=self.ambient(plane),
            remote=plane.remote,
            resource=plane.resource,
            reads=reads,
        )

    def own(self, plane: FoundPlane) -> frozenset[str]:
        """The namespaces that are a mesh's alone."""
        return frozenset({plane.namespace, *(row.namespace for row in self.members[plane.source])})

    def ambient(self, plane: FoundPlane) -> Fact:
        """ztunnel serves the mesh whose istiod it asks; of a single mesh it is that one."""
        view, others = self.view, len(self.planes) > 1
        rows = [*view.of(k.Z_TUNNEL), *(row for row in view.of(k.DAEMON_SET) if "ztunnel" in (row.name, row.labels.get("app")))]
        if not rows or plane.provider.value == "ossm2" or (others and self.revisions.ztunnel not in plane.names):
            return UNKNOWN
        return Fact("true", rows[0].ref)

    def reads(self, plane: FoundPlane) -> frozenset[str]:
        """The namespaces whose objects an istiod reads: of OpenShift Service Mesh 2 its members, else all that it discovers."""
        own = self.own(plane)
        if plane.provider.value == "ossm2":
            return own
        others = frozenset().union(*(self.own(one) for one in self.planes if one is not plane)) - own
        spaces = {row.name: row.labels for row in self.view.of(k.NAMESPACE)}
        seen = {str((obj.get("metadata") or {}).get("namespace") or "") for obj in self.view.objects()} | set(spaces)
        # Of a folder a namespace may be left out; then nobody knows its labels.
        known = spaces if self.view.source == "manifests" else {name: {} for name in seen} | spaces
        config = plane.config
        seen = {name for name in seen - others - {""} if name not in known or config is None or config.discovers(name, known[name])}
        return frozenset(seen | own)
