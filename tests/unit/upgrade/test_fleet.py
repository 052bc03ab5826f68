# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet: who owns each proxy, what it runs, what its next pod would get."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.fleet import Fleet, FleetWorkload, fleet_of, with_reports

from upgrade.world import HUB, deployment, istio, istiod, namespace, obj, owner, pod, revision, snapshot, tag

PLANE = (
    istio(
        "prod", "v1.30.3", updateStrategy={"type": "RevisionBased", "updateWorkloads": True}, status={"activeRevisionName": "prod-v1-30-3"}
    ),
    revision("prod-v1-30-3", "v1.30.3", istio_name="prod"),
    revision("prod-v1-29-4", "v1.29.4", istio_name="prod"),
    istiod("prod-v1-30-3", "1.30.3"),
    istiod("prod-v1-29-4", "1.29.4", replicas=1),
    tag("stable", "IstioRevision", "prod-v1-29-4", "prod-v1-29-4"),
    tag("default", "Istio", "prod", "prod-v1-30-3"),
)


def only(fleet: Fleet) -> FleetWorkload:
    (found,) = fleet.workloads
    return found


HASH = {"pod-template-hash": "7d9f"}
OWNERS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str, bool]] = {
    "Deployment by its ReplicaSet": (
        [deployment("shop/cart"), obj("apps/v1", "ReplicaSet", "shop/cart-7d9f", metadata=owner("Deployment", "cart"))],
        {"owned_by": owner("ReplicaSet", "cart-7d9f"), "labels": HASH},
        "Deployment shop/cart",
        True,
    ),
    "Deployment without ReplicaSets in the source": (
        [deployment("shop/cart")],
        {"owned_by": owner("ReplicaSet", "cart-7d9f"), "labels": HASH},
        "Deployment shop/cart",
        True,
    ),
    "ReplicaSet of nobody": (
        [obj("apps/v1", "ReplicaSet", "shop/cart")],
        {"owned_by": owner("ReplicaSet", "cart")},
        "ReplicaSet shop/cart",
        False,
    ),
    "ReplicaSet of an Argo Rollout": (
        [obj("apps/v1", "ReplicaSet", "shop/cart-7d9f", metadata=owner("Rollout", "cart", "argoproj.io/v1alpha1"))],
        {"owned_by": owner("ReplicaSet", "cart-7d9f"), "labels": HASH},
        "Rollout shop/cart",
        False,
    ),
    "StatefulSet": ([deployment("shop/db", kind="StatefulSet")], {"owned_by": owner("StatefulSet", "db")}, "StatefulSet shop/db", True),
    "DaemonSet": ([deployment("shop/log", kind="DaemonSet")], {"owned_by": owner("DaemonSet", "log")}, "DaemonSet shop/log", True),
    "Job": ([obj("batch/v1", "Job", "shop/once")], {"owned_by": owner("Job", "once", "batch/v1")}, "Job shop/once", False),
    "Job of a CronJob": (
        [obj("batch/v1", "Job", "shop/nightly-1", metadata=owner("CronJob", "nightly", "batch/v1"))],
        {"owned_by": owner("Job", "nightly-1", "batch/v1")},
        "CronJob shop/nightly",
        False,
    ),
    "bare": ([], {}, "Pod shop/x", False),
}


@pytest.mark.parametrize("name", OWNERS)
def test_who_owns_a_pod(name: str) -> None:
    there, given, wanted, restartable = OWNERS[name]
    found = only(fleet_of(snapshot(namespace("shop", istio__injection=""), pod("shop/x", **given), *there)))
    assert (found.ref, found.restartable) == (wanted, restartable)


def test_pods_that_are_over_or_going_do_not_count() -> None:
    gone = pod("shop/b")
    gone["metadata"]["deletionTimestamp"] = "2026-11-21T11:59:00Z"
    assert fleet_of(snapshot(pod("shop/a", phase="Succeeded"), gone, pod("shop/c", image=""))).workloads == ()


@pytest.mark.parametrize(
    ("labels", "template", "follows", "leads", "overruled"),
    [
        ({"istio.io/rev": "stable"}, {}, "stable", "prod-v1-29-4", ""),
        ({"istio.io/rev": "prod-v1-30-3"}, {}, "prod-v1-30-3", "prod-v1-30-3", ""),
        ({"istio-injection": "enabled"}, {}, "default", "prod-v1-30-3", ""),
        # istio-injection wins over istio.io/rev, and the namespace over the pod
        ({"istio-injection": "enabled", "istio.io/rev": "stable"}, {}, "default", "prod-v1-30-3", ""),
        ({"istio.io/rev": "stable"}, {"istio.io/rev": "prod-v1-30-3"}, "stable", "prod-v1-29-4", "prod-v1-30-3"),
        ({}, {"istio.io/rev": "stable"}, "stable", "prod-v1-29-4", ""),
        ({}, {"sidecar.istio.io/inject": "true"}, "default", "prod-v1-30-3", ""),
        ({"istio.io/rev": "gone"}, {}, "gone", "", ""),
    ],
)
def test_what_the_next_pod_would_get(labels: dict[str, str], template: dict[str, str], follows: str, leads: str, overruled: str) -> None:
    shop = obj("v1", "Namespace", "shop", labels=labels)
    found = only(fleet_of(snapshot(*PLANE, shop, deployment("shop/cart", labels=template, replicas=0))))
    assert (found.follows, found.next_revision, found.overruled) == (follows, leads, overruled)
    assert (found.replicas, found.proxies) == (0, ())


@pytest.mark.parametrize(
    ("labels", "template"),
    [
        ({}, {}),
        ({"istio-injection": "disabled"}, {"sidecar.istio.io/inject": "true"}),
        ({"istio.io/rev": "stable"}, {"sidecar.istio.io/inject": "false"}),
    ],
)
def test_what_nobody_injects_is_no_workload_of_the_mesh(labels: dict[str, str], template: dict[str, str]) -> None:
    shop = obj("v1", "Namespace", "shop", labels=labels)
    assert fleet_of(snapshot(*PLANE, shop, deployment("shop/cart", labels=template))).workloads == ()


DIGEST = f"{HUB}/proxyv2@sha256:0123"
NOTES = {"images.v1_24_3.proxy": DIGEST, "images.v1_24_3.istiod": f"{HUB}/pilot@sha256:4567"}


def operator(notes: dict[str, str]) -> dict[str, Any]:
    return deployment("openshift-operators/servicemesh-operator3", annotations=notes)


def test_the_version_of_a_digest_is_what_the_operator_says() -> None:
    (proxy,) = fleet_of(snapshot(operator(NOTES), pod("shop/x", image=DIGEST))).proxies
    assert (proxy.version, proxy.version_from) == ("1.24.3", "operator")
    (proxy,) = fleet_of(snapshot(operator({"olm.relatedImage.v2_6.proxyv2": DIGEST}), pod("shop/x", image=DIGEST))).proxies
    assert proxy.version == "2.6"
    (proxy,) = fleet_of(snapshot(pod("shop/x", image=DIGEST))).proxies
    assert (proxy.version, proxy.version_from) == ("", "")


def test_what_the_proxy_says_goes_before_its_image() -> None:
    fleet = with_reports(fleet_of(snapshot(pod("shop/x"), pod("shop/y"))), {("shop", "x"): "1.30.1"})
    assert {(row.pod, row.version, row.version_from) for row in fleet.proxies} == {("x", "1.30.1", "proxy"), ("y", "1.29.4", "image")}


def test_a_proxy() -> None:
    (proxy,) = fleet_of(snapshot(pod("shop/x", rev="prod-v1-29-4", native=True, ready=False))).proxies
    assert (proxy.revision, proxy.role, proxy.ready, proxy.node, proxy.ref) == ("prod-v1-29-4", "sidecar", False, "node-1", "Pod shop/x")
    # a pod whose note is broken still has its annotation, and a label may be a tag
    (proxy,) = fleet_of(snapshot(pod("shop/x", annotations={"sidecar.istio.io/status": "{", "istio.io/rev": "b"}))).proxies
    assert proxy.revision == "b"
    labelled = pod("shop/x", labels={"istio.io/rev": "stable"}, annotations={"sidecar.istio.io/status": "{}", "istio.io/rev": ""})
    assert fleet_of(snapshot(*PLANE, labelled)).proxies[0].revision == "prod-v1-29-4"


ROLES = {
    "sidecar": ({}, {}, ("app",)),
    "gateway": ({}, {"inject.istio.io/templates": "gateway"}, ()),
    "waypoint": ({"gateway.istio.io/managed": "istio.io-mesh-controller"}, {}, ()),
}


@pytest.mark.parametrize("role", ROLES)
def test_roles(role: str) -> None:
    labels, annotations, containers = ROLES[role]
    (proxy,) = fleet_of(snapshot(pod("shop/x", labels=labels, annotations=annotations, containers=containers))).proxies
    assert proxy.role == role


def test_gateways_of_the_gateway_api_are_rolled_by_istiod() -> None:
    labels = {"gateway.istio.io/managed": "istio.io-gateway-controller", "istio.io/rev": "stable"}
    found = only(
        fleet_of(
            snapshot(
                *PLANE,
                namespace("shop"),
                deployment("shop/gw-istio", labels={**labels, "sidecar.istio.io/inject": "false"}),
                pod("shop/x", owned_by=owner("ReplicaSet", "gw-istio-7d9f"), labels={**HASH, **labels}, containers=()),
            )
        )
    )
    assert (found.role, found.managed, found.restartable, found.follows, found.next_revision) == (
        "gateway",
        True,
        False,
        "stable",
        "prod-v1-29-4",
    )


def test_ztunnel_is_no_proxy_of_a_workload() -> None:
    assert fleet_of(snapshot(pod("istio-system/ztunnel-x", labels={"app": "ztunnel"}, containers=()))).proxies == ()


def test_the_control_plane() -> None:
    fleet = fleet_of(snapshot(*PLANE))
    (plane,) = fleet.control_planes
    assert (plane.ref, plane.revision_based, plane.grace_seconds, plane.update_workloads) == ("Istio prod", True, None, True)
    assert fleet.names_of(plane) == {"prod-v1-29-4", "prod-v1-30-3"}
    old = fleet.revision("prod-v1-29-4")
    assert old is not None
    assert (old.version, old.deployment, old.replicas, old.ready, old.in_use) == ("v1.29.4", "istiod-prod-v1-29-4", 1, True, True)
    assert [(row.name, row.revision) for row in fleet.tags] == [("default", "prod-v1-30-3"), ("stable", "prod-v1-29-4")]


def test_an_istiod_and_a_tag_that_no_operator_made() -> None:
    hook = obj(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "istio-revision-tag-stable",
        labels={"istio.io/tag": "stable", "istio.io/rev": "1-29"},
    )
    fleet = fleet_of(snapshot(istiod("1-29", "1.29.4"), hook, namespace("shop", istio__io="x")))
    (found,) = fleet.revisions
    assert (found.name, found.version, found.made_by, found.ref) == ("1-29", "1.29.4", "Deployment", "Deployment istio-system/istiod-1-29")
    assert [(row.name, row.revision) for row in fleet.tags] == [("stable", "1-29")]


def test_node_components_and_crds() -> None:
    cni = obj("sailoperator.io/v1", "IstioCNI", "default", spec={"namespace": "istio-cni", "version": "v1.29.4"})
    nodes = deployment("istio-cni/istio-cni-node", kind="DaemonSet")
    nodes["spec"]["template"]["spec"]["containers"] = [{"name": "install-cni", "image": f"{HUB}/install-cni:1.29.1"}]
    nodes["status"] = {"desiredNumberScheduled": 3, "numberReady": 2}
    crd = obj(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "gateways.gateway.networking.k8s.io",
        annotations={"gateway.networking.k8s.io/bundle-version": "v1.4.0"},
        spec={
            "group": "gateway.networking.k8s.io",
            "versions": [{"name": "v1", "served": True, "storage": True}, {"name": "v1beta1", "served": True, "deprecated": True}],
        },
    )
    fleet = fleet_of(snapshot(cni, nodes, crd))
    (component,) = fleet.components
    assert (component.ref, component.version, component.running, component.nodes, component.ready) == (
        "IstioCNI default",
        "v1.29.4",
        "1.29.1",
        3,
        False,
    )
    (found,) = fleet.crds
    assert (found.served, found.storage, found.deprecated, found.bundle) == (("v1", "v1beta1"), "v1", ("v1beta1",), "v1.4.0")


def subscription(**status: Any) -> dict[str, Any]:
    spec = {
        "name": "servicemeshoperator3",
        "channel": "stable",
        "source": "redhat-operators",
        "sourceNamespace": "openshift-marketplace",
        "installPlanApproval": "Manual",
    }
    return obj("operators.coreos.com/v1alpha1", "Subscription", "openshift-operators/ossm3", spec=spec, status=status)


def test_an_operator_with_its_pending_plan_and_channel() -> None:
    sub = subscription(
        installedCSV="servicemeshoperator3.v3.1.0",
        currentCSV="servicemeshoperator3.v3.1.1",
        state="UpgradePending",
        installPlanRef={"name": "install-b", "uid": "u2"},
    )
    csv = obj(
        "operators.coreos.com/v1alpha1",
        "ClusterServiceVersion",
        "openshift-operators/servicemeshoperator3.v3.1.0",
        status={"phase": "Succeeded"},
    )
    plans = [
        obj(
            "operators.coreos.com/v1alpha1",
            "InstallPlan",
            f"openshift-operators/install-{name}",
            metadata={"uid": uid},
            spec={"approved": False, "clusterServiceVersionNames": [csv_name]},
            status={"phase": "RequiresApproval"},
        )
        for name, uid, csv_name in (("a", "u1", "old.v1"), ("b", "u2", "servicemeshoperator3.v3.1.1"))
    ]
    entries = [{"name": f"servicemeshoperator3.v{version}"} for version in ("3.2.0", "3.1.1", "3.1.0")]
    manifest = obj(
        "packages.operators.coreos.com/v1",
        "PackageManifest",
        "openshift-marketplace/servicemeshoperator3",
        status={
            "catalogSource": "redhat-operators",
            "channels": [{"name": "stable", "currentCSV": "servicemeshoperator3.v3.2.0", "entries": entries}],
        },
    )
    (found,) = fleet_of(snapshot(sub, csv, *plans, manifest)).operators
    assert (found.ref, found.phase, found.installed_csv, found.next_csv) == (
        "Subscription openshift-operators/ossm3",
        "Succeeded",
        "servicemeshoperator3.v3.1.0",
        "servicemeshoperator3.v3.1.1",
    )
    assert found.pending is not None and found.pending.csvs == ("servicemeshoperator3.v3.1.1",)
    assert (found.head, found.hops) == (
        "servicemeshoperator3.v3.2.0",
        tuple(f"servicemeshoperator3.v{version}" for version in ("3.1.0", "3.1.1", "3.2.0")),
    )


def maistra(*, inject: str = "true") -> list[dict[str, Any]]:
    return [
        obj("maistra.io/v2", "ServiceMeshControlPlane", "mesh/basic", spec={"version": "v2.5"}, status={"chartVersion": "2.5.9"}),
        obj("maistra.io/v1", "ServiceMeshMemberRoll", "mesh/default", spec={"members": ["shop"]}, status={"configuredMembers": ["shop"]}),
        namespace("shop"),
        namespace("mesh"),
        deployment("shop/cart", annotations={"sidecar.istio.io/inject": inject}),
        pod("shop/x", owned_by=owner("ReplicaSet", "cart-7d9f"), labels=HASH, rev="basic", image="quay.io/maistra/proxyv2-ubi8:2.5.9"),
    ]


def test_a_mesh_of_the_second_generation() -> None:
    gateway = deployment("mesh/istio-ingressgateway", containers=("istio-proxy",), labels={"sidecar.istio.io/inject": "true"})
    gateway["metadata"] |= owner("ServiceMeshControlPlane", "basic", "maistra.io/v2")
    fleet = fleet_of(snapshot(*maistra(), gateway))
    (plane,) = fleet.control_planes
    assert (plane.ref, plane.version, plane.running) == ("ServiceMeshControlPlane mesh/basic", "v2.5", "2.5.9")
    found = {row.ref: (row.role, row.follows, row.next_revision, row.managed, row.versions) for row in fleet.workloads_of(plane)}
    assert found == {
        "Deployment shop/cart": ("sidecar", "basic", "basic", False, ("2.5.9",)),
        "Deployment mesh/istio-ingressgateway": ("gateway", "basic", "basic", True, ()),
    }
    assert only(fleet_of(snapshot(*maistra(inject="false")))).next_revision == ""


def test_members_of_the_second_generation_are_those_of_rolls_of_members_and_of_labels() -> None:
    asked = {"sidecar.istio.io/inject": "true"}
    member = {"controlPlaneRef": {"name": "basic", "namespace": "mesh"}}
    elsewhere = {"controlPlaneRef": {"name": "basic", "namespace": "other"}}
    objects = [
        obj("maistra.io/v2", "ServiceMeshControlPlane", "mesh/basic", spec={"version": "v2.6"}, status={}),
        obj(
            "maistra.io/v1", "ServiceMeshMemberRoll", "mesh/default", spec={"members": ["wished"]}, status={"configuredMembers": ["books"]}
        ),
        obj("maistra.io/v1", "ServiceMeshMember", "shop/default", spec=member),
        obj("maistra.io/v1", "ServiceMeshMember", "far/default", spec=elsewhere),
        obj("v1", "Namespace", "pay", labels={"maistra.io/member-of": "mesh"}),
        obj("v1", "Namespace", "alien", labels={"maistra.io/member-of": "other"}),
        *(deployment(f"{space}/app", annotations=asked) for space in ("books", "wished", "shop", "far", "pay", "alien", "mesh")),
    ]
    found = {row.owner.namespace for row in fleet_of(snapshot(*objects)).workloads if row.follows == "basic"}
    assert found == {"books", "shop", "pay", "mesh"}


def test_a_control_plane_whose_version_nobody_says() -> None:
    fleet = fleet_of(snapshot(obj("maistra.io/v2", "ServiceMeshControlPlane", "mesh/basic", spec={}, status={})))
    assert [(row.name, row.version) for row in fleet.revisions] == [("basic", "")]


@pytest.mark.parametrize("labels", [{"app": "istiod", "istio.io/rev": "basic"}, {"app": "other"}])
def test_the_istiod_of_a_control_plane_of_the_second_generation(labels: dict[str, str]) -> None:
    plane = obj("maistra.io/v2", "ServiceMeshControlPlane", "mesh/basic", spec={"version": "v2.6"}, status={})
    running = obj("apps/v1", "Deployment", "mesh/istiod-basic", labels=labels, spec={"replicas": 2}, status={"readyReplicas": 2})
    (found,) = fleet_of(snapshot(plane, running)).revisions
    assert (found.name, found.version, found.deployment, found.replicas, found.ready) == ("basic", "v2.6", "istiod-basic", 2, True)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("RollingUpdate", "", "", False, 0, 0)),
        ({"minReadySeconds": 30, "progressDeadlineSeconds": 90, "paused": True}, ("RollingUpdate", "", "", True, 30, 90)),
        ({"strategy": {"type": "Recreate"}}, ("Recreate", "", "", False, 0, 0)),
        ({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}}, ("RollingUpdate", "25%", "0", False, 0, 0)),
    ],
)
def test_how_a_workload_rolls_out(spec: dict[str, Any], expected: tuple[Any, ...]) -> None:
    row = only(fleet_of(snapshot(*PLANE, namespace("shop", istio_io__rev="stable"), deployment("shop/cart", **spec))))
    assert (row.strategy, row.max_unavailable, row.max_surge, row.paused, row.min_ready_seconds, row.progress_deadline) == expected


def test_a_folder_of_manifests_has_a_fleet_too() -> None:
    found = fleet_of(
        snapshot(
            istio("prod", "v1.30.3", status={}),
            obj("v1", "Namespace", "shop", labels={"istio.io/rev": "prod"}),
            deployment("shop/cart", replicas=3),
            source="manifests",
            server_version=None,
        )
    )
    assert [(row.next_revision, row.replicas) for row in found.workloads] == [("prod", 3)]
    assert found.kubernetes == ""
