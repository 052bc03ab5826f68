# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What gitops_tree does with files, for the module and for the action plugin that does the same without a process of its own."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from .._errors import ConfigError
from .files import MIB, clear_drafts, inside, make_folder, read_file, remove_file, write_file
from .names import check_cluster
from .tree import (
    HEADER,
    KUSTOMIZATION,
    Layer,
    is_folder_of,
    is_private,
    layer_folder,
    render_cluster,
    render_layer,
    shown_texts,
)

__all__ = ["ARGUMENT_SPEC", "write_layer"]

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "output": {"type": "path", "required": True},
    "cluster": {"type": "str", "required": True},
    "mesh": {"type": "str", "required": True},
    "layer": {"type": "str", "required": True},
    "layers": {"type": "list", "elements": "str", "default": []},
    "objects": {"type": "list", "elements": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "allow_secrets": {"type": "bool", "default": False},
}


_MOST = 64 * MIB  # of one file


def _content(path: Path) -> bytes | None:
    """What is in the file; None where there is none. A link is not followed."""
    try:
        return read_file(path, limit=_MOST, follow=False)
    except FileNotFoundError:
        return None


def _ours(path: Path) -> bool:
    """Whether we wrote it. A run that was killed, or had no space, in an earlier version left the first bytes only, or none."""
    try:
        data = _content(path)
    except OSError:
        return False
    return data is not None and (data.startswith(HEADER.encode()) or HEADER.encode().startswith(data))


def _folders(cluster: Path) -> list[Path]:
    """The folders of layers. One that is a link is nobody's to write or delete in."""
    rows = sorted(cluster.iterdir()) if cluster.is_dir() else []
    links = [str(path) for path in rows if path.is_symlink() and path.is_dir()]
    if links:
        raise ConfigError(f"{', '.join(links)} is a link, so nothing was written; the tree has folders of its own: take the link away")
    return [path for path in rows if path.is_dir()]


def _check_cluster(root: Path, name: str) -> None:
    """The name, and that no other cluster's folder is the same one where capitals do not count."""
    check_cluster(name)
    there = [path.name for path in root.iterdir()] if root.is_dir() else []
    others = [other for other in there if other != name and other.casefold() == name.casefold()]
    if others:
        raise ConfigError(f"cluster {name}: {root} has {others[0]}, the same folder where capitals do not count; rename one of them")
    if (root / name).is_symlink() and not inside(root, root / name):
        target = (root / name).resolve()
        raise ConfigError(f"{root / name} is a link to {target}, out of the tree, so nothing was written; take the link away")


def _wanted_files(root: Path, params: dict[str, Any]) -> dict[Path, str | None]:
    """Every file that matters to this layer: its content, or None where it has to go."""
    layer = Layer.of(params["layer"], params["mesh"], params["layers"])
    _check_cluster(root, params["cluster"])
    cluster, folder = root / params["cluster"], layer_folder(layer)
    objects = params["objects"] if params["state"] == "present" else []
    rendered = render_layer(objects, layer, allow_secrets=params["allow_secrets"])
    existing = _folders(cluster)
    files: dict[Path, str | None] = {
        path: None for old in existing if is_folder_of(old.name, params["layer"]) for path in sorted(old.glob("*.yaml")) if _ours(path)
    }
    files.update({cluster / folder / name: text for name, text in rendered.items()})
    others = [p.name for p in existing if not is_folder_of(p.name, params["layer"]) and _is_layer(p.name) and _ours(p / KUSTOMIZATION)]
    folders = others + ([folder] if rendered else [])
    if folders or _ours(cluster / KUSTOMIZATION):
        files[cluster / KUSTOMIZATION] = render_cluster(folders) if folders else None
    _refuse_others(files)
    return files


def _is_layer(folder: str) -> bool:
    number, dash, name = folder.partition("-")
    return bool(dash) and is_folder_of(folder, name) and bool(number)


def _refuse_others(files: dict[Path, str | None]) -> None:
    theirs = sorted(str(path) for path in files if os.path.lexists(path) and not _ours(path))
    if theirs:
        raise ConfigError(
            f"{', '.join(theirs)} is there and was not written by meshops.mesh, so nothing was written; "
            "move it, or choose another output or cluster"
        )


def _status_of(path: Path, text: str | None) -> tuple[str, str]:
    data = _content(path)
    before = None if data is None else data.decode(errors="replace")
    if text is None:
        return ("absent" if before is None else "deleted"), before or ""
    if before is None:
        return "created", ""
    return ("unchanged" if before == text else "changed"), before


def _order(item: tuple[Path, str | None]) -> tuple[bool, bool, int, Path]:
    """Objects, then what lists them, from the inside out, then deletions: what a kill leaves half done lists nothing that is not there."""
    path, text = item
    lists = path.name == KUSTOMIZATION
    return text is None, lists, -len(path.parts) if lists else 0, path


def _write(path: Path, text: str | None, root: Path) -> None:
    """A file with a secret, and its folder, are their owner's only; before anything is in it."""
    if text is None:
        remove_file(path, root=root)
        return
    private = is_private(text)
    make_folder(path.parent, root=root)
    if private:
        path.parent.chmod(0o700)
    write_file(path, text.encode(), root=root, mode=0o600 if private else None)


def _close(path: Path) -> None:
    """An earlier version wrote it for everybody."""
    path.parent.chmod(0o700)
    path.chmod(0o600)


def write_layer(params: dict[str, Any], *, check_mode: bool, diff: bool) -> dict[str, Any]:
    """The result of a task. Raises MeshError."""
    root, started = Path(params["output"]), time.monotonic()
    rows, diffs, swept = [], [], set()
    try:
        for path, text in sorted(_wanted_files(root, params).items(), key=_order):
            status, before = _status_of(path, text)
            if status == "absent":
                continue
            rows.append({"path": str(path.relative_to(root)), "status": status})
            if status == "unchanged":
                if is_private(before) and not check_mode:
                    _close(path)
                continue
            diffs.append({**shown_texts(before, text or ""), "before_header": str(path), "after_header": str(path)})
            if check_mode:
                continue
            if path.parent not in swept:
                swept.add(path.parent)
                clear_drafts(path.parent)
            _write(path, text, root)
    except OSError as exc:
        what = f"{exc.filename or root}: {exc.strerror or exc}"
        raise ConfigError(f"{what}; each file of the tree is as before or as it is to be: free the place, then run again") from exc
    rows.sort(key=lambda row: row["path"])
    counts = Counter(row["status"] for row in rows)
    layer = Layer.of(params["layer"], params["mesh"], params["layers"])
    result: dict[str, Any] = {
        "changed": bool(diffs),
        "files": rows,
        "folder": str(root / params["cluster"] / layer_folder(layer)),
        "seconds": round(time.monotonic() - started, 3),
        "summary": ", ".join(f"{counts[s]} {s}" for s in ("created", "changed", "deleted", "unchanged") if counts[s]) or "nothing to write",
    }
    return result | ({"diff": diffs} if diff else {})
