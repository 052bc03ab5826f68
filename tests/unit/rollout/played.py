# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is played: workloads that roll out as time goes by, an istiod per revision, and everything that can go wrong.

Its clock moves by sleeping only. A restarted workload gets its new pods after `seconds`; their proxies are what its namespace leads to.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._errors import Conflict, Unreachable
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import NotFound
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import ClockReading

__all__ = ["START", "Answer", "App", "Killed", "Played", "Watched"]

Obj = dict[str, Any]
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Killed(BaseException):
    """The run dies here; nothing catches it."""


@dataclass
class Answer:
    """What request() gives."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


@dataclass
class App:
    """A workload. stuck: its new pods never get ready; trouble: with this reason of the kubelet; bare: without a proxy, as istiod."""

    namespace: str
    name: str
    kind: str = "Deployment"
    replicas: int = 2
    seconds: float = 4.0
    gateway: bool = False
    bare: bool = False
    spec: Obj = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    stuck: bool = False
    trouble: str = ""
    pinned: str = ""  # a version that an annotation forces
    stamp: str = ""
    stamps: int = 0
    restarted_at: float | None = None
    version: str = ""
    revision: str = ""
    made: float = -3600.0


class Played:
    """The calls of Cluster that a rollout makes. versions: what the istiod of a revision injects now."""

    name = "west"
    timeout = 15.0

    def __init__(self, apps: Iterable[App], *, version: str = "1.27.3", revision: str = "default") -> None:
        self.apps = {f"{app.kind} {app.namespace}/{app.name}": app for app in apps}
        self.versions = {revision: version}
        self.seconds = 0.0
        self.namespaces: dict[str, Obj] = {app.namespace: {"istio.io/rev": revision} for app in self.apps.values()}
        self.tags: dict[str, str] = {}
        self.objects: dict[tuple[str, str], Obj] = {}
        self.budgets: list[Obj] = []
        self.extra_pods: list[Obj] = []
        self.writes: list[str] = []
        self.lists: Counter[tuple[str, str | None]] = Counter()
        self.away = (0.0, 0.0)
        self.die_after: int | None = None
        self.then: list[tuple[float, Callable[[], None]]] = []
        self.lowest: dict[str, int] = {}
        self.most = 0
        for app in self.apps.values():
            app.version, app.revision = version, revision

    # time

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for at, action in [row for row in self.then if row[0] <= self.seconds]:
            self.then.remove((at, action))
            action()
        self._roll()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        self.then.append((seconds, action))

    # what happens by itself

    def leads_to(self, app: App) -> str:
        label = app.labels.get("istio.io/rev") or self.namespaces[app.namespace].get("istio.io/rev", "")
        return self.tags.get(label, label)

    def under_way(self, app: App) -> bool:
        return app.restarted_at is not None

    def _roll(self) -> None:
        self.most = max(self.most, sum(self.under_way(app) for app in self.apps.values()))
        for app in self.apps.values():
            if app.gateway:
                title = f"{app.kind} {app.namespace}/{app.name}"
                self.lowest[title] = min(self.ready(app), self.lowest.get(title, app.replicas))
            if app.restarted_at is None or app.stuck or app.trouble:
                continue
            if self.seconds - app.restarted_at >= app.seconds:
                self._renew(app)

    def _renew(self, app: App) -> None:
        app.revision = self.leads_to(app)
        app.version = app.pinned or self.versions.get(app.revision, "")
        app.made, app.restarted_at = self.seconds, None

    def cost(self, app: App) -> int:
        return app.replicas if (app.spec.get("strategy") or {}).get("type") == "Recreate" else 1 if app.kind != "Deployment" else 0

    def ready(self, app: App) -> int:
        return app.replicas - self.cost(app) if self.under_way(app) else app.replicas

    # objects

    def _workload(self, app: App) -> Obj:
        done, generation = not self.under_way(app), 1 + app.stamps
        notes = {"kubectl.kubernetes.io/restartedAt": app.stamp} if app.stamp else {}
        if app.gateway:
            notes["inject.istio.io/templates"] = "gateway"
        updated = app.replicas if done else 0
        status: Obj = {
            "observedGeneration": generation,
            "replicas": app.replicas + (0 if done else 1),
            "updatedReplicas": updated,
            "readyReplicas": self.ready(app),
            "availableReplicas": self.ready(app),
            "desiredNumberScheduled": app.replicas,
            "updatedNumberScheduled": updated,
            "numberAvailable": self.ready(app),
            "numberReady": self.ready(app),
        }
        meta = {"labels": {"app": app.name, **app.labels}, "annotations": notes}
        own = {"name": app.name, "namespace": app.namespace, "generation": generation}
        return {
            "apiVersion": "apps/v1",
            "kind": app.kind,
            "metadata": own,
            "spec": {"replicas": app.replicas, **app.spec, "template": {"metadata": meta}},
            "status": status,
        }

    def _pod(self, app: App, number: int, *, new: bool = False) -> Obj:
        tail = hashlib.sha256(f"{app.made}{app.stamps}{number}{new}".encode()).hexdigest()[:5]
        hashed = f"{app.stamps:05d}" if not new else f"{app.stamps:05d}n"
        owner = {"Deployment": ("ReplicaSet", f"{app.name}-{hashed}")}.get(app.kind, (app.kind, app.name))
        labels = {"app": app.name, **app.labels, **({"pod-template-hash": hashed} if app.kind == "Deployment" else {})}
        revision = self.leads_to(app) if new else app.revision
        version = (app.pinned or self.versions.get(revision, "")) if new else app.version
        made = START + timedelta(seconds=app.restarted_at or self.seconds if new else app.made)
        waiting = {"name": "istio-proxy", "state": {"waiting": {"reason": app.trouble, "message": "manifest unknown"}}}
        image = f"docker.io/istio/proxyv2:{version}" if version else "docker.io/istio/proxyv2@sha256:0123"
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{owner[1]}-{tail}",
                "namespace": app.namespace,
                "labels": labels,
                "annotations": {"istio.io/rev": revision},
                "creationTimestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "ownerReferences": [{"kind": owner[0], "name": owner[1], "controller": True}],
            },
            "spec": {"containers": [{"name": "app", "image": "app:1"}, *([] if app.bare else [{"name": "istio-proxy", "image": image}])]},
            "status": {
                "phase": "Pending" if new else "Running",
                "conditions": [{"type": "Ready", "status": "False" if new else "True"}],
                "containerStatuses": [waiting] if new and app.trouble else [],
            },
        }

    def _pods(self, app: App) -> list[Obj]:
        new = [self._pod(app, 9, new=True)] if self.under_way(app) else []
        return [self._pod(app, number) for number in range(self.ready(app))] + new

    def _rows(self, kind: str) -> list[Obj]:
        if kind in ("Deployment", "StatefulSet", "DaemonSet"):
            return [self._workload(app) for app in self.apps.values() if app.kind == kind]
        if kind == "Pod":
            return [pod for app in self.apps.values() for pod in self._pods(app)] + self.extra_pods
        if kind == "PodDisruptionBudget":
            return [self._budget(one) for one in self.budgets]
        if kind == "Namespace":
            return [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
                for name, labels in self.namespaces.items()
            ]
        return [one for (found, _name), one in self.objects.items() if found == kind]

    def _budget(self, one: Obj) -> Obj:
        least, wanted = one["min"], one["selector"]["matchLabels"]
        fits = [
            app
            for app in self.apps.values()
            if app.namespace == one["namespace"] and wanted.items() <= {"app": app.name, **app.labels}.items()
        ]
        expected, healthy = sum(app.replicas for app in fits), sum(self.ready(app) for app in fits) - one.get("sick", 0)
        return {
            "metadata": {"name": one["name"], "namespace": one["namespace"]},
            "spec": {"selector": one["selector"]},
            "status": {"expectedPods": expected, "desiredHealthy": least, "disruptionsAllowed": max(0, healthy - least)},
        }

    # what a Cluster does

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [fn(item) for item in items]

    def _is_up(self) -> None:
        if self.away[0] <= self.seconds < self.away[1]:
            raise Unreachable("cluster west (https://west:6443): no connection to the API server for 60 s: refused")

    def read_clock(self) -> ClockReading:
        self._is_up()
        return ClockReading(self.now(), self.now())

    def require_clock(self) -> None:
        self._is_up()

    def request(self, method: str, path: str, **_more: Any) -> Answer:
        self._is_up()
        return Answer({"date": format_datetime(self.now(), usegmt=True)})

    def list(self, version: str, kind: str, *, namespace: str | None = None, trim: Callable[[Obj], Obj] | None = None) -> list[Obj]:
        self._is_up()
        self.lists[kind, namespace] += 1
        found = [row for row in self._rows(kind) if namespace in (None, row["metadata"].get("namespace"))]
        return [trim(row) if trim else row for row in found]

    def get(self, version: str, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        self._is_up()
        found = self.objects.get((kind, name))
        return copy.deepcopy(found) if found else None

    def _count(self, what: str) -> None:
        """A run can be killed after each of its writes."""
        self.writes.append(what)
        if self.die_after is not None and len(self.writes) >= self.die_after:
            self.die_after = None
            raise Killed

    def create(self, obj: Obj) -> Obj:
        self._is_up()
        key = (obj["kind"], obj["metadata"]["name"])
        if key in self.objects:
            raise Conflict(f"{obj['kind']} {key[1]}: cluster west: conflict: already exists")
        self.objects[key] = copy.deepcopy(obj)
        self.objects[key]["metadata"]["resourceVersion"] = "1"
        self._count(f"create {obj['kind']}")
        return copy.deepcopy(self.objects[key])

    def patch(self, ref: Obj, patch: Obj) -> Obj:
        self._is_up()
        kind, name, namespace = ref["kind"], ref["metadata"]["name"], ref["metadata"].get("namespace")
        title = f"{kind} {namespace}/{name}"
        if kind == "Namespace":
            self.namespaces[name].update(patch["metadata"]["labels"])
        elif (kind, name) in self.objects:
            self._patch_object(self.objects[(kind, name)], patch, title)
        elif title in self.apps:
            self._stamp(self.apps[title], patch)
        else:
            raise NotFound(f"{title}: cluster west: not found; make the namespace or the object first")
        self._count(f"patch {kind}" if kind in ("ConfigMap", "Lease") else f"patch {title if namespace else f'{kind} {name}'}")
        return copy.deepcopy(self.objects.get((kind, name)) or {"metadata": {"resourceVersion": "1"}})

    @staticmethod
    def _patch_object(found: Obj, patch: Obj, title: str) -> None:
        meant = (patch.get("metadata") or {}).get("resourceVersion")
        if meant not in (None, found["metadata"]["resourceVersion"]):
            raise Conflict(f"{title}: cluster west: conflict: the object has been modified")
        for part in ("data", "spec"):
            if part in patch:
                found[part] = {**(found.get(part) or {}), **patch[part]}
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)

    def _stamp(self, app: App, patch: Obj) -> None:
        stamp = patch["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]
        if stamp != app.stamp:
            app.stamp, app.restarted_at = stamp, self.seconds
            app.stamps += 1
            self._roll()

    def delete(self, version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        self._is_up()
        return self.objects.pop((kind, name), None) is not None


class Watched(Played):
    """It keeps count of the fewest ready pods that had the label tier=data at any moment."""

    fewest = 10**6

    def _roll(self) -> None:
        super()._roll()
        self.fewest = min(self.fewest, sum(self.ready(app) for app in self.apps.values() if app.labels.get("tier") == "data"))
