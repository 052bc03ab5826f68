# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a bed with every operator, then travel_prod on it; says what to do next. `make demo-ca`: chapter 5 on that bed."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from testbed.bed import Bed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPERATORS = ("olm", "sail", "maistra", "openshift", "observability", "envoys")
ASK = "testbed.example.com/envoy=true"


def play(bed: Bed, *arguments: str, inventory: str = "travel") -> tuple[int, float]:
    """ansible-playbook on an inventory of this repository, as people run it: exit code and seconds."""
    env = {
        **bed.env(),
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
        "ANSIBLE_FORCE_COLOR": "1" if sys.stdout.isatty() else "0",
        "PYTHONUNBUFFERED": "1",
    }
    command = ["ansible-playbook", "-i", f"inventories/{inventory}", *arguments]
    print("$ " + " ".join(command), flush=True)
    started = time.monotonic()
    command[0] = os.path.join(os.path.dirname(sys.executable), command[0])
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode, time.monotonic() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=("ossm2", "ossm3"), default="ossm3")
    parser.add_argument("--playbook", default="meshops.mesh.travel_prod")
    parser.add_argument("--envoys", action="store_true", help="put a real Envoy behind each pod of the mesh that is there")
    parser.add_argument("more", nargs="*", help="further arguments of ansible-playbook, behind --")
    options = parser.parse_args()
    name = f"demo-{options.provider}"
    started = time.monotonic()
    print(f"Starting the embedded cluster {name} (the first time, Kubernetes is built from source: five to twelve minutes)", flush=True)
    bed = Bed.start(name, operators=OPERATORS)
    print(f"The cluster {name} runs after {time.monotonic() - started:.0f} s; its API: {bed.kubeconfig}", flush=True)
    if options.provider == "ossm3":  # as the vendor's catalogue is since Jaeger's support ended
        bed.set_faults({"olm": {"gone": ["jaeger-product", "elasticsearch-operator"]}})
    if options.envoys:
        bed.kubectl("label", "namespace", "-l", "mesh.meshops.io/mesh", ASK)
    code, seconds = play(bed, "-e", f"mesh_provider={options.provider}", options.playbook, *options.more)
    print(f"\nThe playbook took {seconds:.0f} s and ended with exit code {code}.")
    if code == 0:
        kubectl, config = (os.path.relpath(path, ROOT) for path in (bed.data["binaries"]["kubectl"], bed.kubeconfig))
        plane = {"ossm2": "smcp", "ossm3": "istio"}[options.provider]
        print(
            "Run `make demo` again to see that nothing changes.\n"
            f"Check the mesh: K8S_AUTH_KUBECONFIG={config} .venv/bin/ansible-playbook -i inventories/travel --limit prod "
            f"-e mesh_provider={options.provider} meshops.mesh.check_mesh\n"
            f"Look around: {kubectl} --kubeconfig {config} get {plane},pods -A"
        )
    print("`make cluster-down` stops the cluster.")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
