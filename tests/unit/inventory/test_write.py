# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an inventory: read by Ansible as they were meant, and never written over others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_inventory import write_inventory
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.first import first_variables
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.render import Inventory, render

ROOT = Path(__file__).resolve().parents[3]
FIRST: dict[str, Any] = first_variables([], {})


def params(path: Path, **given: Any) -> dict[str, Any]:
    return {"path": str(path), "host": "cluster", "variables": FIRST, "connection": None, "origin": "given", "notes": [], **given}


def loaded(text: str) -> Any:
    return DataLoader().load(text)


@pytest.mark.parametrize("value", [
    "plain", "yes", "1.20", "null", "- x", "a: b", "a #b", "'", '"', "line\nline\n", "  ends ", "\x1b[31m", "é√", "", "{}", "!unsafe x",
    "&a", "*a", 1, 1.5, True, None, [], {}, [1, "two", [3]], {"a": {"b": [{"c": "d" * 200}]}}, ["x" * 80, "y" * 80],
    [{"name": "n" * 60, "more": "m" * 60}],
])  # fmt: skip
def test_a_value_is_read_as_it_was(value: Any) -> None:
    variables = {"mesh_name": "shop", "mesh_control_plane": {"deep": value, "list": [value, {"in": value}]}}
    assert loaded(render(Inventory("c", variables, {}))["group_vars/mesh.yml"]) == variables


@pytest.mark.parametrize("text", ["{{ lookup('pipe', 'touch /tmp/x') }}", "a{% if x %}", "{# note #}", "two\n{{ lines }}"])
def test_what_looks_like_a_template_is_none(text: str) -> None:
    for value in (text, [text], {"k": {"deep": [text]}}):
        file = render(Inventory("c", {"mesh_name": "shop", "mesh_control_plane": value}, {}))["group_vars/mesh.yml"]
        assert file.count("!unsafe") == 1
        assert loaded(file)["mesh_control_plane"] == value


def test_what_others_wrote_ends_no_comment() -> None:
    hostile = "Istio x: evil\nmesh_adopt: [Everything]\x1b[2K"
    file = render(Inventory("c", FIRST, {}, True, [hostile]))["group_vars/mesh.yml"]
    assert "\\nmesh_adopt: [Everything]\\x1b[2K" in file
    assert set(loaded(file)) == set(FIRST)


def test_the_first_mesh_is_that_of_the_minimal_inventory() -> None:
    minimal = ROOT / "inventories" / "minimal"
    assert loaded((minimal / "group_vars" / "mesh.yml").read_text(encoding="utf-8")) == FIRST
    assert loaded((minimal / "hosts.yml").read_text(encoding="utf-8")) == loaded(render(Inventory("cluster", FIRST, {}))["hosts.yml"])
    lines = [line for path in minimal.rglob("*.yml") for line in path.read_text(encoding="utf-8").splitlines()]
    assert len([line for line in lines if line and not line.startswith(("#", "    #"))]) <= 12


@pytest.mark.parametrize(("answers", "given", "expected"), [
    (["", "", "", "", ""], {}, FIRST),
    (["", "", "", "web", ""], {}, {**FIRST, "mesh_domains": [{"name": "web", "namespaces": ["web"]}]}),
    ([" shop ", "ossm2", "mesh", "web", "web-a, web-b,"], {}, {
        "mesh_name": "shop", "mesh_provider": "ossm2", "mesh_domains": [{"name": "web", "namespaces": ["web-a", "web-b"]}],
        "mesh_control_plane": {"name": "shop", "namespace": "mesh", "egress": {"enabled": False}}}),
    ([], {"mesh_name": "east", "mesh_provider": "", "mesh_domains": []}, {**FIRST, "mesh_name": "east",
        "mesh_control_plane": {"name": "east", "namespace": "istio-system", "egress": {"enabled": False}}}),
    ([], {"mesh_gateways": [{"name": "g"}]}, {**FIRST, "mesh_gateways": [{"name": "g"}]}),
])  # fmt: skip
def test_answers_and_what_was_given(answers: list[str], given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert first_variables(answers, given) == expected


def test_check_do_and_do_again(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    check = write_inventory(params(folder), check_mode=True)
    assert check["changed"] and not folder.exists() and f"would be written to {folder}" in check["lines"][1]
    done = write_inventory(params(folder), check_mode=False)
    assert done["changed"] and done["files"] == ["group_vars/mesh.yml", "hosts.yml"]
    assert [row["after"] for row in done["diff"]] == [(folder / name).read_text() for name in ("hosts.yml", "group_vars/mesh.yml")]
    again = write_inventory(params(folder), check_mode=False)
    assert not again["changed"] and again["diff"] == [] and "was there already" in again["lines"][1]


@pytest.mark.parametrize("there", ["hosts.yml", "group_vars/mesh.yml", "link", "folder"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "mine"
    (folder / "group_vars").mkdir(parents=True)
    kept = folder / ("hosts.yml" if there in ("link", "folder") else there)
    if there == "link":
        kept.symlink_to(tmp_path / "nowhere")
    elif there == "folder":
        kept.mkdir()
    else:
        kept.write_text("mine\n")
    with pytest.raises(ConfigError, match=r"there already, so nothing was written; name another folder") as caught:
        write_inventory(params(folder), check_mode=False)
    assert str(kept) in str(caught.value)
    assert sorted(path for path in folder.rglob("*") if not path.is_dir() or path == kept) == [kept]
    assert there in ("link", "folder") or kept.read_text() == "mine\n"


def test_how_the_cluster_is_reached_is_written_where_it_was_given(tmp_path: Path) -> None:
    write_inventory(params(tmp_path, host="east", connection={"kubeconfig": "/etc/kube", "context": None}), check_mode=False)
    assert loaded((tmp_path / "hosts.yml").read_text()) == {"mesh": {"hosts": {"east": {"mesh_kubeconfig": "/etc/kube"}}}}


@pytest.mark.parametrize("given", [{"host": "a b"}, {"host": "../x"}, {"variables": {"mesh_name": "Shop"}}, {"variables": {}}])
def test_bad_names_are_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        write_inventory(params(tmp_path / "new", **given), check_mode=False)
    assert not (tmp_path / "new").exists()


def test_what_is_left_out_is_told_at_the_end(tmp_path: Path) -> None:
    lines = write_inventory(params(tmp_path, origin="living", notes=["Kiali x/y: theirs"]), check_mode=False)["lines"]
    assert f"ansible-playbook meshops.mesh.install_mesh -i {tmp_path} --check --diff" in lines[2]
    assert lines[-1] == "- Kiali x/y: theirs"
