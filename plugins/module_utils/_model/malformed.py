# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which object an error is about.

Manifests and custom resources without a schema can have a text where a list belongs. Our readers expect the types of Kubernetes; where one
of them fails over such a field, the object that it was reading stands in the local variables of its frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from .._errors import ConfigError, MeshError

__all__ = ["place", "readable", "suspects", "title"]

_T = TypeVar("_T")

_DEEP = 40  # how far an object is searched for the value that was being read
_MANY = 50  # objects of a list that are suspects


def title(obj: Mapping[str, Any]) -> str:
    """Kind namespace/name."""
    metadata = obj.get("metadata")
    meta = metadata if isinstance(metadata, Mapping) else {}
    namespace, name = meta.get("namespace"), meta.get("name")
    return f"{obj.get('kind')} {f'{namespace}/' if isinstance(namespace, str) and namespace else ''}{name}"


def _frames(trace: TracebackType | None) -> list[TracebackType]:
    """The innermost first."""
    found = []
    while trace is not None:
        found.append(trace)
        trace = trace.tb_next
    return found[::-1]


def place(exc: BaseException) -> str:
    """Where the error was raised, as file:line."""
    frames = _frames(exc.__traceback__)
    return f"{Path(frames[0].tb_frame.f_code.co_filename).name}:{frames[0].tb_lineno}" if frames else "?"


def _object(value: Any) -> Mapping[str, Any] | None:
    """A Kubernetes object, or what our readers keep one in."""
    raw = getattr(value, "raw", value)
    if isinstance(raw, Mapping) and isinstance(raw.get("kind"), str) and "apiVersion" in raw and "metadata" in raw:
        return raw
    return None


def _contains(value: Any, wanted: Any, depth: int = 0) -> bool:
    """Is it this very value or one inside of it?"""
    if value is wanted:
        return True
    if depth > _DEEP or not isinstance(value, (Mapping, list, tuple)):
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return any(_contains(item, wanted, depth + 1) for item in inner)


def _suspects(values: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """The objects among some variables, those in their lists and mappings too."""
    for value in values:
        found = _object(value)
        if found is not None:
            yield found
        elif isinstance(value, (list, tuple, Mapping)) and len(value) <= _MANY:
            for item in value.values() if isinstance(value, Mapping) else value:
                inner = _object(item)
                if inner is not None:
                    yield inner


def suspects(exc: BaseException) -> tuple[list[Mapping[str, Any]], bool]:
    """The objects that were in hand when the error was raised, the most likely first (none where no frame has one), and whether the
    first stands out: what the innermost frames have in hand is in none of the others."""
    cause = exc.__cause__
    if isinstance(exc, RuntimeError) and isinstance(cause, StopIteration):
        exc = cause  # Python's wrapper around one that left a generator
    in_hand: list[Any] = []
    found: dict[int, Mapping[str, Any]] = {}
    first: Mapping[str, Any] | None = None
    for trace in _frames(exc.__traceback__):
        values = list(trace.tb_frame.f_locals.values())[::-1]
        known = bool(found)
        found |= {id(obj): obj for obj in _suspects(values) if id(obj) not in found}
        if found and not known:
            in_hand += [value for value in values if _object(value) is None]
            for value in in_hand:
                holders = [obj for obj in found.values() if _contains(obj, value)]
                if len(holders) == 1:
                    first = holders[0]
                    break
        elif not found:
            in_hand += values
    rest = [obj for obj in found.values() if obj is not first]
    return (rest, False) if first is None else ([first, *rest], True)


def readable(cluster: str, make: Callable[[], _T]) -> _T:
    """What is made of a source as a whole, such as a plan: an object that it cannot be made with is named, and nothing is made."""
    try:
        return make()
    except MeshError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as exc:
        likely, _stands_out = suspects(exc)
        what = f"{title(likely[0])} does not have" if likely else "an object of the source does not have"
        raise ConfigError(
            f"{cluster}: {what} the structure of its kind, so nothing can be planned ({type(exc).__name__} at {place(exc)}); "
            "correct it, or leave it out of the source"
        ) from exc
