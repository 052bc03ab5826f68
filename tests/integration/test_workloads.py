# SPDX-License-Identifier: GPL-3.0-or-later
"""The role workloads on a real API with an injector: rollouts are waited for, pods without a proxy are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed

# One worker: the bed and its control plane are the file's.
pytestmark = pytest.mark.xdist_group("workloads")

REVISION = "production"
Object = dict[str, Any]
Playbook = Callable[..., Any]


@dataclass(frozen=True)
class Workloads:
    """The role, run on applications of one namespace."""

    bed: Bed
    folder: Path
    play: Playbook

    def __call__(self, namespace: str, *applications: Object, **variables: Any) -> Any:
        given = {
            "mesh_name": namespace,  # pods are looked for by mesh
            "mesh_provider": "ossm3",
            "mesh_domains": [{"name": "shop", "namespaces": [namespace]}],
            "mesh_workloads": [{"namespace": namespace, "applications": list(applications)}],
            **variables,
        }
        path = self.folder / "play.yml"
        tasks = [{"name": "Run", "ansible.builtin.include_role": {"name": "meshops.mesh.workloads"}}]
        path.write_text(yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
        return self.play(path, bed=self.bed, extra_vars=given)

    def namespace(self, name: str, **labels: str) -> str:
        self.bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        return name

    def list(self, kind: str, namespace: str) -> list[Object]:
        done = self.bed.kubectl("get", kind, "-n", namespace, "-o", "json")
        assert done.returncode == 0, done.stderr
        items: list[Object] = json.loads(done.stdout)["items"]
        return items


def application(name: str, **fields: Any) -> Object:
    return {"name": name, "image": "registry.example.com/shop:1", "port": 8080, **fields}


def said(run: Any) -> str:
    """Everything that people saw, without the line breaks of the output."""
    return " ".join(f"{run.stdout} {run.stderr}".split())


def containers(pod: Object) -> set[str]:
    return {container["name"] for key in ("containers", "initContainers") for container in pod["spec"].get(key) or []}


@pytest.fixture(name="bed", scope="module")
def _bed(beds: Callable[..., Bed]) -> Bed:
    """A bed with one control plane that injects."""
    bed = beds("sail", tag="workloads")
    bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": "istio-system"}})
    istio = {
        "apiVersion": "sailoperator.io/v1",
        "kind": "Istio",
        "metadata": {"name": REVISION},
        "spec": {"namespace": "istio-system", "version": "v1.27.3"},
    }
    done = bed.kubectl("apply", "-f", "-", stdin=json.dumps(istio))
    assert done.returncode == 0, done.stderr
    done = bed.kubectl("wait", "--for=condition=Ready", f"istio/{REVISION}", "--timeout=60s")
    assert done.returncode == 0, done.stderr
    return bed


@pytest.fixture(name="workloads")
def _workloads(bed: Bed, playbook: Playbook, tmp_path: Path) -> Workloads:
    return Workloads(bed, tmp_path, playbook)


def test_it_returns_when_every_version_has_rolled_out_with_its_proxies(workloads: Workloads) -> None:
    namespace = workloads.namespace("rollout", **{"istio.io/rev": REVISION})
    run = workloads(namespace, application("web", versions=["v1", "v2"], replicas=2), application("batch", inject=False)).check()
    # No waiting here: what the play left is what counts.
    for deployment in workloads.list("deployments", namespace):
        wanted = deployment["spec"]["replicas"]
        assert {deployment["status"].get(key) for key in ("updatedReplicas", "availableReplicas", "replicas")} == {wanted}
    pods = workloads.list("pods", namespace)
    proxied = {pod["metadata"]["labels"]["app"] for pod in pods if "istio-proxy" in containers(pod)}
    assert len(pods) == 5 and proxied == {"web"}
    assert "each pod has its proxy, of 5" in said(run)


def test_a_rollout_that_hangs_ends_with_its_last_reason(workloads: Workloads) -> None:
    namespace = workloads.namespace("hangs", **{"istio.io/rev": REVISION})
    greedy = application("greedy", resources={"requests": {"cpu": "100000"}})
    run = workloads(namespace, application("web"), greedy, workloads_wait_timeout=5)
    assert run.rc != 0
    assert f"Deployment {namespace}/greedy-v1" in said(run) and f"Deployment {namespace}/web-v1" not in said(run).partition("fatal:")[2]
    assert "of 1 replicas" in said(run) or "0 of 1" in said(run)


@pytest.mark.parametrize(
    ("provider", "why"),
    [
        ("ossm3", "their namespace had not yet its label istio.io/rev (or istio-injection), or its revision has no mutating webhook"),
        ("ossm2", "their namespace is not a member of the ServiceMeshMemberRoll or was not when they started"),
    ],
)
def test_pods_without_a_proxy_are_named(workloads: Workloads, provider: str, why: str) -> None:
    namespace = workloads.namespace(f"bare-{provider}")
    run = workloads(namespace, application("web"), application("outside", inject=False), mesh_provider=provider)
    assert run.rc != 0
    (pod,) = [pod["metadata"]["name"] for pod in workloads.list("pods", namespace) if pod["metadata"]["labels"]["app"] == "web"]
    assert f"Without a proxy, so outside of mTLS and of every policy: {namespace}/{pod}." in said(run)
    assert "outside-v1" not in said(run).partition("Without a proxy")[2].partition("PLAY RECAP")[0]
    assert why in said(run)


def test_the_namespace_is_put_right_and_the_next_run_still_names_the_old_pod(workloads: Workloads) -> None:
    namespace = workloads.namespace("joined")
    assert workloads(namespace, application("web")).rc != 0
    done = workloads.bed.kubectl("label", "namespace", namespace, f"istio.io/rev={REVISION}")
    assert done.returncode == 0, done.stderr
    still = workloads(namespace, application("web"))
    assert still.rc != 0 and f"{namespace}/web-v1-" in said(still), "a proxy is added only when a pod is made"
    workloads.bed.kubectl("rollout", "restart", "deployment/web-v1", "-n", namespace)
    workloads.bed.kubectl("rollout", "status", "deployment/web-v1", "-n", namespace, "--timeout=60s")
    workloads(namespace, application("web")).check()
