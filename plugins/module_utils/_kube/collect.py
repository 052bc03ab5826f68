# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A snapshot of a cluster: one concurrent pass over all kinds that say something about a mesh."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .._errors import FetchError, Forbidden, KindMissing
from .._model.objects import group_of
from .._model.packages import KNOWN
from .._model.secrets_used import SECRET, SOURCES, secrets_used
from .._model.snapshot import Snapshot, trimmed, without_gc
from .client import Cluster

__all__ = ["GROUPS", "GROUP_TAILS", "KINDS", "collect", "read_secrets", "review"]

# exact kinds; their absence is noted
KINDS: tuple[tuple[str, str], ...] = (
    ("v1", "Namespace"),
    ("v1", "Node"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("sailoperator.io/v1", "Istio"),
    ("sailoperator.io/v1", "IstioCNI"),
    ("sailoperator.io/v1", "IstioRevision"),
    ("sailoperator.io/v1", "IstioRevisionTag"),
    ("sailoperator.io/v1", "ZTunnel"),
    ("maistra.io/v2", "ServiceMeshControlPlane"),
    ("maistra.io/v1", "ServiceMeshMemberRoll"),
    ("maistra.io/v1", "ServiceMeshMember"),
    ("operator.openshift.io/v1alpha1", "IstioCSR"),
    ("operators.coreos.com/v1alpha1", "CatalogSource"),
    ("operators.coreos.com/v1alpha1", "ClusterServiceVersion"),
    ("operators.coreos.com/v1alpha1", "InstallPlan"),
    ("operators.coreos.com/v1", "OperatorGroup"),
    ("operators.coreos.com/v1alpha1", "Subscription"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("networking.istio.io/v1", "Gateway"),
    ("networking.istio.io/v1", "ServiceEntry"),
    ("networking.istio.io/v1", "VirtualService"),
    ("security.istio.io/v1", "AuthorizationPolicy"),
    ("security.istio.io/v1", "PeerAuthentication"),
    ("route.openshift.io/v1", "Route"),
    ("jaegertracing.io/v1", "Jaeger"),
    ("kiali.io/v1alpha1", "Kiali"),
    ("monitoring.coreos.com/v1", "Prometheus"),
)
# whole groups: every kind that the API has in them
GROUPS = (
    "maistra.io", "sailoperator.io", "kiali.io", "jaegertracing.io", "gateway.networking.k8s.io", "tempo.grafana.com",
    "opentelemetry.io", "inference.networking.x-k8s.io",
)  # fmt: skip
GROUP_TAILS = (".istio.io", ".maistra.io")
_OLM = "operators.coreos.com"
_REVIEW = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}


@dataclass
class _ListedPart:
    objects: list[dict[str, Any]] = field(default_factory=list)
    missing: str = ""
    forbidden: tuple[str, str] | None = None


def _wanted(key: tuple[str, str], kinds: Collection[tuple[str, str]] | None) -> bool:
    return kinds is None or key in kinds


def _plan(
    cluster: Cluster, kinds: Collection[tuple[str, str]] | None, also: Collection[tuple[str, str]]
) -> tuple[list[tuple[str, str]], set[str]]:
    """What to list, in one version per kind, and the wanted kinds that the API does not have."""
    served: dict[tuple[str, str], str] = {}
    for (api_version, kind), resource in cluster.resources().items():
        if not resource.verbs or "list" in resource.verbs:
            served.setdefault((group_of(api_version), kind), api_version)
    listed: dict[tuple[str, str], str] = {}
    missing = set()
    for api_version, kind in KINDS:
        key = (group_of(api_version), kind)
        if not _wanted(key, kinds):
            continue
        if key not in served:
            missing.add(f"{api_version}/{kind}")
        else:
            listed[key] = api_version if (api_version, kind) in cluster.resources() else served[key]
    for key, api_version in served.items():
        if (key[0] in GROUPS or key[0].endswith(GROUP_TAILS)) and _wanted(key, kinds):
            listed.setdefault(key, api_version)
    return [*((api_version, kind) for (_group, kind), api_version in listed.items()), *also], missing


def _list(cluster: Cluster, what: tuple[str, str], namespace: str | None) -> _ListedPart:
    api_version, kind = what
    try:
        return _ListedPart(cluster.list(api_version, kind, namespace=namespace, trim=trimmed))
    except KindMissing:
        return _ListedPart(missing=f"{api_version}/{kind}")
    except Forbidden as exc:
        return _ListedPart(forbidden=(f"{api_version}/{kind}", str(exc)))


def review(cluster: Cluster, question: Mapping[str, Any]) -> dict[str, Any]:
    """One question to the API server's authorizer: may this user do that?"""
    resource, _slash, subresource = str(question.get("resource") or "").partition("/")
    attributes = {
        "verb": question["verb"],
        "group": question.get("group") or "",
        "resource": resource,
        "subresource": subresource,
        "namespace": question.get("namespace") or "",
        "name": question.get("name") or "",
    }
    spec = {
        "user": question["user"],
        "groups": list(question.get("groups") or []),
        "resourceAttributes": {key: value for key, value in attributes.items() if value},
    }
    status = cluster.create({**_REVIEW, "spec": spec}).get("status") or {}
    return {**question, "groups": spec["groups"], "allowed": bool(status.get("allowed")), "reason": status.get("reason") or ""}


def collect(
    cluster: Cluster,
    *,
    clock: Callable[[], datetime] | None = None,
    reviews: Iterable[Mapping[str, Any]] = (),
    namespaces: Sequence[str] = (),
    kinds: Collection[tuple[str, str]] | None = None,
    plane: str = "",
    members: Collection[str] | None = None,
    also: Collection[tuple[str, str]] = (),
) -> Snapshot:
    """Read everything once, several kinds at a time; namespaces limits the namespaced kinds, kinds (group, kind) what is read at all.

    also: further kinds (version, kind), which no check reads.

    Secrets are not listed: those that the mesh uses are read by their names, of the mesh of plane and members where these are known.
    It is taken at the time that the cluster's clock says, unless another clock is given.
    """
    taken_at = (clock or cluster.now)()
    plan, missing = _plan(cluster, kinds, also)
    jobs: list[tuple[tuple[str, str], str | None]] = []
    for what in plan:
        limited = namespaces and cluster.resource(*what).namespaced
        jobs += [(what, namespace) for namespace in namespaces] if limited else [(what, None)]
    with without_gc():
        parts = cluster.map(lambda job: _list(cluster, *job), jobs)
    forbidden = dict(part.forbidden for part in parts if part.forbidden)
    objects = [obj for part in parts for obj in part.objects]
    if _wanted((group_of(_MANIFEST[0]), _MANIFEST[1]), kinds):
        objects += _package_manifests(cluster, objects)
    if _wanted(SECRET, kinds):
        names = secrets_used(objects, plane=plane, members=members)
        found, refused = read_secrets(cluster, {one for one in names if not namespaces or one[0] in namespaces}, forbidden)
        objects += [trimmed(secret) for secret in found]
        forbidden |= refused
    answers, denied = _reviews(cluster, list(reviews))
    return Snapshot(
        cluster=cluster.name,
        taken_at=taken_at,
        source="cluster",
        server_version=cluster.server_version(),
        objects=tuple(objects),
        missing_kinds=frozenset(missing | {part.missing for part in parts if part.missing}),
        forbidden={**forbidden, **denied},
        reviews=tuple(answers),
    )


def read_secrets(
    cluster: Cluster, names: Collection[tuple[str, str]], forbidden: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Those of the names that are there, and what may not be read, as Snapshot.forbidden has it.

    forbidden: what could not be read before; where that names Secrets, none was looked for, which is not the same as none being there."""

    def one(key: tuple[str, str]) -> tuple[dict[str, Any] | None, str]:
        try:
            return cluster.get("v1", "Secret", key[1], key[0]), ""
        except Forbidden as exc:
            return None, str(exc)

    answers = cluster.map(one, sorted(names))
    texts = [text for _found, text in answers if text]
    more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
    refused = {"v1/Secret": texts[0] + more} if texts else _unknown_secrets(forbidden)
    return [found for found, _text in answers if found is not None], refused


def _unknown_secrets(forbidden: Mapping[str, str]) -> dict[str, str]:
    unread = [key for key in forbidden if (group_of(key.rpartition("/")[0]), key.rpartition("/")[2]) in SOURCES]
    return {"v1/Secret": f"which of them the mesh uses is not known: {forbidden[unread[0]]}"} if unread else {}


# Packages whose channels say how far an operator can go; the list of all packages of a catalog is many megabytes.
_PACKAGES = KNOWN | {"jaeger"}
_MANIFEST = ("packages.operators.coreos.com/v1", "PackageManifest")


def _package_manifests(cluster: Cluster, objects: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The channels of what is subscribed to; none where OLM's package server is away or may not be asked."""
    if _MANIFEST not in cluster.resources():
        return []
    specs = [obj.get("spec") or {} for obj in objects if obj.get("kind") == "Subscription" and group_of(obj["apiVersion"]) == _OLM]
    wanted = {(spec.get("sourceNamespace", ""), spec.get("name", "")) for spec in specs if spec.get("name") in _PACKAGES}

    def one(key: tuple[str, str]) -> dict[str, Any] | None:
        try:
            return cluster.get(*_MANIFEST, key[1], key[0])
        except FetchError:
            return None

    return [trimmed(found) for found in cluster.map(one, sorted(wanted)) if found is not None]


def _reviews(cluster: Cluster, questions: list[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The answers; none at all, with the reason, when we may not ask."""
    try:
        return cluster.map(lambda item: review(cluster, item), questions), {}
    except Forbidden as exc:
        return [], {f"{_REVIEW['apiVersion']}/{_REVIEW['kind']}": str(exc)}
