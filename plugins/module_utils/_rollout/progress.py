# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Lines for people while a rollout works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._text import counted
from .machine import TURN, Next, WaveMemory, slowest
from .model import RolloutObservation
from .state import PASSED, State
from .waves import PlannedWave

__all__ = ["estimate", "plan_lines", "progress_line", "seconds_text", "state_lines"]

_SHOWN = 10


def seconds_text(seconds: float) -> str:
    """42 s, 3 min, 2 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def estimate(state: State, done_now: int, seconds_now: float) -> float | None:
    """Seconds that are left at the rate of this rollout so far; None before there is one."""
    done = sum(len(wave.members) for wave in state.waves if wave.state == PASSED) + done_now
    spent = sum(wave.seconds for wave in state.waves if wave.state == PASSED) + seconds_now
    return (state.total - done) * spent / done if done and spent else None


def plan_lines(planned: Sequence[PlannedWave], world: RolloutObservation) -> list[str]:
    """The waves, and who is left alone."""
    lines = []
    for number, wave in enumerate(planned, 1):
        pods = sum(len(world.workloads[title].pods) for title in wave.members)
        lines.append(
            f"wave {number} of {len(planned)}, {wave.name}: {counted(len(wave.members), 'workload')}, {counted(pods, 'pod')}"
            f"{f', {wave.concurrency} at a time' if wave.concurrency else ''}"
        )
    return (
        lines
        + [f"  left alone: {one}" for one in world.loose[:_SHOWN]]
        + ([f"  left alone: {counted(len(world.loose) - _SHOWN, 'more pod')}"] if len(world.loose) > _SHOWN else [])
    )


def state_lines(state: State) -> list[str]:
    """How the waves stand."""
    words = {"passed": "passed", "moved": "restarted, its gate is next", "moving": "under way", "failed": "failed", "waiting": "waits"}
    return [
        f"wave {number} of {len(state.waves)}, {wave.name}: {words[wave.state]}, {counted(len(wave.members), 'workload')}"
        f"{f' in {seconds_text(wave.seconds)}' if wave.seconds else ''}{f': {wave.note}' if wave.note else ''}"
        for number, wave in enumerate(state.waves, 1)
    ]


def progress_line(state: State, number: int, found: Next, memory: WaveMemory, times: tuple[float, float]) -> str:
    """Wave, done of total, slowest, estimate. times: now, and the seconds that this wave has taken."""
    now, spent = times
    wave = state.waves[number]
    done = len(found.done) + len(found.gone)
    parts = [f"wave {number + 1} of {len(state.waves)}, {wave.name}: {done} of {len(wave.members)} done"]
    if found.under_way or found.start:
        parts.append(f"{len(found.under_way) + len(found.start)} under way")
    held = [reason for reason in found.held.values() if reason != TURN]
    if held:
        parts.append(f"{len(held)} held up ({held[0]})")
    who, seconds = slowest(memory, found.under_way, now)
    if who:
        parts.append(f"slowest {who} {seconds_text(seconds)}: {_short(found.under_way, who)}")
    left = estimate(state, done, spent)
    if left is not None and left >= 1:
        parts.append(f"about {seconds_text(left)} left")
    return ", ".join(parts)


def _short(reasons: Mapping[str, str], who: str) -> str:
    text = reasons[who]
    return text if len(text) <= 90 else text[:87] + "..."
