# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The state machine of one Subscription: what was read and when -> wait, approve one plan, done, or fail with cause and remedy."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from .model import Csv, InstallPlan, Observation, Subscription, version_of
from .obstacles import Obstacle, find

__all__ = ["LATEST", "Action", "Approve", "Fail", "History", "PlanDone", "Target", "Wait", "our_plan", "step"]

LATEST = "latest"
BETWEEN_HOPS = 8.0  # OLM was silent for up to 2.6 s between two hops, with everything looking finished
REF_LAG = 4.0  # a Subscription names its plan at most 0.8 s after the plan is there
NEIGHBOUR_LAG = 4.0  # and its neighbours' currentCSV come as late


@dataclass(frozen=True)
class Target:
    """Where a Subscription shall go.

    version: a CSV's name; "latest" for the head of the channel; empty for "installed, whatever version".
    allowed: patterns of CSV names that may come along. peers: the other Subscriptions of the same call, by name.
    """

    version: str = ""
    allowed: tuple[str, ...] = ()
    peers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class History:
    """What step() has to remember between two readings."""

    since: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    seen: tuple[str, ...] = ()  # installed CSVs in the order in which they became Succeeded


@dataclass(frozen=True)
class Wait:
    reason: str


@dataclass(frozen=True)
class Approve:
    plan: InstallPlan
    reason: str


@dataclass(frozen=True)
class PlanDone:
    installed_csv: str
    reason: str


@dataclass(frozen=True)
class Fail:
    code: str
    reason: str
    remedy: str


Action: TypeAlias = "Wait | Approve | PlanDone | Fail"


def our_plan(seen: Observation) -> InstallPlan | None:
    """The plan that the Subscription names (by uid: names come again); without a name the newest one that it owns."""
    sub = seen.subscription
    if sub is None:
        return None
    if sub.plan_uid:
        return next((p for p in seen.plans if p.uid == sub.plan_uid), None)
    owned = [p for p in seen.plans if sub.uid and sub.uid in p.owners]
    return max(owned, key=lambda p: p.generation, default=None)


def _beyond(csv: str, target: str, sub: Subscription) -> bool:
    """Whether this CSV is further than the Subscription shall go."""
    if target == LATEST:
        return False
    if not target:
        return sub.approval == "Manual" and bool(sub.installed_csv) and csv != sub.installed_csv
    ours, limit = version_of(csv), version_of(target)
    if ours and limit:
        return ours > limit
    return csv != target and sub.installed_csv == target


def _older(csv: Csv, seen: Observation) -> list[str]:
    """CSVs that this one replaces and that are still there."""
    chain, names = {csv.name}, [csv.replaces, *csv.skips]
    while names:
        name = names.pop()
        if name and name not in chain:
            chain.add(name)
            names += [n for c in seen.csvs if c.name == name for n in (c.replaces, *c.skips)]
    return sorted(c.name for c in seen.csvs if c.name in chain - {csv.name})


def _not_settled(sub: Subscription, seen: Observation) -> str:
    """Why what is installed does not count yet; empty where it works."""
    if not sub.installed_csv:
        return f"{sub.ref} has nothing installed yet"
    csv = seen.csv(sub.installed_csv)
    if csv is None:
        return f"ClusterServiceVersion {sub.namespace}/{sub.installed_csv} is not there"
    if csv.phase != "Succeeded":
        detail = f": {csv.message}" if csv.message else ""
        return f"ClusterServiceVersion {sub.namespace}/{csv.name} is {csv.phase or 'without a phase'}{detail}"
    old = _older(csv, seen)
    return f"{csv.name} is Succeeded, but {', '.join(old)} is still there" if old else ""


def _arrived(sub: Subscription, target: Target) -> bool:
    """Whether the installed version is the one that was asked for."""
    if not sub.installed_csv or target.version == LATEST:
        return False
    if not target.version:
        return sub.approval == "Manual" or sub.current_csv in {"", sub.installed_csv}
    if sub.installed_csv == target.version:
        return True
    have, want = version_of(sub.installed_csv), version_of(target.version)
    return bool(sub.approval == "Automatic" and have and want and have > want)


def _objections(plan: InstallPlan, seen: Observation, sub: Subscription, target: Target) -> Obstacle | None:
    """Why this plan must not be approved for this Subscription's sake."""
    standing = {sub.name: (sub, target.version)}
    standing.update({n.name: (n, target.peers[n.name]) for n in seen.neighbours if n.name in target.peers})
    owner = {s.current_csv: (s, limit) for s, limit in standing.values() if s.current_csv}
    # A neighbour's later plan leaves its older version in ours: what is installed already is not brought by us.
    there = {s.installed_csv for s in (sub, *seen.neighbours) if seen.csv(s.installed_csv) is not None}
    strangers, far = [], []
    for csv in plan.csvs:
        if csv in there or any(fnmatch.fnmatchcase(csv, pattern) for pattern in target.allowed):
            continue
        if csv not in owner:
            strangers.append(csv)
        elif _beyond(csv, owner[csv][1], owner[csv][0]):
            far.append(f"{csv} (wanted for {owner[csv][0].name}: {owner[csv][1] or owner[csv][0].installed_csv})")
    if strangers:
        return Obstacle(
            "Strangers",
            f"{plan.ref} would also install {', '.join(strangers)}, which were not requested here",
            "name them in allowed, name their Subscriptions in the same call, or subscribe in another namespace: "
            "OLM makes one plan for all Subscriptions of a namespace",
            NEIGHBOUR_LAG,
        )
    if far:
        return Obstacle(
            "BeyondTarget",
            f"{plan.ref} goes too far: {', '.join(far)}",
            "raise that target or name the CSV in allowed; versions between may not be in the channel",
            0,
        )
    return None


def _unready_before(plan: InstallPlan, seen: Observation, sub: Subscription, target: Target) -> str:
    """A hop is approved only after the last one works, for each Subscription that the plan moves."""
    movers = [sub, *(n for n in seen.neighbours if n.name in target.peers and n.current_csv in plan.csvs)]
    # A plan may bring what installedCSV already names and nobody has made yet.
    coming = [csv for csv in plan.csvs if seen.csv(csv) is None]
    reasons = [_not_settled(s, seen) for s in movers if s.installed_csv and s.installed_csv not in coming]
    return next((reason for reason in reasons if reason), "")


def _judge_plan(plan: InstallPlan, seen: Observation, sub: Subscription, target: Target) -> Action | Obstacle:
    """The plan waits for approval: shall it get it."""
    if plan.approved:
        return Wait(f"{plan.ref} is approved, OLM has not begun yet")
    if _arrived(sub, target) and sub.installed_csv not in plan.csvs:
        # OLM offers the next version before the installed one works: nothing to approve, and nobody forces it on us.
        return Wait(_not_settled(sub, seen))
    objection = _objections(plan, seen, sub, target)
    if objection:
        return objection
    unready = _unready_before(plan, seen, sub, target)
    if unready:
        return Wait(f"{plan.ref} waits until the last hop works: {unready}")
    return Approve(plan, f"{plan.ref} brings {', '.join(plan.csvs)}")


def _wait_text(sub: Subscription, seen: Observation, plan: InstallPlan | None) -> str:
    unsettled = _not_settled(sub, seen)
    if plan is not None and plan.phase not in {"Complete", ""}:
        return f"{plan.ref} ({', '.join(plan.csvs)}) is {plan.phase}" + (f"; {unsettled}" if sub.installed_csv and unsettled else "")
    return unsettled or f"{sub.ref} is at {sub.installed_csv}, waiting for what comes next"


def _no_further(sub: Subscription, target: Target) -> Obstacle:
    if target.version == LATEST:
        return Obstacle("AtLatest", "", "", BETWEEN_HOPS)
    have, want = version_of(sub.installed_csv), version_of(target.version)
    if have and want and have > want:
        return Obstacle(
            "Downgrade",
            f"{sub.ref} has {sub.installed_csv}, newer than {target.version}",
            "OLM does not go back: delete the Subscription and its ClusterServiceVersion, then subscribe with startingCSV",
            0,
        )
    return Obstacle(
        "TargetNotOffered",
        f"{sub.ref} has {sub.installed_csv}, and channel {sub.channel} of package {sub.package} offers "
        f"nothing further, while {target.version} is wanted",
        "correct the channel or the target; the version may be in another channel, or its catalogue not refreshed yet",
        BETWEEN_HOPS,
    )


def _watch(obstacles: list[Obstacle], now: float, since: Mapping[str, float]) -> tuple[Obstacle | None, dict[str, float]]:
    """The first obstacle that has stood for its grace without a break, and since when each is there."""
    fresh = {o.code: since.get(o.code, now) for o in obstacles}
    return next((o for o in obstacles if now - fresh[o.code] >= o.grace), None), fresh


def _follow_plan(seen: Observation, sub: Subscription, plan: InstallPlan | None, target: Target) -> Action | Obstacle | None:
    if plan is not None and plan.phase == "RequiresApproval":
        verdict = _judge_plan(plan, seen, sub, target)
        if isinstance(verdict, Approve) and not sub.plan_uid:
            # Found by ownership only: the Subscription will name its plan in a moment.
            return Obstacle("Unreferenced", verdict.reason, "", REF_LAG)
        return verdict
    return None


def _silent_between(sub: Subscription, seen: Observation, plan: InstallPlan | None) -> bool:
    """All is at rest: this version works, nothing is under way."""
    at_rest = plan is None or plan.phase in {"Complete", "Failed"}
    return at_rest and not _not_settled(sub, seen) and sub.current_csv in {"", sub.installed_csv}


def step(seen: Observation, target: Target, now: float, history: History) -> tuple[Action, History]:
    """What to do about one Subscription. Call it again with what was read later and the history that it gave back."""
    sub = seen.subscription
    if sub is None:
        return Fail("SubscriptionMissing", "the Subscription does not exist", "make it first (role operators)"), history
    settled = not _not_settled(sub, seen)
    path = history.seen
    if settled and (not path or path[-1] != sub.installed_csv):
        path = (*path, sub.installed_csv)
    history = replace(history, seen=path)
    if settled and _arrived(sub, target):
        return PlanDone(sub.installed_csv, f"{sub.installed_csv} is Succeeded"), replace(history, since={})

    plan = our_plan(seen)
    verdict = _follow_plan(seen, sub, plan, target)
    if isinstance(verdict, Approve):
        return verdict, replace(history, since={})
    obstacles = find(seen, plan)
    if isinstance(verdict, Obstacle):
        obstacles.insert(0, verdict)
    elif _silent_between(sub, seen, plan):
        obstacles.append(_no_further(sub, target))
    final, since = _watch(obstacles, now, history.since)
    history = replace(history, since=since)
    if final is None:
        text = verdict.reason if isinstance(verdict, Wait) else _wait_text(sub, seen, plan)
        return Wait(f"{text} ({obstacles[0].reason})" if obstacles and obstacles[0].reason else text), history
    if final.code == "AtLatest":
        return PlanDone(sub.installed_csv, f"{sub.installed_csv} is the newest of channel {sub.channel}"), history
    if final.code == "Unreferenced" and plan is not None:
        return Approve(plan, final.reason), replace(history, since={})
    return Fail(final.code, final.reason, final.remedy), history
