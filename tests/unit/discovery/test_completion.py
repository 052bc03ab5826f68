# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory wins; what it leaves out is taken from the mesh that it means, and several meshes are told together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.meshops.mesh.plugins.module_utils._checks.runner import Report, Row
from ansible_collections.meshops.mesh.plugins.module_utils._checks.several import together
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Status
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import argument_spec, check
from ansible_collections.meshops.mesh.plugins.module_utils._discovery.completion import completed, meshes_for
from ansible_collections.meshops.mesh.plugins.module_utils._discovery.discover import discover
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import current_context
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import display_name
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Severity
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from checks.builder import build, snapshot

from .meshes import MAISTRA, OSSM3, SAIL, istioctl, istiod, mesh_config
from .test_discovery import two

Entries = list[dict[str, Any]]
PASSED, FAILED, SKIPPED = Status.PASSED, Status.FAILED, Status.SKIPPED


def ask(folder: Path, entries: Entries, source: str = "snapshot", **given: Any) -> dict[str, Any]:
    """What the module says of a file with these objects."""
    if source == "snapshot":
        path = folder / "west.json"
        path.write_text(json.dumps(snapshot(entries).to_json()), encoding="utf-8")
    else:
        path = folder
        for number, entry in enumerate(entries):
            (path / f"{number}.json").write_text(json.dumps(build(entry)), encoding="utf-8")
    defaults = {name: option.get("default") for name, option in argument_spec().items()}
    return check({**defaults, "cluster": "west", "source": source, "path": str(path), "fail_on": "never", **given}, lambda text: None)


def rows(answer: dict[str, Any], code: str) -> list[tuple[str, str, str]]:
    return [(row["status"], row["resource"], row["message"]) for row in answer["checks"] if row["id"] == code]


def not_given(answer: dict[str, Any]) -> set[str]:
    return {row["id"] for row in answer["checks"] if " is not given" in row["message"]}


@pytest.mark.parametrize("entries", [istioctl(), SAIL, OSSM3, MAISTRA], ids=["istioctl", "sail", "ossm3", "maistra"])
def test_only_what_people_intend_is_missing_without_an_inventory(tmp_path: Path, entries: Entries) -> None:
    """Who may do what, who may call whom, where requests are to go, and which gateways are wanted: no cluster says that."""
    answer = ask(tmp_path, entries)
    assert not_given(answer) == {"OSM1508", "OSM1701", "OSM1702", "OSM1703", "OSM1820", "OSM3301", "OSM3302"}
    assert rows(answer, "OSM1201") == [("passed", "", "")]
    assert rows(answer, "OSM1206") == [("passed", "", "")]
    assert rows(answer, "OSM1301") == [("skipped", "", "no inventory has members to compare with what is there")]
    assert len(answer["found"]["meshes"]) == 1


def test_the_first_lines_say_what_was_taken(tmp_path: Path) -> None:
    assert ask(tmp_path, istioctl())["found"]["text"].splitlines() == [
        "found Deployment istio-system/istiod: Istio 1.31.0 without an operator (no Istio and no ServiceMeshControlPlane is behind it)",
        "  root namespace istio-system (Istio's default), trust domain example.org (ConfigMap istio-system/istio)",
        "  members: shop (by label)",
        "  gateways: Deployment istio-system/istio-ingressgateway",
    ]
    assert ask(tmp_path, OSSM3)["found"]["text"].splitlines()[:2] == [
        "found Istio production: OpenShift Service Mesh 3, Istio v1.27.3 (Subscription openshift-operators/servicemeshoperator3)",
        "  revisions: production-v1-27-3 (v1.27.3, active), production-v1-26-2 (v1.26.2)",
    ]


def test_an_inventory_wins(tmp_path: Path) -> None:
    given = {
        "provider": "ossm3",
        "control_plane": {"name": "production", "namespace": "istio-prod", "version": "v1.28.0"},
        "members": ["shop"],
    }
    answer = ask(tmp_path, OSSM3, operators=["servicemeshoperator3"], observability=[], **given)
    assert answer["found"]["text"] == ""
    assert rows(answer, "OSM1302") == [("warning", "Namespace pay", "it is a member of production and not in the intended list")]
    assert rows(answer, "OSM1218") == [("warning", "Istio production", "its version is v1.27.3, the inventory has v1.28.0")]
    assert rows(answer, "OSM1601")[0][2] == "kiali is not in observability"
    wrong = ask(tmp_path, OSSM3, **{**given, "control_plane": {"name": "other", "namespace": "istio-prod"}})
    assert rows(wrong, "OSM1201") == [("failed", "Istio other", "it does not exist; control planes found: Istio production")]


@pytest.mark.parametrize(
    ("intent", "titles"),
    [
        (Intent(), ["istio-a/mesh-a", "istio-b/mesh-b", "istio-system/basic"]),
        (Intent(control_plane={"name": "mesh-b", "namespace": "istio-b"}), ["istio-b/mesh-b"]),
        (Intent(control_plane={"name": "mesh-b", "namespace": "istio-a"}), []),
        (Intent(provider="ossm2"), ["istio-system/basic"]),
        (Intent(provider="ossm3"), ["istio-a/mesh-a", "istio-b/mesh-b"]),
        (Intent(members=("app-a",)), ["istio-a/mesh-a"]),
        (Intent(members=("new",)), ["istio-a/mesh-a", "istio-b/mesh-b", "istio-system/basic"]),
    ],
)
def test_which_meshes_an_intent_means(intent: Intent, titles: list[str]) -> None:
    assert [mesh.title for mesh in meshes_for(discover(View(snapshot(two()))), intent)] == titles


def test_each_mesh_of_a_cluster_is_checked(tmp_path: Path) -> None:
    broken = {
        "Istio mesh-b": {"generation": 2, "spec": {"namespace": "istio-b", "version": "v1.30.3"}, "status": {"observedGeneration": 1}}
    }
    answer = ask(tmp_path, [*(entry for entry in two() if "Istio mesh-b" not in entry), broken])
    assert [mesh["control_plane"]["name"] for mesh in answer["found"]["meshes"]] == ["mesh-a", "mesh-b", "basic"]
    assert rows(answer, "OSM1202") == [("failed", "Istio mesh-b", "its generation is 2, the operator has finished generation 1")]
    assert rows(answer, "OSM1001") == [("passed", "", "")]
    assert {row[1] for row in rows(answer, "OSM1206")} == {"Deployment istio-a/istiod-mesh-a", "Deployment istio-b/istiod-mesh-b"}
    text = answer["found"]["text"]
    assert (
        "all 3 were checked; to check one, give its control plane: "
        """-e '{"mesh_control_plane": {"name": "mesh-a", "namespace": "istio-a"}}'""" in text
    )
    one = ask(tmp_path, two(), control_plane={"name": "mesh-a", "namespace": "istio-a"})
    assert "other meshes that are there: istio-b/mesh-b, istio-system/basic" in one["found"]["text"]


def test_a_cluster_without_a_mesh_fails(tmp_path: Path) -> None:
    answer = ask(tmp_path, [{"Namespace shop": {}}])
    assert rows(answer, "OSM1217") == [("failed", "cluster", "no Istio, no ServiceMeshControlPlane and no istiod was found")]
    assert ask(tmp_path, [{"Namespace shop": {}}], fail_on="error")["failed"]


def test_a_control_plane_that_is_not_there_fails(tmp_path: Path) -> None:
    """Also where nothing else is said: what is skipped for want of a provider would look like an answer about that mesh."""
    other = {"name": "other", "namespace": "istio-prod"}
    assert rows(ask(tmp_path, OSSM3, control_plane=other), "OSM1201") == [
        ("failed", "Istio other", "it does not exist; control planes found: Istio production")
    ]
    bare = rows(ask(tmp_path, istioctl(), control_plane=other), "OSM1201")
    assert bare == [("failed", "Deployment istio-prod/istiod-other", "it does not exist; istiods found: istio-system/default")]
    empty = ask(tmp_path, [{"Namespace shop": {}}], control_plane=other)
    assert rows(empty, "OSM1217")[0][0] == "failed"


def test_the_objects_of_namespaces_without_a_proxy_are_judged(tmp_path: Path) -> None:
    """A single istiod reads every namespace, whether it has members or not."""
    route = {"VirtualService plain/web": {"spec": {"hosts": ["web"], "gateways": ["gone"], "http": []}}}
    assert rows(ask(tmp_path, [*istioctl(), route]), "OSM1505")[0][:2] == ("failed", "VirtualService plain/web")
    other = {"VirtualService app-b/web": {"spec": {"hosts": ["web"], "gateways": ["gone"], "http": []}}}
    answer = ask(tmp_path, [*two(), other], control_plane={"name": "mesh-a", "namespace": "istio-a"})
    assert "failed" not in {row[0] for row in rows(answer, "OSM1505")}
    assert "not judged: 1 object of Istio in app-b, which is no namespace of this mesh" in answer["found"]["text"]


def test_what_of_manifests_is_not_judged_is_said(tmp_path: Path) -> None:
    entries: Entries = [{"Service shop/web": {}}, {"Service pay/api": {}}, {"Service pay/db": {}}, {"Deployment stock/app": {}}]
    text = ask(tmp_path, entries, "manifests", members=["shop"], control_plane={"name": "default", "namespace": "istio-system"})["found"][
        "text"
    ]
    assert text == "not judged: 3 objects in pay, stock, which are no namespaces of this mesh"
    with pytest.raises(ConfigError, match="nothing was checked"):
        ask(tmp_path, entries, "manifests")
    assert ask(tmp_path, [*entries, {"Sidecar shop/web": {}}], "manifests")["found"]["text"] == ""
    with pytest.raises(ConfigError, match="nothing was checked"):
        ask(tmp_path, entries, "manifests", members=["elsewhere"])


def test_manifests_of_a_mesh_need_no_inventory(tmp_path: Path) -> None:
    answer = ask(tmp_path, SAIL[:1] + SAIL[-2:], "manifests")
    either = "found Istio default: Istio v1.30.3 by the Sail operator or OpenShift Service Mesh 3 (nothing says whose operator runs it)"
    assert answer["found"]["text"].splitlines()[0] == either
    assert rows(answer, "OSM1201") == [("passed", "", "")]


def test_what_was_found_is_said_field_by_field() -> None:
    mesh = discover(View(snapshot(OSSM3))).meshes[0]
    intent = completed(Intent(members=("shop",)), mesh)
    assert intent.found == {"provider", "control_plane", "operators", "observability"}
    assert (intent.members, intent.reads, intent.place("kiali")) == (("shop",), None, "istio-prod")
    assert completed(Intent(), mesh).reads == mesh.reads


def report(*rows: tuple[str, Status, str, str], unused: tuple[str, ...] = ()) -> Report:
    told = tuple(Row(code, "api", "t", status, Severity.ERROR, resource, message) for code, status, resource, message in rows)
    return Report("west", told, CATALOGUE, unused_ignores=unused, about={"api": rows[0][3]})


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ([("X", PASSED, "", "")], [("X", PASSED, "", "")], [(PASSED, "", "")]),
        ([("X", PASSED, "", "")], [("X", FAILED, "Istio b", "it waits")], [(FAILED, "Istio b", "it waits")]),
        ([("X", FAILED, "Pod a/b", "it waits")], [("X", FAILED, "Pod a/b", "it waits")], [(FAILED, "Pod a/b", "it waits")]),
        ([("X", SKIPPED, "", "not for ossm2")], [("X", PASSED, "", "")], [(PASSED, "", "")]),
        ([("X", SKIPPED, "", "not for ossm2")], [("X", FAILED, "Pod a/b", "no")], [(FAILED, "Pod a/b", "no")]),
        ([("X", SKIPPED, "", "one")], [("X", SKIPPED, "", "two")], [(SKIPPED, "", "one"), (SKIPPED, "", "two")]),
        ([("X", SKIPPED, "Pod a/b", "ignored")], [("X", PASSED, "", "")], [(SKIPPED, "Pod a/b", "ignored")]),
    ],
)
def test_what_several_meshes_say_is_told_once(one: Any, other: Any, told: Any) -> None:
    both = together([report(*one, unused=("X", "Y")), report(*other, unused=("Y",))])
    assert [(row.status, row.resource, row.message) for row in both.rows] == told
    assert both.unused_ignores == ("Y",)
    assert together([report(*one)]) == report(*one)


def test_the_root_namespace_is_the_one_that_istiod_has(tmp_path: Path) -> None:
    """A subset that is defined there, for everybody, is found though it is not the control plane's own namespace."""
    web = {"spec": {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web.shop.svc.cluster.local", "subset": "v1"}}]}]}}
    rule = {"spec": {"host": "web.shop.svc.cluster.local", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}}
    mesh: Entries = [
        istiod("istio-system"),
        mesh_config("istio-system", mesh="rootNamespace: istio-config\n"),
        {"Namespace istio-config": {}},
    ]
    shop: Entries = [{"Namespace shop": {"labels": {"istio-injection": "enabled"}}}, {"VirtualService shop/web": web}]
    answer = ask(tmp_path, [*mesh, *shop, {"DestinationRule istio-config/web": rule}])
    assert rows(answer, "OSM1509") == [("passed", "", "")]
    elsewhere = ask(tmp_path, [*mesh, *shop, {"Namespace else": {}}, {"DestinationRule else/web": rule}])
    assert rows(elsewhere, "OSM1509")[0][0] == "failed"


def test_a_gateway_without_pods_is_looked_for_where_its_secret_was_read(tmp_path: Path) -> None:
    tls = {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": ["a.example"],
        "tls": {"mode": "SIMPLE", "credentialName": "web"},
    }
    gateway = {"Gateway edge/web": {"spec": {"selector": {"istio": "gone"}, "servers": [tls]}}}
    answer = ask(tmp_path, [*istioctl(), {"Namespace edge": {}}, gateway], only=["OSM2507", "OSM2505"])
    assert "istio-system/web" not in json.dumps(answer["checks"])


CONTEXTS = {
    "apiVersion": "v1", "kind": "Config", "current-context": "admin@west", "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "x", "user": {"token": "x"}}], "contexts": [{"name": "admin@west", "context": {"cluster": "x", "user": "x"}}],
}  # fmt: skip


@pytest.mark.parametrize(("text", "name"), [(json.dumps(CONTEXTS), "admin@west"), ("{}", ""), ("[", ""), (None, "")])
def test_without_an_inventory_a_cluster_has_the_name_of_its_context(tmp_path: Path, text: str | None, name: str) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert current_context(str(path)) == name
    assert current_context(CONTEXTS) == "admin@west"


def test_a_file_has_its_own_name(tmp_path: Path) -> None:
    assert ask(tmp_path, istioctl(), cluster=None)["cluster"] == "west.json"
    assert ask(tmp_path, istioctl(), cluster=None, context="blue")["cluster"] == "blue"


@pytest.mark.parametrize(
    ("options", "environment", "name"),
    [
        ({"cluster": "west"}, {"K8S_AUTH_CONTEXT": "blue"}, "west"),
        ({}, {"K8S_AUTH_CONTEXT": "blue", "K8S_AUTH_HOST": "https://127.0.0.1:9"}, "blue"),
        ({}, {"K8S_AUTH_HOST": "https://127.0.0.1:9", "K8S_AUTH_API_KEY": "x"}, "https://127.0.0.1:9"),
        ({}, {"K8S_AUTH_KUBECONFIG": "config"}, "admin@west"),
        ({"kubeconfig": "config"}, {}, "admin@west"),
    ],
)
def test_what_a_cluster_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], environment: dict[str, str], name: str
) -> None:
    """As kubernetes.core takes a login: an option, else the environment."""
    (tmp_path / "config").write_text(json.dumps(CONTEXTS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for key in ("K8S_AUTH_CONTEXT", "K8S_AUTH_HOST", "K8S_AUTH_KUBECONFIG"):
        monkeypatch.delenv(key, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    defaults = {key: option.get("default") for key, option in argument_spec().items()}
    assert display_name({**defaults, **options}) == name


def test_a_path_is_not_passed_over(tmp_path: Path) -> None:
    """The cluster would be checked instead, and a pipeline would be green."""
    params = {key: option.get("default") for key, option in argument_spec().items()} | {"path": str(tmp_path), "cluster": "west"}
    with pytest.raises(ConfigError, match="source is cluster, so that would not be read; say source: manifests"):
        check(params, lambda _text: None)
