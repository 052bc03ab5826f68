# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What gitops_tree does with files, for the module and for the action plugin that does the same without a process of its own."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from .._errors import ConfigError
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


def _ours(path: Path) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8").startswith(HEADER)


def _wanted_files(root: Path, params: dict[str, Any]) -> dict[Path, str | None]:
    """Every file that matters to this layer: its content, or None where it has to go."""
    layer = Layer.of(params["layer"], params["mesh"], params["layers"])
    cluster, folder = root / params["cluster"], layer_folder(layer)
    objects = params["objects"] if params["state"] == "present" else []
    rendered = render_layer(objects, layer, allow_secrets=params["allow_secrets"])
    existing = sorted(p for p in cluster.iterdir() if p.is_dir()) if cluster.is_dir() else []
    files: dict[Path, str | None] = {path: None for old in existing if is_folder_of(old.name, params["layer"])
                                     for path in sorted(old.glob("*.yaml")) if _ours(path)}
    files.update({cluster / folder / name: text for name, text in rendered.items()})
    others = [p.name for p in existing if not is_folder_of(p.name, params["layer"]) and _ours(p / KUSTOMIZATION)]
    folders = others + ([folder] if rendered else [])
    if folders or _ours(cluster / KUSTOMIZATION):
        files[cluster / KUSTOMIZATION] = render_cluster(folders) if folders else None
    _refuse_others(files)
    return files


def _refuse_others(files: dict[Path, str | None]) -> None:
    theirs = sorted(str(path) for path, text in files.items() if path.is_file() and not _ours(path))
    if theirs:
        raise ConfigError(
            f"{', '.join(theirs)} is there and was not written by meshops.mesh, so nothing was written; "
            "move it, or choose another output or cluster"
        )


def _status_of(path: Path, text: str | None) -> tuple[str, str]:
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    if text is None:
        return ("absent" if before is None else "deleted"), before or ""
    if before is None:
        return "created", ""
    return ("unchanged" if before == text else "changed"), before


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_private(text):
        _close(path)
    path.write_text(text, encoding="utf-8")


def _close(path: Path) -> None:
    """A file with a secret, and its folder, are their owner's only; before anything is in it."""
    path.parent.chmod(0o700)
    path.touch(0o600)
    path.chmod(0o600)


def write_layer(params: dict[str, Any], *, check_mode: bool, diff: bool) -> dict[str, Any]:
    """The result of a task. Raises MeshError."""
    root, started = Path(params["output"]), time.monotonic()
    rows, diffs = [], []
    try:
        for path, text in sorted(_wanted_files(root, params).items()):
            status, before = _status_of(path, text)
            if status == "absent":
                continue
            rows.append({"path": str(path.relative_to(root)), "status": status})
            if status == "unchanged":
                if is_private(before) and not check_mode:
                    _close(path)
                continue
            diffs.append({**shown_texts(before, text or ""), "before_header": str(path), "after_header": str(path)})
            if not check_mode:
                _write(path, text)
    except OSError as exc:
        raise ConfigError(str(exc)) from exc
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
