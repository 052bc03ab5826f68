# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Date header says about two clocks: a right clock is never told wrong, however slow the way is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import ClockReading, invalid_at, read_clock

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def reading(true: float, *, offset: float = 0.0, there: float = 0.0, back: float = 0.0) -> ClockReading:
    """An answer written at the true second, by a cluster whose clock is ahead of ours by offset; the way took there + back seconds."""
    stamp = NOON + timedelta(seconds=true + offset)
    ours = NOON + timedelta(seconds=true + back)
    found = read_clock({"Date": format_datetime(stamp, usegmt=True)}, ours, there + back)
    assert found is not None
    return found


@pytest.mark.parametrize("true", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize(("there", "back"), [(0.0, 0.0), (0.0, 30.0), (30.0, 0.0), (0.3, 0.4), (90.0, 90.0)])
def test_a_right_clock_is_right_over_any_way(true: float, there: float, back: float) -> None:
    found = reading(true, there=there, back=back)
    assert found.ahead == 0.0 and found.agrees
    assert found.cluster_time(NOON) == NOON


@pytest.mark.parametrize("true", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(
    ("offset", "agrees"),
    [(7200, False), (-7200, False), (62, False), (-62, False), (59, True), (-59, True), (30, True), (-2.5, True), (86400 * 365, False)],
)
def test_a_wrong_clock_by_a_quick_way(true: float, offset: float, agrees: bool) -> None:
    found = reading(true, offset=offset, there=0.02, back=0.02)
    assert found.agrees is agrees
    assert abs(found.ahead - offset) <= 1.1 and (found.ahead > 0) is (offset > 0)
    assert abs(found.cluster_time(NOON) - (NOON + timedelta(seconds=offset))) < timedelta(seconds=1.2)


def test_a_slow_way_hides_no_more_than_it_took() -> None:
    assert reading(0.2, offset=100, back=30).ahead > 60
    assert reading(0.2, offset=-100, there=30).ahead < -60
    assert reading(0.2, offset=61, back=30).agrees, "31 seconds are certain, and no more"


def test_both_times_are_named_and_whose_is_ahead() -> None:
    text = reading(0.0, offset=-7200).difference()
    assert text == (
        "the API server's clock says 2026-03-01T10:00:00Z and the clock of this control node 2026-03-01T12:00:00Z, which is 7199 s ahead"
    )
    assert "which is 7200 s behind" in reading(0.0, offset=7200).difference()


@pytest.mark.parametrize(
    "headers",
    [{}, {"date": "yesterday"}, {"date": ""}, {"date": "Sun, 01 Mar 2026 12:00:00 GMT", "age": "300"}],
)
def test_an_answer_without_a_time_of_its_own_says_nothing(headers: dict[str, str]) -> None:
    assert read_clock(headers, NOON, 0.0) is None


def test_zones_and_answers_straight_from_the_server() -> None:
    found = read_clock({"DATE": "Sun, 01 Mar 2026 13:00:00 +0100", "age": "0"}, NOON, 0.0)
    assert found is not None and found.theirs == NOON and found.ahead == 0.0


@pytest.mark.parametrize(
    ("begins", "ends", "word"),
    [
        (-300, 3600, ""),
        (30, 3600, ""),  # a node that lags a little is no reason
        (61, 3600, "is not valid before 2026-03-01T12:01:01Z, and the cluster's clock says 2026-03-01T12:00:00Z"),
        (-7200, 0, "expired at 2026-03-01T12:00:00Z"),
        (-7200, 1, ""),
    ],
)
def test_validity_by_the_clusters_clock(begins: float, ends: float, word: str) -> None:
    found = invalid_at(NOON + timedelta(seconds=begins), NOON + timedelta(seconds=ends), NOON)
    assert found.startswith(word) if word else found == ""
