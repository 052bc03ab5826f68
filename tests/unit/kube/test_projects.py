# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace that is missing, by a ProjectRequest: what is asked of the API server, in order, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import LayerRequest, run
from ansible_collections.meshops.mesh.plugins.module_utils._errors import Forbidden, KindMissing
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Resource

Obj = dict[str, Any]
KINDS = {("v1", "Namespace"): False, ("v1", "ConfigMap"): True, ("project.openshift.io/v1", "ProjectRequest"): False}
SHOP: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
SETTINGS: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}, "data": {"a": "b"}}


@dataclass
class Platform:
    """An API server whose account may request projects, and may do nothing in one that is not there."""

    openshift: bool = True
    there: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    name: str = "west"

    def require_clock(self) -> None:
        """It is right."""

    def resources(self) -> dict[tuple[str, str], Resource]:
        kinds = {key: value for key, value in KINDS.items() if self.openshift or "openshift" not in key[0]}
        return {key: Resource(*key, key[1].lower() + "s", namespaced) for key, namespaced in kinds.items()}

    def resource(self, api_version: str, kind: str) -> Resource:
        try:
            return self.resources()[api_version, kind]
        except KeyError:
            raise KindMissing(f"no {kind}") from None

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [fn(item) for item in items]

    def get(self, _version: str, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        self.asked.append(f"get {kind} {name}")
        if namespace and namespace not in self.there:
            raise Forbidden(f"{kind} {name}: nobody may read in {namespace}")
        return SHOP | {"metadata": {"name": name, "labels": {}}} if kind == "Namespace" and name in self.there else None

    def create(self, obj: Obj, *, dry_run: bool = False) -> Obj:
        self.asked.append(f"create {obj['kind']} {obj['metadata']['name']} dry_run={dry_run}")
        self.there.add(obj["metadata"]["name"])
        return obj

    def apply(self, obj: Obj, *, field_manager: str, dry_run: bool = False, force: bool = False) -> Obj:
        home = obj["metadata"].get("namespace") or obj["metadata"]["name"]
        if home not in self.there:
            raise Forbidden(f"{obj['kind']} {home}: may not be created by {field_manager}, force={force}")
        self.asked.append(f"apply {obj['kind']} dry_run={dry_run}")
        return obj


def applied(cluster: Platform, *, projects: bool = True, dry_run: bool = False) -> dict[str, str]:
    done = run(cluster, [SETTINGS, SHOP], LayerRequest("shop", "workloads", projects=projects, wait=False, dry_run=dry_run))  # type: ignore[arg-type]
    return {f"{row.ref}": f"{row.status} {row.note}".strip() for row in done.rows}


def test_it_is_requested_first_and_labelled_then() -> None:
    cluster = Platform()
    assert applied(cluster) == {"Namespace shop": "created", "ConfigMap shop/settings": "created"}
    assert cluster.asked == [
        "get Namespace shop",
        "create ProjectRequest shop dry_run=False",
        "apply Namespace dry_run=False",
        "apply ConfigMap dry_run=False",
    ]


def test_a_dry_run_requests_nothing() -> None:
    cluster = Platform()
    found = applied(cluster, dry_run=True)
    assert found == {"Namespace shop": "created by a ProjectRequest", "ConfigMap shop/settings": "created its namespace does not exist yet"}
    assert cluster.asked == ["get Namespace shop"]


def test_one_that_is_there_is_not_requested() -> None:
    cluster = Platform(there={"shop"})
    assert applied(cluster)["Namespace shop"] == "changed"
    assert not [line for line in cluster.asked if "ProjectRequest" in line]


def test_otherwise_it_is_the_namespace_that_is_created() -> None:
    with pytest.raises(Forbidden, match="nobody may read in shop"):
        applied(Platform(), projects=False)


def test_without_the_kind_nothing_is_written() -> None:
    cluster = Platform(openshift=False)
    with pytest.raises(
        KindMissing, match=r"namespaces_by is project, for Namespace shop, and the API has no ProjectRequest .* nothing was written"
    ):
        applied(cluster)
    assert cluster.asked == ["get Namespace shop"]
    # where all namespaces are there nobody needs it
    assert applied(Platform(openshift=False, there={"shop"}))["Namespace shop"] == "changed"
