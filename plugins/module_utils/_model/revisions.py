# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which istiod a workload has its configuration from: what its proxies say, else what the labels ask the injector for.

A namespace or a pod may name a revision or a tag of one. An object of Istio may not: istiod compares its label istio.io/rev with the name
of its own revision only (config.LabelsInRevision in Istio's source).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .fields import entries, is_of, metadata_of, section
from .mesh_config import DEFAULT_REVISION, MeshConfig, expected_revision
from .proxies import INJECT, status_revision

__all__ = ["LABEL", "Revisions", "revision_of_pod", "revisions_of"]

LABEL = "istio.io/rev"
_TAG, _INJECTION = "istio.io/tag", "istio-injection"
_MEMBER_OF, _IGNORED = "maistra.io/member-of", "maistra.io/ignore-namespace"
_ADDRESSES = ("XDS_ADDRESS", "CA_ADDRESS")  # of ztunnel's environment


def revision_of_pod(pod: Mapping[str, Any]) -> str:
    """The revision that injected a running pod, by what the injector wrote into it; empty if it did not."""
    notes = section(pod, "metadata", "annotations")
    if notes.get(LABEL):
        return str(notes[LABEL])
    return status_revision(notes)


@dataclass(frozen=True)
class Revisions:
    """`tags`: of which revision each is one; `members`: namespaces of OpenShift Service Mesh 2 with their control plane's namespace."""

    configs: tuple[MeshConfig, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    ztunnel: str = ""

    def resolve(self, name: str) -> str:
        """The revision that a namespace's or pod's label means."""
        return self.tags.get(name, name)

    def asked(self, namespace: str, around: Mapping[str, Any], labels: Mapping[str, Any]) -> str:
        """The revision that the injector takes for a pod with these labels in a namespace with those; empty if nothing asks for one."""
        plane = self._ossm2(namespace, around)
        if plane:  # a pod on its way from OpenShift Service Mesh 2 to 3 says so itself
            own = self.resolve(str(labels.get(LABEL) or ""))
            return own if any(config.revision == own and not config.ossm2 for config in self.configs) else plane
        if around.get(_INJECTION) == "enabled":
            return self.resolve(DEFAULT_REVISION)
        named = around.get(LABEL) or labels.get(LABEL)
        if named:
            return self.resolve(str(named))
        return self.resolve(DEFAULT_REVISION) if str(labels.get(INJECT, "")).lower() == "true" else ""

    def _ossm2(self, namespace: str, around: Mapping[str, Any]) -> str:
        if str(around.get(_IGNORED, "")).lower() == "true":
            return ""
        where = str(around.get(_MEMBER_OF) or self.members.get(namespace) or namespace)
        return next((config.revision for config in self.configs if config.ossm2 and config.namespace == where), "")

    def config(self, revision: str, namespace: str, around: Mapping[str, Any]) -> MeshConfig | None:
        """The istiod of this revision for a namespace; of several of that name the one whose member the namespace is."""
        own = [config for config in self.configs if config.revision == revision]
        where = str(around.get(_MEMBER_OF) or self.members.get(namespace) or namespace)
        return next((config for config in own if config.namespace == where), own[0] if own else None)


def _tags(objects: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tags of the Sail operator and of Istio's charts, which make a webhook or a Service for each."""
    istios: dict[str, str] = {}
    found: dict[str, str] = {}
    made: list[Mapping[str, Any]] = []
    for obj in objects:
        if is_of(obj, "Istio", "sailoperator.io"):
            istios[metadata_of(obj, "name")] = expected_revision(obj).rstrip("-")
        elif is_of(obj, "IstioRevisionTag", "sailoperator.io"):
            made.append(obj)
        elif obj.get("kind") in ("MutatingWebhookConfiguration", "Service"):
            labels = section(obj, "metadata", "labels")
            if labels.get(_TAG) and labels.get(LABEL):
                found[str(labels[_TAG])] = str(labels[LABEL])
    for obj in made:
        target, name = section(obj, "spec", "targetRef"), str(section(obj, "spec", "targetRef").get("name") or "")
        meant = istios.get(name, "") if target.get("kind") == "Istio" else name
        revision = str(section(obj, "status").get("istioRevision") or "") or meant
        if revision:
            found[metadata_of(obj, "name")] = revision
    return found


def _members(objects: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for obj in objects:
        if is_of(obj, "ServiceMeshMemberRoll", "maistra.io"):
            found |= {str(name): metadata_of(obj, "namespace") for name in entries(section(obj, "spec").get("members"))}
        elif is_of(obj, "ServiceMeshMember", "maistra.io"):
            found[metadata_of(obj, "namespace")] = str(section(obj, "spec", "controlPlaneRef").get("namespace") or "")
    return found


def _ztunnel(objects: Iterable[Mapping[str, Any]]) -> str:
    """The revision of the istiod that ztunnel asks; empty where the source does not say."""
    for obj in objects:
        template, labels = section(obj, "spec", "template"), section(obj, "metadata", "labels")
        if not is_of(obj, "DaemonSet", "apps") or "ztunnel" not in (metadata_of(obj, "name"), labels.get("app")):
            continue
        for entry in (entry for box in entries(section(template, "spec").get("containers")) for entry in entries(section(box).get("env"))):
            host = str(section(entry).get("value") or "").split(".", maxsplit=1)[0]
            if section(entry).get("name") in _ADDRESSES and host.startswith("istiod"):
                return host.removeprefix("istiod").removeprefix("-") or DEFAULT_REVISION
        for place in (section(template, "metadata", "annotations"), section(template, "metadata", "labels"), labels):
            if place.get(LABEL):
                return str(place[LABEL])
    return ""


def revisions_of(objects: Iterable[Mapping[str, Any]], configs: Iterable[MeshConfig]) -> Revisions:
    """The revisions of a source, with their tags."""
    kept = [obj for obj in objects if isinstance(obj, Mapping)]
    return Revisions(tuple(configs), _tags(kept), _members(kept), _ztunnel(kept))
