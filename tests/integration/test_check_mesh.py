# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_check and the playbook check_mesh: live, offline, and what people read when something fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from rights_support import Use, forbidden, grant, granted, served, unused, used
from testbed import Bed, crds

Beds = Callable[..., Bed]
Playbook = Callable[..., Any]
PLAY = "meshops.mesh.check_mesh"
VERSION = "v1.30.3"
INTENT: dict[str, Any] = {
    "mesh_provider": "sail",
    "mesh_name": "shop",
    "mesh_control_plane": {"name": "default", "namespace": "istio-system"},
    "mesh_domains": [{"name": "shop", "namespaces": ["shop"]}],
    "mesh_observability": {"kiali": {"enabled": True}, "grafana": {"enabled": False}},
    "mesh_check_categories": ["control_plane", "membership"],
}


def inventory(folder: Path) -> Path:
    path = folder / "hosts.yml"
    path.write_text(
        yaml.safe_dump(
            {"all": {"hosts": {"west": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}}
        ),
        encoding="utf-8",
    )
    return path


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in json.loads(path.read_text(encoding="utf-8"))["checks"]:
        found.setdefault(row["id"], []).append(row)
    return found


@pytest.fixture(scope="module", name="mesh")
def _mesh(beds: Beds) -> Bed:
    """A bed on which the played Sail operator has brought an Istio up."""
    bed = beds("sail", tag="check")
    manifest = [
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("istio-system", "istio-cni")),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}},
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "IstioCNI",
            "metadata": {"name": "default"},
            "spec": {"namespace": "istio-cni", "version": VERSION},
        },
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "Istio",
            "metadata": {"name": "default"},
            "spec": {"namespace": "istio-system", "version": VERSION, "updateStrategy": {"type": "InPlace"}},
        },
    ]
    bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifest))
    return bed


def test_a_mesh_that_comes_up_is_waited_for_and_passes(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    more = {"mesh_check_wait_timeout": 90, "mesh_check_report": str(report)}
    run = playbook(PLAY, bed=mesh, inventory=inventory(tmp_path), extra_vars=INTENT | more).check()
    assert run.changed == 0
    rows = rows_of(report)
    assert {code: rows[code][0]["status"] for code in ("OSM1201", "OSM1202", "OSM1203", "OSM1205", "OSM1206", "OSM1301")} == dict.fromkeys(
        ("OSM1201", "OSM1202", "OSM1203", "OSM1205", "OSM1206", "OSM1301"), "passed"
    )
    assert "√ istiod has rolled out" in run.stdout


def test_no_inventory_is_needed(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    """As somebody who has nothing but a kubeconfig: what is there is found out and said, and only what people intend stays open."""
    report = tmp_path / "report.json"
    more = {"mesh_kubeconfig": str(mesh.kubeconfig), "mesh_check_report": str(report), "mesh_check_fail_on": "never"}
    empty = tmp_path / "hosts"
    empty.touch()
    run = playbook(PLAY, inventory=empty, extra_vars=more).check()
    assert "found Istio default: Istio v1.30.3 by the Sail operator" in run.stdout
    assert "members: shop (by label)" in run.stdout
    rows = rows_of(report)
    open_ = {code for code, found in rows.items() if " is not given: " in found[0]["message"]}
    assert open_ == {"OSM1508", "OSM1701", "OSM1702", "OSM1703", "OSM1820", "OSM3301", "OSM3302"}
    assert {rows[code][0]["status"] for code in ("OSM1201", "OSM1203", "OSM1205", "OSM1206", "OSM1217", "OSM1404")} == {"passed"}


def test_it_lists_what_its_checks_read_and_nothing_else(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    """A mesh of 3,000 pods has 1,000 ReplicaSets, which no check of these asks for."""
    reader, mark = "reader", mesh.mark()
    playbook(
        PLAY,
        bed=mesh,
        kubeconfig=mesh.user_kubeconfig(reader, ["system:masters"]),
        inventory=inventory(tmp_path),
        extra_vars=INTENT | {"mesh_check_categories": [], "mesh_check_fail_on": "never"},
    ).check()
    events = [event for event in mesh.audit(mark) if event["user"]["username"] == reader]
    lists = [(event["objectRef"].get("apiGroup", ""), event["objectRef"]["resource"]) for event in events if event["verb"] == "list"]
    assert len(lists) == len(set(lists)), "each kind once"
    names = {resource for _group, resource in lists}
    assert {"namespaces", "pods", "istios"} <= names
    assert not {"replicasets", "customresourcedefinitions", "clusterroles", "jobs"} & names


def test_the_rights_of_a_check_suffice_and_none_is_unused(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    """As an account with the rendered roles: nothing is refused, nothing is granted for nothing, and nobody lists a Secret."""
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "rights", "namespace": "shop"},
        "spec": {
            "selector": {"app": "rights"},
            "servers": [
                {
                    "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
                    "hosts": ["rights.example.com"],
                    "tls": {"mode": "SIMPLE", "credentialName": "rights-tls"},
                }
            ],
        },
    }
    mesh.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(gateway))
    intent = INTENT | {"mesh_check_categories": [], "mesh_personas": [{"name": "emma", "kind": "User", "role": "mesh_operator"}]}
    user, folder, report = "rights-check", tmp_path / "roles", tmp_path / "report.json"
    kubeconfig = grant(mesh, playbook, user, "check", folder, inventory=inventory(tmp_path), extra_vars=intent)
    mark = mesh.mark()
    more = {"mesh_check_report": str(report), "mesh_check_fail_on": "never"}
    playbook(PLAY, bed=mesh, kubeconfig=kubeconfig, inventory=inventory(tmp_path), extra_vars=intent | more).check()
    events = list(mesh.audit(mark))
    assert forbidden(events, user) == []
    rows = rows_of(report)
    assert [row["status"] for row in rows["OSM1002"]] == ["passed"]
    assert [row["resource"] for row in rows["OSM1503"]] == ["Gateway shop/rights"], "a Secret that is not there was looked for"
    rights, uses = granted(folder), used(events, user)
    kinds = served(mesh)
    assert rights and unused(rights, uses, kinds) == []
    assert {use for use in uses if use.resource == "secrets"} == {Use("get", "secrets", "istio-system")}
    assert unused({*rights, Use("watch", "pods")}, uses, kinds) == [Use("watch", "pods")], "one too many is seen"
    mesh.kubectl("delete", "gateways.networking.istio.io", "rights", "-n", "shop")


def test_an_installation_is_refused_with_all_that_is_missing(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    mark, user = mesh.mark(), "rights-nobody"
    run = playbook(
        "meshops.mesh.install_mesh",
        bed=mesh,
        kubeconfig=mesh.user_kubeconfig(user),
        inventory=inventory(tmp_path),
        extra_vars=INTENT | {"mesh_operators_provider": "none", "mesh_check_categories": []},
    )
    text = " ".join(run.stdout.split())
    assert run.rc == 2 and "of the rights that install needs; nothing was changed" in text, run.stdout[-3000:]
    assert "mesh_rights_families=install" in text
    for line in (
        "get, patch, list, create namespaces in the whole cluster",
        "get, create, patch, list istios.sailoperator.io in the whole cluster",
        "get, create, patch deployments.apps in istio-system, shop",
        "get secrets (cacerts, istio-ca-secret) in istio-system",
    ):
        assert line in text, line
    assert {use.resource for use in used(mesh.audit(mark), user)} == {"selfsubjectaccessreviews.authorization.k8s.io"}, "nothing else"


def test_a_failing_check_fails_the_play_with_its_lines(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    wrong = INTENT | {"mesh_domains": [{"name": "shop", "namespaces": ["shop", "ghost"]}], "mesh_check_only": ["OSM1301"]}
    wrong |= {"mesh_check_categories": []}
    run = playbook(PLAY, bed=mesh, inventory=inventory(tmp_path), extra_vars=wrong)
    assert run.rc == 2
    assert "Namespace ghost: it does not exist" in run.stdout
    assert "docs/checks/OSM1301.md" in run.stdout
    assert "hint_url" not in run.stdout, "no page of data under the message"


def test_rights_that_do_not_suffice_are_said_before_anything(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    run = playbook(
        PLAY,
        bed=mesh,
        kubeconfig=mesh.user_kubeconfig("nobody"),
        inventory=inventory(tmp_path),
        extra_vars=INTENT | {"mesh_check_fail_on": "error"},
    )
    assert run.rc == 2
    assert "the account has the rights to read the mesh  [OSM1002]" in run.stdout
    assert "render_rights" in run.stdout and "cluster-reader is not enough" in run.stdout
    assert "we may not read Namespace (see OSM1002)" in run.stdout


def test_an_api_that_does_not_answer_is_one_failed_check(playbook: Playbook, tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "x", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
    report = tmp_path / "report.json"
    run = playbook(
        PLAY, inventory=inventory(tmp_path), extra_vars=INTENT | {"mesh_kubeconfig": str(kubeconfig), "mesh_check_report": str(report)}
    )
    assert run.rc == 2 and "× the API server answers  [OSM1001]" in run.stdout
    rows = rows_of(report)
    assert rows["OSM1001"][0]["status"] == "failed"
    assert rows["OSM1201"][0]["message"] == "OSM1001 failed"


def test_a_folder_of_manifests_gives_junit_and_sarif(playbook: Playbook, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    service = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"hosts": ["web"], "gateways": ["nosuch"], "http": [{"route": [{"destination": {"host": "web"}}]}]},
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    other = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}}
    (tree / "web.yaml").write_text(yaml.safe_dump_all([namespace, service, other]), encoding="utf-8")
    files = {name: tmp_path / "out" / f"mesh.{name}" for name in ("junit", "sarif", "report")}
    more = {f"mesh_check_{name}": str(path) for name, path in files.items()}
    more |= {"mesh_check_source": "manifests", "mesh_check_path": str(tree), "mesh_check_categories": ["gateways"]}
    run = playbook(PLAY, inventory=inventory(tmp_path), extra_vars=INTENT | more)
    assert run.rc == 2
    assert "it refers to Gateway shop/nosuch, which does not exist" in run.stdout
    assert len(ET.parse(files["junit"]).getroot().findall(".//failure")) == 2  # noqa: S314 - our own file
    results = json.loads(files["sarif"].read_text(encoding="utf-8"))["runs"][0]["results"]
    assert sorted(row["ruleId"] for row in results) == ["OSM1505", "OSM1506"]
    assert rows_of(files["report"])["OSM1501"][0]["message"] == "manifests do not say what runs"


def test_a_folder_needs_no_inventory_and_says_what_is_not_judged(playbook: Playbook, tmp_path: Path) -> None:
    tree, empty = tmp_path / "tree", tmp_path / "hosts"
    tree.mkdir()
    empty.touch()
    named: dict[str, Any] = {"metadata": {"name": "default"}, "spec": {"namespace": "istio-system", "version": VERSION}}
    port = {"name": "http", "port": 80}
    objects = [
        *({"apiVersion": "sailoperator.io/v1", "kind": kind, **named} for kind in ("Istio", "IstioCNI")),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": [port]}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes", "namespace": "stock"}},
    ]
    (tree / "all.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    given = {"mesh_check_source": "manifests", "mesh_check_path": str(tree)}
    alone = playbook(PLAY, inventory=empty, extra_vars=given).check()
    assert "cluster tree" in alone.stdout and "members: shop (by label)" in alone.stdout
    assert "found Istio default: Istio v1.30.3 by the Sail operator or OpenShift Service Mesh 3" in alone.stdout
    assert "not judged" not in alone.stdout, "a single istiod reads every namespace"
    more = {"mesh_control_plane": INTENT["mesh_control_plane"], "mesh_domains": INTENT["mesh_domains"], "mesh_provider": "sail"}
    given_too = playbook(PLAY, inventory=inventory(tmp_path), extra_vars=given | more).check()
    assert "not judged: 1 object in stock, which is no namespace of this mesh" in given_too.stdout


def plan(playbook: Playbook, mesh: Bed, folder: Path, **given: Any) -> tuple[Any, dict[str, Any]]:
    out = folder / "plan.json"
    given |= {"plan_upgrade_json": str(out), "mesh_control_plane": INTENT["mesh_control_plane"], "mesh_provider": "sail"}
    run = playbook("meshops.mesh.plan_upgrade", bed=mesh, inventory=inventory(folder), extra_vars=given)
    return run, json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}


def test_the_plan_of_an_upgrade_is_the_same_live_and_from_a_snapshot(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    template = {"metadata": {"labels": {"app": "cart"}}, "spec": {"containers": [{"name": "app", "image": "registry.example.com/cart:1"}]}}
    cart = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "cart"}}, "template": template},
    }
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "shop"}, "spec": template["spec"]}
    # A wait for what is not there yet ends at once, and pods that come before the webhook get no proxy.
    for ready, what in (
        ("condition=Ready", "istio/default"),
        ("jsonpath={.webhooks[0].clientConfig.caBundle}", "mutatingwebhookconfiguration/istio-sidecar-injector"),
    ):
        done = mesh.kubectl("wait", f"--for={ready}", what, "--timeout=240s")
        assert done.returncode == 0, done.stderr
    mesh.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([cart, bare]))
    mesh.kubectl("wait", "--for=condition=Available", "deployment/cart", "-n", "shop", "--timeout=240s")
    mesh.kubectl("wait", "--for=condition=Ready", "pod/bare", "-n", "shop", "--timeout=240s")
    codes = {"plan_upgrade_only": ["OSM4001", "OSM4021", "OSM4024"], "plan_upgrade_fail_on": "never"}
    run, live = plan(playbook, mesh, tmp_path, plan_upgrade_target="v1.31.0", **codes)
    assert run.check().changed <= 1, "nothing but the file of the plan"
    steps = {step["kind"]: step for step in live["plan"]["steps"]}
    assert [hop["to"] for hop in live["plan"]["hops"]] == ["v1.31.0"]
    assert list(steps) == ["control_plane", "cni", "workloads", "leftover"]
    assert steps["workloads"]["objects"] == ["Deployment shop/cart"] and steps["leftover"]["objects"] == ["Pod shop/bare"]
    assert live["plan"]["rests_on"].startswith("measured: half of 3 pods")
    assert "1. set Istio default spec.version from v1.30.3 to v1.31.0" in run.stdout
    assert "Pod shop/bare: 1 proxy: no controller recreates this pod" in run.stdout
    file = tmp_path / "west.json.gz"
    play = [{"hosts": "west", "gather_facts": False, "tasks": [{"meshops.mesh.cluster_snapshot": {"path": str(file)}}]}]
    (tmp_path / "snapshot.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
    playbook(str(tmp_path / "snapshot.yml"), bed=mesh, inventory=inventory(tmp_path)).check()
    _run, again = plan(
        playbook, mesh, tmp_path, plan_upgrade_target="v1.31.0", plan_upgrade_source="snapshot", plan_upgrade_path=str(file), **codes
    )
    assert again == live


def test_a_downgrade_across_a_minor_is_refused_with_its_reason(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    run, found = plan(playbook, mesh, tmp_path, plan_upgrade_target="v1.29.6")
    assert run.rc == 2
    assert "is a downgrade across a minor" in run.stdout and "OSM4001" in run.stdout
    assert found["plan"]["steps"] == []


@pytest.mark.parametrize(("hops", "says"), [
    (["v1.29.6"], "v1.29.6 is a minor version below v1.30.3: a control plane does not go back across a minor version"),
    (["v1.32.0"], "from v1.30.3 to v1.32.0 skips a minor version, which Istio does not support: name the versions in between"),
    (["v1.31.0", "v1.30.3"], "v1.30.3 is a minor version below v1.31.0"),
    (["v1.29-latest"], "v1.29-latest is a minor version below v1.30.3"),
    (["v2.6"], "from v1.30.3 to v2.6 is another generation, which no upgrade reaches: see migrate_mesh"),
], ids=["a downgrade", "two minors at once", "a downgrade at the end", "an alias", "another generation"])  # fmt: skip
def test_the_upgrade_itself_refuses_steps_that_istio_does_not_make(mesh: Bed, playbook: Playbook, tmp_path: Path, hops: list[str], says: str
                                                                   ) -> None:  # fmt: skip
    before = mesh.kubectl("get", "istio", "default", "-o", "jsonpath={.metadata.generation}").stdout
    run = playbook(
        "meshops.mesh.upgrade_mesh",
        bed=mesh,
        inventory=inventory(tmp_path),
        extra_vars={**INTENT, "upgrade_hops": hops, "mesh_operators_provider": "none"},
    )
    assert run.rc == 2 and says in " ".join(run.stdout.split()) and run.changed == 0, run.stdout[-2000:]
    assert "nothing was changed" in run.stdout.lower()
    assert mesh.kubectl("get", "istio", "default", "-o", "jsonpath={.metadata.generation}").stdout == before


def test_an_alias_is_looked_up_before_waves_are_made(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    """The mesh of this file was not made by the collection, so its control plane is refused afterwards: what was begun is looked at."""
    run = playbook(
        "meshops.mesh.upgrade_mesh",
        "--check",
        "-vvv",
        bed=mesh,
        inventory=inventory(tmp_path),
        extra_vars={**INTENT, "upgrade_hops": ["v1.31-latest"], "mesh_operators_provider": "none", "mesh_upgrade": {"checks": False}},
    )
    text = " ".join(run.stdout.split())
    assert "skips a minor version" not in text and "upgrade to v1.31-latest" in text, text[-3000:]
    goal = text.partition("__upgrade_goal")[2][:200]
    # short definitions, which stand in for the real ones where those cannot be had, do not say it
    assert re.search(r"runs\W+v1\.31\.\d" if crds.origin("sail") == "real" else r"runs\W+version", goal), goal


def _workload(name: str, app: str, version: str) -> dict[str, Any]:
    labels = {"app": app, "version": version}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "example.com/app:1"}]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"selector": {"matchLabels": labels}, "template": template}}  # fmt: skip


def _routing(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": "reviews", "namespace": "shop"}, "spec": spec}


def test_where_requests_go_is_asked_of_the_cluster_itself(mesh: Bed, playbook: Playbook, tmp_path: Path) -> None:
    """check_traffic without a path: the pods that run, with the addresses that they have."""
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    route = [{"destination": {"host": "reviews", "subset": name}, "weight": weight} for name, weight in (("v1", 80), ("v2", 20))]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "reviews", "namespace": "shop"},
               "spec": {"selector": {"app": "reviews"}, "ports": [{"name": "http", "port": 9080}]}}  # fmt: skip
    apps = [("web", "web", "v1"), ("reviews-v1", "reviews", "v1"), ("reviews-v2", "reviews", "v2")]
    objects = [*(_workload(*app) for app in apps), service, _routing("DestinationRule", {"host": "reviews", "subsets": subsets}),
               _routing("VirtualService", {"hosts": ["reviews"], "http": [{"route": route}]})]  # fmt: skip
    mesh.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    for name, _app, _version in apps:
        mesh.kubectl("rollout", "status", f"deployment/{name}", "-n", "shop", "--timeout=60s")
    more = {"mesh_check_traffic_expect": ["shop/web -> reviews reaches reviews v2 at 20 %", "shop/web -> reviews reaches reviews"]}
    run = playbook("meshops.mesh.check_traffic", bed=mesh, inventory=inventory(tmp_path), extra_vars=INTENT | more).check()
    assert run.changed == 0 and re.search(r"2 expectations of \d+ callers, all of them hold", run.stdout)
    mesh.kubectl("scale", "deployment/reviews-v2", "-n", "shop", "--replicas=0")
    mesh.kubectl("wait", "--for=delete", "pod", "-l", "version=v2", "-n", "shop", "--timeout=60s")
    failed = playbook("meshops.mesh.check_traffic", bed=mesh, inventory=inventory(tmp_path), extra_vars=INTENT | more)
    assert failed.rc != 0 and "20 % 503 (reviews.shop.svc.cluster.local has no ready pod of subset v2 on port 9080)" in " ".join(
        failed.stdout.split()
    )
    mesh.kubectl("delete", "-f", "-", "--wait=false", stdin=yaml.safe_dump_all(objects))
