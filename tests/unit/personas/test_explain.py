# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chain grants a request."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._personas.explain import Rbac, explain
from ansible_collections.meshops.mesh.plugins.module_utils._personas.matrix import Cell
from ansible_collections.meshops.mesh.plugins.module_utils._personas.report import answer_of, review_of, sentence, table

NET = "networking.istio.io"
RULE = {"apiGroups": [NET], "resources": ["envoyfilters"], "verbs": ["create"]}


def cell(user: str = "ann", groups: tuple[str, ...] = ("system:authenticated",), **changes: Any) -> Cell:
    fields = {"verb": "create", "group": NET, "resource": "envoyfilters", "subresource": "", "namespace": "a", "allowed": False, **changes}
    return Cell(persona="mesh_developer", user=user, groups=groups, why="only a mesh operator writes EnvoyFilters", **fields)


def role(name: str, *rules: dict[str, Any], namespace: str = "", **more: Any) -> dict[str, Any]:
    labels = more.pop("labels", {})
    kind = "Role" if namespace else "ClusterRole"
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": labels}, "rules": list(rules), **more}


def binding(name: str, target: str, *subjects: tuple[str, str], namespace: str = "", kind: str = "ClusterRole") -> dict[str, Any]:
    return {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"kind": kind, "name": target},
        "subjects": [{"kind": what, "name": who} for what, who in subjects],
    }


ANN = ("User", "ann")
EDIT = role("edit", RULE, aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"to-edit": "true"}}]})
SOURCE = role("istio-crd-edit-default", RULE, labels={"to-edit": "true"})
OTHER = role("unrelated", {**RULE, "resources": ["gateways"]}, labels={"to-edit": "true"})


@pytest.mark.parametrize(
    ("objects", "asked", "chains"),
    [
        pytest.param(
            [EDIT, SOURCE, OTHER, binding("x", "edit", ANN, namespace="a")],
            cell(),
            ["RoleBinding a/x -> ClusterRole edit (aggregated from istio-crd-edit-default) by user ann"],
            id="aggregated",
        ),
        pytest.param(
            [{**EDIT, "metadata": {"name": "edit", "labels": {"to-edit": "true"}}}, binding("x", "edit", ANN, namespace="a")],
            cell(),
            ["RoleBinding a/x -> ClusterRole edit by user ann"],
            id="a role that gathers itself",
        ),
        pytest.param([role("r", RULE), binding("x", "r", ANN, namespace="b")], cell(), [], id="other namespace"),
        pytest.param([role("r", RULE), binding("x", "r", ("User", "bob"), namespace="a")], cell(), [], id="other user"),
        pytest.param(
            [role("r", RULE), binding("x", "r", ("Group", "system:authenticated"))],
            cell(),
            ["ClusterRoleBinding x -> ClusterRole r by group system:authenticated"],
            id="by a group, in the whole cluster",
        ),
        pytest.param(
            [role("r", RULE, namespace="a"), binding("x", "r", ANN, namespace="a", kind="Role")],
            cell(),
            ["RoleBinding a/x -> Role a/r by user ann"],
            id="role of the namespace",
        ),
        pytest.param([role("r", {**RULE, "resourceNames": ["one"]}), binding("x", "r", ANN)], cell(), [], id="only one name"),
        pytest.param([binding("x", "gone", ANN)], cell(), [], id="role that is not there"),
        pytest.param([role("r", RULE), binding("x", "r", ANN, namespace="a")], cell(namespace=""), [], id="binding of a namespace"),
        pytest.param(
            [role("r", {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}), binding("x", "r", ANN)],
            cell(verb="get", group="", resource="pods", subresource="log"),
            [],
            id="pods are not their logs",
        ),
        pytest.param(
            [role("r", {"apiGroups": [""], "resources": ["*/log"], "verbs": ["*"]}), binding("x", "r", ANN)],
            cell(verb="get", group="", resource="pods", subresource="log"),
            ["ClusterRoleBinding x -> ClusterRole r by user ann"],
            id="logs of everything",
        ),
        pytest.param([], cell(groups=("system:masters",)), ["the API server itself -> all rights by group system:masters"], id="masters"),
    ],
)
def test_chains(objects: list[dict[str, Any]], asked: Cell, chains: list[str]) -> None:
    assert [str(grant) for grant in explain(Rbac.from_objects(objects), asked)] == chains


def test_a_review_asks_for_the_user_with_all_of_its_groups() -> None:
    asked = review_of(cell(groups=("dev", "system:authenticated"), verb="get", group="", resource="pods", subresource="log", name="one"))
    assert asked["kind"] == "SubjectAccessReview" and asked["spec"]["user"] == "ann"
    assert asked["spec"]["groups"] == ["dev", "system:authenticated"]
    wanted = {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "a", "name": "one"}
    assert {key: value for key, value in asked["spec"]["resourceAttributes"].items() if value} == wanted


def test_a_wrong_cell_names_its_binding() -> None:
    rbac = Rbac.from_objects([EDIT, SOURCE, binding("x", "edit", ANN, namespace="a")])
    row = answer_of(cell(), {"status": {"allowed": True}}, rbac)
    assert row["ok"] is False
    assert sentence(row) == (
        "ann may create envoyfilters.networking.istio.io in a and must not (only a mesh operator writes EnvoyFilters), "
        "granted by RoleBinding a/x -> ClusterRole edit (aggregated from istio-crd-edit-default) by user ann"
    )
    assert table([row]) == "×  ann  mesh_developer  a  envoyfilters.networking.istio.io  !+create"


NAMED = role("r", {**RULE, "resourceNames": ["ours"]})


@pytest.mark.parametrize(("name", "granted"), [("ours", True), ("theirs", False), ("", False)])
def test_a_rule_with_names_answers_for_these_names_only(name: str, granted: bool) -> None:
    rbac = Rbac.from_objects([NAMED, binding("x", "r", ANN, namespace="a")])
    assert bool(explain(rbac, cell(name=name))) is granted


def test_a_name_is_asked_and_said() -> None:
    asked = cell(name="ours")
    assert review_of(asked)["spec"]["resourceAttributes"]["name"] == "ours"
    assert "name" not in review_of(cell())["spec"]["resourceAttributes"]
    row = answer_of(asked, {"status": {"allowed": True}}, Rbac())
    assert "ann may create envoyfilters.networking.istio.io ours in a and must not" in sentence(row)
