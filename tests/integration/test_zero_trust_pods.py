# SPDX-License-Identifier: GPL-3.0-or-later
"""Chapter 5 with a real istiod and real sidecars: what was predicted of each call is what happens, and nobody who is meant is refused."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Run
from pods_support import missing
from testbed import Bed
from testbed.patience import until
from travel_support import INVENTORY
from zero_trust_support import AGENCY, CLOSED, INTENDED, PLANE, Pods, answering, calling, install_play

Play = Callable[..., Run]
# test_pods has real refusals, test_zero_trust the same stages on quicker proxies.
pytestmark = [pytest.mark.long, pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}")]


@pytest.fixture(scope="module")
def bed(worker_id: str) -> Iterator[Bed]:
    found = Bed.start(f"zero-pods-{worker_id}", ("olm", "sail", "openshift", "pods"), owner=os.getpid())
    yield found
    found.stop()


@pytest.fixture(scope="module")
def play(bed: Bed, playbook: Play, tmp_path_factory: pytest.TempPathFactory) -> Play:
    def run(name: Any = "meshops.mesh.travel_zero_trust", **more: Any) -> Run:
        values = {
            "mesh_provider": "ossm3",
            "mesh_mysql_password": "of-this-test-only",
            "mesh_control_plane": PLANE,
            "mesh_operators_packages": ["servicemeshoperator3"],
            "access_wait_timeout": 120,
            "access_probe_timeout": 30,
            "access_probe_total": 900,
            **more,
        }
        return playbook(name, bed=bed, inventory=INVENTORY, extra_vars=values)

    run(install_play(tmp_path_factory.mktemp("play"))).check()
    return run


@pytest.fixture(scope="module")
def pods(bed: Bed, play: Play) -> Pods:
    found = Pods(bed)
    answering(found, INTENDED)
    return found


def test_nobody_who_is_meant_is_ever_refused_and_all_is_as_predicted(play: Play, pods: Pods) -> None:
    with calling(pods, INTENDED) as clients:
        run = play().check()
    assert not clients.refused, clients.refused
    stages = re.findall(r"(access_\w+|before|after): prod: (\d+) calls in .* as predicted, (\d+) otherwise", run.stdout)
    assert [name for name, _calls, _otherwise in stages] == ["before", "access_allow", "access_mtls", "access_deny", "after"]
    assert {otherwise for _name, _calls, otherwise in stages} == {"0"}


def test_the_end_is_locked_down(play: Play, pods: Pods) -> None:
    for source, target in itertools.product(CLOSED, CLOSED):
        if source == target:
            continue
        code = pods.call(source, target)
        # A connection to a database is closed without an answer.
        refused = {"000"} if target == f"{AGENCY}/mysqldb" else {"403"}
        assert code in ({"200"} if target in INTENDED.get(source, set()) else refused), (source, target, code)
    assert pods.call(f"{AGENCY}/travels", f"{AGENCY}/cars", "/", "-X", "POST") == "403"


def test_it_opens_again_from_the_end(play: Play, pods: Pods) -> None:
    with calling(pods, INTENDED) as clients:
        play(access_state="absent").check()
    assert not clients.refused, clients.refused
    until(lambda: pods.call(f"{AGENCY}/mysqldb", f"{AGENCY}/travels") == "200", what="open again")
