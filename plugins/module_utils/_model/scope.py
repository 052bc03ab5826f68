# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where an object is that does not say it: in the namespace `default`, where kubectl puts it, unless its kind has no namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from .fields import section, sections
from .objects import group_of

__all__ = ["DEFAULT", "in_their_namespaces", "is_namespaced", "strangers", "tells_of_a_mesh"]

DEFAULT = "default"
# Groups of which every kind is of the whole cluster.
_GROUPS = frozenset({
    "admissionregistration.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io", "config.openshift.io", "flowcontrol.apiserver.k8s.io",
    "machineconfiguration.openshift.io", "mesh.meshops.io", "node.k8s.io", "sailoperator.io", "scheduling.k8s.io", "storage.k8s.io",
    "user.openshift.io",
})  # fmt: skip
# Of the groups that have both.
_KINDS = frozenset({
    ("", "ComponentStatus"), ("", "Namespace"), ("", "Node"), ("", "PersistentVolume"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"), ("cert-manager.io", "ClusterIssuer"), ("console.openshift.io", "ConsolePlugin"),
    ("gateway.networking.k8s.io", "GatewayClass"), ("networking.k8s.io", "IPAddress"), ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("operators.coreos.com", "OLMConfig"), ("operators.coreos.com", "Operator"), ("project.openshift.io", "Project"),
    ("rbac.authorization.k8s.io", "ClusterRole"), ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("security.openshift.io", "SecurityContextConstraints"),
})  # fmt: skip
# Ends of the groups whose objects are about a mesh, whoever made it.
_MESH_GROUPS = ("istio.io", "sailoperator.io", "maistra.io", "gateway.networking.k8s.io", "kiali.io")
# What an object of another kind has about a mesh in its labels, annotations or containers.
_MESH_WORDS = ("istio", "maistra.io", "sailoperator.io")
# The one group with namespaces among those above.
_NAMESPACED = frozenset({("storage.k8s.io", "CSIStorageCapacity")})


def is_namespaced(group: str, kind: str, scopes: Mapping[tuple[str, str], bool] = MappingProxyType({})) -> bool:
    """Whether objects of a kind are in namespaces. scopes: of the definitions that the source has; else a name with Cluster says it."""
    if (group, kind) in scopes:
        return scopes[group, kind]
    if (group, kind) in _NAMESPACED:
        return True
    return group not in _GROUPS and (group, kind) not in _KINDS and not kind.startswith("Cluster")


def _scopes(objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], bool]:
    """What the definitions of a source say of their kinds."""
    found: dict[tuple[str, str], bool] = {}
    for obj in objects:
        spec = obj.get("spec")
        if obj.get("kind") == "CustomResourceDefinition" and isinstance(spec, Mapping) and isinstance(spec.get("names"), Mapping):
            found[str(spec.get("group")), str(spec["names"].get("kind"))] = spec.get("scope") != "Cluster"
    return found


def in_their_namespaces(objects: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects, each with the namespace that it gets when it is applied as it is."""
    rows = list(objects)
    scopes = _scopes(rows)
    return [obj if obj["metadata"].get("namespace") or not is_namespaced(group_of(obj["apiVersion"]), obj["kind"], scopes)
            else {**obj, "metadata": {**obj["metadata"], "namespace": DEFAULT}} for obj in rows]  # fmt: skip


def strangers(objects: Iterable[Mapping[str, Any]], ours: Iterable[str]) -> list[str]:
    """The namespaces of these objects where none of them is one of ours: whoever judges ours judges nothing. Else nothing.

    objects: as a source has them, each with its namespace; one that is a Namespace counts by its name."""
    found: set[str] = set()
    for obj in objects:
        meta = obj.get("metadata")
        if isinstance(meta, Mapping):
            found.add(str(meta.get("name" if obj.get("kind") == "Namespace" else "namespace") or ""))
    found.discard("")
    return [] if found & set(ours) else sorted(found)


def tells_of_a_mesh(obj: Mapping[str, Any]) -> bool:
    """Whether it is of a mesh, by its kind, its labels, annotations and those of its pods, or what it runs. A Secret may hold a CA."""
    if obj.get("kind") == "Secret" or group_of(str(obj.get("apiVersion") or "")).endswith(_MESH_GROUPS):
        return True
    template = section(obj, "spec", "template")
    for part in (obj, template):
        meta = section(part, "metadata")
        words = [*section(meta, "labels"), *section(meta, "annotations"), str(meta.get("name") or "")]
        containers = sections(section(part, "spec").get("containers"))
        words += [str(one.get("name") or "") for one in containers]
        if any(word in str(text) for text in words for word in _MESH_WORDS):
            return True
    return False
