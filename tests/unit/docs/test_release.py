# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a release is found, each by itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _tool() -> Any:
    spec = importlib.util.spec_from_file_location("release_tool", ROOT / "tests" / "tools" / "release.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


RELEASE = _tool()


def state(**changed: Any) -> Any:
    """A checkout that may be released."""
    good: dict[str, Any] = {
        "version": "1.2.0",
        "dirty": [],
        "branch": "main",
        "tags": ["1.1.0", "1.0.0"],
        "fragments": [],
        "released": ["1.1.0", "1.2.0"],
        "changelog": "Release Notes\n\nv1.2.0\n======\n\nv1.1.0\n======\n",
        "stated": {path: ["1.2.0"] for path, _before in RELEASE.PLACES},
        "added": {"1.0.0": ["a.py"], "1.2.0": ["b.py"]},
    }
    return SimpleNamespace(**{**good, **changed})


def test_what_is_whole_may_be_released() -> None:
    assert list(RELEASE.problems(state())) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"version": "1.2"}, "galaxy.yml: the version is 1.2, expected MAJOR.MINOR.PATCH"),
        ({"dirty": [" M README.md"]}, "changes that are in no commit (README.md; 1 in all)"),
        ({"branch": "work"}, "the branch is work, expected main"),
        ({"tags": ["1.2.0"]}, "v1.2.0 is tagged already"),
        ({"tags": ["1.10.0"]}, "1.2.0 is older than the tag 1.10.0"),
        ({"fragments": ["1-a.yml", "2-b.yml"]}, "fragments are not in the changelog (1-a.yml, 2-b.yml; 2 in all)"),
        ({"released": ["1.1.0"]}, "CHANGELOG.rst has no release 1.2.0"),
        ({"changelog": "v1.1.0\n======\n"}, "CHANGELOG.rst has no release 1.2.0"),
        ({"stated": {"galaxy.yml": ["1.2.0"], "x.yml": ["1.1.0"]}}, "x.yml: says 1.1.0, expected 1.2.0"),
        ({"stated": {"x.yml": []}}, "x.yml: no version where it should stand"),
        ({"added": {"1.10.0": ["a.py"]}}, "version_added 1.10.0 is later than 1.2.0 (a.py)"),
    ],
)
def test_each_problem_is_told_by_itself(changed: dict[str, Any], expected: str) -> None:
    found = list(RELEASE.problems(state(**changed)))
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(("path", "before"), RELEASE.PLACES)
def test_the_version_stands_where_it_is_looked_for(path: str, before: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert RELEASE.versions_in(text, before), path
    changed = RELEASE.with_version(text, before, "9.8.7")
    assert set(RELEASE.versions_in(changed, before)) == {"9.8.7"}
    assert len(changed.splitlines()) == len(text.splitlines())


def test_one_version_everywhere() -> None:
    stated = {found for path, before in RELEASE.PLACES for found in RELEASE.versions_in((ROOT / path).read_text(encoding="utf-8"), before)}
    assert len(stated) == 1


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], []),
        (["tests/unit/test_a.py"], ["tests/unit/test_a.py is in the archive"]),
        (["Makefile", "plugins/modules/a.pyc"], ["Makefile is in the archive", "plugins/modules/a.pyc is in the archive"]),
        (
            ["inventories/minimal/kubeconfig", "roles/a/files/ca.key"],
            ["inventories/minimal/kubeconfig is in the archive", "roles/a/files/ca.key is in the archive"],
        ),
        (["roles/a/tests.yml", "docs/Makefile.md"], []),
    ],
)
def test_what_does_not_belong_in_an_archive(more: list[str], expected: list[str]) -> None:
    assert RELEASE.unwanted([*RELEASE.NEEDED, *more]) == expected


def test_what_is_missing_from_an_archive() -> None:
    assert RELEASE.unwanted(name for name in RELEASE.NEEDED if name != "LICENSE") == ["LICENSE is missing"]


def test_contents_are_counted_by_folder() -> None:
    assert RELEASE.contents(["README.md", "roles/a/b.yml", "roles/c.yml", "plugins/modules/x.py"]) == [
        "     1  .",
        "     1  plugins/modules",
        "     2  roles",
    ]
