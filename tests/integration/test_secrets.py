# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in what a run leaves behind, played as Automation Platform plays it: at -vvv --diff, as events, well and failing, with our
modules in Ansible's process and in processes of their own. SECURITY.md says what is promised.

The long ones play the scenarios of the travel organisation, and more of what is refused; what each role and module does with a secret is
in the daily ones, and in tests/unit/model/test_secrecy.py and test_kept_fields.py."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from needles_support import ROOT, Needles, Played, modes_of, play, python_of_its_own
from testbed import Bed

sys.path.insert(0, str(ROOT / "tests/unit"))
from certificates.material import DAY, Made, make

NOW = dt.datetime.now(dt.UTC)
AUTHORITY = make("Corporate Root", ca=True, begins=NOW - DAY, ends=NOW + 3650 * DAY)
ISSUING = make("Corporate Intermediate", AUTHORITY, ca=True, length=0, begins=NOW - DAY, ends=NOW + 3000 * DAY)
EDGE = make("edge.example.com", AUTHORITY, names=("edge.example.com",), begins=NOW - DAY, ends=NOW + 300 * DAY)
NEXT = make("edge.example.com", AUTHORITY, names=("edge.example.com",), begins=NOW - DAY, ends=NOW + 200 * DAY)


def application(needles: Needles, name: str = "web", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": "registry.example.com/shop:1",
        "port": 8080,
        "env": {"LITERAL": needles.at("an environment variable")},
        **fields,
    }


def workloads(needles: Needles, namespace: str, *applications: dict[str, Any]) -> list[dict[str, Any]]:
    secrets = [{"name": "login", "data": {"password": needles.at("a Secret of an application")}}]
    return [{"namespace": namespace, "secrets": secrets, "applications": list(applications) or [application(needles)]}]


def gateway(needles: Needles, made: Made) -> dict[str, Any]:
    key = needles.key(f"the key of a gateway, {made.cert.serial_number}", made.key_pem())
    return {"name": "edge", "hosts": ["edge.example.com"], "certificate": made.pem, "chain": AUTHORITY.pem, "key": key}


def certificates(needles: Needles) -> dict[str, Any]:
    """A CA and a gateway's certificate, given as text: one key encrypted, one in clear."""
    passphrase = needles.at("a passphrase")
    needles.key("the CA's key, opened", ISSUING.key_pem())
    ca = {"certificate": ISSUING.pem, "chain": AUTHORITY.pem, "roots": AUTHORITY.pem}
    return {
        "certificates_provider": "pem",
        "certificates_secrets_in_files": True,
        "certificates_passphrase": needles.at("the passphrase of the role"),
        "certificates_authority": {**ca, "key": needles.key("the CA's key", ISSUING.key_pem(passphrase)), "passphrase": passphrase},
        "certificates_gateways": [gateway(needles, EDGE)],
        "certificates_clients": [],
    }  # fmt: skip


def roles(*names: str, host: str = "prod", **variables: Any) -> list[dict[str, Any]]:
    return [{"hosts": host, "connection": "local", "gather_facts": False, "vars": variables,
             "tasks": [{"ansible.builtin.include_role": {"name": f"meshops.mesh.{name}"}} for name in names]}]  # fmt: skip


pytestmark = pytest.mark.story


@pytest.fixture(name="needles")
def _needles() -> Needles:
    return Needles()


PROCESSES = pytest.mark.parametrize("own", [False, pytest.param(True, marks=pytest.mark.long)], ids=["in process", "of their own"])


def where(folder: Path, own: bool) -> dict[str, str]:
    return {"ansible_python_interpreter": python_of_its_own(folder)} if own else {}


# without a cluster


@PROCESSES
def test_a_tree_has_them_for_its_owner_and_nothing_else_does(own: bool, needles: Needles, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    given = {
        "mesh_target": "files",
        "mesh_output": str(tree),
        "mesh_workloads": workloads(needles, "prod-travel-agency"),
        "mesh_mysql_password": needles.at("the password of the database"),
        **certificates(needles),
        **where(tmp_path, own),
    }
    done = play(tmp_path, roles("certificates", "workloads"), variables=given).check()
    assert done.leaks(needles) == []
    modes = modes_of(tree)
    keys = [name for name in modes if name.endswith(("secret-prod-istio-system-cacerts.yaml", "secret-prod-istio-system-edge.yaml"))]
    assert len(keys) == 2 and all(modes[name] == 0o600 and modes[str(Path(name).parent)] == 0o700 for name in keys)
    assert {name for name in modes if needles.found((tree / name).read_text() if (tree / name).is_file() else "")} >= set(keys), (
        "a needle is found"
    )
    given["certificates_gateways"] = [gateway(needles, NEXT)]
    given["mesh_workloads"] = workloads(
        needles, "prod-travel-agency", application(needles, port=8081, env={"LITERAL": needles.at("another one")})
    )
    again = play(tmp_path, roles("certificates", "workloads"), variables=given).check()
    assert again.leaks(needles) == []
    assert "*** (after)" in again.stdout, "the difference was shown"


def _gateways(needles: Needles, **more: Any) -> dict[str, Any]:
    return {**certificates(needles), "certificates_gateways": [gateway(needles, EDGE) | more]}


def _partner(needles: Needles) -> dict[str, Any]:
    partner = {"name": "partner", "key": needles.key("the key of a client", EDGE.key_pem())}
    return {**certificates(needles), "certificates_clients": [partner]}


REFUSED: dict[str, tuple[str, Callable[[Needles], dict[str, Any]], str]] = {
    "an application twice": (
        "workloads",
        lambda n: {"mesh_workloads": workloads(n, "prod-travel-agency", application(n), application(n))},
        "names an application of prod-travel-agency twice: web, web",
    ),
    "a value that is no choice": (
        "workloads",
        lambda n: {"mesh_workloads": workloads(n, "prod-travel-agency", application(n, protocol="nope"))},
        "value of protocol must be one of",
    ),
    "a certificate without its key": ("certificates", _partner, "partner: with certificates_provider pem it needs certificate and key"),
    "a key that does not fit": (
        "certificates",
        lambda n: _gateways(n, key=n.key("a wrong key", make("x").key_pem())),
        "OSM2301",
    ),
    "an unknown option": ("certificates", lambda n: _gateways(n, pasphrase=n.at("a misspelt passphrase")), "pasphrase"),
}
LONG = ("a certificate without its key", "an unknown option")


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.long if case in LONG else ()) for case in REFUSED])
def test_what_is_refused_is_not_quoted(case: str, needles: Needles, tmp_path: Path) -> None:
    role, variables, says = REFUSED[case]
    given = {"mesh_target": "files", "mesh_output": str(tmp_path / "tree"), **variables(needles)}
    done = play(tmp_path, roles(role), variables=given)
    assert done.rc != 0 and says in " ".join(done.stdout.split()), done.stdout[-3000:]
    assert done.leaks(needles) == []


def test_a_wrong_inventory_is_not_quoted(needles: Needles, tmp_path: Path) -> None:
    """Before anything runs: the type of a list, a text beside a template that fails."""
    broken = workloads(needles, "prod-travel-agency", application(needles, image="{{ nowhere }}" + needles.at("a text beside a template")))
    text = [{**workloads(needles, "prod-travel-agency")[0], "secrets": needles.at("a text where a list belongs")}]
    for wrong in (text, broken):
        given = {"mesh_target": "files", "mesh_output": str(tmp_path / "tree"), "mesh_workloads": wrong,
                 "mesh_mysql_password": needles.at("the password of the database")}  # fmt: skip
        done = play(tmp_path, "meshops.mesh.install_mesh", "--limit prod", variables=given)
        assert done.rc != 0 and "these variables cannot be used" in done.stdout, done.stdout[-3000:]
        assert done.leaks(needles) == []


# on a cluster


def everywhere(needles: Needles, namespace: str, turn: int) -> list[dict[str, Any]]:
    """Objects with a needle in each place that may hold a secret; another one each turn."""

    def obj(kind: str, name: str, version: str = "v1", *, meta: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace, **(meta or {})}, **body}

    def at(place: str) -> str:
        return needles.at(f"{place}, turn {turn}")

    container = {"name": "web", "image": "i:1", "args": ["--password", at("an argument")], "command": ["sh", "-c", at("a command")],
                 "env": [{"name": "A", "value": at("a variable")}]}  # fmt: skip
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    return [
        obj("Secret", "login", stringData={"a": at("a text of a Secret")}, meta={"annotations": {"note": at("an annotation of a Secret")},
                                                                                "labels": {"note": at("a label of a Secret")}}),
        obj("ConfigMap", "app", data={"app.properties": f"url=x\ndb.password={at('a line of a ConfigMap')}\n"}),
        obj("ConfigMap", "istio-thing", data={"key.pem": needles.key(f"a key in a ConfigMap, turn {turn}", make(f"k{turn}").key_pem())}),
        obj("Deployment", "web", "apps/v1", spec={"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}),
    ]  # fmt: skip


def reads(folder: Path, namespace: str) -> list[dict[str, Any]]:
    """What reads the cluster, and writes reports."""
    report = {name: str(folder / f"mesh.{name}") for name in ("junit", "sarif", "report")}
    kinds = {"Secret": "v1", "ConfigMap": "v1", "Deployment": "apps/v1", "Pod": "v1"}
    return [
        {"meshops.mesh.cluster_snapshot": {"path": str(folder / "cluster.json.gz")}},
        {"meshops.mesh.mesh_check": {"provider": "ossm3", "control_plane": {"name": "none", "namespace": namespace}, "members": [namespace],
                                     "fail_on": "never", **report}},
        *({"meshops.mesh.mesh_objects_info": {"api_version": version, "kind": kind, "namespace": namespace,
                                              "brief": True}} for kind, version in kinds.items()),
    ]  # fmt: skip


@PROCESSES
def test_a_cluster_has_them_and_nothing_else_does(own: bool, needles: Needles, bed: Bed, namespace: str, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    first, second = (everywhere(needles, namespace, turn) for turn in (1, 2))
    apply = {"mesh": namespace, "layer": "workloads", "wait": False}
    refused = [
        {**apply, "objects": "{{ second }}", "wait": "perhaps"},
        {**apply, "objcts": "{{ second }}"},
        {**apply, "objects": "{{ second }}", "mesh": "{{ second[0] }}"},
        {**apply, "objects": "{{ second + [wrong] }}"},
    ]
    wrong = json.loads(json.dumps(first[3]).replace('"web"', '"wrong"'))
    wrong["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": needles.at("a name that is none") + " =", "value": "x"}]
    wrong["spec"]["replicas"] = needles.at("a text where a number belongs")
    tasks = [
        {"name": "Apply", "meshops.mesh.mesh_apply": {**apply, "objects": "{{ first }}"}},
        {"name": "Change", "meshops.mesh.mesh_apply": {**apply, "objects": "{{ second }}"}, "register": "changed"},
        *({"name": "Refuse", "meshops.mesh.mesh_apply": row, "ignore_errors": True} for row in refused),
        *reads(files, namespace),
        {"name": "Delete", "meshops.mesh.mesh_apply": {**apply, "state": "absent", "objects": "{{ second }}"}},
    ]
    play_of = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks,
                "module_defaults": {"group/meshops.mesh.mesh": {"kubeconfig": str(bed.kubeconfig)}}}]  # fmt: skip
    given = {"first": first, "second": second, "wrong": wrong, **where(tmp_path, own)}
    done = play(tmp_path, play_of, variables=given)
    assert done.rc == 0, done.stdout[-5000:]
    assert done.leaks(needles, files) == []
    assert "*** (after)" in done.stdout and f"ignored={len(refused)}" in done.stdout
    assert (files / "cluster.json.gz").stat().st_mode & 0o777 == 0o600


@PROCESSES
def test_wrong_arguments_are_not_quoted(own: bool, needles: Needles, tmp_path: Path) -> None:
    """Modules that take objects, given them where they do not belong or by a misspelt name; and a cluster that nobody can log in to."""
    objects = everywhere(needles, "shop", 1)
    layer = {"mesh": "m", "layer": "l"}
    tree = {**layer, "output": str(tmp_path / "tree"), "cluster": "west"}
    given = "{{ objects }}"
    calls: list[tuple[str, dict[str, Any]]] = [
        ("mesh_apply", {**layer, "objects": given, "wait": "perhaps"}),
        ("mesh_apply", {**layer, "objcts": given}),
        ("mesh_apply", {**layer, "objects": given, "mesh": given}),
        ("mesh_apply", {**layer, "objects": given, "kubeconfig": str(tmp_path / "none")}),
        ("gitops_tree", {**tree, "objects": given, "state": given}),
        ("gitops_tree", {**tree, "objects": given}),  # a Secret, which it was not allowed
        ("access_plan", {"access": given, "source": "manifests", "path": str(tmp_path)}),
        ("mesh_check", {"control_plane": given, "personas": given}),
        ("certificate_check", {"certificates": given}),
    ]
    tasks = [{"name": "Refuse", f"meshops.mesh.{name}": options, "ignore_errors": True} for name, options in calls]
    plays = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    done = play(tmp_path, plays, variables={"objects": objects, **where(tmp_path, own)})
    assert done.rc == 0 and f"ignored={len(calls)}" in done.stdout, done.stdout[-3000:]
    assert done.leaks(needles) == []


def test_a_python_without_the_library_shows_no_objects(needles: Needles, tmp_path: Path) -> None:
    objects = everywhere(needles, "shop", 1)
    tasks = [{"meshops.mesh.mesh_apply": {"mesh": "m", "layer": "l", "objects": "{{ objects }}"}}]
    given = {"objects": objects, "ansible_python_interpreter": python_of_its_own(tmp_path, without="kubernetes")}
    done = play(tmp_path, [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}], variables=given)
    assert done.rc != 0 and "kubernetes" in done.stdout
    assert done.leaks(needles) == []


@pytest.mark.long
def test_the_scenarios_of_the_travel_organisation(needles: Needles, beds: Callable[..., Bed], tmp_path: Path) -> None:
    """A mesh with its own CA, a gateway with TLS, a client's bundle, checks with reports, a snapshot, and the end of it all."""
    bed = beds("olm", "sail", "maistra", "openshift", "observability", "envoys", tag="secrets")
    files, home = tmp_path / "files", tmp_path / "home"
    files.mkdir()
    home.mkdir()
    env = {**bed.env(bed.kubeconfig), "HOME": str(home)}
    given = {
        "mesh_provider": "ossm3",
        "mesh_mysql_password": needles.at("the password of the database"),
        "mesh_certificates_store": str(home / "pki"),
        "mesh_certificates_passphrase": needles.at("the passphrase of the store"),
        "mesh_check_report": str(files / "report.json"),
        "mesh_check_junit": str(files / "junit.xml"),
        "travel_reach": {},
    }
    for playbook in ("travel_prod", "travel_https", "check_mesh", "remove_mesh"):
        more = {"mesh_remove_force": True} if playbook == "remove_mesh" else {}
        done = play(tmp_path, f"meshops.mesh.{playbook}", "--limit prod", variables={**given, **more}, env=env)
        assert done.leaks(needles, files) == [], playbook
        assert done.rc == 0 or playbook == "travel_https", done.stdout[-5000:]
        if playbook == "check_mesh":
            task = {"meshops.mesh.cluster_snapshot": {"path": str(files / "cluster.json.gz"), "kubeconfig": str(bed.kubeconfig)}}
            plays = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]
            assert play(tmp_path, plays, variables={}).check().leaks(needles, files) == []
    keys = [path for path in home.rglob("*") if path.is_file() and "PRIVATE KEY" in path.read_text(errors="replace")]
    assert keys and all(path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700 for path in keys)


def test_the_search_finds_what_is_there(needles: Needles, tmp_path: Path) -> None:
    """Otherwise all of the above proves nothing."""
    needles.at("shown")
    tasks = [{"ansible.builtin.debug": {"msg": "{{ shown }} {{ shown | b64encode }}"}}]
    done: Played = play(tmp_path, [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}], variables={"shown": needles.at("shown")})
    found = done.check().leaks(needles)
    assert any("stdout" in row for row in found) and any(".json" in row for row in found)
