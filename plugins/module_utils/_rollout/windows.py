# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Maintenance windows: when a wave may begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .._errors import ConfigError

__all__ = ["Window", "is_open", "next_opening", "windows_from"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Window:
    """From start to end on each of the days on which it starts; an end before the start is on the next day."""

    days: tuple[int, ...]
    start: time
    end: time
    zone: ZoneInfo

    def opening(self, day: datetime) -> tuple[datetime, datetime]:
        """Its span that starts on this day."""
        begins = day.replace(hour=self.start.hour, minute=self.start.minute, second=0, microsecond=0)
        ends = day.replace(hour=self.end.hour, minute=self.end.minute, second=0, microsecond=0)
        return begins, ends if self.end > self.start else ends + timedelta(days=1)

    def contains(self, now: datetime) -> bool:
        """Whether it is open; one that began yesterday counts."""
        local = now.astimezone(self.zone)
        for day in (local, local - timedelta(days=1)):
            begins, ends = self.opening(day)
            if day.weekday() in self.days and begins <= local < ends:
                return True
        return False

    def next(self, now: datetime) -> datetime:
        """When it opens next."""
        local = now.astimezone(self.zone)
        days = (local + timedelta(days=number) for number in range(8))
        return min(begins for begins, _ends in map(self.opening, (day for day in days if day.weekday() in self.days)) if begins > local)


def windows_from(rows: Sequence[Mapping[str, Any]]) -> list[Window]:
    """The user's list: {days: [mon, tue], start: "22:00", end: "04:00", timezone: Europe/Madrid}."""
    found = []
    for number, row in enumerate(rows, 1):
        days = [str(day).lower()[:3] for day in row.get("days") or _DAYS]
        wrong = [day for day in days if day not in _DAYS]
        if wrong:
            raise ConfigError(f"maintenance window {number} names the day {', '.join(wrong)}; the days are {', '.join(_DAYS)}")
        try:
            start, end = (time.fromisoformat(str(row[key])) for key in ("start", "end"))
        except (KeyError, ValueError) as exc:
            raise ConfigError(
                f"maintenance window {number} needs start and end as HH:MM in quotes (found start {row.get('start')!r}, end "
                f"{row.get('end')!r})"
            ) from exc
        try:
            zone = ZoneInfo(str(row.get("timezone") or "UTC"))
        except (ZoneInfoNotFoundError, ValueError) as exc:
            raise ConfigError(
                f"maintenance window {number} has the time zone {row.get('timezone')}, which this control node does not "
                "know: write it as Europe/Madrid; where it has no time zones, install the Python package tzdata"
            ) from exc
        found.append(Window(tuple(_DAYS.index(day) for day in dict.fromkeys(days)), start, end, zone))
    return found


def is_open(windows: Sequence[Window], now: datetime) -> bool:
    """Without windows it is always time."""
    return not windows or any(one.contains(now) for one in windows)


def next_opening(windows: Sequence[Window], now: datetime) -> datetime:
    """When the first of them opens next."""
    return min(one.next(now) for one in windows)
