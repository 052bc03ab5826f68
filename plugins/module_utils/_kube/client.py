# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The cluster as raw JSON: discovery, get, list, apply, delete; waits out a busy or restarting API server."""

from __future__ import annotations

import builtins
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from .._errors import (
    ClockSkew,
    ConfigError,
    Conflict,
    Denied,
    FetchError,
    Forbidden,
    KindMissing,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from .._model.clock import TOLERANCE, ClockReading, clock_text, read_clock, utc_now
from .._model.denial import denial_of
from .._model.secrecy import without_values
from .auth import HttpResponse, Transport, connect
from .parent import require_parent
from .progress import Progress, notice

try:
    import urllib3.exceptions as wire

    _WIRE_ERRORS: tuple[type[BaseException], ...] = (wire.HTTPError, OSError)
except ImportError:  # the module says so in main()
    _WIRE_ERRORS = (OSError,)

__all__ = ["WORKERS", "Cluster", "NotFound", "Resource", "ref_text"]

WORKERS = 16
PAGE = 500
FIRST_CONTACT = 12.0  # a wrong address shall not hold a play up
PATIENCE = 60.0  # a known server may restart in the middle of our work
SHAKY = 10.0  # after a broken connection a starting server may answer 401 or 403 for a moment
WEBHOOK_PATIENCE = 20.0
_UNDATED = (
    "the API server's answers do not say its time (no Date, or one from a cache), so its clock was not compared with that of this control "
    "node, and everything is judged by the clock here. Compare the two (date -u here and on a node), and look at the proxy in front of it"
)
CLOCK_FRESH = 60.0  # so old a reading of the clock still counts for the next write
CLOCK_SLOW = 5.0  # an answer that took longer says too little about the time

_DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
_PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_APPLY = "application/apply-patch+yaml"
_REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")  # questions in the form of a write
_RACES = 3
_DATES = ("certificate has expired", "certificate is not yet valid")  # OpenSSL's words, also for a CA above
_PASSING_500 = ("etcdserver: leader changed", "etcdserver: request timed out", "failed calling webhook", "transport is closing")
# a server-side apply of a field that a built-in kind does not have is a 500
_BAD_INPUT = ("failed to create typed patch object", "field not declared in schema")

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


class Cluster:
    """One API server; safe to use from several threads."""

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        timeout: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.warnings: builtins.list[str] = []
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._wall = wall
        self._stamp: tuple[Mapping[str, str], datetime, float, float] | None = None  # headers, our time, seconds taken, when by _clock
        self._met = False
        self._broken_at: float | None = None
        self._resources: dict[tuple[str, str], Resource] | None = None
        self._resources_at = 0.0
        self._stale: set[str] = set()
        self._lock = threading.Lock()

    @classmethod
    def from_params(cls, params: Mapping[str, Any], *, name: str, timeout: float = 15.0) -> Cluster:
        """The cluster that kubernetes.core's options (or K8S_AUTH_*) mean."""
        return cls(connect(params, name=name, workers=WORKERS), name=name, timeout=timeout)

    # requests

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> HttpResponse:
        """One answer below 300 or of a kind that callers handle (404, 409, 410); all else is waited out or raised."""
        if query:
            path += "?" + urlencode(query)
        headers = {"accept": accept, "user-agent": "meshops.mesh"}
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            headers["content-type"] = content_type
        started, progress = self._clock(), Progress(self.name, self._clock)
        attempt = 0
        while True:
            attempt += 1
            outcome = self._try(method, path, data, headers, started)
            if isinstance(outcome, HttpResponse):
                self._note_warning(outcome)
                return outcome
            if progress.due():
                progress.say(f"the API server ({self._transport.host}) is away or busy")
            self._sleep(outcome if outcome > 0 else min(5.0 if self._met else 1.0, 0.25 * 2 ** min(attempt, 5)) * random.uniform(0.7, 1.0))  # noqa: S311  no secret: spreads tries

    def _try(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], started: float) -> HttpResponse | float:
        """An answer, or for how long to sleep before the next try (0: choose yourself)."""
        require_parent()
        began = self._clock()
        try:
            answer = self._transport.request(method, path, body=data, headers=headers, timeout=self.timeout)
            self._stamp = (answer.headers, self._wall(), self._clock() - began, self._clock())
        except _WIRE_ERRORS as exc:
            self._broken_at = self._clock()
            self._give_up_on_wire(exc, started)
            return 0.0
        pause = self._pause(answer, started)
        if pause is not None:
            return pause
        self._met = True
        return self._raise_for(answer, method, path)

    def _give_up_on_wire(self, exc: BaseException, started: float) -> None:
        """Raise when no further try makes sense."""
        text = str(exc).split(": ", 1)[-1] if "object at 0x" in str(exc) else str(exc)
        where = f"cluster {self.name} ({self._transport.host})"
        if "CERTIFICATE_VERIFY_FAILED" in str(exc) and any(word in str(exc) for word in _DATES):
            raise Unreachable(
                f"{where}: the API server's certificate is not trusted, because of its dates: {text}; the clock of this control node "
                f"says {clock_text(self._wall())}. Compare it with the cluster's (date -u on a node): where it is wrong here, correct it "
                "(timedatectl, chronyc tracking); where it is right, the API server's certificate has to be renewed"
            ) from exc
        if "CERTIFICATE_VERIFY_FAILED" in str(exc):
            raise Unreachable(
                f"{where}: the API server's certificate is not trusted: {text}; "
                "give the CA that signed it (ca_cert, or certificate-authority in the kubeconfig) and the host name that it is made out to"
            ) from exc
        if isinstance(exc, (wire.LocationValueError, wire.ProxySchemeUnknown)):
            raise ConfigError(f"{where}: not an address of an API server: {text}; correct host or the kubeconfig") from exc
        if isinstance(exc, wire.SSLError) and isinstance(exc.args[0] if exc.args else None, FileNotFoundError):
            raise ConfigError(f"{where}: a certificate file is missing: {text}; look at ca_cert, client_cert, client_key") from exc
        first = not self._met
        nameless = isinstance(exc, getattr(wire, "NameResolutionError", ()))
        spent = self._clock() - started
        limit = FIRST_CONTACT - self._connect_reserve(exc) if first else PATIENCE
        if (first and nameless) or spent >= limit:
            raise Unreachable(
                f"{where}: no connection to the API server for {spent:.0f} s: {text}; "
                "check that it runs, and the address (host, kubeconfig, context), proxy and firewall"
            ) from exc

    @staticmethod
    def _connect_reserve(exc: BaseException) -> float:
        """A try that ends by time-out costs 5 s; do not begin one that passes 15 s."""
        return 5.0 if isinstance(exc, wire.TimeoutError) and not isinstance(exc, wire.NewConnectionError) else 0.0

    def _pause(self, answer: HttpResponse, started: float) -> float | None:
        """None when the answer counts; else how long to wait before asking again."""
        spent = self._clock() - started
        limit = PATIENCE if self._met else FIRST_CONTACT
        if answer.status in (429, 503, 502, 504):
            if spent >= limit:
                raise TooManyRequests(
                    f"cluster {self.name} ({self._transport.host}): the API server answers {answer.status} for {spent:.0f} s: "
                    f"{_message(answer)}; it is overloaded or not up yet: try again later"
                )
            return _retry_after(answer, left=limit - spent)
        if answer.status == 500 and any(word in _message(answer) for word in _PASSING_500):
            return 0.0 if spent < WEBHOOK_PATIENCE else None
        shaky = self._met and self._broken_at is not None and self._clock() - self._broken_at < SHAKY
        if answer.status in (401, 403) and shaky:
            return 0.0
        return None

    def _raise_for(self, answer: HttpResponse, method: str, path: str) -> HttpResponse:
        if answer.status < 300 or answer.status in (404, 409, 410):
            return answer
        where = f"cluster {self.name} ({self._transport.host})"
        text = _message(answer)
        if answer.status == 401:
            raise Unauthorized(
                f"{where}: the API server does not accept our login (401 {text}): the token or client certificate is wrong or expired; "
                "log in again, or give another api_key, kubeconfig or context"
            )
        if answer.status == 403 and "NamespaceTerminating" in _causes(answer):
            raise Conflict(
                f"{where}: the namespace is being deleted: {text}; its status says what holds it; wait until it is gone and run again"
            )
        if answer.status == 403:
            denial = denial_of(text, write=method != "GET")
            raise (Forbidden if denial.right else Denied)(f"{where}: {denial.what}: {text}; {denial.remedy}")
        if answer.status in (400, 422) or (answer.status == 500 and any(word in text for word in _BAD_INPUT)):
            raise ConfigError(f"{where}: the API server refuses the request ({answer.status}): {text}")
        raise FetchError(f"{where}: {method} {path.split('?', maxsplit=1)[0]} gave {answer.status}: {text}")

    def _note_warning(self, answer: HttpResponse) -> None:
        text = answer.headers.get("warning")
        if text:
            self.warnings.append(text.split(" ", 2)[-1].strip('"'))

    # the clock

    def read_clock(self) -> ClockReading | None:
        """What a new answer says about both clocks; None where the API server does not say its time."""
        self.request("GET", "/version")
        return self._reading()

    def _reading(self) -> ClockReading | None:
        return None if self._stamp is None else read_clock(*self._stamp[:3])

    def _recent(self) -> ClockReading | None:
        """The reading of the last answer, asked for again where it is old, slow or none."""
        if self._stamp is None or self._stamp[2] > CLOCK_SLOW or self._clock() - self._stamp[3] > CLOCK_FRESH:
            return self.read_clock()
        return self._reading()

    def now(self) -> datetime:
        """The cluster's time: that of everything which is decided about it. Ours where it does not say its own."""
        found = self._recent()
        if found is None:
            self._say_undated()
        return self._wall() if found is None else found.cluster_time(self._wall())

    def _say_undated(self) -> None:
        notice(f"cluster {self.name}: {_UNDATED}")

    def require_clock(self) -> None:
        """ClockSkew where the two clocks are so far apart that what one side makes is not valid for the other."""
        found = self._recent()
        if found is not None and not found.agrees:
            found = self.read_clock()  # never because of one odd answer
        if found is None:
            self._say_undated()
        if found is None or found.agrees:
            return
        raise ClockSkew(
            f"cluster {self.name} ({self._transport.host}): {found.difference()}; {TOLERANCE:.0f} s are allowed, because certificates and "
            "restarts would be judged by a wrong time. Nothing is issued or written while the clocks differ: correct the one that is wrong "
            "(timedatectl, chronyc tracking: here, and on the nodes of the control plane) and run this again"
        )

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
        self._stale = set()
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
        """None when the server says 410 Expired."""
        items: builtins.list[dict[str, Any]] = []
        step = dict(query)
        while True:
            answer = self.request("GET", path, query=step, accept=accept)
            if answer.status == 410:
                return None
            if answer.status == 404:
                raise KindMissing(f"cluster {self.name}: the API does not serve {path} (any more): {_message(answer)}")
            data = answer.json() or {}
            items += [shape(item) for item in data.get("items") or []]
            token = (data.get("metadata") or {}).get("continue")
            if not token:
                return items
            step["continue"] = token

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

    def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, dry_run: bool = False, uid: str = ""
    ) -> bool:
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
                if answer.status != 409 or content_type != _APPLY or "FieldManagerConflict" in _causes(answer):
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
            raise NotFound(f"{what}: cluster {self.name}: {_message(answer)}; make the namespace or the object first")
        raise FetchError(f"{what}: cluster {self.name} gave {answer.status}: {_message(answer)}")

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


def _stale(data: Mapping[str, Any]) -> set[str]:
    rows = ((str((group.get("metadata") or {}).get("name")), version) for group in data.get("items") or []
            for version in group.get("versions") or [])
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


def _message(answer: HttpResponse) -> str:
    data = answer.json()
    if isinstance(data, dict) and data.get("message"):
        return without_values(str(data["message"]))
    return answer.body[:200].decode("utf-8", "replace").strip() or "no text"


def _causes(answer: HttpResponse) -> set[str]:
    data = answer.json()
    details = (data.get("details") or {}) if isinstance(data, dict) else {}
    return {str(item.get("reason")) for item in details.get("causes") or []}


def _conflict_text(answer: HttpResponse) -> str:
    """Which manager holds which field, or the API's own words."""
    data = answer.json() or {}
    causes = [item for item in (data.get("details") or {}).get("causes") or [] if item.get("reason") == "FieldManagerConflict"]
    if not causes:
        return f"conflict: {_message(answer)}; somebody changed it meanwhile or it is being deleted: run again"
    held = ", ".join(f"{item.get('field')} ({str(item.get('message')).replace('conflict with ', 'held by ')})" for item in causes)
    return f"fields belong to another manager: {held}; take them out of our input, or take them over with force_conflicts " \
           "(mesh_force_conflicts for the roles)"


def _retry_after(answer: HttpResponse, *, left: float) -> float:
    text = answer.headers.get("retry-after", "")
    return max(0.0, min(float(text), left)) if text.isdigit() else 0.0
