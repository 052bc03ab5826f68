# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's definition: ansible-builder takes it, all in it has a version, and the versions fit what the collections ask for."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[3]
IMAGE = ROOT / "execution-environment"
INTROSPECT = "ansible_builder._target_scripts.introspect"
OTHERS = ("kubernetes.core", "community.okd")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def place(name: str) -> Path:
    return Path(next(iter(importlib.import_module(f"ansible_collections.{name}").__path__)))


def pins(lines: str) -> dict[str, str]:
    """name: version of each line; a line without an exact version is an error."""
    found = {}
    for line in lines.splitlines():
        if line.strip() and not line.startswith("#"):
            needed = Requirement(line)
            (only,) = needed.specifier
            assert only.operator == "==" and "*" not in only.version, line
            found[needed.name.lower()] = only.version
    return found


@pytest.fixture(scope="module", name="context")
def _context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    builder = Path(sys.executable).with_name("ansible-builder")
    command = [
        str(builder),
        "create",
        "-f",
        str(IMAGE / "execution-environment.yml"),
        "-c",
        str(folder),
        "--output-filename",
        "Containerfile",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_ansible_builder_makes_the_context_of_it(context: Path) -> None:
    written = (context / "Containerfile").read_text()
    needs = load(IMAGE / "execution-environment.yml")["dependencies"]
    for line in (
        'ARG EE_BASE_IMAGE="registry.access.redhat.com/ubi9/ubi-minimal:',
        f'ARG PYCMD="{needs["python_interpreter"]["python_path"]}"',
        f'ARG ANSIBLE_INSTALL_REFS="{needs["ansible_core"]["package_pip"]} {needs["ansible_runner"]["package_pip"]}"',
        "ENV LANG=C.UTF-8",
        "ENV ANSIBLE_CALLBACK_RESULT_FORMAT=yaml",
    ):
        assert line in written
    assert load(context / "_build" / "requirements.yml") == load(IMAGE / "requirements.yml")
    assert (context / "_build" / "requirements.txt").read_text() == (IMAGE / "requirements.txt").read_text()
    assert needs["system"] == (context / "_build" / "bindep.txt").read_text().splitlines()


def test_the_collections_are_pinned_to_what_the_tests_play() -> None:
    chosen = {row["name"]: row["version"] for row in load(IMAGE / "requirements.yml")["collections"]}
    ours = load(ROOT / "galaxy.yml")
    assert chosen["meshops.mesh"] == ours["version"]
    assert set(chosen) == {"meshops.mesh", *ours["dependencies"]}
    asked = [ours["dependencies"]]
    for name in OTHERS:
        manifest = json.loads((place(name) / "MANIFEST.json").read_text())["collection_info"]
        assert chosen[name] == manifest["version"]
        asked.append(manifest["dependencies"])
    for name, wanted in [row for rows in asked for row in rows.items()]:
        assert Version(chosen[name]) in SpecifierSet(wanted.replace(">=", " >=").strip()), (name, wanted)


def test_the_packages_satisfy_what_the_collections_ask_for(tmp_path: Path) -> None:
    """Found by ansible-builder's own program, which runs while an image is built."""
    home = tmp_path / "ansible_collections"
    for name, path in {"meshops.mesh": ROOT, **{name: place(name) for name in OTHERS}}.items():
        (home / name.partition(".")[0]).mkdir(parents=True, exist_ok=True)
        (home / name.replace(".", "/")).symlink_to(path)
    command = [sys.executable, "-m", INTROSPECT, "introspect", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = yaml.safe_load(done.stdout)
    assert {line.rpartition(" ")[2] for line in found["python"]} == {"meshops.mesh", *OTHERS}
    chosen = pins((IMAGE / "requirements.txt").read_text())
    ours = (ROOT / "meta" / "ee-requirements.txt").read_text().splitlines()
    for line in [*ours, *found["python"]]:
        needed = Requirement(line.partition("#")[0].strip())
        assert Version(chosen[needed.name.lower()]) in needed.specifier, line
    left_out = load(IMAGE / "execution-environment.yml")["dependencies"]["exclude"]["system"]
    assert {line.split()[0] for line in found["system"]} == set(left_out), "a system package that the base image's repositories may lack"


def test_ansible_and_its_python_are_among_those_that_are_promised() -> None:
    needs = load(IMAGE / "execution-environment.yml")["dependencies"]
    chosen = pins((IMAGE / "requirements.txt").read_text())
    for part in ("ansible_core", "ansible_runner"):
        assert pins(needs[part]["package_pip"]).keys() == {part.replace("_", "-")}
        assert part.replace("_", "-") not in chosen, "a base image of the Platform brings its own"
    ansible = pins(needs["ansible_core"]["package_pip"])["ansible-core"]
    python = needs["python_interpreter"]["package_system"].removeprefix("python")
    assert needs["python_interpreter"]["python_path"] == f"/usr/bin/python{python}"
    rows = (ROOT / "tests" / "tools" / "matrix.py").read_text()
    core = ".".join(ansible.split(".")[:2])
    (row,) = [line for line in rows.splitlines() if line.strip().startswith(f'Version("{core}"')]
    assert f'"{python}"' in row
    assert Version(ansible) in SpecifierSet(load(ROOT / "meta" / "runtime.yml")["requires_ansible"])
