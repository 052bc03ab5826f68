# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads what OLM's state machine needs, and does what it says: the loop behind install_plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._errors import Conflict
from .._olm.machine import Approve, Done, Fail, History, Target, step
from .._olm.model import Observation, Plan
from .client import Cluster

__all__ = ["Journey", "Limits", "remove", "travel"]

ALPHA, GROUPS = "operators.coreos.com/v1alpha1", "operators.coreos.com/v1"
KINDS = ((ALPHA, "Subscription"), (ALPHA, "InstallPlan"), (ALPHA, "ClusterServiceVersion"), (GROUPS, "OperatorGroup"))


@dataclass(frozen=True)
class Limits:
    """How long, how often, and whether for real."""

    timeout: float
    interval: float
    dry_run: bool


@dataclass
class Journey:
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

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], allowed: Iterable[str]) -> list[Journey]:
        """Those of one namespace are each other's peers."""
        patterns = tuple(allowed)
        journeys = []
        for row in rows:
            peers = {r["name"]: r["target"] or "" for r in rows if r["namespace"] == row["namespace"] and r["name"] != row["name"]}
            journeys.append(cls(row["name"], row["namespace"], Target(row["target"] or "", patterns, peers)))
        return journeys

    def row(self) -> dict[str, Any]:
        """As install_plan returns it."""
        failed = {"code": self.failure.code, "remedy": self.failure.remedy} if self.failure else {}
        return {"name": self.name, "namespace": self.namespace, "target": self.target.version, "installed_csv": self.installed_csv,
                "hops": list(self.history.seen), "state": self.state, "reason": self.reason, **failed}


def _read(cluster: Cluster, namespaces: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """All lists at once; pods only where an operator is being installed, catalogues where a Subscription looks."""
    wanted = [(version, kind, namespace) for namespace in sorted(namespaces) for version, kind in KINDS]
    found: dict[str, list[dict[str, Any]]] = {}

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


def _approve(cluster: Cluster, plan: Plan, dry_run: bool) -> bool:
    """Only the version that was read; False when it has changed meanwhile, which the next look will show."""
    ref = {"apiVersion": ALPHA, "kind": "InstallPlan", "metadata": {"name": plan.name, "namespace": plan.namespace}}
    try:
        cluster.patch(ref, {"metadata": {"resourceVersion": plan.resource_version}, "spec": {"approved": True}}, dry_run=dry_run)
    except Conflict:
        return False
    return True


def _look(cluster: Cluster, journeys: Sequence[Journey], now: float, dry_run: bool) -> list[Plan]:
    """One reading, one step for each journey; gives back the plans that were approved."""
    objects = _read(cluster, {j.namespace for j in journeys})
    approved: list[Plan] = []
    for journey in journeys:
        if journey.state == "done":
            continue
        seen = Observation.of(journey.name, journey.namespace, objects)
        action, journey.history = step(seen, journey.target, now, journey.history)
        journey.installed_csv = seen.subscription.installed_csv if seen.subscription else ""
        journey.reason = action.reason
        if isinstance(action, Done):
            journey.state = "done"
        elif isinstance(action, Fail):
            journey.state, journey.failure = "failed", action
        elif isinstance(action, Approve):
            journey.state = "would_approve" if dry_run else "waiting"
            if all(plan.uid != action.plan.uid for plan in approved) and _approve(cluster, action.plan, dry_run):
                approved.append(action.plan)
    return approved


def _failure(cluster: Cluster, journeys: Sequence[Journey]) -> str:
    lines = [f"{j.ref}: {j.failure.code}: {j.failure.reason}; remedy: {j.failure.remedy}" for j in journeys if j.failure]
    return f"cluster {cluster.name}: " + " | ".join(lines) if lines else ""


def _too_late(cluster: Cluster, journeys: Sequence[Journey], limits: Limits) -> str:
    rest = " | ".join(f"{j.ref} (wanted: {j.target.version or 'any version'}): {j.reason}" for j in journeys if j.state != "done")
    return f"cluster {cluster.name}: not reached within {limits.timeout:.0f} s: {rest}; raise wait_timeout if it still makes progress"


def travel(cluster: Cluster, journeys: Sequence[Journey], limits: Limits, approved: list[dict[str, Any]], *,
           clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> str:
    """Looks and acts until all have arrived; an error's text where they do not. A dry run looks once."""
    started = clock()
    while True:
        for plan in _look(cluster, journeys, clock(), limits.dry_run):
            approved.append({"name": plan.name, "namespace": plan.namespace, "uid": plan.uid, "csvs": list(plan.csvs)})
        if limits.dry_run:
            return ""
        failure = _failure(cluster, journeys)
        if failure or all(j.state == "done" for j in journeys):
            return failure
        if clock() - started >= limits.timeout:
            return _too_late(cluster, journeys, limits)
        sleep(limits.interval)


def remove(cluster: Cluster, journeys: Sequence[Journey], dry_run: bool, owner: str) -> list[str]:
    """Deletes Subscriptions and then what they installed; what it deleted. Those of another owner are left, with their CSVs."""
    deleted: list[str] = []
    for journey in journeys:
        found = cluster.get(ALPHA, "Subscription", journey.name, journey.namespace)
        labels = (found or {}).get("metadata", {}).get("labels") or {}
        if found is None:
            journey.state, journey.reason = "done", "not there"
            continue
        if (labels.get("app.kubernetes.io/managed-by"), labels.get("mesh.meshops.io/mesh")) != ("meshops.mesh", owner):
            journey.state, journey.reason = "done", f"left alone: it does not carry the labels of {owner}"
            continue
        status = found.get("status") or {}
        gone = [("Subscription", journey.name), *(("ClusterServiceVersion", csv) for csv in dict.fromkeys(
            (status.get("currentCSV"), status.get("installedCSV"))) if csv)]
        for kind, name in gone:
            if (not dry_run or cluster.get(ALPHA, kind, name, journey.namespace)) and \
                    cluster.delete(ALPHA, kind, name, journey.namespace, dry_run=dry_run):
                deleted.append(f"{kind} {journey.namespace}/{name}")
        journey.state, journey.reason = "done", "deleted"
    return deleted
