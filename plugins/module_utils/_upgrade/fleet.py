# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A mesh's fleet: every proxy with its version and revision, who owns its pod, and which revision its next pod would get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .._model import kinds as k
from .._model.injection import INJECT, INJECTION, REVISION, proxy_of
from .._model.proxies import PROXY, status_revision
from .._model.snapshot import Snapshot
from .._model.versions import image_version
from .._model.view import Obj, View, ref
from .planes import (
    Component,
    ControlPlane,
    Crd,
    Operator,
    Revision,
    Tag,
    components_of,
    control_planes_of,
    crds_of,
    image_versions,
    offered_versions,
    operators_of,
    revisions_of,
    tags_of,
)

__all__ = [
    "DEFAULT",
    "GATEWAY",
    "READS",
    "SIDECAR",
    "WAYPOINT",
    "Fleet",
    "FleetWorkload",
    "Proxy",
    "RestartOwner",
    "fleet_of",
    "fleet_of_view",
    "with_reports",
]

DEFAULT = "default"
GATEWAY, SIDECAR, WAYPOINT = "gateway", "sidecar", "waypoint"
_TEMPLATES = "inject.istio.io/templates"
_HASH = "pod-template-hash"
_MANAGED = "gateway.istio.io/managed"
_CLASS = "gateway.networking.k8s.io/gateway-class-name"
_MEMBER = "maistra.io/member-of"
_AMBIENT = "istio.io/dataplane-mode"
_CONTROLLERS = (k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET)
_RESTARTABLE = frozenset(kind.kind for kind in _CONTROLLERS)
_OVER = ("Succeeded", "Failed")
# All that a fleet is read from.
READS = (
    k.NAMESPACE,
    k.POD,
    *_CONTROLLERS,
    k.REPLICA_SET,
    k.JOB,
    k.MUTATING_WEBHOOK,
    k.CRD,
    k.SUBSCRIPTION,
    k.CSV,
    k.INSTALL_PLAN,
    k.PACKAGE_MANIFEST,
    k.ISTIO,
    k.ISTIO_REVISION,
    k.ISTIO_REVISION_TAG,
    k.ISTIO_CNI,
    k.Z_TUNNEL,
    k.SMCP,
    k.SMMR,
    k.SMM,
)


@dataclass(frozen=True, order=True)
class RestartOwner:
    """Who makes a pod anew: Deployment, StatefulSet, DaemonSet, Job, CronJob, another controller, or nobody (kind Pod)."""

    kind: str
    namespace: str
    name: str
    api_version: str = ""

    @property
    def ref(self) -> str:
        return ref(self.kind, self.name, self.namespace)

    @property
    def restartable(self) -> bool:
        """True where a change of the pod template makes new pods."""
        return self.kind in _RESTARTABLE


@dataclass(frozen=True)
class Proxy:
    """One proxy, in its pod."""

    namespace: str
    pod: str
    uid: str
    owner: RestartOwner
    role: str  # sidecar, gateway, waypoint
    revision: str  # of the istiod that injected it; empty where the pod does not say
    version: str  # empty where neither the image, the operator nor the proxy says so
    image: str
    version_from: str = ""  # image, operator, proxy
    node: str = ""
    ready: bool = False
    phase: str = ""
    created: str = ""

    @property
    def ref(self) -> str:
        return ref(k.POD, self.pod, self.namespace)


@dataclass(frozen=True)
class FleetWorkload:
    """The pods of one owner, as one restart moves them."""

    owner: RestartOwner
    role: str
    replicas: int  # wanted
    proxies: tuple[Proxy, ...]
    follows: str  # the word that decides at the next pod: a tag, a revision, a ServiceMeshControlPlane; empty: nobody injects
    next_revision: str  # where that word leads now; empty where it leads nowhere
    overruled: str = ""  # the pod's own istio.io/rev, which the namespace's labels make ineffective
    managed: bool = False  # rolled by istiod (Gateway API) or by Maistra (SMCP), nobody has to restart it
    labels: Mapping[str, str] = field(default_factory=dict)  # of its pods
    strategy: str = ""  # RollingUpdate, Recreate, OnDelete
    max_unavailable: str = ""
    max_surge: str = ""
    paused: bool = False
    min_ready_seconds: int = 0
    progress_deadline: int = 0

    @property
    def ref(self) -> str:
        return self.owner.ref

    @property
    def restartable(self) -> bool:
        return self.owner.restartable and not self.managed

    @cached_property
    def revisions(self) -> tuple[str, ...]:
        """The revisions of its proxies now."""
        return tuple(sorted({proxy.revision for proxy in self.proxies}))

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """The versions of its proxies now."""
        return tuple(sorted({proxy.version for proxy in self.proxies}))


@dataclass(frozen=True)
class Fleet:
    """Every version of one cluster's meshes."""

    cluster: str
    source: str
    kubernetes: str
    operators: tuple[Operator, ...]
    control_planes: tuple[ControlPlane, ...]
    revisions: tuple[Revision, ...]
    tags: tuple[Tag, ...]
    components: tuple[Component, ...]
    crds: tuple[Crd, ...]
    workloads: tuple[FleetWorkload, ...]
    ambient: tuple[str, ...] = ()  # namespaces whose pods go through ztunnel
    offered: tuple[str, ...] = ()  # the versions of Istio that the operator has images for; empty where it does not say

    @cached_property
    def proxies(self) -> tuple[Proxy, ...]:
        return tuple(proxy for workload in self.workloads for proxy in workload.proxies)

    def revision(self, name: str, namespace: str = "") -> Revision | None:
        return next((row for row in self.revisions if row.name == name and namespace in ("", row.namespace)), None)

    def revisions_of(self, plane: ControlPlane) -> tuple[Revision, ...]:
        """The revisions of one control plane, also those that are not active any more."""
        kind = k.SMCP.kind if plane.ossm2 else k.ISTIO_REVISION.kind
        return tuple(
            row
            for row in self.revisions
            if row.made_by == kind and row.control_plane == plane.name and (not plane.ossm2 or row.namespace == plane.namespace)
        )

    def names_of(self, plane: ControlPlane) -> frozenset[str]:
        """The names of its revisions, the active one in any case."""
        return frozenset({plane.active_revision, *(row.name for row in self.revisions_of(plane))} - {""})

    def workloads_of(self, plane: ControlPlane) -> tuple[FleetWorkload, ...]:
        """Workloads with a proxy of this control plane, or whose next pod would get one."""
        names = self.names_of(plane)
        return tuple(row for row in self.workloads if row.next_revision in names or names & set(row.revisions))


def fleet_of(snapshot: Snapshot) -> Fleet:
    """Everything that has a version, and everything that would have to be restarted."""
    return fleet_of_view(View(snapshot))


def fleet_of_view(view: View) -> Fleet:
    """The same for who reads other things of the same view."""
    return _FleetReader(view).fleet()


def with_reports(fleet: Fleet, versions: Mapping[tuple[str, str], str]) -> Fleet:
    """The same with what the proxies say themselves: (namespace, pod) to version. It goes before the image."""

    def told(proxy: Proxy) -> Proxy:
        said = versions.get((proxy.namespace, proxy.pod))
        return replace(proxy, version=said, version_from="proxy") if said else proxy

    workloads = tuple(replace(row, proxies=tuple(told(proxy) for proxy in row.proxies)) for row in fleet.workloads)
    return replace(fleet, workloads=workloads)


class _FleetReader:
    """One pass over a view."""

    def __init__(self, view: View) -> None:
        self.view = view
        for kind in READS:
            view.of(kind)  # whatever the objects are: what may not be read must be said, not only where it would matter
        self.images = image_versions(view)
        self.planes = control_planes_of(view)
        self.tags = tags_of(view, self.planes)
        self.revisions = revisions_of(view, self.images)
        self.namespaces = {row.name: row for row in view.of(k.NAMESPACE)}
        self.members = _members(view)
        self._leads = {row.name: row.name for row in self.revisions if row.made_by != k.SMCP.kind}
        # A source of manifests has no IstioRevisions: the operator would make the active one.
        self._leads |= {row.active_revision: row.active_revision for row in self.planes if not row.ossm2}
        self._leads |= {row.name: row.revision for row in self.tags}

    def fleet(self) -> Fleet:
        return Fleet(
            cluster=self.view.cluster,
            source=self.view.source,
            kubernetes=self.view.server_version or "",
            operators=operators_of(self.view),
            control_planes=self.planes,
            revisions=self.revisions,
            tags=self.tags,
            components=components_of(self.view, self.images),
            crds=crds_of(self.view),
            workloads=self.workloads(),
            ambient=tuple(sorted(name for name, row in self.namespaces.items() if row.labels.get(_AMBIENT) == "ambient")),
            offered=offered_versions(self.view),
        )

    # pods and their owners

    def owner(self, pod: Obj) -> RestartOwner:
        """Up from a pod to what somebody restarts."""
        found = _controller(pod)
        if found is None:
            return RestartOwner(k.POD.kind, pod.namespace, pod.name, "v1")
        if found.kind == k.REPLICA_SET.kind:
            return self._of_replica_set(pod, found)
        if found.kind == k.JOB.kind:
            job = self.view.get(k.JOB, found.name, pod.namespace)
            return (_controller(job) if job is not None else None) or found
        return found

    def _of_replica_set(self, pod: Obj, found: RestartOwner) -> RestartOwner:
        row = self.view.get(k.REPLICA_SET, found.name, pod.namespace)
        if row is not None:
            return _controller(row) or found
        # Sources that have no ReplicaSets: a Deployment names them after itself and the hash of its template.
        name = found.name.removesuffix(f"-{pod.labels.get(_HASH, '')}")
        if name != found.name and self.view.get(k.DEPLOYMENT, name, pod.namespace) is not None:
            return RestartOwner(k.DEPLOYMENT.kind, pod.namespace, name, "apps/v1")
        return found

    def proxy(self, pod: Obj, owner: RestartOwner) -> Proxy | None:
        container = proxy_of(pod)
        if container is None or pod.labels.get("app") == "ztunnel":
            return None
        image = str(container.at("image", default=""))
        told = self.images.get(image, "")
        version = told or image_version(image)
        statuses = pod.items("status", "containerStatuses") + pod.items("status", "initContainerStatuses")
        return Proxy(
            namespace=pod.namespace,
            pod=pod.name,
            uid=str(pod.at("metadata", "uid", default="")),
            owner=owner,
            role=_role(pod),
            revision=self.revision_of(pod),
            version=version,
            image=image,
            version_from=("operator" if told else "image") if version else "",
            node=str(pod.at("spec", "nodeName", default="")),
            ready=any(row.get("name") == PROXY and row.get("ready") for row in statuses),
            phase=str(pod.at("status", "phase", default="")),
            created=str(pod.at("metadata", "creationTimestamp", default="")),
        )

    def revision_of(self, pod: Obj) -> str:
        """The istiod that injected it: the injector's own note, the annotation, and the label, which may be a tag."""
        said = status_revision(pod.annotations) or str(pod.annotations.get(REVISION) or "")
        if said:
            return said
        label = str(pod.labels.get(REVISION, ""))
        return self._leads.get(label) or label

    # workloads

    def workloads(self) -> tuple[FleetWorkload, ...]:
        pods: dict[RestartOwner, list[Obj]] = {}
        proxies: dict[RestartOwner, list[Proxy]] = {}
        for pod in self.view.of(k.POD):
            if pod.deleting or pod.at("status", "phase") in _OVER:
                continue
            owner = self.owner(pod)
            found = self.proxy(pod, owner)
            if found is not None:
                pods.setdefault(owner, []).append(pod)
                proxies.setdefault(owner, []).append(found)
        rows = [self._workload(owner, proxies[owner], pods[owner][0]) for owner in pods]
        for kind in _CONTROLLERS:
            for row in self.view.of(kind):
                owner = RestartOwner(kind.kind, row.namespace, row.name, str(row.raw.get("apiVersion", "")))
                if owner not in pods:
                    without = self._workload(owner, [], None)
                    rows += [without] if without.follows else []
        return tuple(sorted(rows, key=lambda row: (row.owner.namespace, row.owner.kind, row.owner.name)))

    def _workload(self, owner: RestartOwner, proxies: list[Proxy], sample: Obj | None) -> FleetWorkload:
        kind = next((row for row in _CONTROLLERS if row.kind == owner.kind), None)
        row = self.view.get(kind, owner.name, owner.namespace) if kind is not None else None
        pod = _template(row) if row is not None else sample
        if pod is None:
            return FleetWorkload(owner, SIDECAR, 0, tuple(proxies), "", "")
        role = proxies[0].role if proxies else _role(pod)
        follows, leads, overruled = self._next(pod, sample)
        rolling = self._rolling(row) if row is not None else {"replicas": len(proxies)}
        return FleetWorkload(
            owner=owner,
            role=role,
            proxies=tuple(sorted(proxies, key=lambda proxy: proxy.pod)),
            follows=follows,
            next_revision=leads,
            overruled=overruled,
            managed=_rolled_by_others(pod, row),
            labels=pod.labels,
            **rolling,
        )

    @staticmethod
    def _rolling(row: Obj) -> dict[str, Any]:
        strategy = "strategy" if row.kind == k.DEPLOYMENT else "updateStrategy"
        daemons = row.kind == k.DAEMON_SET
        return {
            "replicas": int(row.at("status", "desiredNumberScheduled", default=0) if daemons else row.at("spec", "replicas", default=1)),
            "strategy": str(row.at("spec", strategy, "type", default="RollingUpdate")),
            "max_unavailable": str(row.at("spec", strategy, "rollingUpdate", "maxUnavailable", default="")),
            "max_surge": str(row.at("spec", strategy, "rollingUpdate", "maxSurge", default="")),
            "paused": bool(row.at("spec", "paused", default=False)),
            "min_ready_seconds": int(row.at("spec", "minReadySeconds", default=0)),
            "progress_deadline": int(row.at("spec", "progressDeadlineSeconds", default=0)),
        }

    def _next(self, pod: Obj, sample: Obj | None) -> tuple[str, str, str]:
        """(the word that decides, where it leads, the pod's word that does not count) for the next pod."""
        namespace = self.namespaces.get(pod.namespace) or Obj(k.NAMESPACE, "", pod.namespace, {}, {}, {})
        if _MANAGED in pod.labels or (sample is not None and _MANAGED in sample.labels):
            word = str(pod.labels.get(REVISION) or namespace.labels.get(REVISION) or DEFAULT)
            return word, self._leads.get(word, ""), ""
        wish = str(pod.labels.get(INJECT, pod.annotations.get(INJECT, ""))).lower()
        if wish == "false" or pod.at("spec", "hostNetwork", default=False) or namespace.labels.get(INJECTION) == "disabled":
            return "", "", ""
        own = str(pod.labels.get(REVISION, ""))
        word = DEFAULT if namespace.labels.get(INJECTION) == "enabled" else str(namespace.labels.get(REVISION, ""))
        if word:
            return word, self._leads.get(word, ""), own if own and own != word else ""
        member = self.members.get(pod.namespace, "")
        if member:
            return (member, member, "") if wish == "true" else ("", "", "")
        word = own or (DEFAULT if wish == "true" else "")
        return word, self._leads.get(word, ""), ""


def _controller(row: Obj) -> RestartOwner | None:
    """The owner that is in charge of it."""
    owners = [owner for owner in row.items("metadata", "ownerReferences") if isinstance(owner, Mapping)]
    found = next((owner for owner in owners if owner.get("controller")), owners[0] if owners else None)
    if found is None:
        return None
    return RestartOwner(str(found.get("kind", "")), row.namespace, str(found.get("name", "")), str(found.get("apiVersion", "")))


def _template(row: Obj) -> Obj:
    """The pod that this controller would make next."""
    template = row.at("spec", "template", default={})
    metadata = {**(template.get("metadata") or {}), "namespace": row.namespace, "name": row.name}
    return Obj.from_dict(k.POD, {"metadata": metadata, "spec": template.get("spec") or {}})


def _role(pod: Obj) -> str:
    """Waypoint, gateway or sidecar."""
    if str(pod.labels.get(_CLASS, "")).endswith("waypoint") or "mesh-controller" in pod.labels.get(_MANAGED, ""):
        return WAYPOINT
    containers = [container.get("name") for container in pod.items("spec", "containers")]
    templates = str(pod.annotations.get(_TEMPLATES, "")).split(",")
    return GATEWAY if "gateway" in templates or _MANAGED in pod.labels or containers == [PROXY] else SIDECAR


def _rolled_by_others(pod: Obj, row: Obj | None) -> bool:
    """istiod makes the Deployments of the Gateway API anew when its version changes; Maistra those of a ServiceMeshControlPlane."""
    if _MANAGED in pod.labels or (row is not None and _MANAGED in row.labels):
        return True
    return row is not None and any(owner.get("kind") == k.SMCP.kind for owner in row.items("metadata", "ownerReferences"))


def _members(view: View) -> dict[str, str]:
    """Namespace to ServiceMeshControlPlane, as the rolls, the members and the operator's own label say."""
    names = {row.namespace: row.name for row in view.of(k.SMCP)}
    found: dict[str, str] = {}
    for roll in view.of(k.SMMR):
        if roll.namespace in names:
            members: Iterable[Any] = roll.items("status", "configuredMembers") or roll.items("spec", "members")
            found |= {str(member): names[roll.namespace] for member in members}
    for member in view.of(k.SMM):
        home = str(member.at("spec", "controlPlaneRef", "namespace", default=""))
        if home in names:
            found.setdefault(member.namespace, names[home])
    for row in view.of(k.NAMESPACE):
        if row.labels.get(_MEMBER) in names:
            found.setdefault(row.name, names[row.labels[_MEMBER]])
    # The control plane's own namespace has its gateways.
    return {**names, **found}
