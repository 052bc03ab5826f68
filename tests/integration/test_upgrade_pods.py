# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary upgrade under real istiods and real sidecars: which proxy is at which istiod is predicted, and no call fails.

One istiod is built here, so both revisions run the same program: what differs is the revision, its name, webhook, certificates' address and
image tags, and which istiod a proxy is connected to.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping

import collection_support  # noqa: F401  (first: it makes the collection importable)
import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.fleet import fleet_of
from pods_support import missing
from predicted_support import snapshot
from testbed import Bed
from testbed.calls import Calls
from testbed.patience import until
from travel_support import said
from upgrade_support import PORTAL, SHOP, SYSTEM, URLS, Play, Story, first, hops, revision, upgrading

# test_upgrade_live has every hop, every way to die and every refusal on quicker proxies.
pytestmark = [pytest.mark.long, pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}")]
KIND = "RevisionBased"


@pytest.fixture(scope="module")
def story(worker_id: str, playbook: Play, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    bed = Bed.start(f"upgrade-pods-{worker_id}", ("sail", "openshift", "pods"), owner=os.getpid())
    with upgrading(KIND, bed, playbook, tmp_path_factory.mktemp("play")) as made:
        yield made


def connected(story: Story) -> dict[str, str]:
    """Which revision's istiod each proxy is connected to, as istioctl proxy-status says it."""
    found: dict[str, str] = {}
    for row in story.get("istiorevisions")["items"]:
        name = row["metadata"]["name"]
        command = [story.bed.data["binaries"]["istioctl"], "proxy-status", "-i", SYSTEM, "--revision", name]
        done = subprocess.run(command, env=story.bed.env(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines()[1:]:
            pod, _dot, namespace = line.split()[0].rpartition(".")
            found[f"{namespace}/{pod}"] = name
    return found


def predicted(story: Story) -> dict[str, str]:
    """What our own look at the fleet says: the revision that each proxy was injected by."""
    fleet = fleet_of(snapshot(story.bed, (SHOP, PORTAL), SYSTEM))
    return {f"{proxy.namespace}/{proxy.pod}": proxy.revision for proxy in fleet.proxies}


def at(rows: Mapping[str, str]) -> dict[str, set[str]]:
    """By namespace; the client's bare pod, which nobody moves, apart."""
    found: dict[str, set[str]] = {}
    for pod, name in rows.items():
        place = "client" if pod == f"{PORTAL}/client" else pod.partition("/")[0]
        found.setdefault(place, set()).add(name)
    return found


def settled(story: Story) -> dict[str, set[str]]:
    """Once what is seen is what is predicted; where it is not, both are told."""
    seen = dict[str, dict[str, str]]()

    def agrees() -> bool:
        seen["seen"], seen["predicted"] = connected(story), predicted(story)
        return seen["seen"] == seen["predicted"]

    try:
        until(agrees, 30.0, "each proxy at the istiod that is predicted")
    except AssertionError:
        raise AssertionError(f"not as predicted: {seen}") from None
    return at(seen["seen"])


def calling(story: Story) -> list[Calls]:
    """From a pod that stays and from one that is restarted on the way, by connections that last and by new ones."""
    stays = [Calls(story.bed, url, source=f"{PORTAL}/client", rate=10, timeout=10) for url in URLS.values()]
    moves = Calls(story.bed, URLS["cars"], source=f"{SHOP}/hotels", rate=10, timeout=10, keep_alive=False)
    return [*stays, moves]


def test_wave_by_wave_each_proxy_is_where_it_is_predicted(story: Story) -> None:
    old, goal = revision(first(KIND)), hops(KIND)[0]
    new = revision(goal)
    assert settled(story) == {place: {old} for place in (PORTAL, SHOP, SYSTEM, "client")}
    callers = [one.start() for one in calling(story)]
    try:
        run = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=[goal], upgrade_waves_limit=1).check()
        assert "this run was for 1 waves (upgrade_waves_limit)" in said(run)
        assert settled(story) == {PORTAL: {new}, SHOP: {old}, SYSTEM: {old}, "client": {old}}
        story.play("meshops.mesh.upgrade_mesh", upgrade_rollback=True).check()
        assert settled(story) == {place: {old} for place in (PORTAL, SHOP, SYSTEM, "client")}
        run = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=[goal]).check()
        assert f"mesh shop-mesh is at {goal}" in said(run)
        assert settled(story) == {PORTAL: {new}, SHOP: {new}, SYSTEM: {new}, "client": {old}}
        for one in callers:
            one.wait(20)
    finally:
        for one in callers:
            one.stop()
    for one in callers:
        assert one.failed() == [], f"{one.source} -> {one.url.netloc}: {len(one.failed())} of {len(one)}: {one.failed()[:3]}"
        assert len(one) > 200
    assert story.get("istiorevision", old), "the old revision is kept until the last proxy has left"
    again = story.play("meshops.mesh.upgrade_mesh", upgrade_hops=[goal]).check()
    assert again.changed == 0, again.stdout[-3000:]
