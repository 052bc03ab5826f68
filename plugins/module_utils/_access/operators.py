# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Callers that no team thinks of: the kubelet's probes and Prometheus. Most of their calls pass by policies; those that do not are named.

The injector rewrites probes to the agent's port, and merges an application's metrics into it; ports 15020, 15021 and 15090 ask no policy.
In ambient the kubelet's probes are let through by their address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._authorization.inventory import Workload
from .intent import ANYONE, PLAINTEXT
from .rows import Resolved, ResolvedRule

__all__ = ["operators_calls"]

_REWRITE, _MERGE = "sidecar.istio.io/rewriteAppHTTPProbers", "prometheus.istio.io/merge-metrics"
_SCRAPE, _SCRAPED_PORT = "prometheus.io/scrape", "prometheus.io/port"
_FREE = frozenset({15020, 15021, 15090})
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_WAYS = ("httpGet", "tcpSocket", "grpc")
Obj = Mapping[str, Any]


def _number(port: Any, container: Obj) -> int:
    if str(port).isdigit():
        return int(port)
    named = (row.get("containerPort") for row in container.get("ports") or [] if row.get("name") == port)
    return int(next(named, 0) or 0)


def _probed(template: Obj) -> Iterator[tuple[str, int]]:
    for container in (template.get("spec") or {}).get("containers") or []:
        for kind in _PROBES:
            probe = container.get(kind) or {}
            port = next((_number((probe[way] or {}).get("port"), container) for way in _WAYS if way in probe), 0)
            if port:
                yield kind, port


def _passes(rows: Sequence[ResolvedRule], port: int) -> bool:
    """Whether a caller without an identity may reach a port."""
    return any(
        (ANYONE in row.words or PLAINTEXT in row.words) and str(port) in row.rule.operations.get("ports", (str(port),)) for row in rows
    )


def _stopped(place: Workload, kind: str, port: int) -> str:
    return (
        f"{place.ref}: the {kind} at port {port} would be denied and the pod restarted, because {_REWRITE} is false, so the kubelet calls "
        "it in plain text; take the annotation away, or write a rule from plaintext for the port and an exception from mutual TLS"
    )


def _monitored(place: Workload, template: Obj, objects: Sequence[Obj]) -> Iterator[tuple[str, int]]:
    """Ports that a PodMonitor or ServiceMonitor of the namespace scrapes past the proxy's own."""
    containers = (template.get("spec") or {}).get("containers") or []
    services = [obj for obj in objects if obj.get("kind") == "Service" and (obj.get("metadata") or {}).get("namespace") == place.namespace]
    for obj in objects:
        kind, meta, spec = obj.get("kind"), obj.get("metadata") or {}, obj.get("spec") or {}
        if kind not in ("PodMonitor", "ServiceMonitor") or meta.get("namespace") != place.namespace:
            continue
        wanted = ((spec.get("selector") or {}).get("matchLabels") or {}).items()
        names = [row.get("port") or row.get("targetPort") for row in spec.get("podMetricsEndpoints") or spec.get("endpoints") or []]
        if kind == "PodMonitor" and wanted <= place.workload.labels.items():
            ports = {_number(name, container) for name in names for container in containers}
        elif kind == "ServiceMonitor":
            own = [one for one in services if wanted <= (one["metadata"].get("labels") or {}).items() and _leads(one, place)]
            rows = [row for one in own for row in one["spec"].get("ports") or [] if row.get("name") in names]
            ports = {_number(row.get("targetPort", row["port"]), container) for row in rows for container in containers}
        else:
            continue
        yield from ((f"{kind} {place.namespace}/{meta.get('name')}", port) for port in sorted(ports - _FREE - {0}))


def _leads(service: Obj, place: Workload) -> bool:
    selector = (service.get("spec") or {}).get("selector") or {}
    return bool(selector) and selector.items() <= place.workload.labels.items()


def operators_calls(resolved: Resolved, objects: Iterable[Obj]) -> tuple[list[str], list[str]]:
    """Problems: probes that would fail. Notes: metrics that would not be read any more."""
    live, rows = list(objects), resolved.rows_by_target()
    templates = {
        f"{(obj.get('metadata') or {}).get('namespace')}/{(obj.get('metadata') or {}).get('name')}": (obj.get("spec") or {}).get("template")
        for obj in live if obj.get("kind") in ("Deployment", "StatefulSet", "DaemonSet")
    }  # fmt: skip
    problems, notes = list[str](), list[str]()
    for place in resolved.closed:
        template = templates.get(place.ref) or {}
        if place.workload.kind not in ("sidecar", "gateway") or not template:
            continue
        marks = (template.get("metadata") or {}).get("annotations") or {}
        own = rows.get(place.ref, [])
        if str(marks.get(_REWRITE, "true")).lower() == "false":
            problems += [_stopped(place, *probe) for probe in dict.fromkeys(_probed(template)) if not _passes(own, probe[1])]
        port = str(marks.get(_SCRAPED_PORT, ""))
        alone = str(marks.get(_MERGE, "true")).lower() == "false" and str(marks.get(_SCRAPE, "")).lower() == "true"
        scraped = [(f"the annotation {_SCRAPED_PORT}", int(port))] if alone and port.isdigit() and int(port) not in _FREE else []
        scraped += _monitored(place, template, live)
        notes += [
            f"{who} has Prometheus read port {number} of {place.ref} past its proxy's metrics; no rule lets it, so those metrics end"
            for who, number in scraped if not any(str(number) in row.rule.operations.get("ports", (str(number),)) for row in own)
        ]  # fmt: skip
    return problems, notes
