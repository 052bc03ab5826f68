# SPDX-License-Identifier: GPL-3.0-or-later
"""Personas and applications of the travel meshes against golden files; refresh them with UPDATE_GOLDEN=1."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.filter.application_homes import application_homes
from ansible_collections.meshops.mesh.plugins.filter.member_labels import member_labels
from ansible_collections.meshops.mesh.plugins.module_utils._personas.explain import Rbac, explain
from ansible_collections.meshops.mesh.plugins.module_utils._personas.matrix import expected_cells

sys.path.insert(0, str(Path(__file__).parent))
from rendering import REPOSITORY, Rendered, render

GOLDEN = Path(__file__).parent / "golden"
SECRET = "of-this-test-only"
Object = dict[str, Any]


@pytest.fixture(scope="module", params=["ossm2", "ossm3"])
def travel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Rendered]]:
    folder = tmp_path_factory.mktemp(request.param)
    rendered = render(folder, ["personas", "workloads"], mesh_provider=request.param, mesh_mysql_password=SECRET)
    assert rendered.code == 0, rendered.output[-3000:]
    yield request.param, rendered


@pytest.mark.parametrize("host", ["dev", "prod"])
def test_golden(travel: tuple[str, Rendered], host: str) -> None:
    provider, rendered = travel
    assert rendered.layers(host) == {"personas", "workloads"}
    objects = {layer: rendered.objects(host, layer) for layer in sorted(rendered.layers(host))}
    golden = GOLDEN / f"travel-{host}-{provider}-people.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.safe_dump(objects, sort_keys=True, width=140), encoding="utf-8")
    assert yaml.safe_load(golden.read_text(encoding="utf-8")) == objects


@pytest.mark.parametrize("host", ["dev", "prod"])
def test_the_roles_grant_the_matrix_and_nothing_that_it_forbids(travel: tuple[str, Rendered], host: str) -> None:
    provider, rendered = travel
    people = yaml.safe_load((REPOSITORY / f"inventories/travel/group_vars/travel_{host}.yml").read_text(encoding="utf-8"))
    members = [f"{host}-travel-agency", f"{host}-travel-portal", f"{host}-travel-control"]
    plane = people["mesh_control_plane"]
    names = {"control_plane": plane["name"], "mesh": people["mesh_name"]}
    cells = expected_cells(people["mesh_personas"], plane["namespace"], members, provider, **names)
    admin = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "cluster-admin"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    }
    rbac = Rbac.from_objects([admin, *rendered.objects(host, "personas").values()])
    wrong = [cell for cell in cells if bool(explain(rbac, cell)) is not cell.allowed]
    assert len(cells) > 200 and {cell.allowed for cell in cells} == {True, False}
    assert [f"{cell.user} {cell.verb} {cell.resource} in {cell.namespace}" for cell in wrong] == []


@pytest.mark.parametrize("host", ["dev", "prod"])
def test_no_secret_in_files_and_each_name_of_one_is_there(travel: tuple[str, Rendered], host: str) -> None:
    _provider, rendered = travel
    text = "".join(path.read_text(encoding="utf-8") for path in rendered.tree.rglob("*.yaml"))
    assert SECRET not in text and "kind: Secret" not in text
    deployment = rendered.objects(host, "workloads")[f"Deployment {host}-travel-agency/mysqldb-v1"]
    (entry,) = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert entry["valueFrom"]["secretKeyRef"] == {"name": "mysql-credentials", "key": "rootpasswd"}


@pytest.mark.parametrize("host", ["dev", "prod"])
def test_every_application_of_the_three_domains_asks_for_its_proxy(travel: tuple[str, Rendered], host: str) -> None:
    provider, rendered = travel
    objects = rendered.objects(host, "workloads")
    deployments = [obj for name, obj in objects.items() if name.startswith("Deployment ")]
    found = {(obj["metadata"]["namespace"].removeprefix(f"{host}-"), obj["metadata"]["name"]) for obj in deployments}
    agency = ("cars", "discounts", "flights", "hotels", "insurances", "mysqldb", "travels")
    assert found == (
        {("travel-agency", f"{name}-v1") for name in agency}
        | {("travel-portal", f"{name}-v1") for name in ("travels", "viaggi", "voyages")}
        | {("travel-control", "control-v1")}
    )
    asked = {obj["spec"]["template"]["metadata"]["labels"].get("sidecar.istio.io/inject") for obj in deployments}
    assert asked == ({"true"} if provider == "ossm2" else {None})
    assert all(obj["spec"]["template"]["metadata"]["labels"]["version"] == "v1" for obj in deployments)


def application(**fields: Any) -> Object:
    return {"name": "web", "image": "registry.example.com/web:1", "port": 8080, **fields}


def one(tmp_path: Path, provider: str = "ossm3", **fields: Any) -> dict[str, Object]:
    workloads = [{"namespace": "shop", "applications": [application(**fields)]}]
    rendered = render(tmp_path, ["workloads"], limit="dev", mesh_provider=provider, mesh_workloads=workloads)
    assert rendered.code == 0, rendered.output[-3000:]
    return rendered.objects("dev", "workloads")


def test_versions_images_and_an_account(tmp_path: Path) -> None:
    objects = one(
        tmp_path,
        versions=["v1", "v2"],
        images={"v2": "registry.example.com/web:2"},
        service_account="web",
        replicas=3,
        protocol="grpc",
        env={"A": "b: c", "N": 5, "S": {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}},
    )
    assert set(objects) == {"ServiceAccount shop/web", "Service shop/web", "Deployment shop/web-v1", "Deployment shop/web-v2"}
    pods = {name: objects[f"Deployment shop/web-{name}"]["spec"]["template"]["spec"] for name in ("v1", "v2")}
    assert {name: pod["containers"][0]["image"].rpartition(":")[2] for name, pod in pods.items()} == {"v1": "1", "v2": "2"}
    assert {pod["serviceAccountName"] for pod in pods.values()} == {"web"}
    env = {entry["name"]: entry for entry in pods["v1"]["containers"][0]["env"]}
    assert (env["A"]["value"], env["N"]["value"]) == ("b: c", "5")
    assert env["S"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert objects["Deployment shop/web-v2"]["spec"]["replicas"] == 3
    assert objects["Service shop/web"]["spec"]["ports"][0]["name"] == "grpc"


def test_a_version_has_what_is_its_own(tmp_path: Path) -> None:
    objects = one(
        tmp_path,
        target_port=3000,
        service_type="LoadBalancer",
        ports=[{"name": "tcp-admin", "port": 9000}],
        labels={"tier": "front", "app": "not-this"},
        readiness={"httpGet": {"path": "/health", "port": 3000}},
        versions=[
            {"name": "v1", "label": "1.0", "deployment": "web"},
            {"name": "v2", "label": "2.0", "image": "i:2", "replicas": 3, "env": {"A": "2"}},
        ],
        env={"A": "1", "B": "1"},
    )
    assert set(objects) == {"Service shop/web", "Deployment shop/web", "Deployment shop/web-v2"}
    first, second = objects["Deployment shop/web"]["spec"], objects["Deployment shop/web-v2"]["spec"]
    assert first["selector"]["matchLabels"] == {"app": "web", "version": "1.0"} and second["replicas"] == 3
    assert first["template"]["metadata"]["labels"]["app"] == "web" and first["template"]["metadata"]["labels"]["tier"] == "front"
    env = {entry["name"]: entry["value"] for entry in second["template"]["spec"]["containers"][0]["env"]}
    assert env == {"A": "2", "B": "1"}
    container = first["template"]["spec"]["containers"][0]
    assert [row["containerPort"] for row in container["ports"]] == [3000, 9000]
    assert container["readinessProbe"]["httpGet"]["path"] == "/health"
    service = objects["Service shop/web"]["spec"]
    assert service["type"] == "LoadBalancer"
    assert [(row["name"], row["port"], row["targetPort"]) for row in service["ports"]] == [("http", 8080, 3000), ("tcp-admin", 9000, 9000)]


ASKED = {
    "a revision of another name": ({"name": "my-mesh"}, {"istio.io/rev": "my-mesh"}),
    "the revision default": ({"name": "default"}, {"sidecar.istio.io/inject": "true"}),
    "a tag called default": ({"name": "my-mesh", "revision_tag": "default"}, {"sidecar.istio.io/inject": "true"}),
    "a tag of the mesh": ({"name": "my-mesh", "update_strategy": "RevisionBased"}, {"istio.io/rev": "shop"}),
}


@pytest.mark.parametrize("case", ASKED)
def test_pods_ask_by_themselves_where_their_namespace_does_not(case: str) -> None:
    plane, expected = ASKED[case]
    domains = [{"name": "shop", "namespaces": ["shop"], "injection": "pods"}, {"name": "rest", "namespaces": ["rest"]}]
    workloads = [{"namespace": name, "applications": [application(), application(name="out", inject=False)]} for name in ("shop", "rest")]
    homes = application_homes(workloads, "ossm3", "shop", control_plane=plane, domains=domains)
    labels = [[app["deployments"][0]["labels"] for app in home["applications"]] for home in homes]
    assert labels == [[expected, {"sidecar.istio.io/inject": "false"}], [{}, {"sidecar.istio.io/inject": "false"}]]


MEMBERS = {
    "the revision default": ({"name": "default"}, {"istio-injection": "enabled"}),
    "a revision of another name": ({"name": "my-mesh"}, {"istio.io/rev": "my-mesh"}),
    "a tag": ({"name": "my-mesh", "revision_tag": "stable"}, {"istio.io/rev": "stable"}),
    "a tag called default": ({"name": "my-mesh", "revision_tag": "default"}, {"istio-injection": "enabled"}),
    # an upgrade moves istio.io/rev, over which istio-injection would win
    "revisions behind a tag called default": (
        {"name": "default", "update_strategy": "RevisionBased", "revision_tag": "default"},
        {"istio.io/rev": "default"},
    ),
    "revisions": ({"name": "my-mesh", "update_strategy": "RevisionBased"}, {"istio.io/rev": "shop"}),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_the_labels_of_a_member(case: str) -> None:
    plane, expected = MEMBERS[case]
    assert member_labels("shop", plane) == {"istio-discovery": "shop", **expected}
    assert member_labels("shop", plane, "pods") == {"istio-discovery": "shop", "mesh.meshops.io/injection": "pods"}


@pytest.mark.parametrize("provider", ["ossm2", "sail"])
def test_an_application_outside_of_the_mesh_says_so(tmp_path: Path, provider: str) -> None:
    (deployment,) = [obj for name, obj in one(tmp_path, provider, inject="no").items() if name.startswith("Deployment")]
    assert deployment["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"


PEOPLE = {
    "strange namespace": (
        {"name": "ann", "role": "mesh_developer", "namespaces": ["elsewhere"]},
        "mesh_personas[0].namespaces[0]: 'elsewhere' is no namespace of mesh_domains, where ann is mesh_developer",
    ),
    "operator of a domain": (
        {"name": "ann", "role": "mesh_operator", "namespaces": ["dev-travel-portal"]},
        "mesh_personas[0].namespaces[0]: 'dev-travel-portal' belongs to a domain, and ann is mesh_operator",
    ),
    "unknown role": ({"name": "ann", "role": "boss"}, "value of role must be one of"),
}


@pytest.mark.parametrize("case", PEOPLE)
def test_people_are_refused_by_name(case: str, tmp_path: Path) -> None:
    person, text = PEOPLE[case]
    rendered = render(tmp_path, ["personas"], limit="dev", mesh_personas=[person])
    assert rendered.code != 0 and not rendered.tree.exists()
    assert text in rendered.output, rendered.output[-2000:]


def test_an_application_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    workloads = [{"namespace": "shop", "applications": [application(), application()]}]
    rendered = render(tmp_path, ["workloads"], limit="dev", mesh_workloads=workloads)
    assert rendered.code != 0 and not rendered.tree.exists()
    assert "mesh_workloads names an application of shop twice: web, web" in rendered.output
