# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Sends the calls of a matrix from pods, many at a time and bounded, again where an answer is not yet as predicted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from .._access.verdict import ALLOWED, NONE, TOOLS, ProbeAnswer, ProbeResult, judge, listens, policy_keys
from .._errors import FetchError
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.execs import Command, run_in_pod
from .._kube.forward import admin_get
from .._kube.progress import Progress, few
from .._model.owners import owner_of
from .._model.proxies import PROXY, has_proxy
from .._text import counted

__all__ = ["ProbeLimits", "ProbeOutcome", "probe"]

_MISSING = 127
Obj = dict[str, Any]


@dataclass(frozen=True)
class ProbeLimits:
    """In seconds, but `workers`. `timeout`: of one call; `total`: of all; `wait`: how long a difference may last."""

    timeout: float = 5.0
    total: float = 300.0
    wait: float = 0.0
    interval: float = 1.0
    workers: int = 16
    container: str = ""


@dataclass(frozen=True)
class ProbeOutcome:
    rows: tuple[ProbeResult, ...]
    waiting: tuple[str, ...]  # proxies that do not have the policies, in words
    silent: tuple[str, ...]  # proxies that could not be asked
    seconds: float


def _trim(pod: Obj) -> Obj:
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    names = ("name", "namespace", "labels", "annotations", "ownerReferences", "deletionTimestamp", "creationTimestamp")
    parts = {key: [{"name": one["name"]} for one in spec.get(key) or []] for key in ("containers", "initContainers")}
    keep = {"phase": status.get("phase"), "conditions": status.get("conditions")}
    return {"metadata": {name: metadata.get(name) for name in names}, "spec": parts, "status": keep}


def _ready(pod: Obj) -> bool:
    rows = (pod.get("status") or {}).get("conditions") or []
    running = pod["status"].get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
    return running and any(row.get("type") == "Ready" and row.get("status") == "True" for row in rows)


def _workloads(pod: Obj) -> set[str]:
    """The names that a pod goes by: its own, and those of what it belongs to."""
    return {pod["metadata"]["name"], *owner_of(pod, _taken_for_known).names}


def _taken_for_known(_group: str, kind: str, _namespace: str, _name: str) -> Obj | None:
    """A ReplicaSet is a Deployment's, whether or not its pods have the label with the hash."""
    return {} if kind == "Deployment" else None


class _ProbePods:
    """The ready pods of the namespaces that calls speak of."""

    def __init__(self, cluster: Cluster, namespaces: Iterable[str]) -> None:
        parts = cluster.map(lambda namespace: cluster.list("v1", "Pod", namespace=namespace, trim=_trim), sorted(set(namespaces)))
        self.all = [pod for part in parts for pod in part if _ready(pod)]
        self._by_ref: dict[str, list[Obj]] = {}
        for pod in self.all:
            for name in _workloads(pod):
                self._by_ref.setdefault(f"{pod['metadata']['namespace']}/{name}", []).append(pod)

    def of(self, ref: str) -> list[Obj]:
        return self._by_ref.get(ref, [])

    def selected(self, policy: Mapping[str, Any]) -> list[Obj]:
        labels = (policy.get("selector") or {}).items()
        own = [pod for pod in self.all if pod["metadata"]["namespace"] == policy["namespace"]]
        return [pod for pod in own if labels <= (pod["metadata"].get("labels") or {}).items() and has_proxy(pod)]


class _ProbeRun:
    def __init__(self, cluster: Cluster, dialer: Dialer, limits: ProbeLimits, clock: Callable[[], float]) -> None:
        self.cluster, self.dialer, self.limits, self.clock = cluster, dialer, limits, clock
        self.end = clock() + limits.total

    def many(self, fn: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        with ThreadPoolExecutor(max_workers=max(1, min(self.limits.workers, len(items)))) as pool:
            return list(pool.map(fn, items))

    def send(self, call: Mapping[str, Any], pods: _ProbePods) -> ProbeResult:
        source = next(iter(pods.of(call["from"])), None)
        if source is None:
            return ProbeResult(call, ProbeAnswer(NONE, None, f"{call['from']} has no ready pod to call from"))
        names = [row["name"] for row in source["spec"]["containers"]]
        container = self.limits.container or next((name for name in names if name != PROXY), PROXY)
        answer = self._answer(call, source, container)
        if answer.verdict not in (NONE, call["expected"]) and container == PROXY:
            # what a proxy's own container sends does not go through the proxy, so it has no identity
            answer = ProbeAnswer(NONE, answer.status, f"{answer.said}, but sent past the proxy: the pod has no other container")
        return ProbeResult(call, answer)

    def _answer(self, call: Mapping[str, Any], source: Obj, container: str) -> ProbeAnswer:
        meta = source["metadata"]
        for tool in TOOLS:
            left = min(self.limits.timeout, self.end - self.clock())
            if left <= 0:
                return ProbeAnswer(NONE, None, f"not sent: the {self.limits.total:g} s for all calls were over")
            words = tool(call, left)
            if not words:
                continue
            try:
                done = run_in_pod(
                    self.dialer, Command(meta["namespace"], meta["name"], container, words), timeout=left + 2, clock=self.clock
                )
            except FetchError as exc:
                return ProbeAnswer(NONE, None, f"{meta['namespace']}/{meta['name']}: {exc}")
            if done.code != _MISSING:
                return judge(call, done.code, done.stdout, done.stderr)
        return ProbeAnswer(NONE, None, f"container {container} of {meta['namespace']}/{meta['name']} has neither curl nor wget")

    def proxies(self, policies: Sequence[Mapping[str, Any]], pods: _ProbePods) -> tuple[dict[str, list[str]], list[str]]:
        """By pod what its proxy does not have yet; and the pods whose proxy gave no answer."""
        wanted: dict[str, list[Mapping[str, Any]]] = {}
        for policy in policies:
            for pod in pods.selected(policy):
                wanted.setdefault(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}", []).append(policy)

        def ask(ref: str) -> dict[str, int] | None:
            namespace, _slash, name = ref.partition("/")
            try:
                dump = admin_get(self.dialer, namespace, name, "/config_dump", timeout=self.limits.timeout, clock=self.clock)
            except FetchError:
                return None
            text = dump.decode(errors="replace")
            return policy_keys(text) if listens(text) else {f"{row['namespace']}/{row['name']}": row["rules"] for row in wanted[ref]}

        refs = sorted(wanted)
        found = dict(zip(refs, self.many(ask, refs), strict=True))
        missing: dict[str, list[str]] = {}
        for ref, known in found.items():
            names = [f"{row['namespace']}/{row['name']}" for row in wanted[ref]]
            late = [name for name, row in zip(names, wanted[ref], strict=True) if known is not None and known.get(name) != row["rules"]]
            if late:
                missing[ref] = late
        return missing, [ref for ref, known in found.items() if known is None]


def _why(row: ProbeResult, pods: _ProbePods, missing: Mapping[str, Sequence[str]], silent: Sequence[str]) -> str:
    """A difference in words."""
    targets, sources = pods.of(row.call["to"]), pods.of(row.call["from"])
    refs = [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in targets]
    late = {ref: missing[ref] for ref in refs if ref in missing}
    if late:
        ref, names = next(iter(late.items()))
        return f"the proxy of {ref} does not have {', '.join(names)} yet: look at the logs of istiod and of that proxy"
    bare = [ref for ref, pod in zip(refs, targets, strict=True) if not has_proxy(pod)]
    if bare:
        return f"{bare[0]} has no proxy, so nothing is enforced there"
    if sources and not has_proxy(sources[0]):
        return f"{row.call['from']} has no proxy, so it calls without an identity"
    mute = [ref for ref in refs if ref in silent]
    if mute:
        return f"the proxy of {mute[0]} could not be asked what it has"
    if row.answer.verdict == ALLOWED:
        return "the proxies have the policies and let it pass: is it sent past them (excluded ports, another protocol, a plain address)?"
    return (
        f"the proxies have the policies; {row.call.get('reason') or 'nothing else is known'}: does the caller run as the account it should?"
    )


def probe(
    cluster: Cluster,
    dialer: Dialer,
    calls: Sequence[Mapping[str, Any]],
    policies: Sequence[Mapping[str, Any]],
    limits: ProbeLimits,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> ProbeOutcome:
    """Waits for the policies in the proxies, then sends all calls; those that differ are sent again until the wait is over."""
    run, began = _ProbeRun(cluster, dialer, limits, clock), clock()
    deadline = began + limits.wait
    spaces = [ref.partition("/")[0] for call in calls for ref in (call["from"], call["to"])] + [str(row["namespace"]) for row in policies]
    pods = _ProbePods(cluster, spaces)
    missing, silent = run.proxies(policies, pods)
    progress = Progress(cluster.name, clock)
    while missing and clock() < deadline:
        if progress.due():
            progress.say(f"proxies without their policies: {few(f'{ref}: {len(names)} missing' for ref, names in missing.items())}")
        time.sleep(limits.interval)
        missing, silent = run.proxies(policies, pods)
    rows: list[ProbeResult] = run.many(lambda call: run.send(call, pods), list(calls))
    while any(row.agrees is False for row in rows) and clock() < deadline:
        if progress.due():
            progress.say(f"{sum(row.agrees is False for row in rows)} of {counted(len(rows), 'call')} not as predicted")
        time.sleep(limits.interval)
        again = run.many(lambda row: run.send(row.call, pods) if row.agrees is False else row, rows)
        rows = again
    if missing:
        missing, silent = run.proxies(policies, pods)
    rows = [replace(row, why=_why(row, pods, missing, silent)) if row.agrees is False else row for row in rows]
    waiting = tuple(f"{ref}: {', '.join(names)}" for ref, names in sorted(missing.items()))
    return ProbeOutcome(tuple(rows), waiting, tuple(silent), clock() - began)
