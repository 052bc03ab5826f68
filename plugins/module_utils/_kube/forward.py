# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A port of a pod through the API server's port-forward, and one GET at the admin interface of its proxy, bounded in time."""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from .._errors import FetchError
from .auth import Dialer

try:
    import websocket

    _WIRE_ERRORS: tuple[type[BaseException], ...] = (websocket.WebSocketException, OSError)
except ImportError:  # the module says so in main()
    _WIRE_ERRORS = (OSError,)

STREAM_ERRORS: tuple[type[BaseException], ...] = (*_WIRE_ERRORS, http.client.HTTPException)
__all__ = ["ADMIN_PORT", "STREAM_ERRORS", "WORKERS", "Forward", "admin_get", "forwarded", "refusal", "silence"]

ADMIN_PORT = 15000
WORKERS = 32  # each waits for the network nearly all of its time
_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_LARGEST = 16 * 2**20


class Forward(io.RawIOBase):
    """The data channel of one forwarded port as a file that ends with the stream, or at the deadline."""

    def __init__(self, stream: Any, deadline: float, clock: Callable[[], float]) -> None:
        self._stream, self._deadline, self._clock = stream, deadline, clock
        self._named = [False, False]  # the first frame of each channel only says its port
        self._rest, self._read = b"", 0

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client wants of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def send(self, data: bytes) -> None:
        """To the port."""
        self._stream.send_binary(bytes([_DATA]) + data)

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            part = self._frame()
            if part is None:
                return 0
            self._rest = part
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def _frame(self) -> bytes | None:
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError("no answer")
        self._stream.settimeout(left)
        frame = self._stream.recv()
        if not frame:
            return None
        channel, data = frame[0], frame[1:]
        if channel not in (_DATA, _ERROR):
            raise FetchError(f"the port-forward sent something on channel {channel}")
        if not self._named[channel]:
            self._named[channel] = True
            return b""
        if channel == _ERROR:
            raise FetchError(f"the port-forward failed: {data.decode(errors='replace').strip()}")
        self._read += len(data)
        if self._read > _LARGEST:
            raise FetchError(f"its answer is larger than {_LARGEST // 2**20} MiB")
        return bytes(data)


def forwarded(namespace: str, pod: str, port: int) -> tuple[str, str]:
    """Path and protocol of a port-forward."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/portforward?ports={port}", _PROTOCOL


def admin_get(
    dialer: Dialer,
    namespace: str,
    pod: str,
    path: str,
    *,
    timeout: float,
    port: int = ADMIN_PORT,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """One GET at the admin interface of a pod's proxy, or at another port of it; FetchError says why there is no answer."""
    deadline, what = clock() + timeout, "its admin interface" if port == ADMIN_PORT else f"its port {port}"
    try:
        stream = dialer.open(*forwarded(namespace, pod, port), timeout)
    except _WIRE_ERRORS as exc:
        raise FetchError(refusal(exc, timeout)) from exc
    try:
        forward = Forward(stream, deadline, clock)
        forward.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(forward, method="GET")  # type: ignore[arg-type]
        response.begin()
        body = response.read()
    except STREAM_ERRORS as exc:
        raise FetchError(silence(exc, timeout, what)) from exc
    finally:
        # Without a closing handshake, which a hanging proxy would not finish.
        stream.shutdown()
    if response.status != http.client.OK:
        raise FetchError(f"{what} answered {response.status} to {path}")
    return body


def refusal(exc: BaseException, timeout: float) -> str:
    """Why there is no port-forward."""
    status = getattr(exc, "status_code", None)
    if status == http.client.FORBIDDEN:
        return "the API server forbids the port-forward; it needs get and create on pods/portforward there"
    if status == http.client.NOT_FOUND:
        return "the pod is gone"
    if isinstance(exc, (TimeoutError, websocket.WebSocketTimeoutException)):
        return f"no port-forward after {timeout:g} s"
    return f"no port-forward: {str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__}"


def silence(exc: BaseException, timeout: float, what: str = "its admin interface") -> str:
    """Why there is no answer on it."""
    if isinstance(exc, (TimeoutError, websocket.WebSocketTimeoutException)):
        return f"{what} gave no answer for {timeout:g} s"
    return f"{what} broke off: {str(exc).strip() or type(exc).__name__}"
