# SPDX-License-Identifier: GPL-3.0-or-later
"""What install_mesh writes for an intent, as files, against the roles that render_rights makes of the same intent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._model.contents import Contents, foreign_in
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import MESH, group_of
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import plural

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "roles"))
from rendering import REPOSITORY, Rendered, render

ROLES = ["operators", "control_plane", "membership", "personas", "observability", "workloads", "gateways", "rights"]
EXEMPT = [{"namespace": "prod-travel-agency", "application": "cars", "mode": "DISABLE"}]
SHOP = {"mesh_name": "shop", "mesh_control_plane": {"name": "default", "namespace": "prod-istio-system"}, "mesh_gateways": []}
INTENTS: dict[str, dict[str, Any]] = {
    "prod-ossm3": {"mesh_provider": "ossm3", "mesh_mtls": EXEMPT, "travel_scenarios": ["partner_gateway"]},
    "prod-ossm2": {"mesh_provider": "ossm2"},
    "least-sail": {
        "mesh_provider": "sail",
        "mesh_operators_provider": "none",
        "mesh_observability": {},
        "mesh_workloads": [],
        "mesh_personas": [],
        **SHOP,
    },
}
# Those that use all that their kind of intent can have: for them nothing is granted for nothing.
WHOLE = ("prod-ossm3", "prod-ossm2")


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """All intents in one run, each on a cluster of its own."""
    folder = tmp_path_factory.mktemp("rights")
    inventory = folder / "travel"
    inventory.mkdir()
    (inventory / "group_vars").symlink_to(REPOSITORY / "inventories/travel/group_vars")
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    hosts = {name: {"mesh_context": name, **intent} for name, intent in INTENTS.items()}
    (inventory / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"vars": local, "children": {"travel": {"children": {"travel_prod": {"hosts": hosts}}}}}}), encoding="utf-8"
    )
    made = render(
        folder, ROLES, inventory=str(inventory), mesh_mysql_password="x", mesh_rights_families="install", travel_partner_bundle=str(folder)
    )
    assert made.code == 0, made.output[-3000:]
    return made


def allowed(made: Rendered, host: str) -> set[tuple[str, str, str]]:
    """Verb, resource and namespace of every rule; an empty namespace is the whole cluster."""
    return {
        (verb, f"{name}.{group}".rstrip("."), obj["metadata"].get("namespace", ""))
        for obj in made.objects(host, "rights").values()
        for rule in obj["rules"]
        for verb in rule["verbs"]
        for name in rule["resources"]
        for group in rule["apiGroups"]
    }


def written(made: Rendered, host: str) -> Iterator[tuple[str, str]]:
    """Resource and namespace of every object."""
    for layer in made.layers(host) - {"rights"}:
        for obj in made.objects(host, layer).values():
            yield f"{plural(obj['kind'])}.{group_of(obj['apiVersion'])}".rstrip("."), obj["metadata"].get("namespace", "")


@pytest.mark.parametrize("host", INTENTS)
def test_the_roles_have_what_is_written(made: Rendered, host: str) -> None:
    rights, objects = allowed(made, host), set(written(made, host))
    assert objects
    assert {
        (verb, resource, place)
        for resource, place in objects
        for verb in ("get", "create", "patch")
        if (verb, resource, place) not in rights and (verb, resource, "") not in rights
    } == set()


@pytest.mark.parametrize("host", WHOLE)
def test_the_roles_write_nothing_more(made: Rendered, host: str) -> None:
    resources = {resource for resource, _place in written(made, host)}
    granted = {resource for verb, resource, _place in allowed(made, host) if verb == "create" and "/" not in resource}
    asked = {"subjectaccessreviews.authorization.k8s.io"}
    assert granted - resources - asked == {"secrets"}, "no file gets a Secret"


@pytest.mark.parametrize("host", INTENTS)
def test_the_rights_themselves_keep_no_namespace_from_going(made: Rendered, host: str) -> None:
    rows = [obj for obj in made.objects(host, "rights").values() if obj["metadata"].get("namespace")]
    assert rows
    for obj in rows:
        obj["metadata"]["uid"] = obj["metadata"]["name"]
        assert foreign_in(Contents(obj["metadata"]["namespace"], (obj,)), obj["metadata"]["labels"][MESH]) == []
