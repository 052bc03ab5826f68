# SPDX-License-Identifier: GPL-3.0-or-later
"""A run ends with what it did, in words that are true of a plan, a tree and a delivery."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.filter.layer_result import layer_result
from ansible_collections.meshops.mesh.plugins.module_utils._model.layers import layer_lines, layer_row

HEAD = "layer                       objects  seconds"


def applied(*statuses: str, seconds: float = 0.26) -> dict[str, Any]:
    rows = [{"status": status} for status in statuses]
    return {"objects": rows, "changed": any(status not in ("unchanged", "kept") for status in statuses), "seconds": seconds}


def written(layer: str, **files: str) -> dict[str, Any]:
    rows = [{"path": f"west/{layer}/{name}.yaml", "status": status} for name, status in files.items()]
    rows.append({"path": "west/kustomization.yaml", "status": rows[-1]["status"]})
    return {"files": rows, "changed": any(row["status"] != "unchanged" for row in rows), "seconds": 0, "folder": f"gitops/west/{layer}"}


def test_a_delivery() -> None:
    rows = [
        layer_row(applied("created", "changed", "unchanged"), "operators", "cluster", planned=False),
        layer_row(applied("unchanged", "kept"), "membership", "cluster", planned=False),
    ]
    assert layer_lines(rows, 12) == [
        HEAD,
        "operators                         3      0.3  changed",
        "operators, until they work              12.0",
        "membership                        2      0.3",
        "1 of 2 layers changed: 1 object created, 1 changed, 1 kept; 2 unchanged",
    ]
    assert layer_lines(rows, short=True) == [HEAD, "operators                         3      0.3  changed", layer_lines(rows)[-1]]


@pytest.mark.parametrize(("target", "check_mode"), [("plan", False), ("cluster", True), ("plan", True)])
def test_a_plan(target: str, check_mode: bool) -> None:
    rows = [layer_result(applied("created", "new_kind", "pruned", "deleted"), "membership", target, planned=check_mode)]
    assert layer_lines(rows)[1:] == [
        "membership                        4      0.3  would change",
        "plan: 1 of 1 layer would change: 1 object would be created, 2 deleted, 1 of kinds that are not installed yet; nothing was changed",
    ]


def test_a_plan_that_is_nothing() -> None:
    rows = [layer_row(applied("unchanged"), "membership", "plan", planned=True)]
    says = "plan: 0 of 1 layer would change: 1 unchanged; nothing was changed"
    assert layer_lines(rows, short=True) == [says] and layer_lines(rows)[-1] == says


def test_a_tree() -> None:
    rows = [
        layer_row(written("02-namespaces", shop="created", kustomization="created"), "namespaces", "files", planned=False),
        layer_row(
            written("07-control-plane", shop="unchanged", old="deleted", kustomization="changed"), "control_plane", "files", planned=False
        ),
    ]
    assert [row["objects"] for row in rows] == [1, 2]
    planned = [{**row, "planned": True} for row in rows]
    assert layer_lines(planned)[-1] == "tree gitops/west: 4 files would be written: 3 created, 1 changed, 1 deleted"
    same = [layer_row(written("02-namespaces", shop="unchanged"), "namespaces", "files", planned=False)]
    assert layer_lines(same, short=True) == ["tree gitops/west: nothing to write, it is as it was"]
    assert layer_lines(rows)[-1] == "tree gitops/west: 4 files written: 3 created, 1 changed, 1 deleted"


def test_nothing_was_delivered() -> None:
    assert layer_lines([]) == []
