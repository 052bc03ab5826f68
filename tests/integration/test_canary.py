# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary on real pods under a real istiod, while a client calls all the time: to its end without a failed call, back where the new
version fails, one step in each run, and edited by somebody else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Run
from pods_support import Mesh, deployment, missing, running, service
from shop_support import play
from testbed.calls import Calls

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}"),
    pytest.mark.xdist_group("canary"),
    pytest.mark.story,
]

Obj = dict[str, Any]
Playbook = Callable[..., Run]
CARS = {"service": "cars", "namespace": "shop", "versions": [{"name": "v1"}, {"name": "v2"}], "routes": [{"to": {"v1": 100}}]}
GATE = {"window": "4s", "interval": "1s", "timeout": "60s", "min_requests": 40, "min_old_requests": 20}
CANARY = {"service": "cars", "namespace": "shop", "from": "v1", "to": "v2", "steps": [20, 50, 100], "gate": GATE}
URL, CLIENT = "http://cars:8000/", "shop/client"


@dataclass(frozen=True)
class Shop:
    """The mesh, and the playbooks about its traffic."""

    mesh: Mesh
    folder: Path
    playbook: Playbook

    def play(self, name: str, *words: str, canary: Obj | None = None, **more: Any) -> Run:
        given = {"mesh_traffic": [CARS], "mesh_canaries": [{**CANARY, **(canary or {})}], **more}
        run: Run = play(self.playbook, self.mesh.bed, self.folder, name, *words, **given)
        return run

    def weights(self) -> Obj:
        done = self.mesh.bed.kubectl("get", "virtualservice", "cars", "-n", "shop", "-o", "json")
        rows = json.loads(done.stdout)["spec"]["http"][-1]["route"]
        return {row["destination"]["subset"]: row.get("weight", 100) for row in rows}

    def state(self) -> Obj:
        done = self.mesh.bed.kubectl("get", "configmap", "canary-cars", "-n", "shop", "-o", "jsonpath={.data.state}")
        found: Obj = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def shop(worker_id: str, tmp_path_factory: pytest.TempPathFactory, playbook: Playbook) -> Iterator[Shop]:
    with running(f"canary-{worker_id}") as mesh:
        mesh.apply(
            *deployment("cars-v1", app="cars", replicas=2),
            *deployment("cars-v2", app="cars", version="v2"),
            service("cars"),
            *deployment("client"),
        )
        for name, count in (("cars-v1", 2), ("cars-v2", 1), ("client", 1)):
            mesh.ready(name, count)
        found = Shop(mesh, tmp_path_factory.mktemp("canary"), playbook)
        found.play("shift_traffic").check()
        yield found


@pytest.fixture(autouse=True)
def afresh(shop: Shop) -> Iterator[None]:
    """Each test begins with all requests at v1 and nothing remembered."""
    yield
    shop.mesh.bed.set_faults({})
    shop.mesh.bed.kubectl("delete", "configmap/canary-cars", "lease/canary-cars", "-n", "shop", "--ignore-not-found")
    shop.play("shift_traffic", mesh_force_conflicts=True).check()
    assert shop.weights() == {"v1": 100}


def calling(shop: Shop) -> Calls:
    return Calls(shop.mesh.bed, URL, source=CLIENT, rate=80)


def test_to_its_end_without_a_failed_call(shop: Shop) -> None:
    with calling(shop) as calls:
        said = shop.play("release_canary", "--check").check().stdout
        assert "step 2 of 3: v1 50 %, v2 50 %" in said and shop.weights() == {"v1": 100}
        done = shop.play("release_canary").check()
        calls.wait(40)
    assert calls.failed() == []
    assert shop.weights() == {"v2": 100} and shop.state()["outcome"] == "promoted"
    shares = re.findall(r"v2 answered (\d+) of (\d+) requests \((\S+) %, 95 % interval (\S+) to (\S+) %\), (\d+) % were meant", done.stdout)
    assert [int(row[5]) for row in shares] == [20, 50, 100]
    for _mine, _all, _share, low, high, meant in shares:
        assert float(low) - 5 <= int(meant) <= float(high) + 5  # one in twenty is outside of such an interval by chance
    again = shop.play("release_canary").check()
    assert again.changed == 0 and "promoted" in again.stdout
    kept = shop.play("shift_traffic").check()
    assert kept.changed == 0 and "its weights stay" in kept.stdout and shop.weights() == {"v2": 100}


@pytest.mark.long
def test_a_version_that_fails_goes_back_with_the_reason(shop: Shop) -> None:
    shop.mesh.bed.set_faults({"pods": {"errors": {"shop/cars-v2": {"percent": 10, "status": 503}}}})
    with calling(shop):
        done = shop.play("release_canary")
    assert done.rc != 0
    assert re.search(r"v2 answered 503 to \d+ of \d+ requests \(.* interval .*\)", done.stdout), done.stdout[-3000:]
    assert "All requests are back where they were" in done.stdout
    assert shop.weights() == {"v1": 100} and shop.state()["outcome"] == "rolled_back"
    again = shop.play("release_canary")
    assert again.rc != 0 and again.changed == 0 and "canary_retry=true" in again.stdout


@pytest.mark.long
def test_one_step_in_each_job_pause_and_abort(shop: Shop) -> None:
    with calling(shop):
        shop.play("release_canary", canary_steps=1).check()
        assert shop.weights() == {"v1": 80, "v2": 20} and shop.state()["phase"] == "passed"
        shop.play("release_canary", canary_action="pause", canary_reason="lunch").check()
        assert "lunch" in shop.play("release_canary").check().stdout and shop.weights() == {"v1": 80, "v2": 20}
        shop.play("release_canary", canary_action="resume", canary_steps=1).check()
        assert shop.weights() == {"v1": 50, "v2": 50}
    shop.play("release_canary", canary_action="abort").check()
    assert shop.weights() == {"v1": 100} and shop.state()["outcome"] == "aborted"


@pytest.mark.long
def test_what_somebody_edits_is_left_alone_and_told(shop: Shop) -> None:
    with calling(shop):
        shop.play("release_canary", canary_steps=1).check()
        patch = [
            {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 70},
            {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 30},
        ]
        shop.mesh.bed.kubectl("patch", "virtualservice", "cars", "-n", "shop", "--type", "json", "-p", json.dumps(patch))
        done = shop.play("release_canary")
    assert done.rc != 0 and "VirtualService shop/cars was changed by kubectl-patch" in done.stdout
    assert shop.weights() == {"v1": 70, "v2": 30}


@pytest.mark.long
def test_a_split_is_measured_over_two_thousand_calls(shop: Shop, tmp_path: Path) -> None:
    shop.play("shift_traffic", mesh_traffic=[{**CARS, "routes": [{"to": {"v1": 80, "v2": 20}}]}]).check()
    task = {
        "name": "Measure",
        "meshops.mesh.traffic_metrics_info": {
            "service": "cars", "namespace": "shop", "versions": CARS["versions"], "window": "2m", "interval": "1s", "min_requests": 2000,
        },
        "register": "measured",
    }  # fmt: skip
    check = {"name": "Say", "meshops.mesh.mesh_show": {"lines": "{{ measured.lines }}"}}
    file = tmp_path / "measure.yml"
    file.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task, check]}]), encoding="utf-8")
    with Calls(shop.mesh.bed, URL, source=CLIENT, rate=200, workers=8):
        done = shop.playbook(file, bed=shop.mesh.bed)
    found = re.search(r"v2 answered (\d+) of (\d+) requests \((\S+) %, 95 % interval (\S+) to (\S+) %\)", done.check().stdout)
    assert found and int(found[2]) >= 2000
    assert float(found[4]) - 1.5 <= 20 <= float(found[5]) + 1.5, found[0]
