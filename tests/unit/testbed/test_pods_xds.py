# SPDX-License-Identifier: GPL-3.0-or-later
"""What the relay changes of what istiod sends, and that a real Envoy takes it and counts as Istio's would."""

from __future__ import annotations

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.errors import BedError
from testbed.operators.envoys import envoy_binary
from testbed.pods import metrics, telemetry, wire
from testbed.pods.spec import Identity
from testbed.pods.wire import any_of, fields, first, kind_of, member, number, struct_of, typed
from testbed.pods.xds_edit import CLUSTER, ENDPOINTS, HCM, LISTENER, TCP, Editor, istios

ME = Identity("cars-v1", "shop", "cars", "v1", "cars", "v1", "Kubernetes", "cars")
PORTAL = Identity("portal", "shop", "portal", "v2", "portal", "v2", "Kubernetes", "portal")
ROUTER = member(1, b"envoy.filters.http.router") + member(4, typed("envoy.extensions.filters.http.router.v3.Router", {}))
STATS = member(1, b"istio.stats") + member(4, typed("stats.PluginConfig", {"disable_host_header_fallback": True}))
# Under any name: the type says what it is.
EXCHANGE = member(1, b"waypoint_peer") + member(4, any_of(b"type.googleapis.com/io.istio.http.peer_metadata.Config", b""))
ALPN = member(1, b"istio.alpn") + member(4, any_of(b"type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig", b""))


def address(port: int) -> bytes:
    return member(1, member(2, b"127.0.0.1") + number(3, port))


def routes(cluster: bytes = b"") -> bytes:
    said = member(7, number(1, 200) + member(2, member(3, b"ok\n")))
    to = member(2, member(1, cluster)) if cluster else said
    route = member(3, member(1, member(1, b"/")) + to)
    return member(4, member(1, b"all") + member(2, member(1, b"all") + member(2, b"*") + route))


def manager(*filters: bytes, cluster: bytes = b"") -> bytes:
    return member(2, b"in") + routes(cluster) + b"".join(member(5, one) for one in filters)


def http(*filters: bytes, cluster: bytes = b"") -> bytes:
    return member(1, b"hcm") + member(4, any_of(HCM, manager(*filters, cluster=cluster)))


def listener(*network: bytes, port: int = 0, direction: int = 1) -> bytes:
    chain = member(3, b"".join(member(3, one) for one in network))
    return member(1, f"listener-{port}".encode()) + member(2, address(port)) + chain + number(16, direction)


def cluster(name: bytes, port: int, service: str = "cars") -> bytes:
    endpoint = member(1, member(1, address(port)))
    known = {"istio": {"workload": "cars-v1;shop;cars;;Kubernetes"}}
    metadata = member(3, b"".join(member(1, member(1, key.encode()) + member(2, struct_of(value))) for key, value in known.items()))
    assignment = member(1, name) + member(2, member(2, endpoint + metadata))
    services = {"services": [{"host": f"{service}.shop.svc.cluster.local", "name": service, "namespace": "shop"}]}
    own = member(25, member(1, member(1, b"istio") + member(2, struct_of(services))))
    timeout = member(4, number(1, 2))
    return member(1, name) + timeout + member(33, assignment) + own


def edited(kind: bytes, value: bytes, me: Identity = ME) -> tuple[bytes, Editor]:
    editor = Editor(me)
    done = editor.delta(member(2, member(3, b"name") + member(2, any_of(kind, value))) + member(5, b"nonce"))
    assert first(done, 5) == b"nonce"
    packed = first(first(done, 2), 2)
    assert first(packed, 1) == kind
    assert editor.sotw(member(2, any_of(kind, value))) == member(2, packed)
    return first(packed, 2), editor


def values(data: bytes, *path: int) -> list[bytes]:
    found = [data]
    for field in path:
        found = [value for one in found for number_, value, _raw in fields(one) if number_ == field and isinstance(value, bytes)]
    return found


def test_the_wire_format_keeps_what_it_does_not_know() -> None:
    message = (
        number(1, 300) + member(2, b"text") + wire.varint(3 << 3 | 5) + b"abcd" + wire.varint(4 << 3 | 1) + b"abcdefgh" + member(2, b"more")
    )
    assert wire.edit(message, {}) == message
    assert [(field, value) for field, value, _raw in fields(message)] == [(1, 300), (2, b"text"), (3, None), (4, None), (2, b"more")]
    assert wire.edit(message, {2: lambda value: None if value == b"text" else value}) == message.replace(member(2, b"text"), b"")
    with pytest.raises(ValueError, match="ends after the message"):
        list(fields(member(2, b"text")[:-1]))


def test_other_resources_pass_as_they_are() -> None:
    route = any_of(b"type.googleapis.com/envoy.config.route.v3.RouteConfiguration", routes())
    assert Editor(ME).sotw(member(2, route)) == member(2, route)
    plain = listener(http(ROUTER))
    assert edited(LISTENER, plain)[0] == plain


@pytest.mark.parametrize("direction", [1, 2], ids=["inbound", "outbound"])
def test_http_filters_of_istio_go_and_what_they_did_is_done(direction: int) -> None:
    new, editor = edited(LISTENER, listener(http(EXCHANGE, ALPN, STATS, ROUTER), direction=direction))
    (config,) = values(new, 3, 3, 4, 2)
    names = [first(one, 1) for one in values(config, 5)]
    assert names == [b"testbed.peer", b"testbed.alpn", b"envoy.filters.http.router"]
    assert not any(istios(one) for one in values(config, 5))
    kind = b"header_to_metadata" if direction == 1 else b"header_mutation"
    assert kind in kind_of(first(values(config, 5)[0], 4))
    assert [first(one, 1) for one in values(config, 13)] == [b"envoy.access_loggers.stats"]
    assert editor.counted["istio.stats"] == 2  # once as a delta, once as the state of the world
    assert editor.counted["istio.peer_metadata"] == 2


def test_a_tcp_proxy_counts_where_istio_would() -> None:
    tcp = member(1, b"tcp") + member(4, any_of(TCP, member(1, b"db") + member(2, b"db") + member(17, member(1, number(1, 5)))))
    exchange = member(1, b"istio.metadata_exchange") + member(
        4, typed("envoy.tcp.metadataexchange.config.MetadataExchange", {"protocol": "x"})
    )
    new, _editor = edited(LISTENER, listener(exchange, STATS, tcp))
    assert [first(one, 1) for one in values(new, 3, 3)] == [b"tcp"]
    (config,) = values(new, 3, 3, 4, 2)
    assert [first(one, 1) for one in values(config, 5)] == [b"envoy.access_loggers.stats"] * 2
    assert values(config, 17) == [number(2, 1)]
    plain = listener(tcp)
    assert edited(LISTENER, plain)[0] == plain


def test_the_peer_of_ossm_2_is_said_by_envoy_s_own_means() -> None:
    new, _editor = edited(LISTENER, listener(member(1, b"istio_authn"), http(ROUTER)))
    filters = values(new, 3, 3)
    assert [first(one, 1) for one in filters] == [b"testbed.peer", b"hcm"]
    assert b"on_downstream_tls_handshake" in filters[0]


def test_labels_are_taken_apart_where_istiod_packs_them() -> None:
    exchange = member(40, member(1, b"istio.metadata_exchange"))
    new, editor = edited(CLUSTER, cluster(b"cars", 1) + exchange)
    assert values(new, 40) == []
    assert editor.counted["cluster istio.metadata_exchange"] == 2
    for text in (b"host", b"cars.shop.svc.cluster.local", b"revision", b"latest"):
        assert text in new
    assignment = values(cluster(b"cars", 1), 33)[0]
    assert b"latest" in edited(ENDPOINTS, assignment)[0]


def test_a_page_of_metrics_has_istio_s_names() -> None:
    page = (
        "# TYPE envoy_istio_requests_total counter\n"
        'envoy_istio_requests_total{response_flags="-",source_app="-",destination_app="",reporter="source"} 3\n'
        'envoy_cluster_upstream_rq{x="-"} 1\n'
    )
    assert telemetry.istio_names(page) == (
        "# TYPE istio_requests_total counter\n"
        'istio_requests_total{response_flags="-",source_app="unknown",destination_app="unknown",reporter="source"} 3\n'
        'envoy_cluster_upstream_rq{x="-"} 1\n'
    )
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nserver: envoy\r\n\r\n10\r\nenvoy_istio_x 1\n\r\n0\r\n\r\n"
    assert metrics.rewritten(chunked) == b"HTTP/1.1 200 OK\r\nserver: envoy\r\ncontent-length: 10\r\nconnection: close\r\n\r\nistio_x 1\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """portal's outbound listener leads to cars' inbound one, as sidecars do, without TLS."""
    try:
        binary = envoy_binary()
    except BedError as why:
        pytest.skip(str(why))
    ports = {name: free_port() for name in ("admin", "outbound", "inbound", "tcp")}
    filters = (EXCHANGE, ALPN, STATS, ROUTER)
    tcp = member(1, b"tcp") + member(4, any_of(TCP, member(1, b"db") + member(2, b"cars")))
    made = [
        edited(LISTENER, listener(http(*filters, cluster=b"cars"), port=ports["outbound"], direction=2), PORTAL)[0],
        edited(LISTENER, listener(http(*filters), port=ports["inbound"]), ME)[0],
        edited(LISTENER, listener(STATS, tcp, port=ports["tcp"], direction=2), PORTAL)[0],
    ]
    clusters = [edited(CLUSTER, cluster(b"cars", ports["inbound"]), PORTAL)[0]]
    static = b"".join(member(1, one) for one in made) + b"".join(member(2, one) for one in clusters)
    admin = member(12, member(3, address(ports["admin"])))
    folder = tmp_path_factory.mktemp("envoy")
    (folder / "bootstrap.pb").write_bytes(member(1, member(1, b"x") + member(2, b"x")) + member(2, static) + admin)
    with (folder / "log").open("wb") as log:
        command = [str(binary), "-c", "bootstrap.pb", "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None, Path(folder / "log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{ports['admin']}/ready", timeout=2).close()
                break
            except (OSError, urllib.error.URLError):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield ports
    finally:
        process.kill()
        process.wait()


def counted(ports: dict[str, int], name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
    """Rows of a metric with these labels, once there is one."""
    deadline = time.monotonic() + 15
    while True:
        page = urllib.request.urlopen(f"http://127.0.0.1:{ports['admin']}/stats/prometheus", timeout=5).read().decode()
        rows = re.findall(rf"^{name}\{{(.*)\}} (\S+)$", telemetry.istio_names(page), re.MULTILINE)
        found = [(dict(re.findall(r'(\w+)="([^"]*)"', text)), float(value)) for text, value in rows]
        chosen = [(row, value) for row, value in found if labels.items() <= row.items()]
        if chosen or time.monotonic() > deadline:
            return chosen
        time.sleep(0.1)


def test_envoy_counts_requests_with_istio_s_labels(envoy: dict[str, int]) -> None:
    for _number in range(3):
        answer = urllib.request.urlopen(f"http://127.0.0.1:{envoy['outbound']}/hello", timeout=5)
        assert answer.read() == b"ok\n"
    common: dict[str, Any] = {
        "source_workload": "portal",
        "source_workload_namespace": "shop",
        "source_version": "v2",
        "destination_workload": "cars-v1",
        "destination_canonical_service": "cars",
        "response_code": "200",
        "request_protocol": "http",
    }
    ((row, value),) = counted(envoy, "istio_requests_total", reporter="destination", **common)
    assert value == 3
    assert row["connection_security_policy"] == "none"
    assert row["destination_version"] == "v1"
    ((row, value),) = counted(envoy, "istio_requests_total", reporter="source", **common)
    assert value == 3
    assert row["destination_service"] == "cars.shop.svc.cluster.local"
    assert (row["destination_service_name"], row["destination_service_namespace"]) == ("cars", "shop")
    assert row["connection_security_policy"] == "unknown"
    assert counted(envoy, "istio_request_duration_milliseconds_count", reporter="source")
    assert counted(envoy, "istio_response_bytes_sum", reporter="destination")


def test_who_does_not_say_who_he_is_is_unknown(envoy: dict[str, int]) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{envoy['inbound']}/", timeout=5).close()
    ((row, value),) = counted(envoy, "istio_requests_total", reporter="destination", source_workload="unknown")
    assert value == 1
    assert row["source_principal"] == "unknown"


def test_envoy_counts_connections(envoy: dict[str, int]) -> None:
    with socket.create_connection(("127.0.0.1", envoy["tcp"]), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        while connection.recv(4096):
            pass
    for name in ("opened", "closed"):
        ((row, value),) = counted(envoy, f"istio_tcp_connections_{name}_total", reporter="source")
        assert value == 1
        assert (row["destination_workload"], row["request_protocol"]) == ("cars-v1", "tcp")
    ((_row, received),) = counted(envoy, "istio_tcp_received_bytes_total", reporter="source")
    assert received > 30
