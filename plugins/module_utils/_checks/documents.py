# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A report for machines: JSON, JUnit for test views, and the files that a module writes; sarif.py has SARIF."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from .._model.files import clear_drafts, write_file
from .._model.written import Spot
from .._text import escaped_json, shown
from .categories import CATEGORIES
from .runner import Report, Row
from .sarif import places_of, sarif
from .types import Status, hint_url

__all__ = ["document", "json_report", "junit", "write_document", "write_documents"]

# Characters that XML 1.0 cannot carry, whatever an API server's message holds.
NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def json_report(report: Report) -> str:
    """One JSON document: cluster, summary, all rows."""
    return document({"cluster": report.cluster, "summary": report.summary, "checks": [row.to_dict() for row in report.rows]})


def document(content: Mapping[str, Any]) -> str:
    """JSON for programs, in which nothing acts where somebody prints it."""
    return escaped_json(json.dumps(content, indent=2, ensure_ascii=False)) + "\n"


def _text(value: str) -> str:
    return NOT_XML.sub("?", value)


def _case(suite: ET.Element, cluster: str, row: Row, spot: Spot | None) -> None:
    name = f"{row.id} {row.title}" + (f" ({row.resource})" if row.resource else "")
    case = ET.SubElement(suite, "testcase", classname=_text(f"{cluster}.{row.category}"), name=_text(name), time="0")
    message = _text(": ".join(part for part in (row.resource, row.message) if part))
    where = [shown(f"{spot.path}:{spot.line}")] if spot else []
    said = _text("\n".join([message, *where, row.hint, hint_url(row.id)]))
    if row.status is Status.FAILED:
        ET.SubElement(case, "failure", message=message, type=row.id).text = said
    elif row.status is Status.SKIPPED:
        ET.SubElement(case, "skipped", message=message)
    elif row.status is Status.WARNING:  # JUnit has no warning: the case passes, and its output says it
        ET.SubElement(case, "system-out").text = f"warning: {said}"


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    return {"tests": str(len(rows)), "failures": str(sum(row.status is Status.FAILED for row in rows)), "errors": "0", "time": "0"}


def junit(report: Report) -> str:
    """One test suite per category, which says the cluster as its host; warnings pass and are in system-out."""
    cluster = shown(report.cluster)
    root = ET.Element("testsuites", {"name": _text(f"mesh checks of {cluster}"), **_counts(report.rows)})
    at = {"timestamp": report.view.taken_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")} if report.view else {}
    spots = dict(zip(map(id, report.rows), places_of(report, report.rows), strict=True))
    for category, title in CATEGORIES.items():
        rows = [row for row in report.rows if row.category == category]
        if not rows:
            continue
        skipped = str(sum(row.status is Status.SKIPPED for row in rows))
        told = {"name": _text(f"{cluster}: {title}"), **_counts(rows), "skipped": skipped, "hostname": _text(cluster), **at}
        suite = ET.SubElement(root, "testsuite", told)
        for row in rows:
            _case(suite, cluster, row, spots[id(row)])
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def write_documents(params: Mapping[str, Any], report: Report, *, by: str) -> tuple[dict[str, str], list[str]]:
    """Writes the report to the files that the options junit, sarif and report of a module name; what was written, and what could not be.

    The result is worth more than its copies: one that cannot be written costs neither the others nor the table."""
    forms: tuple[tuple[str, Callable[[], str]], ...] = (
        ("junit", lambda: junit(report)),
        ("sarif", lambda: sarif(report, by=by)),
        ("report", lambda: json_report(report)),
    )
    asked = [(option, params[option], render) for option, render in forms if params[option]]
    found = {option: (path, write_document(option, path, render)) for option, path, render in asked}
    written = {option: path for option, (path, problem) in found.items() if not problem}
    return written, [problem for _path, problem in found.values() if problem]


def write_document(option: str, name: str, render: Callable[[], str]) -> str:
    """Writes one file as a whole; returns why that could not be done, empty where it was."""
    path = Path(name)
    try:
        data = render().encode()
        clear_drafts(path.parent)
        write_file(path, data)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        return f"{option}: {path} cannot be written: {reason}; what was there is unchanged; give another path or free space"
    return ""
