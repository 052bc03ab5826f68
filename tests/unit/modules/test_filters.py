# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible loads all filters of a collection in each task that uses one of them, so none of them may be slow to load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COLLECTIONS = Path(__file__).resolve().parents[3] / ".cache" / "collections"
PROGRAM = """
import importlib, json, pkgutil, sys
import ansible.errors, yaml
sys.path.insert(0, sys.argv[1])
package = importlib.import_module("ansible_collections.meshops.mesh.plugins.filter")
names = [found.name for found in pkgutil.iter_modules(package.__path__)]
for name in names:
    importlib.import_module(f"{package.__name__}.{name}").FilterModule().filters()
print(json.dumps([names, sorted(sys.modules)]))
"""
# The checks with their proofs, and a library of C: a second for each task, before it does anything.
SLOW = (
    "cryptography",
    "kubernetes",
    "ansible_collections.meshops.mesh.plugins.module_utils._authorization",
    "ansible_collections.meshops.mesh.plugins.module_utils._catalogue",
    "ansible_collections.meshops.mesh.plugins.module_utils._upgrade.fleet",
)


def test_no_filter_loads_what_only_its_use_needs() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(COLLECTIONS)], capture_output=True, text=True, check=True)
    names, loaded = json.loads(done.stdout)
    assert {"check_table", "private_key", "upgrade_refusal", "certificate_chain"} <= set(names)
    assert [name for name in loaded if name in SLOW or name.startswith(tuple(f"{slow}." for slow in SLOW))] == []
