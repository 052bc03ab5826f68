# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom an application calls while it answers: what its container says, else what the known samples do. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .spec import PROXY, containers, environment

__all__ = ["CALLS", "Call", "calls_on", "of_pod", "passed_on", "redis_command"]

Obj = dict[str, Any]
CALLS = "testbed.example.com/calls"  # an annotation: URLs, separated by commas; with `none` it calls nobody
_URL = re.compile(r"^(https?|redis|tcp)://[^/\s]+")
_PORTS = {"http": 80, "https": 443, "redis": 6379, "tcp": 80}
# Where a variable leads that is no part of the application's own chain.
_NO_CALL = re.compile(r"JAEGER|ZIPKIN|OTEL|TRAC|PROMETHEUS|GRAFANA|KIALI|PROXY", re.IGNORECASE)
# Requests that are about this application alone.
_OWN = re.compile(r"^/(headers|healthz?|ready|livez?|metrics|status|delay|whoami)(/|\?|$)")
# What the samples hand on, so that routes by header and traces reach the whole chain.
_PASSED = re.compile(
    r"^(x-request-id|traceparent|tracestate|baggage|b3|x-b3-.*|x-ot-span-context|x-datadog-.*|x-cloud-trace-context|grpc-trace-bin"
    r"|authorization|cookie|user-agent|end-user|portal|device|user|travel)$"
)


@dataclass(frozen=True)
class Call:
    """One call of a chain. path: "" for that of the request which is being answered."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


def _call(url: str) -> Call | None:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return Call(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], parts.path + (f"?{parts.query}" if parts.query else ""))


def _sample(labels: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """Bookinfo and the guestbooks, whose images have these names inside."""
    app, version = labels.get("app", ""), labels.get("version", "")
    domain = f".{env['SERVICES_DOMAIN']}" if env.get("SERVICES_DOMAIN") else ""

    def named(service: str) -> str:
        host = env.get(f"{service.upper()}_HOSTNAME", service)
        return f"http://{host}{domain}:{env.get(f'{service.upper()}_SERVICE_PORT', '9080')}/{service}/0"

    if app == "productpage":
        return [named("details"), named("reviews")]
    if app == "reviews" and version and version != "v1":
        return [named("ratings")]
    if app == "guestbook" or labels.get("tier") == "frontend":
        return [f"redis://{host}:6379" for host in ("redis-master", "redis-slave", "redis-leader", "redis-follower")]
    return []


def of_pod(pod: Obj) -> tuple[list[Call], bool]:
    """The calls, and whether they were said: what is only known of a sample counts where its Service is there."""
    meta = pod["metadata"]
    said = (meta.get("annotations") or {}).get(CALLS)
    if said is not None:
        return [call for call in map(_call, re.split(r"[,\s]+", said.strip())) if call], True
    env: dict[str, str] = {}
    for one in containers(pod):
        if one["name"] != PROXY:
            env |= environment(pod, one)
    urls = [value for name, value in env.items() if _URL.match(value) and not _NO_CALL.search(name)]
    if urls:
        return [call for call in map(_call, dict.fromkeys(urls)) if call], False
    return [call for call in map(_call, _sample(meta.get("labels") or {}, env)) if call], False


def calls_on(path: str) -> bool:
    return not _OWN.match(path)


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if _PASSED.match(name)}


def redis_command(call: Call, path: str) -> list[str] | None:
    """What a guestbook's request asks of this store; None where another one is asked: a leader takes, its followers are read."""
    leads = call.host.split(".")[0].endswith(("-master", "-leader"))
    written = re.match(r"^/(?:rpush|lpush)/([^/?]+)/([^?]*)", path)
    if written:
        return ["RPUSH", written[1], written[2]] if leads else None
    read = re.match(r"^/lrange/([^/?]+)", path)
    if not leads or not call.host.startswith("redis-"):
        return ["LRANGE", read[1] if read else "guestbook", "-100", "100"]
    return None
