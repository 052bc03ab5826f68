# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a run: taken, kept for the next call, refused while another lives, taken from the dead."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._kube.lease import LeaseHeld, Lock

from .played import Played


def lock(west: Played, holder: str, **more: Any) -> Lock:
    return Lock(
        west,
        namespace="system",
        name="rollout-travel",
        mesh="travel",
        holder=holder,
        seconds=20,
        clock=west.clock,  # type: ignore[arg-type]
        sleep=west.sleep,
        renews=False,
        **more,
    )


def holder(west: Played) -> str:
    return str(west.objects[("Lease", "rollout-travel")]["spec"]["holderIdentity"])


def test_the_same_holder_goes_on_at_once() -> None:
    west = Played([])
    for _number in range(3):
        one = lock(west, "ann")
        one.acquire()
        one.check()
        one.release(keep=True)
    assert holder(west) == "ann" and west.seconds == 0
    last = lock(west, "ann")
    last.acquire()
    last.release(keep=False)
    lock(west, "bob").acquire()
    assert holder(west) == "bob" and west.seconds == 0


def test_a_run_that_lives_keeps_another_out() -> None:
    west = Played([])
    ann = lock(west, "ann")
    ann.acquire()
    west.at(5, ann.renew)
    with pytest.raises(
        LeaseHeld,
        match=r"cluster west: another run is at work: Lease system/rollout-travel is held by ann, renewed at 2\S+; "
        r"wait until it is over\. Nothing was changed by this run",
    ):
        lock(west, "bob").acquire()
    assert west.seconds < 20
    ann.check()


@pytest.mark.parametrize("later", [0, 3])
def test_a_look_that_took_long_does_not_take_it_from_a_run_that_lives(later: float) -> None:
    """The API server was away for longer than the holder promised, so that the holder renews it just before the answer or soon after."""
    west = Played([])
    ann = lock(west, "ann")
    ann.acquire()
    get, looks = west.get, []

    def slow(*what: Any) -> Any:
        looks.append(what)
        if len(looks) == 2:
            west.seconds += 50
            west.at(west.seconds + later, ann.renew)
            west.sleep(0)
        return get(*what)

    west.get = slow  # type: ignore[method-assign]
    with pytest.raises(LeaseHeld, match=r"another run is at work: .* is held by ann"):
        lock(west, "bob").acquire()
    assert holder(west) == "ann" and west.seconds < 60


def test_a_run_that_shows_no_life_loses_it_and_stops_when_it_wakes_up() -> None:
    west = Played([])
    ann = lock(west, "ann")
    ann.acquire()
    lock(west, "bob").acquire()
    assert holder(west) == "bob" and 20 <= west.seconds < 30
    ann.renew()
    with pytest.raises(LeaseHeld, match=r"this run stops, because Lease system/rollout-travel is held by bob now"):
        ann.check()


def test_it_can_be_taken_at_once_where_people_know_better() -> None:
    west = Played([])
    lock(west, "ann").acquire()
    lock(west, "bob").acquire(take_over=True)
    assert holder(west) == "bob" and west.seconds == 0


def test_two_that_come_at_the_same_moment_do_not_both_get_it() -> None:
    west = Played([])
    lock(west, "dead").acquire()
    ann, bob = lock(west, "ann"), lock(west, "bob")
    patch = west.patch

    def first_ann(ref: Any, change: Any) -> Any:
        """Just before bob writes, ann does."""
        west.patch = patch  # type: ignore[method-assign]
        ann.acquire(take_over=True)
        west.at(west.seconds + 3, ann.renew)
        return patch(ref, change)

    west.patch = first_ann  # type: ignore[method-assign]
    with pytest.raises(LeaseHeld, match="held by ann"):
        bob.acquire()
    assert holder(west) == "ann"


def test_the_same_holder_s_own_write_in_between_is_no_loss() -> None:
    west = Played([])
    ann = lock(west, "ann")
    ann.acquire()
    other = lock(west, "ann")
    other.acquire()
    ann.renew()
    ann.check()
