# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The rows that migration_plan returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._errors import ConfigError
from .._migration.objects import selectors_of
from .._migration.plan import Plan
from .._model.snapshot import Snapshot
from .inputs import options_from
from .runner import Report, run_checks
from .table import CHECKS
from .types import Intent

__all__ = ["run_migration_checks"]


def run_migration_checks(params: Mapping[str, Any], snapshot: Snapshot, plan: Plan) -> Report:
    """The rows that are about the migration of this control plane."""
    options = options_from(params, now=snapshot.taken_at)
    own = {row.id for row in CHECKS if row.category == "migration"}
    foreign = sorted(set(options.only) - own)
    if foreign:
        raise ConfigError(f"only: {', '.join(foreign)} is no check of the migration; meshops.mesh.mesh_check has all of them")
    if not options.only:
        options = replace(options, only=tuple(sorted(own)))
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
    report = run_checks(snapshot, intent, options)
    live = snapshot.source != "manifests"
    return replace(report, rows=tuple(row for row in report.rows if row.category == "migration" or (live and row.id == "OSM1002")))
