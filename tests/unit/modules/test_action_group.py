# SPDX-License-Identifier: GPL-3.0-or-later
"""The action group of meta/runtime.yml has the modules that say so in their documentation, and no other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

COLLECTION = Path(__file__).resolve().parents[3]
MODULES = sorted((COLLECTION / "plugins" / "modules").glob("*.py"))
FRAGMENT = "meshops.mesh.attributes.action_group"


def documentation(module: Path) -> dict[str, object]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = next(node.value for node in tree.body if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION")
    read = yaml.safe_load(ast.literal_eval(found))
    assert isinstance(read, dict)
    return read


def fragments(module: Path) -> list[str]:
    found = documentation(module).get("extends_documentation_fragment") or []
    assert isinstance(found, list)
    return found


def group() -> list[str]:
    runtime = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    return [row for row in runtime["action_groups"]["mesh"] if isinstance(row, str)]


def test_the_group_and_the_documentation_agree() -> None:
    assert group() == sorted(group()), "in the order of the alphabet"
    assert {module.stem for module in MODULES if FRAGMENT in fragments(module)} == set(group())


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_who_takes_authentication_is_in_the_group(module: Path) -> None:
    assert ("kubernetes.core.k8s_auth_options" in fragments(module)) == (module.stem in group())
