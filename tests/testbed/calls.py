# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls all the time from inside a pod of a bed with the data plane `pods`, or from outside at a load balancer, and counts the answers.

    with Calls(bed, "http://reviews:9080/", source="shop/client", rate=50) as calls:
        ...
    assert calls.failed() == 0
    calls.by_version()      # {"v1": 812, "v2": 203}

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
from dataclasses import dataclass
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

__all__ = ["Answer", "Calls", "outside", "pod_namespace", "wilson"]

_VERSION = re.compile(r"""Hello version: ([^,\s]+)|"version": "([^"]+)\"""")


@dataclass(frozen=True)
class Answer:
    """status: 0 where none came, and `error` says why; at: seconds since the first call; took: seconds."""

    status: int
    version: str
    pod: str
    at: float
    took: float
    error: str = ""


def _tag(bed: Bed) -> str:
    if "pods" not in bed.data["operators"]:
        raise BedError(f"Bed {bed.name} has no data plane `pods`: start it with the operator pods")
    return leavings.tag_of(bed.dir.resolve())


def outside(bed: Bed) -> str:
    """The network namespace of callers that are not of the cluster."""
    return f"{netns.prefix(_tag(bed))}world"


def pod_namespace(bed: Bed, source: str) -> str:
    """The network namespace of namespace/pod, or of a pod that is ready for namespace/workload."""
    namespace, name = source.split("/")
    found = bed.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    for pod in found:
        meta = pod["metadata"]
        meant = meta["name"] == name or meta["name"].startswith(f"{name}-")
        if meant and says_ready(pod) and not meta.get("deletionTimestamp"):
            return netns.pod_name(_tag(bed), meta["uid"])
    raise BedError(f"Bed {bed.name}: no ready pod {source}; there are {', '.join(pod['metadata']['name'] for pod in found) or 'none'}")


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
        self.port = self.url.port or (443 if self.tls else 80)
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
            status, head, text = await asyncio.wait_for(self._call(kept), self.timeout)
            error = ""
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError) as failure:
            status, head, text, error = 0, {}, "", str(failure) or type(failure).__name__
        if (error or not self.keep_alive) and kept:
            kept.pop()[1].close()
        found = _VERSION.search(text)
        version = (found[1] or found[2]) if found else ""
        self.answers.append(Answer(status, version, head.get("x-testbed-pod", ""), began - self._began, time.monotonic() - began, error))

    async def _call(self, kept: list[Any]) -> tuple[int, dict[str, str], str]:
        if not kept:
            found = _addresses(self.space, self.to or self.url.hostname or "")
            if not found:
                raise ValueError(f"no such host: {self.url.hostname}")
            made = await netns.connect(self.space, found[0], self.port, timeout=self.timeout)
            name = self.url.hostname if self.tls else None
            kept.append(await asyncio.open_connection(sock=made, ssl=self.tls, server_hostname=name))
        reader, writer = kept[-1]
        path = (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")
        lines = {"host": self.url.netloc, "connection": "keep-alive" if self.keep_alive else "close", **self.headers}
        said = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"GET {path} HTTP/1.1\r\n{said}\r\n".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        named = headers_of(head[1:])
        text = await _text(named, reader)
        if named.get("connection", "").lower() == "close":
            kept.pop()[1].close()
        return int(head[0].split(" ")[1]), named, text


async def _text(head: dict[str, str], reader: asyncio.StreamReader) -> str:
    if not is_chunked(head):
        return (await reader.readexactly(int(head.get("content-length") or 0))).decode(errors="replace")
    made = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        made += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return made.decode(errors="replace")
