# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whose a pod is: up its controllers as far as the source knows them, once for everybody who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .fields import name_of, namespace_of, section, sections
from .objects import group_of

__all__ = ["Owner", "Owners", "controller_of", "owner_of", "standard"]

# What people restart: the way up ends there, whatever made it. An operator's own kinds are climbed to the top.
_STANDARD = frozenset(
    {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("batch", "CronJob"), ("argoproj.io", "Rollout"),
     ("apps.openshift.io", "DeploymentConfig"), ("", "DeploymentConfig")}
)  # fmt: skip
# Their maker puts the hash of the template into the pods' labels, and behind the name: no list of ReplicaSets is needed.
_HASHED = (
    ("rollouts-pod-template-hash", "argoproj.io/v1alpha1", "Rollout"),
    ("pod-template-hash", "apps/v1", "Deployment"),
)
_CONFIG = "openshift.io/deployment-config.name"
_MOST = 8  # steps; a circle of owners ends there
Lookup = Callable[[str, str, str, str], "Mapping[str, Any] | None"]  # group, kind, namespace, name


@dataclass(frozen=True)
class Owner:
    """Who makes a pod. `names`: all that it is called on the way up, nearest first; `known`: the source has the object."""

    api_version: str
    kind: str
    namespace: str
    name: str
    names: tuple[str, ...] = ()
    known: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        return group_of(self.api_version), self.kind, self.namespace, self.name


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The reference to who makes an object: the controller, or the only owner where an operator does not say which one controls."""
    named = [row for row in sections(section(obj, "metadata").get("ownerReferences")) if row.get("kind") and row.get("name")]
    found = next((row for row in named if row.get("controller")), None)
    return found or (named[0] if len(named) == 1 and "controller" not in named[0] else None)


def standard(api_version: Any, kind: Any) -> bool:
    """Is this one of the kinds that people restart?"""
    return (group_of(str(api_version or "")), str(kind)) in _STANDARD


def _guessed(pod: Mapping[str, Any], reference: Mapping[str, Any], lookup: Lookup, namespace: str) -> tuple[str, str, str] | None:
    """Above a ReplicaSet, a ReplicationController or a Job that the source does not have: what the names and labels say."""
    kind, name, labels = str(reference["kind"]), str(reference["name"]), section(pod, "metadata", "labels")
    if kind == "ReplicaSet":
        for label, api_version, above in _HASHED:
            tail = f"-{labels.get(label)}"
            if labels.get(label) and name.endswith(tail) and name != tail:
                return api_version, above, name.removesuffix(tail)
        cut = name.rpartition("-")[0]
        for _label, api_version, above in reversed(_HASHED):
            if cut and lookup(group_of(api_version), above, namespace, cut) is not None:
                return api_version, above, cut
    config = str(section(pod, "metadata", "annotations").get(_CONFIG) or labels.get("deploymentconfig") or "")
    if kind == "ReplicationController" and config and name.startswith(f"{config}-"):
        return "apps.openshift.io/v1", "DeploymentConfig", config
    made, _dash, time = name.rpartition("-")
    if kind == "Job" and made and time.isdigit() and lookup("batch", "CronJob", namespace, made) is not None:
        return "batch/v1", "CronJob", made
    return None


def owner_of(pod: Mapping[str, Any], lookup: Lookup) -> Owner:
    """Up from a pod, or from anything that is made by something else, to what is known at the top; itself where nobody makes it."""
    namespace = namespace_of(pod)
    found = Owner(str(pod.get("apiVersion") or ""), str(pod.get("kind") or ""), namespace, name_of(pod), (), True)
    names: list[str] = []
    obj: Mapping[str, Any] | None = pod
    for _step in range(_MOST):
        reference = controller_of(obj) if obj is not None else None
        if reference is None or reference["kind"] == "Node":  # a static pod is its node's, and a workload by itself
            break
        above = (str(reference.get("apiVersion") or ""), str(reference["kind"]), str(reference["name"]))
        obj = lookup(group_of(above[0]), above[1], namespace, above[2])
        if obj is None or (controller_of(obj) is None and not standard(above[0], above[1])):
            guess = _guessed(pod, reference, lookup, namespace)
            if guess:
                above, obj = guess, lookup(group_of(guess[0]), guess[1], namespace, guess[2])
        found = Owner(above[0], above[1], namespace, above[2], (), obj is not None)
        names.append(above[2])
        if standard(above[0], above[1]):
            break
    return Owner(found.api_version, found.kind, found.namespace, found.name, tuple(dict.fromkeys(names)), found.known)


class Owners:
    """The way up inside a set of objects."""

    def __init__(self, objects: Iterable[Mapping[str, Any]]) -> None:
        self._objects: dict[tuple[str, str, str, str], Mapping[str, Any]] = {}
        for obj in objects:
            key = group_of(str(obj.get("apiVersion") or "")), str(obj.get("kind")), namespace_of(obj), name_of(obj)
            self._objects[key] = obj

    def lookup(self, group: str, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        found = self._objects.get((group, kind, namespace, name))
        if found is not None:
            return found
        # what names no namespace: of the whole cluster, or in a file; what is in `default` is another one
        bare = self._objects.get((group, kind, "default", name))
        return None if bare is None or section(bare, "metadata").get("namespace") else bare

    def of(self, pod: Mapping[str, Any]) -> Owner:
        return owner_of(pod, self.lookup)
