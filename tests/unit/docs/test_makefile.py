# SPDX-License-Identifier: GPL-3.0-or-later
"""`make help` is the list of what can be made."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_help_names_every_target_with_a_sentence() -> None:
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    shown = dict(line.split(None, 1) for line in done.stdout.splitlines())
    heads = re.findall(r"^([a-z][a-z-]*(?: [a-z-]+)*):(?!=)", MAKEFILE, re.MULTILINE)
    targets = {name for head in heads for name in head.split()}
    assert {"ready", "demo", "test", "lint", "docs", "build"} <= targets
    assert set(shown) == targets
    assert all(len(text.split()) > 2 for text in shown.values())
