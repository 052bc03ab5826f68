# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose is what is in a namespace: ours, Kubernetes' own, or somebody's."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.contents import (
    OUR_VOLUME,
    USUAL,
    Contents,
    certificate_of,
    foreign_in,
    listed,
    trimmed,
)
from ansible_collections.meshops.mesh.plugins.module_utils._model.leaving import (
    has_our_fields,
    may_be_deleted,
    set_otherwise,
    still_enrolled,
    without,
)
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import (
    CREATED,
    LAYER,
    MANAGED_BY,
    MESH,
    counts_as_ours,
    made_by_us,
    owner_text,
)
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import slim

OURS = {MANAGED_BY: "meshops.mesh", MESH: "m", LAYER: "l"}
Obj = dict[str, Any]


def written(manager: str, *, labels: Any = (), annotations: Any = (), operation: str = "Apply", subresource: str = "") -> Obj:
    parts = {"labels": labels, "annotations": annotations}
    fields = {f"f:{part}": {f"f:{key}": {} for key in keys} for part, keys in parts.items() if keys}
    return {
        "manager": manager,
        "operation": operation,
        "fieldsV1": {"f:metadata": fields},
        **({"subresource": subresource} if subresource else {}),
    }


def thing(kind: str, name: str = "x", api: str = "v1", by: str = "kubectl-create", owner: Obj | None = None, **more: Any) -> Obj:
    labels, notes = more.pop("labels", {}), more.pop("annotations", {})
    meta = {
        "name": name,
        "namespace": "shop",
        "uid": f"{kind}/{name}",
        "labels": labels,
        "annotations": notes,
        "managedFields": [written(by, labels=labels, annotations=notes)],
    }
    if owner:
        meta["ownerReferences"] = [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ]
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


def ours(kind: str, name: str = "o", api: str = "v1", **more: Any) -> Obj:
    return thing(kind, name, api, "meshops.mesh", labels=dict(OURS), **more)


def found(*objects: Obj, **more: Any) -> list[str]:
    volumes = more.pop("volumes_may_go", False)
    return [str(row) for row in foreign_in(Contents("shop", objects, **more), "m", volumes_may_go=volumes)]


USUALS = [
    thing("ConfigMap", "kube-root-ca.crt"),
    thing("ConfigMap", "openshift-service-ca.crt"),
    thing("ConfigMap", "istio-ca-root-cert", by="pilot-discovery"),
    thing("ConfigMap", "istio-leader", annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}),
    thing("Secret", "istio-ca-secret"),
    thing("ServiceAccount", "default"),
    thing("ServiceAccount", "builder"),
    thing(
        "Secret",
        "default-token-x1",
        type="kubernetes.io/service-account-token",
        annotations={"kubernetes.io/service-account.name": "default"},
    ),
    thing(
        "Secret",
        "default-dockercfg-x1",
        type="kubernetes.io/dockercfg",
        annotations={"openshift.io/internal-registry-auth-token.service-account": "default"},
    ),
    thing("RoleBinding", "system:image-pullers", "rbac.authorization.k8s.io/v1"),
    thing("RoleBinding", "admin", "authorization.openshift.io/v1"),
    thing("Event"),
    thing("Event", api="events.k8s.io/v1"),
    thing("Endpoints"),
    thing("EndpointSlice", api="discovery.k8s.io/v1"),
    thing("Lease", api="coordination.k8s.io/v1"),
    thing("ClusterServiceVersion", api="operators.coreos.com/v1alpha1", labels={"olm.copiedFrom": "openshift-operators"}),
    thing("ServiceMeshMember", "default", "maistra.io/v1", annotations={"maistra.io/created-by": "member-roll"}),
    thing("NetworkAttachmentDefinition", "v2-6-istio-cni", "k8s.cni.cncf.io/v1"),
    thing("NetworkPolicy", "istio-mesh-basic", "networking.k8s.io/v1", labels={"maistra.io/owner": "istio-system"}),
    thing("ServiceAccount", "pipeline"),
    thing("ConfigMap", "config-trusted-cabundle"),
]
SOMEBODYS = [
    thing("ConfigMap", "kube-root-ca.crt-copy"),
    thing("ConfigMap", "notes", labels=dict(OURS)),  # a copy of one of ours
    thing("Secret", "pull", type="kubernetes.io/dockercfg"),
    thing("Secret", "login", annotations={"kubernetes.io/service-account.name": "default"}),
    thing("ServiceAccount", "robot"),
    thing("RoleBinding", "admin", "rbac.authorization.k8s.io/v1"),
    thing("Deployment", api="apps/v1"),
    thing("Event", api="events.example.com/v1"),  # a kind of somebody with the same name
    thing("Lease", api="flats.example.com/v1"),
    thing("Widget", api="example.com/v1"),
    thing("ServiceMeshMember", "default", "maistra.io/v1"),
    thing("ClusterServiceVersion", api="operators.coreos.com/v1alpha1"),
    thing("ResourceQuota"),
    thing("ConfigMap", "other-mesh", by="meshops.mesh", labels={**OURS, MESH: "another"}),
]


@pytest.mark.parametrize("obj", USUALS, ids=lambda obj: f"{obj['kind']}-{obj['metadata']['name']}")
def test_what_every_namespace_has_is_nobodys(obj: Obj) -> None:
    assert found(obj) == []


@pytest.mark.parametrize("obj", SOMEBODYS, ids=lambda obj: f"{obj['kind']}-{obj['metadata']['name']}")
def test_what_somebody_keeps_is_named(obj: Obj) -> None:
    (line,) = found(obj)
    assert line.startswith(f"{obj['kind']} shop/{obj['metadata']['name']} (written by ")


RBAC = "rbac.authorization.k8s.io/v1"
RIGHTS = {**OURS, LAYER: "rights"}


@pytest.mark.parametrize("kind", ["Role", "RoleBinding"])
def test_the_rights_of_an_account_of_a_mesh_are_nobodys(kind: str) -> None:
    def named(name: str, api: str = RBAC, **labels: str) -> list[str]:
        return found(thing(kind, name, api, "kubectl-client-side-apply", labels={**RIGHTS, **labels}))

    assert named("meshops-remove-m") == named("meshops-install-m") == named("meshops-remove-other", **{MESH: "other"}) == []
    for others in (
        named("admin"),
        named("meshops-remove-other"),
        named("meshops-remove-m", api="example.com/v1"),
        named("meshops-remove-m", **{LAYER: "personas"}),
        named("meshops-remove-m", **{MESH: "other"}),
        named("meshops-remove-m", **{MANAGED_BY: "helm"}),
    ):
        assert len(others) == 1


def test_every_row_says_why() -> None:
    assert all(row.reason and row.kinds for row in USUAL)
    assert all(
        row.names
        or row.labels
        or row.annotations
        or row.types
        or row.kinds
        in (("Event",), ("Endpoints",), ("EndpointSlice",), ("Lease",), ("Role", "RoleBinding"), ("ImageStreamTag", "ImageTag"))
        for row in USUAL
    ), "no row waves a whole kind through that a person writes"


def test_what_ours_own_is_ours() -> None:
    deployment = ours("Deployment", "web", "apps/v1")
    replicas = thing("ReplicaSet", "web-1", "apps/v1", "kube-controller-manager", deployment)
    assert found(deployment, replicas, thing("Pod", "web-1-a", by="kube-controller-manager", owner=replicas)) == []


def test_only_the_top_of_what_others_own_is_named() -> None:
    deployment = thing("Deployment", "web", "apps/v1")
    replicas = thing("ReplicaSet", "web-1", "apps/v1", "kube-controller-manager", deployment)
    pod = thing("Pod", "web-1-a", by="kube-controller-manager", owner=replicas)
    assert found(deployment, replicas, pod) == ["Deployment shop/web (written by kubectl-create)"]


def test_owners_of_elsewhere_count() -> None:
    istio = ours("Istio", "production", "sailoperator.io/v1")
    revision = thing("IstioRevision", "production-v1", "sailoperator.io/v1", "manager", istio)
    istiod = thing("Deployment", "istiod", "apps/v1", "manager", revision)
    owners = {obj["metadata"]["uid"]: obj for obj in (istio, revision)}
    assert found(istiod, owners=owners) == []
    theirs = {**owners, istio["metadata"]["uid"]: thing("Istio", "production", "sailoperator.io/v1")}
    assert found(istiod, owners=theirs) == ["Deployment shop/istiod (of IstioRevision production-v1)"]
    assert found(istiod) == ["Deployment shop/istiod (its owner IstioRevision production-v1 could not be read)"]
    assert found(istiod, gone=frozenset({revision["metadata"]["uid"]})) == [], "the garbage collector takes it anyway"


def test_the_controller_decides_else_every_owner() -> None:
    mine, theirs = ours("Deployment", "mine", "apps/v1"), thing("Deployment", "theirs", "apps/v1")
    shared = thing("ConfigMap", "shared", owner=mine)
    shared["metadata"]["ownerReferences"] += thing("x", owner=theirs)["metadata"]["ownerReferences"]
    shared["metadata"]["ownerReferences"][1]["controller"] = False
    assert "ConfigMap shop/shared" not in " ".join(found(mine, theirs, shared))
    shared["metadata"]["ownerReferences"][0]["controller"] = False
    assert found(mine, shared, owners={theirs["metadata"]["uid"]: theirs}) == ["ConfigMap shop/shared (of Deployment theirs)"]


def test_owners_in_a_circle_belong_to_nobody() -> None:
    first = thing("ConfigMap", "first")
    second = thing("ConfigMap", "second", owner=first)
    first["metadata"]["ownerReferences"] = thing("x", owner=second)["metadata"]["ownerReferences"]
    child = thing("ConfigMap", "third", owner=first)
    named = {line.partition(" (")[0] for line in found(first, second, child)}
    assert named == {"ConfigMap shop/first", "ConfigMap shop/second", "ConfigMap shop/third"}


def test_a_volume_always_counts() -> None:
    mine = ours("PersistentVolumeClaim", "metrics")
    database = ours("StatefulSet", "db", "apps/v1")
    owned = thing("PersistentVolumeClaim", "data-0", by="kube-controller-manager", owner=database)
    left = thing("PersistentVolumeClaim", "data-1", by="kube-controller-manager")
    theirs = thing("PersistentVolumeClaim", "a-theirs")
    assert found(mine) == [f"PersistentVolumeClaim shop/metrics ({OUR_VOLUME})"]
    assert found(mine, volumes_may_go=True) == []
    assert found(database, owned) == [f"PersistentVolumeClaim shop/data-0 ({OUR_VOLUME})"]
    assert found(database, owned, left, volumes_may_go=True) == ["PersistentVolumeClaim shop/data-1 (a volume)"]
    first, _second = found(thing("ConfigMap", "a"), theirs, volumes_may_go=True)
    assert first == "PersistentVolumeClaim shop/a-theirs (a volume)", "volumes come first"


def test_a_secret_of_our_certificate_is_ours() -> None:
    note = {"cert-manager.io/certificate-name": "edge"}
    certificate = ours("Certificate", "edge", "cert-manager.io/v1")
    secret = thing("Secret", "edge-tls", by="cert-manager-certificates-issuing", annotations=note)
    assert certificate_of(secret) == "edge" and found(certificate, secret) == []
    copy = thing("Secret", "edge-tls", by="kubectl-create", annotations=note)
    assert certificate_of(copy) == "" and len(found(certificate, copy)) == 1
    assert len(found(thing("Certificate", "edge", "cert-manager.io/v1"), secret)) == 2


def test_nothing_that_somebody_wrote_is_carried_along() -> None:
    secret = {**thing("Secret", annotations={"note": "needle", "kubernetes.io/service-account.name": "default"}), "data": {"a": "needle"}}
    assert "needle" not in str({key: value for key, value in trimmed(secret).items() if key != "metadata"})
    assert trimmed(secret)["metadata"]["annotations"] == {"kubernetes.io/service-account.name": "default"}


def test_a_list_is_bounded() -> None:
    assert listed(range(3), limit=2) == "0, 1 and 1 more" and listed(range(2), limit=2) == "0, 1"


# whose an object is


@pytest.mark.parametrize(
    ("entries", "expected", "text"),
    [
        ([written("meshops.mesh", labels=OURS)], True, "of mesh m"),
        ([written("meshops.mesh", labels=OURS, operation="Update")], True, "of mesh m"),
        ([written("meshops.mesh", labels=OURS), written("kubectl-edit", operation="Update")], True, "of mesh m"),
        ([written("kubectl-client-side-apply", labels=OURS, operation="Update")], False, "written by kubectl-client-side-apply: a copy"),
        ([written("argocd-controller", labels=OURS)], False, "written by argocd-controller: a copy"),
        ([written("meshops.mesh", labels=OURS, subresource="status")], False, "written by unknown: a copy"),
        ([written("meshops.mesh", labels=[LAYER]), written("helm", labels=[MANAGED_BY])], False, "written by helm, meshops.mesh: a copy"),
        ([], False, "written by unknown: a copy"),
    ],
)
def test_labels_alone_make_nothing_ours(entries: list[Obj], expected: bool, text: str) -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": OURS, "managedFields": entries}}
    assert made_by_us(obj, "m") is expected and text in owner_text(obj)
    assert not made_by_us(obj, "another")


# a namespace that leaves


def space(labels: Obj | None = None, *, made: bool = True, by: str = "meshops.mesh", more: Any = ()) -> Obj:
    labels = OURS if labels is None else labels
    notes = {CREATED: "true"} if made else {}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "shop",
            "labels": labels,
            "annotations": notes,
            "managedFields": [written(by, labels=labels, annotations=notes), *more],
        },
    }


@pytest.mark.parametrize(
    ("namespace", "deletable", "ours_on_it"),
    [
        (space(), True, True),
        (space(made=False), False, True),
        (space({}), True, False),  # left a mesh before: the note alone remains
        (space({**OURS, MESH: "another"}), False, False),
        (space({**OURS, MANAGED_BY: "Helm"}), False, True),
        (space(by="kubectl-client-side-apply"), False, False),  # a copy of one of ours
        (space({"istio-injection": "enabled"}, made=False, by="kubectl-label"), False, False),
    ],
)
def test_which_namespaces_are_ours_to_delete_or_to_let_go(namespace: Obj, deletable: bool, ours_on_it: bool) -> None:
    assert may_be_deleted(namespace, "m") is deletable
    assert has_our_fields(namespace, "m") is ours_on_it


def test_labels_that_an_upgrade_has_set_are_found() -> None:
    patched = written("meshops.mesh", labels=["istio.io/rev", "istio-discovery"], operation="Update")
    both = written("kubectl-label", labels=["istio-discovery"], operation="Update")
    namespace = space({**OURS, "istio.io/rev": "v2", "istio-discovery": "m"}, more=(patched, both))
    assert set_otherwise(namespace) == {"labels": ["istio.io/rev"], "annotations": []}
    left = without(namespace, set_otherwise(namespace))
    assert "istio.io/rev" not in left["metadata"]["labels"] and left["metadata"]["labels"]["istio-discovery"] == "m"
    assert still_enrolled(left) == "others set istio-discovery=m (by kubectl-label), which keeps its pods in a mesh: take that off as well"
    assert still_enrolled(space()) == ""


@pytest.mark.parametrize(("by", "expected"), [("meshops.mesh", True), ("kubectl-client-side-apply", False)])
def test_a_snapshot_tells_a_copy_from_ours(by: str, expected: bool) -> None:
    kept = slim(thing("ConfigMap", "a", by=by, labels=dict(OURS)))
    assert counts_as_ours(kept, "m") is expected and "kubectl" not in str(kept)
    assert "managedFields" not in slim(thing("ConfigMap", "a"))["metadata"]
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": OURS}}
    assert counts_as_ours(manifest, "m") and not counts_as_ours(manifest, "another"), "a file does not say who writes"
