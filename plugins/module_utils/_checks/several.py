# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""One report of several: the meshes of one cluster are checked each, and told together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .runner import Report, Row
from .types import Status

__all__ = ["together"]


def together(reports: Sequence[Report]) -> Report:
    """All rows, by check: what does not hold of any of them, each once; a check that passed for one and could not be asked of others has
    passed. An entry of `ignore` is unused where no report has used it."""
    if len(reports) == 1:
        return reports[0]
    first = reports[0]
    codes = dict.fromkeys(row.id for report in reports for row in report.rows)
    rows = tuple(row for code in codes for row in _of_check([row for report in reports for row in report.rows if row.id == code]))
    return replace(
        first,
        rows=rows,
        unused_ignores=tuple(entry for entry in first.unused_ignores if all(entry in report.unused_ignores for report in reports)),
        about={name: "; ".join(_about(reports, name)) for report in reports for name in report.about},
        unreadable=tuple(dict.fromkeys(title for report in reports for title in report.unreadable)),
    )


def _of_check(rows: Sequence[Row]) -> Iterator[Row]:
    """Of one check. What is about an object is told always; what is about the whole check only where nothing else is to be told."""
    once = {(row.status, row.resource, row.message): row for row in rows}
    about = [row for row in once.values() if row.status not in (Status.PASSED, Status.SKIPPED) or row.resource]
    passed = [row for row in once.values() if row.status is Status.PASSED]
    yield from about or passed or once.values()


def _about(reports: Sequence[Report], name: str) -> Iterator[str]:
    yield from dict.fromkeys(report.about[name] for report in reports if name in report.about)
