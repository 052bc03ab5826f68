# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""This object, this is wrong, do that: what checks, hazards, gates and rollouts find."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from .._text import shortened

__all__ = ["Problem", "Severity", "merged", "skip", "summary", "warning"]


class Severity(IntEnum):
    """How bad a problem is; ordered, so that thresholds can compare."""

    INFO = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True)
class Problem:
    """An object, what is wrong with it, and what to do.

    resource: `Kind namespace/name`, or whatever people call it. remedy, severity: empty and None where who asked knows: a check has both.
    kind: which of the problems that its finder knows. evidence: for machines.
    skipped: nothing is known to be wrong, the question cannot be answered; `message` is the reason."""

    resource: str
    message: str
    remedy: str = ""
    severity: Severity | None = None
    kind: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict, hash=False)
    skipped: bool = False

    def __str__(self) -> str:
        return f"{self.resource}: {self.message}{f' ({self.remedy})' if self.remedy else ''}"


def warning(resource: str, message: str, remedy: str = "") -> Problem:
    """A problem that is milder than others of its check."""
    return Problem(resource, message, remedy, Severity.WARNING)


def skip(reason: str) -> Problem:
    """The question cannot be answered here, and says why; this is neither a pass nor a failure."""
    return Problem("", reason, skipped=True)


def merged(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each once: what is said of an object in the same words is one problem, whatever its evidence."""
    found: dict[Any, Problem] = {}
    for one in problems:
        found.setdefault((one.kind, one.resource, one.message, one.severity), one)
    return tuple(found.values())


def summary(problems: Iterable[Problem], most: int = 10) -> str:
    """The first of them in one line, and how many more there are."""
    return shortened(problems, most, "; ")
