# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of each check grows as the mesh does. Counted in lines of Python that run, so that no clock and no other work matters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.meshops.mesh.plugins.module_utils._checks.runner import _CheckRun
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Options
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import run_authorization_checks
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from bench.growth import NOW, intent_of, matrix_of, snapshot_of

SMALL, LARGE = 10, 40
MOST = 1.2 * LARGE / SMALL
FEW = 4 * LARGE  # lines that say nothing about growth
PARAMS: dict[str, Any] = {"only": [], "ignore": [], "mesh": "large", "cluster": "large"}


def lines(work: Callable[[], Any]) -> int:
    """How many lines of Python run; a comprehension counts a line for each turn."""
    found = 0

    def trace(_frame: FrameType, _event: str, _arg: Any) -> Any:
        nonlocal found
        found += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return found


def by_check(namespaces: int, edges: bool) -> dict[str, int]:
    """The lines of each check of check_mesh, each on what those before it have made."""
    options = replace(Options(now=NOW), reads=None)
    run = _CheckRun(View(snapshot_of(namespaces, edges=edges)), intent_of(namespaces, access=False), options)
    return {check.id: lines(lambda row=check: run.rows(row)) for check in CATALOGUE.checks if check.category not in CATALOGUE.on_request}  # type: ignore[misc]


@pytest.mark.parametrize("edges", [False, True], ids=["plain", "gateways and waypoints"])
def test_each_check_grows_as_the_mesh(edges: bool) -> None:
    few, many = by_check(SMALL, edges), by_check(LARGE, edges)
    assert sum(many.values()) > 100 * LARGE  # something was looked at
    worse = {code: round(many[code] / few[code], 1) for code in many if many[code] > max(FEW, MOST * few[code])}
    assert worse == {}, f"times as much work for {LARGE / SMALL} times the namespaces"


@pytest.mark.parametrize("source", ["snapshot", "manifests"])
def test_the_proof_grows_as_the_mesh(source: str) -> None:
    few, many = (
        lines(lambda size=size: run_authorization_checks({**PARAMS, "access": matrix_of(size)}, snapshot_of(size, source)))  # type: ignore[misc]
        for size in (SMALL, LARGE)
    )
    assert many <= MOST * few


def test_no_list_of_members_is_searched_for_each_object() -> None:
    class Members(tuple[str, ...]):
        """Which nobody may go through for a single namespace."""

        def __contains__(self, _name: object) -> bool:
            raise AssertionError("searched")

    intent = Intent(control_plane={"namespace": "istio-system"}, members=Members(("shop", "bank")))
    assert [intent.owns(name) for name in ("shop", "istio-system", "other")] == [True, True, False]
    assert Intent().owns("other")
