# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a migration, from objects as a cluster has them: what is written, and what stands in the way."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._migration.settings import Domain, MigrationSettings, Plane
from ansible_collections.meshops.mesh.plugins.module_utils._migration.state import domain_state, plane_state
from ansible_collections.meshops.mesh.plugins.module_utils._migration.steps import (
    MigrationStep,
    back,
    gateways_back,
    gateways_moved,
    gateways_waiting,
    moved,
    prepared,
    released,
    removed,
    restarts,
    roots_waiting,
    tidied,
    waiting,
)
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

Obj = dict[str, Any]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SETTINGS = MigrationSettings(mesh="travel", version="v1.27.3")
SHOP = Domain("shop", ("shop",))
ROOT = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
GATES = {"istio-ingressgateway": ("istio-system", "gateways.ingress")}


def obj(title: str, version: str = "v1", **body: Any) -> Obj:
    kind, _space, where = title.partition(" ")
    namespace, slash, name = where.partition("/")
    meta = {"name": name if slash else namespace, **({"namespace": namespace} if slash else {})}
    meta |= {key: body.pop(key) for key in ("labels", "annotations", "ownerReferences", "resourceVersion") if key in body}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **body}


SMCP = obj("ServiceMeshControlPlane istio-system/basic", "maistra.io/v2", spec={})
PLANE = Plane("basic", "istio-system", SMCP)
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
HOOK = {
    "namespaceSelector": {"matchExpressions": [{"key": "istio.io/rev", "operator": "In", "values": ["travel"]}]},
    "clientConfig": {"caBundle": "x", "service": {"name": "istiod-basic-v1-27-3", "namespace": "istio-system"}},
}
NEW_PLANE = [
    obj("Istio basic", "sailoperator.io/v1", spec={}, status=READY),
    obj("IstioRevisionTag travel", "sailoperator.io/v1", status={"istioRevision": "basic-v1-27-3"}),
    obj("MutatingWebhookConfiguration istio-revision-tag-travel", webhooks=[HOOK]),
]
CA = [
    obj("Secret istio-system/istio-ca-secret", data={"ca-cert.pem": base64.b64encode(ROOT.encode()).decode()}),
    obj("ConfigMap shop/istio-ca-root-cert", data={"root-cert.pem": ROOT}),
]
MEMBER = {"maistra.io/member-of": "istio-system"}
MOVED = {**MEMBER, "istio-discovery": "travel", "istio.io/rev": "travel", "maistra.io/ignore-namespace": "true"}


def seen(*objects: Obj) -> Snapshot:
    return Snapshot("west", NOW, "cluster", None, tuple(objects))


def pod(name: str, revision: str, *, ready: bool = True, owner: str = "ReplicaSet") -> Obj:
    references = [{"kind": owner, "name": f"{name}-abc", "controller": True}] if owner else []
    return obj(
        f"Pod shop/{name}-abc-1",
        labels={"pod-template-hash": "abc"},
        ownerReferences=references,
        annotations={"istio.io/rev": revision, "sidecar.istio.io/status": "{}"},
        spec={"containers": [{"name": "istio-proxy"}]},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    )


def deployment(name: str, namespace: str = "shop", **body: Any) -> Obj:
    return obj(f"Deployment {namespace}/{name}", "apps/v1", **body)


def bodies(step: MigrationStep) -> dict[str, Any]:
    return {str(write.ref): write.body for write in step.writes}


def test_prepared_labels_what_is_not_labelled() -> None:
    step = prepared(
        seen(obj("Namespace istio-system"), obj("Namespace shop", labels={"istio-discovery": "travel"})), PLANE, SETTINGS, ("shop",)
    )
    merged: Obj = {}
    for write in step.writes:
        assert str(write.ref) == "Namespace istio-system"
        merged |= write.body["metadata"]["labels"]
    assert merged == {"istio-discovery": "travel", "maistra.io/ignore-namespace": "true"}


def test_prepared_keeps_the_operators_own_word_at_the_control_plane() -> None:
    spaces = obj("Namespace istio-system", labels={"istio-discovery": "travel", "maistra.io/ignore-namespace": "ignore"})
    assert prepared(seen(spaces), PLANE, SETTINGS, ()).writes == ()


def test_moved_labels_in_one_write() -> None:
    step = moved(seen(obj("Namespace shop", labels={**MEMBER, "istio-injection": "enabled"}), *NEW_PLANE, *CA), PLANE, SETTINGS, SHOP)
    assert step.blockers == ()
    assert bodies(step) == {
        "Namespace shop": {
            "metadata": {
                "labels": {
                    "istio-discovery": "travel",
                    "istio.io/rev": "travel",
                    "maistra.io/ignore-namespace": "true",
                    "istio-injection": None,
                }
            }
        }
    }


def test_moved_a_second_time_writes_nothing() -> None:
    assert moved(seen(obj("Namespace shop", labels=MOVED), *NEW_PLANE, *CA), PLANE, SETTINGS, SHOP) == MigrationStep()


@pytest.mark.parametrize(
    ("gone", "text"),
    [
        ("Istio", "Istio basic does not exist"),
        ("IstioRevisionTag", "IstioRevisionTag travel leads to no revision yet"),
        ("MutatingWebhookConfiguration", "no injection webhook answers for istio.io/rev=travel yet"),
        ("Namespace", "Namespace shop does not exist"),
        ("ConfigMap", "ConfigMap shop/istio-ca-root-cert does not exist: restart the istiod of OSSM 2, so that the new one makes it"),
    ],
)
def test_moved_waits_for_the_new_control_plane(gone: str, text: str) -> None:
    every = [obj("Namespace shop", labels=MEMBER), *NEW_PLANE, *CA]
    assert text in moved(seen(*(one for one in every if one["kind"] != gone)), PLANE, SETTINGS, SHOP).blockers


def test_an_istiod_that_is_not_ready_is_told_with_its_reason() -> None:
    status = {"conditions": [{"type": "Ready", "status": "False", "message": "no pod"}]}
    late = obj("Istio basic", "sailoperator.io/v1", spec={}, status=status)
    assert (
        "Istio basic is not Ready (no pod)" in moved(seen(late, *NEW_PLANE[1:], obj("Namespace shop"), *CA), PLANE, SETTINGS, SHOP).blockers
    )


def test_another_root_is_told() -> None:
    other = obj("ConfigMap shop/istio-ca-root-cert", data={"root-cert.pem": ROOT.replace("AAAA", "BBBB")})
    assert roots_waiting(seen(CA[0], other), PLANE, ("shop",)) == [
        "ConfigMap shop/istio-ca-root-cert has another root than istio-system: calls between the two would fail"
    ]
    assert roots_waiting(seen(*CA), PLANE, ("shop",)) == []


def test_only_workloads_of_the_other_side_are_restarted() -> None:
    every = seen(
        pod("cars", "basic"),
        pod("flights", "basic-v1-27-3"),
        pod("bare", "basic", owner=""),
        pod("report", "basic", owner="Job"),
        deployment("cars"),
        deployment("flights"),
    )
    refs, lonely = restarts(every, PLANE, SETTINGS, SHOP, "new")
    assert [str(ref) for ref in refs] == ["Deployment shop/cars"]
    assert lonely == ["shop/bare-abc-1", "shop/report-abc-1"]
    over = [{**pod("nightly", "basic", owner="Job"), "status": {"phase": phase}} for phase in ("Succeeded", "Failed")]
    assert restarts(seen(*over), PLANE, SETTINGS, SHOP, "new") == ([], []), "what is over is restarted by nobody"
    back_refs, _lonely = restarts(every, PLANE, SETTINGS, SHOP, "old")
    assert [str(ref) for ref in back_refs] == ["Deployment shop/flights"]


def test_what_is_waited_for() -> None:
    every = seen(pod("cars", "basic"), pod("flights", "basic-v1-27-3", ready=False), deployment("cars"), deployment("flights"))
    assert waiting(every, PLANE, SETTINGS, SHOP, "new") == [
        "Pod shop/cars-abc-1 still has the proxy of the old control plane",
        "Pod shop/flights-abc-1 is not ready",
    ]


@pytest.mark.parametrize(
    ("labels", "revision", "state"),
    [
        (MEMBER, "basic", "ossm2"),
        (MOVED, "basic", "moving"),
        (MOVED, "basic-v1-27-3", "ossm3"),
        (MEMBER, "basic-v1-27-3", "moving"),
        ({**MOVED, "istio-injection": "enabled"}, "basic-v1-27-3", "moving"),
    ],
)
def test_how_far_a_domain_is(labels: Obj, revision: str, state: str) -> None:
    found = domain_state(seen(obj("Namespace shop", labels=labels), pod("cars", revision)), PLANE, SETTINGS, SHOP)
    assert found.state == state


def test_back_takes_our_labels_off_and_no_others() -> None:
    step = back(seen(SMCP, obj("Namespace shop", labels=MOVED)), PLANE, SETTINGS, SHOP)
    assert bodies(step) == {"Namespace shop": {"metadata": {"labels": {"maistra.io/ignore-namespace": None, "istio.io/rev": None}}}}
    assert back(seen(SMCP, obj("Namespace shop", labels={**MEMBER, "istio.io/rev": "theirs"})), PLANE, SETTINGS, SHOP) == MigrationStep()


def test_there_is_no_way_back_without_the_old_control_plane_or_membership() -> None:
    blockers = back(seen(obj("Namespace shop", labels={})), PLANE, SETTINGS, SHOP).blockers
    assert any("there is no way back" in one for one in blockers) and any("is no member" in one for one in blockers)


OWNED = {
    "labels": {
        "maistra.io/owner": "istio-system",
        "maistra.io/owner-name": "basic",
        "app": "x",
        "app.kubernetes.io/managed-by": "maistra-istio-operator",
    },
    "ownerReferences": [{"kind": "ServiceMeshControlPlane", "name": "basic"}],
    "resourceVersion": "7",
}


def test_gateways_change_hands_only_when_the_new_ones_are_ready() -> None:
    service = obj("Service istio-system/istio-ingressgateway", **OWNED)
    late = deployment("istio-ingressgateway-injected", "istio-system", status={})
    step = gateways_moved(seen(SMCP, service, late), PLANE, GATES)
    assert step.blockers == (
        "Deployment istio-system/istio-ingressgateway-injected has no ready pod, so no pod would serve istio-ingressgateway",
    )
    ready = deployment("istio-ingressgateway-injected", "istio-system", status={"readyReplicas": 1})
    step = gateways_moved(seen(SMCP, service, ready), PLANE, GATES)
    assert step.blockers == ()
    found = bodies(step)
    assert found["Service istio-system/istio-ingressgateway"] == {
        "metadata": {
            "ownerReferences": None,
            "resourceVersion": "7",
            "labels": {"maistra.io/owner": None, "maistra.io/owner-name": None, "app.kubernetes.io/managed-by": None},
        }
    }
    # the Service is free before the operator is told to take the gateway away
    assert list(found)[-1] == "ServiceMeshControlPlane istio-system/basic"
    assert found["ServiceMeshControlPlane istio-system/basic"] == {"spec": {"gateways": {"ingress": {"enabled": False}}}}


def test_gateways_that_are_off_already_are_not_switched_again() -> None:
    off = Plane("basic", "istio-system", {**SMCP, "spec": {"gateways": {"ingress": {"enabled": False}}}})
    ready = deployment("istio-ingressgateway-injected", "istio-system", status={"readyReplicas": 1})
    assert gateways_moved(seen(ready), off, GATES) == MigrationStep()
    assert bodies(gateways_back(seen(SMCP), off, GATES)) == {
        "ServiceMeshControlPlane istio-system/basic": {"spec": {"gateways": {"ingress": {"enabled": True}}}}
    }


def test_an_additional_gateway_may_have_dots() -> None:
    raw = {**SMCP, "spec": {"gateways": {"additionalIngress": {"a.b": {"enabled": True}}}}}
    step = gateways_moved(
        seen(deployment("a.b-injected", "istio-system", status={"readyReplicas": 1})),
        Plane("basic", "istio-system", raw),
        {"a.b": ("istio-system", "gateways.additionalIngress.a.b")},
    )
    assert bodies(step) == {
        "ServiceMeshControlPlane istio-system/basic": {"spec": {"gateways": {"additionalIngress": {"a.b": {"enabled": False}}}}}
    }


def test_gateways_are_waited_for_on_both_ways() -> None:
    old = deployment("istio-ingressgateway", "istio-system", **OWNED)
    service = obj("Service istio-system/istio-ingressgateway")
    assert gateways_waiting(seen(old, service), PLANE, GATES, "new") == [
        "Deployment istio-system/istio-ingressgateway of the operator is still there"
    ]
    assert gateways_waiting(seen(service), PLANE, GATES, "new") == []
    assert gateways_waiting(seen(), PLANE, GATES, "new") == ["Service istio-system/istio-ingressgateway does not exist"]
    assert gateways_waiting(seen(old, service), PLANE, GATES, "old") == [
        "Deployment istio-system/istio-ingressgateway of the operator has no ready pod yet"
    ]


def test_what_stays_in_use_is_let_go_of() -> None:
    every = seen(
        obj("PeerAuthentication istio-system/default", "security.istio.io/v1beta1", **OWNED),
        obj("Jaeger istio-system/jaeger", "jaegertracing.io/v1", **OWNED),
        obj("Kiali istio-system/kiali", "kiali.io/v1alpha1"),
    )
    assert list(bodies(released(every, PLANE))) == ["PeerAuthentication istio-system/default", "Jaeger istio-system/jaeger"]


def test_nothing_is_removed_while_somebody_has_an_old_proxy() -> None:
    gateway = deployment("istio-egressgateway", "istio-system", labels={**OWNED["labels"], "app.kubernetes.io/component": "istio-egress"})
    step = removed(seen(SMCP, gateway, pod("cars", "basic"), deployment("cars")), "basic", "istio-system", {"basic-v1-27-3"}, ("shop",))
    assert step.blockers == (
        "Pod shop/cars-abc-1 still has the proxy of the old control plane",
        "Deployment istio-system/istio-egressgateway is a gateway of OSSM 2 that still runs",
    )


def test_nothing_is_removed_while_a_pod_is_not_ready() -> None:
    late = pod("cars", "basic-v1-27-3", ready=False)
    step = removed(seen(SMCP, late, deployment("cars")), "basic", "istio-system", {"basic-v1-27-3"}, ("shop",))
    assert step.blockers == ("Pod shop/cars-abc-1 is not ready",)


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([], "the new control plane is not there"),
        ([obj("Namespace shop", labels={"istio-discovery": "other"})], "the new control plane is not there"),
        ([obj("Namespace shop", labels={"istio-discovery": "travel"}), obj("Namespace pay")],
         "the new control plane is not there, namespaces are labelled for it"),
    ],
)  # fmt: skip
def test_how_far_the_whole_is_before_anything_is_made(objects: list[Obj], text: str) -> None:
    assert plane_state(seen(*objects), PLANE, SETTINGS) == text
    files = Snapshot("west", NOW, "manifests", None, tuple(objects))
    assert plane_state(files, PLANE, SETTINGS) == "from manifests, which do not say what runs"


def test_the_control_plane_goes_first_then_rolls_and_members_of_this_mesh() -> None:
    reference = {"controlPlaneRef": {"namespace": "istio-system", "name": "basic"}}
    other = {"controlPlaneRef": {"namespace": "elsewhere", "name": "x"}}
    every = seen(
        obj("ServiceMeshMember shop/default", "maistra.io/v1", spec=reference),
        obj("ServiceMeshMember pay/default", "maistra.io/v1", spec=other),
        SMCP,
        obj("ServiceMeshMemberRoll istio-system/default", "maistra.io/v1"),
        pod("cars", "basic-v1-27-3"),
    )
    step = removed(every, "basic", "istio-system", {"basic-v1-27-3"}, ("shop",))
    assert step.blockers == ()
    assert [str(write.ref) for write in step.writes] == [
        "ServiceMeshControlPlane istio-system/basic",
        "ServiceMeshMemberRoll istio-system/default",
        "ServiceMeshMember shop/default",
    ]


def test_what_is_left_behind_is_put_right() -> None:
    dead = {"clientConfig": {"service": {"name": "istiod-basic", "namespace": "istio-system"}}}
    every = [
        obj("Namespace istio-system", labels={"istio-discovery": "travel"}),
        obj("Namespace shop", labels={**MOVED, "team": "x"}),
        obj("NetworkPolicy shop/istio-mesh-basic", labels={"maistra-version": "2.6.5"}),
        obj("NetworkPolicy shop/mesh-members"),
        obj("NetworkPolicy shop/let-the-shop-in", labels={"maistra-version": "2.6.5", "maistra.io/owner": "istio-system"}),
        obj("MutatingWebhookConfiguration istiod-basic-istio-system", webhooks=[dead]),
        NEW_PLANE[2],
    ]
    step = tidied(seen(*every), "basic", "istio-system", ("shop",))
    assert ["NetworkPolicy shop/let-the-shop-in stays" in note for note in step.notes] == [True]
    found = bodies(step)
    assert found == {
        "Namespace shop": {"metadata": {"labels": {"maistra.io/ignore-namespace": None, "maistra.io/member-of": None}}},
        "NetworkPolicy shop/istio-mesh-basic": None,
        "MutatingWebhookConfiguration istiod-basic-istio-system": None,
    }
    assert "would inject again" in tidied(seen(SMCP, *every), "basic", "istio-system", ("shop",)).blockers[0]
