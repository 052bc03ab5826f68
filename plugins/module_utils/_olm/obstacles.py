# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Why OLM cannot go on: one row per cause, each with its remedy and the time for which it may be passing.

What was seen in the real OLM behind each row stands in the row's comment; no condition of a Subscription tells all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from .model import Csv, InstallPlan, Observation, Subscription

__all__ = ["ROWS", "Obstacle", "ObstacleCheck", "find"]


def _touch(sub: Subscription) -> str:
    """The full kind, as other products have Subscriptions, too."""
    return (
        f"put a label on {sub.ref} (oc label -n {sub.namespace} subscriptions.operators.coreos.com/{sub.name} "
        "looked-at=$(date +%s) --overwrite)"
    )


def _look_again(sub: Subscription) -> str:
    return (
        "OLM looks again only after something in the namespace changes (or 15 minutes): once the cause is gone, "
        f"{_touch(sub)}, else this condition stays although it is stale"
    )


def _make_again(sub: Subscription, *csvs: str) -> str:
    named = "".join(f" clusterserviceversions.operators.coreos.com/{csv}" for csv in dict.fromkeys(csvs) if csv)
    return (
        f"delete the Subscription{' and its ClusterServiceVersion' if named else ''} (oc delete -n {sub.namespace} "
        f"subscriptions.operators.coreos.com/{sub.name}{named}) and run this again, which makes the Subscription again"
    )


@dataclass(frozen=True)
class Obstacle:
    """Something that keeps a Subscription from its target."""

    code: str
    reason: str
    remedy: str
    grace: float


@dataclass(frozen=True)
class SubscriptionScene:
    """An observation with its Subscription and its plan found."""

    seen: Observation
    sub: Subscription
    plan: InstallPlan | None

    @property
    def waited_for(self) -> list[Csv]:
        """The CSVs that the Subscription stands for now."""
        names = {self.sub.current_csv, self.sub.installed_csv}
        return [c for c in self.seen.csvs if c.name in names]


class ObstacleCheck(Protocol):
    """Looks at a scene for one obstacle."""

    def __call__(self, scene: SubscriptionScene) -> Obstacle | None: ...


def _operator_group(scene: SubscriptionScene) -> Obstacle | None:
    # Without one, or with two, OLM says nothing at all: no state, no plan, no event.
    where, groups = scene.sub.namespace, scene.seen.groups
    if not groups:
        return Obstacle(
            "OperatorGroupMissing",
            f"namespace {where} has no OperatorGroup, so OLM ignores {scene.sub.ref}",
            f"make one OperatorGroup in {where}; OLM goes on by itself 2 s later",
            5,
        )
    if len(groups) > 1:
        names = ", ".join(sorted(g.name for g in groups))
        return Obstacle(
            "OperatorGroupTwice",
            f"namespace {where} has {len(groups)} OperatorGroups ({names}), so OLM ignores {scene.sub.ref}",
            "delete all of them but one; OLM goes on by itself",
            5,
        )
    missing = next((c for c in groups[0].conditions if c.reason == "ServiceAccountNotFound" and c.status == "True"), None)
    if missing:
        # The plan is Installing for ever and speaks of "no operator group".
        return Obstacle(
            "ServiceAccountNotFound",
            f"OperatorGroup {where}/{groups[0].name}: {missing.message}",
            f"make the ServiceAccount {where}/{groups[0].service_account}, or take serviceAccountName out of the group",
            5,
        )
    return None


def _catalog(scene: SubscriptionScene) -> Obstacle | None:
    sub, unhealthy = scene.sub, scene.sub.condition("CatalogSourcesUnhealthy")
    wanted = (sub.source_namespace, sub.source)
    ours = next((c for c in scene.seen.catalogs if (c.namespace, c.name) == wanted), None)
    name = f"CatalogSource {sub.source_namespace}/{sub.source}"
    if ours is None:
        return Obstacle(
            "CatalogMissing",
            f"{sub.ref} names {name}, which does not exist" + (f" ({unhealthy.message})" if unhealthy else ""),
            "correct source and sourceNamespace of the Subscription, or make that CatalogSource",
            5,
        )
    if ours.connection == "TRANSIENT_FAILURE":
        # A registry pod that restarts heals within seconds.
        return Obstacle(
            "CatalogUnreachable",
            f"{name} cannot be reached (TRANSIENT_FAILURE)",
            "look at its registry pod and at spec.image or spec.address",
            10,
        )
    return None


_RESOLUTION: tuple[tuple[str, str, str], ...] = (
    (
        r"error using catalogsource (?P<catalog>\S+?):",
        "CatalogUnreachable",
        "repair or delete CatalogSource {catalog}: an unreachable catalogue of the global namespace blocks resolution in every namespace",
    ),
    (
        r"no operators found from catalog (?P<catalog>\S+) in namespace (?P<ns>\S+)",
        "CatalogMissing",
        "correct source and sourceNamespace of Subscription {subscription}, or make CatalogSource {ns}/{catalog}",
    ),
    (
        r"no operators found in package (?P<package>\S+) in the catalog",
        "UnknownPackage",
        "correct spec.name of Subscription {subscription}, or delete it: package {package} is not in its catalogue, and one such "
        "Subscription blocks all others of the namespace",
    ),
    (
        r"no operators found in channel (?P<channel>\S+) of package (?P<package>\S+)",
        "UnknownChannel",
        "give Subscription {subscription} a channel that package {package} has (oc get packagemanifest {package})",
    ),
    (
        r"no operators found with name (?P<csv>\S+) in channel (?P<channel>\S+)",
        "UnknownStartingCSV",
        "give Subscription {subscription} a startingCSV of channel {channel}, or none",
    ),
    (
        r"clusterserviceversion (?P<csv>\S+) exists and is not referenced by a subscription",
        "OrphanedCSV",
        "delete ClusterServiceVersion {csv} (oc delete -n {namespace} clusterserviceversions.operators.coreos.com/{csv}): it is left over "
        "from an earlier Subscription, and a new one does not adopt it; the operator's CRDs and objects stay",
    ),
)


def _stale(scene: SubscriptionScene, found: dict[str, str]) -> bool:
    """The message names something that is not there any more."""
    names = {scene.sub.name, *(n.name for n in scene.seen.neighbours)}
    if found["subscription"] not in names:
        return True
    csv = found.get("csv", "")
    return "exists and is not" in found["text"] and bool(csv) and scene.seen.csv(csv) is None


def _resolution(scene: SubscriptionScene) -> Obstacle | None:
    # Healthy upgrades showed it for 2 s at most; a Subscription that can go nowhere puts it on all of its namespace.
    failed = scene.sub.condition("ResolutionFailed")
    if failed is None:
        return None
    said = re.search(r"referenced by subscription (\S+?)[,.]?(?:\s|$)", failed.message)
    for pattern, code, remedy in _RESOLUTION:
        match = re.search(pattern, failed.message)
        if not match:
            continue
        csv = scene.seen.csv(match.groupdict().get("csv", ""))
        if csv is not None and csv.phase in {"Replacing", "Deleting"}:
            return None  # a hop that is under way or blocked: its own CSV tells why
        found = {
            **match.groupdict(),
            "subscription": said.group(1) if said else scene.sub.name,
            "text": failed.message,
            "namespace": scene.sub.namespace,
        }
        if _stale(scene, found):
            return Obstacle(
                "StaleResolution",
                f"{scene.sub.ref} says ResolutionFailed of a cause that is gone: {failed.message}",
                _look_again(scene.sub),
                8,
            )
        return Obstacle(code, f"{scene.sub.ref}: {failed.message}", f"{remedy.format(**found)}. {_look_again(scene.sub)}", 8)
    return Obstacle("ResolutionFailed", f"{scene.sub.ref}: {failed.reason}: {failed.message}", _look_again(scene.sub), 8)


def _plan_lost(scene: SubscriptionScene) -> Obstacle | None:
    # A deleted pending plan is not made again, and nothing says so.
    sub = scene.sub
    if not sub.plan_uid or scene.plan is not None or sub.state != "UpgradePending":
        return None
    return Obstacle(
        "InstallPlanLost",
        f"{sub.ref} waits for InstallPlan {sub.namespace}/{sub.plan_name}, which is gone",
        f"OLM makes no other one: {_make_again(sub, sub.installed_csv)}",
        8,
    )


def _plan_stuck(scene: SubscriptionScene) -> Obstacle | None:
    plan, failed = scene.plan, scene.sub.condition("InstallPlanFailed")
    if plan is None:
        return None
    if plan.phase == "Failed":
        return Obstacle(
            "InstallPlanFailed",
            f"{plan.ref} Failed: {plan.message or (failed.message if failed else 'no message')}",
            f"remove what the message names, then {_make_again(scene.sub, *plan.csvs)}",
            0,
        )
    if plan.phase == "Installing" and plan.message.startswith("retrying execution"):
        # OLM tries for one minute with the same answer, then says Failed.
        return Obstacle(
            "InstallPlanFailed",
            f"{plan.ref}: {plan.message}",
            "the API server refuses an object of the operator's bundle: remove the cause or choose another version",
            8,
        )
    if plan.phase == "Installing":
        for condition in plan.conditions:
            if (condition.type, condition.status) == ("Installed", "False"):
                return Obstacle(
                    "InstallPlanBlocked",
                    f"{plan.ref}: {condition.reason}: {condition.message}",
                    f"look at the OperatorGroup of {plan.namespace} and its service account",
                    5,
                )
    if not plan.phase:
        # Approved before OLM wrote the phase: that plan never gets one, and new ones follow every 2 s.
        return Obstacle(
            "InstallPlanWithoutPhase",
            f"{plan.ref} has no phase" + (" and is approved" if plan.approved else ""),
            f"plans are approved from elsewhere before RequiresApproval; stop that, then {_make_again(scene.sub, scene.sub.installed_csv)}",
            10,
        )
    return None


_CSV_FAILED = {
    "UnsupportedOperatorGroup": (
        "give the namespace an OperatorGroup with an install mode that the operator supports (targetNamespaces), "
        "or subscribe in another namespace; OLM goes on by itself",
        5.0,
    ),
    "InterOperatorGroupOwnerConflict": (
        "the same operator is installed for all namespaces twice: delete one of the two Subscriptions and its ClusterServiceVersion",
        5.0,
    ),
    # Its Deployment was taken by another version; OLM reinstalls it by itself within seconds.
    "ComponentUnhealthy": ("look at the operator's Deployment", 60.0),
}


def _csv_failed(scene: SubscriptionScene) -> Obstacle | None:
    for csv in scene.waited_for:
        if csv.phase == "Failed":
            remedy, grace = _CSV_FAILED.get(
                csv.reason,
                (
                    "look at the operator's Deployment and pods; a version that cannot run blocks all later ones: delete the Subscription "
                    "and its ClusterServiceVersions and install a good version",
                    8.0,
                ),
            )
            return Obstacle(
                csv.reason or "CSVFailed", f"ClusterServiceVersion {scene.sub.namespace}/{csv.name} Failed: {csv.message}", remedy, grace
            )
    return None


def _csv_requirements(scene: SubscriptionScene) -> Obstacle | None:
    # Service accounts and CRDs of the same plan are missing for less than a second, on a busy machine for half a minute; a version stays.
    # A plan is carried out even while the Subscription names the next one already.
    if any(plan.phase == "Installing" for plan in (scene.plan, *scene.seen.plans) if plan is not None):
        return None
    for csv in scene.waited_for:
        if csv.phase == "Pending" and csv.reason == "RequirementsNotMet" and csv.unmet:
            broken = next((plan for plan in scene.seen.plans if plan.phase == "Failed" and csv.name in plan.csvs), None)
            if broken is not None:
                return Obstacle(
                    "InstallPlanFailed",
                    f"{broken.ref} of {csv.name} Failed: {broken.message or 'no message'}; therefore {'; '.join(csv.unmet)}",
                    f"remove what the message names, then {_make_again(scene.sub, csv.name)}",
                    8,
                )
            passing = all(text.startswith(("CustomResourceDefinition ", "ServiceAccount ")) for text in csv.unmet)
            return Obstacle(
                "RequirementsNotMet",
                f"ClusterServiceVersion {scene.sub.namespace}/{csv.name}: {'; '.join(csv.unmet)}",
                "meet the requirement, or choose a version of the operator that this cluster can run",
                90 if passing else 8,
            )
    return None


def _csv_gone(scene: SubscriptionScene) -> Obstacle | None:
    # A CSV that somebody deleted is not made again, while installedCSV still names it.
    sub = scene.sub
    if not sub.installed_csv or scene.seen.csv(sub.installed_csv) is not None:
        return None
    if scene.plan is not None and scene.plan.phase != "Complete" and sub.installed_csv in scene.plan.csvs:
        return None  # it is still to come
    if scene.seen.csv(sub.current_csv) is not None:
        # The next version is there and the Subscription lags behind: for 5 s in the real one, not for ever.
        return Obstacle(
            "SubscriptionLags",
            f"{sub.ref} still names {sub.installed_csv}, which is gone, while {sub.current_csv} is there",
            f"{_touch(sub)}, so that OLM looks again; look at the log of catalog-operator",
            30,
        )
    return Obstacle(
        "CSVDeleted",
        f"{sub.ref} has installed {sub.installed_csv}, but that ClusterServiceVersion was deleted",
        f"OLM does not make it again: {_make_again(sub)}",
        8,
    )


def _pods(scene: SubscriptionScene) -> Obstacle | None:
    # OLM itself says Failed only after 300 s; why a pod does not start is known at once.
    for csv in scene.waited_for:
        for pod in scene.seen.pods if csv.phase in {"Installing", "Failed"} else ():
            ours = any(pod.name.startswith(f"{name}-") for name in csv.deployments)
            if ours and pod.trouble:
                return Obstacle(
                    pod.trouble,
                    f"Pod {scene.sub.namespace}/{pod.name} of {csv.name}: {pod.trouble}: {pod.message}",
                    "repair what the message names (image, pull secret, node selector, capacity)",
                    30 if pod.trouble == "Unschedulable" else 10,
                )
    return None


def _unpack(scene: SubscriptionScene) -> Obstacle | None:
    failed = scene.sub.condition("BundleUnpackFailed")
    if failed is None:
        return None
    return Obstacle(
        "BundleUnpackFailed",
        f"{scene.sub.ref}: {failed.reason}: {failed.message}",
        "look at the unpack job in the catalogue's namespace (image pull, mirror); delete it and the Subscription to try again",
        10,
    )


def _silence(scene: SubscriptionScene) -> Obstacle | None:
    if scene.sub.state or scene.sub.conditions or scene.plan:
        return None
    return Obstacle(
        "OLMSilent",
        f"OLM has not written anything about {scene.sub.ref}",
        "look whether olm-operator and catalog-operator run (openshift-operator-lifecycle-manager)",
        30,
    )


ROWS: tuple[ObstacleCheck, ...] = (
    _operator_group,
    _plan_stuck,
    _csv_failed,
    _pods,
    _catalog,
    _resolution,
    _unpack,
    _plan_lost,
    _csv_gone,
    _csv_requirements,
    _silence,
)


def find(seen: Observation, plan: InstallPlan | None) -> list[Obstacle]:
    """Every cause that shows now, the nearest first."""
    if seen.subscription is None:
        return []
    scene = SubscriptionScene(seen, seen.subscription, plan)
    return [obstacle for row in ROWS if (obstacle := row(scene)) is not None]
