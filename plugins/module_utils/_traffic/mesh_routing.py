# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The routing of a whole source: its workloads and gateways as callers, and one world for each istiod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .._authorization.automata import TooManyError
from .._authorization.checks import INPUTS, analysis_of
from .._authorization.doors import EnforcementPoint
from .._authorization.model import PolicyTarget
from .._authorization.naming import app_of
from .._authorization.places import Workload
from .._authorization.wording import Callers
from .._model import kinds as k
from .._model.fields import name_of, namespace_of, section, sections, texts
from .._model.intent import Intent
from .._model.istiods import READS, istiods
from .._model.mesh_config import ROOT_NAMESPACE, MeshConfig
from .._model.selectors import matches_labels
from .._model.view import View
from .._routing.evaluate import RouteAnswer, RoutingWorld
from .._routing.model import Consumer, RoutedEndpoint, RouteRequest, RoutingMesh
from .._routing.registry import number_of
from .._text import shortened
from .routed_objects import ROUTED, routing_objects

__all__ = ["ROUTING_INPUTS", "MeshRouting", "Sender", "routing_of"]

_STOCK = ("ingressgateway", "egressgateway")
_SHOWN = 3
ROUTING_INPUTS = tuple(dict.fromkeys((*INPUTS, *READS, *ROUTED, k.POD)))


@dataclass(frozen=True, eq=False)
class Sender:
    """Who calls: a workload with a sidecar, or a gateway. place: the workload, of which the policies know more. assumed: the source has
    only a Gateway that selects it, so its account is not known."""

    consumer: Consumer
    place: Workload
    assumed: bool = False

    @property
    def name(self) -> str:
        return self.place.ref

    @property
    def gateway(self) -> bool:
        return self.consumer.gateway


def _assumed_gateways(view: View, senders: tuple[Sender, ...], root: str) -> dict[str, Sender]:
    """What is assumed, to the gateway: one for each selector of Gateways that no workload has. An application's folder has the Gateway,
    and the platform has its pods: Istio's own beside istiod, others where their Gateway is."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for row in view.of(k.GATEWAY):
        labels = texts(row.at("spec", "selector"))
        if labels and not any(one.gateway and matches_labels(labels, one.consumer.labels) for one in senders):
            home = root if labels.get("istio") in _STOCK else row.namespace
            found.setdefault((home, tuple(sorted(labels.items()))), []).append(row.ref)
    guessed = {}
    for (home, selector), refs in found.items():
        name = ",".join(f"{key}={value}" for key, value in selector)
        place = Workload(f"({name})", PolicyTarget(home, dict(selector), "gateway"))
        text = f"a gateway with {name} in {home} for {shortened(refs, _SHOWN)}: the folder has no such pods. Their account is not known"
        guessed[f"{text}, so policies of the workloads behind them are not asked"] = Sender(
            Consumer(home, dict(selector), True, place.name), place, assumed=True
        )
    return guessed


class MeshRouting:
    """Where requests of a source go. `assumed`: it is a folder, so that Services have no addresses and pods are those of templates.

    settings: of MeshConfig, which take the place of those that the source has."""

    def __init__(self, view: View, intent: Intent, settings: Mapping[str, Any] | None = None) -> None:
        self.view, self.scene = view, analysis_of(view, intent)
        self._settings = settings or {}
        self.assumed = view.source == "manifests"
        self._configs = istiods(view) or (MeshConfig(""),)
        guarded = {
            ref for place in self.scene.inventory.places if place.workload.kind == "sidecar" and not place.outside for ref in place.refs
        }
        self._objects = routing_objects(view, intent, guarded.__contains__)
        self._worlds: dict[str, RoutingWorld] = {}
        self._passes: dict[int, int] = {}
        written = tuple(self._senders())
        guessed = _assumed_gateways(view, written, self._configs[0].root_namespace or ROOT_NAMESPACE) if self.assumed else {}
        self.senders = (*written, *guessed.values())
        self.assumptions = tuple(guessed)
        self._by_name: dict[str, list[Sender]] = {}
        self._by_app: dict[str, list[Sender]] = {}
        for sender in self.senders:
            for name in sender.place.refs:
                self._by_name.setdefault(name, []).append(sender)
            application = app_of(sender.place)[1]
            if application:
                self._by_app.setdefault(f"{sender.place.namespace}/{application}", []).append(sender)

    def _senders(self) -> Iterator[Sender]:
        pods: dict[str, list[Mapping[str, Any]]] = {}
        for obj in self._objects:
            if obj.get("kind") == "Pod":
                pods.setdefault(namespace_of(obj), []).append(obj)
        for place in self.scene.inventory.places:
            kind, labels = place.workload.kind, dict(place.workload.labels)
            if place.outside or place.assumed or kind not in ("sidecar", "gateway"):
                continue
            pod = next(
                (one for one in pods.get(place.namespace, ()) if matches_labels(labels, texts(section(one, "metadata").get("labels")))),
                None,
            )
            name = name_of(pod) if pod is not None else place.name
            address = str(section(pod, "status").get("podIP") or "") if pod is not None else ""
            yield Sender(Consumer(place.namespace, labels, kind == "gateway", name, address, place.account), place)

    # worlds

    def _config(self, sender: Sender) -> MeshConfig:
        planes = set(sender.place.control_planes)
        return next((one for one in self._configs if one.name in planes or one.revision in planes), self._configs[0])

    def world(self, sender: Sender) -> RoutingWorld:
        """The mesh as the istiod of a caller reads it."""
        config = self._config(sender)
        if config.name not in self._worlds:
            revision = config.revision if len(self._configs) > 1 else ""
            self._worlds[config.name] = RoutingWorld(self._objects, RoutingMesh.of(config, revision, self._settings))
        return self._worlds[config.name]

    def answer(self, sender: Sender, request: RouteRequest) -> RouteAnswer:
        """What becomes of a request of a caller."""
        return self.world(sender).answer(sender.consumer, request)

    def gateway_ports(self, sender: Sender) -> set[int]:
        """The numbers in the Gateways that select a gateway by its labels."""
        selecting = (row for row in self.view.of(k.GATEWAY) if matches_labels(texts(row.at("spec", "selector")), sender.consumer.labels))
        return {number_of(section(server, "port").get("number")) for row in selecting for server in sections(row.at("spec", "servers"))}

    # names

    def named(self, name: str) -> list[Sender]:
        """The callers of a name: namespace/workload, a namespace followed by a slash and a star, or a name that only one namespace has.

        As everywhere, a workload's own name goes before that of its application, which is all of its workloads."""
        if name == "*":
            return list(self.senders)
        space, slash, own = name.partition("/")
        if slash and own == "*":
            return [one for one in self.senders if one.place.namespace == space]
        if slash:
            return self._by_name.get(name) or self._by_app.get(name, [])
        found = self._anywhere(name)
        return found if len({one.place.namespace for one in found}) == 1 else []

    def _anywhere(self, name: str) -> list[Sender]:
        own = [one for one in self.senders if name in (one.place.name, *one.place.aliases)]
        return own or [one for one in self.senders if name == app_of(one.place)[1]]

    def ambiguous(self, name: str) -> list[str]:
        """The workloads of a name without a namespace, where several namespaces have it."""
        return [] if "/" in name or self.named(name) else sorted({one.name for one in self._anywhere(name)})

    def target(self, endpoint: RoutedEndpoint) -> Workload | None:
        """The workload that an endpoint is a pod of."""
        for place in self.scene.inventory.near(endpoint.namespace):
            if matches_labels(place.workload.labels, endpoint.labels) and place.workload.kind != "gateway":
                return place
        return None

    @cached_property
    def _callers(self) -> tuple[Callers, Mapping[int, int]]:
        callers = Callers(self.scene.inventory)
        return callers, {id(place): 1 << number for number, place in enumerate(callers.places)}

    @cached_property
    def _doors(self) -> Mapping[int, list[EnforcementPoint]]:
        found: dict[int, list[EnforcementPoint]] = {}
        for place, door in self.scene.doors:
            found.setdefault(id(place), []).append(door)
        return found

    def _passing(self, place: Workload) -> int:
        """The callers of whom a workload lets something pass; everybody where that cannot be told."""
        callers, _bits = self._callers
        if id(place) not in self._passes:
            members = 0 if self._doors.get(id(place)) else callers.everybody
            for door in self._doors.get(id(place), ()):
                try:
                    for box in () if door.whole else door.passing:
                        members |= callers.members(door.space, box)
                except TooManyError:
                    members = callers.everybody
                if door.whole:
                    members = callers.everybody
            self._passes[id(place)] = members
        return self._passes[id(place)]

    def admits(self, sender: Sender, endpoint: RoutedEndpoint) -> bool:
        """Do the policies of a pod let anything pass that this caller may send? Of all requests, not of one."""
        target = self.target(endpoint)
        if target is None:
            return True
        _callers, bits = self._callers
        return bool(self._passing(target) & bits.get(id(sender.place), -1))


def routing_of(view: View, intent: Intent) -> MeshRouting:
    """The routing of a source; made once for each view and intent."""
    return view.memo("traffic.routing", intent, lambda: MeshRouting(view, intent))
