# SPDX-License-Identifier: GPL-3.0-or-later
"""Input checks, and the decision whether an apply would change anything."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.diff import DiffVerdict, cleaned, compare
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import Ref, by_rank, prepare

CM = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ("x", "must be a list"),
        (["x"], r"objects\[0\] must be a map"),
        ([CM, {**CM, "kind": ""}], r"objects\[1\].*kind is missing"),
        ([{**CM, "apiVersion": 1}], "apiVersion is missing or not a text: 1"),
        ([{**CM, "metadata": None}], "metadata must be a map"),
        ([{**CM, "metadata": {"name": "A_b"}}], "'A_b' is not valid"),
        ([{**CM, "metadata": {"name": "a", "namespace": "a.b"}}], "namespace 'a.b' is not valid"),
        ([{**CM, "metadata": {"name": "a", "labels": {"x": True}}}], "'x' must be a text, found True"),
        ([CM, CM], r"objects\[1\]: ConfigMap n/a is there twice, first as objects\[0\]"),
    ],
)
def test_wrong_input_is_named(objects: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        prepare(objects, mesh="m", layer="l")


def test_prepare_labels_cleans_and_does_not_touch_its_input() -> None:
    given = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "uid": "1"},
        "stringData": {"a": "b"},
        "type": None,
        "status": {},
    }
    before = copy.deepcopy(given)
    (made,) = prepare([given], mesh="m", layer="l")
    assert given == before
    assert made["data"] == {"a": "Yg=="} and set(made) == {"apiVersion", "kind", "metadata", "data"}
    assert made["metadata"]["labels"]["mesh.meshops.io/mesh"] == "m" and "uid" not in made["metadata"]


def test_order() -> None:
    kinds = ["Istio", "RoleBinding", "Namespace", "Role", "CustomResourceDefinition", "ValidatingWebhookConfiguration"]
    ranks = by_rank(Ref("v1", kind, None, "x") for kind in kinds)
    assert [group[0].kind for group in ranks] == ["Namespace", "CustomResourceDefinition", "Role", "RoleBinding", "Istio", kinds[-1]]


SPEC = {"replicas": 2, "limits": {"cpu": "1000m"}, "ports": [{"port": 80}], "args": ["a"]}
OWNED: dict[str, Any] = {
    "f:replicas": {},
    "f:limits": {"f:cpu": {}},
    "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
    "f:args": {},
}
LIVE = {"replicas": 2, "limits": {"cpu": "1"}, "ports": [{"port": 80, "protocol": "TCP"}], "args": ["a"], "default": "x"}


def verdict(spec: dict[str, Any], live: dict[str, Any], owned: dict[str, Any], manager: str = "m") -> DiffVerdict:
    entry: dict[str, Any] = {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": owned}}
    there = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "labels": {"a": "b"}, "managedFields": [entry]}, "spec": live}
    wanted = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "labels": {"a": "b"}}, "spec": spec}
    entry["fieldsV1"]["f:metadata"] = {"f:labels": {"f:a": {}}}
    return compare(there, wanted, "m")


@pytest.mark.parametrize(
    ("spec", "live", "owned", "manager", "expected"),
    [
        ({}, {}, {}, "m", DiffVerdict.SAME),
        ({"replicas": 3}, {}, {}, "m", DiffVerdict.DIFFERENT),
        ({}, {"replicas": 5}, {}, "m", DiffVerdict.DIFFERENT),
        ({}, {"limits": {"cpu": "2"}}, {}, "m", DiffVerdict.DIFFERENT),
        ({}, {}, {"f:gone": {}}, "m", DiffVerdict.DIFFERENT),
        ({"more": 1}, {"more": 1}, {}, "m", DiffVerdict.DIFFERENT),
        ({"args": ["a", "b"]}, {}, {}, "m", DiffVerdict.DIFFERENT),
        ({"args": [{"x": 1}]}, {"args": [{"x": 1, "defaulted": 2}]}, {}, "m", DiffVerdict.UNSURE),
        ({"ports": []}, {}, {}, "m", DiffVerdict.DIFFERENT),
        ({}, {}, {}, "other", DiffVerdict.DIFFERENT),
    ],
)
def test_compare(spec: dict[str, Any], live: dict[str, Any], owned: dict[str, Any], manager: str, expected: DiffVerdict) -> None:
    assert verdict({**SPEC, **spec}, {**LIVE, **live}, {**OWNED, **owned}, manager) is expected


def test_what_is_not_there_differs_and_what_is_there_in_another_version_is_asked() -> None:
    assert compare(None, CM, "m") is DiffVerdict.DIFFERENT
    assert compare({**CM, "apiVersion": "v2"}, CM, "m") is DiffVerdict.UNSURE


FIRST = {
    0: "Namespace",
    1: "CustomResourceDefinition",
    2: "ServiceAccount Secret ConfigMap ClusterRole Role PriorityClass ResourceQuota LimitRange PersistentVolumeClaim OperatorGroup "
    "CatalogSource",
    3: "ClusterRoleBinding RoleBinding",
    4: "Subscription Deployment Service Istio AuthorizationPolicy",
    5: "APIService",
    6: "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
}


def test_what_others_need_is_applied_before_them() -> None:
    refs = [Ref("v1", kind, None, "x") for kinds in reversed(FIRST.values()) for kind in kinds.split()]
    assert [sorted(ref.kind for ref in group) for group in by_rank(refs)] == [sorted(kinds.split()) for kinds in FIRST.values()]


def test_secret_values_never_show() -> None:
    old = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "c2VjcmV0", "b": "c2FtZQ=="}}
    new = {**old, "data": {"a": "b3RoZXI=", "b": "c2FtZQ=="}}
    assert cleaned(new, "after", old)["data"] == {"a": "*** (after)", "b": "***"}
