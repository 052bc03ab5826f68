# SPDX-License-Identifier: GPL-3.0-or-later
"""A large mesh before an upgrade, and what its plan costs. Pure: no cluster; the times are CPU times of this one process."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "tests" / "unit")]
    import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.meshops.mesh.plugins.module_utils._commands.upgrade_plan import run_upgrade_plan
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.fleet import fleet_of

__all__ = ["large_fleet", "measured"]

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OLD, NEW = "v1.29.4", "v1.30.3"
REVISION = "large-v1-29-4"
Obj = dict[str, Any]


def _obj(api_version: str, kind: str, name: str, namespace: str = "", **body: Any) -> Obj:
    metadata: Obj = {"name": name, "labels": body.pop("labels", {}), "annotations": body.pop("annotations", {})}
    metadata |= {"namespace": namespace} if namespace else {}
    owner = body.pop("owner", None)
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True}]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def _workload(namespace: str, app: str, replicas: int, node: int) -> list[Obj]:
    labels, hashed = {"app": app}, f"{app}-7d9f"
    requests = {"resources": {"requests": {"cpu": "20m", "memory": "32Mi"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", **requests}]}}
    made = [
        _obj("apps/v1", "Deployment", app, namespace, spec={"replicas": replicas, "template": template}),
        _obj("apps/v1", "ReplicaSet", hashed, namespace, owner=("Deployment", app)),
        _obj("policy/v1", "PodDisruptionBudget", app, namespace, spec={"minAvailable": 1, "selector": {"matchLabels": labels}}),
        _obj("v1", "Service", app, namespace, spec={"selector": labels, "ports": [{"port": 8080, "name": "http"}]}),
        _obj(
            "security.istio.io/v1",
            "AuthorizationPolicy",
            app,
            namespace,
            spec={"selector": {"matchLabels": labels}, "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/a/sa/b"]}}]}]},
        ),
    ]
    notes = {"istio.io/rev": REVISION, "sidecar.istio.io/status": json.dumps({"revision": REVISION, "containers": ["istio-proxy"]})}
    for number in range(replicas):
        pod = _obj(
            "v1",
            "Pod",
            f"{hashed}-{number}",
            namespace,
            owner=("ReplicaSet", hashed),
            annotations=notes,
            labels={**labels, "pod-template-hash": "7d9f"},
            spec={
                "nodeName": f"node-{(node + number) % 30}",
                "containers": [{"name": "main", **requests}, {"name": "istio-proxy", "image": "r.example.com/proxyv2:1.29.4"}],
            },
            status={
                "phase": "Running",
                "containerStatuses": [{"name": "istio-proxy", "ready": True}],
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-20T10:00:09Z"}],
            },
        )
        pod["metadata"]["creationTimestamp"] = "2026-11-20T10:00:00Z"
        made.append(pod)
    return made


def large_fleet(namespaces: int, apps: int, replicas: int = 3) -> Snapshot:
    """Namespaces that follow one tag; each workload with a budget, a Service and a policy."""
    istiod = {"containers": [{"name": "discovery", "image": "r.example.com/pilot:1.29.4", "resources": {"requests": {"cpu": "2"}}}]}
    webhook = {
        "clientConfig": {"service": {"name": f"istiod-{REVISION}", "namespace": "istio-system"}},
        "namespaceSelector": {"matchExpressions": [{"key": "istio.io/rev", "operator": "In", "values": ["stable"]}]},
    }
    objects = [
        _obj(
            "sailoperator.io/v1",
            "Istio",
            "large",
            spec={"version": OLD, "namespace": "istio-system", "updateStrategy": {"type": "RevisionBased"}},
            status={"activeRevisionName": REVISION},
        ),
        _obj("sailoperator.io/v1", "IstioRevision", REVISION, owner=("Istio", "large"), spec={"version": OLD, "namespace": "istio-system"}),
        _obj(
            "sailoperator.io/v1",
            "IstioRevisionTag",
            "stable",
            spec={"targetRef": {"kind": "IstioRevision", "name": REVISION}},
            status={"istioRevision": REVISION},
        ),
        _obj(
            "apps/v1",
            "Deployment",
            f"istiod-{REVISION}",
            "istio-system",
            labels={"app": "istiod", "istio.io/rev": REVISION},
            spec={"replicas": 3, "template": {"spec": istiod}},
            status={"readyReplicas": 3},
        ),
        _obj("v1", "Service", f"istiod-{REVISION}", "istio-system"),
        _obj(
            "admissionregistration.k8s.io/v1",
            "MutatingWebhookConfiguration",
            "istio-revision-tag-stable",
            labels={"app": "sidecar-injector", "istio.io/tag": "stable", "istio.io/rev": REVISION},
            webhooks=[webhook],
        ),
        *(
            _obj("v1", "Node", f"node-{number}", status={"allocatable": {"cpu": "32", "memory": "128Gi", "pods": "250"}})
            for number in range(30)
        ),
    ]
    for number in range(namespaces):
        objects.append(_obj("v1", "Namespace", f"team-{number}", labels={"istio.io/rev": "stable"}))
        for app in range(apps):
            objects += _workload(f"team-{number}", f"app-{app}", replicas, number + app)
    return Snapshot(cluster="large", taken_at=NOW, source="snapshot", server_version="v1.35.4", objects=tuple(objects))


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def measured(namespaces: int, apps: int) -> dict[str, float]:
    """Seconds of CPU, and MiB, of one mesh."""
    snapshot = large_fleet(namespaces, apps)
    reading, fleet = _timed(lambda: fleet_of(snapshot))
    planning, planned = _timed(lambda: run_upgrade_plan({"target": NEW, "thresholds": {}}, snapshot))
    workloads = namespaces * apps
    if len(fleet.proxies) != 3 * workloads or planned.plan.to_dict()["proxies"] != 3 * workloads:
        raise RuntimeError(f"the mesh has {3 * workloads} proxies, and the fleet says {len(fleet.proxies)}")
    if len(next(step for step in planned.plan.steps if step.kind == "workloads").objects) != workloads:
        raise RuntimeError("the plan restarts something else than each workload once")
    return {
        "fleet": reading,
        "plan": planning,
        "workloads": workloads,
        "proxies": len(fleet.proxies),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespaces", type=int, default=100)
    parser.add_argument("--apps", type=int, default=10)
    parser.add_argument("--save", type=Path, help="write the mesh as a snapshot instead")
    options = parser.parse_args()
    if options.save:
        large_fleet(options.namespaces, options.apps).save(options.save)
        return 0
    sys.stdout.write(json.dumps(measured(options.namespaces, options.apps)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
