# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer as files: names that never collide, waves in their order, labels of ownership, no Secret in clear text."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.tree import (
    HEADER,
    KUSTOMIZATION,
    Layer,
    is_folder_of,
    is_private,
    layer_folder,
    render_cluster,
    render_layer,
)

ORDER = ["operators", "namespaces", "control_plane"]
LAYER = Layer.of("namespaces", "travel", ORDER)
Object = dict[str, Any]


def obj(kind: str, name: str, namespace: str = "", api_version: str = "v1", **fields: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def rendered(*objects: Object, layer: Layer = LAYER, **options: bool) -> dict[str, Object]:
    return {name: yaml.safe_load(text) for name, text in render_layer(list(objects), layer, **options).items()}


@pytest.mark.parametrize(
    ("name", "wave", "folder"),
    [("operators", 10, "01-operators"), ("control_plane", 30, "03-control_plane"), ("unplaced", 990, "99-unplaced")],
)
def test_the_place_in_the_order_is_wave_and_folder(name: str, wave: int, folder: str) -> None:
    layer = Layer.of(name, "travel", ORDER)
    assert (layer.wave, layer_folder(layer)) == (wave, folder)


@pytest.mark.parametrize("name", ["", "../up", "a b", "a/b"])
def test_a_layer_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a folder"):
        Layer.of(name, "travel", ORDER)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("02-namespaces", True),
        ("07-namespaces", True),
        ("02-namespaces-old", False),
        ("namespaces", False),
        ("x2-namespaces", False),
        ("02-control_plane", False),
    ],
)
def test_a_folder_of_an_earlier_order_is_known(folder: str, expected: bool) -> None:
    assert is_folder_of(folder, "namespaces") is expected


def test_objects_carry_ownership_and_wave_and_nothing_of_a_live_cluster() -> None:
    given = obj("ConfigMap", "a", "shop", metadata={"labels": {"app": "a"}, "annotations": {"note": "x"}}, data={"k": "v"}, status={"x": 1})
    before = yaml.safe_dump(given)
    found = rendered(given)["configmap-shop-a.yaml"]
    assert found["metadata"]["labels"] == {
        "app": "a",
        "app.kubernetes.io/managed-by": "meshops.mesh",
        "mesh.meshops.io/mesh": "travel",
        "mesh.meshops.io/layer": "namespaces",
    }
    assert found["metadata"]["annotations"] == {"note": "x", "argocd.argoproj.io/sync-wave": "20"}
    assert found["data"] == {"k": "v"} and "status" not in found
    assert yaml.safe_dump(given) == before, "what was given stays as it was"


def test_a_wave_that_somebody_set_stays() -> None:
    annotations = {"argocd.argoproj.io/sync-wave": "-5"}
    found = rendered(obj("ServiceAccount", "a", metadata={"annotations": annotations}))["serviceaccount-a.yaml"]
    assert found["metadata"]["annotations"] == annotations


def test_what_others_keep_something_in_outlives_its_file() -> None:
    """Argo CD and Flux delete what is no longer in the tree: never a namespace, a volume or a kind."""
    kept = {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false", "kustomize.toolkit.fluxcd.io/prune": "disabled"}
    objects = (
        obj("Namespace", "a"),
        obj("PersistentVolumeClaim", "b", metadata={"namespace": "a"}),
        obj("ServiceAccount", "c"),
        {**obj("CustomResourceDefinition", "d.example.com"), "apiVersion": "apiextensions.k8s.io/v1"},
    )
    found = {name: one["metadata"]["annotations"].items() for name, one in rendered(*objects).items() if name != "kustomization.yaml"}
    assert {name for name, notes in found.items() if kept.items() <= notes} == {
        "namespace-a.yaml",
        "persistentvolumeclaim-a-b.yaml",
        "customresourcedefinition-d.example.com.yaml",
    }


@pytest.mark.parametrize(
    ("api_version", "skips"),
    [
        ("v1", False),
        ("apps/v1", False),
        ("rbac.authorization.k8s.io/v1", False),
        ("sailoperator.io/v1", True),
        ("networking.istio.io/v1", True),
    ],
)
def test_argo_waits_for_kinds_that_an_operator_brings(api_version: str, skips: bool) -> None:
    (found,) = [body for name, body in rendered(obj("Thing", "a", api_version=api_version)).items() if name != KUSTOMIZATION]
    options = found["metadata"]["annotations"].get("argocd.argoproj.io/sync-options")
    assert options == ("SkipDryRunOnMissingResource=true" if skips else None)


def test_names_collide_neither_by_group_nor_by_colon() -> None:
    found = rendered(
        obj("Gateway", "web", "shop", "networking.istio.io/v1"),
        obj("Gateway", "web", "shop", "gateway.networking.k8s.io/v1"),
        obj("ClusterRole", "system:mesh", api_version="rbac.authorization.k8s.io/v1"),
        obj("Service", "web", "shop"),
    )
    assert set(found) == {
        "gateway.networking.istio.io-shop.web.yaml",
        "gateway.gateway.networking.k8s.io-shop.web.yaml",
        "clusterrole-system_mesh.yaml",
        "service-shop-web.yaml",
        KUSTOMIZATION,
    }
    assert found[KUSTOMIZATION]["resources"] == sorted(set(found) - {KUSTOMIZATION})


def test_a_dash_in_a_name_is_no_namespace() -> None:
    found = rendered(obj("ConfigMap", "b-c", "a"), obj("ConfigMap", "c", "a-b"))
    assert len(found) == 3
    names = {(body["metadata"]["namespace"], body["metadata"]["name"]) for name, body in found.items() if name != KUSTOMIZATION}
    assert names == {("a", "b-c"), ("a-b", "c")}


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([obj("Secret", "s", "shop")], "Secret shop/s would be written in clear text.*deliver_secrets_in_files"),
        ([obj("ConfigMap", "a", "shop"), obj("ConfigMap", "a", "shop")], "found more than one ConfigMap shop/a"),
        ([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}], "expected apiVersion, kind and metadata.name"),
        ([{"kind": "ConfigMap", "metadata": {"name": "a"}}], "ConfigMap a cannot be a file"),
    ],
)
def test_refused(objects: list[Object], text: str) -> None:
    with pytest.raises(ConfigError, match=f"layer namespaces: .*{text}"):
        render_layer(objects, LAYER)


def test_secrets_are_written_when_that_is_said_and_secrets_of_others_anyway() -> None:
    assert "secret-shop-s.yaml" in rendered(obj("Secret", "s", "shop"), allow_secrets=True)
    assert "sealedsecret-shop-s.yaml" in rendered(obj("SealedSecret", "s", "shop", "bitnami.com/v1alpha1"))


def test_text_is_stable_and_says_whose_it_is() -> None:
    files = render_layer([obj("ConfigMap", "ü", "shop", data={"long": "x " * 200, "text": "grüße\n"})], LAYER)
    assert all(text.startswith(f"{HEADER}---\napiVersion: ") for text in files.values())
    assert yaml.safe_load(files["configmap-shop-ü.yaml"])["data"] == {"long": "x " * 200, "text": "grüße\n"}
    assert "grüße" in files["configmap-shop-ü.yaml"]


def test_nothing_makes_no_folder_and_a_cluster_lists_its_layers_in_order() -> None:
    assert render_layer([], LAYER) == {}
    found = yaml.safe_load(render_cluster(["03-control_plane", "01-operators"]))
    assert found["kind"] == "Kustomization" and found["resources"] == ["01-operators", "03-control_plane"]


def test_a_coded_private_key_is_one() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\n"
    coded = base64.b64encode(key.encode()).decode()
    for value in (key, coded, base64.encodebytes(key.encode()).decode(), "x " * 69 + key):
        text = next(iter(render_layer([obj("ConfigMap", "a", data={"a": value})], LAYER).values()))
        assert is_private(text), text
    assert not is_private(next(iter(render_layer([obj("ConfigMap", "a", data={"a": "-----BEGIN CERTIFICATE-----"})], LAYER).values())))
