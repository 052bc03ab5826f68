# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be deleted, what only leaves, what stays, and what goes with it: against a cluster of dictionaries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import LayerRequest, run
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_members_info import members_of, mesh_of, removing
from ansible_collections.meshops.mesh.plugins.module_utils._commands.removal import Allowed, plan_removal, stale_objects
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, Forbidden, KindMissing
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Resource
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import CREATED, LAYER, MANAGED_BY, MESH, Ref

Obj = dict[str, Any]
OURS = {MANAGED_BY: "meshops.mesh", MESH: "m", LAYER: "l"}
CRD, SAIL, OLM = "apiextensions.k8s.io/v1", "sailoperator.io/v1", "operators.coreos.com/v1alpha1"
ALL = Allowed(namespaces=True, volumes=True)


def thing(kind: str, name: str, api: str = "v1", namespace: str = "", **more: Any) -> Obj:
    meta, labels, by = more.pop("meta", {}), more.pop("labels", {}), more.pop("by", "kubectl")
    notes = meta.get("annotations", {})
    fields = {f"f:{part}": {f"f:{key}": {} for key in keys} for part, keys in (("labels", labels), ("annotations", notes))}
    return {
        "apiVersion": api,
        "kind": kind,
        **more,
        "metadata": {
            "name": name,
            "uid": f"{kind}/{name}",
            "labels": labels,
            **({"namespace": namespace} if namespace else {}),
            **meta,
            "managedFields": [{"manager": by, "operation": "Apply", "fieldsV1": {"f:metadata": fields}}],
        },
    }


def ours(kind: str, name: str, api: str = "v1", namespace: str = "", **more: Any) -> Obj:
    return thing(kind, name, api, namespace, by="meshops.mesh", labels={**OURS, **more.pop("labels", {})}, **more)


def made(name: str, **labels: str) -> Obj:
    return ours("Namespace", name, labels=labels, meta={"annotations": {CREATED: "true"}})


def owned_by(owner: Obj) -> Obj:
    return {
        "ownerReferences": [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ]
    }


@dataclass
class Dictionaries:
    """As much of Cluster as a removal uses."""

    objects: list[Obj]
    forbidden: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)
    name: str = "west"
    listed: list[tuple[str, str]] = field(default_factory=list)  # kind, and what of it was asked for

    def resources(self) -> dict[tuple[str, str], Resource]:
        verbs = ("list", "delete")
        return {
            (o["apiVersion"], o["kind"]): Resource(o["apiVersion"], o["kind"], "x", "namespace" in o["metadata"], verbs)
            for o in self.objects
        }

    def resource(self, api_version: str, kind: str) -> Resource:
        if (api_version, kind) not in self.resources():
            raise KindMissing(kind)
        return self.resources()[api_version, kind]

    def stale_groups(self) -> set[str]:
        return self.stale

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [fn(item) for item in items]

    def get(self, _version: str, kind: str, name: str, _namespace: str | None = None) -> Obj | None:
        return next((copy.deepcopy(o) for o in self.objects if (o["kind"], o["metadata"]["name"]) == (kind, name)), None)

    def list(
        self, _version: str, kind: str, *, namespace: str | None = None, trim: Any = None, metadata_only: bool = False, **_more: Any
    ) -> list[Obj]:
        self.listed.append((kind, "metadata" if metadata_only else "whole"))
        if kind in self.forbidden:
            raise Forbidden("no")
        rows = [o for o in self.objects if o["kind"] == kind and namespace in (None, o["metadata"].get("namespace"))]
        return [trim(o) if trim else copy.deepcopy(o) for o in rows]


def plan(cluster: Dictionaries, *doomed: Obj, allowed: Allowed = ALL) -> dict[str, str]:
    """What becomes of each, by kind and name."""
    cluster.objects += [one for one in doomed if one not in cluster.objects]
    removal = plan_removal(cluster, {Ref.of(one): one for one in doomed}, "m", allowed)  # type: ignore[arg-type]
    words = {"deleted": removal.delete, "released": removal.release, "kept": removal.keep, "others'": removal.others}
    return {str(ref): word for word, refs in words.items() for ref in refs}


@pytest.mark.parametrize(
    ("one", "allowed", "expected"),
    [
        (ours("ConfigMap", "a", namespace="s"), Allowed(), "deleted"),
        (thing("ConfigMap", "a", namespace="s", labels=OURS), ALL, "others'"),  # a copy
        (ours("ConfigMap", "a", namespace="s", labels={MESH: "another"}), ALL, "others'"),
        (ours("PersistentVolumeClaim", "a", namespace="s"), Allowed(), "kept"),
        (ours("PersistentVolumeClaim", "a", namespace="s"), Allowed(volumes=True), "deleted"),
        (thing("PersistentVolumeClaim", "a", namespace="s"), ALL, "others'"),
        (made("a"), Allowed(), "released"),
        (made("a"), ALL, "deleted"),
        (ours("Namespace", "a"), ALL, "released"),  # it was there before us
        (thing("Namespace", "a"), ALL, "others'"),
        (made("a", **{MESH: "another"}), ALL, "others'"),
    ],
)
def test_what_becomes_of_it(one: Obj, allowed: Allowed, expected: str) -> None:
    assert set(plan(Dictionaries([]), one, allowed=allowed).values()) == {expected}


DEFINITION = ours(
    "CustomResourceDefinition",
    "widgets.example.com",
    CRD,
    spec={"group": "example.com", "names": {"kind": "Widget"}, "versions": [{"name": "v1", "served": True}]},
)
GROUP = ours("OperatorGroup", "tools", "operators.coreos.com/v1", "tools")
KEEPS = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}, "volumeClaimTemplates": [{}]}
DATABASE = ours("StatefulSet", "db", "apps/v1", "s", spec=KEEPS)
ISTIO = ours("Istio", "prod", SAIL, spec={"namespace": "system"})
REVISION = thing("IstioRevision", "prod-v1", SAIL, meta=owned_by(ISTIO))


def proxied(namespace: str, name: str = "p", revision: str = "prod-v1", **meta: Any) -> Obj:
    return thing(
        "Pod",
        name,
        namespace=namespace,
        meta={"annotations": {"istio.io/rev": revision}, **meta},
        spec={"containers": [{"name": "istio-proxy"}]},
        status={"phase": "Running"},
    )


@pytest.mark.parametrize(
    ("doomed", "there", "allowed", "refused"),
    [
        (DEFINITION, [thing("Widget", "w", "example.com/v1", "s")], ALL, "with it would go what is not ours: Widget s/w"),
        (DEFINITION, [thing("Widget", "w", "example.com/v1", "s", labels=OURS)], ALL, "Widget s/w"),
        (DEFINITION, [ours("Widget", "w", "example.com/v1", "s")], ALL, ""),
        (DEFINITION, [], ALL, ""),
        (GROUP, [thing("Subscription", "tempo", OLM, "tools")], ALL, "operators of others need it: Subscription tools/tempo"),
        (GROUP, [thing("Subscription", "tempo", OLM, "elsewhere"), ours("Subscription", "jaeger", OLM, "tools")], ALL, ""),
        (DATABASE, [], Allowed(), "its volumes go with it"),
        (DATABASE, [], Allowed(volumes=True), ""),
        (ours("StatefulSet", "db", "apps/v1", "s", spec={"volumeClaimTemplates": [{}]}), [], Allowed(), ""),
        (ISTIO, [REVISION, proxied("shop"), thing("Namespace", "shop")], ALL, "pods still have its proxy: Pod shop/p"),
        (ISTIO, [REVISION, proxied("shop"), thing("Namespace", "shop")], Allowed(control_planes=True), ""),
        (ISTIO, [REVISION, proxied("system"), proxied("shop", revision="other")], ALL, ""),
        (
            ours("ServiceMeshControlPlane", "prod", "maistra.io/v2", "system"),
            [proxied("shop"), thing("Namespace", "shop", labels={"maistra.io/member-of": "system"})],
            ALL,
            "still have its proxy: Pod shop/p",
        ),
        (made("s"), [thing("Secret", "x", namespace="s")], ALL, "not ours to delete: Secret s/x"),
        (made("s"), [ours("PersistentVolumeClaim", "x", namespace="s")], Allowed(namespaces=True), "of ours go with remove_volumes"),
        (made("s"), [ours("PersistentVolumeClaim", "x", namespace="s")], ALL, ""),
        (made("s"), [ours("ConfigMap", "x", namespace="s"), thing("ConfigMap", "kube-root-ca.crt", namespace="s")], ALL, ""),
    ],
)
def test_what_goes_with_it(doomed: Obj, there: list[Obj], allowed: Allowed, refused: str) -> None:
    cluster = Dictionaries(copy.deepcopy(there))
    if refused:
        with pytest.raises(ConfigError, match=rf"cluster west: nothing of this layer was changed: .*{refused}"):
            plan(cluster, doomed, allowed=allowed)
    else:
        assert set(plan(cluster, doomed, allowed=allowed).values()) == {"deleted"}


@pytest.mark.parametrize(
    ("forbidden", "stale", "text"),
    [({"Secret"}, set(), r"Secret \(v1\) may not be listed in s"), (set(), {"x.example.com/v1"}, "group x.example.com/v1 does not answer")],
)
def test_what_cannot_be_known_is_not_deleted(forbidden: set[str], stale: set[str], text: str) -> None:
    cluster = Dictionaries([thing("Secret", "x", namespace="elsewhere")], forbidden, stale)
    with pytest.raises(ConfigError, match=rf"what is in Namespace s cannot be known: .*{text}"):
        plan(cluster, made("s"))


# what is not wanted any more

RBAC = "rbac.authorization.k8s.io/v1"
PERSONAS = frozenset({("rbac.authorization.k8s.io", "ClusterRole"), ("rbac.authorization.k8s.io", "RoleBinding")})
LAYERED = [
    ours("ClusterRole", "viewer", RBAC),
    ours("RoleBinding", "viewer", RBAC, "shop"),
    ours("ConfigMap", "a", namespace="shop"),
    ours("Secret", "a", namespace="shop"),
    thing("ClusterRole", "theirs", RBAC),
]


@pytest.mark.parametrize(
    ("only", "stale"),
    [
        ((), {"ClusterRole viewer", "RoleBinding shop/viewer", "ConfigMap shop/a", "Secret shop/a"}),
        (PERSONAS, {"ClusterRole viewer", "RoleBinding shop/viewer"}),
    ],
)
def test_what_is_stale_of_every_kind_or_of_those_that_a_layer_can_have(only: frozenset[tuple[str, str]], stale: set[str]) -> None:
    cluster: Any = Dictionaries(copy.deepcopy(LAYERED))
    assert {str(ref) for ref in stale_objects(cluster, set(), "m", "l", only)} == stale
    assert set(cluster.listed) - {("Secret", "metadata")} == {(name.partition(" ")[0], "whole") for name in stale if "Secret" not in name}


def test_secrets_are_looked_for_as_metadata_only() -> None:
    cluster: Any = Dictionaries(copy.deepcopy(LAYERED))
    stale_objects(cluster, set(), "m", "l")
    assert ("Secret", "metadata") in cluster.listed and ("Secret", "whole") not in cluster.listed


def test_an_object_that_no_prune_would_find_is_refused() -> None:
    cluster: Any = SimpleNamespace(require_clock=lambda: None)
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}
    with pytest.raises(ConfigError, match=r"layer l: ConfigMap shop/a \(v1\): prune_kinds names the kinds of the layer, rbac.*ClusterRole"):
        run(cluster, [wanted], LayerRequest(mesh="m", layer="l", kinds=PERSONAS))


# the whole mesh

DEPLOYMENT = ours("Deployment", "web", "apps/v1", "shop")
REPLICAS = thing("ReplicaSet", "web-1", "apps/v1", "shop", meta=owned_by(DEPLOYMENT))
THEIRS = thing("Deployment", "legacy", "apps/v1", "shop")
PARAMS: Obj = {"mesh": "m", "provider": "ossm3", "control_plane": {"name": "prod", "namespace": "system"}, "namespaces": ["shop"]}


def removal_of(*objects: Obj, **asked: bool) -> tuple[list[str], tuple[str, ...]]:
    cluster: Any = Dictionaries([copy.deepcopy(one) for one in objects])
    asked = {"namespaces": False, "volumes": False, **asked}
    found = removing(cluster, mesh_of(cluster, PARAMS), **asked)
    return [str(row) for row in found.orphans], found.obstacles


def test_our_own_workloads_are_no_reason_to_refuse() -> None:
    assert removal_of(DEPLOYMENT, REPLICAS, proxied("shop", **owned_by(REPLICAS)), made("shop")) == ([], ())


def test_pods_of_others_are_named_wherever_they_are() -> None:
    lone = proxied("elsewhere", "lone")
    rows, _obstacles = removal_of(ISTIO, REVISION, THEIRS, proxied("shop", **owned_by(THEIRS)), lone, proxied("elsewhere", "x", "other"))
    assert rows == ["Pod elsewhere/lone", "Deployment shop/legacy (1 pod)"]
    assert removal_of(lone, proxied("shop")) == ([], ()), "of a control plane that is gone nobody gets anything"


def test_only_namespaces_that_would_go_are_looked_into() -> None:
    note = thing("ConfigMap", "notes", namespace="shop")
    assert removal_of(made("shop"), note) == ([], ())
    assert removal_of(ours("Namespace", "shop"), note, namespaces=True) == ([], ()), "it was there before us"
    (text,) = removal_of(made("shop"), note, namespaces=True)[1]
    assert "ConfigMap shop/notes (written by kubectl)" in text
    # the control plane's own namespace, which an earlier run has let go of
    left = thing("Namespace", "system", by="meshops.mesh", meta={"annotations": {CREATED: "true"}})
    (text,) = removal_of(left, thing("PersistentVolumeClaim", "traces", namespace="system"), namespaces=True)[1]
    assert "PersistentVolumeClaim system/traces (a volume)" in text


def test_who_leaves_is_told_with_what_still_has_a_proxy() -> None:
    old = ours("Namespace", "old", labels={LAYER: "membership"})
    stateful = thing("StatefulSet", "db", "apps/v1", "old")
    cluster: Any = Dictionaries([old, stateful, proxied("old", **owned_by(stateful)), proxied("shop"), made("shop")])
    found = members_of(cluster, mesh_of(cluster, PARAMS))
    assert (found.leaving, found.unlabelled, found.taken) == (("old",), (), ())
    assert [(str(row), row.remedy) for row in found.proxied] == [
        ("StatefulSet old/db (1 pod)", "kubectl rollout restart statefulset/db -n old")
    ]
