# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The weights of a route while the share of one version goes to another."""

from __future__ import annotations

from collections.abc import Mapping

from .._text import shown

__all__ = ["percent_of", "shares", "text_of"]


def percent_of(weights: Mapping[str, int], old: str, new: str) -> int:
    """What of the share that old and new have together is new's, in per cent."""
    both = weights.get(old, 0) + weights.get(new, 0)
    return round(100 * weights.get(new, 0) / both) if both else 0


def shares(base: Mapping[str, int], old: str, new: str, percent: int) -> dict[str, int]:
    """The weights of a route when `percent` of what old and new have together goes to new. What other versions have stays theirs."""
    both = base.get(old, 0) + base.get(new, 0)
    moved = round(both * percent / 100)
    if 0 < percent < 100 and both > 1:
        moved = min(max(moved, 1), both - 1)  # rounding neither begins nor ends a release
    found = {name: weight for name, weight in base.items() if name not in (old, new)}
    return {**found, old: both - moved, new: moved}


def text_of(weights: Mapping[str, int]) -> str:
    """`v1 80 %, v2 20 %`."""
    return ", ".join(f"{shown(name)} {weight} %" for name, weight in weights.items()) or "nothing"
