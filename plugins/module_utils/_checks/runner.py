# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Runs the table over one snapshot; with a deadline, again and again until what can still change has passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .._errors import ConfigError
from .kinds import Kind
from .table import ABOUT, CATEGORIES, CHECKS, ON_REQUEST, by_id, hint_url
from .types import Check, Finding, Intent, Options, Severity, Status
from .view import View

if TYPE_CHECKING:
    from .._model.snapshot import Snapshot

__all__ = ["Report", "Row", "kinds_read", "run_checks", "run_checks_on", "run_until", "select"]

ALWAYS = "OSM1002"


@dataclass(frozen=True)
class Row:
    """One line of the result: a check that passed or was skipped, or one deviation of a check."""

    id: str
    category: str
    title: str
    status: Status
    severity: Severity
    resource: str = ""
    message: str = ""
    hint: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The row as the module returns it."""
        return {
            "id": self.id,
            "category": self.category,
            "title": self.title,
            "status": self.status.value,
            "severity": self.severity.name.lower(),
            "resource": self.resource,
            "message": self.message,
            "hint": self.hint,
            "hint_url": hint_url(self.id),
            "evidence": self.evidence,
        }


@dataclass(frozen=True)
class Report:
    """All rows of a run."""

    cluster: str
    rows: tuple[Row, ...]
    unused_ignores: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)  # category to what it looked at

    @property
    def summary(self) -> dict[str, int]:
        """How many rows have which status."""
        return {status.value: sum(row.status is status for row in self.rows) for status in Status}

    def failing(self, fail_on: str) -> list[Row]:
        """The rows that make the verdict: failures, and warnings where these are wanted."""
        statuses = {"error": {Status.FAILED}, "warning": {Status.FAILED, Status.WARNING}}.get(fail_on, set())
        return [row for row in self.rows if row.status in statuses]


def select(only: Iterable[str], categories: Iterable[str]) -> list[Check]:
    """The chosen checks and everything that they require, in table order."""
    codes, names = set(only), set(categories)
    unknown = sorted(codes - set(by_id)) + sorted(names - set(CATEGORIES))
    if unknown:
        raise ConfigError(f"there is no check or category {', '.join(unknown)}; the categories are {', '.join(CATEGORIES)}")
    chosen = {row.id for row in CHECKS if (not codes or row.id in codes) and (not names or row.category in names)}
    if not codes and not names:
        chosen = {code for code in chosen if by_id[code].category not in ON_REQUEST}
    # Without it, a reader without rights would see everything skipped and nothing failed.
    chosen.add(ALWAYS)
    todo = list(chosen)
    while todo:
        for code in by_id[todo.pop()].requires:
            if code not in chosen:
                chosen.add(code)
                todo.append(code)
    return [row for row in CHECKS if row.id in chosen]


def kinds_read(intent: Intent, options: Options) -> frozenset[Kind]:
    """What the chosen checks read: a large mesh has many objects that none of them asks for, such as its ReplicaSets."""
    checks = select(options.only, options.categories)
    return frozenset(kind for row in checks if intent.provider is None or intent.provider in row.providers for kind in row.inputs)


class _Run:
    """One pass over the table; knows which requirements did not hold and which ignores were used."""

    def __init__(self, view: View, intent: Intent, options: Options) -> None:
        self.view, self.intent, self.options = view, intent, options
        self.broken: dict[str, str] = {}
        self.used: set[str] = set()

    def not_applicable(self, check: Check) -> str:
        """Why a check cannot be asked at all; empty if it can."""
        if check.live and self.view.source == "manifests":
            return "manifests do not say what runs"
        for name in check.intent:
            if getattr(self.intent, name) is None:
                return f"{name} is not given"
        if self.intent.provider and self.intent.provider not in check.providers:
            return f"not for provider {self.intent.provider}"
        if check.component and check.component not in (self.intent.observability or ()):
            return f"{check.component} is not in observability"
        forbidden = self.view.forbidden()
        for kind in check.inputs:
            if kind.kind in forbidden:
                return f"we may not read {kind.kind} (see OSM1002)"
        return ""

    def ignored(self, check: Check, finding: Finding) -> str:
        """The entry of `ignore` that covers this finding; empty if none does."""
        for entry in self.options.ignore:
            code, equals, pattern = entry.partition("=")
            if code == check.id and (not equals or fnmatchcase(finding.resource, pattern)):
                self.used.add(entry)
                return entry
        return ""

    def rows(self, check: Check) -> list[Row]:
        """All rows of one check."""
        whole = Row(check.id, check.category, check.title, Status.PASSED, check.severity)
        root = next((self.broken[code] for code in check.requires if code in self.broken), "")
        if root:
            # Anything that needs this one is skipped too, for the reason at the root.
            self.broken[check.id] = root
        reason = self.not_applicable(check) or (f"{root} failed" if root else "")
        if reason:
            return [replace(whole, status=Status.SKIPPED, message=reason)]
        found = [self.finding_row(check, whole, finding) for finding in check.run(self.view, self.intent, self.options)]
        if any(row.status is Status.FAILED for row in found):
            self.broken[check.id] = check.id
        return found or [whole]

    def finding_row(self, check: Check, whole: Row, finding: Finding) -> Row:
        """A finding as a row."""
        severity = check.severity if finding.severity is None else finding.severity
        row = replace(
            whole,
            severity=severity,
            resource=finding.resource,
            message=finding.message,
            hint=finding.hint or check.hint,
            evidence=dict(finding.evidence),
        )
        entry = "" if finding.skipped else self.ignored(check, finding)
        if finding.skipped:
            return replace(row, status=Status.SKIPPED, hint="")
        if entry:
            return replace(row, status=Status.SKIPPED, message=f"{finding.message} (ignored by {entry})")
        return replace(row, status=Status.FAILED if severity is Severity.ERROR else Status.WARNING)


def run_checks(snapshot: Snapshot, intent: Intent, options: Options) -> Report:
    """One pass over one snapshot."""
    return run_checks_on(View(snapshot), intent, options)


def run_checks_on(view: View, intent: Intent, options: Options) -> Report:
    """The same on a view that others have read too."""
    checks = select(options.only, options.categories)
    # Reviews are asked for with personas only, so a refusal always matters.
    reads = frozenset(kind.kind for kind in kinds_read(intent, options)) | {"SubjectAccessReview"}
    run = _Run(view, intent, replace(options, reads=reads))
    rows = tuple(row for check in checks for row in run.rows(check))
    unused = tuple(entry for entry in options.ignore if entry not in run.used)
    ran = {row.category for row in rows if row.status is not Status.SKIPPED}
    told = {category: found for category, tell in ABOUT.items() if category in ran for found in [tell(view, intent)] if found}
    return Report(view.cluster, rows, unused, told)


def run_until(
    look: Callable[[], Report],
    *,
    wait_timeout: float,
    wait_interval: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    fail_on: str = "error",
) -> Report:
    """Look until no retryable row is failed or the deadline is over; the last look, with its last reasons, is the result."""
    deadline = clock() + wait_timeout
    while True:
        report = look()
        # With fail_on=never failures are waited for all the same; warnings only where they decide.
        hopeful = any(by_id[row.id].retryable for row in report.failing("warning" if fail_on == "warning" else "error"))
        if not hopeful or clock() + wait_interval > deadline:
            return report
        sleep(wait_interval)
