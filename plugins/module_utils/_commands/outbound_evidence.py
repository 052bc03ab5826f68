# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where calls out of the mesh are read: Prometheus or its answers in files, access logs in files, the proxies' own counters, sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from .._canary.intent import seconds_of
from .._canary.metrics import REQUESTS, Sample, from_text
from .._egress.observed import (
    CONNECTIONS,
    OUTBOUND_QUERIES,
    OutboundCall,
    OutboundEvidence,
    of_labels,
    outbound_of_log,
    outbound_of_metrics,
    read_known,
)
from .._errors import ConfigError, FetchError
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.forward import WORKERS, admin_get
from .._text import counted, quoted, shown, span
from .access_from_traffic import LARGEST, Prometheus, files_of, json_of, lines_of, owner_of
from .proxies import proxy_pods

__all__ = ["gather_files", "gather_known", "gather_prometheus", "gather_proxies"]

_PAGE, _PORT = "/stats/prometheus", 15020
_UPTIME = "envoy_server_uptime"


def _take(evidence: OutboundEvidence, found: Iterable[tuple[str, OutboundCall | None]]) -> None:
    calls = []
    for name, call in found:
        evidence.seen |= {name} if name else set()
        calls += [call] if call is not None else []
    evidence.add(calls)


def gather_prometheus(evidence: OutboundEvidence, prometheus: Prometheus) -> None:
    """What a query API has for its window."""
    for answer in prometheus.answers(OUTBOUND_QUERIES):
        _take(evidence, outbound_of_metrics(answer, prometheus.name))
    evidence.sources.append(prometheus.title)


def gather_files(evidence: OutboundEvidence, answers: Iterable[str], logs: Iterable[Mapping[str, Any]]) -> None:
    """Answers of a query API, and access logs. Whose log is there was seen, whether it called or not."""
    for name in answers:
        for path in files_of(name):
            _take(evidence, outbound_of_metrics(json_of("".join(lines_of(path, LARGEST)), str(path)), str(path)))
            evidence.sources.append(f"the answer {path}")
    for row in logs:
        for path in files_of(row["path"]):
            owner, calls = str(row.get("workload") or owner_of(path)), []
            for call in outbound_of_log(lines_of(path), owner):
                if call is None:
                    evidence.skipped[str(path)] = evidence.skipped.get(str(path), 0) + 1
                else:
                    calls.append(call)
            evidence.add(calls)
            evidence.seen |= {owner} if path.stat().st_size else set()
            evidence.sources.append(f"the log {path}")


def gather_known(evidence: OutboundEvidence, rows: Sequence[Any]) -> None:
    """What people say."""
    evidence.add(read_known(rows))
    evidence.sources += [counted(len(rows), "sentence") + " of mesh_outbound_calls"] if rows else []


def gather_proxies(
    evidence: OutboundEvidence,
    cluster: Cluster,
    streams: Dialer | None,
    namespaces: Sequence[str] | None,
    *,
    least: str,
    timeout: float = 5.0,
) -> None:
    """What the proxies have counted since they started. One that has counted for less than `least` says too little."""
    if streams is None:
        raise ConfigError("proxies are asked through the API server's port-forward, which needs the Python package websocket-client")
    wanted = seconds_of(least)
    if wanted is None:
        raise ConfigError(f"least is {quoted(least)}, expected a duration such as 1d or 30m")
    pods = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in proxy_pods(cluster, namespaces)]

    def one(pod: tuple[str, str]) -> tuple[str, list[Sample], str]:
        try:
            body = admin_get(streams, *pod, _PAGE, timeout=timeout, port=_PORT)
            return "/".join(pod), from_text(body, (REQUESTS, CONNECTIONS, _UPTIME)), ""
        except FetchError as exc:
            return "/".join(pod), [], str(exc)

    for name, samples, silent in cluster.map(one, pods, WORKERS):
        age = max((sample.value for sample in samples if sample.name == _UPTIME), default=0.0)
        evidence.seen.add(name)
        if silent:
            evidence.young[name] = f"its proxy was not heard: {shown(silent)}"
        elif age < wanted:
            evidence.young[name] = f"its proxy has counted for {span(timedelta(seconds=age))} only, expected {least} (mesh_outbound_least)"
        _take(evidence, (of_labels(sample.labels, sample.value) for sample in samples if sample.name != _UPTIME))
    evidence.sources.append(f"the counters of {counted(len(pods), 'proxy', 'proxies')}, each since it started")
