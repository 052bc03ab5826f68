# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh with real Envoys is upgraded by the playbook, in waves, there and back; a client that calls all the time sees no failure."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest
from background_support import killed_at, start
from testbed import Bed
from testbed.patience import until
from travel_support import said
from upgrade_support import PORTAL, SERVICES, SHOP, Play, Story, first, hops, revision, upgrading

KINDS = os.environ.get("MESH_TEST_UPGRADES", "RevisionBased,InPlace,ossm2").split(",")
pytestmark = pytest.mark.long  # tests/unit/upgrade has the plan, tests/unit/rollout the waves, test_check_mesh the refusals
# The first hop is for upgrade_mesh and its kills, the second for jobs of a wave each, what is left for the playbooks by turns.
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
# One revision beside the other, and a tag; in place, test_faults_run has an istiod that never gets ready.
revisions = pytest.mark.parametrize("story", [kind for kind in KINDS if kind == "RevisionBased"], indirect=True)


@pytest.fixture(scope="module", params=KINDS)
def story(request: pytest.FixtureRequest, worker_id: str, playbook: Play, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    kind = str(request.param)
    operators = ("maistra" if kind == "ossm2" else "sail", "openshift", "envoys")
    bed = Bed.start(f"upgrade-{kind.lower()}-{worker_id}", operators, owner=os.getpid())
    with upgrading(kind, bed, playbook, tmp_path_factory.mktemp("play")) as made:
        yield made


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
