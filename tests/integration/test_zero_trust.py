# SPDX-License-Identifier: GPL-3.0-or-later
"""Chapter 5: the travel mesh is locked down while clients call all the time; who is meant is never refused, all others are in the end."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from background_support import killed_at, start
from conftest import Run
from envoys_support import until
from testbed import Bed
from travel_support import INVENTORY, said
from zero_trust_support import AGENCY, CLOSED, CONTROL, INTENDED, PLANE, PORTAL, ROOT, Pods, calling, install_play, intended, wake_envoys

Obj = dict[str, Any]
Play = Callable[..., Run]
PACKAGES = {"ossm3": "servicemeshoperator3", "ossm2": "servicemeshoperator"}


# Real Envoys under every stage; test_envoys_policies asks one Envoy, tests/unit/access renders and proves the stages.
pytestmark = pytest.mark.long


# Both generations are as long again: MESH_TEST_PROVIDERS=ossm3,ossm2 plays both.
@pytest.fixture(scope="module", params=os.environ.get("MESH_TEST_PROVIDERS", "ossm3").split(","))
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bed(worker_id: str, provider: str) -> Iterator[Bed]:
    found = Bed.start(f"zero-{provider}-{worker_id}", ("olm", "sail", "maistra", "openshift", "envoys"), owner=os.getpid())
    yield found
    found.stop()


@pytest.fixture(scope="module")
def play(bed: Bed, provider: str, playbook: Play, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """A play against the installed mesh."""

    def run(name: Any = "meshops.mesh.travel_zero_trust", **more: Any) -> Run:
        values = {
            "mesh_provider": provider,
            "mesh_mysql_password": "of-this-test-only",
            "mesh_control_plane": PLANE,
            "mesh_operators_packages": [PACKAGES[provider]],
            "access_wait_timeout": 120,
            "access_probe_timeout": 30,
            "access_probe_total": 900,
            **more,
        }
        return playbook(name, bed=bed, inventory=INVENTORY, extra_vars=values)

    run(install_play(tmp_path_factory.mktemp("play"))).check()
    wake_envoys(bed, intended(provider))
    return run


@pytest.fixture(scope="module")
def pods(bed: Bed) -> Pods:
    return Pods(bed)


def policies(bed: Bed) -> dict[str, str]:
    """What is there of the security API, and its resourceVersion."""
    kinds = "authorizationpolicies.security.istio.io,peerauthentications.security.istio.io"
    rows = json.loads(bed.kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/managed-by=meshops.mesh", "-o", "json").stdout)["items"]
    own = [row["metadata"] for row in rows if row["metadata"]["labels"]["mesh.meshops.io/layer"].startswith("access_")]
    return {f"{meta['namespace']}/{meta['name']}": meta["resourceVersion"] for meta in own}


def test_a_plan_changes_nothing(bed: Bed, play: Play) -> None:
    run = play(mesh_target="plan").check()
    assert "access_deny: would create AuthorizationPolicy prod-travel-agency/access-default-deny" in said(run)
    assert policies(bed) == {}


def test_a_proxy_without_the_policies_has_its_stage_taken_back(bed: Bed, provider: str, play: Play, pods: Pods) -> None:
    bed.set_faults({"envoys": {"keep_policies": [f"{AGENCY}/cars"]}})
    with calling(pods, intended(provider)) as clients:
        run = play(access_wait_timeout=4)
    bed.set_faults({})
    assert run.rc != 0
    text = said(run)
    assert "stage access_allow was taken back" in text
    assert re.search(r"the proxy of prod-travel-agency/cars-v1-\S+ does not have prod-travel-agency/access-cars yet", text)
    assert policies(bed) == {}
    assert not clients.refused, clients.refused
    until(lambda: pods.call(f"{AGENCY}/mysqldb", f"{AGENCY}/travels") == "200", what="it is as open as before")


def remembered(bed: Bed) -> str:
    found = bed.kubectl("get", "configmap", "access-pending-travel-prod", "-n", ROOT, "-o", "jsonpath={.data.stage}", "--ignore-not-found")
    return found.stdout.strip()


def test_a_stage_of_a_run_that_was_killed_is_proven_or_taken_back(bed: Bed, provider: str, play: Play, pods: Pods) -> None:
    """SIGKILL between a stage and the end of its probes; what the proxies make of it decides about it in the next run."""
    assert remembered(bed) == "", "the stage that was taken back is forgotten"
    values = {
        "mesh_provider": provider,
        "mesh_mysql_password": "of-this-test-only",
        "mesh_control_plane": PLANE,
        "mesh_operators_packages": [PACKAGES[provider]],
        "access_wait_timeout": 600,
        "access_probe_timeout": 30,
        "access_probe_total": 900,
    }
    for faulty in (True, False):
        bed.set_faults({"envoys": {"keep_policies": [f"{AGENCY}/cars"]}})
        process = start("meshops.mesh.travel_zero_trust", bed=bed, inventory=INVENTORY, extra_vars=values)
        killed_at(process, "Call with access_allow", 2)
        assert remembered(bed) == "access_allow" and policies(bed)
        bed.set_faults({"envoys": {"keep_policies": [f"{AGENCY}/cars"]}} if faulty else {})
        run = play(access_wait_timeout=4 if faulty else 120)
        if faulty:
            assert run.rc != 0
            assert "stage access_allow was taken back: an earlier run had delivered it and ended before it was proven" in said(run)
            assert "does not have prod-travel-agency/access-cars yet" in said(run)
            assert policies(bed) == {} and remembered(bed) == ""
            continue
        run.check()
        assert "stage access_allow, which an earlier run delivered and did not prove, is proven now" in said(run)
        assert remembered(bed) == ""
    play(access_state="absent").check()
    assert policies(bed) == {}


def test_nobody_who_is_meant_is_ever_refused(bed: Bed, provider: str, play: Play, pods: Pods) -> None:
    with calling(pods, intended(provider)) as clients:
        run = play().check()
    assert not clients.refused, clients.refused
    assert len(clients.pairs) == sum(len(targets) for targets in intended(provider).values())
    assert sum(clients.seen.values()) > 2 * len(clients.pairs)
    stages = re.findall(
        r"(access_\w+|before|after): prod: (\d+) calls in [\d.]+ s: (\d+) allowed, (\d+) denied by policy, "
        r"(\d+) without a verdict; (\d+) as predicted, 0 otherwise",
        run.stdout,
    )
    assert [row[0] for row in stages] == ["before", "access_allow", "access_mtls", "access_deny", "after"]
    assert int(stages[0][3]) == 0 and int(stages[-1][3]) > 80


def test_the_end_is_locked_down(bed: Bed, play: Play, pods: Pods) -> None:
    """The matrix by other means than the role's: hand-written, and called with kubectl."""
    codes = {(source, target): pods.call(source, target) for source, target in itertools.product(CLOSED, CLOSED) if source != target}
    for (source, target), code in codes.items():
        meant = target in INTENDED.get(source, set())
        refused = "503" if target == f"{AGENCY}/mysqldb" else "403"  # a connection is closed without an answer
        assert code == ("200" if meant else refused), (source, target, code)
    assert pods.call(f"{AGENCY}/travels", f"{AGENCY}/cars", "/", "-X", "POST") == "403"
    assert {f"{name}/access-default-deny" for name in (AGENCY, PORTAL, CONTROL)} <= policies(bed).keys()
    assert f"{ROOT}/access-default-deny" not in policies(bed)


def test_a_second_run_writes_nothing(bed: Bed, play: Play) -> None:
    before = policies(bed)
    run = play().check()
    assert run.changed == 0
    assert policies(bed) == before


def test_a_stranger_s_policy_is_named_and_nothing_changes(bed: Bed, play: Play) -> None:
    stranger = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "mine", "namespace": AGENCY},
        "spec": {"rules": [{"from": [{"source": {"namespaces": ["prod-travel-control"]}}]}]},
    }
    before = policies(bed)
    bed.kubectl("apply", "-f", "-", stdin=json.dumps(stranger))
    try:
        run = play()
        assert run.rc != 0
        assert "allowed and not intended: prod-travel-control/control-v1" in said(run) and f"{AGENCY}/mine" in said(run)
        assert policies(bed) == before
    finally:
        bed.kubectl("delete", "authorizationpolicies.security.istio.io", "mine", "-n", AGENCY)


def test_it_opens_again_from_the_end(bed: Bed, provider: str, play: Play, pods: Pods) -> None:
    with calling(pods, intended(provider)) as clients:
        play(access_state="absent").check()
    assert policies(bed) == {}
    assert not clients.refused, clients.refused
    until(lambda: pods.call(f"{AGENCY}/mysqldb", f"{AGENCY}/travels") == "200", what="open again")
