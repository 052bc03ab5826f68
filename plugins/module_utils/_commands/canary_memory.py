# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What is remembered of canaries, in a ConfigMap beside each service, and what the cluster has of their routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._canary.live import ROUTE_KINDS
from .._canary.state import OF_CANARY, CanaryState, canary_name
from .._errors import ConfigError
from .._kube.client import Cluster
from .._kube.lease import Lock
from .._model.objects import MANAGED_BY, MANAGER, MESH, counts_as_ours, group_of, owner_text
from .._model.traffic_rows import TRAFFIC_OF

__all__ = ["CanaryMemory"]


class CanaryMemory:
    """The canaries of one mesh. lock: asked before each write; None where nothing is written."""

    def __init__(self, cluster: Cluster, *, mesh: str, lock: Lock | None = None) -> None:
        self.cluster, self.mesh, self.lock = cluster, mesh, lock
        self.changed = False

    def where(self, namespace: str, service: str) -> str:
        """As messages call what is remembered."""
        return f"cluster {self.cluster.name}: ConfigMap {namespace}/{canary_name(service)}"

    def _read(self, found: Mapping[str, Any], namespace: str, service: str) -> CanaryState:
        """It has to be ours: what somebody else has under its name is neither followed nor taken away."""
        where = self.where(namespace, service)
        if not counts_as_ours(found, self.mesh):
            raise ConfigError(
                f"{where} is not of mesh {self.mesh}: {owner_text(found)}. Nothing was changed; find out who needs it, then rename or "
                "delete it and run this again"
            )
        return CanaryState.from_json(str((found.get("data") or {}).get("state") or ""), where)

    def state(self, namespace: str, service: str) -> CanaryState | None:
        """Of one service; None where nothing was begun."""
        found = self.cluster.get("v1", "ConfigMap", canary_name(service), namespace)
        return None if found is None else self._read(found, namespace, service)

    def states(self, namespaces: Iterable[str]) -> list[CanaryState]:
        """All that were begun in these namespaces, one list for each."""
        selector = f"{MANAGED_BY}={MANAGER},{MESH}={self.mesh},{OF_CANARY}"
        spaces = sorted(set(namespaces))
        parts = self.cluster.map(lambda space: self.cluster.list("v1", "ConfigMap", namespace=space, label_selector=selector), spaces)
        found = [(space, row) for space, rows in zip(spaces, parts, strict=True) for row in rows]
        return [self._read(row, space, str(row["metadata"]["labels"][OF_CANARY])) for space, row in found]

    def keep(self, state: CanaryState) -> None:
        """Remembers it."""
        if self.lock is not None:
            self.lock.check()
        name = canary_name(state.service)
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": state.namespace,
                "labels": {MANAGED_BY: MANAGER, MESH: self.mesh, OF_CANARY: state.service},
            },
            "data": {"state": state.to_json()},
        }
        if self.cluster.get("v1", "ConfigMap", name, state.namespace) is None:
            self.cluster.create(body)
        else:
            self.cluster.patch(body, {"data": body["data"]})
        self.changed = True

    def forget(self, namespace: str, service: str) -> bool:
        """Whether there was something."""
        if self.state(namespace, service) is None:
            return False
        if self.lock is not None:
            self.lock.check()
        done = self.cluster.delete("v1", "ConfigMap", canary_name(service), namespace)
        self.changed = self.changed or done
        return done

    def routes(self, namespace: str, service: str) -> list[dict[str, Any]]:
        """What the role traffic has delivered for a service."""
        kinds = sorted((version, kind) for version, kind in self.cluster.resources() if (group_of(version), kind) in ROUTE_KINDS)
        newest = {kind: version for version, kind in kinds}  # of several versions of one kind any one gives its objects
        selector = f"{MANAGED_BY}={MANAGER},{TRAFFIC_OF}={service}"
        parts = self.cluster.map(
            lambda one: self.cluster.list(one[1], one[0], namespace=namespace, label_selector=selector), sorted(newest.items())
        )
        return [row for rows in parts for row in rows]
