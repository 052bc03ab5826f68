# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic on a bed with a real Envoy behind each pod, in both generations: the ladder of the role, shares counted in calls, a client that
calls all the time while versions come and go, and a run that is killed between two stages."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from envoys_support import Mesh, Mesh2, until
from shop_support import SPACE, play
from testbed import Bed
from travel_support import said

pytestmark = [pytest.mark.xdist_group("traffic"), pytest.mark.story]

Obj = dict[str, Any]
Playbook = Callable[..., Any]
V1, V2 = {"name": "v1"}, {"name": "v2"}
CALLS = 200


def version_of(name: str, annotations: Obj) -> Obj:
    """A Deployment of reviews."""
    labels = {"app": "reviews", "version": name}
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"serviceAccountName": "reviews", "containers": [{"name": "app", "image": "example.com/app:1"}]},
    }
    meta = {"name": f"reviews-{name}", "namespace": SPACE}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


@dataclass(frozen=True)
class Shop:
    """A mesh with a client and two versions of reviews, and the playbook that shifts its traffic."""

    mesh: Mesh
    provider: str
    folder: Path
    playbook: Playbook

    def shift(self, *rows: Obj, check: bool = False, **more: Any) -> Any:
        given = {"mesh_provider": self.provider, "mesh_gateways": [], "mesh_traffic": list(rows), "traffic_wait_timeout": 30, **more}
        words = ["--check"] if check else []
        return play(self.playbook, self.mesh.bed, self.folder, "shift_traffic", *words, **given)

    def calls(self, number: int = CALLS, *headers: str) -> Counter[str]:
        """How many of these requests each version answered; of an error its code."""
        words = " ".join(f"-H '{header}'" for header in headers)
        script = f"for i in $(seq {number}); do curl -s -m 5 -w '|%{{http_code}};' {words} http://reviews:8000/; done"
        text = self.mesh.bed.kubectl("exec", "-n", SPACE, self.mesh.pod("client"), "-c", "app", "--", "sh", "-c", script).stdout
        return Counter(_answered(answer) for answer in text.split(";") if answer.strip())

    def objects(self) -> dict[str, Obj]:
        found = {}
        for kind in ("destinationrules.networking.istio.io", "virtualservices.networking.istio.io"):
            done = self.mesh.bed.kubectl("get", kind, "-n", SPACE, "-o", "json")
            found |= {f"{one['kind']} {one['metadata']['name']}": one for one in json.loads(done.stdout)["items"]}
        return found

    def subsets(self) -> list[str]:
        return [one["name"] for one in self.objects()["DestinationRule reviews"]["spec"]["subsets"]]


def _answered(answer: str) -> str:
    """Who it was, by the name of its pod; of an error the code."""
    body, _bar, code = answer.rpartition("|")
    return body.partition("reviews-")[2].partition("-")[0] if code == "200" else code


def reviews(*versions: Obj, routes: list[Obj]) -> Obj:
    return {"service": "reviews", "namespace": SPACE, "versions": list(versions), "routes": routes}


BOTH = reviews(V1, V2, routes=[{"match": [{"headers": {"end-user": "jason"}}], "to": {"v2": 100}}, {"to": {"v1": 80, "v2": 20}}])
ALL_V1 = reviews(V1, routes=[{"to": {"v1": 100}}])
ALL_V2 = reviews(V2, routes=[{"to": {"v2": 100}}])


@pytest.fixture(scope="module", params=["ossm3", pytest.param("ossm2", marks=pytest.mark.long)])
def shop(request: pytest.FixtureRequest, worker_id: str, tmp_path_factory: pytest.TempPathFactory, playbook: Playbook) -> Iterator[Shop]:
    old = request.param == "ossm2"
    bed = Bed.start(f"traffic-{request.param}-{worker_id}", ("maistra" if old else "sail", "envoys"), owner=os.getpid())
    mesh = (Mesh2 if old else Mesh)(bed)
    mesh.install()
    mesh.deploy("client", "reviews")
    bed.kubectl("delete", "deployment", "reviews", "-n", SPACE)
    notes = {"sidecar.istio.io/inject": "true"} if old else {}
    mesh.apply(version_of("v1", notes), version_of("v2", notes))
    found = Shop(mesh, request.param, tmp_path_factory.mktemp("shop"), playbook)
    until(lambda: {"v1", "v2"} <= found.calls(20).keys(), what="both versions")
    yield found
    bed.stop()


def test_the_ladder(shop: Shop) -> None:
    """check, do, check again, do again, modify twice, delete twice; and what callers get of it."""
    before = shop.calls()
    assert before["v1"] + before["v2"] == CALLS and 60 < before["v1"] < 140, "all pods alike"
    would = shop.shift(BOTH, check=True).check()
    assert would.changed and "requests to shop/reviews: all its pods alike -> v1 80 %, v2 20 %" in " ".join(would.stdout.split())
    assert shop.objects() == {}
    assert shop.shift(BOTH).check().changed
    found = shop.calls()
    # 200 calls of which 80 % go to v1: 160, and within four standard deviations
    assert found["v1"] + found["v2"] == CALLS and 137 <= found["v1"] <= 183
    assert shop.calls(40, "end-user: jason") == {"v2": 40}
    assert shop.shift(BOTH, check=True).check().changed == 0 and shop.shift(BOTH).check().changed == 0
    assert shop.shift(ALL_V1).check().changed and shop.subsets() == ["v1"] and shop.calls(40) == {"v1": 40}
    assert shop.shift(ALL_V1).check().changed == 0
    assert shop.shift(traffic_state="absent").check().changed and shop.objects() == {}
    assert shop.shift(traffic_state="absent").check().changed == 0
    assert {"v1", "v2"} == shop.calls(40).keys()


@pytest.mark.long
def test_no_call_fails_while_versions_come_and_go(shop: Shop) -> None:
    """The one subset takes the place of the other, again and again; applied at once, or in the other order, this is 503."""
    shop.shift(ALL_V1).check()
    with shop.mesh.calling("client", "reviews") as codes:
        for row in (ALL_V2, BOTH, ALL_V1, ALL_V2):
            shop.shift(row).check()
    assert len(codes) > 20 and set(codes) == {"200"}
    assert shop.calls(20) == {"v2": 20}


@pytest.mark.long
def test_a_route_before_its_version_is_503(shop: Shop) -> None:
    """What the order is for: the same objects, the route first."""
    shop.shift(traffic_state="absent").check()
    host = f"reviews.{SPACE}.svc.cluster.local"
    route = {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": "by-hand", "namespace": SPACE},
        "spec": {"hosts": [host], "http": [{"route": [{"destination": {"host": host, "subset": "v9", "port": {"number": 8000}}}]}]},
    }
    shop.mesh.apply(route)
    until(lambda: shop.calls(5) == {"503": 5}, what="the route without a version")
    refused = shop.shift(BOTH)
    assert refused.rc != 0 and "VirtualService shop/by-hand routes the requests to shop/reviews already" in said(refused)
    shop.mesh.bed.kubectl("delete", "virtualservices.networking.istio.io", "by-hand", "-n", SPACE)
    until(lambda: "503" not in shop.calls(5), what="the way back")


def test_a_version_without_pods_is_refused_and_nothing_is_changed(shop: Shop) -> None:
    shop.shift(ALL_V1).check()
    before = {name: one["metadata"]["resourceVersion"] for name, one in shop.objects().items()}
    refused = shop.shift(reviews(V1, {"name": "v3"}, routes=[{"to": {"v1": 50, "v3": 50}}]))
    assert refused.rc != 0 and "has no ready pod (app=reviews, version=v3): callers would get 503" in said(refused)
    assert {name: one["metadata"]["resourceVersion"] for name, one in shop.objects().items()} == before
    assert shop.calls(20) == {"v1": 20}


@pytest.mark.long
def test_a_run_that_was_killed_between_two_stages_is_gone_on_with(shop: Shop) -> None:
    """Proxies that hear nothing new end it after its first stage, as a kill would."""
    shop.shift(ALL_V1).check()
    shop.mesh.bed.set_faults({"envoys": {"keep_config": True}})
    stopped = shop.shift(ALL_V2, traffic_wait_timeout=1)
    text = said(stopped)
    assert stopped.rc != 0 and f"it does not know outbound|8000|v2|reviews.{SPACE}.svc.cluster.local" in text
    assert "The next stage was not applied" in text and shop.subsets() == ["v2", "v1"] and shop.calls(10) == {"v1": 10}
    shop.mesh.bed.set_faults({})
    with shop.mesh.calling("client", "reviews") as codes:
        assert shop.shift(ALL_V2).check().changed
    assert set(codes) <= {"200"} and shop.calls(20) == {"v2": 20} and shop.subsets() == ["v2"]


def test_a_plan_changes_nothing_and_what_is_named_no_more_is_pruned(shop: Shop) -> None:
    shop.shift(traffic_state="absent").check()
    plan = " ".join(shop.shift(BOTH, mesh_target="plan").check().stdout.split())
    assert "requests to shop/reviews: all its pods alike -> v1 80 %, v2 20 %" in plan and shop.objects() == {}
    later = {**ALL_V1, "service": "later"}
    assert "there is no Service shop/later yet" in " ".join(shop.shift(later, mesh_target="plan").check().stdout.split())
    shop.shift(ALL_V1).check()
    assert shop.shift().check().changed == 0 and "VirtualService reviews" in shop.objects()
    gone = shop.shift(mesh_prune=True).check()
    assert gone.changed and "v1 100 % -> all its pods alike" in " ".join(gone.stdout.split()) and shop.objects() == {}
    assert shop.shift(mesh_prune=True).check().changed == 0
