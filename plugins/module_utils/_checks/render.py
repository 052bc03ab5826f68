# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A report for people: one fact a line, the reason and the remedy under what deviates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .._text import counted, joined, shown
from .categories import CATEGORIES

__all__ = ["GLYPHS", "failed_sentences", "short_lines", "summary_line", "table", "verdict_line"]

GLYPHS = {"passed": "√", "warning": "‼", "failed": "×", "skipped": "·"}
WORST = ("failed", "warning", "skipped", "passed")
SHOWN = {"info": frozenset(GLYPHS), "warning": frozenset({"warning", "failed"}), "error": frozenset({"failed"})}

Rows = Iterable[Mapping[str, Any]]
Grouped = dict[str, dict[str, list[Mapping[str, Any]]]]  # the rows of each check of each category
_FEW = 3
_APART = "skipped, by reason (how many checks)"


def _lines(rows: list[Mapping[str, Any]]) -> list[str]:
    """The lines of one check."""
    status = next(word for word in WORST if any(row["status"] == word for row in rows))
    first = rows[0]
    if status == "passed":
        return [f"{GLYPHS[status]} {first['title']}"]
    if status == "skipped":
        reasons = "; ".join(dict.fromkeys(_fact(row) for row in rows))
        return [f"{GLYPHS[status]} {first['title']} (skipped, {reasons})"]
    lines = [f"{GLYPHS[status]} {first['title']}  [{first['id']}]"]
    hints: dict[str, None] = {}
    for row in rows:
        # A warning or an ignored one under a failed title is marked as such.
        mark = "" if row["status"] == status else f"{row['status']}: "
        lines.append(f"    {mark}{_fact(row)}")
        if row["hint"] and row["status"] != "skipped":
            hints[row["hint"]] = None
    lines += [f"    -> {hint}" for hint in hints]
    return [*lines, f"    see {first['hint_url']}"]


def _fact(row: Mapping[str, Any]) -> str:
    return shown(f"{row['resource']}: {row['message']}" if row["resource"] else row["message"])


def _skip_reason(rows: list[Mapping[str, Any]]) -> str | None:
    """Why a check was skipped as a whole; None when it was not."""
    if any(row["status"] != "skipped" for row in rows):
        return None
    return "; ".join(dict.fromkeys(_fact(row) for row in rows))


def _set_apart(grouped: Grouped) -> tuple[Grouped, list[str]]:
    """Without what was skipped for a reason that several checks share, or in a category that has nothing else; the lines about it."""
    reasons = {code: _skip_reason(rows) for checks in grouped.values() for code, rows in checks.items()}
    often = Counter(filter(None, reasons.values()))
    kept: Grouped = {}
    apart: dict[str, Counter[str]] = {}
    for category, checks in grouped.items():
        lonely = all(reasons[code] for code in checks)
        for code, rows in checks.items():
            reason = reasons[code]
            if reason and (lonely or often[reason] > 1):
                apart.setdefault(reason, Counter())[CATEGORIES.get(category, category)] += 1
            else:
                kept.setdefault(category, {})[code] = rows
    told = sorted(apart.items(), key=lambda pair: -pair[1].total())  # those of one check each are the last
    single = [found for _reason, found in told if found.total() == 1]
    rest = single if len(single) > _FEW else []
    lines = [f"{GLYPHS['skipped']} {reason}: {_by_category(found)}" for reason, found in told[: len(told) - len(rest)]]
    if rest:
        number = sum(rest, Counter())
        lines.append(f"{GLYPHS['skipped']} each for a reason of its own, which the rows and reports have: {_by_category(number)}")
    return kept, lines


def _by_category(found: Counter[str]) -> str:
    return ", ".join(f"{title} ({number})" for title, number in found.items())


def _grouped(rows: Rows) -> Grouped:
    grouped: Grouped = {}
    for row in rows:
        grouped.setdefault(row["category"], {}).setdefault(row["id"], []).append(row)
    return grouped


def summary_line(summary: Mapping[str, int]) -> str:
    """The last line: how many of each."""
    passed, failed, skipped = (summary.get(key, 0) for key in ("passed", "failed", "skipped"))
    return f"{passed} passed, {counted(summary.get('warning', 0), 'warning')}, {failed} failed, {skipped} skipped"


def table(
    rows: Rows,
    *,
    show_from: str = "info",
    summary: Mapping[str, int] | None = None,
    about: Mapping[str, str] | None = None,
) -> str:
    """The whole table. show_from leaves out what is less severe, never a summary's number; about: what a category looked at."""
    rows = list(rows)
    lines: list[str] = []
    grouped, skipped = _set_apart(_grouped(rows)) if show_from == "info" else (_grouped(rows), [])
    for category, checks in grouped.items():
        shown = [found for found in checks.values() if any(row["status"] in SHOWN[show_from] for row in found)]
        if not shown:
            continue
        title = CATEGORIES.get(category, category)
        lines += [title, "-" * len(title), *([about[category]] if about and category in about else [])]
        for found in shown:
            lines += _lines([row for row in found if show_from == "info" or row["status"] in SHOWN[show_from]])
        lines.append("")
    if skipped:
        lines += [_APART, "-" * len(_APART), *skipped, ""]
    counts = summary if summary is not None else {key: sum(row["status"] == key for row in rows) for key in GLYPHS}
    return joined([*lines, summary_line(counts)])


def short_lines(lines: Iterable[str]) -> list[str]:
    """Of tables that are already made what deviates: without checks that passed or were skipped, and titles that nothing is left under."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    kept = [found for found in map(_deviating, blocks) if found]
    return [line for number, block in enumerate(kept) for line in ([""] if number else []) + block]


def _deviating(block: list[str]) -> list[str]:
    titled = len(block) > 1 and set(block[1]) == {"-"}
    if titled and not any(line.startswith((GLYPHS["failed"], GLYPHS["warning"])) for line in block):
        return []
    return [line for line in block if not line.startswith((GLYPHS["passed"], GLYPHS["skipped"]))]


def verdict_line(rows: Rows, *, cluster: str) -> str:
    """What a failing task says: how many checks, and which. The table has the rest."""
    codes: dict[str, dict[str, None]] = {"failed": {}, "warning": {}}
    for row in rows:
        codes[row["status"]][row["id"]] = None
    warned = [code for code in codes["warning"] if code not in codes["failed"]]
    said = [f"{counted(len(codes['failed']), 'check')} failed ({', '.join(codes['failed'])})"] if codes["failed"] else []
    said += [f"{counted(len(warned), 'check')} with warnings ({', '.join(warned)})"] if warned else []
    return f"{shown(cluster)}: {', '.join(said)}; the table says where and what to do"


def failed_sentences(rows: Rows) -> list[str]:
    """What fails, each with its code, its object and what to do."""
    return [f"{row['id']}: {row['resource']} {row['message']} ({row['hint']})" for row in rows if row["status"] == "failed"]
