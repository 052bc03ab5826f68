# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals against published figures, by simulation, and percentiles of histograms against sorted lists."""

from __future__ import annotations

import math
import random
from bisect import bisect_left

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._canary.statistics import (
    above,
    difference,
    percentile,
    percentile_interval,
    share,
    surely_more,
)

INF = math.inf


# Newcombe, Statistics in Medicine 17 (1998): "Two-sided confidence intervals for the single proportion", table I, method 3.
@pytest.mark.parametrize(("count", "total", "low", "high"), [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
])  # fmt: skip
def test_wilson_as_published(count: int, total: int, low: float, high: float) -> None:
    found = share(count, total, 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.estimate == count / total


# Newcombe, "Interval estimation for the difference between independent proportions", table II, method 10.
@pytest.mark.parametrize(("first", "second", "low", "high"), [
    ((56, 70), (48, 80), 0.0524, 0.3339),
    ((9, 10), (3, 10), 0.1705, 0.8090),
    ((10, 10), (0, 20), 0.6791, 1.0),
    ((10, 10), (0, 10), 0.6075, 1.0),
])  # fmt: skip
def test_newcombe_as_published(first: tuple[int, int], second: tuple[int, int], low: float, high: float) -> None:
    found = difference(share(*first, 0.95), share(*second, 0.95))
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_without_requests_everything_is_possible() -> None:
    found = share(0, 0, 0.95)
    assert (found.low, found.high) == (0.0, 1.0)
    gap = difference(found, share(0, 100, 0.95))
    assert gap.low < 0 < gap.high


@pytest.mark.parametrize("rate", [0.002, 0.01, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("total", [60, 200, 1000])
def test_an_interval_covers_the_truth_as_often_as_it_says(rate: float, total: int) -> None:
    dice = random.Random(f"{rate} {total}")  # a simulation
    rounds, hits = 600, 0
    for _round in range(rounds):
        found = share(sum(dice.random() < rate for _request in range(total)), total, 0.95)
        hits += found.low <= rate <= found.high
    # Wilson's is not exact: near 0 it is a little short for some pairs, which is what surely_more makes up for
    assert hits / rounds > 0.88


@pytest.mark.parametrize(("one", "other"), [(0.01, 0.01), (0.05, 0.01), (0.3, 0.2)])
def test_a_difference_covers_the_truth_as_often_as_it_says(one: float, other: float) -> None:
    dice = random.Random(f"{one} {other}")
    rounds, hits = 500, 0
    for _round in range(rounds):
        new = share(sum(dice.random() < one for _request in range(200)), 200, 0.95)
        old = share(sum(dice.random() < other for _request in range(800)), 800, 0.95)
        found = difference(new, old)
        hits += found.low <= one - other <= found.high
    assert hits / rounds > 0.92


def test_more_confidence_is_a_wider_interval_and_more_requests_a_narrower_one() -> None:
    wide, usual, narrow = share(10, 100, 0.99), share(10, 100, 0.95), share(100, 1000, 0.95)
    assert wide.low < usual.low < narrow.low < 0.1 < narrow.high < usual.high < wide.high


@pytest.mark.parametrize(("count", "total", "limit", "expected"), [
    (1, 1, 0.01, True),  # one chance in a hundred
    (2, 20, 0.01, True),
    (1, 60, 0.002, False),  # Wilson's interval begins at 0.29 %, and yet every ninth sample of such a version has one
    (5, 200, 0.01, False),
    (6, 200, 0.01, True),
    (0, 200, 0.0, False),
    (1, 200, 0.0, True),
    (2050, 100000, 0.02, False),
    (2300, 100000, 0.02, True),
])  # fmt: skip
def test_what_is_no_chance(count: int, total: int, limit: float, expected: bool) -> None:
    assert surely_more(count, total, limit, 0.95) is expected


@pytest.mark.parametrize("limit", [0.002, 0.01, 0.1])
@pytest.mark.parametrize("total", [20, 60, 200, 1000])
def test_a_version_at_its_limit_is_stopped_no_more_often_than_it_may_be(limit: float, total: int) -> None:
    dice, rounds = random.Random(f"{limit} {total}"), 600
    stopped = sum(surely_more(sum(dice.random() < limit for _request in range(total)), total, limit, 0.95) for _round in range(rounds))
    assert stopped / rounds < 0.044  # 2.5 % on this side, and what 600 rounds may differ by


BOUNDS = (10.0, 25.0, 50.0, 100.0, INF)


@pytest.mark.parametrize(("cumulative", "limit", "expected"), [
    ((0, 0, 0, 0, 0), 25.0, 0),
    ((10, 30, 60, 90, 100), 25.0, 70),  # a bound of a bucket: exact
    ((10, 30, 60, 90, 100), 75.0, 25),  # half of the 30 between 50 and 100, and the 10 beyond
    ((10, 30, 60, 90, 100), 5.0, 95),
    ((10, 30, 60, 90, 100), 500.0, 10),  # nobody knows how far beyond 100: all of them count
    ((10, 30, 60, 90, 100), INF, 0),
])  # fmt: skip
def test_how_many_are_slower(cumulative: tuple[float, ...], limit: float, expected: float) -> None:
    assert above(BOUNDS, cumulative, limit) == expected


def test_no_buckets_say_nothing() -> None:
    assert above((), (), 5.0) == 0
    assert math.isnan(percentile((), (), 95))
    assert math.isnan(percentile(BOUNDS, (0, 0, 0, 0, 0), 95))
    assert percentile_interval((), (), 95, 0.95).high == INF


@pytest.mark.parametrize(("percent", "expected"), [(10, 10.0), (30, 25.0), (45, 37.5), (90, 100.0), (99, 100.0)])
def test_percentile_as_prometheus_has_it(percent: float, expected: float) -> None:
    assert percentile(BOUNDS, (10, 30, 60, 90, 100), percent) == pytest.approx(expected)


def _histogram(values: list[float]) -> tuple[float, ...]:
    places = [bisect_left(BOUNDS, value) for value in values]
    return tuple(float(sum(place <= index for place in places)) for index in range(len(BOUNDS)))


def test_percentile_is_in_the_bucket_of_the_true_one() -> None:
    dice = random.Random(7)
    for _round in range(200):
        values = sorted(dice.expovariate(1 / 30) for _value in range(dice.randint(1, 400)))
        percent = dice.choice((50, 90, 95, 99))
        true = values[max(0, math.ceil(percent / 100 * len(values)) - 1)]
        found = percentile(BOUNDS, _histogram(values), percent)
        place = bisect_left(BOUNDS, true)
        low = BOUNDS[place - 1] if place else 0.0
        assert low <= found <= min(BOUNDS[place], 100.0)


def test_interval_of_a_percentile_has_the_true_one() -> None:
    """That of an exponential distribution, in buckets so narrow that they do not matter."""
    bounds = (*(float(number) for number in range(1, 400)), INF)
    dice, rounds, hits = random.Random(11), 600, 0
    true = -30 * math.log(1 - 0.9)
    for _round in range(rounds):
        places = [bisect_left(bounds, dice.expovariate(1 / 30)) for _value in range(300)]
        counts = [0] * len(bounds)
        for place in places:
            counts[place] += 1
        cumulative, total = [], 0
        for number in counts:
            total += number
            cumulative.append(float(total))
        found = percentile_interval(bounds, cumulative, 90, 0.95)
        assert found.low <= found.estimate <= found.high
        hits += found.low <= true <= found.high
    assert hits / rounds > 0.92
