# SPDX-License-Identifier: GPL-3.0-or-later
"""What is listed for a migration has every kind that its plan and its steps ask the snapshot for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import GROUP_TAILS, GROUPS
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import KINDS as COLLECTED
from ansible_collections.meshops.mesh.plugins.module_utils._migration import steps
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import group_of
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import MIGRATION
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.model import KINDS

UTILS = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"
FILES = [*sorted((UTILS / "_migration").glob("*.py")), UTILS / "_commands" / "migration_step.py"]
SNAPSHOTS = {"snapshot", "seen", "now"}  # as the code calls them


def asked(tree: ast.AST) -> Iterator[str]:
    """The kinds in calls such as snapshot.get("Service", ...), and in loops over kinds around them."""
    loops: dict[str, list[ast.expr]] = {}
    for loop in ast.walk(tree):
        if isinstance(loop, (ast.For, ast.comprehension)) and isinstance(loop.target, ast.Name):
            loops.setdefault(loop.target.id, []).append(loop.iter)
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or not call.args:
            continue
        on, first = call.func.value, call.args[0]
        if call.func.attr not in ("of", "get") or not isinstance(on, ast.Name) or on.id not in SNAPSHOTS:
            continue
        for row in loops.get(first.id, []) if isinstance(first, ast.Name) else [first]:
            yield from (one.value for one in ast.walk(row) if isinstance(one, ast.Constant) and isinstance(one.value, str))


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_each_kind_that_is_asked_for_is_listed(path: Path) -> None:
    found = set(asked(ast.parse(path.read_text(encoding="utf-8"))))
    assert found <= {kind.kind for kind in MIGRATION}, found - {kind.kind for kind in MIGRATION}


def test_the_scan_finds_them() -> None:
    found = set(asked(ast.parse((UTILS / "_migration" / "steps.py").read_text(encoding="utf-8"))))
    assert {"Namespace", "NetworkPolicy", "Kiali", "Jaeger", "ValidatingWebhookConfiguration"} <= found


def test_what_stays_in_use_and_is_restarted_is_listed() -> None:
    assert {(group_of(version), kind) for version, kind in steps._KEPT} <= MIGRATION
    assert {("apps", kind) for kind in KINDS} <= MIGRATION


def test_the_collector_has_them() -> None:
    listed = {(group_of(version), kind) for version, kind in COLLECTED} | {("", "Secret")}
    assert not [kind for kind in MIGRATION if kind not in listed and kind.group not in GROUPS and not kind.group.endswith(GROUP_TAILS)]
