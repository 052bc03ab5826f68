# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows, their targets, and how a figure grows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Row", "bend", "fit", "render"]


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, against which floor, and what is wanted (None: only told, not judged)."""

    figure: str
    what: str
    value: float
    unit: str = "s"
    floor: float | None = None
    wanted: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Value to floor."""
        return None if not self.floor else self.value / self.floor

    @property
    def met(self) -> bool | None:
        """None where nothing is wanted."""
        return None if self.wanted is None else self.value <= self.wanted

    def to_dict(self) -> dict[str, object]:
        """As in the JSON."""
        ratio = None if self.ratio is None else round(self.ratio, 2)
        return {
            "figure": self.figure,
            "what": self.what,
            "value": round(self.value, 2),
            "unit": self.unit,
            "floor": None if self.floor is None else round(self.floor, 2),
            "ratio": ratio,
            "wanted": None if self.wanted is None else round(self.wanted, 2),
            "met": self.met,
            "note": self.note,
        }


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def render(rows: Iterable[Row]) -> str:
    """A table for people; a missed target is written in capitals."""
    words = {True: "yes", False: "NO", None: ""}
    lines = [("figure", "what", "value", "floor", "ratio", "wanted", "met", "")]
    lines += [
        (
            row.figure,
            row.what,
            f"{_cell(row.value)} {row.unit}",
            _cell(row.floor),
            _cell(row.ratio),
            _cell(row.wanted),
            words[row.met],
            row.note,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    right = {2, 3, 4, 5}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def fit(points: Mapping[int, float] | Sequence[tuple[int, float]]) -> tuple[float, float]:
    """The straight line (base, per unit) with the least squares through the points."""
    rows = list(points.items() if isinstance(points, Mapping) else points)
    if len({size for size, _value in rows}) < 2:
        raise ValueError("a line needs points of two sizes")
    middle = sum(size for size, _value in rows) / len(rows)
    mean = sum(value for _size, value in rows) / len(rows)
    slope = sum((size - middle) * (value - mean) for size, value in rows) / sum((size - middle) ** 2 for size, _value in rows)
    return mean - slope * middle, slope


def bend(points: Mapping[int, float]) -> float:
    """The last point against the line through the first two: 1 is linear, below is better, a quadratic of 10, 100, 300 gives 2.8."""
    (first, low), (second, high), *_between, (last, value) = sorted(points.items())
    slope = max(high - low, 0.0) / (second - first)
    return value / (low + slope * (last - first))
