# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with Istio's own charts and a real istiod: installed by our playbook, asked by istioctl, with its own injection and validation."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testbed import Bed, binaries
from testbed.operators.certificates import Authority
from testbed.patience import until

Obj = dict[str, Any]
MISSING = binaries.istio_missing()
pytestmark = [pytest.mark.long, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
NAMESPACE = "istio-system"
PLAIN = {
    "mesh_observability": {"prometheus": {"enabled": False}, "grafana": {"enabled": False}, "kiali": {"enabled": False}},
}


@pytest.fixture(scope="module", name="bed")
def _bed(worker_id: str) -> Iterator[Bed]:
    name = f"real-istiod-{worker_id}"
    Bed.find(name).stop()  # of a run that was cut short
    bed = Bed.start(name, ("olm", "sail", "openshift"), istiod="real", owner=os.getpid())
    yield bed
    bed.stop()


def istioctl(bed: Bed, *args: str) -> str:
    done = subprocess.run([bed.data["binaries"]["istioctl"], *args], env=bed.env(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"istioctl {' '.join(args)}: {done.stderr}"
    return done.stdout


def get(bed: Bed, *args: str) -> Obj:
    done = bed.kubectl("get", *args, "-o", "json")
    return json.loads(done.stdout) if done.returncode == 0 else {}


def data_of(bed: Bed, kind: str, name: str, namespace: str) -> dict[str, str]:
    return get(bed, kind, name, "-n", namespace).get("data") or {}


@pytest.fixture(scope="module", name="installed")
def _installed(bed: Bed, playbook: Callable[..., Any]) -> Bed:
    """inventories/minimal, twice: the second time nothing is to be done."""
    first = playbook("meshops.mesh.install_mesh", bed=bed, inventory="inventories/minimal", extra_vars=PLAIN).check()
    assert first.changed
    second = playbook("meshops.mesh.install_mesh", bed=bed, inventory="inventories/minimal", extra_vars=PLAIN).check()
    assert second.recap["cluster"]["changed"] == 0, second.stdout
    return bed


def test_istioctl_finds_the_control_plane_and_its_version(installed: Bed) -> None:
    """By port-forwards to istiod's pod; it looks for the revision `default` unless it is told another one."""
    (pod,) = get(installed, "pods", "-n", NAMESPACE, "-l", "app=istiod")["items"]
    revision = f"--revision={pod['metadata']['labels']['istio.io/rev']}"
    found = json.loads(istioctl(installed, "version", revision, "-o", "json"))
    assert [row["Info"]["version"] for row in found["meshVersion"]] == [binaries.ISTIO_VERSION]
    assert found["clientVersion"]["version"] == binaries.ISTIO_VERSION
    istioctl(installed, "proxy-status", revision)
    debug = json.loads(istioctl(installed, "x", "internal-debug", "clusterz", revision))
    assert [row["syncStatus"] for row in debug] == ["synced"]


def test_what_the_operator_installed_is_the_operators(installed: Bed) -> None:
    found = get(installed, "deployment", "istiod-first", "-n", NAMESPACE) or get(installed, "deployment", "istiod", "-n", NAMESPACE)
    assert found["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "sail-operator"
    assert found["metadata"]["ownerReferences"][0]["kind"] == "IstioRevision"
    revision = found["metadata"]["ownerReferences"][0]["name"]
    roles = get(installed, "clusterroles")["items"]
    assert any(reference["name"] == revision for role in roles for reference in role["metadata"].get("ownerReferences") or []), (
        "istiod's rights are the charts'"
    )


def test_pods_of_a_member_get_the_proxy_of_the_real_template(installed: Bed) -> None:
    assert installed.kubectl("run", "hello", "-n", "shop", "--image", "hello", "--port", "8080").returncode == 0
    pod = get(installed, "pod", "hello", "-n", "shop")
    containers = {c["name"]: c for c in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or []))}
    assert "istio-proxy" in containers
    assert json.loads(pod["metadata"]["annotations"]["sidecar.istio.io/status"])["revision"]
    settings = {env["name"]: env.get("value") for env in containers["istio-proxy"]["env"]}
    assert settings["CA_ADDR"].endswith(f"{NAMESPACE}.svc:15012")
    assert installed.kubectl("delete", "pod", "hello", "-n", "shop", "--now").returncode == 0


def test_istiod_refuses_what_istio_refuses(installed: Bed) -> None:
    """The validation of a revision is about the objects with its label; only the revision `default` is asked about all."""
    (pod,) = get(installed, "pods", "-n", NAMESPACE, "-l", "app=istiod")["items"]
    revision = {"istio.io/rev": pod["metadata"]["labels"]["istio.io/rev"]}
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop", "namespace": "shop", "labels": revision},
        "spec": {"hosts": ["shop"], "http": [{"route": [{"destination": {"host": "shop"}, "weight": -1}]}]},
    }
    done = installed.kubectl("apply", "-f", "-", stdin=json.dumps(route))
    assert done.returncode != 0
    assert "validation.istio.io" in done.stderr
    route["spec"]["http"][0]["route"][0]["weight"] = 100
    assert installed.kubectl("apply", "-f", "-", stdin=json.dumps(route)).returncode == 0
    assert installed.kubectl("delete", "virtualservice", "shop", "-n", "shop").returncode == 0


def test_a_new_ca_counts_when_istiod_starts_again(installed: Bed) -> None:
    """It started without cacerts, so it never looks at it; its next pod does, and tells every namespace."""
    before = data_of(installed, "configmap", "istio-ca-root-cert", "shop")["root-cert.pem"]
    ours = Authority.new("meshops.example.com")
    files = {"ca-cert.pem": ours.cert, "ca-key.pem": ours.key, "root-cert.pem": ours.root, "cert-chain.pem": ours.cert}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": NAMESPACE},
        "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
    }
    assert installed.kubectl("apply", "-f", "-", stdin=json.dumps(secret)).returncode == 0
    (deployment,) = get(installed, "deployments", "-n", NAMESPACE, "-l", "app=istiod")["items"]
    assert data_of(installed, "configmap", "istio-ca-root-cert", "shop")["root-cert.pem"] == before
    assert installed.kubectl("rollout", "restart", f"deployment/{deployment['metadata']['name']}", "-n", NAMESPACE).returncode == 0
    root = ours.root.decode().strip()
    until(lambda: data_of(installed, "configmap", "istio-ca-root-cert", "shop")["root-cert.pem"].strip() == root)
    done = installed.kubectl(
        "rollout", "status", f"deployment/{deployment['metadata']['name']}", "-n", NAMESPACE, "--timeout=60s", timeout=90
    )
    assert done.returncode == 0, done.stderr
