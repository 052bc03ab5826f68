# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Carries a rollout out: looks, restarts who may begin, waits, asks the new proxies. All it knows is on the cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode

from .._errors import ConfigError, Conflict, FetchError, KindMissing, MeshError, NotReady, TooManyRequests, Unreachable
from .._kube.auth import Dialer
from .._kube.client import Cluster, NotFound
from .._kube.forward import admin_get
from .._kube.lease import Lock
from .._model.objects import MANAGED_BY, MANAGER, MESH, counts_as_ours, owner_text, rollout_name
from .._model.secrecy import without_login
from .._model.snapshot import without_gc
from .._rollout import gate
from .._rollout.machine import Blocked, Next, RestartLimits, WaveMemory, step, unsure
from .._rollout.model import KINDS, RESTARTED, REVISION, Goal, RolloutObservation
from .._rollout.progress import blocked_text, progress_line
from .._rollout.reading import thin_pod, thin_workload, world_of
from .._rollout.state import FAILED, MOVED, MOVING, PASSED, WAITING, State, back, begin, same_goal
from .._rollout.waves import WaveRequest, needs, plan
from .._rollout.windows import Window, is_open, next_opening

__all__ = ["Asking", "Closed", "Rollout", "RolloutSettings"]

_ALONE = 5  # so many proxies in a row that do not answer: no other is asked
_AWAY = (Unreachable, TooManyRequests)
_PASSING = 0.3
_POD, _BUDGET = "Pod", "PodDisruptionBudget"


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


@dataclass(frozen=True)
class Asking:
    """How many proxies of a wave are asked themselves, and for how long. limit 0: none."""

    limit: int = 100
    timeout: float = 5.0
    total: float = 60.0
    workers: int = 32


_Rows = dict[tuple[str, Any], list[dict[str, Any]]]  # by kind and namespace, None for all of them
# So many looks are between two lists of the same, where nothing else says that it has changed: pods are most of what a list costs, and
# their workload's status tells when they are there; a namespace without a budget seldom gets one.
_PODS_EVERY, _BUDGETS_EVERY = 5, 10


def _space_of(title: str) -> str:
    """The namespace in `Kind namespace/name`."""
    return title.partition(" ")[2].partition("/")[0]


def _settled(rows: _Rows, members: Iterable[str], found: Next, looks: int) -> _Rows:
    """What the next look need not ask for again.

    All of namespaces that are done (the gate looks once more), that there is no budget, and for some looks the pods.
    """
    over = {*found.done, *found.gone}
    busy = {_space_of(title) for title in members if title not in over}

    def still_true(kind: str, space: Any) -> bool:
        if space not in busy:
            return space is not None
        return bool((kind == _POD and looks % _PODS_EVERY) or (kind == _BUDGET and not rows[kind, space] and looks % _BUDGETS_EVERY))

    return {key: part for key, part in rows.items() if still_true(*key)}


class Rollout:
    """One mesh's rollout. members: its namespaces, the control plane's among them."""

    def __init__(self, cluster: Cluster, *, mesh: str, namespace: str, members: Sequence[str] | None, lock: Lock | None = None,
                 settings: RolloutSettings | None = None, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self.cluster, self.mesh, self.namespace, self.lock = cluster, mesh, namespace, lock
        self.settings = settings or RolloutSettings()
        self.members = None if members is None else sorted({namespace, *members})
        self.clock, self.sleep = clock, sleep
        self.name = rollout_name(mesh)
        self.memory = WaveMemory()
        self.changed = False
        self.restarted: list[str] = []
        self.lines: list[str] = []
        self._known: tuple[list[dict[str, Any]], list[dict[str, Any]]] | None = None

    # what is there

    @property
    def where(self) -> str:
        """As messages call what is remembered."""
        return f"cluster {self.cluster.name}: ConfigMap {self.namespace}/{self.name}"

    def state(self) -> State | None:
        """What is remembered, None for nothing."""
        found = self._found()
        return None if found is None else State.from_json(str((found.get("data") or {}).get("state") or ""), self.where)

    def _found(self) -> dict[str, Any] | None:
        """The ConfigMap, which has to be ours: what somebody else has under its name is neither followed nor taken away."""
        found = self.cluster.get("v1", "ConfigMap", self.name, self.namespace)
        if found is not None and not counts_as_ours(found, self.mesh):
            raise ConfigError(f"{self.where} is not of mesh {self.mesh}: {owner_text(found)}. Nothing was changed; find out who needs it, "
                              "then rename or delete it and run this again")
        return found

    def now(self) -> datetime:
        """The API server's clock, by its own whole second: creation times of pods are by that one."""
        found = self.cluster.read_clock()
        return (self.cluster.now() if found is None else found.theirs).replace(microsecond=0)

    def _list(self, version: str, kind: str, namespace: str | None, trim: Callable[[dict[str, Any]], dict[str, Any]]
              ) -> list[dict[str, Any]]:
        try:
            return self.cluster.list(version, kind, namespace=namespace, trim=trim)
        except KindMissing:
            return []

    def look(self, namespaces: Iterable[str] | None = None, kinds: Sequence[str] = KINDS, *, budgets: bool = True,
             kept: _Rows | None = None) -> RolloutObservation:
        """Everything at one moment, in these namespaces only where they are named.

        kept: rows of an earlier look by kind and namespace, which nobody is asked for again; those of this one are added.
        """
        spaces: list[str | None] = [None]
        if namespaces is not None or self.members is not None:
            spaces = [*sorted(namespaces if namespaces is not None else self.members or ())]
        jobs: list[tuple[str, str, str | None, Callable[[dict[str, Any]], dict[str, Any]]]]
        jobs = [("apps/v1", kind, space, thin_workload) for space in spaces for kind in kinds]
        jobs += [("v1", _POD, space, thin_pod) for space in spaces]
        jobs += [("policy/v1", _BUDGET, space, _whole) for space in spaces if budgets]
        jobs.append(("v1", "Namespace", None, _thin_namespace))
        known: _Rows = {} if kept is None else kept
        asked = [job for job in jobs if (job[1], job[2]) not in known]
        with without_gc():
            parts = self.cluster.map(lambda job: self._list(*job), asked)
        known.update(((job[1], job[2]), part) for job, part in zip(asked, parts, strict=True))
        rows = [(job[1], one) for job in jobs for one in known[job[1], job[2]]]
        wanted = None if self.members is None else set(self.members)
        return world_of((one for kind, one in rows if kind in KINDS), (one for kind, one in rows if kind == _POD),
                        budgets=(one for kind, one in rows if kind == _BUDGET),
                        namespaces=(one for kind, one in rows if kind == "Namespace"
                                    and (wanted is None or one["metadata"]["name"] in wanted)))

    # what is remembered

    def _keep(self, state: State) -> None:
        self._write("v1", "ConfigMap", self.name, {"data": {"state": state.to_json()}}, namespace=self.namespace)

    def _write(self, version: str, kind: str, name: str, patch: Mapping[str, Any], *, namespace: str | None = None) -> None:
        if self.lock is not None:
            self.lock.check()
        self.cluster.patch({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}, patch)
        self.changed = True

    def start(self, orders: Sequence[WaveRequest], goal: Goal, origin: Goal, *, reason: str, by: str = "",
              baseline: Sequence[str] = ()) -> State:
        """The rollout that is under way to this goal, or a new one. Another one that is not over is in the way."""
        found = self.state()
        if found is not None and not found.over:
            if found.direction == "back":
                raise ConfigError(f"{self.where}: a way back ({found.reason}) is not over: go on with it (upgrade_rollback=true). "
                                  "Nothing was changed")
            if not same_goal(found, goal, reason):
                raise ConfigError(f"{self.where}: another rollout is not over: {found.reason}, to {found.goal.text}, "
                                  f"{found.moved} of {found.total} workloads; go on with that one, go back with upgrade_rollback=true, or "
                                  "forget it with state: absent. Nothing was changed")
            return found
        if found is not None and found.labels and not same_goal(found, goal, reason):
            raise ConfigError(f"{self.where}: {found.reason} has restarted everybody, and has not given {', '.join(found.labels)} their "
                              f"label {REVISION} back yet: run that one again, to its end. Nothing was changed")
        if found is not None and found.direction == "forward" and same_goal(found, goal, reason) and not (goal.version or goal.revision):
            return found  # a restart for this reason was done
        now = self.now()
        aim = replace(goal, since=now)
        world = self.look()
        state = begin(plan(world, aim, orders), aim, origin, reason=reason, now=now, by=by)
        state = replace(state, over=not state.waves, baseline=tuple(baseline))
        if found is not None and not state.waves and same_goal(found, goal, reason):
            return found
        body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"state": state.to_json()},
                "metadata": {"name": self.name, "namespace": self.namespace, "labels": {MANAGED_BY: MANAGER, MESH: self.mesh}}}
        if found is not None:
            self._keep(state)
        elif state.waves or (goal.version and goal.version != origin.version):
            if self.lock is not None:
                self.lock.check()
            self.cluster.create(body)
            self.changed = True
        return state

    def forget(self) -> bool:
        """Whether there was something."""
        if self._found() is None:
            return False
        if self.lock is not None:
            self.lock.check()
        done = self.cluster.delete("v1", "ConfigMap", self.name, self.namespace)
        self.changed = self.changed or done
        return done

    def turn_back(self) -> State:
        """From here on the waves that were begun go back, the last one first. Back already: nothing is left."""
        found = self.state()
        if found is None:
            raise ConfigError(f"{self.where}: there is no rollout that could go back. Nothing was changed")
        state = back(found, self.now())
        if state is not found:
            self._keep(state)
        return state

    def mark(self, state: State, number: int, word: str, note: str = "") -> State:
        """passed or failed."""
        state = state.with_wave(number, state=word, note=note[:1000])
        if state.next_wave() is None:
            state = self._late(state)
        state = replace(state, over=state.next_wave() is None)
        self._keep(state)
        return state

    def _late(self, state: State) -> State:
        """Who came after the waves were made, or went back to what it was."""
        world = self.look()
        known = {title for wave in state.waves for title in wave.members}
        late = [one for title, one in world.workloads.items() if title not in known and needs(one, state.goal)]
        if state.direction == "back":
            return state
        state = state.add_late(one.title for one in late if not one.gateway)
        return state.add_late((one.title for one in late if one.gateway), gateways=True)

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
        spaces = sorted({_space_of(title) for title in wave.members})
        kinds = [kind for kind in KINDS if any(title.startswith(f"{kind} ") for title in wave.members)]
        pause = min(_PASSING, self.settings.interval)
        kept: _Rows = {}
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
                    raise Closed(f"the maintenance window closed after {len(found.done)} of {len(wave.members)} workloads of the wave "
                                 f"{wave.name}; it opens again at {self._opening()}")
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
            raise Closed(f"wave {number + 1} of {len(state.waves)}, {state.waves[number].name}, waits for its maintenance window, which "
                         f"opens at {self._opening()}")

    def _look_at(self, members: Sequence[str], goal: Goal, spaces: Sequence[str], kinds: Sequence[str], kept: _Rows) -> RolloutObservation:
        """A look in which no workload is unfinished only because its pods are those of an earlier one."""
        old = {space for kind, space in kept if kind == _POD}
        world = self._look_patiently(spaces, kinds, kept)
        again = unsure(members, world, goal) & old
        if not again:
            return world
        for space in again:
            del kept[_POD, space]
        return self._look_patiently(spaces, kinds, kept)

    def _look_patiently(self, spaces: Sequence[str], kinds: Sequence[str], kept: _Rows) -> RolloutObservation:
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
        spaces = {_space_of(title) for title in members}
        if state.direction == "back":
            return self.restore_labels(state, spaces)
        came, goes = self.settings.labels_from, self.settings.labels_to
        if not goes or came == goes:
            return state
        found = self.cluster.list("v1", "Namespace", trim=_thin_namespace)
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
        spaces = {_space_of(title) for title in wave.members}
        world = self.look(spaces, budgets=False)
        wrong = gate.judge_wave(wave.members, world, state.goal)
        pods = [(pod.namespace, pod.name) for title in wave.members for pod in getattr(world.workloads.get(title), "pods", ())]
        answers = self.ask(pods, dialer, asking) if dialer is not None and asking.limit else []
        bad, silent = gate.judge_answers(answers, state.goal)
        return wrong + bad, silent

    def ask(self, pods: Sequence[tuple[str, str]], dialer: Dialer, asking: Asking) -> list[gate.ProxyReport]:
        """The proxies themselves; where the first few of them do not answer, the others are not asked."""
        end = self.clock() + asking.total
        chosen = pods[::max(1, -(-len(pods) // asking.limit))] if len(pods) > asking.limit else list(pods)

        def one(pod: tuple[str, str]) -> gate.ProxyReport:
            resource = f"Pod {pod[0]}/{pod[1]}"
            if self.clock() > end:
                return gate.ProxyReport(resource, silence=f"it was not asked, the {asking.total:g} s for all proxies were over")
            try:
                info, stats = (admin_get(dialer, *pod, path, timeout=asking.timeout) for path in (gate.SERVER_INFO, gate.SYNC_STATS))
            except FetchError as exc:
                return gate.ProxyReport(resource, silence=str(exc))
            return gate.read_answer(resource, info, stats)

        with ThreadPoolExecutor(max_workers=max(1, min(asking.workers, len(chosen)))) as pool:
            found = list(pool.map(one, chosen[:_ALONE]))
            if all(answer.silence for answer in found):
                return found
            return found + list(pool.map(one, chosen[_ALONE:]))

    def query(self, query: Mapping[str, Any], fetch: Callable[[str], bytes]) -> list[Blocked]:
        """A Prometheus, by its URL or through the API server at its Service."""
        words = urlencode({"query": query["query"]})
        if query.get("url"):
            try:
                body = fetch(f"{str(query['url']).rstrip('/')}/api/v1/query?{words}")
            except (OSError, ValueError, HTTPException) as exc:
                # what is said of an address that is none quotes a part of it, which may be a password
                reason = without_login(str(exc)) if isinstance(exc, OSError) else "this is no address"
                title = f"query {query.get('name') or query['query']}"
                return [Blocked(title, f"no answer from {without_login(str(query['url']))}: {reason}")]
        else:
            where = query.get("service") or {}
            port = where.get("port", 9090)
            path = f"/api/v1/namespaces/{quote(str(where.get('namespace') or self.namespace), safe='')}/services/" \
                   f"{quote(str(where.get('name') or 'prometheus'), safe='')}:{port}/proxy/api/v1/query?{words}"
            try:
                body = self.cluster.request("GET", path).body
            except FetchError as exc:
                return [Blocked(f"query {query.get('name') or query['query']}", str(exc))]
        try:
            answer = json.loads(body)
        except ValueError:
            answer = body[:200].decode(errors="replace")
        return gate.judge_query(query, answer)

    def passed(self, state: State, number: int) -> State:
        """The wave is good."""
        return self.mark(state, number, PASSED, state.waves[number].note)

    def failed(self, state: State, number: int, rows: Sequence[Blocked]) -> None:
        """It is not: remembered, and raised."""
        text = blocked_text(rows)
        self.mark(state, number, FAILED, text)
        where = f"wave {number + 1} of {len(state.waves)}, {state.waves[number].name}"
        raise NotReady(f"cluster {self.cluster.name}: the gate after {where}: {text}")


def _whole(obj: dict[str, Any]) -> dict[str, Any]:
    return obj


def _thin_namespace(obj: dict[str, Any]) -> dict[str, Any]:
    meta = obj["metadata"]
    return {"metadata": {name: meta.get(name) for name in ("name", "labels", "deletionTimestamp")}}
