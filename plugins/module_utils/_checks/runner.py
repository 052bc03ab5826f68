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

from .._errors import MeshError, TooComplex
from .._model.intent import Intent
from .._model.malformed import place, suspects, title
from .._model.problem import Problem, Severity
from .._model.view import View
from .._text import shown
from .catalogue import Catalogue
from .types import Check, Options, Status, hint_url

if TYPE_CHECKING:
    from .._model.snapshot import Snapshot

__all__ = ["Report", "Row", "run_checks", "run_checks_on", "run_until"]

_NAMED = 3  # kinds in a reason
# What no source can say, whoever looks at it; all else is found out there.
_INTENDED = {
    "access": ": who may call whom is known to people only",
    "gateways": ": which gateways are meant is known to people only",
    "requests": ": where requests are meant to go is known to people only, and traffic_check asks for it",
    "personas": ": who may do what is known to people only",
}
_UNREADABLE = 25  # objects that one check leaves out before it gives up
_SUSPECTS = 6  # objects that may be the reason for an error and are tried
_HELPERS = frozenset({"Namespace", "Pod"})  # without them there may be nothing to ask; the API server knows their types


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

    def __post_init__(self) -> None:
        # from here on a row is read by people: in tables, reports and messages
        for name in ("resource", "message", "hint"):
            object.__setattr__(self, name, shown(getattr(self, name)))

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
    catalogue: Catalogue = field(compare=False, repr=False)
    unused_ignores: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)  # category to what it looked at
    # The source as far as it could be read: without objects that no check can make sense of, each of which has a failed row.
    view: View | None = field(default=None, compare=False, repr=False)
    unreadable: tuple[str, ...] = ()  # those objects: nothing is proven while there is one

    @property
    def summary(self) -> dict[str, int]:
        """How many rows have which status."""
        return {status.value: sum(row.status is status for row in self.rows) for status in Status}

    def failing(self, fail_on: str) -> list[Row]:
        """The rows that make the verdict: failures, and warnings where these are wanted."""
        statuses = {"error": {Status.FAILED}, "warning": {Status.FAILED, Status.WARNING}}.get(fail_on, set())
        return [row for row in self.rows if row.status in statuses]


class _CheckRun:
    """One pass over the table; knows which requirements did not hold, for which objects, and which ignores were used."""

    def __init__(self, view: View, intent: Intent, options: Options) -> None:
        self.view, self.intent, self.options = view, intent, options
        self.broken: dict[str, str] = {}  # code: the code at the root
        self.held: dict[str, dict[str, str]] = {}  # code: {resource: the code at the root}
        self.used: set[str] = set()
        self.left_out: list[str] = []

    def not_applicable(self, check: Check) -> str:
        """Why a check cannot be asked at all; empty if it can."""
        if check.live and self.view.source == "manifests":
            return "manifests do not say what runs"
        for name in check.intent:
            if getattr(self.intent, name) is None:
                return f"{name} is not given{_INTENDED.get(name, '')}"
        if self.intent.provider and self.intent.provider not in check.providers:
            return f"not for provider {self.intent.provider}" if self.intent.by_operator else "not for a mesh that no operator runs"
        alone = [name for name in check.compares if name in self.intent.found]
        if alone:
            return f"no inventory has {' and '.join(alone)} to compare with what is there"
        if check.component and check.component not in (self.intent.observability or ()):
            return (
                f"no {check.component} was found" if "observability" in self.intent.found else f"{check.component} is not in observability"
            )
        forbidden = self.view.forbidden()
        for kind in check.inputs:
            if kind.kind in forbidden:
                return f"we may not read {kind.kind} (see OSM1002)"
        return ""

    def ignored(self, check: Check, problem: Problem) -> str:
        """The entry of `ignore` that covers this problem; empty if none does."""
        for entry in self.options.ignore:
            code, equals, pattern = entry.partition("=")
            if code == check.id and (not equals or fnmatchcase(problem.resource, pattern)):
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
        held = {resource: code for required in check.requires for resource, code in self.held.get(required, {}).items()}
        found = [self.problem_row(check, whole, problem) for problem in self.problems(check) if not _about(problem.resource, held)]
        nothing = "" if found or held else self.nothing(check)
        if nothing:
            return [replace(whole, status=Status.SKIPPED, message=nothing)]
        self.remember(check, found, held)
        left_out = [
            replace(whole, status=Status.SKIPPED, resource=resource, message=f"not checked, because {code} failed for it")
            for resource, code in held.items()
        ]
        return [*found, *left_out] or [whole]

    def nothing(self, check: Check) -> str:
        """What a check that found no fault had to look at but is not there; empty if there was something."""
        kinds = check.subjects or check.inputs
        if not kinds or any(self.view.has(kind) for kind in kinds):
            return ""
        named = list(dict.fromkeys(kind.kind for kind in kinds))
        return f"nothing to check: there is no {' or '.join(named) if len(named) <= _NAMED else 'object of its kinds'}"

    def remember(self, check: Check, found: list[Row], held: dict[str, str]) -> None:
        """What a failure means for the checks that require this one."""
        failed = [row for row in found if row.status is Status.FAILED]
        if failed and not (check.per_object and all(row.resource for row in failed)):
            self.broken[check.id] = check.id
        self.held[check.id] = {**held, **{row.resource: check.id for row in failed if check.per_object}}

    def problems(self, check: Check) -> list[Problem]:
        """What the check says. An object that it cannot read is a problem of its own, and is left out from here on."""
        unreadable: list[Problem] = []
        while True:
            try:
                return [*unreadable, *check.run(self.view, self.intent, self.options)]
            except TooComplex as exc:
                return [*unreadable, Problem("", f"it cannot be decided: {exc}", severity=Severity.ERROR)]
            except MeshError:
                raise  # about what people gave to the whole run
            except Exception as exc:  # noqa: BLE001  # whatever the data is like, a person gets a row and not a traceback
                obj = self.unreadable(check, exc) if len(unreadable) < _UNREADABLE else None
                rest = None if obj is None else self.view.without(obj)
                if obj is None or rest is None:
                    return [*unreadable, _gave_up(exc)]
                unreadable.append(_unreadable(obj, exc))
                self.left_out.append(title(obj))
                self.view = rest

    def unreadable(self, check: Check, exc: Exception) -> Mapping[str, Any] | None:
        """The object without which the check can be asked, with the least that is found otherwise; None where nothing says which."""
        likely, stands_out = suspects(exc)
        answers: list[tuple[bool, int, int]] = []
        for rank, obj in enumerate(likely[:_SUSPECTS]):
            found = self.tried(check, (obj,))
            helper = obj.get("kind") in _HELPERS
            if found is not None and stands_out and rank == 0 and not helper:
                return obj
            answers += [] if found is None else [(helper, len(found), rank)]
        if answers:
            return likely[min(answers)[-1]]
        # Several objects may be wrong, then the next error is about the next one; or no frame had one in hand.
        return likely[0] if likely else self.halved(check)

    def tried(self, check: Check, without: Iterable[Mapping[str, Any]]) -> list[Problem] | None:
        """What the check says of the source without these objects; None if it still cannot be asked."""
        view: View | None = self.view.without(*without)
        if view is None:
            return None
        try:
            return list(check.run(view, self.intent, self.options))
        except Exception:  # noqa: BLE001  # this is only a trial
            return None

    def halved(self, check: Check) -> Mapping[str, Any] | None:
        """The object that has to go, found by leaving out one half of them after another."""
        left = list(self.view.objects())
        if not left or self.tried(check, left) is None:
            return None
        while len(left) > 1:
            half = left[: len(left) // 2]
            left = half if self.tried(check, half) is not None else left[len(left) // 2 :]
        return left[0]

    def problem_row(self, check: Check, whole: Row, problem: Problem) -> Row:
        """A problem as a row."""
        severity = check.severity if problem.severity is None else problem.severity
        row = replace(
            whole,
            severity=severity,
            resource=problem.resource,
            message=problem.message,
            hint=problem.remedy or check.hint,
            evidence={**problem.evidence, **({"equivalents": list(check.equivalents)} if check.equivalents else {})},
        )
        entry = "" if problem.skipped else self.ignored(check, problem)
        if problem.skipped:
            return replace(row, status=Status.SKIPPED, hint="")
        if entry:
            return replace(row, status=Status.SKIPPED, message=f"{problem.message} (ignored by {entry})")
        return replace(row, status=Status.FAILED if severity is Severity.ERROR else Status.WARNING)


def _about(resource: str, held: Mapping[str, str]) -> bool:
    """Is it one of these objects, or in one of these namespaces?"""
    namespace = resource.partition(" ")[2].rpartition("/")[0]
    return resource in held or f"Namespace {namespace}" in held


def _unreadable(obj: Mapping[str, Any], exc: Exception) -> Problem:
    return Problem(
        title(obj),
        f"it does not have the structure of its kind and cannot be judged ({type(exc).__name__} at {place(exc)})",
        severity=Severity.ERROR,
        remedy="compare it with the CRD: kubectl apply --dry-run=server -f FILE names the wrong field; until then nothing is said of it",
    )


def _gave_up(exc: Exception) -> Problem:
    return Problem(
        "",
        f"it could not be asked: {type(exc).__name__} at {place(exc)}, and no object of the source stands out as the reason",
        severity=Severity.ERROR,
        remedy="this is a fault of the collection: please report it with a snapshot that shows it (meshops.mesh.cluster_snapshot)",
    )


def run_checks(catalogue: Catalogue, snapshot: Snapshot, intent: Intent, options: Options) -> Report:
    """One pass over one snapshot."""
    return run_checks_on(catalogue, View(snapshot), intent, options)


def run_checks_on(catalogue: Catalogue, view: View, intent: Intent, options: Options) -> Report:
    """The same on a view that others have read too."""
    checks = catalogue.select(options.only, options.categories)
    # Reviews are asked for with personas only, so a refusal always matters.
    reads = frozenset(kind.kind for kind in catalogue.kinds_read(intent, options)) | {"SubjectAccessReview"}
    run = _CheckRun(view, intent, replace(options, reads=reads))
    rows = tuple(row for check in checks for row in run.rows(check))
    unused = tuple(entry for entry in options.ignore if entry not in run.used)
    ran = {row.category for row in rows if row.status is not Status.SKIPPED}
    telling = {one.name: one.about for one in catalogue.categories if one.about is not None and one.name in ran}
    about = {name: text for name, tell in telling.items() for text in [tell(run.view, intent)] if text}
    return Report(view.cluster, rows, catalogue, unused, about, run.view, tuple(run.left_out))


def run_until(
    look: Callable[[], Report],
    *,
    wait_timeout: float,
    wait_interval: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    fail_on: str = "error",
    waits: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Look until no retryable row is failed or the deadline is over; the last look, with its last reasons, is the result.

    waits: is told of each look after which another one comes."""
    deadline = clock() + wait_timeout
    while True:
        report = look()
        # With fail_on=never failures are waited for all the same; warnings only where they decide.
        hopeful = any(report.catalogue.by_id[row.id].retryable for row in report.failing("warning" if fail_on == "warning" else "error"))
        if not hopeful or clock() + wait_interval > deadline:
            return report
        waits(report)
        sleep(wait_interval)
