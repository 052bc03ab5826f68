# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What became of each layer of a run, and a summary of all of them, in words that say whether anything was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .._text import counted, shown

__all__ = ["layer_lines", "layer_row"]

# What becomes of an object, in the order in which it is told; of a file the first three and `unchanged` are used.
_WORDS = {
    "created": "created",
    "changed": "changed",
    "deleted": "deleted",
    "pruned": "deleted",
    "released": "let go",
    "kept": "kept",
    "new_kind": "of kinds that are not installed yet",
}
_INDEXES = "kustomization.yaml"
_SHARED = 2  # parts of the path of a file that is beside the folders of the layers

Row = Mapping[str, Any]


def layer_row(result: Row, layer: str, target: str, *, planned: bool) -> dict[str, Any]:
    """A row from the result of mesh_apply or gitops_tree. planned: nothing was done."""
    written = result.get("files")
    every = result.get("objects") or [] if written is None else written
    objects = every if written is None else [one for one in written if PurePath(one["path"]).name != _INDEXES]
    # that of the whole tree is written with each layer
    shared = [] if written is None else [one for one in written if len(PurePath(one["path"]).parts) == _SHARED]
    return {
        "layer": layer,
        "target": target,
        "planned": planned,
        "objects": len(objects),
        "changed": bool(result.get("changed")),
        "seconds": round(float(result.get("seconds") or 0), 1),
        "counts": dict(Counter(str(one["status"]) for one in every if one not in shared)),
        "index": next((str(one["status"]) for one in shared), ""),
        "folder": str(result.get("folder") or ""),
    }


def layer_lines(rows: Sequence[Row], operators_seconds: float | None = None, *, short: bool = False) -> list[str]:
    """The table and its summary. short: only layers that changed, or would."""
    told = [row for row in rows if row["changed"] or not short]
    table = [line for row in told for line in _lines(row, operators_seconds)]
    head = [f"{'layer':26} {'objects':>8} {'seconds':>8}"] if table else []
    return [*head, *table, *_summaries(rows)]


def _lines(row: Row, operators_seconds: float | None) -> Iterator[str]:
    word = "" if not row["changed"] else "  would change" if row["planned"] else "  changed"
    yield f"{row['layer']:26} {row['objects']:8d} {row['seconds']:8.1f}{word}"
    if row["layer"] == "operators" and operators_seconds is not None:
        yield f"{'operators, until they work':26} {'':>8} {operators_seconds:8.1f}"


def _summaries(rows: Sequence[Row]) -> Iterator[str]:
    """One line for each thing that was done: a plan, a tree, a delivery."""
    planned = [row for row in rows if row["planned"] and row["target"] != "files"]
    if planned:
        some = sum(row["changed"] for row in planned)
        yield f"plan: {some} of {counted(len(planned), 'layer')} would change{_counts(planned, 'objects would be')}; nothing was changed"
    trees: dict[tuple[str, bool], list[Row]] = {}
    for row in rows:
        if row["target"] == "files":
            trees.setdefault((str(PurePath(row["folder"]).parent), row["planned"]), []).append(row)
    for (folder, of_plan), of_tree in trees.items():
        yield f"tree {shown(folder)}: {_written(of_tree, 'would be written' if of_plan else 'written')}"
    done = [row for row in rows if not row["planned"] and row["target"] != "files"]
    if done:
        yield f"{sum(row['changed'] for row in done)} of {counted(len(done), 'layer')} changed{_counts(done, 'objects')}"


def _written(rows: Sequence[Row], verb: str) -> str:
    total = _total(rows)
    wrote = total["created"] + total["changed"]
    return f"{counted(wrote, 'file')} {verb}{_counts(rows, '')}" if wrote or total["deleted"] else "nothing to write, it is as it was"


def _total(rows: Sequence[Row]) -> Counter[str]:
    index = [status for status in ("created", "changed", "unchanged") if any(row["index"] == status for row in rows)][:1]
    return sum((Counter(row["counts"]) for row in rows), Counter[str](index))


def _counts(rows: Sequence[Row], noun: str) -> str:
    """`: 12 objects created, 3 changed; 80 unchanged`."""
    total, words = _total(rows), Counter[str]()
    for status, word in _WORDS.items():
        words[word] += total[status]
    found = [f"{number} {word}" for word, number in words.items() if number]
    if found and noun:
        number, _blank, word = found[0].partition(" ")
        found[0] = f"{number} {noun if number != '1' else noun.replace('objects', 'object', 1)} {word}"
    # a file of a tree may be looked at several times
    same = [f"{total['unchanged']} unchanged"] if total["unchanged"] and noun else []
    said = "; ".join([", ".join(found), *same] if found else same)
    return f": {said}" if said else ""
