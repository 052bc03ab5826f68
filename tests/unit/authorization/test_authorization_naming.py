# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads by the names that people use, and the matrix of the documentation against what our own roles render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.naming import WorkloadNames
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from authorization_travel import namespace, workload
from authorization_worlds import policy, source
from test_authorization_effective import check

ROOT = Path(__file__).resolve().parents[3]


def labelled(where: str, name: str, **labels: str) -> list[dict[str, Any]]:
    return workload(where, name, labels=labels, serviceAccountName=name)


TEAM = [
    namespace("team"),
    *labelled("team", "till-v1", app="till"),
    *labelled("team", "till-v2", app="till"),
    *labelled("team", "stock", app="goods"),
    *labelled("team", "goods", app="other"),
    *labelled("team", "bare", **{"app.kubernetes.io/name": "plain"}),
]


@pytest.mark.parametrize(
    ("entry", "refs"),
    [
        ("team/till-v1", ["team/till-v1"]),
        ("team/till", ["team/till-v1", "team/till-v2"]),
        ("team/goods", ["team/goods"]),  # a workload's own name goes before the application of another
        ("team/other", ["team/goods"]),
        ("team/plain", ["team/bare"]),
        ("team/til*", ["team/till-v1", "team/till-v2"]),
        ("team/oth*", ["team/goods"]),
        ("*/*", ["team/till-v1", "team/till-v2", "team/stock", "team/goods", "team/bare"]),
        ("team/nobody", []),
        ("till", []),
    ],
)
def test_a_name_is_that_of_the_workload_or_of_its_application(entry: str, refs: list[str]) -> None:
    assert [place.ref for place in WorkloadNames(take(TEAM).places).find(entry)] == refs


def test_a_matrix_may_name_applications() -> None:
    closed = policy(
        source(principals=[f"cluster.local/ns/team/sa/till-v{number}" for number in (1, 2)]),
        name="stock",
        namespace="team",
        selector={"matchLabels": {"app": "goods"}},
    )
    rest = [{"from": ["anyone"], "to": ["team/till", "team/goods", "team/bare"]}]
    assert check([*TEAM, closed], access=[{"from": ["team/till"], "to": ["team/stock"]}, *rest]).proven is True
    assert check([*TEAM, closed], access=[{"from": ["team/till-v1"], "to": ["team/stock"]}, *rest]).proven is False


def documented() -> list[dict[str, Any]]:
    """The matrices of docs/authorization.md: of our tree, and of the partners' gateway."""
    text = (ROOT / "docs" / "authorization.md").read_text(encoding="utf-8")
    start = text.index("    mesh_access_matrix:")
    lines = [line for line in text[start : text.index("`anyone` is every caller")].splitlines() if line.startswith("    ")]
    return list(yaml.safe_load("\n".join(lines))["mesh_access_matrix"])


def rendered(name: str) -> list[dict[str, Any]]:
    """What the roles render, by layer and object."""
    layers = yaml.safe_load((ROOT / "tests" / "unit" / "roles" / "golden" / f"{name}.yaml").read_text(encoding="utf-8"))
    return [obj for objects in layers.values() for obj in objects.values()]


@pytest.mark.parametrize("provider", ["ossm2", "ossm3"])
def test_the_documented_matrix_works_on_our_own_tree(provider: str) -> None:
    rows = documented()
    assert len(rows) == 4
    tree = [*rendered(f"travel-prod-{provider}"), *rendered(f"travel-prod-{provider}-people")]
    found = check(tree, access=rows[:3])
    assert found.proven is False and not [row for row in found.report.rows if row.id == "OSM3301" and row.status == "failed"]
    with pytest.raises(ConfigError, match=r"access\[0\].to: there is no workload prod-istio-system/gto-external-ingressgateway"):
        check(tree, access=rows[3:])
    assert check([*tree, *rendered(f"travel-prod-{provider}-scenarios")], access=rows).coverage.destinations > 10
