# SPDX-License-Identifier: GPL-3.0-or-later
"""What every played operator shares: a small async API client, a work queue fed by watches, and faults that tests set."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

LOG = logging.getLogger("testbed.operators")
Key = tuple[str, str, str]  # kind, namespace, name
Name = TypeVar("Name", int, str)


class ApiError(Exception):
    """The API answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Kube:
    """As much of a Kubernetes client as controllers need; JSON in, JSON out."""

    def __init__(self, session: aiohttp.ClientSession, server: str, sslctx: ssl.SSLContext) -> None:
        self.session, self.server, self.ssl = session, server, sslctx
        self._plurals: dict[str, dict[str, tuple[str, bool]]] = {}
        self._crds = asyncio.Event()  # set, and a new one made, when definitions have changed
        self._looking: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, kubeconfig: str | Path) -> Kube:
        path = Path(kubeconfig)
        config = yaml.safe_load(path.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        sslctx = ssl.create_default_context(cafile=cluster["certificate-authority"])
        sslctx.load_cert_chain(user["client-certificate"], user["client-key"])
        connector = aiohttp.TCPConnector(limit=0, ssl=sslctx)
        return cls(aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)), cluster["server"], sslctx)

    async def close(self) -> None:
        await self.session.close()

    async def request(
        self, method: str, path: str, body: Any = None, *, params: dict[str, str] | None = None, content: str = "application/json"
    ) -> Any:
        data = None if body is None else json.dumps(body)
        async with self.session.request(
            method, self.server + path, data=data, params=params, headers={"Content-Type": content}
        ) as response:
            text = await response.text()
            if response.status >= 400:
                try:
                    message = json.loads(text)["message"]
                except (ValueError, KeyError):
                    message = text
                raise ApiError(response.status, message)
            return json.loads(text) if text else None

    async def _path(self, api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        if kind not in self._plurals.get(api_version, {}):
            found = await self.request("GET", root)
            self._plurals[api_version] = {r["kind"]: (r["name"], r["namespaced"]) for r in found["resources"] if "/" not in r["name"]}
        plural, namespaced = self._plurals[api_version][kind]
        path = root + (f"/namespaces/{namespace}" if namespaced and namespace else "") + f"/{plural}"
        return path + (f"/{name}" if name else "")

    async def serves(self, api_version: str, kind: str) -> bool:
        """Whether the API has this kind."""
        try:
            await self._path(api_version, kind, None)
        except KeyError:
            return False
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self.request("GET", await self._path(api_version, kind, namespace, name))
            return found
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, api_version: str, kind: str, namespace: str | None = None, **params: str) -> list[dict[str, Any]]:
        """params: labelSelector, fieldSelector."""
        found = await self.request("GET", await self._path(api_version, kind, namespace), params=params or None)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in found["items"]]

    async def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        meta = obj["metadata"]
        made: dict[str, Any] = await self.request("POST", await self._path(obj["apiVersion"], obj["kind"], meta.get("namespace")), obj)
        return made

    async def replace(self, obj: dict[str, Any]) -> dict[str, Any]:
        """A PUT at the resourceVersion of obj."""
        meta = obj["metadata"]
        path = await self._path(obj["apiVersion"], obj["kind"], meta.get("namespace"), meta["name"])
        done: dict[str, Any] = await self.request("PUT", path, obj)
        return done

    async def apply(self, obj: dict[str, Any], manager: str = "testbed-operator") -> dict[str, Any]:
        """Server-side apply, conflicts forced: an operator owns what it makes."""
        meta = obj["metadata"]
        path = await self._path(obj["apiVersion"], obj["kind"], meta.get("namespace"), meta["name"])
        done: dict[str, Any] = await self.request(
            "PATCH", path, obj, params={"fieldManager": manager, "force": "true"}, content="application/apply-patch+yaml"
        )
        return done

    async def patch(self, obj: dict[str, Any], patch: dict[str, Any], *, sub: str = "") -> dict[str, Any]:
        """Merge patch; put resourceVersion into patch["metadata"] to be refused on a conflict."""
        meta = obj["metadata"]
        path = await self._path(obj["apiVersion"], obj["kind"], meta.get("namespace"), meta["name"]) + (f"/{sub}" if sub else "")
        done: dict[str, Any] = await self.request("PATCH", path, patch, content="application/merge-patch+json")
        return done

    async def set_status(self, obj: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """Replaces the whole status (a PUT on the status subresource, at the resourceVersion of obj)."""
        body = copy.deepcopy(obj)
        body["status"] = status
        meta = obj["metadata"]
        path = await self._path(obj["apiVersion"], obj["kind"], meta.get("namespace"), meta["name"])
        done: dict[str, Any] = await self.request("PUT", path + "/status", body)
        return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **done}

    async def delete(self, obj: dict[str, Any], *, propagation: str = "Background") -> bool:
        meta = obj["metadata"]
        path = await self._path(obj["apiVersion"], obj["kind"], meta.get("namespace"), meta["name"])
        try:
            await self.request("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation})
            return True
        except ApiError as error:
            if error.status == 404:
                return False
            raise

    async def _definitions_change(self) -> None:
        """Until a CRD has come or changed; one watch for all who wait: asking for each kind would keep the API busy."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_at_definitions())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._crds.wait(), 10.0)

    async def _look_at_definitions(self) -> None:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        brief = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
        while True:
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with self.session.get(self.server + path, params={"watch": "1"}, headers=brief, read_bufsize=2**24) as response:
                    async for _line in response.content:
                        # Discovery follows the definition a moment later, and many come together.
                        for delay in (0.2, 1.0, 3.0):
                            asyncio.get_running_loop().call_later(delay, self._wake)
                        await asyncio.sleep(0.2)
            await asyncio.sleep(0.5)

    def _wake(self) -> None:
        self._crds.set()
        self._crds = asyncio.Event()

    async def watch(self, api_version: str, kind: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yields (event, object) for ever: the present objects as ADDED first, then changes; lists again after any break."""
        known: dict[tuple[str, str], dict[str, Any]] = {}
        while True:
            try:
                path = await self._path(api_version, kind, None)
                found = await self.request("GET", path)
                now = {
                    (i["metadata"].get("namespace", ""), i["metadata"]["name"]): {"apiVersion": api_version, "kind": kind, **i}
                    for i in found["items"]
                }
                for gone in set(known) - set(now):
                    yield "DELETED", known[gone]
                for item in now.values():
                    yield "ADDED", item
                known = now
                version = found["metadata"]["resourceVersion"]
                async with self.session.get(
                    self.server + path,
                    params={"watch": "1", "resourceVersion": version},
                    timeout=aiohttp.ClientTimeout(total=None),
                    read_bufsize=2**24,
                ) as response:
                    if response.status >= 400:
                        raise ApiError(response.status, await response.text())
                    async for line in response.content:
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        item = {"apiVersion": api_version, "kind": kind, **event["object"]}
                        ident = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
                        if event["type"] == "DELETED":
                            known.pop(ident, None)
                        else:
                            known[ident] = item
                        yield event["type"], item
            except KeyError as error:
                LOG.debug("watch %s: no kind %s", api_version, error)
                await self._definitions_change()
            except (TimeoutError, ApiError, aiohttp.ClientError, OSError, ValueError) as error:
                LOG.debug("watch %s %s: %s", api_version, kind, error)
                if isinstance(error, ApiError) and error.status == 404:
                    await self._definitions_change()
                else:
                    await asyncio.sleep(0.5)


class Faults:
    """faults.json of the bed, read again whenever it changed: {"sail": {"delay": 2.0, "fail": {"default": "reason text"}, ...}, ...}."""

    def __init__(self, path: Path) -> None:
        self.path, self._mtime, self._data = path, -1.0, {}  # type: ignore[var-annotated]

    def of(self, operator: str) -> dict[str, Any]:
        try:
            mtime = self.path.stat().st_mtime
            if mtime != self._mtime:
                self._data, self._mtime = json.loads(self.path.read_text() or "{}"), mtime
        except (OSError, ValueError):
            pass
        found: dict[str, Any] = self._data.get(operator, {})
        return found


class Controller:
    """Watches `kinds`, maps each event to keys by `keys_for`, calls `reconcile(key)`; errors are retried.

    `workers` keys are worked on at the same time (one unless a subclass says otherwise), one key never twice at a time.
    When the faults of the controller's name change, every key is looked at again.
    """

    name = "controller"
    kinds: Iterable[tuple[str, str]] = ()  # (apiVersion, kind)
    workers = 1

    def __init__(self, kube: Kube, faults: Faults, bed: dict[str, Any]) -> None:
        self.kube, self._faults, self.bed = kube, faults, bed
        self.queue: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._seen: set[Key] = set()
        self._active: set[Key] = set()
        self._again: set[Key] = set()
        self._later: dict[Key, asyncio.TimerHandle] = {}
        self._background: set[asyncio.Task[None]] = set()

    @property
    def faults(self) -> dict[str, Any]:
        return self._faults.of(self.name)

    def keys_for(self, event: str, obj: dict[str, Any]) -> list[Key]:
        return [(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])]

    async def reconcile(self, key: Key) -> float | None:
        """Does the work for key; a number asks to be called again after so many seconds."""
        raise NotImplementedError

    def enqueue(self, key: Key, delay: float = 0.0) -> None:
        """Now, or after a delay; of several delays of a key the shortest counts, else each event would begin a chain of its own."""
        self._seen.add(key)
        loop, planned = asyncio.get_running_loop(), self._later.get(key)
        if delay > 0:
            if planned is None or planned.when() > loop.time() + delay:
                if planned is not None:
                    planned.cancel()
                self._later[key] = loop.call_later(delay, self._due, key)
        elif key not in self._queued:
            self._queued.add(key)
            self.queue.put_nowait(key)

    def _due(self, key: Key) -> None:
        self._later.pop(key, None)
        self.enqueue(key)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Begins work that no key waits for."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _feed(self, api_version: str, kind: str) -> None:
        async for event, obj in self.kube.watch(api_version, kind):
            for key in self.keys_for(event, obj):
                self.enqueue(key)

    async def _follow_faults(self) -> None:
        """A fault that is set or lifted counts at once, not with the next event."""
        last = copy.deepcopy(self.faults)
        while True:
            await asyncio.sleep(0.25)
            if self.faults != last:
                last = copy.deepcopy(self.faults)
                for key in list(self._seen):
                    self.enqueue(key)

    async def _attempt(self, key: Key) -> None:
        try:
            again = await self.reconcile(key)
            if again is not None:
                self.enqueue(key, max(again, 0.01))
        except ApiError as error:
            LOG.debug("%s %s: %s", self.name, key, error)
            self.enqueue(key, 0.2 if error.status in (404, 409) else 1.0)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            LOG.debug("%s %s: %s", self.name, key, error)
            self.enqueue(key, 1.0)

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            self._queued.discard(key)
            if key in self._active:
                self._again.add(key)
                continue
            self._active.add(key)
            try:
                await self._attempt(key)
            finally:
                self._active.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.enqueue(key)

    async def run(self) -> None:
        tasks = [asyncio.create_task(self._feed(*kind)) for kind in self.kinds]
        tasks.append(asyncio.create_task(self._follow_faults()))
        tasks += [asyncio.create_task(self._work()) for _ in range(self.workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def free_ports(*names: Name) -> dict[Name, int]:
    """A port of 127.0.0.1 for each, which nobody has at the moment."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in names]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return {name: int(probe.getsockname()[1]) for name, probe in zip(names, probes, strict=True)}


def now() -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def gated(pod: Mapping[str, Any], gate: str, status: str) -> list[dict[str, Any]]:
    """The conditions of a pod whose readiness gate is this now: Ready follows it, as a kubelet does it."""
    changed = {"status": status, "lastTransitionTime": now()}
    return [{**row, **changed} if row["type"] in (gate, "Ready") else row for row in conditions_of(pod.get("status"))]


def conditions_of(status: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The conditions of a status; the API gives null where a list was never filled, and a status may not be there at all."""
    return list((status or {}).get("conditions") or [])


def conditions(old: list[dict[str, Any]], *wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """The wanted conditions, with the old lastTransitionTime where the status did not change."""
    before = {c["type"]: c for c in old}
    return [
        {
            "lastTransitionTime": before[w["type"]]["lastTransitionTime"]
            if w["type"] in before and before[w["type"]].get("status") == w["status"]
            else now(),
            **w,
        }
        for w in wanted
    ]
