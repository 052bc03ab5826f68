# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The engine that restarts workloads, whoever asks: looks, restarts who may begin, waits. What is decided is `_rollout`'s."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .._errors import Conflict, KindMissing, NotReady, TooManyRequests, Unreachable
from .._kube.client import Cluster, NotFound
from .._kube.lease import Lock
from .._kube.progress import Progress, few
from .._model.objects import rollout_name
from .._model.problem import Problem, summary
from .._model.snapshot import without_gc
from .._rollout.machine import Next, RestartLimits, WaveMemory, step, unsure
from .._rollout.model import KINDS, RESTARTED, Goal, RolloutObservation
from .._rollout.reading import thin_pod, thin_workload, world_of
from .._rollout.waves import width

__all__ = [
    "SHUT",
    "RestartEngine",
    "RestartSettings",
    "Rows",
    "limits_from",
    "lock_from",
    "settings_from",
    "space_of",
    "thin_namespace",
    "waves_of",
]

POD, BUDGET = "Pod", "PodDisruptionBudget"
SHUT = "no maintenance window is open"
Rows = dict[tuple[str, Any], list[dict[str, Any]]]  # by kind and namespace, None for all of them
_AWAY = (Unreachable, TooManyRequests)
_FIRST_PAUSE = 0.3
# So many looks are between two lists of the same, where nothing else says that it has changed: pods are most of what a list costs, and
# their workload's status tells when they are there; a namespace without a budget seldom gets one.
_PODS_EVERY, _BUDGETS_EVERY = 5, 10


@dataclass(frozen=True)
class RestartSettings:
    """How it goes about it. Seconds: interval between two looks at most, outage that the API server may be away in the middle of a wave."""

    limits: RestartLimits = field(default_factory=RestartLimits)
    interval: float = 1.0
    outage: float = 300.0


def limits_from(params: Mapping[str, Any]) -> RestartLimits:
    """What the options RESTART say of time, budgets and concurrency; a concurrency that is none is refused here."""
    width(params["concurrency"], 1)
    return RestartLimits(params["workload_timeout"], params["budget_timeout"], params["budgets"] == "respect", params["concurrency"])


def settings_from(params: Mapping[str, Any]) -> RestartSettings:
    """What the options RESTART say."""
    return RestartSettings(limits_from(params), outage=params["outage"])


def lock_from(cluster: Cluster, params: Mapping[str, Any], namespace: str) -> Lock:
    """The one lock of a mesh for everybody who restarts its workloads. namespace: that of the control plane."""
    mesh = str(params["mesh"])
    return Lock(cluster, namespace=namespace, name=rollout_name(mesh), mesh=mesh, holder=params["holder"], seconds=params["lock_seconds"])


def space_of(title: str) -> str:
    """The namespace in `Kind namespace/name`."""
    return title.partition(" ")[2].partition("/")[0]


def waves_of(titles: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Parts of at most this size, and at least one."""
    most = max(1, size)
    return (titles[start : start + most] for start in range(0, len(titles), most))


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


def _always() -> bool:
    return True


class RestartEngine:
    """Restarts workloads of a cluster. members: namespaces for a look at all of them, None for every one that the cluster has."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        members: Sequence[str] | None = None,
        lock: Lock | None = None,
        settings: RestartSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.cluster, self.members, self.lock = cluster, members, lock
        self.pace = settings or RestartSettings()
        self.clock, self.sleep = clock, sleep
        self.memory = WaveMemory()
        self.changed = False
        self.restarted: list[str] = []
        self.lines: list[str] = []

    def now(self) -> datetime:
        """The API server's clock, by its own whole second: creation times of pods are by that one."""
        found = self.cluster.read_clock()
        return (self.cluster.now() if found is None else found.theirs).replace(microsecond=0)

    def require_lock(self) -> None:
        """Before each write: the lock of the mesh is still ours. Without one nobody is kept out."""
        if self.lock is not None:
            self.lock.check()

    # looking

    def _list(
        self, version: str, kind: str, namespace: str | None, trim: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        try:
            return self.cluster.list(version, kind, namespace=namespace, trim=trim)
        except KindMissing:
            return []

    def look(
        self,
        namespaces: Iterable[str] | None = None,
        kinds: Sequence[str] = KINDS,
        *,
        budgets: bool = True,
        kept: Rows | None = None,
        named: Collection[str] = (),
    ) -> RolloutObservation:
        """Everything at one moment, in these namespaces only where they are named.

        kept: rows of an earlier look by kind and namespace, which nobody is asked for again; those of this one are added.
        named: workloads that are looked at with a proxy or without.
        """
        spaces: list[str | None] = [None]
        if namespaces is not None or self.members is not None:
            spaces = [*sorted(namespaces if namespaces is not None else self.members or ())]
        jobs: list[tuple[str, str, str | None, Callable[[dict[str, Any]], dict[str, Any]]]]
        jobs = [("apps/v1", kind, space, thin_workload) for space in spaces for kind in kinds]
        jobs += [("v1", POD, space, thin_pod) for space in spaces]
        jobs += [("policy/v1", BUDGET, space, _whole) for space in spaces if budgets]
        jobs.append(("v1", "Namespace", None, thin_namespace))
        known: Rows = {} if kept is None else kept
        asked = [job for job in jobs if (job[1], job[2]) not in known]
        with without_gc():
            parts = self.cluster.map(lambda job: self._list(*job), asked)
        known.update(((job[1], job[2]), part) for job, part in zip(asked, parts, strict=True))
        rows = [(job[1], one) for job in jobs for one in known[job[1], job[2]]]
        wanted = None if self.members is None else set(self.members)
        return world_of(
            (one for kind, one in rows if kind in KINDS),
            (one for kind, one in rows if kind == POD),
            budgets=(one for kind, one in rows if kind == BUDGET),
            namespaces=(one for kind, one in rows if kind == "Namespace" and (wanted is None or one["metadata"]["name"] in wanted)),
            named=named,
        )

    def _look_at(self, members: Sequence[str], goal: Goal, kept: Rows, named: Collection[str]) -> RolloutObservation:
        """A look in which no workload is unfinished only because its pods are those of an earlier one."""
        old = {space for kind, space in kept if kind == POD}
        world = self._look_patiently(members, kept, named)
        again = unsure(members, world, goal) & old
        if not again:
            return world
        for space in again:
            del kept[POD, space]
        return self._look_patiently(members, kept, named)

    def _look_patiently(self, members: Sequence[str], kept: Rows, named: Collection[str]) -> RolloutObservation:
        """An API server that is away for a while ends no wave: what was begun goes on without us."""
        spaces = sorted({space_of(title) for title in members})
        kinds = [kind for kind in KINDS if any(title.startswith(f"{kind} ") for title in members)]
        began = self.clock()
        while True:
            try:
                world = self.look(spaces, kinds, budgets=self.pace.limits.respect_budgets, kept=kept, named=named)
            except _AWAY as exc:
                if self.clock() - began >= self.pace.outage:
                    raise
                self.lines.append(f"the API server is away: {str(exc).splitlines()[0]}")
                self.sleep(self.pace.interval)
                continue
            away = self.clock() - began
            if away > 2 * self.cluster.timeout:
                self.memory.shift(away)
            return world

    # restarting

    def looks(
        self,
        members: Sequence[str],
        goal: Goal,
        limits: RestartLimits,
        *,
        may_begin: Callable[[], bool] = _always,
        named: Collection[str] = (),
    ) -> Iterator[Next]:
        """Look after look at a wave, each after everybody who may begin was restarted. Whoever reads them ends it.

        may_begin: asked before each restart; who may not is held up by SHUT.
        """
        kept: Rows = {}
        pause, number = min(_FIRST_PAUSE, self.pace.interval), 0
        while True:
            number += 1
            looked = self.clock()
            world = self._look_at(members, goal, kept, named)
            took = self.clock() - looked
            found = step(members, world, goal, limits=limits, memory=self.memory, now=self.clock())
            if found.start and not may_begin():
                found.held.update(dict.fromkeys(found.start, SHUT))
                found.start = []
            self._restart(found.start, goal)
            yield found
            kept = _settled(kept, members, found, number)
            # An API server that answers slowly has enough to do: it makes the pods that this waits for.
            self.sleep(max(pause, min(took, 3 * self.pace.interval)))
            pause = min(pause * 1.3, self.pace.interval)

    def restart(self, titles: Sequence[str], *, remedy: str = "") -> None:
        """New pods for these workloads (`Kind namespace/name`), and all of them ready; others have decided that they need them.

        Raises NotReady with who is in the way: a budget that blocks for good, a new pod that does not come up. remedy: how to go on.
        """
        self.memory = WaveMemory()
        # Each call has a stamp of its own, so that a workload can be restarted twice in a second.
        goal = Goal(since=self.now(), stamp=self.cluster.now())
        progress = Progress(self.cluster.name, self.clock)
        for found in self.looks(titles, goal, self.pace.limits, named=frozenset(titles)):
            if found.failed:
                left = f"; {remedy}" if remedy else ""
                raise NotReady(f"cluster {self.cluster.name}: {summary(found.failed)}{left}")
            if found.finished:
                return
            if progress.due():
                rows = {**found.under_way, **found.held}
                progress.say(f"{len(found.done)} of {len(titles)} restarted: {few(f'{title}: {why}' for title, why in rows.items())}")

    def restart_in_waves(
        self, titles: Sequence[str], size: int, *, begun: Callable[[list[str]], object], remedy: str = ""
    ) -> Iterator[Sequence[str]]:
        """As restart, so many at a time, each wave after the one before is ready; yields those that are.

        begun: told whom a wave has restarted, also where the wave then fails."""
        for wave in waves_of(titles, size):
            before = len(self.restarted)
            try:
                self.restart(wave, remedy=remedy)
            finally:
                if self.restarted[before:]:
                    begun(self.restarted[before:])
            yield wave

    def hopeless(self, titles: Sequence[str]) -> list[Problem]:
        """Who of these could never be restarted as things are, and why. Nothing is written."""
        if not titles:
            return []
        goal = Goal(since=self.now(), stamp=self.cluster.now())
        world = self._look_patiently(titles, {}, frozenset(titles))
        return step(titles, world, goal, limits=self.pace.limits, memory=WaveMemory(), now=self.clock()).failed

    def _restart(self, titles: Sequence[str], goal: Goal) -> None:
        """One annotation each, the same for all of this rollout: a second time changes nothing."""
        if goal.stamp is not None:
            stamp = goal.stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        else:
            stamp = (goal.since or self.cluster.now()).strftime("%Y-%m-%dT%H:%M:%SZ")
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

    def _write(self, version: str, kind: str, name: str, patch: Mapping[str, Any], *, namespace: str | None = None) -> None:
        self.require_lock()
        self.cluster.patch({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}, patch)
        self.changed = True


def _whole(obj: dict[str, Any]) -> dict[str, Any]:
    return obj


def thin_namespace(obj: dict[str, Any]) -> dict[str, Any]:
    meta = obj["metadata"]
    return {"metadata": {name: meta.get(name) for name in ("name", "labels", "deletionTimestamp")}}
