# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods have a proxy of a mesh, whose namespaces leave it, and what is said of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import LAYER, MANAGED_BY, MESH
from ansible_collections.meshops.mesh.plugins.module_utils._model.proxied import (
    MeshIdentity,
    Proxied,
    grouped,
    leaving,
    of_mesh,
    slim_pod,
    taken,
)

Obj = dict[str, Any]
OSSM3 = MeshIdentity("west", False, "prod", "west-system", frozenset({"shop", "pay"}), frozenset({"prod", "prod-v1"}))
OSSM2 = MeshIdentity("west", True, "prod", "west-system", frozenset({"shop", "pay"}), frozenset({"prod"}))


def pod(namespace: str, name: str = "p", *, proxy: str = "containers", revision: str = "", phase: str = "Running", **meta: Any) -> Obj:
    notes = {"sidecar.istio.io/status": json.dumps({"revision": revision})} if revision else {}
    spec: Obj = {"containers": [{"name": "app", "env": [{"name": "PASSWORD", "value": "needle"}]}]}
    if proxy:
        spec.setdefault(proxy, []).append({"name": "istio-proxy"})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "annotations": notes, **meta},
        "spec": spec,
        "status": {"phase": phase},
    }


def space(name: str, by: str = "meshops.mesh", **labels: str) -> Obj:
    fields = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in labels}}}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "managedFields": [{"manager": by, "operation": "Apply", "fieldsV1": fields}]},
    }


@pytest.mark.parametrize(
    ("mesh", "one", "labels", "expected"),
    [
        (OSSM3, pod("shop"), {}, True),
        (OSSM3, pod("shop", proxy="initContainers"), {}, True),  # a native sidecar
        (OSSM3, pod("shop", proxy=""), {}, False),
        (OSSM3, pod("shop", phase="Succeeded"), {}, False),
        (OSSM3, pod("shop", deletionTimestamp="2026-01-01T00:00:00Z"), {}, False),
        (OSSM3, pod("west-system"), {}, True),
        (OSSM3, pod("elsewhere"), {}, False),
        (OSSM3, pod("elsewhere", revision="prod-v1"), {}, True),
        (OSSM3, pod("elsewhere", revision="another"), {}, False),
        (OSSM3, pod("elsewhere"), {"istio-discovery": "west"}, True),
        (OSSM3, pod("elsewhere"), {"maistra.io/member-of": "west-system"}, False),
        (OSSM2, pod("elsewhere"), {"maistra.io/member-of": "west-system"}, True),
        (OSSM2, pod("elsewhere", revision="prod"), {}, False),  # each ServiceMeshControlPlane of that name has this revision
        (OSSM2, pod("elsewhere"), {"istio-discovery": "west"}, False),
        (OSSM3, pod("elsewhere", annotations={"sidecar.istio.io/status": "no JSON", "istio.io/rev": "prod"}), {}, True),
        (OSSM3, pod("elsewhere", annotations={"sidecar.istio.io/status": "[]", "istio.io/rev": "x"}), {}, False),
    ],
)
def test_whose_proxy_a_pod_has(mesh: MeshIdentity, one: Obj, labels: dict[str, str], expected: bool) -> None:
    spaces = [{"metadata": {"name": name, "labels": labels}} for name in ("shop", "west-system", "elsewhere")]
    assert bool(of_mesh([slim_pod(one)], spaces, mesh)) is expected


def test_no_environment_is_carried_along() -> None:
    assert "needle" not in str(slim_pod(pod("shop")))


def test_pods_are_named_by_what_is_restarted() -> None:
    deployment = {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "d"}}
    replicas = {
        "kind": "ReplicaSet",
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "r", "ownerReferences": [{"uid": "d", "controller": True}]},
    }
    cluster_wide = {"kind": "Machine", "metadata": {"name": "m", "uid": "m"}}
    of_replicas = {"ownerReferences": [{"uid": "r", "controller": True}]}
    pods = [
        pod("shop", "web-1-a", **of_replicas),
        pod("shop", "web-1-b", **of_replicas),
        pod("shop", "lone"),
        pod("shop", "odd", ownerReferences=[{"uid": "m", "controller": True}]),
    ]
    rows = grouped(pods, {"d": deployment, "r": replicas, "m": cluster_wide})
    assert [str(row) for row in rows] == ["Deployment shop/web (2 pods)", "Pod shop/lone", "Pod shop/odd"]
    assert rows[0].remedy == "kubectl rollout restart deployment/web -n shop"
    assert Proxied("shop", "Job", "j", 1).remedy == "delete it and make it again: Job shop/j"
    assert str(Proxied("shop", "StatefulSet", "db", 1)) == "StatefulSet shop/db (1 pod)"


OURS = {MANAGED_BY: "meshops.mesh", MESH: "west", LAYER: "membership"}


@pytest.mark.parametrize(
    ("one", "mesh", "expected"),
    [
        (space("old", **OURS), OSSM3, True),
        (space("old", **OURS), OSSM2, True),
        (space("shop", **OURS), OSSM3, False),  # wanted
        (space("old", **{**OURS, LAYER: "control_plane_namespaces"}), OSSM3, False),
        (space("old", **{**OURS, MESH: "east"}), OSSM3, False),
        (space("old", "kubectl-client-side-apply", **OURS), OSSM3, False),  # a copy: not our doing
        (space("old", **{MESH: "west", LAYER: "membership", MANAGED_BY: "Helm"}), OSSM3, True),
        # enrolled before namespaces of others got the label of the mesh
        (space("old", **{"mesh.meshops.io/domain": "d", "istio-discovery": "west", MANAGED_BY: "Helm"}), OSSM3, True),
        (space("old", **{"mesh.meshops.io/domain": "d", "istio-discovery": "east"}), OSSM3, False),
        (space("old", **{"mesh.meshops.io/domain": "d", "maistra.io/member-of": "west-system"}), OSSM2, True),
        (space("old", "kubectl-label", **{"istio-discovery": "west"}), OSSM3, False),  # its team's own doing
    ],
)
def test_who_leaves(one: Obj, mesh: MeshIdentity, expected: bool) -> None:
    assert (leaving([one], mesh) == [one["metadata"]["name"]]) is expected


def test_who_is_going_already_does_not_leave() -> None:
    one = space("old", **OURS)
    one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert leaving([one], OSSM3) == []


@pytest.mark.parametrize(
    ("labels", "mesh", "text"),
    [
        ({MESH: "east"}, OSSM3, f"shop (label {MESH}=east, expected west)"),
        ({"maistra.io/member-of": "x"}, OSSM3, "shop (label maistra.io/member-of=x, expected none)"),
        ({"maistra.io/member-of": "x"}, OSSM2, "shop (label maistra.io/member-of=x, expected west-system)"),
        ({"istio-discovery": "east"}, OSSM3, "shop (label istio-discovery=east, expected west)"),
        ({"istio-discovery": "west", MESH: "west"}, OSSM3, ""),
        ({"maistra.io/member-of": "west-system"}, OSSM2, ""),
    ],
)
def test_namespaces_of_another_mesh_are_named(labels: dict[str, str], mesh: MeshIdentity, text: str) -> None:
    assert taken([space("shop", **labels), space("elsewhere", **labels)], mesh) == ([text] if text else [])
