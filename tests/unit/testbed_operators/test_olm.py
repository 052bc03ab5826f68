# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the played OLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed.operators.base import conditions_of
from testbed.operators.olm_objects import bundle_objects, cluster_service_version, deployment, package_manifest, plan_steps
from testbed.operators.olm_rules import (
    Bundle,
    Catalogue,
    CsvWorld,
    SubView,
    advance_csv,
    advance_subscription,
    approval,
    deployment_problem,
    moved,
    needs_resolution,
    requirement_status,
    resolve,
    source_condition,
    with_condition,
)

FILE = Path(__file__).resolve().parents[2] / "testbed" / "operators" / "catalog.yaml"
CATALOGUE = Catalogue.from_dict(yaml.safe_load(FILE.read_text()))
MARKET = "openshift-marketplace"
SOURCES: dict[tuple[str, str], dict[str, Any]] = {(MARKET, "redhat-operators"): {"lastObservedState": "READY"}}
OSSM3 = "servicemeshoperator3"


def view(package: str = OSSM3, **more: Any) -> SubView:
    return SubView(
        **{"name": package, "package": package, "channel": "stable", "source": "redhat-operators", "source_namespace": MARKET, **more}
    )


def target(sub: SubView, *csvs: str) -> str | None:
    done = resolve("ns", [sub], csvs, CATALOGUE, SOURCES)
    assert done.failure is None, done.failure
    return done.targets[0][1].csv if done.targets else None


@pytest.mark.parametrize(
    ("channel", "starting", "installed", "wanted"),
    [
        ("stable", "", "", "v3.2.0"),
        ("stable", "v3.0.0", "", "v3.0.0"),
        ("stable", "v3.0.0", "v3.0.0", "v3.0.1"),
        ("stable", "", "v3.1.0", "v3.2.0"),
        ("stable", "", "v3.2.0", None),
        ("stable-3.0", "", "v3.0.1", None),
        ("candidates", "v3.1.1", "", "v3.1.1"),
        ("candidates", "", "v3.1.1", "v3.2.0"),
        ("candidates", "", "v3.1.0", "v3.2.0"),
        ("", "", "", "v3.2.0"),
    ],
)
def test_next_version(channel: str, starting: str, installed: str, wanted: str | None) -> None:
    def full(version: str) -> str:
        return f"{OSSM3}.{version}" if version else ""

    found = target(view(channel=channel, starting=full(starting), installed=full(installed)), *([full(installed)] if installed else []))
    assert found == (full(wanted) if wanted else None)


@pytest.mark.parametrize(
    ("sub", "csvs", "part"),
    [
        (
            view("nosuch"),
            (),
            "no operators found in package nosuch in the catalog referenced by subscription nosuch, subscription nosuch exists",
        ),
        (view(channel="nosuch"), (), f"no operators found in channel nosuch of package {OSSM3} in the catalog"),
        (view(starting="x.v9"), (), f"no operators found with name x.v9 in channel stable of package {OSSM3} in the catalog"),
        (view(source="nosuch"), (), f"no operators found from catalog nosuch in namespace {MARKET} referenced"),
        (view(), (f"{OSSM3}.v3.2.0",), f"clusterserviceversion {OSSM3}.v3.2.0 exists and is not referenced by a subscription"),
        (
            view("fragile-operator", installed="fragile-operator.v1.1.0"),
            ("fragile-operator.v1.0.0", "fragile-operator.v1.1.0"),
            "constraints not satisfiable: @existing/ns//fragile-operator.v1.0.0, @existing/ns//fragile-operator.v1.1.0 and redhat-"
            "operators/openshift-marketplace/stable/fragile-operator.v1.2.0 originate from package fragile-operator, clusterserviceversion "
            "fragile-operator.v1.0.0 exists and is not referenced by a subscription, subscription fragile-operator exists, subscription "
            "fragile-operator requires at least one of redhat-operators/openshift-marketplace/stable/fragile-operator.v1.2.0 or "
            "@existing/ns//fragile-operator.v1.1.0",
        ),
    ],
)
def test_what_cannot_be_resolved(sub: SubView, csvs: tuple[str, ...], part: str) -> None:
    done = resolve("ns", [sub, view("kiali-ossm")], csvs, CATALOGUE, SOURCES)
    assert done.failure and done.failure.reason == "ConstraintsNotSatisfiable" and part in done.failure.message
    assert done.targets == ()


def test_an_unreachable_catalogue_of_the_global_namespace_stops_everybody() -> None:
    sources = {**SOURCES, (MARKET, "broken"): {"lastObservedState": "TRANSIENT_FAILURE", "address": "127.0.0.1:1"}}
    done = resolve("ns", [view()], (), CATALOGUE, sources)
    assert done.failure and done.failure.reason == "ErrorPreventedResolution"
    assert done.failure.message.startswith(f"error using catalogsource {MARKET}/broken: failed to list bundles: rpc error: code = Unavail")
    elsewhere = {**SOURCES, ("other", "broken"): {"lastObservedState": "TRANSIENT_FAILURE"}}
    assert resolve("ns", [view()], (), CATALOGUE, elsewhere).failure is None


def test_one_plan_for_the_namespace() -> None:
    subs = [view(), view("kiali-ossm", manual=True)]
    assert [b.csv for _name, b in resolve("ns", subs, (), CATALOGUE, SOURCES).targets] == ["kiali-operator.v2.11.0", f"{OSSM3}.v3.2.0"]
    assert (approval(subs), approval(subs[:1])) == ("Manual", "Automatic")


def test_nothing_is_resolved_while_all_have_a_plan() -> None:
    pending = view(state="UpgradePending", has_plan=True)
    assert not needs_resolution([pending])
    assert needs_resolution([pending, view("kiali-ossm")])
    assert needs_resolution([view(state="AtLatestKnown", has_plan=True)])


def test_a_plan_is_made_for_those_only_that_it_takes_further() -> None:
    """As recorded in B 95: the second plan holds both CSVs, and the first Subscription keeps the plan that it has."""
    targets = resolve("ns", [view(starting=f"{OSSM3}.v3.0.0"), view("kiali-ossm")], (), CATALOGUE, SOURCES).targets
    assert sorted(moved(targets, {})) == ["kiali-ossm", OSSM3]
    assert sorted(moved(targets, {OSSM3: f"{OSSM3}.v3.0.0"})) == ["kiali-ossm"]
    assert moved(targets, {OSSM3: f"{OSSM3}.v3.0.0", "kiali-ossm": "kiali-operator.v2.11.0"}) == {}


def test_extra_csvs_follow_the_head() -> None:
    more = Catalogue.from_dict(yaml.safe_load(FILE.read_text()), {OSSM3: [f"{OSSM3}.v3.3.0"]})
    done = resolve("ns", [view(installed=f"{OSSM3}.v3.2.0")], [f"{OSSM3}.v3.2.0"], more, SOURCES)
    assert [b.csv for _name, b in done.targets] == [f"{OSSM3}.v3.3.0"]


def subscription(**status: Any) -> dict[str, Any]:
    healthy = {"type": "CatalogSourcesUnhealthy", "status": "False", "reason": "AllCatalogSourcesHealthy", "message": ""}
    conditions = [healthy, *status.pop("conditions", [])]
    return {
        "metadata": {"name": "s"},
        "status": {**status, "conditions": conditions},
        "spec": {"name": OSSM3, "source": "redhat-operators", "sourceNamespace": MARKET},
    }


def plan(phase: str, **status: Any) -> dict[str, Any]:
    return {"spec": {}, "status": {"phase": phase, **status}}


def reasons(status: dict[str, Any] | None) -> dict[str, str]:
    return {c["type"]: c.get("reason", "") for c in (status or {}).get("conditions", []) if c["type"] != "CatalogSourcesUnhealthy"}


REF = {"installPlanRef": {"name": "p"}, "currentCSV": "b", "installedCSV": "a", "state": "UpgradePending"}
PENDING = {"type": "InstallPlanPending", "status": "True"}


@pytest.mark.parametrize(
    ("status", "of", "csv_here", "state", "installed", "conditions"),
    [
        (REF, plan("RequiresApproval"), False, "UpgradePending", "a", {"InstallPlanPending": "RequiresApproval"}),
        (
            {**REF, "conditions": [{**PENDING, "reason": "RequiresApproval"}]},
            plan("Installing"),
            False,
            "UpgradePending",
            "a",
            {"InstallPlanPending": "Installing"},
        ),
        (
            {**REF, "conditions": [{**PENDING, "reason": "Installing"}]},
            plan("Complete"),
            True,
            "AtLatestKnown",
            "b",
            {"InstallPlanPending": "Installing"},
        ),
        (
            {**REF, "state": "AtLatestKnown", "installedCSV": "b", "conditions": [{**PENDING, "reason": "Installing"}]},
            plan("Complete"),
            True,
            "AtLatestKnown",
            "b",
            {},
        ),
        # B 100: what the pending plan would bring has come by another one.
        (
            {**REF, "conditions": [{**PENDING, "reason": "RequiresApproval"}]},
            plan("RequiresApproval"),
            True,
            "AtLatestKnown",
            "b",
            {"InstallPlanPending": "RequiresApproval"},
        ),
        ({**REF, "state": "AtLatestKnown", "installedCSV": "b"}, plan("Complete"), False, "UpgradePending", "b", {}),
        (
            {**REF, "state": "AtLatestKnown", "installedCSV": "b", "conditions": [{**PENDING, "reason": "Installing"}]},
            plan("Failed", message="why"),
            True,
            "AtLatestKnown",
            "b",
            {"InstallPlanFailed": "InstallComponentFailed"},
        ),
    ],
)
def test_subscription_follows_its_plan(
    *, status: dict[str, Any], of: dict[str, Any], csv_here: bool, state: str, installed: str, conditions: dict[str, str]
) -> None:
    new = advance_subscription(subscription(**status), of, csv_here, SOURCES)
    assert new and (new["state"], new["installedCSV"], reasons(new)) == (state, installed, conditions)


def test_a_settled_subscription_stays_and_a_pending_one_without_its_plan_says_nothing() -> None:
    done = subscription(**{**REF, "state": "AtLatestKnown", "installedCSV": "b"})
    assert advance_subscription(done, plan("Complete"), True, SOURCES) is None
    assert advance_subscription(subscription(**REF), None, False, SOURCES) is None


@pytest.mark.parametrize(
    ("status", "world", "wanted"),
    [
        ({}, CsvWorld(), ("Pending", "RequirementsUnknown")),
        ({}, CsvWorld(conflict=True), ("Failed", "InterOperatorGroupOwnerConflict")),
        ({}, CsvWorld(modes=("OwnNamespace",)), ("Failed", "UnsupportedOperatorGroup")),
        ({"phase": "Failed", "reason": "UnsupportedOperatorGroup"}, CsvWorld(), ("Pending", "RequirementsUnknown")),
        ({"phase": "Failed", "reason": "InterOperatorGroupOwnerConflict"}, CsvWorld(), None),
        ({"phase": "Pending", "reason": "RequirementsUnknown"}, CsvWorld(requirements=False), ("Pending", "RequirementsNotMet")),
        ({"phase": "Pending", "reason": "RequirementsNotMet"}, CsvWorld(requirements=False), None),
        ({"phase": "Pending", "reason": "RequirementsNotMet"}, CsvWorld(), ("InstallReady", "AllRequirementsMet")),
        ({"phase": "InstallReady"}, CsvWorld(), ("Installing", "InstallSucceeded")),
        ({"phase": "InstallReady"}, CsvWorld(fail="no"), ("Failed", "InstallComponentFailed")),
        ({"phase": "Installing"}, CsvWorld(problem="slow", deployment="d"), ("Installing", "InstallWaiting")),
        (
            {"phase": "Installing", "message": "installing: waiting for deployment d to become ready: slow"},
            CsvWorld(problem="slow", deployment="d"),
            None,
        ),
        ({"phase": "Installing"}, CsvWorld(problem="slow", deadline=True), ("Failed", "InstallCheckFailed")),
        ({"phase": "Installing"}, CsvWorld(problem="slow", timeout=True), ("Failed", "InstallCheckFailed")),
        (
            {"phase": "Failed", "reason": "InstallCheckFailed", "message": "install timeout"},
            CsvWorld(problem="slow"),
            ("Pending", "NeedsReinstall"),
        ),
        ({"phase": "Failed", "reason": "InstallCheckFailed", "message": "install failed"}, CsvWorld(problem="slow"), None),
        ({"phase": "Installing"}, CsvWorld(), ("Succeeded", "InstallSucceeded")),
        ({"phase": "Succeeded"}, CsvWorld(), None),
        ({"phase": "Succeeded"}, CsvWorld(replaced_by="n"), ("Replacing", "BeingReplaced")),
        ({"phase": "Succeeded"}, CsvWorld(missing=True, problem="missing deployment with name=d"), ("Failed", "ComponentUnhealthy")),
        ({"phase": "Failed", "reason": "ComponentUnhealthy"}, CsvWorld(), ("Pending", "NeedsReinstall")),
        ({"phase": "Replacing"}, CsvWorld(replaced_by="n"), None),
        ({"phase": "Replacing"}, CsvWorld(replaced_by="n", replacement_done=True), ("Deleting", "Replaced")),
    ],
)
def test_phases_of_a_csv(status: dict[str, Any], world: CsvWorld, wanted: tuple[str, str] | None) -> None:
    step = advance_csv(status, world)
    assert (step[:2] if step else None) == wanted


def _deployment(generation: int = 1, *, conditions: tuple[dict[str, str], ...] = (), **status: int) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, "conditions": list(conditions), **status},
    }


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (None, ("missing deployment with name=d", False)),
        (_deployment(2), ('waiting for spec update of deployment "d" to be observed...', False)),
        (
            _deployment(conditions=({"type": "Progressing", "reason": "ProgressDeadlineExceeded"},)),
            ('deployment "d" exceeded its progress deadline', True),
        ),
        (_deployment(updatedReplicas=1, replicas=2), ('deployment "d" waiting for 1 outdated replica(s) to be terminated', False)),
        (
            _deployment(
                conditions=({"type": "Available", "status": "False", "message": "Deployment does not have minimum availability."},),
                updatedReplicas=1,
                replicas=1,
            ),
            ('deployment "d" not available: Deployment does not have minimum availability.', False),
        ),
        (_deployment(conditions=({"type": "Available", "status": "True"},), updatedReplicas=1, replicas=1), ("", False)),
    ],
)
def test_deployment_problem(found: dict[str, Any] | None, wanted: tuple[str, bool]) -> None:
    assert deployment_problem("d", found) == wanted


@pytest.mark.parametrize(
    ("min_kube", "account", "crd", "met"),
    [
        ("", "ours", True, True),
        ("", "", True, False),
        ("", "other", True, False),
        ("", "ours", False, False),
        ("99.0.0", "ours", True, False),
        ("1.20.0", "ours", True, True),
    ],
)
def test_requirements(min_kube: str, account: str, crd: bool, met: bool) -> None:
    bundle = Bundle(csv="x.v1", package="x", version="1", deployment="x", owned=("as.b.c",), min_kube=min_kube)
    assert requirement_status("x.v1", bundle, {"as.b.c": crd}, account, "1.35.4-x+y")[0] is met


def test_objects_of_a_bundle() -> None:
    bundle = CATALOGUE.bundle("badplan-operator.v1.0.0")
    newer = CATALOGUE.bundle(f"{OSSM3}.v3.2.0")
    assert bundle and newer
    csv = cluster_service_version(newer, "ns", "stable", "og")
    assert (csv["spec"]["replaces"], csv["spec"]["skips"]) == (f"{OSSM3}.v3.1.0", [f"{OSSM3}.v3.1.1"])
    csv["metadata"]["uid"] = "u"
    made = deployment(newer, csv, never_ready=True, deadline=7)
    assert made["spec"]["progressDeadlineSeconds"] == 7 and made["spec"]["template"]["spec"]["nodeSelector"]
    assert [o["kind"] for o in bundle_objects(newer, csv)] == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]
    kinds = [s["resource"]["kind"] for s in plan_steps([newer, bundle], "redhat-operators", MARKET)]
    assert kinds[:4] == ["ClusterServiceVersion"] * 2 + ["CustomResourceDefinition"] * 2
    assert "Service" in kinds and len(kinds) == 11


def test_null_is_an_empty_list() -> None:
    """The API gives null where a list was never filled."""
    nothing = {"conditions": None}
    assert conditions_of(nothing) == conditions_of(None) == []
    assert with_condition(nothing, "A", {"status": "True"})["conditions"] == [{"type": "A", "status": "True"}]
    sub = {**subscription(**REF), "status": {**REF, "conditions": None}}
    assert reasons(advance_subscription(sub, None, False, SOURCES)) == {}
    added = advance_subscription({**sub, "status": nothing}, None, False, SOURCES)
    assert added and [c["reason"] for c in added["conditions"]] == ["CatalogSourcesAdded"]
    pending = subscription(**REF, conditions=[{**PENDING, "reason": "Installing"}])
    assert advance_subscription(pending, plan("Installing", conditions=None), False, SOURCES) is None
    assert deployment_problem("d", {"metadata": {}, "spec": {}, "status": {"updatedReplicas": 1, "conditions": None}})[0].startswith(
        'deployment "d" not available'
    )
    assert source_condition(SubView.of(sub), SOURCES)["status"] == "False"


def test_a_package_that_the_vendor_has_taken_out_is_in_no_catalogue() -> None:
    data = yaml.safe_load(FILE.read_text())
    less = Catalogue.from_dict(data, gone=["jaeger-product"])
    assert "jaeger-product" in CATALOGUE.sources["redhat-operators"] and "jaeger-product" not in less.sources["redhat-operators"]
    assert less.bundle("jaeger-operator.v1.65.0-4") is None and less.bundle("kiali-operator.v2.11.0") is not None


def test_a_manifest_has_every_channel_with_its_versions_the_newest_first() -> None:
    source = {"metadata": {"name": "redhat-operators", "namespace": "olm"}, "spec": {"displayName": "Red Hat"}}
    found = package_manifest(CATALOGUE.sources["redhat-operators"][OSSM3], source)
    meta = found["metadata"]
    assert (meta["name"], meta["namespace"], found["status"]["catalogSource"]) == (OSSM3, "olm", "redhat-operators")
    channels = {row["name"]: row for row in found["status"]["channels"]}
    assert found["status"]["defaultChannel"] == "stable" and set(channels) == {"stable", "stable-3.0", "candidates"}
    assert [row["name"] for row in channels["stable-3.0"]["entries"]] == [f"{OSSM3}.v3.0.1", f"{OSSM3}.v3.0.0"]
    assert channels["stable"]["currentCSV"] == f"{OSSM3}.v3.2.0"
