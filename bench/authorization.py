# SPDX-License-Identifier: GPL-3.0-or-later
"""A large mesh of policies, and what its proof costs. Pure: no cluster; the times are CPU times of this one process."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "tests" / "unit")]
    import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.meshops.mesh.plugins.module_utils._authorization.change import difference_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import MeshInventory, take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import Request
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.proof import prove, read_matrix
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies

__all__ = ["large_mesh", "measured"]

DOMAIN = "cluster.local"


def _policy(namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def _workload(namespace: str, app: str) -> list[dict[str, Any]]:
    metadata, labels = {"name": app, "namespace": namespace}, {"app": app}
    template = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": app, "containers": [{"name": "main"}]}}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": 8080, "name": "http"}]},
        },
    ]


def large_mesh(namespaces: int, apps: int, changed: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Each workload is called by two of its namespace and one of the next; each namespace denies by default. And the matrix of that.

    `changed`: as many policies let one caller more in.
    """
    objects: list[dict[str, Any]] = []
    matrix: list[dict[str, Any]] = []
    for number in range(namespaces):
        namespace, following = f"team-{number}", f"team-{(number + 1) % namespaces}"
        objects.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"istio-injection": "enabled"}}})
        objects.append(_policy(namespace, "allow-nothing", {}))
        for app in range(apps):
            name = f"app-{app}"
            objects += _workload(namespace, name)
            near = [f"{namespace}/app-{(app + step) % apps}" for step in (1, 2)]
            far = [f"{following}/{name}"] + ([f"{following}/app-{(app + 1) % apps}"] if number * apps + app < changed else [])
            rules = [_rule(near, ["GET", "POST"], [f"/api/{name}/*"]), _rule(far, ["GET"], [f"/public/{name}*"])]
            objects.append(_policy(namespace, name, {"selector": {"matchLabels": {"app": name}}, "rules": rules}))
            matrix += [
                {"from": near, "to": [f"{namespace}/{name}"], "methods": ["GET", "POST"], "paths": [f"/api/{name}/*"]},
                {"from": far, "to": [f"{namespace}/{name}"], "methods": ["GET"], "paths": [f"/public/{name}*"]},
            ]
    return objects, matrix


def _rule(callers: list[str], methods: list[str], paths: list[str]) -> dict[str, Any]:
    principals = [f"{DOMAIN}/ns/{namespace}/sa/{account}" for namespace, _slash, account in (caller.partition("/") for caller in callers)]
    return {"from": [{"source": {"principals": principals}}], "to": [{"operation": {"methods": methods, "paths": paths}}]}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def _world(objects: list[dict[str, Any]]) -> tuple[MeshPolicies, MeshInventory]:
    inventory = take(objects)
    return MeshPolicies(inventory.objects, inventory.mesh), inventory


def measured(namespaces: int, apps: int) -> dict[str, float]:
    """Seconds of CPU, and MiB, of one mesh."""
    objects, matrix = large_mesh(namespaces, apps)
    others, _matrix = large_mesh(namespaces, apps, changed=5)
    reading, (world, inventory) = _timed(lambda: _world(objects))
    proving, proof = _timed(lambda: prove(world, inventory, read_matrix(matrix)))
    if not proof.holds or proof.coverage.allowed_pairs != 3 * namespaces * apps:
        raise RuntimeError(f"the mesh allows exactly its matrix, and the proof says otherwise: {proof.coverage}")
    diffing, difference = _timed(lambda: difference_of(_world(objects), _world(others)))
    if (difference.opened, difference.closed) != (5, 0):
        raise RuntimeError(f"five policies let one caller more in, and the difference says {difference.opened}, {difference.closed}")
    place = inventory.places[0]
    chain = world.policies.chain(place.workload)
    request = Request(principal=f"{DOMAIN}/ns/team-0/sa/app-1", port=8080, method="GET", path="/api/app-0/x", host="app-0")
    turns = 2000
    verdict, _none = _timed(lambda: [chain.request(request) for _turn in range(turns)])
    return {
        "reading": reading,
        "proof": proving,
        "diff": diffing,
        "verdict_us": verdict / turns * 1e6,
        "pairs": proof.coverage.pairs,
        "workloads": namespaces * apps,
        "policies": namespaces * (apps + 1),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespaces", type=int, default=100)
    parser.add_argument("--apps", type=int, default=10)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(measured(options.namespaces, options.apps)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
