# SPDX-License-Identifier: GPL-3.0-or-later
"""Our modules are compiled once and not in every run; what Ansible's own loader finds otherwise, it still finds."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.plugin_utils.compiled import OURS, KeptByteCode

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
# as a run of Ansible begins: the collection's finder, then the first plugin of ours
START = """
import sys
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[sys.argv[1]])._install()
from importlib import import_module
import_module("ansible_collections.meshops.mesh.plugins.plugin_utils.compiled").keep_byte_code()
import_module("ansible_collections.meshops.mesh.plugins." + sys.argv[2])
for name, module in sorted(sys.modules.items()):
    if name.startswith("ansible_collections.meshops.mesh.plugins.") and (getattr(module, "__file__", None) or "").endswith(".py"):
        print(name.removeprefix("ansible_collections.meshops.mesh.plugins."), getattr(module, "__cached__", None) or "-")
"""


def collection(tmp_path: Path) -> Path:
    """A copy of what the lookup needs, so that its byte code is none of this checkout."""
    home = tmp_path / "ansible_collections" / "meshops" / "mesh" / "plugins"
    for name in (
        "lookup/hosts.py",
        "plugin_utils/compiled.py",
        "plugin_utils/host_pattern.py",
        "module_utils/_errors.py",
        "module_utils/_text.py",
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text((PLUGINS / name).read_text(encoding="utf-8"), encoding="utf-8")
    model = home / "module_utils" / "_model"
    model.mkdir()
    for path in (PLUGINS / "module_utils" / "_model").glob("*.py"):
        (model / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def start(home: Path, plugin: str, **environment: str) -> dict[str, str]:
    """Our modules that a plugin loads, and where the byte code of each is."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-c", START, str(home), plugin]
    done = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_what_is_loaded_after_it_is_compiled_once(tmp_path: Path) -> None:
    found = start(collection(tmp_path), "lookup.hosts")
    assert {"module_utils._model.variables", "module_utils._text", "plugin_utils.host_pattern"} <= set(found)
    own = {name: place for name, place in found.items() if name != "plugin_utils.compiled"}
    assert all(Path(place).is_file() for place in own.values()), own
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pyc")}
    start(tmp_path, "lookup.hosts")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pyc")} == before


def test_a_changed_file_counts(tmp_path: Path) -> None:
    home = collection(tmp_path)
    start(home, "lookup.hosts")
    changed = home / "ansible_collections/meshops/mesh/plugins/plugin_utils/host_pattern.py"
    changed.write_text(changed.read_text(encoding="utf-8") + "\nimport json\nraise SystemExit('changed')\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="changed"):
        start(home, "lookup.hosts")


def test_without_a_place_for_it_everything_is_loaded_all_the_same(tmp_path: Path) -> None:
    home = collection(tmp_path)
    found = start(home, "lookup.hosts", PYTHONDONTWRITEBYTECODE="1")
    assert "module_utils._model.variables" in found and not list(home.rglob("*.pyc"))


@pytest.mark.parametrize(
    "name",
    [
        "ansible_collections.kubernetes.core.plugins.module_utils.args_common",
        f"{OURS}module_utils._model",
        f"{OURS}modules.no_such",
        "json",
    ],
)
def test_all_else_is_left_to_the_finders_after_it(name: str) -> None:
    parent = import_module(name.rpartition(".")[0]) if "." in name else None
    assert KeptByteCode.find_spec(name, getattr(parent, "__path__", None)) is None


def test_no_import_changes_how_others_import() -> None:
    """Else Ansible's own test of imports refuses the plugin; only a run of the lookup does."""
    calls = [path for path in PLUGINS.rglob("*.py") if any(line.startswith("keep_byte_code()") for line in path.read_text().splitlines())]
    assert calls == []
    assert "        keep_byte_code()  #" in (PLUGINS / "lookup" / "hosts.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((PLUGINS / "action").glob("*.py")), ids=lambda path: path.stem)
def test_no_action_loads_its_module_before(path: Path) -> None:
    assert ".plugins.modules import" not in path.read_text(encoding="utf-8"), "module_of of in_process.py imports it"
