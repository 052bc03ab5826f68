# SPDX-License-Identifier: GPL-3.0-or-later
"""What OLM's state machine sees, made of a few words: a Subscription, plans and ClusterServiceVersions of one namespace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.view import Condition
from ansible_collections.meshops.mesh.plugins.module_utils._olm.model import (
    Catalog,
    Csv,
    InstallPlan,
    Observation,
    OperatorGroup,
    OperatorPod,
    Subscription,
)

__all__ = ["NS", "condition", "csv", "plan", "seen", "sub"]

NS = "operators"


def condition(kind: str, reason: str = "", message: str = "", status: str = "True") -> Condition:
    return Condition(kind, status, reason, message)


def sub(name: str = "mesh", installed: str = "", current: str | None = None, *, plan: str = "", **more: Any) -> Subscription:
    """current: as installed where nothing is said; plan: the name of the plan that it refers to, whose uid is the same."""
    given: dict[str, Any] = {
        "package": name, "channel": "stable", "source": "catalogue", "source_namespace": "olm", "approval": "Manual", "starting_csv": "",
        "state": "", "conditions": (condition("CatalogSourcesUnhealthy", status="False"),), "uid": f"uid-{name}", **more}  # fmt: skip
    return Subscription(
        namespace=NS,
        name=name,
        current_csv=installed if current is None else current,
        installed_csv=installed,
        plan_name=plan,
        plan_uid=plan,
        **given,
    )


def plan(*csvs: str, name: str = "install-1", phase: str = "RequiresApproval", **more: Any) -> InstallPlan:
    given: dict[str, Any] = {
        "resource_version": "7",
        "generation": 1,
        "approval": "Manual",
        "approved": False,
        "owners": frozenset(),
        "message": "",
        "conditions": (),
        **more,
    }
    return InstallPlan(namespace=NS, name=name, uid=name, csvs=csvs, phase=phase, **given)


def csv(name: str, phase: str = "Succeeded", **more: Any) -> Csv:
    return Csv(name=name, phase=phase, **{"reason": "", "message": "", **more})


def seen(
    subscription: Subscription | None,
    *objects: Subscription | InstallPlan | Csv | OperatorPod,
    groups: Iterable[OperatorGroup] = (OperatorGroup("og", "", ()),),
    catalogs: Iterable[Catalog] = (Catalog("olm", "catalogue", "READY"),),
) -> Observation:
    """Further Subscriptions are neighbours."""

    def of(kind: type[Any]) -> tuple[Any, ...]:
        return tuple(obj for obj in objects if isinstance(obj, kind))

    return Observation(
        subscription,
        neighbours=of(Subscription),
        plans=of(InstallPlan),
        csvs=of(Csv),
        groups=tuple(groups),
        catalogs=tuple(catalogs),
        pods=of(OperatorPod),
    )
