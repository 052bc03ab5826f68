# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Sail operator's statuses are made of: versions, conditions, states, references. No I/O.

Order, reasons and messages follow sail-operator's source and a recording of the real one; conditions carry no observedGeneration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .base import now
from .charts import selects

__all__ = [
    "OLDEST_SUPPORTED",
    "References",
    "SailError",
    "ValidationError",
    "active_revision_name",
    "condition",
    "daemon_set_ready",
    "derive_state",
    "discovers",
    "find_condition",
    "istio_status",
    "istiod_ready",
    "labels_revision",
    "resolve",
    "set_condition",
]

Obj = dict[str, Any]
# Older minors stay valid in the CRD and fail as end-of-life.
OLDEST_SUPPORTED = (1, 27)
_VERSION = re.compile(r"^v(\d+)\.(\d+)(?:\.(\d+)(-[\w.]+)?|-latest)$")


class SailError(Exception):
    """A reconcile error; `reason` is that of the condition Reconciled, `retry` the seconds until the next try."""

    def __init__(self, message: str, *, reason: str = "ReconcileError", retry: float | None = 1.0) -> None:
        super().__init__(message)
        self.reason, self.retry = reason, retry


class ValidationError(SailError):
    """An error that no retry heals: only a change of the object, or of what it names, does."""

    def __init__(self, message: str) -> None:
        super().__init__(f"validation error: {message}", retry=None)


def _minor(version: str) -> tuple[int, int] | None:
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2])) if found else None


def resolve(version: str, supported: list[str]) -> str:
    """The version to install for spec.version; `supported` are the values that the CRD allows for an IstioRevision."""
    minor = _minor(version)
    if minor and minor < OLDEST_SUPPORTED:
        raise ValidationError(f'version "{version}" is end-of-life and cannot be installed; use a supported version')
    if version in supported:
        return version
    candidates = [v for v in supported if version.endswith("-latest") and _minor(v) == minor]
    if version == "master":
        candidates = [v for v in supported if "alpha" in v]
    if not candidates:
        raise SailError(f'version "{version}" not found')
    return max(candidates, key=_order)


def _order(version: str) -> tuple[int, int, int, bool]:
    found = _VERSION.match(version)
    # A release is newer than its own pre-releases.
    return (int(found[1]), int(found[2]), int(found[3] or 0), not found[4]) if found else (0, 0, 0, False)


def active_revision_name(istio: Obj) -> str:
    spec = istio["spec"]
    name: str = istio["metadata"]["name"]
    if (spec.get("updateStrategy") or {}).get("type") == "RevisionBased":
        return f"{name}-{spec['version'].replace('.', '-')}"
    return name


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Obj:
    """Empty reasons and messages are left out, as the operator's JSON does."""
    return {"type": kind, "status": status, **({"reason": reason} if reason else {}), **({"message": message} if message else {})}


def set_condition(conditions: list[Obj], new: Obj) -> list[Obj]:
    """conditions with new in the place of the one of its type; the time moves only when the status does."""
    out, placed = [], False
    for old in conditions:
        if old["type"] != new["type"]:
            out.append(old)
            continue
        placed = True
        out.append({**new, "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == new["status"] else now()})
    return out if placed else [*out, {**new, "lastTransitionTime": now()}]


def find_condition(obj: Obj, kind: str) -> Obj:
    for found in (obj.get("status") or {}).get("conditions") or []:
        if found["type"] == kind:
            return {k: v for k, v in found.items() if k != "lastTransitionTime"}
    return condition(kind, "Unknown")


def derive_state(*conditions: Obj) -> str:
    """The reason of the first condition that is not True."""
    for found in conditions:
        if found["status"] != "True":
            return str(found.get("reason", ""))
    return "Healthy"


def istiod_ready(deployment: Obj | None) -> Obj:
    """Only numbers of replicas count, neither generation nor updated ones: True in the middle of a roll-out, as in the real one."""
    if deployment is None:
        return condition("Ready", "False", "IstiodNotReady", "istiod Deployment not found")
    status = deployment.get("status") or {}
    if not status.get("replicas"):
        return condition("Ready", "False", "IstiodNotReady", "istiod Deployment is scaled to zero replicas")
    if status.get("readyReplicas", 0) < status["replicas"]:
        return condition("Ready", "False", "IstiodNotReady", "not all istiod pods are ready")
    return condition("Ready", "True", "Ready")


def daemon_set_ready(name: str, daemon_set: Obj | None) -> Obj:
    if daemon_set is None:
        return condition("Ready", "False", "DaemonSetNotReady", f"{name} DaemonSet not found")
    status = daemon_set.get("status") or {}
    if not status.get("currentNumberScheduled"):
        return condition("Ready", "False", "DaemonSetNotReady", f"no {name} pods are currently scheduled")
    if status.get("numberReady", 0) < status["currentNumberScheduled"]:
        return condition("Ready", "False", "DaemonSetNotReady", f"not all {name} pods are ready")
    return condition("Ready", "True", "Ready")


def istio_status(istio: Obj, revisions: list[Obj], error: SailError | None) -> Obj:
    """The Istio copies its active revision's conditions as they last were, whatever generation they describe."""
    status: Obj = {k: v for k, v in (istio.get("status") or {}).items() if k != "state"}
    conditions = list(status.get("conditions") or [])
    if error:
        fresh = [
            condition("Reconciled", "False", "ReconcileError", str(error)),
            condition("Ready", "Unknown", "ReconcileError", "cannot determine readiness due to reconciliation error"),
        ]
        state = "ReconcileError"
    else:
        name = status["activeRevisionName"] = active_revision_name(istio)
        active = next((rev for rev in revisions if rev["metadata"]["name"] == name), None)
        if active is None:
            missing = "ActiveRevisionNotFound", "active IstioRevision not found"
            fresh, state = [condition(kind, "False", *missing) for kind in ("Reconciled", "Ready")], missing[0]
        else:
            fresh = [find_condition(active, kind) for kind in ("Reconciled", "Ready", "DependenciesHealthy")]
            state = (active.get("status") or {}).get("state", "")
    for found in fresh:
        conditions = set_condition(conditions, found)
    counts = {kind: sum(find_condition(rev, kind)["status"] == "True" for rev in revisions) for kind in ("Ready", "InUse")}
    status.update(
        observedGeneration=istio["metadata"]["generation"],
        conditions=conditions,
        revisions={"total": len(revisions), "ready": counts["Ready"], "inUse": counts["InUse"]},
    )
    return {**status, **({"state": state} if state else {})}


def labels_revision(labels: dict[str, str]) -> str:
    """The revision that a namespace's labels name; istio-injection=enabled wins over istio.io/rev."""
    return "default" if labels.get("istio-injection") == "enabled" else labels.get("istio.io/rev", "")


def pod_asks(labels: dict[str, str]) -> str:
    if labels.get("sidecar.istio.io/inject") == "false":
        return ""
    return labels.get("istio.io/rev") or ("default" if labels.get("sidecar.istio.io/inject") == "true" else "")


@dataclass
class References:
    """Who names revisions and tags: namespaces by labels, pods by the annotation of their injection or by labels, tags by their target."""

    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)  # name: labels
    # (namespace, name): (revision injected, revision asked for)
    pods: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)  # name: status.istioRevision

    def _labelled(self, name: str) -> bool:
        return any(labels_revision(labels) == name for labels in self.namespaces.values())

    def _asked(self, namespace: str) -> bool:
        """Pod labels count only where the namespace is there and names nothing."""
        return namespace in self.namespaces and not labels_revision(self.namespaces[namespace])

    def revision_in_use(self, name: str) -> bool:
        if name in self.tags.values() or self._labelled(name):
            return True
        return any(
            namespace in self.namespaces and (injected == name or (asked == name and self._asked(namespace)))
            for (namespace, _pod), (injected, asked) in self.pods.items()
        )

    def tag_in_use(self, name: str) -> bool:
        asking = any(asked == name and self._asked(namespace) for (namespace, _pod), (_by, asked) in self.pods.items())
        return self._labelled(name) or asking

    @staticmethod
    def pod(obj: Obj) -> tuple[str, str] | None:
        """What counts of a pod; None when it is over."""
        if (obj.get("status") or {}).get("phase") == "Succeeded":
            return None
        meta = obj["metadata"]
        return (meta.get("annotations") or {}).get("istio.io/rev", ""), pod_asks(meta.get("labels") or {})


def in_use(used: bool) -> Obj:
    if used:
        return condition("InUse", "True", "ReferencedByWorkloads", "Referenced by at least one pod or namespace")
    return condition("InUse", "False", "NotReferencedByAnything", "Not referenced by any pod or namespace")


def discovers(selectors: list[Obj], labels: dict[str, str]) -> bool:
    """Whether an istiod with these discovery selectors looks at a namespace with these labels; the selectors are alternatives."""
    return not selectors or any(selects(selector, labels) for selector in selectors)
