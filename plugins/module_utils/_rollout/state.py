# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a rollout remembers on the cluster: one JSON text in a ConfigMap, so that any control node can go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .._errors import ConfigError
from .model import Goal
from .reading import parse_time
from .waves import PlannedWave

__all__ = ["FORMAT", "State", "Wave", "back", "begin", "same_goal"]

FORMAT = "meshops.mesh/rollout/v1"
WAITING, MOVING, MOVED, PASSED, FAILED = "waiting", "moving", "moved", "passed", "failed"


@dataclass(frozen=True)
class Wave:
    """A wave as it stands. waiting; moving: its workloads are being restarted; moved: its gate is next; passed; failed, with the reason."""

    name: str
    members: tuple[str, ...]
    gateways: bool = False
    concurrency: str = ""
    state: str = WAITING
    seconds: float = 0.0
    note: str = ""

    @property
    def over(self) -> bool:
        """Nothing is left to do for it."""
        return self.state == PASSED


@dataclass(frozen=True)
class State:
    """All of it. origin: where it came from, and goes back to; labels: those of namespaces that we changed, with the old value."""

    id: str
    reason: str
    goal: Goal
    origin: Goal
    waves: tuple[Wave, ...] = ()
    direction: str = "forward"
    over: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    baseline: tuple[str, ...] = ()
    by: str = ""

    def next_wave(self) -> int | None:
        """The first wave that has not passed."""
        return next((number for number, wave in enumerate(self.waves) if not wave.over), None)

    def with_wave(self, number: int, **fields: Any) -> State:
        """The same with one wave changed."""
        waves = list(self.waves)
        waves[number] = replace(waves[number], **fields)
        return replace(self, waves=tuple(waves))

    def add_late(self, members: Iterable[str], *, gateways: bool = False) -> State:
        """Workloads that came after the waves were made get a wave at the end."""
        known = {title for wave in self.waves for title in wave.members}
        late = tuple(sorted(set(members) - known))
        if not late:
            return self
        number = sum(wave.name.startswith("late") for wave in self.waves)
        name = "late" if not number else f"late-{number + 1}"
        return replace(self, waves=(*self.waves, Wave(name, late, gateways)))

    @property
    def moved(self) -> int:
        """How many workloads are in waves that have passed."""
        return sum(len(wave.members) for wave in self.waves if wave.over)

    @property
    def total(self) -> int:
        """How many workloads all waves have."""
        return sum(len(wave.members) for wave in self.waves)

    def to_json(self) -> str:
        """As it is kept."""
        rows = [
            {
                "name": one.name,
                "members": list(one.members),
                "gateways": one.gateways,
                "concurrency": one.concurrency,
                "state": one.state,
                "seconds": round(one.seconds, 1),
                "note": one.note,
            }
            for one in self.waves
        ]
        data = {
            "format": FORMAT,
            "id": self.id,
            "reason": self.reason,
            "goal": _goal(self.goal),
            "origin": _goal(self.origin),
            "waves": rows,
            "direction": self.direction,
            "over": self.over,
            "labels": self.labels,
            "baseline": list(self.baseline),
            "by": self.by,
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, where: str) -> State:
        """Refuses what somebody else wrote there, or a later release."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ConfigError(
                    f"{where} has the format {data['format']}, this release reads {FORMAT}: go on with the release that began it"
                )
            waves = tuple(
                Wave(row["name"], tuple(row["members"]), row["gateways"], row["concurrency"], row["state"], row["seconds"], row["note"])
                for row in data["waves"]
            )
            return cls(
                data["id"],
                data["reason"],
                _read_goal(data["goal"]),
                _read_goal(data["origin"]),
                waves,
                data["direction"],
                data["over"],
                data["labels"],
                tuple(data["baseline"]),
                data["by"],
            )
        except (ValueError, KeyError, TypeError) as exc:
            raise ConfigError(
                f"{where} does not hold a rollout that can be read ({type(exc).__name__}: {exc}); delete it to begin anew: "
                "what was restarted already is seen by its pods"
            ) from exc


def _goal(goal: Goal) -> dict[str, Any]:
    runs = {"runs": goal.runs} if goal.runs else {}
    return {"version": goal.version, "revision": goal.revision, "since": goal.since.isoformat() if goal.since else None, **runs}


def _read_goal(data: dict[str, Any]) -> Goal:
    return Goal(data["version"], data["revision"], parse_time(data["since"]), data.get("runs", ""))


def same_goal(state: State, goal: Goal, reason: str) -> bool:
    """Whether a run that asks for this goes on with that rollout. A restart for a reason is another one when the reason is another."""
    mine = (state.goal.version, state.goal.revision)
    return mine == (goal.version, goal.revision) and (any(mine) or state.reason == reason)


def begin(planned: Sequence[PlannedWave], goal: Goal, origin: Goal, *, reason: str, now: datetime, by: str) -> State:
    """A new rollout; now is the API server's clock."""
    waves = tuple(Wave(one.name, one.members, one.gateways, one.concurrency) for one in planned)
    return State(now.strftime("%Y%m%dT%H%M%SZ"), reason, replace(goal, since=now), origin, waves, by=by)


def back(state: State, now: datetime) -> State:
    """The same machine the other way: what was begun goes back, the last wave first."""
    if state.direction == "back":
        return state
    begun = [replace(wave, state=WAITING, seconds=0.0, note="") for wave in reversed(state.waves) if wave.state != WAITING]
    return replace(state, direction="back", over=not begun, waves=tuple(begun), goal=replace(state.origin, since=now), origin=state.goal)
