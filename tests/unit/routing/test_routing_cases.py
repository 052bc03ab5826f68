# SPDX-License-Identifier: GPL-3.0-or-later
"""What istiod's own generator and a real Envoy made of 4,261 requests in 863 worlds, and how it is told from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import slim, trimmed
from traffic.cases import comparable, read_rows, run_rows

FILE = Path(__file__).resolve().parents[2] / "traffic" / "data" / "routing-cases.jsonl.gz"
RUN = FILE.parents[1] / "run_cases.py"


# Every third world is enough for each day.
EVERY = 1 if os.environ.get("MESH_TEST_LONG") else 3


def test_every_outcome_agrees() -> None:
    rows = list(read_rows(FILE))
    assert len(rows) == 4261
    sets = {name: number for number, name in enumerate(dict.fromkeys(row["set"] for row in rows))}
    # As they come of a cluster: with what a reader of it keeps.
    cases = list(run_rows({**row, "objects": [trimmed(obj) for obj in row["objects"]]} for row in rows if sets[row["set"]] % EVERY == 0))
    assert len(cases) > len(rows) / (EVERY + 1)
    assert [f"{case.row['id']}: {case.differences}" for case in cases if not case.agrees] == []


def test_a_snapshot_file_is_enough_to_say_where_requests_go() -> None:
    """It has no values of headers; all else is as it was."""
    rows = list(read_rows(FILE))[::7]
    cases = run_rows({**row, "objects": [slim(trimmed(obj)) for obj in row["objects"]]} for row in rows)
    assert [f"{case.row['id']}: {case.differences}" for case in cases if not case.agrees and "headers" not in str(case.differences)] == []


def test_a_row_that_differs_is_printed_and_the_last_line_counts(tmp_path: Path) -> None:
    rows = [row for _number, row in zip(range(3), read_rows(FILE), strict=False)]
    rows[1]["result"] = {**rows[1]["result"], "outcome": "no_route"}
    changed = tmp_path / "rows.jsonl"
    changed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ran = subprocess.run([sys.executable, str(RUN), str(changed), "--brief"], capture_output=True, text=True, check=False)
    lines = ran.stdout.splitlines()
    assert ran.returncode == 1 and lines[-1] == "2 agree, 1 differ"
    assert lines[0].startswith(f'{rows[1]["id"]}: outcome: recorded "no_route", ours ')


def test_only_the_order_of_endpoints_is_not_compared() -> None:
    one, other = ({"outcome": "route", "clusters": [{"name": "c", "endpoints": found}]} for found in (["a", "b"], ["b", "a"]))
    assert comparable(one) == comparable(other) != comparable({**one, "outcome": "no_route"})
