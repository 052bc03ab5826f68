# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""When is an object done? A table of predicates; the facts behind each row are cited there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Protocol

from .objects import Ref, group_of

__all__ = ["Lookup", "Predicate", "Readiness", "TABLE", "is_judged", "judge", "still_there"]


@dataclass(frozen=True)
class Readiness:
    """ready, waiting or failed; a failure counts when it has stood for the grace time."""

    state: str
    reason: str = ""
    message: str = ""
    grace: float = 0.0

    @classmethod
    def ready(cls) -> Readiness:
        """Done."""
        return cls("ready", "Ready")

    @classmethod
    def waiting(cls, reason: str, message: str) -> Readiness:
        """Not done, and may get so."""
        return cls("waiting", reason, message)

    @classmethod
    def failed(cls, reason: str, message: str, *, grace: float = 0.0) -> Readiness:
        """Will not get done by waiting, once it has stood for grace seconds."""
        return cls("failed", reason, message, grace)


class Lookup(Protocol):
    """Related objects: a Snapshot, or the cluster itself."""

    def get(self, kind: str, name: str, namespace: str | None = None, *, group: str | None = None) -> dict[str, Any] | None:
        """One object or None."""
        ...  # pylint: disable=unnecessary-ellipsis

    def of(self, kind: str, *, group: str | None = None, namespace: str | None = None) -> list[dict[str, Any]]:
        """All objects of a kind."""
        ...  # pylint: disable=unnecessary-ellipsis


Predicate = Callable[[Mapping[str, Any], Lookup], Readiness]


@dataclass(frozen=True)
class _Condition:
    status: str
    reason: str
    message: str


def _condition(obj: Mapping[str, Any], kind: str) -> _Condition:
    for item in (obj.get("status") or {}).get("conditions") or []:
        if item.get("type") == kind:
            return _Condition(str(item.get("status")), item.get("reason") or kind, item.get("message") or "")
    return _Condition("", f"No{kind}Condition", f"no condition {kind} yet")


def _want(obj: Mapping[str, Any], kind: str) -> Readiness:
    """The condition is True; its own reason and message otherwise."""
    found = _condition(obj, kind)
    if found.status == "True":
        return Readiness.ready()
    return Readiness.waiting(found.reason, found.message or f"{kind} is {found.status}")


def _observed(obj: Mapping[str, Any]) -> Readiness | None:
    """None when the status belongs to this generation."""
    generation = obj["metadata"].get("generation")
    seen = (obj.get("status") or {}).get("observedGeneration")
    if generation is not None and seen != generation:
        return Readiness.waiting("NotObserved", f"its controller has seen generation {seen or 'none'} of {generation}")
    return None


def _deployment(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    late = _observed(obj)
    if late:
        return late
    status = obj.get("status") or {}
    wanted = (obj.get("spec") or {}).get("replicas", 1)
    progress = _condition(obj, "Progressing")
    if progress.reason == "ProgressDeadlineExceeded":
        return Readiness.failed(progress.reason, progress.message, grace=10.0)
    for field in ("updatedReplicas", "availableReplicas", "readyReplicas"):
        if (status.get(field) or 0) < wanted:
            return Readiness.waiting("RollingOut", f"{field} {status.get(field) or 0} of {wanted}")
    if (status.get("replicas") or 0) > wanted:
        return Readiness.waiting("RollingOut", f"{status['replicas'] - wanted} old replicas are still there")
    return Readiness.ready()


def _stateful_set(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    late = _observed(obj)
    if late:
        return late
    status = obj.get("status") or {}
    wanted = (obj.get("spec") or {}).get("replicas", 1)
    for field in ("readyReplicas", "updatedReplicas"):
        if (status.get(field) or 0) < wanted:
            return Readiness.waiting("RollingOut", f"{field} {status.get(field) or 0} of {wanted}")
    return Readiness.ready()


def _daemon_set(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    late = _observed(obj)
    if late:
        return late
    status = obj.get("status") or {}
    wanted = status.get("desiredNumberScheduled") or 0
    for field in ("updatedNumberScheduled", "numberAvailable"):
        if (status.get(field) or 0) < wanted:
            return Readiness.waiting("RollingOut", f"{field} {status.get(field) or 0} of {wanted}")
    return Readiness.ready()


def _namespace(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    phase = (obj.get("status") or {}).get("phase")
    if phase == "Terminating" or obj["metadata"].get("deletionTimestamp"):
        return Readiness.failed("Terminating", still_there(obj).message, grace=20.0)
    return Readiness.ready() if phase == "Active" else Readiness.waiting("NotActive", f"phase {phase}")


def _crd(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    names = _condition(obj, "NamesAccepted")
    if names.status == "False":
        return Readiness.failed(names.reason, names.message, grace=5.0)
    return _want(obj, "Established")


def still_there(obj: Mapping[str, Any]) -> Readiness:
    """Why an object that was deleted is not gone."""
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp"):
        return Readiness.waiting("NotDeleted", "nobody has deleted it, or somebody made it again")
    words = []
    if meta.get("finalizers"):
        words.append(f"finalizers remain: {', '.join(meta['finalizers'])}")
    if obj.get("kind") == "Namespace":
        for item in (obj.get("status") or {}).get("conditions") or []:
            if item.get("status") == "True":
                words.append(f"{item.get('reason')}: {item.get('message')}")
    return Readiness.waiting("Terminating", "; ".join(words) or f"being deleted since {meta['deletionTimestamp']}")


TABLE: dict[tuple[str, str], Predicate] = {
    ("", "Namespace"): _namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
}


def is_judged(ref: Ref) -> bool:
    """Kinds without a row are ready when they exist."""
    return (group_of(ref.api_version), ref.kind) in TABLE


def judge(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """The table's word on one object."""
    predicate = TABLE.get((group_of(obj["apiVersion"]), obj["kind"]))
    return predicate(obj, related) if predicate else Readiness.ready()
