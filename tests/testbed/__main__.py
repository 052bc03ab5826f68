# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m testbed up|down|status|kubeconfig --name demo [--operators olm,sail,...]; python -m testbed build [--with istio]"""

from __future__ import annotations

import argparse
import sys
import time

from . import binaries, network_tools
from .bed import OPERATORS, Bed
from .crds import GROUPS
from .errors import BedError
from .networks import membership
from .paths import BEDS
from .processes import POD_CIDR

__all__ = ["main"]


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _up(options: argparse.Namespace) -> int:
    began = time.monotonic()
    bed = Bed.start(
        options.name,
        options.operators,
        nodes=options.nodes,
        extra_crds=options.crds,
        istiod=options.istiod,
        pod_cidr=options.pod_cidr,
        network=options.network,
        routed=options.routed,
        lean=options.lean,
    )
    print(f"Bed {bed.name} is up after {time.monotonic() - began:.1f} s at {bed.data['api']}")
    short = [name for name, origin in bed.data["crds"].items() if origin == "short"]
    if short:
        print(f"Short schemas of our own are in use for: {', '.join(short)}")
    print(f"export KUBECONFIG={bed.kubeconfig}")
    return 0


def _down(options: argparse.Namespace) -> int:
    stopped = Bed.find(options.name).stop()
    print(f"Bed {options.name} {'is down' if stopped else 'was not running'}")
    return 0


def _status(options: argparse.Namespace) -> int:
    names = [options.name] if options.name else sorted(p.name for p in BEDS.glob("*") if (p / "bed.json").exists())
    running = 0
    for name in names:
        bed = Bed.find(name)
        if not bed.is_running():
            print(f"{name}: down")
            continue
        running += 1
        dead = [process for process, alive in bed.alive().items() if not alive]
        note = f"; dead: {', '.join(dead)}" if dead else ""
        member = membership(bed.data)
        where = f", cluster {member.number} of network {member.network}" if member else ""
        print(f"{name}: up at {bed.data['api']}{where}, operators: {', '.join(bed.data['operators']) or 'none'}{note}")
    return 0 if running else 3


def _kubeconfig(options: argparse.Namespace) -> int:
    bed = Bed.find(options.name)
    if not bed.is_running():
        raise BedError(f"Bed {options.name} is not running: python -m testbed up --name {options.name}")
    print(bed.kubeconfig)
    return 0


def _build(options: argparse.Namespace) -> int:
    for name, path in binaries.find(*options.more).items():
        print(f"{name}: {path}")
    if "istio" in options.more:
        network_tools.bring()
        print(f"data plane pods: {binaries.pods_missing() or 'can run here'}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed", description="A Kubernetes cluster of local processes.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="start a bed; a running one stays as it is")
    up.add_argument("--name", default="demo")
    up.add_argument("--operators", type=_names, help=f"played operators, of {','.join(OPERATORS)}; default none")
    up.add_argument("--crds", type=_names, default=(), help=f"more groups of CRDs, of {','.join(sorted(GROUPS))}")
    up.add_argument("--nodes", type=int, default=3)
    up.add_argument("--istiod", choices=("played", "real"), default="", help="real: Istio's own charts and istiod (build --with istio)")
    up.add_argument("--pod-cidr", default=POD_CIDR, help="addresses of pods (default: %(default)s)")
    up.add_argument("--network", default="", help="beds of one network have different addresses, and pods reach the others' load balancers")
    up.add_argument("--routed", action="store_true", help="pods of the network reach each other, too; all its beds have to say it")
    up.add_argument("--lean", action="store_true", help="less memory for the API server (445 MB, not 763), for machines with many beds")
    up.set_defaults(run=_up)
    down = verbs.add_parser("down", help="end a bed")
    down.add_argument("--name", default="demo")
    down.set_defaults(run=_down)
    status = verbs.add_parser("status", help="which beds run; exit code 3 when none does")
    status.add_argument("--name")
    status.set_defaults(run=_status)
    kubeconfig = verbs.add_parser("kubeconfig", help="print the path of a running bed's kubeconfig")
    kubeconfig.add_argument("--name", default="demo")
    kubeconfig.set_defaults(run=_kubeconfig)
    build = verbs.add_parser("build", help="find the Kubernetes binaries, or build those that are missing")
    build.add_argument("--with", dest="more", type=_names, default=(), metavar="istio", help="also istiod, istioctl and pilot-agent")
    build.set_defaults(run=_build)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except BedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
