# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio's standard metrics by Envoy's own means: access loggers that count, with Istio's names and labels. No I/O.

Istio's Envoy has a filter for them (istio.stats), that of the Python package has not. Who calls is told to the other side by a header, as
by Istio's own exchange; who was called is in the endpoint's and the cluster's metadata, where istiod puts it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .spec import Identity

__all__ = ["HEADER", "UNKNOWN", "exchange_filters", "http_logger", "istio_names", "packed", "tcp_loggers"]

Obj = dict[str, Any]
HEADER = "x-testbed-workload"
PEER = "testbed.peer"
UNKNOWN = (b"PassthroughCluster", b"BlackHoleCluster")  # what no service takes
# Istio's outbound metrics have the Host header there.
_HOST = "%CEL(xds.cluster_name == 'PassthroughCluster' ? request.host : xds.cluster_metadata.filter_metadata['istio']['host'])%"
_PARTS = ("workload", "namespace", "service", "revision", "app", "version", "cluster")
_EXTENSIONS = "envoy.extensions"
_GRPC = "'content-type' in request.headers && request.headers['content-type'].startsWith('application/grpc')"
OPENED, ENDED = 1, 3  # AccessLogType: TcpUpstreamConnected, TcpConnectionEnd


def packed(me: Identity) -> str:
    return ";".join(getattr(me, part) for part in _PARTS)


def exchange_filters(me: Identity, *, inbound: bool) -> list[tuple[str, str, Obj]]:
    """(name, type, configuration): inbound reads who calls and takes the header away, outbound says who we are."""
    if not inbound:
        header = {"header": {"key": HEADER, "value": packed(me)}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        config = {"mutations": {"request_mutations": [{"append": header}]}}
        return [("testbed.peer", f"{_EXTENSIONS}.filters.http.header_mutation.v3.HeaderMutation", config)]
    rules = []
    for number, part in enumerate(_PARTS):
        pattern = ";".join("([^;]*)" if at == number else "[^;]*" for at in range(len(_PARTS)))
        found = {
            "metadata_namespace": PEER,
            "key": part,
            "type": "STRING",
            "regex_value_rewrite": {"pattern": {"regex": f"^{pattern}$"}, "substitution": "\\1"},
        }
        missing = {"metadata_namespace": PEER, "key": part, "type": "STRING", "value": "unknown"}
        last = number == len(_PARTS) - 1
        rules.append({"header": HEADER, "on_header_present": found, "on_header_missing": missing, "remove": last})
    return [("testbed.peer", f"{_EXTENSIONS}.filters.http.header_to_metadata.v3.Config", {"request_rules": rules})]


def _side(side: str, who: Mapping[str, str]) -> dict[str, str]:
    return {
        f"{side}_workload": who["workload"],
        f"{side}_workload_namespace": who["namespace"],
        f"{side}_canonical_service": who["service"],
        f"{side}_canonical_revision": who["revision"],
        f"{side}_app": who["app"],
        f"{side}_version": who["version"],
        f"{side}_cluster": who["cluster"],
    }


def _labels(me: Identity, *, inbound: bool, tcp: bool) -> list[Obj]:
    own = {part: getattr(me, part) for part in _PARTS}
    if inbound:
        caller = {part: "unknown" if tcp else f"%DYNAMIC_METADATA({PEER}:{part})%" for part in _PARTS}
        rows = {**_side("source", caller), **_side("destination", own)}
        principals = ("%DOWNSTREAM_PEER_URI_SAN%", "%DOWNSTREAM_LOCAL_URI_SAN%")
        policy = "%CEL(connection.mtls ? 'mutual_tls' : 'none')%"
    else:
        # istiod gives an endpoint's canonical names only, so app and version are these.
        known = {"app": "service", "version": "revision"}
        called = {part: f"%UPSTREAM_METADATA(istio:{known.get(part, part)})%" for part in _PARTS}
        rows = {**_side("source", own), **_side("destination", called)}
        principals = ("%UPSTREAM_LOCAL_URI_SAN%", "%UPSTREAM_PEER_URI_SAN%")
        policy = "unknown"
    rows |= {
        "reporter": "destination" if inbound else "source",
        "source_principal": principals[0],
        "destination_principal": principals[1],
        "destination_service": "%CLUSTER_METADATA(istio:host)%",
        "destination_service_name": "%CLUSTER_METADATA(istio:name)%",
        "destination_service_namespace": "%CLUSTER_METADATA(istio:namespace)%",
        "connection_security_policy": policy,
        "request_protocol": "tcp" if tcp else f"%CEL({_GRPC} ? 'grpc' : 'http')%",
        "response_flags": "%RESPONSE_FLAGS%",
    }
    if not tcp and not inbound:
        rows["destination_service"] = _HOST
    if not tcp:
        rows |= {"response_code": "%RESPONSE_CODE%", "grpc_response_status": "%GRPC_STATUS_NUMBER%"}
    return [{"name": name, "value_format": text} for name, text in sorted(rows.items())]


def _logger(counters: list[Obj], histograms: list[Obj]) -> tuple[str, Obj]:
    config: Obj = {"stats_scope": {"prefix": "istio"}, "counters": counters}
    return f"{_EXTENSIONS}.access_loggers.stats.v3.Config", {**config, **({"histograms": histograms} if histograms else {})}


def http_logger(me: Identity, *, inbound: bool) -> tuple[str, Obj]:
    labels = _labels(me, inbound=inbound, tcp=False)

    def histogram(name: str, unit: str, value: str) -> Obj:
        return {"stat": {"name": name, "tags": labels}, "unit": unit, "value_format": value}

    return _logger(
        [{"stat": {"name": "requests_total", "tags": labels}, "value_fixed": 1}],
        [
            histogram("request_duration_milliseconds", "Milliseconds", "%DURATION%"),
            histogram("request_bytes", "Bytes", "%BYTES_RECEIVED%"),
            histogram("response_bytes", "Bytes", "%BYTES_SENT%"),
        ],
    )


def tcp_loggers(me: Identity, *, inbound: bool) -> list[tuple[int, str, Obj]]:
    """(the moment of a connection, type, configuration)."""
    labels = _labels(me, inbound=inbound, tcp=True)

    def counter(name: str, **value: Any) -> Obj:
        return {"stat": {"name": name, "tags": labels}, **value}

    ended = [
        counter("tcp_connections_closed_total", value_fixed=1),
        counter("tcp_sent_bytes_total", value_format="%BYTES_SENT%"),
        counter("tcp_received_bytes_total", value_format="%BYTES_RECEIVED%"),
    ]
    opened = [counter("tcp_connections_opened_total", value_fixed=1)]
    return [(OPENED, *_logger(opened, [])), (ENDED, *_logger(ended, []))]


_OURS = re.compile(r"^(# TYPE )?envoy_istio_", re.MULTILINE)
_EMPTY = re.compile(r'(?<!response_flags)="-?"')


def istio_names(text: str) -> str:
    """A page of metrics as Istio's proxy writes it: Envoy puts its own name before each, and nothing where Istio says unknown."""
    made = []
    for line in text.splitlines(keepends=True):
        new = _OURS.sub(lambda match: f"{match[1] or ''}istio_", line, count=1)
        made.append(_EMPTY.sub('="unknown"', new) if new.startswith("istio_") else new)
    return "".join(made)
