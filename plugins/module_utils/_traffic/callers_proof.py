# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Routes as each caller has them: where they lead, with every Sidecar, exportTo and other VirtualService around them.

Callers are the pods of the mesh, whether they have a proxy already or not: what is proven holds for them when they have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .._model import kinds as k
from .._model.fields import section, texts
from .._model.intent import Intent
from .._model.istiods import istiods_of_mesh
from .._model.mesh_config import MeshConfig
from .._model.pods import every_pod
from .._model.problem import Problem
from .._model.selectors import matches_labels
from .._model.view import View
from .._routing.clusters import RoutedCluster, parse_cluster
from .._routing.evaluate import RoutingWorld
from .._routing.model import Consumer, RoutingMesh
from .._text import shortened
from .end_to_end import missing_cluster
from .route_matrix import classes_of, request_to
from .routed_objects import routing_objects

__all__ = ["NO_PODS", "NO_SERVICE", "NO_SUBSET", "CallersProof", "LostCallers", "callers_proof"]

NO_SERVICE, NO_PODS, NO_SUBSET = "service", "pods", "subset"  # the kinds of faults

_MADE_BY = ("gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name")
_ROUTES = ("VirtualService ", "HTTPRoute ")
_SHOWN = 5


@dataclass(frozen=True)
class LostCallers:
    """Callers that reach a Service past its routes. why: what stands in between; all: nobody gets them."""

    names: tuple[str, ...]
    why: str
    all: bool

    @property
    def text(self) -> str:
        return f"{shortened(self.names, _SHOWN)}: {self.why}"


@dataclass(frozen=True)
class _Callers:
    """Callers that no object tells apart, by one of them."""

    consumer: Consumer
    names: tuple[str, ...]


class CallersProof:
    """The mesh of a view, as its callers have it."""

    def __init__(self, view: View, intent: Intent) -> None:
        self.view, self.intent = view, intent
        config = next(iter(istiods_of_mesh(view, intent)), MeshConfig(""))
        self.mesh = RoutingMesh.of(config)
        selectors = [texts(section(row.raw, "spec").get("selector")) for row in view.of(k.GATEWAY)]
        self._gateways = {
            f"{namespace}/{shape.name}" for namespace, shape in every_pod(view)
            if any(name in shape.labels for name in _MADE_BY)
            or any(selector and matches_labels(selector, shape.labels) for selector in selectors)
        }  # fmt: skip
        objects = routing_objects(view, intent, lambda name: name not in self._gateways)
        self.world = RoutingWorld(objects, self.mesh)
        self._peopled = {namespace for namespace, _pod in every_pod(view)}

    @cached_property
    def callers(self) -> tuple[_Callers, ...]:
        known: dict[tuple[str, bool, tuple[tuple[str, str], ...]], tuple[Consumer, dict[str, None]]] = {}
        for namespace, shape in every_pod(self.view):
            gateway = f"{namespace}/{shape.name}" in self._gateways
            if gateway or self.intent.members is None or namespace in self.intent.members:
                key = (namespace, gateway, tuple(sorted(shape.labels.items())))
                _consumer, names = known.setdefault(key, (Consumer(namespace, dict(shape.labels), gateway), {}))
                names[f"{namespace}/{shape.name}"] = None
        rows = list(known.values())
        return tuple(
            _Callers(consumer, tuple(sorted({name for number in numbers for name in rows[number][1]})))
            for consumer, numbers in classes_of(self.world, [consumer for consumer, _names in rows])
        )

    # where routes lead

    def faults(self) -> Iterator[Problem]:
        """Each route of the mesh that leads some callers to nothing; its `kind` says why."""
        found: dict[tuple[str, str, str], dict[str, None]] = {}
        owned = {row.ref for kind in (k.VIRTUAL_SERVICE, k.HTTP_ROUTE) for row in self.intent.owned(self.view.of(kind))}
        for one in self.callers:
            for name, cluster, ref, place in self.world.led_to(one.consumer):
                if ref in owned and (cluster is None or not cluster.usable):
                    kind, why = self._nothing(name, cluster)
                    if kind:
                        found.setdefault((ref, kind, f"{place}: {why}"), {}).update(dict.fromkeys(one.names))
        for (ref, kind, why), names in found.items():
            yield Problem(ref, f"callers would get 503 by {why} ({shortened(names, _SHOWN)})", kind=kind)

    def _nothing(self, name: str, cluster: RoutedCluster | None) -> tuple[str, str]:
        parsed = parse_cluster(name)
        if parsed is None:
            return "", ""
        _form, port, subset, host = parsed
        if cluster is None:
            why = missing_cluster(self.world, "these callers", name)
            return (NO_SUBSET if subset and why.startswith("no DestinationRule") else NO_SERVICE), why
        spaces = self.world.registry.by_host.get(host, {})
        if self.view.source == "manifests" and not any(space in self._peopled for space in spaces):
            return "", ""  # its workloads may be elsewhere
        return NO_PODS, f"{f'subset {subset} of ' if subset else ''}{host} has no ready pod on port {port}"

    # who gets them

    def lost(self, host: str, port: int, refs: frozenset[str]) -> LostCallers | None:
        """Those who reach a Service by something else than these routes; None where everybody has them, or nobody calls."""
        lost: dict[str, str] = {}
        having = False
        for one in self.callers:
            service = self.world.scopes.of(one.consumer).by_host.get(host)
            own = service.port(port or service.ports[0].number) if service is not None and service.ports else None
            if one.consumer.gateway or service is None or own is None:
                continue
            answers = self.world.routes(one.consumer, request_to(self.world, service, own))
            by = {answer.route.ref for answer in answers if answer.route is not None}
            other = next((ref for ref in sorted(by) if ref.startswith(_ROUTES)), "")
            if by & refs or (not other and self._known(one.consumer, refs)):
                having = True  # by their own matches they may be for other callers only
            elif any(answer.destinations for answer in answers):
                lost.update(dict.fromkeys(one.names, self._in_between(one.consumer, other)))
        if not lost:
            return None
        why = next(iter(lost.values()))
        return LostCallers(tuple(sorted(name for name, own in lost.items() if own == why)), why, not having)

    def _known(self, consumer: Consumer, refs: frozenset[str]) -> bool:
        return any(one.ref in refs for egress in self.world.scopes.of(consumer).egress for one in egress.virtual_services)

    def _in_between(self, consumer: Consumer, other: str) -> str:
        if other:
            return f"{other} holds for them instead"
        sidecar = self.world.scopes.of(consumer).ref
        return f"{sidecar} does not import them" if sidecar else "they are not exported to their namespace"


def callers_proof(view: View, intent: Intent) -> CallersProof:
    """The proof of a view; made once."""
    return view.memo("traffic.callers_proof", intent, lambda: CallersProof(view, intent))
