# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What is next inside a wave: who is done, who may begin, who is in the way. The caller brings the look and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.problem import Problem
from .._text import counted
from .model import REVISION, Budget, Goal, RestartedWorkload, RolloutObservation
from .reading import matches
from .waves import width

__all__ = ["TURN", "Next", "RestartLimits", "WaveMemory", "budgets_of", "slowest", "step", "unsure", "why_behind"]

TURN = "it waits for its turn"
_IMAGE_GRACE = 30.0  # a registry may hiccup, a node may have to try again


@dataclass(frozen=True)
class RestartLimits:
    """Seconds that one workload may take, that a budget may hold it up; whether budgets count at all."""

    workload: float = 300.0
    budget: float = 600.0
    respect_budgets: bool = True
    concurrency: str = ""


@dataclass
class WaveMemory:
    """What a run has seen of a wave so far; a run that goes on after another one begins with an empty one."""

    began: dict[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)  # seconds that each took
    troubled: dict[str, tuple[str, float]] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)
    least_ready: dict[str, int] = field(default_factory=dict)  # gateways

    def ages(self, now: float) -> dict[str, Any]:
        """For the next call of the module, whose clock may be another one."""
        return {
            "began": {name: round(now - at, 1) for name, at in self.began.items()},
            "held": {name: round(now - at, 1) for name, at in self.held.items()},
            "troubled": {name: [text, round(now - at, 1)] for name, (text, at) in self.troubled.items()},
            "done": {name: round(took, 1) for name, took in self.done.items()},
            "least_ready": dict(self.least_ready),
        }

    @classmethod
    def from_ages(cls, data: Mapping[str, Any], now: float) -> WaveMemory:
        """The other way round."""
        return cls(
            {name: now - float(age) for name, age in (data.get("began") or {}).items()},
            dict(data.get("done") or {}),
            {name: (str(text), now - float(age)) for name, (text, age) in (data.get("troubled") or {}).items()},
            {name: now - float(age) for name, age in (data.get("held") or {}).items()},
            dict(data.get("least_ready") or {}),
        )

    def shift(self, seconds: float) -> None:
        """Time in which nothing could be seen (the API server was away) counts for nobody."""
        self.began = {name: at + seconds for name, at in self.began.items()}
        self.held = {name: at + seconds for name, at in self.held.items()}
        self.troubled = {name: (text, at + seconds) for name, (text, at) in self.troubled.items()}


@dataclass
class Next:
    """What to do now. start: to be restarted; finished: nothing is left. failed ends the wave."""

    start: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    under_way: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)
    finished: bool = False


def budgets_of(one: RestartedWorkload, world: RolloutObservation) -> list[Budget]:
    """The disruption budgets that its pods count for."""
    return [
        budget
        for budget in world.budgets
        if budget.namespace == one.namespace and any(matches(budget.selector, pod.labels) for pod in one.pods)
    ]


def _heeded(one: RestartedWorkload, world: RolloutObservation) -> list[Budget]:
    """The budgets that its restart has to respect: none where no pod is away.

    Not those of a DaemonSet: the disruption controller cannot tell how many pods it shall have, and then allows nothing for good.
    """
    return budgets_of(one, world) if one.cost and (one.gateway or one.kind != "DaemonSet") else []


def _hopeless(one: RestartedWorkload, budgets: Sequence[Budget]) -> Problem | None:
    """A restart that no waiting makes possible."""
    if one.obstacle:
        return Problem(one.title, one.obstacle, "do that, or leave it out of the waves")
    if one.gateway and one.cost and one.wanted - one.cost < 1:
        return Problem(
            one.title,
            f"it is a gateway with {counted(one.wanted, 'replica')} of which {one.cost} may be "
            "away at once, so there would be a moment without a ready one",
            "give it a rolling update with maxUnavailable 0, or more replicas",
        )
    for budget in budgets:
        if budget.possible < one.cost:
            return Problem(
                one.title,
                f"{budget.title} lets {budget.possible} pods go even when all are ready, and a restart takes {one.cost} away at once",
                "give the workload more replicas or maxUnavailable 0, change the budget, or say budgets: ignore",
            )
    return None


def why_behind(one: RestartedWorkload, world: RolloutObservation, goal: Goal) -> str:
    """Why its new pods are not what the goal wants, as far as labels tell."""
    pod = one.behind(goal)[0]
    have = Goal(pod.version, pod.revision).text if pod.version or pod.revision else "neither version nor revision"
    said = f"its new pod {pod.name} has a proxy of {have}, expected {goal.text}"
    space = world.revisions.get(one.namespace, "")
    if one.own_revision and one.own_revision != space:
        return (
            f"{said}: its pod template has the label {REVISION}={one.own_revision}, its namespace "
            f"{f'{REVISION}={space}' if space else 'none'}, and the pod's label wins"
        )
    if goal.revision and pod.revision and pod.revision != goal.revision:
        return f"{said}: the label {REVISION}={one.own_revision or space or 'default'} leads there"
    return f"{said}: does an annotation (sidecar.istio.io/proxyImage) or another webhook set it?"


def _cost_in_flight(budget: Budget, world: RolloutObservation, names: Sequence[str]) -> int:
    total = 0
    for name in names:
        one = world.workloads.get(name)
        if one is not None and budget in budgets_of(one, world):
            total += one.cost
    return total


def _may_begin(one: RestartedWorkload, budgets: Sequence[Budget], world: RolloutObservation, out: Next) -> str:
    """Empty, or which budget says no at the moment."""
    for budget in budgets:
        # What is under way counts in the budget's own status, once the disruption controller has seen it.
        allowed = min(budget.allowed, budget.possible - _cost_in_flight(budget, world, [*out.under_way]))
        left = allowed - _cost_in_flight(budget, world, out.start)
        if left < one.cost:
            return f"{budget.title} allows {max(0, left)} disruptions at the moment, a restart takes {one.cost}"
    return ""


def _is_done(one: RestartedWorkload, goal: Goal) -> bool:
    return one.said[0] == "ready" and not one.behind(goal) and all(pod.ready for pod in one.pods) and len(one.pods) >= one.wanted


def _trouble(one: RestartedWorkload, memory: WaveMemory, now: float) -> Problem | None:
    """A new pod that does not come up, once that has stood for a while."""
    text = "; ".join(dict.fromkeys(f"Pod {pod.namespace}/{pod.name}: {pod.trouble}" for pod in one.pods if pod.trouble))
    if one.said[0] == "failed":
        text = text or one.said[1]
    if not text:
        memory.troubled.pop(one.title, None)
        return None
    since = memory.troubled.setdefault(one.title, (text, now))[1]
    if now - since < _IMAGE_GRACE:
        return None
    return Problem(one.title, text, f"kubectl describe {one.kind.lower()} {one.name} -n {one.namespace}")


@dataclass
class _Look:
    """One look at a wave."""

    world: RolloutObservation
    goal: Goal
    limits: RestartLimits
    memory: WaveMemory
    now: float
    out: Next = field(default_factory=Next)

    def place(self, title: str) -> RestartedWorkload | None:
        """Puts one member where it belongs; returns it when it could begin."""
        one = self.world.workloads.get(title)
        if one is None or one.namespace in self.world.going:
            self.out.gone.append(title)
            return None
        if one.gateway:
            self.memory.least_ready[title] = min(one.ready, self.memory.least_ready.get(title, one.ready))
        if (not one.wanted and not one.pods) or _is_done(one, self.goal):
            self.out.done.append(title)
            if title in self.memory.began:
                self.memory.done.setdefault(title, self.now - self.memory.began[title])
            return None
        if not one.stamped(self.goal) and one.behind(self.goal):
            return one
        self._wait_for(one)
        return None

    def _wait_for(self, one: RestartedWorkload) -> None:
        """It was restarted, by us or by somebody else."""
        since = self.memory.began.setdefault(one.title, self.now)
        trouble = _trouble(one, self.memory, self.now)
        said = one.said[1] or "its pods are not ready"
        if one.said[0] == "ready" and one.behind(self.goal):
            said = why_behind(one, self.world, self.goal)
        if trouble is not None:
            self.out.failed.append(trouble)
        elif self.now - since >= self.limits.workload:
            self.out.failed.append(
                Problem(
                    one.title,
                    f"it has not come back after {self.now - since:.0f} s: {said}",
                    f"kubectl describe {one.kind.lower()} {one.name} -n {one.namespace}",
                )
            )
        else:
            self.out.under_way[one.title] = said

    def decide(self, one: RestartedWorkload, free: int) -> None:
        """Begin, wait, or never."""
        budgets = _heeded(one, self.world) if self.limits.respect_budgets else []
        blocked = _hopeless(one, budgets)
        if blocked is not None:
            self.out.failed.append(blocked)
            return
        reason = _may_begin(one, budgets, self.world, self.out)
        if not reason and one.gateway and one.cost and one.ready - one.cost < 1:
            reason = f"{one.ready} of its {one.wanted} pods are ready, and a restart takes {one.cost} away"
        if reason and any(_cost_in_flight(budget, self.world, [*self.out.under_way, *self.out.start]) for budget in budgets):
            # Others of this wave use the budget: they have a time limit of their own.
            self.memory.held.pop(one.title, None)
            self.out.held[one.title] = reason
        elif reason:
            self._hold(one, reason)
        elif free > len(self.out.start) and not self.out.failed:
            self.memory.held.pop(one.title, None)
            self.out.start.append(one.title)
        else:
            self.out.held.setdefault(one.title, TURN)

    def _hold(self, one: RestartedWorkload, reason: str) -> None:
        spent = self.now - self.memory.held.setdefault(one.title, self.now)
        if spent >= self.limits.budget:
            self.out.failed.append(
                Problem(
                    one.title, f"held up for {spent:.0f} s: {reason}", "bring the pods of that budget back to ready, or say budgets: ignore"
                )
            )
        else:
            self.out.held[one.title] = reason


def step(members: Sequence[str], world: RolloutObservation, goal: Goal, *, limits: RestartLimits, memory: WaveMemory, now: float) -> Next:
    """The next step of a wave. Only what it returns in `start` is to be written."""
    look = _Look(world, goal, limits, memory, now)
    ready_to_go = [one for one in map(look.place, members) if one is not None]
    free = width(limits.concurrency, len(members)) - len(look.out.under_way)
    for one in ready_to_go:
        look.decide(one, free)
    out = look.out
    if out.failed:
        out.start = []  # nothing more is begun once something has gone wrong
    out.finished = not (out.start or out.under_way or out.held or out.failed)
    return out


def unsure(members: Sequence[str], world: RolloutObservation, goal: Goal) -> set[str]:
    """Namespaces with a member that says it is ready while its pods, as they were seen some looks ago, are not what the goal wants."""
    rows = (world.workloads.get(title) for title in members)
    return {one.namespace for one in rows if one is not None and one.stamped(goal) and one.said[0] == "ready" and not _is_done(one, goal)}


def slowest(memory: WaveMemory, under_way: Mapping[str, str], now: float) -> tuple[str, float]:
    """Who takes longest at the moment, and for how long; empty when nobody is under way."""
    found = [(now - memory.began[title], title) for title in under_way if title in memory.began]
    return (max(found)[1], max(found)[0]) if found else ("", 0.0)
