# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Times as Go reads and writes them."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["duration_text", "nanoseconds"]

_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|ns|h|m|s)")


def nanoseconds(value: Any) -> int:
    """A time such as `1m30s`; 0 for what is none."""
    text = str(value or "")
    parts = list(_PART.finditer(text))
    if not parts or "".join(part.group(0) for part in parts) != text:
        return 0
    return sum(round(float(part.group(1)) * _UNITS[part.group(2)]) for part in parts)


def _fraction(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    text = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{whole}.{text}" if text else str(whole)


def duration_text(value: int) -> str:
    """A time in nanoseconds, as Go prints it: `1h0m0s`, `1.5s`, `100ms`."""
    if value == 0:
        return "0s"
    if value < 10**9:
        unit = next(name for name in ("ms", "µs", "ns") if value >= _UNITS[name])
        return f"{_fraction(value, _UNITS[unit])}{unit}" if unit != "ns" else f"{value}ns"
    minutes, rest = divmod(value, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_fraction(rest, 10**9)}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds
