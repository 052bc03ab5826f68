# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Counters of proxies at several moments, to what was answered in between.

Counters begin anew with their proxy, pods come and go, and a proxy that was not seen before may have counted for months: each look adds to
what was counted only what came since the look before."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from .metrics import BUCKETS, REQUESTS, Sample

__all__ = ["NOBODY", "RequestCounter", "Scrape", "VersionCounts"]

NOBODY = ""  # the version of requests that reached no pod
Attribution = Callable[[Mapping[str, str]], "str | None"]  # labels of a series to a version; None for what is not asked about


@dataclass(frozen=True)
class Scrape:
    """What one proxy counts at one moment. place: that proxy, another one after its restart; born: it began after the first look."""

    place: str
    samples: tuple[Sample, ...]
    born: bool = False


@dataclass(frozen=True)
class VersionCounts:
    """What a version answered in a window. codes: requests by HTTP code and gRPC status; durations in milliseconds."""

    codes: Mapping[tuple[str, str], float] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    cumulative: tuple[float, ...] = ()

    @property
    def requests(self) -> int:
        return round(sum(self.codes.values()))

    @property
    def timed(self) -> float:
        """How many of them have a duration."""
        return self.cumulative[-1] if self.cumulative else 0.0


@dataclass
class _Tally:
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    buckets: Counter[float] = field(default_factory=Counter)


class RequestCounter:
    """Adds up looks. of: which version a series is about."""

    def __init__(self, of: Attribution) -> None:
        self._of = of
        self._last: dict[tuple[str, tuple[str, tuple[tuple[str, str], ...]]], float] = {}
        self._places: set[str] = set()
        self._tallies: dict[str, _Tally] = {}

    def look(self, scrapes: Iterable[Scrape]) -> None:
        """One moment. Whoever is missing in it keeps what was counted so far."""
        for scrape in scrapes:
            known = scrape.place in self._places or scrape.born
            for sample in scrape.samples:
                version = self._of(sample.labels)
                if version is None or math.isnan(sample.value):
                    continue
                key = (scrape.place, sample.series)
                before = self._last.get(key)
                self._last[key] = sample.value
                if before is None:
                    more = sample.value if known else 0.0  # a series of a proxy that was seen without it began at 0
                else:
                    more = sample.value - before if sample.value >= before else sample.value
                if more:
                    self._add(version, sample, more)
            self._places.add(scrape.place)

    def _add(self, version: str, sample: Sample, more: float) -> None:
        tally = self._tallies.setdefault(version, _Tally())
        if sample.name == REQUESTS:
            tally.codes[sample.labels.get("response_code", ""), sample.labels.get("grpc_response_status", "")] += more  # type: ignore[assignment]
        elif sample.name == BUCKETS:
            tally.buckets[float(sample.labels.get("le", "inf"))] += more  # type: ignore[assignment]

    def counts(self, version: str) -> VersionCounts:
        """What was answered between the first look and the last."""
        tally = self._tallies.get(version, _Tally())
        bounds = tuple(sorted(tally.buckets))
        if bounds and not math.isinf(bounds[-1]):
            bounds = (*bounds, math.inf)
        cumulative: list[float] = []
        for bound in bounds:
            # Envoy leaves buckets out that nothing fell into for the first time: what is up to a lower bound is also up to this one
            cumulative.append(max(tally.buckets.get(bound, 0.0), cumulative[-1] if cumulative else 0.0))
        return VersionCounts(dict(tally.codes), bounds, tuple(cumulative))
