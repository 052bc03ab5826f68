# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A report as SARIF 2.1.0, by the rules of GitHub's code scanning: each result is at a line of a file, and has an identity that stays.

https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning has the rules."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from urllib.parse import quote

from .._model.problem import Severity
from .._model.written import Spot, Written
from .._text import counted, escaped_json
from .runner import Report, Row
from .types import Check, Status, hint_url

__all__ = ["MOST_RESULTS", "VERSION", "line_hashes", "places_of", "sarif"]

VERSION = "0.1.0"  # of the collection, as galaxy.yml says it; a test compares them
MOST_RESULTS = 25_000  # a file with more is refused; of these GitHub shows the worst 5,000
HOME = "https://github.com/meshops/mesh"
LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}
_SEVERITIES = {Severity.INFO: "recommendation", Severity.WARNING: "warning", Severity.ERROR: "error"}
_SECURITY = frozenset({"authorization", "certificates", "personas"})
_LINK = re.compile(r"\[(?=[^\[\]\n]*\]\()")  # a message of SARIF may have links, and ours have none
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")
_WINDOW, _BASE, _SIZE, _END = 100, 37, 1 << 64, 0xFFFF
_HASHED = 4 << 20  # characters of a file whose lines are hashed


def sarif(report: Report, *, by: str) -> str:
    """Every check is a rule, every deviation a result. by: the module, which with the cluster is the category of an upload."""
    checks = report.catalogue.checks
    indexes = {check.id: index for index, check in enumerate(checks)}
    rows = sorted((row for row in report.rows if row.status in (Status.FAILED, Status.WARNING)), key=lambda row: -row.severity)
    kept = rows[:MOST_RESULTS]
    identities, folder = _Identities(report), _folder_of(report)
    results = [_result(row, indexes[row.id], spot, folder, identities) for row, spot in zip(kept, places_of(report, kept), strict=True)]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if report.view:
        invocation["endTimeUtc"] = report.view.taken_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if len(rows) > len(kept):
        text = f"left out: {counted(len(rows) - len(kept), 'result')}, as a file with more than {MOST_RESULTS} is refused"
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": text}}]
    driver = {
        "name": "meshops.mesh",
        "version": VERSION,
        "semanticVersion": VERSION,
        "informationUri": HOME,
        "rules": [_rule(check) for check in checks],
    }
    run = {
        "tool": {"driver": driver},
        # what comes before the last slash is the category, and a second upload of one category takes the place of the first
        "automationDetails": {"id": f"meshops.mesh/{by}/{report.cluster}/"},
        "invocations": [invocation],
        "results": results,
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return escaped_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def places_of(report: Report, rows: Sequence[Row]) -> list[Spot | None]:
    """For each row where it is written; None of what is in no file, as on a cluster."""
    reading = report.view.reading if report.view else None
    if reading is None:
        return [None] * len(rows)
    written = Written(reading)
    groups = {check.id: {kind.group for kind in (*check.subjects, *check.inputs)} for check in report.catalogue.checks}
    return [written.spot(row.resource, row.message, groups[row.id]) for row in rows]


def _rule(check: Check) -> dict[str, Any]:
    about, page = " ".join(check.about.split()), hint_url(check.id)
    return {
        "id": check.id,
        "name": check.name,
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": about},
        "help": {
            "text": f"{about}\n\nWhat to do: {check.hint}\n\n{page}",
            "markdown": f"{_plain(about)}\n\n**What to do:** {_plain(check.hint)}\n\n[All about {check.id}]({page})",
        },
        "helpUri": page,
        "defaultConfiguration": {"level": LEVELS[check.severity]},
        "properties": {
            "tags": [check.category.replace("_", "-"), "service-mesh", *(["security"] if check.category in _SECURITY else [])],
            "precision": "high",
            "problem.severity": _SEVERITIES[check.severity],
            **({"equivalents": list(check.equivalents)} if check.equivalents else {}),
        },
    }


def _plain(text: str) -> str:
    """For Markdown, in which nothing of it is a mark."""
    return _MARKDOWN.sub(r"\\\1", text)


def _result(row: Row, index: int, spot: Spot | None, folder: str, identities: _Identities) -> dict[str, Any]:
    words = [_LINK.sub(r"\\[", word) for word in (row.resource, row.message)]
    text = spot.row if spot else ""
    begin = len(text) - len(text.lstrip()) + 1
    line = spot.line if spot else 1
    region = {"startLine": line, "startColumn": begin, "endLine": line, "endColumn": max(len(text), begin) + 1}
    return {
        "ruleId": row.id,
        "ruleIndex": index,
        "level": LEVELS[row.severity],
        "message": {"text": ": ".join(word for word in words if word) or row.title},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(row, spot, folder), "uriBaseId": "%SRCROOT%"}, "region": region},
                "logicalLocations": [{"fullyQualifiedName": row.resource or row.title, "kind": "resource"}],
            }
        ],
        "partialFingerprints": identities.of(row, spot),
    }


def _folder_of(report: Report) -> str:
    """Where what is in no file is put."""
    reading = report.view.reading if report.view else None
    return Written(reading).folder if reading else f"clusters/{quote(report.cluster, safe='')}"


def _uri(row: Row, spot: Spot | None, folder: str) -> str:
    """The file; of what has none a path that is the object's own, so that an alert stays the same one."""
    if spot:
        return quote(spot.path)
    kind, _blank, name = (row.resource or f"checks/{row.id}").partition(" ")
    steps = [step for step in (*kind.split("/"), *name.split("/")) if step]
    return "/".join(filter(None, (folder, *(quote(step, safe="") if step.strip(".") else "_" for step in steps))))


class _Identities:
    """A fingerprint for each result: what GitHub itself makes of a line of a file, or what is said of which object."""

    def __init__(self, report: Report) -> None:
        self._cluster = report.cluster
        self._seen: Counter[tuple[str, str]] = Counter()
        self._hashes: dict[str, list[str]] = {}

    def of(self, row: Row, spot: Spot | None) -> dict[str, str]:
        own = hashlib.sha256("\0".join((row.id, "" if spot else self._cluster, row.resource)).encode()).hexdigest()[:16]
        at_line = f"{own}:1"
        if spot:
            if spot.path not in self._hashes:
                self._hashes[spot.path] = line_hashes(spot.text) if len(spot.text) <= _HASHED else []
            hashes = self._hashes[spot.path]
            at_line = hashes[spot.line - 1] if spot.line <= len(hashes) else at_line
        # one more result of a rule at the same place is another alert
        place = f"{spot.path}:{spot.line}" if spot else row.resource
        self._seen[row.id, place] += 1
        self._seen[row.id, own] += 1
        again, count = self._seen[row.id, place], self._seen[row.id, own]
        return {"primaryLocationLineHash": at_line if again == 1 else f"{at_line}:{again}", "meshObject/v1": f"{own}:{count}"}


def line_hashes(text: str) -> list[str]:
    """For each line the hash that GitHub's upload makes of the 100 characters from its begin, blanks aside. It warns of another one."""
    codes: list[int] = []
    starts: list[int] = []
    for row in re.split(r"\r\n|\r|\n", text):
        starts.append(len(codes))
        units = row.translate({32: None, 9: None}).encode("utf-16-le", errors="surrogatepass")
        codes += [int.from_bytes(units[at : at + 2], "little") for at in range(0, len(units), 2)]
        codes.append(10)
    codes[-1] = _END  # in place of the line end that the last one does not have
    codes += [0] * _WINDOW
    seen: Counter[str] = Counter()
    found = []
    for start in starts:
        value = 0
        for code in codes[start : start + _WINDOW]:
            value = (value * _BASE + code) % _SIZE
        word = f"{value:x}"
        seen[word] += 1
        found.append(f"{word}:{seen[word]}")
    return found
