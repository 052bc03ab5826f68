# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A lock for a run that may die: a Lease that is renewed while we live, so that whoever waits for it sees whether we do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from .._errors import Conflict, FetchError, MeshError
from .._model.objects import MANAGED_BY, MANAGER, MESH
from .client import Cluster
from .progress import Progress

__all__ = ["LeaseHeld", "Lock"]

_VERSION, _KIND = "coordination.k8s.io/v1", "Lease"


class LeaseHeld(MeshError):
    """Somebody else has it."""


class Lock:
    """Taken by `holder`, renewed by a thread. After `release(keep=True)` it stays ours until `seconds` are over: the next call goes on.

    Whether another holder lives is seen by its renewals and not by its clock, which may be wrong.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        name: str,
        mesh: str,
        holder: str,
        seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        renews: bool = True,
    ) -> None:
        self.cluster, self.namespace, self.name, self.mesh, self.holder = cluster, namespace, name, mesh, holder
        self.seconds, self.clock, self.sleep, self.renews = max(2.0, seconds), clock, sleep, renews
        self._lost = ""
        self._version = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    @property
    def title(self) -> str:
        """As messages call it."""
        return f"Lease {self.namespace}/{self.name}"

    def _now(self) -> str:
        """By the cluster's clock, as everything that others read beside it."""
        return self.cluster.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _ref(self) -> dict[str, Any]:
        return {"apiVersion": _VERSION, "kind": _KIND, "metadata": {"name": self.name, "namespace": self.namespace}}

    def _spec(self, holder: str) -> dict[str, Any]:
        return {"holderIdentity": holder, "leaseDurationSeconds": max(1, round(self.seconds)), "renewTime": self._now()}

    def acquire(self, *, take_over: bool = False) -> None:
        """Takes it, once whoever had it has shown no life for as long as they promised; Held when they live."""
        first: str | None = None
        began, progress = self.clock(), Progress(self.cluster.name, self.clock)
        while True:
            asked = self.clock()
            found = self.cluster.get(_VERSION, _KIND, self.name, self.namespace)
            if found is None:
                made = {**self._ref(), "spec": {**self._spec(self.holder), "acquireTime": self._now()}}
                made["metadata"]["labels"] = {MANAGED_BY: MANAGER, MESH: self.mesh}
                try:
                    self._took(self.cluster.create(made))
                except Conflict:
                    continue  # another one made it in the same moment
                return
            spec = found.get("spec") or {}
            other = str(spec.get("holderIdentity") or "")
            renewed = str(spec.get("renewTime") or "")
            first = renewed if first is None else first
            promised = float(spec.get("leaseDurationSeconds") or 0)
            if self.clock() - asked > max(1.0, promised / 2):
                began = self.clock()  # the API server was away, so nobody could renew it
            free = not other or other == self.holder or take_over
            if not free and renewed != first:
                raise LeaseHeld(
                    f"cluster {self.cluster.name}: another run is at work: {self.title} is held by {other}, renewed at {renewed}; "
                    "wait until it is over. Nothing was changed by this run"
                )
            if free or self.clock() - began > promised:
                try:
                    self._took(self._write(self.holder, found["metadata"]["resourceVersion"], acquired=other != self.holder))
                except Conflict:
                    take_over, first, began = False, None, self.clock()
                    continue
                return
            if progress.due():
                progress.say(f"{self.title} is held by {other}; whether that run lives shows within {promised:.0f} s")
            self.sleep(min(1.0, max(0.1, promised / 10)))

    def _write(self, holder: str, version: str, *, acquired: bool = False) -> dict[str, Any]:
        spec = {**self._spec(holder), **({"acquireTime": self._now()} if acquired else {})}
        return self.cluster.patch(self._ref(), {"metadata": {"resourceVersion": version}, "spec": spec})

    def _took(self, lease: dict[str, Any]) -> None:
        self._version, self._lost = lease["metadata"]["resourceVersion"], ""
        if self.renews:
            self._thread = threading.Thread(target=self._keep, daemon=True)
            self._thread.start()

    def _keep(self) -> None:
        while not self._stop.wait(self.seconds / 4):
            self.renew()
            if self._lost:
                return

    def renew(self) -> None:
        """Says that we live. An API server that is away lets nobody else have it either."""
        with self._guard:
            if self._stop.is_set() or self._lost:
                return
            try:
                self._version = self._write(self.holder, self._version)["metadata"]["resourceVersion"]
            except Conflict:
                with suppress(FetchError):  # the next renewal asks again: without one the Lease would be free in a moment
                    self._look_who()
            except FetchError as exc:
                if "not found" in str(exc):
                    self._lost = f"{self.title} was deleted"

    def _look_who(self) -> None:
        found = self.cluster.get(_VERSION, _KIND, self.name, self.namespace)
        other = str(((found or {}).get("spec") or {}).get("holderIdentity") or "nobody")
        if found is not None and other == self.holder:
            self._version = found["metadata"]["resourceVersion"]
            return
        self._lost = f"{self.title} is held by {other} now"

    def check(self) -> None:
        """Before each write: whether it is still ours."""
        if self._lost:
            raise LeaseHeld(f"cluster {self.cluster.name}: this run stops, because {self._lost}: another run goes on in its place")

    def release(self, *, keep: bool) -> None:
        """keep: it stays ours until it expires; the next task of this play takes it up again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self.seconds)
        with self._guard:
            if self._lost:
                return
            try:
                self._write(self.holder if keep else "", self._version)
            except FetchError:  # it expires by itself
                return

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release(keep=True)
