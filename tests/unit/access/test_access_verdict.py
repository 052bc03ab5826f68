# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer says about policies, and what says nothing about them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._access.verdict import (
    ALLOWED,
    DENIED,
    NONE,
    ProbeAnswer,
    ProbeResult,
    curl,
    judge,
    listens,
    policy_keys,
    regressions,
    summary_of,
    text_of,
    wget,
)

CALL: dict[str, Any] = {
    "from": "shop/a",
    "to": "shop/b",
    "host": "b.shop",
    "port": 8000,
    "protocol": "http",
    "method": "GET",
    "path": "/x",
    "expected": "denied",
}
RBAC = "RBAC: access denied"


def http(status: str, body: str = "", **headers: str) -> str:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", body])


ANSWERS: list[tuple[int | None, str, str, str, str]] = [
    (0, http("200 OK", "hello"), "", ALLOWED, "200"),
    (0, http("302 Found"), "", ALLOWED, "302"),
    (0, http("500 Internal Server Error", "invalid connection"), "", ALLOWED, "500"),
    (0, http("405 Method Not Allowed"), "", ALLOWED, "405"),
    (0, http("403 Forbidden", RBAC), "", DENIED, RBAC),
    (0, http("100 Continue") + http("403 Forbidden", RBAC), "", DENIED, RBAC),
    (0, "HTTP/2 403 \r\nserver: istio-envoy\r\n\r\n" + RBAC, "", DENIED, RBAC),
    (0, http("403 Forbidden", "Audiences in Jwt are not allowed"), "", DENIED, "Audiences"),
    (0, http("403 Forbidden", "forbidden by the shop"), "", NONE, "not by a policy"),
    (0, http("403 Forbidden", f"<p>{RBAC}</p>"), "", NONE, "not by a policy"),
    (0, http("401 Unauthorized", "Jwt is expired"), "", DENIED, "Jwt is expired"),
    (0, http("401 Unauthorized", "", www_authenticate='Bearer realm="x", error="invalid_token"'), "", DENIED, ""),
    (0, http("401 Unauthorized", "log in"), "", NONE, "not by a token's check"),
    (0, http("404 Not Found"), "", NONE, "404"),
    (0, http("503 Service Unavailable", "upstream connect error"), "", NONE, "503 upstream connect error"),
    (0, http("429 Too Many Requests"), "", NONE, "429"),
    (28, "", "curl: (28) Operation timed out", NONE, "no answer in time"),
    (35, "", "curl: (35) OpenSSL error", NONE, "TLS failed"),
    (6, "", "", NONE, "the host's name is not known"),
    (52, "", "", NONE, "closed without a byte"),
    (1, "", "something else", NONE, "something else"),
    (99, "", "", NONE, "exit code 99, and no answer"),
    (None, http("200 OK", "x" * 9), "", ALLOWED, "200"),
    (0, "body", "  HTTP/1.1 200 OK\n  server: envoy\n", ALLOWED, "200"),
    (8, "", "  HTTP/1.1 403 Forbidden\n  content-length: 19\n  server: istio-envoy\n", DENIED, RBAC),
    (8, "", "  HTTP/1.1 403 Forbidden\n  content-length: 190\n  server: istio-envoy\n", NONE, "not by a policy"),
    (1, "", "wget: server returned error: HTTP/1.1 403 Forbidden", NONE, "not by a policy"),
]


@pytest.mark.parametrize(("code", "stdout", "stderr", "verdict", "said"), ANSWERS)
def test_judge(code: int | None, stdout: str, stderr: str, verdict: str, said: str) -> None:
    found = judge(CALL, code, stdout, stderr)
    assert (found.verdict, said in found.said) == (verdict, True), found


@pytest.mark.parametrize(
    ("code", "stdout", "verdict"),
    [(0, "J\x00\x00mysql", ALLOWED), (52, "", NONE), (56, "", NONE), (28, "", NONE), (0, http("503 Service Unavailable"), NONE)],
)
def test_a_tcp_port_gives_bytes_or_no_verdict(code: int, stdout: str, verdict: str) -> None:
    assert judge({**CALL, "protocol": "tcp"}, code, stdout, "").verdict == verdict


def test_commands() -> None:
    words = curl({**CALL, "headers": {"authorization": "Bearer x"}}, 5)
    assert words[0] == "curl" and words[-1] == "http://b.shop:8000/x" and words[words.index("-H") + 1] == "authorization: Bearer x"
    assert "--head" in curl({**CALL, "method": "HEAD"}, 5) and "--http0.9" in curl({**CALL, "protocol": "tcp"}, 5)
    assert wget(CALL, 5)[-1] == "http://b.shop:8000/x"
    assert wget({**CALL, "method": "POST"}, 5) == () == wget({**CALL, "protocol": "tcp"}, 5)


def row(verdict: str, expected: str, **call: Any) -> ProbeResult:
    return ProbeResult({**CALL, "expected": expected, **call}, ProbeAnswer(verdict, None, "said"))


def test_no_verdict_neither_agrees_nor_differs() -> None:
    rows = [row(ALLOWED, ALLOWED), row(DENIED, DENIED), row(DENIED, ALLOWED), row(NONE, DENIED), row(NONE, ALLOWED)]
    assert [one.agrees for one in rows] == [True, True, False, None, None]
    assert summary_of(rows) == {"allowed": 1, "denied": 2, "no_verdict": 2, "agree": 2, "differ": 1}


def test_a_call_that_was_allowed_and_gives_no_verdict_now_is_lost() -> None:
    before = [row(ALLOWED, ALLOWED).to_dict(), row(NONE, ALLOWED, path="/other").to_dict()]
    now = [row(NONE, ALLOWED), row(NONE, ALLOWED, path="/other"), row(NONE, DENIED)]
    assert regressions(now, before) == [now[0]]
    assert "LOST  shop/a -> shop/b:8000 GET /x: no verdict (said), predicted allowed" in text_of("west", now, 1.0, [now[0]])


def test_calls_without_a_verdict_are_told_by_where_they_went_and_what_was_said() -> None:
    others = [row(NONE, DENIED, **{"from": name}) for name in ("a", "b")]
    rows = [row(ALLOWED, ALLOWED), *others, row(NONE, ALLOWED, to="shop/db", port=3306)]
    lines = text_of("west", rows, 1.0).splitlines()
    assert lines[0].startswith("west: 4 calls in 1.0 s: 1 allowed, 0 denied by policy, 3 without a verdict; 1 as predicted")
    assert lines[1:] == ["NO VERDICT  2 calls to shop/b:8000: said", "NO VERDICT  1 call to shop/db:3306: said"]


def test_policies_of_a_dump() -> None:
    dump = '{"ns[a]-policy[x]-rule[0]": {}, "ns[a]-policy[x]-rule[1]": {}, "ns[b]-policy[deny]-rule[0]": {}, "ns[a]-policy[x]-rule[1]": {}}'
    assert policy_keys(dump) == {"a/x": 2, "b/deny": 1}


def test_a_gateway_that_serves_nothing_has_no_listener() -> None:
    assert listens('{"dynamic_listeners": [\n {"name": "virtualInbound"}]}')
    assert not listens('{"static_listeners": [{"name": "x"}], "dynamic_listeners": []}') and not listens('{"static_listeners": [{}]}')


def test_a_login_of_a_call_is_not_in_the_result() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0aaaa.c2lnbmF0dXJl"
    given = {"authorization": "Basic n33dle", "x-api-key": "n33dle", "x-user": "emma", "x-forwarded-access": token}
    shown = ProbeResult({**CALL, "expected": "allowed", "headers": given}, ProbeAnswer("allowed", 200, "said")).to_dict()["headers"]
    assert shown == {"authorization": "***", "x-api-key": "***", "x-user": "emma", "x-forwarded-access": "***"}
