# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh with a real istiod and real sidecars, on a bed with the data plane `pods`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from testbed import Bed, binaries
from testbed.patience import until
from testbed.pods.status import says_ready

__all__ = ["Mesh", "deployment", "missing", "running"]

Obj = dict[str, Any]


def missing() -> str | None:
    """Why no such bed can be here, for `pytest.mark.skipif`."""
    return binaries.pods_missing() or binaries.istio_missing("istioctl")


def deployment(
    name: str,
    *,
    app: str = "",
    account: str = "",
    version: str = "v1",
    replicas: int = 1,
    port: int = 8000,
    env: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> list[Obj]:
    """account: its service account, by itself of the application's name."""
    app = app or name
    account = account or app
    container: Obj = {"name": "app", "image": "example.com/app:1", "ports": [{"containerPort": port}]}
    container["env"] = [{"name": key, "value": value} for key, value in (env or {}).items()]
    own = {"app": app, "version": version}
    template = {
        "metadata": {"labels": {**own, **(labels or {})}, "annotations": annotations or {}},
        "spec": {"serviceAccountName": account, "containers": [container]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": own}, "template": template}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec},
    ]


def service(name: str, *, port_name: str = "http", port: int = 8000, **spec: Any) -> Obj:
    ports = [{"name": port_name, "port": port}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports, **spec}}


@dataclass(frozen=True)
class Mesh:
    bed: Bed
    namespace: str = "shop"

    def apply(self, *objects: Obj, namespace: str = "") -> None:
        place = namespace or self.namespace
        rows = [{**obj, "metadata": {"namespace": place, **obj["metadata"]}} for obj in objects]
        done = self.bed.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": rows}))
        assert done.returncode == 0, done.stderr

    def namespaced(self, name: str, **labels: str) -> None:
        self.bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})

    def install(self, values: Obj | None = None) -> None:
        self.namespaced("istio-system")
        self.namespaced(self.namespace, **{"istio-injection": "enabled"})
        spec = {"version": "v1.30.3", "namespace": "istio-system", "values": values or {}}
        self.apply({"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "default", "namespace": None}, "spec": spec})
        until(self._installed, timeout=60, what="istiod")

    def _installed(self) -> bool:
        """The webhook has its bundle and istiod has put its root into the namespace."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        return any(row["metadata"]["name"] == "istio-ca-root-cert" for row in self.bed.api.get(path)["items"])

    def pods(self, name: str, namespace: str = "") -> list[Obj]:
        """Of a Deployment, those that stay."""
        rows = self.bed.api.get(f"/api/v1/namespaces/{namespace or self.namespace}/pods")["items"]
        return [row for row in rows if row["metadata"]["name"].startswith(f"{name}-") and not row["metadata"].get("deletionTimestamp")]

    def ready(self, name: str, count: int = 1, namespace: str = "", timeout: float = 60) -> None:
        def check() -> bool:
            rows = self.pods(name, namespace)
            return len(rows) == count and all(map(says_ready, rows))

        until(check, timeout=timeout, what=f"{count} ready pods of {name}")

    def exec(self, name: str, *command: str, container: str = "app", namespace: str = "") -> str:
        place = namespace or self.namespace
        pod = self.pods(name, place)[0]["metadata"]["name"]
        return self.bed.kubectl("exec", "-n", place, pod, "-c", container, "--", *command).stdout

    def metric(self, name: str, metric: str, **labels: str) -> float:
        """The sum of a metric's rows that have these labels, at all pods of a Deployment."""
        total = 0.0
        for pod in self.pods(name):
            command = ("exec", "-n", self.namespace, pod["metadata"]["name"], "--", "curl", "-s", "http://localhost:15020/stats/prometheus")
            for text, value in re.findall(rf"^{metric}\{{(.*)\}} (\S+)$", self.bed.kubectl(*command).stdout, re.MULTILINE):
                if labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', text)).items():
                    total += float(value)
        return total


@contextmanager
def running(name: str, *operators: str) -> Iterator[Mesh]:
    """A bed of its own with an installed mesh, which ends with the block."""
    bed = Bed.start(name, ("sail", *operators, "pods"), istiod="real", owner=os.getpid())
    try:
        mesh = Mesh(bed)
        mesh.install()
        yield mesh
    finally:
        bed.stop()
