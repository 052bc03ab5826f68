# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What traffic_wait does: asks proxies, many at a time and bounded, until each has what the next stage of routes stands on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import FetchError, NotReady
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.forward import WORKERS, admin_get
from .._kube.progress import Progress, few
from .._text import counted, shortened
from .._traffic.learned import ROUTES_PATH, clusters_path, hosts_of, missing_clusters, still_routed
from .proxies import proxy_pods

__all__ = ["LearnLimits", "LearnOutcome", "wait_for_proxies"]

_SHOWN = 5
Pod = Mapping[str, Any]


@dataclass(frozen=True)
class LearnLimits:
    """In seconds, but `proxies`, the most that are asked. settle: how long to wait where no proxy can be asked."""

    timeout: float = 5.0
    wait: float = 60.0
    interval: float = 0.5
    settle: float = 10.0
    proxies: int = 200


@dataclass(frozen=True)
class LearnOutcome:
    """asked: how many proxies answered; silent: those that did not; there: how many there are; settled: whether time was all there was."""

    asked: int
    silent: tuple[str, ...]
    there: int
    settled: bool
    seconds: float

    @property
    def text(self) -> str:
        if self.settled:
            why = shortened(self.silent, 1) or "there is none"
            return f"no proxy could be asked what it knows ({why}); waited {self.seconds:.0f} s instead"
        rest = f", {counted(len(self.silent), 'proxy', 'proxies')} could not be asked" if self.silent else ""
        of = f" of {self.there}" if self.there > self.asked + len(self.silent) else ""
        return f"{counted(self.asked, 'proxy', 'proxies')}{of} asked, each has it after {self.seconds:.1f} s{rest}"


def _chosen(pods: Sequence[Pod], most: int) -> list[Pod]:
    """As many as may be asked: first one of each workload, then their others."""
    seen: dict[tuple[str, str], int] = {}
    ranked = []
    for number, pod in enumerate(pods):
        owner = next((str(one.get("name")) for one in pod["metadata"].get("ownerReferences") or []), str(number))
        key = (str(pod["metadata"]["namespace"]), owner)
        seen[key] = seen.get(key, 0) + 1
        ranked.append((seen[key], number))
    return [pods[number] for _turn, number in sorted(ranked)[:most]]


@dataclass(frozen=True)
class _Question:
    """clusters: rows with `name` and `of`; unrouted: ends of names."""

    clusters: Sequence[Mapping[str, str]]
    unrouted: Sequence[str]

    def lacking(self, get: Callable[[str], str]) -> list[str]:
        """What one proxy does not have yet, in words."""
        found: list[str] = []
        if self.clusters:
            dump = get(clusters_path(hosts_of(self.clusters)))
            found += [f"it does not know {name}" for name in missing_clusters(dump, self.clusters)]
        if self.unrouted:
            found += [f"it still routes to {name}" for name in still_routed(get(ROUTES_PATH), self.unrouted)]
        return found


def wait_for_proxies(
    cluster: Cluster,
    dialer: Dialer,
    *,
    clusters: Sequence[Mapping[str, str]] = (),
    unrouted: Sequence[str] = (),
    namespaces: Sequence[str] | None = None,
    limits: LearnLimits = LearnLimits(),
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> LearnOutcome:
    """Until every proxy that could be asked has it. Raises NotReady with those that have not, when the wait is over."""
    question, began = _Question(clusters, unrouted), clock()
    pods = proxy_pods(cluster, namespaces)
    left, silent, answered = _chosen(pods, limits.proxies), dict[str, str](), set[str]()
    progress = Progress(cluster.name, clock)

    def ask(pod: Pod) -> list[str] | FetchError:
        return _answer(dialer, pod, question, limits, clock)

    while True:
        lacking = dict(zip(map(_ref, left), cluster.map(ask, left, WORKERS), strict=True))
        silent |= {ref: str(why) for ref, why in lacking.items() if isinstance(why, FetchError)}
        answered |= {ref for ref, why in lacking.items() if isinstance(why, list)}
        waiting = {ref: why for ref, why in lacking.items() if isinstance(why, list) and why}
        if not waiting:
            break
        if clock() - began >= limits.wait:
            raise NotReady(_late(cluster.name, waiting, limits.wait))
        if progress.due():
            progress.say(few(f"{ref}: {why[0]}" for ref, why in waiting.items()))
        sleep(limits.interval)
        left = [pod for pod in left if _ref(pod) in waiting]
    if not answered:
        sleep(limits.settle)
    reasons = tuple(f"{ref}: {why}" for ref, why in sorted(silent.items()) if ref not in answered)
    return LearnOutcome(len(answered), reasons, len(pods), not answered, clock() - began)


def _ref(pod: Pod) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _answer(dialer: Dialer, pod: Pod, question: _Question, limits: LearnLimits, clock: Callable[[], float]) -> list[str] | FetchError:
    """What a proxy lacks, or why it gave no answer."""
    meta = pod["metadata"]

    def get(path: str) -> str:
        return admin_get(dialer, meta["namespace"], meta["name"], path, timeout=limits.timeout, clock=clock).decode(errors="replace")

    try:
        return question.lacking(get)
    except FetchError as exc:
        return exc


def _late(cluster: str, waiting: Mapping[str, Sequence[str]], seconds: float) -> str:
    names = shortened((f"{ref}: {why[0]}" for ref, why in sorted(waiting.items())), _SHOWN, "; ")
    return (
        f"cluster {cluster}: after {seconds:g} s {counted(len(waiting), 'proxy', 'proxies')} of the mesh did not follow ({names}). "
        "The next stage was not applied, and no route leads to what is not there; look at the logs of istiod and of that proxy "
        "(a refused configuration), and run it again, which goes on from here"
    )
