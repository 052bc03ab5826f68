# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which namespaces are in which mesh, as istiod and the operators decide it: member rolls, injection labels and tags, ambient, pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .._model import kinds as k
from .._model.fields import sections
from .._model.proxies import lives, proxy_container
from .._model.revisions import LABEL, Revisions, revision_of_pod
from .._model.selectors import matches
from .._model.view import Obj, View
from .model import DiscoveredMember
from .planes import FoundPlane

__all__ = ["TEMPLATES", "members_of"]

TEMPLATES = (k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET)
_MEMBER_OF, _IGNORED = "maistra.io/member-of", "maistra.io/ignore-namespace"
_AMBIENT = "istio.io/dataplane-mode"
_INJECTION = "istio-injection"


def members_of(view: View, plane: FoundPlane, planes: Sequence[FoundPlane], revisions: Revisions) -> tuple[DiscoveredMember, ...]:
    """The members of one mesh, by name; the control plane's own namespace is none. What is said first counts."""
    ways = _of_roll(view, plane) if plane.provider.value == "ossm2" else _of_labels(view, plane, planes, revisions)
    found: dict[str, DiscoveredMember] = {}
    homes = {one.namespace for one in planes}
    for row in ways:
        if row.namespace and row.namespace not in homes:
            found.setdefault(row.namespace, row)
    return tuple(found[name] for name in sorted(found))


def _of_roll(view: View, plane: FoundPlane) -> Iterator[DiscoveredMember]:
    for roll in view.of(k.SMMR, plane.namespace):
        configured = roll.items("status", "configuredMembers")
        for name in configured if roll.at("status") else roll.items("spec", "members"):
            if name != "*":
                yield DiscoveredMember(str(name), "roll", roll.ref)
        for space in view.of(k.NAMESPACE) if not roll.at("status") else ():
            if any(matches(selector, dict(space.labels)) for selector in sections(roll.items("spec", "memberSelectors"))):
                yield DiscoveredMember(space.name, "roll", roll.ref)
    yield from _of_whole_cluster(view, plane)
    for row in view.of(k.SMM) if view.source == "manifests" else ():
        if row.at("spec", "controlPlaneRef", "namespace") == plane.namespace:
            yield DiscoveredMember(row.namespace, "roll", row.ref)
    for row in view.of(k.NAMESPACE):
        if row.labels.get(_MEMBER_OF) == plane.namespace and row.labels.get(_IGNORED) != "true":
            yield DiscoveredMember(row.name, "label", row.ref)


def _of_whole_cluster(view: View, plane: FoundPlane) -> Iterator[DiscoveredMember]:
    """Of a control plane in the mode ClusterWide whose roll the source does not have: its operator makes one that selects by this label."""
    wide = plane.resource is not None and plane.resource.at("spec", "mode") == "ClusterWide"
    for space in view.of(k.NAMESPACE) if wide and not view.of(k.SMMR, plane.namespace) else ():
        if space.labels.get(_INJECTION) == "enabled":
            yield DiscoveredMember(space.name, "label", space.ref)


def _of_labels(view: View, plane: FoundPlane, planes: Sequence[FoundPlane], revisions: Revisions) -> Iterator[DiscoveredMember]:
    spaces = {row.name: row for row in view.of(k.NAMESPACE)}
    for row in spaces.values():
        asked = revisions.asked(row.name, row.labels, {})
        if asked and row.labels.get(_INJECTION) != "disabled" and _leads(plane, planes, asked):
            yield DiscoveredMember(row.name, "label", row.ref)
    for row in spaces.values():
        if row.labels.get(_AMBIENT) == "ambient" and (_leads(plane, planes, revisions.ztunnel) or len(planes) == 1):
            yield DiscoveredMember(row.name, "ambient", row.ref)
    yield from _of_pods(view, plane, planes)
    for where, labels, source in _templates(view):
        around = spaces[where].labels if where in spaces else {}
        asked = revisions.asked(where, around, labels)
        if asked and labels.get("sidecar.istio.io/inject") != "false" and _leads(plane, planes, asked):
            yield DiscoveredMember(where, "pods", source)


def _of_pods(view: View, plane: FoundPlane, planes: Sequence[FoundPlane]) -> Iterator[DiscoveredMember]:
    for pod in view.of(k.POD):
        if pod.labels.get("app") == "ztunnel" or proxy_container(pod.raw) is None or not lives(pod.raw):
            continue
        revision = revision_of_pod(pod.raw) or pod.labels.get(LABEL, "")
        if revision and _leads(plane, planes, revision):
            yield DiscoveredMember(pod.namespace, "pods", pod.ref)


def _templates(view: View) -> Iterator[tuple[str, dict[str, str], str]]:
    """Of manifests only: a cluster has the pods themselves."""
    rows = list(_rows(view))
    for row in rows if view.source == "manifests" else ():
        labels = row.at("spec", "template", "metadata", "labels", default={})
        if labels:
            yield row.namespace, {str(key): str(value) for key, value in labels.items()}, row.ref


def _rows(view: View) -> Iterable[Obj]:
    return (row for kind in TEMPLATES for row in view.of(kind))


def _leads(plane: FoundPlane, planes: Sequence[FoundPlane], revision: str) -> bool:
    """Whether a revision is this mesh's; of two meshes with one revision's name the first has it."""
    return revision in plane.names and next(one for one in planes if revision in one.names and one.provider.value != "ossm2") is plane
