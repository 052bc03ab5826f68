# SPDX-License-Identifier: GPL-3.0-or-later
"""What istiod sends, made fit for an Envoy that is not Istio's: its own filters go, and what they did is done by others. No I/O.

| Istio's filter                              | in its place |
|---|---|
| istio.stats                                 | access loggers that count (telemetry.py) |
| istio.metadata_exchange, istio.peer_metadata | a header, read and taken away on the other side |
| istio.alpn                                  | set_filter_state: the protocols that the caller offers |
| istio_authn (OSSM 2)                        | set_filter_state: who the peer is |
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from .spec import Identity
from .telemetry import UNKNOWN, exchange_filters, http_logger, tcp_loggers
from .wire import any_of, edit, every, fields, first, kind_of, member, number, struct_of, typed

__all__ = ["Editor"]

_TYPES = b"type.googleapis.com/"
LISTENER = _TYPES + b"envoy.config.listener.v3.Listener"
CLUSTER = _TYPES + b"envoy.config.cluster.v3.Cluster"
ENDPOINTS = _TYPES + b"envoy.config.endpoint.v3.ClusterLoadAssignment"
HCM = _TYPES + b"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP = _TYPES + b"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_STATE = "envoy.extensions.filters.{}.set_filter_state.v3.Config"
STATS, ALPN, AUTHN = b"istio.stats", b"istio.alpn", b"istio_authn"
_NAMES = {STATS, ALPN, AUTHN, b"istio.metadata_exchange", b"istio.peer_metadata"}
_KINDS = {
    b"stats.PluginConfig": STATS,
    b"istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig": ALPN,
    b"envoy.tcp.metadataexchange.config.MetadataExchange": b"istio.metadata_exchange",
    b"io.istio.http.peer_metadata.Config": b"istio.peer_metadata",
    b"envoy.extensions.network_filters.peer_metadata.Config": b"istio.peer_metadata",
    b"envoy.extensions.network_filters.peer_metadata.UpstreamConfig": b"istio.peer_metadata",
}
INBOUND = 1  # core.v3.TrafficDirection
_PROTOCOLS = "istio-http/1.1,istio,http/1.1"


def _state(level: str, hook: str, key: str, text: str, factory: str | None) -> bytes:
    value = {
        "object_key": key,
        "format_string": {"text_format_source": {"inline_string": text}},
        "shared_with_upstream": "ONCE",
        **({"factory_key": factory} if factory else {}),
    }
    return typed(_STATE.format(level), {hook: [value]})


# The string object of Istio's is Envoy's own under another name, of the same length.
_RENAMED = (b"istio.hashable_string", b"envoy.hashable_string")
_ALPN = member(1, b"testbed.alpn") + member(
    4, _state("http", "on_request_headers", "envoy.network.application_protocols", _PROTOCOLS, None)
)
_PEER = member(1, b"testbed.peer") + member(
    4, _state("network", "on_downstream_tls_handshake", "io.istio.peer_principal", "%DOWNSTREAM_PEER_URI_SAN%", "envoy.string")
)


def istios(entry: bytes) -> bytes | None:
    """Which of Istio's own filters this is, None for any other; by its type, as its name may be anybody's."""
    name = first(entry, 1)
    if name in _NAMES:
        return name
    return _KINDS.get(kind_of(first(entry, 4)).removeprefix(_TYPES))


def _entry_of_istio(metadata: bytes) -> bytes:
    """The Struct of core.v3.Metadata under the key `istio`."""
    return next((first(row, 2) for row in every(metadata, 1) if first(row, 1) == b"istio"), b"")


def _with_metadata(metadata: bytes, more: dict[str, str]) -> bytes:
    """core.v3.Metadata with more under the key `istio`: entries that come later win."""
    kept = edit(metadata, {1: lambda row: None if first(row, 1) == b"istio" else row})
    return kept + member(1, member(1, b"istio") + member(2, _entry_of_istio(metadata) + struct_of(more)))


def _of_istio(metadata: bytes) -> dict[bytes, bytes]:
    """{key: the Value} of the Struct under `istio`."""
    return _values(_entry_of_istio(metadata))


def _values(struct: bytes) -> dict[bytes, bytes]:
    return {first(row, 1): first(row, 2) for row in every(struct, 1)}


def _text(value: bytes) -> str:
    return first(value, 3).decode(errors="replace")


def _endpoint(data: bytes) -> bytes:
    """`workload` of istiod is name;namespace;service;revision;cluster: taken apart, so that a label can be one of them."""

    def apart(metadata: bytes) -> bytes:
        parts = _text(_of_istio(metadata).get(b"workload", b"")).split(";")
        if len(parts) < 5:
            return metadata
        names = ("workload", "namespace", "service", "revision", "cluster")
        return _with_metadata(metadata, {name: text or "latest" for name, text in zip(names, parts, strict=False)})

    return edit(data, {3: apart})


def _assignment(data: bytes) -> bytes:
    """A ClusterLoadAssignment."""
    return edit(data, {2: lambda locality: edit(locality, {2: _endpoint})})


class Editor:
    """For one proxy. `counted` says what was taken out, by its name."""

    def __init__(self, me: Identity) -> None:
        self.counted: Counter[str] = Counter()
        self._exchange: dict[bool, list[bytes]] = {}
        self._http: dict[bool, bytes] = {}
        self._tcp: dict[bool, bytes] = {}
        for inbound in (True, False):
            rows = exchange_filters(me, inbound=inbound)
            self._exchange[inbound] = [member(1, name.encode()) + member(4, typed(kind, config)) for name, kind, config in rows]
            kind, config = http_logger(me, inbound=inbound)
            self._http[inbound] = member(13, member(1, b"envoy.access_loggers.stats") + member(4, typed(kind, config)))
            loggers = b""
            for moment, kind, config in tcp_loggers(me, inbound=inbound):
                only = member(2, member(13, number(1, moment)))
                loggers += member(5, member(1, b"envoy.access_loggers.stats") + only + member(4, typed(kind, config)))
            self._tcp[inbound] = loggers + member(17, number(2, 1))

    def delta(self, data: bytes) -> bytes:
        """A DeltaDiscoveryResponse."""
        return edit(data, {2: lambda resource: edit(resource, {2: self.resource})})

    def sotw(self, data: bytes) -> bytes:
        """A DiscoveryResponse."""
        return edit(data, {2: self.resource})

    def resource(self, packed: bytes) -> bytes:
        kind, value = first(packed, 1), first(packed, 2)
        if kind == LISTENER:
            new = self._listener(value)
        elif kind == CLUSTER:
            new = self._cluster(value)
        elif kind == ENDPOINTS:
            new = _assignment(value)
        else:
            return packed
        return any_of(kind, new.replace(*_RENAMED))

    def _listener(self, data: bytes) -> bytes:
        direction = next((value for field, value, _raw in fields(data) if field == 16), 0)
        chain = partial(self._chain, direction == INBOUND)
        return edit(data, {3: chain, 25: chain})

    def _chain(self, inbound: bool, data: bytes) -> bytes:
        counts = any(istios(row) == STATS for row in every(data, 3))
        return edit(data, {3: partial(self._network_filter, inbound, counts)})

    def _network_filter(self, inbound: bool, counts: bool, data: bytes) -> bytes | None:
        found = istios(data)
        if found is not None:
            self.counted[found.decode()] += 1
            return _PEER if found == AUTHN else None
        kind = first(first(data, 4), 1)
        if kind == HCM:
            return edit(data, {4: lambda packed: edit(packed, {2: partial(self._manager, inbound)})})
        if kind == TCP and counts:
            return edit(data, {4: lambda packed: edit(packed, {2: lambda proxy: edit(proxy, {17: lambda _old: None}, self._tcp[inbound])})})
        return data

    def _manager(self, inbound: bool, data: bytes) -> bytes:
        rows = list(every(data, 5))
        counts = any(istios(row) == STATS for row in rows)
        made = list(self._exchange[inbound]) if counts else []
        for row in rows:
            found = istios(row)
            if found is None:
                made.append(row)
                continue
            self.counted[found.decode()] += 1
            if found == ALPN:
                made.append(_ALPN)
        more = b"".join(member(5, row) for row in made) + (self._http[inbound] if counts else b"")
        return edit(data, {5: lambda _old: None}, more)

    def _cluster(self, data: bytes) -> bytes:
        def network(row: bytes) -> bytes | None:
            found = istios(row)
            if found is None:
                return row
            self.counted[f"cluster {found.decode()}"] += 1
            return None

        name = first(data, 1)
        if name in UNKNOWN:  # which services their calls are for nobody says, and Istio's labels have this name
            return edit(data, {40: network, 25: lambda _old: None}, member(25, _with_metadata(b"", {"name": name.decode()})))
        return edit(data, {40: network, 25: _named, 33: _assignment})


def _named(metadata: bytes) -> bytes:
    """The first Service of a cluster (istiod lists them), so that a label can be its name."""
    services = first(_of_istio(metadata).get(b"services", b""), 6)
    service = first(first(services, 1), 5)
    names = {key.decode(): _text(value) for key, value in _values(service).items()}
    return _with_metadata(metadata, names) if names else metadata
