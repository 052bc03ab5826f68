# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a layer may delete, what goes with it, and what only leaves the mesh. All is looked at before the first write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import ConfigError, Forbidden, KindMissing
from .._kube.client import Cluster
from .._model.contents import OUR_VOLUME, VOLUME, Contents, certificate_of, foreign_in, listed, trimmed
from .._model.diff import owned_fields
from .._model.leaving import has_our_fields, may_be_deleted, set_otherwise, still_enrolled, without
from .._model.objects import CREATED, LAYER, MANAGER, MESH, Ref, group_of, is_ours, made_by_us, owner_text, selector
from .._model.proxied import MeshIdentity, grouped, of_mesh
from .._model.secrets_used import SECRET
from .contents import contents_of, owners_of
from .meshed import namespaces_of, pods_of, revisions_of

__all__ = ["Allowed", "Removal", "look_again", "obstacles", "plan_removal", "release", "stale_objects"]

VOLUMES = "a volume, so it stays with its data; remove_volumes (mesh_remove_volumes for the roles) deletes those that we made"
NAMESPACES = "it stays, with all that is in it, and leaves the mesh; remove_namespaces (mesh_remove_namespaces for the roles) deletes it"
SHARED = "it was there before us: only our labels are taken off"
# kinds that controllers make from others, with the labels of their owners
_NEVER_PRUNED = frozenset(
    {
        "Event",
        "Pod",
        "ReplicaSet",
        "ControllerRevision",
        "Endpoints",
        "EndpointSlice",
        "Lease",
        "PodMetrics",
        "NodeMetrics",
        "PackageManifest",
    }
)

Live = dict[Ref, dict[str, Any]]


@dataclass(frozen=True)
class Removal:
    """What is deleted, what only loses our fields, what of ours stays, and what is not ours; all but the first with the reason."""

    delete: Live = field(default_factory=dict)
    release: dict[Ref, str] = field(default_factory=dict)
    keep: dict[Ref, str] = field(default_factory=dict)
    others: dict[Ref, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Allowed:
    """What may be deleted that others need, each by a switch of its own."""

    namespaces: bool = False
    volumes: bool = False
    control_planes: bool = False  # also while pods have their proxies


def plan_removal(cluster: Cluster, live: Live, mesh: str, allowed: Allowed) -> Removal:
    """Of what is there and not wanted. Raises ConfigError where something of others would go with it."""
    certificates = {(ref.namespace, ref.name) for ref in live if ref.kind == "Certificate"}
    plan = Removal()
    for ref, obj in live.items():
        if ref.kind == "Namespace":
            if may_be_deleted(obj, mesh) and allowed.namespaces:
                plan.delete[ref] = obj
            elif has_our_fields(obj, mesh):
                plan.release[ref] = NAMESPACES if may_be_deleted(obj, mesh) else SHARED
            elif not may_be_deleted(obj, mesh):
                plan.others[ref] = f"not ours: {owner_text(obj)}"
        elif not (made_by_us(obj, mesh) or (is_ours(obj, mesh) and (ref.namespace, certificate_of(obj)) in certificates)):
            plan.others[ref] = f"not ours: {owner_text(obj)}"
        elif (group_of(ref.api_version), ref.kind) == VOLUME and not allowed.volumes:
            plan.keep[ref] = VOLUMES
        else:
            plan.delete[ref] = obj
    _refuse(cluster, plan.delete, mesh, allowed)
    return plan


def _refuse(cluster: Cluster, doomed: Live, mesh: str, allowed: Allowed) -> None:
    """Deleting some kinds deletes more than the object: each row of the table says what."""
    found = _inside(cluster, doomed, mesh, allowed)
    guards: dict[tuple[str, str], Callable[[Cluster, Ref, Mapping[str, Any], str, Allowed], str]] = {
        ("apiextensions.k8s.io", "CustomResourceDefinition"): _objects_of_kind,
        ("operators.coreos.com", "OperatorGroup"): _subscriptions,
        ("apps", "StatefulSet"): _claims,
        ("sailoperator.io", "Istio"): _proxies,
        ("maistra.io", "ServiceMeshControlPlane"): _proxies,
    }
    for ref, obj in doomed.items():
        guard = guards.get((group_of(ref.api_version), ref.kind))
        text = guard(cluster, ref, obj, mesh, allowed) if guard else ""
        found += [text] if text else []
    if found:
        raise ConfigError(f"cluster {cluster.name}: nothing of this layer was changed: {'; '.join(found)}")


def _inside(cluster: Cluster, doomed: Live, mesh: str, allowed: Allowed) -> list[str]:
    names = [ref.name for ref in doomed if ref.kind == "Namespace"]
    inside = contents_of(cluster, names) if names else []
    return [text for contents in inside for text in obstacles(contents, mesh, volumes=allowed.volumes)]


def look_again(cluster: Cluster, doomed: Live, mesh: str, allowed: Allowed) -> None:
    """Just before namespaces go: what else was deleted may have taken minutes, in which somebody may have put something there."""
    found = _inside(cluster, doomed, mesh, allowed)
    if found:
        raise ConfigError(f"cluster {cluster.name}: no namespace was deleted, as something has come into it meanwhile: {'; '.join(found)}")


def obstacles(contents: Contents, mesh: str, *, volumes: bool = False) -> list[str]:
    """Why a namespace may not be deleted, as sentences."""
    found = []
    foreign = foreign_in(contents, mesh, volumes_may_go=volumes)
    if foreign:
        own = any(row.reason == OUR_VOLUME for row in foreign)
        found.append(
            f"Namespace {contents.namespace} has in it what is not ours to delete: {listed(foreign)}: move it or have its owner "
            "delete it, or leave the namespace there (without remove_namespaces, mesh_remove_namespaces for the roles)"
            + ("; volumes of ours go with remove_volumes (mesh_remove_volumes)" if own else "")
        )
    if contents.unknown:
        found.append(
            f"what is in Namespace {contents.namespace} cannot be known: {listed(contents.unknown)}: use a login that may list "
            "every kind in it (as metadata is enough), or leave the namespace there"
        )
    return found


def _others(cluster: Cluster, api_version: str, kind: str, mesh: str, namespace: str | None = None) -> list[Ref] | None:
    """Objects of a kind that are not ours; none where the API does not have it, None where it may not be listed."""
    try:
        rows = cluster.list(api_version, kind, namespace=namespace, metadata_only=True, trim=trimmed)
    except KindMissing:
        return []
    except Forbidden:
        return None
    return sorted(Ref.of(row) for row in rows if not made_by_us(row, mesh))


def _objects_of_kind(cluster: Cluster, ref: Ref, obj: Mapping[str, Any], mesh: str, _allowed: Allowed) -> str:
    """With a kind go all of its objects."""
    spec = obj.get("spec") or {}
    kind = str((spec.get("names") or {}).get("kind"))
    version = next((one["name"] for one in spec.get("versions") or [] if one.get("served")), "")
    left = _others(cluster, f"{spec.get('group')}/{version}", kind, mesh)
    if left is None:
        return f"{ref}: with it go all objects of the kind {kind}, which may not be listed: use a login that may"
    return f"{ref}: with it would go what is not ours: {listed(left)}: delete these first, or leave the kind there" if left else ""


def _subscriptions(cluster: Cluster, ref: Ref, _obj: Mapping[str, Any], mesh: str, _allowed: Allowed) -> str:
    """OLM looks after no Subscription of a namespace without an OperatorGroup."""
    left = _others(cluster, "operators.coreos.com/v1alpha1", "Subscription", mesh, ref.namespace)
    if left is None:
        return f"{ref}: the Subscriptions that need it may not be listed: use a login that may"
    return f"{ref}: operators of others need it: {listed(left)}: remove them first, or leave it there" if left else ""


def _claims(_cluster: Cluster, ref: Ref, obj: Mapping[str, Any], _mesh: str, allowed: Allowed) -> str:
    """A StatefulSet may be set to take its volumes along."""
    spec = obj.get("spec") or {}
    takes = (spec.get("persistentVolumeClaimRetentionPolicy") or {}).get("whenDeleted") == "Delete" and spec.get("volumeClaimTemplates")
    return (
        ""
        if allowed.volumes or not takes
        else (
            f"{ref}: its volumes go with it (spec.persistentVolumeClaimRetentionPolicy.whenDeleted is Delete): set that to Retain, or say "
            "remove_volumes (mesh_remove_volumes for the roles)"
        )
    )


def _proxies(cluster: Cluster, ref: Ref, obj: Mapping[str, Any], mesh: str, allowed: Allowed) -> str:
    """Without their control plane they drop out within a day; gateways beside it go with it or are made again."""
    if allowed.control_planes:
        return ""
    ossm2 = ref.kind != "Istio"
    home = ref.namespace or str((obj.get("spec") or {}).get("namespace") or "istio-system")
    revisions = frozenset({ref.name}) if ossm2 else revisions_of(cluster, ref.name)
    plane = MeshIdentity(mesh if ossm2 else "", ossm2, ref.name, home, frozenset(), revisions)
    pods = [pod for pod in of_mesh(pods_of(cluster), namespaces_of(cluster), plane) if pod["metadata"]["namespace"] != home]
    rows = grouped(pods, owners_of(cluster, pods)[0])
    return (
        ""
        if not rows
        else (
            f"{ref}: pods still have its proxy: {listed(rows)}: restart them under the other control plane first (restart_data_plane), "
            "or take the whole mesh away with remove_mesh"
        )
    )


def stale_objects(
    cluster: Cluster, keep: set[tuple[str, str, str | None, str]], mesh: str, layer: str, only: Collection[tuple[str, str]] = ()
) -> Live:
    """Objects of this mesh and layer that we applied once and that are no longer wanted; only: of these kinds, else of every kind."""
    kinds: dict[tuple[str, str], str] = {}
    for (api_version, kind), resource in cluster.resources().items():
        known = (group_of(api_version), kind)
        if kind not in _NEVER_PRUNED and {"list", "delete"} <= set(resource.verbs) and (not only or known in only):
            kinds.setdefault(known, api_version)

    def candidates(item: tuple[tuple[str, str], str]) -> list[dict[str, Any]]:
        # a namespace that others manage, too, has our labels without that of a manager
        labels = f"{MESH}={mesh},{LAYER}={layer}" if item[0] == ("", "Namespace") else selector(mesh, layer)
        try:
            return cluster.list(item[1], item[0][1], label_selector=labels, metadata_only=item[0] == SECRET)
        except KindMissing:
            return []

    found = [obj for part in cluster.map(candidates, kinds.items()) for obj in part]
    stale = {Ref.of(obj): obj for obj in found if owned_fields(obj, MANAGER) and not obj["metadata"].get("ownerReferences")}
    return {ref: obj for ref, obj in stale.items() if ref.identity not in keep and (ref.kind == "Namespace" or made_by_us(obj, mesh))}


def release(cluster: Cluster, ref: Ref, live: Mapping[str, Any], mesh: str, *, dry_run: bool) -> tuple[dict[str, Any], str]:
    """Gives back the fields that we set on a namespace that stays; how it is then, and what still is to do."""
    kept = {"annotations": {CREATED: "true"}} if may_be_deleted(live, mesh) else {}
    bare = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name, **kept}}
    result = cluster.apply(bare, field_manager=MANAGER, dry_run=dry_run)
    gone = set_otherwise(live)
    if any(gone.values()):
        if dry_run:
            result = without(result, gone)
        else:
            result = cluster.patch(bare, {"metadata": {part: dict.fromkeys(keys) for part, keys in gone.items() if keys}})
    return result, still_enrolled(result)
