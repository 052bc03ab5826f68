# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of meshes before an upgrade, as the API server, OLM, Sail, Maistra and istiod write them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import MANAGED_BY, MANAGER, rollout_name
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.model import Goal
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.state import State, Wave

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HUB = "registry.example.com/istio"
Obj = dict[str, Any]


def obj(api_version: str, kind: str, where: str, *, labels: Obj | None = None, annotations: Obj | None = None, **body: Any) -> Obj:
    """One object; where: namespace/name or name."""
    namespace, slash, name = where.rpartition("/")
    metadata: Obj = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
    if slash:
        metadata["namespace"] = namespace
    metadata |= body.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def owner(kind: str, name: str, api_version: str = "apps/v1") -> Obj:
    return {"ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": name, "controller": True}]}


def namespace(name: str, **labels: str) -> Obj:
    return obj("v1", "Namespace", name, labels={key.replace("__", "/").replace("_", "."): value for key, value in labels.items()})


def istio(name: str = "default", version: str = "v1.29.4", **spec: Any) -> Obj:
    status = spec.pop("status", {"activeRevisionName": name})
    return obj("sailoperator.io/v1", "Istio", name, spec={"namespace": "istio-system", "version": version, **spec}, status=status)


def revision(name: str = "default", version: str = "v1.29.4", *, istio_name: str = "default", in_use: str = "True") -> Obj:
    return obj(
        "sailoperator.io/v1",
        "IstioRevision",
        name,
        metadata=owner("Istio", istio_name, "sailoperator.io/v1"),
        spec={"namespace": "istio-system", "version": version},
        status={"conditions": [{"type": "InUse", "status": in_use}]},
    )


def tag(name: str, kind: str, target: str, leads: str) -> Obj:
    return obj(
        "sailoperator.io/v1", "IstioRevisionTag", name, spec={"targetRef": {"kind": kind, "name": target}}, status={"istioRevision": leads}
    )


def istiod(rev: str = "default", version: str = "1.29.4", replicas: int = 2, **container: Any) -> Obj:
    name = "istiod" if rev == "default" else f"istiod-{rev}"
    spec = {
        "replicas": replicas,
        "template": {
            "metadata": {"labels": {"app": "istiod"}},
            "spec": {"containers": [{"name": "discovery", "image": f"{HUB}/pilot:{version}", **container}]},
        },
    }
    return obj(
        "apps/v1",
        "Deployment",
        f"istio-system/{name}",
        labels={"app": "istiod", "istio.io/rev": rev},
        spec=spec,
        status={"readyReplicas": replicas},
    )


def deployment(
    where: str,
    *,
    labels: Obj | None = None,
    annotations: Obj | None = None,
    kind: str = "Deployment",
    replicas: int = 1,
    containers: Iterable[str] = ("app",),
    **spec: Any,
) -> Obj:
    pod = {
        "metadata": {"labels": {"app": where.rpartition("/")[2], **(labels or {})}, "annotations": annotations or {}},
        "spec": {"containers": [{"name": name} for name in containers]},
    }
    return obj("apps/v1", kind, where, spec={"replicas": replicas, "template": pod, **spec})


def pod(
    where: str,
    *,
    owned_by: Obj | None = None,
    rev: str = "default",
    image: str = f"{HUB}/proxyv2:1.29.4",
    labels: Obj | None = None,
    annotations: Obj | None = None,
    containers: Iterable[str] = ("app",),
    ready: bool = True,
    native: bool = False,
    phase: str = "Running",
) -> Obj:
    """An injected pod; image empty: not injected."""
    notes = {"istio.io/rev": rev, "sidecar.istio.io/status": json.dumps({"revision": rev})} if image else {}
    proxy = [{"name": "istio-proxy", "image": image}] if image else []
    spec: Obj = {
        "containers": [{"name": name} for name in containers] + ([] if native else proxy),
        "initContainers": proxy if native else [],
        "nodeName": "node-1",
    }
    statuses = [{"name": "istio-proxy", "ready": ready}] if image else []
    return obj(
        "v1",
        "Pod",
        where,
        labels=labels,
        annotations={**notes, **(annotations or {})},
        metadata=owned_by or {},
        spec=spec,
        status={"phase": phase, "containerStatuses": statuses},
    )


def snapshot(*objects: Obj, source: str = "cluster", **fields: Any) -> Snapshot:
    given = {"cluster": "west", "taken_at": NOW, "source": source, "server_version": "v1.35.4", **fields}
    return Snapshot(objects=tuple(objects), **given)


def rollout(
    sizes: list[tuple[int, float, str]], *, gateways: bool = False, mine: bool = True, text: str = "", namespace: str = "mesh"
) -> dict[str, Any]:
    """What rollout_waves remembers: waves by their workloads, seconds and state."""
    waves = tuple(
        Wave(f"wave-{number}", tuple(f"Deployment shop/{number}-{one}" for one in range(size)), gateways, "", state, seconds)
        for number, (size, seconds, state) in enumerate(sizes)
    )
    kept = text or State("1", "a new root", Goal("v1.27.3"), Goal("v1.27.3"), waves).to_json()
    labels = {MANAGED_BY: MANAGER} if mine else {}
    return obj("v1", "ConfigMap", f"{namespace}/{rollout_name('travel')}", labels=labels, data={"state": kept})
