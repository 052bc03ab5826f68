# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Workloads: whatever has pods. Pods are grouped by who makes them, of whatever kind; a kind counts that has a pod template anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .fields import name_of, namespace_of, section, sections, texts
from .objects import group_of
from .owners import Owner, Owners, controller_of, standard
from .proxies import PROXY

__all__ = ["PodGroup", "Shape", "groups_of", "may_have_pods"]

_DEPTH = 7  # of templates: a CronJob has three levels, a JobSet five
# No workloads, and many: nothing is looked for in them.
_NO_GROUP = frozenset(
    {"security.istio.io", "networking.istio.io", "telemetry.istio.io", "extensions.istio.io", "gateway.networking.k8s.io", "maistra.io",
     "sailoperator.io", "networking.k8s.io", "rbac.authorization.k8s.io", "policy", "admissionregistration.k8s.io", "autoscaling",
     "discovery.k8s.io", "operators.coreos.com", "packages.operators.coreos.com", "apiextensions.k8s.io", "route.openshift.io"}
)  # fmt: skip
_CORE = ("ReplicationController", "DeploymentConfig")  # all of the core group that has a template and makes pods of it
# They describe workloads of others, which come as objects of their own.
_NO_WORKLOAD = frozenset({("template.openshift.io", "Template"), ("argoproj.io", "Application"), ("argoproj.io", "ApplicationSet")})
_DONE = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Shape:
    """A pod, or a template of pods. `live`: it was made, so what it has is what there is; `where`: a template's place in its object."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, Any]
    spec: Mapping[str, Any]
    live: bool = False
    where: str = ""

    def containers(self) -> Iterator[Mapping[str, Any]]:
        """Those that stay: a sidecar may be an init container that does."""
        for word in ("containers", "initContainers"):
            yield from sections(self.spec.get(word))

    @property
    def account(self) -> str:
        return str(self.spec.get("serviceAccountName") or self.spec.get("serviceAccount") or "default")

    @property
    def host(self) -> bool:
        return bool(self.spec.get("hostNetwork"))

    @property
    def proxied(self) -> bool:
        """Is the proxy's container in it? `image: auto` is a place that injection fills; ztunnel's container has the same name."""
        found = any(row.get("name") == PROXY and (self.live or row.get("image") != "auto") for row in self.containers())
        return found and self.labels.get("app") != "ztunnel"


@dataclass
class PodGroup:
    """A workload: its templates, and its pods."""

    owner: Owner
    names: dict[str, None] = field(default_factory=dict)  # all that it may be called
    templates: list[Shape] = field(default_factory=list)
    pods: list[Shape] = field(default_factory=list)


def _shape(name: str, holder: Mapping[str, Any], *, live: bool = False, where: str = "") -> Shape:
    meta = section(holder, "metadata")
    return Shape(name, texts(meta.get("labels")), section(meta, "annotations"), section(holder, "spec"), live, where)


def _is_pod(value: Mapping[str, Any]) -> bool:
    """Does it hold a pod's spec, or that of a virtual machine of KubeVirt, which runs in a pod with these labels?"""
    spec = section(value, "spec")
    return bool(sections(spec.get("containers")) or section(spec, "domain"))


def _templates(value: Any, name: str, where: tuple[str, ...] = ()) -> Iterator[Shape]:
    """Each pod template below an object's spec, with its path."""
    if isinstance(value, Mapping):
        if where and _is_pod(value):
            yield _shape(name, value, where=".".join(where))
        elif len(where) < _DEPTH:
            for key, inner in value.items():
                if isinstance(inner, (Mapping, list)):
                    yield from _templates(inner, name, (*where, str(key)))
    elif isinstance(value, list) and len(where) < _DEPTH:
        for index, inner in enumerate(value):
            if isinstance(inner, Mapping):
                yield from _templates(inner, name, (*where, str(index)))


def _templates_of(obj: Mapping[str, Any], owners: Owners) -> list[Shape]:
    """What an object makes pods of. One of the kinds that people restart has a template even where nothing is said in it."""
    spec, name = section(obj, "spec"), name_of(obj)
    found = list(_templates(spec, name))
    if found:
        return found
    reference = section(spec, "workloadRef")  # Argo: the template is a Deployment's
    if reference:
        namespace = namespace_of(obj)
        other = owners.lookup(group_of(str(reference.get("apiVersion"))), str(reference.get("kind")), namespace, str(reference.get("name")))
        return list(_templates(section(other, "spec"), name))
    plain = standard(obj.get("apiVersion"), obj.get("kind")) and obj.get("kind") != "CronJob"
    return [_shape(name, section(spec, "template"), where="template")] if plain else []


def may_have_pods(obj: Mapping[str, Any]) -> bool:
    """Can an object of this kind be what pods are made of, or stand between them and what makes them?"""
    group, kind = group_of(str(obj.get("apiVersion") or "")), str(obj.get("kind"))
    return group not in _NO_GROUP and (bool(group) or kind in _CORE) and (group, kind) not in _NO_WORKLOAD


def _counts(obj: Mapping[str, Any]) -> bool:
    """Is this what pods are made of? What another object makes counts by its pods, but for the kinds that people know."""
    if not may_have_pods(obj) or not isinstance(obj.get("spec"), Mapping) or not name_of(obj) or _finished(obj):
        return False
    return standard(obj.get("apiVersion"), obj.get("kind")) or controller_of(obj) is None


def _finished(obj: Mapping[str, Any]) -> bool:
    """A Job that makes no pods any more."""
    told = {str(row.get("type")) for row in sections(section(obj, "status").get("conditions")) if row.get("status") == "True"}
    return obj.get("kind") == "Job" and bool(told & {"Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"})


def _live(pod: Mapping[str, Any]) -> bool:
    """Did it get past admission? In a folder a pod is as it was written, and injection is still to come."""
    meta = section(pod, "metadata")
    return bool(meta.get("uid") or section(pod, "status").get("phase") or section(pod, "spec").get("nodeName"))


def _gone(pod: Mapping[str, Any]) -> bool:
    return section(pod, "status").get("phase") in _DONE or bool(section(pod, "metadata").get("deletionTimestamp"))


def groups_of(objects: Iterable[Mapping[str, Any]]) -> list[PodGroup]:
    """The workloads of a source, those with a template first. Pods that are done or on their way out are left out."""
    kept = list(objects)
    owners = Owners(kept)
    found: dict[tuple[str, str, str, str], PodGroup] = {}
    borrowed: set[tuple[str, str, str, str]] = set()

    def group(owner: Owner) -> PodGroup:
        one = found.setdefault(owner.key, PodGroup(owner))
        one.names |= dict.fromkeys((owner.name, *owner.names))
        return one

    for obj in kept:
        if not _counts(obj):
            continue
        templates = _templates_of(obj, owners)
        if templates:
            own = Owner(str(obj.get("apiVersion") or ""), str(obj.get("kind")), namespace_of(obj), name_of(obj), owners.of(obj).names, True)
            group(own).templates += templates
            reference = section(obj, "spec", "workloadRef")
            if reference:
                group(own).names[str(reference.get("name"))] = None
                borrowed.add((group_of(str(reference.get("apiVersion"))), str(reference.get("kind")), own.namespace,
                              str(reference.get("name"))))  # fmt: skip
    for obj in kept:
        if obj.get("kind") == "Pod" and isinstance(obj.get("metadata"), Mapping) and not _gone(obj):
            group(owners.of(obj)).pods.append(_shape(str(obj["metadata"].get("name") or ""), obj, live=_live(obj)))
    return [one for key, one in found.items() if key not in borrowed or one.pods]
