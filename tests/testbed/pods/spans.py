# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces that proxies send, taken apart: OTLP as protobuf, Zipkin as JSON. A line of spans.jsonl of the bed for each span."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .wire import every, fields, first

__all__ = ["COLLECTORS", "keep", "of_otlp", "of_request", "of_zipkin"]

Obj = dict[str, Any]
COLLECTORS = {4317: "otlp-grpc", 4318: "otlp-http", 9411: "zipkin"}  # by the ports that everybody uses
_KINDS = ("", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


def _attributes(data: bytes, field: int) -> dict[str, str]:
    """Those whose value is a text."""
    return {first(row, 1).decode(): first(first(row, 2), 1).decode(errors="replace") for row in every(data, field)}


def of_otlp(request: bytes) -> list[Obj]:
    """Of an ExportTraceServiceRequest."""
    made = []
    for group in every(request, 1):
        service = _attributes(first(group, 1), 1).get("service.name", "")
        for scope in every(group, 2):
            for span in every(scope, 2):
                kind = next((value for number, value, _raw in fields(span) if number == 6 and isinstance(value, int)), 0)
                made.append(
                    {
                        "trace": first(span, 1).hex(),
                        "span": first(span, 2).hex(),
                        "parent": first(span, 4).hex(),
                        "service": service,
                        "name": first(span, 5).decode(errors="replace"),
                        "kind": _KINDS[kind] if kind < len(_KINDS) else "",
                        "tags": _attributes(span, 9),
                    }
                )
    return made


def of_zipkin(rows: Iterable[Obj]) -> list[Obj]:
    return [
        {
            "trace": row.get("traceId", ""),
            "span": row.get("id", ""),
            "parent": row.get("parentId", ""),
            "service": (row.get("localEndpoint") or {}).get("serviceName", ""),
            "name": row.get("name", ""),
            "kind": row.get("kind", ""),
            "tags": row.get("tags") or {},
        }
        for row in rows
    ]


def of_request(path: str, body: bytes) -> list[Obj] | None:
    """What a request brings to a collector; None where it is no such request."""
    if path.startswith("/v1/traces"):
        return of_otlp(body)
    if path.startswith("/api/v2/spans"):
        return of_zipkin(json.loads(body))
    return None


def keep(file: Path, rows: Iterable[Obj]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if text:
        with file.open("a") as stream:
            stream.write(text)
