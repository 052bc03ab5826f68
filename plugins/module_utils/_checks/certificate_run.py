# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The rows that certificate_check returns: those of certificates, and what of other categories belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._certificates.inventory import Inventory
from .._errors import ConfigError
from .._model.malformed import readable
from .._model.snapshot import Snapshot
from .certificates import inventory
from .inputs import intent_from, options_from
from .runner import Report, run_checks_on
from .table import CHECKS
from .view import View

__all__ = ["run_certificate_checks"]

# What of other categories belongs to a mesh's certificates.
RELATED = ("OSM1213", "OSM1503")


def run_certificate_checks(params: Mapping[str, Any], snapshot: Snapshot) -> tuple[Report, Inventory]:
    """The rows about certificates, without what a file cannot say about a cluster; and the certificates, which are judged once."""
    options = options_from(params, now=snapshot.taken_at)
    known = _codes() | set(RELATED if params["mesh"] else ())
    foreign = sorted(set(options.only) - known)
    if foreign:
        raise ConfigError(f"only: {', '.join(foreign)} is no check of certificates here; meshops.mesh.mesh_check has all of them")
    if not options.only:
        options = replace(options, only=tuple(sorted(known)))
    view, intent = View(snapshot), intent_from(params)
    report = run_checks_on(view, intent, options)
    live = params["mesh"] and snapshot.source != "manifests"
    rows = tuple(row for row in report.rows if row.category == "certificates" or (live and row.id in (*RELATED, *options.only, "OSM1002")))
    # Without what no check can make sense of.
    return replace(report, rows=rows), readable(snapshot.cluster, lambda: inventory(report.view or view, intent, options))


def _codes() -> set[str]:
    """All checks of certificates."""
    return {row.id for row in CHECKS if row.category == "certificates"}
