# SPDX-License-Identifier: GPL-3.0-or-later
"""The floors: the same objects by kubectl, and the checks that istioctl has."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from testbed.bed import Bed
from testbed.binaries import find_istio

from .measure import Failed, Usage, run, told

__all__ = ["NAMES", "apply", "istioctl", "read", "restart"]

NAMES = ("istioctl analyze", "kubectl get")
# kind -> what `kubectl wait` can wait for; the operators' Subscriptions stand for their install plans
_WAITS = {
    "Deployment": "condition=Available",
    "Istio": "condition=Ready",
    "IstioCNI": "condition=Ready",
    "ServiceMeshControlPlane": "condition=Ready",
    "ServiceMeshMemberRoll": "condition=Ready",
    "Subscription": "jsonpath={.status.state}=AtLatestKnown",
    "Kiali": "condition=Successful",
}
_READ = "namespaces,pods,services,deployments,secrets,configmaps,serviceaccounts,gateways.networking.istio.io,virtualservices,istios"


def _kubectl(bed: Bed, *args: str, stdin: str = "") -> Usage:
    return run([bed.data["binaries"]["kubectl"], "--kubeconfig", str(bed.kubeconfig), *args], stdin=stdin)


def _patiently(bed: Bed, merged: str) -> Usage:
    """An operator's CRD or webhook may be a moment late."""
    for attempt in range(120):
        try:
            return _kubectl(bed, "apply", "--server-side", "-f", "-", stdin=merged)
        except Failed:
            if attempt == 119:
                raise
            time.sleep(0.5)
    raise AssertionError("unreachable")


def _wait(bed: Bed, objects: list[dict[str, Any]]) -> Usage:
    """One `kubectl wait` per kind and namespace: as few processes as kubectl can do it with."""
    groups: dict[tuple[str, str], list[str]] = {}
    for obj in objects:
        if obj["kind"] in _WAITS:
            group = obj["apiVersion"].partition("/")[0] if "/" in obj["apiVersion"] else ""
            word = f"{obj['kind'].lower()}.{group}" if group else obj["kind"].lower()
            groups.setdefault((obj["kind"], obj["metadata"].get("namespace", "")), []).append(f"{word}/{obj['metadata']['name']}")
    spent = Usage(0, 0, 0, 0)
    for (kind, namespace), names in groups.items():
        spent += _kubectl(bed, "wait", f"--for={_WAITS[kind]}", "--timeout=300s", *(["-n", namespace] if namespace else []), *names)
    return spent


def apply(tree: Path, bed: Bed) -> Usage:
    """The objects of a GitOps tree, each layer applied and waited for."""
    spent = Usage(0, 0, 0, 0)
    started = time.monotonic()
    for layer in sorted(path for path in tree.iterdir() if path.is_dir()):
        files = [file for file in sorted(layer.glob("*.yaml")) if file.name != "kustomization.yaml"]
        if files:
            merged = "---\n".join(file.read_text() for file in files)
            objects = [obj for obj in yaml.load_all(merged, Loader=yaml.CSafeLoader) if obj]
            spent += _patiently(bed, merged) + _wait(bed, objects)
    return told("kubectl apply and wait", Usage(time.monotonic() - started, spent.cpu, spent.largest_mib, spent.tree_mib))


def restart(bed: Bed, namespaces: Sequence[str]) -> Usage:
    """All Deployments of the namespaces at once: `kubectl rollout restart`, then `kubectl rollout status` of the same."""
    started, spent = time.monotonic(), Usage(0, 0, 0, 0)
    for words in (("restart",), ("status", "--timeout=3600s")):
        for namespace in namespaces:
            spent += _kubectl(bed, "rollout", words[0], "deployment", "-n", namespace, *words[1:])
    return told("kubectl rollout restart and status", Usage(time.monotonic() - started, spent.cpu, spent.largest_mib, spent.tree_mib))


def istioctl() -> str | None:
    """MESH_ISTIOCTL, the one that the test bed built, or the one on PATH."""
    known = find_istio().get("istioctl")
    return str(known) if known else shutil.which("istioctl")


def read(bed: Bed, system: str) -> tuple[str, Usage]:
    """`istioctl analyze` where there is one, else reading the same kinds with kubectl; with its name."""
    program = istioctl()
    if program:
        # 79: it found something to tell about
        command = [program, "--kubeconfig", str(bed.kubeconfig), "analyze", "-A", "-i", system]
        return NAMES[0], told(NAMES[0], run(command, good=(0, 79)))
    return NAMES[1], told(NAMES[1], _kubectl(bed, "get", _READ, "-A", "-o", "json"))
