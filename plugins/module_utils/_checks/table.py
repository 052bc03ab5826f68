# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The check table: importing a category's module registers its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import (
    api,
    authorization,
    certificates,
    control_plane,
    gateways,
    membership,
    migration,
    observability,
    operators,
    personas,
    traffic,
    upgrade,
    workloads,
)
from .types import Check, Intent, registry
from .view import View

__all__ = ["ABOUT", "CHECKS", "MODULES", "ON_REQUEST", "RETIRED", "by_id", "hint_url"]

# Their rows are in the registry once they are imported.
MODULES = (
    api,
    operators,
    control_plane,
    membership,
    workloads,
    gateways,
    traffic,
    observability,
    personas,
    certificates,
    authorization,
    upgrade,
    migration,
)

# What a category looked at, where its rows say something of more than the objects that they name.
ABOUT: Mapping[str, Callable[[View, Intent], str]] = {"authorization": authorization.about}

# Asked only where they are named: they are about a way that most meshes do not go.
ON_REQUEST = frozenset({"migration", "upgrade"})

# Codes that are not used any more, with the reason; a code is never given to another check.
RETIRED: dict[str, str] = {}

CHECKS: tuple[Check, ...] = tuple(sorted(registry.values(), key=lambda row: row.id))
by_id: dict[str, Check] = {row.id: row for row in CHECKS}


def hint_url(code: str) -> str:
    """The page of a check; derived, so that no row can point elsewhere."""
    return f"https://github.com/meshops/mesh/blob/main/docs/checks/{code}.md"
