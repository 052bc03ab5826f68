# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The files of a folder that may be manifests, within bounds; what is passed over is named with the reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from .._errors import ConfigError
from .files import MIB, NotAFile, inside, read_file

__all__ = ["MAX_FILE", "MAX_FILES", "MAX_TOTAL", "SUFFIXES", "Unread", "Walk", "text_of_file"]

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE = 64 * MIB
MAX_TOTAL = 1024 * MIB
MAX_FILES = 100_000  # of all kinds
MAX_FOLDERS_DEEP = 64
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True)
class Unread:
    """A file, folder or document that does not count. fault: something of the mesh may be missing because of it."""

    path: str
    reason: str
    fault: bool = True

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def text_of_file(path: Path) -> str:
    """The text of a file; an OSError or UnicodeDecodeError says why there is none."""
    data = read_file(path, limit=MAX_FILE)
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    return data.decode(encoding)


def _pattern(text: str) -> str:
    return text.removeprefix("./").rstrip("/")


@dataclass
class Walk:
    """One way through a folder. exclude: patterns of names, or of paths below the folder where they have a slash."""

    root: Path
    exclude: Sequence[str] = ()
    unread: list[Unread] = field(default_factory=list)
    others: int = 0  # files that are no YAML or JSON by their names
    used: set[str] = field(default_factory=set)
    patches: set[Path] = field(default_factory=set)  # of kustomizations
    _seen: dict[tuple[int, int], str] = field(default_factory=dict)
    _links: list[Path] = field(default_factory=list)
    _count: int = 0

    def files(self) -> list[Path]:
        """The files in the order of their paths. Links come last, so that a file goes by the name that is its own."""
        top = os.stat(self.root)
        self._seen[top.st_dev, top.st_ino] = "."
        found = list(self._folder(self.root))
        while self._links:
            found += self._link(self._links.pop(0))
        return sorted(found)

    def name(self, path: Path) -> str:
        """What messages call it."""
        return path.relative_to(self.root).as_posix()

    def _skip(self, path: Path, reason: str, *, fault: bool = True) -> None:
        self.unread.append(Unread(self.name(path), reason, fault))

    def _excluded(self, path: Path) -> str:
        name = self.name(path)
        for text in self.exclude:
            pattern = _pattern(text)
            where = name if "/" in pattern else path.name
            if fnmatchcase(where, pattern) or (pattern.startswith("**/") and fnmatchcase(name, pattern[3:])):
                self.used.add(text)
                return text
        return ""

    def _folder(self, folder: Path) -> Iterator[Path]:
        todo = [folder]
        while todo:
            current = todo.pop()
            try:
                with os.scandir(current) as entries:
                    rows = sorted(Path(entry.path) for entry in entries)
            except OSError as exc:
                self._skip(current, f"the folder cannot be read: {exc.strerror}")
                continue
            for path in rows:
                self._count += 1
                if self._count > MAX_FILES:
                    raise ConfigError(f"manifests {self.root}: more than {MAX_FILES} files; give the folder that has the manifests")
                if path.is_symlink():
                    self._links.append(path)
                elif self._take(path):
                    todo.append(path) if path.is_dir() else (yield path)

    def _link(self, path: Path) -> Iterator[Path]:
        """What a link leads to: read where it is in the folder and nowhere else read."""
        target = os.path.realpath(path)
        looks = path.suffix.lower() in SUFFIXES
        if not os.path.exists(target):
            if looks and not self._hidden(path) and not self._excluded(path):
                self._skip(path, f"a link to {os.readlink(path)}, which is not there")
        elif target != os.path.realpath(self.root) and not inside(self.root, path):
            if (looks or os.path.isdir(target)) and not self._hidden(path):
                pattern = self._excluded(path)
                self._skip(path, f"excluded by {pattern}" if pattern else f"a link out of the folder, to {target}", fault=not pattern)
        elif self._take(path):
            if path.is_dir():
                yield from self._folder(path)
            else:
                yield path

    def _hidden(self, path: Path) -> bool:
        return path.name.startswith(".")

    def _take(self, path: Path) -> bool:
        """Whether a folder is gone into, a file is read."""
        try:
            found = os.stat(path)
        except OSError as exc:
            self._skip(path, f"it cannot be read: {exc.strerror}")
            return False
        folder, looks = stat.S_ISDIR(found.st_mode), path.suffix.lower() in SUFFIXES
        if self._hidden(path):
            if looks or (folder and path.name != ".git"):
                self._skip(path, "hidden, because its name begins with a dot", fault=False)
            return False
        pattern = self._excluded(path) if self.exclude else ""
        if pattern:
            if looks or folder:
                self._skip(path, f"excluded by {pattern}", fault=False)
            return False
        if folder and len(path.relative_to(self.root).parts) > MAX_FOLDERS_DEEP:
            self._skip(path, f"more than {MAX_FOLDERS_DEEP} folders deep")
            return False
        if not folder and not looks:
            self.others += 1
            return False
        if not folder and not stat.S_ISREG(found.st_mode):
            self._skip(path, str(NotAFile(path, found.st_mode).strerror))
            return False
        key = found.st_dev, found.st_ino
        if key in self._seen:
            self._skip(path, f"the same as {self._seen[key]}", fault=False)
            return False
        self._seen[key] = self.name(path)
        return True
