# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of variables says what is read, and no page speaks of a variable that nobody reads."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._model.variables import check_value
from ansible_collections.meshops.mesh.plugins.module_utils._personas.matrix import ROLES as MESH_ROLES

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))

import variables_page

VARIABLES = variables_page.variables()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ mesh_name }}", ("mesh_name", "", "")),
        ("{{ mesh_target | default('cluster') }}", ("mesh_target", "", "'cluster'")),
        ("{{ mesh_upgrade.waves }}", ("mesh_upgrade", "waves", "")),
        ("{{ (mesh_upgrade | default({})).waves | default([]) }}", ("mesh_upgrade", "waves", "[]")),
        ("{{ mesh_x | default(a | default('b')) }}", ("mesh_x", "", "a | default('b')")),
        ("{{ mesh_domains | map(attribute='namespaces') }}", None),
        ("{{ a ~ mesh_name }}", None),
        ("mesh-{{ mesh_name }}", None),
        ("plain", None),
        (7, None),
    ],
)
def test_what_an_expression_hands_over(text: object, expected: tuple[str, str, str] | None) -> None:
    assert variables_page.taken_from(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": "{{ mesh_name }}", "b": ["x", {"c": "{{ mesh_target | meshops.mesh.mesh_tools }}"}]}, {"mesh_name", "mesh_target"}),
        ({"when": "mesh_prune | bool"}, {"mesh_prune"}),
        ({"when": ["mesh_a is defined", "'mesh_b' in mesh_c"]}, {"mesh_a", "mesh_c"}),
        ({"name": "mesh_prune"}, set()),
        ("{% set mesh_a = mesh_b %}{{ mesh_a }}", {"mesh_b"}),
        ("{{ broken", set()),
    ],
)
def test_which_names_a_value_reads(value: object, expected: set[str]) -> None:
    assert variables_page.names_in(value) == expected


def test_variables_of_every_kind_are_found() -> None:
    assert {
        "mesh_name",
        "mesh_kubeconfig",
        "mesh_hosts",
        "mesh_check_path",
        "mesh_access_path",
        "mesh_traffic_logs",
        "mesh_upgrade",
    } <= set(VARIABLES)
    assert {"plan_upgrade_target", "rotate_certificates_rollback"} <= set(VARIABLES)
    assert not {"mesh_check_result", "mesh_check_title", "mesh_remove_role", "mesh_operator", "mesh_tools"} & set(VARIABLES), (
        "set, no input"
    )
    assert not [name for name in VARIABLES if name.startswith("travel_")]


def test_readers_are_those_that_read() -> None:
    assert VARIABLES["mesh_check_path"].playbooks == {"check_mesh"}
    assert "deliver" in VARIABLES["mesh_prune"].roles
    assert {"check_mesh", "remove_mesh"} <= VARIABLES["mesh_hosts"].playbooks


def test_texts_name_variables_where_modules_name_options() -> None:
    text = " ".join(VARIABLES["mesh_check_path"].spec["description"])
    assert "O(mesh_check_source=cluster)" in text


def test_defaults_are_those_of_who_reads() -> None:
    page = variables_page.page(VARIABLES.values())
    rows = {found[1]: found[0] for found in re.finditer(r'^\| <a id="(\w+)">.*$', page, re.MULTILINE)}
    assert "| `cluster` |" in rows["mesh_target"]
    assert "| none: required |" in rows["mesh_name"]
    assert set(rows) == set(VARIABLES)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_an_example_is_one_and_not_the_default(name: str) -> None:
    spec = VARIABLES[name].spec
    assert check_value(spec, spec["example"], name) == []
    assert not variables_page._is_plain(VARIABLES[name].default) or yaml.safe_load(VARIABLES[name].default) != spec["example"]


def test_a_gap_is_told() -> None:
    known = variables_page.Variable("mesh_a", specs=[("a", {"type": "str"})], said={"example": "x", "description": "It."})
    assert variables_page.lacking([known]) == []
    unknown = variables_page.Variable("mesh_b")
    assert variables_page.lacking([known, unknown]) == ["mesh_b: tests/tools/variables.yml has to say its type and description and example"]


def _known() -> set[str]:
    """What a page may call by a name that begins as our variables do."""
    files = [*ROOT.glob("plugins/*/*.py"), *ROOT.glob("plugins/module_utils/*/*.py"), *ROOT.glob("playbooks/*.yml")]
    inventories = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("inventories/**/*.yml"))
    own = re.findall(r"^(mesh_\w+):", inventories, re.MULTILINE)
    figures = re.findall(r'"(mesh_\w+)"', (ROOT / "bench" / "figures.py").read_text(encoding="utf-8"))
    return {path.stem for path in files} | {*own, *figures, *MESH_ROLES, *VARIABLES}


def test_pages_speak_only_of_variables_that_are_read() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md")]
    known = _known() | {"mesh_id"}  # a key of mesh_topology, by Istio's word
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in pages
        for name in sorted(set(re.findall(r"(?<![\w.*-])mesh_[a-z0-9_]*[a-z0-9]\b(?!\*|_)", path.read_text(encoding="utf-8"))))
        if name not in known
    ]
    assert wrong == []


def _options() -> set[str]:
    """The options of all roles, whatever the entry point."""
    specs = [yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"] for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    return {option for spec in specs for entry in spec.values() for option in entry.get("options") or {}}


def test_commands_set_only_what_is_read() -> None:
    inventories = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("inventories/**/*.yml"))
    known = {*VARIABLES, *_options(), *re.findall(r"\b((?:travel|guestbook|coolapp|bookinfo|mesh)_\w+)", inventories)}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md"), *ROOT.glob("playbooks/*.yml")]
    given = {
        (str(path.relative_to(ROOT)), name)
        for path in pages
        for name in re.findall(r"-e (?:'?\{\"?)?(\w+)\"?[=:]", path.read_text(encoding="utf-8"))
    }
    assert len(given) > 60
    assert sorted((path, name) for path, name in given if name not in known and not name.startswith("ansible_")) == []
