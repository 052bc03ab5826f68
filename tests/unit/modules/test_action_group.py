# SPDX-License-Identifier: GPL-3.0-or-later
"""The action group of meta/runtime.yml has the modules that say so in their documentation, and no other."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.plugin_utils.in_process import OF_HOST, InProcess

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


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_who_connects_gets_the_connection_of_its_host(module: Path) -> None:
    action = import_module(f"ansible_collections.meshops.mesh.plugins.action.{module.stem}").ActionModule
    connects = issubclass(action, InProcess) and action.CONNECTS
    assert connects == (module.stem in group())
    assert not connects or "meshops.mesh.options.cluster" in fragments(module), "it is told the name of its host, too"


FILES = sorted([*(COLLECTION / "roles").glob("*/tasks/**/*.yml"), *(COLLECTION / "playbooks").glob("**/*.yml")])


def by_hand(node: Any) -> list[str]:
    """Tasks that say what their host says already."""
    if isinstance(node, list):
        return [text for one in node for text in by_hand(one)]
    if not isinstance(node, dict):
        return []
    found = [text for value in node.values() for text in by_hand(value)]
    for name, args in node.items():
        if str(name).removeprefix("meshops.mesh.") in group() and isinstance(args, dict):
            said = {option: str(args[option]) for option in OF_HOST if option in args}
            found += [f"{name} {option}" for option, text in said.items() if option != "cluster" or "inventory_hostname" in text]
    return found + [f"module_defaults of {group}" for group in node.get("module_defaults", {})]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(COLLECTION)))
def test_the_connection_is_filled_in_one_place(path: Path) -> None:
    assert by_hand(yaml.safe_load(path.read_text(encoding="utf-8"))) == [], "the action plugins take it from the host's variables"


# Whether two hosts are one API, what a login leaves for the play, and what is written into an inventory.
READERS = {
    "roles/control_plane/vars/main.yml",
    "roles/membership/vars/main.yml",
    "roles/login/tasks/main.yml",
    "playbooks/init_inventory.yml",
}


def test_nothing_else_reads_how_a_host_is_reached() -> None:
    files = [*FILES, *(COLLECTION / "roles").glob("*/vars/*.yml")]
    texts = {str(path.relative_to(COLLECTION)): path.read_text(encoding="utf-8") for path in files}
    lines = {name: [line for line in text.splitlines() if not line.startswith("#")] for name, text in texts.items()}
    assert {name for name, every in lines.items() if any("mesh_kubeconfig" in line for line in every)} == READERS


TASK = {"name": "Look", "meshops.mesh.mesh_check": {"cluster": "{{ inventory_hostname }}", "context": "{{ x }}", "mesh": "m"}}
OTHERS = {
    "name": "Write",
    "meshops.mesh.gitops_tree": {"cluster": "{{ inventory_hostname }}"},
    "block": [{"meshops.mesh.mesh_check": None}],
}


def test_what_is_filled_by_hand_is_found() -> None:
    play = {"hosts": "all", "module_defaults": {"group/meshops.mesh.mesh": {}}, "tasks": [{"block": [TASK]}, OTHERS]}
    found = by_hand([play])
    assert found == ["meshops.mesh.mesh_check context", "meshops.mesh.mesh_check cluster", "module_defaults of group/meshops.mesh.mesh"]
    assert len(FILES) > 100
