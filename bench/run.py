# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: JSON in .cache/bench.json and a table; exit code 1 when a target is missed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from bench.figures import FIGURES
from bench.measure import Failed, load, machine
from bench.table import Row, render


def chosen(text: str) -> list[str]:
    """Names of figures, separated by commas."""
    names = text.split(",")
    if unknown := set(names) - set(FIGURES):
        raise argparse.ArgumentTypeError(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    return names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=chosen, default=list(FIGURES), help="figures, separated by commas: " + ", ".join(FIGURES))
    parser.add_argument("--output", type=Path, default=ROOT / ".cache" / "bench.json")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: meshes of a tenth of the namespaces, to try the bench itself")
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "scale": options.scale, "figures": {}}
    rows: list[Row] = []
    for name in options.only:
        started = time.monotonic()
        print(f"measuring {name} (load {load()})", flush=True)
        try:
            result = FIGURES[name](options.scale)
        except Failed as failure:
            print(f"{name}: {failure}", file=sys.stderr)
            return 2
        rows += result.rows
        found["figures"][name] = {
            "rows": [row.to_dict() for row in result.rows],
            "data": result.data,
            "took_s": round(time.monotonic() - started),
        }
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(found, indent=2) + "\n")
    print(render(rows))
    print(f"{found['machine']}\nload at the end {load()}; everything is in {options.output}")
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
