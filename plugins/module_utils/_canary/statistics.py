# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Intervals for shares and their differences, and percentiles of histograms.

Wilson's interval for one share and Newcombe's hybrid score interval for a difference keep what they promise with few requests and with
shares near 0, where the interval of the textbook has no width at all."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["ShareInterval", "above", "difference", "percentile", "percentile_interval", "share", "surely_more"]

_EXACT_TO = 2000  # beyond so many of them the interval is as good


@dataclass(frozen=True)
class ShareInterval:
    """An estimate with its interval."""

    estimate: float
    low: float
    high: float


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def share(count: float, total: float, confidence: float) -> ShareInterval:
    """The share that `count` of `total` show, by Wilson. Without any request everything is possible."""
    if total <= 0:
        return ShareInterval(0.0, 0.0, 1.0)
    z, rate = _z(confidence), count / total
    square = z * z / total
    middle = (rate + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(rate * (1 - rate) / total + square / total / 4)
    # none and all are edges of the interval; rounding would leave something of 1e-19 beside them
    low = 0.0 if count <= 0 else max(0.0, middle - half)
    high = 1.0 if count >= total else min(1.0, middle + half)
    return ShareInterval(rate, low, high)


def surely_more(count: float, total: float, limit: float, confidence: float) -> bool:
    """Whether so many would be no chance if the true share were at most `limit`.

    Wilson's interval is a little short near 0, so with few of them the binomial distribution itself has to say so, too."""
    if share(count, total, confidence).low <= limit:
        return False
    return count > _EXACT_TO or _tail(math.floor(count), math.ceil(total), limit) <= (1 - confidence) / 2


def _tail(count: int, total: int, rate: float) -> float:
    """The chance of `count` or more of `total`."""
    if count <= 0:
        return 1.0
    if rate <= 0:
        return 0.0
    whole = math.lgamma(total + 1)
    below = math.fsum(
        math.exp(
            whole
            - math.lgamma(number + 1)
            - math.lgamma(total - number + 1)
            + number * math.log(rate)
            + (total - number) * math.log1p(-rate)
        )
        for number in range(min(count, total + 1))
    )
    return max(0.0, 1.0 - below)


def difference(first: ShareInterval, second: ShareInterval) -> ShareInterval:
    """first - second, by Newcombe, from two intervals of the same confidence."""
    estimate = first.estimate - second.estimate
    low = estimate - math.hypot(first.estimate - first.low, second.high - second.estimate)
    high = estimate + math.hypot(first.high - first.estimate, second.estimate - second.low)
    return ShareInterval(estimate, max(-1.0, low), min(1.0, high))


def above(bounds: Sequence[float], cumulative: Sequence[float], limit: float) -> float:
    """How many observations were above `limit`. Exact where it is a bound of a bucket; within one they are taken as spread evenly.

    bounds: upper bounds of the buckets, the last one infinite; cumulative: observations up to each."""
    if not bounds:
        return 0.0
    place = bisect_left(bounds, limit)
    total = cumulative[-1]
    if place >= len(bounds):
        return 0.0
    if bounds[place] == limit:
        return total - cumulative[place]
    start, before = (bounds[place - 1], cumulative[place - 1]) if place else (0.0, 0.0)
    if math.isinf(bounds[place]):
        return total - before  # how far beyond its bound they are is not known
    inside = cumulative[place] - before
    return total - before - inside * (limit - start) / (bounds[place] - start)


def percentile(bounds: Sequence[float], cumulative: Sequence[float], percent: float) -> float:
    """The value that `percent` per cent of the observations do not exceed, as Prometheus' histogram_quantile has it. nan without any."""
    return _at_rank(bounds, cumulative, percent / 100 * cumulative[-1]) if bounds and cumulative[-1] > 0 else math.nan


def percentile_interval(bounds: Sequence[float], cumulative: Sequence[float], percent: float, confidence: float) -> ShareInterval:
    """The percentile with its interval: that of the ranks among which it lies, whatever the distribution of the values."""
    total = cumulative[-1] if bounds else 0.0
    if total <= 0:
        return ShareInterval(math.nan, 0.0, math.inf)
    rank, spread = percent / 100 * total, _z(confidence) * math.sqrt(total * percent / 100 * (1 - percent / 100))
    low, high = max(0.0, rank - spread), rank + spread
    # what is in the last bucket has no upper bound
    finite = cumulative[-2] if len(cumulative) > 1 and math.isinf(bounds[-1]) else total
    top = math.inf if high > finite else _at_rank(bounds, cumulative, high)
    return ShareInterval(_at_rank(bounds, cumulative, rank), _at_rank(bounds, cumulative, low), top)


def _at_rank(bounds: Sequence[float], cumulative: Sequence[float], rank: float) -> float:
    place = min(bisect_left(cumulative, rank), len(bounds) - 1)
    start, before = (bounds[place - 1], cumulative[place - 1]) if place else (0.0, 0.0)
    if math.isinf(bounds[place]):
        return start  # the highest bound that is known
    inside = cumulative[place] - before
    return bounds[place] if inside <= 0 else start + (bounds[place] - start) * (rank - before) / inside
