# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the middle of a run: killed runs, two runs at once, a busy and a restarting API server, operators that fail,
missing rights, objects of others, a namespace that does not go."""

from __future__ import annotations

import itertools
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import LayerRequest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import run as apply_layer
from ansible_collections.meshops.mesh.plugins.module_utils._errors import Conflict
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from background_support import kill_tree, read_until
from conftest import LONG
from faults_support import Bursts, Mesh, Playbook, hosts, intent, ref, said
from testbed import Bed

# In the order of this file: the first tests install the mesh that the others break.
pytestmark = [pytest.mark.xdist_group("faults-run"), pytest.mark.story]

LAYERS = ("operators", "control_plane", "membership", "personas", "observability", "workloads", "gateways")
# Without the long stories: the one that waits for an operator; a test has the layer of the operators, and all are written by the same code.
KILLED = LAYERS[1:] if LONG else ("control_plane",)
APPLICATION = {"image": "registry.example.com/web:1", "port": 8080}


@pytest.fixture(scope="module", name="mesh")
def _mesh(beds: Callable[..., Bed], playbook: Playbook, tmp_path_factory: pytest.TempPathFactory) -> Mesh:
    bed = beds("olm", "sail", "openshift", tag="faults-run")
    return Mesh(bed, playbook, tmp_path_factory.mktemp("faults-run"))


@pytest.fixture(name="faults")
def _faults(mesh: Mesh) -> Iterator[Callable[..., None]]:
    yield lambda **faults: mesh.bed.set_faults(faults)
    mesh.bed.set_faults({})


def only(roles: str) -> tuple[str, ...]:
    """Arguments for these roles, without Ansible's own check of the arguments of all the others, which is as long as a role."""
    return ("--tags", roles, "--skip-tags", "always")


def more_web(name: str) -> dict[str, Any]:
    """The mesh with a second application."""
    both = [{"name": "web", **APPLICATION}, {"name": name, **APPLICATION}]
    return intent(mesh_workloads=[{"namespace": "shop-web", "applications": both}])


def deployments(mesh: Mesh) -> set[str]:
    found = mesh.bed.kubectl("get", "deployments", "-n", "shop-web", "-o", "name").stdout.split()
    return {name.removeprefix("deployment.apps/") for name in found}


CSV = "servicemeshoperator3.v3.2.0"


def test_killed_while_the_operators_are_written(mesh: Mesh) -> None:
    # the next test needs an operator that was never ready
    mesh.bed.set_faults({"olm": {"delay": 0.1, "never_ready": [CSV]}})
    kill_in(mesh, "operators", "operators")
    assert mesh.ours("operators"), "something was written, and the next tests go on from there"


def test_an_operator_that_never_gets_ready_ends_at_its_timeout_with_its_last_reason(mesh: Mesh, faults: Callable[..., None]) -> None:
    faults(olm={"delay": 0.1, "never_ready": [CSV]})
    run = mesh.play(intent(operators_wait_timeout=6), *only("operators"))
    assert run.rc == 2
    text = said(run)
    assert "cluster west: not reached within 6 s: Subscription openshift-operators/servicemeshoperator3" in text
    assert CSV in text and "raise wait_timeout" in text


def kill_in(mesh: Mesh, layer: str, *tags: str) -> None:
    """Starts the roles and kills the run as soon as the first write of the layer is done."""
    process = mesh.start(intent(), *only(",".join(tags)))
    read_until(process, lambda line: f"Apply the layer {layer}]" in line)
    mark = mesh.bed.mark()
    limit = time.monotonic() + 60
    while not mesh.writes(mark):
        assert process.poll() is None and time.monotonic() < limit, f"nothing was written in {layer}"
        time.sleep(0.02)
    kill_tree(process)
    assert process.returncode == -signal.SIGKILL


def test_killed_at_every_layer_it_goes_on_and_ends_as_if_nothing_had_been(mesh: Mesh, tmp_path: Path) -> None:
    mesh.bed.set_faults({"olm": {"delay": 0.1}})
    # as somebody repairs what the test before left: a pod that fits on no node
    mesh.bed.kubectl(
        "patch",
        "deployment",
        "servicemesh-operator3",
        "-n",
        "openshift-operators",
        "--type=merge",
        "-p",
        '{"spec":{"template":{"spec":{"nodeSelector":null}}}}',
    )
    everything = only(",".join(LAYERS))  # not the checks, which have tests of their own
    for before, layer in itertools.pairwise((LAYERS[0], *KILLED)):
        kill_in(mesh, layer, *LAYERS[LAYERS.index(before) : LAYERS.index(layer) + 1])
    tree = tmp_path / "tree"
    files = mesh.start(intent(mesh_target="files", mesh_output=str(tree)), *everything)  # what is wanted, by a run that asks no cluster
    mesh.play(intent(), *everything).check()
    found = mesh.ours("shop") | mesh.ours("operators")
    text, _ = files.communicate(timeout=300)
    assert files.returncode == 0, text[-3000:]
    paths = [path for path in tree.rglob("*.yaml") if path.name != "kustomization.yaml"]
    assert set(found) == {ref(obj) for path in paths for obj in yaml.safe_load_all(path.read_text(encoding="utf-8"))}
    assert mesh.play(intent(), *everything).check().changed == 0
    assert mesh.ours("shop") | mesh.ours("operators") == found


def test_two_runs_at_once_end_well_and_leave_what_was_wanted(mesh: Mesh) -> None:
    wanted = more_web("twin")
    both = [mesh.start(wanted, *only("membership,workloads")) for _ in range(2)]
    texts = [process.communicate(timeout=300)[0] for process in both]
    for process, text in zip(both, texts, strict=True):
        # whoever came second may say that somebody else changed it, and nothing else
        assert process.returncode == 0 or "it was changed in the meantime" in " ".join(text.split()), text[-3000:]
    assert any(process.returncode == 0 for process in both), texts[0][-3000:]
    assert {"web-v1", "twin-v1"} <= deployments(mesh)
    mark = mesh.bed.mark()
    assert mesh.play(wanted, *only("workloads")).check().changed == 0
    assert mesh.writes(mark) == []


def test_a_busy_api_is_waited_out(mesh: Mesh) -> None:
    user = mesh.bed.service_account_kubeconfig("default", "busy")
    mesh.bed.kubectl("create", "clusterrolebinding", "busy", "--clusterrole=cluster-admin", "--serviceaccount=default:busy")
    config = yaml.safe_load(user.read_text(encoding="utf-8"))
    proxy = Bursts(mesh.bed.data["api"], mesh.bed.dir / "pki" / "ca.crt")
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{proxy.server_address[1]}"}
        path = mesh.folder / "busy.kubeconfig"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        run = mesh.play(more_web("busy"), *only("membership,workloads,gateways"), kubeconfig=path).check()
    finally:
        proxy.shutdown()
        proxy.server_close()
    assert proxy.answered[429] > 3 and proxy.answered[503] > 3, proxy.answered
    assert run.changed == 1
    assert "busy-v1" in deployments(mesh)


def test_an_api_server_that_restarts_in_the_middle_does_not_end_the_run(mesh: Mesh) -> None:
    process = mesh.start(more_web("restarted"), *only("membership,workloads"))
    text = read_until(process, lambda line: "Render the members" in line)
    mesh.bed.kill("kube-apiserver")
    # A task's first contact gives up after 15 s, and a busy machine needs most of them to bring the server back.
    time.sleep(0.5)
    mesh.bed.restart("kube-apiserver")
    rest, _ = process.communicate(timeout=300)
    assert process.returncode == 0, (text + rest)[-3000:]
    assert "restarted-v1" in deployments(mesh)


def test_one_cluster_of_two_is_down_and_the_other_goes_on(mesh: Mesh, tmp_path: Path) -> None:
    with socket.socket() as listener:  # takes connections and never says a word
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        config = yaml.safe_load(mesh.kubeconfig.read_text(encoding="utf-8"))
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{listener.getsockname()[1]}"
        silent = tmp_path / "silent.kubeconfig"
        silent.write_text(yaml.safe_dump(config), encoding="utf-8")
        inventory = hosts(tmp_path, "east", "west", east={"mesh_kubeconfig": str(silent)}, west={"mesh_kubeconfig": str(mesh.kubeconfig)})
        run = mesh.play(more_web("other"), *only("workloads"), inventory=inventory)
    text = said(run)
    assert run.rc == 2
    assert (run.recap["east"]["failed"], run.recap["west"]["failed"], run.recap["west"]["changed"]) == (1, 0, 1)
    server = re.escape(config["clusters"][0]["cluster"]["server"])
    given_up = re.search(rf"cluster east \({server}\): no connection to the API server for (\d+) s", text)
    assert given_up and int(given_up[1]) <= 15, text[-2000:]
    assert "other-v1" in deployments(mesh)


def test_what_belongs_to_somebody_else_is_refused(mesh: Mesh) -> None:
    theirs = [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "theirs", "namespace": "shop-system"},
            "spec": {
                "selector": {"istio": "theirs"},
                "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
            },
        },
        {
            "apiVersion": "route.openshift.io/v1",
            "kind": "Route",
            "metadata": {"name": "theirs", "namespace": "shop-system"},
            "spec": {"host": "theirs.apps.example.com", "to": {"kind": "Service", "name": "theirs"}},
        },
    ]
    done = mesh.bed.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(theirs))
    assert done.returncode == 0, done.stderr
    before, mark = mesh.bed.kubectl("get", "gateways.networking.istio.io,routes", "-n", "shop-system", "-o", "json").stdout, mesh.bed.mark()
    wanted = intent()
    wanted["mesh_gateways"].append({"name": "theirs", "hosts": ["theirs.apps.example.com"], "routes": []})
    run = mesh.play(wanted, *only("gateways"))
    text = said(run)
    assert run.rc == 2
    assert "cluster west: not ours, so not touched: " in text
    assert "Gateway shop-system/theirs (no app.kubernetes.io/managed-by label, written by kubectl-create)" in text
    assert "Route shop-system/theirs (no app.kubernetes.io/managed-by label, written by" in text
    assert "nothing was written" in text and "adopt" in text
    assert mesh.writes(mark) == []
    after = mesh.bed.kubectl("get", "gateways.networking.istio.io,routes", "-n", "shop-system", "-o", "json").stdout
    assert specs(after) == specs(before)


def specs(text: str) -> dict[str, Any]:
    return {ref(item): (item["spec"], item["metadata"].get("labels")) for item in json.loads(text)["items"]}


def test_rights_that_miss_for_one_kind_are_named(mesh: Mesh) -> None:
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["networking.istio.io"], "resources": ["virtualservices"], "verbs": ["*"]},
        {"apiGroups": ["route.openshift.io"], "resources": ["routes", "routes/custom-host"], "verbs": ["*"]},
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "no-gateways"}, "rules": rules}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "no-gateways"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "no-gateways"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "gina"}],
    }
    assert mesh.bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([role, binding])).returncode == 0
    wanted = intent()
    wanted["mesh_gateways"].append({"name": "second", "hosts": ["second.apps.example.com"], "routes": []})
    run = mesh.play(wanted, *only("gateways"), kubeconfig=mesh.bed.user_kubeconfig("gina"))
    text = said(run)
    assert run.rc == 2
    assert "Gateway shop-system/second: cluster west (" in text
    assert 'User "gina" cannot patch resource "gateways" in API group "networking.istio.io" in the namespace "shop-system"' in text
    assert "give this user the right" in text


def test_a_namespace_that_does_not_go_is_named_with_what_holds_it(mesh: Mesh) -> None:
    name = "shop-stuck"
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "namespace": name, "finalizers": ["example.com/hold"]}}
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert mesh.bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([home, held])).returncode == 0
    mesh.bed.kubectl("delete", "namespace", name, "--wait=false")
    variables = intent(mesh_domains=[{"name": "shop", "namespaces": ["shop-web", name]}], deliver_wait_timeout=8)
    try:
        run = mesh.play(variables, *only("membership"))
        text = said(run)
        assert run.rc == 2
        assert "cluster west: not deleted after" in text and f"Namespace {name}: Terminating" in text
        assert "example.com/hold in 1 resource instances" in text
        assert "deliver_wait_timeout" in text
        inside = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": name}}
        cluster = Cluster.from_params({"kubeconfig": str(mesh.kubeconfig)}, name="west")
        with pytest.raises(Conflict, match=f"ConfigMap {name}/new: cluster west .*the namespace is being deleted"):
            apply_layer(cluster, [inside], LayerRequest(mesh="shop", layer="test"))
    finally:
        mesh.bed.kubectl("patch", "configmap", "held", "-n", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def test_a_kind_that_the_api_does_not_have_is_named(mesh: Mesh) -> None:
    text = said(mesh.play(intent("two", mesh_provider="ossm2"), *only("control_plane")))
    assert "cluster west: the API does not have these kinds: " in text
    assert "ServiceMeshControlPlane (maistra.io/v2), wanted for ServiceMeshControlPlane two-system/two" in text
    assert "deliver the layer that installs their operator first" in text and "nothing was written" in text


def test_a_version_that_is_end_of_life_fails_at_once_with_the_operators_words(mesh: Mesh) -> None:
    mark = mesh.bed.mark()
    run = mesh.play(intent("old", mesh_ossm3_version="v1.24.3"), *only("control_plane"))
    assert run.rc == 2
    assert "cluster west: Istio old: " in said(run)
    assert 'version "v1.24.3" is end-of-life and cannot be installed; use a supported version' in said(run)
    times = [
        event["requestReceivedTimestamp"]
        for event in mesh.bed.audit(mark)
        if event["user"]["username"] == mesh.user and "/istios/old" in event["requestURI"]
    ]
    first, last = (datetime.fromisoformat(times[place]) for place in (0, -1))
    assert (last - first).total_seconds() < 30, "it sat out its timeout of 300 s"


def test_a_control_plane_that_never_gets_ready_ends_at_its_timeout(mesh: Mesh, faults: Callable[..., None]) -> None:
    faults(sail={"never_ready": ["slow"]})
    run = mesh.play(intent("slow", deliver_wait_timeout=6), *only("control_plane"))
    text = said(run)
    assert run.rc == 2
    assert "cluster west: not ready after" in text and "Istio slow: " in text
    assert "istiod" in text.lower()
