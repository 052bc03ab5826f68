# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: cells that must be, cells that must not be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._personas.matrix import ANOTHER_ONE, Cell, expected_cells

PLANE = "cp"
MEMBERS = ["portal", "agency"]


def cells(*personas: dict[str, Any], provider: str = "ossm3") -> dict[tuple[str, str, str, str], bool]:
    found: list[Cell] = expected_cells(personas, PLANE, MEMBERS, provider)
    return {
        (cell.verb, "/".join(filter(None, (cell.resource, cell.subresource))), cell.group, cell.namespace): cell.allowed for cell in found
    }


NET = "networking.istio.io"
MAISTRA = "maistra.io"


@pytest.mark.parametrize(
    ("role", "namespaces", "provider", "verb", "resource", "group", "namespace", "allowed"),
    [
        ("cluster_admin", [], "ossm3", "*", "*", "*", "", True),
        ("mesh_operator", [PLANE], "ossm3", "create", "envoyfilters", NET, "agency", True),
        ("mesh_operator", [PLANE], "ossm3", "get", "pods/log", "", "agency", True),
        ("mesh_operator", [PLANE], "ossm3", "create", "istios", "sailoperator.io", "", True),
        ("mesh_operator", [PLANE], "ossm2", "update", "servicemeshcontrolplanes", MAISTRA, PLANE, True),
        ("mesh_operator", [PLANE], "ossm3", "delete", "deployments", "apps", "agency", False),
        ("mesh_operator", [PLANE], "ossm3", "get", "secrets", "", "agency", False),
        ("mesh_operator", [PLANE], "ossm3", "get", "pods/log", "", PLANE, True),
        ("mesh_developer", ["portal"], "ossm3", "get", "pods/log", "", "portal", True),
        ("mesh_developer", ["portal"], "ossm3", "get", "secrets", "", PLANE, False),
        ("mesh_application_viewer", ["portal"], "ossm3", "get", "pods", "", "portal", True),
        ("mesh_application_viewer", ["portal"], "ossm3", "get", "pods", "", PLANE, True),
        ("mesh_application_viewer", ["portal"], "ossm3", "get", "pods/log", "", "portal", False),
        ("mesh_application_viewer", ["portal"], "ossm3", "get", "pods/log", "", PLANE, False),
        ("mesh_application_viewer", ["portal"], "ossm3", "list", "secrets", "", PLANE, False),
        ("mesh_application_viewer", ["portal"], "ossm3", "create", "istios", "sailoperator.io", "", False),
        ("mesh_application_viewer", ["portal"], "ossm3", "get", "virtualservices", NET, "agency", False),
        ("mesh_developer", ["portal"], "ossm3", "create", "virtualservices", NET, "portal", True),
        ("mesh_developer", ["portal"], "ossm3", "create", "envoyfilters", NET, "portal", False),
        ("mesh_developer", ["portal"], "ossm3", "create", "virtualservices", NET, "agency", False),
        ("mesh_developer", ["portal"], "ossm3", "create", "virtualservices", NET, PLANE, False),
        ("mesh_developer", ["portal"], "ossm3", "get", "pods/log", "", "portal", True),
        ("mesh_developer", ["portal"], "ossm2", "use", "servicemeshcontrolplanes", MAISTRA, PLANE, True),
        ("mesh_developer", ["portal"], "ossm2", "update", "servicemeshcontrolplanes", MAISTRA, PLANE, False),
        ("mesh_application_viewer", ["portal"], "ossm3", "list", "virtualservices", NET, "portal", True),
        ("mesh_application_viewer", ["portal"], "ossm3", "update", "virtualservices", NET, "portal", False),
        ("mesh_application_viewer", ["portal"], "ossm3", "get", "pods/log", "", "portal", False),
        ("mesh_application_viewer", ["portal"], "ossm3", "get", "secrets", "", "portal", False),
        ("mesh_application_viewer", ["portal"], "ossm3", "get", "virtualservices", NET, "agency", False),
    ],
)
def test_cell(  # noqa: PLR0917
    role: str, namespaces: list[str], provider: str, verb: str, resource: str, group: str, namespace: str, allowed: bool
) -> None:
    found = cells({"name": "ann", "role": role, "namespaces": namespaces}, provider=provider)
    assert found[(verb, resource, group, namespace)] is allowed


def test_a_generation_asks_only_for_its_own_resources() -> None:
    groups = {cell.group for cell in expected_cells([{"name": "ann", "role": "mesh_operator"}], PLANE, MEMBERS, "ossm2")}
    assert "maistra.io" in groups
    assert "sailoperator.io" not in groups


def test_two_personas_add_up() -> None:
    viewer = {"name": "ann", "role": "mesh_application_viewer", "namespaces": ["portal"]}
    developer = {"name": "ann", "role": "mesh_developer", "namespaces": ["agency"]}
    found = cells(viewer, developer)
    assert found[("create", "virtualservices", NET, "agency")] is True
    assert found[("create", "virtualservices", NET, "portal")] is False
    assert found[("get", "virtualservices", NET, "agency")] is True


def test_an_admin_group_silences_what_its_members_must_not() -> None:
    viewer = {"name": "ann", "role": "mesh_application_viewer", "namespaces": ["portal"], "groups": ["admins"]}
    found = cells(viewer, {"name": "admins", "kind": "Group", "role": "cluster_admin"})
    assert False not in found.values()


def test_a_group_is_asked_as_a_group() -> None:
    (cell,) = expected_cells([{"name": "admins", "kind": "Group", "role": "cluster_admin"}], PLANE, MEMBERS, "ossm3")
    assert (cell.user, cell.groups) == ("", ("admins", "system:authenticated"))


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"name": "ann", "role": "boss"}, "persona ann has the role boss, expected one of cluster_admin"),
        ({"name": "ann", "kind": "Robot", "role": "mesh_operator"}, "kind Robot, expected User or Group"),
        ({"role": "mesh_operator"}, "an entry without a name"),
    ],
)
def test_refused(entry: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        expected_cells([entry], PLANE, MEMBERS, "ossm3")


def named(role: str, **names: str) -> dict[tuple[str, str, str], bool]:
    person = {"name": "ann", "role": role, "namespaces": ["portal"] if role == "mesh_developer" else []}
    return {(cell.verb, cell.resource, cell.name): cell.allowed for cell in expected_cells([person], PLANE, MEMBERS, "ossm3", **names)}


def test_a_mesh_operator_changes_this_control_plane_and_no_other() -> None:
    found = named("mesh_operator", control_plane="production", mesh="travel")
    assert [found[(verb, "istios", "production")] for verb in ("update", "patch", "delete")] == [True] * 3
    assert [found[(verb, "istiorevisiontags", "travel")] for verb in ("update", "patch", "delete")] == [True] * 3
    assert [found[(verb, kind, ANOTHER_ONE)] for verb in ("update", "delete") for kind in ("istios", "istiorevisiontags")] == [False] * 4
    assert found[("create", "istios", "")] is True


def test_a_developer_does_not_change_the_control_plane_even_by_name() -> None:
    assert named("mesh_developer", control_plane="production")[("patch", "istios", "production")] is False


def test_without_a_name_nothing_is_asked_about_it() -> None:
    assert {name for _verb, _resource, name in named("mesh_operator")} == {"", ANOTHER_ONE}
