# SPDX-License-Identifier: GPL-3.0-or-later
"""From OSSM 2.6 to 3 with real Envoys: one domain there and back, then all of it, with mutual TLS between the two on the way."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from background_support import killed_at, start
from conftest import Run
from testbed import Bed
from testbed.client import Client, made_anew
from testbed.patience import until
from travel_support import INVENTORY, said
from zero_trust_support import AGENCY, CONTROL, INTENDED, PLANE, PORTAL, ROOT, Pods, install_play, wake_envoys

Obj = dict[str, Any]
Play = Callable[..., Run]
MIGRATE, PLAN = "meshops.mesh.migrate_mesh", "meshops.mesh.plan_migration"
REVISION = "production-v1-27-3"
# Calls that the play makes itself after each move: the console's and the portals', to a domain that moves later and back.
ACCESS: Obj = {
    "default_deny": False,
    "rules": [
        {"name": "console-to-portals", "from": [f"{CONTROL}/control"], "to": [f"namespace:{PORTAL}"], "ports": [8000]},
        {"name": "portals-to-travels", "from": [f"namespace:{PORTAL}"], "to": [f"{AGENCY}/travels"], "ports": [8000], "methods": ["GET"]},
    ],
}
VARIABLES: Obj = {
    "mesh_provider": "ossm2",
    "mesh_mysql_password": "of-this-test-only",
    "mesh_control_plane": PLANE,
    "migration_access": ACCESS,
    "mesh_migration_restart": {"lock_seconds": 5},
    "mesh_operators_extra": [{"package": "servicemeshoperator3", "source": "redhat-operators", "channel": "stable"}],
}
CLIENT = "client"
TCP = {f"{AGENCY}/mysqldb"}
# Where a run is killed: at a task of this name, so many seconds after it began.
STEPS = (
    ("Present | Label the namespaces", 0.5),
    ("Apply the layer", 1.0),
    ("Domain | Take to the new control plane", 3.0),
    ("Gateways | Deliver the new gateways", 1.5),
    ("Gateways | Let the operator take the old ones away", 0.7),
    ("Gateways | Take the Services over", 1.0),
)
pytestmark = pytest.mark.long  # tests/unit/migration has the plan, and each move against a played API


@pytest.fixture(scope="module")
def bed(worker_id: str) -> Iterator[Bed]:
    found = Bed.start(f"migration-{worker_id}", ("olm", "sail", "maistra", "openshift", "envoys"), owner=os.getpid())
    yield found
    found.stop()


@pytest.fixture(scope="module")
def play(bed: Bed, playbook: Play, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """A play against a mesh of OSSM 2, with the operators of both generations, and a client that is a bare pod."""

    def run(name: Any = MIGRATE, **more: Any) -> Run:
        return playbook(name, "-l", "prod", bed=bed, inventory=INVENTORY, extra_vars={**VARIABLES, **more}, timeout=1200.0)

    run(install_play(tmp_path_factory.mktemp("play"))).check()
    wake_envoys(bed, INTENDED)
    Client(bed, PORTAL, CLIENT).make()
    bed.kubectl("wait", "--for=condition=Ready", "pod", CLIENT, "-n", PORTAL, "--timeout=120s")
    made_anew(bed, AGENCY, PORTAL, CONTROL)
    return run


def rows(bed: Bed, *what: str) -> list[Obj]:
    found: list[Obj] = json.loads(bed.kubectl("get", *what, "-o", "json").stdout or '{"items": []}')["items"]
    return found


def revisions(bed: Bed, *namespaces: str) -> set[str]:
    """Of the proxies of all pods that are not on their way out; the client keeps the one it has."""
    pods = [
        pod
        for space in namespaces
        for pod in rows(bed, "pods", "-n", space)
        if "deletionTimestamp" not in pod["metadata"] and pod["metadata"]["name"] != CLIENT
    ]
    return {pod["metadata"]["annotations"].get("istio.io/rev", "none") for pod in pods}


def everybody_calls(bed: Bed) -> None:
    """Every intended call, under STRICT mutual TLS, between whatever proxies there are now."""
    for source, targets in INTENDED.items():
        for target in sorted(targets):
            until(lambda source=source, target=target: Pods(bed).call(source, target) == "200", 240.0, what=f"{source} calls {target}")


@contextmanager
def somebody_calls(bed: Bed) -> Iterator[Counter[tuple[str, str]]]:
    """From a pod of the portals that nobody restarts, all the time, so that callers and callees are of either control plane."""
    targets = sorted({target for one in INTENDED.values() for target in one if target.startswith((AGENCY, PORTAL))} - TCP)
    urls = {target: "http://{1}.{0}:8000/".format(*target.split("/")) for target in targets}
    with Client(bed, PORTAL, CLIENT).calling(urls) as seen:
        yield seen
    assert {code for _target, code in seen} == {"200"} and len(seen) == len(targets), seen


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
    with somebody_calls(bed):
        run = play(migration_only=["travel-portal"]).check()
        assert "domain travel-portal: the access is as before, proven for all requests, and called:" in said(run)
        assert revisions(bed, PORTAL, CONTROL) == {REVISION}
        assert revisions(bed, AGENCY) == {"production"}
        everybody_calls(bed)


def test_it_goes_back(bed: Bed, play: Play) -> None:
    with somebody_calls(bed):
        play(migration_state="back", migration_only=["travel-portal"]).check()
        assert revisions(bed, PORTAL, CONTROL, AGENCY) == {"production"}
        everybody_calls(bed)


def test_all_of_it_moves_killed_at_each_step_and_goes_back(bed: Bed, play: Play) -> None:
    before = kept(bed)
    with somebody_calls(bed):
        for at, after in STEPS:
            killed_at(start(MIGRATE, "-l", "prod", bed=bed, inventory=INVENTORY, extra_vars=VARIABLES), at, after)
        play().check()
        assert revisions(bed, PORTAL, CONTROL, AGENCY) == {REVISION} and kept(bed) == before
        everybody_calls(bed)
        assert play().check().changed == 0
        play(migration_state="back").check()
        assert revisions(bed, PORTAL, CONTROL, AGENCY) == {"production"} and kept(bed) == before
        assert rows(bed, "istios.sailoperator.io") == []
        everybody_calls(bed)


def test_all_of_it_moves_and_the_old_one_goes(bed: Bed, play: Play) -> None:
    before = kept(bed)
    with somebody_calls(bed):
        play().check()
    # Somebody has to make the client anew: it is a bare pod, and the old control plane stays as long as it is there.
    stays = play(migration_remove=True)
    assert stays.rc != 0 and f"{PORTAL}/{CLIENT}" in said(stays), said(stays)[-2000:]
    bed.kubectl("delete", "pod", CLIENT, "-n", PORTAL)
    removing = start(MIGRATE, "-l", "prod", bed=bed, inventory=INVENTORY, extra_vars={**VARIABLES, "migration_remove": True})
    killed_at(removing, "Remove | Remove it, and put right", 1.0)
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
