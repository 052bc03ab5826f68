# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where a variable was written, as far as Ansible itself says it: it keeps file and line beside the values that it reads."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:  # before ansible-core 2.19 a value has an attribute of its own; should the class move, no place is said
    Origin = None

__all__ = ["place_of", "with_place"]

_PATH = re.compile(r"([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[\d+\])*)")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def _position(value: Any) -> tuple[str, int] | None:
    """File and line of a value; a line of 0 is the command line."""
    if Origin is not None:
        tag = Origin.get_tag(value)
        if tag is None:
            return None
        if tag.path and tag.line_num:
            return str(tag.path), int(tag.line_num)
        return ("-e", 0) if "'-e'" in str(tag.description or "") else None
    path, line, _column = getattr(value, "ansible_pos", None) or ("", 0, 0)
    return (str(path), int(line)) if os.path.isabs(str(path)) else None


def _inner(value: Any, steps: list[tuple[str, str]]) -> list[Any]:
    """What is met on the way to a field, keys as well, the innermost last. A template ends the way."""
    met = [value]
    for name, number in steps:
        if name and isinstance(value, Mapping) and name in value:
            met.append(next(key for key in value if key == name))
            value = value[name]
        elif number and isinstance(value, (list, tuple)) and int(number) < len(value):
            value = value[int(number)]
        else:
            break
        met.append(value)
    return met


def place_of(variables: Mapping[str, Any], path: str) -> str:
    """`FILE, line N` of the field with this path (mesh_x[0].name), or of the innermost thing around it whose place is known."""
    match = _PATH.match(path)
    if not match or match[1] not in variables:
        return ""
    met = [next(key for key in variables if key == match[1]), *_inner(variables[match[1]], _STEP.findall(match[2]))]
    found = next((place for place in map(_position, reversed(met)) if place), None)
    if not found:
        return ""
    file, line = found
    if not line:
        return file
    short = os.path.relpath(file)
    return f"{file if short.startswith('..') else short}, line {line}"


def with_place(variables: Mapping[str, Any], problem: str) -> str:
    """The problem, which begins with the path of a field, with the place of that field where it is known."""
    place = place_of(variables, problem)
    return f"{problem} ({place})" if place else problem
