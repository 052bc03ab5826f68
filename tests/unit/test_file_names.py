# SPDX-License-Identifier: GPL-3.0-or-later
"""Two test files of one name, neither in a package, cannot be collected in one run: each alone is green."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_no_two_files_have_one_module_name() -> None:
    loose = [path for path in TESTS.rglob("test_*.py") if not (path.parent / "__init__.py").exists()]
    twice = [name for name, count in Counter(path.stem for path in loose).items() if count > 1]
    assert loose and not twice
