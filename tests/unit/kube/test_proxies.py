# SPDX-License-Identifier: GPL-3.0-or-later
"""The port-forward's frames, what may go wrong in them, and the limits in time."""

from __future__ import annotations

import base64
import json
import ssl
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import websocket
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.proxy import held, identity_of
from ansible_collections.meshops.mesh.plugins.module_utils._commands.proxies import read_proxies
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, FetchError
from ansible_collections.meshops.mesh.plugins.module_utils._kube import auth, forward
from ansible_collections.meshops.mesh.plugins.module_utils._kube.forward import admin_get
from ansible_collections.meshops.mesh.plugins.module_utils._model.proxies import has_proxy

PORT = struct.pack("<H", 15000)
NAMED = [b"\x00" + PORT, b"\x01" + PORT]
CHAIN, ROOTS = b"-----BEGIN CERTIFICATE-----\nchain", b"-----BEGIN CERTIFICATE-----\nroots"


def text(data: bytes) -> dict[str, str]:
    return {"inline_bytes": base64.b64encode(data).decode()}


def dump(chain: bytes = CHAIN, roots: bytes = ROOTS) -> bytes:
    key = text(b"[redacted]")
    return json.dumps(
        {
            "configs": [
                {"name": "default", "secret": {"tls_certificate": {"certificate_chain": text(chain), "private_key": key}}},
                {"name": "ROOTCA", "secret": {"validation_context": {"trusted_ca": text(roots)}}},
            ]
        }
    ).encode()


def test_what_a_gateway_serves_is_read_too() -> None:
    """By its own Gateways, and by the Gateway API; a CA for clients is no certificate."""
    rows = json.loads(dump())["configs"]
    rows += [
        {"name": "kubernetes://web-tls", "secret": {"tls_certificate": {"certificate_chain": text(b"web")}}},
        {"name": "kubernetes://web-tls-cacert", "secret": {"validation_context": {"trusted_ca": text(b"clients")}}},
        {"name": "kubernetes-gateway://shop/api-tls", "secret": {"tls_certificate": {"certificate_chain": text(b"api")}}},
    ]
    found = held(json.dumps({"configs": rows}).encode())
    assert found.served == {"web-tls": b"web", "shop/api-tls": b"api"} and found.chain == CHAIN


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Stream:
    """One websocket: frames to hand out, then silence (None) or an end."""

    def __init__(self, frames: list[Any]) -> None:
        self.frames, self.sent, self.closed, self.limit = list(frames), b"", False, 0.0

    def settimeout(self, seconds: float) -> None:
        self.limit = seconds

    def send_binary(self, data: bytes) -> None:
        self.sent += data

    def recv(self) -> bytes:
        if not self.frames:
            return b""
        frame = self.frames.pop(0)
        if frame is None:
            time.sleep(self.limit)
            raise websocket.WebSocketTimeoutException("timed out")
        if isinstance(frame, Exception):
            raise frame
        return bytes(frame)

    def shutdown(self) -> None:
        self.closed = True


class Dialer:
    def __init__(self, pods: dict[str, Any]) -> None:
        self.pods, self.streams, self.paths = pods, [], []  # type: ignore[var-annotated]

    def open(self, path: str, protocol: str, timeout: float) -> Stream:
        assert protocol == "v4.channel.k8s.io" and timeout > 0
        self.paths.append(path)
        found = self.pods[path.split("/pods/")[1].split("/", maxsplit=1)[0]]
        if isinstance(found, Exception):
            raise found
        stream = Stream(found)
        self.streams.append(stream)
        return stream


def frames(data: bytes, size: int = 50) -> list[bytes]:
    return [*NAMED, *(b"\x00" + data[at : at + size] for at in range(0, len(data), size))]


def ask(*rows: Any, timeout: float = 0.3) -> bytes:
    return admin_get(Dialer({"p": list(rows)}), "n s", "p", "/x", timeout=timeout)  # type: ignore[arg-type]


def test_an_answer_in_many_frames() -> None:
    dialer = Dialer({"p": frames(answer(b"hello " * 100))})
    assert admin_get(dialer, "n s", "p", "/x", timeout=5) == b"hello " * 100  # type: ignore[arg-type]
    assert dialer.paths == ["/api/v1/namespaces/n%20s/pods/p/portforward?ports=15000"]
    assert dialer.streams[0].sent.startswith(b"\x00GET /x HTTP/1.1\r\n") and dialer.streams[0].closed


def test_a_chunked_answer() -> None:
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert ask(*frames(body, 7)) == b"hello"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*NAMED, None], "no answer for 0.3 s"),
        ([*NAMED, b"\x00HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", None], "no answer for 0.3 s"),
        ([*NAMED, b"\x01dial tcp 127.0.0.1:15000: connection refused"], "connection refused"),
        ([*NAMED, b"\x05x"], "channel 5"),
        ([*NAMED, b"\x00junk\r\n\r\n"], "broke off"),
        ([*NAMED], "broke off"),
        ([*NAMED, b"\x00HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"], "broke off"),
        ([*NAMED, websocket.WebSocketConnectionClosedException("gone")], "broke off: gone"),
        ([*NAMED, b"\x00" + answer(b"no", "404 Not Found")], "answered 404"),
    ],
    ids=["silent", "half", "refused", "channel", "junk", "empty", "cut", "closed", "404"],
)
def test_what_is_no_answer(rows: list[Any], message: str) -> None:
    with pytest.raises(FetchError, match=message):
        ask(*rows)


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "_LARGEST", 1000)
    with pytest.raises(FetchError, match="larger than"):
        ask(*frames(answer(b"x" * 2000)), timeout=5)


def test_a_dripping_answer_is_cut_at_the_deadline() -> None:
    class Slow(Stream):
        def recv(self) -> bytes:
            time.sleep(0.02)
            return b"\x00x"

    class Drip(Dialer):
        def open(self, path: str, protocol: str, timeout: float) -> Stream:
            return Slow([])

    began = time.monotonic()
    with pytest.raises(FetchError, match=r"no answer for 0\.2 s"):
        admin_get(Drip({}), "n", "p", "/x", timeout=0.2)  # type: ignore[arg-type]
    assert time.monotonic() - began < 2


def pod(name: str) -> dict[str, Any]:
    env = [{"name": "CA_ADDR", "value": "istiod-prod.prod-system.svc:15012"}, {"name": "TRUST_DOMAIN", "value": "td"}]
    return {
        "metadata": {"name": name, "namespace": "shop", "annotations": {"sidecar.istio.io/status": "{}"}},
        "spec": {"serviceAccountName": "sa", "containers": [{"name": "app"}, {"name": "istio-proxy", "env": env}]},
        "status": {"phase": "Running"},
    }


def test_all_are_asked_in_order_and_the_silent_ones_are_named() -> None:
    names = [f"p{number}" for number in range(40)]
    handshake = websocket.WebSocketBadStatusException("Handshake status %d %s", 403)
    talk = {name: frames(answer(dump())) for name in names} | {"p3": [*NAMED, None], "p7": handshake, "p9": OSError("no route to host")}
    began = time.monotonic()
    found = read_proxies(Dialer(talk), [pod(name) for name in names], timeout=0.5, total=10, workers=8)  # type: ignore[arg-type]
    assert time.monotonic() - began < 3
    assert [source.resource for source in found] == [f"Pod shop/{name}" for name in names]
    errors = {source.resource: source.endpoint["error"] for source in found if source.endpoint}
    assert set(errors) == {"Pod shop/p3", "Pod shop/p7", "Pod shop/p9"}
    assert "pods/portforward" in errors["Pod shop/p7"] and "no route to host" in errors["Pod shop/p9"]
    assert found[0].certificate == CHAIN and found[0].roots == ROOTS
    assert found[0].identity == {"trust_domain": "td", "control_plane": "prod-system", "namespace": "shop", "service_account": "sa"}
    assert b"redacted" not in json.dumps([source.to_object() for source in found]).encode()


def test_all_together_are_bounded_too() -> None:
    names = [f"p{number}" for number in range(30)]
    began = time.monotonic()
    found = read_proxies(
        Dialer({name: [*NAMED, None] for name in names}),
        [pod(name) for name in names],  # type: ignore[arg-type]
        timeout=0.3,
        total=0.5,
        workers=4,
    )
    assert time.monotonic() - began < 2
    errors = [str(source.endpoint["error"]) for source in found if source.endpoint]
    assert len(errors) == 30 and any("it was not asked" in error for error in errors)
    assert threading.active_count() < 10


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"upstream error", "something else than secrets"),
        (b"[]", "something else than secrets"),
        (b"{}", "no secret at all"),
        (dump(chain=b""), "no certificate of its own"),
        (dump(roots=b" "), "no roots"),
        (b'{"configs": [{"name": "default", "secret": {"tls_certificate": {"certificate_chain": {"inline_bytes": "%"}}}}]}', "not base64"),
    ],
)
def test_secrets_that_say_nothing(body: bytes, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        held(body)


def test_which_pods_have_a_proxy_to_ask() -> None:
    assert has_proxy(pod("a"))
    native = {**pod("a"), "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy"}]}}
    assert has_proxy(native) and identity_of(native)["control_plane"] == ""
    assert not has_proxy({**pod("a"), "status": {"phase": "Pending"}})
    assert not has_proxy({**pod("a"), "spec": {"containers": [{"name": "app"}]}})
    assert not has_proxy({**pod("a"), "metadata": {"name": "a", "namespace": "shop"}})
    assert not has_proxy({**pod("a"), "metadata": {**pod("a")["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})


def opened(monkeypatch: pytest.MonkeyPatch, **params: Any) -> tuple[str, dict[str, Any]]:
    """The address and the options with which a stream is opened."""
    seen: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(auth.websocket, "create_connection", lambda url, **options: seen.append((url, options)))
    auth.dialer(params, name="prod").open("/api/x", "v4.channel.k8s.io", 3.0)
    return seen[0]


def test_a_stream_logs_in_as_requests_do(monkeypatch: pytest.MonkeyPatch) -> None:
    url, options = opened(
        monkeypatch,
        host="https://api.example.com:6443/",
        api_key="abc",
        validate_certs=False,
        impersonate_user="jane",
        impersonate_groups=["ops", "dev"],
    )
    assert url == "wss://api.example.com:6443/api/x" and options["timeout"] == 3.0
    assert options["subprotocols"] == ["v4.channel.k8s.io"]
    lines = {line.lower() for line in options["header"]}
    assert {"authorization: bearer abc", "impersonate-user: jane", "impersonate-group: ops", "impersonate-group: dev"} <= lines
    context = options["sslopt"]["context"]
    assert context.verify_mode is ssl.CERT_NONE and not context.check_hostname


def test_a_stream_verifies_and_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    _url, options = opened(
        monkeypatch,
        host="https://api.example.com",
        api_key="abc",
        validate_certs=True,
        proxy="http://proxy.example.com:3128",
        no_proxy="localhost,example.org",
    )
    assert options["sslopt"]["context"].verify_mode is ssl.CERT_REQUIRED and options["sslopt"]["context"].check_hostname
    assert (options["http_proxy_host"], options["http_proxy_port"], options["proxy_type"]) == ("proxy.example.com", 3128, "http")
    assert options["http_no_proxy"] == ["localhost", "example.org"]


def test_a_login_that_cannot_be_read_is_an_error_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("junk")
    with pytest.raises(ConfigError, match="cluster prod"):
        auth.dialer({"host": "https://api.example.com", "api_key": "abc", "ca_cert": str(tmp_path / "ca.crt")}, name="prod")
