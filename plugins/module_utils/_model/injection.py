# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Who injects what: labels, webhooks and proxies. Shared by several categories."""

from __future__ import annotations

from . import kinds as k
from .intent import Intent
from .istiods import istiods
from .mesh_config import istiod_deployment, named_revision, revision_of_istiod
from .proxies import INJECT, PROXY, proxy_container
from .selectors import matches
from .view import Obj, View

__all__ = [
    "INJECT",
    "INJECTION",
    "PROXY",
    "REVISION",
    "TAG",
    "active_revision",
    "control_plane",
    "injected_by",
    "injectors",
    "istiod_name",
    "istiod_of",
    "leads_somewhere",
    "mesh_revisions",
    "proxy_of",
    "revision_of_label",
    "should_be_injected",
]

REVISION = "istio.io/rev"
INJECTION = "istio-injection"
TAG = "istio.io/tag"


def control_plane(view: View, intent: Intent) -> Obj | None:
    """The object that stands for the control plane; without an operator that is its istiod."""
    if not intent.by_operator:
        return istiod_of(view, intent, intent.name)
    if intent.ossm2:
        return view.get(k.SMCP, intent.name, intent.namespace)
    return view.get(k.ISTIO, intent.name)


def active_revision(view: View, intent: Intent) -> str | None:
    """The revision that new proxies should have."""
    if not intent.by_operator:
        return intent.name
    plane = control_plane(view, intent)
    if plane is None:
        return None
    return plane.name if intent.ossm2 else str(plane.at("status", "activeRevisionName", default="") or named_revision(plane.raw))


def mesh_revisions(view: View, intent: Intent) -> set[str]:
    """All revisions of this mesh, the active one and those that are still kept."""
    if not intent.by_operator:
        return {one.revision for one in istiods(view) if one.namespace in ("", intent.namespace) and not one.ossm2}
    plane = control_plane(view, intent)
    if plane is None:
        return set()
    if intent.ossm2:
        return {plane.name}
    owned = {
        row.name
        for row in view.of(k.ISTIO_REVISION)
        if any(owner.get("kind") == "Istio" and owner.get("name") == plane.name for owner in row.items("metadata", "ownerReferences"))
    }
    active = active_revision(view, intent)
    return owned | ({active} if active else set())


def revision_of_label(view: View, label: str) -> str | None:
    """The IstioRevision that a label's value means, through a tag if it is one; None if there is neither."""
    tag = view.get(k.ISTIO_REVISION_TAG, label)
    if tag is not None:
        return str(tag.at("status", "istioRevision", default="") or "") or None
    return label if view.get(k.ISTIO_REVISION, label) is not None else None


def leads_somewhere(view: View, label: str) -> bool:
    """Whether a label's value means an istiod that is there, of whatever maker: a revision, or a tag of the operator, istioctl or Helm."""
    if revision_of_label(view, label) is not None or any(one.revision == label for one in istiods(view)):
        return True
    return any(row.labels.get(TAG) == label for row in view.of(k.MUTATING_WEBHOOK))


def istiod_of(view: View, intent: Intent, revision: str) -> Obj | None:
    """The Deployment of an istiod of this mesh."""
    named = view.get(k.DEPLOYMENT, istiod_name(intent, revision), intent.namespace)
    if named is not None or intent.by_operator:
        return named
    rows = (row for row in view.of(k.DEPLOYMENT, intent.namespace) if istiod_deployment(row.raw))
    return next((row for row in rows if revision_of_istiod(row.raw) == revision), None)


def istiod_name(intent: Intent, revision: str) -> str:
    """The Deployment and Service of istiod for a revision."""
    if intent.ossm2:
        return f"istiod-{intent.name}"
    return "istiod" if revision == "default" else f"istiod-{revision}"


def proxy_of(pod: Obj) -> Obj | None:
    """The proxy container's spec as an object; native sidecars are init containers."""
    return pod.once(_proxy)


def _proxy(pod: Obj) -> Obj | None:
    container = proxy_container(pod.raw)
    return None if container is None else Obj.part("Container", container)


def injectors(view: View) -> list[Obj]:
    """Webhook configurations that inject sidecars."""
    return [
        row
        for row in view.of(k.MUTATING_WEBHOOK)
        if row.labels.get("app") == "sidecar-injector"
        or any("sidecar-injector.istio.io" in str(hook.get("name", "")) for hook in row.items("webhooks"))
    ]


def injected_by(configurations: list[Obj], namespace: Obj, labels: dict[str, str]) -> list[Obj]:
    """The configurations of which at least one webhook takes a pod with these labels in this namespace."""
    # The API server sets this label on every namespace; a folder of manifests may not show it.
    namespace_labels = {"kubernetes.io/metadata.name": namespace.name, **namespace.labels}
    return [
        row
        for row in configurations
        if any(
            matches(hook.get("namespaceSelector"), namespace_labels) and matches(hook.get("objectSelector"), labels)
            for hook in row.items("webhooks")
        )
    ]


def should_be_injected(namespace: Obj, pod: Obj, intent: Intent) -> bool:
    """Whether injection is wanted for a pod; the pod's own word goes before the namespace's, and hostNetwork is never injected."""
    wish = pod.labels.get(INJECT, pod.annotations.get(INJECT, ""))
    if wish == "false" or pod.at("spec", "hostNetwork", default=False):
        return False
    if intent.ossm2:
        return wish == "true"
    if namespace.labels.get(INJECTION) == "disabled":
        return False
    return wish == "true" or namespace.labels.get(INJECTION) == "enabled" or REVISION in namespace.labels or REVISION in pod.labels
