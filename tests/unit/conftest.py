# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ansible_collections.meshops.mesh importable from this checkout, as Ansible itself would."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".cache" / "collections"


def _link_collection() -> None:
    link = COLLECTIONS / "ansible_collections" / "meshops" / "mesh"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        with contextlib.suppress(FileExistsError):  # another worker was quicker
            link.symlink_to("../../../..")


_link_collection()
_AnsibleCollectionFinder(paths=[str(COLLECTIONS)])._install()
importlib.import_module("ansible_collections.meshops.mesh.plugins.plugin_utils.compiled").keep_byte_code()  # half a second of each process
