# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A control plane's settings, from which what the variables have a word for is taken; what is left goes to spec_overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from .._model.diff import owned_fields
from .._model.fields import merged
from .._model.objects import MANAGER, made_by_us

__all__ = ["Part", "Rest", "Unsaid", "applied", "leaves", "without_defaults"]


class Unsaid(NamedTuple):
    """What of an object the variables do not say, or say in another way."""

    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


class Part(NamedTuple):
    """Variables, and what they do not say."""

    variables: dict[str, Any]
    notes: list[Unsaid]


class Rest:
    """The fields of a spec; those that are taken are gone, and maps that are empty then with them."""

    def __init__(self, spec: Any, effective: Any = None) -> None:
        """effective: what holds where the spec says nothing, as far as the operator tells."""
        self.left: dict[str, Any] = deepcopy(dict(spec)) if isinstance(spec, Mapping) else {}
        self._effective: Mapping[str, Any] = effective if isinstance(effective, Mapping) else {}
        self._put: dict[str, Any] = {}

    def look(self, *path: str) -> Any:
        """The value there; None where there is none."""
        return _at(self.left, path)

    def in_effect(self, *path: str) -> Any:
        """The value there, or what the operator has made of its absence."""
        value = self.look(*path)
        return _at(self._effective, path) if value is None else value

    def take(self, *path: str) -> Any:
        """The value there, and it is gone."""
        value = self.look(*path)
        _remove(self.left, path)
        return value

    def expect(self, *path: str, written: Any, default: Any) -> None:
        """Our templates write this value: another one, or another default where nothing is said, has to be put over it."""
        found = self.in_effect(*path)
        self.take(*path)
        found = default if found is None else found
        if found != written:
            self.put(found, *path)

    def put(self, value: Any, *path: str) -> None:
        """Into spec_overrides."""
        where = self._put
        for step in path[:-1]:
            where = where.setdefault(step, {})
        where[path[-1]] = value

    def overrides(self) -> dict[str, Any]:
        """What no variable has a word for, and what is put over our templates."""
        return merged(self.left, self._put)

    def over_ours(self) -> set[str]:
        """The paths of what is put over our templates."""
        return {path for path, _value in leaves(self._put)}


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _remove(where: Any, path: tuple[str, ...]) -> None:
    if not isinstance(where, dict) or path[0] not in where:
        return
    if len(path) == 1:
        del where[path[0]]
        return
    below = where[path[0]]
    _remove(below, path[1:])
    if below == {}:
        del where[path[0]]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each field that is no map, by its path."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def without_defaults(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the defaults; maps of which nothing is left are gone."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        usual = defaults.get(key)
        if isinstance(value, Mapping) and isinstance(usual, Mapping):
            below = without_defaults(value, usual)
            found |= {key: below} if below else {}
        elif value is not None and value != usual:
            found[key] = value
    return found


def applied(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of an object: of ours what we have applied, as far as the source tells; of another one all of it.

    What an API server or a webhook filled in is nobody's wish, and applying it would take it over."""
    spec = raw.get("spec")
    owned = owned_fields(raw, MANAGER).get("f:spec") if made_by_us(raw) else None
    if not isinstance(spec, Mapping):
        return {}
    return _owned(spec, owned) if isinstance(owned, Mapping) else deepcopy(dict(spec))


def _owned(value: Any, owned: Mapping[str, Any]) -> Any:
    fields = [key for key in owned if key.startswith("f:")]
    if not isinstance(value, Mapping) or not fields:
        return deepcopy(value)
    return {key[2:]: _owned(value[key[2:]], owned[key]) for key in fields if key[2:] in value}
