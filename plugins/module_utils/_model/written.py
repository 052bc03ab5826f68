# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where manifests say what something is said about: the file, as a repository names it, and the line of the object, or of the field or the
value in it that the message names."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from .manifests import ManifestReading, Place
from .walk import text_of_file
from .yaml_reader import Lines

__all__ = ["Spot", "Written"]

_FIELD = re.compile(r"[A-Za-z][\w-]*(?:\[\d+\])*(?:\.[A-Za-z][\w-]*(?:\[\d+\])*)*")
_STEP = re.compile(r"\[(\d+)\]|([\w-]+)")
_MAKERS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout", "DeploymentConfig", "CronJob", "Job", "ReplicaSet", "Pod")
_PUNCTUATION, _SHORT = ".,;:()'\"?", 2
_ROOTS: tuple[tuple[str, ...], ...] = (("spec",), (), ("metadata",))  # what a path in a message may begin below


@dataclass(frozen=True)
class Spot:
    """A line of a file: `path` from the top of the repository, `text` of the whole file."""

    path: str
    line: int
    text: str

    @property
    def row(self) -> str:
        """The line itself; empty where the file has become shorter."""
        rows = self.text.split("\n", self.line)
        return rows[self.line - 1].rstrip("\r") if self.line <= len(rows) else ""


class Written:
    """A folder of manifests, of which single files are read once more."""

    def __init__(self, reading: ManifestReading) -> None:
        given = Path(os.path.realpath(reading.path))
        self._folder = given if given.is_dir() else given.parent
        self._top = _top(self._folder)
        self._reading = reading
        self._texts: dict[str, str] = {}
        self._lines: dict[str, Lines] = {}

    @property
    def folder(self) -> str:
        """The folder, from the top of the repository; empty where it is the top."""
        found = self._folder.relative_to(self._top).as_posix()
        return "" if found == "." else found

    def spot(self, resource: str, message: str, groups: Collection[str] = ()) -> Spot | None:
        """Where the object stands that a message is about, or the field that the message names; None where no file has it.

        groups: of the API, where two kinds of one name are written."""
        places = self._reading.places
        found = next((places[name] for name in _names(resource) if name in places), ())
        place = next((one for one in found if one.group in groups), found[0] if found else None)
        if place is None:
            return None
        file = Path(os.path.realpath(self._folder / place.file))
        path = file.relative_to(self._top).as_posix() if file.is_relative_to(self._top) else f"{self.folder}/{place.file}".lstrip("/")
        return Spot(path, self._line(place, message), self._text(place.file))

    def _text(self, name: str) -> str:
        if name not in self._texts:
            try:
                self._texts[name] = text_of_file(self._folder / name)
            except (OSError, UnicodeDecodeError):  # it was there a moment ago
                self._texts[name] = ""
        return self._texts[name]

    def _line(self, place: Place, message: str) -> int:
        if place.file not in self._lines:
            self._lines[place.file] = Lines(self._text(place.file))
        lines = self._lines[place.file]
        for field in _fields(message):
            for root in _ROOTS:
                found = lines.line(place.line, (*place.path, *root, *field))
                if found is not None:
                    return found
        named = lines.value(place.line, (*place.path, "spec"), _words(message))
        if named is not None:
            return named
        return (lines.line(place.line, place.path) if place.path else None) or place.line


def _names(resource: str) -> Iterator[str]:
    """A workload is an object of whatever kind makes its pods."""
    yield resource
    kind, _blank, name = resource.partition(" ")
    if kind == "Workload":
        yield from (f"{maker} {name}" for maker in _MAKERS)


def _fields(message: str) -> Iterator[tuple[str | int, ...]]:
    """The paths of fields in a message, such as rules[0].from; a word alone may be anything."""
    for match in _FIELD.finditer(message):
        if "." in match.group() or "[" in match.group():
            yield tuple(int(index) if index else word for index, word in _STEP.findall(match.group()))


def _words(message: str) -> list[str]:
    """What a message may quote of an object: a host, a name, also that of NAMESPACE/NAME."""
    words = [word.strip(_PUNCTUATION) for word in message.split()]
    return [part for word in words for part in dict.fromkeys((word, word.rpartition("/")[2])) if len(part) > _SHORT]


def _top(folder: Path) -> Path:
    """What paths in a report count from: the repository, or where the program was started, or the folder."""
    for one in (folder, *folder.parents):
        if (one / ".git").exists():
            return one
    here = Path.cwd().resolve()
    return here if folder.is_relative_to(here) else folder
