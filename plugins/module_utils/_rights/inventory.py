# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What init_inventory does: it reads a mesh, and writes nothing on a cluster."""

from __future__ import annotations

from .._inventory.read import READS, VOLUMES
from . import reads as kinds
from .right import Right, Scope

__all__ = ["reads"]


def reads(_scope: Scope) -> list[Right]:
    """Of the whole cluster, as it is found out what meshes there are; no Secret is among them."""
    return kinds.listed({*READS, VOLUMES}, lambda _kind: "what the variables of a mesh are made of")
