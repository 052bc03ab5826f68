# SPDX-License-Identifier: GPL-3.0-or-later
"""Personas against a real authorizer: rights wider than meant are found, with the binding and the role that they come by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed
from travel_support import USER, Playbook, Travel, role_play, said

AGENCY, PORTAL, CONTROL = "dev-travel-agency", "dev-travel-portal", "dev-travel-control"
ISTIO = ["virtualservices", "destinationrules", "gateways", "envoyfilters"]
# As an operator brings it: everybody who is bound to edit gets these rights too.
AGGREGATED = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "istio-crd-edit", "labels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}},
    "rules": [{"apiGroups": ["networking.istio.io"], "resources": ISTIO, "verbs": ["*"]}],
}
ASK = [
    {
        "name": "Ask",
        "hosts": "dev",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Ask for each right",
                "meshops.mesh.persona_access_info": {
                    "personas": "{{ mesh_personas }}",
                    "control_plane_namespace": "{{ mesh_control_plane.namespace }}",
                    "member_namespaces": "{{ mesh_domains | map(attribute='namespaces') | flatten }}",
                    "provider": "{{ mesh_provider }}",
                },
                "register": "access",
            },
            {
                "name": "Keep the answers",
                "ansible.builtin.copy": {"content": "{{ access | to_json }}", "dest": "{{ answers }}", "mode": "0600"},
            },
        ],
    }
]


@pytest.fixture(scope="module", name="people")
def _people(bed: Bed, playbook: Playbook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Travel]:
    """The rights of the development mesh in its namespaces; nothing else of it is needed."""
    travel = Travel(bed, bed.user_kubeconfig(USER, ["system:masters"]), playbook)
    names = ["dev-istio-system", AGENCY, PORTAL, CONTROL]
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    made = bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([*objects, AGGREGATED]))
    assert made.returncode == 0, made.stderr
    travel.play(role_play(tmp_path_factory.mktemp("play"), "personas", "dev")).check()
    yield travel
    bed.kubectl("delete", "clusterrole", AGGREGATED["metadata"]["name"])
    bed.kubectl("delete", "clusterrole,clusterrolebinding", "-l", "mesh.meshops.io/mesh=travel-dev")
    bed.kubectl("delete", "namespace", *names, "--wait=false")


@pytest.fixture(name="edit")
def _edit(people: Travel, request: pytest.FixtureRequest) -> Iterator[str]:
    """Somebody binds edit to the subjects of the test."""
    name = "a-quick-favour"
    made = people.bed.kubectl("create", "rolebinding", name, "-n", AGENCY, "--clusterrole=edit", *request.param)
    assert made.returncode == 0, made.stderr
    yield name
    people.bed.kubectl("delete", "rolebinding", name, "-n", AGENCY)


def ask(people: Travel, folder: Path, **extra: Any) -> dict[str, Any]:
    play, answers = folder / "ask.yml", folder / "answers.json"
    play.write_text(yaml.safe_dump(ASK), encoding="utf-8")
    people.play(play, extra_vars={"answers": str(answers), **extra}).check()
    found: dict[str, Any] = json.loads(answers.read_text(encoding="utf-8"))
    return found


def writers(access: dict[str, Any]) -> set[tuple[str, str]]:
    """Who may create EnvoyFilters where."""
    return {
        (cell["user"], cell["namespace"])
        for cell in access["cells"]
        if cell["resource"] == "envoyfilters" and cell["verb"] == "create" and cell["allowed"]
    }


def test_only_the_mesh_operator_writes_envoy_filters(people: Travel, tmp_path: Path) -> None:
    access = ask(people, tmp_path)
    assert access["summary"]["wrong"] == 0, access["wrong"]
    assert access["summary"]["cells"] > 300
    assert writers(access) == {("emma", name) for name in ("dev-istio-system", AGENCY, PORTAL, CONTROL)}
    asked = {cell["user"] for cell in access["cells"] if cell["resource"] == "envoyfilters" and not cell["expected"]}
    assert asked == {"cristina", "farid", "john", "mia", "mus"}


@pytest.mark.parametrize("edit", [["--user=mia", "--user=farid"]], indirect=True)
def test_a_viewer_and_a_developer_who_may_edit(people: Travel, edit: str, tmp_path: Path) -> None:
    access = ask(people, tmp_path)
    chain = f"RoleBinding {AGENCY}/{edit} -> ClusterRole edit (aggregated from istio-crd-edit) by user "
    assert (
        f"mia may create envoyfilters.networking.istio.io in {AGENCY} and must not (a viewer changes no Istio object), "
        f"granted by {chain}mia" in access["wrong"]
    )
    assert (
        f"farid may create envoyfilters.networking.istio.io in {AGENCY} and must not (only a mesh operator writes EnvoyFilters), "
        f"granted by {chain}farid" in access["wrong"]
    )
    assert any(
        text.startswith(
            f"mia may get pods/log in {AGENCY} and must not (a viewer reads no log), "
            f"granted by RoleBinding {AGENCY}/{edit} -> ClusterRole edit"
        )
        for text in access["wrong"]
    )
    assert {text.partition(" ")[0] for text in access["wrong"]} == {"mia", "farid"}
    assert writers(access) >= {("mia", AGENCY), ("farid", AGENCY)}


@pytest.mark.parametrize("edit", [["--user=mia"]], indirect=True)
def test_the_role_and_the_check_end_with_the_binding(people: Travel, edit: str, tmp_path: Path) -> None:
    run = people.play(role_play(tmp_path, "personas", "dev"))
    assert run.rc != 0
    assert f"granted by RoleBinding {AGENCY}/{edit} -> ClusterRole edit" in said(run)
    check = people.play("meshops.mesh.check_mesh", extra_vars={"mesh_hosts": "dev", "mesh_check_only": ["OSM1702"]})
    assert check.rc != 0
    # what one binding grants is one row, as long as it is
    assert "User mia: may do " in said(check) and said(check).count("User mia: may ") == 1
    assert f'(RBAC: allowed by RoleBinding "{edit}/{AGENCY}" of ClusterRole "edit" to User "mia")' in said(check)
    assert "User farid" not in said(check)


@pytest.mark.parametrize("edit", [["--group=auditors"]], indirect=True)
def test_a_right_that_comes_by_a_group(people: Travel, edit: str, tmp_path: Path) -> None:
    mia = {"name": "mia", "role": "mesh_application_viewer", "namespaces": [AGENCY], "groups": ["auditors"]}
    access = ask(people, tmp_path, mesh_personas=[mia])
    assert (
        f"mia may create envoyfilters.networking.istio.io in {AGENCY} and must not (a viewer changes no Istio object), granted by "
        f"RoleBinding {AGENCY}/{edit} -> ClusterRole edit (aggregated from istio-crd-edit) by group auditors" in access["wrong"]
    )
    alone = ask(people, tmp_path, mesh_personas=[{**mia, "groups": []}])
    assert not [text for text in alone["wrong"] if edit in text]
