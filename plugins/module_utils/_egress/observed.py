# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What was seen, or is known, of calls that no service of the mesh takes: out of metrics, access logs, and sentences of people. Pure.

A metric of HTTP has the host that was called; one of TCP, and so of TLS, has no name at all. An access log has both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._access.observed import increase, log_fields, samples_of, workload_ref
from .._errors import ConfigError
from .._routing.hosts import is_ip
from .._text import quoted

__all__ = ["CONNECTIONS", "OUTBOUND_QUERIES", "OutboundCall", "OutboundEvidence", "of_labels", "outbound_of_log", "outbound_of_metrics",
           "read_known"]  # fmt: skip

CONNECTIONS = "istio_tcp_connections_opened_total"
_LABELS = (
    "reporter, source_workload, source_workload_namespace, destination_workload, destination_workload_namespace, destination_service, "
    "destination_service_name, request_protocol, response_code"
)
OUTBOUND_QUERIES = tuple(f"sum by ({_LABELS}) (increase({name}[{{window}}]))" for name in ("istio_requests_total", CONNECTIONS))
_PASSES = ("PassthroughCluster", "AllowAnyDynamicDNSCluster")
_CLOSED = "BlackHoleCluster"
_BLOCKED = "block_all"  # the virtual host of what nobody knows
_NOBODY = ("", "unknown", "-", "None")
_SENTENCE = re.compile(r"(?P<source>\S+/\S+)\s+->\s+(?P<target>\S+)")
_TARGET = re.compile(r"(?:(?P<scheme>https?|tls|tcp)://)?(?P<host>[^/:\s]+)(?::(?P<port>\d+))?")
_NOTHING = "nothing"
_PORTS = {"http": 80, "https": 443, "tls": 443}
_SCHEMES = {80: "http", 443: "tls"}
SENTENCES = ("shop/web -> https://api.example.com", "shop/batch -> tcp://192.0.2.7:5432", "shop/front -> nothing")


@dataclass(frozen=True)
class OutboundCall:
    """source: NAMESPACE/WORKLOAD, or its pod; protocol: http, tls or tcp. Neither host nor address: nothing says where it went.
    closed: it did not get out."""

    source: str
    host: str = ""
    port: int = 0
    protocol: str = "http"
    address: str = ""
    closed: bool = False
    known: bool = False  # somebody says so
    count: int = 1

    @property
    def target(self) -> str:
        name = self.host or self.address
        return f"{name}:{self.port}" if name and self.port else name


@dataclass
class OutboundEvidence:
    """calls, counted together; seen: who is in the evidence at all, with calls or without; young: whose counters are too new to say
    anything, with the reason."""

    calls: list[OutboundCall] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    young: dict[str, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)  # by file, lines that are no access log

    def add(self, calls: Iterable[OutboundCall]) -> None:
        counts = {replace(call, count=0): call.count for call in self.calls}
        for call in calls:
            key = replace(call, count=0)
            counts[key] = counts.get(key, 0) + call.count
        self.calls = [replace(call, count=count) for call, count in counts.items()]


def _named(value: Any) -> str:
    text = str(value or "")
    return "" if text in _NOBODY else text


def _split(host: str, port: int) -> tuple[str, int]:
    """A Host header has the port where it is not the usual one."""
    name, colon, number = host.rpartition(":")
    return (name.strip("[]").lower(), int(number)) if colon and number.isdigit() else (host.lower(), port)


def of_labels(labels: Mapping[str, Any], count: float) -> tuple[str, OutboundCall | None]:
    """Whose series it is (empty: nobody's), and the call, where that was for no service of the mesh."""
    if labels.get("reporter") != "source":
        return workload_ref(labels.get("destination_workload_namespace"), labels.get("destination_workload")), None
    source = workload_ref(labels.get("source_workload_namespace"), labels.get("source_workload"))
    name, host = _named(labels.get("destination_service_name")), _named(labels.get("destination_service"))
    passes, blocked = name in _PASSES, name == _CLOSED or (not name and str(labels.get("response_code")) == "502")
    if not source or round(count) <= 0 or not (passes or blocked):
        return source, None
    tcp = labels.get("request_protocol") == "tcp"
    where, port = _split("" if tcp else host, 80)
    plain = OutboundCall(source, where, port if where else 0, "tcp" if tcp else "http", closed=blocked, count=round(count))
    return source, replace(plain, host="", address=where) if is_ip(where) else plain


def outbound_of_metrics(answer: Any, where: str) -> Iterator[tuple[str, OutboundCall | None]]:
    """As of_labels, of each series of an answer of Prometheus."""
    for sample in samples_of(answer, where):
        yield of_labels(sample.get("metric") or {}, increase(sample))


def outbound_of_log(lines: Iterable[str], owner: str) -> Iterator[OutboundCall | None]:
    """The calls of the access log of one proxy, NAMESPACE/POD, that no service of the mesh took; None for a line that is none."""
    for line in lines:
        fields = log_fields(line)
        if fields is None:
            if line.strip():
                yield None
            continue
        cluster, blocked = _named(fields.get("upstream_cluster")), _named(fields.get("route_name")) == _BLOCKED
        if cluster not in (*_PASSES, _CLOSED) and not blocked:
            continue
        yield _of_line(fields, owner, closed=blocked or cluster == _CLOSED)


def _of_line(fields: Mapping[str, Any], owner: str, *, closed: bool) -> OutboundCall:
    address, _colon, number = str(fields.get("downstream_local_address") or fields.get("upstream_host") or "").rpartition(":")
    address, port = _named(address.strip("[]")), int(number) if number.isdigit() else 0
    server, asked = _named(fields.get("requested_server_name")), _named(fields.get("authority"))
    if server:
        return OutboundCall(owner, server.lower(), port, "tls", address, closed)
    if _named(fields.get("method")) and asked:
        host, _port = _split(asked, port)  # the port of a Host header never counts
        return OutboundCall(owner, "" if is_ip(host) else host, port or _port, "http", address or (host if is_ip(host) else ""), closed)
    return OutboundCall(owner, "", port, "tcp", address, closed)


def read_known(rows: Sequence[Any]) -> list[OutboundCall]:
    """Sentences such as SENTENCES; `-> nothing` says that a workload calls nobody outside. ConfigError with all that cannot be read."""
    found, wrong = [], []
    for number, row in enumerate(rows):
        sentence = _SENTENCE.fullmatch(str(row).strip())
        target = _TARGET.fullmatch(sentence["target"]) if sentence else None
        if sentence is None or target is None:
            wrong.append(f"mesh_outbound_calls[{number}]: {quoted(row)} is no call; expected one such as {' | '.join(SENTENCES)}")
            continue
        if sentence["target"] == _NOTHING:
            found.append(OutboundCall(sentence["source"], known=True, protocol="", count=0))
            continue
        scheme, port = target["scheme"] or "", int(target["port"] or 0)
        port = port or _PORTS.get(scheme, 0)
        scheme = scheme or _SCHEMES.get(port, "")
        if not scheme or not port:
            wrong.append(
                f"mesh_outbound_calls[{number}]: {quoted(row)}: say what is spoken and the port, as in https://{target['host']}:8443"
            )
            continue
        host = target["host"].lower()
        name, address = ("", host) if is_ip(host) else (host, "")
        protocol = {"https": "tls"}.get(scheme, scheme)
        found.append(OutboundCall(sentence["source"], name, port, protocol, address, known=True, count=0))
    if wrong:
        raise ConfigError("; ".join(wrong))
    return found
