# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a module with checks says at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._text import shown
from .documents import write_documents
from .render import verdict_line
from .runner import Report

__all__ = ["answer"]


def answer(
    report: Report, *, by: str, params: Mapping[str, Any], warn: Callable[[str], None], problems: Sequence[str] = (), **more: Any
) -> dict[str, Any]:
    """The module's result: checks, summary and what else is given; `failed` with a line that says which checks are the reason.

    by: the module. params: the options REPORT; the files that they name are written, and one that cannot be is a failure beside the others.
    problems: of files that the module has written before, why one could not be, empty where it could.
    warn: is told of each entry of `ignore` that matched nothing."""
    files, unwritten = write_documents(params, report, by=by)
    problems = [*filter(None, problems), *unwritten]
    for entry in report.unused_ignores:
        warn(f"ignore: {entry} matches no deviation")
    failing = [row.to_dict() for row in report.failing(params["fail_on"])]
    lines = [verdict_line(failing, cluster=report.cluster)] if failing else []
    lines += [shown(f"{report.cluster}: {text}") for text in problems]
    verdict = {"failed": True, "msg": "\n".join(lines)} if lines else {}
    return {
        "changed": False,
        "checks": [row.to_dict() for row in report.rows],
        "summary": report.summary,
        "files": files,
        **more,
        **verdict,
    }
