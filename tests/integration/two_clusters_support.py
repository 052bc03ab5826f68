# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of one mesh with real istiods, real sidecars and a network between them in which nobody reaches another cluster's pods.

    with clusters(f"east-west-{worker_id}", "olm", "openshift") as fleet:     # three of them: count=3
        fleet.plug_in()                                                        # cacerts: one root, an intermediate for each
        inventory = fleet.inventory(tmp_path, {"mesh_provider": "ossm3"}, cluster1={"mesh_name": "west"})
        run_playbook("meshops.mesh.install_mesh", inventory=inventory)         # hosts cluster1, cluster2 of the group `fleet`
        fleet.sample()                                                         # helloworld v1 in cluster1, v2 in cluster2; sleep in each
        fleet["cluster1"].answers()                                            # Counter({"v1": 11, "v2": 9}), once they are joined

The operators `sail` and `pods` are always there: the played Sail operator renders Istio's own charts, each istiod is a real one. istiod is
a process of the machine, so the address of an API server that another cluster's istiod needs is that of its kubeconfig, https://127.0.0.1:PORT;
a Secret with the kubeconfig of a remote cluster has it as it stands. A Service of type LoadBalancer has an address 198.18.N.x (N: `number`)
that pods of all clusters reach, and gateways are found by it.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from envoys_support import cacerts, intermediate
from pods_support import Mesh, deployment, missing, service
from testbed import Bed
from testbed.calls import Asked, ask
from testbed.operators.certificates import Authority
from testbed.patience import until

__all__ = [
    "GATEWAY",
    "HELLO",
    "SAMPLE",
    "SYSTEM",
    "Cluster",
    "Fleet",
    "clusters",
    "east_west_gateway",
    "exposed_istiod",
    "exposed_services",
    "in_network",
    "missing",
    "remote_secret",
    "values",
]

Obj = dict[str, Any]
SYSTEM, GATEWAY = "istio-system", "istio-eastwestgateway"
SAMPLE = "sample"
HELLO = "http://helloworld:5000/hello"


@dataclass(frozen=True)
class Cluster(Mesh):
    """namespace: where helloworld and its client are. name: cluster1 and so on, its name in the mesh and in inventories."""

    namespace: str = SAMPLE
    name: str = ""
    network: str = ""  # in Istio's terms: topology.istio.io/network
    version: str = ""  # of helloworld here

    @property
    def number(self) -> int:
        """By which its addresses are told: load balancers are 198.18.N.x."""
        return int(self.bed.data["network"]["number"])

    @property
    def caller(self) -> str:
        """The service account of `sleep` here, which no other cluster has."""
        return f"sleep-{self.name}"

    def sample(self) -> None:
        """The Service helloworld with this cluster's version, and a client."""
        self.namespaced(SAMPLE, **{"istio-injection": "enabled"})
        self.apply(
            service("helloworld", port=5000),
            *deployment(f"helloworld-{self.version}", app="helloworld", version=self.version, port=5000),
            *deployment("sleep", account=self.caller),
        )

    def answers(self, count: int = 20, url: str = HELLO, workload: str = "sleep") -> Counter[str]:
        """Who answered to so many calls of a pod here: v1, v2, or the status (0 where nothing came back)."""
        rows = ask(self.bed, [Asked(url, source=f"{SAMPLE}/{workload}")] * count)
        return Counter(row.version if row.status == 200 else str(row.status) for row in rows)

    def endpoints(self, service_name: str = "helloworld.sample.svc.cluster.local", workload: str = "sleep") -> set[str]:
        """The addresses that the proxy of a pod here has for a Service."""
        text = self.exec(workload, "pilot-agent", "request", "GET", "clusters", container="istio-proxy")
        rows = [line.split("::") for line in text.splitlines()]
        return {row[1] for row in rows if row[0].endswith(f"||{service_name}") and row[1][0].isdigit()}

    def balancer(self, name: str, namespace: str = SYSTEM) -> str:
        """The address of a Service of type LoadBalancer, once it has one."""

        def address() -> str:
            found = self.bed.api.get(f"/api/v1/namespaces/{namespace}/services/{name}")
            rows = found["status"].get("loadBalancer", {}).get("ingress") or []
            return rows[0]["ip"] if rows else ""

        return str(until(address, timeout=20, what=f"an address of Service {namespace}/{name}"))


@dataclass(frozen=True)
class Fleet:
    """root: of the CA that all of them trust once it is plugged in."""

    clusters: tuple[Cluster, ...]
    root: Authority

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self.clusters)

    def __getitem__(self, name: str) -> Cluster:
        return next(one for one in self.clusters if one.name == name)

    def plug_in(self) -> None:
        """The Secret cacerts of each: an intermediate of its own under the one root."""
        for one in self:
            one.namespaced(SYSTEM)
            one.apply(cacerts(intermediate(self.root, f"intermediate of {one.name}")), namespace=SYSTEM)

    def sample(self) -> None:
        """In all of them, and ready; there has to be a control plane that injects."""
        for one in self:
            one.sample()
        for one in self:
            one.ready(f"helloworld-{one.version}")
            one.ready("sleep")

    def inventory(self, folder: Path, variables: Mapping[str, Any] | None = None, **of_hosts: Mapping[str, Any]) -> Path:
        """An inventory file in that folder: a host for each cluster, with its connection, in the group `fleet`."""
        known = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **(variables or {})}
        hosts = {one.name: {"mesh_kubeconfig": str(one.bed.kubeconfig), **of_hosts.get(one.name, {})} for one in self}
        path = folder / "fleet.json"
        path.write_text(json.dumps({"fleet": {"hosts": hosts, "vars": known}}), encoding="utf-8")
        return path


@contextmanager
def clusters(name: str, *operators: str, count: int = 2, routed: bool = False) -> Iterator[Fleet]:
    """Beds of their own, side by side, which end with the block. routed: pods reach each other, and all are one network of Istio's."""

    def start(number: int) -> Bed:
        Bed.find(f"{name}-{number}").stop()  # of a run that was cut short
        chosen = ("sail", *operators, "pods")
        return Bed.start(f"{name}-{number}", chosen, istiod="real", network=name, routed=routed, lean=True, owner=os.getpid())

    numbers = range(1, count + 1)
    try:
        with ThreadPoolExecutor(count) as pool:
            beds = list(pool.map(start, numbers))
        made = [
            Cluster(bed, name=f"cluster{number}", network="network1" if routed else f"network{number}", version=f"v{number}")
            for number, bed in zip(numbers, beds, strict=True)
        ]
        yield Fleet(tuple(made), Authority.new("Fleet Root"))
    finally:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda number: Bed.find(f"{name}-{number}").stop(), numbers))


# -- joined by hand, as Istio's guide has it: what a role that joins clusters is measured by


def in_network(one: Cluster) -> None:
    """Says of the control plane's namespace in which network it is: before the control plane comes."""
    one.namespaced(SYSTEM)
    done = one.bed.kubectl("label", "namespace", SYSTEM, f"topology.istio.io/network={one.network}")
    assert done.returncode == 0, done.stderr


def values(one: Cluster) -> Obj:
    """Of an Istio: what a mesh of several clusters needs."""
    return {"global": {"meshID": "mesh1", "multiCluster": {"clusterName": one.name}, "network": one.network}}


def east_west_gateway(one: Cluster) -> list[Obj]:
    """Its workload and its Service, by injection."""
    labels = {"app": GATEWAY, "istio": "eastwestgateway", "topology.istio.io/network": one.network}
    asked = {"inject.istio.io/templates": "gateway"}
    container = {"name": "istio-proxy", "image": "auto", "env": [{"name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": one.network}]}
    template = {
        "metadata": {"labels": {**labels, "sidecar.istio.io/inject": "true"}, "annotations": asked},
        "spec": {"serviceAccountName": GATEWAY, "containers": [container]},
    }
    ports = {"status-port": 15021, "tls": 15443, "tls-istiod": 15012, "tls-webhook": 15017}
    rows = [{"name": name, "port": port, "targetPort": port} for name, port in ports.items()]
    meta = {"name": GATEWAY, "labels": labels}
    deployed = {"selector": {"matchLabels": {"app": GATEWAY}}, "template": template}
    served = {"type": "LoadBalancer", "selector": {"app": GATEWAY}, "ports": rows}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": GATEWAY}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": deployed},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": served},
    ]


def exposed_services() -> Obj:
    """Lets calls of other networks in, to whatever Service they name by SNI."""
    server = {"port": {"number": 15443, "name": "tls", "protocol": "TLS"}, "tls": {"mode": "AUTO_PASSTHROUGH"}, "hosts": ["*.local"]}
    spec = {"selector": {"istio": "eastwestgateway"}, "servers": [server]}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "cross-network-gateway"}, "spec": spec}


def exposed_istiod() -> list[Obj]:
    """Lets proxies and the API server of a remote cluster in, to the istiod here."""
    ports = {15012: ("tls-istiod", 15012), 15017: ("tls-istiodwebhook", 443)}
    servers = [
        {"port": {"number": port, "name": name, "protocol": "TLS"}, "tls": {"mode": "PASSTHROUGH"}, "hosts": ["*"]}
        for port, (name, _number) in ports.items()
    ]
    routes = [
        {
            "match": [{"port": port, "sniHosts": ["*"]}],
            "route": [{"destination": {"host": f"istiod.{SYSTEM}.svc.cluster.local", "port": {"number": number}}}],
        }
        for port, (_name, number) in ports.items()
    ]
    gateway = {"selector": {"istio": "eastwestgateway"}, "servers": servers}
    api = "networking.istio.io/v1"
    return [
        {"apiVersion": api, "kind": "Gateway", "metadata": {"name": "istiod-gateway"}, "spec": gateway},
        {
            "apiVersion": api,
            "kind": "VirtualService",
            "metadata": {"name": "istiod-vs"},
            "spec": {"hosts": ["*"], "gateways": ["istiod-gateway"], "tls": routes},
        },
    ]


def remote_secret(of: Cluster) -> Obj:
    """What another cluster's istiod reads this cluster with, as `istioctl create-remote-secret` makes it."""
    account = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/istio-reader-service-account"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = of.bed.api.create(f"{account}/token", asked)["status"]["token"]
    with open(of.bed.data["ca_cert"], "rb") as stream:
        authority = base64.b64encode(stream.read()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": of.name, "cluster": {"server": of.bed.data["api"], "certificate-authority-data": authority}}],
        "contexts": [{"name": of.name, "context": {"cluster": of.name, "user": of.name}}],
        "users": [{"name": of.name, "user": {"token": token}}],
        "current-context": of.name,
    }
    labels, notes = {"istio/multiCluster": "true"}, {"networking.istio.io/cluster": of.name}
    meta = {"name": f"istio-remote-secret-{of.name}", "labels": labels, "annotations": notes}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {of.name: yaml.safe_dump(config)}}
