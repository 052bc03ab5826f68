# SPDX-License-Identifier: GPL-3.0-or-later
"""The module install_plan against the played OLM: everything that stops OLM ends with its cause, and only what was read is approved."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed

# One worker: the cases of this file share a bed.
pytestmark = pytest.mark.xdist_group("install_plan")

Obj = dict[str, Any]
V1A1, V1 = "operators.coreos.com/v1alpha1", "operators.coreos.com/v1"
OLM = "/apis/operators.coreos.com/v1alpha1/namespaces"
MARKET = "openshift-marketplace"
USER = "plan-approver"
QUICK = {"delay": 0.2, "hop_delay": 1.0}
PLAY = """
- hosts: all
  gather_facts: false
  strategy: free
  tasks:
    - meshops.mesh.install_plan:
        cluster: "{{ inventory_hostname }}"
        subscriptions: "{{ subscriptions }}"
        allowed: "{{ allowed }}"
        wait_timeout: "{{ patience }}"
        wait_interval: 0.5
      register: result
      ignore_errors: true
    - ansible.builtin.copy:
        content: "{{ result | to_json }}"
        dest: "{{ playbook_dir }}/{{ inventory_hostname }}.json"
        mode: "0600"
      check_mode: false
"""


@dataclass(frozen=True)
class Olm:
    """The bed, and a user whom nobody else is: the audit log says what this user did."""

    bed: Bed
    kubeconfig: Path
    run: Callable[..., Any]
    folder: Path

    def make(self, *objects: Obj) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        done = self.bed.kubectl("apply", "-f", "-", stdin=json.dumps(listed))
        assert done.returncode == 0, done.stderr

    def play(self, rows: dict[str, list[Obj]], *args: str, allowed: Iterable[str] = (), patience: int = 90) -> dict[str, Obj]:
        """Each row is a call of the module, all at the same time; what it returned."""
        base = self.folder / f"play{time.monotonic_ns()}"
        base.mkdir()
        (base / "play.yml").write_text(PLAY)
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "allowed": list(allowed),
            "patience": patience,
        }
        (base / "hosts.yml").write_text(
            yaml.safe_dump({"all": {"vars": common, "hosts": {name: {"subscriptions": subs} for name, subs in rows.items()}}})
        )
        self.run(
            base / "play.yml", *args, bed=self.bed, kubeconfig=self.kubeconfig, inventory=base / "hosts.yml", env={"ANSIBLE_FORKS": "16"}
        ).check()
        return {name: json.loads((base / f"{name}.json").read_text()) for name in rows}

    def one(self, namespace: str, name: str, target: str = "", *args: str, **more: Any) -> Obj:
        return self.play({namespace: [{"name": name, "namespace": namespace, "target": target}]}, *args, **more)[namespace]

    def sub(self, namespace: str, name: str) -> Obj:
        found: Obj = self.bed.api.get(f"{OLM}/{namespace}/subscriptions/{name}").get("status", {})
        return found

    def plans(self, namespace: str) -> list[Obj]:
        found: list[Obj] = self.bed.api.get(f"{OLM}/{namespace}/installplans")["items"]
        return found

    def until(self, what: str, check: Callable[[], Any], seconds: float = 180.0) -> Any:
        end = time.monotonic() + seconds
        while not (found := check()):
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
            time.sleep(0.1)
        return found

    def pending(self, namespace: str, csv: str) -> Obj:
        found: Obj = self.until(
            f"a plan for {csv}",
            lambda: next(
                (
                    p
                    for p in self.plans(namespace)
                    if csv in p["spec"]["clusterServiceVersionNames"] and p.get("status", {}).get("phase") == "RequiresApproval"
                ),
                None,
            ),
        )
        return found

    def installed(self, namespace: str, name: str) -> str:
        return str(self.until(f"{name} installed", lambda: self.sub(namespace, name).get("installedCSV")))

    def approve_as_somebody(self, plan: Obj) -> None:
        meta = plan["metadata"]
        self.bed.api.request(
            "PATCH", f"{OLM}/{meta['namespace']}/installplans/{meta['name']}", {"spec": {"approved": True}}, "application/merge-patch+json"
        )

    def approvals(self, since: int) -> list[Obj]:
        """What USER wrote to install plans; no dry run."""
        return [
            event
            for event in self.bed.audit(since)
            if event["user"]["username"] == USER
            and event["verb"] in ("patch", "update")
            and event["objectRef"]["resource"] == "installplans"
            and "dryRun=All" not in event["requestURI"]
        ]


@pytest.fixture(scope="module", name="bed")
def _bed(beds: Callable[..., Bed]) -> Bed:
    bed = beds("olm", tag="plans")
    end = time.monotonic() + 90
    while bed.kubectl("get", "operatorgroup", "-n", "openshift-operators", "global-operators").returncode:
        assert time.monotonic() < end, "the played OLM is not there"
        time.sleep(0.2)
    return bed


@pytest.fixture(name="olm")
def _olm(bed: Bed, playbook: Callable[..., Any], tmp_path: Path) -> Olm:
    bed.set_faults({"olm": QUICK})
    return Olm(bed, bed.user_kubeconfig(USER, ["system:masters"]), playbook, tmp_path)


def namespace(name: str, *groups: Obj) -> list[Obj]:
    """groups: the specs of its OperatorGroups."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        *(
            {"apiVersion": V1, "kind": "OperatorGroup", "metadata": {"name": f"group-{number}", "namespace": name}, "spec": spec}
            for number, spec in enumerate(groups)
        ),
    ]


def subscription(where: str, package: str, **spec: str) -> Obj:
    return {
        "apiVersion": V1A1,
        "kind": "Subscription",
        "metadata": {"name": package, "namespace": where},
        "spec": {
            "name": package,
            "channel": "stable",
            "source": "redhat-operators",
            "sourceNamespace": MARKET,
            "installPlanApproval": "Automatic",
            **spec,
        },
    }


def catalog(where: str, name: str) -> Obj:
    return {
        "apiVersion": V1A1,
        "kind": "CatalogSource",
        "metadata": {"name": name, "namespace": where},
        "spec": {"sourceType": "grpc", "image": "registry.example.com/catalog:v1"},
    }


@dataclass(frozen=True)
class Case:
    """A row of the table of what stops OLM; its namespace has the name of the case."""

    code: str
    package: str
    reason: str
    remedy: str
    groups: tuple[Obj, ...] = ({},)
    spec: dict[str, str] = field(default_factory=dict)
    target: str = ""


CASES = {
    "unknown-package": Case(
        "UnknownPackage",
        "nosuch-package",
        "no operators found in package nosuch-package",
        "correct spec.name of Subscription nosuch-package",
    ),
    "unknown-channel": Case(
        "UnknownChannel",
        "kiali-ossm",
        "no operators found in channel nosuch of package kiali-ossm",
        "a channel that package kiali-ossm has",
        spec={"channel": "nosuch"},
    ),
    "unknown-version": Case(
        "UnknownStartingCSV",
        "kiali-ossm",
        "no operators found with name kiali-operator.v9.9.9",
        "a startingCSV of channel stable",
        spec={"startingCSV": "kiali-operator.v9.9.9"},
    ),
    "unknown-catalog": Case(
        "CatalogMissing",
        "kiali-ossm",
        f"CatalogSource {MARKET}/nosuch-catalog, which does not exist",
        "correct source and sourceNamespace",
        spec={"source": "nosuch-catalog"},
    ),
    "no-group": Case(
        "OperatorGroupMissing", "kiali-ossm", "namespace no-group has no OperatorGroup", "make one OperatorGroup in no-group", groups=()
    ),
    "two-groups": Case(
        "OperatorGroupTwice", "kiali-ossm", "2 OperatorGroups (group-0, group-1)", "delete all of them but one", groups=({}, {})
    ),
    "no-account": Case(
        "ServiceAccountNotFound",
        "tempo-product",
        "OperatorGroup no-account/group-0",
        "make the ServiceAccount no-account/nobody",
        groups=({"serviceAccountName": "nobody"},),
    ),
    "wrong-mode": Case(
        "UnsupportedOperatorGroup",
        "sample-own",
        "AllNamespaces InstallModeType not supported",
        "an OperatorGroup with an install mode that the operator supports",
    ),
    "same-api": Case(
        "InterOperatorGroupOwnerConflict",
        "elasticsearch-operator",
        "intersecting operatorgroups provide the same apis",
        "delete one of the two Subscriptions",
    ),
    "bad-step": Case("InstallPlanFailed", "badplan-operator", "bad-svc", "remove what the message names"),
    "old-cluster": Case(
        "RequirementsNotMet",
        "future-operator",
        "minKubeVersion (99.0.0) > server version",
        "a version of the operator that this cluster can run",
    ),
    "never-ready": Case("InstallCheckFailed", "broken-operator", "exceeded its progress deadline", "look at the operator's Deployment"),
    "catalog-gone": Case(
        "CatalogMissing",
        "jaeger-product",
        "CatalogSource catalog-gone/redhat-operators, which does not exist",
        "make that CatalogSource",
        spec={"sourceNamespace": "catalog-gone", "startingCSV": "jaeger-operator.v1.62.0-1", "installPlanApproval": "Manual"},
        target="jaeger-operator.v1.65.0-4",
    ),
    # Not of the table, but as silent.
    "not-offered": Case(
        "TargetNotOffered",
        "tempo-product",
        "offers nothing further, while tempo-operator.v9.9.9 is wanted",
        "correct the channel or the target",
        target="tempo-operator.v9.9.9",
    ),
    "plan-deleted": Case(
        "InstallPlanLost",
        "kiali-ossm",
        "waits for InstallPlan plan-deleted/install-",
        "oc delete -n plan-deleted",
        spec={"installPlanApproval": "Manual"},
    ),
}
WITHIN = 40.0  # of which the grace of each cause is up to 10 s, and OLM's own retries 6 s; fifteen processes share the machine


@pytest.fixture(scope="module", name="verdicts")
def _verdicts(bed: Bed, playbook: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Obj]:
    """What the module says to each case, all of them at the same time."""
    bed.set_faults({"olm": {**QUICK, "hop_delay": 5.0}})
    olm = Olm(bed, bed.user_kubeconfig(USER, ["system:masters"]), playbook, tmp_path_factory.mktemp("verdicts"))
    olm.make(
        *namespace("first-owner", {}),
        subscription("first-owner", "elasticsearch-operator"),
        *namespace("catalog-gone", {}),
        catalog("catalog-gone", "redhat-operators"),
    )
    olm.installed("first-owner", "elasticsearch-operator")
    for name, case in CASES.items():
        olm.make(*(namespace(name, *case.groups)), subscription(name, case.package, **case.spec))
    lost = olm.pending("plan-deleted", "kiali-operator.v2.11.0")
    olm.until("named", lambda: olm.sub("plan-deleted", "kiali-ossm").get("installPlanRef"))
    bed.api.request("DELETE", f"{OLM}/plan-deleted/installplans/{lost['metadata']['name']}")
    olm.approve_as_somebody(olm.pending("catalog-gone", "jaeger-operator.v1.62.0-1"))
    olm.installed("catalog-gone", "jaeger-product")
    bed.api.request("DELETE", f"{OLM}/catalog-gone/catalogsources/redhat-operators")
    return olm.play({name: [{"name": case.package, "namespace": name, "target": case.target}] for name, case in CASES.items()})


@pytest.mark.parametrize("name", CASES)
def test_what_stops_olm_is_told_by_name_with_a_remedy(verdicts: dict[str, Obj], name: str) -> None:
    case, said = CASES[name], verdicts[name]
    assert said.get("failed") is True, said
    row = said["subscriptions"][0]
    assert (row["state"], row["code"]) == ("failed", case.code), said["msg"]
    assert said["msg"].startswith(f"cluster {name}: {case.code}: ")
    assert case.reason in said["msg"]
    assert case.remedy in row["remedy"] and f"; remedy: {row['remedy']}" in said["msg"]
    assert f"{name}/" in said["msg"], "the object's namespace is named"
    assert said["approved"] == [] and said["changed"] is False
    assert said["waited"] < WITHIN


def test_an_unreachable_catalogue_of_the_global_namespace(olm: Olm) -> None:
    olm.make(*namespace("unreachable", {}), catalog(MARKET, "broken-catalog"))
    olm.until(
        "TRANSIENT_FAILURE",
        lambda: "TRANSIENT_FAILURE" in json.dumps(olm.bed.api.get(f"{OLM}/{MARKET}/catalogsources/broken-catalog").get("status", {})),
    )
    try:
        olm.make(subscription("unreachable", "kiali-ossm"))
        said = olm.one("unreachable", "kiali-ossm")
    finally:
        olm.bed.api.request("DELETE", f"{OLM}/{MARKET}/catalogsources/broken-catalog")
    assert said["subscriptions"][0]["code"] == "CatalogUnreachable", said
    assert f"repair or delete CatalogSource {MARKET}/broken-catalog" in said["msg"]
    assert said["waited"] < WITHIN


def test_a_stranger_is_refused_by_name_and_nothing_is_approved(olm: Olm) -> None:
    where, ours, theirs = "strangers", "tempo-operator.v0.16.0-1", "kiali-operator.v2.11.0"
    olm.make(*namespace(where), subscription(where, "tempo-product", installPlanApproval="Manual"), subscription(where, "kiali-ossm"))
    olm.make(*namespace(where, {}))
    olm.pending(where, theirs)
    mark = olm.bed.mark()
    said = olm.one(where, "tempo-product", ours)
    assert said["subscriptions"][0]["code"] == "Strangers", said
    assert f"would also install {theirs}, which were not requested" in said["msg"]
    assert said["waited"] < WITHIN
    # Allowed, a dry run says what it would do.
    would = olm.one(where, "tempo-product", ours, "--check", allowed=["kiali-operator.*"])
    assert would["changed"] is True and [sorted(row["csvs"]) for row in would["approved"]] == [[theirs, ours]]
    assert would["summary"] == [
        f"tempo-product ({where}): would approve: InstallPlan {where}/{would['approved'][0]['name']} "
        f"brings {', '.join(would['approved'][0]['csvs'])}"
    ]
    assert olm.approvals(mark) == []
    assert [plan["spec"]["approved"] for plan in olm.plans(where)] == [False]


def test_a_plan_that_somebody_else_approved_is_waited_for(olm: Olm) -> None:
    where, csv = "somebody", "fragile-operator.v1.0.0"
    olm.bed.set_faults({"olm": {**QUICK, "delay": 1.5}})
    olm.make(*namespace(where, {}), subscription(where, "fragile-operator", installPlanApproval="Manual", startingCSV=csv))
    olm.approve_as_somebody(olm.pending(where, csv))
    mark = olm.bed.mark()
    said = olm.one(where, "fragile-operator", csv)
    assert (said["failed"], said["changed"], said["approved"]) == (False, False, []), said
    assert said["subscriptions"][0]["hops"] == [csv]
    assert olm.approvals(mark) == []


def test_only_in_requires_approval_and_only_what_was_read(olm: Olm) -> None:
    where, csvs = "versions", ["servicemeshoperator.v2.6.0", "servicemeshoperator.v2.6.5", "servicemeshoperator.v2.6.8"]
    olm.bed.set_faults({"olm": {**QUICK, "plan_delay": 2.0}})  # so long has each new plan no phase
    mark = olm.bed.mark()
    olm.make(*namespace(where, {}), subscription(where, "servicemeshoperator", installPlanApproval="Manual", startingCSV=csvs[0]))
    said = olm.one(where, "servicemeshoperator", csvs[-1], patience=240)
    assert said["subscriptions"][0]["hops"] == csvs, said
    sent = olm.approvals(mark)
    assert [event["responseStatus"]["code"] for event in sent] == [200] * 3
    written = {
        event["responseObject"]["metadata"]["resourceVersion"]: event["responseObject"]
        for event in olm.bed.audit(mark)
        if event.get("objectRef", {}).get("resource") == "installplans" and "metadata" in event.get("responseObject", {})
    }
    for event in sent:
        read = written[event["requestObject"]["metadata"]["resourceVersion"]]
        assert (read["metadata"]["name"], read["status"]["phase"]) == (event["objectRef"]["name"], "RequiresApproval")
        assert read["spec"]["approved"] is False and event["requestObject"]["spec"] == {"approved": True}
    # The plan of the hop after the target is there, and is left.
    assert olm.pending(where, "servicemeshoperator.v2.6.11")["spec"]["approved"] is False
    again = olm.one(where, "servicemeshoperator", csvs[-1])
    assert (again["changed"], len(olm.approvals(mark))) == (False, 3)


@pytest.mark.long  # test_apply and test_faults_run restart it too
def test_the_api_server_goes_and_comes_back_in_the_middle(olm: Olm) -> None:
    where, csvs = "restart", [f"servicemeshoperator3.v{version}" for version in ("3.0.0", "3.0.1", "3.1.0")]
    olm.make(*namespace(where, {}), subscription(where, "servicemeshoperator3", installPlanApproval="Manual", startingCSV=csvs[0]))
    with ThreadPoolExecutor(1) as pool:
        running: Future[Obj] = pool.submit(olm.one, where, "servicemeshoperator3", csvs[-1], patience=240)
        assert olm.installed(where, "servicemeshoperator3") == csvs[0]
        olm.bed.kill("kube-apiserver")
        time.sleep(5)
        assert not running.done()
        olm.bed.restart("kube-apiserver")
        said = running.result()
    assert said["failed"] is False, said["msg"]
    assert said["subscriptions"][0]["hops"] == csvs
    assert [row["csvs"] for row in said["approved"]] == [[csv] for csv in csvs]
