# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What traffic_metrics_info does: measures for a while, and tells what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .._canary.gate import figures, outcome, split
from .._canary.intent import CanaryGate, Measure, seconds_of
from .._canary.refusals import gate_refusals, prometheus_refusals
from .._errors import ConfigError
from .._kube.auth import dialer
from .._kube.client import Cluster
from .._kube.options import display_name
from .._kube.progress import Progress
from .._model.fields import section
from .._model.traffic_rows import version_labels
from .._text import counted, shown
from .traffic_metrics import MetricsReader, MetricsRequest, prometheus_fetch

__all__ = ["measured"]


def _request(params: Mapping[str, Any]) -> MetricsRequest:
    """What is asked; ConfigError with all that cannot be meant."""
    given = {key: params[key] for key in ("window", "interval", "confidence", "errors")}
    wrong = [*gate_refusals({**given, "latency": {"percentile": params["percentile"]}}, ""), *prometheus_refusals(params, "prometheus")]
    if wrong:
        raise ConfigError(*wrong)
    return MetricsRequest(
        namespace=params["namespace"],
        service=params["service"],
        versions={one["name"]: version_labels(one) for one in params["versions"]},
        measure=Measure(
            params["measure"], params["reporter"], tuple(params["callers"]), params["metrics_port"], section(params["prometheus"])
        ),
        home=params["namespace"],
        timeout=params["proxy_timeout"],
    )


def measured(
    params: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """The result: of each version, and of the split among them."""
    request, name = _request(params), display_name(params)
    window, interval = (seconds_of(params[key]) or 0.0 for key in ("window", "interval"))
    cluster = Cluster.from_params(params, name=name)
    reader = MetricsReader(cluster, dialer(params, name=name), request, prometheus_fetch(request.measure.prometheus), clock=clock)
    progress, began = Progress(name, clock), clock()
    reader.look()
    while True:
        left = window - (clock() - began)
        if left <= 0:
            break
        sleep(max(0.05, min(interval, left)))
        reader.look()
        total = sum(reader.counts(version).requests for version in request.versions)
        if params["min_requests"] and total >= params["min_requests"]:
            break
        if progress.due():
            progress.say(f"{request.namespace}/{request.service} has answered {counted(total, 'request')}")
    return _told(reader, request, params, clock() - began)


def _told(reader: MetricsReader, request: MetricsRequest, params: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    gate = CanaryGate(percentile=params["percentile"], confidence=params["confidence"], errors=tuple(params["errors"]))
    counts = {version: reader.counts(version) for version in request.versions}
    rows = {version: figures(one, gate) for version, one in counts.items()}
    shares = split(counts, params["confidence"])
    lines = [f"{shares[version]['text']}, {outcome(row)}" for version, row in rows.items()]
    lost = reader.unreached().requests
    if lost:
        lines.append(f"{counted(lost, 'request')} reached no pod of any version")
    silent = [f"{title}: {shown(why)}" for title, why in sorted(reader.silent.items())]
    return {"versions": rows, "split": shares, "seconds": round(seconds, 1), "silent": silent, "lines": lines}
