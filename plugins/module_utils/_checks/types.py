# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a check is: a row of the table, what it is asked, what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._model.intent import ISTIO_ONLY, Intent
from .._model.kinds import Kind
from .._model.problem import Problem, Severity

if TYPE_CHECKING:
    from .._model.view import View

__all__ = ["THRESHOLDS", "Category", "Check", "CheckRow", "Options", "Status", "hint_url"]

Question = TypeVar("Question")


class Status(StrEnum):
    """The outcome of one row."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


# Every limit that a check compares with; each is a key of the module's option `thresholds`.
THRESHOLDS: dict[str, Any] = {
    "certificate_days": 30,
    "certificate_ec_bits": 256,
    "certificate_fraction": 0.2,
    "certificate_max_bytes": 1048576,
    "certificate_rsa_bits": 2048,
    "clock_skew_seconds": 60,
    # OpenShift 4.14, the oldest in the version support tables of OpenShift Service Mesh 3.0, is Kubernetes 1.27.
    "kubernetes_oldest": "1.27",
    # The Sail operator of August 2026 reconciles 1.29 and newer; Istio's own support of 1.28 ended on July 1, 2026.
    "istio_oldest": "1.29",
    # OpenShift Service Mesh 3.0, whose patch releases go on, is Istio 1.24; 3.2 is 1.27, 3.3 is 1.28, 3.4 is 1.30.
    "ossm3_oldest": "1.24",
    # OpenShift Service Mesh 3 migrates from the latest 2.6 only.
    "ossm2_oldest": "2.6",
    "proxy_skew_minors": 1,
    "remote_access_days": 7,
    "restarts": 5,
    "snapshot_max_age_hours": 24,
}


@dataclass(frozen=True)
class Options:
    """How to check: limits, what to leave out, and the clock."""

    thresholds: Mapping[str, Any] = field(default_factory=lambda: dict(THRESHOLDS))
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    fetch_error: str = ""
    # The kinds that the chosen checks read, by their own word; None means all.
    reads: frozenset[str] | None = None

    def threshold(self, name: str) -> Any:
        """A limit, given or its default."""
        value = self.thresholds.get(name)
        return THRESHOLDS[name] if value is None else value


Run = Callable[["View", Intent, Options], Iterable[Problem]]


@dataclass(frozen=True)
class Check:
    """One check of the table."""

    id: str
    name: str  # for machines: of the rule in SARIF
    category: str
    title: str
    severity: Severity
    hint: str
    about: str  # why the check is made
    run: Run
    inputs: tuple[Kind, ...] = ()
    requires: tuple[str, ...] = ("OSM1001",)
    intent: tuple[str, ...] = ()
    providers: tuple[str, ...] = ("ossm2", "ossm3", "sail", ISTIO_ONLY)
    retryable: bool = False
    live: bool = True
    # Asked only where the list `observability` of the intent has this word.
    component: str = ""
    # The kinds that the title speaks of, where `inputs` has others that only help; without one of them there is nothing to check.
    subjects: tuple[Kind, ...] = ()
    # A failure of this one says something of its object only: what requires it is asked of all others.
    per_object: bool = False
    # The fields of the intent that it compares with the source: there is nothing to compare where they were found there.
    compares: tuple[str, ...] = ()
    # What other tools call the same: messages of istioctl analyze (IST0101) and of Kiali (KIA1101).
    equivalents: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckRow(Generic[Question]):
    """A check as data, and its question to the function that the rows of a table share. None: as for all rows of the table."""

    code: str
    name: str
    question: Question
    title: str
    hint: str
    about: str
    severity: Severity = Severity.ERROR
    retryable: bool = False
    inputs: tuple[Kind, ...] | None = None
    requires: tuple[str, ...] | None = None
    subjects: tuple[Kind, ...] | None = None
    providers: tuple[str, ...] | None = None
    live: bool | None = None
    component: str | None = None
    equivalents: tuple[str, ...] | None = None

    def fields(self) -> dict[str, Any]:
        """What a Check takes of it."""
        names = ("name", "title", "hint", "about", "severity", "retryable",
                 "inputs", "requires", "subjects", "providers", "live", "component", "equivalents")  # fmt: skip
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def hint_url(code: str) -> str:
    """The page of a check; derived, so that no row can point elsewhere."""
    return f"https://github.com/meshops/mesh/blob/main/docs/checks/{code}.md"


class Category:
    """The checks about one subject. Each feature makes its own and fills it: `@CATEGORY.check("OSM2101", title=..., hint=...)` on a
    function, or `CATEGORY.table(find, rows)` where one function answers the questions of many rows.

    on_request: asked only where it is named, as it is about something that most meshes do not do.
    about: what the rows looked at, where they say something of more than the objects that they name."""

    def __init__(self, name: str, *, on_request: bool = False) -> None:
        self.name, self.on_request = name, on_request
        self.rows: dict[str, Check] = {}
        self.about: Callable[[View, Intent], str] | None = None

    def _add(self, check: Check) -> None:
        known = self.rows.get(check.id)
        if known is not None:
            raise ValueError(f"check code {check.id} is used twice: {known.title!r} and {check.title!r}")
        self.rows[check.id] = check

    def check(self, code: str, *, title: str, hint: str, severity: Severity = Severity.ERROR, **fields: Any) -> Callable[[Run], Run]:
        """Puts a function into the table; its docstring says why the check is made."""

        def register(run: Run) -> Run:
            told = {"title": title, "hint": hint, "about": (run.__doc__ or "").strip(), "severity": severity, **fields}
            self._add(Check(id=code, name=run.__name__, category=self.name, run=run, **told))
            return run

        return register

    def table(
        self,
        find: Callable[[Question, View, Intent, Options], Iterable[Problem]],
        rows: Iterable[CheckRow[Question]],
        **shared: Any,
    ) -> None:
        """Puts rows of data into the table: the check of each asks `find` its question. shared: fields of all of them."""
        for row in rows:
            self._add(Check(id=row.code, category=self.name, run=partial(find, row.question), **{**shared, **row.fields()}))

    def tells(self, about: Callable[[View, Intent], str]) -> Callable[[View, Intent], str]:
        """Makes this function the one that says what the rows looked at."""
        self.about = about
        return about
