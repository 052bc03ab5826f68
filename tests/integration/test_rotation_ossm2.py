# SPDX-License-Identifier: GPL-3.0-or-later
"""The CA of an OpenShift Service Mesh 2 is rotated, there and back, killed at every point; a client of real Envoys sees nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import collection_support  # noqa: F401  (first: it makes the collection importable)
import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import Phase
from envoys_support import Mesh2, until
from rotation_support import MATERIAL, NEW, PHASES, RENEWED, goal, rotation, steps
from testbed import Bed

# An istiod of 2.4 is as long again: with MESH_TEST_PROVIDERS=ossm2,... as the other stories.
VERSIONS = ["v2.6", "v2.4"] if "ossm2" in os.environ.get("MESH_TEST_PROVIDERS", "") else ["v2.6"]

pytestmark = pytest.mark.long  # test_rotation_live is the same against ossm3


@pytest.fixture(scope="module", params=VERSIONS)
def older(request: pytest.FixtureRequest, worker_id: str) -> Iterator[Mesh2]:
    """OpenShift Service Mesh 2; an istiod of 2.4 does not reload cacerts."""
    bed = Bed.start(f"rotation2-{worker_id}", ("maistra", "envoys"), owner=os.getpid())
    bed.set_faults({"maistra": {"delay": 0.2}, "envoys": {"life": 6}})
    found = Mesh2(bed, version=request.param)
    found.install()
    found.deploy("portal", "cars")
    until(lambda: found.call("portal", "cars") == "200", 120, what="a call that works")
    yield found
    bed.stop()


def test_openshift_service_mesh_2_there_and_back(older: Mesh2) -> None:
    """Three steps and three back, each killed after it wrote; then a new intermediate, which istiod 2.4 is restarted for and 2.6 is not."""
    with older.calling("portal", "cars") as codes:
        assert steps(older, lambda _run: goal(MATERIAL), codes) == PHASES
        rotation(older).settle(goal(MATERIAL))
        assert older.issuer("cars") == "CN=new intermediate" and older.roots() == NEW.root.decode()
        renewed = rotation(older)
        turn = renewed.turn(goal(RENEWED))
        assert turn is not None and turn.phase == Phase.SWITCH
        restarts = {"v2.6": [], "v2.4": ["Deployment istio-system/istiod-default"]}
        assert turn.restarted == restarts[older.version]
        until(lambda: older.issuer("cars") == "CN=newer intermediate", 120, what="the newer intermediate signs")
        assert steps(older, lambda _run: goal(MATERIAL), codes) == [Phase.SWITCH]
        back = rotation(older, back=True)
        first = back.saved()[-1].material
        assert steps(older, lambda _run: first, codes) == PHASES
        rotation(older).settle(first)
        assert older.issuer("cars") == "O=cluster.local"
    assert len(codes) >= 20 and set(codes) == {"200"}
