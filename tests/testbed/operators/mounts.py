# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubelet's volumes for a pod that is a local process: Secrets and ConfigMaps as files below a folder, renewed as a kubelet renews them.

A volume is a folder with links to `..data`, itself a link to the newest files, which is swapped in one step; who watches a file or the
folder sees what it sees on a node.
"""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["Volume", "sources", "volumes_of", "write_volume"]

Obj = dict[str, Any]
Source = tuple[str, str]  # kind, name


class Volume:
    """One volume at one place of a container."""

    def __init__(self, path: str, parts: list[tuple[Source, dict[str, str] | None]]) -> None:
        self.path = path  # relative
        self.parts = parts  # where its files are from, and which of them under which names; None: all as they are called

    def files(self, objects: dict[Source, Obj | None]) -> dict[str, bytes]:
        """{file name: content}; what is not there has no files, as an optional volume."""
        found: dict[str, bytes] = {}
        for source, names in self.parts:
            held = contents(objects.get(source))
            chosen = held if names is None else {path: held[key] for key, path in names.items() if key in held}
            found |= chosen
        return found


def contents(obj: Obj | None) -> dict[str, bytes]:
    """The data of a Secret or ConfigMap."""
    obj = obj or {}
    if obj.get("kind") == "ConfigMap":
        plain = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
        return plain | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}
    return {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}


def _part(kind: str, name: str | None, spec: Obj) -> tuple[Source, dict[str, str] | None] | None:
    if not name:
        return None
    items = spec.get("items")
    return (kind, name), {row["key"]: row["path"] for row in items} if items else None


def _parts(volume: Obj) -> list[tuple[Source, dict[str, str] | None]]:
    secret, config_map = volume.get("secret") or {}, volume.get("configMap") or {}
    found = [_part("Secret", secret.get("secretName"), secret), _part("ConfigMap", config_map.get("name"), config_map)]
    for row in (volume.get("projected") or {}).get("sources") or []:
        found.append(_part("Secret", (row.get("secret") or {}).get("name"), row.get("secret") or {}))
        found.append(_part("ConfigMap", (row.get("configMap") or {}).get("name"), row.get("configMap") or {}))
    return [part for part in found if part]


def volumes_of(spec: Obj, container: Obj) -> list[Volume]:
    """What the container of this pod mounts; a volume of another kind is an empty folder."""
    known = {volume["name"]: _parts(volume) for volume in spec.get("volumes") or []}
    return [Volume(row["mountPath"].lstrip("/"), known.get(row["name"], [])) for row in container.get("volumeMounts") or []]


def sources(volumes: list[Volume]) -> set[Source]:
    """The Secrets and ConfigMaps that these volumes are made of."""
    return {source for volume in volumes for source, _names in volume.parts}


def write_volume(root: Path, volume: Volume, objects: dict[Source, Obj | None]) -> bool:
    """Makes the folder below root as a kubelet would; whether anything changed."""
    folder = root / volume.path
    folder.mkdir(parents=True, exist_ok=True)
    files, data = volume.files(objects), folder / "..data"
    held = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()} if data.exists() else {}
    if not volume.parts or held == files:
        return False
    newest = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    for name, content in files.items():
        (newest / name).write_bytes(content)
        (newest / name).chmod(0o600)
    old = folder / os.readlink(data) if data.is_symlink() else None
    swap = folder / "..data_tmp"
    swap.unlink(missing_ok=True)
    swap.symlink_to(newest.name)
    os.replace(swap, data)
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    for link in folder.iterdir():
        if link.is_symlink() and link.name != "..data" and link.name not in files:
            link.unlink()
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    return True
