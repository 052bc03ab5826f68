# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Writes an inventory, and never over a file that is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._errors import ConfigError
from .._inventory.render import Inventory, next_steps, render
from .._model.files import MIB, read_file, write_file

__all__ = ["write_inventory"]


def write_inventory(params: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises ConfigError where another file is in the way; then nothing was written."""
    variables = {name: value for name, value in params["variables"].items() if value not in (None, "", [], {})}
    connection = {f"mesh_{name}": value for name, value in (params["connection"] or {}).items() if value}
    folder = Path(params["path"])
    inventory = Inventory(params["host"], variables, connection, params["origin"] == "living", params["notes"])
    files = render(inventory)
    missing = [name for name in files if not os.path.lexists(folder / name)]
    others = [str(folder / name) for name, text in files.items() if name not in missing and not _has(folder / name, text)]
    if others:
        raise ConfigError(
            f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} there already, so nothing was written; "
            "name another folder with path (init_inventory_path), or move what is there"
        )
    for name in missing if not check_mode else ():
        write_file(folder / name, files[name].encode(), root=folder)
    diff = [{"before": "", "after": files[name], "after_header": str(folder / name), "before_header": "(none)"} for name in missing]
    lines = next_steps(str(folder), inventory, new=bool(missing), check_mode=check_mode)
    return {"changed": bool(missing), "path": str(folder), "files": sorted(files), "lines": lines, "diff": diff}


def _has(path: Path, text: str) -> bool:
    try:
        return read_file(path, limit=MIB, follow=False) == text.encode()
    except OSError:
        return False
