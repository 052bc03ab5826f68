# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh leaves istiod's own CA for a corporate one: by the sequence of the travel book, and by ours, to the same end; a client calls on.

The book writes `cacerts`, deletes `istio-ca-secret`, the pods of istiod, then all others, and its script waits 20 seconds before it looks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "unit"), str(ROOT / "tests" / "integration")]
    import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.material import Material
from ansible_collections.meshops.mesh.plugins.module_utils._commands.rotation import Rotation, RotationLimits
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import dialer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from envoys_support import NOBODY, Mesh, cacerts, intermediate, until
from testbed import Bed
from testbed.operators.certificates import Authority

from bench.measure import Failed

__all__ = ["measured"]

BOOK_WAIT = 2.0  # what its script sleeps; it says 20 s
CORPORATE = Authority.new("Corporate Root")
SIGNER = intermediate(CORPORATE, "corporate intermediate")


def _book(mesh: Mesh) -> None:
    """Chapter 5, command by command."""
    kubectl, system = mesh.bed.kubectl, ("-n", "istio-system")
    mesh.apply(cacerts(SIGNER))
    kubectl("delete", "secret", "istio-ca-secret", *system)
    kubectl("delete", "pods", "-l", "app in (istiod,istio-ingressgateway,istio-egressgateway)", *system)
    kubectl("wait", "deployment", "--all", "--for=condition=Available", "--timeout=300s", *system)
    kubectl("delete", "pods", "--all", "-n", mesh.namespace)
    kubectl("wait", "deployment", "--all", "--for=condition=Available", "--timeout=300s", "-n", mesh.namespace)
    time.sleep(BOOK_WAIT)


def _ours(mesh: Mesh) -> None:
    """The three steps, workloads restarted in waves, each step proved by every proxy."""
    params = {"kubeconfig": str(mesh.bed.kubeconfig)}
    limits = RotationLimits(renew="restart", wave_size=10, interval=0.5, istiod_grace=5)
    rotation = Rotation(
        Cluster.from_params(params, name="bench"),
        dialer(params, name="bench"),
        mesh="bench",
        namespace="istio-system",
        members=[mesh.namespace],
        limits=limits,
    )
    goal = Material.of(cacerts(SIGNER)["data"], "goal")
    while rotation.turn(goal) is not None:
        pass
    rotation.settle(goal)


def _way(change: Callable[[Mesh], None], apps: int) -> dict[str, Any]:
    Bed.find("bench-ca").stop()
    bed = Bed.start("bench-ca", ("sail", "envoys"), owner=os.getpid())
    try:
        bed.set_faults({"envoys": {"life": 86400}})
        mesh, names = Mesh(bed), [f"app-{number:02d}" for number in range(apps)]
        mesh.install()
        mesh.deploy(*names)
        until(lambda: mesh.call(names[0], names[1]) == "200", 600, "a call that works")
        with mesh.calling(names[0], names[1]) as codes:
            began = time.monotonic()
            change(mesh)
            until(
                lambda: all(mesh.served(name) and mesh.issuer(name) == "CN=corporate intermediate" for name in names),
                600,
                "everybody under the corporate CA",
            )
            took = time.monotonic() - began
        counted = Counter(codes)
        # 000 and NOBODY: a pod of the call was being replaced, as any restart does. 503: its peer did not believe it.
        refused = sum(number for code, number in counted.items() if code not in ("200", "000", NOBODY))
        return {"seconds": took, "calls": len(codes), "refused": refused, "codes": dict(counted)}
    finally:
        bed.stop()


def measured(apps: int) -> dict[str, Any]:
    """Seconds to the same end, and calls that were refused on the way, of both."""
    found = {"book": _way(_book, apps), "ours": _way(_ours, apps)}
    if not all(one["calls"] for one in found.values()):
        raise Failed(f"corporate_ca: nobody called: {json.dumps(found)}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--apps", type=int, default=20)
    print(json.dumps(measured(parser.parse_args().apps)))
