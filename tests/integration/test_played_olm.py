# SPDX-License-Identifier: GPL-3.0-or-later
"""The played OLM does what the real one was recorded doing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from played_support import Recorder, distinct, eventually, recorded
from testbed import Bed
from testbed.operators.base import ApiError, Kube

V1A1, V1 = "operators.coreos.com/v1alpha1", "operators.coreos.com/v1"
KINDS = [(V1A1, "Subscription"), (V1A1, "InstallPlan"), (V1A1, "ClusterServiceVersion"), (V1, "OperatorGroup")]
FILE = "olm-status.jsonl.gz"
OSSM3 = "servicemeshoperator3"
Obj = dict[str, Any]
Play = Callable[[Callable[[Kube, Recorder], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    bed = Bed.start("played-olm", ("olm",))
    yield bed
    bed.stop()


@pytest.fixture
def play(bed: Bed) -> Iterator[Play]:
    bed.set_faults({"olm": {"delay": 0.2, "hop_delay": 1.0}})

    def run(scenario: Callable[[Kube, Recorder], Awaitable[None]]) -> None:
        async def go() -> None:
            kube = await Kube.connect(Path(bed.kubeconfig))
            try:
                async with Recorder(kube, KINDS) as recorder:
                    await eventually(lambda: kube.get(V1, "OperatorGroup", "global-operators", "openshift-operators"), what="OLM")
                    await scenario(kube, recorder)
            finally:
                await kube.close()

        asyncio.run(go())

    yield run


def csv_view(obj: Obj) -> tuple[str, str] | None:
    status = obj.get("status", {})
    return (status["phase"], status["reason"]) if status.get("phase") and status["reason"] != "InstallWaiting" else None


def plan_view(obj: Obj) -> tuple[Any, ...]:
    status = obj.get("status", {})
    return (
        obj["spec"]["approved"],
        status.get("phase"),
        sorted((c["type"], c["status"], c.get("reason", "")) for c in status.get("conditions", [])),
    )


def sub_view(obj: Obj) -> tuple[Any, ...]:
    """Where the real one flickers (CatalogSourcesAdded, InstallPlanPending after the end), only the first of each state counts."""
    status = obj.get("status", {})
    return (
        status.get("state"),
        status.get("currentCSV"),
        status.get("installedCSV"),
        sorted(
            (
                c["type"],
                c["status"],
                c.get("reason", "").replace(
                    "CatalogSourcesAdded", "AllCatalogSourcesHealthy" if c["status"] == "False" else "UnhealthyCatalogSourceFound"
                ),
            )
            for c in status.get("conditions", [])
        ),
    )


async def namespace(kube: Kube, name: str, group: Obj | None = None) -> None:
    await kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    if group is not None:
        await kube.apply({"apiVersion": V1, "kind": "OperatorGroup", "metadata": {"name": "og", "namespace": name}, "spec": group})


async def subscribe(kube: Kube, where: str, package: str, **spec: str) -> Obj:
    return await kube.create(
        {
            "apiVersion": V1A1,
            "kind": "Subscription",
            "metadata": {"name": package, "namespace": where},
            "spec": {
                "name": package,
                "channel": "stable",
                "source": "redhat-operators",
                "sourceNamespace": "openshift-marketplace",
                "installPlanApproval": "Manual",
                **spec,
            },
        }
    )


async def sub(kube: Kube, where: str, name: str) -> Obj:
    return await kube.get(V1A1, "Subscription", name, where) or {}


async def plan_of(kube: Kube, where: str, csv: str) -> Obj:
    """The plan that asks for approval of this CSV."""

    async def ask() -> Obj | None:
        return next(
            (
                p
                for p in await kube.list(V1A1, "InstallPlan", where)
                if csv in p["spec"]["clusterServiceVersionNames"]
                and p.get("status", {}).get("phase") == "RequiresApproval"
                and not p["spec"]["approved"]
            ),
            None,
        )

    found: Obj = await eventually(ask, what=f"a plan for {csv} in {where}")
    return found


async def approve(kube: Kube, plan: Obj) -> Obj:
    return await kube.patch(plan, {"metadata": {"resourceVersion": plan["metadata"]["resourceVersion"]}, "spec": {"approved": True}})


async def settled(kube: Kube, where: str, name: str, csv: str) -> None:
    """At this version, and its plan is through; whoever looks late may see the plan of the next one wait already."""

    async def ask() -> bool:
        status = (await sub(kube, where, name)).get("status", {})
        pending = [c for c in status.get("conditions", []) if c["type"] == "InstallPlanPending"]
        return status.get("installedCSV") == csv and not (pending and status.get("currentCSV") == csv)

    await eventually(ask, what=f"{name} at {csv}")
    await phase(kube, where, csv, "Succeeded")


async def phase(kube: Kube, where: str, csv: str, wanted: str, timeout: float = 60.0) -> Obj:
    async def ask() -> Obj | None:
        found = await kube.get(V1A1, "ClusterServiceVersion", csv, where)
        return found if found and found.get("status", {}).get("phase") == wanted else None

    found: Obj = await eventually(ask, timeout, f"CSV {csv} {wanted}")
    return found


async def failure(  # or any other condition that is True
    kube: Kube, where: str, name: str, kind: str = "ResolutionFailed"
) -> Obj:
    async def ask() -> Obj | None:
        return next(
            (
                c
                for c in (await sub(kube, where, name)).get("status", {}).get("conditions", [])
                if c["type"] == kind and c["status"] == "True"
            ),
            None,
        )

    found: Obj = await eventually(ask, what=f"{kind} of {name}")
    return found


async def clean(kube: Kube, where: str) -> None:
    for kind in ("Subscription", "ClusterServiceVersion", "InstallPlan"):
        for obj in await kube.list(V1A1, kind, where):
            await kube.delete(obj)


def test_manual_hops(play: Play) -> None:
    where, csvs = "openshift-operators", [f"{OSSM3}.v3.0.0", f"{OSSM3}.v3.0.1", f"{OSSM3}.v3.1.0"]

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await subscribe(kube, where, OSSM3, startingCSV=csvs[0])
        for csv in csvs[:2]:
            plan = await plan_of(kube, where, csv)
            await failure(kube, where, OSSM3, "InstallPlanPending")  # the recording waited for it, too
            await approve(kube, plan)
            await settled(kube, where, OSSM3, csv)
        await plan_of(kube, where, csvs[2])
        await failure(kube, where, OSSM3, "InstallPlanPending")
        steps = ["B 08", "B 09 plan for v3.0.0", "B 09 plan for v3.0.1"]
        for csv in csvs[:2]:
            assert distinct(seen.of("ClusterServiceVersion", where, csv), csv_view) == distinct(
                recorded(FILE, steps, "ClusterServiceVersion", where, csv), csv_view
            )

            def holds(obj: Obj, csv: str = csv) -> bool:
                return csv in obj["spec"]["clusterServiceVersionNames"]

            assert distinct(seen.of("InstallPlan", where, holds), plan_view) == distinct(
                recorded(FILE, steps, "InstallPlan", where, holds), plan_view
            )
        assert distinct(seen.of("Subscription", where, OSSM3), sub_view, once=True) == distinct(
            recorded(FILE, steps, "Subscription", where, OSSM3), sub_view, once=True
        )
        deployed = await kube.get("apps/v1", "Deployment", "servicemesh-operator3", where)
        assert deployed and deployed["metadata"]["ownerReferences"][0]["name"] == csvs[1]
        assert await kube.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "istios.sailoperator.io")
        await clean(kube, where)

    play(scenario)


def test_automatic_goes_to_the_head(play: Play) -> None:
    where, csv = "auto", f"{OSSM3}.v3.2.0"

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where, {})
        await subscribe(kube, where, OSSM3, installPlanApproval="Automatic")
        await settled(kube, where, OSSM3, csv)
        real = "openshift-operators"
        assert distinct(seen.of("ClusterServiceVersion", where, csv), csv_view) == distinct(
            recorded(FILE, ["B 03"], "ClusterServiceVersion", real, csv), csv_view
        )
        assert distinct(seen.of("InstallPlan", where, lambda _o: True), plan_view) == distinct(
            recorded(FILE, ["B 03"], "InstallPlan", real, lambda _o: True), plan_view
        )
        assert distinct(seen.of("Subscription", where, OSSM3), sub_view, once=True) == distinct(
            recorded(FILE, ["B 03"], "Subscription", real, OSSM3), sub_view, once=True
        )
        await clean(kube, where)

    play(scenario)


def test_deployment_never_ready(play: Play) -> None:
    where, csv = "broken", "broken-operator.v1.0.0"

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where, {})
        await subscribe(kube, where, "broken-operator", installPlanApproval="Automatic")
        failed = await phase(kube, where, csv, "Failed")
        assert distinct(seen.of("ClusterServiceVersion", where, csv), csv_view) == distinct(
            recorded(FILE, ["B 2", "B 3"], "ClusterServiceVersion", where, csv), csv_view
        )
        assert failed["status"]["message"] == recorded(FILE, ["B 3"], "ClusterServiceVersion", where, csv)[-1]["status"]["message"]
        status = (await sub(kube, where, "broken-operator"))["status"]
        assert (status["state"], status["installedCSV"]) == ("AtLatestKnown", csv)
        plans = await kube.list(V1A1, "InstallPlan", where)
        assert [p["status"]["phase"] for p in plans] == ["Complete"]

    play(scenario)


@pytest.mark.parametrize(
    ("where", "package", "spec"),
    [
        ("badpkg", "nosuch-package", {}),
        ("badch", "kiali-ossm", {"channel": "nosuch"}),
        ("badcsv", "kiali-ossm", {"startingCSV": "kiali-operator.v9.9.9"}),
        ("badsrc", "kiali-ossm", {"source": "nosuch-catalog"}),
    ],
)
def test_what_is_unknown(play: Play, where: str, package: str, spec: dict[str, str]) -> None:
    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where, {})
        await subscribe(kube, where, package, **spec)
        said = await failure(kube, where, package)
        real = recorded(FILE, ["B 5"], "Subscription", where, package)
        assert said["message"].replace("openshift-marketplace", "olm") == next(
            c["message"] for c in real[-1]["status"]["conditions"] if c["type"] == "ResolutionFailed"
        )
        assert distinct(seen.of("Subscription", where, package), sub_view, once=True)[-1] == distinct(real, sub_view, once=True)[-1]
        assert await kube.list(V1A1, "InstallPlan", where) == []

    play(scenario)


def test_early_approval_throws_the_plan_away(play: Play, bed: Bed) -> None:
    where = "early"
    bed.set_faults({"olm": {"delay": 0.2, "hop_delay": 1.0, "plan_delay": 1.0}})

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where, {})
        await subscribe(kube, where, "fragile-operator", startingCSV="fragile-operator.v1.0.0")

        async def unphased() -> Obj | None:
            return next((p for p in await kube.list(V1A1, "InstallPlan", where) if not p.get("status")), None)

        thrown = await eventually(unphased, what="a plan without a phase")
        await kube.patch(thrown, {"spec": {"approved": True}})
        said = await failure(kube, where, "fragile-operator", "BundleUnpackFailed")
        assert said["reason"] == "EnsureInstallPlanFailed" and "the object has been modified" in said["message"]
        plan = await plan_of(kube, where, "fragile-operator.v1.0.0")
        assert plan["spec"]["generation"] == 2
        with pytest.raises(ApiError, match="409"):
            await kube.patch(plan, {"metadata": {"resourceVersion": "1"}, "spec": {"approved": True}})
        await approve(kube, plan)
        await settled(kube, where, "fragile-operator", "fragile-operator.v1.0.0")
        old = await kube.get(V1A1, "InstallPlan", thrown["metadata"]["name"], where)
        assert old and not old.get("status")

    play(scenario)


def test_one_plan_for_two_subscriptions_and_one_manual_makes_all_manual(play: Play) -> None:
    where = "two"

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where)
        await subscribe(kube, where, "jaeger-product", installPlanApproval="Automatic")
        await subscribe(kube, where, "tempo-product")
        await asyncio.sleep(1.0)
        assert "state" not in (await sub(kube, where, "tempo-product")).get("status", {})  # no OperatorGroup: nothing is said
        await namespace(kube, where, {})
        plan = await plan_of(kube, where, "jaeger-operator.v1.65.0-4")
        assert sorted(plan["spec"]["clusterServiceVersionNames"]) == ["jaeger-operator.v1.65.0-4", "tempo-operator.v0.16.0-1"]
        assert plan["spec"]["approval"] == "Manual"
        await approve(kube, plan)
        await settled(kube, where, "jaeger-product", "jaeger-operator.v1.65.0-4")
        await settled(kube, where, "tempo-product", "tempo-operator.v0.16.0-1")
        # A Subscription that cannot be resolved blocks the others of the namespace, also after it is gone.
        await subscribe(kube, where, "nosuch-package")
        for name in ("jaeger-product", "tempo-product", "nosuch-package"):
            await failure(kube, where, name)
        await asyncio.sleep(1.0)
        await kube.delete(await sub(kube, where, "nosuch-package") | {"apiVersion": V1A1, "kind": "Subscription"})
        await asyncio.sleep(1.5)
        await failure(kube, where, "jaeger-product")
        touched = await sub(kube, where, "jaeger-product") | {"apiVersion": V1A1, "kind": "Subscription"}
        await kube.patch(touched, {"metadata": {"labels": {"touched": "yes"}}})

        async def free() -> bool:
            conditions = (await sub(kube, where, "jaeger-product"))["status"]["conditions"]
            return "ResolutionFailed" not in [c["type"] for c in conditions]

        await eventually(free, what="ResolutionFailed gone")

    play(scenario)


def test_a_hop_beside_a_neighbour_that_has_arrived(play: Play) -> None:
    """One plan a hop, and the Subscription arrives: plans that say the same again would be named in place of the approved one."""
    where, csvs = "besides", [f"{OSSM3}.v3.0.0", f"{OSSM3}.v3.0.1", f"{OSSM3}.v3.1.0"]

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where, {})
        await subscribe(kube, where, "kiali-ossm")
        await subscribe(kube, where, OSSM3, startingCSV=csvs[0])
        for csv in csvs:
            await approve(kube, await plan_of(kube, where, csv))
            await settled(kube, where, OSSM3, csv)
        await settled(kube, where, "kiali-ossm", "kiali-operator.v2.11.0")
        await plan_of(kube, where, f"{OSSM3}.v3.2.0")
        held = [p["spec"]["clusterServiceVersionNames"] for p in await kube.list(V1A1, "InstallPlan", where)]
        assert [csvs_of for csvs_of in held if csvs[1] in csvs_of] == [[csvs[1]]]
        assert [csvs_of for csvs_of in held if csvs[2] in csvs_of] == [[csvs[2]]]
        await clean(kube, where)

    play(scenario)


def test_a_deleted_subscription_leaves_its_csv_which_is_not_adopted(play: Play) -> None:
    where, csv = "left", "elasticsearch-operator.v5.8.15"

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where, {})
        made = await subscribe(kube, where, "elasticsearch-operator", channel="stable-5.8", installPlanApproval="Automatic")
        await settled(kube, where, "elasticsearch-operator", csv)
        await kube.delete({"apiVersion": V1A1, "kind": "Subscription", **made})
        await eventually(lambda: _none(kube, "InstallPlan", where), what="plans collected")
        await subscribe(kube, where, "elasticsearch-operator", channel="stable-5.8")
        said = await failure(kube, where, "elasticsearch-operator")
        assert f"clusterserviceversion {csv} exists and is not referenced by a subscription" in said["message"]
        await kube.delete(await phase(kube, where, csv, "Succeeded") | {"apiVersion": V1A1, "kind": "ClusterServiceVersion"})
        await plan_of(kube, where, csv)

    play(scenario)


async def _none(kube: Kube, kind: str, where: str) -> bool:
    return not await kube.list(V1A1, kind, where)


def test_operator_groups(play: Play) -> None:
    async def scenario(kube: Kube, seen: Recorder) -> None:
        where, csv = "ownmode", "sample-own.v1.0.0"
        await namespace(kube, where, {})
        await subscribe(kube, where, "sample-own", installPlanApproval="Automatic")
        await phase(kube, where, csv, "Failed")

        async def installed() -> bool:
            return (await sub(kube, where, "sample-own"))["status"].get("installedCSV") == csv

        await eventually(installed, what="installedCSV of a Failed CSV")
        await namespace(kube, where, {"targetNamespaces": [where]})
        await phase(kube, where, csv, "Succeeded")
        assert distinct(seen.of("ClusterServiceVersion", where, csv), csv_view) == distinct(
            recorded(FILE, ["B 5"], "ClusterServiceVersion", where, csv), csv_view
        )
        await kube.apply({"apiVersion": V1, "kind": "OperatorGroup", "metadata": {"name": "og-b", "namespace": where}, "spec": {}})

        async def several() -> bool:
            groups = await kube.list(V1, "OperatorGroup", where)
            return all([c["reason"] for c in g.get("status", {}).get("conditions", [])] == ["MultipleOperatorGroupsFound"] for g in groups)

        await eventually(several, what="MultipleOperatorGroupsFound")

    play(scenario)


def test_refused_step_and_kube_version(play: Play, bed: Bed) -> None:
    bed.set_faults({"olm": {"delay": 0.2, "hop_delay": 1.0, "plan_timeout": 2.0}})

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, "badplan", {})
        await namespace(kube, "future", {})
        await subscribe(kube, "badplan", "badplan-operator", installPlanApproval="Automatic")
        await subscribe(kube, "future", "future-operator", installPlanApproval="Automatic")
        said = await failure(kube, "badplan", "badplan-operator", "InstallPlanFailed")
        real = recorded(FILE, ["B 106"], "Subscription", "badplan", "badplan-operator")
        assert said["message"] == next(c["message"] for c in real[-1]["status"]["conditions"] if c["type"] == "InstallPlanFailed")
        assert distinct(seen.of("Subscription", "badplan", "badplan-operator"), sub_view, once=True) == distinct(
            recorded(FILE, ["B 10"], "Subscription", "badplan", "badplan-operator"), sub_view, once=True
        )

        async def stays() -> bool:
            status = (await sub(kube, "future", "future-operator"))["status"]
            return status.get("state") == "AtLatestKnown"

        await eventually(stays, what="AtLatestKnown")
        stuck = await phase(kube, "future", "future-operator.v1.0.0", "Pending")
        assert "minKubeVersion (99.0.0) > server version" in json.dumps(stuck["status"]["requirementStatus"])

    play(scenario)
