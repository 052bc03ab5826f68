# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is played: pods of two versions whose proxies count what callers ask, the routes that were delivered, and a
clock that moves by sleeping only."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._errors import FetchError, MeshError
from ansible_collections.meshops.mesh.plugins.modules import canary_release as module

__all__ = ["START", "TRAFFIC", "Killed", "Shop", "call"]

Obj = dict[str, Any]
START = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)
TRAFFIC: list[Obj] = [
    {"service": "cars", "namespace": "shop", "versions": [{"name": "v1"}, {"name": "v2"}], "routes": [{"to": {"v1": 100}}]},
]
CANARY: Obj = {"service": "cars", "namespace": "shop", "from": "v1", "to": "v2"}
BOUNDS = (5.0, 25.0, 100.0, 500.0)
PER_SECOND = 50.0


class Killed(BaseException):
    """The run dies here; nothing catches it."""


@dataclass
class Played:
    """A pod. errors: the share of its answers that are 503; milliseconds: how long each takes."""

    version: str
    errors: float = 0.0
    milliseconds: float = 10.0
    ready: bool = True
    restarts: int = 0
    image: str = ""
    counted: dict[str, float] = field(default_factory=dict)
    silent: str = ""


@dataclass
class Shop:
    """The cluster, as the client has it. kill_after: dies after so many writes."""

    name: str = "west"
    seconds: float = 0.0
    rate: float = PER_SECOND
    pods: dict[str, Played] = field(default_factory=dict)
    objects: dict[tuple[str, str, str], Obj] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    kill_after: int | None = None
    at: dict[float, Callable[[Shop], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pods = self.pods or {"cars-v1-a": Played("v1"), "cars-v1-b": Played("v1"), "cars-v2-a": Played("v2", image="cars:2")}
        self.objects["Service", "shop", "cars"] = {"metadata": {"name": "cars", "namespace": "shop"}, "spec": {"selector": {"app": "cars"}}}
        self.deliver({"v1": 100})

    # time

    def clock(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        for moment in sorted(self.at):
            if self.seconds < moment <= self.seconds + seconds:
                self._pass(moment - self.seconds)
                self.at[moment](self)
        end = max(0.0, seconds)
        self._pass(end)

    def _pass(self, seconds: float) -> None:
        """Callers call all the time, as the routes say."""
        weights = self.weights()
        for version, weight in weights.items():
            ready = [pod for pod in self.pods.values() if pod.version == version and pod.ready]
            for pod in ready:
                asked = self.rate * seconds * weight / 100 / len(ready)
                pod.counted["503"] = pod.counted.get("503", 0) + asked * pod.errors
                pod.counted["200"] = pod.counted.get("200", 0) + asked * (1 - pod.errors)
        self.seconds += seconds

    # the role traffic

    def deliver(self, weights: Mapping[str, int], *, manager: str = "meshops.mesh") -> None:
        rows = [{"destination": {"host": "cars", "subset": name}, "weight": weight} for name, weight in weights.items() if weight]
        rows = [{"destination": rows[0]["destination"]}] if len(rows) == 1 else rows
        old = self.objects.get(("VirtualService", "shop", "cars"), {}).get("metadata", {}).get("managedFields", [])
        entry = {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:http": {}}}, "time": self.now().isoformat()}
        self.objects["VirtualService", "shop", "cars"] = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {
                "name": "cars", "namespace": "shop", "managedFields": [entry, *(one for one in old if one["manager"] != manager)],
                "labels": {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/traffic-of": "cars"},
            },
            "spec": {"hosts": ["cars"], "http": [{"name": "default", "route": rows}]},
        }  # fmt: skip

    def weights(self) -> dict[str, int]:
        rule = self.objects["VirtualService", "shop", "cars"]["spec"]["http"][0]
        return {row["destination"]["subset"]: row.get("weight", 100) for row in rule["route"]}

    # the proxies

    def metrics(self, _dialer: object, _namespace: str, name: str, _path: str, **_more: Any) -> bytes:
        pod = self.pods[name]
        if pod.silent:
            raise FetchError(pod.silent)
        labels = f'reporter="destination",destination_workload="cars-{pod.version}",destination_workload_namespace="shop"'
        lines = ["# TYPE istio_requests_total counter"]
        lines += [f'istio_requests_total{{{labels},response_code="{code}"}} {int(number)}' for code, number in pod.counted.items()]
        total = int(sum(pod.counted.values()))
        for bound in (*map(str, BOUNDS), "+Inf"):
            found = total if float(bound) >= pod.milliseconds else 0
            lines.append(f'istio_request_duration_milliseconds_bucket{{{labels},le="{bound}"}} {found}')
        return "\n".join(lines).encode()

    # the client

    def require_clock(self) -> None:
        """It is right."""

    def resources(self) -> dict[tuple[str, str], Any]:
        return {
            ("networking.istio.io/v1", "VirtualService"): None,
            ("networking.istio.io/v1", "DestinationRule"): None,
            ("v1", "Pod"): None,
        }

    def map(self, fn: Callable[[Any], Any], items: Any, _workers: int = 0) -> list[Any]:
        return [fn(item) for item in items]

    def get(self, _api: str, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        return copy.deepcopy(self.objects.get((kind, namespace or "", name)))

    def list(self, _api: str, kind: str, *, namespace: str | None = None, label_selector: str | None = None, **_more: Any) -> list[Obj]:
        if kind == "Pod":
            return [self._pod(name, pod) for name, pod in self.pods.items()]
        wanted = dict(part.partition("=")[::2] for part in (label_selector or "").split(",") if part)
        found = []
        for (kind_, space, _name), obj in self.objects.items():
            labels = obj["metadata"].get("labels") or {}
            if (
                kind_ == kind
                and space == namespace
                and all(key in labels and (not value or labels[key] == value) for key, value in wanted.items())
            ):
                found.append(copy.deepcopy(obj))
        return found

    def _pod(self, name: str, pod: Played) -> Obj:
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"cars-{pod.version}-x", "controller": True}
        return {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": "shop", "uid": name, "ownerReferences": [owner],
                "labels": {"app": "cars", "version": pod.version, "pod-template-hash": "x"},
            },
            "spec": {"containers": [{"name": "app", "image": pod.image or "cars:1"}, {"name": "istio-proxy"}]},
            "status": {
                "phase": "Running", "conditions": [{"type": "Ready", "status": str(pod.ready)}],
                "containerStatuses": [{"name": "app", "restartCount": pod.restarts}, {"name": "istio-proxy", "restartCount": 0}],
            },
        }  # fmt: skip

    def _wrote(self, what: str) -> None:
        self.writes.append(what)
        if self.kill_after is not None and len([one for one in self.writes if "Lease" not in one]) >= self.kill_after:
            self.kill_after = None
            raise Killed(what)

    def create(self, obj: Obj) -> Obj:
        meta = obj["metadata"]
        entry = {
            "manager": "meshops.mesh",
            "operation": "Update",
            "fieldsV1": {"f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}}},
        }
        made = {**copy.deepcopy(obj), "metadata": {**meta, "resourceVersion": "1", "managedFields": [entry]}}
        self.objects[obj["kind"], meta["namespace"], meta["name"]] = made
        self._wrote(f"create {obj['kind']} {meta['name']}")
        return made

    def patch(self, ref: Obj, patch: Obj) -> Obj:
        meta = ref["metadata"]
        found = self.objects[ref["kind"], meta["namespace"], meta["name"]]
        for part in ("data", "spec"):
            if part in patch:
                found[part] = {**found.get(part, {}), **patch[part]}
        self._wrote(f"patch {ref['kind']} {meta['name']}")
        return found

    def delete(self, _api: str, kind: str, name: str, namespace: str) -> bool:
        self._wrote(f"delete {kind} {name}")
        return self.objects.pop((kind, namespace, name), None) is not None


def call(command: Any, shop: Shop, state: str, *, check_mode: bool = False, canary: Obj | None = None, **given: Any) -> Obj:
    """One call of the module; what went wrong is its msg."""
    params = {name: option.get("default") for name, option in module.ARGUMENT_SPEC.items()}
    gate = {"window": "60s", "timeout": "5m", "min_requests": 100, **((canary or {}).get("gate") or {})}
    params |= {
        "context": None, "host": None, "mesh": "travel", "namespace": "system", "service": "shop/cars", "traffic": TRAFFIC,
        "canaries": [{**CANARY, **(canary or {}), "gate": gate}], "state": state, **given,
    }  # fmt: skip
    run = None
    try:
        run = command.CanaryRun(params, check_mode=check_mode, clock=shop.clock, sleep=shop.sleep)
        run.run()
        found: Obj = {**run.result(), **run.routed()}
    except MeshError as exc:
        found = {**(run.result() if run else {}), "msg": str(exc)}
    return found
