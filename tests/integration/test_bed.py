# SPDX-License-Identifier: GPL-3.0-or-later
"""The test bed itself: what it promises to the tests that stand on it."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed, BedError, crds
from testbed.api import ApiStatus
from testbed.paths import CHECKOUT
from testbed.pki import Authority

Beds = Callable[..., Bed]


def eventually(probe: Callable[[], Any], timeout: float = 20.0) -> Any:
    """The probe's first true answer."""
    deadline = time.monotonic() + timeout
    while not (found := probe()):
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.1)
    return found


def deployment(name: str, replicas: int = 2, **labels: str) -> dict[str, Any]:
    chosen = {"app": name, **labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": chosen}, "spec": {"containers": [{"name": "main", "image": "example.test/none:1"}]}},
        },
    }


def pods(bed: Bed, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bed.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return found


def running_pod(bed: Bed, namespace: str, name: str = "tool") -> str:
    bed.api.create(
        f"/api/v1/namespaces/{namespace}/pods",
        {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "example.test/none:1"}]}},
    )
    eventually(lambda: bed.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")["status"]["phase"] == "Running")
    return name


def processes_of(bed: Bed) -> set[int]:
    """Ids of live processes that have the bed's folder in their command line."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and any(f"{bed.dir}{end}".encode() in words for end in ("/", "\0")):
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def test_it_has_a_version_and_ready_nodes(bed: Bed) -> None:
    assert bed.api.get("/version")["gitVersion"] == "v1.35.4"
    nodes = bed.api.get("/api/v1/nodes")["items"]
    assert len(nodes) == 3
    for node in nodes:
        assert node["metadata"]["labels"]["kubernetes.io/os"] == "linux"
        assert {"type": "Ready", "status": "True"}.items() <= next(c for c in node["status"]["conditions"] if c["type"] == "Ready").items()


def test_starting_twice_gives_the_running_bed(bed: Bed) -> None:
    again = Bed.start(bed.name, ())
    assert again.data["supervisor"] == bed.data["supervisor"]
    with pytest.raises(BedError, match=r"runs with operators \[\], not with \[olm\]"):
        Bed.start(bed.name, ("olm",))


def test_pods_of_a_deployment_become_ready(bed: Bed, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    bed.api.create(path, deployment("web"))
    eventually(lambda: bed.api.get(f"{path}/web")["status"].get("readyReplicas") == 2)
    assert all(pod["status"]["podIP"].startswith("10.") for pod in pods(bed, namespace))


def test_a_held_pod_stays_pending_until_let_go(bed: Bed, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    bed.api.create(path, deployment("held", 1, **{"testbed.meshops.io/hold": "yes"}))
    pod = eventually(lambda: [p for p in pods(bed, namespace) if p["spec"].get("nodeName")])[0]["metadata"]["name"]
    time.sleep(1)
    assert pods(bed, namespace)[0]["status"]["phase"] == "Pending"
    bed.api.request(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/pods/{pod}",
        {"metadata": {"labels": {"testbed.meshops.io/hold": None}}},
        "application/merge-patch+json",
    )
    eventually(lambda: bed.api.get(f"{path}/held")["status"].get("readyReplicas") == 1)


def test_rbac_denies_and_the_audit_log_tells(bed: Bed, namespace: str) -> None:
    mark = bed.mark()
    denied = bed.kubectl("get", "secrets", "-n", namespace, kubeconfig=bed.user_kubeconfig("ada", ["domain-travel"]))
    assert denied.returncode == 1
    assert 'User "ada" cannot list resource "secrets"' in denied.stderr
    event = eventually(lambda: [e for e in bed.audit(mark) if e["user"]["username"] == "ada" and e["verb"] == "list"])[0]
    assert event["responseStatus"]["code"] == 403
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert "domain-travel" in event["user"]["groups"]


def test_groups_of_a_user_count(bed: Bed, namespace: str) -> None:
    bed.api.create(
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
        {
            "metadata": {"name": "viewers"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "Group", "name": "domain-hotels", "apiGroup": "rbac.authorization.k8s.io"}],
        },
    )
    user = bed.user_kubeconfig("grace", ["domain-hotels"])
    eventually(lambda: bed.kubectl("get", "pods", "-n", namespace, kubeconfig=user).returncode == 0)
    assert bed.kubectl("create", "configmap", "mine", "-n", namespace, kubeconfig=user).returncode == 1


def test_a_service_account_token_works(bed: Bed, namespace: str) -> None:
    config = bed.service_account_kubeconfig(namespace, "robot")
    who = bed.kubectl("auth", "whoami", "-o", "json", kubeconfig=config)
    assert json.loads(who.stdout)["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:robot"


def test_exec_runs_a_local_process(bed: Bed, namespace: str) -> None:
    pod = running_pod(bed, namespace)
    done = bed.kubectl("exec", "-i", "-n", namespace, pod, "--", "sh", "-c", "read line; echo got $line; exit 3", stdin="a word\n")
    assert done.stdout == "got a word\n"
    # KWOK tells the exit code in words only.
    assert done.returncode != 0
    assert "exit status 3" in done.stderr


def test_logs_and_port_forward_reach_what_a_test_sets(beds: Beds, tmp_path: Path, webhook: Any) -> None:
    bed = beds(tag="pods")
    pod = running_pod(bed, "default")
    assert "no log of its own" in bed.kubectl("logs", pod).stdout
    log = tmp_path / "log"
    log.write_text("2026-01-01T00:00:00.000000000Z stdout F a line of this pod\n")
    bed.set_pods(forwards={f"default/{pod}:15000": f"127.0.0.1:{webhook.port}"}, logs={f"default/{pod}": str(log)})
    eventually(lambda: bed.kubectl("logs", pod).stdout == "a line of this pod\n")
    forward = subprocess.Popen(
        [bed.data["binaries"]["kubectl"], "port-forward", pod, ":15000"], env=bed.env(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert forward.stdout
        local = forward.stdout.readline().split("127.0.0.1:")[1].split()[0]
        plain = subprocess.run(["curl", "-sS", f"http://127.0.0.1:{local}/"], capture_output=True, text=True, timeout=10, check=False)
        assert plain.stdout == "plain\n"
    finally:
        forward.kill()
        forward.wait()


class _Webhook(BaseHTTPRequestHandler):
    """Sets an annotation on every pod; answers GET with a plain word."""

    def do_GET(self) -> None:
        self._answer(b"plain\n")

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        patch = "W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscyIsInZhbHVlIjp7ImluamVjdGVkIjoieWVzIn19XQ=="
        response = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
        self._answer(json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


class _Server:
    def __init__(self) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _Webhook)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def use_tls(self, cert: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)


@pytest.fixture
def webhook() -> Iterator[_Server]:
    server = _Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def test_a_webhook_is_called_through_its_service_and_fails_closed_without(bed: Bed, namespace: str, webhook: _Server) -> None:
    pair = Authority(bed.dir / "pki").issue("hook", "hook", names=[f"hook.{namespace}.svc"])
    webhook.use_tls(pair.cert, pair.key)
    bed.api.create(f"/api/v1/namespaces/{namespace}/services", {"metadata": {"name": "hook"}, "spec": {"ports": [{"port": 443}]}})
    bed.api.create(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        {
            "metadata": {"name": namespace},
            "webhooks": [
                {
                    "name": "hook.testbed.test",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Fail",
                    "timeoutSeconds": 5,
                    "clientConfig": {
                        "service": {"namespace": namespace, "name": "hook", "port": 443},
                        "caBundle": base64.b64encode((bed.dir / "pki" / "ca.crt").read_bytes()).decode(),
                    },
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
                }
            ],
        },
    )
    try:
        time.sleep(1.5)  # the API server reads webhook configurations from a cache
        with pytest.raises(ApiStatus, match=r"failed calling webhook \"hook.testbed.test\""):
            running_pod(bed, namespace, "refused")
        assert pods(bed, namespace) == []
        bed.set_services({f"{namespace}/hook:443": f"127.0.0.1:{webhook.port}"})
        running_pod(bed, namespace, "taken")
        assert pods(bed, namespace)[0]["metadata"]["labels"]["injected"] == "yes"
    finally:
        bed.set_services({})
        bed.kubectl("delete", "mutatingwebhookconfiguration", namespace)


def test_crds_are_served_after_installing(bed: Bed) -> None:
    installed = bed.install_crds("sail", "kiali")
    assert "istios.sailoperator.io" in installed
    path = "/apis/sailoperator.io/v1/istios"
    made = bed.api.create(
        path,
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "Istio",
            "metadata": {"name": "default"},
            "spec": {"namespace": "istio-system", "version": "v1.26.2"},
        },
    )
    # The status is a subresource: an ordinary write does not change it.
    made["status"] = {"state": "Healthy"}
    assert "status" not in bed.api.request("PUT", f"{path}/default", made)
    bed.api.request("DELETE", f"{path}/default")


def test_the_api_server_comes_back(beds: Beds) -> None:
    bed = beds(tag="faults")
    bed.api.create("/api/v1/namespaces", {"metadata": {"name": "kept"}})
    bed.kill("kube-apiserver")
    with pytest.raises(OSError, match="refused"):
        bed.api.get("/readyz")
    assert bed.alive()["kube-apiserver"] is False
    assert bed.is_running()
    bed.restart("kube-apiserver")
    assert bed.api.get("/api/v1/namespaces/kept")["metadata"]["name"] == "kept"
    # The others find it again by themselves.
    path = "/apis/apps/v1/namespaces/kept/deployments"
    bed.api.create(path, deployment("after", 1))
    eventually(lambda: bed.api.get(f"{path}/after")["status"].get("readyReplicas") == 1, 60)


def test_nothing_is_left_of_a_killed_supervisor(beds: Beds) -> None:
    bed = beds(tag="faults")
    assert len(processes_of(bed)) >= 6
    pid = bed.data["supervisor"]["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not processes_of(bed), 5)
    assert not bed.is_running()
    # What it left does not hinder the next one.
    again = beds(tag="faults")
    assert again.data["supervisor"]["pid"] != pid
    assert again.api.get("/readyz") == "ok"
    with pytest.raises(ApiStatus):
        again.api.get("/api/v1/namespaces/kept")


def test_a_bed_ends_with_its_owner(worker_id: str) -> None:
    name = f"it-{worker_id}-owned"
    script = (
        "import os, sys, time; from testbed import Bed; Bed.start(sys.argv[1], (), nodes=1, owner=os.getpid()); "
        "print('up', flush=True); time.sleep(600)"
    )
    Bed.find(name).stop()  # of a run that was cut short
    owner = subprocess.Popen(
        [sys.executable, "-c", script, name], env={**os.environ, "PYTHONPATH": str(CHECKOUT / "tests")}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout and owner.stdout.readline() == "up\n"
        bed = Bed.find(name)
        assert len(processes_of(bed)) >= 6
    finally:
        owner.kill()
        owner.wait()
    eventually(lambda: not processes_of(bed), 10)


def test_short_schemas_are_taken_by_the_api_server(bed: Bed) -> None:
    for group in crds.GROUPS:
        folder = Path(crds.__file__).parent / "schemas"
        for crd in yaml.safe_load_all((folder / f"{group}.yaml").read_text()):
            name = crd["metadata"]["name"]
            try:
                bed.api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All", crd)
            except ApiStatus as error:
                assert error.status == 409, f"{name}: {error}"  # installed by another test


def test_a_playbook_works_with_the_bed(bed: Bed, playbook: Callable[..., Any], tmp_path: Path) -> None:
    book = tmp_path / "book.yml"
    book.write_text(
        yaml.safe_dump(
            [
                {
                    "name": "Look",
                    "hosts": "localhost",
                    "connection": "local",
                    "gather_facts": False,
                    "tasks": [
                        {
                            "name": "Make a namespace",
                            "kubernetes.core.k8s": {
                                "definition": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "by-ansible"}}
                            },
                        }
                    ],
                }
            ]
        )
    )
    first = playbook(book, bed=bed, inventory="localhost,", extra_vars={"ansible_python_interpreter": sys.executable}).check()
    assert first.recap["localhost"]["changed"] == 1
    assert bed.api.get("/api/v1/namespaces/by-ansible")["status"]["phase"] == "Active"
    assert playbook(book, bed=bed, inventory="localhost,", extra_vars={"ansible_python_interpreter": sys.executable}).check().changed == 0


def test_the_command_line(worker_id: str) -> None:
    name = f"it-{worker_id}-cli"

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "testbed", *args, "--name", name],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT / "tests")},
        )

    try:
        up = run("up", "--nodes", "1")
        assert up.returncode == 0, up.stderr
        assert run("kubeconfig").stdout.strip() == str(Bed.find(name).kubeconfig)
        assert "up at https://127.0.0.1:" in run("status").stdout
    finally:
        assert run("down").returncode == 0
    assert processes_of(Bed.find(name)) == set()
    assert run("status").returncode == 3
    assert run("kubeconfig").returncode == 1
