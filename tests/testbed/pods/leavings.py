# SPDX-License-Identifier: GPL-3.0-or-later
"""What the data plane of a bed has on the machine outside of the bed's folder, and its removal."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from ..networks import membership
from ..paths import read_map
from . import link, netns

__all__ = ["clean", "root_of", "tag_of"]


def tag_of(folder: Path) -> str:
    """A few letters for the names of a bed's namespaces; an interface's name may have 15."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:6]


def root_of(tag: str) -> Path:
    """Where the proxies' files are: a short path, for sockets, which other users may enter."""
    return Path(tempfile.gettempdir()) / f"mesh-pods-{tag}"


def clean(folder: Path) -> None:
    """Removes every namespace and file of the bed in that folder; nobody may be running in them any more."""
    tag = tag_of(folder.resolve())
    member = membership(read_map(folder / "spec.json"))
    if member is not None:
        link.leave(member.network, tag)
    netns.delete_now(netns.leftovers(tag))
    shutil.rmtree(root_of(tag), ignore_errors=True)
