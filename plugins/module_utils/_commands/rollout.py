# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Carries a rollout out: looks, restarts who may begin, waits, asks the new proxies. All it knows is on the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._errors import Conflict, MeshError, NotReady, TooManyRequests, Unreachable
from .._kube.auth import Dialer
from .._kube.client import Cluster, NotFound
from .._kube.lease import Lock
from .._rollout import gate
from .._rollout.machine import Blocked, Next, RestartLimits, WaveMemory, step, unsure
from .._rollout.model import KINDS, RESTARTED, REVISION, Goal, RolloutObservation
from .._rollout.progress import blocked_text, progress_line
from .._rollout.state import FAILED, MOVED, MOVING, PASSED, WAITING, State
from .._rollout.windows import Window, is_open, next_opening
from .rollout_gate import Asking, ask_proxies
from .rollout_memory import BUDGET, POD, RolloutMemory, Rows, space_of, thin_namespace

__all__ = ["Closed", "Rollout", "RolloutSettings"]

_AWAY = (Unreachable, TooManyRequests)
_PASSING = 0.3


class Closed(MeshError):
    """No maintenance window is open; nothing is wrong."""


@dataclass(frozen=True)
class RolloutSettings:
    """How a run goes about it. slice: seconds after which advance() comes back to tell how far it is; 0 for never.

    outage: for so long the API server may be away in the middle of a wave. labels_to: the namespaces of a wave get this revision first.
    """

    limits: RestartLimits = field(default_factory=RestartLimits)
    interval: float = 1.0
    slice: float = 0.0
    outage: float = 300.0
    windows: tuple[Window, ...] = ()
    labels_from: str = ""
    labels_to: str = ""


# So many looks are between two lists of the same, where nothing else says that it has changed: pods are most of what a list costs, and
# their workload's status tells when they are there; a namespace without a budget seldom gets one.
_PODS_EVERY, _BUDGETS_EVERY = 5, 10


def _settled(rows: Rows, members: Iterable[str], found: Next, looks: int) -> Rows:
    """What the next look need not ask for again.

    All of namespaces that are done (the gate looks once more), that there is no budget, and for some looks the pods.
    """
    over = {*found.done, *found.gone}
    busy = {space_of(title) for title in members if title not in over}

    def still_true(kind: str, space: Any) -> bool:
        if space not in busy:
            return space is not None
        return bool((kind == POD and looks % _PODS_EVERY) or (kind == BUDGET and not rows[kind, space] and looks % _BUDGETS_EVERY))

    return {key: part for key, part in rows.items() if still_true(*key)}


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
        super().__init__(cluster, mesh=mesh, namespace=namespace, members=members, lock=lock)
        self.settings = settings or RolloutSettings()
        self.clock, self.sleep = clock, sleep
        self.memory = WaveMemory()
        self.restarted: list[str] = []
        self.lines: list[str] = []
        self._known: tuple[list[dict[str, Any]], list[dict[str, Any]]] | None = None

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
        spaces = sorted({space_of(title) for title in wave.members})
        kinds = [kind for kind in KINDS if any(title.startswith(f"{kind} ") for title in wave.members)]
        pause = min(_PASSING, self.settings.interval)
        kept: Rows = {}
        looks = 0
        while True:
            looks += 1
            looked = self.clock()
            world = self._look_at(wave.members, state.goal, spaces, kinds, kept)
            looked = self.clock() - looked
            found = step(wave.members, world, state.goal, limits=limits, memory=self.memory, now=self.clock())
            seconds = spent + self.clock() - began
            if found.start and not self._is_open():
                found.start = []
                if not found.under_way:
                    self._keep(state.with_wave(number, seconds=seconds))
                    raise Closed(
                        f"the maintenance window closed after {len(found.done)} of {len(wave.members)} workloads of the wave "
                        f"{wave.name}; it opens again at {self._opening()}"
                    )
            self._restart(found.start, state)
            if found.failed:
                text = blocked_text(found.failed)
                self._keep(state.with_wave(number, state=FAILED, seconds=seconds, note=text[:1000]))
                raise NotReady(f"cluster {self.cluster.name}: wave {number + 1} of {len(state.waves)}, {wave.name}: {text}")
            if found.finished:
                note = f"{len(found.gone)} are gone: {', '.join(found.gone[:5])}" if found.gone else ""
                state = state.with_wave(number, state=MOVED, seconds=seconds, note=note)
                self._keep(state)
                self.lines.append(self._said(state, number, found, seconds))
                return state, True
            if self.settings.slice and self.clock() - began >= self.settings.slice:
                state = state.with_wave(number, seconds=seconds)
                self._keep(state)
                self.lines.append(self._said(state, number, found, seconds))
                return state, False
            kept = _settled(kept, wave.members, found, looks)
            # An API server that answers slowly has enough to do: it makes the pods that this waits for.
            self.sleep(max(pause, min(looked, 3 * self.settings.interval)))
            pause = min(pause * 1.3, self.settings.interval)

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

    def _look_at(self, members: Sequence[str], goal: Goal, spaces: Sequence[str], kinds: Sequence[str], kept: Rows) -> RolloutObservation:
        """A look in which no workload is unfinished only because its pods are those of an earlier one."""
        old = {space for kind, space in kept if kind == POD}
        world = self._look_patiently(spaces, kinds, kept)
        again = unsure(members, world, goal) & old
        if not again:
            return world
        for space in again:
            del kept[POD, space]
        return self._look_patiently(spaces, kinds, kept)

    def _look_patiently(self, spaces: Sequence[str], kinds: Sequence[str], kept: Rows) -> RolloutObservation:
        """An API server that is away for a while ends no wave: what was begun goes on without us."""
        began = self.clock()
        while True:
            try:
                world = self.look(spaces, kinds, budgets=self.settings.limits.respect_budgets, kept=kept)
            except _AWAY as exc:
                if self.clock() - began >= self.settings.outage:
                    raise
                self.lines.append(f"the API server is away: {str(exc).splitlines()[0]}")
                self.sleep(self.settings.interval)
                continue
            away = self.clock() - began
            if away > 2 * self.cluster.timeout:
                self.memory.shift(away)
            return world

    def _restart(self, titles: Sequence[str], state: State) -> None:
        """One annotation each, the same for all of this rollout: a second time changes nothing."""
        stamp = (state.goal.since or self.cluster.now()).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: stamp}}}}}

        def one(title: str) -> str:
            kind, _space, full = title.partition(" ")
            namespace, _slash, name = full.partition("/")
            try:
                self._write("apps/v1", kind, name, body, namespace=namespace)
            except NotFound:  # deleted meanwhile: the next look says so
                return ""
            except Conflict as exc:
                if "being deleted" not in str(exc):
                    raise
                return ""
            return title

        self.restarted += [title for title in self.cluster.map(one, titles) if title]
        now = self.clock()
        for title in titles:
            self.memory.began.setdefault(title, now)

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

    def judge(self, state: State, number: int, *, dialer: Dialer | None, asking: Asking) -> tuple[list[Blocked], list[str]]:
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

    def failed(self, state: State, number: int, rows: Sequence[Blocked]) -> None:
        """It is not: remembered, and raised."""
        text = blocked_text(rows)
        self.mark(state, number, FAILED, text)
        where = f"wave {number + 1} of {len(state.waves)}, {state.waves[number].name}"
        raise NotReady(f"cluster {self.cluster.name}: the gate after {where}: {text}")
