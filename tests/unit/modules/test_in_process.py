# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that works in Ansible's own process reads what it would have read from JSON, and answers as it would have."""

from __future__ import annotations

import json
from collections import UserDict
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.meshops.mesh.plugins.plugin_utils import in_process
from ansible_collections.meshops.mesh.plugins.plugin_utils.in_process import InProcess, plain


class Tagged(str):
    """As Ansible's strings, which know where they come from."""


class Number(int):
    """As Ansible's numbers."""


class Secret:
    """As a text of a vault."""

    def __str__(self) -> str:
        return "opened"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Tagged("web"), "web"),
        (Number(8000), 8000),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (date(2026, 11, 28), "2026-11-28"),
        (Secret(), "opened"),
        (UserDict({Tagged("kind"): [Tagged("Service"), (Number(1), UserDict({"a": False}))]}), {"kind": ["Service", [1, {"a": False}]]}),
    ],
)
def test_values_are_those_of_json(given: Any, expected: Any) -> None:
    found = plain(given)
    assert found == expected and json.loads(json.dumps(found)) == expected
    kinds = {dict, list, str, int, float, bool, type(None)}

    def walk(value: Any) -> None:
        assert type(value) in kinds
        for item in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(item)

    walk(found)


def task(module: ModuleType, args: dict[str, Any], *, check_mode: bool = False, run_once: bool = False) -> InProcess:
    """An action of this module, as a strategy would make it for a host that is this machine."""
    action: InProcess = type("Action", (InProcess,), {"MODULE": module})(
        SimpleNamespace(args=args, check_mode=check_mode, run_once=run_once, diff=False, async_val=0, environment=None, action="x"),
        SimpleNamespace(transport="local", become=None, _shell=SimpleNamespace(tmpdir=None)),
        None,
        SimpleNamespace(get_basedir=lambda: "."),
        SimpleNamespace(template=lambda value: value),
        None,
    )
    action._compute_environment_string = lambda found=None: ""  # type: ignore[method-assign]
    return action


def module_of(main: Callable[[Any], None], **options: Any) -> ModuleType:
    """A module as ours are: main() makes a MeshModule of its own name."""
    module = ModuleType("example")

    spec = {"who": {"type": "str", "default": "us"}, "token": {"type": "str", "no_log": True}}

    def start() -> None:
        main(module.MeshModule(argument_spec=spec, **options))

    module.main = start  # type: ignore[attr-defined]
    return module


def test_a_result_is_that_of_the_module_without_its_secrets() -> None:
    def main(module: Any) -> None:
        module.warn("careful")
        module.exit_json(changed=True, who=module.params["who"], said=f"with {module.params['token']}")

    found = task(module_of(main), {"token": "s3cret-token"}).module({"token": "s3cret-token"}, {})
    assert found.pop("invocation") == {"module_args": {"who": "us", "token": "not shown"}}
    assert found == {"changed": True, "who": "us", "said": "with ********", "warnings": ["careful"]}


def test_a_failure_keeps_what_came_with_it() -> None:
    found = task(module_of(lambda module: module.fail_json(msg="no", lines=["a"])), {}).module({}, {})
    assert found.pop("invocation") == {"module_args": {"who": "us", "token": None}}
    assert found == {"failed": True, "msg": "no", "lines": ["a"], "changed": False}


def test_a_module_without_check_mode_is_skipped_in_it() -> None:
    found = task(module_of(lambda module: module.exit_json(changed=True)), {}, check_mode=True).module({}, {})
    assert found["skipped"] and not found["changed"]


def test_a_relative_path_is_one_of_the_folder_where_the_playbook_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found as reports in the collection's own folder of playbooks, after `-e mesh_access_junit=access.xml`."""
    monkeypatch.chdir(tmp_path)
    action = task(module_of(lambda module: module.exit_json(said=str(Path("report.xml").absolute()))), {})
    action._loader = SimpleNamespace(get_basedir=lambda: "/")
    assert action.module({}, {})["said"] == str(tmp_path / "report.xml")


def test_each_host_of_a_play_has_its_own_report() -> None:
    def said(hosts: list[str], run_once: bool = False) -> list[dict[str, Any]]:
        args = {"junit": "out/mesh.xml", "who": "us"}
        action = task(module_of(lambda module: module.exit_json()), args, run_once=run_once)
        action.REPORTS = ("junit", "sarif")
        return [dict(action._of_host(args, {"inventory_hostname": host, "ansible_play_hosts_all": hosts})) for host in hosts]

    assert [row["junit"] for row in said(["west", "east"])] == ["out/mesh.west.xml", "out/mesh.east.xml"]
    assert [row["junit"] for row in said(["west"])] == ["out/mesh.xml"] and {row["who"] for row in said(["west", "east"])} == {"us"}
    assert {row["junit"] for row in said(["west", "east"], run_once=True)} == {"out/mesh.xml"}


def test_all_modules_with_reports_give_each_host_its_own() -> None:
    folder = Path(in_process.__file__).parents[1]
    for path in (folder / "modules").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        wanted = [name for name in ("junit", "sarif", "report") if "meshops.mesh.options.report" in text]
        wanted += [name for name in ("plan_file",) if f"  {name}:" in text]
        action = import_module(f"ansible_collections.meshops.mesh.plugins.action.{path.stem}").ActionModule
        assert sorted(getattr(action, "REPORTS", ())) == sorted(wanted), path.stem


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(AnsibleActionFail, match="whom"):
        task(module_of(lambda module: module.exit_json()), {"whom": 1}).module({"whom": 1}, {})


def test_every_module_has_its_action() -> None:
    folder = Path(in_process.__file__).parents[1]
    modules, actions = ({path.stem for path in (folder / name).glob("*.py")} - {"__init__"} for name in ("modules", "action"))
    assert modules == actions


WEST = {
    "inventory_hostname": "west",
    "groups": {"all": ["east", "west"]},
    "mesh_kubeconfig": Tagged("~/.kube/west"),
    "mesh_context": "admin",
    "omit": "__omit__",
}
EVERY = {"kubeconfig": "~/.kube/west", "context": "admin", "cluster": "west"}


@pytest.mark.parametrize(
    ("args", "variables", "expected"),
    [
        ({}, WEST, EVERY),
        ({"context": "reader", "cluster": None}, WEST, {"kubeconfig": "~/.kube/west", "context": "reader", "cluster": None}),
        ({"kubeconfig": ""}, WEST, {**EVERY, "kubeconfig": ""}),
        ({}, {"inventory_hostname": "west", "groups": {"all": ["west"]}}, {"cluster": "west"}),
        ({}, {"inventory_hostname": "localhost", "groups": {"all": []}, "mesh_context": "admin"}, {"context": "admin"}),
        ({}, {"inventory_hostname": "localhost"}, {}),
        ({}, {**WEST, "mesh_kubeconfig": None, "mesh_context": ""}, {"cluster": "west"}),
        ({}, {**WEST, "mesh_kubeconfig": "__omit__", "mesh_context": "__omit__"}, {"cluster": "west"}),
        ({}, {**WEST, "mesh_kubeconfig": {"apiVersion": "v1"}}, {**EVERY, "kubeconfig": {"apiVersion": "v1"}}),
    ],
    ids=(
        "all of the host",
        "the task comes first",
        "a text that is empty is said",
        "only a name",
        "no inventory",
        "no groups",
        "null and nothing",
        "omit",
        "as a map",
    ),
)
def test_what_a_task_leaves_out_of_the_connection_its_host_says(
    args: dict[str, Any], variables: dict[str, Any], expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_process.ActionBase, "run", lambda self, tmp, task_vars: {})
    seen: list[dict[str, Any]] = []
    action = task(module_of(lambda module: None), args)
    monkeypatch.setattr(action, "module", lambda given, task_vars: seen.append(dict(given)) or {})
    action.run(None, variables)
    assert seen == [expected] and action._task.args is args
    action.CONNECTS = False
    action.run(None, variables)
    assert seen[1] == args, "a module that talks to no cluster gets nothing of it"
