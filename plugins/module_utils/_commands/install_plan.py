# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads what OLM's state machine needs, and does what it says: the loop behind install_plan."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._errors import ConfigError, Conflict, KindMissing
from .._kube.client import Cluster, NotFound
from .._kube.progress import Progress, few
from .._model.contents import is_usual, listed, trimmed
from .._model.objects import MANAGER, Ref, group_of, is_ours, made_by_us, owner_text
from .._olm.machine import Action, Approve, Fail, History, PlanDone, Target, step
from .._olm.model import InstallPlan, Observation

__all__ = ["ApprovalLimits", "SubscriptionProgress", "remove", "travel"]

ALPHA, GROUPS = "operators.coreos.com/v1alpha1", "operators.coreos.com/v1"
LONG_LOOK = 5.0  # a look that takes longer has waited for the API server
COMES_BACK = 30.0  # an API server that starts has our kinds a moment later than itself
KINDS = ((ALPHA, "Subscription"), (ALPHA, "InstallPlan"), (ALPHA, "ClusterServiceVersion"), (GROUPS, "OperatorGroup"))


@dataclass(frozen=True)
class ApprovalLimits:
    """How long, how often, and whether for real."""

    timeout: float
    interval: float
    dry_run: bool


@dataclass
class SubscriptionProgress:
    """One Subscription on its way."""

    name: str
    namespace: str
    target: Target
    history: History = field(default_factory=History)
    installed_csv: str = ""
    state: str = "waiting"
    reason: str = "not looked at yet"
    failure: Fail | None = None

    @property
    def ref(self) -> str:
        return f"Subscription {self.namespace}/{self.name}"

    @property
    def line(self) -> str:
        """One line for people."""
        way = f", by way of {', '.join(self.history.seen[:-1])}" if self.state == "done" and len(self.history.seen) > 1 else ""
        word = {"done": "", "waiting": "not there yet: ", "would_approve": "would approve: ", "failed": "cannot go on: "}[self.state]
        remedy = f"; remedy: {self.failure.remedy}" if self.failure else ""
        return f"{self.name} ({self.namespace}): {word}{self.reason}{way}{remedy}"

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], allowed: Iterable[str]) -> list[SubscriptionProgress]:
        """Those of one namespace are each other's peers."""
        patterns = tuple(allowed)
        journeys = []
        for row in rows:
            if re.match(r"v?\d", row["target"] or ""):
                raise ConfigError(
                    f"Subscription {row['namespace']}/{row['name']}: target {row['target']} is a version, while the name "
                    "of a ClusterServiceVersion is expected; write it as in servicemeshoperator3.v3.2.0, or latest"
                )
            peers = {r["name"]: r["target"] or "" for r in rows if r["namespace"] == row["namespace"] and r["name"] != row["name"]}
            journeys.append(cls(row["name"], row["namespace"], Target(row["target"] or "", patterns, peers)))
        return journeys

    def row(self) -> dict[str, Any]:
        """As install_plan returns it."""
        failed = {"code": self.failure.code, "remedy": self.failure.remedy} if self.failure else {}
        return {
            "name": self.name,
            "namespace": self.namespace,
            "target": self.target.version,
            "installed_csv": self.installed_csv,
            "hops": list(self.history.seen),
            "state": self.state,
            "reason": self.reason,
            **failed,
        }


def _read(cluster: Cluster, namespaces: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """All lists at once; pods only where an operator is being installed, catalogues where a Subscription looks."""
    wanted = [(version, kind, namespace) for namespace in sorted(namespaces) for version, kind in KINDS]
    # Without a namespace there is nothing to read: others have subscribed to all that is wanted.
    found: dict[str, list[dict[str, Any]]] = {kind: [] for _version, kind in KINDS}

    def fill(asked: Sequence[tuple[str, str, str]]) -> None:
        answers = cluster.map(lambda a: cluster.list(a[0], a[1], namespace=a[2]), asked)
        for (_version, kind, _namespace), items in zip(asked, answers, strict=True):
            found.setdefault(kind, []).extend(items)

    fill(wanted)
    sources = {(s.get("spec") or {}).get("sourceNamespace") or "" for s in found["Subscription"]} - {""}
    unwell = {"Installing", "Failed"}
    busy = {c["metadata"]["namespace"] for c in found["ClusterServiceVersion"] if (c.get("status") or {}).get("phase") in unwell}
    fill([(ALPHA, "CatalogSource", n) for n in sorted(sources)] + [("v1", "Pod", n) for n in sorted(busy)])
    return found


def _read_again(
    cluster: Cluster, journeys: Sequence[SubscriptionProgress], clock: Callable[[], float], sleep: Callable[[float], None]
) -> dict[str, list[dict[str, Any]]]:
    """Kinds that were there a moment ago are missed only when they stay away."""
    began = clock()
    while True:
        try:
            return _read(cluster, {j.namespace for j in journeys})
        except KindMissing:
            if clock() - began >= COMES_BACK:
                raise
            sleep(1.0)


def _ours_after_all(cluster: Cluster, plan: InstallPlan) -> bool:
    """Whether our approval arrived although its answer was lost: we asked again, and the version was another one."""
    found = cluster.get(ALPHA, "InstallPlan", plan.name, plan.namespace)
    if found is None or found["metadata"].get("uid") != plan.uid or not (found.get("spec") or {}).get("approved"):
        return False
    for entry in found["metadata"].get("managedFields") or []:
        if entry.get("manager") == MANAGER and "f:approved" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}):
            return True
    return False


def _approve(cluster: Cluster, plan: InstallPlan, dry_run: bool) -> bool:
    """Only the version that was read; False when it has changed or gone meanwhile, which the next look will show."""
    ref = {"apiVersion": ALPHA, "kind": "InstallPlan", "metadata": {"name": plan.name, "namespace": plan.namespace}}
    try:
        cluster.patch(ref, {"metadata": {"resourceVersion": plan.resource_version}, "spec": {"approved": True}}, dry_run=dry_run)
    except Conflict:
        return _ours_after_all(cluster, plan)
    except NotFound:
        return False
    return True


def _take(journey: SubscriptionProgress, action: Action, dry_run: bool) -> None:
    """What the step means for the journey."""
    journey.reason = action.reason
    if isinstance(action, PlanDone):
        journey.state = "done"
    elif isinstance(action, Approve):
        journey.state = "would_approve" if dry_run else "waiting"
    elif isinstance(action, Fail) and dry_run and action.code == "SubscriptionMissing":
        journey.reason = "the Subscription would be made, and OLM would make its first plan"
    elif isinstance(action, Fail):
        journey.state, journey.failure = "failed", action


def _look(
    cluster: Cluster, journeys: Sequence[SubscriptionProgress], objects: Mapping[str, list[dict[str, Any]]], now: float, dry_run: bool
) -> list[InstallPlan]:
    """One step for each journey after one reading; gives back the plans that were approved."""
    approved: list[InstallPlan] = []
    for journey in journeys:
        if journey.state == "done":
            continue
        seen = Observation.of(journey.name, journey.namespace, objects)
        action, journey.history = step(seen, journey.target, now, journey.history)
        journey.installed_csv = seen.subscription.installed_csv if seen.subscription else ""
        _take(journey, action, dry_run)
        if (
            isinstance(action, Approve)
            and all(plan.uid != action.plan.uid for plan in approved)
            and _approve(cluster, action.plan, dry_run)
        ):
            approved.append(action.plan)
    return approved


def _failure(cluster: Cluster, journeys: Sequence[SubscriptionProgress]) -> str:
    """Each cause once, with all whom it stops."""
    causes: dict[Fail, list[str]] = {}
    for journey in journeys:
        if journey.failure:
            causes.setdefault(journey.failure, []).append(journey.ref)
    lines = []
    for fail, refs in causes.items():
        whom = ", ".join(ref for ref in refs if ref not in fail.reason)
        lines.append(f"{fail.code}: {whom}{': ' if whom else ''}{fail.reason}; remedy: {fail.remedy}")
    return f"cluster {cluster.name}: " + " | ".join(lines) if lines else ""


def _too_late(cluster: Cluster, journeys: Sequence[SubscriptionProgress], limits: ApprovalLimits) -> str:
    rest = " | ".join(f"{j.ref} (wanted: {j.target.version or 'any version'}): {j.reason}" for j in journeys if j.state != "done")
    return f"cluster {cluster.name}: not reached within {limits.timeout:.0f} s: {rest}; raise wait_timeout if it still makes progress"


def travel(
    cluster: Cluster,
    journeys: Sequence[SubscriptionProgress],
    limits: ApprovalLimits,
    approved: list[dict[str, Any]],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Looks and acts until all have arrived; an error's text where they do not. A dry run looks once."""
    started, blind, met, progress = clock(), 0.0, False, Progress(cluster.name, clock)
    while True:
        before = clock()
        objects = _read_again(cluster, journeys, clock, sleep) if met else _read(cluster, {j.namespace for j in journeys})
        met = True
        # While the API server is away OLM cannot go on either: an obstacle does not age in that time.
        blind += clock() - before if clock() - before > LONG_LOOK else 0.0
        for plan in _look(cluster, journeys, objects, clock() - blind, limits.dry_run):
            approved.append({"name": plan.name, "namespace": plan.namespace, "uid": plan.uid, "csvs": list(plan.csvs)})
        if limits.dry_run:
            return ""
        failure = _failure(cluster, journeys)
        if failure or all(j.state == "done" for j in journeys):
            return failure
        if clock() - started >= limits.timeout:
            return _too_late(cluster, journeys, limits)
        if progress.due():
            progress.say(few(f"{journey.ref}: {journey.reason}" for journey in journeys if journey.state != "done"))
        sleep(limits.interval)


def remove(cluster: Cluster, journeys: Sequence[SubscriptionProgress], dry_run: bool, owner: str, mesh: str = "") -> list[str]:
    """Deletes Subscriptions and then what they installed; what it deleted. Those of another owner are left, with their CSVs.

    Nothing is deleted while somebody but mesh has objects of the kinds that an operator looks after."""
    gone: dict[str, list[tuple[str, str]]] = {}
    for journey in journeys:
        found = cluster.get(ALPHA, "Subscription", journey.name, journey.namespace)
        journey.state, journey.reason = "done", "not there"
        if found is not None and not made_by_us(found, owner):
            copied = is_ours(found, owner)
            journey.reason = f"left alone: {owner_text(found) if copied else f'it does not carry the labels of {owner}'}"
        elif found is not None:
            status = found.get("status") or {}
            csvs = dict.fromkeys((status.get("currentCSV"), status.get("installedCSV")))
            gone[journey.ref] = [("Subscription", journey.name), *(("ClusterServiceVersion", csv) for csv in csvs if csv)]
    doomed = [journey for journey in journeys if journey.ref in gone]
    csvs_gone = [(journey.namespace, name) for journey in doomed for kind, name in gone[journey.ref] if kind != "Subscription"]
    _refuse_orphans(cluster, csvs_gone, mesh)
    deleted: list[str] = []
    for journey in doomed:
        for kind, name in gone[journey.ref]:
            if (not dry_run or cluster.get(ALPHA, kind, name, journey.namespace)) and cluster.delete(
                ALPHA, kind, name, journey.namespace, dry_run=dry_run
            ):
                deleted.append(f"{kind} {journey.namespace}/{name}")
        journey.reason = "deleted"
    return deleted


def _refuse_orphans(cluster: Cluster, csvs: Sequence[tuple[str, str]], mesh: str) -> None:
    """Objects that nobody would look after, by the kinds that the operators say they own. What has an owner goes with it."""
    owned: dict[tuple[str, str], str] = {}
    for found in cluster.map(lambda one: cluster.get(ALPHA, "ClusterServiceVersion", one[1], one[0]), csvs):
        spec = (found or {}).get("spec") or {}
        for row in (spec.get("customresourcedefinitions") or {}).get("owned") or []:
            owned[str(row.get("name")).partition(".")[2], str(row.get("kind"))] = str((found or {})["metadata"]["name"])
    served: dict[tuple[str, str], str] = {}
    for version, kind in cluster.resources():
        if (group_of(version), kind) in owned:
            served.setdefault((group_of(version), kind), version)
    kinds = [(version, kind) for (_group, kind), version in served.items()]
    rows = cluster.map(lambda one: cluster.list(one[0], one[1], metadata_only=True, trim=trimmed), kinds)
    left = sorted(
        Ref.of(row)
        for part in rows
        for row in part
        if not row["metadata"].get("ownerReferences") and not (mesh and made_by_us(row, mesh)) and not is_usual(row)
    )
    if left:
        operators = sorted({owned[group_of(ref.api_version), ref.kind] for ref in left})
        raise ConfigError(
            f"cluster {cluster.name}: nothing was removed: {', '.join(operators)} would leave what is not of "
            f"{f'mesh {mesh}' if mesh else 'anybody who asked'} to itself: {listed(left)}; remove these first, or leave the "
            "operators where they are (mesh_remove_operators=false)"
        )
