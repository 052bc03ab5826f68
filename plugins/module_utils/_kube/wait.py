# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Waits: one concurrent look per interval at what is not done yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import Forbidden, KindMissing
from .._model.objects import Ref, group_of
from .._model.readiness import Readiness, is_judged, judge, still_there
from .._model.secrets_used import SECRET
from .._model.snapshot import without_gc
from .._model.waiting import REMEDY, Waiter
from .client import Cluster
from .progress import Progress

__all__ = ["ClusterLookup", "Timing", "read_all", "wait_gone", "wait_ready"]

_FIRST_PAUSE = 0.2  # most objects are ready within a second: the pauses begin short and grow to the interval
_LIST_FROM = 9  # from so many objects of a kind in a namespace on, one list is cheaper


@dataclass(frozen=True)
class Timing:
    """How long, how often, by which clock; and what to do when the time is over."""

    timeout: float = 300.0
    interval: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    remedy: str = REMEDY


def read_all(cluster: Cluster, refs: Iterable[Ref]) -> dict[Ref, dict[str, Any]]:
    """The live objects among refs; kinds that the API does not have are left out."""
    known = cluster.resources()
    groups: dict[tuple[str, str, str | None], list[Ref]] = {}
    for ref in refs:
        if (ref.api_version, ref.kind) in known:
            groups.setdefault((ref.api_version, ref.kind, ref.namespace), []).append(ref)
    jobs: list[list[Ref]] = []
    for (api_version, kind, _namespace), members in groups.items():
        together = len(members) >= _LIST_FROM and (group_of(api_version), kind) != SECRET
        jobs += [members] if together else [[ref] for ref in members]

    def one(ref: Ref) -> dict[str, Any] | None:
        return cluster.get(ref.api_version, ref.kind, ref.name, ref.namespace)

    def read(job: list[Ref]) -> list[dict[str, Any] | None] | None:
        """None where they may not be listed, which is more than we need."""
        first = job[0]
        if len(job) == 1:
            return [one(first)]
        try:
            rows = {Ref.of(item): item for item in cluster.list(first.api_version, first.kind, namespace=first.namespace)}
        except Forbidden:
            return None
        return [rows.get(ref) for ref in job]

    with without_gc():
        parts = list(zip(jobs, cluster.map(read, jobs), strict=True))
        single = [ref for job, rows in parts if rows is None for ref in job]
        found = [pair for job, rows in parts if rows is not None for pair in zip(job, rows, strict=True)]
        found += zip(single, cluster.map(one, single), strict=True)
        return {ref: obj for ref, obj in found if obj is not None}


class ClusterLookup:
    """Related objects for the readiness table; each question is asked once per look."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()

    def _version(self, kind: str, group: str | None) -> str | None:
        for api_version, name in self._cluster.resources():
            if name == kind and group in (None, group_of(api_version)):
                return api_version
        return None

    def _ask(self, key: tuple[Any, ...], question: Callable[[], Any]) -> Any:
        with self._lock:
            if key in self._answers:
                return self._answers[key]
        try:
            answer = question()
        except KindMissing:
            answer = None
        with self._lock:
            return self._answers.setdefault(key, answer)

    def get(self, kind: str, name: str, namespace: str | None = None, *, group: str | None = None) -> dict[str, Any] | None:
        """One object, None when it or its kind is not there."""
        version = self._version(kind, group)
        if version is None:
            return None
        found: dict[str, Any] | None = self._ask(
            ("get", version, kind, namespace, name), lambda: self._cluster.get(version, kind, name, namespace)
        )
        return found

    def of(self, kind: str, *, group: str | None = None, namespace: str | None = None) -> list[dict[str, Any]]:
        """All objects of the kind, in one namespace where one is named."""
        version = self._version(kind, group)
        if version is None:
            return []
        return self._ask(("of", version, kind, namespace), lambda: self._cluster.list(version, kind, namespace=namespace)) or []


def wait_ready(cluster: Cluster, refs: Iterable[Ref], timing: Timing, *, seen_now: Mapping[Ref, dict[str, Any]] | None = None) -> float:
    """Seconds until all were ready; raises NotReady with the last reasons. The first look is at seen_now where that is given."""
    start = timing.clock()
    waiter = Waiter.start(cluster.name, [ref for ref in refs if is_judged(ref)])
    pause = min(_FIRST_PAUSE, timing.interval)
    progress = Progress(cluster.name, timing.clock)
    while waiter.pending:
        refs_now = sorted(waiter.pending)
        live = read_all(cluster, refs_now) if seen_now is None else dict(seen_now)
        seen_now = None
        lookup = ClusterLookup(cluster)

        def look(ref: Ref, live: dict[Ref, dict[str, Any]] = live, lookup: ClusterLookup = lookup) -> Readiness:
            obj = live.get(ref)
            return Readiness.waiting("NotFound", "it is not there (any more)") if obj is None else judge(obj, lookup)

        seen = dict(zip(refs_now, cluster.map(look, refs_now), strict=True))
        now = timing.clock()
        if waiter.step(seen, now):
            break
        if now - start >= timing.timeout:
            raise waiter.expired(now - start, remedy=timing.remedy)
        if progress.due():
            progress.say(waiter.line(3))
        timing.sleep(pause)
        pause = min(pause * 1.5, timing.interval)
    return timing.clock() - start


def wait_gone(cluster: Cluster, refs: Iterable[Ref], timing: Timing) -> float:
    """Seconds until the last of them was deleted, finalizers included."""
    start = timing.clock()
    waiter = Waiter.start(cluster.name, list(refs))
    progress = Progress(cluster.name, timing.clock)
    while waiter.pending:
        refs_now = sorted(waiter.pending)
        live = read_all(cluster, refs_now)
        seen = {ref: still_there(live[ref]) if ref in live else Readiness.ready() for ref in refs_now}
        now = timing.clock()
        if waiter.step(seen, now):
            break
        if now - start >= timing.timeout:
            raise waiter.expired(now - start, "not deleted", timing.remedy)
        if progress.due():
            progress.say(f"to be deleted: {waiter.line(3)}")
        timing.sleep(min(timing.interval, 0.5))
    return timing.clock() - start
