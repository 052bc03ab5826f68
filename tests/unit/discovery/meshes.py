# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes as their makers leave them, in the short notation of the checks' cases."""

from __future__ import annotations

from typing import Any

__all__ = ["MAISTRA", "OSSM3", "SAIL", "istioctl", "istiod", "mesh_config", "pod"]

Entries = list[dict[str, Any]]


def mesh_config(namespace: str, revision: str = "default", mesh: str = "{}") -> dict[str, Any]:
    name = "istio" if revision == "default" else f"istio-{revision}"
    return {f"ConfigMap {namespace}/{name}": {"labels": {"istio.io/rev": revision}, "data": {"mesh": mesh}}}


def istiod(namespace: str, revision: str = "default", image: str = "docker.io/istio/pilot:1.31.0", name: str = "") -> dict[str, Any]:
    labels = {"app": "istiod", "istio.io/rev": revision}
    box = {"name": "discovery", "image": image, "env": [{"name": "REVISION", "value": revision}]}
    name = name or ("istiod" if revision == "default" else f"istiod-{revision}")
    template = {"metadata": {"labels": labels}, "spec": {"containers": [box]}}
    return {f"Deployment {namespace}/{name}": {
        "labels": labels,
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        "status": {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
    }}  # fmt: skip


def pod(where: str, revision: str = "default", **labels: str) -> dict[str, Any]:
    return {f"Pod {where}": {
        "labels": labels,
        "annotations": {"istio.io/rev": revision},
        "spec": {"containers": [{"name": "app"}, {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.31.0"}]},
        "status": {"phase": "Running"},
    }}  # fmt: skip


def istioctl() -> Entries:
    """The profile default: no operator, no resource, an ingress gateway."""
    return [
        {"Namespace istio-system": {}},
        istiod("istio-system"),
        mesh_config("istio-system", mesh="trustDomain: example.org\n"),
        {"Deployment istio-system/istio-ingressgateway": {"labels": {"istio": "ingressgateway"}}},
        {"Namespace shop": {"labels": {"istio-injection": "enabled"}}},
        {"Namespace off": {"labels": {"istio-injection": "disabled"}}},
        {"Namespace plain": {}},
    ]


SAIL: Entries = [
    {"Istio default": {"spec": {"namespace": "istio-system", "version": "v1.30.3"}, "status": {"activeRevisionName": "default"}}},
    {"IstioRevision default": {
        "ownerReferences": [{"kind": "Istio", "name": "default"}], "spec": {"namespace": "istio-system", "version": "v1.30.3"},
    }},
    istiod("istio-system"),
    mesh_config("istio-system"),
    {"Deployment sail-operator/sail-operator": {}},
    {"Namespace istio-system": {}},
    {"Namespace shop": {"labels": {"istio-injection": "enabled"}}},
]  # fmt: skip

OSSM3: Entries = [
    {"Istio production": {
        "spec": {"namespace": "istio-prod", "version": "v1.27.3", "updateStrategy": {"type": "RevisionBased"}},
        "status": {"activeRevisionName": "production-v1-27-3"},
    }},
    {"IstioRevision production-v1-27-3": {
        "ownerReferences": [{"kind": "Istio", "name": "production"}], "spec": {"namespace": "istio-prod", "version": "v1.27.3"},
    }},
    {"IstioRevision production-v1-26-2": {
        "ownerReferences": [{"kind": "Istio", "name": "production"}], "spec": {"namespace": "istio-prod", "version": "v1.26.2"},
    }},
    {"IstioRevisionTag default": {
        "spec": {"targetRef": {"kind": "Istio", "name": "production"}}, "status": {"istioRevision": "production-v1-27-3"},
    }},
    istiod("istio-prod", "production-v1-27-3", image="registry.redhat.io/openshift-service-mesh/istio-pilot-rhel9@sha256:00"),
    mesh_config("istio-prod", "production-v1-27-3"),
    mesh_config("istio-prod", "production-v1-26-2"),
    {"Subscription openshift-operators/servicemeshoperator3": {"spec": {"name": "servicemeshoperator3"}}},
    {"Subscription openshift-operators/kiali-ossm": {"spec": {"name": "kiali-ossm"}}},
    {"Subscription openshift-operators/web-terminal": {"spec": {"name": "web-terminal"}}},
    {"Kiali istio-prod/kiali": {}},
    {"Namespace istio-prod": {}},
    {"Namespace shop": {"labels": {"istio-injection": "enabled"}}},
    {"Namespace pay": {"labels": {"istio.io/rev": "production-v1-26-2"}}},
    {"Namespace lost": {"labels": {"istio.io/rev": "staging"}}},
]  # fmt: skip

MAISTRA: Entries = [
    {"ServiceMeshControlPlane istio-system/basic": {
        "spec": {"version": "v2.6", "security": {"trust": {"domain": "corp.example"}}}, "status": {"chartVersion": "2.6.5"},
    }},
    {"ServiceMeshMemberRoll istio-system/default": {
        "spec": {"members": ["shop", "late"]}, "status": {"configuredMembers": ["shop"], "pendingMembers": ["late"]},
    }},
    istiod("istio-system", "basic", image="registry.redhat.io/openshift-service-mesh/pilot-rhel8@sha256:00"),
    {"Subscription openshift-operators/servicemeshoperator": {"spec": {"name": "servicemeshoperator"}}},
    {"Jaeger istio-system/jaeger": {}},
    {"Namespace istio-system": {}},
    {"Namespace shop": {"labels": {"maistra.io/member-of": "istio-system"}}},
    {"Namespace late": {}},
]  # fmt: skip
