# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Measures one step of a canary until it is clear how it went, or until the time for it is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .._canary.counting import VersionCounts
from .._canary.gate import GOOD, OPEN, VIOLATED, CanaryVerdict, figures, judge, judge_pods, outcome, split
from .._canary.intent import PROXIES, SOURCE, Canary
from .._canary.pods import VersionPod
from .._canary.state import CanaryState
from .._errors import FetchError, Forbidden, Unauthorized
from .._kube.progress import Progress
from .._text import counted, shortened, shown
from .traffic_metrics import MetricsReader

__all__ = ["CanaryGateRun", "GateResult"]


@dataclass
class GateResult:
    """How a step went, and for how long it was measured; lines: the same for people."""

    verdict: CanaryVerdict
    seconds: float
    lines: list[str] = field(default_factory=list)


class CanaryGateRun:
    """One measurement. It sleeps between looks and says every ten seconds what it has. watch: asked at each look; raises where somebody
    has changed what is measured."""

    def __init__(
        self,
        canary: Canary,
        state: CanaryState,
        reader: MetricsReader,
        *,
        watch: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.canary, self.state, self.reader, self.watch, self.clock, self.sleep = canary, state, reader, watch, clock, sleep
        self.gate = canary.gate
        self.old_serves = state.weights.get(state.old, 0) > 0
        self.trouble = ""
        self._before: list[VersionPod] = []

    def run(self) -> GateResult:
        """Until it is clear."""
        gate, progress = self.gate, Progress(self.reader.cluster.name, self.clock)
        began = self.clock()
        first: float | None = None
        full = False
        while True:
            pods = self._look()
            now = self.clock()
            if pods is not None and first is None:
                first, self._before = now, pods
            seconds = now - first if first is not None else 0.0
            if first is not None:
                looks = math.ceil(gate.window / gate.interval)
                if seconds >= gate.window:
                    # the look at the end of the window decides with all of the confidence; those before and after it share theirs
                    looks, full = (math.ceil(gate.timeout / gate.interval) if full else 1), True
                verdict = self._verdict(pods, looks)
                if verdict.state == VIOLATED or (full and verdict.state == GOOD):
                    return self._result(verdict, seconds)
            else:
                verdict = CanaryVerdict(OPEN, (self.trouble,))
            if now - began >= gate.timeout:
                return self._result(verdict, seconds)
            if progress.due():
                progress.say(f"{self.state.key} at {self.state.percent} %, {seconds:.0f} of {gate.window:.0f} s: {self._so_far()}")
            left = gate.timeout - (now - began)
            if first is not None and not full:
                left = min(left, gate.window - seconds)
            self.sleep(max(0.05, min(gate.interval, left)))

    def _look(self) -> list[VersionPod] | None:
        """The pods of the new version; None where nobody could be asked, which may pass."""
        try:
            self.watch()
            pods = self.reader.look()
        except (Forbidden, Unauthorized):
            raise
        except FetchError as exc:
            self.trouble = str(exc)
            return None
        self.trouble = ""
        return pods[self.state.new]

    def _counts(self) -> tuple[VersionCounts, VersionCounts]:
        new, old = (self.reader.counts(name) for name in (self.state.new, self.state.old))
        lost = self.reader.unreached()
        if lost.codes and self.canary.measure.reporter == SOURCE:
            # nobody knows which version they were for: the one that is being tried has to answer for them
            codes = dict(new.codes)
            for code, number in lost.codes.items():
                codes[code] = codes.get(code, 0) + number
            new = VersionCounts(codes, new.bounds, new.cumulative)
        return new, old

    def _verdict(self, pods: list[VersionPod] | None, looks: int) -> CanaryVerdict:
        new, old = self._counts()
        found = judge((self.state.new, new), (self.state.old, old), self.gate, old_serves=self.old_serves, looks=looks)
        wrong = judge_pods(self.state.new, self._before, pods, self.gate) if pods is not None else []
        if wrong:
            more = found.reasons if found.state == VIOLATED else ()
            return CanaryVerdict(VIOLATED, (*wrong, *more), found.figures)
        silent = self._silent()
        if silent and found.state == OPEN:
            return CanaryVerdict(OPEN, (*found.reasons, silent), found.figures)
        return found

    def _silent(self) -> str:
        rows = [f"{title}: {why}" for title, why in sorted(self.reader.silent.items())]
        if self.trouble:
            rows.append(self.trouble)
        if not rows and not self.reader.asked and self.canary.measure.source == PROXIES:
            return "no pod that could be asked has a proxy"
        return shortened(rows, 2, "; ")

    def _so_far(self) -> str:
        new, old = self._counts()
        return ", ".join(
            f"{shown(name)} {counted(rows['requests'], 'request')}, {rows['errors']} failed"
            for name, rows in ((self.state.new, figures(new, self.gate)), (self.state.old, figures(old, self.gate)))
        )

    def _result(self, verdict: CanaryVerdict, seconds: float) -> GateResult:
        new, old = self._counts()
        shares = split({self.state.new: new, self.state.old: old}, self.gate.confidence)
        lines = [f"  measured for {seconds:.0f} s: {shares[self.state.new]['text']}, {self.state.percent} % were meant"]
        for name, counts in ((self.state.new, new), (self.state.old, old)):
            lines.append(f"  {shown(name)}: {counted(counts.requests, 'request')}, {outcome(figures(counts, self.gate))}")
        silent = self._silent()
        if silent and verdict.state != OPEN:
            lines.append(f"  not asked: {silent}")
        return GateResult(verdict, seconds, lines)
