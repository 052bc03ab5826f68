# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What routes of Gateway API attach to and lead to: parents, backends, and the ReferenceGrants that let them.

After pilot/pkg/config/kube/gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.fields import name_of, namespace_of, section, sections
from .hosts import host_matches, is_wild, subset_of
from .model import RoutingMesh
from .registry import number_of

__all__ = ["GATEWAY_API", "AttachedRoute", "RouteBackends", "UnreadableRuleError", "backend_weight"]

GATEWAY_API = "gateway.networking.k8s.io"


@dataclass(frozen=True)
class AttachedRoute:
    """A route at one parent. gateway: `mesh`, or the listener's; banned: hosts that other listeners of the port have for themselves."""

    gateway: str
    hostname: str
    banned: frozenset[str]
    parent: Mapping[str, Any]

    def allows(self, host: str) -> bool:
        if self.hostname and not is_wild(self.hostname):
            return True
        if self.hostname and not host_matches(host, self.hostname):
            return False
        return not any(len(self.hostname) <= len(other) and subset_of(host, other) for other in self.banned)


class UnreadableRuleError(ValueError):
    """A rule that istiod refuses: no rule of its route counts."""


def backend_weight(backend: Mapping[str, Any]) -> int:
    """Its share of the requests, where nothing is said as large as another one's."""
    return 1 if backend.get("weight") is None else number_of(backend["weight"])


class RouteBackends:
    """The Services that routes may lead to."""

    def __init__(self, by_kind: Mapping[str, list[Mapping[str, Any]]], mesh: RoutingMesh) -> None:
        self._mesh = mesh
        self.services = {(namespace_of(obj), name_of(obj)) for obj in by_kind.get("Service", ())}
        self._grants = by_kind.get("ReferenceGrant", [])

    def known(self, backend: Mapping[str, Any], namespace: str) -> bool:
        """Is there such a Service? namespace: of the route."""
        return (str(backend.get("namespace") or namespace), str(backend.get("name") or "")) in self.services

    def destination(self, backend: Mapping[str, Any], route: Mapping[str, Any], mesh: bool) -> dict[str, Any]:
        """Empty where the backend may not be used, or is of a kind that Istio does not know: its share of the requests fails."""
        namespace = namespace_of(route)
        space, name = str(backend.get("namespace") or namespace), str(backend.get("name") or "")
        group, kind = backend.get("group") or "", backend.get("kind") or "Service"
        if space != namespace and not mesh and not self._granted(route, space, name, str(kind), str(group)):
            return {}
        if (group, kind) == ("networking.istio.io", "Hostname"):
            host = name
        elif (group, kind) in (("", "Service"), ("multicluster.x-k8s.io", "ServiceImport")):
            if "." in name:
                raise UnreadableRuleError
            host = f"{name}.{space}{self._mesh.end}"
        else:
            return {}
        if backend.get("port") is None:
            raise UnreadableRuleError
        return {"host": host, "port": {"number": number_of(backend["port"])}}

    def _granted(self, route: Mapping[str, Any], space: str, name: str, kind: str, group: str) -> bool:
        for grant in self._grants:
            if namespace_of(grant) != space:
                continue
            spec = section(grant, "spec")
            of_us = any(
                (one.get("group"), one.get("kind"), one.get("namespace")) == (GATEWAY_API, route.get("kind"), namespace_of(route))
                for one in sections(spec.get("from"))
            )
            to_it = any(
                (one.get("group") or "") == group and one.get("kind") == kind and one.get("name") in (None, "", name)
                for one in sections(spec.get("to"))
            )
            if of_us and to_it:
                return True
        return False
