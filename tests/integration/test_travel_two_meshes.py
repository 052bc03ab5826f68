# SPDX-License-Identifier: GPL-3.0-or-later
"""The development mesh alone, the production mesh beside it on the same cluster, and both removed again, each without the other."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from testbed import Bed
from travel_support import OPERATORS, USER, VARS, Playbook, Travel, read_back, said

REMOVE = "meshops.mesh.remove_mesh"
CHECK = "meshops.mesh.check_mesh"
ALL: dict[str, Any] = {"mesh_remove_namespaces": True, "mesh_remove_volumes": True}


@dataclass(frozen=True)
class Story(Travel):
    """One generation; what was there at which point of the story."""

    seen: dict[str, Any] = field(default_factory=dict)

    def remove(self, mesh: str, **extra: Any) -> Any:
        return self.play(REMOVE, extra_vars={"mesh_hosts": f"travel_{mesh}", **extra})

    def identities(self) -> dict[str, str]:
        """Every object and its uid: an object that was made again is another one."""
        return {name: meta["uid"] for name, meta in self.everything().items()}

    def of_mesh(self, mesh: str) -> dict[str, str]:
        return self.ours(f"mesh.meshops.io/mesh={mesh}")

    def failed(self, *codes: str, mesh: str = "dev") -> tuple[Any, dict[str, list[str]]]:
        """A check of these codes: the run, and the deviations by code."""
        report = self.bed.dir / "report.json"
        run = self.play(
            CHECK, extra_vars={"mesh_hosts": f"travel_{mesh}", "mesh_check_only": list(codes), "mesh_check_report": str(report)}
        )
        found: dict[str, list[str]] = {}
        for row in json.loads(report.read_text(encoding="utf-8"))["checks"]:
            if row["id"] in codes and row["status"] in ("failed", "warning"):
                found.setdefault(row["id"], []).append(f"{row['resource']}: {row['message']}")
        return run, found


# The other story, of test_travel.py, plays with ossm3; this one is as long again for each generation.
PROVIDERS = os.environ.get("MESH_TEST_PROVIDERS", "ossm2").split(",")


# One worker, in the order of this file: each test goes on where the one before it ended. Long: test_travel.py is the same for one mesh of
# ossm3, with its removal.
@pytest.fixture(scope="module", name="story", params=[pytest.param(provider, marks=pytest.mark.long) for provider in PROVIDERS])
def _story(request: pytest.FixtureRequest, beds: Callable[..., Bed], playbook: Playbook) -> Iterator[Story]:
    bed = beds(*OPERATORS, tag=f"two-{request.param}")
    # OLM's own namespaces are there before the story begins
    for what, where in (
        ("operatorgroup/global-operators", "openshift-operators"),
        ("serviceaccount/default", "openshift-operators"),
        ("serviceaccount/default", "openshift-marketplace"),
        ("configmap/kube-root-ca.crt", "openshift-marketplace"),
    ):
        done = bed.kubectl("wait", what, "-n", where, "--for=create", "--timeout=50s")
        assert done.returncode == 0, done.stderr
    yield Story(bed, bed.user_kubeconfig(USER, ["system:masters"]), playbook, {**VARS, "mesh_provider": request.param})
    bed.stop()


def passed(run: Any) -> tuple[int, int, int]:
    """Passed, warnings and failed of the check table."""
    found = re.search(r"(\d+) passed, (\d+) warnings, (\d+) failed", run.stdout)
    assert found, run.stdout[-3000:]
    return int(found[1]), int(found[2]), int(found[3])


def test_development_alone(story: Story) -> None:
    story.seen["empty"] = story.identities()
    run = story.play("meshops.mesh.travel_dev").check()
    assert passed(run)[0] >= 50
    assert passed(run)[1:] == (0, 0)
    assert not [name for name in story.namespaces() if name.startswith("prod-")]
    assert {"dev-istio-system", "dev-travel-agency", "dev-travel-portal", "dev-travel-control"} <= story.namespaces()


def test_tools_and_catalogues_that_do_not_work_are_named(story: Story) -> None:
    codes = ("OSM1601", "OSM1602", "OSM1107")
    place, source = "Deployment dev-istio-system", "CatalogSource openshift-marketplace/redhat-operators"
    story.bed.set_faults({"observability": {"never_ready": ["kiali", "jaeger"]}, "olm": {"unreachable": ["redhat-operators"]}})
    try:
        waits = [
            ("deployment", "-n", "dev-istio-system", "-l", f"app={tool}", "--for=jsonpath={.status.unavailableReplicas}=1")
            for tool in ("kiali", "jaeger")
        ]
        waits.append(
            (
                "catalogsource",
                "redhat-operators",
                "-n",
                "openshift-marketplace",
                "--for=jsonpath={.status.connectionState.lastObservedState}=TRANSIENT_FAILURE",
            )
        )
        for wait in waits:
            done = story.bed.kubectl("wait", *wait, "--timeout=55s")
            assert done.returncode == 0, done.stderr
        run, found = story.failed(*codes)
        assert run.rc != 0
        assert [found[code][0].partition(": ")[0] for code in codes] == [f"{place}/kiali", f"{place}/jaeger", source]
        assert "TRANSIENT_FAILURE, not READY" in found["OSM1107"][0]
    finally:
        story.bed.set_faults({})
    more = {"mesh_hosts": "travel_dev", "mesh_check_only": list(codes), "mesh_check_wait_timeout": 60}
    run = story.play(CHECK, extra_vars=more).check()
    assert passed(run)[1:] == (0, 0)


def test_production_beside_it_touches_nothing_of_it(story: Story) -> None:
    story.seen["dev"] = story.of_mesh("travel-dev")
    run = story.play().check()
    assert passed(run)[0] >= 50
    assert passed(run)[1:] == (0, 0)
    assert story.of_mesh("travel-dev") == story.seen["dev"]
    story.play(CHECK, extra_vars={"mesh_hosts": "travel_dev"}).check()


def test_an_inventory_that_is_read_of_one_of_them_changes_nothing(story: Story, tmp_path: Path) -> None:
    at: dict[str, Any] = {"bed": story.bed, "kubeconfig": story.kubeconfig}
    unclear = story.run("meshops.mesh.init_inventory", extra_vars={"init_inventory_from": "cluster"}, **at)
    assert unclear.rc != 0 and "dev-istio-system/dev-basic" in said(unclear) and "prod-istio-system/production" in said(unclear)
    for mesh, name in (("prod", "production"), ("dev", "dev-basic")):
        run = read_back(story, tmp_path / mesh, init_inventory_control_plane={"name": name})
        assert run.changed == 0, run.stdout[-4000:]


def test_production_is_not_removed_while_others_use_it(story: Story) -> None:
    place = ("-n", "prod-travel-portal")
    pod = {
        "metadata": {"labels": {"app": "theirs"}, "annotations": {"sidecar.istio.io/inject": "true"}},
        "spec": {"containers": [{"name": "theirs", "image": "registry.example.com/theirs:1"}]},
    }
    made = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "theirs", "namespace": "prod-travel-portal"},
        "spec": {"selector": {"matchLabels": {"app": "theirs"}}, "template": pod},
    }
    assert story.bed.kubectl("apply", "-f", "-", stdin=json.dumps(made)).returncode == 0
    assert story.bed.kubectl("wait", "deployment/theirs", *place, "--for=condition=Available", "--timeout=55s").returncode == 0
    before, mark = story.ours(), story.bed.mark()
    run = story.remove("prod", **ALL)
    assert run.rc != 0
    named = "Deployment prod-travel-portal/theirs"
    assert f"nothing was removed. 1 pod of others still has a proxy of travel-prod: {named} (1 pod)" in said(run)
    assert f"Namespace prod-travel-portal has in it what is not ours to delete: {named} (written by" in said(run)
    assert (story.writes(mark), story.ours()) == ([], before)
    story.bed.kubectl("delete", "deployment", "theirs", *place, "--cascade=foreground")


def test_operators_stay_while_development_needs_them(story: Story) -> None:
    before, mark = story.ours(), story.bed.mark()
    run = story.remove("prod", mesh_remove_operators=True, **ALL)
    assert run.rc != 0
    control_plane = "Istio dev-basic" if story.vars["mesh_provider"] == "ossm3" else "ServiceMeshControlPlane dev-istio-system/dev-basic"
    assert f"prod: nothing was removed, because {control_plane}, " in said(run)
    assert "mesh_remove_operators=false" in said(run)
    assert (story.writes(mark), story.ours()) == ([], before)


def test_production_goes_and_development_stays(story: Story) -> None:
    story.remove("prod", **ALL).check()
    assert story.of_mesh("travel-prod") == {}
    assert not [name for name in story.everything() if "prod-" in name and "travel" in name.lower()]
    assert story.of_mesh("travel-dev") == story.seen["dev"]
    run = story.play(CHECK, extra_vars={"mesh_hosts": "travel_dev"}).check()
    assert passed(run)[2] == 0


def test_with_the_operators_everything_is_gone_that_was_made(story: Story) -> None:
    story.remove("dev", **ALL).check()
    # production has one operator more: Elasticsearch's
    story.remove("prod", mesh_remove_operators=True, **ALL).check()
    left = story.identities()
    # OLM leaves CRDs behind, so that no custom resource of anybody is lost with an operator.
    of_olm = (" CustomResourceDefinition ", " APIService ")
    made = {name for name in left.keys() - story.seen["empty"].keys() if not any(kind in name for kind in of_olm)}
    assert made == set()
    assert {name for name in story.seen["empty"] if left.get(name) != story.seen["empty"][name]} == set()


def test_nothing_is_left_to_remove(story: Story) -> None:
    mark = story.bed.mark()
    run = story.remove("prod", mesh_remove_operators=True, **ALL).check()
    assert run.changed == 0, run.stdout[-4000:]
    assert story.writes(mark) == []


@pytest.mark.long  # test_deliver plans what has no kind yet
def test_a_plan_needs_no_crd(beds: Callable[..., Bed], playbook: Playbook) -> None:
    """On a cluster that has not even OLM: each kind that is missing is a line of the plan."""
    bed = beds()
    travel = Travel(bed, bed.user_kubeconfig(USER, ["system:masters"]), playbook)
    before, mark = travel.everything().keys(), bed.mark()
    run = travel.play(extra_vars={"mesh_target": "plan"}).check()
    assert travel.writes(mark) == []
    assert travel.everything().keys() == before
    later = "would create, once its kind is installed,"
    for line in (
        f"operators: {later} Subscription openshift-operators/servicemeshoperator3",
        f"control_plane: {later} Istio production",
        f"observability: {later} Kiali prod-istio-system/kiali",
        "workloads: would create Deployment prod-travel-agency/flights-v1",
    ):
        assert line in said(run), line
