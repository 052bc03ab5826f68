# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs, defaults and READMEs of the roles say the same, and nothing writes past the delivery path."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if (path / "tasks" / "main.yml").is_file())
NAMES = [role.name for role in ROLES]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
TASK_FILES = sorted((ROOT / "roles").glob("*/tasks/**/*.yml"))
TYPES = {"str", "list", "dict", "bool", "int", "float", "path", "raw", "json", "jsonarg", "bytes", "bits"}
FORBIDDEN = {"shell", "command", "raw", "script", "expect", "uri", "get_url", "pause", "k8s", "k8s_exec", "k8s_json_patch", "helm"}
Spec = dict[str, Any]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def entry_points(role: Path) -> dict[str, Spec]:
    return load(role / "meta" / "argument_specs.yml")["argument_specs"]


def options(role: Path) -> dict[str, Spec]:
    return entry_points(role)["main"].get("options") or {}


def defaults(role: Path) -> dict[str, Any]:
    return load(role / "defaults" / "main.yml") or {}


def nested(found: dict[str, Spec], prefix: str = "") -> Iterator[tuple[str, Spec]]:
    for name, option in found.items():
        yield f"{prefix}{name}", option
        yield from nested(option.get("options") or {}, f"{prefix}{name}.")


def drift(role: str, specs: dict[str, Spec], values: dict[str, Any], comments: str) -> list[str]:
    """Where spec and defaults differ, in words."""
    wrong = [f"{name}: in defaults/main.yml only" for name in values if name not in specs]
    for name, option in specs.items():
        if not name.startswith(f"{role}_"):
            wrong.append(f"{name}: without the prefix of the role")
        if name not in values:
            if "default" in option:
                wrong.append(f"{name}: a default in the spec only")
            if not re.search(rf"\b{name}\b", comments):
                wrong.append(f"{name}: defaults/main.yml does not say, in a comment, that it has no default")
        elif option.get("required"):
            wrong.append(f"{name}: required, and has a default")
        elif isinstance(values[name], str) and "{{" in values[name]:
            if option.get("default", values[name]) != values[name]:
                wrong.append(f"{name}: {option['default']!r} in the spec, {values[name]!r} in defaults/main.yml")
        elif "default" not in option or (type(option["default"]), option["default"]) != (type(values[name]), values[name]):
            wrong.append(f"{name}: {option.get('default', 'nothing')!r} in the spec, {values[name]!r} in defaults/main.yml")
    return wrong


def comments_of(role: Path) -> str:
    lines = (role / "defaults" / "main.yml").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("#"))


def test_there_are_roles() -> None:
    assert {"operators", "control_plane", "membership", "personas", "deliver"} <= set(NAMES)


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_spec_and_defaults_are_the_same(role: Path) -> None:
    assert drift(role.name, options(role), defaults(role), comments_of(role)) == []


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_other_entry_points_are_task_files_and_agree_with_main(role: Path) -> None:
    for name, entry in entry_points(role).items():
        assert (role / "tasks" / f"{name}.yml").is_file(), name
        for option, spec in (entry.get("options") or {}).items():
            assert spec == options(role).get(option, spec), option


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_no_default_of_a_spec_has_the_values_of_a_person(role: Path) -> None:
    """Where a role's arguments are refused Ansible prints its spec, with each template of it worked out: all that mesh_workloads holds."""
    text = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    wrong = [
        name
        for entry in text["argument_specs"].values()
        for name, option in (entry.get("options") or {}).items()
        if "{{" in str(option.get("default")) and (option.get("no_log") or "dict" in (option.get("type"), option.get("elements")))
    ]
    assert wrong == [], "leave the default out of the spec: defaults/main.yml has it"


@pytest.mark.parametrize(
    ("specs", "values", "comments", "expected"),
    [
        ({"x_a": {"default": 1}}, {"x_a": 1}, "", None),
        ({"x_a": {"default": "{{ y }}"}}, {"x_a": "{{ y }}"}, "", None),
        ({"x_a": {}}, {"x_a": "{{ y }}"}, "", None),
        ({"x_a": {"required": True}}, {}, "# x_a has no default", None),
        ({}, {"x_a": 1}, "", "x_a: in defaults/main.yml only"),
        ({"x_a": {"default": 1}}, {}, "# x_a: 1", "x_a: a default in the spec only"),
        ({"x_a": {}}, {}, "", "x_a: defaults/main.yml does not say, in a comment, that it has no default"),
        ({"x_a": {"default": 1}}, {"x_a": 2}, "", "x_a: 1 in the spec, 2 in defaults/main.yml"),
        ({"x_a": {"default": 1}}, {"x_a": True}, "", "x_a: 1 in the spec, True in defaults/main.yml"),
        ({"x_a": {}}, {"x_a": 2}, "", "x_a: 'nothing' in the spec, 2 in defaults/main.yml"),
        ({"x_a": {"default": "{{ z }}"}}, {"x_a": "{{ y }}"}, "", "x_a: '{{ z }}' in the spec, '{{ y }}' in defaults/main.yml"),
        ({"x_a": {"required": True}}, {"x_a": 1}, "", "x_a: required, and has a default"),
        ({"a": {"default": 1}}, {"a": 1}, "", "a: without the prefix of the role"),
    ],
)
def test_drift_is_named(specs: dict[str, Spec], values: dict[str, Any], comments: str, expected: str | None) -> None:
    assert drift("x", specs, values, comments) == ([expected] if expected else [])


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_each_option_says_what_it_is(role: Path) -> None:
    for name, option in nested(options(role)):
        assert option.get("type") in TYPES, f"{name}: type {option.get('type')}"
        text = option.get("description")
        sentences = [text] if isinstance(text, str) else text
        assert sentences and all(isinstance(item, str) and item.strip() for item in sentences), f"{name}: no description"
        assert sentences[-1].rstrip().endswith("."), f"{name}: not a sentence: {sentences[-1]}"
        assert (option["type"] == "list") == ("elements" in option), f"{name}: elements belong to lists, and every list has them"
        if "choices" in option and "{{" not in str(option.get("default", "{{")):
            assert option["default"] in option["choices"], name


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_no_option_is_without_effect(role: Path) -> None:
    files = [path for folder in ("tasks", "templates", "vars") for path in (role / folder).rglob("*") if path.is_file()]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name in options(role) if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_mesh_variables_are_read_in_defaults_only(role: Path) -> None:
    """What the spec does not name, nobody finds. Authentication is apart: roles hand it to modules as it is."""
    allowed = {"mesh_kubeconfig", "mesh_context", "mesh_remove_force", "mesh_domains"}
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    declared = {name for path in (ROOT / "inventories").rglob("*.yml") for name in re.findall(r"^(mesh_\w+):", path.read_text(), re.M)}
    for path in sorted(role.glob("tasks/*.yml")):
        expressions = " ".join(re.findall(r"(?s:\{\{.*?\}\}|\{%.*?%\})|when:.*", path.read_text(encoding="utf-8")))
        expressions = re.sub(r"'[^'\n]*'", "", expressions)  # words for people
        read = set(re.findall(r"(?<![.\w])mesh_\w+", expressions)) & declared
        assert read - allowed - modules == set(), path.name


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("role_readme", ROOT / "tests" / "tools" / "role_readme.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_readme_is_up_to_date(role: Path) -> None:
    readme = (role / "README.md").read_text(encoding="utf-8")
    assert tool().with_table(readme, tool().table(role)) == readme, "run `make docs`"
    assert readme.startswith(f"# {role.name}\n")
    assert f"meshops.mesh.{role.name}" in readme, "an example"
    for heading in ("## Outcome", "## Rollback", "## Example", "## Variables"):
        assert f"\n{heading}\n" in readme


def test_check_names_the_file_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roles = tmp_path / "roles"
    for name in ("deliver", "gateways", "workloads"):
        shutil.copytree(ROOT / "roles" / name, roles / name)
    spec = roles / "gateways" / "meta" / "argument_specs.yml"
    spec.write_text(spec.read_text(encoding="utf-8").replace("What is exposed.", "What is shown."), encoding="utf-8")
    (roles / "workloads" / "README.md").unlink()
    before = (roles / "gateways" / "README.md").read_text(encoding="utf-8")
    assert tool().main(["--check", "--roles", str(roles)]) == 1
    assert (roles / "gateways" / "README.md").read_text(encoding="utf-8") == before
    assert capsys.readouterr().err.splitlines() == [
        "roles/gateways/README.md: out of date, run `make docs`",
        "roles/workloads/README.md: missing",
    ]
    (roles / "workloads" / "README.md").write_text(f"# workloads\n\n{tool().BEGIN}\n{tool().END}\n", encoding="utf-8")
    assert tool().main(["--roles", str(roles)]) == 0
    assert tool().main(["--check", "--roles", str(roles)]) == 0
    assert "What is shown." in (roles / "gateways" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("readme", ["", "<!-- variables: begin -->", "<!-- variables: end --><!-- variables: begin -->"])
def test_readme_without_markers_is_refused(readme: str) -> None:
    with pytest.raises(ValueError, match="variables: begin"):
        tool().with_table(readme, "table")


def test_table_indents_and_escapes() -> None:
    rows = list(
        tool().rows(
            {
                "x_a": {
                    "type": "list",
                    "elements": "dict",
                    "default": "{{ y | default([]) }}",
                    "description": "One V(this|that).",
                    "options": {"b": {"required": True, "choices": ["p", "q"], "description": ["See O(x_a).", "Or C(f(y))."]}},
                }
            }
        )
    )
    assert rows[0] == "| `x_a` | list of dict | `{{ y \\| default([]) }}` | no | One `this\\|that`. |"
    assert rows[1] == "| &nbsp;&nbsp;&nbsp;&nbsp;`b` | str |  | yes | See `x_a`. Or `f(y)`. One of `p`, `q`. |"


def tasks(block: Any) -> Iterator[Spec]:
    for item in block or []:
        yield item
        for key in ("block", "rescue", "always", "pre_tasks", "tasks", "post_tasks", "handlers"):
            yield from tasks(item.get(key))


def forbidden(block: Any) -> list[str]:
    return [
        key for task in tasks(block) for key in task if (key.rsplit(".", 1)[-1] in FORBIDDEN or key == "local_action") and not asks(task)
    ]


def asks(task: Spec) -> bool:
    """A pause that waits for a person's answer, not for time to pass."""
    return set(task.get("ansible.builtin.pause") or {}) == {"prompt"}


@pytest.mark.parametrize("path", PLAYBOOKS + TASK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_writes_past_the_delivery_path(path: Path) -> None:
    assert forbidden(load(path)) == []


@pytest.mark.parametrize("path", PLAYBOOKS + TASK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_reads_without_patience_and_limit(path: Path) -> None:
    """kubernetes.core has no time limit and gives up on the first 503: mesh_objects_info reads."""
    assert [key for task in tasks(load(path)) for key in task if key.startswith("kubernetes.core.")] == []


def test_forbidden_sees_nested_tasks() -> None:
    play = [{"hosts": "all", "tasks": [{"block": [{"ansible.builtin.shell": "id"}], "rescue": [{"kubernetes.core.k8s": {}}]}]}]
    assert forbidden(play) == ["ansible.builtin.shell", "kubernetes.core.k8s"]
    assert forbidden([{"kubernetes.core.k8s_info": {}}]) == []
    assert forbidden([{"ansible.builtin.pause": {"prompt": "Name?"}}]) == []
    assert forbidden([{"ansible.builtin.pause": {"prompt": "Wait", "seconds": 3}}]) == ["ansible.builtin.pause"]


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_playbooks_name_their_plays_and_gather_nothing(path: Path) -> None:
    for play in load(path):
        assert play.get("name"), path.name
        if "hosts" in play:
            assert play["gather_facts"] is False
            assert "{{" in play["hosts"], "whoever runs it says which hosts"
