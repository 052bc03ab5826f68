# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines of a bed's processes."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .networks import ranges
from .paths import python_path, write_atomic
from .pki import Authority, Pair, kubeconfig, write_service_account_keys

__all__ = [
    "POD_CIDR",
    "SERVICE_CIDR",
    "Layout",
    "Process",
    "apiserver",
    "cert_manager",
    "controller_manager",
    "etcd",
    "kwok",
    "operators",
    "pods",
    "prepare",
    "sail_operator",
    "scheduler",
]

SERVICE_CIDR = ranges(1).services
POD_CIDR = ranges(1).pods
_CLIENT_LIMITS = ("--kube-api-qps=300", "--kube-api-burst=500")


@dataclass(frozen=True)
class Process:
    """What the supervisor starts."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    gentle: float = 0.0  # seconds to end by itself on SIGTERM


@dataclass(frozen=True)
class Layout:
    """The folder, ports and binaries of one bed."""

    name: str
    folder: Path
    sockets: Path
    ports: dict[str, int]
    binaries: dict[str, Path]
    pod_cidr: str = POD_CIDR
    service_cidr: str = SERVICE_CIDR
    lean: bool = False  # less memory for more work

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.ports['api']}"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    def pair(self, name: str) -> Pair:
        return Pair(self.pki / f"{name}.crt", self.pki / f"{name}.key")

    def config(self, name: str) -> Path:
        return self.folder / "kubeconfig" if name == "admin" else self.pki / f"{name}.kubeconfig"


_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*"]},
        # the heartbeats of nodes and controllers; who else takes a lease is seen
        {
            "level": "None",
            "users": ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "testbed:kwok"],
            "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
        },
        # Which version of a plan an approval was for, and what that version said.
        {
            "level": "RequestResponse",
            "verbs": ["create", "update", "patch"],
            "resources": [{"group": "operators.coreos.com", "resources": ["installplans", "installplans/status"]}],
        },
        {"level": "Metadata"},
    ],
}


def _egress(sockets: Path) -> dict[str, Any]:
    transport = {"uds": {"udsName": str(sockets / "egress.sock")}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": {"proxyProtocol": "HTTPConnect", "transport": transport}}],
    }


def prepare(layout: Layout) -> None:
    """Writes the certificates, kubeconfigs and configuration files that the processes read."""
    authority = Authority.create(layout.pki, layout.name)
    authority.issue(
        "apiserver",
        "kube-apiserver",
        names=[
            "127.0.0.1",
            str(ipaddress.IPv4Network(layout.service_cidr)[1]),
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ],
    )
    authority.issue("kubelet", "system:node:testbed", names=["127.0.0.1", "localhost"])
    authority.issue("kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"])
    write_service_account_keys(layout.pki)
    users = {
        "admin": "testbed:admin",
        "supervisor": "testbed:supervisor",
        "controller-manager": "system:kube-controller-manager",
        "scheduler": "system:kube-scheduler",
        "kwok": "testbed:kwok",
        "operators": "testbed:operators",
    }
    for name, user in users.items():
        # Names of their own tell the audit log's reader who did what.
        pair = authority.issue(name, user, ["system:masters"])
        kubeconfig(layout.config(name), name=layout.name, server=layout.server, ca=authority.pair.cert, user=name, pair=pair)
    write_atomic(layout.folder / "audit-policy.yaml", yaml.safe_dump(_AUDIT))
    write_atomic(layout.folder / "egress.yaml", yaml.safe_dump(_egress(layout.sockets)))
    for file in ("services.json", "faults.json", "kubelet.json"):
        if not (layout.folder / file).exists():
            write_atomic(layout.folder / file, json.dumps({}))


def etcd(layout: Layout) -> Process:
    client, peer = (f"http://127.0.0.1:{layout.ports[p]}" for p in ("etcd", "etcd_peer"))
    return Process(
        "etcd",
        (
            str(layout.binaries["etcd"]),
            "--name=testbed",
            f"--data-dir={layout.folder / 'etcd'}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=testbed={peer}",
        ),
    )


def apiserver(layout: Layout) -> Process:
    serving, kubelet, accounts = layout.pair("apiserver"), layout.pair("kubelet-client"), layout.pki
    return Process(
        "kube-apiserver",
        (
            str(layout.binaries["kube-apiserver"]),
            f"--etcd-servers=http://127.0.0.1:{layout.ports['etcd']}",
            "--bind-address=127.0.0.1",
            f"--secure-port={layout.ports['api']}",
            # There is no node network, so the Service `kubernetes` has nobody behind it.
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={layout.service_cidr}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            "--profiling=false",
            f"--client-ca-file={layout.pki / 'ca.crt'}",
            f"--tls-cert-file={serving.cert}",
            f"--tls-private-key-file={serving.key}",
            f"--kubelet-certificate-authority={layout.pki / 'ca.crt'}",
            f"--kubelet-client-certificate={kubelet.cert}",
            f"--kubelet-client-key={kubelet.key}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={accounts / 'sa.pub'}",
            f"--service-account-signing-key-file={accounts / 'sa.key'}",
            f"--audit-policy-file={layout.folder / 'audit-policy.yaml'}",
            f"--audit-log-path={layout.folder / 'audit.log'}",
            "--audit-log-maxsize=2000",
            f"--egress-selector-config-file={layout.folder / 'egress.yaml'}",
        ),
        # memory for time: a fifth of its work is collecting garbage
        {"GOGC": "100" if layout.lean else "400", "GOMEMLIMIT": "1200MiB"},
    )


def controller_manager(layout: Layout) -> Process:
    return Process(
        "kube-controller-manager",
        (
            str(layout.binaries["kube-controller-manager"]),
            f"--kubeconfig={layout.config('controller-manager')}",
            "--leader-elect=false",
            "--secure-port=0",
            "--profiling=false",
            *_CLIENT_LIMITS,
            f"--root-ca-file={layout.pki / 'ca.crt'}",
            f"--service-account-private-key-file={layout.pki / 'sa.key'}",
            f"--cluster-signing-cert-file={layout.pki / 'ca.crt'}",
            f"--cluster-signing-key-file={layout.pki / 'ca.key'}",
            f"--service-cluster-ip-range={layout.service_cidr}",
        ),
    )


def scheduler(layout: Layout) -> Process:
    return Process(
        "kube-scheduler",
        (
            str(layout.binaries["kube-scheduler"]),
            f"--kubeconfig={layout.config('scheduler')}",
            "--leader-elect=false",
            "--secure-port=0",
            "--profiling=false",
            *_CLIENT_LIMITS,
        ),
    )


def kwok(layout: Layout, kinds: tuple[str, ...] = ()) -> Process:
    """kinds: what it reads from the API and not from its file; each can be in one of the two only."""
    port, pair = layout.ports["kubelet"], layout.pair("kubelet")
    # Programs in the bed's folder bin/ are what `kubectl exec` finds first.
    path = f"{layout.folder / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    return Process(
        "kwok",
        (
            str(layout.binaries["kwok"]),
            f"--kubeconfig={layout.config('kwok')}",
            "--manage-all-nodes=true",
            "--node-ip=127.0.0.1",
            f"--node-port={port}",
            f"--server-address=127.0.0.1:{port}",
            f"--tls-cert-file={pair.cert}",
            f"--tls-private-key-file={pair.key}",
            f"--cidr={layout.pod_cidr}",
            f"--config={layout.folder / 'kwok.yaml'}",
            *([f"--enable-crds={','.join(kinds)}"] if kinds else []),
        ),
        # KWOK 0.8 fills a map of its stages' types from several threads at once and dies of it; one thread is enough for a bed.
        {"PATH": path, "GOMAXPROCS": "1"},
    )


def operators(layout: Layout, only: tuple[str, ...]) -> Process:
    return Process(
        "operators",
        (sys.executable, "-m", "testbed.operators", "--bed", str(layout.folder), "--only", ",".join(only)),
        {"PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1"},
        gentle=1.0,
    )


def pods(layout: Layout) -> Process:
    """The data plane of network namespaces; it needs a moment to take them away."""
    return Process(
        "pods",
        (sys.executable, "-m", "testbed.pods", "--bed", str(layout.folder)),
        {"PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1"},
        gentle=5.0,
    )


def sail_operator(layout: Layout, binary: str) -> Process:
    empty = layout.folder / "sail-operator.conf"
    empty.touch()
    return Process(
        "sail-operator",
        (
            binary,
            "--kubeconfig",
            str(layout.config("operators")),
            "--config-file",
            str(empty),
            "--leader-elect=false",
            "--metrics-bind-address",
            "0",
            "--health-probe-bind-address",
            "0",
        ),
        {"POD_NAMESPACE": "sail-operator"},
        gentle=1.0,
    )


def cert_manager(layout: Layout, binary: str) -> Process:
    """Its approver is one of its controllers; nothing of the bed needs its webhook."""
    return Process(
        "cert-manager",
        (
            binary,
            "--kubeconfig",
            str(layout.config("operators")),
            "--leader-elect=false",
            "--metrics-listen-address",
            "127.0.0.1:0",
            "--internal-healthz-listen-address",
            "127.0.0.1:0",
        ),
        {"POD_NAMESPACE": "cert-manager"},
        gentle=1.0,
    )
