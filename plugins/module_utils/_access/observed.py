# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Observed calls out of what a mesh writes down: Prometheus' answers about istio_requests_total, and access logs of proxies. Pure.

A metric knows both ends and no request; a log line knows the request, and of the two ends its own and the other's address or host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from .._errors import ConfigError

__all__ = ["QUERIES", "Call", "increase", "log_fields", "merged", "of_log", "of_metrics", "samples_of", "workload_ref"]

_LABELS = (
    "source_workload, source_workload_namespace, source_principal, destination_workload, destination_workload_namespace, response_code"
)
# The receiver's side: it sees callers without a proxy too.
QUERIES = (
    f'sum by ({_LABELS}) (increase(istio_requests_total{{reporter=~"destination|waypoint"}}[{{window}}]))',
    f'sum by ({_LABELS}) (increase(istio_tcp_connections_opened_total{{reporter="destination"}}[{{window}}]))',
)
_UNKNOWN = ("", "unknown", "-", None)
_DENIED = frozenset({401, 403})
_CRI = re.compile(r"^\S+ (?:stdout|stderr) [FP] ")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\S+Z? (?=[\[{])")
# Istio's default text: [time] "method path protocol" code flags details termination "failure" in out ms upstream-ms "xff" "agent" "id"
# "authority" "upstream host" upstream_cluster upstream_local downstream_local downstream_remote sni route
_TEXT = re.compile(
    r'^\[[^\]]+\] "(?P<request>[^"]*)" (?P<code>\d+) (?P<flags>\S+) (?P<details>\S+) (?P<end>\S+) "(?P<failure>(?:[^"\\]|\\.)*)" '
    r'\S+ \S+ \S+ \S+ "[^"]*" "(?:[^"\\]|\\.)*" "[^"]*" "(?P<authority>[^"]*)" "(?P<upstream>[^"]*)" (?P<cluster>\S+) \S+ (?P<local>\S+) '
    r"(?P<remote>\S+) (?P<sni>\S+) (?P<route>\S+)"
)
_CLUSTER = re.compile(r"(?P<way>inbound|outbound)\|(?P<port>\d*)\|(?P<subset>[^|]*)\|(?P<host>.*)")


@dataclass(frozen=True)
class Call:
    """What was seen, as often as `count`. Ends are NAMESPACE/WORKLOAD (or a pod's), empty where it is not known; `account` NAMESPACE/NAME;
    `address`: of a caller of which nothing else is known; `host`: of a destination of which nothing else is known."""

    source: str = ""
    target: str = ""
    account: str = ""
    address: str = ""
    host: str = ""
    port: int = 0  # of the Service where there is a host, else of the pod; 0: not known
    method: str = ""
    path: str = ""
    denied: bool = False
    count: int = 1


def workload_ref(namespace: Any, name: Any) -> str:
    return "" if namespace in _UNKNOWN or name in _UNKNOWN else f"{namespace}/{name}"


def _account(principal: Any) -> str:
    found = re.fullmatch(r"(?:spiffe://)?[^/]+/ns/([^/]+)/sa/([^/]+)", str(principal or ""))
    return f"{found[1]}/{found[2]}" if found else ""


def increase(sample: Mapping[str, Any]) -> float:
    """A sample of an instant query, or what a range's samples add up to."""
    if "value" in sample:
        return float(sample["value"][1])
    values = [float(value) for _when, value in sample.get("values") or []]
    # A counter that begins anew has counted what it shows.
    counted = sum(after - before if after >= before else after for before, after in pairwise(values))
    return counted or (values[-1] if values else 0.0)


def samples_of(answer: Any, where: str) -> list[Mapping[str, Any]]:
    """The series of an answer of Prometheus' query API, as it came or as it was saved. ConfigError where it is none."""
    if isinstance(answer, Mapping) and answer.get("status") == "error":
        raise ConfigError(f"{where}: Prometheus says {answer.get('errorType')}: {answer.get('error')}")
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(data, Mapping) or data.get("resultType") not in ("vector", "matrix") or not isinstance(data.get("result"), list):
        raise ConfigError(
            f"{where} is no answer of Prometheus' query API: expected status, and data with a result of the type vector or matrix"
        )
    return list(data["result"])


def of_metrics(answer: Any, where: str) -> Iterator[Call]:
    """The calls of an answer."""
    for sample in samples_of(answer, where):
        labels = sample.get("metric") or {}
        if labels.get("reporter") == "source":
            continue  # what the receiver saw as well
        count = increase(sample)
        code = str(labels.get("response_code") or "")
        source = workload_ref(labels.get("source_workload_namespace"), labels.get("source_workload"))
        target = workload_ref(labels.get("destination_workload_namespace"), labels.get("destination_workload"))
        if target and round(count) > 0:
            denied = code.isdigit() and int(code) in _DENIED
            yield Call(source, target, _account(labels.get("source_principal")), denied=denied, count=round(count))


def _address(value: Any) -> tuple[str, int]:
    host, _colon, port = str(value or "").rpartition(":")
    return host.strip("[]"), int(port) if port.isdigit() else 0


def log_fields(line: str) -> Mapping[str, Any] | None:
    """The fields of a log line by their names in Istio's JSON; None for what is no access log."""
    text = _STAMP.sub("", _CRI.sub("", line)).strip()
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            return None
        return found if isinstance(found, Mapping) and "upstream_cluster" in found and "response_code" in found else None
    match = _TEXT.match(text)
    if not match:
        return None
    words = match["request"].split(" ")
    method, path = (words[0], " ".join(words[1:-1])) if len(words) >= 3 else ("", "")
    return {"method": method, "path": path, "response_code": match["code"], "response_code_details": match["details"],
            "authority": match["authority"], "upstream_cluster": match["cluster"], "downstream_local_address": match["local"],
            "downstream_remote_address": match["remote"], "connection_termination_details": match["end"],
            "upstream_host": match["upstream"], "requested_server_name": match["sni"],
            "route_name": match["route"]}  # fmt: skip


def _said(value: Any) -> str:
    return "" if value in _UNKNOWN else str(value)


def of_log(lines: Iterable[str], owner: str) -> Iterator[Call | None]:
    """The calls of the access log of one proxy, NAMESPACE/POD; None for each line that is none."""
    for line in lines:
        fields = log_fields(line)
        if fields is None:
            if line.strip():
                yield None
            continue
        cluster = _CLUSTER.fullmatch(str(fields.get("upstream_cluster") or ""))
        code, details = str(fields.get("response_code") or "0"), _said(fields.get("response_code_details"))
        ended = _said(fields.get("connection_termination_details"))
        denied = "rbac" in details + ended or "jwt_authn" in details or (code == "401" and "via_upstream" not in details)
        call = Call(method=_said(fields.get("method")), path=_said(fields.get("path")).partition("?")[0], denied=denied)
        # Whom a policy refuses never gets to a cluster.
        inbound = cluster["way"] == "inbound" if cluster else denied
        if not inbound and cluster and cluster["host"]:
            yield replace(call, source=owner, host=cluster["host"], port=int(cluster["port"] or 0))
        elif inbound:
            _local, port = _address(fields.get("downstream_local_address"))
            remote, _port = _address(fields.get("downstream_remote_address"))
            yield replace(call, target=owner, address=remote, port=port)


def merged(calls: Iterable[Call]) -> list[Call]:
    """The same calls counted together."""
    counts: dict[Call, int] = {}
    for call in calls:
        key = replace(call, count=0)
        counts[key] = counts.get(key, 0) + call.count
    return [replace(call, count=count) for call, count in counts.items()]
