# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles take of the objects that they have read."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.filter.object_names import object_names
from ansible_collections.meshops.mesh.plugins.filter.objects_of_layer import objects_of_layer
from ansible_collections.meshops.mesh.plugins.filter.objects_of_others import objects_of_others
from ansible_collections.meshops.mesh.plugins.filter.objects_owned_by import objects_owned_by
from ansible_collections.meshops.mesh.plugins.filter.pods_with_proxy import pods_with_proxy
from ansible_collections.meshops.mesh.plugins.filter.pods_without_proxy import pods_without_proxy

Obj = dict[str, Any]
MESH, LAYER = "mesh.meshops.io/mesh", "mesh.meshops.io/layer"


def thing(name: str = "one", kind: str = "Kiali", namespace: str | None = "shop", **metadata: Any) -> Obj:
    place = {} if namespace is None else {"namespace": namespace}
    return {"apiVersion": "kiali.io/v1alpha1", "kind": kind, "metadata": {"name": name, **place, **metadata}, "spec": {}}


@pytest.mark.parametrize(("objects", "expected"), [
    ([], []),
    ([thing(), thing("two", "Istio", None), thing("three", "Istio", "")], ["Kiali shop/one", "Istio two", "Istio three"]),
])  # fmt: skip
def test_names(objects: list[Obj], expected: list[str]) -> None:
    assert object_names(objects) == expected


OTHERS: dict[str, tuple[Obj, bool]] = {
    "ours": (thing(labels={MESH: "shop"}), False),
    "another mesh's": (thing(labels={MESH: "stock"}), True),
    "without our label": (thing(labels={"app": "kiali"}), True),
    "labels are null": (thing(labels=None), True),
    "without labels": (thing(), True),
    "it has an owner": (thing(ownerReferences=[{"kind": "ServiceMeshControlPlane"}]), False),
    "no owner": (thing(ownerReferences=None), True),
    "owners are empty": (thing(ownerReferences=[]), True),
}


@pytest.mark.parametrize("case", OTHERS)
def test_of_others(case: str) -> None:
    obj, counts = OTHERS[case]
    assert objects_of_others([obj], "shop") == ([obj] if counts else [])


def test_of_a_layer_is_what_a_removal_needs() -> None:
    ours = thing(labels={LAYER: "access_mtls"}, resourceVersion="7")
    wide = thing("wide", namespace=None, labels={LAYER: "access_mtls"})
    found = objects_of_layer([ours, thing(labels={LAYER: "access_deny"}), thing(), thing(labels=None), wide], "access_mtls")
    assert found == [
        {"apiVersion": "kiali.io/v1alpha1", "kind": "Kiali", "metadata": {"name": "one", "namespace": "shop"}},
        {"apiVersion": "kiali.io/v1alpha1", "kind": "Kiali", "metadata": {"name": "wide"}},
    ]


def pod(*containers: str, inits: list[str] | None = None, phase: str | None = "Running", **metadata: Any) -> Obj:
    spec = {"containers": [{"name": name} for name in containers]}
    if inits is not None:
        spec["initContainers"] = [{"name": name} for name in inits]
    return thing("web", "Pod", **metadata) | {"spec": spec, "status": {"phase": phase} if phase else {}}


PODS: dict[str, tuple[Obj, bool]] = {
    "with its proxy": (pod("web", "istio-proxy"), False),
    "without": (pod("web"), True),
    "with a native sidecar": (pod("web", inits=["istio-init", "istio-proxy"]), False),
    "with another init container": (pod("web", inits=["wait"]), True),
    "init containers are null": (pod("web") | {"spec": {"containers": [{"name": "web"}], "initContainers": None}}, True),
    "not started": (pod("web", phase="Pending"), True),
    "without a phase": (pod("web", phase=None), True),
    "done": (pod("web", phase="Succeeded"), False),
    "failed": (pod("web", phase="Failed"), False),
    "on its way out": (pod("web", deletionTimestamp="2026-01-01T00:00:00Z"), False),
    "outside of the mesh": (pod("web", labels={"sidecar.istio.io/inject": "false"}), False),
    "inside of it": (pod("web", labels={"sidecar.istio.io/inject": "true"}), True),
    "labels are null": (pod("web", labels=None), True),
}


@pytest.mark.parametrize("case", PODS)
def test_pods_without_a_proxy(case: str) -> None:
    found, bare = PODS[case]
    assert pods_without_proxy([found]) == (["shop/web"] if bare else [])


ISTIO = {"kind": "Istio", "name": "prod"}
OWNED: dict[str, tuple[Any, bool]] = {
    "its own": ([{**ISTIO, "uid": "1"}], True),
    "beside another": ([{"kind": "Istio", "name": "other"}, ISTIO], True),
    "of another name": ([{"kind": "Istio", "name": "other"}], False),
    "of another kind": ([{"kind": "IstioRevisionTag", "name": "prod"}], False),
    "of both in parts": ([{"kind": "Istio", "name": "other"}, {"kind": "Tag", "name": "prod"}], False),
    "nobody's": ([], False),
    "null": (None, False),
    "a text": ("Istio", False),
}


@pytest.mark.parametrize("case", OWNED)
def test_what_another_object_owns(case: str) -> None:
    owners, counts = OWNED[case]
    obj = thing(ownerReferences=owners)
    assert objects_owned_by([obj], "Istio", "prod") == ([obj] if counts else [])


INJECTED: dict[str, tuple[Obj, bool]] = {
    "injected": (pod("web", annotations={"sidecar.istio.io/status": "{}"}), True),
    "injected, and done": (pod("web", phase="Succeeded", annotations={"sidecar.istio.io/status": ""}), True),
    "only asked for": (pod("web", annotations={"sidecar.istio.io/inject": "true"}), False),
    "annotations are null": (pod("web", "istio-proxy", annotations=None), False),
    "without annotations": (pod("web"), False),
}


@pytest.mark.parametrize("case", INJECTED)
def test_pods_with_a_proxy(case: str) -> None:
    found, counts = INJECTED[case]
    assert pods_with_proxy([found]) == (["shop/web"] if counts else [])
