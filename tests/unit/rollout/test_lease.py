# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a run: taken, kept for the next call, refused while another lives, taken from the dead."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ClockSkew, MeshError, TooManyRequests, Unreachable
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


class Waits:
    """In place of the event that ends the thread: gives it so many turns, without any time passing."""

    def __init__(self, turns: int) -> None:
        self.turns, self.waited = turns, []  # type: tuple[int, list[float]]

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return len(self.waited) > self.turns

    def is_set(self) -> bool:
        return False

    def set(self) -> None:
        self.turns = 0


def renewals(west: Played) -> int:
    return west.writes.count("patch Lease")


def kept(west: Played, turns: int) -> tuple[Lock, Waits]:
    """A lock whose thread has had so many turns."""
    one = lock(west, "ann")
    one.acquire()
    waits = Waits(turns)
    one._stop = waits  # type: ignore[assignment]
    one._keep()
    return one, waits


def test_it_is_renewed_four_times_in_what_was_promised() -> None:
    west = Played([])
    one, waits = kept(west, 3)
    assert waits.waited == [5.0] * 4 and renewals(west) == 3
    one.check()


def test_a_thread_does_so_by_itself_and_ends_with_the_lock() -> None:
    west = Played([])
    one = Lock(west, namespace="system", name="rollout-travel", mesh="travel", holder="ann", clock=west.clock, sleep=west.sleep)  # type: ignore[arg-type]
    with one:
        one.acquire()
        assert one._thread is not None and one._thread.is_alive()
    assert not one._thread.is_alive() and holder(west) == "ann" and renewals(west) == 1
    one.renew()
    assert renewals(west) == 1, "after the end nobody says that it lives"


def test_the_end_of_a_run_that_failed_keeps_it_for_the_next_task() -> None:
    west = Played([])
    with pytest.raises(RuntimeError), lock(west, "ann") as one:
        one.acquire()
        raise RuntimeError
    assert holder(west) == "ann"


def test_a_lock_that_was_deleted_is_lost() -> None:
    west = Played([])
    ann = lock(west, "ann")
    ann.acquire()
    del west.objects["Lease", "rollout-travel"]
    ann.renew()
    with pytest.raises(LeaseHeld, match="this run stops, because Lease system/rollout-travel was deleted"):
        ann.check()
    ann.release(keep=True)
    assert ("Lease", "rollout-travel") not in west.objects, "what is lost is left alone"


def test_one_that_was_deleted_and_made_by_another_run_is_held_by_that() -> None:
    west = Played([])
    ann = lock(west, "ann")
    ann.acquire()
    west.objects["Lease", "rollout-travel"]["spec"]["holderIdentity"] = "bob"
    west.objects["Lease", "rollout-travel"]["metadata"]["resourceVersion"] = "7"
    ann.renew()
    with pytest.raises(LeaseHeld, match="is held by bob now"):
        ann.check()
    ann.release(keep=False)
    assert holder(west) == "bob"


def test_an_api_server_that_is_away_takes_it_from_nobody() -> None:
    west = Played([])
    west.away = (1.0, 100.0)
    ann = lock(west, "ann")
    ann.acquire()
    west.seconds = 50
    ann.renew()
    ann.check()
    ann.release(keep=False)  # without an error: it expires by itself
    west.seconds = 100
    assert holder(west) == "ann"


@pytest.mark.parametrize("error", [Unreachable("gone"), TooManyRequests("busy"), ClockSkew("clocks differ")])
@pytest.mark.parametrize("what", ["get", "patch"])
def test_no_error_ends_the_renewals(monkeypatch: pytest.MonkeyPatch, error: MeshError, what: str) -> None:
    """A lock that is not renewed is another run's soon, while this one goes on."""
    west = Played([])
    ann = lock(west, "ann")
    ann.acquire()
    asked = []

    def fails_once(*given: Any) -> Any:
        asked.append(given)
        if len(asked) == 1:
            raise error
        return good(*given)

    good = getattr(west, what)
    monkeypatch.setattr(west, what, fails_once)
    west.objects["Lease", "rollout-travel"]["metadata"]["resourceVersion"] = "7"  # an own write whose answer was lost
    ann._stop = Waits(3)  # type: ignore[assignment]
    ann._keep()
    ann.check()
    assert len(asked) > 1 and renewals(west) >= 1


def test_one_that_another_run_makes_in_the_same_moment_is_theirs() -> None:
    west = Played([])
    create = west.create

    def bob_first(obj: Any) -> Any:
        west.create = create  # type: ignore[method-assign]
        bob = lock(west, "bob")
        bob.acquire()
        west.at(3, bob.renew)
        return create(obj)

    west.create = bob_first  # type: ignore[method-assign]
    with pytest.raises(LeaseHeld, match="held by bob"):
        lock(west, "ann").acquire()
    assert holder(west) == "bob"


def test_a_lease_that_promises_nothing_is_free() -> None:
    west = Played([])
    lock(west, "bob").acquire()
    west.objects["Lease", "rollout-travel"]["spec"] = {"holderIdentity": "bob"}
    lock(west, "ann").acquire()
    assert holder(west) == "ann" and west.seconds < 2
