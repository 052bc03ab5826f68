# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters with real pods become one mesh by our playbooks: calls of each are answered by both, until one leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.calls import Calls
from testbed.patience import until
from two_clusters_support import GATEWAY, HELLO, SAMPLE, SYSTEM, Cluster, Fleet, clusters, missing

pytestmark = [pytest.mark.long, pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}")]
BOTH = {"v1", "v2"}
MESH = {
    "mesh_name": "shop",
    "mesh_provider": "sail",
    "mesh_operators_provider": "none",
    "mesh_control_plane": {"name": "default", "namespace": SYSTEM, "ingress": {"enabled": False}, "egress": {"enabled": False}},
    "mesh_domains": [{"name": "shop", "namespaces": [SAMPLE]}],
    "mesh_observability": {"prometheus": {"enabled": False}},
    "mesh_topology": {"mesh_id": "shop", "network": "net-{{ inventory_hostname }}"},
    "mesh_check_categories": ["api", "control_plane"],
}


@pytest.fixture(scope="module", name="fleet")
def _fleet(worker_id: str) -> Iterator[Fleet]:
    with clusters(f"mc-pods-{worker_id}") as found:
        found.plug_in()
        yield found


@pytest.fixture(scope="module", name="inventory")
def _inventory(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fleet.inventory(tmp_path_factory.mktemp("fleet"), MESH)


def answered(one: Cluster, wanted: set[str]) -> None:
    until(lambda: one.answers().keys() == wanted, timeout=60, what=f"answers of {sorted(wanted)} in {one.name}")


def test_two_clusters_answer_as_one(fleet: Fleet, inventory: Path, playbook: Callable[..., Any]) -> None:
    playbook("meshops.mesh.install_mesh", inventory=inventory).check()
    fleet.sample()
    for one in fleet:
        answered(one, {one.version})  # each is a mesh of its own
    connected = playbook("meshops.mesh.connect_clusters", inventory=inventory).check()
    assert connected.stdout.count("cluster1 synced, cluster2 synced") == len(fleet.clusters)
    for one, other in zip(fleet, reversed(fleet.clusters), strict=True):
        answered(one, BOTH)
        assert f"{other.balancer(GATEWAY)}:15443" in one.endpoints()
    assert playbook("meshops.mesh.connect_clusters", inventory=inventory).check().changed == 0

    staying, leaving = fleet
    with Calls(staying.bed, HELLO, source=f"{SAMPLE}/sleep", rate=20) as calls:
        playbook("meshops.mesh.disconnect_cluster", inventory=inventory, extra_vars={"mesh_leaving": leaving.name}).check()
        calls.wait(20)
    assert calls.failed() == [], "who stays goes on to serve"
    for one in fleet:
        answered(one, {one.version})
