# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker whose ansible-playbook was killed ends before its next write: by the kernel, by its own look, as a module of its own as well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._kube import parent

COLLECTIONS = Path(__file__).resolve().parents[3] / ".cache" / "collections"
# A run that forks a worker, which asks an API server again and again, as a wait does; what was asked is a line of a file.
RUN = """
import os, subprocess, sys, time
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=["COLLECTIONS"])._install()
from ansible_collections.meshops.mesh.plugins.module_utils._kube import client, parent
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import HttpResponse

class Transport:
    host = "https://west"
    def request(self, method, path, *, body, headers, timeout):
        with open(sys.argv[1], "a") as handle:
            handle.write("x\\n")
        return HttpResponse(200, {}, b"{}")

def work():
    cluster = client.Cluster(Transport(), name="west")
    while True:
        cluster.request("PATCH", "/x")
        time.sleep(0.02)

way = sys.argv[2]
if way == "module":
    work()
elif os.fork() == 0:
    if way == "own process":
        # ansible-playbook is no parent of a module: a shell is between them
        command = " ".join(f"'{word}'" for word in (sys.executable, sys.argv[0], sys.argv[1], "module"))
        subprocess.run(["/bin/sh", "-c", command + "; true"], env={**os.environ, parent.VARIABLE: parent.name_of_parent()})
        os._exit(0)
    parent.end_with_parent(by_kernel=way == "kernel")
    if way == "kernel":
        parent._Watched.gone = lambda: False
    work()
else:
    time.sleep(60)
"""


@pytest.mark.parametrize("way", ["kernel", "look", "own process"])
def test_nothing_is_written_after_the_run_was_killed(way: str, tmp_path: Path) -> None:
    if way == "kernel" and not sys.platform.startswith("linux"):
        pytest.skip("only Linux ends a child with its parent")
    script, log = tmp_path / "run.py", tmp_path / "log"
    script.write_text(RUN.replace("COLLECTIONS", str(COLLECTIONS)), encoding="utf-8")
    run = subprocess.Popen([sys.executable, str(script), str(log), way], start_new_session=True, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not log.exists() or len(log.read_text()) < 6:
        assert time.monotonic() < end and run.poll() is None, "the worker never began"
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    time.sleep(0.3)
    seen = len(log.read_text())
    time.sleep(0.5)
    assert len(log.read_text()) == seen, "it goes on"


def test_who_was_not_started_by_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "no number", "-1:x", f"{os.getpid()}:", parent.name_of_parent(), "99999999999999999999:1"):
        monkeypatch.setattr(parent._Watched, "gone", None)
        monkeypatch.setenv(parent.VARIABLE, value)
        parent.require_parent()


@pytest.mark.parametrize("began", ["", "1"])
def test_another_process_under_the_number_is_not_the_run(monkeypatch: pytest.MonkeyPatch, began: str) -> None:
    monkeypatch.setattr(parent._Watched, "gone", None)
    monkeypatch.setenv(parent.VARIABLE, f"{os.getpid()}:{began}")
    if began and Path("/proc/self/stat").exists():
        with pytest.raises(parent.Orphaned, match="ansible-playbook has ended, so this ends too"):
            parent.require_parent()
    else:
        parent.require_parent()
