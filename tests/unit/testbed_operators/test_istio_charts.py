# SPDX-License-Identifier: GPL-3.0-or-later
"""What istioctl is asked to render for the operator's kinds, and what becomes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from testbed.operators import istio_charts
from testbed.operators.charts import ISTIOD_GATE, NOWHERE
from testbed.operators.istio_charts import IstioCharts, adopt, cni_input, control_plane_input, merged_profile, tag_input, ztunnel_input
from testbed.operators.status import SailError

Obj = dict[str, Any]


def revision(name: str = "default", **values: Any) -> Obj:
    values.setdefault("revision", "" if name == "default" else name)
    return {
        "apiVersion": "sailoperator.io/v1",
        "kind": "IstioRevision",
        "metadata": {"name": name, "uid": "u"},
        "spec": {"namespace": "istio-system", "version": "v1.30.1", "values": values},
    }


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, {"pilot": {"cni": {"enabled": False}}}),
        ({"profile": "default"}, {"pilot": {"cni": {"enabled": False}}}),
        ({"profile": "remote"}, {"profile": "remote", "pilot": {"cni": {"enabled": False}}}),
        ({"profile": "ambient"}, {"profile": "ambient", "pilot": {"cni": {"enabled": True}}}),
        ({"profile": "openshift"}, {"global": {"platform": "openshift"}, "pilot": {"cni": {"enabled": True}}}),
        (
            {"profile": "openshift-ambient", "global": {"meshID": "m"}},
            {"profile": "ambient", "global": {"platform": "openshift", "meshID": "m"}, "pilot": {"cni": {"enabled": True}}},
        ),
        ({"global": {"platform": "openshift"}}, {"global": {"platform": "openshift"}, "pilot": {"cni": {"enabled": True}}}),
        (
            {"profile": "openshift", "pilot": {"cni": {"enabled": False}}},
            {"global": {"platform": "openshift"}, "pilot": {"cni": {"enabled": False}}},
        ),
    ],
)
def test_profiles_become_what_the_charts_know(values: Obj, found: Obj) -> None:
    assert merged_profile(values) == found


def test_an_unknown_profile_is_an_error_of_the_operator() -> None:
    with pytest.raises(SailError, match="failed to read profile huge"):
        merged_profile({"profile": "huge"})


def test_a_revision_is_the_control_plane_alone() -> None:
    spec = control_plane_input(revision("v1-30-1", global_={}, meshConfig={"accessLogFile": "/dev/stdout"}))["spec"]
    assert spec["profile"] == "empty"
    assert spec["components"] == {"pilot": {"enabled": True}}
    assert spec["values"]["revision"] == "v1-30-1"
    assert spec["values"]["global"] == {"hub": "docker.io/istio", "tag": "1.30.1", "istioNamespace": "istio-system"}
    assert spec["values"]["meshConfig"] == {"accessLogFile": "/dev/stdout"}


@pytest.mark.parametrize(("profile", "cni"), [("default", False), ("openshift", True), ("ambient", True)])
def test_whether_there_is_a_cni_is_said_after_istioctls_own_word(profile: str, cni: bool) -> None:
    assert control_plane_input(revision(profile=profile))["spec"]["unvalidatedValues"] == {"pilot": {"cni": {"enabled": cni}}}


def test_images_of_the_values_win() -> None:
    values = control_plane_input(revision(**{"global": {"hub": "registry.example.com/mesh", "tag": "own"}}))["spec"]["values"]
    assert values["global"] == {"hub": "registry.example.com/mesh", "tag": "own", "istioNamespace": "istio-system"}


def test_the_default_revision_brings_validation_and_no_definitions() -> None:
    spec = control_plane_input(revision())["spec"]
    assert spec["components"] == {"pilot": {"enabled": True}, "base": {"enabled": True}}
    assert spec["values"]["defaultRevision"] == "default"
    assert spec["values"]["base"] == {"enableIstioConfigCRDs": False}


@pytest.mark.parametrize(("name", "base"), [("prod", False), ("default", True)])
def test_a_tag_is_rendered_with_its_revision(name: str, base: bool) -> None:
    spec = tag_input({"metadata": {"name": name}}, revision("v1-30-1"))["spec"]
    assert spec["values"]["revisionTags"] == [name]
    assert ("base" in spec["components"]) is base
    assert spec["values"].get("defaultRevision") == ("v1-30-1" if base else None)


def test_agents_are_rendered_in_their_namespace() -> None:
    agent = {"metadata": {"name": "default"}, "spec": {"namespace": "istio-cni", "values": {"cni": {"logging": {"level": "info"}}}}}
    spec = cni_input(agent, "v1.30.1")["spec"]
    assert spec["components"] == {"cni": {"enabled": True, "namespace": "istio-cni"}}
    assert spec["values"]["cni"] == {"logging": {"level": "info"}}
    assert spec["values"]["global"]["tag"] == "1.30.1"
    agent["spec"] |= {"profile": "openshift"}
    assert cni_input(agent, "v1.30.1")["spec"]["values"]["global"]["platform"] == "openshift"
    assert ztunnel_input(agent, "v1.30.1")["spec"]["components"] == {"ztunnel": {"enabled": True, "namespace": "istio-cni"}}


def rendered(kind: str, **more: Any) -> Obj:
    meta = {"name": "istiod", "labels": {"app": "istiod", "release": "istio", "app.kubernetes.io/managed-by": "Helm"}}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **more}


def test_the_operators_labels_and_references_are_on_all() -> None:
    chart = {"app.kubernetes.io/instance": "istio", "app.kubernetes.io/version": "1.0.0", "helm.sh/chart": "istiod-1.0.0"}
    found = rendered("ConfigMap")
    found["metadata"]["labels"] |= chart
    (made,) = adopt([found], revision(), "default-istiod", "v1.30.1")
    assert made["metadata"]["labels"] == {
        "app": "istiod",
        "release": "default-istiod",
        "app.kubernetes.io/managed-by": "sail-operator",
        "app.kubernetes.io/instance": "default-istiod",
        "app.kubernetes.io/version": "1.30.1",
        "helm.sh/chart": "istiod-1.30.1",
    }
    (reference,) = made["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["name"], reference["uid"]) == ("IstioRevision", "default", "u")
    assert found["metadata"]["labels"]["release"] == "istio", "what was rendered is kept for the next"


def test_accounts_come_first_webhooks_last_and_definitions_not_at_all() -> None:
    kinds = ["MutatingWebhookConfiguration", "Deployment", "EndpointSlice", "CustomResourceDefinition", "ServiceAccount", "ConfigMap"]
    template = {"metadata": {}, "spec": {}}
    made = adopt([rendered(kind, spec={"template": template}) for kind in kinds], revision(), "r", "v1.30.1")
    assert [obj["kind"] for obj in made] == ["ServiceAccount", "ConfigMap", "EndpointSlice", "Deployment", "MutatingWebhookConfiguration"]


def test_a_bundle_that_istiod_fills_is_not_taken_away() -> None:
    hooks = [{"name": "a", "clientConfig": {"caBundle": "", "service": {}}}, {"name": "b", "clientConfig": {"caBundle": "Zm9v"}}]
    (made,) = adopt([rendered("MutatingWebhookConfiguration", webhooks=hooks)], revision(), "r", "v1.30.1")
    assert [hook["clientConfig"] for hook in made["webhooks"]] == [{"service": {}}, {"caBundle": "Zm9v"}]


@pytest.mark.parametrize("stuck", [False, True])
def test_pods_wait_for_their_istiod_or_for_ever(stuck: bool) -> None:
    template = {"metadata": {"labels": {"app": "istiod"}}, "spec": {"nodeSelector": {"a": "b"}}}
    (made,) = adopt([rendered("Deployment", spec={"template": template})], revision(), "r", "v1.30.1", never_ready=stuck)
    spec = made["spec"]["template"]["spec"]
    assert spec["readinessGates"] == [{"conditionType": ISTIOD_GATE}]
    assert spec["nodeSelector"] == ({"a": "b", **NOWHERE} if stuck else {"a": "b"})


@pytest.fixture
def istioctl(tmp_path: Path) -> Path:
    """A program that counts how often it is called and renders what a test has laid beside it."""
    file = tmp_path / "istioctl"
    file.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncat > {tmp_path}/input\ncat {tmp_path}/output\n')
    file.chmod(0o755)
    return file


def test_the_same_input_is_rendered_once(istioctl: Path) -> None:
    (istioctl.parent / "output").write_text("kind: Service\nmetadata: {name: istiod, labels: {istio.io/tag: prod}}\n---\n---\n")
    charts = IstioCharts(istioctl)

    async def story() -> None:
        first, second = await asyncio.gather(charts.istiod(revision()), charts.istiod(revision()))
        assert first == second
        assert len((istioctl.parent / "calls").read_text().splitlines()) == 1
        tag = {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevisionTag", "metadata": {"name": "prod", "uid": "t"}}
        assert [obj["metadata"]["name"] for obj in await charts.tag(tag, revision())] == ["istiod"]
        tag["metadata"]["name"] = "canary"
        assert await charts.tag(tag, revision()) == [], "what has not the tag's label is the revision's"

    asyncio.run(story())


def test_a_chart_that_refuses_is_an_error_of_the_operator_and_tried_again(istioctl: Path) -> None:
    istioctl.write_text("#!/bin/sh\necho 'Error: fail to generate: unknown compatibility version 9' >&2\nexit 1\n")
    charts = IstioCharts(istioctl)

    async def story() -> None:
        with pytest.raises(SailError, match=f"{istio_charts.RENDER_ERROR}: Error: fail to generate: unknown compatibility version 9"):
            await charts.istiod(revision())
        istioctl.write_text("#!/bin/sh\ncat > /dev/null\necho '{kind: Service, metadata: {name: istiod}}'\n")
        assert len(await charts.istiod(revision())) == 1

    asyncio.run(story())
