# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What an HTTP answer's Date says about the cluster's clock and ours. Pure: the caller brings both times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

__all__ = ["TOLERANCE", "ClockReading", "clock_text", "invalid_at", "read_clock", "utc_now"]

TOLERANCE = 60.0  # seconds; what is issued is backdated by more than that


def utc_now() -> datetime:
    """The control node's clock."""
    return datetime.now(UTC)


def clock_text(moment: datetime) -> str:
    """A moment as every message writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class ClockReading:
    """theirs: the Date header; ours: the control node's clock when its answer was there; took: how long the request took, in seconds."""

    theirs: datetime
    ours: datetime
    took: float = 0.0

    @property
    def ahead(self) -> float:
        """By how many seconds the cluster is ahead at least; 0 where the reading is that of a clock which may be right.

        Date drops the fraction of its second, and was written at some moment of the request: a right clock may seem a second ahead, or
        behind by as long as the request took.
        """
        least = (self.theirs - self.ours).total_seconds()
        most = least + 1.0 + max(0.0, self.took)
        return least if least > 0 else most if most < 0 else 0.0

    @property
    def agrees(self) -> bool:
        """Whether the two clocks are near enough to each other to work with both."""
        return abs(self.ahead) <= TOLERANCE

    def cluster_time(self, ours: datetime) -> datetime:
        """What the cluster's clock says when ours says this."""
        return ours + timedelta(seconds=self.ahead)

    def difference(self) -> str:
        """Both times, for a message."""
        side = "ahead" if self.ahead < 0 else "behind"
        return (
            f"the API server's clock says {clock_text(self.theirs)} and the clock of this control node {clock_text(self.ours)}, "
            f"which is {abs(self.ahead):.0f} s {side}"
        )


def read_clock(headers: Mapping[str, str], ours: datetime, took: float) -> ClockReading | None:
    """The reading of an answer; None where it does not say its time, or comes from a cache and says an old one."""
    found = {name.lower(): value for name, value in headers.items() if name.lower() in ("date", "age")}
    if "date" not in found or found.get("age", "0") != "0":
        return None
    try:
        theirs = parsedate_to_datetime(found["date"])
    except ValueError:
        return None
    return ClockReading(theirs.replace(tzinfo=theirs.tzinfo or UTC).astimezone(UTC), ours, took)


def invalid_at(not_before: datetime, not_after: datetime, now: datetime, *, tolerance: float = TOLERANCE) -> str:
    """Why a certificate with these dates is of no use now; empty where it is valid."""
    if not_before > now + timedelta(seconds=tolerance):
        return f"is not valid before {clock_text(not_before)}, and the cluster's clock says {clock_text(now)}"
    if not_after <= now:
        return f"expired at {clock_text(not_after)}, and the cluster's clock says {clock_text(now)}"
    return ""
