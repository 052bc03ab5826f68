# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollouts on a played cluster: the way there, the way back, every fault, killed after every write."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.rollout import Asking, Closed, Rollout, RolloutSettings
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, NotReady
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.machine import RestartLimits
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.model import Goal
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.state import State
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.waves import orders_from
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.windows import windows_from

from .played import App, Killed, Played

OLD, NEW = "1.27.3", "1.27.5"
GOAL, ORIGIN = Goal("v" + NEW), Goal("v" + OLD)
WAVES = [{"name": "canary", "workloads": ["shop/cars"]}, {"name": "shop", "namespaces": ["shop"]}]


def apps() -> list[App]:
    return [
        App("shop", "cars"),
        App("shop", "hotels", seconds=7),
        App("shop", "db", kind="StatefulSet", replicas=3),
        App("portal", "web"),
        App("portal", "agent", kind="DaemonSet"),
        App("system", "ingress", gateway=True),
    ]


def played(*more: App, **fields: Any) -> Played:
    west = Played([*apps(), *more])
    west.versions["default"] = NEW
    for name, value in fields.items():
        setattr(west, name, value)
    return west


def rollout(west: Played, **settings: Any) -> Rollout:
    limits = RestartLimits(workload=settings.pop("workload", 60), budget=settings.pop("budget", 30), **settings.pop("limits", {}))
    members = sorted(west.namespaces)
    return Rollout(
        west,
        mesh="travel",
        namespace="system",
        members=members,
        settings=RolloutSettings(limits, **{"interval": 3.0, **settings}),  # type: ignore[arg-type]
        clock=west.clock,
        sleep=west.sleep,
    )


def go(
    west: Played,
    waves: list[dict[str, Any]] | None = None,
    *,
    goal: Goal = GOAL,
    origin: Goal = ORIGIN,
    run: Rollout | None = None,
    reason: str = "upgrade",
    limit: int = 99,
    **settings: Any,
) -> State:
    """As the role does it: begin or go on, wave by wave, each with its gate."""
    run = run or rollout(west, **settings)
    state = run.start(orders_from(waves if waves is not None else WAVES), goal, origin, reason=reason)
    return on(run, state, limit)


def on(run: Rollout, state: State, limit: int = 99) -> State:
    while (number := state.next_wave()) is not None and limit:
        done = False
        while not done:
            state, done = run.advance(state, number)
        wrong, _silent = run.judge(state, number, dialer=None, asking=Asking(0))
        if wrong:
            run.failed(state, number, wrong)
        state = run.passed(state, number)
        limit -= 1
    return state


def backward(west: Played, **settings: Any) -> State:
    run = rollout(west, **settings)
    return on(run, run.turn_back())


def proxies(west: Played) -> dict[str, str]:
    return {title: app.version for title, app in west.apps.items()}


def end_of(west: Played) -> tuple[Any, ...]:
    """What has to be the same however a run came there."""
    state = rollout(west).state()
    assert state is not None
    return (
        proxies(west),
        {title: app.stamps for title, app in west.apps.items()},
        west.namespaces,
        state.over,
        state.direction,
        [(wave.name, wave.members, wave.state) for wave in state.waves],
    )


def test_there_in_waves_each_workload_once() -> None:
    west = played()
    state = go(west)
    assert state.over and [wave.name for wave in state.waves] == ["canary", "shop", "rest", "gateways"]
    assert set(proxies(west).values()) == {NEW} and {app.stamps for app in west.apps.values()} == {1}
    order = [write.rpartition("/")[2] for write in west.writes if "ConfigMap" not in write]
    assert order[0] == "cars" and order[-1] == "ingress" and len(order) == 6
    writes = len(west.writes)
    assert go(west).over and len(west.writes) == writes, "a second run writes nothing"


def test_a_workload_that_is_there_already_is_left_alone() -> None:
    west = played()
    west.apps["Deployment shop/cars"].version = NEW
    go(west)
    assert west.apps["Deployment shop/cars"].stamps == 0


def test_concurrency_is_kept() -> None:
    west = played(*[App("shop", f"app-{number}") for number in range(12)])
    go(west, [{"name": "all", "rest": True, "concurrency": 3}])
    assert west.most == 3


def test_slices_come_back_and_go_on_without_a_second_restart() -> None:
    west = played()
    run = rollout(west, slice=2)
    state = run.start(orders_from([]), GOAL, ORIGIN, reason="upgrade")
    slices, done = 0, False
    while not done:
        state, done = run.advance(state, 0)
        slices += 1
    assert slices > 2 and {app.stamps for app in west.apps.values() if not app.gateway} == {1}
    assert run.lines[0].startswith("wave 1 of 2, workloads: ") and "under way" in run.lines[0]


def test_a_gateway_always_has_a_ready_pod() -> None:
    west = played(App("system", "egress", kind="DaemonSet", replicas=3, gateway=True))
    go(west)
    assert west.lowest == {"Deployment system/ingress": 2, "DaemonSet system/egress": 2}


def test_a_gateway_that_would_be_away_is_refused() -> None:
    west = played(App("system", "egress", replicas=1, gateway=True, spec={"strategy": {"type": "Recreate"}}))
    with pytest.raises(
        NotReady,
        match=r"Deployment system/egress: it is a gateway with 1 replica of which 1 may be away at once, so there "
        r"would be a moment without a ready one",
    ):
        go(west, limits={"respect_budgets": False})
    assert west.apps["Deployment system/egress"].stamps == 0


def test_new_istiod_that_injects_the_old_version_is_named() -> None:
    """The new istiod is not the one that answers: pods come back as they were."""
    west = played()
    west.versions["default"] = OLD
    with pytest.raises(
        NotReady,
        match=r"wave 1 of 4, canary: Deployment shop/cars: it has not come back after \d+ s: its new pod cars-\S+ "
        r"has a proxy of version 1.27.3 and revision default, expected version v1.27.5",
    ):
        go(west)
    assert sum(app.stamps for app in west.apps.values()) == 1, "nobody else was restarted"


def test_an_image_that_cannot_be_pulled_ends_the_wave_early() -> None:
    west = played()
    west.apps["Deployment shop/hotels"].trouble = "ImagePullBackOff"
    with pytest.raises(
        NotReady,
        match=r"wave 2 of 4, shop: Deployment shop/hotels: Pod shop/hotels-\S+: container istio-proxy: "
        r"ImagePullBackOff: manifest unknown \(kubectl describe deployment hotels -n shop\)",
    ):
        go(west)
    assert west.seconds < 60 and west.apps["Deployment portal/web"].stamps == 0
    state = rollout(west).state()
    assert state is not None and state.waves[1].state == "failed" and "ImagePullBackOff" in state.waves[1].note
    west.apps["Deployment shop/hotels"].trouble = ""
    assert go(west).over and west.apps["Deployment shop/hotels"].stamps == 1, "put right, it goes on without another restart"


def test_a_workload_that_does_not_come_back_is_named_and_goes_back() -> None:
    west = played()
    west.apps["Deployment shop/hotels"].stuck = True
    with pytest.raises(NotReady, match=r"Deployment shop/hotels: it has not come back after 6\d s: .*updatedReplicas 0 of 2"):
        go(west)
    west.apps["Deployment shop/hotels"].stuck = False
    west.versions["default"] = OLD
    state = backward(west)
    assert state.over and state.direction == "back" and set(proxies(west).values()) == {OLD}
    assert [wave.name for wave in state.waves] == ["shop", "canary"] and west.apps["Deployment portal/web"].stamps == 0


def test_a_budget_that_can_never_be_met_is_named_at_once() -> None:
    west = played(budgets=[{"namespace": "shop", "name": "db", "selector": {"matchLabels": {"app": "db"}}, "min": 3}])
    with pytest.raises(NotReady, match=r"StatefulSet shop/db: PodDisruptionBudget shop/db lets 0 pods go even when all are ready"):
        go(west)
    assert west.apps["StatefulSet shop/db"].stamps == 0
    assert go(west, limits={"respect_budgets": False}).over


def test_a_budget_that_is_used_up_is_waited_for_and_named() -> None:
    budget = {"namespace": "shop", "name": "db", "selector": {"matchLabels": {"app": "db"}}, "min": 2, "sick": 1}
    west = played(budgets=[budget])
    west.at(10, lambda: budget.update(sick=0))
    assert go(west).over
    west = played(budgets=[{**budget, "sick": 1}])
    with pytest.raises(NotReady, match=r"StatefulSet shop/db: held up for 3\d s: PodDisruptionBudget shop/db allows 0 disruptions at "):
        go(west)


def test_only_what_may_have_changed_is_asked_for_again() -> None:
    """A namespace that is done waits for the gate, and one without a budget is asked for budgets now and then."""
    west = played(App("quick", "web", seconds=2.0), App("slow", "web", seconds=40.0))
    assert go(west, [{"name": "all", "rest": True}]).over
    looks = west.lists["Deployment", "slow"]
    assert looks > 20 and west.lists["Deployment", "quick"] < looks / 2, west.lists
    assert 4 < west.lists["Pod", "slow"] < looks / 2, "pods are most of what a look costs: their workload says when they are there"
    assert west.lists["PodDisruptionBudget", "slow"] < looks / 3, west.lists


def test_pods_seen_some_looks_ago_keep_no_workload_unfinished() -> None:
    """The look that finds a workload ready asks for its pods again, so that a wave ends with it."""
    for seconds in (8.0, 9.0, 10.0, 11.0, 12.0):  # of the other ones, the slowest takes 7
        west = played(App("shop", "web", seconds=seconds))
        state = go(west, [{"name": "all", "rest": True}], interval=1.0)
        assert state.over and state.waves[0].seconds <= seconds + 1, (seconds, state.waves)


def test_a_budget_that_comes_in_the_middle_of_a_wave_is_kept() -> None:
    def played_until(seconds: float) -> Played:
        west = played(App("shop", "first", seconds=60.0), App("shop", "second", kind="StatefulSet", replicas=3))
        budget = {"namespace": "shop", "name": "late", "selector": {"matchLabels": {"app": "second"}}, "min": 3}
        west.at(seconds, lambda: west.budgets.append(budget))
        return west

    orders = [{"name": "all", "rest": True, "concurrency": 1}]
    with pytest.raises(NotReady, match="PodDisruptionBudget shop/late"):
        go(played_until(20.0), orders, workload=200)


def test_two_workloads_of_one_budget_go_one_after_the_other() -> None:
    both = {"matchLabels": {"tier": "data"}}
    west = played(
        *[App("shop", name, kind="StatefulSet", labels={"tier": "data"}) for name in ("a", "b")],
        budgets=[{"namespace": "shop", "name": "data", "selector": both, "min": 3}],
    )
    seen = []
    west_sleep = west.sleep

    def sleep(seconds: float) -> None:
        west_sleep(seconds)
        seen.append(sum(west.under_way(west.apps[f"StatefulSet shop/{name}"]) for name in ("a", "b")))

    west.sleep = sleep  # type: ignore[method-assign]
    assert go(west).over and max(seen) == 1


def test_a_namespace_that_is_deleted_in_the_middle_is_no_failure() -> None:
    west = played()

    def gone() -> None:
        for title in [title for title in west.apps if " portal/" in title]:
            del west.apps[title]
        del west.namespaces["portal"]

    west.at(14, gone)
    state = go(west)
    assert state.over and "are gone: D" in next(wave for wave in state.waves if wave.name == "rest").note


def test_a_namespace_that_is_going_takes_its_members_along() -> None:
    west = played()
    west.apps["Deployment portal/web"].stuck = True
    rows = west._rows
    west.at(
        20,
        lambda: setattr(
            west,
            "_rows",
            lambda kind: [
                {**row, "metadata": {**row["metadata"], "deletionTimestamp": "2026-03-01T12:00:20Z"}}
                if kind == "Namespace" and row["metadata"]["name"] == "portal"
                else row
                for row in rows(kind)
            ],
        ),
    )
    assert go(west).over


def test_an_evicted_pod_and_a_finished_one_count_for_nothing() -> None:
    west = played()
    evicted = west._pods(west.apps["Deployment shop/cars"])[0]
    evicted["metadata"]["name"], evicted["status"]["phase"] = "cars-evicted", "Failed"
    west.extra_pods.append(evicted)
    assert go(west).over


def test_jobs_and_bare_pods_are_reported_and_live_on() -> None:
    west = played()
    for name, owner in (("backup-x1", ("Job", "backup")), ("debug", None), ("argo-1", ("Rollout", "argo"))):
        pod = west._pods(west.apps["Deployment shop/cars"])[0]
        pod["metadata"]["name"] = name
        pod["metadata"]["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
        west.extra_pods.append(pod)
    loose = {one.resource: one.message for one in rollout(west).look().loose}
    assert loose == {
        "Pod shop/backup-x1 (Job shop/backup)": "it belongs to a Job: it takes its new proxy with its next run",
        "Pod shop/debug": "no controller would recreate it: delete and recreate it yourself",
        "Pod shop/argo-1 (Rollout shop/argo)": "it belongs to a Rollout, which this does not restart: restart that one in its own way",
    }
    assert go(west).over and len(west.extra_pods) == 3


@pytest.mark.parametrize("begins", [1.0, 9.0, 16.0])
def test_the_api_server_is_away_for_a_minute(begins: float) -> None:
    west = played()
    west.away = (begins, begins + 60)
    for app in west.apps.values():
        app.seconds += 1
    assert go(west, workload=40).over, "time in which nothing could be seen counts for no workload"
    assert {app.stamps for app in west.apps.values()} == {1}


def test_labels_on_pods_that_contradict_the_namespace_s_are_named() -> None:
    west = played(App("shop", "odd", labels={"istio.io/rev": "other"}))
    west.versions["other"] = OLD
    with pytest.raises(
        NotReady,
        match=r"Deployment shop/odd: .*its pod template has the label istio.io/rev=other, its namespace "
        r"istio.io/rev=default, and the pod's label wins",
    ):
        go(west)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"paused": True}, "its rollout is paused"),
        ({"updateStrategy": {"type": "OnDelete"}}, "its updateStrategy is OnDelete"),
        ({"updateStrategy": {"rollingUpdate": {"partition": 1}}}, "its updateStrategy has the partition 1"),
    ],
)
def test_what_a_restart_would_not_change_is_named(spec: dict[str, Any], reason: str) -> None:
    west = played(App("shop", "odd", kind="Deployment" if "paused" in spec else "StatefulSet", spec=spec))
    with pytest.raises(NotReady, match=reason):
        go(west, limits={"respect_budgets": False})


def test_a_workload_that_is_scaled_to_zero_needs_nothing() -> None:
    west = played(App("shop", "idle", replicas=0))
    assert go(west).over and west.apps["Deployment shop/idle"].stamps == 0


def test_workloads_that_come_meanwhile_get_a_wave_at_the_end() -> None:
    west = played()
    late = App("portal", "late", version=OLD, revision="default")
    west.at(3, lambda: west.apps.update({"Deployment portal/late": late}))
    state = go(west, [{"name": "all", "rest": True}])
    assert state.over and state.waves[-1].members == ("Deployment portal/late",) and late.version == NEW


# revisions

R_GOAL, R_ORIGIN = Goal("v" + NEW, "r-5"), Goal("v" + OLD, "r-3")


def revisioned() -> Played:
    west = Played(apps(), version=OLD, revision="r-3")
    west.tags, west.versions = {"travel": "r-3"}, {"r-3": OLD, "r-5": NEW}
    west.namespaces = {name: {"istio.io/rev": "travel"} for name in west.namespaces}
    west.apps["Deployment system/ingress"].labels = {"istio.io/rev": "travel"}
    return west


MOVES: dict[str, Any] = {"labels_from": "travel", "labels_to": "r-5"}


def test_namespaces_go_to_the_new_revision_with_their_wave() -> None:
    west = revisioned()
    waves = [{"name": "shop", "namespaces": ["shop"]}, {"name": "portal", "namespaces": ["portal"]}]
    go(west, waves, goal=R_GOAL, origin=R_ORIGIN, limit=1, **MOVES)
    labels = {name: row["istio.io/rev"] for name, row in west.namespaces.items()}
    assert labels == {"shop": "r-5", "portal": "travel", "system": "travel"}
    state = go(west, waves, goal=R_GOAL, origin=R_ORIGIN, limit=1, **MOVES)
    assert state.labels == {"shop": "travel", "portal": "travel"}
    west.tags["travel"] = "r-5"  # the role moves it before the gateways
    run = rollout(west, **MOVES)
    state = go(west, waves, goal=R_GOAL, origin=R_ORIGIN, run=run)
    state = run.restore_labels(state)
    assert state.over and not state.labels and {labels["istio.io/rev"] for labels in west.namespaces.values()} == {"travel"}
    assert {app.revision for app in west.apps.values()} == {"r-5"} and {app.stamps for app in west.apps.values()} == {1}


def test_another_upgrade_waits_until_the_labels_of_the_last_one_are_back() -> None:
    """A run that died before its end has all proxies there, and namespaces that still name the revision."""
    west = revisioned()
    west.tags["travel"] = "r-5"
    state = go(west, [{"name": "all", "rest": True}], goal=R_GOAL, origin=R_ORIGIN, **MOVES)
    assert state.over and set(state.labels) == {"portal", "shop", "system"}
    run = rollout(west, **MOVES)
    with pytest.raises(ConfigError, match=r"has not given portal, shop, system their label istio\.io/rev back yet: run that one again"):
        run.start(orders_from(WAVES), Goal("v1.28.2", "r-28"), R_GOAL, reason="the next one")
    assert run.start(orders_from(WAVES), R_GOAL, R_GOAL, reason="upgrade").labels == state.labels
    run.restore_labels(state)
    assert run.start(orders_from(WAVES), Goal("v1.28.2", "r-28"), R_GOAL, reason="the next one").goal.revision == "r-28"


def test_back_from_the_middle_with_the_labels() -> None:
    west = revisioned()
    waves = [{"name": "shop", "namespaces": ["shop"]}, {"name": "portal", "namespaces": ["portal"]}]
    go(west, waves, goal=R_GOAL, origin=R_ORIGIN, limit=1, **MOVES)
    state = backward(west)
    assert state.over and not state.labels
    assert {labels["istio.io/rev"] for labels in west.namespaces.values()} == {"travel"}
    assert {app.revision for app in west.apps.values()} == {"r-3"}
    assert {app.stamps for title, app in west.apps.items() if " shop/" in title} == {2}
    assert {app.stamps for title, app in west.apps.items() if " shop/" not in title} == {0}


def test_a_tag_that_leads_elsewhere_is_seen_at_the_gateways() -> None:
    west = revisioned()
    waves = [{"name": "all", "rest": True}]
    with pytest.raises(NotReady, match=r"Deployment system/ingress: .*revision r-3.*its pod template has the label istio.io/rev=travel"):
        go(west, waves, goal=R_GOAL, origin=R_ORIGIN, **MOVES)


def test_a_digest_does_not_tell_the_version_and_the_revision_does() -> None:
    west = revisioned()
    west.versions = {"r-3": "", "r-5": ""}
    west.tags["travel"] = "r-5"
    for app in west.apps.values():
        app.version = ""
    assert go(west, goal=R_GOAL, origin=R_ORIGIN).over and {app.stamps for app in west.apps.values()} == {1}


def test_in_place_a_digest_is_judged_by_the_age_of_the_pod() -> None:
    west = played()
    west.versions["default"] = ""
    for app in west.apps.values():
        app.version = ""
    assert go(west).over and {app.stamps for app in west.apps.values()} == {1}


# a restart for another reason


def test_a_restart_is_one_of_its_reason() -> None:
    west = played()
    assert go(west, goal=Goal(), origin=Goal(), reason="new root").over
    go(west, goal=Goal(), origin=Goal(), reason="new root")
    assert {app.stamps for app in west.apps.values()} == {1}, "done once"
    west.sleep(5)
    go(west, goal=Goal(), origin=Goal(), reason="more memory")
    assert {app.stamps for app in west.apps.values()} == {2}


# windows, other runs


def test_outside_of_its_window_nothing_is_begun() -> None:
    west = played()
    with pytest.raises(Closed, match=r"wave 1 of 4, canary, waits for its maintenance window, which opens at Sun 2026-03-01 22:00 UTC"):
        go(west, windows=tuple(windows_from([{"start": "22:00", "end": "04:00"}])))
    assert all(app.stamps == 0 for app in west.apps.values())
    assert go(west, windows=tuple(windows_from([{"start": "11:00", "end": "13:00"}]))).over


def test_a_window_that_closes_lets_what_is_under_way_finish() -> None:
    west = played(*[App("shop", f"app-{number}", seconds=20) for number in range(4)])
    with pytest.raises(Closed, match=r"the maintenance window closed after [2-6] of 9 workloads of the wave all; it opens again at Mon "):
        go(west, [{"name": "all", "rest": True, "concurrency": 1}], windows=tuple(windows_from([{"start": "12:00", "end": "12:01"}])))
    assert not any(west.under_way(app) for app in west.apps.values())
    assert go(west).over and {app.stamps for app in west.apps.values()} == {1}


def test_another_rollout_that_is_not_over_is_in_the_way() -> None:
    west = played()
    go(west, limit=1)
    with pytest.raises(ConfigError, match=r"rollout-travel: another rollout is not over: upgrade, to version v1.27.5, 1 of 6 workloads"):
        go(west, goal=Goal("v1.28.0"))
    assert rollout(west).forget() and rollout(west).state() is None


@pytest.mark.parametrize(("labels", "said"), [
    ({}, "no app.kubernetes.io/managed-by label"),
    ({"app.kubernetes.io/managed-by": "Helm"}, "managed-by: Helm"),
    ({"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "other"}, "not of mesh travel"),
    ({"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "travel"}, "a copy"),
])  # fmt: skip
def test_what_others_have_under_the_name_is_neither_followed_nor_taken_away(labels: dict[str, str], said: str) -> None:
    west = played()
    go(west, limit=1)
    found = west.objects["ConfigMap", "rollout-travel"]
    found["metadata"] |= {"labels": labels, "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {}}]}
    before = list(west.writes)
    for attempt in (lambda: rollout(west).forget(), lambda: rollout(west).state(), lambda: rollout(west).turn_back(), lambda: go(west)):
        with pytest.raises(ConfigError, match=rf"ConfigMap \S+/rollout-travel is not of mesh travel: .*{said}|{said}"):
            attempt()
    assert [write for write in west.writes[len(before) :] if "Lease" not in write] == [] and ("ConfigMap", "rollout-travel") in west.objects


def test_a_way_back_is_gone_to_its_end() -> None:
    west = played()
    go(west, limit=2)
    run = rollout(west)
    run.turn_back()
    with pytest.raises(ConfigError, match=r"a way back .* is not over: go on with it"):
        go(west)
    west.versions["default"] = OLD
    assert backward(west).over
    writes = len(west.writes)
    assert backward(west).over and len(west.writes) == writes, "back already"
    with pytest.raises(ConfigError, match="there is no rollout that could go back"):
        backward(played())


# killed at every write


def killed_everywhere(make: Any, runs: list[Any]) -> None:
    """However often, and wherever, a run dies: whoever goes on comes to the same end."""
    undisturbed = make()
    for run in runs:
        run(undisturbed)
    wanted, total = end_of(undisturbed), len(undisturbed.writes)
    assert total > 10
    for number in range(1, total + 1):
        west = make()
        west.die_after = number
        for run in runs:
            try:
                run(west)
            except Killed:
                run(west)
        assert end_of(west) == wanted, f"killed after write {number}: {undisturbed.writes[number - 1]}"


def test_killed_after_every_write_on_the_way_there() -> None:
    killed_everywhere(played, [go])


def test_killed_after_every_write_with_revisions() -> None:
    def there(west: Played) -> None:
        west.tags["travel"] = "r-5"
        run = rollout(west, **MOVES)
        run.restore_labels(go(west, goal=R_GOAL, origin=R_ORIGIN, run=run))

    killed_everywhere(revisioned, [there])


def test_killed_after_every_write_on_the_way_back() -> None:
    def back_again(west: Played) -> None:
        west.versions["default"] = OLD
        found = rollout(west).state()
        if found is not None and not (found.over and found.direction == "back"):
            backward(west)

    killed_everywhere(played, [lambda west: go(west, limit=2 - _passed(west)), back_again])


def _passed(west: Played) -> int:
    found = rollout(west).state()
    return sum(wave.over for wave in found.waves) if found else 0
