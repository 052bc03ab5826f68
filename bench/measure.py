# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command costs: wall time, CPU time, memory; and on which machine."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["Failed", "Usage", "load", "machine", "pss", "run", "told"]

ROOT = Path(__file__).resolve().parents[1]
_NO_BYTE_CODE = "PYTHONDONTWRITEBYTECODE"  # where a developer's shell says it, each run compiles all modules, which no user's does
_SAMPLE = 0.1  # seconds between two looks at the memory of a process tree


class Failed(Exception):
    """A measured command that did not succeed; its time would mean nothing."""


@dataclass(frozen=True)
class Usage:
    """One measured command, with all the processes that it started."""

    seconds: float
    cpu: float
    largest_mib: int  # the largest single process, as the kernel saw it
    tree_mib: int  # all processes at one moment, shared pages counted once; sampled
    output: str = ""

    def __add__(self, other: Usage) -> Usage:
        """One after the other."""
        return Usage(
            self.seconds + other.seconds,
            self.cpu + other.cpu,
            max(self.largest_mib, other.largest_mib),
            max(self.tree_mib, other.tree_mib),
            self.output + other.output,
        )

    def to_dict(self) -> dict[str, float]:
        """As in the JSON."""
        return {"seconds": round(self.seconds, 2), "cpu": round(self.cpu, 2), "largest_mib": self.largest_mib, "tree_mib": self.tree_mib}


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: str = "", good: Iterable[int] = (0,)) -> Usage:
    """Run it to its end; Failed with the end of its output when the exit code is not a good one."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as given:
        given.write(stdin)
        given.seek(0)
        started = time.monotonic()
        around = {name: value for name, value in os.environ.items() if name != _NO_BYTE_CODE}
        child = subprocess.Popen(command, cwd=ROOT, env={**around, **(env or {})}, stdin=given, stdout=out, stderr=subprocess.STDOUT)
        watch = _Watch(child.pid)
        watch.start()
        _pid, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        watch.done.set()
        watch.join()
        out.seek(0)
        text = out.read()
    if child.returncode not in good:
        raise Failed(f"{' '.join(command)} ended with {child.returncode}:\n{text[-4000:]}")
    return Usage(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, watch.peak_kib // 1024, text)


class _Watch(threading.Thread):
    """Samples the memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.done = threading.Event()
        self.peak_kib = 0

    def run(self) -> None:
        """Until `done` is set."""
        while not self.done.wait(_SAMPLE):
            self.peak_kib = max(self.peak_kib, sum(pss(pid) for pid in _tree(self.pid)))


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(word) for word in (task / "children").read_text().split()]
    return found


def pss(pid: int) -> int:
    """KiB, shared pages by their share; 0 for a process that has ended meanwhile."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def told(what: str, usage: Usage) -> Usage:
    """A line for whoever waits: a whole bench takes minutes."""
    print(f"  {what}: {usage.seconds:.1f} s, CPU {usage.cpu:.1f} s, {usage.tree_mib} MiB (load {load()})", file=sys.stderr, flush=True)
    return usage


def load() -> float:
    """The load average of the last minute: what others do on this machine shows here."""
    return round(os.getloadavg()[0], 1)


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = {
        "cpus": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": load(),
    }
    return found | {name: metadata.version(name) for name in ("ansible-core", "kubernetes")}
