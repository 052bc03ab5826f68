#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""python tests/traffic/run_cases.py FILE: every case of the file against the evaluator of routing; needs no cluster.

Prints the rows that differ and, last, `N agree, M differ`; the exit code is not zero if a row differs.
"""

from __future__ import annotations

import argparse
import atexit
import importlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def _importable() -> None:
    """The collection of this checkout: by Ansible's own import, or without Ansible, which the evaluator does not need."""
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "unit")]
    try:
        importlib.import_module("conftest")
    except ModuleNotFoundError:
        place = Path(tempfile.mkdtemp(prefix="meshops-"))
        atexit.register(shutil.rmtree, place)
        (place / "ansible_collections" / "meshops").mkdir(parents=True)
        (place / "ansible_collections" / "meshops" / "mesh").symlink_to(HERE.parents[1])
        sys.path.insert(0, str(place))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="cases, one JSON object a line; compressed if the name ends in .gz")
    parser.add_argument("--only", default="", help="rows whose id begins so")
    parser.add_argument("--brief", action="store_true", help="one line for each row that differs")
    arguments = parser.parse_args()
    _importable()
    from traffic.cases import read_rows, run_rows

    agree = differ = 0
    for case in run_rows(row for row in read_rows(arguments.file) if row["id"].startswith(arguments.only)):
        agree += case.agrees
        if case.agrees:
            continue
        differ += 1
        row = case.row
        print(f"{row['id']}: {'; '.join(case.differences)}")
        for part in () if arguments.brief else ("mesh", "objects", "proxy", "request"):
            print(f"    {part}: {json.dumps(row.get(part))}")
    print(f"{agree} agree, {differ} differ")
    return 1 if differ or not agree else 0


if __name__ == "__main__":
    sys.exit(main())
