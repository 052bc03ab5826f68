# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a module with checks says at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .render import failed_lines
from .runner import Report

__all__ = ["answer"]


def answer(report: Report, *, fail_on: str, warn: Callable[[str], None], **more: Any) -> dict[str, Any]:
    """The module's result: checks, summary and what else is given; `failed` with the lines of what does not hold.

    fail_on: the lowest severity that fails. warn: is told of each entry of `ignore` that matched nothing."""
    for entry in report.unused_ignores:
        warn(f"ignore: {entry} matches no deviation")
    failing = [row.to_dict() for row in report.failing(fail_on)]
    verdict = {"failed": True, "msg": failed_lines(failing, cluster=report.cluster)} if failing else {}
    return {"changed": False, "checks": [row.to_dict() for row in report.rows], "summary": report.summary, **more, **verdict}
