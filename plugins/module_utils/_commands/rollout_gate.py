# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whom the gate of a wave asks: its proxies themselves, and a Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode

from .._errors import FetchError
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.forward import admin_get
from .._model.problem import Problem
from .._model.secrecy import without_login
from .._rollout import gate

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
    """A Prometheus, by its URL or through the API server at its Service."""
    words = urlencode({"query": query["query"]})
    if query.get("url"):
        try:
            body = fetch(f"{str(query['url']).rstrip('/')}/api/v1/query?{words}")
        except (OSError, ValueError, HTTPException) as exc:
            # what is said of an address that is none quotes a part of it, which may be a password
            reason = without_login(str(exc)) if isinstance(exc, OSError) else "this is no address"
            title = f"query {query.get('name') or query['query']}"
            return [Problem(title, f"no answer from {without_login(str(query['url']))}: {reason}")]
    else:
        where = query.get("service") or {}
        port = where.get("port", 9090)
        path = (
            f"/api/v1/namespaces/{quote(str(where.get('namespace') or namespace), safe='')}/services/"
            f"{quote(str(where.get('name') or 'prometheus'), safe='')}:{port}/proxy/api/v1/query?{words}"
        )
        try:
            body = cluster.request("GET", path).body
        except FetchError as exc:
            return [Problem(f"query {query.get('name') or query['query']}", str(exc))]
    try:
        answer = json.loads(body)
    except ValueError:
        answer = body[:200].decode(errors="replace")
    return gate.judge_query(query, answer)
