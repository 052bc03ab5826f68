# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection against a real HTTP server of this process: what it sends, and what it does not do by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3.exceptions as wire
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._kube import auth
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster


class Server:
    """Keeps what it is asked; answers with `status`, or after `hold` is set."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        self.status, self.hold = 200, threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.seen.append((self.command, self.path, [(key.lower(), value) for key, value in self.headers.items()], body))
                outer.hold.wait(5)
                self.send_response(outer.status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("X-Said", "yes")
                self.send_header("Content-Length", "2")
                with suppress(OSError):  # of who did not wait
                    self.end_headers()
                    self.wfile.write(b"{}")

            do_GET = do_PATCH = _answer

            def log_message(self, *_args: Any) -> None:
                """Nobody reads it."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("K8S_AUTH_KUBECONFIG", "KUBECONFIG", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    found = Server()
    yield found
    found.hold.set()
    found.http.shutdown()
    found.http.server_close()


def sent(server: Server, **params: Any) -> list[tuple[str, str]]:
    transport = auth.connect({"host": server.host, **params}, name="west", workers=2)
    answer = transport.request("GET", "/version?a=1", body=None, headers={"accept": "application/json"}, timeout=5)
    assert (answer.status, answer.body, answer.headers["x-said"]) == (200, b"{}", "yes")
    assert server.seen[-1][:2] == ("GET", "/version?a=1") and ("accept", "application/json") in server.seen[-1][2]
    return server.seen[-1][2]


def test_a_token_is_sent_as_a_bearer(server: Server) -> None:
    assert ("authorization", "Bearer t0ken") in sent(server, api_key="t0ken")


def test_a_user_and_a_password_are_sent_as_basic(server: Server) -> None:
    assert ("authorization", "Basic YW5uOnNlY3JldA==") in sent(server, username="ann", password="secret")


def test_each_group_that_is_acted_for_is_a_line_of_its_own(server: Server) -> None:
    lines = sent(server, api_key="t0ken", impersonate_user="ann", impersonate_groups=["dev", "ops"])
    assert [row for row in lines if row[0].startswith("impersonate")] == [
        ("impersonate-user", "ann"), ("impersonate-group", "dev"), ("impersonate-group", "ops")]  # fmt: skip


def test_a_redirect_is_an_answer_and_takes_no_token_elsewhere(server: Server) -> None:
    server.status = 302
    transport = auth.connect({"host": server.host, "api_key": "t0ken"}, name="west", workers=2)
    assert transport.request("GET", "/", body=None, headers={}, timeout=5).status == 302
    with pytest.raises(Exception, match="GET /version gave 302"):
        Cluster(transport, name="west").request("GET", "/version")


def test_an_answer_that_takes_too_long_is_broken_off_and_asked_by_nobody_else(server: Server) -> None:
    server.hold.clear()
    transport = auth.connect({"host": server.host, "api_key": "x"}, name="west", workers=2)
    with pytest.raises(wire.ReadTimeoutError):
        transport.request("GET", "/", body=None, headers={}, timeout=0.1)
    assert len(server.seen) == 1


def test_a_body_arrives_as_it_is(server: Server) -> None:
    transport = auth.connect({"host": f"{server.host}/", "api_key": "x"}, name="west", workers=2)
    transport.request("PATCH", "/api", body=b'{"a":1}', headers={"content-type": "application/merge-patch+json"}, timeout=5)
    assert server.seen[-1][:2] == ("PATCH", "/api") and server.seen[-1][3] == b'{"a":1}'
    assert ("content-type", "application/merge-patch+json") in server.seen[-1][2]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (
            {"host": "https://api", "api_key": "x", "proxy": "ftp://p"},
            "the connection cannot be set up: .*ftp.*; look at ca_cert, .* and proxy",
        ),
        ({"kubeconfig": "/none/secret-place/kubeconfig"}, r"no usable login in secret-place/kubeconfig \(context current\)"),
        ({"kubeconfig": "/none/kubeconfig", "context": "west"}, r"no usable login in none/kubeconfig \(context west\).*set kubeconfig"),
    ],
)
def test_a_login_that_cannot_be_used_says_where_to_look(params: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^cluster west: {text}"):
        auth.connect(params, name="west", workers=2)


def test_a_ca_that_is_not_there_is_told_as_a_missing_file(server: Server) -> None:
    params = {"host": server.host.replace("http:", "https:"), "api_key": "x", "ca_cert": "/none/ca.crt"}
    with pytest.raises(ConfigError, match=r"^cluster west .*: a certificate file is missing: .*look at ca_cert"):
        Cluster(auth.connect(params, name="west", workers=2), name="west").request("GET", "/version")


def test_a_body_that_is_no_json_is_none() -> None:
    assert auth.HttpResponse(200, {}, b"<html>").json() is None and auth.HttpResponse(200, {}, b"[1]").json() == [1]
