# SPDX-License-Identifier: GPL-3.0-or-later
"""What two clusters of one mesh are rendered as (inventories/two_clusters); refresh with UPDATE_GOLDEN=1."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from rendering import REPOSITORY, Rendered, render

GOLDEN = Path(__file__).parent / "golden" / "two-clusters.yaml"
INVENTORY = str(REPOSITORY / "inventories/two_clusters")


@pytest.fixture(scope="module", name="both")
def _both(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    scale = {"autoscale": {"min": 2, "max": 5}, "service_annotations": {"example.com/balancer": "internal"}}
    topology = {"mesh_id": "shop", "network": "net-{{ inventory_hostname }}", "east_west": scale}
    rendered = render(tmp_path_factory.mktemp("two"), ["control_plane", "multicluster"], inventory=INVENTORY, mesh_topology=topology)
    assert rendered.code == 0, rendered.output[-3000:]
    return rendered


def test_golden(both: Rendered) -> None:
    layers = ("control_plane", "control_plane_namespaces", "multicluster")
    objects = {layer: both.objects("east", layer) for layer in layers}
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(yaml.safe_dump(objects, sort_keys=True, width=140), encoding="utf-8")
    assert yaml.safe_load(GOLDEN.read_text(encoding="utf-8")) == objects


def test_each_has_its_own_network_and_the_name_of_the_other(both: Rendered) -> None:
    for host, other in (("east", "west"), ("west", "east")):
        spec = both.objects(host, "control_plane")["Istio shop"]["spec"]["values"]["global"]
        assert (spec["meshID"], spec["multiCluster"], spec["network"]) == ("shop", {"clusterName": host}, f"net-{host}")
        gateway = both.objects(host, "multicluster")["Gateway istio-system/cross-network-gateway"]
        assert gateway["metadata"]["annotations"]["mesh.meshops.io/peers"] == other


def test_the_pods_are_those_that_service_scale_and_budget_select(both: Rendered) -> None:
    found = both.objects("east", "multicluster")
    labels = found["Deployment istio-system/istio-eastwestgateway"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        found["Service istio-system/istio-eastwestgateway"]["spec"]["selector"],
        found["PodDisruptionBudget istio-system/istio-eastwestgateway"]["spec"]["selector"]["matchLabels"],
        found["Gateway istio-system/cross-network-gateway"]["spec"]["selector"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_no_token_is_written_to_a_tree(both: Rendered) -> None:
    assert not [path for path in both.tree.rglob("*") if path.is_file() and "istio-remote-secret" in path.read_text(encoding="utf-8")]


def test_a_part_of_the_mesh_is_refused(tmp_path: Path) -> None:
    rendered = render(tmp_path, ["multicluster"], inventory=INVENTORY, limit="east")
    assert rendered.code != 0 and "mesh shop: west is of it and not of this run" in rendered.output
