# SPDX-License-Identifier: GPL-3.0-or-later
"""The role traffic as a user plays it into a tree: after the workloads, in two layers whose order is that of sync waves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from rendering import Rendered, render

WORKLOADS = [{"namespace": "travel", "applications": [{"name": "reviews", "image": "reviews:1", "port": 9080, "versions": ["v1", "v2"]}]}]
TRAFFIC: dict[str, Any] = {
    "service": "reviews",
    "namespace": "travel",
    "versions": [{"name": "v1"}, {"name": "v2"}],
    "routes": [{"match": [{"headers": {"end-user": "jason"}}], "to": {"v2": 100}}, {"to": {"v1": 80, "v2": 20}, "timeout": "3s"}],
}
VARIABLES: dict[str, Any] = {
    "mesh_workloads": WORKLOADS,
    "mesh_domains": [{"name": "travel", "namespaces": ["travel"]}],
    "mesh_gateways": [],
}


def played(folder: Path, provider: str, *rows: dict[str, Any], **more: Any) -> Rendered:
    found = render(folder, ["workloads", "traffic"], limit="dev", mesh_provider=provider, mesh_traffic=list(rows), **{**VARIABLES, **more})
    assert found.code == 0, found.output[-3000:]
    return found


@pytest.mark.parametrize(("provider", "version"), [("ossm2", "v1beta1"), ("ossm3", "v1")])
def test_versions_come_before_routes_and_both_after_the_workloads(provider: str, version: str, tmp_path: Path) -> None:
    found = played(tmp_path, provider, TRAFFIC)
    order = sorted(path.name.partition("-")[2] for path in (found.tree / "dev").iterdir() if path.is_dir())
    by_wave = [path.name.partition("-")[2] for path in sorted((found.tree / "dev").iterdir()) if path.is_dir()]
    assert by_wave == ["workloads", "traffic_subsets", "traffic_routes"] and len(order) == 3
    rule = found.objects("dev", "traffic_subsets")["DestinationRule travel/reviews"]
    route = found.objects("dev", "traffic_routes")["VirtualService travel/reviews"]
    assert rule["apiVersion"] == route["apiVersion"] == f"networking.istio.io/{version}"
    assert [one["name"] for one in rule["spec"]["subsets"]] == ["v1", "v2"]
    assert route["spec"]["http"][1]["timeout"] == "3s" and route["metadata"]["labels"]["mesh.meshops.io/layer"] == "traffic_routes"
    assert "requests to travel/reviews: all its pods alike -> v1 80 %, v2 20 %, at most 3s" in found.output


def test_an_old_version_stays_in_the_tree_until_it_is_pruned(tmp_path: Path) -> None:
    played(tmp_path, "ossm3", TRAFFIC)
    only_v2 = {**TRAFFIC, "versions": [{"name": "v2"}], "routes": [{"to": {"v2": 100}}]}

    def names(found: Rendered) -> list[str]:
        return [one["name"] for one in found.objects("dev", "traffic_subsets")["DestinationRule travel/reviews"]["spec"]["subsets"]]

    shifted = played(tmp_path, "ossm3", only_v2)
    assert names(shifted) == ["v2", "v1"] and "run it once more with mesh_prune=true" in shifted.output
    assert "changed=0" in played(tmp_path, "ossm3", only_v2).output
    assert names(played(tmp_path, "ossm3", only_v2, mesh_prune=True)) == ["v2"]


def test_what_is_named_no_more_goes_with_prune(tmp_path: Path) -> None:
    played(tmp_path, "ossm3", TRAFFIC)
    stays = played(tmp_path, "ossm3")
    assert "VirtualService travel/reviews" in stays.objects("dev", "traffic_routes")
    gone = played(tmp_path, "ossm3", mesh_prune=True)
    assert gone.objects("dev", "traffic_routes") == gone.objects("dev", "traffic_subsets") == {}


def test_by_the_gateway_api_a_version_is_a_service(tmp_path: Path) -> None:
    found = played(tmp_path, "ossm3", TRAFFIC, mesh_traffic_api="gateway")
    services = found.objects("dev", "traffic_subsets")
    assert services["Service travel/reviews-v2"]["spec"]["selector"] == {"app": "reviews", "version": "v2"}
    rules = found.objects("dev", "traffic_routes")["HTTPRoute travel/reviews"]["spec"]["rules"]
    assert [one["name"] for one in rules[1]["backendRefs"]] == ["reviews-v1", "reviews-v2"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "shares": (
        {**TRAFFIC, "routes": [{"to": {"v1": 50}}]},
        "mesh_traffic[0].routes[0].to: the shares are 50 per cent together; expected 100",
    ),
    "a service": ({**TRAFFIC, "service": "review"}, "mesh_traffic[0].service: there is no Service travel/review"),
    "pods": (
        {**TRAFFIC, "versions": [{"name": "v3"}], "routes": [{"to": {"v3": 100}}]},
        "it routes to version v3 of Service travel/reviews, which has no ready pod (app=reviews, version=v3): callers would get 503",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_is_written(case: str, tmp_path: Path) -> None:
    row, text = REFUSED[case]
    found = render(tmp_path, ["workloads", "traffic"], limit="dev", mesh_traffic=[row], **VARIABLES)
    assert text in found.output and not list((found.tree / "dev").glob("*traffic*"))
    assert found.code != 0
