# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The versions of what is not a proxy: operators, control planes, revisions, tags, node components, CRDs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._model import kinds as k
from .._model.mesh_config import named_revision
from .._model.versions import image_version
from .._model.view import Obj, View, ref
from .._olm.checks import MESH_PACKAGES
from .._olm.model import Csv, InstallPlan, Subscription

__all__ = [
    "GRACE_DEFAULT",
    "Component",
    "ControlPlane",
    "Crd",
    "Operator",
    "Revision",
    "Tag",
    "components_of",
    "control_planes_of",
    "crds_of",
    "image_versions",
    "offered_versions",
    "operators_of",
    "revisions_of",
    "tags_of",
]

GRACE_DEFAULT = 30  # seconds; the default of inactiveRevisionDeletionGracePeriodSeconds in the Istio CRD
_CRD_GROUPS = (".istio.io", "sailoperator.io", "maistra.io", "gateway.networking.k8s.io")
_BUNDLE = "gateway.networking.k8s.io/bundle-version"
# `images.v1_24_3.proxy` of the Sail operator, `olm.relatedImage.v2_6.proxyv2` of Maistra's.
_IMAGE_NOTE = re.compile(r"(?:images|olm\.relatedImage)\.v(\d+(?:_\d+)+[\w.\-]*?)\.(\S+)")


@dataclass(frozen=True)
class Operator:
    """An operator of the mesh or of its observability, as OLM installs it."""

    package: str
    namespace: str
    subscription: str
    channel: str
    approval: str
    catalog: str
    installed_csv: str
    phase: str  # of the installed CSV; Succeeded means that it works
    next_csv: str  # the hop that OLM resolved; equal to installed_csv where there is none
    pending: InstallPlan | None = None  # waits for approval
    head: str = ""  # the channel's newest CSV, where the source has the PackageManifest
    hops: tuple[str, ...] = ()  # the CSVs of the channel, oldest first, as far as known

    @property
    def ref(self) -> str:
        return ref(k.SUBSCRIPTION, self.subscription, self.namespace)


@dataclass(frozen=True)
class ControlPlane:
    """An Istio or a ServiceMeshControlPlane."""

    kind: str
    name: str
    namespace: str  # where istiod runs
    version: str  # as it was asked for; may be an alias
    strategy: str = "InPlace"
    grace_seconds: int | None = None  # None: not set, so GRACE_DEFAULT
    update_workloads: bool | None = None
    active_revision: str = ""
    profile: str = ""
    running: str = ""  # the version that the operator says it has installed

    @property
    def ref(self) -> str:
        return ref(self.kind, self.name, self.namespace if self.ossm2 else None)

    @property
    def ossm2(self) -> bool:
        return self.kind == k.SMCP.kind

    @property
    def revision_based(self) -> bool:
        return self.strategy == "RevisionBased"


@dataclass(frozen=True)
class Revision:
    """One istiod: an IstioRevision, a ServiceMeshControlPlane's, or a Deployment that no operator of these made."""

    name: str
    namespace: str
    version: str
    control_plane: str  # the name of its Istio or ServiceMeshControlPlane; empty if none owns it
    made_by: str  # IstioRevision, ServiceMeshControlPlane or Deployment
    deployment: str = ""  # istiod's; empty if it is not there
    replicas: int = 0
    ready: bool = False
    in_use: bool | None = None

    @property
    def ref(self) -> str:
        kind = k.ISTIO_REVISION.kind if self.made_by == k.ISTIO_REVISION.kind else self.made_by
        name = self.deployment if self.made_by == k.DEPLOYMENT.kind else self.name
        return ref(kind, name, None if kind == k.ISTIO_REVISION.kind else self.namespace)


@dataclass(frozen=True)
class Tag:
    """A revision tag: of the Sail operator, or one that istioctl made (a webhook only)."""

    name: str
    target_kind: str  # Istio, IstioRevision; MutatingWebhookConfiguration for istioctl's
    target: str
    revision: str  # what it leads to now; empty while the operator has not said so
    in_use: bool | None = None

    @property
    def ref(self) -> str:
        return ref(k.ISTIO_REVISION_TAG, self.name) if self.target_kind != k.MUTATING_WEBHOOK.kind else ref(k.MUTATING_WEBHOOK, self.target)


@dataclass(frozen=True)
class Component:
    """IstioCNI or ZTunnel."""

    kind: str
    name: str
    namespace: str
    version: str
    running: str  # the version of its DaemonSet's image
    nodes: int = 0
    ready: bool = False

    @property
    def ref(self) -> str:
        return ref(self.kind, self.name)


@dataclass(frozen=True)
class Crd:
    """A CRD of the mesh with the versions that it serves."""

    name: str
    served: tuple[str, ...]
    storage: str
    deprecated: tuple[str, ...]
    bundle: str  # Gateway API's own version


def image_versions(view: View) -> dict[str, str]:
    """Image to version, as the operators' own annotations say: the vendor's images have digests instead of tags."""
    found: dict[str, str] = {}
    for notes in _notes(view):
        for key, image in notes.items() if isinstance(notes, Mapping) else ():
            match = _IMAGE_NOTE.fullmatch(key)
            if match:
                found.setdefault(str(image).strip('"'), match.group(1).replace("_", "."))
    return found


def offered_versions(view: View) -> tuple[str, ...]:
    """The versions of Istio for which an operator of the Sail family has images; those that it dropped are not among them."""
    keys = (key for notes in _notes(view) for key in notes if key.startswith("images."))
    found = {match.group(1).replace("_", ".") for match in map(_IMAGE_NOTE.fullmatch, keys) if match}
    return tuple(sorted(found))


def _notes(view: View) -> Iterator[Mapping[str, Any]]:
    for row in view.of(k.DEPLOYMENT):
        yield row.at("spec", "template", "metadata", "annotations", default={})
    for row in view.of(k.CSV):
        if row.at("status", "reason") == "Copied":
            continue
        for deployment in row.items("spec", "install", "spec", "deployments"):
            yield Obj.from_dict(k.DEPLOYMENT, deployment).at("spec", "template", "metadata", "annotations", default={})


# operators


def operators_of(view: View) -> tuple[Operator, ...]:
    """Every operator of a mesh package, with the plan that waits for it."""
    csvs = {(row.namespace, row.name): row for row in view.of(k.CSV) if not Csv.copied(row.raw)}
    plans = [InstallPlan.from_dict(row.raw) for row in view.of(k.INSTALL_PLAN)]
    found = []
    for row in view.of(k.SUBSCRIPTION):
        sub = Subscription.from_dict(row.raw)
        if sub.package not in MESH_PACKAGES:
            continue
        csv = csvs.get((sub.namespace, sub.installed_csv))
        found.append(
            Operator(
                package=sub.package,
                namespace=sub.namespace,
                subscription=sub.name,
                channel=sub.channel,
                approval=sub.approval,
                catalog=f"{sub.source_namespace}/{sub.source}",
                installed_csv=sub.installed_csv,
                phase=str(csv.at("status", "phase", default="")) if csv is not None else "",
                next_csv=sub.current_csv or sub.installed_csv,
                pending=_pending(sub, plans),
                **_channel(view, sub),
            )
        )
    return tuple(sorted(found, key=lambda row: (row.namespace, row.package)))


def _pending(sub: Subscription, plans: Iterable[InstallPlan]) -> InstallPlan | None:
    """The plan that the Subscription names, by uid, while it waits for approval."""
    plan = next((row for row in plans if row.namespace == sub.namespace and sub.plan_name and row.name == sub.plan_name), None)
    if plan is None or (sub.plan_uid and plan.uid and plan.uid != sub.plan_uid):
        return None
    return plan if plan.phase == "RequiresApproval" and not plan.approved else None


def _channel(view: View, sub: Subscription) -> dict[str, Any]:
    """Head and hops of the channel, where the source has the PackageManifest."""
    for row in view.of(k.PACKAGE_MANIFEST):
        same = row.at("status", "catalogSource", default=sub.source) == sub.source
        if row.name != sub.package or not same:
            continue
        wanted = sub.channel or row.at("status", "defaultChannel", default="")
        for channel in row.items("status", "channels"):
            if channel.get("name") == wanted:
                entries = [str(entry.get("name", "")) for entry in channel.get("entries") or []]
                return {"head": str(channel.get("currentCSV") or ""), "hops": tuple(reversed([name for name in entries if name]))}
    return {}


# control planes


def _whole(value: Any) -> int | None:
    """A number of seconds; of another type it is none, and the API would refuse it."""
    return value if isinstance(value, int) else None


def control_planes_of(view: View) -> tuple[ControlPlane, ...]:
    """All of the cluster, of both generations."""
    found = [
        ControlPlane(
            kind=k.ISTIO.kind,
            name=row.name,
            namespace=str(row.at("spec", "namespace", default="istio-system")),
            version=str(row.at("spec", "version", default="")),
            strategy=str(row.at("spec", "updateStrategy", "type", default="InPlace")),
            grace_seconds=_whole(row.at("spec", "updateStrategy", "inactiveRevisionDeletionGracePeriodSeconds")),
            update_workloads=row.at("spec", "updateStrategy", "updateWorkloads"),
            active_revision=str(row.at("status", "activeRevisionName", default="") or named_revision(row.raw)),
            profile=str(row.at("spec", "profile", default="")),
        )
        for row in view.of(k.ISTIO)
    ]
    found += [
        ControlPlane(
            kind=k.SMCP.kind,
            name=row.name,
            namespace=row.namespace,
            version=str(row.at("spec", "version", default="") or row.at("status", "appliedSpec", "version", default="")),
            active_revision=row.name,
            running=str(row.at("status", "chartVersion", default="")),
        )
        for row in view.of(k.SMCP)
    ]
    return tuple(sorted(found, key=lambda row: (row.kind, row.namespace, row.name)))


def revisions_of(view: View, images: Mapping[str, str]) -> tuple[Revision, ...]:
    """Every istiod that is there or should be."""
    istiods = {(row.namespace, _rev_of(row)): row for row in view.of(k.DEPLOYMENT) if _is_istiod(row)}
    found: list[Revision] = []
    for row in view.of(k.ISTIO_REVISION):
        namespace = str(row.at("spec", "namespace", default="istio-system"))
        condition = row.condition("InUse")
        found.append(
            Revision(
                name=row.name,
                namespace=namespace,
                version=str(row.at("spec", "version", default="")),
                control_plane=_owner(row, k.ISTIO.kind),
                made_by=k.ISTIO_REVISION.kind,
                in_use=None if condition is None or condition.status not in ("True", "False") else condition.true,
                **_deployed(istiods.pop((namespace, row.name), None)),
            )
        )
    for row in view.of(k.SMCP):
        istiod = istiods.pop((row.namespace, row.name), None) or view.get(k.DEPLOYMENT, f"istiod-{row.name}", row.namespace)
        version = str(row.at("spec", "version", default="") or row.at("status", "appliedSpec", "version", default=""))
        found.append(Revision(row.name, row.namespace, version, row.name, k.SMCP.kind, **_deployed(istiod)))
    for (namespace, name), row in istiods.items():
        found.append(Revision(name, namespace, _image_of(row, images), "", k.DEPLOYMENT.kind, **_deployed(row)))
    return tuple(sorted(found, key=lambda row: (row.namespace, row.name)))


def _is_istiod(row: Obj) -> bool:
    return row.labels.get("app") == "istiod" or row.at("spec", "template", "metadata", "labels", "app") == "istiod"


def _rev_of(row: Obj) -> str:
    return str(row.labels.get("istio.io/rev") or row.at("spec", "template", "metadata", "labels", "istio.io/rev") or "default")


def _deployed(row: Obj | None) -> dict[str, Any]:
    if row is None:
        return {}
    replicas = int(row.at("spec", "replicas", default=1))
    ready = int(row.at("status", "readyReplicas", default=0))
    return {"deployment": row.name, "replicas": replicas, "ready": 0 < replicas <= ready}


def _image_of(row: Obj, images: Mapping[str, str]) -> str:
    for container in row.items("spec", "template", "spec", "containers"):
        image = str(container.get("image", ""))
        if images.get(image) or image_version(image):
            return images.get(image) or image_version(image)
    return ""


def _owner(row: Obj, kind: str) -> str:
    return next((str(owner.get("name")) for owner in row.items("metadata", "ownerReferences") if owner.get("kind") == kind), "")


def tags_of(view: View, planes: Iterable[ControlPlane]) -> tuple[Tag, ...]:
    """The Sail operator's tags, and those that only webhooks stand for."""
    active = {row.name: row.active_revision for row in planes if not row.ossm2}
    found = {}
    for row in view.of(k.ISTIO_REVISION_TAG):
        kind, target = str(row.at("spec", "targetRef", "kind", default="")), str(row.at("spec", "targetRef", "name", default=""))
        condition = row.condition("InUse")
        said = str(row.at("status", "istioRevision", default=""))
        leads = said or (active.get(target, "") if kind == k.ISTIO.kind else target)
        found[row.name] = Tag(row.name, kind, target, leads, None if condition is None else condition.true)
    for row in view.of(k.MUTATING_WEBHOOK):
        name = row.labels.get("istio.io/tag")
        if name and name not in found:
            found[name] = Tag(name, k.MUTATING_WEBHOOK.kind, row.name, row.labels.get("istio.io/rev", ""))
    return tuple(found[name] for name in sorted(found))


def components_of(view: View, images: Mapping[str, str]) -> tuple[Component, ...]:
    """IstioCNI and ZTunnel, each with its DaemonSet."""
    found = []
    for kind, daemon in ((k.ISTIO_CNI, "istio-cni-node"), (k.Z_TUNNEL, "ztunnel")):
        for row in view.of(kind):
            namespace = str(row.at("spec", "namespace", default=""))
            node = view.get(k.DAEMON_SET, daemon, namespace)
            wanted = int(node.at("status", "desiredNumberScheduled", default=0)) if node is not None else 0
            ready = int(node.at("status", "numberReady", default=0)) if node is not None else 0
            found.append(
                Component(
                    kind=kind.kind,
                    name=row.name,
                    namespace=namespace,
                    version=str(row.at("spec", "version", default="")),
                    running=_image_of(node, images) if node is not None else "",
                    nodes=wanted,
                    ready=node is not None and ready >= wanted,
                )
            )
    return tuple(found)


def crds_of(view: View) -> tuple[Crd, ...]:
    """The CRDs of Istio, of its operators and of the Gateway API."""
    found = []
    for row in view.of(k.CRD):
        group = str(row.at("spec", "group", default=""))
        if not group.endswith(_CRD_GROUPS):
            continue
        versions = row.items("spec", "versions")
        found.append(
            Crd(
                name=row.name,
                served=tuple(str(item.get("name")) for item in versions if item.get("served", True)),
                storage=next((str(item.get("name")) for item in versions if item.get("storage")), ""),
                deprecated=tuple(str(item.get("name")) for item in versions if item.get("deprecated")),
                bundle=str(row.annotations.get(_BUNDLE, "")),
            )
        )
    return tuple(sorted(found, key=lambda row: row.name))
