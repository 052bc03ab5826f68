# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh on a bed with real Envoys behind its pods."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from testbed import Bed

__all__ = ["VERSION", "Mesh", "until"]

VERSION = "v1.29.6"
ASK = {"testbed.example.com/envoy": "true"}
Obj = dict[str, Any]


def until(check: Callable[[], Any], timeout: float = 40.0, what: str = "") -> Any:
    """Waits until check gives something true, and returns it."""
    end, last = time.monotonic() + timeout, None
    while time.monotonic() < end:
        last = check()
        if last:
            return last
        time.sleep(0.2)
    raise AssertionError(f"not after {timeout:.0f} s: {what or check} (last: {last!r})")


def deployment(namespace: str, name: str, account: str) -> list[Obj]:
    meta = {"name": name, "namespace": namespace}
    spec = {"serviceAccountName": account, "containers": [{"name": "app", "image": "example.com/app:1"}]}
    made: list[Obj] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}}]
    made.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {
        "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}}, "spec": spec}}})
    ports = [{"name": "http", "port": 8000}]
    made.append({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": name}, "ports": ports}})
    return made


@dataclass(frozen=True)
class Mesh:
    """One control plane in istio-system, one namespace of workloads."""

    bed: Bed
    namespace: str = "shop"

    def apply(self, *objects: Obj) -> None:
        done = self.bed.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
        assert done.returncode == 0, done.stderr

    def install(self, values: Obj | None = None) -> None:
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}},
                   {"apiVersion": "v1", "kind": "Namespace", "metadata": {
                       "name": self.namespace, "labels": {"istio-injection": "enabled", **ASK}}},
                   {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "default"},
                    "spec": {"version": VERSION, "namespace": "istio-system", "values": values or {}}})
        until(lambda: self.get("deployment", "istiod", "-n", "istio-system").get("status", {}).get("readyReplicas"), what="istiod")

    def get(self, *what: str) -> Obj:
        done = self.bed.kubectl("get", *what, "-o", "json")
        found: Obj = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def deploy(self, *names: str, account: str = "") -> None:
        """Each has a service account of its own name; done when its Envoy answers."""
        self.apply(*(obj for name in names for obj in deployment(self.namespace, name, account or name)))
        for name in names:
            until(lambda name=name: self.served(name), what=f"the Envoy of {name}")

    def pod(self, app: str) -> str:
        """The name of the newest pod of a Deployment."""
        rows = self.get("pods", "-n", self.namespace, "-l", f"app={app}").get("items") or []
        alive = [row for row in rows if not row["metadata"].get("deletionTimestamp")]
        return max((row["metadata"]["creationTimestamp"], row["metadata"]["name"]) for row in alive)[1] if alive else ""

    def served(self, app: str) -> bool:
        name = self.pod(app)
        return bool(name and self.get("execs.kwok.x-k8s.io", "-n", self.namespace, name))

    def exec(self, app: str, *command: str, container: str = "istio-proxy") -> str:
        return self.bed.kubectl("exec", "-n", self.namespace, self.pod(app), "-c", container, "--", *command).stdout

    def call(self, client: str, service: str) -> str:
        """The status code of a request through both Envoys; 000 for no answer."""
        url = f"http://{service}:8000/"
        return self.exec(client, "curl", "-s", "-m", "4", "-o", "/dev/null", "-w", "%{http_code}", url, container="app") or "000"

    def certs(self, app: str) -> Obj:
        """What the proxy's admin interface says of the certificates that it uses."""
        found: Obj = json.loads(self.exec(app, "pilot-agent", "request", "GET", "certs") or "{}")
        return found

    def serial(self, app: str) -> str:
        return str(self.certs(app)["certificates"][0]["cert_chain"][0]["serial_number"])
