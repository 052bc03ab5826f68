# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against the operators of an intent: each case has what is there, and the beginning of what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.packages import packages_of
from ansible_collections.meshops.mesh.plugins.module_utils._olm.survey import Ask, OperatorState, SurveyResult, survey

Obj = dict[str, Any]
GLOBAL, MARKET, TEMPO = "openshift-operators", "openshift-marketplace", "openshift-tempo-operator"
OURS = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "operators"}
PLANE = {"tracing": {"provider": "opentelemetry"}}


def ask(provider: str = "ossm3", plane: Obj | None = None, tools: Obj | None = None, **more: Any) -> Ask:
    extra = more.pop("extra", ())
    return Ask(provider, "shop", "shop", "shop-system", tuple(packages_of(provider, plane or {}, tools or {}, extra)), **more)


def sub(name: str, package: str = "", *, namespace: str = GLOBAL, installed: str = "", failed: str = "", ours: bool = False) -> Obj:
    blocked = {"type": "ResolutionFailed", "status": "True", "reason": "ConstraintsNotSatisfiable", "message": failed}
    return {"metadata": {"name": name, "namespace": namespace, "labels": OURS if ours else {}},
            "spec": {"name": package or name, "channel": "stable", "source": "redhat-operators", "sourceNamespace": MARKET},
            "status": {"installedCSV": installed, "currentCSV": installed, "conditions": [blocked] if failed else []}}  # fmt: skip


def csv(name: str, *, namespace: str = GLOBAL, phase: str = "Succeeded", **more: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": namespace, "labels": more.pop("labels", {})}, "status": {"phase": phase, **more}}


def group(name: str = "global-operators", *, namespace: str = GLOBAL, says: Obj | None = None, **spec: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec, "status": {"conditions": [says] if says else []}}


def source(name: str, state: str = "READY", namespace: str = MARKET) -> Obj:
    return {"metadata": {"name": name, "namespace": namespace}, "status": {"connectionState": {"lastObservedState": state}}}


def manifest(name: str, versions: tuple[str, ...] = (), *, of: str = "redhat-operators", channels: tuple[str, ...] = ("stable",)) -> Obj:
    rows = [{"name": one, "entries": [{"name": version} for version in versions]} for one in channels]
    status = {"catalogSource": of, "defaultChannel": channels[0], "channels": rows}
    return {"metadata": {"name": name, "namespace": MARKET}, "status": status}


MESH = manifest("servicemeshoperator3", ("servicemeshoperator3.v3.2.0", "servicemeshoperator3.v3.1.0"))
KIALI = manifest("kiali-ossm", ("kiali-operator.v2.11.0",), channels=("stable", "candidate"))
GOOD = OperatorState(groups=[group()], sources=[source("redhat-operators"), source("community-operators")],
            manifests=[MESH, KIALI, manifest("servicemeshoperator"), manifest("tempo-product"), manifest("opentelemetry-product"),
                       manifest("sailoperator", of="community-operators")])  # fmt: skip


def with_more(seen: OperatorState = GOOD, **more: list[Obj]) -> OperatorState:
    return replace(seen, **{name: [*getattr(seen, name), *rows] for name, rows in more.items()})


def without(*packages: str) -> OperatorState:
    return replace(GOOD, manifests=[row for row in GOOD.manifests if row["metadata"]["name"] not in packages])


def test_nothing_stands_against_a_first_install() -> None:
    assert survey(ask(plane=PLANE, tools={"kiali": {"enabled": True}, "tempo": {}}), GOOD) == SurveyResult()


KIALI_TOO = {"kiali": {"enabled": True}}


@pytest.mark.parametrize(
    ("wanted", "seen", "says"),
    [
        # catalogues
        (ask("ossm2", {"tracing": {"provider": "jaeger", "storage": "elasticsearch"}}), GOOD,
         ["package jaeger-product (mesh_control_plane.tracing.provider jaeger): CatalogSource openshift-marketplace/redhat-operators "
          "does not offer "
          "it; it offers 5 packages. Its support ended on 3 November 2025",
          "package elasticsearch-operator (mesh_control_plane.tracing.storage elasticsearch): CatalogSource"]),
        (ask(tools=KIALI_TOO), without("kiali-ossm"), ["package kiali-ossm (mesh_observability.kiali): CatalogSource "
                                                       "openshift-marketplace"]),
        (ask(extra=[{"package": "kiali", "source": "redhat-operators", "channel": "x"}]), GOOD,
         ["package kiali (mesh_operators_extra): CatalogSource openshift-marketplace/redhat-operators does not offer it; it offers 5 "
          "packages, the "
          "nearest by name kiali-ossm"]),
        (ask("sail"), replace(GOOD, manifests=[manifest("sailoperator", of="mirror")]),
         ["package sailoperator (mesh_provider sail): CatalogSource openshift-marketplace/community-operators does not offer it; mirror "
          "does: name it"]),
        (ask(tools=KIALI_TOO, channels={"kiali-ossm": "nightly"}), GOOD,
         ["package kiali-ossm (mesh_observability.kiali): CatalogSource openshift-marketplace/redhat-operators has no channel nightly "
          "of it, it "
          "offers candidate, stable (by default stable); say which in mesh_operators_channels"]),
        (ask(versions={"servicemeshoperator3": "servicemeshoperator3.v9.9.9"}), GOOD,
         ["package servicemeshoperator3 (mesh_provider ossm3): channel stable of CatalogSource openshift-marketplace/redhat-operators "
          "has no "
          "servicemeshoperator3.v9.9.9 (mesh_operators_versions), it offers servicemeshoperator3.v3.2.0, servicemeshoperator3.v3.1.0"]),
        (ask(starting={"servicemeshoperator3": "servicemeshoperator3.v1"}), GOOD, ["package servicemeshoperator3 (mesh_provider ossm3): "
                                                                                   "channel"]),
        (ask(versions={"servicemeshoperator3": "latest"}), GOOD, []),
        (ask(versions={"servicemeshoperator3": "servicemeshoperator3.v3.1.0"}), GOOD, []),
        (ask(), replace(GOOD, sources=[source("operatorhubio-catalog", namespace="olm")]),
         ["CatalogSource openshift-marketplace/redhat-operators does not exist, and servicemeshoperator3 shall come from it; this "
          "cluster has "
          "olm/operatorhubio-catalog"]),
        (ask(), replace(GOOD, sources=[source("redhat-operators", "TRANSIENT_FAILURE")]),
         ["CatalogSource openshift-marketplace/redhat-operators cannot be reached (TRANSIENT_FAILURE), and servicemeshoperator3"]),
        (ask(), replace(GOOD, sources=[source("redhat-operators", "CONNECTING")]), []),
        (ask(), replace(GOOD, manifests=[], served=False), []),
        # a catalogue that has lost what is installed stops nothing, until something else is asked for
        (ask(), with_more(without("servicemeshoperator3"), subscriptions=[
            sub("servicemeshoperator3", ours=True, installed="servicemeshoperator3.v3.1.0")]), []),
        (ask(channels={"servicemeshoperator3": "stable-3.2"}), with_more(without("servicemeshoperator3"), subscriptions=[
            sub("servicemeshoperator3", ours=True, installed="servicemeshoperator3.v3.1.0")]),
         ["package servicemeshoperator3 (mesh_provider ossm3): CatalogSource"]),
        # a second mesh operator
        (ask(), with_more(subscriptions=[sub("sailoperator", namespace="sail")]),
         ["Subscription sail/sailoperator is a second mesh operator beside servicemeshoperator3: both work on the same objects "
          "(sailoperator.io). "
          "Remove it with its ClusterServiceVersion, or set mesh_provider to sail"]),
        (ask("sail"), with_more(subscriptions=[sub("x", "servicemeshoperator3", namespace="a")]),
         ["Subscription a/x is a second mesh operator beside sailoperator: both"]),
        (ask(), with_more(subscriptions=[sub("servicemeshoperator")]),
         [f"Subscription {GLOBAL}/servicemeshoperator is a second mesh operator beside servicemeshoperator3: both generations belong on "
          "one cluster "
          "only while meshes move (meshops.mesh.migrate_mesh)"]),
        (ask("ossm2", extra=[{"package": "servicemeshoperator3", "source": "redhat-operators", "channel": "stable"}]),
         with_more(subscriptions=[sub("servicemeshoperator3", ours=True, installed="servicemeshoperator3.v3.2.0")]), []),
        (ask(), with_more(csvs=[csv("sailoperator.v1.28.0", namespace="sail")]), ["ClusterServiceVersion sail/sailoperator.v1.28.0 is a "
                                                                                  "second"]),
        (ask(), with_more(csvs=[csv("sailoperator.v1.28.0", reason="Copied"), csv("sailoperator.v1.27.1", phase="Replacing"),
                                csv("sailoperator.v1.27.0", labels={"olm.copiedFrom": "sail"})]), []),
        (ask(), with_more(deployments=[{"metadata": {"name": "op", "namespace": "sail-operator",
                                                     "labels": {"control-plane": "sail-operator"}}}]),
         ["Deployment sail-operator/op is an operator of a mesh (sailoperator) that OLM has not installed"]),
        (ask(), with_more(deployments=[{"metadata": {"name": "op", "namespace": GLOBAL, "labels": {
            "control-plane": "servicemesh-operator3", "olm.owner": "servicemeshoperator3.v3.2.0"}}}]), []),
        (ask(), with_more(subscriptions=[sub("web-terminal"), sub("jaeger-product", namespace="j")]), []),
        # another generation of this mesh, and meshes of others
        (ask(), with_more(planes=[{"kind": "ServiceMeshControlPlane", "metadata": {"name": "basic", "namespace": "shop-system"}}]),
         ["ServiceMeshControlPlane shop-system/basic is the control plane of this mesh in OpenShift Service Mesh 2, and mesh_provider "
          "is ossm3"]),
        (ask("sail"), with_more(planes=[{"kind": "ServiceMeshControlPlane", "metadata": {"name": "a", "namespace": "b", "labels": {
            **OURS, "mesh.meshops.io/mesh": "shop"}}}]), ["ServiceMeshControlPlane b/a is the control plane of this mesh"]),
        (ask(), with_more(planes=[{"kind": "ServiceMeshControlPlane", "metadata": {"name": "shop", "namespace": "other"}}]), []),
        (ask(), with_more(planes=[{"kind": "ServiceMeshControlPlane", "metadata": {"name": "shop", "namespace": "shop-system", "labels": {
            **OURS, "mesh.meshops.io/mesh": "another"}}}]), []),
        (ask("ossm2"), with_more(planes=[{"kind": "Istio", "metadata": {"name": "shop"}, "spec": {"namespace": "shop-system"}}]),
         ["Istio shop is the control plane of this mesh in OpenShift Service Mesh 3, and mesh_provider is ossm2"]),
        (ask(), with_more(planes=[{"kind": "Istio", "metadata": {"name": "shop"}, "spec": {"namespace": "shop-system"}}]), []),
        (Ask("ossm3", "shop", "shop", "shop-system"), OperatorState(planes=[{"kind": "ServiceMeshControlPlane", "metadata": {
            "name": "x", "namespace": "shop-system"}}]), ["ServiceMeshControlPlane shop-system/x is"]),
        # namespaces
        (ask(), replace(GOOD, groups=[]), [f"namespace {GLOBAL} has no OperatorGroup: OLM installs nothing there and says nothing about "
                                           "it"]),
        (ask(), with_more(groups=[group("second")]), [f"namespace {GLOBAL} has 2 OperatorGroups (global-operators, second): OLM "
                                                      "installs nothing"]),
        (ask(), replace(GOOD, groups=[group(targetNamespaces=["a", "b"])]),
         [f"OperatorGroup {GLOBAL}/global-operators is for a, b only, and operators of a mesh (servicemeshoperator3) work for all "
          "namespaces"]),
        (ask(), replace(GOOD, groups=[group(serviceAccountName="gone", says={
            "type": "OperatorGroupServiceAccount", "status": "True", "reason": "ServiceAccountNotFound"})]),
         [f"OperatorGroup {GLOBAL}/global-operators names the ServiceAccount gone, which is not there"]),
        (ask(), with_more(subscriptions=[sub("bad", failed="no operators found in package bad in the catalog referenced by subscription "
                                                           "bad, "
                                                            "subscription bad exists")]),
         [f"Subscription {GLOBAL}/bad cannot be resolved, which blocks every package of namespace {GLOBAL}, and so "
          "servicemeshoperator3: no operators"]),
        # one that works does not care, and one of ours that is to be corrected blocks nobody
        (ask(), with_more(subscriptions=[sub("bad", failed="subscription bad exists"),
                                         sub("servicemeshoperator3", ours=True, installed="servicemeshoperator3.v3.1.0")]), []),
        (ask(), with_more(subscriptions=[sub("web", failed="no operators found in channel x, subscription servicemeshoperator3 exists"),
                                         sub("servicemeshoperator3", ours=True, failed="no operators found in channel x, "
                                                                                       "subscription servicemeshoperator3 exists")]), []),
        (ask(), with_more(subscriptions=[sub("elsewhere", namespace="a", failed="subscription elsewhere exists")]), []),
        (ask(), with_more(csvs=[csv("servicemeshoperator3.v3.1.0")]),
         [f"ClusterServiceVersion {GLOBAL}/servicemeshoperator3.v3.1.0 is there without a Subscription: OLM does not take it over"]),
        (ask(), with_more(csvs=[csv("kiali-operator.v2.11.0")]), []),  # of a package that is not wanted
        # somebody else's Subscriptions
        (ask(tools=KIALI_TOO), with_more(subscriptions=[sub("mine", "kiali-ossm", namespace="tools", installed="kiali-operator.v2.4.0")],
                                         csvs=[csv("kiali-operator.v2.4.0", namespace="tools")]), []),
        (ask(tools=KIALI_TOO), with_more(subscriptions=[sub("my-kiali", "kiali-ossm", installed="kiali-operator.v2.4.0")],
                                         csvs=[csv("kiali-operator.v2.4.0", phase="Failed")]),
         [f"Subscription {GLOBAL}/my-kiali belongs to someone else, asks for kiali-ossm, "
          "and does not work (kiali-operator.v2.4.0: Failed)"]),
        (ask(tools=KIALI_TOO, versions={"kiali-ossm": "kiali-operator.v2.11.0"}),
         with_more(subscriptions=[sub("my-kiali", "kiali-ossm", installed="kiali-operator.v2.4.0")], csvs=[csv("kiali-operator.v2.4.0")]),
         [f"Subscription {GLOBAL}/my-kiali belongs to someone else and has kiali-operator.v2.4.0 of kiali-ossm, "
          "not kiali-operator.v2.11.0"]),
    ],
)  # fmt: skip
def test_all_of_it_is_said(wanted: Ask, seen: OperatorState, says: list[str]) -> None:
    found = survey(wanted, seen).refusals
    assert len(found) == len(says) and all(text.startswith(part) for part, text in zip(says, found, strict=True)), found


NAMES = {"servicemesh-operator3": "servicemeshoperator3", "sail-operator": "sailoperator", "istio-operator": "servicemeshoperator"}


@pytest.mark.parametrize("label", ["control-plane", "name"])
@pytest.mark.parametrize("word", NAMES)
def test_an_operator_without_olm_is_known_by_its_labels(word: str, label: str) -> None:
    running = {"metadata": {"name": "op", "namespace": "mesh", "labels": {label: word}}}
    (text,) = survey(ask(), with_more(deployments=[running])).refusals
    assert text.startswith(f"Deployment mesh/op is an operator of a mesh ({NAMES[word]}) that OLM has not installed")


@pytest.mark.parametrize(("count", "end"), [(6, "b5"), (7, "b5 and 1 older one"), (9, "b5 and 3 older ones")])
def test_of_a_long_channel_the_newest_are_named(count: int, end: str) -> None:
    mesh = manifest("servicemeshoperator3", tuple(f"b{number}" for number in range(count)))
    seen = replace(GOOD, manifests=[mesh, *(one for one in GOOD.manifests if one is not MESH)])
    (text,) = survey(ask(versions={"servicemeshoperator3": "b99"}), seen).refusals
    assert text.endswith(f"has no b99 (mesh_operators_versions), it offers b0, b1, b2, b3, b4, {end}")


def test_everything_at_once() -> None:
    found = survey(
        ask(tools=KIALI_TOO, channels={"kiali-ossm": "nightly"}),
        with_more(without("servicemeshoperator3"), subscriptions=[sub("sailoperator")], groups=[group("second")]),
    )
    assert len(found.refusals) == 4


def test_who_is_used_and_where_a_group_is_already() -> None:
    theirs = sub("theirs", "opentelemetry-product", namespace="otel", installed="o.v1")
    seen = with_more(subscriptions=[theirs], csvs=[csv("o.v1", namespace="otel")],
                     groups=[group("tempo-abc12", namespace=TEMPO)])  # fmt: skip
    found = survey(ask(plane=PLANE, tools={"tempo": {}}), seen)
    assert (found.refusals, found.used, found.grouped) == ((), ("opentelemetry-product",), (TEMPO,))
    assert found.notes == ("opentelemetry-product: Subscription otel/theirs of someone else has it (o.v1); it is used and left as it is",)


def test_one_that_is_adopted_is_ours() -> None:
    installed = "servicemeshoperator3.v3.1.0"
    seen = with_more(subscriptions=[sub("servicemeshoperator3", installed=installed)], csvs=[csv(installed)])
    assert survey(ask(), seen).used == ("servicemeshoperator3",)
    assert survey(ask(adopt=frozenset({f"Subscription {GLOBAL}/servicemeshoperator3"})), seen) == SurveyResult()


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (replace(GOOD, manifests=[], served=False), "the cluster does not say what its catalogues offer"),
        (with_more(without("servicemeshoperator3"), subscriptions=[
            sub("servicemeshoperator3", ours=True, installed="servicemeshoperator3.v3.1.0")]), "no catalogue offers the package any more"),
    ],
)  # fmt: skip
def test_notes(seen: OperatorState, says: str) -> None:
    (note,) = survey(ask(), seen).notes
    assert says in note
