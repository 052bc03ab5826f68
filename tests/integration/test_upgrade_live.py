# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh with real Envoys is upgraded by the playbook, in waves, there and back; a client that calls all the time sees no failure."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from background_support import killed_at, start
from conftest import Run
from envoys_support import deployment
from testbed import Bed
from testbed.client import Client
from testbed.patience import until
from travel_support import said

Obj = dict[str, Any]
Play = Callable[..., Run]
ASK = "testbed.example.com/envoy"
SYSTEM, SHOP, PORTAL = "shop-system", "shop-data", "shop-portal"
SERVICES = {"cars": SHOP, "hotels": SHOP, "web": PORTAL}
URLS = {service: f"http://{service}.{namespace}:8000/" for service, namespace in SERVICES.items()}
KINDS = os.environ.get("MESH_TEST_UPGRADES", "RevisionBased,InPlace,ossm2").split(",")
pytestmark = pytest.mark.long  # tests/unit/upgrade has the plan, tests/unit/rollout the waves, test_check_mesh the refusals
# With a real operator (MESH_SAIL_OPERATOR) name versions that it has: where the mesh begins, then its hops.
VERSIONS = os.environ.get("MESH_TEST_VERSIONS", "").split(",") if os.environ.get("MESH_TEST_VERSIONS") else []
# The first hop is for upgrade_mesh and its kills, the second for jobs of a wave each, what is left for the playbooks by turns.
WAYS = {
    "ossm2": ["v2.3", "v2.4", "v2.5", "v2.6"],
    "InPlace": VERSIONS or ["v1.28.9", "v1.28.10", "v1.29.6", "v1.30.2", "v1.30.3"],
    "RevisionBased": VERSIONS or ["v1.28.9", "v1.28.10", "v1.29.6", "v1.30.2", "v1.30.3"],
}
# Where a run is killed: at a task of this name, so many seconds after it began.
STEPS = (
    ("Begin | Make the waves", 0.5),
    ("| Apply the layer", 1.5),
    ("Call | rollout_waves: advanced", 3.0),
    ("Gate | Judge the wave", 0.5),
    ("Tag | Let the tag lead", 0.8),
    ("Settle | Give namespaces their label back", 0.5),
    ("Settle | Let the old revision go", 1.0),
    ("Hop_go | Let the next run in", 0.5),
)
WAVES = [{"name": "portal", "namespaces": [PORTAL]}, {"name": "data", "namespaces": [SHOP]}]

# One revision beside the other, and a tag; in place, test_faults_run has an istiod that never gets ready.
revisions = pytest.mark.parametrize("story", [kind for kind in KINDS if kind == "RevisionBased"], indirect=True)


@dataclass(frozen=True)
class Story:
    """One generation and strategy."""

    bed: Bed
    kind: str
    run: Play

    @property
    def variables(self) -> Obj:
        provider = "ossm2" if self.kind == "ossm2" else "ossm3"
        plane = {
            "name": "shop",
            "namespace": SYSTEM,
            "update_strategy": "RevisionBased" if self.kind == "RevisionBased" else "InPlace",
            "egress": {"enabled": False},
        }
        return {
            "ansible_python_interpreter": sys.executable,
            "mesh_kubeconfig": str(self.bed.kubeconfig),
            "mesh_provider": provider,
            "mesh_name": "shop-mesh",
            "mesh_control_plane": plane,
            "mesh_operators_provider": "none",
            "mesh_domains": [{"name": "portal", "namespaces": [PORTAL]}, {"name": "data", "namespaces": [SHOP]}],
            f"mesh_{provider}_version": WAYS[self.kind][0],
            "mesh_upgrade": {"waves": WAVES, "rollout": {"lock_seconds": 3, "interval": 0.5, "workload_timeout": 240}},
        }

    def play(self, name: str | Path, **more: Any) -> Run:
        return self.run(name, bed=self.bed, inventory="west,", extra_vars={**self.variables, **more}, timeout=1800)

    def end(self) -> Obj:
        """All that an upgrade leaves."""
        kept = self.get("configmap", "rollout-shop-mesh", "-n", SYSTEM).get("data", {}).get("state", "{}")
        state = json.loads(kept)
        tag = self.get("istiorevisiontag", "shop-mesh") if self.kind == "RevisionBased" else {}
        return {
            "proxies": self.proxies(),
            "labels": self.labels(),
            "over": state.get("over"),
            "moved": state.get("labels"),
            "tag": tag.get("status", {}).get("istioRevision", ""),
            "holder": self.get("lease", "rollout-shop-mesh", "-n", SYSTEM).get("spec", {}).get("holderIdentity", ""),
        }

    def get(self, *what: str) -> Obj:
        done = self.bed.kubectl("get", *what, "-o", "json")
        found: Obj = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def proxies(self) -> dict[str, tuple[str, str]]:
        """Version and revision of each workload's proxies, by app."""
        found = {}
        for app, namespace in SERVICES.items():
            rows = self.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
            pods = [pod for pod in rows if not pod["metadata"].get("deletionTimestamp")]
            seen = {
                (proxy["image"].rpartition(":")[2].removeprefix("v"), pod["metadata"]["annotations"].get("istio.io/rev", ""))
                for pod in pods
                for proxy in pod["spec"]["containers"]
                if proxy["name"] == "istio-proxy"
            }
            assert len(seen) == 1, (app, seen)
            found[app] = seen.pop()
        return found

    def versions(self) -> set[str]:
        return {version for version, _revision in self.proxies().values()}

    def ahead(self, way: list[str]) -> list[str]:
        """What of a way is still to come: tests before this one have gone a part, where they were played."""
        (version,) = self.versions()
        here = f"v{version}"
        return way[way.index(here) + 1 :] if here in way else way

    def control_planes(self) -> dict[str, str]:
        """Whether each is ready, by version."""
        kind = {"ossm2": "smcp", "InPlace": "istio", "RevisionBased": "istiorevision"}[self.kind]
        return {
            item["spec"]["version"]: {c["type"]: c["status"] for c in item.get("status", {}).get("conditions", [])}.get("Ready", "")
            for item in self.get(kind, "-A")["items"]
        }

    def labels(self) -> dict[str, str]:
        return {name: self.get("namespace", name)["metadata"]["labels"].get("istio.io/rev", "") for name in (SHOP, PORTAL)}

    @property
    def client(self) -> Client:
        return Client(self.bed, PORTAL)

    def calling(self) -> AbstractContextManager[Counter[tuple[str, str]]]:
        return self.client.calling(URLS)


def objects() -> list[Obj]:
    """Deployments; whether they are injected, their pods say."""
    made: list[Obj] = []
    for app, namespace in SERVICES.items():
        for obj in deployment(namespace, app, app, {}):
            if obj["kind"] == "Deployment":
                template = obj["spec"]["template"]
                template["metadata"]["labels"]["sidecar.istio.io/inject"] = "true"
            made.append(obj)
    return made


@pytest.fixture(scope="module", params=KINDS)
def story(request: pytest.FixtureRequest, worker_id: str, playbook: Play, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    kind = str(request.param)
    operators = ("maistra" if kind == "ossm2" else "sail", "openshift", "envoys")
    bed = Bed.start(f"upgrade-{kind.lower()}-{worker_id}", operators, owner=os.getpid())
    try:
        made = Story(bed, kind, playbook)
        for namespace in (SHOP, PORTAL):
            bed.kubectl("create", "namespace", namespace)
            bed.kubectl("label", "namespace", namespace, f"{ASK}=true")
        path = tmp_path_factory.mktemp("play") / "install.yml"
        path.write_text(
            yaml.safe_dump(
                [
                    {
                        "name": "A mesh",
                        "hosts": "all",
                        "connection": "local",
                        "gather_facts": False,
                        "roles": ["meshops.mesh.control_plane", "meshops.mesh.membership"],
                    }
                ]
            )
        )
        made.play(path).check()
        done = bed.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects()}))
        assert done.returncode == 0, done.stderr
        made.client.make()
        for service, url in URLS.items():
            until(lambda url=url: made.client.call(url) == "200", 240.0, f"a call of {service}")
        yield made
    finally:
        bed.stop()


def hops(kind: str) -> list[str]:
    return WAYS[kind][1:]


def first(kind: str) -> str:
    return WAYS[kind][0].removeprefix("v")


def revision(version: str) -> str:
    return f"shop-v{version.removeprefix('v').replace('.', '-')}"


def test_one_wave_and_back_from_the_middle(story: Story) -> None:
    before = story.proxies()
    assert story.versions() == {first(story.kind)}
    with story.calling() as seen:
        run = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=hops(story.kind)[:1], upgrade_waves_limit=1).check()
        assert "this run was for 1 waves (upgrade_waves_limit)" in said(run)
        assert "left alone: Pod shop-portal/client: no controller would recreate it" in said(run)
        middle = story.proxies()
        assert middle["web"][0] == hops(story.kind)[0].removeprefix("v") and middle["cars"] == before["cars"], middle
        if story.kind == "RevisionBased":
            assert story.labels() == {PORTAL: revision(hops(story.kind)[0]), SHOP: "shop-mesh"}
            assert story.get("istiorevisiontag", "shop-mesh")["status"]["istioRevision"] == revision(first(story.kind))
        story.play("meshops.mesh.upgrade_mesh", upgrade_rollback=True).check()
        assert story.proxies() == before
    assert {code for _service, code in seen} == {"200"}, seen
    if story.kind == "RevisionBased":
        assert story.labels() == {PORTAL: "shop-mesh", SHOP: "shop-mesh"}


@revisions
def test_a_new_istiod_that_never_gets_ready_stops_before_anybody_is_restarted(story: Story) -> None:
    before, goal = story.proxies(), hops(story.kind)[0]
    story.bed.set_faults({"sail": {"never_ready": [revision(goal)]}})
    try:
        with story.calling() as seen:
            stuck = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=[goal], deliver_wait_timeout=20)
            assert stuck.rc != 0 and revision(goal) in said(stuck) and "not ready after" in said(stuck), said(stuck)[-2000:]
            assert story.proxies() == before
            story.play("meshops.mesh.upgrade_mesh", upgrade_rollback=True).check()
            assert story.proxies() == before
    finally:
        story.bed.set_faults({})
    assert {code for _service, code in seen} == {"200"}, seen


@revisions
def test_somebody_moves_the_tag_and_the_old_revision_goes(story: Story) -> None:
    before, goal = story.proxies(), hops(story.kind)[0]
    with story.calling() as seen:
        story.play("meshops.mesh.upgrade_mesh", upgrade_hops=[goal], upgrade_waves_limit=1).check()
        elsewhere = {"spec": {"targetRef": {"kind": "IstioRevision", "name": revision(goal)}}}
        story.bed.kubectl("patch", "istiorevisiontag", "shop-mesh", "--type=merge", "-p", json.dumps(elsewhere))
        until(lambda: story.get("istiorevisiontag", "shop-mesh")["status"]["istioRevision"] == revision(goal), what="the tag elsewhere")
        middle = story.proxies()
        refused = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=[goal])
        assert refused.rc != 0 and "IstioRevisionTag shop-mesh" in said(refused) and "mesh_force_conflicts" in said(refused)
        assert story.proxies() == middle
        story.bed.kubectl("delete", "istiorevision", revision(first(story.kind)), "--wait=true")
        refused = story.play("meshops.mesh.upgrade_mesh", upgrade_rollback=True)
        assert refused.rc != 0 and 'held by "kubectl-patch"' in said(refused), "also a way back asks before it takes what is not ours"
        story.play("meshops.mesh.upgrade_mesh", upgrade_rollback=True, mesh_force_conflicts=True).check()
        assert story.proxies() == before
        assert story.get("istiorevisiontag", "shop-mesh")["status"]["istioRevision"] == revision(first(story.kind))
    assert {code for _service, code in seen} == {"200"}, seen


def test_killed_at_each_step_it_ends_as_undisturbed(story: Story) -> None:
    goal = hops(story.kind)[0]
    with story.calling() as seen:
        for at, after in STEPS:
            if not at.startswith("Tag") or story.kind == "RevisionBased":
                killed_at(
                    start(
                        "meshops.mesh.upgrade_mesh",
                        bed=story.bed,
                        inventory="west,",
                        extra_vars={**story.variables, "upgrade_hops": [goal]},
                    ),
                    at,
                    after,
                )
        ended = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=[goal]).check()
        assert f"mesh shop-mesh is at {goal}" in said(ended)
    assert {code for _service, code in seen} == {"200"}, seen
    found = story.end()
    assert {version for version, _ in found["proxies"].values()} == {goal.removeprefix("v")}
    if story.kind == "RevisionBased":
        assert found["tag"] == revision(goal) and found["labels"] == {SHOP: "shop-mesh", PORTAL: "shop-mesh"}
    assert found["over"] and not found["moved"] and not found["holder"], found
    again = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=[goal]).check()
    assert again.changed == 0, again.stdout[-3000:]


def test_all_the_way_while_a_client_calls(story: Story) -> None:
    """As jobs do it: the same command, a wave each, until it says that the mesh is there; the hop of before is not gone through again."""
    # The Prometheus of a ServiceMeshControlPlane has a proxy too, and is in no wave of ours.
    waves = ["portal", "data", *(["rest"] if story.kind == "ossm2" else []), "gateways"]
    way = hops(story.kind)[:2]
    with story.calling() as seen:
        for goal in story.ahead(way):
            for wave in waves:
                run = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=way, upgrade_waves_limit=1).check()
                moved = {app for app, (version, _revision) in story.proxies().items() if version == goal.removeprefix("v")}
                assert moved == ({"web"} if wave == "portal" else set(SERVICES)), (goal, wave, story.proxies())
                over = goal == way[-1] and wave == waves[-1]
                assert ("this run was for 1 waves (upgrade_waves_limit)" in said(run)) is not over, said(run)[-2000:]
        assert story.versions() == {way[-1].removeprefix("v")}
        assert f"mesh shop-mesh is at {way[-1]}" in said(run)
    assert {code for _service, code in seen} == {"200"}, seen
    assert all(seen[(service, "200")] > 3 for service in SERVICES)
    if story.kind == "RevisionBased":
        assert story.labels() == {PORTAL: "shop-mesh", SHOP: "shop-mesh"}
        assert story.get("istiorevisiontag", "shop-mesh")["status"]["istioRevision"] == revision(way[-1])
        # The client's pod has not moved: its revision stays, however short the grace period.
        time.sleep(1)
        assert story.get("istiorevision", revision(first(story.kind))), "the old revision is kept until the last proxy has left"


def test_control_plane_and_data_plane_by_turns(story: Story) -> None:
    """Two teams, two playbooks, the same upgrade_hops in each call: which hop is next, they find out."""
    ahead = story.ahead(hops(story.kind))
    if not ahead:
        pytest.skip("no hop is left: MESH_TEST_VERSIONS names too few")
    with story.calling() as seen:
        for goal in ahead:
            before = story.proxies()
            story.play("meshops.mesh.upgrade_control_plane", upgrade_hops=hops(story.kind)).check()
            assert (story.control_planes()[goal], story.proxies()) == ("True", before)
            again = story.play("meshops.mesh.upgrade_control_plane", upgrade_hops=hops(story.kind)).check()
            assert (again.changed, story.proxies()) == (0, before), "no further hop before the proxies have followed"
            story.play("meshops.mesh.upgrade_data_plane", upgrade_hops=hops(story.kind)).check()
            assert story.versions() == {goal.removeprefix("v")}
        again = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=hops(story.kind)).check()
        assert again.changed == 0, again.stdout[-3000:]
    assert {code for _service, code in seen} == {"200"}, seen
