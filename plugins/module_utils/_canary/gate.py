# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether a step of a canary is good: the new version against its limits, and against the old one in the same window.

passed: enough was seen, and nothing of it is wrong. violated: what was seen is not chance. open: neither of both, so it is waited on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._text import counted, shortened, shown
from .counting import VersionCounts
from .intent import CanaryGate
from .pods import VersionPod, restarted
from .statistics import ShareInterval, above, difference, percentile, percentile_interval, share, surely_more

__all__ = ["GOOD", "OPEN", "VIOLATED", "CanaryVerdict", "figures", "judge", "judge_pods", "outcome", "percent", "split"]

GOOD, VIOLATED, OPEN = "passed", "violated", "open"
_GRPC_SERVER_ERRORS = frozenset({"2", "4", "12", "13", "14", "15"})  # those that gRPC maps to HTTP's 5xx
_CODES_SHOWN = 3


@dataclass(frozen=True)
class CanaryVerdict:
    """state: of the gate as a whole; reasons: sentences with figures, of what is wrong, else of what is open, else of what is good."""

    state: str
    reasons: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True)
class _Side:
    """A version and what it answered."""

    name: str
    counts: VersionCounts
    errors: dict[str, int]

    @property
    def requests(self) -> int:
        return self.counts.requests

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


def percent(rate: float) -> str:
    """`11.0 %`; small shares with the digits that they need."""
    value = rate * 100
    return f"{value:.2f} %" if 0 < value < 0.1 else f"{value:.1f} %"


def _between(found: ShareInterval, confidence: float) -> str:
    low, high = percent(found.low).removesuffix(" %"), percent(found.high)
    return f"{confidence * 100:.4g} % interval {low} to {high}"


def _is_error(code: str, grpc: str, errors: Sequence[str]) -> bool:
    if grpc in _GRPC_SERVER_ERRORS and "5xx" in errors:
        return True
    return any(code == one or (one.endswith("xx") and len(code) == 3 and code[0] == one[0]) for one in errors)


def _errors(counts: VersionCounts, errors: Sequence[str]) -> dict[str, int]:
    """By what they are called, the most frequent first."""
    found: dict[str, float] = {}
    for (code, grpc), number in counts.codes.items():
        if _is_error(code, grpc, errors):
            name = f"gRPC status {grpc}" if code == "200" and grpc else code
            found[name] = found.get(name, 0) + number
    rows = sorted(found.items(), key=lambda row: (-row[1], row[0]))
    return {name: round(number) for name, number in rows if round(number)}


def _side(name: str, counts: VersionCounts, gate: CanaryGate) -> _Side:
    return _Side(name, counts, _errors(counts, gate.errors))


def _answered(side: _Side) -> str:
    """`v2 answered 503 to 23 of 210 requests`."""
    of = f"{side.failed} of {counted(side.requests, 'request')}"
    if not side.failed:
        return f"{shown(side.name)} failed {of}"
    if set(side.errors) == {"0"}:
        return f"{shown(side.name)} gave no answer to {of}"
    if len(side.errors) == 1:
        return f"{shown(side.name)} answered {shown(next(iter(side.errors)))} to {of}"
    codes = shortened((f"{'no answer' if code == '0' else shown(code)} {number}" for code, number in side.errors.items()), _CODES_SHOWN)
    return f"{shown(side.name)} failed {of} ({codes})"


Finding = tuple[str, str]  # state and sentence


def _error_rate(new: _Side, gate: CanaryGate, confidence: float) -> Iterator[Finding]:
    if gate.max_error_rate is None:
        return
    limit, found = gate.max_error_rate, share(new.failed, new.requests, confidence)
    said = f"{_answered(new)} ({percent(found.estimate)}, {_between(found, confidence)})"
    if surely_more(new.failed, new.requests, limit, confidence):
        yield VIOLATED, f"{said}: at most {percent(limit)} may fail"
    elif (found.high if gate.strict else found.estimate) > limit:
        yield OPEN, f"{said}: not sure that it is at most {percent(limit)}"
    else:
        yield GOOD, f"{said}: at most {percent(limit)} may fail"


def _error_increase(new: _Side, old: _Side, gate: CanaryGate, confidence: float) -> Iterator[Finding]:
    if gate.max_error_increase is None:
        return
    limit = gate.max_error_increase
    one, other = (share(side.failed, side.requests, confidence) for side in (new, old))
    found = difference(one, other)
    word = "fewer" if found.estimate < 0 else "more"
    said = (
        f"{_answered(new)} ({percent(one.estimate)}), {shown(old.name)} {old.failed} of {old.requests} ({percent(other.estimate)}): "
        f"{_points(abs(found.estimate))} points {word}, {confidence * 100:.4g} % interval {_points(found.low)} to {_points(found.high)}"
    )
    if found.low > limit and surely_more(new.failed, new.requests, other.estimate + limit, confidence):
        yield VIOLATED, f"{said}; at most {_points(limit)} more may fail"
    elif (found.high if gate.strict else found.estimate) > limit:
        yield OPEN, f"{said}; not sure that it is at most {_points(limit)}"
    else:
        yield GOOD, f"{said}; at most {_points(limit)} more may fail"


def _points(value: float) -> str:
    return f"{value * 100:.1f}"


def _time(milliseconds: float) -> str:
    if math.isnan(milliseconds):
        return "unknown"
    return f"{milliseconds / 1000:.3g} s" if milliseconds >= 1000 else f"{milliseconds:.3g} ms"


def _slower(new: _Side, limit: float, gate: CanaryGate, confidence: float, proven_by: float) -> Finding:
    """Whether too many are slower: the percentile is at most `limit` where no more than the rest are above it. proven_by: a limit that is
    surely beyond what is allowed."""
    counts, allowed = new.counts, 1 - gate.percentile / 100
    slow = above(counts.bounds, counts.cumulative, limit)
    found = share(slow, counts.timed, confidence)
    value = percentile(counts.bounds, counts.cumulative, gate.percentile)
    said = (
        f"{round(slow)} of {counted(round(counts.timed), 'request')} to {shown(new.name)} took longer than {_time(limit)} "
        f"({percent(found.estimate)}, {_between(found, confidence)}; its {gate.percentile:g}th percentile is about {_time(value)})"
    )
    if surely_more(above(counts.bounds, counts.cumulative, proven_by), counts.timed, allowed, confidence):
        return VIOLATED, f"{said}: at most {percent(allowed)} may"
    if (found.high if gate.strict else found.estimate) > allowed + 1e-9:
        return OPEN, f"{said}: not sure that it is at most {percent(allowed)}"
    return GOOD, f"{said}: at most {percent(allowed)} may"


def _latency(new: _Side, gate: CanaryGate, confidence: float) -> Iterator[Finding]:
    if gate.max_latency is not None:
        if new.counts.timed:
            yield _slower(new, gate.max_latency, gate, confidence, gate.max_latency)
        elif new.requests:
            yield OPEN, f"no proxy says how long requests to {shown(new.name)} took"


def _latency_increase(new: _Side, old: _Side, gate: CanaryGate, confidence: float) -> Iterator[Finding]:
    if gate.max_latency_increase is None:
        return
    if not new.counts.timed or not old.counts.timed:
        yield OPEN, f"no proxy says how long requests to {shown(new.name if not new.counts.timed else old.name)} took"
        return
    usual = percentile_interval(old.counts.bounds, old.counts.cumulative, gate.percentile, confidence)
    limit, beyond = usual.estimate * gate.max_latency_increase, usual.high * gate.max_latency_increase
    state, said = _slower(new, limit, gate, confidence, beyond)
    yield (
        state,
        (
            f"{said}; {_time(limit)} is {gate.max_latency_increase:g} times the {gate.percentile:g}th percentile of {shown(old.name)} "
            f"({_time(usual.estimate)} in {counted(round(old.counts.timed), 'request')})"
        ),
    )


def _findings(one: _Side, other: _Side, gate: CanaryGate, confidence: float, *, old_serves: bool) -> list[Finding]:
    """All that the gate asks, with this confidence."""
    found: list[Finding] = []
    if one.requests < gate.min_requests:
        found.append((OPEN, f"{shown(one.name)} has answered {one.requests} of the {gate.min_requests} requests that the gate needs"))
    if one.requests:
        found += [*_error_rate(one, gate, confidence), *_latency(one, gate, confidence)]
    if old_serves and one.requests:
        if other.requests < gate.min_old_requests:
            found.append((OPEN, f"{shown(other.name)} has answered {other.requests} of the {gate.min_old_requests} that it is compared by"))
        if other.requests:
            found += [*_error_increase(one, other, gate, confidence), *_latency_increase(one, other, gate, confidence)]
    if one.requests < min(gate.early_requests, gate.min_requests):
        found = [row if row[0] != VIOLATED else (OPEN, row[1]) for row in found]
    return found


def judge(
    new: tuple[str, VersionCounts], old: tuple[str, VersionCounts], gate: CanaryGate, *, old_serves: bool, looks: int = 1
) -> CanaryVerdict:
    """The gate at one moment. old_serves: the old version gets requests at this step; looks: how often this is asked before the window is
    over, each of which is allowed its part of the error only, so that a look more often does not stop good versions more often."""
    one, other = _side(*new, gate), _side(*old, gate)
    compares = gate.max_error_increase is not None or gate.max_latency_increase is not None
    found = _findings(one, other, gate, 1 - (1 - gate.confidence) / max(1, looks), old_serves=old_serves and compares)
    if looks > 1 and all(state != VIOLATED for state, _said in found):
        # what is no violation at one look of many is told, and passes, by the confidence that was asked for
        found = _findings(one, other, gate, gate.confidence, old_serves=old_serves and compares)
        found = [(OPEN if state == VIOLATED else state, said) for state, said in found]
    wanted = next((state for state in (VIOLATED, OPEN) if any(row[0] == state for row in found)), GOOD)
    reasons = [said for state, said in found if state == wanted]
    if wanted == GOOD and compares and not old_serves:
        reasons.append(f"{shown(other.name)} gets no requests at this step, so there is nothing to compare with")
    return CanaryVerdict(wanted, tuple(reasons), {one.name: figures(one.counts, gate), other.name: figures(other.counts, gate)})


def judge_pods(name: str, before: Sequence[VersionPod], now: Sequence[VersionPod], gate: CanaryGate) -> list[str]:
    """What is wrong with the pods of the new version: nobody counts the requests that find no pod, or that end with one."""
    if not now:
        return [f"{shown(name)} has no pod any more"]
    if not any(pod.ready for pod in now):
        return [f"{shown(name)} has no ready pod ({counted(len(now), 'pod')}: {shortened((pod.name for pod in now), 3)})"]
    lost = restarted(before, now)
    times = sum(times for _said, times in lost)
    if times > gate.max_restarts:
        where = shortened((said for said, _times in lost), 3)
        return [f"containers of {shown(name)} ended while it was measured, at most {gate.max_restarts} may: {where}"]
    return []


def figures(counts: VersionCounts, gate: CanaryGate) -> dict[str, Any]:
    """What a version answered, for programs: requests, errors by code, error rate with its interval, percentile in milliseconds."""
    failed = _errors(counts, gate.errors)
    rate = share(sum(failed.values()), counts.requests, gate.confidence)
    codes: dict[str, float] = {}
    for (code, _grpc), number in counts.codes.items():
        codes[code] = codes.get(code, 0) + number
    found: dict[str, Any] = {
        "requests": counts.requests,
        "errors": sum(failed.values()),
        "codes": {code: round(number) for code, number in sorted(codes.items()) if round(number)},
        "error_rate": round(rate.estimate, 6),
        "error_interval": [round(rate.low, 6), round(rate.high, 6)],
    }
    if counts.timed:
        value = percentile(counts.bounds, counts.cumulative, gate.percentile)
        found["latency_ms"] = {"percentile": gate.percentile, "value": round(value, 1)}
    return found


def outcome(row: Mapping[str, Any]) -> str:
    """What figures() found, in words: `1 failed, 95th percentile 12 ms`."""
    slow = row.get("latency_ms")
    return f"{row['errors']} failed" + (f", {slow['percentile']:g}th percentile {slow['value']:g} ms" if slow else "")


def split(counts: dict[str, VersionCounts], confidence: float) -> dict[str, dict[str, Any]]:
    """How the requests were shared among versions, each with its interval."""
    total = sum(one.requests for one in counts.values())
    found = {}
    for name, one in counts.items():
        rate = share(one.requests, total, confidence)
        interval = [round(rate.low, 6), round(rate.high, 6)]
        text = (
            f"{shown(name)} answered {one.requests} of {counted(total, 'request')} ({percent(rate.estimate)}, {_between(rate, confidence)})"
        )
        found[name] = {"requests": one.requests, "share": round(rate.estimate, 6), "interval": interval, "text": text}
    return found
