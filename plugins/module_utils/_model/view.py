# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What checks see: a snapshot's objects as `Obj`, by kind and group, with a record of which kinds were read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from .fields import is_map
from .kinds import Kind
from .malformed import title
from .selectors import ByLabel

if TYPE_CHECKING:
    from .manifests import ManifestReading
    from .snapshot import Snapshot

__all__ = ["Condition", "Obj", "View", "ref"]

Made = TypeVar("Made")
_NOTHING: Mapping[str, str] = MappingProxyType({})


def ref(kind: Kind | str, name: str, namespace: str | None = None) -> str:
    """How people name an object: `Kind namespace/name`."""
    word = kind.kind if isinstance(kind, Kind) else kind
    return f"{word} {namespace}/{name}" if namespace else f"{word} {name}"


@dataclass(frozen=True)
class Condition:
    """One entry of status.conditions."""

    type: str
    status: str
    reason: str
    message: str

    @property
    def true(self) -> bool:
        """True only for the word True: Unknown is not yet."""
        return self.status == "True"

    @property
    def why(self) -> str:
        """Reason and message, as far as they are given."""
        return ": ".join(part for part in (self.reason, self.message) if part) or f"no reason given, {self.type}={self.status}"


@dataclass(frozen=True, eq=False)
class Obj:
    """A Kubernetes object; `at` walks its fields without failing on what is absent."""

    kind: Kind
    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    raw: Mapping[str, Any]

    @classmethod
    def from_dict(cls, kind: Kind, raw: Mapping[str, Any]) -> Obj:
        """Read the metadata once. TypeError where no API server would have taken it: labels that are no map, a name that is no text."""
        metadata = raw.get("metadata") or {}
        maps = [metadata.get(name) or {} for name in ("labels", "annotations")]
        for found in maps:
            if not is_map(found) or (found and not all(map(_is_text, found.values()))):
                raise TypeError("labels and annotations are maps of texts")
        if not all(value is None or isinstance(value, str) for value in (metadata.get("namespace"), metadata.get("name"))):
            raise TypeError("a name and a namespace are texts")
        return cls(
            kind=kind,
            namespace=metadata.get("namespace") or "",
            name=metadata.get("name") or "",
            labels=maps[0],
            annotations=maps[1],
            raw=raw,
        )

    @classmethod
    def part(cls, kind: str, raw: Mapping[str, Any]) -> Obj:
        """A map inside of an object, such as a container, which has no metadata of its own."""
        return cls(Kind("", kind), "", "", _NOTHING, _NOTHING, raw)

    def once(self, make: Callable[[Obj], Made]) -> Made:
        """What is made of this object, and kept for all checks that ask for it."""
        known: dict[object, Any] = self.__dict__.setdefault("_made", {})  # beside the fields, as a cached property is
        if make not in known:
            known[make] = make(self)
        found: Made = known[make]
        return found

    @property
    def ref(self) -> str:
        """Kind namespace/name."""
        return ref(self.kind, self.name, self.namespace)

    @property
    def deleting(self) -> bool:
        """True once somebody asked for its deletion."""
        return bool(self.at("metadata", "deletionTimestamp"))

    def at(self, *path: str, default: Any = None) -> Any:
        """The value at this path; `default` where a step is absent or null."""
        value: Any = self.raw
        for step in path:
            value = value.get(step) if is_map(value) else None
            if value is None:
                return default
        return value

    def items(self, *path: str) -> list[Any]:
        """The list at this path, empty where it is absent."""
        value = self.at(*path)
        return list(value) if isinstance(value, (list, tuple)) else []

    def condition(self, type_: str) -> Condition | None:
        """The condition of this type."""
        return next((condition for condition in self.conditions() if condition.type == type_), None)

    def conditions(self) -> list[Condition]:
        """All conditions."""
        rows = [row for row in self.items("status", "conditions") if isinstance(row, Mapping)]
        return [Condition(*(str(row.get(word) or "") for word in ("type", "status", "reason", "message"))) for row in rows]


class View:
    """A snapshot as checks read it; `read` has every kind that was asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._index: dict[Kind, dict[str | None, list[Obj]]] = {}
        self._names: dict[Kind, dict[tuple[str, str], Obj]] = {}
        self.read: set[Kind] = set()
        self._memo: dict[str, tuple[object, Any, frozenset[Kind]]] = {}
        self._labels: dict[Kind, ByLabel[Obj]] = {}

    def memo(self, key: str, about: object, make: Callable[[], Made]) -> Made:
        """What is made of this view once, and again only for another intent: `about` is what it depends on beside the view.

        Who gets it made before has read the same kinds as who had it made."""
        known = self._memo.get(key)
        if known is None or known[0] is not about:
            earlier, self.read = self.read, set()
            try:
                value = make()
            finally:
                own, self.read = frozenset(self.read), self.read | earlier
            known = self._memo[key] = (about, value, own)
        self.read |= known[2]
        made: Made = known[1]
        return made

    @property
    def cluster(self) -> str:
        """The cluster's name, for messages."""
        return self._snapshot.cluster

    @property
    def source(self) -> str:
        """cluster, snapshot or manifests."""
        return self._snapshot.source

    @property
    def reading(self) -> ManifestReading | None:
        """Of manifests: which files were read, and where each object is."""
        return self._snapshot.reading

    @property
    def taken_at(self) -> datetime:
        """When the source was read."""
        return self._snapshot.taken_at

    @property
    def server_version(self) -> str | None:
        """The API server's version, if the source knows it."""
        return self._snapshot.server_version

    @property
    def reviews(self) -> tuple[dict[str, Any], ...]:
        """Access review results."""
        return tuple(self._snapshot.reviews)

    def forbidden(self) -> dict[str, str]:
        """Kind to the API's message, by the kind's own word."""
        return {key.rsplit("/", 1)[-1]: message for key, message in self._snapshot.forbidden.items()}

    def missing(self, kind: Kind) -> bool:
        """True if the API does not have this kind in any version."""
        for entry in self._snapshot.missing_kinds:
            parts = entry.split("/")
            group = parts[0] if len(parts) == 3 else ""
            if parts[-1] == kind.kind and group == kind.group:
                return True
        return False

    def others(self, kinds: Collection[Kind]) -> list[Mapping[str, Any]]:
        """All objects of other kinds than these, as they are: a source may have kinds that nobody named beforehand."""
        return [row for kind, row in self._rows if kind not in kinds]

    @cached_property
    def _rows(self) -> list[tuple[Kind, Mapping[str, Any]]]:
        return [(Kind(_group(row), str(row.get("kind"))), row) for row in self._snapshot.objects]

    @cached_property
    def _kinds(self) -> frozenset[Kind]:
        return frozenset(kind for kind, _row in self._rows)

    def has(self, kind: Kind) -> bool:
        """True if the source has an object of this kind. Asking is no reading."""
        return kind in self._kinds

    def objects(self) -> tuple[Mapping[str, Any], ...]:
        """All of the source, as they are."""
        return self._snapshot.objects

    def without(self, *gone: Mapping[str, Any]) -> View | None:
        """The same source without some objects; None where it does not have one of them."""
        ids = {id(obj) for obj in gone}
        rest = tuple(obj for obj in self._snapshot.objects if id(obj) not in ids)
        if len(rest) > len(self._snapshot.objects) - len(gone):  # copies of its objects, as readers make them
            names = {_identity(obj) for obj in gone}
            rest = tuple(obj for obj in self._snapshot.objects if _identity(obj) not in names)
        return None if len(rest) > len(self._snapshot.objects) - len(gone) else View(replace(self._snapshot, objects=rest))

    def of(self, kind: Kind, namespace: str | None = None) -> list[Obj]:
        """Objects of a kind, optionally of one namespace."""
        self.read.add(kind)
        if kind not in self._index:
            self._index[kind] = self._sorted(kind)
        return self._index[kind].get(namespace, [])

    def selected(self, kind: Kind, selector: Mapping[str, str]) -> list[Obj]:
        """Objects of a kind, of all namespaces, that have all of these labels."""
        every = self.of(kind)
        if kind not in self._labels:
            self._labels[kind] = ByLabel((obj, obj.labels) for obj in every)
        return self._labels[kind].matching(selector)

    def _sorted(self, kind: Kind) -> dict[str | None, list[Obj]]:
        """By namespace, and all under None: checks go through the members one by one, which must not read all pods each time."""
        every = [Obj.from_dict(kind, row) for row in self._snapshot.of(kind.kind) if _group(row) == kind.group]
        index: dict[str | None, list[Obj]] = {None: every}
        for obj in every:
            index.setdefault(obj.namespace, []).append(obj)
        return index

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj | None:
        """One object, or None; without a namespace the first of that name."""
        every = self.of(kind)
        if kind not in self._names:
            names: dict[tuple[str, str], Obj] = {}
            for obj in every:
                names.setdefault((obj.namespace, obj.name), obj)
                names.setdefault(("", obj.name), obj)
            self._names[kind] = names
        return self._names[kind].get((namespace, name))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _identity(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(obj.get("apiVersion")), str(obj.get("kind")), title(obj)


def _group(row: Mapping[str, Any]) -> str:
    group, slash, _version = str(row.get("apiVersion", "")).partition("/")
    return group if slash else ""
