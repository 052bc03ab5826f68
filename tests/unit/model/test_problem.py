# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with an object: merged, in one line, shortened."""

from __future__ import annotations

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Problem, Severity, merged, skip, summary, warning
from ansible_collections.meshops.mesh.plugins.module_utils._text import shortened


@pytest.mark.parametrize(("texts", "most", "joint", "text"), [
    ([], 2, ", ", ""),
    (["a", "b"], 2, ", ", "a, b"),
    (["a", "b", "c"], 2, ", ", "a, b and 1 more"),
    (["a", "b", "c", "d"], 1, "; ", "a; and 3 more"),
    (range(3), 2, ", ", "0, 1 and 1 more"),
])  # fmt: skip
def test_the_first_and_how_many_more(texts: list[str], most: int, joint: str, text: str) -> None:
    assert shortened(texts, most, joint) == text
    assert shortened(iter(texts), most, joint) == text


def test_a_problem_in_a_line() -> None:
    assert str(Problem("Pod a/b", "it is late")) == "Pod a/b: it is late"
    assert str(Problem("Pod a/b", "it is late", "wait")) == "Pod a/b: it is late (wait)"
    many = [Problem(f"Pod a/{number}", "it is late", "wait") for number in range(3)]
    assert summary(many, 2) == "Pod a/0: it is late (wait); Pod a/1: it is late (wait); and 1 more"


def test_the_same_words_about_an_object_are_one_problem() -> None:
    first, again = Problem("Pod a/b", "late", evidence={"at": 1}), Problem("Pod a/b", "late", evidence={"at": 2})
    others = [Problem("Pod a/c", "late"), Problem("Pod a/b", "lost"), Problem("Pod a/b", "late", kind="x"), warning("Pod a/b", "late")]
    assert merged([first, again, *others]) == (first, *others)


def test_a_warning_and_what_cannot_be_answered() -> None:
    assert warning("Pod a/b", "late", "wait") == Problem("Pod a/b", "late", "wait", severity=Severity.WARNING)
    assert (skip("no pods").skipped, skip("no pods").message, Problem("Pod a/b", "late").skipped) == (True, "no pods", False)
    assert Severity.INFO < Severity.WARNING < Severity.ERROR
