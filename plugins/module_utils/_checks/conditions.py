# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What checks of several features say of a condition."""

from __future__ import annotations

from collections.abc import Iterable

from .._model.problem import Problem
from .._model.view import Obj

__all__ = ["condition_true"]


def condition_true(plane: Obj, type_: str) -> Iterable[Problem]:
    """A problem unless the object's condition of this type is True."""
    condition = plane.condition(type_)
    if condition is None:
        yield Problem(plane.ref, f"it has no condition {type_} yet")
    elif not condition.true:
        yield Problem(plane.ref, f"{type_} is {condition.status} ({condition.why})")
