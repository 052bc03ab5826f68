# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A report for machines: JSON, JUnit for test views, SARIF for code scanning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from .._model.files import clear_drafts, write_file
from .._model.problem import Severity
from .._text import escaped_json, shown
from .categories import CATEGORIES
from .runner import Report, Row
from .types import Status, hint_url

__all__ = ["document", "json_report", "junit", "sarif", "write_document", "write_documents"]

LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}
# Characters that XML 1.0 cannot carry, whatever an API server's message holds.
NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


_LINK = re.compile(r"\[(?=[^\[\]\n]*\]\()")  # a message of SARIF may have links, and ours have none


def json_report(report: Report) -> str:
    """One JSON document: cluster, summary, all rows."""
    return document({"cluster": report.cluster, "summary": report.summary, "checks": [row.to_dict() for row in report.rows]})


def document(content: Mapping[str, Any]) -> str:
    """JSON for programs, in which nothing acts where somebody prints it."""
    return escaped_json(json.dumps(content, indent=2, ensure_ascii=False)) + "\n"


def _text(value: str) -> str:
    return NOT_XML.sub("?", value)


def _case(suite: ET.Element, cluster: str, row: Row) -> None:
    cluster = shown(cluster)
    name = f"{row.id} {row.title}" + (f" ({row.resource})" if row.resource else "")
    case = ET.SubElement(suite, "testcase", classname=_text(f"{cluster}.{row.category}"), name=_text(name), time="0")
    message = _text(": ".join(part for part in (row.resource, row.message) if part))
    if row.status is Status.FAILED:
        failure = ET.SubElement(case, "failure", message=message, type=row.id)
        failure.text = _text(f"{message}\n{row.hint}\n{hint_url(row.id)}")
    elif row.status is Status.SKIPPED:
        ET.SubElement(case, "skipped", message=message)
    elif row.status is Status.WARNING:  # JUnit has no warning: the case passes, and its output says it
        ET.SubElement(case, "system-out").text = _text(f"warning: {message}\n{row.hint}\n{hint_url(row.id)}")


def junit(report: Report) -> str:
    """One test suite per category; warnings pass and are in system-out."""
    root = ET.Element("testsuites", name=_text(shown(f"mesh checks of {report.cluster}")))
    for category, title in CATEGORIES.items():
        rows = [row for row in report.rows if row.category == category]
        if not rows:
            continue
        counts = {"tests": len(rows), "failures": sum(row.status is Status.FAILED for row in rows), "errors": 0}
        counts["skipped"] = sum(row.status is Status.SKIPPED for row in rows)
        suite = ET.SubElement(root, "testsuite", {key: str(value) for key, value in counts.items()}, name=title)
        for row in rows:
            _case(suite, report.cluster, row)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _result(row: Row, indexes: dict[str, int]) -> dict[str, Any]:
    words = [_LINK.sub(r"\\[", word) for word in (row.resource, row.message)]
    return {
        "ruleId": row.id,
        "ruleIndex": indexes[row.id],
        "level": LEVELS[row.severity],
        "message": {"text": ": ".join(word for word in words if word)},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": row.resource or row.title, "kind": "resource"}]}],
    }


def sarif(report: Report) -> str:
    """SARIF 2.1.0: every check is a rule, every deviation a result at the object's logical location."""
    rules = [
        {
            "id": check.id,
            "name": check.name,
            "shortDescription": {"text": check.title},
            "fullDescription": {"text": " ".join(check.about.split())},
            "help": {"text": check.hint},
            "helpUri": hint_url(check.id),
            "defaultConfiguration": {"level": LEVELS[check.severity]},
        }
        for check in report.catalogue.checks
    ]
    indexes = {check.id: index for index, check in enumerate(report.catalogue.checks)}
    results = [_result(row, indexes) for row in report.rows if row.status in (Status.FAILED, Status.WARNING)]
    driver = {"name": "meshops.mesh", "informationUri": "https://github.com/meshops/mesh", "rules": rules}
    run = {"tool": {"driver": driver}, "automationDetails": {"id": f"mesh_check/{report.cluster}"}, "results": results}
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return escaped_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def write_documents(params: Mapping[str, Any], report: Report) -> list[str]:
    """Writes the report to the files that the options junit, sarif and report of a module name; returns what could not be written.

    The result is worth more than its copies: one that cannot be written costs neither the others nor the table."""
    forms = (("junit", junit), ("sarif", sarif), ("report", json_report))
    found = [write_document(option, params[option], lambda render=render: render(report))  # type: ignore[misc]
             for option, render in forms if params[option]]  # fmt: skip
    return [problem for problem in found if problem]


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
