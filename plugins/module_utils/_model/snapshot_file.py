# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The file of a snapshot: JSON, compressed where its name says so."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._errors import ConfigError

__all__ = ["read_json", "write_json"]


def read_json(path: Path) -> Any:
    """The content; a ValueError where it is no JSON."""
    try:
        raw = path.read_bytes()
        return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except (OSError, EOFError) as exc:
        raise ConfigError(f"snapshot {path} cannot be read: {exc}") from exc


def write_json(target: Path, data: Mapping[str, Any]) -> int:
    """Write the file for its owner only; returns its size in bytes. The old file stays until the new one is whole."""
    raw = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    if target.name.endswith(".gz"):
        raw = gzip.compress(raw, mtime=0)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(raw)
        os.replace(draft, target)
    except OSError as exc:
        raise ConfigError(f"snapshot {target} cannot be written: {exc}; make the folder, or give another path") from exc
    return len(raw)
