# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""How long it takes: pods' own times to ready, counted for each workload's rollout and put together for a wave. No clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from .._errors import ConfigError
from .._model import kinds as k
from .._model.objects import is_rollout
from .._model.view import Obj, View
from .._rollout.state import State
from .fleet import FleetWorkload

__all__ = ["ASSUMED", "StartupTimes", "duration", "earlier_rate", "pace_of", "words"]

ASSUMED = 15.0  # seconds to ready where nothing is known
_FLAPPED = 900.0  # a pod that was first ready later than this has been unready in between
_ENOUGH = 20  # workloads; the time of fewer says nothing about many at once
_SHARE = 25  # per cent: Kubernetes' default of maxSurge and maxUnavailable


@dataclass(frozen=True)
class StartupTimes:
    """Seconds from a pod's creation to its readiness, as the pods of the source themselves took."""

    ready: Mapping[str, float] = field(default_factory=dict)  # `Kind namespace/name` of the owner
    middle: float = ASSUMED
    measured: int = 0  # pods
    per_minute: float | None = None  # workloads, from an earlier rollout; goes before everything else

    def rollout(self, workload: FleetWorkload) -> float:
        """Seconds of one workload's restart, its pods one batch after the other."""
        each = self.ready.get(workload.ref, self.middle) + workload.min_ready_seconds
        return _batches(workload) * each

    def wave(self, workloads: Iterable[FleetWorkload], concurrency: int) -> float:
        """Seconds of many, so many at the same time: never less than the slowest."""
        rows = list(workloads)
        if not rows:
            return 0.0
        if self.per_minute:
            return 60.0 * len(rows) / self.per_minute
        times = [self.rollout(row) for row in rows]
        return max(*times, sum(times) / max(1, concurrency))


def _batches(workload: FleetWorkload) -> int:
    replicas = workload.replicas
    if replicas <= 1 or workload.strategy == "Recreate":
        return min(replicas, 1)
    kind = workload.owner.kind
    if kind == k.STATEFUL_SET.kind:
        return math.ceil(replicas / max(1, _count(workload.max_unavailable, replicas, default=1, up=False)))
    if kind == k.DAEMON_SET.kind:
        at_once = _count(workload.max_unavailable, replicas, default=1, up=True) + _count(workload.max_surge, replicas, default=0, up=True)
        return math.ceil(replicas / max(1, at_once))
    share = replicas * _SHARE / 100
    surge = _count(workload.max_surge, replicas, default=math.ceil(share), up=True)
    away = _count(workload.max_unavailable, replicas, default=math.floor(share), up=False)
    return math.ceil(replicas / max(1, surge + away))


def _count(text: str, replicas: int, *, default: int, up: bool) -> int:
    """A number or a share of the replicas."""
    if not text:
        return default
    if not text.endswith("%"):
        return int(text) if text.isdigit() else default
    share = replicas * int(text[:-1] or 0) / 100
    return math.ceil(share) if up else math.floor(share)


def pace_of(view: View, owners: Mapping[tuple[str, str], str], *, per_minute: float | None = None) -> StartupTimes:
    """owners: (namespace, pod) to the owner's `Kind namespace/name`; other pods do not count."""
    found: dict[str, list[float]] = {}
    for pod in view.of(k.POD):
        owner = owners.get((pod.namespace, pod.name))
        seconds = _to_ready(pod) if owner else None
        if owner and seconds is not None:
            found.setdefault(owner, []).append(seconds)
    every = [seconds for rows in found.values() for seconds in rows]
    ready = {owner: median(rows) for owner, rows in found.items()}
    return StartupTimes(ready, median(every) if every else ASSUMED, len(every), per_minute)


def earlier_rate(view: View, namespace: str | None) -> float | None:
    """Workloads a minute in the waves that the last rollout has passed, of this control plane's namespace where that is known; or None."""
    workloads, seconds = 0, 0.0
    for row in view.of(k.CONFIG_MAP):
        if not is_rollout(row.raw) or (namespace and namespace != row.namespace):
            continue
        try:
            state = State.from_json(str(row.at("data", "state") or ""), row.name)
        except ConfigError:
            continue
        for wave in state.waves:
            if wave.over and not wave.gateways:
                workloads, seconds = workloads + len(wave.members), seconds + wave.seconds
    return round(60.0 * workloads / seconds, 1) if workloads >= _ENOUGH and seconds else None


def _to_ready(pod: Obj) -> float | None:
    created = _time(pod.at("metadata", "creationTimestamp"))
    for row in pod.items("status", "conditions"):
        if row.get("type") == "Ready" and row.get("status") == "True":
            ready = _time(row.get("lastTransitionTime"))
            if created and ready and 0 <= (ready - created).total_seconds() <= _FLAPPED:
                return max(1.0, (ready - created).total_seconds())
    return None


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None


def duration(seconds: float) -> str:
    """For people: 40 s, 12 min, 1 h 40 min."""
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def words(pace: StartupTimes) -> str:
    """What the durations rest on."""
    if pace.per_minute:
        return f"measured in an earlier rollout: {pace.per_minute:g} workloads a minute"
    if pace.measured:
        return f"measured: half of {pace.measured} pods were ready {duration(pace.middle)} after their creation"
    return f"assumed: a pod is ready {ASSUMED:g} s after its creation, as the source has no times"
