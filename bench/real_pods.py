# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of real pods: from nothing to the first call through two sidecars, what a pod costs, and what a call does."""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "integration")]

from pods_support import Mesh, deployment, missing, running, service
from testbed import Bed
from testbed.calls import Calls

from bench.measure import Failed, pss

__all__ = ["measured"]

CALLS = 2000
RATE = 250.0


def _memory(mesh: Mesh) -> dict[str, tuple[int, float]]:
    """{program: (processes, MiB each)} of the bed's data plane; shared pages by their share."""
    found: dict[str, list[int]] = {}
    marks = {str(mesh.bed.data["pids"]["pods"]): "pods"}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = str((process / "cwd").readlink())
        except OSError:
            continue
        own = "mesh-pods-" in folder
        name = marks.get(process.name) or ("relay" if "testbed.pods.relay" in command else "")
        if own and (program := re.match(r"\S*/(envoy|pilot-agent)\b", command)):
            name = program[1]
        if name:
            found.setdefault(name, []).append(pss(int(process.name)))
    return {name: (len(rows), round(statistics.mean(rows) / 1024, 1)) for name, rows in found.items()}


def measured(pods: int) -> dict[str, Any]:
    """Seconds from nothing to the first call, and from the Deployments to it; memory of a proxy; calls."""
    why = missing()
    if why:
        raise Failed(f"no real pods here: {why}")
    Bed.find("bench-pods").stop()
    began = time.monotonic()
    with running("bench-pods") as mesh:
        installed = time.monotonic()
        half = max(1, pods // 2)
        mesh.apply(
            *deployment("cars-v1", app="cars", replicas=half),
            *deployment("cars-v2", app="cars", version="v2", replicas=max(1, pods - half - 1)),
            service("cars"),
            *deployment("client"),
        )
        mesh.ready("client", timeout=180)
        calls = Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=5, workers=1)
        with calls:
            while not calls.by_status()[200]:
                calls.wait(1, timeout=180)
        first = time.monotonic()
        mesh.ready("cars-v1", half, timeout=300)
        mesh.ready("cars-v2", max(1, pods - half - 1), timeout=300)
        ready = time.monotonic()
        with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=RATE, workers=8) as steady:
            steady.wait(CALLS, timeout=120)
        took = sorted(answer.took for answer in steady.answers)
        return {
            "pods": pods,
            "control_plane_s": round(installed - began, 1),
            "first_call_s": round(first - began, 1),
            "all_ready_s": round(ready - installed, 1),
            "memory": _memory(mesh),
            "calls": len(steady),
            "failed": len(steady.failed()),
            "per_second": round(len(steady) / (steady.answers[-1].at or 1)),
            "median_ms": round(statistics.median(took) * 1000, 1),
            "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 1),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=20)
    print(json.dumps(measured(parser.parse_args().pods), indent=1))
