# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM17xx: people may do what their persona needs, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .._checks.types import Category, CheckRow, Options
from .._model.intent import Intent
from .._model.problem import Problem, skip
from .._model.view import View
from .._text import counted

CATEGORY = Category("personas")
check = CATEGORY.check

__all__ = ["full_resource"]

NEEDS = ("personas", "cells")
_EACH = 3  # cells of a person that are told one by one
_NOBODY = (
    "compare the name with the one that the cluster knows, and correct it in mesh_personas, or run the role meshops.mesh.personas; "
    "evidence.answers has every answer"
)
Key = tuple[Any, ...]
_Answered = tuple[Mapping[str, Any], Mapping[str, Any]]  # a cell and its answer


def full_resource(row: Mapping[str, Any]) -> str:
    """`pods/log`, whether it is written in one word or in two."""
    return "/".join(str(part) for part in (row.get("resource"), row.get("subresource")) if part)


def _key(row: Mapping[str, Any]) -> Key:
    words = ("user", "verb", "group", "namespace", "name")
    return (full_resource(row), *(row.get(word) or "" for word in words), *sorted(row.get("groups") or ()))


def _who(row: Mapping[str, Any]) -> str:
    if row.get("user"):
        return f"User {row['user']}"
    # Every review of a group has system:authenticated too, which is nobody in particular.
    names = [str(name) for name in row.get("groups") or () if not str(name).startswith("system:")]
    return f"Group {', '.join(names)}"


def _sentence(row: Mapping[str, Any]) -> str:
    resource = ".".join(part for part in (full_resource(row), row.get("group")) if part)
    what = f"{resource} {row['name']}" if row.get("name") else resource
    where = f"in {row['namespace']}" if row.get("namespace") else "in the whole cluster"
    return f"{row.get('verb')} {what} {where}"


def _answers(view: View) -> dict[Key, Mapping[str, Any]]:
    return {_key(row): row for row in view.reviews}


def _wrong(wanted: bool, view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Cells that the API server answers otherwise. wanted: of those that are to be allowed, else of the forbidden ones."""
    answers = _answers(view)
    if intent.cells and not answers:
        yield skip("the source has no access reviews (see OSM1703)")
        return
    cells = [cell for cell in intent.cells or () if bool(cell.get("allowed")) is wanted]
    asked = Counter(map(_who, cells))
    found: dict[tuple[str, str], list[_Answered]] = {}
    for cell in cells:
        answer = answers.get(_key(cell))
        if answer is not None and bool(answer.get("allowed")) is not wanted:
            found.setdefault((_who(cell), str(answer.get("reason") or "")), []).append((cell, answer))
    for (who, reason), rows in found.items():
        yield from _told(who, f" ({reason})" if reason else "", rows, every=len(rows) == asked[who], wanted=wanted)


def _told(who: str, reason: str, rows: list[_Answered], *, every: bool, wanted: bool) -> Iterable[Problem]:
    """A row for each cell; one for many with one reason: a name that nobody has, or a binding."""
    verb = "may not" if wanted else "may"
    if len(rows) <= _EACH:
        for cell, answer in rows:
            yield Problem(who, f"{verb} {_sentence(cell)}{reason}", evidence=dict(answer))
        return
    cells = f"{'; '.join(_sentence(cell) for cell, _answer in rows[:_EACH])}; and {len(rows) - _EACH} more"
    evidence = {"answers": [dict(answer) for _cell, answer in rows]}
    if wanted and every:
        text = f"may do none of the {counted(len(rows), 'thing')} that its persona needs: {cells}{reason}"
        yield Problem(who, text, remedy=_NOBODY, evidence=evidence)
    else:
        text = f"{verb} do {counted(len(rows), 'thing')} that its persona {'needs' if wanted else 'must not do'}: {cells}{reason}"
        yield Problem(who, text, evidence=evidence)


CELLS = (
    CheckRow("OSM1701", "allowed_cells", True, retryable=True,
             title="each persona may do what it needs",
             hint="run the role meshops.mesh.personas; meshops.mesh.persona_access_info explains a grant",
             about="The matrix of personas against resources, as the API server's own authorizer answers it."),
    CheckRow("OSM1702", "forbidden_cells", False,
             title="each persona may do only its own tasks",
             hint="meshops.mesh.persona_access_info names the binding that grants it; remove that binding",
             about="Finds rights that were granted unintentionally, whichever binding grants them."),
)  # fmt: skip

CATEGORY.table(_wrong, CELLS, intent=NEEDS)


@check(
    "OSM1703",
    title="every cell of the persona matrix was reviewed",
    hint="the collector needs the right to create subjectaccessreviews (playbook render_rights, family check); take the snapshot again",
    intent=NEEDS,
    retryable=True,
)
def cells_reviewed(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without an answer a cell is neither right nor wrong: a missing answer must not count as proof."""
    answers = _answers(view)
    open_cells: dict[str, list[str]] = {}
    for cell in intent.cells or ():
        if _key(cell) not in answers:
            open_cells.setdefault(_who(cell), []).append(_sentence(cell))
    for user, sentences in sorted(open_cells.items()):
        yield Problem(user, f"not reviewed: {counted(len(sentences), 'cell')}, the first is: {sentences[0]}")
