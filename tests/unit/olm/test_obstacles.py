# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a Subscription from its target: each cause by its code, how long it may pass for a delay, and what the operator is told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import Condition
from ansible_collections.meshops.mesh.plugins.module_utils._olm.machine import our_plan
from ansible_collections.meshops.mesh.plugins.module_utils._olm.model import Catalog, Observation, OperatorGroup, OperatorPod
from ansible_collections.meshops.mesh.plugins.module_utils._olm.obstacles import Obstacle, find

from olm.scene import NS, condition, csv, plan, seen, sub

V0, V1, V2 = "mesh.v1.0.0", "mesh.v1.1.0", "mesh.v1.2.0"
WORKS = csv(V1)


def causes(observation: Observation) -> list[Obstacle]:
    return find(observation, our_plan(observation))


def one(observation: Observation) -> Obstacle:
    (found,) = causes(observation)
    return found


def failed(message: str, name: str = "mesh", reason: str = "ConstraintsNotSatisfiable", **more: Any) -> Any:
    return sub(name, V1, conditions=(condition("ResolutionFailed", reason, message),), **more)


def refers(what: str, by: str = "mesh") -> str:
    return f"constraints not satisfiable: no operators found {what} referenced by subscription {by}, subscription {by} exists"


def waits(**more: Any) -> Any:
    return sub(installed=V1, current=V2, plan="install-1", state="UpgradePending", **more)


def group(name: str = "og", status: str = "True", reason: str = "ServiceAccountNotFound") -> OperatorGroup:
    return OperatorGroup(name, "robot", (Condition("OperatorGroupServiceAccount", status, reason, "ServiceAccount robot not found"),))


ORPHAN = f"clusterserviceversion {V0} exists and is not referenced by a subscription"
INSTALLED_FALSE = condition("Installed", "InstallCheckFailed", "no operator group", status="False")
LOOP = csv(V2, "Installing", deployments=("mesh-operator", "mesh-webhook"))
CASES = [
    # -- the OperatorGroup
    pytest.param(seen(sub(installed=V1), WORKS, groups=()), "OperatorGroupMissing", 5, f"namespace {NS} has no OperatorGroup",
                 id="no-group"),
    pytest.param(seen(sub(installed=V1), WORKS, groups=(OperatorGroup("b", "", ()), OperatorGroup("a", "", ()))), "OperatorGroupTwice", 5,
                 f"namespace {NS} has 2 OperatorGroups (a, b)", id="two-groups"),
    pytest.param(seen(sub(installed=V1), WORKS, groups=(group(),)), "ServiceAccountNotFound", 5,
                 f"OperatorGroup {NS}/og: ServiceAccount robot not found", id="no-account"),
    # -- the catalogue
    pytest.param(seen(sub(installed=V1), WORKS, catalogs=(Catalog("olm", "other", "READY"), Catalog("elsewhere", "catalogue", "READY"))),
                 "CatalogMissing", 5, f"Subscription {NS}/mesh names CatalogSource olm/catalogue, which does not exist", id="no-catalogue"),
    pytest.param(seen(sub(installed=V1, conditions=(condition("CatalogSourcesUnhealthy", "", "all are gone"),)), WORKS, catalogs=()),
                 "CatalogMissing", 5, "which does not exist (all are gone)", id="no-catalogue-says-olm"),

                    pytest.param(seen(sub(installed=V1), WORKS,
                      catalogs=(Catalog("olm", "other", "READY"), Catalog("olm", "catalogue", "TRANSIENT_FAILURE"))),
                 "CatalogUnreachable", 10, "CatalogSource olm/catalogue cannot be reached", id="catalogue-away"),
    # -- the resolution
    pytest.param(seen(failed("error using catalogsource olm/broken: failed to list bundles"), WORKS), "CatalogUnreachable", 8, "olm/broken",
                 id="another-catalogue-away"),
    pytest.param(seen(failed(refers("from catalog catalogue in namespace olm")), WORKS), "CatalogMissing", 8, "from catalog catalogue",
                 id="resolution-no-catalogue"),
    pytest.param(seen(failed(refers("in package mash in the catalog")), WORKS), "UnknownPackage", 8, "in package mash", id="package"),
    pytest.param(seen(failed(refers("in channel stabel of package mesh in the catalog")), WORKS), "UnknownChannel", 8, "stabel",
                 id="channel"),
    pytest.param(seen(failed(refers("with name mesh.v9 in channel stable of package mesh in the catalog")), WORKS), "UnknownStartingCSV", 8,
                 "mesh.v9", id="starting"),
    pytest.param(seen(failed(refers("in package mash in the catalog", by="kiali")), WORKS, sub("kiali")), "UnknownPackage", 8, "mash",
                 id="a-neighbours-package"),
    pytest.param(seen(failed(refers("in package mash in the catalog", by="kiali")), WORKS), "StaleResolution", 8,
                 "says ResolutionFailed of a cause that is gone", id="a-neighbour-that-has-gone"),
    pytest.param(seen(failed(ORPHAN), WORKS, csv(V0)), "OrphanedCSV", 8,
                 V0, id="orphan"),
    pytest.param(seen(failed(ORPHAN), WORKS), "StaleResolution", 8, V0,
                 id="orphan-that-has-gone"),
    pytest.param(seen(failed("no luck", reason="ErrorPreventedResolution"), WORKS), "ResolutionFailed", 8,
                 f"Subscription {NS}/mesh: ErrorPreventedResolution: no luck", id="other"),
    # -- the plan
    pytest.param(seen(waits(), WORKS), "InstallPlanLost", 8, f"waits for InstallPlan {NS}/install-1, which is gone", id="plan-deleted"),
    pytest.param(seen(waits(), WORKS, plan(V2, phase="Failed", message="bad-svc")), "InstallPlanFailed", 0,
                 f"InstallPlan {NS}/install-1 Failed: bad-svc", id="plan-failed"),
    pytest.param(seen(waits(conditions=(condition("InstallPlanFailed", "", "it says so here"),)), WORKS, plan(V2, phase="Failed")),
                 "InstallPlanFailed", 0, f"InstallPlan {NS}/install-1 Failed: it says so here", id="plan-failed-says-the-subscription"),
    pytest.param(seen(waits(), WORKS, plan(V2, phase="Failed")), "InstallPlanFailed", 0, "Failed: no message", id="plan-failed-silently"),

                    pytest.param(seen(waits(), WORKS, plan(V2, phase="Installing", message="retrying execution due to error: refused")),
                 "InstallPlanFailed",
                 8, f"InstallPlan {NS}/install-1: retrying execution due to error: refused", id="plan-tries-again"),
    pytest.param(seen(waits(), WORKS, plan(V2, phase="Installing", conditions=(condition("Other", status="False"), INSTALLED_FALSE))),
                 "InstallPlanBlocked", 5, f"InstallPlan {NS}/install-1: InstallCheckFailed: no operator group", id="plan-blocked"),
    pytest.param(seen(waits(), WORKS, plan(V2, phase="")), "InstallPlanWithoutPhase", 10, f"InstallPlan {NS}/install-1 has no phase",
                 id="plan-without-phase"),
    pytest.param(seen(waits(), WORKS, plan(V2, phase="", approved=True)), "InstallPlanWithoutPhase", 10, "has no phase and is approved",
                 id="plan-approved-too-early"),
    # -- the ClusterServiceVersion
    pytest.param(seen(sub(installed=V1), csv(V1, "Failed", reason="UnsupportedOperatorGroup", message="AllNamespaces")),
                 "UnsupportedOperatorGroup", 5, f"ClusterServiceVersion {NS}/{V1} Failed: AllNamespaces", id="mode"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Failed", reason="InterOperatorGroupOwnerConflict")), "InterOperatorGroupOwnerConflict", 5,
                 "Failed", id="twice"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Failed", reason="ComponentUnhealthy")), "ComponentUnhealthy", 60, "Failed",
                 id="unhealthy"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Failed", reason="InstallCheckFailed")), "InstallCheckFailed", 8, "Failed",
                 id="csv-failed"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Failed")), "CSVFailed", 8, "Failed", id="csv-failed-without-a-reason"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Pending", reason="RequirementsNotMet", unmet=("ClusterServiceVersion x: too old", "b"))),
                 "RequirementsNotMet", 8, f"ClusterServiceVersion {NS}/{V1}: ClusterServiceVersion x: too old; b", id="requirements"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Pending", reason="RequirementsNotMet", unmet=("ServiceAccount robot: missing",)),
                      plan(V1, phase="Failed", message="bad-svc")),
                 "InstallPlanFailed", 8, f"InstallPlan {NS}/install-1 of {V1} Failed: bad-svc; therefore ServiceAccount robot: missing",
                 id="requirements-of-a-failed-plan"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Pending", reason="RequirementsNotMet", unmet=("ServiceAccount robot: missing",)),
                      plan(V1, phase="Failed")),
                 "InstallPlanFailed", 8, "Failed: no message; therefore", id="requirements-of-a-silent-plan"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Pending", reason="RequirementsNotMet", unmet=("ServiceAccount robot: missing",)),
                      plan(V0, phase="Failed")), "RequirementsNotMet", 90, "ServiceAccount robot: missing", id="another-plan-failed"),
    pytest.param(seen(sub(installed=V1)), "CSVDeleted", 8, f"has installed {V1}, but that ClusterServiceVersion was deleted",
                 id="csv-deleted"),
    pytest.param(seen(sub(installed=V1, current=V2)), "CSVDeleted", 8, "was deleted", id="csv-deleted-and-the-next-not-there"),
    pytest.param(seen(sub(installed=V1, current=V2), csv(V2)), "SubscriptionLags", 30,
                 f"Subscription {NS}/mesh still names {V1}, which is gone, while {V2} is there", id="lags"),
    pytest.param(seen(sub(installed=V1, plan="install-1"), plan(V1, phase="Complete")), "CSVDeleted", 8, "was deleted",
                 id="csv-deleted-later"),
    pytest.param(seen(sub(installed=V1, current=V2, plan="install-1"), plan(V2)), "CSVDeleted", 8, "was deleted", id="another-is-to-come"),
    # -- its pods
    pytest.param(seen(sub(installed=V1, current=V2), WORKS, LOOP, OperatorPod("mesh-webhook-1", "ImagePullBackOff", "no such image")),
                 "ImagePullBackOff", 10, f"Pod {NS}/mesh-webhook-1 of {V2}: ImagePullBackOff: no such image", id="image"),
    pytest.param(seen(sub(installed=V1, current=V2), WORKS, LOOP, OperatorPod("mesh-operator-1", "Unschedulable", "no node")),
                 "Unschedulable", 30, f"Pod {NS}/mesh-operator-1 of {V2}: Unschedulable: no node", id="no-node"),
    # -- and OLM itself
    pytest.param(seen(sub(installed=V1, conditions=(condition("BundleUnpackFailed", "DeadlineExceeded", "job"),)), WORKS),
                 "BundleUnpackFailed", 10, f"Subscription {NS}/mesh: DeadlineExceeded: job", id="unpack"),
    pytest.param(seen(sub(conditions=())), "OLMSilent", 30, f"OLM has not written anything about Subscription {NS}/mesh", id="silent"),
]  # fmt: skip


@pytest.mark.parametrize(("observation", "code", "grace", "text"), CASES)
def test_one_cause(observation: Observation, code: str, grace: float, text: str) -> None:
    found = one(observation)
    assert (found.code, found.grace) == (code, grace)
    assert text in found.reason
    assert found.remedy


@pytest.mark.parametrize("observation", [
    pytest.param(seen(None), id="nobody"),
    pytest.param(seen(sub(installed=V1), WORKS), id="works"),
    pytest.param(seen(sub(installed=V1), WORKS, groups=(group(status="False"),)), id="the-account-is-there-again"),
    pytest.param(seen(sub(installed=V1), WORKS, groups=(group(reason="ServiceAccountFound"),)), id="group-in-order"),
    pytest.param(seen(failed(ORPHAN), WORKS, csv(V0, "Replacing")), id="being-replaced"),
    pytest.param(seen(failed(ORPHAN), WORKS, csv(V0, "Deleting")), id="being-deleted"),
    pytest.param(seen(waits(), WORKS, plan(V2)), id="waits-for-approval"),
    pytest.param(seen(waits(), WORKS, plan(V2, message="retrying execution of nothing")), id="an-old-message"),
    pytest.param(seen(waits(), WORKS, plan(V2, phase="Installing")), id="plan-works"),
    pytest.param(seen(waits(), WORKS, plan(V2, phase="Installing", conditions=(condition("Installed"), condition("Odd", status="False")))),
                 id="installed"),
    pytest.param(seen(sub(installed=V1, plan="install-1", state="AtLatestKnown"), WORKS), id="an-old-plan-was-tidied-away"),
    pytest.param(seen(sub(installed=V1, current=V2, state="UpgradePending"), WORKS), id="no-plan-named-yet"),
    pytest.param(seen(sub(installed=V1, current=V2, state="UpgradePending"), WORKS, csv(V0, "Failed")), id="not-our-csv"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Pending", reason="RequirementsUnknown", unmet=("x",))), id="not-looked-at"),
    pytest.param(seen(sub(installed=V1), csv(V1, "InstallReady", reason="RequirementsNotMet", unmet=("x",))), id="met-meanwhile"),
    pytest.param(seen(sub(installed=V1), csv(V1, "Pending", reason="RequirementsNotMet")), id="nothing-unmet"),
    pytest.param(seen(sub(installed=V1, plan="install-1"), plan(V1)), id="csv-still-to-come"),
    pytest.param(seen(sub(installed=V1, current=V2), WORKS, LOOP, OperatorPod("mesh-operator-1", "", "")), id="pod-well"),
    pytest.param(seen(sub(installed=V1, current=V2), WORKS, LOOP, OperatorPod("kiali-1", "ImagePullBackOff", "")), id="somebody-elses-pod"),
    pytest.param(seen(sub(installed=V1, current=V2), WORKS, csv(V2, "Pending", deployments=("mesh-operator",)),
                      OperatorPod("mesh-operator-1", "ImagePullBackOff", "")), id="a-pod-of-before"),
    pytest.param(seen(sub(conditions=(), state="UpgradePending")), id="a-state"),
    pytest.param(seen(sub(conditions=(), plan="install-1"), plan(V1)), id="a-plan"),
])  # fmt: skip
def test_nothing_stands_in_the_way(observation: Observation) -> None:
    assert causes(observation) == []


def test_what_olm_says_of_a_catalogue_is_told_where_it_says_something() -> None:
    assert one(seen(sub(installed=V1), WORKS, catalogs=())).reason == (
        f"Subscription {NS}/mesh names CatalogSource olm/catalogue, which does not exist"
    )


def test_the_nearest_is_first() -> None:
    everything = seen(
        waits(conditions=(condition("BundleUnpackFailed", "x", "y"),)),
        csv(V2, "Failed", deployments=("mesh",)),
        plan(V2, phase="Failed"),
        OperatorPod("mesh-1", "CrashLoopBackOff", ""),
        groups=(),
        catalogs=(),
    )
    assert [cause.code for cause in causes(everything)] == [
        "OperatorGroupMissing",
        "InstallPlanFailed",
        "CSVFailed",
        "CrashLoopBackOff",
        "CatalogMissing",
        "BundleUnpackFailed",
        "SubscriptionLags",
    ]


@pytest.mark.parametrize(("observation", "command"), [
    pytest.param(seen(waits(), WORKS), f"delete the Subscription and its ClusterServiceVersion (oc delete -n {NS} "
                 f"subscriptions.operators.coreos.com/mesh clusterserviceversions.operators.coreos.com/{V1})", id="with-its-csv"),
    pytest.param(seen(sub(plan="install-1", state="UpgradePending")), f"delete the Subscription (oc delete -n {NS} "
                 "subscriptions.operators.coreos.com/mesh)", id="without-a-csv"),
    pytest.param(seen(waits(), WORKS, plan(V2, V2, "kiali.v1", phase="Failed")), f"subscriptions.operators.coreos.com/mesh "
                 f"clusterserviceversions.operators.coreos.com/{V2} clusterserviceversions.operators.coreos.com/kiali.v1)", id="each-once"),
    pytest.param(seen(failed(refers("in package mash in the catalog")), WORKS), "correct spec.name of Subscription mesh, or delete it",
                 id="by"),
    pytest.param(seen(failed(refers("from catalog c in namespace n")), WORKS), "or make CatalogSource n/c", id="where"),
    pytest.param(seen(failed("no operators found in package mash in the catalog"), WORKS), "spec.name of Subscription mesh",
                 id="nobody-named"),
    pytest.param(seen(failed(ORPHAN), WORKS, csv(V0)),
                 f"oc delete -n {NS} clusterserviceversions.operators.coreos.com/{V0}", id="orphan"),
    pytest.param(seen(failed("no luck"), WORKS), f"oc label -n {NS} subscriptions.operators.coreos.com/mesh looked-at=", id="touch"),
])  # fmt: skip
def test_the_remedy_is_a_command(observation: Observation, command: str) -> None:
    assert command in one(observation).remedy
