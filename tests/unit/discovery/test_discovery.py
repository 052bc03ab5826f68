# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found out about a mesh that somebody else made, and from which object."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._discovery.discover import READS, discover
from ansible_collections.meshops.mesh.plugins.module_utils._discovery.model import DiscoveredMesh, Discovery, Fact
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from checks.builder import snapshot

from .meshes import MAISTRA, OSSM3, SAIL, istioctl, istiod, mesh_config, pod

Entries = list[dict[str, Any]]


def found(entries: Entries, source: str = "cluster") -> Discovery:
    return discover(View(snapshot(entries, source=source)))


def only(entries: Entries, source: str = "cluster") -> DiscoveredMesh:
    meshes = found(entries, source).meshes
    assert len(meshes) == 1
    return meshes[0]


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (istioctl(), ("istio", "istio-system/default", "1.31.0", "default", ["shop"])),
        (SAIL, ("sail", "istio-system/default", "v1.30.3", "default", ["shop"])),
        (OSSM3, ("ossm3", "istio-prod/production", "v1.27.3", "production-v1-27-3", ["pay", "shop"])),
        (MAISTRA, ("ossm2", "istio-system/basic", "v2.6", "basic", ["shop"])),
    ],
    ids=["istioctl", "sail", "ossm3", "maistra"],
)
def test_one_control_plane_of_each_provider(entries: Entries, told: tuple[str, str, str, str, list[str]]) -> None:
    mesh = only(entries)
    assert (mesh.provider.value, mesh.title, mesh.version.value, mesh.active_revision.value, list(mesh.namespaces)) == told
    assert mesh.provider.source and mesh.version.source


def test_each_fact_names_what_says_it() -> None:
    mesh = only(istioctl())
    assert mesh.provider == Fact("istio", "no Istio and no ServiceMeshControlPlane is behind it")
    assert mesh.version == Fact("1.31.0", "Deployment istio-system/istiod")
    assert mesh.trust_domain == Fact("example.org", "ConfigMap istio-system/istio")
    assert mesh.root_namespace == Fact("istio-system", "Istio's default")
    assert [(row.namespace, row.by, row.source) for row in mesh.members] == [("shop", "label", "Namespace shop")]
    assert [(row.ref, row.role) for row in mesh.gateways] == [("Deployment istio-system/istio-ingressgateway", "ingress")]
    assert only(MAISTRA).members[0].source == "ServiceMeshMemberRoll istio-system/default"
    assert only(MAISTRA).trust_domain == Fact("corp.example", "ServiceMeshControlPlane istio-system/basic")


def test_operators_and_tools_are_the_meshs() -> None:
    assert [row.package for row in only(OSSM3).operators] == ["kiali-ossm", "servicemeshoperator3"]
    assert [(row.name, row.source) for row in only(OSSM3).tools] == [("kiali", "Kiali istio-prod/kiali")]
    assert [row.package for row in only(MAISTRA).operators] == ["servicemeshoperator"]
    assert [row.name for row in only(MAISTRA).tools] == ["jaeger"]


def test_revisions_of_one_mesh_are_together() -> None:
    told = [(row.name, row.version.value, row.deployment) for row in only(OSSM3).revisions]
    assert told == [
        ("production-v1-27-3", "v1.27.3", "Deployment istio-prod/istiod-production-v1-27-3"),
        ("production-v1-26-2", "v1.26.2", ""),
    ]


SUBSCRIBED = {"Subscription operators/mesh": {"spec": {"name": "servicemeshoperator3"}}}
REDHAT = istiod("istio-system", image="registry.redhat.io/openshift-service-mesh/istio-pilot-rhel9@sha256:00")
PUBLIC = istiod("istio-system", image="gcr.io/istio-release/pilot:1.30.3")


@pytest.mark.parametrize(
    ("more", "provider", "source"),
    [
        ([SUBSCRIBED], "ossm3", "Subscription operators/mesh"),
        ([{"ClusterServiceVersion ops/servicemeshoperator3.v3.1.0": {}}], "ossm3", "ClusterServiceVersion ops/servicemeshoperator3.v3.1.0"),
        ([{"Deployment operators/servicemesh-operator3": {}}], "ossm3", "Deployment operators/servicemesh-operator3"),
        ([{"Deployment sail-operator/sail-operator": {}}, REDHAT], "sail", "Deployment sail-operator/sail-operator"),
        ([REDHAT], "ossm3", "the image of Deployment istio-system/istiod"),
        ([PUBLIC, {"Route shop/shop": {}}], "sail", "the image of Deployment istio-system/istiod"),
        ([{"Route shop/shop": {}}], "ossm3", "Route shop/shop: the cluster is OpenShift"),
        ([], "sail", "nothing says whose operator runs it"),
    ],
)  # fmt: skip
def test_whose_operator_it_is(more: Entries, provider: str, source: str) -> None:
    mesh = only([{"Istio default": {"spec": {"namespace": "istio-system", "version": "v1.30.3"}}}, *more])
    assert (mesh.provider.value, mesh.provider.source) == (provider, source)
    assert mesh.provider.guessed is (not any(word in source for word in ("Subscription", "ClusterService", "Deployment")))


CANARY = [
    istiod("istio-system", "1-30-3", "gcr.io/istio-release/pilot:1.30.3"), mesh_config("istio-system", "1-30-3"),
    istiod("istio-system", "1-31-0"), mesh_config("istio-system", "1-31-0"),
]  # fmt: skip
TAG = {"MutatingWebhookConfiguration istio-revision-tag-default": {"labels": {"istio.io/tag": "default", "istio.io/rev": "1-30-3"}}}


@pytest.mark.parametrize(
    ("entries", "active"), [(CANARY, Fact("1-31-0", "the newest version")), ([*CANARY, TAG], Fact("1-30-3", "the tag default"))]
)
def test_a_canary_of_istioctl_is_one_mesh(entries: Entries, active: Fact) -> None:
    mesh = only(
        [*entries, {"Namespace shop": {"labels": {"istio.io/rev": "1-30-3"}}}, {"Namespace new": {"labels": {"istio.io/rev": "1-31-0"}}}]
    )
    assert mesh.active_revision == active
    assert {row.name for row in mesh.revisions} == {"1-30-3", "1-31-0"}
    assert mesh.namespaces == ("new", "shop")


def test_members_by_tag_ambient_and_pods() -> None:
    entries = [
        istiod("istio-system", "1-31-0"), mesh_config("istio-system", "1-31-0"),
        {"MutatingWebhookConfiguration istio-revision-tag-prod": {"labels": {"istio.io/tag": "prod", "istio.io/rev": "1-31-0"}}},
        {"DaemonSet istio-system/ztunnel": {"labels": {"app": "ztunnel"}}},
        pod("istio-system/ztunnel-1", "1-31-0", app="ztunnel"),
        {"Namespace tagged": {"labels": {"istio.io/rev": "prod"}}},
        {"Namespace sidecarless": {"labels": {"istio.io/dataplane-mode": "ambient"}}},
        {"Namespace ingress": {}}, pod("ingress/gateway-1", "1-31-0"),
        {"Namespace others": {}}, pod("others/app-1", "gone"), {"Pod others/plain": {"status": {"phase": "Running"}}},
    ]  # fmt: skip
    mesh = only(entries)
    assert [(row.namespace, row.by) for row in mesh.members] == [("ingress", "pods"), ("sidecarless", "ambient"), ("tagged", "label")]
    assert mesh.ambient == Fact("true", "DaemonSet istio-system/ztunnel")


def two() -> Entries:
    entries: Entries = []
    for name in ("a", "b"):
        selector = {"values": {"meshConfig": {"discoverySelectors": [{"matchLabels": {"mesh": name}}]}}}
        entries += [
            {f"Istio mesh-{name}": {"spec": {"namespace": f"istio-{name}", "version": "v1.30.3", **selector}}},
            {f"Namespace istio-{name}": {"labels": {"mesh": name}}},
            {f"Namespace app-{name}": {"labels": {"mesh": name, "istio.io/rev": f"mesh-{name}"}}},
            {f"Kiali istio-{name}/kiali": {}},
        ]
    return [*entries, *MAISTRA, {"Namespace plain": {}}, {"Namespace seen": {"labels": {"mesh": "a"}}}]


def test_several_meshes_keep_apart() -> None:
    meshes = {row.title: row for row in found(two()).meshes}
    assert list(meshes) == ["istio-a/mesh-a", "istio-b/mesh-b", "istio-system/basic"]
    assert {title: row.namespaces for title, row in meshes.items()} == {
        "istio-a/mesh-a": ("app-a",), "istio-b/mesh-b": ("app-b",), "istio-system/basic": ("shop",),
    }  # fmt: skip
    assert meshes["istio-a/mesh-a"].reads == {"istio-a", "app-a", "seen"}
    assert meshes["istio-system/basic"].reads == {"istio-system", "shop"}
    assert [row.source for row in meshes["istio-b/mesh-b"].tools] == ["Kiali istio-b/kiali"]


def test_a_single_mesh_reads_every_namespace_that_it_discovers() -> None:
    assert only(istioctl()).reads == {"istio-system", "shop", "off", "plain"}


@pytest.mark.parametrize(
    ("entries", "remote"),
    [
        ([{"MutatingWebhookConfiguration istio-sidecar-injector": {"webhooks": [
            {"name": "rev.namespace.sidecar-injector.istio.io", "clientConfig": {"url": "https://istiod.example/inject"}}]}}],
         "MutatingWebhookConfiguration istio-sidecar-injector calls https://istiod.example/inject"),
        ([{"Service istio-system/istiod": {"spec": {"ports": []}}}], "Service istio-system/istiod has no selector"),
    ],
)  # fmt: skip
def test_an_istiod_of_another_cluster(entries: Entries, remote: str) -> None:
    mesh = only([mesh_config("istio-system"), *entries])
    assert mesh.remote == Fact("true", remote)
    istio = {"Istio default": {"spec": {"namespace": "istio-system", "version": "v1.30.3", "profile": "remote"}}}
    assert only([istio]).remote == Fact("true", "spec.profile of Istio default")


def test_what_an_istiod_left_behind_is_no_mesh() -> None:
    assert found([mesh_config("istio-system", "1-20")]) == Discovery(
        (), ("there is the configuration of an istiod istio-system/1-20 that does not run",)
    )
    assert found([{"Namespace shop": {"labels": {"istio-injection": "enabled"}}}]) == Discovery()


def test_manifests_say_it_too() -> None:
    operator = {"IstioOperator istio-system/mesh": {"spec": {"tag": "1.22.0", "meshConfig": {"trustDomain": "corp.example"}}}}
    mesh = only([operator], "manifests")
    assert (mesh.provider.value, mesh.title, mesh.version.value) == ("istio", "istio-system/default", "1.22.0")
    assert mesh.trust_domain == Fact("corp.example", "IstioOperator istio-system/mesh")
    assert only([mesh_config("istio-system")], "manifests").source == "ConfigMap istio-system/istio"
    workload = {"Deployment shop/web": {"spec": {"template": {"metadata": {"labels": {"sidecar.istio.io/inject": "true"}}}}}}
    smm = {"ServiceMeshMember extra/default": {"spec": {"controlPlaneRef": {"name": "basic", "namespace": "istio-system"}}}}
    assert only([mesh_config("istio-system"), workload], "manifests").namespaces == ("shop",)
    roll = {"ServiceMeshMemberRoll istio-system/default": {"spec": {"members": ["shop"]}}}
    assert only([MAISTRA[0], roll, smm], "manifests").namespaces == ("extra", "shop")


def test_a_cluster_wide_control_plane_selects_its_members() -> None:
    wide = {"ServiceMeshControlPlane istio-system/basic": {"spec": {"version": "v2.6", "mode": "ClusterWide"}}}
    spaces: Entries = [{"Namespace shop": {"labels": {"istio-injection": "enabled"}}}, {"Namespace pay": {"labels": {"mesh": "yes"}}}]
    assert only([wide, *spaces], "manifests").namespaces == ("shop",)
    roll = {
        "ServiceMeshMemberRoll istio-system/default": {"spec": {"members": ["*"], "memberSelectors": [{"matchLabels": {"mesh": "yes"}}]}}
    }
    assert only([wide, roll, *spaces], "manifests").namespaces == ("pay",)
    assert only([MAISTRA[0], *spaces], "manifests").namespaces == ()


@pytest.mark.parametrize("entries", [istioctl(), SAIL, OSSM3, MAISTRA, two()])
def test_what_is_read_is_declared(entries: Entries) -> None:
    view = View(snapshot(entries))
    discover(view)
    assert view.read <= set(READS)


@pytest.mark.parametrize("entries", [[*istioctl(), pod("shop/web-1"), TAG], SAIL, OSSM3, MAISTRA, two()])
def test_a_snapshot_file_says_what_its_cluster_said(entries: Entries) -> None:
    seen = snapshot(entries)
    kept = replace(Snapshot.from_json(json.loads(json.dumps(seen.to_json()))), source=seen.source)
    assert discover(View(kept)) == discover(View(seen))


def test_an_injector_at_an_address_and_a_service_without_pods_survive_a_file() -> None:
    hook = {"name": "rev.namespace.sidecar-injector.istio.io", "clientConfig": {"url": "https://istiod.example/inject"}}
    for entry in (
        {"MutatingWebhookConfiguration injector": {"webhooks": [hook]}},
        {"Service istio-system/istiod": {"spec": {"ports": []}}},
    ):
        seen = snapshot([mesh_config("istio-system"), entry])
        kept = replace(Snapshot.from_json(json.loads(json.dumps(seen.to_json()))), source=seen.source)
        assert discover(View(kept)).meshes[0].remote == discover(View(seen)).meshes[0].remote
