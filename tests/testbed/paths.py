# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are, in this checkout or where the bed is an installed package, and small helpers around files and process ids."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "BEDS",
    "BIN",
    "CACHE",
    "CHECKOUT",
    "TESTBED",
    "die_with",
    "locked",
    "locked_if_free",
    "python_path",
    "read_map",
    "socket_dir",
    "start_time",
    "write_atomic",
]

TESTBED = Path(__file__).resolve().parent
CHECKOUT = TESTBED.parent.parent
IN_CHECKOUT = (CHECKOUT / "galaxy.yml").is_file()
CACHE = Path(os.environ.get("MESH_TESTBED_CACHE") or (CHECKOUT / ".cache" if IN_CHECKOUT else Path.home() / ".cache" / "meshops-testbed"))
BIN = CACHE / "bin"
BEDS = CACHE / "beds"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def python_path() -> str:
    """The PYTHONPATH with which `python -m testbed...` is found."""
    return os.pathsep.join([str(TESTBED.parent), *filter(None, [os.environ.get("PYTHONPATH")])])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time; the lock goes with the process that holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """The same without waiting: false where somebody else has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def socket_dir(bed_dir: Path) -> Path:
    """A short private folder for a bed's sockets: the kernel refuses socket paths over 107 characters."""
    digest = hashlib.sha256(str(bed_dir).encode()).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"mesh-bed-{os.getuid()}-{digest}"


def read_map(path: Path) -> dict[str, Any]:
    """What a JSON file of a bed says; nothing where it is not there, or not whole."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    except (OSError, ValueError):
        return {}


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Readers see the old or the new content, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def die_with(parent: int) -> Callable[[], None]:
    """For a child to call, best before its program begins: it is killed when the thread that made it ends."""

    def in_child() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call
            os._exit(1)

    return in_child


def start_time(pid: int) -> str | None:
    """When a process was started, in clock ticks: tells a process from a later one of the same id. None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
