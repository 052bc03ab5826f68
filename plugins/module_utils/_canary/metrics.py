# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What Istio's proxies count of requests: read from their own text, or from the answer of a Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import FetchError

__all__ = ["BUCKETS", "REQUESTS", "Sample", "from_prometheus", "from_text"]

REQUESTS = "istio_requests_total"
BUCKETS = "istio_request_duration_milliseconds_bucket"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_ESCAPED = re.compile(r'\\[\\"n]')


@dataclass(frozen=True)
class Sample:
    """One series at one moment. series: all that tells it from others; labels: the same for who asks."""

    name: str
    labels: Mapping[str, str]
    value: float

    @property
    def series(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        return self.name, tuple(sorted(self.labels.items()))


def from_text(body: bytes, families: tuple[str, ...] = (REQUESTS, BUCKETS)) -> list[Sample]:
    """These families, of a proxy's /stats/prometheus. FetchError where the text is something else."""
    text = body.decode("utf-8", errors="replace")
    found = list(_samples(text.splitlines(), families))
    if not found and "# TYPE" not in text:
        raise FetchError(f"its metrics are no Prometheus text: {text[:80]!r}")
    return found


def _samples(lines: Iterable[str], families: tuple[str, ...]) -> Iterator[Sample]:
    for line in lines:
        if not line.startswith(families):
            continue
        head, _brace, rest = line.partition("{")
        inner, _brace, tail = rest.rpartition("}")
        if head.strip() not in families or not tail.strip():
            continue
        labels = {name: _ESCAPED.sub(lambda found: _ESCAPES[found.group()], value) for name, value in _LABEL.findall(inner)}
        try:
            yield Sample(head.strip(), labels, float(tail.split()[0]))
        except ValueError as exc:
            raise FetchError(f"its metrics have a value that is no number: {tail.strip()[:40]!r}") from exc


def from_prometheus(answer: Any) -> list[Sample]:
    """The answer to an instant query. FetchError with its own reason where it is none."""
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(data, Mapping) or answer.get("status") != "success" or data.get("resultType") != "vector":
        said = answer.get("error") if isinstance(answer, Mapping) else answer
        raise FetchError(f"Prometheus did not answer the query: {str(said)[:200]}")
    found = []
    for row in data.get("result") or []:
        labels = {str(name): str(value) for name, value in (row.get("metric") or {}).items()}
        name = labels.pop("__name__", "")
        if name in (REQUESTS, BUCKETS):
            found.append(Sample(name, labels, float(row["value"][1])))
    return found
