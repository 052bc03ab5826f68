# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of mesh_check: when it works by itself, when it leaves the task to the module, and that both say the same."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.meshops.mesh.plugins.action import mesh_check as plugin
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import check
from ansible_collections.meshops.mesh.plugins.module_utils._kube import auth

SHELL = SimpleNamespace(tmpdir="/nowhere", env_prefix=lambda **_env: "")
LOCAL = {"transport": "local", "become": None, "has_native_async": False, "_shell": SHELL}
SERVICE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"hosts": ["web"], "gateways": ["nosuch"], "http": [{"route": [{"destination": {"host": "web"}}]}]},
}


@pytest.fixture(autouse=True)
def _as_a_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin changes folder and environment of its process, which Ansible makes for one task."""
    folder = os.getcwd()
    monkeypatch.setattr(os, "environ", dict(os.environ))
    yield
    os.chdir(folder)


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(SERVICE), encoding="utf-8")
    return tmp_path


def action(args: dict[str, Any], base: Path, *, background: int = 0, environment: Any = None, **connection: Any) -> plugin.ActionModule:
    task = SimpleNamespace(
        args=args, async_val=background, run_once=False, environment=environment, check_mode=False, action="mesh_check", diff=False
    )
    loader, templar = SimpleNamespace(get_basedir=lambda: str(base)), SimpleNamespace(template=lambda value: value)
    return plugin.ActionModule(task, SimpleNamespace(**LOCAL | connection), SimpleNamespace(), loader, templar, None)


@pytest.mark.parametrize(
    ("wanted", "more", "here"),
    [
        (None, {}, True),
        (sys.executable, {}, True),
        ("auto_silent", {}, True),
        ("/usr/libexec/other-python", {}, False),
        (None, {"transport": "ssh"}, False),
        (None, {"become": object()}, False),
        (None, {"background": 60}, False),
    ],
)
def test_it_works_by_itself_only_where_the_module_would_run_the_same(
    tmp_path: Path, wanted: str | None, more: dict[str, Any], here: bool
) -> None:
    given = {"ansible_playbook_python": sys.executable} | ({"ansible_python_interpreter": wanted} if wanted else {})
    assert action({}, tmp_path, **more)._here(given) is here


@pytest.mark.parametrize(
    ("more", "missing", "background"), [({"transport": "ssh"}, None, 0), ({}, "no module named kubernetes", 0), ({}, None, 60)]
)
def test_else_the_module_runs(
    monkeypatch: pytest.MonkeyPatch, tree: Path, more: dict[str, Any], missing: str | None, background: int
) -> None:
    ran: list[dict[str, Any]] = []
    monkeypatch.setattr(auth, "IMPORT_ERROR", missing)
    monkeypatch.setattr(plugin.ActionModule, "_execute_module", lambda _self, **given: ran.append(given) or {"summary": "the module's"})
    monkeypatch.setattr(plugin.ActionModule, "_remove_tmp_path", lambda _self, path: None)
    done = action({"source": "manifests", "path": str(tree)}, tree, background=background, **more).run(task_vars={})
    assert done["summary"] == "the module's"
    assert [(given["module_name"], bool(given["wrap_async"])) for given in ran] == [("meshops.mesh.mesh_check", bool(background))]


def test_its_result_is_the_module_s(tree: Path) -> None:
    args = {"source": "manifests", "path": str(tree), "categories": ["gateways"], "ignore": ["OSM1403=Pod shop/none"]}
    task = action(dict(args), tree)
    done = task.run(task_vars={})
    said: list[str] = []
    _validation, params = task.validate_argument_spec(argument_spec=plugin_spec())
    expected = check(params, said.append)
    assert {key: done[key] for key in expected} == expected
    assert done["failed"] and "1 check failed (OSM1505)" in done["msg"]
    assert any("Gateway shop/nosuch" in f"{row['resource']} {row['message']}" for row in done["checks"] if row["id"] == "OSM1505")
    assert done["warnings"] == said != []


def test_manifests_of_another_mesh_do_not_pass(tmp_path: Path) -> None:
    """Nothing of them would be looked at, and every check would pass."""
    (tmp_path / "web.yaml").write_text('{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}')
    args = {"source": "manifests", "path": str(tmp_path), "members": ["pay"], "control_plane": {"name": "a", "namespace": "istio-system"}}
    done = action(dict(args), tmp_path).run(task_vars={})
    assert done["failed"] and "are in shop, and none of these is a namespace of this mesh (pay, istio-system)" in done["msg"], done["msg"]
    ours = action(args | {"members": ["shop"]}, tmp_path).run(task_vars={})
    assert "checks" in ours


def test_manifests_that_are_of_no_mesh_do_not_pass(tmp_path: Path) -> None:
    """A folder beside the one that was meant would be green for ever."""
    (tmp_path / "web.yaml").write_text('{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}')
    args = {"source": "manifests", "path": str(tmp_path)}
    done = action(dict(args), tmp_path).run(task_vars={})
    assert done["failed"] and "nothing was checked. None of the 1 object of " in done["msg"], done["msg"]
    labelled = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio.io/rev": "a"}}}
    (tmp_path / "space.yaml").write_text(json.dumps(labelled))
    assert "checks" in action(dict(args), tmp_path).run(task_vars={})


def plugin_spec() -> dict[str, Any]:
    from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import argument_spec

    return argument_spec()


def test_paths_begin_where_ansible_was_started_and_the_task_s_environment_counts(tree: Path) -> None:
    os.chdir(tree)
    given = {"source": "manifests", "path": "web.yaml", "report": "out/report.json"}
    task = action(given, Path("/nosuch"), environment=[{"K8S_AUTH_HOST": "https://x"}])
    assert task.run(task_vars={})["failed"] is True
    assert (tree / "out" / "report.json").is_file()
    assert os.environ["K8S_AUTH_HOST"] == "https://x"


def test_a_secret_is_not_shown(tree: Path) -> None:
    args = {"source": "manifests", "path": str(tree), "api_key": "of-nobody", "ignore": ["OSM1403=Pod of-nobody/x"]}
    done = action(args, tree).run(task_vars={})
    assert done["warnings"] and "of-nobody" not in str(done)


def test_what_is_wrong_is_a_failure_with_its_sentence(tree: Path) -> None:
    done = action({"source": "manifests", "path": str(tree / "nosuch")}, tree).run(task_vars={})
    assert (done["failed"], done["msg"]) == (True, f"manifests {tree / 'nosuch'}: no such file or folder")
    with pytest.raises(AnsibleActionFail, match="but all of the following are missing: path"):
        action({"source": "manifests"}, tree).run(task_vars={})
