# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The cluster as raw JSON: discovery, get, list, apply, delete; waits out a busy or restarting API server."""

from __future__ import annotations

import builtins
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from .._errors import (
    ConfigError,
    Conflict,
    Denied,
    FetchError,
    Forbidden,
    KindMissing,
)
from .api_server import ApiServer, causes_of, message_of
from .auth import HttpResponse, connect

__all__ = ["WORKERS", "Cluster", "NotFound", "Resource", "ref_text"]

WORKERS = 16
PAGE = 500
_HEAD = 4096  # bytes of a list before its objects
_CONTINUE = re.compile(rb'"continue":\s*"([\w.~+/=-]+)"')
_DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
_PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_APPLY = "application/apply-patch+yaml"
_REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")  # questions in the form of a write
_RACES = 3

T = TypeVar("T")
R = TypeVar("R")


class NotFound(FetchError):
    """404 to a change: the object, or the namespace that it should be in, is not there."""


@dataclass(frozen=True)
class Resource:
    """A kind as the API serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...] = ()

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """The URL's path of the collection or of one object."""
        base = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        if self.namespaced and namespace:
            base += f"/namespaces/{quote(namespace, safe='')}"
        base += f"/{self.plural}"
        return base if name is None else f"{base}/{quote(name, safe=':')}"


def ref_text(obj: Mapping[str, Any]) -> str:
    """`Kind namespace/name`, as every message writes it."""
    meta = obj.get("metadata") or {}
    where = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return f"{obj.get('kind')} {where}{meta.get('name')}"


class Cluster(ApiServer):
    """The objects of one API server: discovery, reading, writing."""

    # of discovery; each is set anew, never changed
    _resources: dict[tuple[str, str], Resource] | None = None
    _resources_at = 0.0
    _stale: frozenset[str] = frozenset()

    @classmethod
    def from_params(cls, params: Mapping[str, Any], *, name: str, timeout: float = 15.0) -> Cluster:
        """The cluster that kubernetes.core's options (or K8S_AUTH_*) mean."""
        return cls(connect(params, name=name, workers=WORKERS), name=name, timeout=timeout)

    # discovery

    def resources(self) -> dict[tuple[str, str], Resource]:
        """Every kind that the API serves, from one discovery per process."""
        with self._lock:
            if self._resources is None:
                self._resources = self._discover()
                self._resources_at = self._clock()
            return self._resources

    def stale_groups(self) -> set[str]:
        """API groups whose server does not answer, so that nobody knows what it has."""
        self.resources()
        return set(self._stale)

    def forget_resources(self) -> None:
        """Discover again at the next question, for example after a CRD was made."""
        with self._lock:
            self._resources = None

    def resource(self, api_version: str, kind: str) -> Resource:
        """The kind; asks again when it is missing and the answer is not fresh."""
        found = self.resources().get((api_version, kind))
        if found is None and self._clock() - self._resources_at > 1.0:
            self.forget_resources()
            found = self.resources().get((api_version, kind))
        if found is None:
            raise KindMissing(
                f"cluster {self.name}: the API has no kind {kind} in {api_version}; "
                "install the operator or the CRD that brings it, and check apiVersion and kind"
            )
        return found

    def _discover(self) -> dict[tuple[str, str], Resource]:
        found: dict[tuple[str, str], Resource] = {}
        self._stale = frozenset()
        for root in ("/api", "/apis"):
            data = self.request("GET", root, accept=_DISCOVERY).json() or {}
            if data.get("kind") == "APIGroupDiscoveryList":
                rows: Iterable[Resource] = _aggregated(data)
                self._stale |= _stale(data)
            else:
                rows = self._discover_one_by_one(root, data)
            found.update({(row.api_version, row.kind): row for row in rows})
        return found

    def _discover_one_by_one(self, root: str, data: Mapping[str, Any]) -> builtins.list[Resource]:
        """Servers before 1.27 do not know the aggregated form."""
        versions = list(data.get("versions") or []) if root == "/api" else []
        versions += [item["groupVersion"] for group in data.get("groups") or [] for item in group.get("versions") or []]

        def one(version: str) -> builtins.list[Resource]:
            reply = self.request("GET", f"{root}/{version}").json() or {}
            return [
                Resource(version, item["kind"], item["name"], bool(item["namespaced"]), tuple(item.get("verbs") or ()))
                for item in reply.get("resources") or []
                if "/" not in item["name"]
            ]

        return [row for rows in self.map(one, versions) for row in rows]

    def server_version(self) -> str | None:
        """gitVersion of the API server, None when it does not say."""
        return (self.request("GET", "/version").json() or {}).get("gitVersion")

    # objects

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The object, None when it is not there."""
        path = self.resource(api_version, kind).path(name, namespace)
        answer = self.request("GET", path)
        return None if answer.status == 404 else self._object(answer, f"{kind} {name}")

    def list(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
        trim: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> builtins.list[dict[str, Any]]:
        """All objects, page by page; begins again when the list's version has expired meanwhile.

        trim makes each object smaller as its page comes in, so that thousands of whole pods are never in memory together.
        """

        def shape(item: dict[str, Any]) -> dict[str, Any]:
            whole = {**item, "apiVersion": api_version, "kind": kind}
            return trim(whole) if trim else whole

        path = self.resource(api_version, kind).path(namespace=namespace)
        query = {"limit": str(PAGE)}
        if label_selector:
            query["labelSelector"] = label_selector
        if field_selector:
            query["fieldSelector"] = field_selector
        for _unused in range(4):
            items = self._pages(path, query, _PARTIAL if metadata_only else "application/json", shape)
            if items is not None:
                return items
        raise FetchError(f"cluster {self.name}: the list of {kind} expired four times while it was read (410); try again later")

    def _pages(
        self, path: str, query: Mapping[str, str], accept: str, shape: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> builtins.list[dict[str, Any]] | None:
        """None when the server says 410 Expired. While one page is parsed, the server makes the next."""
        items: builtins.list[dict[str, Any]] = []

        def page(token: str) -> HttpResponse:
            return self.request("GET", path, query={**query, "continue": token} if token else query, accept=accept)

        with ThreadPoolExecutor(max_workers=1) as ahead:
            answer = page("")
            while True:
                if answer.status == 410:
                    return None
                if answer.status == 404:
                    raise KindMissing(f"cluster {self.name}: the API does not serve {path} (any more): {message_of(answer)}")
                early = _continue_of(answer.body)
                following = ahead.submit(page, early) if early else None
                data = answer.json() or {}
                items += [shape(item) for item in data.get("items") or []]
                token = (data.get("metadata") or {}).get("continue") or ""
                if not token:
                    return items
                answer = following.result() if following and token == early else page(token)

    def apply(self, obj: Mapping[str, Any], *, field_manager: str, dry_run: bool = False, force: bool = False) -> dict[str, Any]:
        """Server-side apply, with unknown and duplicate fields refused."""
        query = {"fieldManager": field_manager, "fieldValidation": "Strict", "force": str(force).lower()}
        meta = obj["metadata"]
        path = self.resource(obj["apiVersion"], obj["kind"]).path(meta["name"], meta.get("namespace"))
        answer = self._write("PATCH", path, query, obj, dry_run=dry_run, content_type=_APPLY, what=ref_text(obj))
        return self._object(answer, ref_text(obj))

    def create(self, obj: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """POST; also for reviews, which have no name."""
        path = self.resource(obj["apiVersion"], obj["kind"]).path(namespace=(obj.get("metadata") or {}).get("namespace"))
        return self._object(
            self._write("POST", path, {"fieldManager": "meshops.mesh"}, obj, dry_run=dry_run, what=ref_text(obj)), ref_text(obj)
        )

    def patch(self, obj_ref: Mapping[str, Any], patch: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """JSON merge patch; a resourceVersion in the patch makes it conditional."""
        meta = obj_ref["metadata"]
        path = self.resource(obj_ref["apiVersion"], obj_ref["kind"]).path(meta["name"], meta.get("namespace"))
        query = {"fieldManager": "meshops.mesh"}
        answer = self._write(
            "PATCH", path, query, patch, dry_run=dry_run, content_type="application/merge-patch+json", what=ref_text(obj_ref)
        )
        return self._object(answer, ref_text(obj_ref))

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None, *, dry_run: bool = False, uid: str = "") -> bool:
        """False when it was not there. uid: of the object that is meant, so that one which somebody made meanwhile in its place stays."""
        path = self.resource(api_version, kind).path(name, namespace)
        what = ref_text({"kind": kind, "metadata": {"name": name, "namespace": namespace}})
        # with options in the body the server does not read those in the URL, dryRun included
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if dry_run:
            options["dryRun"] = ["All"]
        if uid:
            options["preconditions"] = {"uid": uid}
        answer = self._write("DELETE", path, {}, options, dry_run=dry_run, what=what)
        return answer.status != 404

    def _write(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any,
        *,
        dry_run: bool,
        what: str,
        content_type: str = "application/json",
    ) -> HttpResponse:
        """A change; refusals name the object."""
        full = {**query, "dryRun": "All"} if dry_run else dict(query)
        if not path.startswith(_REVIEWS):
            # also before a delete: mostly something else is to come in its place
            self.require_clock()
        try:
            answer = self.request(method, path, query=full, body=body, content_type=content_type)
            for _unused in range(_RACES):
                if answer.status != 409 or content_type != _APPLY or "FieldManagerConflict" in causes_of(answer):
                    break
                # two runs at once: the other one's write came in between, and an apply can just be said again
                self._sleep(random.uniform(0.1, 0.4))  # noqa: S311  no secret: spreads tries
                answer = self.request(method, path, query=full, body=body, content_type=content_type)
        except (ConfigError, Conflict, Denied, Forbidden) as exc:
            raise type(exc)(f"{what}: {exc}") from exc
        if answer.status == 409:
            raise Conflict(f"{what}: cluster {self.name}: {_conflict_text(answer)}")
        return answer

    def _object(self, answer: HttpResponse, what: str) -> dict[str, Any]:
        data = answer.json()
        if answer.status < 300 and isinstance(data, dict):
            return data
        if answer.status == 404:
            raise NotFound(f"{what}: cluster {self.name}: {message_of(answer)}; make the namespace or the object first")
        raise FetchError(f"{what}: cluster {self.name} gave {answer.status}: {message_of(answer)}")

    def map(self, fn: Callable[[T], R], items: Iterable[T], workers: int = WORKERS) -> builtins.list[R]:
        """fn over items, several at a time, results in the items' order; the first error is raised."""
        todo: Sequence[T] = list(items)
        if len(todo) < 2:
            return [fn(item) for item in todo]
        with ThreadPoolExecutor(max_workers=min(workers, len(todo))) as pool:
            futures = [pool.submit(fn, item) for item in todo]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()


def _continue_of(body: bytes) -> str:
    """Where the next page of a list begins, as far as the head of its text says so; lists of custom resources end with it."""
    head, items, _rest = body[:_HEAD].partition(b'"items"')
    found = _CONTINUE.search(head) if items else None
    return found[1].decode() if found else ""


def _stale(data: Mapping[str, Any]) -> set[str]:
    rows = (
        (str((group.get("metadata") or {}).get("name")), version)
        for group in data.get("items") or []
        for version in group.get("versions") or []
    )
    return {f"{name}/{version['version']}" for name, version in rows if version.get("freshness") == "Stale"}


def _aggregated(data: Mapping[str, Any]) -> list[Resource]:
    rows = []
    for group in data.get("items") or []:
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or []:
            api_version = f"{name}/{version['version']}" if name else version["version"]
            rows += [
                Resource(
                    api_version,
                    item["responseKind"]["kind"],
                    item["resource"],
                    item.get("scope") == "Namespaced",
                    tuple(item.get("verbs") or ()),
                )
                for item in version.get("resources") or []
                if item.get("responseKind", {}).get("kind")
            ]
    return rows


def _conflict_text(answer: HttpResponse) -> str:
    """Which manager holds which field, or the API's own words."""
    data = answer.json() or {}
    causes = [item for item in (data.get("details") or {}).get("causes") or [] if item.get("reason") == "FieldManagerConflict"]
    if not causes:
        return f"conflict: {message_of(answer)}; it was changed in the meantime or is being deleted: run again"
    held = ", ".join(f"{item.get('field')} ({str(item.get('message')).replace('conflict with ', 'held by ')})" for item in causes)
    return (
        f"fields belong to another manager: {held}; take them out of our input, or take them over with force_conflicts "
        "(mesh_force_conflicts for the roles)"
    )
