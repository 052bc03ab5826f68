# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Fields of objects that nobody has checked: what is not of the expected type counts as not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .objects import group_of

__all__ = ["entries", "is_map", "is_of", "merged", "metadata_of", "name_of", "namespace_of", "section", "sections", "texts"]

_NONE: Mapping[str, Any] = {}


def section(value: Any, *path: str) -> Mapping[str, Any]:
    """The map at this path, empty where there is none."""
    for step in path:
        value = value.get(step) if is_map(value) else None
    return value if is_map(value) else _NONE


def is_map(value: Any) -> bool:
    """As isinstance of Mapping, which takes ten times as long."""
    return isinstance(value, dict) or (value is not None and not isinstance(value, (str, list)) and isinstance(value, Mapping))


def entries(value: Any) -> list[Any]:
    """A list as it is; anything else is none."""
    return list(value) if isinstance(value, (list, tuple)) else []


def sections(value: Any) -> list[Mapping[str, Any]]:
    """The maps of a list."""
    return [one for one in value if is_map(one)] if isinstance(value, (list, tuple)) else []


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Maps one over the other, as the filter `combine` does recursively; of anything else the upper one counts."""
    found = dict(below)
    for key, value in above.items():
        before = found.get(key)
        found[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return found


def texts(value: Any) -> dict[str, str]:
    """Labels and annotations; a number that was not quoted is the text that the API server would have."""
    return {str(key): str(one) for key, one in value.items()} if is_map(value) else {}


def metadata_of(obj: Mapping[str, Any], field: str) -> str:
    """A text of the metadata, empty where there is none."""
    return str(section(obj, "metadata").get(field) or "")


def name_of(obj: Mapping[str, Any]) -> str:
    return metadata_of(obj, "name")


def namespace_of(obj: Mapping[str, Any]) -> str:
    """`default` where nothing is said, as kubectl takes it."""
    return metadata_of(obj, "namespace") or "default"


def is_of(obj: Mapping[str, Any], kind: str, group: str) -> bool:
    """Is it of this kind of this group, in whatever version?"""
    return obj.get("kind") == kind and group_of(str(obj.get("apiVersion") or "")) == group
