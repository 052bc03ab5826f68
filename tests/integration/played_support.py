# SPDX-License-Identifier: GPL-3.0-or-later
"""Records what played operators do on a bed, and reads what the real ones were recorded doing, in the same form."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from testbed.operators.base import Kube

__all__ = ["Recorder", "distinct", "eventually", "recorded"]

DATA = Path(__file__).resolve().parent.parent / "data" / "recorded"
Obj = dict[str, Any]


class Recorder:
    """Watches kinds for as long as the context is open."""

    OPEN: ClassVar[list[Recorder]] = []

    def __init__(self, kube: Kube, kinds: Iterable[tuple[str, str]]) -> None:
        self.kube, self.kinds = kube, list(kinds)
        self.events: list[tuple[str, Obj]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Recorder:
        self._tasks = [asyncio.create_task(self._watch(*kind)) for kind in self.kinds]
        self.OPEN.append(self)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.OPEN.remove(self)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, api_version: str, kind: str) -> None:
        async for event, obj in self.kube.watch(api_version, kind):
            self.events.append((event, obj))

    async def caught_up(self, timeout: float = 60.0) -> None:
        """Waits until the watch has brought what a question to the API gives now."""
        there = [obj["metadata"] for kind in self.kinds for obj in await self.kube.list(*kind)]
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            seen = {obj["metadata"]["uid"]: int(obj["metadata"]["resourceVersion"]) for _event, obj in self.events}
            if all(seen.get(meta["uid"], 0) >= int(meta["resourceVersion"]) for meta in there):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the watch does not bring what is there")

    def of(self, kind: str, namespace: str, name: str | Callable[[Obj], bool]) -> list[Obj]:
        """Every state of one object, in order; name may be a condition on the object."""
        return [
            obj
            for _event, obj in self.events
            if obj["kind"] == kind
            and obj["metadata"].get("namespace", "") == namespace
            and (name(obj) if callable(name) else obj["metadata"]["name"] == name)
        ]


def recorded(file: str, steps: Iterable[str], kind: str, namespace: str, name: str | Callable[[Obj], bool]) -> list[Obj]:
    """The recorded states of one object during the steps that begin with these words."""
    on, found, wanted = False, [], tuple(steps)
    for line in gzip.decompress((DATA / file).read_bytes()).decode().splitlines():
        entry = json.loads(line)
        if "step" in entry:
            on = entry["step"].startswith(wanted)
        elif on and entry["kind"] == kind and entry.get("namespace", "") == namespace and not entry.get("copied"):
            obj = {
                "metadata": {"name": entry["name"], "generation": entry.get("generation")},
                "spec": entry.get("spec", {}),
                "status": entry.get("status", {}),
                "event": entry["event"],
            }
            if name(obj) if callable(name) else entry["name"] == name:
                found.append(obj)
    return found


def distinct(states: Iterable[Obj], view: Callable[[Obj], Any], *, once: bool = False) -> list[Any]:
    """What the view shows, without repetitions in a row (once: without any) and without nothing."""
    out: list[Any] = []
    for state in states:
        seen = view(state)
        if seen is None or (seen in out if once else out[-1:] == [seen]):
            continue
        out.append(seen)
    return out


async def eventually(check: Callable[[], Awaitable[Any]], timeout: float = 60.0, what: str = "") -> Any:
    """Waits until check gives something true, and the recorders know of it; returns it."""
    end = time.monotonic() + timeout
    while True:
        found = await check()
        if found:
            for recorder in Recorder.OPEN:
                await recorder.caught_up()
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:.0f} s: {what or check.__name__}; last seen: {found!r}")
        await asyncio.sleep(0.05)
