# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Does a file of the control node outlive the run? A job of Automation Platform works in a container that goes with the job."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .._text import shown

__all__ = ["NOT_KEPT", "SAID", "Mount", "lost", "lost_here", "lost_places", "mounts_here"]

# Set by the Platform for each job: the folder that it makes for the job, which is /runner in the container.
JOB = "AWX_PRIVATE_DATA_DIR"
IN_CONTAINER = "/runner"
# Whoever sets it says that files do last, whatever it looks like.
SAID = "MESH_CONTROL_NODE_LASTS"
# What to do about it.
NOT_KEPT = (
    "Name a folder on a volume that is mounted into every job, or have mesh_certificates_provider cert_manager, or pem with material from "
    f"a Secret or a vault; where the folder does last, set {SAID}=true"
)
# What a container's own layer is made of.
LAYERS = frozenset({"aufs", "fuse.fuse-overlayfs", "overlay", "overlayfs"})
MEMORY = frozenset({"ramfs", "tmpfs"})


@dataclass(frozen=True)
class Mount:
    """A mount point, and the type of its file system."""

    point: str
    kind: str


def lost(path: str, *, environment: Mapping[str, str], mounts: Sequence[Mount]) -> str:
    """Why what is written there is lost with the run; empty where it lasts. path: absolute, links resolved."""
    job = environment.get(JOB, "")
    where = PurePosixPath(path)
    if job and any(where.is_relative_to(top) for top in (job, IN_CONTAINER)):
        return "it is in the folder of this job, which goes with the job"
    under = [mount for mount in mounts if where.is_relative_to(mount.point)]
    # a later line of the table lies over an earlier one
    mount = max(enumerate(under), key=lambda row: (len(PurePosixPath(row[1].point).parts), row[0]))[1] if under else Mount("/", "")
    if mount.kind in LAYERS or (job and mount.point == "/"):
        return "it is in the container's own file system, which goes with the container"
    if job and mount.kind in MEMORY:
        return "it is in the container's memory, which goes with the container"
    return ""


def mounts_here(table: Path = Path("/proc/self/mounts")) -> list[Mount]:
    """Of this process; none where the system has no such table."""
    try:
        lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    rows = [line.split(" ") for line in lines]
    return [Mount(_unescaped(row[1]), row[2]) for row in rows if len(row) > 2]


def _unescaped(text: str) -> str:
    """The kernel writes blanks and backslashes in octal."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def lost_here(path: str) -> str:
    """The same for this process; nothing is lost where somebody says so."""
    if os.environ.get(SAID, "").lower() in ("1", "true", "yes"):
        return ""
    return lost(os.path.realpath(os.path.expanduser(path)), environment=os.environ, mounts=mounts_here())


def lost_places(
    places: Mapping[str, Any], clients: Sequence[Mapping[str, Any]] = (), *, judge: Callable[[str], str] = lost_here
) -> list[str]:
    """A sentence for each place that is lost: those that are named, and where clients have their bundles."""
    bundles = {f"the bundle of {shown(one.get('name'))}": one.get("bundle") for one in clients}
    found = [(name, path, judge(str(path))) for name, path in {**places, **bundles}.items() if path]
    return [f"{name} is {shown(path)}: {why}" for name, path, why in found if why]
