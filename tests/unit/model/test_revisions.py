# SPDX-License-Identifier: GPL-3.0-or-later
"""Which istiod a pod has its configuration from: by what the injector wrote, by labels, by tags, by membership."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.mesh_config import mesh_configs
from ansible_collections.meshops.mesh.plugins.module_utils._model.revisions import Revisions, revision_of_pod, revisions_of
from test_mesh_config import config_map, istio, revision, smcp


def made(*objects: dict[str, Any]) -> Revisions:
    return revisions_of(objects, mesh_configs(objects))


def tag(name: str, kind: str, target: str, **status: Any) -> dict[str, Any]:
    spec = {"targetRef": {"kind": kind, "name": target}}
    return {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevisionTag", "metadata": {"name": name}, "spec": spec, "status": status}


def carrying(kind: str, name: str, own: str) -> dict[str, Any]:
    version = "v1" if kind == "Service" else "admissionregistration.k8s.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "labels": {"istio.io/tag": name, "istio.io/rev": own}}}


ROLL = {
    "apiVersion": "maistra.io/v1",
    "kind": "ServiceMeshMemberRoll",
    "metadata": {"name": "default", "namespace": "mesh-a"},
    "spec": {"members": ["shop"]},
}
MEMBER = {
    "apiVersion": "maistra.io/v1",
    "kind": "ServiceMeshMember",
    "metadata": {"name": "default", "namespace": "shop"},
    "spec": {"controlPlaneRef": {"name": "basic", "namespace": "mesh-a"}},
}
BASED = istio("prod", version="v1.30.1", updateStrategy={"type": "RevisionBased"})


@pytest.mark.parametrize(
    ("objects", "around", "labels", "expected"),
    [
        ([istio()], {"istio-injection": "enabled"}, {}, "default"),
        ([istio()], {"istio-injection": "enabled", "istio.io/rev": "next"}, {"istio.io/rev": "next"}, "default"),
        ([istio()], {"istio.io/rev": "next"}, {"istio.io/rev": "other"}, "next"),
        ([istio()], {}, {"istio.io/rev": "other"}, "other"),
        ([istio()], {}, {"sidecar.istio.io/inject": "true"}, "default"),
        ([istio()], {}, {}, ""),
        ([BASED, tag("default", "Istio", "prod")], {"istio-injection": "enabled"}, {}, "prod-v1-30-1"),
        ([BASED, tag("stable", "IstioRevision", "prod-v1-29-0")], {"istio.io/rev": "stable"}, {}, "prod-v1-29-0"),
        ([BASED, tag("stable", "Istio", "prod", istioRevision="prod-v1-29-0")], {"istio.io/rev": "stable"}, {}, "prod-v1-29-0"),
        ([istio(), carrying("MutatingWebhookConfiguration", "stable", "next")], {"istio.io/rev": "stable"}, {}, "next"),
        ([istio(), carrying("Service", "stable", "next")], {"istio.io/rev": "stable"}, {}, "next"),
        ([smcp(), ROLL], {}, {"sidecar.istio.io/inject": "true"}, "basic"),
        ([smcp(), MEMBER], {}, {}, "basic"),
        ([smcp()], {"maistra.io/member-of": "mesh-a"}, {}, "basic"),
        ([smcp(), ROLL, istio()], {"maistra.io/ignore-namespace": "true", "istio.io/rev": "default"}, {}, "default"),
        ([smcp(), ROLL, istio()], {}, {"istio.io/rev": "default"}, "default"),  # a gateway on its way
        ([smcp(), ROLL, istio()], {}, {"istio.io/rev": "unknown"}, "basic"),
    ],
)
def test_what_labels_ask_for(objects: list[dict[str, Any]], around: dict[str, str], labels: dict[str, str], expected: str) -> None:
    assert made(*objects).asked("shop", around, labels) == expected


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ({"istio.io/rev": "next"}, "next"),
        ({"sidecar.istio.io/status": '{"revision":"next","initContainers":null}'}, "next"),
        ({"sidecar.istio.io/status": "{"}, ""),
        ({"sidecar.istio.io/status": "[]"}, ""),
        ({}, ""),
        (None, ""),
        ("text", ""),
    ],
)
def test_what_the_injector_wrote(notes: Any, expected: str) -> None:
    assert revision_of_pod({"kind": "Pod", "metadata": {"annotations": notes}}) == expected


def ztunnel(**template: Any) -> dict[str, Any]:
    labels = template.pop("labels", {})
    meta = {"name": "ztunnel", "namespace": "ztunnel", "labels": {"app": "ztunnel", **labels}}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ztunnel(spec={"containers": [{"env": [{"name": "XDS_ADDRESS", "value": "istiod-next.istio-system.svc:15012"}]}]}), "next"),
        (ztunnel(spec={"containers": [{"env": [{"name": "CA_ADDRESS", "value": "istiod.istio-system.svc:15012"}]}]}), "default"),
        (ztunnel(metadata={"annotations": {"istio.io/rev": "next"}}), "next"),
        (ztunnel(labels={"istio.io/rev": "next"}), "next"),
        (ztunnel(), ""),
        (ztunnel(spec={"containers": "text"}), ""),
    ],
)
def test_which_istiod_ztunnel_asks(found: dict[str, Any], expected: str) -> None:
    assert made(found).ztunnel == expected


def test_of_two_control_planes_of_one_name_the_one_whose_member_it_is_counts() -> None:
    rows = made(smcp(namespace="a"), smcp(namespace="b"), {**ROLL, "metadata": {"name": "default", "namespace": "b"}})
    found = rows.config("basic", "shop", {})
    assert found is not None and found.namespace == "b" and rows.config("other", "shop", {}) is None


def test_revisions_have_their_own_configuration() -> None:
    rows = made(config_map({}), revision("next"))
    assert {config.revision for config in rows.configs} == {"default", "next"}
