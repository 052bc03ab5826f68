# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that is published: installed alone into an empty folder, it renders a mesh there."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import ROOT

TOOLS = Path(sys.executable).parent
LEFT_OUT = ("tests/", "bench/", ".ci/", ".cache/", ".venv/", "extensions/molecule/", "Makefile", "requirements-dev")


def tool(name: str, *args: str, folder: Path) -> str:
    """A command of Ansible that knows nothing of this checkout."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "K8S_AUTH_", "PYTHONPATH", "KUBECONFIG"))}
    env = {**kept, "HOME": str(folder), "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run([str(TOOLS / name), *args], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module", name="archive")
def _archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    tool("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder), folder=folder)
    return next(folder.glob("meshops-mesh-*.tar.gz"))


def test_what_only_developers_need_is_left_out(archive: Path) -> None:
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    assert [name for name in names if name.startswith(LEFT_OUT)] == []
    assert {"README.md", "LICENSE", "meta/runtime.yml", "playbooks/install_mesh.yml", "plugins/modules/mesh_apply.py"} <= set(names)
    assert not [name for name in names if name.endswith(".pyc")]


def test_installed_alone_it_renders_a_mesh(archive: Path, tmp_path: Path) -> None:
    collections, tree = tmp_path / "collections", tmp_path / "tree"
    # its dependencies are those of the development environment: with --offline Galaxy is not asked, and what is missing is an error
    said = tool("ansible-galaxy", "collection", "install", str(archive), "-p", str(collections), "--offline", folder=tmp_path)
    assert "'community.okd:" in said and "'kubernetes.core:" in said
    home = collections / "ansible_collections" / "meshops" / "mesh"
    tool(
        "ansible-playbook",
        "meshops.mesh.travel_dev",
        "-i",
        str(home / "inventories" / "travel"),
        "-e",
        "mesh_target=files",
        "-e",
        f"mesh_output={tree}",
        folder=tmp_path,
    )
    written = {path.stem for path in tree.rglob("*.yaml")}
    assert len(written) > 40
    assert not (home / "tests").exists()
    tool_of_links = str(ROOT / "tests" / "tools" / "links.py")
    links = subprocess.run([sys.executable, tool_of_links, str(home)], capture_output=True, text=True, check=False)
    assert (links.returncode, links.stdout, links.stderr) == (0, "", ""), "its pages lead only to what the archive has"
