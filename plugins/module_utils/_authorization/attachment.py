# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which policies a workload enforces: namespace, selector and targetRefs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .model import Mesh, PolicyTarget, TargetRef

__all__ = ["GATEWAY_NAME", "REVISION", "Attachable", "attaches", "selected", "unread", "why_not"]

REVISION = "istio.io/rev"
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"  # the label of a pod that the Gateway API made
_WAYPOINT_CLASS = "istio-waypoint"
_GATEWAY_API = "gateway.networking.k8s.io"
_GROUPS = {"Gateway": _GATEWAY_API, "GatewayClass": _GATEWAY_API, "Service": "", "ServiceEntry": "networking.istio.io"}


class Attachable(Protocol):
    """An AuthorizationPolicy, RequestAuthentication or another policy with these fields."""

    @property
    def namespace(self) -> str: ...
    @property
    def selector(self) -> Mapping[str, str] | None: ...
    @property
    def target_refs(self) -> Sequence[TargetRef]: ...
    @property
    def revision(self) -> str: ...


class Labelled(Protocol):
    """Any object that istiod reads or passes over."""

    @property
    def namespace(self) -> str: ...
    @property
    def revision(self) -> str: ...


def unread(obj: Labelled, mesh: Mesh, *, ztunnel: bool = False) -> str:
    """Why this istiod does not read the object at all, or not for ztunnel; empty if it does. A tag is no revision here."""
    other = bool(obj.revision and mesh.revision and obj.revision != mesh.revision)
    if other and (mesh.abilities.ambient_revisions or not ztunnel):
        return f"its label istio.io/rev is {obj.revision}, and the istiod of revision {mesh.revision} does not read it"
    if obj.namespace in mesh.undiscovered:
        return f"the discoverySelectors of istiod leave out its namespace {obj.namespace}"
    return ""


def selected(policy: Any, workload: PolicyTarget) -> bool:
    """Does the selector match? None and an empty one match every workload."""
    return all(workload.labels.get(key) == value for key, value in (policy.selector or {}).items())


def _is(ref: TargetRef, kind: str) -> bool:
    group = "" if ref.group == "core" else ref.group
    return ref.kind == kind and group == _GROUPS[kind]


def _refers(ref: TargetRef, policy: Attachable, workload: PolicyTarget, mesh: Mesh) -> bool:
    waypoint, can, service = workload.kind == "waypoint", mesh.abilities, workload.service
    if waypoint and service and service.name == ref.name and service.namespace == policy.namespace and _is(ref, service.kind):
        return service.kind == "Service" or can.service_entry_targets
    if waypoint and policy.namespace == mesh.root_namespace and _is(ref, "GatewayClass"):
        return ref.name == _WAYPOINT_CLASS and can.gateway_class_targets
    if can.gateway_namespace and workload.namespace != policy.namespace:
        return False
    return ref.namespace in ("", workload.namespace) and _is(ref, "Gateway") and ref.name == workload.labels[GATEWAY_NAME]


def _why_not_at_ztunnel(policy: Attachable, workload: PolicyTarget) -> str:
    """ztunnel follows no targetRefs and no labels of gateways; istiod takes the selector of a pod without labels for one of any."""
    if policy.target_refs:
        return "it has targetRefs, which only a gateway or waypoint follows"
    if workload.unlabelled and policy.selector:
        return ""
    return "" if selected(policy, workload) else "its selector does not match the labels"


def why_not(policy: Attachable, workload: PolicyTarget, mesh: Mesh) -> str:
    """Empty if the workload enforces the policy, otherwise the reason that it does not."""
    reason = unread(policy, mesh, ztunnel=workload.kind == "ztunnel")
    if reason:
        return reason
    service = workload.service.namespace if workload.kind == "waypoint" and workload.service else None
    if policy.namespace not in (mesh.root_namespace, workload.namespace, service):
        return f"its namespace is {policy.namespace}"
    if workload.kind == "ztunnel":
        return _why_not_at_ztunnel(policy, workload)
    if GATEWAY_NAME not in workload.labels:
        if policy.target_refs:
            return "it has targetRefs, which only a gateway or waypoint follows"
        return "" if selected(policy, workload) else "its selector does not match the labels"
    if policy.target_refs:
        return "" if any(_refers(ref, policy, workload, mesh) for ref in policy.target_refs) else "its targetRefs name something else"
    if workload.kind == "waypoint":
        return "a waypoint follows targetRefs only"
    if not mesh.gateway_selectors:
        return "selectors on Kubernetes gateways are switched off"
    return "" if selected(policy, workload) else "its selector does not match the labels"


def attaches(policy: Attachable, workload: PolicyTarget, mesh: Mesh) -> bool:
    """Does the workload enforce the policy?"""
    return not why_not(policy, workload, mesh)
