# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Objects of manifests: YAML and JSON files in a folder. One that cannot be read does not stop the others, and is named."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .._errors import ConfigError
from .._text import counted, shortened, shown
from .malformed import title
from .objects import group_of
from .scope import in_their_namespaces
from .walk import MAX_TOTAL, Unread, Walk, text_of_file
from .yaml_reader import HAS_YAML, documents

__all__ = ["ManifestReading", "Place", "Unread", "checked_objects", "read_manifests"]

_KUSTOMIZE = "kustomize.config.k8s.io"
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# What a kustomization may say without changing an object.
_PLAIN_KEYS = frozenset(("apiVersion", "kind", "metadata", "resources", "bases", "buildMetadata", "sortOptions", "openapi", "crds"))
_PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902")
_NO_OBJECT = "no Kubernetes object: it has no apiVersion and kind"
_TEMPLATE = "a template, not a manifest: render it first (helm template, for a chart) and give the result"
_PATCH = "a patch of a kustomization, no object of its own"
_SHOWN, _KEPT = 10, 1000

_Path = tuple[Any, ...]  # keys and indexes
_Found = tuple[dict[str, Any], int, _Path]


class _Origin(NamedTuple):
    file: str
    line: int
    path: _Path


@dataclass(frozen=True)
class Place:
    """Where an object is written: the file below the folder, the line of its document, and the way to it in a List."""

    group: str
    file: str
    line: int
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class ManifestReading:
    """What was read of a folder: `files` have objects, `others` are no YAML or JSON by name, `unused` patterns excluded nothing."""

    path: str
    objects: tuple[dict[str, Any], ...]
    files: tuple[str, ...]
    unread: tuple[Unread, ...]
    others: int = 0
    unused: tuple[str, ...] = ()
    places: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)  # where an object is, by Kind namespace/name

    @property
    def faults(self) -> tuple[Unread, ...]:
        """What may be of the mesh and was not read."""
        return tuple(row for row in self.unread if row.fault)

    @property
    def text(self) -> str:
        """One line: how much was read, and what was not."""
        rows = sorted(self.unread, key=lambda row: not row.fault)
        return shown(
            f"{counted(len(self.objects), 'object')} of {counted(len(self.files), 'file')}"
            + (f"; not read: {_listed(rows)}" if rows else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """As the modules return it."""
        rows = [{"path": shown(row.path), "reason": shown(row.reason), "fault": row.fault} for row in self.unread[:_KEPT]]
        return {"objects": len(self.objects), "files": len(self.files), "unread": rows, "unread_count": len(self.unread), "text": self.text}

    def warnings(self) -> list[str]:
        """A line for each file that may be missing in the answer."""
        lines = [f"manifests {self.path}: {row}" for row in self.faults[:_SHOWN]]
        if len(self.faults) > _SHOWN:
            lines.append(f"manifests {self.path}: {len(self.faults) - _SHOWN} more could not be read; read.unread of the result names them")
        return [shown(line) for line in lines] + [shown(f"exclude: {text} matches no file") for text in self.unused]


def read_manifests(root: Path, *, exclude: Sequence[str] = (), fail: bool = False, may_be_empty: bool = False) -> ManifestReading:
    """Every Kubernetes object in the YAML and JSON files below a folder (or in one file).

    fail: stop where one cannot be read. may_be_empty: no object at all is no mistake."""
    if not root.exists():
        raise ConfigError(f"manifests {root}: no such file or folder")
    if not HAS_YAML:
        raise ConfigError("PyYAML is needed to read manifests: install it for the Python that runs Ansible's modules")
    walk = Walk(root if root.is_dir() else root.parent, tuple(exclude))
    files = walk.files() if root.is_dir() else [root]
    objects: list[dict[str, Any]] = []
    origins: list[_Origin] = []
    total = 0
    found: list[_Found | Unread]
    for file in files:
        try:
            total += file.stat().st_size
            if total > MAX_TOTAL:
                raise ConfigError(f"manifests {root}: more than {MAX_TOTAL >> 20} MiB, the most that is read at once; give a part of it")
            found = list(_read(text_of_file(file), walk, file))
        except OSError as exc:
            found = [Unread(walk.name(file), exc.strerror or "it cannot be read")]
        except UnicodeDecodeError:
            found = [Unread(walk.name(file), "no text in UTF-8")]
        here = [row for row in found if not isinstance(row, Unread)]
        walk.unread += dict.fromkeys(row for row in found if isinstance(row, Unread))
        objects += [obj for obj, _line, _path in here]
        origins += [_Origin(walk.name(file), line, path) for _obj, line, path in here]
    patches = {os.path.relpath(file, walk.root) for file in walk.patches}
    kept, twice = _once(zip(in_their_namespaces(objects), origins, strict=True), patches)
    files_read = dict.fromkeys(origin.file for origin in origins)
    walk.unread += [Unread(name, _PATCH, False) for name in sorted(patches & files_read.keys())] + twice
    read = tuple(name for name in files_read if name not in patches)
    unused = tuple(text for text in exclude if text not in walk.used) if root.is_dir() else ()
    every = tuple(obj for obj, _origin in kept)
    reading = ManifestReading(str(root), every, read, tuple(walk.unread), walk.others, unused, _places(kept))
    _judge(reading, root, len(files), fail, may_be_empty)
    return reading


def _once(
    rows: Iterable[tuple[dict[str, Any], _Origin]], patches: Container[str]
) -> tuple[list[tuple[dict[str, Any], _Origin]], list[Unread]]:
    """Each object once. Of one that is written several times the last counts, as for kubectl apply; where they differ, that is told."""
    found: dict[tuple[str, str, Any, str], tuple[dict[str, Any], _Origin]] = {}
    told: dict[Unread, None] = {}
    for obj, origin in rows:
        name = origin.file
        if name in patches:
            continue
        meta = obj["metadata"]
        key = group_of(obj["apiVersion"]), obj["kind"], meta.get("namespace"), meta["name"]
        before = found.pop(key, None)
        if before and before[0] | {"apiVersion": ""} != obj | {"apiVersion": ""}:
            where = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
            earlier = before[1].file
            again = "further down" if earlier == name else f"in {name}"
            told[Unread(earlier, f"{obj['kind']} {where} is there again {again}, with something else in it: only that one counts")] = None
        found[key] = obj, origin
    return list(found.values()), list(told)


def _places(rows: Iterable[tuple[Mapping[str, Any], _Origin]]) -> dict[str, tuple[Place, ...]]:
    """Kinds of two groups may have one name, so there may be several."""
    found: dict[str, tuple[Place, ...]] = {}
    for obj, origin in rows:
        name = title(obj)
        found[name] = (*found.get(name, ()), Place(group_of(obj["apiVersion"]), *origin))
    return found


def _judge(reading: ManifestReading, root: Path, count: int, fail: bool, may_be_empty: bool) -> None:
    if fail and reading.faults:
        raise ConfigError(f"manifests {root}: {_listed(reading.faults)}; mend it, exclude it, or say unreadable: warn")
    if reading.objects or may_be_empty:
        return
    what = f"no Kubernetes object in {counted(count, 'file')} of YAML or JSON"
    others = f"; {reading.others} other {'file is' if reading.others == 1 else 'files are'} there" if reading.others else ""
    reasons = f": {_listed(reading.unread)}" if reading.unread else ""
    raise ConfigError(f"manifests {root}: {what}{others}{reasons}. {_remedy(root)}")


def _remedy(root: Path) -> str:
    folder = root if root.is_dir() else root.parent
    if any((folder / name).is_file() for name in _KUSTOMIZATIONS):
        return f"There is a kustomization: render it first (oc kustomize {folder} > all.yaml) and give the result"
    if (folder / "Chart.yaml").is_file():
        return f"It is a Helm chart: render it first (helm template {folder} > all.yaml) and give the result"
    return "Is it the right folder? Give the one with the rendered manifests"


def _listed(rows: Sequence[Unread]) -> str:
    return shortened(rows, _SHOWN, "; ")


def _read(text: str, walk: Walk, file: Path) -> Iterator[_Found | Unread]:
    """Objects of a file with their places, and what of it is none."""
    name = walk.name(file)
    for line, value in documents(text):
        if isinstance(value, Exception):
            yield Unread(name, _TEMPLATE if "{{" in text or "{%" in text else str(value))
        elif value is not None:
            for row in _document(value, line, walk, file):
                yield Unread(name, *row) if isinstance(row[0], str) else (row[0], line, row[1])


def _document(value: Any, line: int, walk: Walk, file: Path) -> Iterator[tuple[dict[str, Any], _Path] | tuple[str, bool]]:
    """The objects of one document, each with the way to it; or (reason, whether it is a fault)."""
    if not isinstance(value, dict) or not (value.get("kind") or value.get("apiVersion")):
        custom = file.name in _KUSTOMIZATIONS and isinstance(value, dict)
        yield from _kustomization(value, walk, file) if custom else [(_NO_OBJECT, False)]
        return
    if str(value.get("apiVersion", "")).startswith(f"{_KUSTOMIZE}/"):
        yield from _kustomization(value, walk, file)
        return
    kind = value.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(value.get("items"), list):
        typed = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
        for index, item in enumerate(value["items"]):
            obj = typed | item if isinstance(item, dict) else item
            problem = _problem(obj)
            yield (f"line {line}: items[{index}] {problem}", True) if problem else (obj, ("items", index))
        return
    if not kind and "metadata" not in value:  # a Chart.yaml
        yield _NO_OBJECT, False
        return
    if "metadata" not in value and kind != "List":
        yield f"line {line}: {kind} has no metadata, so it is no Kubernetes object", True
        return
    problem = _problem(value)
    if problem and "{{" in str([value.get("apiVersion"), kind, value["metadata"]]):
        problem = _TEMPLATE
    elif problem:
        problem = f"line {line}: the document {problem}"
    yield (problem, True) if problem else (value, ())


def _kustomization(value: Mapping[str, Any], walk: Walk, file: Path) -> Iterator[tuple[str, bool]]:
    """Where the rendered objects are others than the files have. Its patches are no objects, though they look like some."""
    named = [row for key in _PATCHES if isinstance(value.get(key), list) for row in value[key]]
    paths = [str(row.get("path") or "") if isinstance(row, dict) else row for row in named]
    walk.patches |= {file.parent / path for path in paths if isinstance(path, str) and path and _below(walk.root, file.parent / path)}
    changes = sorted(key for key, said in value.items() if said and key not in _PLAIN_KEYS)
    if changes:
        yield f"it changes what it lists ({', '.join(changes)}): render it first (oc kustomize) and give the result", True
    listed = [item for key in ("resources", "bases") if isinstance(value.get(key), list) for item in value[key]]
    away = [str(item) for item in listed if not _below(walk.root, file.parent / str(item))]
    if away:
        yield f"it lists what is not in the folder ({', '.join(away[:_SHOWN])}): render it first (oc kustomize) and give the result", True


def _below(root: Path, path: Path) -> bool:
    try:
        return path.exists() and (path.resolve() == root.resolve() or root.resolve() in path.resolve().parents)
    except (OSError, ValueError):  # an address, or no name for a file
        return False


def _problem(obj: Any) -> str:
    """Why nobody could apply the object; empty where it is one."""
    if not isinstance(obj, dict):
        return f"is {type(obj).__name__}, expected an object"
    for key in ("apiVersion", "kind"):
        if not isinstance(obj.get(key), str) or not obj[key]:
            return f"has no {key}" if not obj.get(key) else f"has {key} {obj[key]!r}, expected a text"
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        return f"has no apiVersion, kind and metadata: metadata is {type(meta).__name__}"
    name, namespace = meta.get("name"), meta.get("namespace")
    if not isinstance(name, str) or not name:
        found = "no metadata.name" if name in (None, "") else f"the name {name!r}; a name is a text: quote it"
        return f"({obj['kind']}) has {found}"
    if namespace is not None and not isinstance(namespace, str):
        return f"({obj['kind']} {name}) has the namespace {namespace!r}; a name is a text: quote it"
    for key in ("labels", "annotations"):
        if not isinstance(meta.get(key), dict | None):
            return f"({obj['kind']} {name}) has metadata.{key} that are no map"
    return ""


def checked_objects(objects: Any, where: str) -> Iterable[dict[str, Any]]:
    """The objects of a snapshot, which has no other things in it."""
    if not isinstance(objects, list):
        raise ConfigError(f"{where}: objects must be a list, found {type(objects).__name__}")
    for index, obj in enumerate(objects):
        problem = _problem(obj)
        if problem:
            raise ConfigError(f"{where}: objects[{index}] {problem}")
        yield obj
