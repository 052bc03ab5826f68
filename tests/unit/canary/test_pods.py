# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods a version has, and as what Istio knows them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._canary.pods import pods_of


def raw(name: str = "cars-v2-6b7c-x", labels: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name.rpartition("-")[0], "controller": True}
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "shop", "uid": f"uid-{name}", "ownerReferences": [owner],
            "labels": {"app": "cars", "version": "v2", "pod-template-hash": "6b7c", **(labels or {})},
        },
        "spec": {"containers": [{"name": "app", "image": "cars:2"}, {"name": "istio-proxy", "image": "proxy:1"}]},
        "status": {
            "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "app", "restartCount": 1}, {"name": "istio-proxy", "restartCount": 2}],
        },
    }  # fmt: skip
    for path, value in changes.items():
        part, _dash, name = path.partition("__")
        pod[part][name] = value
    return pod


def test_what_is_read_of_a_pod() -> None:
    (found,) = pods_of([raw()], {"version": "v2"})
    assert (found.workload, found.ready, found.proxy, found.images) == ("cars-v2", True, True, ("cars:2",))
    assert found.place == "uid-cars-v2-6b7c-x/2"


def test_the_injector_knows_the_workload_best() -> None:
    proxy = {"name": "istio-proxy", "env": [{"name": "ISTIO_META_WORKLOAD_NAME", "value": "cars-second"}]}
    (found,) = pods_of([raw(spec__containers=[{"name": "app"}], spec__initContainers=[proxy])], {"version": "v2"})
    assert (found.workload, found.proxy) == ("cars-second", True)


@pytest.mark.parametrize(("pod", "counts"), [
    (raw(), True),
    (raw(labels={"version": "v1"}), False),
    (raw(metadata__deletionTimestamp="2026-11-30T20:00:00Z"), False),
    (raw(status__phase="Succeeded"), False),
    (raw(status__conditions=[]), True),
])  # fmt: skip
def test_which_pods_a_version_has(pod: dict[str, Any], counts: bool) -> None:
    assert bool(pods_of([pod], {"version": "v2", "app": "cars"})) is counts


def test_no_labels_are_no_version() -> None:
    assert pods_of([raw()], {}) == []
