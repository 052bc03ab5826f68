# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that moves, and goes back, restarts by the engine of restarts: budgets, what never comes up, and the lock of the mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.migration_step import Migration
from ansible_collections.meshops.mesh.plugins.module_utils._commands.restart import RestartSettings
from ansible_collections.meshops.mesh.plugins.module_utils._errors import NotReady
from ansible_collections.meshops.mesh.plugins.module_utils._kube.lease import LeaseHeld, Lock
from ansible_collections.meshops.mesh.plugins.module_utils._kube.wait import Timing
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.machine import RestartLimits
from rollout.played import App, Watched

from .test_steps import CA, MEMBER, NEW_PLANE, SETTINGS, SMCP, obj, seen

NAMES = ("bookings", "cars", "hotels")
OLD, NEW = "basic", "basic-v1-27-3"


class Two(Watched):
    """Both control planes: a namespace without istio.io/rev leads to the old one."""

    def leads_to(self, app: App) -> str:
        return NEW if self.namespaces[app.namespace].get("istio.io/rev") == "travel" else OLD

    def patch(self, ref: Any, patch: Any, *, dry_run: bool = False) -> Any:
        return {} if dry_run else super().patch(ref, patch)


def played(*more: App, least: int = 8) -> Two:
    """Three StatefulSets of three pods each; one budget for all of them, which lets one of the nine go."""
    west = Two([*[App("shop", name, "StatefulSet", 3, labels={"tier": "data"}) for name in NAMES], *more], revision=OLD)
    west.namespaces = {"shop": dict(MEMBER), "istio-system": {}}
    west.budgets = [{"namespace": "shop", "name": "data", "selector": {"matchLabels": {"tier": "data"}}, "min": least}]
    return west


@dataclass
class PlayedMigration(Migration):
    """It reads the played cluster."""

    def _look(self) -> Snapshot:
        west: Any = self.cluster
        spaces = [
            obj(f"Namespace {name}", labels={key: value for key, value in labels.items() if value is not None})
            for name, labels in west.namespaces.items()
        ]
        rows = [one for kind in ("Deployment", "StatefulSet", "DaemonSet", "Pod") for one in west._rows(kind)]
        return seen(SMCP, *NEW_PLANE, *CA, *spaces, *rows)


def lock(west: Two, holder: str) -> Lock:
    return Lock(
        west,
        namespace="istio-system",
        name="rollout-travel",
        mesh="travel",
        holder=holder,
        seconds=20,  # type: ignore[arg-type]
        clock=west.clock,
        sleep=west.sleep,
        renews=False,
    )


def take(west: Two, step: str, *, budgets: bool = True, concurrency: str = "", holder: str = "", **more: Any) -> Migration:
    restart = RestartSettings(RestartLimits(60.0, 30.0, budgets, concurrency))
    lock_of: Callable[[str], Lock] | None = (lambda _namespace: lock(west, holder)) if holder else None
    run = PlayedMigration(
        west,
        SETTINGS,
        domains=[{"name": "shop", "namespaces": ["shop"]}],
        restart=restart,  # type: ignore[arg-type]
        timing=Timing(120.0, 1.0, west.clock, west.sleep),
        lock_of=lock_of,
        **more,
    )
    run.take(step, "shop")
    return run


def stamps(west: Two) -> dict[str, int]:
    return {app.name: app.stamps for app in west.apps.values()}


def revisions(west: Two) -> set[str]:
    return {app.revision for app in west.apps.values()}


@pytest.mark.parametrize(("budgets", "fewest"), [(True, 8), (False, 6)], ids=["respected", "ignored"])
def test_never_more_pods_are_away_than_a_budget_allows_there_and_back(budgets: bool, fewest: int) -> None:
    west = played()
    there = take(west, "moved", budgets=budgets)
    assert revisions(west) == {NEW} and sorted(there.restarted) == [f"StatefulSet shop/{name}" for name in NAMES]
    assert not take(west, "moved", budgets=budgets).changed, "a second time there is nothing to do"
    take(west, "back", budgets=budgets)
    assert revisions(west) == {OLD} and west.fewest == fewest and set(stamps(west).values()) == {2}


def test_concurrency_is_within_a_wave() -> None:
    for given in ({"concurrency": "1"}, {"wave_size": 1}):
        west = played(least=0)
        take(west, "moved", **given)  # type: ignore[arg-type]
        assert revisions(west) == {NEW} and west.fewest == 8


@pytest.mark.parametrize("step", ["moved", "back"])
def test_a_budget_that_blocks_for_good_is_named_and_nothing_is_written(step: str) -> None:
    west = played()
    if step == "back":
        take(west, "moved")
    west.budgets[0]["min"] = 9
    before, spaces = stamps(west), {name: dict(labels) for name, labels in west.namespaces.items()}
    blocked = (
        r"cluster west: domain shop: nothing was written: StatefulSet shop/bookings: PodDisruptionBudget shop/data lets 0 pods go "
        r"even when all are ready, and a restart takes 1 away at once .*budgets: ignore"
    )
    for dry_run in (True, False):
        with pytest.raises(NotReady, match=blocked):
            take(west, step, dry_run=dry_run)
    assert (stamps(west), west.namespaces) == (before, spaces)
    take(west, step, budgets=False)
    assert revisions(west) == {NEW if step == "moved" else OLD}


def test_a_check_says_what_would_be_restarted() -> None:
    west = played()
    run = take(west, "moved", dry_run=True)
    assert run.changed and run.lines[-1] == f"restarted {', '.join(f'StatefulSet shop/{name}' for name in NAMES)}"
    assert west.writes == []


def test_a_pod_that_does_not_come_up_stops_the_restarts_and_the_way_back_is_open() -> None:
    west = played()
    west.apps["StatefulSet shop/bookings"].stuck = True
    stopped = r"StatefulSet shop/bookings: it has not come back after 6\d s: .*; run it again to go on, or go back"
    with pytest.raises(NotReady, match=stopped):
        take(west, "moved")
    assert stamps(west) == {"bookings": 1, "cars": 0, "hotels": 0}, "its budget lets nobody else go meanwhile"
    west.apps["StatefulSet shop/bookings"].stuck = False
    west.sleep(10)
    take(west, "back")
    assert revisions(west) == {OLD} and stamps(west) == {"bookings": 2, "cars": 0, "hotels": 0}


def test_a_pod_of_nobody_keeps_its_proxy_and_is_named() -> None:
    west = played()
    pod = west._pod(App("shop", "debug", revision=OLD), 1)
    west.extra_pods = [{**pod, "metadata": {**pod["metadata"], "name": "debug", "ownerReferences": []}}]
    assert "Pod shop/debug: no controller recreates it, so it keeps its proxy" in take(west, "moved").lines


def test_a_second_run_on_the_same_mesh_is_refused_by_name() -> None:
    west = played()
    ann = lock(west, "ann")
    ann.acquire()
    west.writes.clear()
    for step in ("prepared", "moved", "back"):
        west.at(west.seconds + 3, ann.renew)
        with pytest.raises(LeaseHeld, match=r"another run is at work: Lease istio-system/rollout-travel is held by ann, renewed at "):
            take(west, step, holder="bob")
    assert {write for write in west.writes if write != "patch Lease"} == set()
    assert take(west, "moved", holder="bob", dry_run=True).changed, "looking is free"
    ann.release(keep=False)
    take(west, "moved", holder="bob")
    assert revisions(west) == {NEW} and west.objects["Lease", "rollout-travel"]["spec"]["holderIdentity"] == ""


def test_a_run_whose_lock_was_taken_over_stops_before_its_next_write() -> None:
    west = played()
    bob = lock(west, "bob")

    def take_over() -> None:
        lock(west, "ann").acquire(take_over=True)
        bob.renew()

    west.at(2, take_over)
    run = PlayedMigration(
        west,
        SETTINGS,
        domains=[{"name": "shop", "namespaces": ["shop"]}],  # type: ignore[arg-type]
        timing=Timing(120.0, 1.0, west.clock, west.sleep),
        lock_of=lambda _namespace: bob,
    )
    with pytest.raises(LeaseHeld, match="this run stops, because Lease istio-system/rollout-travel is held by ann now"):
        run.take("moved", "shop")
    assert sum(stamps(west).values()) == 1 and west.objects["Lease", "rollout-travel"]["spec"]["holderIdentity"] == "ann"
