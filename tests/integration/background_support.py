# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook in the background, as people run it: watched line by line, and killed with all that it has started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import warm_ansible
from testbed import Bed

__all__ = ["ROOT", "kill_tree", "killed_at", "read_until", "start"]

ROOT = Path(__file__).resolve().parents[2]


def start(
    playbook: str | Path, *args: str, bed: Bed, inventory: str | Path, extra_vars: dict[str, Any], kubeconfig: Path | None = None
) -> subprocess.Popen[str]:
    """Errors come where the output does."""
    command = [warm_ansible.PROGRAM, str(playbook), "-i", str(inventory), *args, "-e", json.dumps(extra_vars)]
    environment = bed.env(kubeconfig) | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
    environment.pop("ANSIBLE_FORCE_COLOR", None)
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], there: Callable[[str], bool]) -> str:
    """What it prints, as far as the first line of which that is so; a run that ends before it is a failure."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if there(line):
            return text
    raise AssertionError(f"it ended before it came there:\n{text[-3000:]}")


def killed_at(process: subprocess.Popen[str], task: str, seconds: float) -> None:
    """It dies so many seconds after a task of that name began."""
    read_until(process, lambda line: line.startswith("TASK [") and task in line)
    time.sleep(seconds)
    kill_tree(process)


def descendants(pid: int) -> list[int]:
    """All processes under pid: Ansible gives its workers sessions of their own, so a process group is not all of it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # it ended meanwhile
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def kill_tree(process: subprocess.Popen[str]) -> None:
    """SIGKILL to ansible-playbook, its workers and their modules, all at once."""
    doomed = [process.pid, *descendants(process.pid)]
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
