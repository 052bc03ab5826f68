# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh to route in: reviews with three versions and ratings with one, as objects of a cluster."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.plan import TrafficPlan, TrafficSettings, plan_traffic

__all__ = ["GATEWAYS", "INTENT", "REVIEWS", "applied", "bookinfo", "entry", "plan", "pod", "service", "snapshot"]

Obj = dict[str, Any]
INTENT = Intent(mesh="shop", provider="ossm3", control_plane={"namespace": "istio-system"}, members=("bookinfo",))
GATEWAYS: list[Obj] = [
    {"name": "bookinfo", "hosts": ["bookinfo.example.com", "*.shop.example.com"]},
    {"name": "raw", "hosts": ["raw.example.com"], "protocol": "TLS", "port": 443},
    {"name": "old", "hosts": ["old.example.com"], "routes": [{"namespace": "bookinfo", "service": "ratings", "port": 9080}]},
]
REVIEWS: Obj = {
    "service": "reviews",
    "namespace": "bookinfo",
    "versions": [{"name": "v1"}, {"name": "v2"}],
    "routes": [{"to": {"v1": 80, "v2": 20}}],
}


def entry(**changes: Any) -> Obj:
    """reviews, with other fields."""
    return {**copy.deepcopy(REVIEWS), **changes}


def pod(app: str, version: str, *, ready: bool = True, namespace: str = "bookinfo") -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{app}-{version}", "namespace": namespace, "labels": {"app": app, "version": version}},
        "spec": {"containers": [{"name": app, "image": app}]},
        "status": {"phase": "Running", "podIP": _ip(app, version), "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def _ip(app: str, version: str) -> str:
    """An address for each: those without one serve nobody."""
    return f"10.1.{sum(map(ord, app)) % 256}.{sum(map(ord, version)) % 256}"


def service(name: str, *ports: Mapping[str, Any], namespace: str = "bookinfo") -> Obj:
    rows = list(ports) or [{"name": "http", "port": 9080, "targetPort": 9080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": rows},
    }


def bookinfo() -> list[Obj]:
    return [
        service("reviews"),
        service("ratings"),
        *(pod("reviews", version) for version in ("v1", "v2")),
        pod("reviews", "v3", ready=False),
        pod("ratings", "v1"),
    ]


def snapshot(objects: Iterable[Mapping[str, Any]], source: str = "cluster") -> Snapshot:
    return Snapshot("west", datetime(2026, 11, 30, tzinfo=UTC), source, "v1.35.4", tuple(map(dict, objects)))


def plan(rows: list[Obj], objects: Iterable[Mapping[str, Any]], **given: Any) -> TrafficPlan:
    source = given.pop("source", "cluster")
    return plan_traffic(rows, snapshot(objects, source), TrafficSettings(**{"intent": INTENT, "gateways": GATEWAYS, **given}))


def applied(found: TrafficPlan, objects: Iterable[Mapping[str, Any]], stages: int | None = None) -> list[Obj]:
    """What is there after the first stages of a plan: labelled as mesh_apply does."""
    there = {_key(obj): dict(obj) for obj in objects}
    for stage in found.stages[:stages]:
        for obj in stage.objects:
            meta = obj["metadata"]
            ours = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "shop", "mesh.meshops.io/layer": stage.name}
            there[_key(obj)] = {**obj, "metadata": {**meta, "labels": {**meta.get("labels", {}), **ours}}}
        for obj in stage.gone:
            del there[_key(obj)]
    return list(there.values())


def _key(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(obj["kind"]), str(obj["metadata"].get("namespace")), str(obj["metadata"]["name"])
