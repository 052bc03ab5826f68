# SPDX-License-Identifier: GPL-3.0-or-later
"""The role operators against the played OLM: both generations, both sorts of approval, hop by hop, again, only looked at, removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed
from testbed.patience import until

# One worker, in the order of this file: the tests share a cluster.
pytestmark = [pytest.mark.xdist_group("operators"), pytest.mark.story]

Obj = dict[str, Any]
USER = "operators-installer"
GLOBAL = "openshift-operators"
OSSM2, OSSM3 = "servicemeshoperator", "servicemeshoperator3"
PLAY = """
- hosts: all
  gather_facts: false
  roles:
    - {role: meshops.mesh.operators}
"""


@dataclass(frozen=True)
class Role:
    """The bed, and a user whom nobody else is: the audit log says what this user did."""

    bed: Bed
    kubeconfig: Path
    run: Callable[..., Any]
    folder: Path

    def play(self, generation: str, *args: str, playbook: str = "", **variables: Any) -> Any:
        (self.folder / "play.yml").write_text(PLAY)
        common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"vars": common, "hosts": {"west": {}}}}))
        return self.run(
            playbook or self.folder / "play.yml",
            *args,
            bed=self.bed,
            kubeconfig=self.kubeconfig,
            inventory=self.folder / "hosts.yml",
            extra_vars={"mesh_name": "shop", "mesh_provider": generation, "operators_wait_timeout": 240, **variables},
        )

    def writes(self, since: int) -> list[str]:
        """What USER changed."""
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in self.bed.audit(since)
            if event["user"]["username"] == USER
            and event["verb"] in ("create", "update", "patch", "delete")
            and "dryRun=All" not in event["requestURI"]
            and not event["objectRef"]["resource"].endswith("reviews")
        ]

    def approvals(self, since: int) -> list[str]:
        return [line for line in self.writes(since) if "/installplans/" in line]

    def listed(self, kind: str) -> list[Obj]:
        done = self.bed.kubectl("get", f"{kind}.operators.coreos.com", "-A", "-o", "json")
        assert done.returncode == 0, done.stderr
        found: list[Obj] = json.loads(done.stdout)["items"]
        return found

    def installed(self) -> dict[str, str]:
        return {item["metadata"]["name"]: item.get("status", {}).get("installedCSV", "") for item in self.listed("subscriptions")}

    def phases(self) -> dict[str, str]:
        return {item["metadata"]["name"]: item.get("status", {}).get("phase", "") for item in self.listed("clusterserviceversions")}

    def versions(self) -> dict[str, tuple[str, int]]:
        """Each object as somebody wanted it; OLM may still be writing statuses."""
        return {
            f"{item['kind']} {item['metadata']['name']}": (item["metadata"]["uid"], item["metadata"].get("generation", 0))
            for kind in ("subscriptions", "installplans", "clusterserviceversions", "operatorgroups")
            for item in self.listed(kind)
        }

    def clear(self) -> None:
        """As if nobody had installed anything."""
        for kind in ("subscriptions", "clusterserviceversions", "installplans"):
            self.bed.kubectl("delete", f"{kind}.operators.coreos.com", "--all", "-A")


@pytest.fixture(scope="module", name="bed")
def _bed(beds: Callable[..., Bed]) -> Bed:
    bed = beds("olm", tag="operators")
    end = time.monotonic() + 90
    while bed.kubectl("get", "operatorgroup", "-n", GLOBAL, "global-operators").returncode:
        assert time.monotonic() < end, "the played OLM is not there"
        time.sleep(0.2)
    bed.set_faults({"olm": {"delay": 0.2, "hop_delay": 1.0}})
    return bed


@pytest.fixture(name="role")
def _role(bed: Bed, playbook: Callable[..., Any], tmp_path: Path) -> Role:
    return Role(bed, bed.user_kubeconfig(USER, ["system:masters"]), playbook, tmp_path)


def said(run: Any) -> str:
    """Everything that people saw, without the line breaks of the output."""
    return " ".join(run.stdout.split())


def again_nothing(role: Role, generation: str, **variables: Any) -> None:
    """A second run: nothing is changed, nothing written, no object touched."""
    before, mark = role.versions(), role.bed.mark()
    run = role.play(generation, **variables).check()
    assert run.changed == 0, run.stdout[-3000:]
    assert role.writes(mark) == []
    assert role.versions() == before


OLD = {OSSM3: f"{OSSM3}.v3.0.0", "kiali-ossm": "kiali-operator.v2.4.0", "tempo-product": "tempo-operator.v0.15.4-1"}
# What asks for three operators: a collector before Tempo would be a fourth.
TOOLS: dict[str, Any] = {"mesh_observability": {"kiali": {"enabled": True}, "tempo": {}, "opentelemetry": {"enabled": False}}}
MANUAL: dict[str, Any] = {
    "mesh_operators_approval": "Manual",
    "mesh_operators_starting_csvs": OLD,
    "mesh_operators_versions": {OSSM3: f"{OSSM3}.v3.1.0"},
    **TOOLS,
}
JAEGER: dict[str, Any] = {"mesh_control_plane": {"tracing": {"provider": "jaeger"}}, "mesh_observability": {"kiali": {"enabled": True}}}


def test_check_mode_of_a_first_run_writes_nothing(role: Role) -> None:
    mark = role.bed.mark()
    run = role.play("ossm3", "--check", **MANUAL).check()
    assert f"{OSSM3} ({GLOBAL}): not there yet: the Subscription would be made" in said(run)
    assert role.writes(mark) == []
    assert role.listed("subscriptions") == []


def test_ossm3_manual_hop_by_hop_to_the_target(role: Role) -> None:
    """The role installs what is old, the playbook upgrade_operators takes all of them on, those of the observability tools too."""
    mark = role.bed.mark()
    role.play("ossm3", **{**MANUAL, "mesh_operators_versions": OLD}).check()
    assert role.installed() == OLD and len(role.approvals(mark)) == 2  # Tempo has a namespace of its own
    mark = role.bed.mark()
    targets = {**MANUAL["mesh_operators_versions"], "kiali-ossm": "latest", "tempo-product": "latest"}
    run = role.play(
        "ossm3",
        playbook="meshops.mesh.upgrade_operators",
        mesh_operators_versions=targets,
        mesh_operators_starting_csvs=OLD,
        **TOOLS,
        mesh_control_plane={"name": "shop", "namespace": "shop-system"},
    ).check()
    assert f"{OSSM3} ({GLOBAL}): {OSSM3}.v3.1.0 is Succeeded, by way of {OSSM3}.v3.0.0, {OSSM3}.v3.0.1" in said(run)
    assert "kiali-operator.v2.11.0 is the newest of channel stable, by way of kiali-operator.v2.4.0" in said(run)
    assert "tempo-operator.v0.16.0-1 is the newest of channel stable" in said(run)
    assert role.installed() == {
        OSSM3: f"{OSSM3}.v3.1.0",
        "kiali-ossm": "kiali-operator.v2.11.0",
        "tempo-product": "tempo-operator.v0.16.0-1",
    }
    assert set(role.phases().values()) == {"Succeeded"}
    assert len(role.approvals(mark)) == 3  # two hops, the first with Kiali, and Tempo
    plan = role.bed.kubectl("wait", "installplan", "-n", GLOBAL, "--all", "--for=jsonpath={.status.phase}", "--timeout=30s")
    assert plan.returncode == 0, plan.stderr  # the next hop is offered
    again_nothing(role, "ossm3", **MANUAL)


def test_check_mode_says_what_it_would_approve_and_approves_nothing(role: Role) -> None:
    before, mark = role.versions(), role.bed.mark()
    further = {**MANUAL, "mesh_operators_versions": {OSSM3: f"{OSSM3}.v3.2.0"}}
    for arguments, more in ((("--check",), {}), ((), {"mesh_target": "plan"})):
        run = role.play("ossm3", *arguments, **further, **more).check()
        assert f"{OSSM3} ({GLOBAL}): would approve: InstallPlan {GLOBAL}/install-" in said(run)
        assert f"brings {OSSM3}.v3.2.0" in said(run)
    assert role.writes(mark) == []
    assert role.versions() == before


def test_a_stranger_of_the_namespace_is_named(role: Role) -> None:
    """Somebody subscribes to something else in the namespace of our operators: OLM makes one plan of it and our next hop."""
    other = {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "Subscription",
        "metadata": {"name": "elasticsearch-operator", "namespace": GLOBAL},
        "spec": {
            "name": "elasticsearch-operator",
            "channel": "stable",
            "source": "redhat-operators",
            "sourceNamespace": "openshift-marketplace",
        },
    }
    assert role.bed.kubectl("apply", "-f", "-", stdin=json.dumps(other)).returncode == 0
    end = time.monotonic() + 90
    while not any("elasticsearch-operator.v5.8.15" in plan["spec"]["clusterServiceVersionNames"] for plan in role.listed("installplans")):
        assert time.monotonic() < end, "no plan for the stranger"
        time.sleep(0.2)
    # Our Subscription names the plan of before, without the stranger; it is the Kiali upgrade that would carry it.
    role.bed.kubectl("delete", "subscriptions.operators.coreos.com", "-n", GLOBAL, OSSM3)
    role.bed.kubectl("delete", "clusterserviceversions.operators.coreos.com", "-n", GLOBAL, f"{OSSM3}.v3.1.0")
    role.bed.kubectl("delete", "installplans.operators.coreos.com", "-n", GLOBAL, "--all")
    mark = role.bed.mark()
    run = role.play("ossm3", **MANUAL)
    assert run.rc != 0
    assert "Strangers: " in said(run) and "would also install elasticsearch-operator.v5.8.15, which were not requested here" in said(run)
    assert role.approvals(mark) == []


def test_absent_removes_what_it_made_only_when_told(role: Role) -> None:
    mark = role.bed.mark()
    role.play("ossm3", operators_state="absent", **MANUAL).check()
    assert role.writes(mark) == []
    role.play("ossm3", operators_state="absent", mesh_operators_remove=True, **MANUAL).check()
    assert [item["metadata"]["name"] for item in role.listed("subscriptions")] == ["elasticsearch-operator"]
    assert not {name for name in role.phases() if not name.startswith("elasticsearch")}
    run = role.play("ossm3", operators_state="absent", mesh_operators_remove=True, **MANUAL).check()
    assert run.changed == 0


def test_ossm3_automatic_by_channel(role: Role) -> None:
    role.clear()
    role.play("ossm3", mesh_operators_channels={OSSM3: "stable-3.0"}).check()
    assert role.installed() == {OSSM3: f"{OSSM3}.v3.0.1"}, "nothing asks for Kiali or for tracing"
    # Another channel: OLM goes on hop by hop by itself, and the role waits for the target.
    further = {"mesh_operators_channels": {OSSM3: "stable"}, "mesh_operators_versions": {OSSM3: f"{OSSM3}.v3.2.0"}}
    mark = role.bed.mark()
    role.play("ossm3", **further).check()
    assert role.installed()[OSSM3] == f"{OSSM3}.v3.2.0" and set(role.phases().values()) == {"Succeeded"}
    assert role.approvals(mark) == []
    again_nothing(role, "ossm3", **further)
    # What another mesh of the cluster has asked for is not this intent's to prune.
    labels = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "operators", "mesh.meshops.io/layer": "operators"}
    role.bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": "another-mesh"}})
    other = {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "Subscription",
        "metadata": {"name": "kiali-ossm", "namespace": "another-mesh", "labels": labels},
        "spec": {"name": "kiali-ossm", "channel": "stable", "source": "redhat-operators", "sourceNamespace": "openshift-marketplace"},
    }
    done = role.bed.kubectl("apply", "--server-side", "--field-manager=meshops.mesh", "-f", "-", stdin=json.dumps(other))
    assert done.returncode == 0, done.stderr
    again_nothing(role, "ossm3", mesh_prune=True, **further)
    role.bed.kubectl("delete", "namespace", "another-mesh")


def test_somebody_else_brings_the_operator(role: Role, beds: Callable[..., Bed]) -> None:
    mark = role.bed.mark()
    run = role.play("ossm3", mesh_operators_provider="none").check()
    assert (run.changed, role.writes(mark)) == (0, [])
    empty = beds()
    alone = Role(empty, empty.user_kubeconfig(USER, ["system:masters"]), role.run, role.folder)
    run = alone.play("ossm2", mesh_operators_provider="none")
    assert run.rc != 0
    assert "mesh_operators_provider is none, but the cluster has no servicemeshcontrolplanes.maistra.io" in said(run)
    run = alone.play("ossm2", mesh_operators_provider="none", mesh_target="plan").check()
    assert "Install the operator of ossm2 first" in said(run)


def test_a_plan_of_a_cluster_without_olm(role: Role, beds: Callable[..., Bed]) -> None:
    empty = beds()
    alone = Role(empty, empty.user_kubeconfig(USER, ["system:masters"]), role.run, role.folder)
    mark = empty.mark()
    run = alone.play("ossm2", mesh_target="plan").check()
    assert f"{OSSM2} ({GLOBAL}): not there yet: the API has no kind Subscription yet" in said(run)
    assert alone.writes(mark) == []
    run = alone.play("ossm2")
    assert run.rc != 0 and "Subscription" in said(run)
    assert [line for line in alone.writes(mark) if "operators.coreos.com" in line] == []


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        pytest.param(
            {"mesh_operators_approval": "Automatic", "mesh_operators_channels": {OSSM2: "1.0"}},
            f"{OSSM2}.v1.1.18",
            id="automatic",
            marks=pytest.mark.long,
        ),  # ossm3 is installed like this too
        pytest.param(
            {
                "mesh_operators_approval": "Manual",
                "mesh_operators_starting_csvs": {OSSM2: f"{OSSM2}.v2.6.0"},
                "mesh_operators_versions": {OSSM2: "latest"},
            },
            f"{OSSM2}.v2.6.11",
            id="manual",
        ),
    ],
)
def test_ossm2(role: Role, variables: dict[str, Any], wanted: str) -> None:
    role.clear()
    mark = role.bed.mark()
    role.play("ossm2", **variables, **JAEGER).check()
    assert role.installed() == {OSSM2: wanted, "kiali-ossm": "kiali-operator.v2.11.0", "jaeger-product": "jaeger-operator.v1.65.0-4"}
    assert set(role.phases().values()) == {"Succeeded"}
    approved = len({line.partition("?")[0] for line in role.approvals(mark)})
    # four hops and Jaeger; on a busy machine OLM may make a plan anew, which is approved as well
    assert approved == 0 if variables["mesh_operators_approval"] == "Automatic" else 5 <= approved <= 6
    again_nothing(role, "ossm2", **variables, **JAEGER)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"mesh_operators_versions": {OSSM3: "3.2.0"}},
            "servicemeshoperator3 has 3.2.0, expected the full name of a ClusterServiceVersion",
        ),
        (
            {"mesh_operators_channels": {"servicemeshoperator33": "stable"}},
            "servicemeshoperator33 is no package of this mesh; did you mean servicemeshoperator3?",
        ),
    ],
    ids=["a mere version", "an unknown package"],
)
def test_what_is_wrong_is_said_before_anything_is_written(role: Role, variables: dict[str, Any], words: str) -> None:
    mark = role.bed.mark()
    run = role.play("ossm3", **variables)
    assert run.rc != 0 and words in said(run)
    assert role.writes(mark) == []


def subscription(name: str, package: str, **more: Any) -> Obj:
    """Somebody else's."""
    namespace, source = more.pop("namespace", GLOBAL), more.pop("source", "redhat-operators")
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "Subscription",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"name": package, "channel": "stable", "source": source, "sourceNamespace": "openshift-marketplace", **more},
    }


def test_all_that_the_catalogue_does_not_have_is_said_at_once(role: Role) -> None:
    """A package that is gone, one that never was, a channel and a version: nothing is written."""
    role.clear()
    role.bed.set_faults({"olm": {"delay": 0.2, "hop_delay": 1.0, "gone": ["jaeger-product"]}})
    until(lambda: role.bed.kubectl("get", "packagemanifest", "-n", "openshift-marketplace", "jaeger-product").returncode != 0)
    mark = role.bed.mark()
    run = role.play(
        "ossm2",
        **JAEGER,
        mesh_operators_channels={"kiali-ossm": "nightly"},
        mesh_operators_versions={OSSM2: f"{OSSM2}.v2.7.0"},
        mesh_operators_extra=[{"package": "no-such-operator", "source": "redhat-operators", "channel": "stable"}],
    )
    role.bed.set_faults({"olm": {"delay": 0.2, "hop_delay": 1.0}})
    assert run.rc == 2 and role.writes(mark) == [], run.stdout[-3000:]
    where = "CatalogSource openshift-marketplace/redhat-operators"
    for words in (
        f"package jaeger-product (mesh_control_plane.tracing.provider jaeger): {where} does not offer it",
        "Its support ended on 3 November 2025",
        f"package no-such-operator (mesh_operators_extra): {where} does not offer it",
        f"{where} has no channel nightly of it, it offers candidate, stable (by default stable)",
        f"channel stable of {where} has no {OSSM2}.v2.7.0 (mesh_operators_versions), it offers {OSSM2}.v2.6.11",
    ):
        assert words in said(run), words
    assert role.listed("subscriptions") == []


def test_a_second_mesh_operator_is_refused_and_kiali_of_somebody_else_is_used(role: Role) -> None:
    role.clear()
    foreign = [subscription("my-kiali", "kiali-ossm"), subscription("sailoperator", "sailoperator", source="community-operators")]
    assert role.bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(foreign)).returncode == 0
    until(lambda: list(role.phases().values()).count("Succeeded") == 2)
    mark = role.bed.mark()
    run = role.play("ossm3", **TOOLS)
    assert run.rc == 2 and role.writes(mark) == [], run.stdout[-3000:]
    assert f"Subscription {GLOBAL}/sailoperator is a second mesh operator beside {OSSM3}: both work on the same objects" in said(run)
    for kind, name in (("subscription", "sailoperator"), ("csv", "sailoperator.v1.28.0")):
        assert (
            role.bed.kubectl(
                "delete",
                f"{'subscriptions' if kind == 'subscription' else 'clusterserviceversions'}.operators.coreos.com",
                "-n",
                GLOBAL,
                name,
            ).returncode
            == 0
        )
    run = role.play("ossm3", **TOOLS).check()
    assert f"kiali-ossm: Subscription {GLOBAL}/my-kiali of someone else has it (kiali-operator.v2.11.0)" in said(run)
    assert set(role.installed()) == {"my-kiali", OSSM3, "tempo-product"}
    again_nothing(role, "ossm3", **TOOLS)


def test_a_namespace_that_somebody_blocks_is_refused(role: Role) -> None:
    role.clear()
    assert role.bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(subscription("not-there", "nosuch-package"))).returncode == 0
    until(lambda: "ResolutionFailed" in json.dumps(role.listed("subscriptions")))
    mark = role.bed.mark()
    run = role.play("ossm3")
    assert run.rc == 2 and role.writes(mark) == [], run.stdout[-3000:]
    assert f"Subscription {GLOBAL}/not-there cannot be resolved, which blocks every package of namespace {GLOBAL}" in said(run)
    role.clear()
    group = {
        "apiVersion": "operators.coreos.com/v1",
        "kind": "OperatorGroup",
        "spec": {},
        "metadata": {"name": "one-more", "namespace": GLOBAL},
    }
    assert role.bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(group)).returncode == 0
    run = role.play("ossm3")
    assert role.bed.kubectl("delete", "operatorgroup", "-n", GLOBAL, "one-more").returncode == 0
    assert run.rc == 2 and f"namespace {GLOBAL} has 2 OperatorGroups (global-operators, one-more)" in said(run)


def test_another_provider_does_not_move_a_mesh_that_runs(role: Role) -> None:
    """The kind of the second generation is there since its operator was installed above."""
    role.clear()
    plane = {
        "apiVersion": "maistra.io/v2",
        "kind": "ServiceMeshControlPlane",
        "metadata": {"name": "shop", "namespace": "shop-system"},
        "spec": {"version": "v2.6"},
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop-system"}}
    assert role.bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([namespace, plane])).returncode == 0
    mark = role.bed.mark()
    wanted = {"mesh_control_plane": {"name": "shop", "namespace": "shop-system"}}
    for more in ({}, {"mesh_target": "plan"}, {"mesh_operators_provider": "none"}):
        run = role.play("ossm3", **wanted, **more)
        assert run.rc == 2 and "meshops.mesh.migrate_mesh" in said(run), run.stdout[-3000:]
        assert "ServiceMeshControlPlane shop-system/shop is the control plane of this mesh in OpenShift Service Mesh 2" in said(run)
    assert role.writes(mark) == []
    role.bed.kubectl("delete", "smcp", "-n", "shop-system", "shop", "--wait=false")
