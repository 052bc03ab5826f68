# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Objects of manifests: YAML and JSON files in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import HAS_YAML, yaml_load_all

from .._errors import ConfigError

try:
    from yaml import YAMLError
except ImportError:  # HAS_YAML is False then

    class YAMLError(ValueError):  # type: ignore[no-redef]
        """Never raised."""


__all__ = ["checked_objects", "read_manifests"]


def read_manifests(root: Path) -> list[dict[str, Any]]:
    """Every Kubernetes object in the YAML and JSON files below a folder (or in one file)."""
    if not root.exists():
        raise ConfigError(f"manifests {root}: no such file or folder")
    if not HAS_YAML:
        raise ConfigError("PyYAML is needed to read manifests: install it for the Python that runs Ansible's modules")
    files = [root] if root.is_file() else sorted(item for item in root.rglob("*") if item.suffix in (".yml", ".yaml", ".json"))
    return [obj for file in files if not _hidden(file, root) for obj in _read_file(file)]


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _read_file(file: Path) -> list[dict[str, Any]]:
    try:
        documents = list(yaml_load_all(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"manifest {file} cannot be read: {exc}") from exc
    except (YAMLError, ValueError) as exc:
        raise ConfigError(f"manifest {file} is not YAML: {exc}") from exc
    found: list[dict[str, Any]] = []
    for document in documents:
        if not isinstance(document, dict) or "kind" not in document or "apiVersion" not in document:
            continue  # values files, kustomizations without kind, comments
        kind = str(document["kind"])
        if kind.endswith("List") and isinstance(document.get("items"), list):
            typed = {"apiVersion": document["apiVersion"], "kind": kind.removesuffix("List")} if kind != "List" else {}
            found += checked_objects([typed | obj if isinstance(obj, dict) else obj for obj in document["items"]], str(file))
        elif isinstance(document.get("metadata"), dict):
            found.append(document)
    return found


def checked_objects(objects: Any, where: str) -> Iterable[dict[str, Any]]:
    if not isinstance(objects, list):
        raise ConfigError(f"{where}: objects must be a list, found {type(objects).__name__}")
    for index, obj in enumerate(objects):
        if not isinstance(obj, dict) or not obj.get("kind") or not obj.get("apiVersion") or not isinstance(obj.get("metadata"), dict):
            raise ConfigError(f"{where}: objects[{index}] has no apiVersion, kind and metadata")
        yield obj
