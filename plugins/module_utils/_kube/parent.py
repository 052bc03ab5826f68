# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Ends with ansible-playbook: a run that was killed with SIGKILL cannot tell its workers, which would go on writing for minutes.

A worker is ended by the kernel where that can be (Linux); everywhere it looks before each request whether its parent is still there.
A module in a process of its own is no child of ansible-playbook, so the action plugin says in its environment which process that is.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .._errors import MeshError

__all__ = ["VARIABLE", "Orphaned", "end_with_parent", "name_of_parent", "require_parent"]

VARIABLE = "MESHOPS_MESH_CONTROLLER"
_PR_SET_PDEATHSIG = 1


class Orphaned(MeshError):
    """The run that this belongs to is over."""


class _Watched:
    """What this process looks at; None until it has looked once."""

    gone: Callable[[], bool] | None = None


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty where there is no /proc. A number is given to another process sooner or later."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return ""


def name_of_parent() -> str:
    """For VARIABLE of a process that a worker starts."""
    parent = os.getppid()
    return f"{parent}:{_started(parent)}"


def _ended(name: str) -> bool:
    """Whether the process of that name is over; one of another user is there."""
    pid, _colon, began = name.partition(":")
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return bool(began) and _started(int(pid)) not in ("", began)


def end_with_parent(*, by_kernel: bool = True) -> None:
    """In a worker of ansible-playbook, before it does anything."""
    parent = os.getppid()
    _Watched.gone = lambda: os.getppid() != parent
    if by_kernel:
        with suppress(OSError, AttributeError, TypeError):  # not Linux
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def require_parent() -> None:
    """Before each request."""
    if _Watched.gone is None:
        name = os.environ.get(VARIABLE, "")
        _Watched.gone = (lambda: _ended(name)) if name else (lambda: False)
    if _Watched.gone():
        raise Orphaned("ansible-playbook has ended, so this ends too; nothing more is written. Run the playbook again to go on")
