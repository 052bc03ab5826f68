# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop behind install_plan, against a cluster of dictionaries and a clock of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils import _errors as errors
from ansible_collections.meshops.mesh.plugins.module_utils._commands.install_plan import (
    ApprovalLimits,
    SubscriptionProgress,
    remove,
    travel,
)
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import NotFound

Obj = dict[str, Any]
NS = "operators"
HEALTHY = {"type": "CatalogSourcesUnhealthy", "status": "False", "reason": "AllCatalogSourcesHealthy"}


def subscription(
    name: str = "mesh",
    *,
    installed: str = "",
    current: str = "",
    plan: str = "",
    conditions: Iterable[Obj] = (),
    by: str = "meshops.mesh",
    **labels: str,
) -> Obj:
    status: Obj = {"conditions": [HEALTHY, *conditions]}
    status |= {"state": "UpgradePending", "currentCSV": current} if current else {}
    status |= {"installedCSV": installed} if installed else {}
    status |= {"installPlanRef": {"name": plan, "uid": f"uid-{plan}"}} if plan else {}
    fields = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in labels}}}
    meta = {
        "name": name,
        "namespace": NS,
        "uid": f"uid-{name}",
        "labels": labels,
        "managedFields": [{"manager": by, "operation": "Apply", "fieldsV1": fields}],
    }
    return {
        "kind": "Subscription",
        "metadata": meta,
        "status": status,
        "spec": {"name": name, "channel": "stable", "source": "cat", "sourceNamespace": "market", "installPlanApproval": "Manual"},
    }


def plan(name: str, *csvs: str, phase: str = "RequiresApproval", version: str = "7") -> Obj:
    return {
        "kind": "InstallPlan",
        "metadata": {"name": name, "namespace": NS, "uid": f"uid-{name}", "resourceVersion": version},
        "spec": {"approved": False, "generation": 1, "clusterServiceVersionNames": list(csvs)},
        "status": {"phase": phase},
    }


def csv(name: str, phase: str = "Succeeded", **spec: Any) -> Obj:
    return {"kind": "ClusterServiceVersion", "metadata": {"name": name, "namespace": NS}, "spec": spec, "status": {"phase": phase}}


GROUP: Obj = {"kind": "OperatorGroup", "metadata": {"name": "all", "namespace": NS}, "spec": {}}
CATALOG: Obj = {"kind": "CatalogSource", "metadata": {"name": "cat", "namespace": "market"}, "spec": {}}


@dataclass
class Dictionaries:
    """As much of Cluster as plans.py uses. before_patch and before_read play others who are quicker."""

    objects: list[Obj]
    before_patch: list[Callable[[], None]] = field(default_factory=list)
    before_read: list[Callable[[], None]] = field(default_factory=list)
    patches: list[tuple[Obj, bool]] = field(default_factory=list)
    name: str = "west"
    now: float = 0.0
    reads: int = 0

    def find(self, kind: str, name: str) -> Obj | None:
        return next((o for o in self.objects if (o["kind"], o["metadata"]["name"]) == (kind, name)), None)

    def resources(self) -> dict[tuple[str, str], None]:
        return dict.fromkeys((o["apiVersion"], o["kind"]) for o in self.objects if "apiVersion" in o)

    def list(self, _version: str, kind: str, *, namespace: str = "", **_more: Any) -> list[Obj]:
        if kind == "Subscription":
            self.reads += 1
            if self.before_read:
                self.before_read.pop(0)()
        return copy.deepcopy([o for o in self.objects if o["kind"] == kind and namespace in ("", o["metadata"].get("namespace"))])

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [fn(item) for item in items]

    def get(self, _version: str, kind: str, name: str, _namespace: str) -> Obj | None:
        return copy.deepcopy(self.find(kind, name))

    def patch(self, ref: Obj, patch: Obj, *, dry_run: bool) -> Obj:
        if self.before_patch:
            self.before_patch.pop(0)()
        self.patches.append((patch, dry_run))
        found = self.find("InstallPlan", ref["metadata"]["name"])
        if found is None:
            raise NotFound("gone")
        if found["metadata"]["resourceVersion"] != patch["metadata"]["resourceVersion"]:
            raise errors.Conflict("changed")
        if not dry_run:
            self.carry_out(found)
        return found

    def carry_out(self, found: Obj) -> None:
        """Approves and installs at once."""
        found["spec"]["approved"], found["status"]["phase"] = True, "Complete"
        found["metadata"]["resourceVersion"] += "0"
        for name in found["spec"]["clusterServiceVersionNames"]:
            self.objects.append(csv(name))
            for sub in [o for o in self.objects if o["kind"] == "Subscription"]:
                if sub["status"].get("currentCSV") == name:
                    sub["status"] |= {"state": "AtLatestKnown", "installedCSV": name}

    def delete(self, _version: str, kind: str, name: str, _namespace: str, *, dry_run: bool) -> bool:
        found = self.find(kind, name)
        if found and not dry_run:
            self.objects.remove(found)
        return found is not None

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def go(
    cluster: Dictionaries, *rows: Obj, allowed: Iterable[str] = (), timeout: float = 60.0, dry_run: bool = False
) -> tuple[str, list[SubscriptionProgress], list[Obj]]:
    journeys = SubscriptionProgress.of([{"namespace": NS, "target": "", **row} for row in rows or ({"name": "mesh"},)], allowed)
    approved: list[Obj] = []
    error = travel(
        cluster,
        journeys,
        ApprovalLimits(timeout, 1.0, dry_run),
        approved,  # type: ignore[arg-type]
        clock=lambda: cluster.now,
        sleep=cluster.sleep,
    )
    return error, journeys, approved


def first_install() -> Dictionaries:
    return Dictionaries([subscription(current="mesh.v1.0.0", plan="p1"), plan("p1", "mesh.v1.0.0"), GROUP, CATALOG])


def test_it_sends_the_version_that_it_read() -> None:
    cluster = first_install()
    error, journeys, approved = go(cluster)
    assert (error, journeys[0].state, journeys[0].installed_csv) == ("", "done", "mesh.v1.0.0")
    assert cluster.patches == [({"metadata": {"resourceVersion": "7"}, "spec": {"approved": True}}, False)]
    assert approved == [{"name": "p1", "namespace": NS, "uid": "uid-p1", "csvs": ["mesh.v1.0.0"]}]


@pytest.mark.parametrize("dry_run", [True, False])
def test_where_others_have_subscribed_to_all_there_is_nothing_to_do(dry_run: bool) -> None:
    cluster = first_install()
    approved: list[Obj] = []
    error = travel(cluster, [], ApprovalLimits(60.0, 1.0, dry_run), approved, clock=lambda: cluster.now, sleep=cluster.sleep)  # type: ignore[arg-type]
    assert (error, approved, cluster.patches, cluster.now) == ("", [], [], 0.0)


def test_a_plan_that_changed_meanwhile_is_read_again() -> None:
    cluster = first_install()

    def touched() -> None:
        found = cluster.find("InstallPlan", "p1")
        assert found
        found["metadata"]["resourceVersion"] = "8"

    cluster.before_patch.append(touched)
    error, _journeys, approved = go(cluster)
    assert error == ""
    assert [patch["metadata"]["resourceVersion"] for patch, _dry in cluster.patches] == ["7", "8"]
    assert len(approved) == 1


def test_a_plan_that_somebody_else_approves_is_not_ours() -> None:
    cluster = first_install()

    def theirs() -> None:
        found = cluster.find("InstallPlan", "p1")
        assert found
        cluster.carry_out(found)

    cluster.before_patch.append(theirs)
    error, journeys, approved = go(cluster)
    assert (error, journeys[0].state, approved) == ("", "done", [])


def test_an_approval_whose_answer_was_lost_is_ours() -> None:
    cluster = first_install()

    def sent_before() -> None:
        found = cluster.find("InstallPlan", "p1")
        assert found
        cluster.carry_out(found)
        found["metadata"]["managedFields"] = [{"manager": "meshops.mesh", "fieldsV1": {"f:spec": {"f:approved": {}}}}]

    cluster.before_patch.append(sent_before)
    error, _journeys, approved = go(cluster)
    assert (error, [row["name"] for row in approved]) == ("", ["p1"])


def test_a_plan_that_goes_in_between_is_no_error_of_its_own() -> None:
    cluster = first_install()

    def replaced() -> None:
        cluster.objects[:2] = [subscription(current="mesh.v1.0.0", plan="p2"), plan("p2", "mesh.v1.0.0")]

    cluster.before_patch.append(replaced)
    error, _journeys, approved = go(cluster)
    assert (error, [row["name"] for row in approved]) == ("", ["p2"])


def test_a_look_that_had_to_wait_for_the_api_server_does_not_age_an_obstacle() -> None:
    blocked = {"type": "ResolutionFailed", "status": "True", "reason": "ConstraintsNotSatisfiable", "message": "passing"}
    cluster = first_install()
    healthy = cluster.objects[0]
    cluster.objects[0] = subscription(conditions=[blocked])

    def away() -> None:
        cluster.now += 30

    def heals() -> None:
        cluster.objects[0] = healthy

    cluster.before_read += [lambda: None, lambda: None, away, heals]
    error, journeys, _approved = go(cluster, timeout=120)
    assert (error, journeys[0].state) == ("", "done")


@pytest.mark.parametrize(("looks", "ends_well"), [(3, True), (60, False)])
def test_kinds_of_a_starting_api_server_come_back(looks: int, ends_well: bool) -> None:
    cluster = first_install()

    def missing() -> None:
        raise errors.KindMissing("cluster west: the API does not serve it (any more)")

    cluster.before_read += [lambda: None, *[missing] * looks]
    if ends_well:
        assert go(cluster)[0] == ""
    else:
        with pytest.raises(errors.KindMissing):
            go(cluster)
        assert cluster.now < 40


def test_a_cluster_without_olm_is_told_at_once() -> None:
    cluster = first_install()

    def missing() -> None:
        raise errors.KindMissing("cluster west: the API has no kind Subscription")

    cluster.before_read += [missing]
    with pytest.raises(errors.KindMissing):
        go(cluster)
    assert (cluster.now, cluster.reads) == (0, 1)


def test_an_obstacle_that_stays_ends_the_wait() -> None:
    blocked = {"type": "ResolutionFailed", "status": "True", "reason": "ConstraintsNotSatisfiable", "message": "for good"}
    cluster = Dictionaries([subscription(conditions=[blocked]), GROUP, CATALOG])
    error, journeys, _approved = go(cluster)
    assert error.startswith("cluster west: ResolutionFailed: Subscription operators/mesh: ConstraintsNotSatisfiable: for good; remedy: ")
    assert "oc label -n operators subscriptions.operators.coreos.com/mesh" in error
    assert cluster.now < 15
    assert journeys[0].row()["code"] == "ResolutionFailed"


def test_one_cause_is_told_once_with_all_whom_it_stops() -> None:
    both = {"plan": "p1", "current": "mesh.v1.0.0"}
    cluster = Dictionaries(
        [
            subscription(**both),
            subscription("kiali", **{**both, "current": "kiali.v2.0.0"}),
            subscription("stranger", **{**both, "current": "stranger.v9.0.0"}),
            plan("p1", "mesh.v1.0.0", "kiali.v2.0.0", "stranger.v9.0.0"),
            GROUP,
            CATALOG,
        ]
    )
    error, _journeys, approved = go(cluster, {"name": "mesh"}, {"name": "kiali"})
    assert approved == [] and cluster.patches == []
    assert error.count("would also install stranger.v9.0.0") == 1
    assert "Strangers: Subscription operators/mesh, Subscription operators/kiali: InstallPlan operators/p1 would also" in error


def test_what_is_installed_already_is_no_stranger() -> None:
    """B 97 of the recording: the neighbour has a later plan, ours still has its older version, which is there."""
    cluster = Dictionaries(
        [
            subscription(current="mesh.v1.1.0", plan="p3", installed="mesh.v1.0.0"),
            csv("mesh.v1.0.0"),
            subscription("kiali", current="kiali.v2.1.0", plan="p4", installed="kiali.v2.0.0"),
            csv("kiali.v2.0.0"),
            plan("p3", "mesh.v1.1.0", "kiali.v2.0.0"),
            plan("p4", "kiali.v2.1.0", "mesh.v1.1.0"),
            GROUP,
            CATALOG,
        ]
    )
    error, _journeys, approved = go(cluster, {"name": "mesh", "target": "mesh.v1.1.0"})
    assert (error, [row["name"] for row in approved]) == ("", ["p3"])


def test_a_dry_run_looks_once_and_says_what_it_would_do() -> None:
    cluster = first_install()
    error, journeys, approved = go(cluster, {"name": "mesh"}, {"name": "kiali"}, dry_run=True)
    assert (error, cluster.reads, [dry for _patch, dry in cluster.patches]) == ("", 1, [True])
    assert [row["name"] for row in approved] == ["p1"]
    assert [journey.line for journey in journeys] == [
        "mesh (operators): would approve: InstallPlan operators/p1 brings mesh.v1.0.0",
        "kiali (operators): not there yet: the Subscription would be made, and OLM would make its first plan",
    ]


def test_the_end_of_the_time_tells_where_it_stands() -> None:
    cluster = Dictionaries([subscription(current="mesh.v1.0.0", plan="p1"), plan("p1", "mesh.v1.0.0", phase="Installing"), GROUP, CATALOG])
    error, _journeys, _approved = go(cluster, {"name": "mesh", "target": "mesh.v1.0.0"}, timeout=5)
    assert error == (
        "cluster west: not reached within 5 s: Subscription operators/mesh (wanted: mesh.v1.0.0): InstallPlan operators/p1 "
        "(mesh.v1.0.0) is Installing; raise wait_timeout if it still makes progress"
    )


@pytest.mark.parametrize("target", ["3.2.0", "v3.2.0"])
def test_a_target_that_is_a_mere_version(target: str) -> None:
    with pytest.raises(errors.ConfigError, match=r"Subscription operators/mesh: target v?3\.2\.0 is a version"):
        go(first_install(), {"name": "mesh", "target": target})


def test_what_belongs_to_others_is_not_removed() -> None:
    ours = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "operators"}
    cluster = Dictionaries(
        [
            subscription(installed="mesh.v1.0.0", current="mesh.v1.0.0", **ours),
            csv("mesh.v1.0.0"),
            subscription("kiali", installed="kiali.v2.0.0"),
            csv("kiali.v2.0.0"),
        ]
    )
    journeys = SubscriptionProgress.of([{"name": name, "namespace": NS, "target": ""} for name in ("mesh", "kiali", "nobody")], ())
    wanted = ["Subscription operators/mesh", "ClusterServiceVersion operators/mesh.v1.0.0"]
    assert remove(cluster, journeys, True, "operators") == wanted  # type: ignore[arg-type]
    assert len(cluster.objects) == 4
    assert remove(cluster, journeys, False, "operators") == wanted  # type: ignore[arg-type]
    assert sorted(o["metadata"]["name"] for o in cluster.objects) == ["kiali", "kiali.v2.0.0"]
    assert [journey.reason for journey in journeys] == ["deleted", "left alone: it does not carry the labels of operators", "not there"]


OURS = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "operators"}


def custom(name: str, mesh: str = "", by: str = "kubectl", **meta: Any) -> Obj:
    labels = {**OURS, "mesh.meshops.io/mesh": mesh} if mesh else {}
    fields = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in labels}}}
    return {
        "apiVersion": "kiali.io/v1alpha1",
        "kind": "Kiali",
        "metadata": {"name": name, "namespace": "shop", "labels": labels, "managedFields": [{"manager": by, "fieldsV1": fields}], **meta},
    }


@pytest.mark.parametrize(
    ("there", "refused"),
    [
        ([], ""),
        ([custom("k", "west", "meshops.mesh")], ""),
        ([custom("k", ownerReferences=[{"kind": "ServiceMeshControlPlane"}])], ""),
        ([custom("theirs")], "mesh.v1.0.0 would leave what is not of mesh west to itself: Kiali shop/theirs; remove these first"),
        ([custom("copy", "west")], "Kiali shop/copy"),
        ([custom("east", "east", "meshops.mesh")], "Kiali shop/east"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_an_operator_stays_while_others_have_objects_of_its_kinds(there: list[Obj], refused: str, dry_run: bool) -> None:
    kinds = {"owned": [{"name": "kialis.kiali.io", "kind": "Kiali", "version": "v1alpha1"}]}
    cluster = Dictionaries([subscription(installed="mesh.v1.0.0", **OURS), csv("mesh.v1.0.0", customresourcedefinitions=kinds), *there])
    journeys = SubscriptionProgress.of([{"name": "mesh", "namespace": NS, "target": ""}], ())
    if refused:
        with pytest.raises(errors.ConfigError, match=refused):
            remove(cluster, journeys, dry_run, "operators", "west")  # type: ignore[arg-type]
        assert len(cluster.objects) == 2 + len(there)
    else:
        assert len(remove(cluster, journeys, dry_run, "operators", "west")) == 2  # type: ignore[arg-type]


def test_a_copied_subscription_is_not_removed() -> None:
    cluster = Dictionaries([subscription(by="kubectl-client-side-apply", **OURS)])
    (journey,) = SubscriptionProgress.of([{"name": "mesh", "namespace": NS, "target": ""}], ())
    assert remove(cluster, [journey], False, "operators") == []  # type: ignore[arg-type]
    assert journey.reason == "left alone: it carries our labels, and they were written by kubectl-client-side-apply: a copy"
