# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reviews and their answers, as data and as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._text import joined
from .explain import Rbac, explain
from .matrix import Cell

__all__ = ["answer_of", "review_of", "sentence", "table"]


def review_of(cell: Cell) -> dict[str, Any]:
    """The SubjectAccessReview that asks a cell's question."""
    attributes = {"verb": cell.verb, "group": cell.group, "resource": cell.resource}
    optional = {"subresource": cell.subresource, "namespace": cell.namespace, "name": cell.name}
    spec: dict[str, Any] = {
        "groups": list(cell.groups),
        "resourceAttributes": {**attributes, **{key: value for key, value in optional.items() if value}},
    }
    if cell.user:
        spec["user"] = cell.user
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def answer_of(cell: Cell, review: Mapping[str, Any], rbac: Rbac) -> dict[str, Any]:
    """A row of the result."""
    allowed = bool((review.get("status") or {}).get("allowed"))
    grants = [str(grant) for grant in explain(rbac, cell)] if allowed else []
    row = cell.to_dict()
    return {**row, "expected": cell.allowed, "allowed": allowed, "granted_by": grants, "ok": allowed is cell.allowed}


def _what(row: Mapping[str, Any]) -> str:
    path = f"{row['resource']}/{row['subresource']}" if row["subresource"] else row["resource"]
    kind = f"{path}.{row['group']}" if row["group"] else path
    return f"{kind} {row['name']}" if row["name"] else kind


def _who(row: Mapping[str, Any]) -> str:
    return str(row["user"] or f"group {row['groups'][0]}")


def sentence(row: Mapping[str, Any]) -> str:
    """What is wrong with a row, and where it comes from."""
    where = f"in {row['namespace']}" if row["namespace"] else "in the whole cluster"
    may = "may not" if row["expected"] else "may"
    should = "should" if row["expected"] else "must not"
    by = f", granted by {'; '.join(row['granted_by'])}" if row["granted_by"] else ""
    return f"{_who(row)} {may} {row['verb']} {_what(row)} {where} and {should} ({row['why']}){by}"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each person, namespace and resource: +verb is allowed, -verb is not, ! marks what is not as expected."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        key = (_who(row), row["persona"], row["namespace"] or "(cluster)", _what(row))
        mark = ("" if row["ok"] else "!") + ("+" if row["allowed"] else "-")
        lines.setdefault(key, []).append(mark + row["verb"])
    cells = [("×" if any(word.startswith("!") for word in words) else "√", *key, " ".join(words)) for key, words in lines.items()]
    return joined(_aligned(cells))


def _aligned(cells: Sequence[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(len(cell[column]) for cell in cells) for column in range(5)] if cells else []
    for cell in cells:
        yield "  ".join([*(word.ljust(width) for word, width in zip(cell, widths, strict=False)), cell[5]]).rstrip()
