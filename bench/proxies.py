# SPDX-License-Identifier: GPL-3.0-or-later
"""Hundreds of live proxies, each a real Envoy behind a pod, asked for their certificates through the API server's port-forward."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "unit"), str(ROOT / "tests" / "integration")]
    import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.meshops.mesh.plugins.module_utils._commands.proxies import proxy_pods, read_proxies
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import dialer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from envoys_support import Mesh, until
from testbed import Bed

from bench.measure import Failed, run

__all__ = ["measured"]

SILENT = 5.0  # what one proxy may take
PER_DEPLOYMENT = 10


def _mesh(bed: Bed, pods: int) -> tuple[Mesh, list[str]]:
    mesh = Mesh(bed)
    mesh.install()
    names = [f"app-{number:02d}" for number in range(max(1, pods // PER_DEPLOYMENT))]
    mesh.deploy(*names)
    bed.kubectl("scale", "deployment", "-n", mesh.namespace, "--all", f"--replicas={min(pods, PER_DEPLOYMENT)}")
    wanted = len(names) * min(pods, PER_DEPLOYMENT)
    until(lambda: len(mesh.get("execs.kwok.x-k8s.io", "-n", mesh.namespace).get("items") or []) == wanted, 600, f"{wanted} Envoys")
    return mesh, names


def _module(mesh: Mesh, folder: Path) -> tuple[float, dict[str, Any]]:
    """The whole task, with the control plane and every certificate judged."""
    options = {
        "mesh": True,
        "proxies": True,
        "provider": "sail",
        "control_plane": {"name": "default", "namespace": "istio-system"},
        "members": [mesh.namespace],
        "fail_on": "never",
        "proxy_timeout": SILENT,
    }
    tasks = [
        {"meshops.mesh.certificate_check": options, "register": "found"},
        {"ansible.builtin.copy": {"content": "{{ found.summary | to_json }}", "dest": str(folder / "summary.json"), "mode": "0600"}},
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": tasks,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
    }
    (folder / "proxies.yml").write_text(json.dumps([play]))
    began = time.monotonic()
    run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(folder / "proxies.yml")],
        env={"K8S_AUTH_KUBECONFIG": str(mesh.bed.kubeconfig)},
    )
    return time.monotonic() - began, json.loads((folder / "summary.json").read_text())


def measured(pods: int) -> dict[str, Any]:
    """Seconds for all, and for all with every tenth of them silent; how many did not answer."""
    Bed.find("bench-proxies").stop()
    bed = Bed.start("bench-proxies", ("sail", "envoys"), nodes=1 + pods // 100, owner=os.getpid())
    try:
        began = time.monotonic()
        mesh, names = _mesh(bed, pods)
        found: dict[str, Any] = {"up": time.monotonic() - began}
        params = {"kubeconfig": str(bed.kubeconfig)}
        cluster, streams = Cluster.from_params(params, name="bench"), dialer(params, name="bench")
        hang = [f"{mesh.namespace}/{name}" for name in names[:: max(1, min(10, len(names)))]][: max(1, len(names) // 10)]
        for what, faults in (("all", {}), ("silent", {"envoys": {"hang": hang}})):
            bed.set_faults(faults)
            time.sleep(3)
            began = time.monotonic()
            sources = read_proxies(streams, proxy_pods(cluster, [mesh.namespace]), timeout=SILENT, total=60)
            found[what] = time.monotonic() - began
            found[f"{what}_errors"] = sum(bool(source.endpoint) for source in sources)
            found["proxies"] = len(sources)
            if what == "all":
                folder = bed.dir / "bench"
                folder.mkdir(exist_ok=True)
                found["module"], found["summary"] = _module(mesh, folder)
        if found["all_errors"] or found["summary"]["failed"] or found["silent_errors"] != len(hang) * min(pods, PER_DEPLOYMENT):
            raise Failed(f"proxies: {json.dumps(found)}")
        return found
    finally:
        bed.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=300)
    print(json.dumps(measured(parser.parse_args().pods)))
