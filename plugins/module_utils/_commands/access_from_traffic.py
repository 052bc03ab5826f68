# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where observed traffic is read: Prometheus' query API, its answers in files, access logs in files."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

from .._access.observed import QUERIES, Call, merged, of_log, of_metrics
from .._errors import ConfigError, FetchError
from .._model.files import MIB, TooLarge, clear_drafts, inside, open_file, read_file, write_file
from .._model.secrecy import without_login

__all__ = [
    "LARGEST",
    "Prometheus",
    "Read",
    "files_of",
    "json_of",
    "lines_of",
    "owner_of",
    "prometheus_of",
    "read_traffic",
    "write_proposal",
]

_LONGEST = MIB  # of one line
LARGEST = 256 * MIB  # of one answer
_WINDOW = re.compile(r"(\d+(ms|[smhdwy]))+")
# NAMESPACE and POD in the ways that tools name the log of a pod's proxy
_OWNERS = (
    re.compile(r"namespaces/(?P<namespace>[^/]+)/pods/(?P<pod>[^/]+)/"),  # must-gather
    re.compile(r"(?:^|/)(?P<namespace>[a-z0-9.-]+)_(?P<pod>[a-z0-9.-]+)_[0-9a-f-]+/"),  # /var/log/pods
    re.compile(r"(?:^|/)(?P<pod>[a-z0-9.-]+)_(?P<namespace>[a-z0-9.-]+)_istio-proxy-[0-9a-f]+\.log"),  # /var/log/containers
    re.compile(r"(?:^|/)(?P<namespace>[a-z0-9.-]+)/(?P<pod>[a-z0-9.-]+?)\.(?:log|txt|json)(?:\.gz)?$"),
)


@dataclass(frozen=True)
class Prometheus:
    """A query API, such as https://thanos-querier-openshift-monitoring.apps.example.com."""

    url: str
    window: str = "7d"
    token: str = ""
    roots: str = ""
    timeout: float = 60.0

    @property
    def name(self) -> str:
        """As people see it: its address may have a login."""
        return f"Prometheus at {without_login(self.url)}"

    def ask(self, query: str) -> Any:
        address = f"{self.url.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            with open_url(address, headers=headers, timeout=self.timeout, ca_path=self.roots or None) as answer:
                text = answer.read()
        except HTTPError as exc:
            text = exc.read()
            if exc.code != 400:  # an answer with the reason comes with that
                raise FetchError(f"{self.name} answers {exc.code} {exc.reason}: {_hint(exc.code)}") from exc
        except (OSError, ValueError, HTTPException) as exc:
            # what is said of an address that is none quotes a part of it, which may be a password
            reason = without_login(str(getattr(exc, "reason", exc))) if isinstance(exc, OSError) else "this is no address"
            raise FetchError(f"{self.name} gives no answer: {reason}") from None
        return json_of(text.decode(errors="replace"), self.name)

    def answers(self, queries: Iterable[str]) -> Iterator[Any]:
        """To each query, for its window."""
        if not _WINDOW.fullmatch(self.window):
            raise ConfigError(f"window is {self.window!r}, expected a duration of Prometheus such as 7d")
        for query in queries:
            yield self.ask(query.replace("{window}", self.window))

    def calls(self) -> Iterator[Call]:
        for answer in self.answers(QUERIES):
            yield from of_metrics(answer, self.name)

    @property
    def title(self) -> str:
        """With how far back it is asked."""
        return f"{self.name}, the last {self.window}"


def prometheus_of(given: Mapping[str, Any] | None) -> Prometheus | None:
    """That of the option `prometheus`."""
    if not given:
        return None
    return Prometheus(given["url"], given["window"], given["token"] or "", given["ca_path"] or "", given["timeout"])


@dataclass(frozen=True)
class Read:
    """`skipped`: by file, how many lines were no access log."""

    calls: tuple[Call, ...]
    skipped: Mapping[str, int]
    sources: tuple[str, ...]


def _hint(code: int) -> str:
    return "give a token that may read metrics (role cluster-monitoring-view on OpenShift)" if code in (401, 403) else "is it a query API?"


def json_of(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ConfigError(f"{where}: the answer is no JSON but begins with {text[:60]!r}") from exc


def files_of(path: str) -> list[Path]:
    where = Path(path).expanduser()
    if where.is_dir():
        found = sorted(file for file in where.rglob("*") if file.is_file() and (not file.is_symlink() or inside(where, file)))
    else:
        found = [where] if os.path.lexists(where) else sorted(Path(where.anchor or ".").glob(str(where.relative_to(where.anchor or "."))))
    if not found:
        raise ConfigError(f"there is no file {path}")
    return found


def lines_of(path: Path, limit: int | None = None) -> Iterator[str]:
    """The lines; one that is longer than any line of a log comes in pieces, which are no access log. limit: of all, in bytes."""
    size = 0
    try:
        with open_file(path) as handle:
            stream: Any = gzip.GzipFile(fileobj=handle) if path.suffix == ".gz" else handle
            while line := stream.readline(_LONGEST):
                size += len(line)
                if limit and size > limit:
                    raise TooLarge(path, limit)
                yield line.decode(errors="replace")
    except (OSError, EOFError, zlib.error) as exc:
        raise ConfigError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc


def owner_of(path: Path) -> str:
    found = next((match for match in (pattern.search(path.as_posix()) for pattern in _OWNERS) if match), None)
    if not found:
        raise ConfigError(
            f"{path}: whose log is it? Name it NAMESPACE/POD.log, keep the folders of must-gather, or give workload: NAMESPACE/NAME with it"
        )
    return f"{found['namespace']}/{found['pod']}"


def read_traffic(prometheus: Prometheus | None, answers: Iterable[str], logs: Iterable[Mapping[str, Any]]) -> Read:
    """Everything that was observed; a ConfigError or FetchError says what could not be read."""
    calls: list[Call] = list(prometheus.calls()) if prometheus else []
    sources = [prometheus.title] if prometheus else []
    for name in answers:
        for path in files_of(name):
            calls += of_metrics(json_of("".join(lines_of(path, LARGEST)), str(path)), str(path))
            sources.append(f"the answer {path}")
    skipped: dict[str, int] = {}
    for row in logs:
        for path in files_of(row["path"]):
            for call in of_log(lines_of(path), row.get("workload") or owner_of(path)):
                if call is None:
                    skipped[str(path)] = skipped.get(str(path), 0) + 1
                else:
                    calls.append(call)
            sources.append(f"the log {path}")
    if not sources:
        raise ConfigError("nothing to read: give prometheus, prometheus_answers or logs")
    return Read(tuple(merged(calls)), skipped, tuple(sources))


def write_proposal(path: str, text: str, *, dry: bool) -> bool:
    """Whether the file is another one now, or would be."""
    where, data = Path(path).expanduser(), text.encode()
    try:
        if os.path.lexists(where) and read_file(where, limit=LARGEST) == data:
            return False
        if not where.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {where.parent}")
        if not dry:
            clear_drafts(where.parent)
            write_file(where, data)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror or exc}; what was there is unchanged") from exc
    return True
