# SPDX-License-Identifier: GPL-3.0-or-later
"""The mutation run (tests/tools/mutate.py) knows each pure package, makes the mutants that it should, and accepts none for nothing."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from tools import mutate
from tools.executed import ENOUGH, Executed, functions_of
from tools.mutants import mutants


def test_each_pure_package_is_a_part() -> None:
    packages = {
        path.stem for path in mutate.UTILS.iterdir() if path.name.startswith("_") and path.name not in ("__init__.py", "__pycache__")
    }
    assert {f"_{name}" for name in mutate.PARTS} | set(mutate.NOT_PURE) == packages
    assert not [part.name for part in mutate.PARTS.values() if not all(path.is_file() for path in part.paths)]


def test_each_table_of_acceptances_is_of_a_part_and_gives_reasons() -> None:
    assert {path.stem for path in mutate.ACCEPTED.iterdir()} <= set(mutate.PARTS)
    for part in mutate.PARTS.values():
        assert all(reason.strip() for reason in mutate.accepted(part).values()), part.name


@pytest.mark.parametrize("part", [part for part in mutate.PARTS.values() if part.accepted.exists()], ids=lambda part: part.name)
def test_what_is_accepted_is_still_a_mutant(part: mutate.Part) -> None:
    assert mutate.acceptances_of_nothing(part) == [], (
        "the line has changed: look whether a test notices it now, and move or delete the acceptance"
    )


def test_an_acceptance_that_no_mutant_has_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate, "ACCEPTED", tmp_path)
    (tmp_path / "rollout.txt").write_text('# A table.\nmachine: return "" [return "" -> return 1]  # gone\n', encoding="utf-8")
    assert mutate.acceptances_of_nothing(mutate.PARTS["rollout"]) == ['machine: return "" [return "" -> return 1]']


PROGRAM = '''
LIMIT = 3

class One:
    """A text with == in it."""

    kind: str = "word"

    def larger(self, n: int = 7) -> bool:
        if n > LIMIT and not self.kind:
            raise ValueError("a text")
        return all(x == n for x in range(3) if x)


def none() -> None:
    print("a text for people")
'''


@pytest.mark.parametrize(
    ("after", "function"),
    [
        ("LIMIT = 4", ""),
        ("kind: str = 'wordX'", ""),
        ("n: int=8", ""),
        ("n >= LIMIT", "One.larger"),
        ("n > LIMIT or not self.kind", "One.larger"),
        ("if not self.kind:", "One.larger"),
        ("if n > LIMIT:", "One.larger"),
        ("and +self.kind", "One.larger"),
        ("not (n > LIMIT and (not self.kind))", "One.larger"),
        ("x != n", "One.larger"),
        ("in range(4) if x", "One.larger"),
        ("x == n for x in range(3))", "One.larger"),
        ("return any(", "One.larger"),
        ("return None", "One.larger"),
        ("def none() -> None:\n    pass", "none"),
    ],
)
def test_a_mutant_changes_one_thing_and_says_in_which_function(tmp_path: Path, after: str, function: str) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    assert [one.function for one in mutants(path) if after in one.source()] == [function]


def test_nothing_else_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    found = list(mutants(path))
    assert len(found) == len({one.key for one in found}) == 15
    whole = ast.unparse(ast.parse(PROGRAM))
    assert all(one.source() != whole for one in found)
    assert "".join(one.source() for one in found).count('"""A text with == in it."""') == 15
    assert list(functions_of(path)) == [("One.larger", 9), ("none", 15)]


def test_the_tests_of_a_function_are_those_that_execute_it_and_little_else() -> None:
    found = Executed(
        {
            "wide": frozenset({"_a/one.py:f", "_a/one.py:g", "_b/two.py:h"}),
            "about": frozenset({"_a/one.py:f"}),
            "other": frozenset({"_b/two.py:h"}),
            "long": frozenset({"_a/one.py:f", "_b/two.py:h"}),
        },
        {"wide": 0.5, "about": 2.0, "other": 0.5, "long": ENOUGH},
    )
    assert found.of("_a/one.py", "f") == ["about", "wide"], "the long one would be too much"
    assert found.of("_a/one.py", "g") == ["wide"]
    assert found.of("_b/two.py", "h") == ["other", "wide"]
    assert found.of("_a/one.py", "") == ["about", "wide"], "a change in no function: whoever executes anything of the module"
    assert found.of("_a/table.py", "", ["_b/two.py"]) == ["other", "wide"], "a module of tables: who executes a module that imports it"
    assert found.of("_a/one.py", "nobody") == ["about", "wide"]
    assert found.takes(["wide", "about"]) == 2.5


def test_a_function_gets_its_changed_code_wherever_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    space: dict[str, Any] = {"__name__": "program"}
    exec(compile(PROGRAM, "program", "exec"), space)  # noqa: S102
    held, warm = space["One"]().larger, mutate.Warm({("program", "One.larger"): [space["One"].larger]})
    mutant = next(one for one in mutants(path) if "x != n" in one.source())
    change = warm.change("program", mutant.function, compile(mutant.source(), "program", "exec"))
    assert held(1) is False and change is not None
    change()
    assert held(0) is True and held(1) is False and held(3) is True
    assert warm.change("program", "One.smaller", compile(PROGRAM, "program", "exec")) is None
    assert mutate.Warm({}).change("program", "One.larger", compile(PROGRAM, "program", "exec")) is None
