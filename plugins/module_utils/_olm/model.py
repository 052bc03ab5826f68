# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OLM's objects, parsed once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.view import Condition

__all__ = ["Catalog", "Csv", "InstallPlan", "Observation", "OperatorGroup", "OperatorPod", "Subscription", "version_of"]

COPIED_LABEL = "olm.copiedFrom"
POD_TROUBLES = frozenset({"CrashLoopBackOff", "CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"})


def version_of(csv: str) -> tuple[int, ...] | None:
    """The version in a CSV's name, jaeger-operator.v1.65.0-4 -> (1, 65, 0, 4); None where the name has none."""
    found = re.search(r"\.v?(\d+(?:\.\d+)+)(?:[-+.](\d+))?(?:[-+.].*)?$", csv)
    return tuple(int(part) for part in [*found.group(1).split("."), *filter(None, [found.group(2)])]) if found else None


def _conditions(status: Mapping[str, Any]) -> tuple[Condition, ...]:
    return tuple(
        Condition(c.get("type", ""), c.get("status", ""), c.get("reason") or "", c.get("message") or "")
        for c in status.get("conditions") or []
    )


@dataclass(frozen=True)
class Subscription:
    """What was asked of OLM, and what it says about it."""

    namespace: str
    name: str
    uid: str
    package: str
    channel: str
    source: str
    source_namespace: str
    approval: str
    starting_csv: str
    state: str
    current_csv: str
    installed_csv: str
    plan_name: str
    plan_uid: str
    conditions: tuple[Condition, ...]

    @property
    def ref(self) -> str:
        return f"Subscription {self.namespace}/{self.name}"

    def condition(self, name: str) -> Condition | None:
        """The condition where it is True, else None."""
        return next((c for c in self.conditions if c.type == name and c.status == "True"), None)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Subscription:
        meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
        plan = status.get("installPlanRef") or {}
        return cls(
            namespace=meta.get("namespace", ""),
            name=meta["name"],
            uid=meta.get("uid", ""),
            package=spec.get("name", ""),
            channel=spec.get("channel") or "",
            source=spec.get("source", ""),
            source_namespace=spec.get("sourceNamespace", ""),
            approval=spec.get("installPlanApproval") or "Automatic",
            starting_csv=spec.get("startingCSV") or "",
            state=str(status.get("state") or ""),
            current_csv=str(status.get("currentCSV") or ""),
            installed_csv=str(status.get("installedCSV") or ""),
            plan_name=plan.get("name") or "",
            plan_uid=plan.get("uid") or "",
            conditions=_conditions(status),
        )


@dataclass(frozen=True)
class InstallPlan:
    """An InstallPlan; generation is spec.generation, OLM's own count per namespace."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    approval: str
    approved: bool
    csvs: tuple[str, ...]
    owners: frozenset[str]
    phase: str
    message: str
    conditions: tuple[Condition, ...]

    @property
    def ref(self) -> str:
        return f"InstallPlan {self.namespace}/{self.name}"

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> InstallPlan:
        meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
        return cls(
            namespace=meta.get("namespace", ""),
            name=meta["name"],
            uid=meta.get("uid", ""),
            resource_version=meta.get("resourceVersion", ""),
            generation=int(spec.get("generation") or 0),
            approval=spec.get("approval") or "",
            approved=bool(spec.get("approved")),
            csvs=tuple(spec.get("clusterServiceVersionNames") or ()),
            owners=frozenset(o.get("uid", "") for o in meta.get("ownerReferences") or []),
            phase=status.get("phase") or "",
            message=status.get("message") or "",
            conditions=_conditions(status),
        )


@dataclass(frozen=True)
class Csv:
    """A ClusterServiceVersion of the Subscription's own namespace."""

    name: str
    phase: str
    reason: str
    message: str
    replaces: str = ""
    skips: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()

    @staticmethod
    def copied(obj: Mapping[str, Any]) -> bool:
        """A copy that OLM puts into every namespace of an all-namespaces operator."""
        return COPIED_LABEL in (obj["metadata"].get("labels") or {}) or (obj.get("status") or {}).get("reason") == "Copied"

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Csv:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        unmet = tuple(
            f"{r.get('kind')} {r.get('name')}: {r.get('message') or r.get('status')}"
            for r in status.get("requirementStatus") or []
            if r.get("status") != "Present"
        )
        strategy = (spec.get("install") or {}).get("spec") or {}
        return cls(
            name=obj["metadata"]["name"],
            phase=status.get("phase") or "",
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            replaces=spec.get("replaces") or "",
            skips=tuple(spec.get("skips") or ()),
            unmet=unmet,
            deployments=tuple(d.get("name", "") for d in strategy.get("deployments") or []),
        )


@dataclass(frozen=True)
class OperatorGroup:
    """An OperatorGroup."""

    name: str
    service_account: str
    conditions: tuple[Condition, ...]

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> OperatorGroup:
        return cls(obj["metadata"]["name"], (obj.get("spec") or {}).get("serviceAccountName") or "", _conditions(obj.get("status") or {}))


@dataclass(frozen=True)
class Catalog:
    """A CatalogSource and how its connection is."""

    namespace: str
    name: str
    connection: str

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Catalog:
        state = ((obj.get("status") or {}).get("connectionState") or {}).get("lastObservedState") or ""
        return cls(obj["metadata"].get("namespace", ""), obj["metadata"]["name"], state)


@dataclass(frozen=True)
class OperatorPod:
    """Why a pod of an operator does not run; trouble is empty where nothing is wrong."""

    name: str
    trouble: str
    message: str

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> OperatorPod:
        status = obj.get("status") or {}
        for container in status.get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in POD_TROUBLES:
                return cls(obj["metadata"]["name"], waiting["reason"], waiting.get("message") or "")
        for condition in _conditions(status):
            if (condition.type, condition.status, condition.reason) == ("PodScheduled", "False", "Unschedulable"):
                return cls(obj["metadata"]["name"], "Unschedulable", condition.message)
        return cls(obj["metadata"]["name"], "", "")


@dataclass(frozen=True)
class Observation:
    """One reading of everything that decides about one Subscription."""

    subscription: Subscription | None
    neighbours: tuple[Subscription, ...] = ()
    plans: tuple[InstallPlan, ...] = ()
    csvs: tuple[Csv, ...] = ()
    groups: tuple[OperatorGroup, ...] = ()
    catalogs: tuple[Catalog, ...] = ()
    pods: tuple[OperatorPod, ...] = field(default=())

    def csv(self, name: str) -> Csv | None:
        return next((c for c in self.csvs if c.name == name), None)

    @classmethod
    def of(cls, name: str, namespace: str, objects: Mapping[str, Sequence[Mapping[str, Any]]]) -> Observation:
        """From lists of objects by kind; lists may hold more than this namespace's."""

        def here(kind: str) -> list[Mapping[str, Any]]:
            return [o for o in objects.get(kind, ()) if o["metadata"].get("namespace") == namespace]

        subscriptions = [Subscription.from_dict(o) for o in here("Subscription")]
        return cls(
            subscription=next((s for s in subscriptions if s.name == name), None),
            neighbours=tuple(s for s in subscriptions if s.name != name),
            plans=tuple(InstallPlan.from_dict(o) for o in here("InstallPlan")),
            csvs=tuple(Csv.from_dict(o) for o in here("ClusterServiceVersion") if not Csv.copied(o)),
            groups=tuple(OperatorGroup.from_dict(o) for o in here("OperatorGroup")),
            catalogs=tuple(Catalog.from_dict(o) for o in objects.get("CatalogSource", ())),
            pods=tuple(OperatorPod.from_dict(o) for o in here("Pod")),
        )
