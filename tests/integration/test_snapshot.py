# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of a real API server: what is in it, what is not, and what a weak login may not read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import collect
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import MANAGED_BY, MANAGER, MESH, whose
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from testbed import Bed


def take(kubeconfig: Path, **given: Any) -> Snapshot:
    return collect(Cluster.from_params({"kubeconfig": str(kubeconfig)}, name="west"), clock=lambda: datetime.now(UTC), **given)


def test_snapshot_of_a_cluster(bed: Bed, namespace: str, tmp_path: Path) -> None:
    cluster = Cluster.from_params({"kubeconfig": str(bed.kubeconfig)}, name="west")
    other = {"name": "password", "namespace": namespace}
    ours = {"name": "ours", "namespace": namespace, "labels": {MANAGED_BY: MANAGER, MESH: "east"}}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": ours, "data": {"a": "b"}}, field_manager=MANAGER)
    for meta in ({"name": "cacerts", "namespace": namespace}, other):
        cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"token": "hunter2"}})
    mark = bed.mark()
    question = {"user": "emma", "groups": [], "verb": "get", "group": "", "resource": "pods/log", "namespace": namespace}
    root = {**question, "user": "root", "groups": ["system:masters"]}
    snapshot = take(bed.user_kubeconfig("snapshot-reader", ["system:masters"]), reviews=[question, root], plane=namespace)
    assert [item["allowed"] for item in snapshot.reviews] == [False, True]
    secret = snapshot.get("Secret", "cacerts", namespace)
    assert secret is not None and secret["data"] == {"token": ""}
    assert snapshot.get("Secret", "password", namespace) is None, "what an application keeps is not read"
    events = [event for event in bed.audit(mark) if event["user"]["username"] == "snapshot-reader"]
    verbs = {event["verb"] for event in events if event.get("objectRef", {}).get("resource") == "secrets"}
    assert verbs == {"get"}, "and nobody lists Secrets"
    # the bed is shared: of what the collection made there, by whichever test, only whose it is stays
    written = [item for item in snapshot.objects if item["metadata"].get("managedFields")]
    assert [item["metadata"]["name"] for item in written if item["metadata"].get("namespace") == namespace] == ["ours"]
    assert snapshot.of("Node") and all(item["metadata"]["managedFields"] == whose(item) for item in written)
    path = tmp_path / "s.json.gz"
    snapshot.save(path)
    # of each object the file keeps what is named by kind and field; that has tests of its own
    loaded = Snapshot.load(path)
    assert [(one["kind"], one["metadata"]["uid"]) for one in loaded.objects] == [
        (one["kind"], one["metadata"]["uid"]) for one in snapshot.objects
    ]


def test_namespaces_limit_and_a_weak_login_is_noted(bed: Bed, namespace: str) -> None:
    limited = take(bed.kubeconfig, namespaces=[namespace])
    assert {item["metadata"].get("namespace") for item in limited.of("ConfigMap")} <= {namespace}
    weak = take(bed.user_kubeconfig("weak"))
    assert "v1/Secret" in weak.forbidden and "not allowed" in weak.forbidden["v1/Secret"]
    assert not weak.of("Secret")
