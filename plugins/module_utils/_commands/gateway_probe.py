# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Calls a gateway from outside of the mesh, by TLS, with a client certificate and a token where they are given; bounded in time."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

from .._access.verdict import NONE, ProbeAnswer, ProbeResult, judge
from .._certificates.endpoint import meaning_of
from .._errors import ConfigError, FetchError
from .._kube.progress import Progress, few

__all__ = ["NO_TOKEN", "TAMPERED", "TOKEN", "ProbedGateway", "call_all", "fetched_token", "tampered"]

NO_TOKEN, TOKEN, TAMPERED = "none", "good", "tampered"
_LARGEST = 64 * 2**10
_WORKERS = 8


@dataclass(frozen=True)
class ProbedGateway:
    """`host`: in SNI and in the request; `address`: where the connection goes."""

    host: str
    port: int = 443
    address: str = ""
    roots: str = ""
    client_certificate: str = ""
    client_key: str = ""
    token: str = ""

    @property
    def ref(self) -> str:
        return f"{self.host}:{self.port}"


def tampered(token: str) -> str:
    """The same token with another signature."""
    head, dot, signature = token.rpartition(".")
    if not dot or not signature:
        raise ConfigError("the token has no signature, so it is no JWT of the form HEAD.BODY.SIGNATURE")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def fetched_token(given: Mapping[str, Any], timeout: float) -> str:
    """A token for a password, as Keycloak and Red Hat Single Sign-On give it (OpenID Connect, grant type password)."""
    form = {name: given[name] for name in ("client_id", "client_secret", "username", "password") if given.get(name)}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    status: int | None = None
    try:
        with open_url(
            given["url"], data=urlencode({"grant_type": "password", **form}), headers=headers, method="POST", timeout=timeout,
            ca_path=given.get("ca_path") or None,
        ) as answer:  # fmt: skip
            status, text = answer.getcode(), answer.read(_LARGEST)
    except HTTPError as exc:
        status, text = exc.code, exc.read(_LARGEST)
    except (URLError, OSError, ValueError) as exc:
        raise FetchError(f"{given['url']} gives no answer: {getattr(exc, 'reason', exc)}; look at token_from.url and ca_path") from exc
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        found = {}
    token = found.get("access_token") if isinstance(found, dict) else None
    if not token:
        reason = found.get("error_description") or found.get("error") if isinstance(found, dict) else ""
        raise FetchError(
            f"{given['url']} gave no token for {given['username']} (status {status}{f', {reason}' if reason else ''}): "
            "look at client, secret, user and password"
        )
    return str(token)


def _context(gateway: ProbedGateway) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=gateway.roots or None)
        if gateway.client_certificate:
            context.load_cert_chain(gateway.client_certificate, gateway.client_key or None)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"roots, client_certificate or client_key of {gateway.ref} cannot be used: {exc}") from exc
    return context


def _sent(gateway: ProbedGateway, context: ssl.SSLContext, call: Mapping[str, Any], timeout: float) -> ProbeAnswer:
    headers = {"Connection": "close", "User-Agent": "meshops.mesh"}
    kind = call.get("token") or NO_TOKEN
    if kind != NO_TOKEN:
        headers["Authorization"] = f"Bearer {gateway.token if kind == TOKEN else tampered(gateway.token)}"
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=timeout)
    try:
        raw = socket.create_connection((gateway.address or gateway.host, gateway.port), timeout)
        connection.sock = context.wrap_socket(raw, server_hostname=gateway.host)
        connection.request(call.get("method") or "GET", call.get("path") or "/", headers=headers)
        answer = connection.getresponse()
        body = answer.read(_LARGEST).decode(errors="replace")
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in answer.getheaders()), "", body]
    except ssl.SSLError as exc:
        return ProbeAnswer(NONE, None, meaning_of(exc))
    except (OSError, http.client.HTTPException) as exc:
        return ProbeAnswer(NONE, None, f"no answer: {str(exc) or type(exc).__name__}")
    finally:
        connection.close()
    return judge(call, 0, "\r\n".join(lines), "")


def _row(call: Mapping[str, Any], answer: ProbeAnswer) -> ProbeResult:
    """A call with an expected status is as expected with that status only."""
    wanted = call.get("status")
    if wanted and answer.status is not None and answer.status != wanted:
        return ProbeResult(call, answer, f"{wanted} was expected")
    return ProbeResult(call, answer)


def call_all(
    gateway: ProbedGateway, calls: Sequence[Mapping[str, Any]], *, timeout: float, wait: float, interval: float,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[ProbeResult, ...]:  # fmt: skip
    """All calls; those that are not as expected are sent again until the wait is over."""
    if not gateway.token and any((call.get("token") or NO_TOKEN) != NO_TOKEN for call in calls):
        raise ConfigError(f"calls of {gateway.ref} want a token, and none is given")
    context, deadline = _context(gateway), clock() + wait

    def send(items: Sequence[Mapping[str, Any]]) -> list[ProbeResult]:
        with ThreadPoolExecutor(max_workers=min(_WORKERS, max(1, len(items)))) as pool:
            return list(pool.map(lambda call: _row(call, _sent(gateway, context, call, timeout)), items))

    rows, progress = send(calls), Progress(gateway.ref, clock)
    while clock() < deadline and any(row.why or not row.agrees for row in rows):
        if progress.due():
            progress.say(few(row.why or row.answer.said for row in rows if row.why or not row.agrees))
        time.sleep(interval)
        rows = [send([row.call])[0] if row.why or not row.agrees else row for row in rows]
    return tuple(rows)
