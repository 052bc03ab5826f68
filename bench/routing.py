#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to say where each of so many workloads gets to: python bench/routing.py [WORKLOADS] [NAMESPACES].

Pure, one process, one core: a mesh of as many Services as workloads, half of them with a VirtualService and a DestinationRule of two
subsets, and a Sidecar in every second namespace, so that its callers are looked at apart."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "tests" / "unit")]
    import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import RoutingWorld
from ansible_collections.meshops.mesh.plugins.module_utils._routing.model import Consumer
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.route_matrix import classes_of, routes_of

__all__ = ["matrix_of", "mesh_of"]

_API = "networking.istio.io/v1"


def mesh_of(workloads: int, namespaces: int) -> tuple[list[dict[str, Any]], list[Consumer]]:
    """The objects, and the callers."""
    objects: list[dict[str, Any]] = []
    callers = []
    for number in range(workloads):
        name, namespace = f"app-{number}", f"team-{number % namespaces}"
        meta = {"name": name, "namespace": namespace}
        where = f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        objects.append({"apiVersion": "v1", "kind": "Service", "metadata": meta,
                        "spec": {"clusterIP": where, "selector": {"app": name}, "ports": [{"name": "http", "port": 8080}]}})  # fmt: skip
        for version in ("v1", "v2"):
            labels = {"app": name, "version": version, "security.istio.io/tlsMode": "istio"}
            address = f"10.{128 + 2 * (number >> 16) + (version == 'v2')}.{number >> 8 & 255}.{number & 255}"
            pod = {"name": f"{name}-{version}", "namespace": namespace, "labels": labels}
            ready = {"podIP": address, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "status": ready})
        if number % 2:
            routes = [
                {"destination": {"host": name, "subset": "v1"}, "weight": 90},
                {"destination": {"host": name, "subset": "v2"}, "weight": 10},
            ]
            objects.append(
                {"apiVersion": _API, "kind": "VirtualService", "metadata": meta, "spec": {"hosts": [name], "http": [{"route": routes}]}}
            )
            subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]
            objects.append({"apiVersion": _API, "kind": "DestinationRule", "metadata": meta, "spec": {"host": name, "subsets": subsets}})
        callers.append(Consumer(namespace, {"app": name, "version": "v1"}, name=name))
    for number in range(0, namespaces, 2):
        meta = {"name": "default", "namespace": f"team-{number}"}
        objects.append({"apiVersion": _API, "kind": "Sidecar", "metadata": meta, "spec": {"egress": [{"hosts": ["*/*"]}]}})
    return objects, callers


def matrix_of(objects: list[dict[str, Any]], callers: list[Consumer]) -> tuple[int, int]:
    """How many pairs of caller and route there are, and how many kinds of callers were asked."""
    world, pairs, asked = RoutingWorld(objects), 0, 0
    for consumer, alike in classes_of(world, callers):
        asked += 1
        pairs += len(alike) * sum(1 for _row in routes_of(world, consumer, world.registry.services))
    return pairs, asked


def main() -> None:
    workloads, namespaces = ([int(text) for text in sys.argv[1:]] + [1000, 50][len(sys.argv) - 1 :])[:2]
    objects, callers = mesh_of(workloads, namespaces)
    started = time.process_time()
    pairs, asked = matrix_of(objects, callers)
    seconds = time.process_time() - started
    what = f"{workloads} workloads in {namespaces} namespaces, {len(objects)} objects"
    print(f"{what}: {pairs} routes of {asked} kinds of callers in {seconds:.2f} s of CPU")


if __name__ == "__main__":
    main()
