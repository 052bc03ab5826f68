# SPDX-License-Identifier: GPL-3.0-or-later
"""An object without a namespace is where kubectl would put it, in manifests and in snapshots, for every reader alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._model import kinds
from ansible_collections.meshops.mesh.plugins.module_utils._model.scope import (
    in_their_namespaces,
    is_namespaced,
    strangers,
    tells_of_a_mesh,
)
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

Obj = dict[str, Any]


def obj(version: str, kind: str, namespace: str | None = None, **body: Any) -> Obj:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a", **({"namespace": namespace} if namespace else {})}, **body}


@pytest.mark.parametrize(
    ("given", "namespace"),
    [
        (obj("v1", "Service"), "default"),
        (obj("v1", "Service", "shop"), "shop"),
        (obj("apps/v1", "Deployment"), "default"),
        (obj("maistra.io/v2", "ServiceMeshControlPlane"), "default"),
        (obj("security.istio.io/v1", "AuthorizationPolicy"), "default"),
        (obj("networking.k8s.io/v1", "Ingress"), "default"),
        (obj("operators.coreos.com/v1alpha1", "Subscription"), "default"),
        (obj("argoproj.io/v1alpha1", "Rollout"), "default"),
        (obj("v1", "Namespace"), None),
        (obj("v1", "Node"), None),
        (obj("sailoperator.io/v1", "Istio"), None),
        (obj("sailoperator.io/v1", "ZTunnel"), None),
        (obj("rbac.authorization.k8s.io/v1", "ClusterRole"), None),
        (obj("rbac.authorization.k8s.io/v1", "RoleBinding"), "default"),
        (obj("gateway.networking.k8s.io/v1", "GatewayClass"), None),
        (obj("gateway.networking.k8s.io/v1", "Gateway"), "default"),
        (obj("config.openshift.io/v1", "Ingress"), None),
        (obj("kyverno.io/v1", "ClusterPolicy"), None),
    ],
)
def test_where_an_object_is(given: Obj, namespace: str | None) -> None:
    (found,) = in_their_namespaces([given])
    assert found["metadata"].get("namespace") == namespace and found["metadata"]["name"] == "a"


def test_a_definition_of_the_source_goes_before_any_guess() -> None:
    names = {"group": "example.com", "names": {"kind": "Fleet"}}
    for scope, namespace in (("Cluster", None), ("Namespaced", "default")):
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "fleets.example.com"},
            "spec": {**names, "scope": scope},
        }
        found = in_their_namespaces([obj("example.com/v1", "Fleet"), crd])
        assert [row["metadata"].get("namespace") for row in found] == [namespace, None]


def test_the_kinds_that_checks_read_as_the_cluster_s_are_so() -> None:
    assert not any(
        is_namespaced(kind.group, kind.kind)
        for kind in (kinds.ISTIO, kinds.ISTIO_CNI, kinds.NAMESPACE, kinds.NODE, kinds.CRD, kinds.MUTATING_WEBHOOK, kinds.VALIDATING_WEBHOOK)
    )
    spaced = (kinds.SMCP, kinds.SMMR, kinds.POD, kinds.SUBSCRIPTION, kinds.ROUTE, kinds.KIALI)
    assert all(is_namespaced(kind.group, kind.kind) for kind in spaced)


def test_manifests_and_snapshots_say_the_same(tmp_path: Path) -> None:
    rows = [obj("maistra.io/v2", "ServiceMeshControlPlane", spec={"version": "v2.6"}), obj("v1", "Namespace")]
    (tmp_path / "mesh.yaml").write_text(yaml.safe_dump_all(rows), encoding="utf-8")
    read = Snapshot.from_manifests(tmp_path)
    assert read.get("ServiceMeshControlPlane", "a", "default") is not None and read.get("Namespace", "a", None) is not None
    data = {**read.to_json(), "objects": rows}
    assert Snapshot.from_json(data).get("ServiceMeshControlPlane", "a", "default") is not None


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ([], []),
        ([obj("v1", "Service", "pay"), obj("v1", "Pod", "shop")], ["pay", "shop"]),
        ([obj("v1", "Service", "pay"), obj("v1", "Pod", "ours")], []),
        ([obj("v1", "Namespace"), obj("v1", "Service", "pay")], ["a", "pay"]),
        ([obj("v1", "Namespace") | {"metadata": {"name": "ours"}}, obj("v1", "Service", "pay")], []),
        ([obj("rbac.authorization.k8s.io/v1", "ClusterRole")], []),
        ([{"kind": "Service", "metadata": "of a wrong type"}], []),
    ],
)
def test_objects_of_which_none_is_in_a_namespace_of_ours(objects: list[Obj], found: list[str]) -> None:
    assert strangers(objects, ["ours", "istio-system"]) == found


@pytest.mark.parametrize(
    ("given", "tells"),
    [
        (obj("networking.istio.io/v1", "VirtualService"), True),
        (obj("extensions.istio.io/v1alpha1", "WasmPlugin"), True),
        (obj("maistra.io/v1", "ServiceMeshMemberRoll"), True),
        (obj("federation.maistra.io/v1", "ServiceMeshPeer"), True),
        (obj("sailoperator.io/v1", "Istio"), True),
        (obj("gateway.networking.k8s.io/v1", "HTTPRoute"), True),
        (obj("v1", "Secret"), True),
        (obj("v1", "ConfigMap"), False),
        (obj("v1", "Namespace") | {"metadata": {"name": "a", "labels": {"istio-injection": "enabled"}}}, True),
        (obj("v1", "ConfigMap") | {"metadata": {"name": "istio-prod", "namespace": "istio-system"}}, True),
        (obj("apps/v1", "Deployment", spec={"template": {"metadata": {"annotations": {"sidecar.istio.io/inject": "true"}}}}), True),
        (obj("apps/v1", "Deployment", spec={"template": {"spec": {"containers": [{"name": "istio-proxy"}]}}}), True),
        (obj("apps/v1", "Deployment", spec={"template": {"spec": {"containers": [{"name": "web"}]}}}), False),
        (obj("apps/v1", "Deployment", spec={"template": "none"}), False),
        ({"kind": "List"}, False),
    ],
)
def test_what_is_of_a_mesh_is_told_by_kind_label_or_container(given: Obj, tells: bool) -> None:
    assert tells_of_a_mesh(given) is tells
