#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/checks from the check table: one page per code, and the index. With --check it only says what differs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "checks"
sys.path.insert(0, str(ROOT / "tests" / "unit"))

import conftest  # noqa: F401 - makes the collection importable
from ansible_collections.meshops.mesh.plugins.module_utils._checks.table import CATEGORIES, CHECKS, RETIRED
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import THRESHOLDS

GENERATED = "<!-- Written by tests/tools/make_docs.py from the check table: change the check, then run `make docs`. -->\n"
ALL_PROVIDERS = 3


def page(row: Any) -> str:
    """The page of one check."""
    facts = {
        "Severity": row.severity.name.lower(),
        "Category": f"`{row.category}` ({CATEGORIES[row.category]})",
        "Providers": "all" if len(row.providers) == ALL_PROVIDERS else ", ".join(f"`{name}`" for name in row.providers),
        "Requires": ", ".join(f"[{code}]({code}.md)" for code in row.requires) or "nothing",
        "Intent": ", ".join(f"`{name}`" for name in row.intent if name != "cells") or "none; it always runs",
        "Reads": ", ".join(f"`{kind}`" for kind in row.inputs) or "no object",
        "Manifests": "no, it needs what runs" if row.live else "yes",
        "Retried": "yes, until `wait_timeout`" if row.retryable else "no: waiting does not change it",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    about = " ".join(row.about.split())
    return (
        f"# {row.id}: {row.title}\n\n{GENERATED}\n{about}\n\n## What to do when it does not hold\n\n{row.hint}\n\n"
        f"## Facts\n\n| | |\n|---|---|\n{table}\n\n"
        f'A deviation that is known and accepted is ignored with `ignore: ["{row.id}=Kind namespace/name"]`.\n'
    )


def index() -> str:
    """The list of all checks."""
    parts = [
        "# Checks\n",
        GENERATED,
        "`meshops.mesh.mesh_check` runs these. A code is never reused. Dependents of a failed check are skipped, nothing else is.\n",
    ]
    for category, title in CATEGORIES.items():
        rows = [row for row in CHECKS if row.category == category]
        lines = [f"| [{row.id}]({row.id}.md) | {row.title} | {row.severity.name.lower()} |" for row in rows]
        parts.append(f"## {title}\n\nCategory `{category}`.\n\n| code | fact | severity |\n|---|---|---|\n" + "\n".join(lines) + "\n")
    limits = "\n".join(f"| `{name}` | `{value}` |" for name, value in THRESHOLDS.items())
    parts.append(f"## Thresholds\n\nKeys of the option `thresholds`, with their defaults.\n\n| key | default |\n|---|---|\n{limits}\n")
    if RETIRED:
        parts.append("## Retired codes\n\n" + "\n".join(f"* {code}: {reason}" for code, reason in RETIRED.items()) + "\n")
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """Every file and its text."""
    retired = {OUT / f"{code}.md": f"# {code}: retired\n\n{GENERATED}\n{reason}\n" for code, reason in RETIRED.items()}
    return {OUT / f"{row.id}.md": page(row) for row in CHECKS} | retired | {OUT / "README.md": index()}


def main() -> int:
    wanted = pages()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    left = [path for path in OUT.glob("OSM*.md") if path not in wanted]
    if "--check" in sys.argv[1:]:
        for path in stale + left:
            sys.stdout.write(f"{path.relative_to(ROOT)} is out of date: run make docs\n")
        return 1 if stale or left else 0
    OUT.mkdir(parents=True, exist_ok=True)
    for path in left:
        path.unlink()
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    sys.stdout.write(f"docs/checks: {len(wanted)} pages, {len(stale)} written, {len(left)} removed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
