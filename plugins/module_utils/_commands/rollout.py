# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Carries a rollout out: wave after wave by the engine of restarts, each with its gate. All it knows is on the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from .._errors import MeshError, NotReady
from .._kube.auth import Dialer
from .._kube.client import Cluster, NotFound
from .._kube.lease import Lock
from .._model.problem import Problem, summary
from .._rollout import gate
from .._rollout.machine import Next
from .._rollout.model import REVISION
from .._rollout.progress import progress_line
from .._rollout.state import FAILED, MOVED, MOVING, PASSED, WAITING, State
from .._rollout.windows import Window, is_open, next_opening
from .._text import counted
from .restart import SHUT, RestartSettings, space_of, thin_namespace
from .rollout_gate import Asking, ask_proxies
from .rollout_memory import RolloutMemory

__all__ = ["Closed", "Rollout", "RolloutSettings"]


class Closed(MeshError):
    """No maintenance window is open; nothing is wrong."""


@dataclass(frozen=True)
class RolloutSettings(RestartSettings):
    """How a run goes about it. slice: seconds after which advance() comes back to tell how far it is; 0 for never.

    labels_to: the namespaces of a wave get this revision first.
    """

    slice: float = 0.0
    windows: tuple[Window, ...] = ()
    labels_from: str = ""
    labels_to: str = ""


class Rollout(RolloutMemory):
    """One mesh's rollout. members: its namespaces, the control plane's among them."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        mesh: str,
        namespace: str,
        members: Sequence[str] | None,
        lock: Lock | None = None,
        settings: RolloutSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings or RolloutSettings()
        super().__init__(
            cluster, mesh=mesh, namespace=namespace, members=members, lock=lock, settings=self.settings, clock=clock, sleep=sleep
        )

    # a wave

    def advance(self, state: State, number: int) -> tuple[State, bool]:
        """Restarts a wave; (state, True) when all of it is done, (state, False) when the slice is over. NotReady when it goes wrong."""
        wave = state.waves[number]
        if wave.state in (WAITING, FAILED):
            self._open(state, number)
            if all(one.state == WAITING for one in state.waves):
                # The control plane may have changed since the waves were made: only pods from now on are new.
                state = replace(state, goal=replace(state.goal, since=self.now()))
            state = state.with_wave(number, state=MOVING, note="")
            self._keep(state)
            state = self._relabel(state, wave.members)
        spent, began = wave.seconds, self.clock()
        limits = replace(self.settings.limits, concurrency=wave.concurrency or self.settings.limits.concurrency)
        for found in self.looks(wave.members, state.goal, limits, may_begin=self._is_open):
            seconds = spent + self.clock() - began
            if SHUT in found.held.values() and not found.under_way:
                self._keep(state.with_wave(number, seconds=seconds))
                raise Closed(
                    f"the maintenance window closed after {len(found.done)} of {counted(len(wave.members), 'workload')} of the wave "
                    f"{wave.name}; it opens again at {self._opening()}"
                )
            if found.failed:
                text = summary(found.failed)
                self._keep(state.with_wave(number, state=FAILED, seconds=seconds, note=text[:1000]))
                raise NotReady(f"cluster {self.cluster.name}: wave {number + 1} of {len(state.waves)}, {wave.name}: {text}")
            if found.finished:
                note = f"{len(found.gone)} are gone: {', '.join(found.gone[:5])}" if found.gone else ""
                state = state.with_wave(number, state=MOVED, seconds=seconds, note=note)
                self._keep(state)
                self.lines.append(self._said(state, number, found, seconds))
                return state, True
            if self.settings.slice and self.clock() - began >= self.settings.slice:
                break
        state = state.with_wave(number, seconds=seconds)
        self._keep(state)
        self.lines.append(self._said(state, number, found, seconds))
        return state, False

    def _said(self, state: State, number: int, found: Next, seconds: float) -> str:
        return progress_line(state, number, found, self.memory, (self.clock(), seconds))

    def _opening(self) -> str:
        return next_opening(self.settings.windows, self.cluster.now()).strftime("%a %Y-%m-%d %H:%M %Z")

    def _is_open(self) -> bool:
        """A window is a time of the cluster, not of whoever's laptop."""
        return not self.settings.windows or is_open(self.settings.windows, self.cluster.now())

    def _open(self, state: State, number: int) -> None:
        if not self._is_open():
            raise Closed(
                f"wave {number + 1} of {len(state.waves)}, {state.waves[number].name}, waits for its maintenance window, which "
                f"opens at {self._opening()}"
            )

    def _relabel(self, state: State, members: Sequence[str]) -> State:
        """Forward: the namespaces of a wave lead to the new revision before it is restarted. Back: to what they were."""
        spaces = {space_of(title) for title in members}
        if state.direction == "back":
            return self.restore_labels(state, spaces)
        came, goes = self.settings.labels_from, self.settings.labels_to
        if not goes or came == goes:
            return state
        found = self.cluster.list("v1", "Namespace", trim=thin_namespace)
        labels = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in found}
        mine = [space for space in sorted(spaces) if labels.get(space, {}).get(REVISION) == came]
        if not mine:
            return state
        state = replace(state, labels={**state.labels, **dict.fromkeys(mine, came)})
        self._keep(state)  # first remembered, then changed: a run that dies in between restores what is as it was
        self.cluster.map(lambda space: self._label(space, goes), mine)
        return state

    def restore_labels(self, state: State, spaces: Iterable[str] | None = None) -> State:
        """Namespaces get the label back that they had; a namespace that somebody labelled otherwise meanwhile is left alone."""
        mine = [space for space in state.labels if spaces is None or space in set(spaces)]
        if not mine:
            return state
        self.cluster.map(lambda space: self._label(space, state.labels[space]), mine)
        state = replace(state, labels={space: value for space, value in state.labels.items() if space not in mine})
        self._keep(state)
        return state

    def _label(self, space: str, value: str) -> None:
        try:
            self._write("v1", "Namespace", space, {"metadata": {"labels": {REVISION: value}}})
        except NotFound:
            return

    # its gate

    def judge(self, state: State, number: int, *, dialer: Dialer | None, asking: Asking) -> tuple[list[Problem], list[str]]:
        """What is wrong with the wave, and what could not be asked."""
        wave = state.waves[number]
        spaces = {space_of(title) for title in wave.members}
        world = self.look(spaces, budgets=False)
        wrong = gate.judge_wave(wave.members, world, state.goal)
        pods = [(pod.namespace, pod.name) for title in wave.members for pod in getattr(world.workloads.get(title), "pods", ())]
        answers = ask_proxies(pods, dialer, asking, self.clock) if dialer is not None and asking.limit else []
        bad, silent = gate.judge_answers(answers, state.goal)
        return wrong + bad, silent

    def passed(self, state: State, number: int) -> State:
        """The wave is good."""
        return self.mark(state, number, PASSED, state.waves[number].note)

    def failed(self, state: State, number: int, rows: Sequence[Problem]) -> None:
        """It is not: remembered, and raised."""
        text = summary(rows)
        self.mark(state, number, FAILED, text)
        where = f"wave {number + 1} of {len(state.waves)}, {state.waves[number].name}"
        raise NotReady(f"cluster {self.cluster.name}: the gate after {where}: {text}")
