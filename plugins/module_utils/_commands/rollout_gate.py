# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whom the gate of a wave asks: its proxies themselves, and a Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .._errors import FetchError
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.forward import admin_get
from .._model.problem import Problem
from .._rollout import gate
from .prometheus import instant_query

__all__ = ["Asking", "ask_prometheus", "ask_proxies"]

_ALONE = 5  # so many proxies in a row that do not answer: no other is asked


@dataclass(frozen=True)
class Asking:
    """How many proxies of a wave are asked themselves, and for how long. limit 0: none."""

    limit: int = 100
    timeout: float = 5.0
    total: float = 60.0
    workers: int = 32


def ask_proxies(
    pods: Sequence[tuple[str, str]], dialer: Dialer, asking: Asking, clock: Callable[[], float] = time.monotonic
) -> list[gate.ProxyReport]:
    """The proxies themselves; where the first few of them do not answer, the others are not asked."""
    end = clock() + asking.total
    chosen = pods[:: max(1, -(-len(pods) // asking.limit))] if len(pods) > asking.limit else list(pods)

    def one(pod: tuple[str, str]) -> gate.ProxyReport:
        resource = f"Pod {pod[0]}/{pod[1]}"
        if clock() > end:
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


def ask_prometheus(cluster: Cluster, namespace: str, query: Mapping[str, Any], fetch: Callable[[str], bytes]) -> list[Problem]:
    """What is wrong with its answer; no answer is, too. namespace: where its Service is looked for."""
    try:
        answer = instant_query(cluster, query["query"], query, namespace, fetch)
    except FetchError as exc:
        return [Problem(f"query {query.get('name') or query['query']}", str(exc))]
    return gate.judge_query(query, answer)
