# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Asks the admin interfaces of many proxies at the same time, through the API server's port-forward; each one is bounded in time."""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from .._certificates.proxy import SECRETS_PATH, has_proxy, held, identity_of
from .._certificates.source import Source, of_proxy
from .._errors import FetchError
from .auth import Dialer
from .client import Cluster

try:
    import websocket

    _WIRE_ERRORS: tuple[type[BaseException], ...] = (websocket.WebSocketException, OSError)
except ImportError:  # the module says so in main()
    _WIRE_ERRORS = (OSError,)

STREAM_ERRORS: tuple[type[BaseException], ...] = (*_WIRE_ERRORS, http.client.HTTPException)
__all__ = ["ADMIN_PORT", "STREAM_ERRORS", "WORKERS", "Forward", "admin_get", "forwarded", "proxy_pods", "read_proxies", "refusal",
           "silence"]

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
    dialer: Dialer, namespace: str, pod: str, path: str, *, timeout: float, clock: Callable[[], float] = time.monotonic
) -> bytes:
    """One GET at the admin interface of a pod's proxy; FetchError says why there is no answer."""
    deadline = clock() + timeout
    try:
        stream = dialer.open(*forwarded(namespace, pod, ADMIN_PORT), timeout)
    except _WIRE_ERRORS as exc:
        raise FetchError(refusal(exc, timeout)) from exc
    try:
        forward = Forward(stream, deadline, clock)
        forward.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(forward, method="GET")  # type: ignore[arg-type]
        response.begin()
        body = response.read()
    except STREAM_ERRORS as exc:
        raise FetchError(silence(exc, timeout)) from exc
    finally:
        # Without a closing handshake, which a hanging proxy would not finish.
        stream.shutdown()
    if response.status != http.client.OK:
        raise FetchError(f"its admin interface answered {response.status} to {path}")
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


def silence(exc: BaseException, timeout: float) -> str:
    """Why there is no answer on it."""
    if isinstance(exc, (TimeoutError, websocket.WebSocketTimeoutException)):
        return f"its admin interface gave no answer for {timeout:g} s"
    return f"its admin interface broke off: {str(exc).strip() or type(exc).__name__}"


def proxy_pods(cluster: Cluster, namespaces: Sequence[str] | None) -> list[dict[str, Any]]:
    """The pods whose proxies can be asked, with as much of each as that needs."""

    def trim(pod: dict[str, Any]) -> dict[str, Any]:
        metadata, spec = pod["metadata"], pod.get("spec") or {}
        keep = {name: metadata.get(name) for name in ("name", "namespace", "annotations", "deletionTimestamp", "ownerReferences")}
        parts = {
            name: [{"name": one["name"], "env": one.get("env")} for one in spec.get(name) or [] if one["name"] == "istio-proxy"]
            for name in ("containers", "initContainers")
        }
        phase = (pod.get("status") or {}).get("phase")
        return {"metadata": keep, "spec": {"serviceAccountName": spec.get("serviceAccountName"), **parts}, "status": {"phase": phase}}

    jobs: list[str | None] = list(namespaces) if namespaces is not None else [None]
    parts = cluster.map(lambda namespace: cluster.list("v1", "Pod", namespace=namespace, trim=trim), jobs)
    return [pod for part in parts for pod in part if has_proxy(pod)]


def read_proxies(
    dialer: Dialer,
    pods: Sequence[Mapping[str, Any]],
    *,
    timeout: float,
    total: float,
    workers: int = WORKERS,
    clock: Callable[[], float] = time.monotonic,
) -> list[Source]:
    """One source for each pod, in their order. Whoever is silent is named; nobody waits for anybody longer than `timeout`."""
    end = clock() + total

    def one(pod: Mapping[str, Any]) -> Source:
        metadata = pod["metadata"]
        left = end - clock()
        try:
            if left <= 0:
                raise FetchError(f"it was not asked, the {total:g} s for all proxies were over")
            body = admin_get(dialer, metadata["namespace"], metadata["name"], SECRETS_PATH, timeout=min(timeout, left), clock=clock)
            found = held(body)
        except FetchError as exc:
            return of_proxy(pod, error=str(exc))
        return of_proxy(pod, chain=found.chain, roots=found.roots, identity=identity_of(pod), served=found.served)

    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(pods)))) as pool:
        return list(pool.map(one, pods))
