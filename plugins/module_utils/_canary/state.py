# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a canary remembers on the cluster, and how it goes from step to step. One JSON text, so that any control node can go on.

Each change is remembered before it is made: a run that is killed between the two makes it again, and one that is killed while it measures
measures again from the beginning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from .._errors import ConfigError
from .._text import shown
from .intent import ALL, Canary, CanaryStep
from .weights import percent_of, shares

__all__ = ["FORMAT", "OF_CANARY", "CanaryState", "Measured", "begin", "canary_name"]

FORMAT = "meshops.mesh/canary/v1"
OF_CANARY = "mesh.meshops.io/canary"  # label: the Service that a ConfigMap remembers the canary of
# What is next: weights are put into place; they are measured; the next step; weights without a gate are put into place; nothing.
SHIFTING, MEASURING, PASSED, SETTLING, OVER = "shifting", "measuring", "passed", "settling", "over"
PROMOTED, ROLLED_BACK, ABORTED = "promoted", "rolled_back", "aborted"
_NOTE = 1000


@dataclass(frozen=True)
class Measured:
    """A step that was measured. figures: of each version."""

    weight: int
    verdict: str
    reason: str
    seconds: float
    at: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CanaryState:
    """All of it. base: the route's weights in the inventory when it began; percent: what of both versions' share is the new one's."""

    id: str
    service: str
    namespace: str
    route: str
    old: str
    new: str
    steps: tuple[CanaryStep, ...]
    base: Mapping[str, int]
    phase: str = PASSED
    position: int = -1
    percent: int = 0
    paused: bool = False
    outcome: str = ""
    reason: str = ""
    by: str = ""
    images: tuple[str, ...] = ()
    history: tuple[Measured, ...] = ()

    @property
    def key(self) -> str:
        """namespace/service."""
        return f"{self.namespace}/{self.service}"

    @property
    def over(self) -> bool:
        return self.phase == OVER

    @property
    def left(self) -> int:
        """How many steps have not passed."""
        return 0 if self.over or self.phase == SETTLING else len(self.steps) - self.position - (1 if self.phase == PASSED else 0)

    @property
    def weights(self) -> dict[str, int]:
        """Of the route, as they should be in place."""
        return dict(self.base) if self.percent == self.start else shares(self.base, self.old, self.new, self.percent)

    @property
    def start(self) -> int:
        """The percentage at which it began: mostly 0."""
        return percent_of(self.base, self.old, self.new)

    @property
    def said(self) -> str:
        """In one line."""
        way = f"canary {self.key} {self.old} -> {self.new}"
        if self.over:
            return f"{way}: {self.outcome.replace('_', ' ')}" + (f" ({self.reason})" if self.reason else "")
        at = f"step {self.position + 1} of {len(self.steps)}, {self.percent} %"
        word = {SHIFTING: "being put into place", MEASURING: "not measured yet", PASSED: "passed", SETTLING: "on the way back"}[self.phase]
        if self.position < 0 and self.phase == PASSED:
            at, word = f"at {self.percent} %", "not begun"
        return f"{way}: {at}, {'paused' if self.paused else word}" + (f" ({self.reason})" if self.reason else "")

    # from step to step

    def shifted(self) -> CanaryState:
        """The next step, or the one that a run before did not finish."""
        if self.phase in (SHIFTING, MEASURING):
            return replace(self, phase=SHIFTING)
        if self.phase != PASSED or self.position + 1 >= len(self.steps):
            return self
        return replace(self, phase=SHIFTING, position=self.position + 1, percent=self.steps[self.position + 1].weight, reason="")

    def measuring(self) -> CanaryState:
        """The weights are in place."""
        return replace(self, phase=MEASURING)

    def passed(self, measured: Measured) -> CanaryState:
        """The step is good; with the last one it is over. A step with a pause waits for somebody."""
        history = (*self.history, measured)
        if self.position + 1 >= len(self.steps):
            return replace(self, phase=OVER, outcome=PROMOTED, reason="", history=history, paused=False)
        paused = self.steps[self.position].pause
        reason = f"paused after {self.percent} % as its steps say" if paused else ""
        return replace(self, phase=PASSED, history=history, paused=paused, reason=reason)

    def held(self, measured: Measured) -> CanaryState:
        """Nothing is known for sure: the weights stay, and the next run measures again."""
        return replace(self, phase=MEASURING, history=(*self.history, measured), reason=measured.reason[:_NOTE])

    def failed(self, measured: Measured, how: str) -> CanaryState:
        """Back: to where it began, or to the step before."""
        return replace(self.back(measured.reason, ROLLED_BACK, how), history=(*self.history, measured))

    def back(self, reason: str, outcome: str, how: str = ALL) -> CanaryState:
        """The way back. outcome: why it ends."""
        to_step = how != ALL and self.position > 0
        percent = self.steps[self.position - 1].weight if to_step else self.start
        position = self.position - 1 if to_step else -1
        return replace(
            self,
            phase=SETTLING,
            percent=percent,
            position=position,
            outcome="" if to_step else outcome,
            reason=reason[:_NOTE],
            paused=to_step,
        )

    def settled(self) -> CanaryState:
        """The weights that no gate is asked about are in place."""
        if self.phase != SETTLING:
            return self
        return replace(self, phase=OVER if self.outcome else PASSED)

    def promoted(self, reason: str) -> CanaryState:
        """All of it at once, because somebody says so: no gate is asked any more."""
        return replace(
            self, phase=SETTLING, position=len(self.steps) - 1, percent=100, outcome=PROMOTED, reason=reason[:_NOTE], paused=False
        )

    def pause(self, reason: str) -> CanaryState:
        """It stays where it is until somebody resumes it."""
        return replace(self, paused=True, reason=reason[:_NOTE])

    def resume(self) -> CanaryState:
        """It goes on."""
        return replace(self, paused=False, reason="")

    # as it is kept

    def to_json(self) -> str:
        """As it is kept."""
        data = asdict(self)
        data["history"] = data["history"][-20:]
        return json.dumps({"format": FORMAT, **data}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, where: str) -> CanaryState:
        """Refuses what somebody else wrote there, or a later release."""
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT:
                raise ConfigError(
                    f"{where} was written by another release than this one, which reads {FORMAT}: go on with the one that began it"
                )
            data["steps"] = tuple(CanaryStep(**row) for row in data["steps"])
            data["history"] = tuple(Measured(**row) for row in data["history"])
            data["images"] = tuple(data["images"])
            state = cls(**data)
            if not isinstance(state.base, dict) or state.phase not in (SHIFTING, MEASURING, PASSED, SETTLING, OVER):
                raise TypeError("its fields are of other types")
            return state
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ConfigError(
                f"{where} does not hold a canary that can be read ({type(exc).__name__}: {shown(str(exc)[:120])}); put the weights "
                "that you want into mesh_traffic, delete it, and begin anew"
            ) from exc


def canary_name(service: str) -> str:
    """Of the ConfigMap that remembers a service's canary, and of the Lease of who is at work."""
    return f"canary-{service}"


def begin(canary: Canary, *, now: datetime, by: str, images: Sequence[str] = ()) -> CanaryState:
    """A new one; now is the API server's clock."""
    about = (canary.service, canary.namespace, canary.route, canary.old, canary.new, canary.steps)
    state = CanaryState(now.strftime("%Y%m%dT%H%M%SZ"), *about, dict(canary.base), by=by, images=tuple(images))
    return replace(state, percent=state.start)
