# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What `mesh_canaries` cannot mean, all of it at once, with the path of each field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .._model.fields import entries, section, sections
from .._model.traffic_rows import key_of, route_name
from .._text import did_you_mean, quoted, shown
from .intent import (
    ALL,
    BACK,
    DESTINATION,
    HOLD,
    PROMETHEUS,
    PROXIES,
    SOURCE,
    STEP,
    CanaryGate,
    number_of,
    route_of,
    seconds_of,
    weights_of,
)
from .weights import percent_of

__all__ = ["canary_refusals", "gate_refusals", "prometheus_refusals"]

_CODE = re.compile(r"[0-9]xx|[0-9]{1,3}")
_WHOLE = 100


def canary_refusals(rows: Any, traffic: Any) -> list[str]:
    """Everything that is wrong with `mesh_canaries`, with the path of each field. traffic: `mesh_traffic`, None where it is not known."""
    found: list[str] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(sections(rows)):
        where = f"mesh_canaries[{number}]"
        for name in ("service", "namespace", "from", "to"):
            if not row.get(name):
                found.append(f"{where}.{name}: is missing")
        if key_of(row) in seen:
            found.append(
                f"{where}: {shown(key_of(row))} has a canary in mesh_canaries[{seen[key_of(row)]}] already; one service has one at a time"
            )
        seen.setdefault(key_of(row), number)
        if row.get("from") and str(row.get("from")) == str(row.get("to")):
            found.append(f"{where}.to: is {quoted(row['to'])} as from; it has to be another version")
        found += _of_steps(row, where)
        found += gate_refusals(section(row, "gate"), f"{where}.gate")
        found += _of_measure(row, where)
        if traffic is not None:
            found += _of_traffic(row, where, sections(traffic))
    return found


def _of_steps(row: Mapping[str, Any], where: str) -> Iterator[str]:
    steps = entries(row.get("steps"))
    if row.get("steps") is not None and not steps:
        yield f"{where}.steps: expected a list of percentages such as [5, 20, 50, 100]"
    before = 0
    for number, step in enumerate(steps):
        weight = step.get("weight") if isinstance(step, Mapping) else step
        if isinstance(weight, bool) or not str(weight).isdigit() or not 1 <= int(str(weight)) <= _WHOLE:
            yield f"{where}.steps[{number}]: {quoted(weight)} is no percentage from 1 to 100"
            continue
        if int(str(weight)) <= before:
            yield f"{where}.steps[{number}]: {shown(weight)} is not more than the step before it ({before})"
        before = int(str(weight))
    if steps and 0 < before < _WHOLE:
        yield f"{where}.steps: end at {before}; the last step has to be 100 (for a lasting share write it into mesh_traffic)"


# Field, what it has to be, and how that is told.
_NUMBERS: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("min_requests", lambda value: value >= 1 and value == int(value), "a whole number of at least 1"),
    ("min_old_requests", lambda value: value >= 1 and value == int(value), "a whole number of at least 1"),
    ("early_requests", lambda value: value >= 1 and value == int(value), "a whole number of at least 1"),
    ("max_restarts", lambda value: value >= 0 and value == int(value), "a whole number of at least 0"),
    ("max_error_rate", lambda value: 0 <= value <= 1, "a rate from 0 to 1, such as 0.01 for 1 %"),
    ("max_error_increase", lambda value: 0 <= value <= 1, "a rate from 0 to 1, such as 0.01 for 1 %"),
    ("confidence", lambda value: 0.5 <= value < 1, "a number from 0.5 to below 1, such as 0.95"),
)


def gate_refusals(gate: Mapping[str, Any], where: str) -> Iterator[str]:
    """What a gate cannot ask. where: its path, empty where its fields are options of their own."""
    at = f"{where}." if where else ""
    for name, good, expected in _NUMBERS:
        value = gate.get(name)
        number = number_of(value)
        if value is not None and (number is None or not good(number)):
            yield f"{at}{name}: {quoted(value)} is not {expected}"
    times = {name: seconds_of(gate[name]) for name in ("window", "timeout", "interval") if gate.get(name) is not None}
    for name, seconds in times.items():
        if not seconds:
            yield f"{at}{name}: {quoted(gate[name])} is no length of time such as 60s or 5m"
    known = CanaryGate()
    window, timeout = times.get("window") or known.window, times.get("timeout") or known.timeout
    if all(times.values()) and timeout < window:
        yield f"{at}timeout: {timeout:g} s is shorter than the window of {window:g} s"
    latency = section(gate, "latency")
    percent = number_of(latency["percentile"]) if latency.get("percentile") is not None else known.percentile
    if percent is None or not 0 < percent < _WHOLE:
        yield f"{at}latency.percentile: {quoted(latency.get('percentile'))} is not between 0 and 100, such as 95"
    if latency.get("max") is not None and not seconds_of(latency["max"]):
        yield f"{at}latency.max: {quoted(latency['max'])} is no length of time such as 500ms or 2s"
    increase = number_of(latency["max_increase"]) if latency.get("max_increase") is not None else 1.0
    if increase is None or increase < 1:
        yield f"{at}latency.max_increase: {quoted(latency.get('max_increase'))} is not at least 1, such as 1.25 for a quarter slower"
    for number, code in enumerate([] if gate.get("errors") is None else entries(gate["errors"]) or [None]):
        if not _CODE.fullmatch(str(code)):
            yield f"{at}errors[{number}]: {quoted(code)} is neither a class such as 5xx nor a code such as 429"


def prometheus_refusals(row: Mapping[str, Any], where: str) -> Iterator[str]:
    """Which Prometheus cannot be asked."""
    prometheus = section(row, "prometheus")
    if prometheus.get("url") and prometheus.get("service"):
        yield f"{where}: has url and service; it is asked by one of them"
    if prometheus.get("url") and not str(prometheus["url"]).startswith(("https://", "http://")):
        yield f"{where}.url: is no address that begins with https:// or http://"
    if prometheus.get("token") and not str(prometheus.get("url") or "").startswith("https://"):
        yield f"{where}.token: goes over https:// only"


def _of_measure(row: Mapping[str, Any], where: str) -> Iterator[str]:
    words = (
        ("measure", (PROXIES, PROMETHEUS)),
        ("reporter", (DESTINATION, SOURCE)),
        ("on_failure", (ALL, STEP)),
        ("on_timeout", (HOLD, BACK)),
    )
    for name, known in words:
        if row.get(name) is not None and row[name] not in known:
            yield f"{where}.{name}: {quoted(row[name])} is neither {known[0]} nor {known[1]}"
    prometheus = section(row, "prometheus")
    if prometheus and row.get("measure") != PROMETHEUS:
        yield f"{where}.prometheus: is not used, as measure is not prometheus"
    yield from prometheus_refusals(row, f"{where}.prometheus")
    if row.get("callers") is not None and row.get("reporter") != SOURCE:
        yield f"{where}.callers: is not used, as reporter is not source"


def _of_traffic(row: Mapping[str, Any], where: str, traffic: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    service = next((one for one in traffic if key_of(one) == key_of(row)), None)
    if service is None:
        if row.get("service") and row.get("namespace"):
            yield f"{where}.service: {quoted(key_of(row))} is not in mesh_traffic; {did_you_mean(key_of(row), map(key_of, traffic))}"
        return
    versions = [str(one.get("name")) for one in sections(service.get("versions"))]
    steps = [step.get("weight") if isinstance(step, Mapping) else step for step in entries(row.get("steps"))] or [5]
    for name in ("from", "to"):
        if row.get(name) and str(row[name]) not in versions:
            near = did_you_mean(row[name], versions)
            yield f"{where}.{name}: {quoted(row[name])} is no version of {shown(key_of(row))} in mesh_traffic; {near}"
    route = route_of(service, str(row.get("route") or ""))
    names = [route_name(one, number) for number, one in enumerate(sections(service.get("routes")))]
    if route is None and row.get("route"):
        near = did_you_mean(row["route"], names)
        yield f"{where}.route: {quoted(row['route'])} is no route of {shown(key_of(row))} in mesh_traffic; {near}"
    elif route is None:
        yield f"{where}.route: {shown(key_of(row))} has no route without match in mesh_traffic; name the one whose weights move"
    elif row.get("from") and not weights_of(route).get(str(row["from"])):
        yield (
            f"{where}.from: the route {shown(row.get('route') or 'default')} of {shown(key_of(row))} gives nothing to "
            f"{quoted(row['from'])} in mesh_traffic, and its share is what the canary moves; a canary "
            "that is done goes out of mesh_canaries"
        )
    elif (
        row.get("from") != row.get("to")
        and str(steps[0]).isdigit()
        and 0 < int(str(steps[0])) <= (start := percent_of(weights_of(route), str(row.get("from")), str(row.get("to"))))
    ):
        yield f"{where}.steps[0]: {shown(steps[0])} is not more than the {start} % that {shown(row.get('to'))} has in mesh_traffic already"
