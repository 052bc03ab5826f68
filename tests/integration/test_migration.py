# SPDX-License-Identifier: GPL-3.0-or-later
"""From OSSM 2.6 to 3 with real Envoys: one domain there and back, then all of it, with mutual TLS between the two on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Run
from envoys_support import until
from testbed import Bed
from travel_support import INVENTORY, said
from zero_trust_support import AGENCY, CONTROL, INTENDED, PLANE, PORTAL, ROOT, Pods, install_play, wake_envoys

Obj = dict[str, Any]
Play = Callable[..., Run]
MIGRATE, PLAN = "meshops.mesh.migrate_mesh", "meshops.mesh.plan_migration"
REVISION = "production-v1-27-3"
pytestmark = pytest.mark.long  # tests/unit/migration has the plan, and each move against a played API


@pytest.fixture(scope="module")
def bed(worker_id: str) -> Iterator[Bed]:
    found = Bed.start(f"migration-{worker_id}", ("olm", "sail", "maistra", "openshift", "envoys"), owner=os.getpid())
    yield found
    found.stop()


@pytest.fixture(scope="module")
def play(bed: Bed, playbook: Play, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """A play against a mesh of OSSM 2, with the operators of both generations."""

    def run(name: Any = MIGRATE, **more: Any) -> Run:
        values = {
            "mesh_provider": "ossm2",
            "mesh_mysql_password": "of-this-test-only",
            "mesh_control_plane": PLANE,
            "migration_probe": False,
            "mesh_operators_extra": [{"package": "servicemeshoperator3", "source": "redhat-operators", "channel": "stable"}],
            **more,
        }
        return playbook(name, "-l", "prod", bed=bed, inventory=INVENTORY, extra_vars=values, timeout=1200.0)

    run(install_play(tmp_path_factory.mktemp("play"))).check()
    wake_envoys(bed, INTENDED)
    return run


def rows(bed: Bed, *what: str) -> list[Obj]:
    found: list[Obj] = json.loads(bed.kubectl("get", *what, "-o", "json").stdout or '{"items": []}')["items"]
    return found


def revisions(bed: Bed, *namespaces: str) -> set[str]:
    """Of the proxies of all pods that are not on their way out."""
    pods = [pod for space in namespaces for pod in rows(bed, "pods", "-n", space) if "deletionTimestamp" not in pod["metadata"]]
    return {pod["metadata"]["annotations"].get("istio.io/rev", "none") for pod in pods}


def everybody_calls(bed: Bed) -> None:
    """Every intended call, under STRICT mutual TLS, between whatever proxies there are now."""
    for source, targets in INTENDED.items():
        for target in sorted(targets):
            until(lambda source=source, target=target: Pods(bed).call(source, target) == "200", 240.0, what=f"{source} calls {target}")


def kept(bed: Bed) -> dict[str, str]:
    """What clients and policies know of the gateway."""
    found = rows(bed, "services,serviceaccounts", "-n", ROOT)
    names = {"istio-ingressgateway", "istio-ingressgateway-service-account"}
    return {row["metadata"]["name"]: row["metadata"]["uid"] for row in found if row["metadata"]["name"] in names}


def test_the_plan_accounts_for_everything_and_changes_nothing(bed: Bed, play: Play) -> None:
    mark = bed.mark()
    text = said(play(PLAN).check())
    assert "0 unknown" in text and "domain travel-portal: on OSSM 2" in text and "0 failed" in text
    writes = {"create", "update", "patch", "delete"}
    ours = [event for event in bed.audit(mark) if event["verb"] in writes and event["user"]["username"] == "testbed-admin"]
    assert [
        event["requestURI"] for event in ours if "dryRun" not in event["requestURI"] and "accessreviews" not in event["requestURI"]
    ] == []


def test_one_domain_moves_and_talks_to_the_one_that_stays(bed: Bed, play: Play) -> None:
    run = play(migration_only=["travel-portal"]).check()
    assert "domain travel-portal: the access is as before, proven for all requests" in said(run)
    assert revisions(bed, PORTAL, CONTROL) == {REVISION}
    assert revisions(bed, AGENCY) == {"production"}
    everybody_calls(bed)


def test_it_goes_back(bed: Bed, play: Play) -> None:
    play(migration_state="back", migration_only=["travel-portal"]).check()
    assert revisions(bed, PORTAL, CONTROL, AGENCY) == {"production"}
    everybody_calls(bed)


def test_all_of_it_moves_and_the_old_one_goes(bed: Bed, play: Play) -> None:
    before = kept(bed)
    play(migration_remove=True).check()
    assert revisions(bed, PORTAL, CONTROL, AGENCY) == {REVISION}
    everybody_calls(bed)
    # the gateway has kept its address and its identity
    assert kept(bed) == before and len(before) == 2
    assert revisions(bed, ROOT) >= {REVISION}
    assert rows(bed, "servicemeshcontrolplanes,servicemeshmemberrolls,servicemeshmembers", "-A") == []
    for space in rows(bed, "namespaces"):
        assert not [key for key in space["metadata"].get("labels") or {} if key.startswith(("maistra.io/", "kiali.io/"))], space["metadata"]
    modes = [row["spec"]["mtls"]["mode"] for row in rows(bed, "peerauthentications.security.istio.io", "-n", ROOT)]
    assert modes and set(modes) == {"STRICT"}
    policies = {f"{row['metadata']['namespace']}/{row['metadata']['name']}" for row in rows(bed, "networkpolicies", "-A")}
    assert {f"{space}/mesh-members" for space in (ROOT, AGENCY, PORTAL, CONTROL)} <= policies
    assert not [name for name in policies if "/istio-" in name]


def test_a_second_run_finds_nothing_to_do(play: Play) -> None:
    run = play(migration_remove=True).check()
    assert run.changed == 0, run.stdout[-4000:]
    assert "nothing is left to do" in said(run)
