# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it: what it writes, leaves alone, removes, and says."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.meshops.mesh.plugins.modules import gitops_tree

Result = dict[str, Any]
Run = Callable[..., Result]


def config_map(name: str, **data: str) -> Result:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data}


@pytest.fixture(name="run")
def _run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*objects: Result, **options: Any) -> Result:
        flags = {f"_ansible_{key}": options.pop(key) for key in ("check_mode", "diff") if key in options}
        given = {"output": str(tmp_path), "cluster": "west", "mesh": "travel", "layer": "shop", "layers": ["first", "shop"]}
        with patch_module_args({**given, "objects": list(objects), **options, **flags}), pytest.raises(SystemExit):
            gitops_tree.main()
        found: Result = json.loads(capsys.readouterr().out)
        return found

    return run


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file()}


def statuses(result: Result) -> dict[str, str]:
    return {row["path"].removeprefix("west/"): row["status"] for row in result["files"]}


def test_written_once_and_not_again(run: Run, tmp_path: Path) -> None:
    first = run(config_map("a", x="1"))
    assert first["changed"] and first["folder"] == str(tmp_path / "west" / "02-shop") and first["summary"] == "3 created"
    before = {path: (tmp_path / path).stat().st_mtime_ns for path in files(tmp_path)}
    assert set(before) == {"west/kustomization.yaml", "west/02-shop/kustomization.yaml", "west/02-shop/configmap-shop-a.yaml"}
    again = run(config_map("a", x="1"))
    assert not again["changed"] and again["summary"] == "3 unchanged"
    assert {path: (tmp_path / path).stat().st_mtime_ns for path in files(tmp_path)} == before


def test_check_mode_writes_nothing_and_shows_the_difference(run: Run, tmp_path: Path) -> None:
    run(config_map("a", x="1"))
    before = files(tmp_path)
    result = run(config_map("a", x="2"), check_mode=True, diff=True)
    assert result["changed"] and statuses(result)["02-shop/configmap-shop-a.yaml"] == "changed"
    (shown,) = result["diff"]
    assert "x: '1'" in shown["before"] and "x: '2'" in shown["after"] and shown["after_header"].endswith("configmap-shop-a.yaml")
    assert files(tmp_path) == before


def test_what_is_no_longer_wanted_goes_and_what_others_wrote_stays(run: Run, tmp_path: Path) -> None:
    run(config_map("a", x="1"), config_map("b", x="1"))
    mine = tmp_path / "west" / "02-shop" / "configmap-shop-mine.yaml"
    mine.write_text("# by hand\n", encoding="utf-8")
    result = run(config_map("b", x="1"))
    assert statuses(result)["02-shop/configmap-shop-a.yaml"] == "deleted"
    assert mine.read_text(encoding="utf-8") == "# by hand\n" and not (mine.parent / "configmap-shop-a.yaml").exists()


def test_a_layer_moves_with_the_order(run: Run, tmp_path: Path) -> None:
    run(config_map("a", x="1"))
    moved = run(config_map("a", x="1"), layers=["first", "second", "shop"])
    assert statuses(moved)["02-shop/configmap-shop-a.yaml"] == "deleted" and statuses(moved)["03-shop/configmap-shop-a.yaml"] == "created"
    assert not (tmp_path / "west" / "02-shop").exists()
    assert "03-shop" in files(tmp_path)["west/kustomization.yaml"] and "02-shop" not in files(tmp_path)["west/kustomization.yaml"]


def test_absent_takes_the_layer_and_at_last_the_cluster_away(run: Run, tmp_path: Path) -> None:
    run(config_map("a", x="1"), layer="first")
    run(config_map("b", x="1"))
    run(config_map("b", x="1"), state="absent")
    assert "- 01-first" in files(tmp_path)["west/kustomization.yaml"] and "02-shop" not in files(tmp_path)["west/kustomization.yaml"]
    run(config_map("a", x="1"), layer="first", state="absent")
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("objects", "options", "text"),
    [
        ([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}], {}, "Secret s would be written in clear text"),
        ([config_map("a")], {"layer": "../up"}, "cannot be a folder"),
    ],
)
def test_refused_and_nothing_is_written(run: Run, tmp_path: Path, objects: list[Result], options: Result, text: str) -> None:
    result = run(*objects, **options)
    assert result["failed"] and text in result["msg"]
    assert files(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "west").write_text("a file where the folder should be", encoding="utf-8")
    result = run(config_map("a"))
    assert result["failed"] and str(tmp_path / "west") in result["msg"]


@pytest.mark.parametrize("name", ["west/kustomization.yaml", "west/02-shop/configmap-shop-a.yaml"])
def test_a_file_of_others_where_ours_would_be_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    theirs = tmp_path / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("kind: Kustomization\n", encoding="utf-8")
    result = run(config_map("a"))
    assert result["failed"] and f"{theirs} is there and was not written by meshops.mesh" in result["msg"]
    assert files(tmp_path) == {name: "kind: Kustomization\n"}


def secret(value: str) -> Result:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "shop"}, "stringData": {"password": value}}


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("given", [secret("hunter2"), config_map("a", key="-----BEGIN PRIVATE KEY-----")])
def test_what_holds_a_secret_is_its_owners_only(given: Result, run: Run, tmp_path: Path) -> None:
    run(config_map("b", x="1"), given, allow_secrets=True)
    (name,) = [path for path in files(tmp_path) if path.endswith(("secret-shop-login.yaml", "configmap-shop-a.yaml"))]
    assert modes(tmp_path)[name] == 0o600 and modes(tmp_path)["west/02-shop"] == 0o700
    (tmp_path / name).chmod(0o644)
    (tmp_path / "west/02-shop").chmod(0o755)
    run(config_map("b", x="1"), given, allow_secrets=True, check_mode=True)
    assert modes(tmp_path)[name] == 0o644, "a check changes nothing"
    assert not run(config_map("b", x="1"), given, allow_secrets=True)["changed"]
    assert modes(tmp_path)[name] == 0o600 and modes(tmp_path)["west/02-shop"] == 0o700, "an earlier version wrote it for everybody"


def test_the_difference_has_no_secret(run: Run, tmp_path: Path) -> None:
    first = run(secret("hunter2"), allow_secrets=True, diff=True)
    second = run(secret("hunter3"), allow_secrets=True, diff=True)
    gone = run(state="absent", diff=True)
    for result in (first, second, gone):
        assert result["changed"] and "hunter" not in json.dumps(result)
    (shown,) = second["diff"]
    assert "*** (before)" in shown["before"] and "*** (after)" in shown["after"]


def test_a_file_that_is_no_yaml_any_more_is_not_shown(run: Run, tmp_path: Path) -> None:
    run(secret("hunter2"), allow_secrets=True)
    path = tmp_path / "west/02-shop/secret-shop-login.yaml"
    path.write_text(path.read_text() + "password: {hunter2")
    result = run(secret("hunter2"), allow_secrets=True, diff=True)
    assert result["changed"] and "hunter2" not in json.dumps(result)


def named(kind: str, name: Any, namespace: Any = "shop", version: str = "v1") -> Result:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


@pytest.mark.parametrize(
    "bad",
    [
        named("ConfigMap", "../../../up"),
        named("ConfigMap", "/etc/up"),
        named("ConfigMap", "a\0b"),
        named("ConfigMap", "x" * 254),
        named("ConfigMap", ".."),
        named("ConfigMap", "a\nb"),
        named("ConfigMap", "a\u202eb"),
        named("ConfigMap", 7),
        named("ConfigMap", "a", "../.."),
        named("ConfigMap", "a", "n" * 64),
        named("../Up", "a"),
        named("Config/Map", "a"),
        named("ConfigMap", "a", version="../v1"),
        named("ConfigMap", "a", version="a/b/v1"),
        named("ConfigMap", "a", ["x"]),
    ],
)
def test_a_name_that_is_no_file_is_refused_before_anything_is_written(run: Run, tmp_path: Path, bad: Result) -> None:
    before = sorted(path.name for path in tmp_path.parent.iterdir())
    result = run(config_map("good"), bad)
    assert result["failed"] and "nothing was written" in result["msg"] and result["msg"].isprintable()
    assert files(tmp_path) == {} and sorted(path.name for path in tmp_path.parent.iterdir()) == before


@pytest.mark.parametrize(
    "option",
    [
        {"cluster": "../up"},
        {"cluster": "/abs"},
        {"cluster": ".git"},
        {"cluster": "a\0b"},
        {"cluster": "x" * 300},
        {"cluster": "NUL"},
        {"mesh": "../../up"},
        {"mesh": "a\nb"},
        {"mesh": "x" * 64},
        {"layer": "../up"},
        {"layer": "x" * 200},
        {"layer": "a\n"},
    ],
)
def test_so_is_a_name_of_cluster_mesh_or_layer(run: Run, tmp_path: Path, option: dict[str, str]) -> None:
    result = run(config_map("a"), **option)
    assert result["failed"] and files(tmp_path) == {} and "found a name that cannot be a folder" in result["msg"]


def test_two_clusters_that_are_one_folder_elsewhere_are_refused(run: Run, tmp_path: Path) -> None:
    run(config_map("a"))
    result = run(config_map("a"), cluster="West")
    assert "West: " in result["msg"] and "the same folder where capitals do not count" in result["msg"] and not (tmp_path / "West").exists()


@pytest.mark.parametrize("content", ["", "# Written by mesh"])
def test_what_a_full_disk_left_is_ours_and_is_written_anew(run: Run, tmp_path: Path, content: str) -> None:
    run(config_map("a", x="1"))
    before = files(tmp_path)
    for path in before:
        (tmp_path / path).write_text(content, encoding="utf-8")
    result = run(config_map("a", x="1"))
    assert not result.get("failed") and set(statuses(result).values()) == {"changed"} and files(tmp_path) == before


def test_a_damaged_list_of_another_layer_takes_no_layer_from_the_cluster(run: Run, tmp_path: Path) -> None:
    run(config_map("b"), layer="first")
    run(config_map("a"))
    (tmp_path / "west/01-first/kustomization.yaml").write_text("", encoding="utf-8")
    run(config_map("a", x="2"))
    assert "01-first" in (tmp_path / "west/kustomization.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("where", ["west", "west/02-shop", "west/02-shop/configmap-shop-a.yaml"])
def test_a_link_out_of_the_tree_is_neither_written_through_nor_deleted_in(run: Run, tmp_path: Path, where: str) -> None:
    run(config_map("a"), config_map("b"))
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    (tmp_path / where).rename(outside)
    (tmp_path / where).symlink_to(outside)
    before = files(outside) if outside.is_dir() else outside.read_text(encoding="utf-8")
    result = run(config_map("a", x="2"))
    assert result["failed"] and "nothing was written" in result["msg"]
    assert (files(outside) if outside.is_dir() else outside.read_text(encoding="utf-8")) == before


def test_a_full_disk_leaves_each_file_as_it_was_or_as_it_is_to_be(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*(config_map(f"c{n}", x="1") for n in range(5)))
    before, count, real = files(tmp_path), 0, os.fsync

    def full(handle: int) -> None:
        nonlocal count
        count += 1
        if count > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    result = run(*(config_map(f"c{n}", x="2") for n in range(5)), config_map("new"))
    assert result["failed"] and "No space left" in result["msg"] and "each file of the tree is as before or as it is to be" in result["msg"]
    monkeypatch.undo()
    found = files(tmp_path)
    assert all(found[path] in (text, text.replace("x: '1'", "x: '2'")) for path, text in before.items())
    assert all(text.endswith("\n") for text in found.values()) and not [path for path in found if path.endswith(".draft")]
    assert not run(*(config_map(f"c{n}", x="2") for n in range(5)), config_map("new")).get("failed")


def test_a_file_of_somebody_elses_that_is_no_text_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "west/02-shop").mkdir(parents=True)
    (tmp_path / "west/02-shop/configmap-shop-a.yaml").write_bytes(b"\xff\xfe\x00")
    result = run(config_map("a"))
    assert result["failed"] and "configmap-shop-a.yaml is there and was not written by meshops.mesh" in result["msg"]
