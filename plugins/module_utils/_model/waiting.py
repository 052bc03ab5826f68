# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a wait decides after each look at the objects: pure, the caller brings the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._errors import NotReady
from .._text import shortened
from .objects import Ref
from .readiness import Readiness

__all__ = ["REMEDY", "Waiter"]

REMEDY = "look at these objects and their events, or give more time (wait_timeout; in an inventory deliver_wait_timeout)"

_SHOWN = 10  # a thousand workloads that are late have mostly one reason


@dataclass
class Waiter:
    """Objects that are not ready yet, with the last reason of each and since when it stands."""

    cluster: str
    pending: dict[Ref, Readiness]
    since: dict[Ref, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def start(cls, cluster: str, refs: list[Ref]) -> Waiter:
        """Nothing has been looked at yet."""
        return cls(cluster, {ref: Readiness.waiting("NotSeen", "not looked at yet") for ref in refs})

    def step(self, seen: Mapping[Ref, Readiness], now: float) -> bool:
        """Take a look's results in; True when all is ready; raises when one has failed for good."""
        failed = []
        for ref, state in seen.items():
            if state.state == "ready":
                self.pending.pop(ref, None)
                self.since.pop(ref, None)
                continue
            self.pending[ref] = state
            text = f"{state.state} {state.reason} {state.message}"
            if self.since.get(ref, ("", now))[0] != text:
                self.since[ref] = (text, now)
            if state.state == "failed" and now - self.since[ref][1] >= state.grace:
                failed.append(ref)
        if failed:
            raise NotReady(f"cluster {self.cluster}: {self._lines(failed)}; this does not heal by waiting: correct it and run again")
        return not self.pending

    def expired(self, seconds: float, what: str = "not ready", remedy: str = REMEDY) -> NotReady:
        """The error of a wait that ran out of time."""
        lines = self._lines(sorted(self.pending))
        return NotReady(f"cluster {self.cluster}: {what} after {seconds:.0f} s: {lines}; {remedy}")

    def line(self, limit: int) -> str:
        """What is not ready yet, as far as it fits."""
        return self._lines(sorted(self.pending), limit)

    def _lines(self, refs: list[Ref], limit: int = _SHOWN) -> str:
        return shortened((f"{ref}: {self.pending[ref].reason}: {self.pending[ref].message}" for ref in refs), limit, "; ")
