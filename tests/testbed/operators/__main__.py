# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the played operators of one bed: python -m testbed.operators --bed DIR --only olm,sail,maistra,openshift,observability."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import signal
from pathlib import Path
from typing import Any

from .base import Controller, Faults, Kube

LOG = logging.getLogger("testbed.operators")
OPERATORS = ("olm", "sail", "maistra", "openshift", "observability")
# Never without being named: real Envoys behind pods cost memory, and a cert-manager is not part of a mesh.
ASKED_FOR = ("envoys", "cert_manager")
# Who installs an istiod needs somebody who plays it; real-istiod runs a real one behind each of Sail's instead.
ISTIODS = {
    "sail": ("injection", "istiod", "gateway_api"),
    "maistra": ("injection",),
    "istiod": ("injection", "istiod", "gateway_api"),
    "real-istiod": ("injection", "real_istiod"),
    "istio-csr": ("istio_csr",),
}


def load(names: list[str]) -> list[type[Controller]]:
    """The controllers of the named operators, and of the istiods that they bring; only their modules are imported."""
    unknown = [name for name in names if name not in (*OPERATORS, *ASKED_FOR, *ISTIODS)]
    if unknown:
        raise SystemExit(f"unknown operators: {', '.join(unknown)}; there are {', '.join((*OPERATORS, *ASKED_FOR, *ISTIODS))}")
    modules = [name for name in names if name in (*OPERATORS, *ASKED_FOR)] + ["storage"]
    modules += [module for name in names for module in ISTIODS.get(name, ())]
    if "real_istiod" in modules:
        modules = [name for name in modules if name not in ("istiod", "gateway_api")]
    found: list[type[Controller]] = []
    for name in dict.fromkeys(modules):
        found += importlib.import_module(f"{__package__}.{name}").CONTROLLERS
    return found


async def keep(controller: type[Controller], kube: Kube, faults: Faults, bed: dict[str, Any]) -> None:
    """Runs one controller for ever; one that crashes is logged and started again, as its pod would be."""
    while True:
        task = asyncio.create_task(controller(kube, faults, bed).run())
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if task.cancelled():
            return
        LOG.error("%s crashed, starting it again", controller.__name__, exc_info=task.exception())
        await asyncio.sleep(1.0)


async def play(folder: Path, names: list[str]) -> None:
    bed = {**json.loads((folder / "bed.json").read_text()), "dir": str(folder)}
    controllers = load(names)
    kube = await Kube.connect(folder / "kubeconfig")
    faults = Faults(folder / "faults.json")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(keep(controller, kube, faults, bed)) for controller in controllers]
    LOG.info("playing %s", ", ".join(controller.__name__ for controller in controllers))
    try:
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await kube.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="testbed.operators", description=__doc__)
    parser.add_argument("--bed", type=Path, required=True, help="folder of the bed")
    parser.add_argument("--only", default=",".join(OPERATORS), help="operators to play, separated by commas")
    parser.add_argument("--verbose", action="store_true", help="log retries as well")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(play(options.bed.resolve(), [name for name in options.only.split(",") if name]))


if __name__ == "__main__":
    main()
