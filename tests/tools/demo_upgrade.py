# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo-upgrade`: travel production, a client that calls all the time, and an upgrade: one wave, back, then all the way.

It ends with what the calls came to, and fails where one was not answered with 200."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from typing import Any

from demo import ASK, OPERATORS, ROOT, play
from testbed.bed import Bed
from testbed.client import Client, made_anew
from testbed.patience import until

NAME = "demo-upgrade"
AGENCY, PORTAL = "prod-travel-agency", "prod-travel-portal"
URLS = {name: f"http://{name}.{AGENCY}.svc.cluster.local:8000/" for name in ("travels", "cars", "hotels")}
# Where the mesh begins, and its hops: two patch versions and a minor one; OpenShift Service Mesh 2 has minors only.
WAYS = {"ossm3": ("v1.27.3", ["v1.27.4", "v1.27.5", "v1.28.2"]), "ossm2": ("v2.4", ["v2.5", "v2.6"])}


class Demo:
    """The bed, and what is played on it."""

    def __init__(self, provider: str, strategy: str) -> None:
        self.provider, (self.first, self.hops) = provider, WAYS[provider]
        self.given: dict[str, Any] = {"mesh_provider": provider, **({"travel_update_strategy": strategy} if strategy else {})}
        self.bed = Bed.start(NAME, operators=OPERATORS)
        self.client = Client(self.bed, PORTAL)

    def play(self, playbook: str, **more: Any) -> float:
        """Seconds that it took; ends the demo where it fails."""
        print()
        code, seconds = play(self.bed, "-l", "prod", "-e", json.dumps(self.given | more), f"meshops.mesh.{playbook}")
        if code:
            raise SystemExit(f"{playbook} ended with exit code {code}")
        return seconds

    def install(self) -> None:
        """The mesh at its first version, with a real Envoy behind each pod, and a client that is a bare pod: nobody restarts it."""
        self.play("travel_prod", mesh_ossm3_version=self.first, mesh_ossm2_version=self.first)
        self.bed.kubectl("label", "namespace", "-l", "mesh.meshops.io/mesh", ASK)
        self.client.make()
        made_anew(self.bed, AGENCY, PORTAL, "prod-travel-control")
        for service, url in URLS.items():
            until(lambda url=url: self.client.call(url) == "200", 300.0, f"a call of {service}")

    def upgrade(self) -> Counter[tuple[str, str]]:
        """One wave, back, then all the way, while the client calls."""
        with self.client.calling(URLS) as seen:
            times = [
                self.play("upgrade_mesh", upgrade_hops=self.hops[:1], upgrade_waves_limit=1),
                self.play("upgrade_mesh", upgrade_rollback=True),
                self.play("upgrade_mesh", upgrade_hops=self.hops),
            ]
        way = " -> ".join((self.first, *self.hops))
        print(f"\n{way}: one wave {times[0]:.0f} s, back {times[1]:.0f} s, all the way {times[2]:.0f} s")
        return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=sorted(WAYS), default="ossm3")
    parser.add_argument("--strategy", choices=("InPlace", "RevisionBased"), help="of the control plane; the inventory's when not given")
    options = parser.parse_args()
    if options.provider == "ossm2" and options.strategy == "RevisionBased":
        parser.error("OpenShift Service Mesh 2 has no revisions")
    Bed.find(NAME).stop()  # each demo begins at the first version
    demo = Demo(options.provider, options.strategy or "")
    demo.install()
    seen = demo.upgrade()
    print(f"{seen.total()} calls of a client that called all the time:")
    for (service, answer), number in sorted(seen.items()):
        print(f"  {service}: {answer}: {number}")
    print(
        f"Look around: kubectl --kubeconfig {os.path.relpath(demo.bed.kubeconfig, ROOT)} get istio,smcp,pods -A; "
        "`make cluster-down` stops the cluster."
    )
    return 0 if {answer for _service, answer in seen} == {"200"} else 1


if __name__ == "__main__":
    raise SystemExit(main())
