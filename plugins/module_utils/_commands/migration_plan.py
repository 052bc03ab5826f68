# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The rows that migration_plan returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._checks.runner import Report
from .._inputs import options_from
from .._migration.objects import selectors_of
from .._migration.plan import MigrationPlan
from .._model.intent import Intent
from .._model.snapshot import Snapshot
from .._model.view import View
from .category import category_options, run_category

__all__ = ["run_migration_checks"]


def run_migration_checks(params: Mapping[str, Any], snapshot: Snapshot, plan: MigrationPlan) -> Report:
    """The rows that are about the migration of this control plane."""
    options = category_options("migration", options_from(params, now=snapshot.taken_at), "the migration")
    settings, plane = plan.settings, plan.plane
    intent = Intent(
        mesh=settings.mesh,
        control_plane={"name": plane.name, "namespace": plane.namespace},
        members=plan.members,
        migration={
            "mesh": settings.mesh,
            "istio": settings.istio(plane),
            "revision": settings.revision(plane),
            "label": settings.label(plane),
            "selectors": selectors_of(plane, plan.converted, settings),
        },
    )
    return run_category("migration", View(snapshot), intent, options)
