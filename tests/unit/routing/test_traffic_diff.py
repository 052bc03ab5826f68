# SPDX-License-Identifier: GPL-3.0-or-later
"""Two states of a mesh: which requests go elsewhere, in groups, with what is broken first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_diff import route_difference_verdict, run_traffic_diff
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.route_difference import route_changes
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.route_matrix import route_matrix
from routing.routing_shop import made, routing, shop
from routing.test_traffic_check import folder, without_v2


def changed(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    return [
        ("broken: " if one.broken else "") + one.text for one in route_changes(route_matrix(routing(before)), route_matrix(routing(after)))
    ]


def test_the_same_mesh_has_no_change() -> None:
    assert changed(shop(), shop()) == []


def test_a_deleted_subset_breaks_a_share_of_all_callers() -> None:
    gone = "no DestinationRule defines subset v2 of pay.shop.svc.cluster.local for these callers"
    assert changed(shop(), without_v2(shop())) == [
        "broken: requests of 4 workloads to pay.shop:8080: 80 % pay.shop v1:8080, 20 % pay.shop v2:8080 became "
        f"80 % pay.shop v1:8080, 20 % 503 ({gone}), by VirtualService shop/pay"
    ]


def test_a_new_route_is_told_by_what_it_matches() -> None:
    beta = """
        hosts: [web]
        http:
        - {match: [{headers: {x-beta: {exact: '1'}}}], route: [{destination: {host: pay}}]}
        - {route: [{destination: {host: web}}]}
    """
    assert changed(shop(), [*shop(), made("VirtualService", "shop", "web", beta)]) == [
        "requests of 4 workloads to web.shop:8080 (x-beta=1): no rule of its own became pay.shop:8080, by VirtualService shop/web"
    ]


def test_what_only_some_callers_see_is_told_of_them() -> None:
    sidecar = made("Sidecar", "back", "default", "egress: [{hosts: ['./*']}]\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}")
    found = changed(shop(), [*shop(), sidecar])
    assert found and all("requests of back/legacy to " in text for text in found)
    assert "broken: requests of back/legacy to web.shop:8080: web.shop:8080 became blackhole, by Sidecar back/default" not in found
    assert any(text.startswith("broken: requests of back/legacy to web.shop:8080: web.shop:8080 became ") for text in found)


def params(before: Path, after: Path, **given: Any) -> dict[str, Any]:
    source = {"source": "manifests", "exclude": [], "unreadable": "warn"}
    return {"cluster": "west", "remove": [], "members": None, "provider": "ossm3",
            "before": {**source, "path": str(before)}, "after": {**source, "path": str(after), "applied": False}} | given  # fmt: skip


def test_the_module_says_it_and_fails_where_it_is_asked_to(tmp_path: Path) -> None:
    found = run_traffic_diff(params(folder(tmp_path / "main", shop()), folder(tmp_path / "change", without_v2(shop()))))
    assert (found["broken"], found["compared"], found["not_compared"]) == (1, 4, [])
    lines = found["text"].splitlines()
    assert lines[0] == "1 change of where requests go, 1 of them broken"
    assert (
        lines[1].startswith("broken: requests of 4 workloads to pay.shop:8080: ")
        and lines[2] == "  of back/legacy, shop/pay-v1, shop/pay-v2, shop/web"
    )
    assert route_difference_verdict(found, "never") == "" and "(fail_on: broken)" in route_difference_verdict(found, "broken")


def test_nobody_in_common_is_no_answer(tmp_path: Path) -> None:
    alone = [one for one in shop() if one["kind"] in ("Namespace", "VirtualService")]
    with pytest.raises(ConfigError, match="no workload with a proxy in common"):
        run_traffic_diff(params(folder(tmp_path / "main", shop()), folder(tmp_path / "change", alone)))
