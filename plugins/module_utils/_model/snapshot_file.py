# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The file of a snapshot: JSON, compressed where its name says so."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from .._errors import ConfigError
from .files import MIB, TooLarge, clear_drafts, open_file, write_file

__all__ = ["MAX_BYTES", "read_json", "write_json"]

MAX_BYTES = 2048 * MIB  # a mesh of 1,000 namespaces has a fifth of it
_MAX_RATIO = 400  # objects of one cluster are alike, but not as zeros are
_CHUNK = 4 * MIB


def read_json(path: Path) -> Any:
    """The content; a ValueError where it is no JSON."""
    try:
        with open_file(path) as handle:
            raw = _content(handle, path)
    except (OSError, EOFError, zlib.error) as exc:
        raise ConfigError(f"snapshot {path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    if not raw:
        raise ConfigError(f"snapshot {path} is empty: the run that wrote it did not end; take it again with meshops.mesh.cluster_snapshot")
    try:
        return json.loads(raw)
    except RecursionError:
        raise ConfigError(f"snapshot {path} cannot be read: it is nested too deeply to be one of ours") from None


def _content(handle: BinaryIO, path: Path) -> bytes:
    packed = handle.read(2) == b"\x1f\x8b"
    handle.seek(0)
    stream: Any = gzip.GzipFile(fileobj=handle) if packed else handle
    parts: list[bytes] = []
    size = 0
    while part := stream.read(_CHUNK):
        if not parts and part.lstrip()[:1] not in (b"{", b"["):
            return bytes(part)  # no JSON, however much of it there is
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise TooLarge(path, MAX_BYTES)
        if packed and size > 16 * _CHUNK and size > _MAX_RATIO * handle.tell():
            raise OSError(0, f"it unpacks to more than {_MAX_RATIO} times its size, which no snapshot does")
    return b"".join(parts)


_KEY = b"PRIVATE KEY"
_CODED_BEGIN = re.compile(rb"LS0tLS1CRUdJTi[A-Za-z0-9+/]{0,26}")  # "-----BEGIN " and what follows, as Secrets have it


def _has_key(raw: bytes) -> bool:
    return _KEY in raw or any(_KEY in base64.b64decode(found[0][: len(found[0]) // 4 * 4]) for found in _CODED_BEGIN.finditer(raw))


def _holders(data: Mapping[str, Any]) -> list[str]:
    """The objects with a key in them."""
    found = []
    for obj in data.get("objects") or []:
        if _has_key(json.dumps(obj).encode()):
            meta = obj.get("metadata") or {}
            found.append(f"{obj.get('kind')} {meta['namespace'] + '/' if meta.get('namespace') else ''}{meta.get('name')}")
    return found


def write_json(target: Path, data: Mapping[str, Any]) -> int:
    """Write the file for its owner only; returns its size in bytes. The old file stays until the new one is whole."""
    raw = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    if _has_key(raw):
        raise ConfigError(
            f"snapshot {target} was not written, because a private key would be in it: "
            f"{', '.join(_holders(data)) or 'outside of the objects'}; "
            "take the key out of that object (it can be read by everyone who may read the object), and report where it was"
        )
    if target.name.endswith(".gz"):
        raw = gzip.compress(raw, mtime=0)
    if not target.parent.is_dir():
        raise ConfigError(f"snapshot {target} cannot be written: there is no folder {target.parent}; make the folder, or give another path")
    try:
        clear_drafts(target.parent)
        write_file(target, raw, mode=0o600)
    except OSError as exc:
        reason = exc.strerror or exc
        raise ConfigError(f"snapshot {target} cannot be written: {reason}; what was there is unchanged; give another path") from exc
    return len(raw)
