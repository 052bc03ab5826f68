# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What `mesh_canaries` says, as values. What it cannot mean is in refusals.py and is asked first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import ConfigError
from .._model.fields import entries, section, sections
from .._model.traffic_rows import key_of, route_name, version_labels
from .._text import counted, did_you_mean, quoted, shown

__all__ = [
    "Canary",
    "CanaryGate",
    "CanaryStep",
    "Measure",
    "canary_named",
    "number_of",
    "read_canary",
    "route_of",
    "seconds_of",
    "weights_of",
]

DESTINATION, SOURCE = "destination", "source"
PROXIES, PROMETHEUS = "proxies", "prometheus"
ALL, STEP = "all", "step"
HOLD, BACK = "hold", "back"
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:[.][0-9]+)?)s)?")
_WHOLE = 100


@dataclass(frozen=True)
class CanaryGate:
    """What has to be so before the next step. Times in seconds, latencies in milliseconds, rates from 0 to 1; None is not asked.

    strict: passes only what is proven, not what merely does not show the contrary."""

    window: float = 60.0
    timeout: float = 900.0
    interval: float = 10.0
    min_requests: int = 200
    min_old_requests: int = 30
    early_requests: int = 20
    max_error_rate: float | None = 0.01
    max_error_increase: float | None = 0.01
    percentile: float = 95.0
    max_latency: float | None = None
    max_latency_increase: float | None = None
    confidence: float = 0.95
    strict: bool = False
    max_restarts: int = 0
    errors: tuple[str, ...] = ("5xx", "0")


@dataclass(frozen=True)
class Measure:
    """Where the numbers come from. reporter: the proxies that answer (destination) or those that call (source); callers: namespaces."""

    source: str = PROXIES
    reporter: str = DESTINATION
    callers: tuple[str, ...] = ()
    port: int = 15020
    prometheus: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CanaryStep:
    """A share of the requests in per cent. pause: somebody looks before the next one."""

    weight: int
    pause: bool = False


@dataclass(frozen=True)
class Canary:
    """One release. route: whose weights move, the default one where it is empty."""

    service: str
    namespace: str
    old: str
    new: str
    route: str = ""
    steps: tuple[CanaryStep, ...] = ()
    gate: CanaryGate = CanaryGate()
    measure: Measure = Measure()
    on_failure: str = ALL
    on_timeout: str = HOLD
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    base: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """namespace/service."""
        return f"{self.namespace}/{self.service}"


def seconds_of(value: Any) -> float | None:
    """`90s`, `1m30s`, `2h`, `500ms`, or a number of seconds. None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if value >= 0 else None
    text = str(value).strip()
    if text.endswith("ms") and text[:-2].replace(".", "", 1).isdigit():
        return float(text[:-2]) / 1000
    if text.isdigit():
        return float(text)
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    hours, minutes, rest = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)


def route_of(service: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The route of a service by its name; the default one, which asks nothing of a request, for the empty name."""
    rows = sections(service.get("routes"))
    for number, row in enumerate(rows):
        if route_name(row, number) == name if name else not sections(row.get("match")):
            return row
    return None


def weights_of(route: Mapping[str, Any]) -> dict[str, int]:
    """Its versions with their shares."""
    return {str(name): int(weight) for name, weight in section(route, "to").items() if str(weight).isdigit()}


def number_of(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def canary_named(rows: Any, name: str) -> Mapping[str, Any]:
    """The row of namespace/service, or of a service that only one namespace has."""
    known = sections(rows)
    found = [row for row in known if name in (key_of(row), str(row.get("service")))]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            f"{shown(name)} is in {counted(len(found), 'row')} of mesh_canaries: say it as {shown(', or '.join(map(key_of, found)))}"
        )
    raise ConfigError(f"{quoted(name)} has no row in mesh_canaries; {did_you_mean(name, map(key_of, known))}")


def read_canary(row: Mapping[str, Any], traffic: Iterable[Mapping[str, Any]]) -> Canary:
    """The value of a row that nothing is to be refused of."""
    service = next((one for one in traffic if key_of(one) == key_of(row)), {})
    route = route_of(service, str(row.get("route") or "")) or {}
    labels = {str(one["name"]): version_labels(one) for one in sections(service.get("versions"))}
    return Canary(
        service=str(row["service"]),
        namespace=str(row["namespace"]),
        old=str(row["from"]),
        new=str(row["to"]),
        route=str(row.get("route") or ""),
        steps=tuple(_step(step) for step in entries(row.get("steps")) or (5, 20, 50, _WHOLE)),
        gate=_gate(section(row, "gate")),
        measure=_measure(row),
        on_failure=str(row.get("on_failure") or ALL),
        on_timeout=str(row.get("on_timeout") or HOLD),
        labels=labels,
        base=weights_of(route),
    )


def _step(step: Any) -> CanaryStep:
    if isinstance(step, Mapping):
        return CanaryStep(int(step["weight"]), bool(step.get("pause")))
    return CanaryStep(int(step))


def _rate(gate: Mapping[str, Any], name: str, default: float | None) -> float | None:
    """1 says that this is not asked: all may fail."""
    value = number_of(gate.get(name))
    return default if value is None else value if value < 1 else None


def _gate(gate: Mapping[str, Any]) -> CanaryGate:
    known, latency = CanaryGate(), section(gate, "latency")
    longest = seconds_of(latency.get("max")) if latency.get("max") is not None else None

    def whole(name: str) -> int:
        value = number_of(gate.get(name))
        return int(getattr(known, name) if value is None else value)

    def seconds(name: str) -> float:
        return seconds_of(gate.get(name)) or float(getattr(known, name))

    return CanaryGate(
        window=seconds("window"),
        timeout=max(seconds("timeout"), seconds("window")),
        interval=seconds("interval"),
        min_requests=whole("min_requests"),
        min_old_requests=whole("min_old_requests"),
        early_requests=whole("early_requests"),
        max_error_rate=_rate(gate, "max_error_rate", known.max_error_rate),
        max_error_increase=_rate(gate, "max_error_increase", known.max_error_increase),
        percentile=number_of(latency.get("percentile")) or known.percentile,
        max_latency=longest * 1000 if longest else None,
        max_latency_increase=number_of(latency.get("max_increase")) if latency.get("max_increase") is not None else None,
        confidence=number_of(gate.get("confidence")) or known.confidence,
        strict=bool(gate.get("strict")),
        max_restarts=whole("max_restarts"),
        errors=tuple(map(str, entries(gate.get("errors")))) or known.errors,
    )


def _measure(row: Mapping[str, Any]) -> Measure:
    return Measure(
        source=str(row.get("measure") or PROXIES),
        reporter=str(row.get("reporter") or DESTINATION),
        callers=tuple(map(str, entries(row.get("callers")))),
        port=int(row.get("metrics_port") or Measure.port),
        prometheus=section(row, "prometheus"),
    )
