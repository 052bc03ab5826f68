# SPDX-License-Identifier: GPL-3.0-or-later
"""A wait says every ten seconds what it waits for, whichever of our loops it is; what a cluster says cannot move a terminal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3.exceptions as wire
from ansible_collections.meshops.mesh.plugins.module_utils import _errors as errors
from ansible_collections.meshops.mesh.plugins.module_utils._kube import progress
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import HttpResponse
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.wait import Timing, wait_gone, wait_ready
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import Ref

KUBE = Path(progress.__file__).parent
PLUGINS = KUBE.parents[1]


@pytest.fixture(name="lines")
def _lines() -> Iterator[list[str]]:
    found: list[str] = []
    progress.show_by(found.append)
    yield found
    progress.show_by(None)


class Time:
    """A clock that sleeping moves."""

    now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def told(seconds: float, text: str = "x") -> list[str]:
    time = Time()
    wait = progress.Progress("west", time.clock)
    while time.now < seconds:
        if wait.due():
            wait.say(text)
        time.sleep(1)
    return []


def test_nothing_in_the_first_ten_seconds_and_then_a_line_for_each_ten(lines: list[str]) -> None:
    told(10)
    assert lines == []
    told(35, "Istio default: Reconciling")
    assert lines == [f"west: waits since {seconds} s: Istio default: Reconciling" for seconds in (10, 20, 30)]


def test_where_nobody_listens_nothing_is_said() -> None:
    progress.show_by(None)
    told(60)


def test_the_same_reason_of_many_threads_is_one_line(lines: list[str]) -> None:
    time = Time()
    waits = [progress.Progress("west", time.clock) for _number in range(16)]
    for _second in range(25):
        time.sleep(1)
        for wait in waits:
            if wait.due():
                wait.say("the API server is away")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n√ all is well", "a\\x0a√ all is well"),
        ("\x1b[2J\x1b]0;t\x07", "\\x1b[2J\\x1b]0;t\\x07"),
        ("\r::error::", "\\x0d::error::"),
        ("\u202egood", "\\x202egood"),
        ("\x9b31m", "\\x9b31m"),
        ("plain – ümlaut", "plain – ümlaut"),
    ],
)
def test_data_of_a_cluster_cannot_forge_a_line(lines: list[str], text: str, shown: str) -> None:
    told(11, text)
    assert lines == [f"west: waits since 10 s: {shown}"]


def test_a_long_reason_is_cut_and_many_are_counted(lines: list[str]) -> None:
    told(11, "x" * 5000)
    assert len(lines[0]) < 700
    assert progress.few(str(number) for number in range(9)) == "0; 1; 2; and 6 more" and progress.few(["a"]) == "a"


class Late:
    """A cluster in which a Deployment never gets ready, and nothing is ever deleted."""

    name = "west"

    def resources(self) -> dict[Any, Any]:
        return {("apps/v1", "Deployment"): None}

    def get(self, *_args: Any) -> dict[str, Any]:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d", "namespace": "n", "generation": 2, "deletionTimestamp": "2026-03-01T12:00:00Z"},
            "spec": {"replicas": 2},
            "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1},
        }

    def list(self, *_args: Any, **_more: Any) -> list[Any]:
        return []

    def map(self, fn: Any, items: Any) -> list[Any]:
        return [fn(item) for item in items]


@pytest.mark.parametrize(("wait", "begins"), [(wait_ready, ""), (wait_gone, "to be deleted: ")])
def test_a_layer_that_is_waited_for(lines: list[str], wait: Any, begins: str) -> None:
    time = Time()
    with pytest.raises(errors.NotReady):
        wait(Late(), [Ref("apps/v1", "Deployment", "n", "d")], Timing(31, 1, time.clock, time.sleep))
    assert len(lines) == 3 and all(f" s: {begins}Deployment n/d: " in line for line in lines)


class Away:
    """No connection."""

    host = "https://api.west:6443"

    def __init__(self) -> None:
        self.met = False

    def request(self, *_args: Any, **_more: Any) -> HttpResponse:
        if not self.met:
            self.met = True
            return HttpResponse(200, {}, b"{}")
        raise wire.ProtocolError("Connection aborted", ConnectionResetError(104, "reset"))


def test_an_api_server_that_is_away(lines: list[str]) -> None:
    time = Time()
    cluster = Cluster(Away(), name="west", clock=time.clock, sleep=time.sleep)
    cluster.request("GET", "/version")
    with pytest.raises(errors.Unreachable):
        cluster.request("GET", "/version")
    assert len(lines) >= 4 and "the API server (https://api.west:6443) is away or busy" in lines[0]


# Loops that wait without it, and why.
EXEMPT = {
    ("_commands/restart.py", "looks"): "gives each look to its caller: restart() says so, and advance() comes back every few seconds",
    ("_commands/restart.py", "_look_patiently"): "asks by Cluster.request, which says so",
    ("_commands/install_plan.py", "_read_again"): "asks by Cluster.request, which says so, for half a minute",
    ("_kube/client.py", "_write"): "three tries of less than a second",
    ("_certificates/store.py", "locked"): "another run of this machine that issues a certificate",
}


def waits(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            loops = [node for node in ast.walk(function) if isinstance(node, (ast.While, ast.For))]
            calls = [node for loop in loops for node in ast.walk(loop) if isinstance(node, ast.Call)]
            if any(getattr(call.func, "attr", getattr(call.func, "id", "")) in ("sleep", "_sleep") for call in calls):
                yield function


def test_each_loop_that_sleeps_says_what_it_waits_for() -> None:
    silent = []
    for path in sorted(PLUGINS.glob("**/*.py")):
        name = str(path.relative_to(PLUGINS / "module_utils")) if "module_utils" in path.parts else path.name
        text = path.read_text(encoding="utf-8")
        for function in waits(ast.parse(text)):
            body = ast.get_source_segment(text, function) or ""
            if "progress." not in body and "waits(" not in body and (name, function.name) not in EXEMPT:
                silent.append(f"{name}: {function.name}")
    assert silent == []
