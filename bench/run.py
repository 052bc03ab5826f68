# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: ratios of our playbooks to a floor that is measured in the same run; JSON in .cache/bench.json and a table.

The floor of an installation: the very objects that our playbook writes with mesh_target=files, layer by layer through
`kubectl apply --server-side` and `kubectl wait`, on a fresh bed of the same kind.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from testbed.bed import Bed

OPERATORS = ("olm", "sail", "maistra", "openshift", "observability")
BIN = Path(sys.executable).parent
WAITS = {  # kind -> condition that `kubectl wait` can express
    "Deployment": "condition=Available",
    "Istio": "condition=Ready",
    "IstioCNI": "condition=Ready",
    "ServiceMeshControlPlane": "condition=Ready",
    "ServiceMeshMemberRoll": "condition=Ready",
    "Subscription": "jsonpath={.status.state}=AtLatestKnown",
    "Kiali": "condition=Successful",
}


def timed(command: list[str], **env: str) -> float:
    """Seconds of a command that must succeed."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}")
    return time.monotonic() - started


def playbook(name: str, bed: Bed | None, *extra: str) -> float:
    env = {"K8S_AUTH_KUBECONFIG": str(bed.kubeconfig)} if bed else {}
    return timed([str(BIN / "ansible-playbook"), "-i", "inventories/travel", f"meshops.mesh.{name}", *extra], **env)


def floor(tree: Path, bed: Bed) -> float:
    """The same objects by kubectl, layer by layer, each waited for."""
    kubectl = [str(ROOT / ".cache/bin/kubectl"), "--kubeconfig", str(bed.kubeconfig)]
    started = time.monotonic()
    for layer in sorted(p for p in tree.iterdir() if p.is_dir()):
        files = [f for f in sorted(layer.glob("*.yaml")) if f.name != "kustomization.yaml"]
        if not files:
            continue
        merged = "---\n".join(f.read_text() for f in files)
        for _ in range(60):  # a CRD that an operator brings may be a moment late
            done = subprocess.run([*kubectl, "apply", "--server-side", "-f", "-"],
                                  input=merged, text=True, capture_output=True, check=False)
            if done.returncode == 0:
                break
            time.sleep(0.5)
        else:
            raise SystemExit(f"floor, {layer.name}: {done.stderr[-2000:]}")
        for obj in yaml.safe_load_all(merged):
            if obj and obj["kind"] in WAITS:
                where = ["-n", obj["metadata"]["namespace"]] if "namespace" in obj["metadata"] else []
                timed([*kubectl, "wait", f"--for={WAITS[obj['kind']]}", "--timeout=120s", *where,
                       f"{obj['kind'].lower()}/{obj['metadata']['name']}"])
    return time.monotonic() - started


def verbs(bed: Bed, since: int) -> dict[str, int]:
    """API calls by verb of our own user agent, from the audit log."""
    found = [e for e in list(bed.audit())[since:] if not str(e.get("userAgent", "")).startswith(("kube-", "kwok", "testbed", "Go-http"))]
    return dict(Counter(e["verb"] for e in found if e.get("stage") == "ResponseComplete" and "OpenAPI" in str(e.get("userAgent", ""))))


def install(provider: str) -> dict[str, Any]:
    out = ROOT / ".cache" / "bench-tree" / provider
    playbook("travel_prod", None, "-e", f"mesh_provider={provider}", "-e", "mesh_target=files", "-e", f"mesh_output={out}")
    bed = Bed.start(f"bench-floor-{provider}", operators=OPERATORS)
    try:
        base = floor(out / "prod", bed)
    finally:
        bed.stop()
    bed = Bed.start(f"bench-{provider}", operators=OPERATORS)
    try:
        first = playbook("travel_prod", bed, "-e", f"mesh_provider={provider}")
        mark = len(list(bed.audit()))
        first_verbs = verbs(bed, 0)
        second = playbook("travel_prod", bed, "-e", f"mesh_provider={provider}")
        second_verbs = verbs(bed, mark)
    finally:
        bed.stop()
    return {"floor_s": round(base, 1), "first_s": round(first, 1), "second_s": round(second, 1), "first_to_floor": round(first / base, 2),
            "wanted_s": round(4 * base + 10, 1), "met": first <= 4 * base + 10 and second < first,
            "calls_first": first_verbs, "calls_second": second_verbs}


def main() -> int:
    results = {"machine": {"cpus": os.cpu_count(), "python": sys.version.split()[0]},
               "travel_prod": {provider: install(provider) for provider in ("ossm3", "ossm2")}}
    results["peak_child_mib"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    (ROOT / ".cache").mkdir(exist_ok=True)
    (ROOT / ".cache" / "bench.json").write_text(json.dumps(results, indent=2))
    print(f"{'travel_prod':12} {'floor':>8} {'first':>8} {'second':>8} {'ratio':>7} {'wanted':>8}  met")
    for provider, row in results["travel_prod"].items():
        print(f"{provider:12} {row['floor_s']:7.1f}s {row['first_s']:7.1f}s {row['second_s']:7.1f}s {row['first_to_floor']:7.2f}"
              f" {row['wanted_s']:7.1f}s  {'yes' if row['met'] else 'NO'}")
        print(f"{'':12} calls, first run {row['calls_first']}, second run {row['calls_second']}")
    print(f"peak memory of one process: {results['peak_child_mib']} MiB")
    return 0 if all(row["met"] for row in results["travel_prod"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
