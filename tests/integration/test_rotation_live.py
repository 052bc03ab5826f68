# SPDX-License-Identifier: GPL-3.0-or-later
"""The CA of a mesh of real Envoys is rotated, there and back, killed at every point; a client calls all the time and sees nothing of it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  (first: it makes the collection importable)
import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import Phase
from ansible_collections.meshops.mesh.plugins.module_utils._commands.rotation import Rotation
from ansible_collections.meshops.mesh.plugins.module_utils._errors import NotReady
from background_support import kill_tree, read_until, start
from envoys_support import NOBODY, until
from rotation_support import MATERIAL, NEW, PHASES, RENEWED, Bedded, goal, rotation, signs, steps
from testbed import Bed

Obj = dict[str, Any]


pytestmark = pytest.mark.story


@pytest.fixture(scope="module")
def bedded(worker_id: str) -> Iterator[Bedded]:
    bed = Bed.start(f"rotation-{worker_id}", ("sail", "envoys"), owner=os.getpid())
    found = Bedded(bed)
    found.install()
    found.deploy("portal", "cars")
    until(lambda: found.call("portal", "cars") == "200", what="a call that works")
    yield found
    bed.stop()


@pytest.fixture(autouse=True)
def _rested(bedded: Bedded) -> None:
    """Each test begins with istiod's own CA, and nobody remembers the one before."""
    bedded.bed.set_faults({"envoys": {"life": 6}})
    for app in ("portal", "cars"):
        if bedded.trusted(app) != 1 or bedded.issuer(app) != "O=cluster.local":
            bedded.restart(app)
    until(lambda: bedded.trusted("portal") == bedded.trusted("cars") == 1 and bedded.call("portal", "cars") == "200", what="a mesh at rest")


def test_there_and_back_without_a_failed_call(bedded: Bedded) -> None:
    """From istiod's own root to another and back; no ISTIO_MULTIROOT_MESH, so istiod is restarted for each change of roots."""
    bedded.bed.set_faults({"envoys": {"life": 6}})
    with bedded.calling("portal", "cars") as codes:
        assert steps(bedded, lambda _run: goal(MATERIAL), codes) == PHASES
        end = rotation(bedded)
        settled = end.settle(goal(MATERIAL))
        assert settled.blockers == () and settled.asked["proxies"] == 2
        until(lambda: bedded.trusted("portal") == bedded.trusted("cars") == 1, what="nobody trusts the old root")
        assert bedded.issuer("cars") == "CN=new intermediate" and bedded.roots() == NEW.root.decode()
        names = [one.name for one in end.saved()]
        assert len(names) == 1 and names[0].startswith("cacerts-saved-")
        assert steps(bedded, Rotation.goal_before, codes, back=True) == PHASES
        assert steps(bedded, Rotation.goal_before, codes, back=True) == [], "a way back that was gone is not gone again"
        rotation(bedded).settle(rotation(bedded, back=True).goal_before())
        assert bedded.issuer("cars") == "O=cluster.local"
    assert len(codes) >= 18 and set(codes) == {"200"}


@pytest.mark.parametrize("after", [1, 2], ids=["from distribute", "from switch"])
def test_the_way_back_is_open_in_the_middle(bedded: Bedded, after: int) -> None:
    bedded.bed.set_faults({"envoys": {"life": 6}})
    with bedded.calling("portal", "cars") as codes:
        run = rotation(bedded)
        assert [run.turn(goal(MATERIAL)).phase for _ in range(after)] == PHASES[:after]  # type: ignore[union-attr]
        back = rotation(bedded, back=True)
        way = []
        while (turn := back.turn(back.goal_before())) is not None:
            way.append(turn.phase)
        assert way == ([Phase.RETIRE] if after == 1 else [Phase.SWITCH, Phase.RETIRE])
        assert signs(bedded) == "O=cluster.local"
        back.settle(back.goal_before())
    assert set(codes) == {"200"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param({"keep_root": ["shop/cars"]}, "it does not trust", id="keeps its root"),
        pytest.param({"hang": ["shop/cars"]}, "did not answer", id="hangs", marks=pytest.mark.long),
    ],
)
def test_one_proxy_holds_the_switch_up_and_the_way_back_is_open(bedded: Bedded, fault: Obj, reason: str) -> None:
    bedded.bed.set_faults({"envoys": {"life": 6, **fault}})
    time.sleep(1)
    turn = rotation(bedded).turn(goal(MATERIAL))
    assert turn is not None and turn.phase == Phase.DISTRIBUTE
    until(lambda: bedded.trusted("portal") == 2, what="both roots in the other proxy")
    with pytest.raises(NotReady, match=rf"cluster bed: switch is not safe.*Pod shop/{bedded.pod('cars')}: .*{reason}"):
        rotation(bedded, gate=8).turn(goal(MATERIAL))
    assert signs(bedded) == "O=cluster.local"
    bedded.bed.set_faults({"envoys": {"life": 6}})
    back = rotation(bedded, back=True)
    assert back.turn(back.goal_before()).phase == Phase.RETIRE  # type: ignore[union-attr]
    until(lambda: bedded.call("portal", "cars") == "200", what="a call that works")


def test_a_cacerts_that_is_deleted_in_the_middle_is_told_and_the_next_run_goes_on(bedded: Bedded) -> None:
    bedded.bed.set_faults({"envoys": {"life": 6}})

    def secret(name: str) -> Obj:
        """As it can be applied again after it was deleted, {} where there is none."""
        found = bedded.get("secret", name, "-n", "istio-system")
        return found and {**found, "metadata": {"name": name, "namespace": "istio-system"}}

    def losing(*names: str) -> Rotation:
        run = rotation(bedded, proxy=0.001)  # no proxy answers in that time, so it waits
        run.sleep = lambda seconds: (bedded.bed.kubectl("delete", "secret", *names, "-n", "istio-system"), time.sleep(seconds))[1]
        return run

    if not secret("istio-ca-secret"):  # a rotation before has taken it away
        plugged = secret("cacerts")
        bedded.apply({**plugged, "type": "istio.io/ca-root", "metadata": {**plugged["metadata"], "name": "istio-ca-secret"}})
    with bedded.calling("portal", "cars") as codes:
        run = rotation(bedded)
        assert [run.turn(goal(MATERIAL)).phase for _ in range(2)] == PHASES[:2]  # type: ignore[union-attr]
        until(lambda: bedded.issuer("cars") == "CN=new intermediate", what="a certificate of the new CA")
        kept, own = (secret(name) for name in ("cacerts", "istio-ca-secret"))
        with pytest.raises(NotReady, match="Secret istio-system/cacerts was deleted while retire waited, so nothing was written for it"):
            losing("cacerts").turn(goal(MATERIAL))
        bedded.apply(kept)
        with pytest.raises(NotReady, match="cacerts was deleted while waiting for proxies and istiods, and there is no istio-ca-secret"):
            losing("cacerts", "istio-ca-secret").settle(goal(MATERIAL))
        bedded.apply(own)
        assert steps(bedded, lambda _run: goal(MATERIAL), codes) == PHASES, "from istiod's own CA, which is all that is left"
        assert steps(bedded, Rotation.goal_before, codes, back=True) == PHASES
        back = rotation(bedded, back=True)
        back.settle(back.goal_before())
    assert set(codes) == {"200"}


def play(bedded: Bedded, folder: Path, *args: str, **variables: Any) -> subprocess.Popen[str]:
    """The playbook as people run it, with an own CA in a store of this test."""
    given: Obj = {
        "mesh_name": "shop-mesh",
        "mesh_provider": "sail",
        "mesh_control_plane": {"name": "default", "namespace": "istio-system"},
        "mesh_domains": [{"name": "shop", "namespaces": ["shop"]}],
        "mesh_kubeconfig": str(bedded.bed.kubeconfig),
        "ansible_python_interpreter": sys.executable,
        "mesh_certificates_store": str(folder / "pki"),
        "mesh_certificates_rotation": {"interval": 0.3, "gate_timeout": 240, "istiod_grace": 2, "lock_seconds": 5},
        **variables,
    }
    for name in ("root", "authority"):
        given[f"mesh_certificates_{name}"] = {"name": f"{name}-2027", "key_type": "EC", "key_bits": 256}
    return start("meshops.mesh.rotate_certificates", *args, bed=bedded.bed, inventory="west,", extra_vars=given)


def finished(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=900)
    assert process.returncode == 0, text[-4000:]
    return text


@pytest.mark.long  # tests/unit/certificates/test_rotation.py kills at every write
def test_the_playbook_is_killed_in_every_phase_and_ends_well(bedded: Bedded, tmp_path: Path) -> None:
    before = signs(bedded)
    with bedded.calling("portal", "cars") as codes:
        checked = finished(play(bedded, tmp_path, "--check"))
        assert "the new CA is not made yet" in checked and signs(bedded) == before
        for phase in PHASES:
            process = play(bedded, tmp_path)
            read_until(process, lambda line, phase=phase: line.startswith(f"{phase}: proved safe") and "written" in line)
            kill_tree(process)
        said = finished(play(bedded, tmp_path))
        assert "settle: every proxy and istiod has the new CA (2 proxies, 1 istiods" in said
        assert bedded.issuer("cars") == "CN=authority-2027"
        back = finished(play(bedded, tmp_path, rotate_certificates_rollback=True))
        assert "settle: every proxy and istiod has the new CA" in back and signs(bedded) == before
    assert len(codes) >= 18 and set(codes) == {"200"}
    for secret in (tmp_path / "pki").glob("*.pem"):
        key = secret.read_text().split("PRIVATE KEY-----")[1].splitlines()[1]
        assert key not in checked + said + back and base64.b64encode(key.encode()).decode() not in said


@pytest.mark.long  # tests/unit/rollout has the waves, tests/unit/certificates/test_rotation.py when they are needed
def test_workloads_that_do_not_renew_are_restarted_in_waves(bedded: Bedded) -> None:
    """Certificates live for a day: nobody waits for that."""
    bedded.bed.set_faults({"envoys": {"life": 86400}})
    for app in ("portal", "cars"):
        bedded.restart(app)
    with bedded.calling("portal", "cars") as codes:
        run = rotation(bedded, renew="restart", wave_size=1, gate=300)
        turns = [run.turn(goal(MATERIAL)) for _ in range(3)]
        assert [turn.phase for turn in turns if turn] == PHASES
        both = {"Deployment shop/cars", "Deployment shop/portal"}
        for turn in turns[1:]:  # everybody learns the new root, then everybody gets a certificate under it, one at a time
            assert turn is not None and {name for wave in turn.waves for name in wave} >= both and max(map(len, turn.waves)) == 1
            assert turn.waves[0] == ["Deployment shop/cars"], "one workload goes first"
        assert run.settle(goal(MATERIAL)).notes == ()
        assert bedded.trusted("portal") == bedded.trusted("cars") == 1
        # A new intermediate under the same root is one step, and nobody is restarted for it but who still has the old one.
        renewed = rotation(bedded)
        assert [step.phase for step in renewed.steps(goal(RENEWED))] == [Phase.SWITCH]
        assert renewed.turn(goal(RENEWED)).waves == []  # type: ignore[union-attr]
        assert renewed.turn(goal(RENEWED)) is None
        back = rotation(bedded, back=True, renew="restart", gate=300)
        while back.turn(back.goal_before()) is not None:
            pass
        back.settle(back.goal_before())
        assert bedded.issuer("cars") == "CN=new intermediate", "the way back is to the CA of the newest rotation"
    # 000: the client's own pod had just been replaced. NOBODY: played pods are ready before their Envoy is. No handshake failed.
    assert set(codes) <= {"200", "000", NOBODY}, codes
