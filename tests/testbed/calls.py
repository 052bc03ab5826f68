# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls all the time from inside a pod of a bed with the data plane `pods`, or from outside at a load balancer, and counts the answers.

    with Calls(bed, "http://reviews:9080/", source="shop/client", rate=50) as calls:
        ...
    assert calls.failed() == 0
    calls.by_version()      # {"v1": 812, "v2": 203}

    [answer] = ask(bed, [Asked("http://reviews:9080/", source="shop/client")])

It makes no process for a call: a thread of its own makes sockets in the pod's network namespace. A caller that is restarted goes on as
its next pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .api import ApiStatus
from .errors import BedError
from .pods import leavings, netns
from .pods.http1 import headers_of, is_chunked
from .pods.status import says_ready

if TYPE_CHECKING:
    from .bed import Bed

__all__ = ["Answer", "Asked", "Calls", "ask", "outside", "pod_namespace", "wilson"]

_VERSION = re.compile(r"""Hello version: ([^,\s]+)|"version": "([^"]+)\"""")
_FAILURES = (OSError, ValueError, IndexError, asyncio.IncompleteReadError)
_Got = tuple[int, dict[str, str], str]  # status, headers, body
_NOTHING: _Got = (0, {}, "")


@dataclass(frozen=True)
class Answer:
    """status: 0 where none came, and `error` says why; at: seconds since the first call; took: seconds."""

    status: int
    version: str
    pod: str
    at: float
    took: float
    error: str = ""
    text: str = ""  # of `ask` only


@dataclass(frozen=True)
class Asked:
    """One request. source: as that of Calls; to: address of the connection where the URL's name does not lead there."""

    url: str
    source: str | None = None
    to: str | None = None
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None


def _tag(bed: Bed) -> str:
    if "pods" not in bed.data["operators"]:
        raise BedError(f"Bed {bed.name} has no data plane `pods`: start it with the operator pods")
    return leavings.tag_of(bed.dir.resolve())


def outside(bed: Bed) -> str:
    """The network namespace of callers that are not of the cluster."""
    return f"{netns.prefix(_tag(bed))}world"


def pod_namespace(bed: Bed, source: str) -> str:
    """The network namespace of namespace/pod, or of a pod that is ready for namespace/workload."""
    return _space_of(bed, source, bed.api.get(f"/api/v1/namespaces/{source.partition('/')[0]}/pods")["items"])


def _space_of(bed: Bed, source: str, pods: Sequence[dict[str, Any]]) -> str:
    name = source.partition("/")[2]
    for pod in pods:
        meta = pod["metadata"]
        meant = meta["name"] == name or meta["name"].startswith(f"{name}-")
        if meant and says_ready(pod) and not meta.get("deletionTimestamp"):
            return netns.pod_name(_tag(bed), meta["uid"])
    raise BedError(f"Bed {bed.name}: no ready pod {source}; there are {', '.join(pod['metadata']['name'] for pod in pods) or 'none'}")


def _spaces(bed: Bed, sources: set[str]) -> dict[str, str]:
    names = {source.partition("/")[0] for source in sources}
    pods = {name: bed.api.get(f"/api/v1/namespaces/{name}/pods")["items"] for name in names}
    return {source: _space_of(bed, source, pods[source.partition("/")[0]]) for source in sources}


def wilson(hits: int, of: int, z: float) -> tuple[float, float]:
    """The interval in which the true share is, between 0 and 1; z: of the normal distribution, 1.96 for 95 %."""
    share, spread = hits / of, z * z / of
    middle, half = share + spread / 2, z * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)


def _addresses(space: str, host: str) -> list[str]:
    if host.replace(".", "").isdigit():
        return [host]
    lines = (netns.etc(space) / "hosts").read_text().splitlines()
    return [line.split()[0] for line in lines if host in line.split()[1:]]


class Calls:
    """Starts with `with` or start(), ends with stop(). to: address of the connection where the URL's name does not lead there."""

    def __init__(
        self,
        bed: Bed,
        url: str,
        *,
        source: str | None = None,
        to: str | None = None,
        rate: float = 20.0,
        workers: int = 4,
        keep_alive: bool = True,
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """source: namespace/pod or namespace/workload, None for a caller outside; rate: calls a second, of all workers together."""
        self.bed, self.source = bed, source
        self.space = pod_namespace(bed, source) if source else outside(bed)
        self.url, self.to, self.rate, self.workers = urlsplit(url), to, rate, workers
        self.keep_alive, self.headers, self.timeout = keep_alive, headers or {}, timeout
        self.tls = (tls or ssl.create_default_context()) if self.url.scheme == "https" else None
        kept = {"connection": "keep-alive" if keep_alive else "close"}
        self._asked = Asked(url, source, to, headers={**kept, **self.headers})
        self.answers: list[Answer] = []
        self._began = time.monotonic()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    # -- results

    def __len__(self) -> int:
        return len(self.answers)

    def by_status(self, since: int = 0) -> Counter[int]:
        """since: a number of calls that are left out, as len() gave it."""
        return Counter(answer.status for answer in self.answers[since:])

    def by_version(self, since: int = 0) -> Counter[str]:
        """Of answers that are no errors."""
        return Counter(answer.version for answer in self.answers[since:] if 0 < answer.status < 500)

    def failed(self, since: int = 0) -> list[Answer]:
        """No answer, or 500 and more."""
        return [answer for answer in self.answers[since:] if not 0 < answer.status < 500]

    def wait(self, count: int, timeout: float = 60.0) -> int:
        """Until so many more have been answered; where they begin."""
        begin, deadline = len(self.answers), time.monotonic() + timeout
        while len(self.answers) < begin + count:
            if time.monotonic() > deadline:
                raise BedError(f"{len(self.answers) - begin} of {count} calls after {timeout:.0f} s; last: {self.answers[-1:]}")
            time.sleep(0.01)
        return begin

    # -- life

    def start(self) -> Calls:
        self._began = time.monotonic()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join(self.timeout + 5)

    def __enter__(self) -> Calls:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def _run(self) -> None:
        following = asyncio.create_task(self._follow())
        await asyncio.gather(*(self._work(number) for number in range(self.workers)))
        following.cancel()

    async def _follow(self) -> None:
        """A pod that is going has some seconds to end what it began; its calls are another one's by then."""
        while self.source:
            await asyncio.sleep(0.5)
            with contextlib.suppress(BedError, ApiStatus, OSError):
                self.space = await asyncio.to_thread(pod_namespace, self.bed, self.source)

    async def _work(self, number: int) -> None:
        """At moments of its own, whatever an answer takes; what is late is not made up for."""
        step = self.workers / self.rate
        due = time.monotonic() + step * number / self.workers
        kept: list[Any] = []
        space = self.space
        while not self._end.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + step, time.monotonic())
            if space != self.space:
                space = self.space
                while kept:
                    kept.pop()[1].close()
            await self._one(kept)
        for _reader, writer in kept:
            writer.close()

    async def _one(self, kept: list[Any]) -> None:
        began = time.monotonic()
        try:
            got, error = await asyncio.wait_for(self._call(kept), self.timeout), ""
        except _FAILURES as failure:
            got, error = _NOTHING, str(failure) or type(failure).__name__
        if (error or not self.keep_alive) and kept:
            kept.pop()[1].close()
        self.answers.append(_answer(got, error, began - self._began, time.monotonic() - began))

    async def _call(self, kept: list[Any]) -> _Got:
        if not kept:
            kept.append(await _connected(self._asked, self.space, self.tls, self.timeout))
        status, named, text = await _exchange(self._asked, *kept[-1])
        if named.get("connection", "").lower() == "close":
            kept.pop()[1].close()
        return status, named, text


async def _connected(
    asked: Asked, space: str, tls: ssl.SSLContext | None, timeout: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = urlsplit(asked.url)
    found = _addresses(space, asked.to or url.hostname or "")
    if not found:
        raise ValueError(f"no such host: {asked.to or url.hostname}")
    made = await netns.connect(space, found[0], url.port or (443 if tls else 80), timeout=timeout)
    return await asyncio.open_connection(sock=made, ssl=tls, server_hostname=url.hostname if tls else None)


async def _exchange(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Got:
    url = urlsplit(asked.url)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = {"host": url.netloc, **asked.headers}
    said = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"{asked.method} {path} HTTP/1.1\r\n{said}\r\n".encode())
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    named = headers_of(head[1:])
    text = "" if asked.method == "HEAD" else await _text(named, reader)
    return int(head[0].split(" ")[1]), named, text


def _answer(got: _Got, error: str, at: float, took: float) -> Answer:
    status, head, text = got
    found = _VERSION.search(text)
    version = (found[1] or found[2]) if found else ""
    return Answer(status, version, head.get("x-testbed-pod", ""), at, took, error)


def ask(bed: Bed, asked: Sequence[Asked], *, timeout: float = 5.0, at_once: int = 16) -> list[Answer]:
    """One answer to each, in their order; each has a connection of its own."""
    spaces, world = _spaces(bed, {row.source for row in asked if row.source}), outside(bed)
    began = time.monotonic()

    async def one(row: Asked, gate: asyncio.Semaphore) -> Answer:
        async with gate:
            start = time.monotonic()
            tls = (row.tls or ssl.create_default_context()) if row.url.startswith("https:") else None
            got, error = _NOTHING, ""
            try:
                async with asyncio.timeout(timeout):
                    reader, writer = await _connected(row, spaces[row.source] if row.source else world, tls, timeout)
                    try:
                        closing = Asked(row.url, method=row.method, headers={"connection": "close", **row.headers})
                        got = await _exchange(closing, reader, writer)
                    finally:
                        writer.close()
            except _FAILURES as failure:
                error = str(failure) or type(failure).__name__
            return replace(_answer(got, error, start - began, time.monotonic() - start), text=got[2])

    async def every() -> list[Answer]:
        gate = asyncio.Semaphore(at_once)
        return await asyncio.gather(*(one(row, gate) for row in asked))

    return asyncio.run(every())


async def _text(head: dict[str, str], reader: asyncio.StreamReader) -> str:
    if not is_chunked(head):
        return (await reader.readexactly(int(head.get("content-length") or 0))).decode(errors="replace")
    made = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        made += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return made.decode(errors="replace")
