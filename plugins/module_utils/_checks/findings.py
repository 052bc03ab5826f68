# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Findings that rows of several features make alike."""

from __future__ import annotations

from collections.abc import Iterable

from .._model.view import Obj
from .types import Finding

__all__ = ["condition_true"]


def condition_true(plane: Obj, type_: str) -> Iterable[Finding]:
    """A finding unless the object's condition of this type is True."""
    condition = plane.condition(type_)
    if condition is None:
        yield Finding(plane.ref, f"it has no condition {type_} yet")
    elif not condition.true:
        yield Finding(plane.ref, f"{type_} is {condition.status} ({condition.why})")
