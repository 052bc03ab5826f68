# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana's dashboards, as the golden files have them: the four that teams are told to look at, in a form that Grafana reads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

GOLDEN = Path(__file__).parent / "golden"
OWN = ["travel-dev-ossm3", "travel-prod-ossm2", "travel-prod-ossm3"]  # where the role runs Grafana itself
TITLES = {"Istio Mesh Dashboard", "Istio Service Dashboard", "Istio Workload Dashboard", "Istio Control Plane Dashboard"}
# What proxies and istiod export, by Istio's and Prometheus' own lists of metrics.
METRICS = {
    "galley_validation_failed", "galley_validation_passed", "istio_build", "istio_request_duration_milliseconds_bucket",
    "istio_requests_total", "istio_response_bytes_bucket", "istio_tcp_connections_opened_total", "istio_tcp_received_bytes_total",
    "istio_tcp_sent_bytes_total", "pilot_conflict_outbound_listener_tcp_over_current_tcp", "pilot_proxy_convergence_time_bucket",
    "pilot_total_xds_rejects", "pilot_xds", "pilot_xds_pushes", "process_cpu_seconds_total", "process_resident_memory_bytes",
    "sidecar_injection_failure_total", "sidecar_injection_success_total",
}  # fmt: skip
Object = dict[str, Any]


def objects(name: str) -> dict[str, Object]:
    found: dict[str, Object] = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8"))["observability"]
    return {title.partition(" ")[0] + " " + title.rpartition("/")[2]: obj for title, obj in found.items()}


def dashboards(name: str) -> list[Object]:
    return [json.loads(text) for text in objects(name)["ConfigMap grafana-dashboards"]["data"].values()]


def expressions(board: Object) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("name", OWN)
def test_the_four_dashboards_are_there_and_grafana_finds_them(name: str) -> None:
    assert {board["title"] for board in dashboards(name)} == TITLES
    found = objects(name)
    (provider,) = yaml.safe_load(found["ConfigMap grafana"]["data"]["dashboards.yaml"])["providers"]
    (source,) = yaml.safe_load(found["ConfigMap grafana"]["data"]["datasources.yaml"])["datasources"]
    pod = found["Deployment grafana"]["spec"]["template"]["spec"]
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume.get("configMap", {}).get("name") for volume in pod["volumes"]}
    assert provider["folder"] == "Istio" and volumes[mounts[provider["options"]["path"]]["name"]] == "grafana-dashboards"
    for kind in ("datasources", "dashboards"):
        assert mounts[f"/etc/grafana/provisioning/{kind}/{kind}.yaml"]["subPath"] == f"{kind}.yaml"
    assert {panel["datasource"]["uid"] for board in dashboards(name) for panel in board["panels"]} == {source["uid"]}


@pytest.mark.parametrize("board", dashboards(OWN[0]), ids=lambda board: str(board["uid"]))
def test_a_dashboard_asks_for_metrics_that_there_are(board: Object) -> None:
    for expr in expressions(board):
        assert all(expr.count(left) == expr.count(right) for left, right in ("()", "[]", "{}")), expr
        bare = re.sub(r"by \([^)]*\)|\{[^}]*\}|\[[^]]*\]", " ", expr)
        names = set(re.findall(r"[a-z_]{4,}", bare)) - {"rate", "histogram_quantile"}
        assert names and names <= METRICS, expr
        assert "_total" not in bare or "rate(" in bare, "a counter says something only as a rate"
    variables = {row["name"] for row in board["templating"]["list"]}
    used = {word for expr in expressions(board) for word in re.findall(r"\$([a-z]+)\b", expr)}
    assert used == variables


@pytest.mark.parametrize("name", OWN)
def test_panels_do_not_overlap_and_nothing_looks_like_a_template(name: str) -> None:
    for board in dashboards(name):
        panels = board["panels"]
        assert len({panel["id"] for panel in panels}) == len({str(panel["gridPos"]) for panel in panels}) == len(panels)
    assert "{{" not in "".join(objects(name)["ConfigMap grafana-dashboards"]["data"].values())
