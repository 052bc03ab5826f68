# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task leaves in the events of a run: the items of its loop, and what it registers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted([*(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "playbooks").glob("*.yml")])
# Lists of the inventory, and what is made of them, whose entries may hold secrets.
HOLDERS = (
    "workloads_list",
    "mesh_workloads",
    "certificates_gateways",
    "certificates_clients",
    "__certificates_intent",
    "__certificates_material",
    "__certificates_saving",
    "__certificates_secrets",
    "__certificates_wanted.entries",
    "__certificates_bundled",
    "__certificates_objects",
    "__workloads_objects",
    "deliver_objects",
)
# Kinds without a place for a secret, of which a role reads what a snapshot does not keep: schemas, channels, annotations, versions.
WHOLE = {"Read which versions the operator knows", "Look for a platform that keeps them itself"}


def tasks(rows: Any) -> Iterator[dict[str, Any]]:
    for row in rows or []:
        for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
            yield from tasks(row.get(key))
        yield row


def of(path: Path) -> list[dict[str, Any]]:
    return list(tasks(yaml.safe_load(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_item_of_a_loop_is_a_secret(path: Path) -> None:
    """Each item is in the events, whatever its label is; `map(attribute=...)` makes names of entries."""
    wrong = [
        task.get("name")
        for task in of(path)
        if any(name in str(task.get("loop", "")) for name in HOLDERS) and "map(attribute" not in task["loop"] and not task.get("no_log")
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_read_of_a_cluster_is_brief_or_hidden(path: Path) -> None:
    """A Route has a private key, a control plane variables; `brief` leaves what a snapshot keeps."""
    wrong = [
        task.get("name")
        for task in of(path)
        if isinstance(read := task.get("meshops.mesh.mesh_objects_info"), dict)
        and not (read.get("brief") or task.get("no_log") or str(task.get("name")).partition(" | ")[2] in WHOLE)
    ]
    assert wrong == []
