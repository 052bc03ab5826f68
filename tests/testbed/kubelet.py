# SPDX-License-Identifier: GPL-3.0-or-later
"""KWOK as the nodes of a bed: what the nodes look like, and what exec, port-forward and logs of a pod do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .paths import TESTBED, write_atomic

__all__ = ["API", "FROM_API", "exec_of", "forward_of", "from_api", "node", "objects_of", "pod_rules", "port_forwards", "write_config"]

Obj = dict[str, Any]
API = "kwok.x-k8s.io/v1alpha1"
# In a bed with Envoys or real istiods these come as objects, one for each pod: hundreds of pods, and no restart.
FROM_API = ("PortForward", "Exec")


def from_api(spec: dict[str, Any]) -> bool:
    """Whether the bed of this spec.json or bed.json has them as objects."""
    return bool({"envoys", "pods"} & set(spec["operators"]) or spec.get("istiod"))


def _of_pod(kind: str, meta: Obj, spec: Obj) -> Obj:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    made = {"namespace": meta["namespace"], "name": meta["name"], "ownerReferences": [owner]}
    return {"apiVersion": API, "kind": kind, "metadata": made, "spec": spec}


def forward_of(meta: Obj, ports: Mapping[int, int]) -> Obj:
    """Where port-forwards to a pod lead, {its port: port of 127.0.0.1}. meta: the pod's metadata, with which the object goes."""
    rows = [{"ports": [port], "target": {"address": "127.0.0.1", "port": local}} for port, local in ports.items()]
    return _of_pod("PortForward", meta, {"forwards": rows})


def exec_of(meta: Obj, *rows: Obj) -> Obj:
    """What exec of a pod runs: the first row that means the container. meta: the pod's metadata, with which the object goes."""
    return _of_pod("Exec", meta, {"execs": list(rows)})


def objects_of(namespace: str, name: str) -> list[Obj]:
    """What a pod has of these objects, to be deleted."""
    return [{"apiVersion": API, "kind": kind, "metadata": {"namespace": namespace, "name": name}} for kind in FROM_API]


def node(number: int) -> dict[str, Any]:
    name = f"node-{number}"
    # Daemon sets of real charts select linux nodes; topology labels are what locality settings read.
    labels = {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "node-role.kubernetes.io/worker": "",
        "topology.kubernetes.io/region": "region-1",
        "topology.kubernetes.io/zone": f"zone-{number % 3 + 1}",
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def port_forwards(forwards: dict[str, str]) -> list[dict[str, Any]]:
    """{"namespace/pod:port": "127.0.0.1:port"} as one PortForward per pod."""
    pods: dict[str, list[dict[str, Any]]] = {}
    for where, target in sorted(forwards.items()):
        pod, _colon, port = where.rpartition(":")
        host, _colon, number = target.rpartition(":")
        pods.setdefault(pod, []).append({"ports": [int(port)], "target": {"port": int(number), "address": host or "127.0.0.1"}})
    return [
        {
            "apiVersion": API,
            "kind": "PortForward",
            "metadata": {"namespace": pod.split("/")[0], "name": pod.split("/")[1]},
            "spec": {"forwards": rules},
        }
        for pod, rules in pods.items()
    ]


def pod_rules(bed_dir: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """settings: what kubelet.json holds, {"forwards": {"ns/pod:port": "host:port"}, "logs": {"ns/pod": "file"}}."""
    logs = [
        {
            "apiVersion": API,
            "kind": "Logs",
            "metadata": {"namespace": pod.split("/")[0], "name": pod.split("/")[1]},
            "spec": {"logs": [{"logsFile": file, "follow": False}]},
        }
        for pod, file in sorted(settings.get("logs", {}).items())
    ]
    everything = [
        {"apiVersion": API, "kind": "ClusterExec", "metadata": {"name": "all"}, "spec": {"execs": [{"local": {"workDir": str(bed_dir)}}]}},
        {
            "apiVersion": API,
            "kind": "ClusterLogs",
            "metadata": {"name": "all"},
            "spec": {"logs": [{"logsFile": str(bed_dir / "pod.log"), "follow": False}]},
        },
    ]
    return [*port_forwards(settings.get("forwards", {})), *logs, *everything]


# Where proxies are real, a kubelet says that theirs are ready, and deletes a pod when its proxy has drained.
_PODS = (
    ("{{ $proxied := false }}", "{{ $proxied := true }}"),
    (
        "- {key: '.metadata.deletionTimestamp', operator: Exists}",
        "- {key: '.metadata.deletionTimestamp', operator: Exists}\n"
        + "".join(
            f"      - {{key: '.spec.{kind}.[] | select( .name == \"istio-proxy\" ) | .name', operator: DoesNotExist}}\n"
            for kind in ("containers", "initContainers")
        ).rstrip("\n"),
    ),
)


def write_config(bed_dir: Path, *, pods: bool = False) -> Path:
    """KWOK's configuration file, from the stages and the bed's kubelet.json. pods: the bed has the data plane `pods`."""
    settings_file = bed_dir / "kubelet.json"
    settings = json.loads(settings_file.read_text()) if settings_file.exists() else {}
    log = bed_dir / "pod.log"
    if not log.exists():
        # The format of container runtimes: time, stream, full or partial line, text.
        log.write_text("2026-01-01T00:00:00.000000000Z stdout F This pod is played: it has no log of its own.\n")
    rules = yaml.safe_dump_all(pod_rules(bed_dir, settings), sort_keys=False)
    target = bed_dir / "kwok.yaml"
    stages = (TESTBED / "stages.yaml").read_text()
    for old, new in _PODS if pods else ():
        stages = stages.replace(old, new)
    write_atomic(target, stages + "---\n" + rules)
    return target
