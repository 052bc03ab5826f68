# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows of a long table the suite of every day takes; make test-long takes all of them."""

from __future__ import annotations

import os
import zlib

__all__ = ["LONG", "taken"]

LONG = bool(os.environ.get("MESH_TEST_LONG"))


def taken(every: int, *row: object) -> bool:
    """Whether this row is among one in `every`: by what it is, so that it is the same on each machine and stays when others come."""
    return LONG or zlib.crc32(repr(row).encode()) % every == 0
