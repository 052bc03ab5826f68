# SPDX-License-Identifier: GPL-3.0-or-later
"""The production mesh of the travel organisation on one bed: made, made again, planned, written as files, refused, removed."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed
from travel_support import INVENTORY, OPERATORS, OURS, USER, VARS, Playbook, Travel, read_back, role_play, said

# One worker, in the order of this file: each test goes on where the one before it ended.
pytestmark = pytest.mark.xdist_group("travel")

FIRST_CONTACT = 15  # seconds, as the message counts them: a busy machine starts ansible-playbook late


@pytest.fixture(scope="module", name="travel")
def _travel(beds: Callable[..., Bed], playbook: Playbook) -> Travel:
    bed = beds(*OPERATORS, "envoys", tag="travel")
    return Travel(bed, bed.user_kubeconfig(USER, ["system:masters"]), playbook)


def test_from_nothing_to_a_checked_mesh(travel: Travel) -> None:
    assert travel.ours() == {}
    run = travel.play().check()
    assert run.recap["prod"]["failed"] == 0
    assert run.changed > 0
    summary = [line for line in run.stdout.splitlines() if " passed, " in line]
    assert len(summary) == 1, run.stdout[-3000:]
    counts = {word: int(number) for number, word in (part.split(" ")[-2:] for part in summary[0].rstrip("'\"").split(", "))}
    assert counts["passed"] >= 50
    assert (counts["failed"], counts["warnings"]) == (0, 0)
    assert {"prod-istio-system", "prod-travel-agency", "prod-travel-portal", "prod-travel-control"} <= travel.namespaces()


def test_a_second_run_writes_nothing(travel: Travel) -> None:
    before, mark = travel.ours(), travel.bed.mark()
    assert len(before) > 80
    run = travel.play().check()
    assert run.changed == 0, run.stdout[-4000:]
    assert travel.writes(mark) == []
    assert travel.ours() == before


def test_an_inventory_that_is_read_from_it_changes_nothing(travel: Travel, tmp_path: Path) -> None:
    mark = travel.bed.mark()
    run = read_back(travel, tmp_path / "read")
    assert run.changed == 0, run.stdout[-4000:]
    assert travel.writes(mark) == []


@pytest.mark.long  # test_deliver plans what is there, too
def test_a_plan_of_what_is_there_changes_nothing(travel: Travel) -> None:
    before, mark = travel.ours(), travel.bed.mark()
    run = travel.play(extra_vars={"mesh_target": "plan"}).check()
    assert run.changed == 0, run.stdout[-4000:]
    assert travel.writes(mark) == []
    assert travel.ours() == before


def test_a_plan_shows_a_difference_and_does_not_make_it(travel: Travel, tmp_path: Path) -> None:
    before, mark = travel.ours(), travel.bed.mark()
    play = role_play(tmp_path, "workloads")
    extra = {"mesh_target": "plan", "mesh_workloads": [application("prod-travel-portal", "brand-new")]}
    run = travel.play(play, extra_vars=extra).check()
    assert run.changed > 0
    assert "brand-new" in run.stdout
    assert travel.writes(mark) == []
    assert travel.dry_runs(mark) > 0
    assert travel.ours() == before


def application(namespace: str, name: str) -> dict[str, Any]:
    return {"namespace": namespace, "applications": [{"name": name, "image": "registry.example.com/shop:1", "port": 8080}]}


@pytest.mark.parametrize("provider", ["ossm3", pytest.param("ossm2", marks=pytest.mark.long)])
def test_files_need_no_cluster_and_the_api_takes_them(travel: Travel, tmp_path: Path, provider: str) -> None:
    tree = tmp_path / "tree"
    nowhere = {"K8S_AUTH_KUBECONFIG": str(tmp_path / "no-such-file"), "KUBECONFIG": str(tmp_path / "no-such-file")}
    mark = travel.bed.mark()
    travel.play(extra_vars={"mesh_target": "files", "mesh_output": str(tree), "mesh_provider": provider}, env=nowhere).check()
    assert not any(event["user"]["username"] == USER for event in travel.bed.audit(mark))
    files = [path for path in sorted(tree.rglob("*.yaml")) if path.name != "kustomization.yaml"]
    assert len(files) > 80
    travel.bed.install_crds("maistra")  # a cluster has those of one generation only
    objects = [path.read_text(encoding="utf-8") for path in files]
    # what a GitOps tool makes first: no dry run knows a namespace that another line of it would make
    for name in {obj["metadata"]["namespace"] for text in objects for obj in yaml.safe_load_all(text) if "namespace" in obj["metadata"]}:
        travel.bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name}})
    done = travel.bed.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--field-manager=meshops.mesh",
        "-f",
        "-",
        stdin="\n---\n".join(objects),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= len(files)


@pytest.fixture(name="silent")
def _silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def test_a_cluster_that_does_not_answer_is_named_soon(travel: Travel, tmp_path: Path, silent: int) -> None:
    config = yaml.safe_load(travel.kubeconfig.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{silent}"
    wrong = tmp_path / "kubeconfig"
    wrong.write_text(yaml.safe_dump(config), encoding="utf-8")
    run = travel.run("meshops.mesh.travel_prod", kubeconfig=wrong, bed=travel.bed, inventory=INVENTORY, extra_vars=VARS)
    assert run.rc != 0
    assert run.recap["prod"]["changed"] == 0
    given_up = re.search(rf"cluster prod \(https://127.0.0.1:{silent}\): no connection to the API server for (\d+) s", said(run))
    assert given_up and int(given_up[1]) <= FIRST_CONTACT, said(run)[-2000:]


def test_a_deployment_of_somebody_else_is_refused(travel: Travel, tmp_path: Path) -> None:
    namespace = "prod-travel-portal"
    made = travel.bed.kubectl("create", "deployment", "legacy-v1", "-n", namespace, "--image=registry.example.com/legacy:7", "--replicas=0")
    assert made.returncode == 0, made.stderr
    ours, mark = travel.ours(), travel.bed.mark()
    run = travel.play(role_play(tmp_path, "workloads"), extra_vars={"mesh_workloads": [application(namespace, "legacy")]})
    assert run.rc != 0
    assert f"not ours, so not touched: Deployment {namespace}/legacy-v1" in said(run)
    assert travel.writes(mark) == []
    assert travel.ours() == ours
    live = json.loads(travel.bed.kubectl("get", "deployment", "legacy-v1", "-n", namespace, "-o", "json").stdout)
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/legacy:7"
    assert OURS.partition("=")[0] not in live["metadata"].get("labels", {})


@pytest.mark.long
def test_one_scenario_keeps_what_another_made(travel: Travel, tmp_path: Path) -> None:
    """Chapter 3, then chapter 4, as the documentation says it, also with prune; then the other way round changes nothing."""
    more = {
        "mesh_certificates_store": str(tmp_path / "pki"),
        "travel_partner_bundle": str(tmp_path / "gto"),
        "mesh_check_only": ["OSM1508", "OSM1505"],
        "mesh_prune": True,
    }
    travel.play("meshops.mesh.travel_https", extra_vars=more).check()
    second = travel.play("meshops.mesh.travel_partner_gateway", extra_vars=more).check()
    assert "scenarios that are kept: https" in second.stdout
    found = travel.bed.kubectl("get", "gateways.networking.istio.io", "-n", "prod-istio-system", "-o", "json").stdout
    served = {one["metadata"]["name"]: one["spec"]["servers"][0]["port"]["protocol"] for one in json.loads(found)["items"]}
    assert served == {"control-gateway": "HTTPS", "travel-api-gateway": "HTTPS"}
    third = travel.play("meshops.mesh.travel_https", extra_vars=more).check()
    assert "scenarios that are kept: partner_gateway" in third.stdout and third.changed == 0, third.stdout[-3000:]


@pytest.mark.long
def test_it_moves_under_the_corporate_ca_and_says_who_signs(travel: Travel, tmp_path: Path) -> None:
    """Chapter 5, with a real Envoy behind each pod, whose certificate nobody would renew for hours."""
    spaces = [name for name in travel.namespaces() if name.startswith("prod-")]
    assert travel.bed.kubectl("label", "namespace", *spaces, "testbed.example.com/envoy=true").returncode == 0
    pods = json.loads(travel.bed.kubectl("get", "pods", "-A", "-o", "json").stdout)["items"]
    proxies = sum("sidecar.istio.io/status" in (pod["metadata"].get("annotations") or {}) for pod in pods)
    end = time.monotonic() + 240
    while len(travel.bed.kubectl("get", "portforwards.kwok.x-k8s.io", "-A", "-o", "name").stdout.split()) < proxies:
        assert time.monotonic() < end, f"{proxies} Envoys did not come"
        time.sleep(0.5)
    rotation = {"renew": "restart", "wave_size": 20, "interval": 0.5}
    more = {"mesh_certificates_store": str(tmp_path / "pki"), "mesh_certificates_rotation": rotation}
    run = travel.play("meshops.mesh.travel_corporate_ca", extra_vars=more).check()
    for phase in ("distribute", "switch", "retire"):
        assert re.search(rf"^{phase}: proved safe.*, written \({proxies} proxies, 2 istiods", run.stdout, re.MULTILINE), run.stdout[-5000:]
    assert "settle: every proxy and istiod has the new CA" in run.stdout and re.search(
        r"^\d+ passed, 0 warnings, 0 failed", run.stdout, re.MULTILINE
    )
    root, middle = (f"CN=Travel Agency Ltd {kind} CA,OU=Travel Agency Ltd Certificate Authority" for kind in ("Root", "Intermediate"))
    table = run.stdout[run.stdout.index("the CA of istiod:") :]
    assert table.startswith(f"the CA of istiod:\n  before  O=cluster.local\n  after   {root}")
    assert f"gateways and workloads:\n  before  O=cluster.local ({proxies})\n  after   {middle}" in table, table[:2000]
    again = travel.play("meshops.mesh.travel_corporate_ca", extra_vars=more).check()
    assert again.changed == 0 and "nothing to do: this CA signs" in again.stdout


def test_a_namespace_leaves_the_mesh(travel: Travel, tmp_path: Path) -> None:
    """One that its team made and Helm calls its own: a member, no longer named, planned, let go of; its pods are named."""
    guests = "prod-guests"
    travel.bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": guests, "labels": {"app.kubernetes.io/managed-by": "Helm"}}})
    play = role_play(tmp_path, "membership")
    domains = [{"name": "guests", "namespaces": [guests]}]
    members = [
        {"name": "travel-services", "namespaces": ["prod-travel-agency"]},
        {"name": "travel-portal", "namespaces": ["prod-travel-portal", "prod-travel-control"]},
    ]
    travel.play(play, extra_vars={"membership_domains": members + domains}).check()
    travel.bed.kubectl("create", "deployment", "web", "-n", guests, "--image=registry.example.com/web:1")
    done = travel.bed.kubectl("wait", "deployment/web", "-n", guests, "--for=condition=Available", "--timeout=40s")
    assert done.returncode == 0, done.stderr
    mark = travel.bed.mark()
    stays = travel.play(play, extra_vars={"membership_domains": members}).check()
    assert f"{guests}: still in the mesh travel-prod, though mesh_domains does not name it any more" in said(stays)
    planned = travel.play(play, extra_vars={"membership_domains": members, "mesh_prune": True, "mesh_target": "plan"}).check()
    named = f"Deployment {guests}/web (1 pod) keeps its proxy until it is recreated: kubectl rollout restart deployment/web -n {guests}"
    assert f"membership: would let go of Namespace {guests}" in said(planned) and named in said(planned)
    assert travel.writes(mark) == []
    left = travel.play(play, extra_vars={"membership_domains": members, "mesh_prune": True}).check()
    assert named in said(left)
    labels = json.loads(travel.bed.kubectl("get", "namespace", guests, "-o", "json").stdout)["metadata"]["labels"]
    assert labels == {"kubernetes.io/metadata.name": guests, "app.kubernetes.io/managed-by": "Helm"}
    assert travel.bed.kubectl("get", "deployment", "web", "-n", guests).returncode == 0
    assert len([line for line in travel.writes(mark) if guests in line]) == 1


def somebodys(travel: Travel) -> set[str]:
    """What the test planted into our namespaces, as it is now."""
    names = ("pvc/data", "configmap/notes", "deployment/legacy-v1", "kiali/theirs")
    return set(travel.bed.kubectl("get", *names, "-n", "prod-travel-portal", "-o", "name").stdout.split())


def test_it_is_not_removed_while_others_need_it_or_would_lose_something(travel: Travel) -> None:
    """Plain while pods of others have a proxy; with its namespaces, also by force, while something of others is in them."""
    portal = "prod-travel-portal"
    planted = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": portal},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes", "namespace": portal}},
        {"apiVersion": "kiali.io/v1alpha1", "kind": "Kiali", "metadata": {"name": "theirs", "namespace": portal}},
    ]
    assert travel.bed.kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, planted))).returncode == 0
    travel.bed.kubectl("scale", "deployment/legacy-v1", "-n", portal, "--replicas=1")
    done = travel.bed.kubectl("wait", "deployment/legacy-v1", "-n", portal, "--for=condition=Available", "--timeout=40s")
    assert done.returncode == 0, done.stderr
    before, there, mark = travel.ours(), somebodys(travel), travel.bed.mark()
    assert len(there) == 4
    mesh = {"mesh_hosts": "travel_prod"}
    run = travel.play("meshops.mesh.remove_mesh", extra_vars=mesh)
    assert run.rc != 0
    others = f"Deployment prod-guests/web (1 pod), Deployment {portal}/legacy-v1 (1 pod)"  # the first is no member, and has its proxy yet
    assert f"nothing was removed. 2 pods of others still have a proxy of travel-prod: {others}" in said(run), said(run)[-2000:]
    for asked in ((), ("--check",)):
        more = {**mesh, "mesh_remove_force": True, "mesh_remove_namespaces": True, "mesh_remove_volumes": True}
        run = travel.play("meshops.mesh.remove_mesh", *asked, extra_vars=more)
        assert run.rc != 0
        for line in (
            f"Namespace {portal} has in it what is not ours to delete: PersistentVolumeClaim {portal}/data (a volume)",
            *(f"{name} (written by" for name in (f"Deployment {portal}/legacy-v1", f"ConfigMap {portal}/notes", f"Kiali {portal}/theirs")),
        ):
            assert line in said(run), said(run)[-3000:]
    assert travel.writes(mark) == []
    assert (travel.ours(), somebodys(travel)) == (before, there)


def test_by_force_namespaces_stay_with_what_is_not_ours(travel: Travel) -> None:
    there = somebodys(travel)
    run = travel.play("meshops.mesh.remove_mesh", extra_vars={"mesh_hosts": "travel_prod", "mesh_remove_force": True}).check()
    assert "Deployment prod-travel-portal/legacy-v1 (1 pod) is left without a control plane" in said(run)
    assert "observability: kept PersistentVolumeClaim prod-istio-system/prometheus" in said(run)
    assert somebodys(travel) == there
    spaces = json.loads(travel.bed.kubectl("get", "namespaces", "-o", "json").stdout)["items"]
    labels = {one["metadata"]["name"]: set(one["metadata"]["labels"]) for one in spaces if "prod-travel-" in one["metadata"]["name"]}
    assert len(labels) == 3 and all(keys == {"kubernetes.io/metadata.name"} for keys in labels.values()), labels


def test_with_namespaces_and_volumes_nothing_is_left_but_operators(travel: Travel) -> None:
    for what in somebodys(travel):
        travel.bed.kubectl("delete", what, "-n", "prod-travel-portal")
    more = {"mesh_hosts": "travel_prod", "mesh_remove_namespaces": True, "mesh_remove_volumes": True}
    # what a StatefulSet of a tracing operator leaves behind is no object of ours
    claims = travel.bed.kubectl("get", "pvc", "-n", "prod-istio-system", "-l", OURS.replace("=", "!=", 1), "-o", "name").stdout.split()
    if claims:
        mark = travel.bed.mark()
        run = travel.play("meshops.mesh.remove_mesh", extra_vars=more)
        name = claims[0].partition("/")[2]
        assert run.rc != 0 and f"PersistentVolumeClaim prod-istio-system/{name} (a volume" in said(run) and travel.writes(mark) == []
        travel.bed.kubectl("delete", *claims, "-n", "prod-istio-system")
    travel.play("meshops.mesh.remove_mesh", extra_vars=more).check()
    left = travel.bed.kubectl(
        "get",
        "subscriptions.operators.coreos.com,operatorgroups,namespaces",
        "-A",
        "-o",
        "name",
        "-l",
        f"{OURS},mesh.meshops.io/layer=operators",
    ).stdout.split()
    assert any("servicemeshoperator3" in name for name in left)
    assert len(travel.ours()) == len(left)
    assert [name for name in travel.namespaces() if name.startswith("prod-") or name == "istio-cni"] == ["prod-guests"]
    for kind in ("istios.sailoperator.io", "istiorevisions.sailoperator.io", "istiocnis.sailoperator.io"):
        assert travel.bed.kubectl("get", kind, "-A", "-o", "name").stdout == ""
