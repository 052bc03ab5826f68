# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mesh that is upgraded by the playbooks while a client calls all the time."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from conftest import Run
from envoys_support import deployment
from testbed import Bed
from testbed.client import Client
from testbed.patience import until
from testbed.pods.spec import containers

__all__ = ["PORTAL", "SERVICES", "SHOP", "SYSTEM", "URLS", "WAVES", "WAYS", "Play", "Story", "first", "hops", "revision", "upgrading"]

Obj = dict[str, Any]
Play = Callable[..., Run]
ASK = "testbed.example.com/envoy"
SYSTEM, SHOP, PORTAL = "shop-system", "shop-data", "shop-portal"
SERVICES = {"cars": SHOP, "hotels": SHOP, "web": PORTAL}
URLS = {service: f"http://{service}.{namespace}:8000/" for service, namespace in SERVICES.items()}
# With a real operator (MESH_SAIL_OPERATOR) name versions that it has: where the mesh begins, then its hops.
VERSIONS = os.environ.get("MESH_TEST_VERSIONS", "").split(",") if os.environ.get("MESH_TEST_VERSIONS") else []
WAYS = {
    "ossm2": ["v2.3", "v2.4", "v2.5", "v2.6"],
    "InPlace": VERSIONS or ["v1.28.9", "v1.28.10", "v1.29.6", "v1.30.2", "v1.30.3"],
    "RevisionBased": VERSIONS or ["v1.28.9", "v1.28.10", "v1.29.6", "v1.30.2", "v1.30.3"],
}
WAVES = [{"name": "portal", "namespaces": [PORTAL]}, {"name": "data", "namespaces": [SHOP]}]


@dataclass(frozen=True)
class Story:
    """One generation and strategy."""

    bed: Bed
    kind: str
    run: Play

    @property
    def variables(self) -> Obj:
        provider = "ossm2" if self.kind == "ossm2" else "ossm3"
        plane = {
            "name": "shop",
            "namespace": SYSTEM,
            "update_strategy": "RevisionBased" if self.kind == "RevisionBased" else "InPlace",
            "egress": {"enabled": False},
        }
        return {
            "ansible_python_interpreter": sys.executable,
            "mesh_kubeconfig": str(self.bed.kubeconfig),
            "mesh_provider": provider,
            "mesh_name": "shop-mesh",
            "mesh_control_plane": plane,
            "mesh_operators_provider": "none",
            "mesh_domains": [{"name": "portal", "namespaces": [PORTAL]}, {"name": "data", "namespaces": [SHOP]}],
            f"mesh_{provider}_version": WAYS[self.kind][0],
            "mesh_upgrade": {"waves": WAVES, "rollout": {"lock_seconds": 3, "interval": 0.5, "workload_timeout": 240}},
        }

    def play(self, name: str | Path, **more: Any) -> Run:
        return self.run(name, bed=self.bed, inventory="west,", extra_vars={**self.variables, **more}, timeout=1800)

    def end(self) -> Obj:
        """All that an upgrade leaves."""
        kept = self.get("configmap", "rollout-shop-mesh", "-n", SYSTEM).get("data", {}).get("state", "{}")
        state = json.loads(kept)
        tag = self.get("istiorevisiontag", "shop-mesh") if self.kind == "RevisionBased" else {}
        return {
            "proxies": self.proxies(),
            "labels": self.labels(),
            "over": state.get("over"),
            "moved": state.get("labels"),
            "tag": tag.get("status", {}).get("istioRevision", ""),
            "holder": self.get("lease", "rollout-shop-mesh", "-n", SYSTEM).get("spec", {}).get("holderIdentity", ""),
        }

    def get(self, *what: str) -> Obj:
        done = self.bed.kubectl("get", *what, "-o", "json")
        found: Obj = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def proxies(self) -> dict[str, tuple[str, str]]:
        """Version and revision of each workload's proxies, by app."""
        found = {}
        for app, namespace in SERVICES.items():
            rows = self.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
            pods = [pod for pod in rows if not pod["metadata"].get("deletionTimestamp")]
            seen = {
                (proxy["image"].rpartition(":")[2].removeprefix("v"), pod["metadata"]["annotations"].get("istio.io/rev", ""))
                for pod in pods
                for proxy in containers(pod)
                if proxy["name"] == "istio-proxy"
            }
            assert len(seen) == 1, (app, seen)
            found[app] = seen.pop()
        return found

    def versions(self) -> set[str]:
        return {version for version, _revision in self.proxies().values()}

    def ahead(self, way: list[str]) -> list[str]:
        """What of a way is still to come: tests before this one have gone a part, where they were played."""
        (version,) = self.versions()
        here = f"v{version}"
        return way[way.index(here) + 1 :] if here in way else way

    def control_planes(self) -> dict[str, str]:
        """Whether each is ready, by version."""
        kind = {"ossm2": "smcp", "InPlace": "istio", "RevisionBased": "istiorevision"}[self.kind]
        return {
            item["spec"]["version"]: {c["type"]: c["status"] for c in item.get("status", {}).get("conditions", [])}.get("Ready", "")
            for item in self.get(kind, "-A")["items"]
        }

    def labels(self) -> dict[str, str]:
        return {name: self.get("namespace", name)["metadata"]["labels"].get("istio.io/rev", "") for name in (SHOP, PORTAL)}

    @property
    def client(self) -> Client:
        return Client(self.bed, PORTAL)

    def calling(self) -> AbstractContextManager[Counter[tuple[str, str]]]:
        return self.client.calling(URLS)


def objects() -> list[Obj]:
    """Deployments; whether they are injected, their pods say."""
    made: list[Obj] = []
    for app, namespace in SERVICES.items():
        for obj in deployment(namespace, app, app, {}):
            if obj["kind"] == "Deployment":
                template = obj["spec"]["template"]
                template["metadata"]["labels"]["sidecar.istio.io/inject"] = "true"
            made.append(obj)
    return made


@contextmanager
def upgrading(kind: str, bed: Bed, run: Play, folder: Path) -> Iterator[Story]:
    """The mesh of the first version on a new bed, which ends with the block."""
    try:
        made = Story(bed, kind, run)
        for namespace in (SHOP, PORTAL):
            bed.kubectl("create", "namespace", namespace)
            bed.kubectl("label", "namespace", namespace, f"{ASK}=true")
        path = folder / "install.yml"
        roles = ["meshops.mesh.control_plane", "meshops.mesh.membership"]
        play = {"name": "A mesh", "hosts": "all", "connection": "local", "gather_facts": False, "roles": roles}
        path.write_text(yaml.safe_dump([play]), encoding="utf-8")
        made.play(path).check()
        done = bed.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects()}))
        assert done.returncode == 0, done.stderr
        made.client.make()
        for service, url in URLS.items():
            until(lambda url=url: made.client.call(url) == "200", 240.0, f"a call of {service}")
        yield made
    finally:
        bed.stop()


def hops(kind: str) -> list[str]:
    return WAYS[kind][1:]


def first(kind: str) -> str:
    return WAYS[kind][0].removeprefix("v")


def revision(version: str) -> str:
    return f"shop-v{version.removeprefix('v').replace('.', '-')}"
