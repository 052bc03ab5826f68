# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A mesh as the checks of its policies look at it: who enforces which policy, where, and as which istiod reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .doors import EnforcementPoint, doors_of
from .inventory import MeshInventory, Workload
from .model import AuthorizationPolicy, Clause
from .world import MeshPolicies
from .ztunnel_mtls import CLOSED

__all__ = ["PolicyAnalysis", "known_namespaces", "ref_of"]


@dataclass
class PolicyAnalysis:
    """A mesh as the checks look at it."""

    world: MeshPolicies
    inventory: MeshInventory
    accounts: frozenset[str] = frozenset()  # namespace/name of the service accounts that are known to exist
    written: frozenset[str] = frozenset()  # those of them that the source has as objects
    namespaces: frozenset[str] = frozenset()
    complete: bool = True  # False: a folder of manifests, which may have only a part
    cors: frozenset[str] = frozenset()  # workloads that a VirtualService with corsPolicy leads to

    @cached_property
    def doors(self) -> list[tuple[Workload, EnforcementPoint]]:
        return doors_of(self.world, self.inventory)

    @cached_property
    def worlds(self) -> tuple[MeshPolicies, ...]:
        """The mesh as each istiod reads it."""
        asked = {name for place in self.inventory.places for name in place.control_planes}
        meshes = [mesh for mesh in self.inventory.meshes if mesh.control_plane in asked]
        return tuple({id(world): world for world in (self.world, *map(self.world.of, meshes))}.values())

    @cached_property
    def policies(self) -> tuple[AuthorizationPolicy, ...]:
        """One that istiods of several versions read otherwise is there for each."""
        return tuple({id(policy): policy for world in self.worlds for policy in world.policies.policies}.values())

    @cached_property
    def at(self) -> Mapping[int, list[tuple[Workload, EnforcementPoint]]]:
        """The doors of each policy, by the policy's id()."""
        found: dict[int, list[tuple[Workload, EnforcementPoint]]] = {}
        for place, door in self.doors:
            for policy in door.chain.policies:
                found.setdefault(id(policy), []).append((place, door))
        return found

    def clauses(self, *actions: str) -> Iterator[tuple[AuthorizationPolicy, str, Clause, str]]:
        """Each source and operation: its policy, where it stands, the clause, `source` or `operation`."""
        for policy in self.policies:
            if actions and policy.action not in actions:
                continue
            for number, rule in enumerate(policy.rules):
                for side, word, clauses in (("from", "source", rule.sources), ("to", "operation", rule.operations)):
                    for index, clause in enumerate(clauses):
                        yield policy, f"rules[{number}].{side}[{index}].{word}", clause, word

    @cached_property
    def lost(self) -> tuple[AuthorizationPolicy, ...]:
        """Policies that no workload enforces."""
        found = [policy for policy in self.policies if not self.at.get(id(policy))]
        if len(self.worlds) < 2:
            return tuple(found)
        enforced = {policy.key for _place, door in self.doors for policy in door.chain.policies}
        return tuple({policy.key: policy for policy in found if policy.key not in enforced}.values())

    def not_strict(self, policy: AuthorizationPolicy) -> list[str]:
        return [
            place.ref
            for place, door in self.at.get(id(policy), ())
            if door.mutual and any(mode not in ("STRICT", CLOSED) for _port, mode, _by in door.modes)
        ]

    def doors_near(self, namespace: str) -> list[tuple[Workload, EnforcementPoint]]:
        """The doors that objects of a namespace may be for."""
        roots = {self.world.mesh.root_namespace, *(mesh.root_namespace for mesh in self.inventory.meshes)}
        return self.doors if namespace in roots else self._doors_by_namespace.get(namespace, [])

    @cached_property
    def _doors_by_namespace(self) -> Mapping[str, list[tuple[Workload, EnforcementPoint]]]:
        found: dict[str, list[tuple[Workload, EnforcementPoint]]] = {}
        for place, door in self.doors:
            for namespace in place.concerned:
                found.setdefault(namespace, []).append((place, door))
        return found


def ref_of(policy: AuthorizationPolicy) -> str:
    return f"AuthorizationPolicy {policy.key}"


def known_namespaces(objects: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Namespaces that exist, or in which the source has an object."""
    found = {str((obj.get("metadata") or {}).get("namespace") or "") for obj in objects if obj.get("kind") != "AuthorizationPolicy"}
    found |= {str((obj.get("metadata") or {}).get("name")) for obj in objects if obj.get("kind") == "Namespace"}
    return frozenset(found - {""})
