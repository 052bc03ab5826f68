# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles say what shall be, Python decides: no role or playbook is a program in Jinja. What computes is a filter, whose core has unit tests.

Templates that render YAML may loop."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(path for top in ("roles", "playbooks") for path in (ROOT / top).rglob("*.yml"))
PROGRAM = re.compile(r"\{%-?\s*(set|for|macro|call)\b")


def programs(text: str) -> list[str]:
    """The lines that assign, loop or define."""
    return [line.strip() for line in text.splitlines() if PROGRAM.search(line)]


@pytest.mark.parametrize(("line", "found"), [
    ("{% set _ = rows.append(one) %}", True),
    ("{%- set names = [] -%}", True),
    ("{%- for one in rows -%}", True),
    ("{%for one in rows%}", True),
    ("{% macro name(one) %}", True),
    ("{{ rows | selectattr('forbidden') | list }}", False),
    ("{% if settled %}yes{% endif %}", False),
    ("that: for each set of rows", False),
])  # fmt: skip
def test_what_a_program_is(line: str, found: bool) -> None:
    assert bool(programs(line)) == found


def test_no_program_in_jinja() -> None:
    wrong = {str(path.relative_to(ROOT)): lines for path in FILES if (lines := programs(path.read_text(encoding="utf-8")))}
    assert len(FILES) > 150 and wrong == {}
