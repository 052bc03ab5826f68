# SPDX-License-Identifier: GPL-3.0-or-later
"""The test bed as a package for others, installed alone; the scenario of docs/guides/molecule.md on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from testbed.paths import BIN

PAGE = (ROOT / "docs" / "guides" / "molecule.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
TOOLS = Path(sys.executable).parent


def run(*command: str | Path, folder: Path, env: Mapping[str, str], timeout: float = 300.0) -> str:
    """A command that knows nothing of this checkout."""
    done = subprocess.run(list(map(str, command)), cwd=folder, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-9000:]}"
    return done.stdout


@pytest.fixture(scope="module", name="alone")
def _alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """The package in a folder of its own, with our binaries in its cache; the environment that finds both."""
    folder = tmp_path_factory.mktemp("package")
    source = shutil.copytree(
        ROOT / "tests", folder / "source", ignore=lambda _at, names: {name for name in names if name in ("unit", "integration")}
    )
    cache = folder / ".cache" / "meshops-testbed"  # where it is by itself, below the home
    cache.mkdir(parents=True)
    (cache / "bin").symlink_to(BIN)
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("ANSIBLE_", "K8S_AUTH_", "PYTHONPATH", "KUBECONFIG", "MESH_"))
    }
    path = os.pathsep.join([str(folder / "installed" / "bin"), str(TOOLS), kept["PATH"]])
    env = {**kept, "PATH": path, "PYTHONPATH": str(folder / "installed"), "HOME": str(folder)}
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder / "installed", source, folder=folder, env=env)
    yield folder, env
    subprocess.run(["mesh-testbed", "down", "--name", "molecule"], cwd=folder, env=env, capture_output=True, check=False)


def test_the_package_has_the_version_of_the_collection() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    found = re.search(r'^version = "([^"]+)"', (ROOT / "tests" / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found and found[1] == galaxy["version"]


def test_the_package_has_every_file_of_the_bed(alone: tuple[Path, dict[str, str]]) -> None:
    there = {
        str(path.relative_to(ROOT / "tests"))
        for path in (ROOT / "tests" / "testbed").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    installed = {
        str(path.relative_to(alone[0] / "installed")) for path in (alone[0] / "installed" / "testbed").rglob("*") if path.is_file()
    }
    assert there - installed == set()


def test_a_cluster_comes_up_from_the_package_alone(alone: tuple[Path, dict[str, str]]) -> None:
    folder, env = alone
    started = run("mesh-testbed", "up", "--name", "molecule", "--operators", "olm", folder=folder, env=env)
    cache = folder / ".cache" / "meshops-testbed"
    kubeconfig = cache / "beds" / "molecule" / "kubeconfig"
    assert f"export KUBECONFIG={kubeconfig}" in started
    answer = run(cache / "bin" / "kubectl", "--kubeconfig", kubeconfig, "get", "--raw", "/readyz", folder=folder, env=env)
    assert answer == "ok"
    assert "is down" in run("mesh-testbed", "down", "--name", "molecule", folder=folder, env=env)


def test_the_page_has_a_whole_scenario() -> None:
    sequence = yaml.safe_load(FILES["molecule/default/molecule.yml"])["scenario"]["test_sequence"]
    named = {f"molecule/default/{step}.yml" for step in sequence if step != "idempotence"}
    assert set(FILES) == {*named, "molecule/default/molecule.yml"}


@pytest.mark.long  # a minute; the bed of the package is tested above, the playbooks by their own tests
def test_the_scenario_of_the_page_passes(alone: tuple[Path, dict[str, str]]) -> None:
    folder, env = alone
    for name, text in FILES.items():
        path = folder / "role" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"---\n{text}", encoding="utf-8")
    env = {**env, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections")}
    run("molecule", "test", folder=folder / "role", env=env, timeout=900)
