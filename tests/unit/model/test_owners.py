# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a pod is, by what its source has of the way up."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.owners import Owners, controller_of, standard

Obj = dict[str, Any]


def obj(title: str, api_version: str = "apps/v1", *, owners: tuple[str, ...] = (), **meta: Any) -> Obj:
    """owners: Kind name, with * for the one that controls, or Kind group/version name."""
    kind, _space, where = title.partition(" ")
    namespace, slash, name = where.rpartition("/")
    rows = []
    for text in owners:
        words = text.removeprefix("*").split()
        version = words[1] if len(words) == 3 else "batch/v1" if words[0] in ("Job", "CronJob") else "apps/v1"
        rows.append({"apiVersion": version, "kind": words[0], "name": words[-1], **({"controller": True} if text[0] == "*" else {})})
    metadata = {"name": name, **({"namespace": namespace} if slash else {}), **({"ownerReferences": rows} if rows else {}), **meta}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def pod(*owners: str, where: str = "shop", **meta: Any) -> Obj:
    return obj(f"Pod {where}/a-1", "v1", owners=owners, **meta)


CASES: dict[str, tuple[Obj, list[Obj], str, tuple[str, ...], bool]] = {
    "a pod of nobody": (pod(), [], "Pod shop/a-1", (), True),
    "a static pod": (pod("*Node v1 n1"), [], "Pod shop/a-1", (), True),
    "a Deployment, by its ReplicaSet": (
        pod("*ReplicaSet cart-7d9f"),
        [obj("ReplicaSet shop/cart-7d9f", owners=("*Deployment cart",)), obj("Deployment shop/cart")],
        "Deployment shop/cart", ("cart-7d9f", "cart"), True),
    "a Deployment that the source does not have": (
        pod("*ReplicaSet cart-7d9f"), [obj("ReplicaSet shop/cart-7d9f", owners=("*Deployment cart",))],
        "Deployment shop/cart", ("cart-7d9f", "cart"), False),
    "by the hash of the template": (
        pod("*ReplicaSet cart-7d9f", labels={"pod-template-hash": "7d9f"}), [], "Deployment shop/cart", ("cart",), False),
    "an Argo Rollout, by its hash": (
        pod("*ReplicaSet cart-7d9f", labels={"rollouts-pod-template-hash": "7d9f"}), [], "Rollout shop/cart", ("cart",), False),
    "another hash than its name ends with": (
        pod("*ReplicaSet cart-7d9f", labels={"pod-template-hash": "1234"}), [], "ReplicaSet shop/cart-7d9f", ("cart-7d9f",), False),
    "a name that is the hash": (
        pod("*ReplicaSet -7d9f", labels={"pod-template-hash": "7d9f"}), [], "ReplicaSet shop/-7d9f", ("-7d9f",), False),
    "no hash, but a Deployment of that name": (
        pod("*ReplicaSet cart-7d9f"), [obj("Deployment shop/cart")], "Deployment shop/cart", ("cart",), True),
    "no hash, but a Rollout of that name": (
        pod("*ReplicaSet cart-7d9f"), [obj("Rollout shop/cart", "argoproj.io/v1alpha1")], "Rollout shop/cart", ("cart",), True),
    "no hash, and no Deployment of that name": (
        pod("*ReplicaSet cart-7d9f"), [obj("Deployment shop/other")], "ReplicaSet shop/cart-7d9f", ("cart-7d9f",), False),
    "a Deployment of that name in another namespace": (
        pod("*ReplicaSet cart-7d9f"), [obj("Deployment bank/cart"), obj("Deployment default/cart")],
        "ReplicaSet shop/cart-7d9f", ("cart-7d9f",), False),
    "a Deployment that names no namespace": (
        pod("*ReplicaSet cart-7d9f"), [obj("Deployment cart")], "Deployment shop/cart", ("cart",), True),
    "a ReplicaSet that nobody made": (
        pod("*ReplicaSet cart"), [obj("ReplicaSet shop/cart")], "ReplicaSet shop/cart", ("cart",), True),
    "a DeploymentConfig": (
        pod("*ReplicationController v1 web-3", annotations={"openshift.io/deployment-config.name": "web"}), [],
        "DeploymentConfig shop/web", ("web",), False),
    "a DeploymentConfig, by its label": (
        pod("*ReplicationController v1 web-3", labels={"deploymentconfig": "web"}), [], "DeploymentConfig shop/web", ("web",), False),
    "a ReplicationController of another name": (
        pod("*ReplicationController v1 db-3", labels={"deploymentconfig": "web"}), [],
        "ReplicationController shop/db-3", ("db-3",), False),
    "a Job of a CronJob": (
        pod("*Job nightly-2901"), [obj("Job shop/nightly-2901", "batch/v1", owners=("*CronJob nightly",))],
        "CronJob shop/nightly", ("nightly-2901", "nightly"), False),
    "a Job that the source does not have, of a CronJob that it has": (
        pod("*Job nightly-2901"), [obj("CronJob shop/nightly", "batch/v1")], "CronJob shop/nightly", ("nightly",), True),
    "a Job with a name as a CronJob gives": (pod("*Job nightly-2901"), [], "Job shop/nightly-2901", ("nightly-2901",), False),
    "a Job with a word at its end": (
        pod("*Job nightly-run"), [obj("CronJob shop/nightly", "batch/v1")], "Job shop/nightly-run", ("nightly-run",), False),
    "what people restart is the end of the way": (
        pod("*StatefulSet db"), [obj("StatefulSet shop/db", owners=("*Cluster example.com/v1 pg",))], "StatefulSet shop/db", ("db",), True),
    "an operator's own kinds are climbed": (
        pod("*PodSet example.com/v1 a"),
        [obj("PodSet shop/a", "example.com/v1", owners=("*Cluster example.com/v1 pg",)), obj("Cluster shop/pg", "example.com/v1")],
        "Cluster shop/pg", ("a", "pg"), True),
    "an owner of the cluster": (
        pod("*Thing example.com/v1 a"), [obj("Thing a", "example.com/v1")], "Thing shop/a", ("a",), True),
    "a circle": (
        pod("*PodSet example.com/v1 a"),
        [obj("PodSet shop/a", "example.com/v1", owners=("*PodSet example.com/v1 b",)),
         obj("PodSet shop/b", "example.com/v1", owners=("*PodSet example.com/v1 a",))],
        "PodSet shop/b", ("a", "b"), True),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_way_up(name: str) -> None:
    given, objects, title, names, known = CASES[name]
    found = Owners(objects).of(given)
    assert (f"{found.kind} {found.namespace}/{found.name}", found.names, found.known) == (title, names, known)
    assert found.key[1:] == (found.kind, found.namespace, found.name)


@pytest.mark.parametrize(
    ("owners", "name"),
    [
        ((), None),
        (("ReplicaSet a",), "a"),  # an operator that does not say who controls
        (("ReplicaSet a", "*ReplicaSet b"), "b"),
        (("ReplicaSet a", "ReplicaSet b"), None),
    ],
)
def test_who_controls(owners: tuple[str, ...], name: str | None) -> None:
    found = controller_of(pod(*owners))
    assert (found and found["name"]) == name


def test_an_only_owner_that_says_it_does_not_control() -> None:
    assert controller_of({"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": "a", "controller": False}]}}) is None
    assert controller_of({"metadata": {"ownerReferences": [{"kind": "ReplicaSet"}, {"name": "b"}]}}) is None


def test_kinds_that_people_restart() -> None:
    assert standard("apps/v1", "Deployment") and standard("v1", "DeploymentConfig") and standard("argoproj.io/v1alpha1", "Rollout")
    assert not standard("apps/v1", "ReplicaSet") and not standard("example.com/v1", "Deployment") and not standard(None, None)
