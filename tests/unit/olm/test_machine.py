# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about one Subscription: which plan is ours, who may come along, when a version counts, how long to be patient."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._olm.machine import (
    LATEST,
    Approve,
    Fail,
    History,
    PlanDone,
    Target,
    Wait,
    our_plan,
    step,
)
from ansible_collections.meshops.mesh.plugins.module_utils._olm.model import Observation

from olm.scene import NS, condition, csv, plan, seen, sub

V0, V1, V2 = "mesh.v1.0.0", "mesh.v1.1.0", "mesh.v1.2.0"
K1, K2 = "kiali.v2.1.0", "kiali.v2.2.0"


def first(observation: Observation, target: Target) -> Any:
    return step(observation, target, 0.0, History())[0]


def after(seconds: float, observation: Observation, target: Target) -> Any:
    """What is done when nothing has changed for so long."""
    _action, history = step(observation, target, 0.0, History())
    return step(observation, target, seconds, history)[0]


# -- which plan is ours


def test_the_plan_that_the_subscription_names_counts_and_no_other() -> None:
    other = plan(V2, name="install-2", generation=2, owners=frozenset({"uid-mesh"}))
    assert our_plan(seen(sub(plan="install-1"), other, plan(V1))) == plan(V1)
    assert our_plan(seen(sub(plan="install-9"), other)) is None, "names come again, uids do not"


def test_without_a_name_it_is_the_newest_plan_of_its_own() -> None:
    owned = [plan(V1, name=f"install-{n}", generation=n, owners=frozenset({"uid-mesh", "uid-kiali"})) for n in (2, 3, 1)]
    strange = plan(V1, name="install-9", generation=9, owners=frozenset({"uid-kiali"}))
    assert our_plan(seen(sub(), *owned, strange)) == owned[1]
    assert our_plan(seen(sub(), strange)) is None
    assert our_plan(seen(sub(uid=""), plan(V1, owners=frozenset({""})))) is None
    assert our_plan(seen(None, *owned)) is None


def test_a_plan_that_is_only_owned_is_approved_when_the_subscription_has_had_time_to_name_it() -> None:
    observation = seen(sub(current=V1), plan(V1, owners=frozenset({"uid-mesh"})))
    action, history = step(observation, Target(V1), 10.0, History())
    assert action == Wait(f"InstallPlan {NS}/install-1 ({V1}) is RequiresApproval (InstallPlan {NS}/install-1 brings {V1})")
    assert isinstance(step(observation, Target(V1), 13.9, history)[0], Wait)
    action, later = step(observation, Target(V1), 14.0, history)
    assert action == Approve(plan(V1, owners=frozenset({"uid-mesh"})), f"InstallPlan {NS}/install-1 brings {V1}")
    assert not later.since


def test_a_plan_that_is_only_owned_is_judged_like_any_other() -> None:
    far = plan(V2, owners=frozenset({"uid-mesh"}))
    assert after(100.0, seen(sub(current=V2), far), Target(V1)).code == "BeyondTarget"


# -- whether what is installed counts


@pytest.mark.parametrize(("subscription", "objects", "reason"), [
    pytest.param(sub(), [], f"Subscription {NS}/mesh has nothing installed yet", id="nothing"),
    pytest.param(sub(installed=V1), [], f"ClusterServiceVersion {NS}/{V1} is not there", id="deleted"),
    pytest.param(sub(installed=V1), [csv(V1, "")], f"ClusterServiceVersion {NS}/{V1} is without a phase", id="no-phase"),
    pytest.param(sub(installed=V1), [csv(V1, "Installing")], f"ClusterServiceVersion {NS}/{V1} is Installing", id="installing"),
    pytest.param(sub(installed=V1), [csv(V1, "Installing", message="waiting for pods")],
                 f"ClusterServiceVersion {NS}/{V1} is Installing: waiting for pods", id="message"),
    pytest.param(sub(installed=V1), [csv(V1, replaces=V0), csv(V0, "Replacing")], f"{V1} is Succeeded, but {V0} is still there",
                 id="replaced"),
    pytest.param(sub(installed=V2), [csv(V2, skips=(V1,)), csv(V1, replaces=V0), csv(V0), csv(K1, replaces="kiali.v2.0.0")],
                 f"{V2} is Succeeded, but {V0}, {V1} is still there", id="chain"),
    pytest.param(sub(installed=V2), [csv(V2, replaces=V1), csv(V1, replaces=V2)], f"{V2} is Succeeded, but {V1} is still there",
                 id="circle"),
])  # fmt: skip
def test_what_does_not_count_yet(subscription: Any, objects: list[Any], reason: str) -> None:
    action = first(seen(subscription, *objects), Target(subscription.installed_csv or V1))
    assert isinstance(action, Wait)
    assert action.reason.split(" (")[0] == reason


def test_what_others_replace_is_nobody_of_ours() -> None:
    action = first(seen(sub(installed=V1), csv(V1, replaces=V0), csv(K2, replaces=K1), csv(K1)), Target(V1))
    assert action == PlanDone(V1, f"{V1} is Succeeded")


@pytest.mark.parametrize(("subscription", "target", "done"), [
    pytest.param(sub(installed=V1), V1, True, id="named"),
    pytest.param(sub(installed=V1, current=V2), V1, True, id="named-and-more-offered"),
    pytest.param(sub(installed=V2, approval="Automatic"), V1, True, id="automatic-went-further"),
    pytest.param(sub(installed=V1, approval="Automatic"), "mesh.v1.1.0-0", False, id="automatic-not-there"),
    pytest.param(sub(installed=V1, approval="Automatic"), "mesh.v1.1.0-beta", False, id="automatic-same-number"),
    pytest.param(sub(installed="mesh-b", approval="Automatic"), V1, False, id="automatic-no-version"),
    pytest.param(sub(installed=V1, approval="Automatic"), "mesh-b", False, id="automatic-no-version-wanted"),
    pytest.param(sub(installed=V1, current=V2), "", True, id="any-manual"),
    pytest.param(sub(installed=V1, approval="Automatic"), "", True, id="any-automatic"),
    pytest.param(sub(installed=V1, current="", approval="Automatic"), "", True, id="any-automatic-not-said-yet"),
    pytest.param(sub(installed=V1, current=V2, approval="Automatic"), "", False, id="any-automatic-goes-on"),
    pytest.param(sub(installed=V1), LATEST, False, id="latest-is-no-version"),
])  # fmt: skip
def test_who_has_arrived(subscription: Any, target: str, *, done: bool) -> None:
    action = first(seen(subscription, csv(subscription.installed_csv)), Target(target))
    assert isinstance(action, PlanDone) is done, action


def test_the_way_is_remembered() -> None:
    history, way = History(), []
    for phase, installed in (("Installing", V0), ("Succeeded", V0), ("Succeeded", V0), ("Pending", V1), ("Succeeded", V1)):
        _action, history = step(seen(sub(installed=installed), csv(installed, phase)), Target(V2), 0.0, history)
        way.append(history.seen)
    assert way == [(), (V0,), (V0,), (V0,), (V0, V1)]


# -- who may come along with a plan


def offered(*csvs: str, **more: Any) -> list[Any]:
    """V1 works, and a plan offers more."""
    return [plan(*csvs, **more), csv(V1)]


def neighbour(installed: str = K1, current: str = K2, **more: Any) -> Any:
    return sub("kiali", installed, current, **more)


OURS = sub(installed=V1, current=V2, plan="install-1", state="UpgradePending")


@pytest.mark.parametrize(("objects", "target"), [
    pytest.param(offered(V2), Target(V2), id="alone"),
    pytest.param(offered(V2), Target(LATEST), id="latest"),
    pytest.param(offered(V2), Target("mesh.v1.3.0"), id="on-the-way"),
    pytest.param(offered(V2), Target("mesh-b"), id="no-version-wanted"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K1)], Target(V2, peers={"kiali": K2}), id="peer"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K1)], Target(V2, peers={"kiali": LATEST}), id="peer-latest"),
    pytest.param([*offered(V2, K2), neighbour(""), ], Target(V2, peers={"kiali": ""}), id="peer-first-install"),
    pytest.param([*offered(V2, K2), neighbour(approval="Automatic"), csv(K1)], Target(V2, peers={"kiali": ""}), id="peer-automatic"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K1)], Target(V2, allowed=("kiali.*",)), id="allowed"),
    pytest.param([*offered(V2, K1), neighbour(current=K1), csv(K1)], Target(V2), id="installed-already"),
    pytest.param([*offered(V2, "kiali-b"), neighbour("", "kiali-b")], Target(V2, peers={"kiali": "kiali-b"}), id="peer-no-version"),
    # A neighbour that the plan does not move may be in any state.
    pytest.param([*offered(V2), neighbour(), csv(K1, "Pending")], Target(V2, peers={"kiali": K2}), id="peer-not-moved"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K1, "Pending")], Target(V2, allowed=("kiali.*",)), id="allowed-not-ready"),
    # installedCSV already names what nobody has made yet.
    pytest.param([*offered(V2, K2), neighbour(K2, K2)], Target(V2, peers={"kiali": K2}), id="peer-named-before-it-is-there"),
    pytest.param([*offered(V2, K2), neighbour(K2, K2)], Target(V2, peers={"kiali": ""}), id="peer-any-named-before-it-is-there"),
    pytest.param([*offered(V2, "kiali-b"), neighbour("kiali-b", "kiali-b")], Target(V2, peers={"kiali": "kiali-b"}),
                 id="peer-no-version-named-before-it-is-there"),
])  # fmt: skip
def test_a_plan_is_approved(objects: list[Any], target: Target) -> None:
    action, history = step(seen(OURS, *objects), target, 0.0, History(since={"SubscriptionLags": 0.0}))
    assert isinstance(action, Approve), action
    assert action.reason == f"InstallPlan {NS}/install-1 brings {', '.join(objects[0].csvs)}"
    assert not history.since


@pytest.mark.parametrize(("objects", "target", "names"), [
    pytest.param([*offered(V2, K2)], Target(V2), K2, id="unknown"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K1)], Target(V2), K2, id="not-of-this-call"),
    pytest.param([*offered(V2, K1), neighbour(K1, "")], Target(V2), K1, id="installed-but-gone"),
    pytest.param([*offered(V2, K1), csv(K1)], Target(V2), K1, id="nobodys-csv"),
    pytest.param([*offered(V2, ""), neighbour(current="")], Target(V2, peers={"kiali": ""}), "", id="no-name"),
])  # fmt: skip
def test_a_stranger_is_waited_for_a_little_and_then_refused(objects: list[Any], target: Target, names: str) -> None:
    assert isinstance(after(3.9, seen(OURS, *objects), target), Wait), "its Subscription may come to say so"
    action = after(4.0, seen(OURS, *objects), target)
    assert isinstance(action, Fail) and action.code == "Strangers"
    assert action.reason == f"InstallPlan {NS}/install-1 would also install {names}, which were not requested here"


@pytest.mark.parametrize(("objects", "target", "text"), [
    pytest.param(offered(V2), Target("mesh.v1.1.5"), f"{V2} (wanted for mesh: mesh.v1.1.5)", id="ours"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K1)], Target(V2, peers={"kiali": K1}), f"{K2} (wanted for kiali: {K1})", id="peer"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K1)], Target(V2, peers={"kiali": ""}), f"{K2} (wanted for kiali: {K1})",
                 id="peer-has-one"),
    pytest.param([*offered(V2, "kiali-c"), neighbour("kiali-b", "kiali-c"), csv("kiali-b")], Target(V2, peers={"kiali": "kiali-b"}),
                 "kiali-c (wanted for kiali: kiali-b)", id="peer-no-version"),
    pytest.param([*offered(V2, "kiali-c"), neighbour(K1, "kiali-c"), csv(K1)], Target(V2, peers={"kiali": K1}),
                 f"kiali-c (wanted for kiali: {K1})", id="peer-offered-no-version"),
])  # fmt: skip
def test_too_far_is_refused_at_once(objects: list[Any], target: Target, text: str) -> None:
    action = first(seen(OURS, *objects), target)
    assert isinstance(action, Fail) and action.code == "BeyondTarget"
    assert action.reason == f"InstallPlan {NS}/install-1 goes too far: {text}"


@pytest.mark.parametrize(("objects", "target", "reason"), [
    pytest.param([plan(V2), csv(V1, "Installing")], Target(V2), f"ClusterServiceVersion {NS}/{V1} is Installing", id="ours"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K1, "Pending")], Target(V2, peers={"kiali": K2}),
                 f"ClusterServiceVersion {NS}/{K1} is Pending", id="peer"),
    pytest.param([*offered(V2, K2), neighbour(), csv(K2, "Pending")], Target(V2, peers={"kiali": K2}),
                 f"ClusterServiceVersion {NS}/{K1} is not there", id="peer-gone"),
    pytest.param([*offered(V2, K2), neighbour(K2, K2), csv(K2, "Pending")], Target(V2, peers={"kiali": K2}),
                 f"ClusterServiceVersion {NS}/{K2} is Pending", id="peer-comes-by-another-plan"),
])  # fmt: skip
def test_the_last_hop_comes_first(objects: list[Any], target: Target, reason: str) -> None:
    action = first(seen(OURS, *objects), target)
    assert action == Wait(f"InstallPlan {NS}/install-1 waits until the last hop works: {reason}")


@pytest.mark.parametrize("target", [V1, ""], ids=["named", "first-install"])
@pytest.mark.parametrize("phase", [None, "", "Pending", "InstallReady", "Installing"])
def test_the_next_version_is_offered_before_the_target_is_ready(phase: str | None, target: str) -> None:
    """OLM names the installed version and the next plan before it works, and the lists of one reading are some milliseconds apart."""
    made = [] if phase is None else [csv(V1, phase)]
    action, history = step(seen(OURS, plan(V2), *made), Target(target), 0.0, History())
    assert isinstance(action, Wait) and V1 in action.reason and V2 not in action.reason, action
    action, _history = step(seen(OURS, *offered(V2)), Target(target), 1.0, history)
    assert action == PlanDone(V1, f"{V1} is Succeeded")


def test_an_approved_plan_is_waited_for() -> None:
    action = first(seen(OURS, *offered(V2, approved=True)), Target(V2))
    assert action == Wait(f"InstallPlan {NS}/install-1 is approved, OLM has not begun yet")


def test_a_version_that_was_lost_and_comes_again_by_our_plan_is_approved() -> None:
    lost = sub(installed=V1, current=V1, plan="install-1", state="UpgradePending")
    assert isinstance(first(seen(lost, plan(V1)), Target(V1)), Approve)


# -- how it ends, and what is said until then


def test_latest_is_believed_after_a_silence_that_is_longer_than_olms() -> None:
    observation = seen(sub(installed=V1, plan="install-1"), plan(V1, phase="Complete"), csv(V1))
    assert after(7.9, observation, Target(LATEST)) == Wait(f"Subscription {NS}/mesh is at {V1}, waiting for what comes next")
    assert after(8.0, observation, Target(LATEST)) == PlanDone(V1, f"{V1} is the newest of channel stable")


@pytest.mark.parametrize("phase", ["Complete", "Failed"])
def test_the_silence_begins_when_the_plan_is_through(phase: str) -> None:
    subscription = sub(installed=V1, plan="install-1")
    under_way = seen(subscription, plan(V1, phase="Installing"), csv(V1))
    _action, history = step(under_way, Target(LATEST), 0.0, History())
    action, history = step(seen(subscription, plan(V1, phase=phase), csv(V1)), Target(LATEST), 8.0, history)
    if phase == "Complete":
        assert isinstance(action, Wait), "not a second of silence yet"
    assert "AtLatest" in history.since


@pytest.mark.parametrize(
    ("target", "code", "seconds", "text"),
    [
        pytest.param("mesh.v1.0.5", "Downgrade", 0.0, f"Subscription {NS}/mesh has {V1}, newer than mesh.v1.0.5", id="older"),
        pytest.param("mesh.v1.9.0", "TargetNotOffered", 8.0, "offers nothing further, while mesh.v1.9.0 is wanted", id="newer"),
        pytest.param("mesh.v1.1.0-beta", "TargetNotOffered", 8.0, "offers nothing further", id="same-number"),
        pytest.param("mesh-b", "TargetNotOffered", 8.0, "offers nothing further", id="no-version"),
    ],
)
def test_a_target_that_will_not_come(target: str, code: str, seconds: float, text: str) -> None:
    observation = seen(sub(installed=V1, current=""), csv(V1))
    if seconds:
        assert isinstance(after(seconds - 0.1, observation, Target(target)), Wait)
    action = after(seconds, observation, Target(target)) if seconds else first(observation, Target(target))
    assert isinstance(action, Fail) and action.code == code
    assert text in action.reason


def test_an_installed_name_without_a_version_is_no_downgrade() -> None:
    assert after(8.0, seen(sub(installed="mesh-b"), csv("mesh-b")), Target(V1)).code == "TargetNotOffered"


@pytest.mark.parametrize(
    "observation",
    [
        pytest.param(seen(sub(installed=V1, current=V2), csv(V1)), id="the-next-is-announced"),
        pytest.param(seen(sub(installed=V1, plan="install-1"), plan(V2, phase="Installing"), csv(V1)), id="a-plan-is-under-way"),
        pytest.param(seen(sub(installed=V1), csv(V1, "Installing")), id="not-ready"),
    ],
)
def test_while_something_goes_on_nothing_is_the_newest(observation: Observation) -> None:
    assert isinstance(after(100.0, observation, Target(LATEST)), Wait)


def test_an_obstacle_must_stand_without_a_break() -> None:
    silent, busy = seen(sub(installed=V1), csv(V1)), seen(sub(installed=V1, current=V2), csv(V1))
    history = History()
    for now, observation in ((0.0, silent), (5.0, busy), (6.0, silent), (13.9, silent)):
        action, history = step(observation, Target(LATEST), now, history)
        assert isinstance(action, Wait), now
    action, history = step(silent, Target(LATEST), 14.0, history)
    assert isinstance(action, PlanDone)


def test_nobody_subscribed() -> None:
    assert first(seen(None), Target(V1)) == Fail("SubscriptionMissing", "the Subscription does not exist", "make it first (role operators)")


@pytest.mark.parametrize(("observation", "text"), [
    pytest.param(seen(sub(plan="install-1"), plan(V1, phase="Installing")), f"InstallPlan {NS}/install-1 ({V1}) is Installing", id="plan"),
    pytest.param(seen(sub(installed=V1, plan="install-1"), plan(V2, phase="Installing"), csv(V1, "Replacing")),
                 f"InstallPlan {NS}/install-1 ({V2}) is Installing; ClusterServiceVersion {NS}/{V1} is Replacing", id="plan-and-csv"),
    pytest.param(seen(sub(installed=V1, plan="install-1"), plan(V2, phase="Installing"), csv(V1)),
                 f"InstallPlan {NS}/install-1 ({V2}) is Installing", id="plan-alone"),
    pytest.param(seen(sub(installed=V1, current=V2, plan="install-1"), plan(V1, phase="Complete"), csv(V1)),
                 f"Subscription {NS}/mesh is at {V1}, waiting for what comes next", id="between"),
    pytest.param(seen(sub(installed=V1, plan="install-1"), plan(V1, phase="Complete"), csv(V1, "Pending")),
                 f"ClusterServiceVersion {NS}/{V1} is Pending", id="csv"),
    pytest.param(seen(sub(plan="install-1"), plan(V1, phase="")),
                 f"Subscription {NS}/mesh has nothing installed yet (InstallPlan {NS}/install-1 has no phase)",
                 id="with-what-stands-in-the-way"),
])  # fmt: skip
def test_what_is_waited_for_is_said(observation: Observation, text: str) -> None:
    assert first(observation, Target("mesh.v1.9.0")) == Wait(text)


def test_the_nearest_cause_is_told_first() -> None:
    """A plan with a stranger in it, and a catalogue that is gone: the plan is what we stand before."""
    action, history = step(seen(OURS, *offered(V2, K2), catalogs=()), Target(V2), 0.0, History())
    assert isinstance(action, Wait) and "would also install" in action.reason
    assert set(history.since) == {"Strangers", "CatalogMissing"}
    assert step(seen(OURS, *offered(V2, K2), catalogs=()), Target(V2), 5.0, history)[0].code == "Strangers"


def test_resolution_that_failed_is_told_by_its_cause() -> None:
    failed = sub(installed=V1, current=V1, conditions=(condition("ResolutionFailed", "ErrorPreventedResolution", "no luck"),))
    assert after(8.0, seen(failed, csv(V1)), Target(V2)).code == "ResolutionFailed"
