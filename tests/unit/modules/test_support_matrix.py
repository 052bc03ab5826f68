# SPDX-License-Identifier: GPL-3.0-or-later
"""What is promised of ansible-core is the same wherever it is said, and what make matrix plays."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


def _matrix() -> Any:
    sys.path.insert(0, str(ROOT / "tests" / "tools"))  # it uses what demo.py knows of the bed
    spec = importlib.util.spec_from_file_location("matrix_tool", ROOT / "tests" / "tools" / "matrix.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


MATRIX = _matrix()
CORES = [version.core for version in MATRIX.VERSIONS]


def test_the_readme_s_table_is_what_is_played() -> None:
    rows = re.findall(r"^\| (2\.\d+) \| ([\d., ]+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [(version.core, ", ".join(sorted(version.pythons))) for version in MATRIX.VERSIONS]


def test_the_readme_names_the_first_and_the_last() -> None:
    assert f"ansible-core {CORES[0]} to {CORES[-1]}" in (ROOT / "README.md").read_text()


def test_the_collection_asks_for_the_oldest() -> None:
    assert yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"] == f">={CORES[0]}.0"


@pytest.mark.parametrize("role", sorted(path.parent.parent.name for path in (ROOT / "roles").glob("*/meta/main.yml")))
def test_each_role_asks_for_the_oldest(role: str) -> None:
    meta = yaml.safe_load((ROOT / "roles" / role / "meta" / "main.yml").read_text())
    assert meta["galaxy_info"]["min_ansible_version"] == CORES[0]


def test_versions_have_no_gap() -> None:
    first, last = (int(core.split(".")[1]) for core in (CORES[0], CORES[-1]))
    assert [f"2.{minor}" for minor in range(first, last + 1)] == CORES


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("", CORES),
        ("newest", CORES[-1:]),
        ("2.16,newest", ["2.16", CORES[-1]]),
        ("2.18", ["2.18"]),
    ],
)
def test_versions_are_chosen_by_name(only: str, expected: list[str]) -> None:
    assert [version.core for version in MATRIX.chosen(only, list(MATRIX.VERSIONS))] == expected


def test_newest_is_the_newest_that_this_machine_runs() -> None:
    assert [version.core for version in MATRIX.chosen("newest", list(MATRIX.VERSIONS[:2]))] == ["2.17"]


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"2\.15 is not one of 2\.16"):
        MATRIX.chosen("2.15", list(MATRIX.VERSIONS))
