# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a rule means where a waypoint stands before a workload: the rule itself at the waypoint, at the workload only who comes from there.

A caller in ambient goes through the waypoint of the Service. One with a sidecar, a gateway (unless the Service says
istio.io/ingress-use-waypoint) and everybody outside of the mesh go to the workload itself, where ztunnel sees only connections.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._authorization.inventory import MeshInventory, Workload
from .intent import PLAINTEXT
from .rows import ResolvedRule

__all__ = ["Guarded", "behind_waypoints", "guarded"]

_INGRESS = "istio.io/ingress-use-waypoint"
_L7 = ("methods", "paths", "hosts")


@dataclass(frozen=True)
class Guarded:
    """A Service behind a waypoint: `place` is where its policies are enforced, `ports` lead from the pod's to the Service's."""

    place: Workload
    selector: Mapping[str, str]
    ports: Mapping[int, int]
    ingress: bool  # gateways go through the waypoint too

    @property
    def namespace(self) -> str:
        return self.place.workload.service.namespace if self.place.workload.service else ""

    @property
    def account(self) -> str:
        """That of the waypoint's pods."""
        return f"{self.place.namespace}/{self.place.account}"

    def is_of(self, service: str) -> bool:
        return self.place.workload.service is not None and self.place.workload.service.name == service

    def leads_to(self, place: Workload) -> bool:
        return place.namespace == self.namespace and bool(self.selector) and self.selector.items() <= place.workload.labels.items()


def guarded(inventory: MeshInventory, objects: Iterable[Mapping[str, Any]]) -> list[Guarded]:
    """The Services behind waypoints."""
    marks: dict[str, bool] = {}
    services: dict[tuple[str, str], Mapping[str, Any]] = {}
    for obj in objects:
        metadata = obj.get("metadata") or {}
        if obj.get("kind") == "Namespace":
            marks[str(metadata.get("name"))] = (metadata.get("labels") or {}).get(_INGRESS) == "true"
        elif obj.get("kind") == "Service" and obj.get("apiVersion") == "v1":
            services[(str(metadata.get("namespace") or "default"), str(metadata.get("name")))] = obj
    found = []
    for place in inventory.places:
        ref = place.workload.service
        service = services.get((ref.namespace, ref.name)) if ref and ref.kind == "Service" else None
        if ref and service:
            spec, labels = service.get("spec") or {}, service["metadata"].get("labels") or {}
            numbers = [(port.get("targetPort", port.get("port")), port.get("port")) for port in spec.get("ports") or []]
            ports = {int(target): int(port) for target, port in numbers if str(target).isdigit()}
            ingress = labels[_INGRESS] == "true" if _INGRESS in labels else marks.get(ref.namespace, False)
            found.append(Guarded(place, spec.get("selector") or {}, ports, ingress))
    return found


def _at_waypoint(row: ResolvedRule, one: Guarded) -> ResolvedRule:
    """The rule for the Service, whose ports are the Service's own."""
    operations = dict(row.rule.operations)
    if "ports" in operations:
        operations["ports"] = tuple(dict.fromkeys(str(one.ports.get(int(port), port)) for port in operations["ports"]))
    return replace(row, rule=replace(row.rule, operations=operations), targets=(one.place,))


def _past_waypoint(row: ResolvedRule, ways: Sequence[Guarded], place: Workload, problems: list[str]) -> ResolvedRule:
    """The rule for the workload: the waypoint, and those of the callers that do not come through it."""
    direct = tuple(
        one for one in row.callers
        if one.workload.kind != "ztunnel" and not one.outside and not (one.workload.kind == "gateway" and all(way.ingress for way in ways))
    )  # fmt: skip
    words = row.words
    seven = [key for key in _L7 if key in row.rule.operations] + (["tokens"] if row.tokens else [])
    if seven and (direct or words):
        who = ", ".join((*words, *(one.ref for one in direct)))
        names = ", ".join(way.place.workload.service.name for way in ways if way.place.workload.service)
        problems.append(
            f"{row.rule.name} asks for {', '.join(seven)} of {who}, who can call {place.ref} past the waypoint of {names}, where only "
            "connections are seen: bring the callers into ambient (gateways: label istio.io/ingress-use-waypoint), or leave those out"
        )
    # Accounts may be those of callers on either way; as connections they are no more than the rule without its HTTP parts.
    accounts = () if seven else row.accounts
    operations = {key: values for key, values in row.rule.operations.items() if key == "ports"}
    rule = replace(row.rule, operations=operations, claims={}, tokens=())
    callers = direct if words != (PLAINTEXT,) else ()
    ends = tuple(sorted({*accounts, *(way.account for way in ways)}))
    return ResolvedRule(rule, words, callers, ends, (place,), ())


def behind_waypoints(
    rows: Sequence[ResolvedRule], inventory: MeshInventory, objects: Iterable[Mapping[str, Any]]
) -> tuple[list[ResolvedRule], list[str]]:
    """The rows with each workload behind a waypoint taken apart into the two places where something is enforced; and what cannot be had."""
    services, problems = guarded(inventory, objects), list[str]()
    if not services:
        return list(rows), problems
    found: list[ResolvedRule] = []
    for row in rows:
        plain: list[Workload] = []
        ways: dict[str, Guarded] = {}
        past: list[ResolvedRule] = []
        for place in row.targets:
            own = [one for one in services if one.leads_to(place)] if place.workload.kind == "ztunnel" else []
            if own:
                ways |= {one.place.ref: one for one in own}
                past.append(_past_waypoint(row, own, place, problems))
            elif place.workload.service:
                ways |= {one.place.ref: one for one in services if one.place.ref == place.ref}
            elif place.workload.kind != "waypoint":
                plain.append(place)
        found += [replace(row, targets=tuple(plain))] if plain else []
        found += [_at_waypoint(row, one) for one in ways.values()]
        found += past
    return found, problems
