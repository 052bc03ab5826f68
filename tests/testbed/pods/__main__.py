# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the data plane of one bed: python -m testbed.pods --bed DIR."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import stat
from pathlib import Path

from .. import binaries, network_tools
from ..operators.base import Faults, Kube
from ..operators.envoys import envoy_binary
from . import netns
from .agent import Programs
from .controller import Pods
from .leavings import clean, root_of, tag_of

LOG = logging.getLogger("testbed.pods")


def _for_everybody(program: Path, root: Path) -> Path:
    """A program that another user can run: as it is, else a copy."""
    folders = [program, *program.resolve().parents]
    if all(part.stat().st_mode & stat.S_IXOTH for part in folders):
        return program.resolve()
    copy = root / "bin" / program.name
    copy.parent.mkdir(exist_ok=True)
    shutil.copy2(program, copy)
    copy.chmod(0o755)
    return copy


async def play(folder: Path) -> None:
    bed = {**json.loads((folder / "bed.json").read_text()), "dir": str(folder)}
    tag = tag_of(folder)
    root = root_of(tag)
    clean(folder)
    root.mkdir(mode=0o755)
    path = network_tools.search_path()
    os.environ["PATH"] = path
    parts = binaries.find_istio()
    programs = Programs(
        agent=_for_everybody(parts["pilot-agent"], root),
        envoy=_for_everybody(envoy_binary(), root),
        template=parts[binaries.BOOTSTRAP],
        path=path,
    )
    kube = await Kube.connect(folder / "kubeconfig")
    pods = Pods(kube, Faults(folder / "faults.json"), bed, tag=tag, root=root, programs=programs)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    task = asyncio.create_task(pods.run())
    task.add_done_callback(lambda _task: stop.set())
    LOG.info("playing pods in namespaces %s*", netns.prefix(tag))
    try:
        await stop.wait()
        if task.done():
            task.result()
    finally:
        pods.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await kube.close()
        clean(folder)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="testbed.pods", description=__doc__)
    parser.add_argument("--bed", type=Path, required=True, help="folder of the bed")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(play(options.bed.resolve()))


if __name__ == "__main__":
    main()
